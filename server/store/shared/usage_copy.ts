/**
 * What this server knows of the monthly volumes that other servers have counted, on disk: so that
 * quotas hold while the store cannot be reached, also after a start.
 */
import { join } from "node:path";
import * as v from "valibot";
import { messageOf } from "../../../lib/ffi/error_text.ts";
import { isStoredClientName } from "../../../lib/pki/client_name.ts";
import { PkiError } from "../../../lib/pki/pki_error.ts";
import {
  readBounded,
  SECRET_FILE_MODE,
  writeFilesAtomically,
} from "../../../lib/pki/secure_file.ts";
import { Bytes, Month, ServerId } from "./usage_schema.ts";
import type { UsageCopy, UsageRecord } from "./usage_counters.ts";

const FILE_NAME = "client-usage-shared.json";
const FILE_BYTES_MAX = 128 * 1024 * 1024;
const CLIENTS_MAX = 65_536;

const Months = v.record(Month, Bytes);
const FileSchema = v.object({
  version: v.literal(1),
  id: ServerId,
  run: ServerId,
  // Not a record: that would leave out a client called __proto__.
  clients: v.array(v.object({
    name: v.pipe(v.string(), v.check(isStoredClientName)),
    own: v.record(Month, v.object({ contributed: Bytes, foreign: Bytes })),
    others: v.record(ServerId, v.object({ by: ServerId, months: Months })),
  })),
});

/** Null: there is none. @throws {PkiError} "damaged" for one that cannot be used */
export async function readUsageCopy(directory: string): Promise<UsageCopy | null> {
  const path = join(directory, FILE_NAME);
  try {
    const text = await readBounded(path, FILE_BYTES_MAX);
    if (text === null) throw new Error(`it is larger than ${FILE_BYTES_MAX} bytes`);
    const { id, run, clients } = v.parse(FileSchema, JSON.parse(text));
    if (clients.length > CLIENTS_MAX) throw new Error(`it has more than ${CLIENTS_MAX} clients`);
    return { id, run, clients: new Map(clients.map((each) => [each.name, recordOf(each)])) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw new PkiError(
      "damaged",
      path,
      `Cannot tell what clients have carried on other servers: ${path} is damaged or cannot be read ` +
        `(${messageOf(error)}); restore it, or remove it: the store tells it again`,
    );
  }
}

/** One that cannot be used is kept as `.bad`, which `warn` is told. */
export async function openUsageCopy(
  directory: string,
  warn: (line: string) => void,
): Promise<UsageCopy | null> {
  try {
    return await readUsageCopy(directory);
  } catch (error) {
    const path = join(directory, FILE_NAME);
    const kept = await Deno.rename(path, `${path}.bad`)
      .then(() => `it is kept as ${path}.bad`, () => "it is left as it is");
    warn(
      `${
        messageOf(error)
      }; ${kept}, and what this server has counted this month counts twice for ` +
        "quotas: where that matters, raise them until the month is over",
    );
    return null;
  }
}

/** @throws PkiError */
export async function writeUsageCopy(directory: string, copy: UsageCopy): Promise<void> {
  const clients = [...copy.clients].map(([name, { own, others }]) => ({
    name,
    own: Object.fromEntries(
      [...own].map(([month, { contributed, foreign }]) => [month, { contributed, foreign }]),
    ),
    others: Object.fromEntries(
      [...others].map(([id, { by, months }]) => [id, { by, months: Object.fromEntries(months) }]),
    ),
  }));
  const text = JSON.stringify({ version: 1, id: copy.id, run: copy.run, clients }) + "\n";
  const path = join(directory, FILE_NAME);
  await writeFilesAtomically([{ path, text, mode: SECRET_FILE_MODE }]);
}

function recordOf(
  { own, others }: v.InferOutput<typeof FileSchema>["clients"][number],
): UsageRecord {
  return {
    own: new Map(Object.entries(own)),
    others: new Map(
      Object.entries(others).map((
        [id, { by, months }],
      ) => [id, { by, months: new Map(Object.entries(months)) }]),
    ),
  };
}
