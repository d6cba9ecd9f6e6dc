/** The links of this machine, its routes, and what else may be in the way. */
import { FAMILIES } from "../../lib/host/links/address.ts";
import { type CommandRunner } from "../../lib/host/command/runner.ts";
import { isHidden, type MachineLink } from "../screen/form/machine_link.ts";
import { type Check, checksOf } from "./check.ts";
import { BONDED_LINKS_MIN } from "../config/link_choice.ts";

/** Devices of other tunnels, as their programs call them. */
const OTHER_TUNNEL = /^(tun|tap|wg|ppp|tailscale|zt|nordlynx|proton|mullvad)/;

/** `wanted`: names of the links to be used; empty for all that work. */
export function linkChecks(links: readonly MachineLink[], wanted: readonly string[]): Check[] {
  const { ok, warning, failed } = checksOf("Links");
  const shown = links.filter((link) => wanted.includes(link.name) || !isHidden(link));
  const checks = shown.map((link) => {
    const text = describe(link);
    if (link.problem === null) return ok(link.name, text);
    const advice = adviceFor(link);
    return wanted.includes(link.name)
      ? failed(link.name, `${link.problem}; ${text}`, advice)
      : warning(link.name, `${link.problem}; ${text}`, advice);
  });
  for (const name of wanted.filter((one) => !links.some((link) => link.name === one))) {
    checks.push(failed(name, "is not there", `plug it in, or leave ${name} out of -ifaces`));
  }
  const usable =
    shown.filter(({ problem, name }) =>
      problem === null && (wanted.length === 0 || wanted.includes(name))
    ).length;
  checks.push(
    usable >= BONDED_LINKS_MIN ? ok("links that can be used", String(usable)) : failed(
      "links that can be used",
      `${usable}, and bonding needs ${BONDED_LINKS_MIN}`,
      "give a second interface an address and a default route, with any metric",
    ),
  );
  return checks;
}

function describe(link: MachineLink): string {
  const { kind, addresses, gateways, mtu, speedMbit } = link;
  return [
    kind,
    addresses.join(", ") || "no address",
    gateways.length > 0 ? `gateway ${gateways.join(", ")}` : "no gateway",
    `MTU ${mtu}`,
    ...speedMbit === null ? [] : [`${speedMbit} Mbit/s`],
    ...deviceFacts(link.name),
  ].join(", ");
}

function adviceFor({ name, problem }: MachineLink): string {
  switch (problem) {
    case "is down":
      return `ip link set ${name} up`;
    case "has no carrier":
      return `plug the cable of ${name} in, or join its network`;
    case "has no address":
      return `give ${name} an address: is its DHCP client running?`;
    default:
      return `give ${name} a default route with a metric of its own: ip route add default via GATEWAY dev ${name} metric 200`;
  }
}

/** Driver, and errors where there were some. */
function deviceFacts(name: string): string[] {
  const folder = `/sys/class/net/${name}`;
  const facts: string[] = [];
  try {
    facts.push(`driver ${Deno.readLinkSync(`${folder}/device/driver`).split("/").at(-1)}`);
  } catch {
    // A device of software has none.
  }
  const counter = (of: string) => {
    try {
      return Number(Deno.readTextFileSync(`${folder}/statistics/${of}`));
    } catch {
      return 0;
    }
  };
  const errors = counter("rx_errors") + counter("tx_errors");
  if (errors > 0) facts.push(`${errors} errors`);
  return facts;
}

/** Routes, rules, filters and tunnels of others. */
export async function routingChecks(
  runner: CommandRunner,
  links: readonly MachineLink[],
  readSetting: (path: string) => string | null,
): Promise<Check[]> {
  const { ok, warning } = checksOf("Routing");
  const checks: Check[] = [];
  for (const family of FAMILIES) {
    const routes = await linesOf(runner, ["ip", `-${family}`, "route", "show", "default"]);
    const rules = await linesOf(runner, ["ip", `-${family}`, "rule", "show"]);
    const strange = rules.filter((line) =>
      !/lookup (local|main|default)\s*$/.test(line) && !/proto(col)? 77\b/.test(line)
    );
    const text = `${routes.length} default routes, ${strange.length} rules of others`;
    checks.push(
      routes.length > 0 || family === 6
        ? ok(`IPv${family}`, text)
        : warning(`IPv${family}`, text, "no default route leads to the internet"),
    );
    if (strange.length > 0) {
      checks.push(warning(
        `IPv${family} rules`,
        strange.slice(0, 3).join("; "),
        "rules of other programs may lead packets past the tunnel: 'ip rule' shows them",
      ));
    }
  }
  for (const { name } of links.filter(({ problem }) => problem === null)) {
    const values = ["all", name].map((one) =>
      Number(readSetting(`/proc/sys/net/ipv4/conf/${one}/rp_filter`) ?? 0)
    );
    const text = ["off", "strict", "loose"][Math.max(...values)] ?? "unknown";
    checks.push(
      ok(
        `rp_filter of ${name}`,
        text === "strict" ? "strict; the client loosens it while it runs" : text,
      ),
    );
  }
  const tunnels = links.filter(({ name, isUp }) => isUp && OTHER_TUNNEL.test(name));
  for (const { name } of tunnels) {
    checks.push(warning(
      name,
      "looks like a tunnel of another program",
      `two VPNs fight over the default route: end the one behind ${name}`,
    ));
  }
  const tables = await linesOf(runner, ["nft", "list", "tables"]);
  const drops = await linesOf(runner, ["nft", "list", "chains"]);
  const blocking = drops.filter((line) => /hook output .*policy drop/.test(line)).length;
  checks.push(
    blocking > 0
      ? warning(
        "firewall",
        `${blocking} chains drop what leaves unless it is allowed`,
        "allow TCP to the control port and UDP to the data port of the server",
      )
      : ok("firewall", `${tables.length} tables of nft, none drops what leaves by default`),
  );
  return checks;
}

/** Whether a client runs on this machine: its TUN device is there. */
export function isClientRunning(tun: string): boolean {
  try {
    Deno.lstatSync(`/sys/class/net/${tun}`);
    return true;
  } catch {
    return false;
  }
}

/** Empty where the program is missing or refuses. */
async function linesOf(runner: CommandRunner, argv: readonly string[]): Promise<string[]> {
  const { code, stdout } = await runner.run(argv).catch(() => ({ code: 1, stdout: "" }));
  return code === 0 ? stdout.split("\n").map((line) => line.trim()).filter(Boolean) : [];
}
