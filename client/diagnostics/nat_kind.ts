/** What kind of NAT a link has, in the terms of RFC 4787, from how the server sees one socket of it. */
import { type Check, checksOf } from "./check.ts";
import { hostOf, portOf, SECTION } from "./external_checks.ts";

export interface NatObservation {
  readonly name: string;
  /** UDP, of the link's socket. */
  readonly sourcePort: number;
  /** The address of the server that `seenAs` is of. */
  readonly server: string;
  /** As the data port sees the socket: `203.0.113.7:40000`. */
  readonly seenAs: string;
  /** The second port, and as whom it sees the socket at each address of the server. */
  readonly second: {
    readonly port: number;
    readonly answers: readonly {
      readonly server: string;
      readonly seenAs: string | null | "port taken";
    }[];
  } | null;
}

export function natKindCheck(
  { name, sourcePort, server, seenAs, second }: NatObservation,
): Check {
  const { ok, leftOut } = checksOf(SECTION);
  const what = `NAT of ${name}`;
  if (second === null) {
    return leftOut(what, "kind not known: the server answers on one UDP port only");
  }
  const answers = second.answers.filter(({ seenAs }) => seenAs !== null && seenAs !== "port taken");
  const atSame = answers.find((answer) => answer.server === server);
  if (atSame === undefined) {
    if (second.answers.some(({ seenAs }) => seenAs === "port taken")) {
      return leftOut(what, `kind not known: another program took UDP ${sourcePort} meanwhile`);
    }
    return leftOut(
      what,
      `kind not known: UDP ${second.port} of the server did not answer`,
      `let UDP ${second.port} through to the server to be told the kind of NAT`,
    );
  }
  const words = [
    mappingOf(seenAs, atSame.seenAs!, answers.map((answer) => answer.seenAs!)),
    Number(portOf(seenAs)) === sourcePort ? "port preservation" : "no port preservation",
  ];
  const hosts = new Set([seenAs, ...answers.map((answer) => answer.seenAs!)].map(hostOf));
  if (hosts.size > 1) words.push(`arbitrary pooling of addresses: ${[...hosts].join(", ")}`);
  return ok(what, words.join(", "));
}

function mappingOf(atDataPort: string, atSame: string, all: readonly string[]): string {
  if (portOf(atSame) !== portOf(atDataPort)) {
    return "address and port-dependent mapping (a symmetric NAT)";
  }
  if (all.some((seenAs) => portOf(seenAs) !== portOf(atDataPort))) {
    return "address-dependent mapping (a symmetric NAT)";
  }
  return all.length === 1
    ? "endpoint-independent mapping, as far as one address of the server tells"
    : `endpoint-independent mapping, the same for ${all.length} addresses of the server`;
}
