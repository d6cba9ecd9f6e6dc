/** All checks in their order, and what is written of them. */
import { serversOf } from "../config/server_setting.ts";
import { CONTROL_PORT } from "../../lib/cli/tunnel_options.ts";
import { basename, dirname, resolve } from "node:path";
import { messageOf } from "../../lib/ffi/error_text.ts";
import { escapeControl } from "../../lib/cli/exit.ts";
import { expandHome, type InvokingUser } from "../../lib/cli/user_home.ts";
import { VERSION } from "../../lib/cli/version.ts";
import { type CommandRunner, SystemRunner } from "../../lib/host/command/runner.ts";
import { formatDate } from "../../lib/pki/certificate.ts";
import { parseProxySource } from "../config/transport_options.ts";
import { UserFolder } from "../config/user_folder.ts";
import { findProxy, type ProxySetting } from "../transport/proxy_setting.ts";
import { TUN_NAME } from "../config/bond_options.ts";
import { MODE_KEY, type Settings } from "../config/settings.ts";
import { readMachineLinks } from "../screen/form/machine_link.ts";
import {
  type Check,
  checkLines,
  checksOf,
  failedBy,
  recommendations,
  summaryLines,
} from "./check.ts";
import { earlierRunChecks } from "./earlier_runs.ts";
import { withLoadLeftOut } from "./load_checks.ts";
import { isClientRunning, linkChecks, routingChecks } from "./network_checks.ts";
import { readRouting, routingLines } from "./routing_dump.ts";
import { serverChecks, type ServerTarget } from "./server_checks.ts";
import { systemChecks } from "./system_checks.ts";

/** Every check as it is done. What they are about is what the client would be started with. */
export async function* diagnose(
  user: InvokingUser,
  settings: Settings,
  load: "fills each link" | "none" = "none",
): AsyncGenerator<Check> {
  const runner = new SystemRunner();
  yield* systemChecks();
  yield* await earlierRunChecks(Deno.uid() === 0);
  const tun = textOf(settings, "tun") ?? TUN_NAME;
  const wanted = textOf(settings, "ifaces")?.split(",").filter(Boolean) ?? [];
  let links: Awaited<ReturnType<typeof readMachineLinks>> = [];
  try {
    links = await readMachineLinks(runner, tun);
    yield* linkChecks(links, wanted);
    yield* await routingChecks(runner, links, readSetting);
  } catch (error) {
    const message = messageOf(error);
    yield checksOf("Links").failed("ip", message, "install iproute2");
  }
  const running = isClientRunning(tun);
  const usable = links.filter(({ problem, name }) =>
    problem === null && (wanted.length === 0 || wanted.includes(name))
  );
  const measuresLoad = load !== "none";
  const checks = wayToServer(user, settings, {
    links: usable,
    isClientRunning: running,
    measuresLoad,
  });
  yield* measuresLoad ? withLoadLeftOut(checks, running) : checks;
}

async function* wayToServer(
  user: InvokingUser,
  settings: Settings,
  what: Pick<ServerTarget, "links" | "isClientRunning" | "measuresLoad">,
): AsyncGenerator<Check> {
  const servers = serversOf(settings);
  if (servers.length === 0) {
    yield noServer(settings);
    return;
  }
  let proxy: ProxySetting | null;
  try {
    proxy = await proxyOf(user, settings);
  } catch (error) {
    yield failedBy("Proxy", "-proxy", error);
    return;
  }
  yield* serverChecks({ servers, proxy, ...serverOf(user, settings), ...what });
}

/** @throws UsageError, ProxyError */
async function proxyOf(user: InvokingUser, settings: Settings): Promise<ProxySetting | null> {
  const text = textOf(settings, "proxy");
  if (text === undefined) return null;
  const { proxy } = await findProxy(parseProxySource(text), {
    environment: (name) => Deno.env.get(name),
    home: (path) => expandHome(path, user.home),
  });
  return proxy;
}

/** How the server is reached, and who asks. */
export function serverOf(
  user: InvokingUser,
  settings: Settings,
): Pick<ServerTarget, "controlPort" | "pkiFolder" | "certFile"> {
  const cert = textOf(settings, "cert");
  return {
    controlPort: Number(settings.get("ctrl") ?? CONTROL_PORT),
    pkiFolder: expandHome(textOf(settings, "pki") ?? "~/.fluxify", user.home),
    certFile: cert === undefined ? undefined : expandHome(cert, user.home),
  };
}

/** Load balance needs none; bonding cannot do without. */
function noServer(settings: Settings): Check {
  const { failed, leftOut } = checksOf("Server");
  if (settings.get(MODE_KEY) === "load-balance") {
    return leftOut("server", "load balance needs none: the settings choose that mode");
  }
  return failed(
    "server",
    "none is configured, so that the way to it was not tried",
    "name the server with -server HOST or -servers LIST, or let 'sudo fluxify-client setup' ask for server, " +
      "certificate and links",
  );
}

/** As lines, the checks as they come, each section under its heading; routes where one failed. */
export async function* diagnosisLines(
  checks: AsyncIterable<Check>,
  runner: CommandRunner = new SystemRunner(),
): AsyncGenerator<string> {
  const all: Check[] = [];
  yield `Fluxify ${VERSION}, ${formatDate(new Date())}`;
  for await (const check of checks) {
    if (check.section !== all.at(-1)?.section) yield* ["", check.section];
    all.push(check);
    for (const line of checkLines(check)) yield escapeControl(line);
  }
  if (all.some(hasFailed)) yield* routingLines(await readRouting(runner)).map(escapeControl);
  yield* summaryLines(all);
}

/** For programs. */
export async function diagnosisJson(
  checks: AsyncIterable<Check>,
  runner: CommandRunner = new SystemRunner(),
): Promise<string> {
  const all: Check[] = [];
  for await (const check of checks) all.push(check);
  return JSON.stringify({
    contents: REPORT_CONTENTS.join(" "),
    version: VERSION,
    time: new Date().toISOString(),
    checks: all,
    recommendations: recommendations(all),
    routing: all.some(hasFailed) ? await readRouting(runner) : null,
  });
}

/** Then the routes are shown, too. */
function hasFailed({ state }: Check): boolean {
  return state === "failed";
}

/** What stands on top of a report in a file. */
const REPORT_CONTENTS = [
  "What is in this file: the operating system, the processor, names, addresses and gateways of the",
  "interfaces, the addresses they are seen at, the name and addresses of the server, the name in the",
  "client's certificate, its authority and the path of its file, and how each check went; where one",
  "failed, the machine's routes and policy rules. No keys, no passwords, nothing of the traffic.",
];

export function withContents(lines: readonly string[]): string[] {
  return [...REPORT_CONTENTS.map((line) => `# ${line}`), "", ...lines];
}

/**
 * Writes a report for its user alone; in a folder of root's it is root's.
 * @throws PkiError or Error that says what could not be written
 */
export async function saveReport(
  path: string,
  user: InvokingUser,
  lines: readonly string[],
): Promise<void> {
  using folder = UserFolder.open(dirname(resolve(path)), user);
  await folder.write(basename(path), reportText(lines));
}

export function reportText(lines: readonly string[]): string {
  return lines.join("\n") + "\n";
}

export function textOf(settings: Settings, key: string): string | undefined {
  const value = settings.get(key);
  return typeof value === "string" && value !== "" ? value : undefined;
}

function readSetting(path: string): string | null {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch {
    return null;
  }
}
