/**
 * The data plane inside TLS, as the server has it: connections of the control port that asked for it,
 * with the certificates they were opened with. To the engine each is an address on the loopback
 * interface.
 */
import { messageOf } from "../../lib/ffi/error_text.ts";
import type { DetachedTls } from "../../lib/ffi/libssl/tls_connection.ts";
import type { StreamEnd } from "../../lib/net/relay/message.ts";
import type { Relay } from "../../lib/net/relay/relay.ts";
import { EventLimiter } from "../control/event_limiter.ts";
import type { PeerIdentity } from "../control/peer_certificate.ts";
import { plainAddress, sourceOf } from "../control/source_address.ts";

/** A client says something every 2 s. */
const SILENCE_MS_MAX = 60_000;
/** Each takes three descriptors. */
const STREAMS_MAX = 2048;
/** One for each of 16 links, also while a session is renewed. */
const STREAMS_PER_CLIENT_MAX = 32;
/** Clients behind one NAT share an address. */
const STREAMS_PER_SOURCE_MAX = 512;
const LINES_PER_MINUTE = 5;
const MINUTE_MS = 60_000;

interface DataStreamsParts {
  readonly relay: Pick<Relay, "adopt" | "close" | "dropped">;
  /** The data port of the engine. */
  readonly enginePort: number;
  readonly say: (line: string) => void;
  readonly warn: (line: string) => void;
  readonly nowMs: () => number;
}

interface Stream {
  readonly id: number;
  readonly identity: PeerIdentity;
  /** As in `203.0.113.7:40000`. */
  readonly peer: string;
  readonly source: string;
  /** By which the engine knows it. */
  readonly port: number;
}

/** Where a connection comes from. */
type Remote = Pick<Deno.NetAddr, "hostname" | "port">;

export class DataStreams {
  readonly #parts: DataStreamsParts;
  readonly #streams = new Map<number, Stream>();
  readonly #byPort = new Map<number, Stream>();
  readonly #lines = new EventLimiter(LINES_PER_MINUTE, MINUTE_MS);

  constructor(parts: DataStreamsParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#streams.size;
  }

  /** Takes a connection of a client that has proved who it is; closes it where there is no room. */
  take(detached: DetachedTls, identity: PeerIdentity, remote: Remote): void {
    const { relay, enginePort } = this.#parts;
    const address = plainAddress(remote.hostname);
    const peer = address.includes(":")
      ? `[${address}]:${remote.port}`
      : `${address}:${remote.port}`;
    const source = sourceOf(address);
    const { commonName } = identity;
    try {
      const own = [...this.#streams.values()].filter((one) =>
        one.identity.commonName === commonName
      );
      // The client has lost the oldest, or would not ask for another.
      if (own.length >= STREAMS_PER_CLIENT_MAX) relay.close(own[0]!.id);
      let id = 0;
      const adopted = relay.adopt(detached, enginePort, SILENCE_MS_MAX, {
        ended: (end) => this.#ended(id, end),
      });
      id = adopted.id;
      const stream = { ...adopted, identity, peer, source };
      this.#streams.set(id, stream);
      this.#byPort.set(adopted.port, stream);
      this.#parts.say(`${commonName}: data inside TLS from ${peer}`);
      const refusal = this.#refusal(source);
      if (refusal === null) return;
      relay.close(id);
      this.#warn(refusal, `refused data inside TLS of ${commonName} from ${peer}: ${refusal}`);
    } catch (error) {
      this.#warn("failed", `cannot take data inside TLS of ${commonName}: ${messageOf(error)}`);
    }
  }

  /**
   * Closes those whose certificates `mustEnd` tells of: nothing is taken from them any more, whatever
   * session it is of.
   */
  endWhere(mustEnd: (identity: PeerIdentity) => boolean): void {
    // A client has several of one certificate, and to look it up takes a system call.
    const verdicts = new Map<string, boolean>();
    for (const { id, identity } of this.#streams.values()) {
      const isOver = verdicts.getOrInsertComputed(identity.serialHex, () => mustEnd(identity));
      if (isOver) this.#parts.relay.close(id);
    }
  }

  /** Who is behind an address that the engine knows, as in `127.0.0.1:40000`; null: no stream. */
  peerOf(engineAddress: string): string | null {
    const port = /^(?:\[::ffff:)?127\.0\.0\.1\]?:(\d+)$/.exec(engineAddress)?.[1];
    return port === undefined ? null : this.#byPort.get(Number(port))?.peer ?? null;
  }

  /** Records for clients that waited too long, or had no room, since the start. */
  dropped(): Promise<number> {
    return this.#parts.relay.dropped();
  }

  #refusal(source: string): string | null {
    if (this.#streams.size > STREAMS_MAX) return `there are ${STREAMS_MAX} connections of the kind`;
    const ofSource = this.#streams.values().filter((one) => one.source === source);
    return [...ofSource].length > STREAMS_PER_SOURCE_MAX
      ? `${STREAMS_PER_SOURCE_MAX} come from there`
      : null;
  }

  #ended(id: number, end: StreamEnd): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.#streams.delete(id);
    if (this.#byPort.get(stream.port) === stream) this.#byPort.delete(stream.port);
    const who = `${stream.identity.commonName}: data inside TLS from ${stream.peer} ended`;
    if (end.kind === "broken frame" || end.kind === "slow reader" || end.kind === "fault") {
      this.#warn(end.kind, `${who}: ${describe(end)}`);
    } else this.#parts.say(`${who}: ${describe(end)}`);
  }

  #warn(kind: string, line: string): void {
    const suppressed = this.#lines.admit(kind, this.#parts.nowMs());
    if (suppressed === null) return;
    this.#parts.warn(suppressed === 0 ? line : `${line} (and ${suppressed} more lately)`);
  }
}

function describe(end: StreamEnd): string {
  switch (end.kind) {
    case "closed":
      return "closed here";
    case "silent":
      return `nothing came for ${SILENCE_MS_MAX / 1000} s`;
    case "slow reader":
      return "the client took nothing of what was sent";
    case "broken frame":
      return "the client sent what is no record";
    case "TLS":
      return end.reason === "" ? "the client closed it" : end.reason;
    case "fault":
      return end.message;
    default:
      return end.kind;
  }
}
