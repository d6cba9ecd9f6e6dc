/** `HOST:PORT` of the server, as earlier programs took it: the port is that of the control plane. */
import { LIST_ITEMS_MAX } from "../../lib/cli/list.ts";

const SERVER_FLAG = /^--?server(?:=(.*))?$/s;
const CONTROL_FLAG = /^--?ctrl(?:=(.*))?$/s;
/** An IPv6 address has a port only behind brackets. */
const WITH_PORT = /^(\[[^\]]+\]|[^:\[\]]+):([1-9]\d{0,4})$/;

/** Splits `host:port`, `[v6]:port`; null where there is no port. */
export function splitPort(item: string): { host: string; port: string } | null {
  const [, host, port] = WITH_PORT.exec(item.trim()) ?? [];
  return host === undefined || port === undefined ? null : { host, port };
}

/**
 * Rewrites `-server HOST:PORT` to `-server HOST -ctrl PORT`. What names two ports stays as it is,
 * and is refused when it is parsed.
 */
export function rewriteServerPort(argv: readonly string[]): string[] {
  const rewritten: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index]!;
    if (argument === "--") return [...rewritten, ...argv.slice(index)];
    const match = SERVER_FLAG.exec(argument);
    const value = match?.[1] ?? (match ? argv[index + 1] : undefined);
    if (match === null || value === undefined) {
      rewritten.push(argument);
      continue;
    }
    if (match[1] === undefined) index++;
    const { hosts, port } = hostsAndPort(value, portGiven(argv));
    rewritten.push("--server", hosts);
    if (port !== null) rewritten.push("--ctrl", port);
  }
  return rewritten;
}

/** Takes the port off `text`, where no other is `given`. `port` null: none is named, or not one alone. */
export function hostsAndPort(
  text: string,
  given: string | null = null,
): { hosts: string; port: string | null } {
  const items = text.split(",", LIST_ITEMS_MAX + 1);
  const split = items.map(splitPort);
  const ports = new Set(split.flatMap((each) => each?.port ?? []));
  if (given !== null) ports.add(given);
  const [port] = ports;
  if (ports.size !== 1 || split.every((each) => each === null)) return { hosts: text, port: null };
  const hosts = items.map((item, index) => split[index]?.host ?? item).join(",");
  return { hosts, port: given === null ? port! : null };
}

function portGiven(argv: readonly string[]): string | null {
  const index = argv.findLastIndex((argument) => CONTROL_FLAG.test(argument));
  if (index === -1) return null;
  return CONTROL_FLAG.exec(argv[index]!)?.[1] ?? argv[index + 1] ?? null;
}
