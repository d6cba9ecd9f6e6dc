/** The service of the package: `setup` offers it where systemd has the unit. */
import confirm from "@inquirer/confirm";
import { SystemRunner } from "../../lib/host/command/runner.ts";
import {
  enableUnit,
  hasUnit,
  lastWords,
  startUnit,
  unitName,
} from "../../lib/host/service/systemd_unit.ts";
import { PKI_FOLDERS } from "../../lib/pki/pki_folder.ts";
import { PUBLIC_FILE_MODE, writeFilesAtomically } from "../../lib/pki/secure_file.ts";
import { SERVER_PROGRAM } from "../options.ts";

/** The unit reads its flags there. */
const FLAGS_FILE = "/etc/fluxify/server.env";
const UNIT = unitName(SERVER_PROGRAM, null);

/**
 * Asks, and starts the service with `flags`, now and with the machine; false where it is not wanted or
 * not possible. @throws Error that says why it did not start.
 */
export async function startsAsService(
  directory: string,
  flags: string,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<boolean> {
  const runner = new SystemRunner();
  const isPossible = directory === PKI_FOLDERS[1] && Deno.uid() === 0;
  if (!isPossible || !await hasUnit(runner, UNIT)) return false;
  const message = "Start now and with the machine, as a service?";
  if (!await confirm({ message }, { signal })) return false;
  const text = `# Written by 'fluxify-server setup'; fluxify-server(1) has all flags.\n` +
    `FLUXIFY_SERVER_FLAGS=${flags}\n`;
  await writeFilesAtomically([{ path: FLAGS_FILE, text, mode: PUBLIC_FILE_MODE }]);
  const enabling = await enableUnit(runner, UNIT);
  if (enabling !== null) throw new Error(`Cannot enable ${UNIT}: ${enabling}`);
  if (await startUnit(runner, UNIT, "and wait") !== null) {
    throw new Error(`${UNIT} did not start: ${await lastWords(runner, UNIT)}`);
  }
  print(`${UNIT} runs, now and with the machine; its flags are in ${FLAGS_FILE}`);
  return true;
}
