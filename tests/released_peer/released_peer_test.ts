/**
 * Upgrade and roll-back: a peer of this version and one of the last release, both ways. The release
 * is a transcript of what it has sent; it is never recorded again, whatever happens to the code.
 */
import { deepEqual, ok } from "node:assert/strict";
import { decodeRequest, decodeResponse } from "../../lib/protocol/wire/control_message.ts";
import { clientAddress } from "../../testing/virtual_network.ts";
import { randomNumbers } from "../../testing/random_numbers.ts";
import { Peer } from "../two_peers/peer.ts";
import { RecordingSuite } from "../two_peers/recording_suite.ts";
import { GRANT, recordTranscript, REFUSAL, REQUEST, type Transcript } from "./transcript.ts";

/** The last release. */
const RELEASE = "0.1.0";
const transcript = JSON.parse(
  await Deno.readTextFile(new URL(`./${RELEASE}.json`, import.meta.url)),
) as Transcript;
const encoder = new TextEncoder();
/**
 * Its client answers the challenges of its own server, one for each path at first; this one has asked
 * with other random numbers, and refuses answers to what it did not ask.
 */
const STRAY_ANSWERS = [["bad message", 2]];

/** Shows a peer of this version what the other end has sent, at the time it came. */
function replay(way: "up" | "down", { arrivals, seed, epochMs, delaysMs }: Transcript) {
  const suite = new RecordingSuite();
  const drops = new Map<string, number>();
  const peer = new Peer({
    ...{ role: way === "up" ? "server" : "client", x1: true, suite, random: randomNumbers(seed) },
    ...{ epochLimits: { packets: 1e9, ms: epochMs }, send: () => {} },
    scheduler: way === "up" ? null : "flow",
  });
  if (way === "down") {
    for (const id of delaysMs.keys()) {
      peer.addPath({ id, name: `link ${id}`, socket: id, peer: null }, 0);
    }
  }
  for (const arrival of arrivals) {
    if (arrival.way !== way) continue;
    const { atMs, path } = arrival;
    for (let now = Math.max(0, peer.nextTimeout); now < atMs; now = peer.nextTimeout + 1) {
      peer.handleTimeout(now);
    }
    const from = way === "up" ? clientAddress(path + 1, 4000 + path) : null;
    const reason = peer.receive(Uint8Array.fromHex(arrival.hex), path, from, atMs);
    if (reason !== null) drops.set(reason, (drops.get(reason) ?? 0) + 1);
  }
  const received = peer.received.map(({ flow, number }) => ({ flow, number }));
  peer.close(arrivals.at(-1)!.atMs);
  return { drops: [...drops], received };
}

const sorted = (packets: readonly { flow: number; number: number }[]) =>
  [...packets].sort((one, other) => one.flow - other.flow || one.number - other.number);

Deno.test(`a server of this version takes all that a client of ${RELEASE} sends`, () => {
  const { drops, received } = replay("up", transcript);
  deepEqual(drops, STRAY_ANSWERS);
  ok(received.length > 100);
  deepEqual(sorted(received), sorted(transcript.toServer));
});

Deno.test(`a client of this version takes all that a server of ${RELEASE} sends`, () => {
  const { drops, received } = replay("down", transcript);
  deepEqual(drops, []);
  ok(received.length > 100);
  deepEqual(sorted(received), sorted(transcript.toClient));
});

Deno.test("a transcript with a byte changed is not taken", () => {
  for (const way of ["up", "down"] as const) {
    const at = transcript.arrivals.findLastIndex((arrival) => arrival.way === way);
    const arrivals = transcript.arrivals.map((arrival, index) => {
      if (index !== at) return arrival;
      const last = arrival.hex.endsWith("0") ? "1" : "0";
      return { ...arrival, hex: arrival.hex.slice(0, -1) + last };
    });
    const expected = [...way === "up" ? STRAY_ANSWERS : [], ["not authentic", 1]];
    deepEqual(replay(way, { ...transcript, arrivals }).drops, expected);
  }
});

Deno.test(`this version sends no kind of record that ${RELEASE} does not know`, () => {
  // What is new is to be agreed on by the features of the control exchange first.
  const kinds = ({ arrivals }: Transcript) => new Set(arrivals.map(({ hex }) => hex.slice(0, 4)));
  const now = kinds(recordTranscript(RELEASE));
  const then = kinds(transcript);
  deepEqual([...now].filter((kind) => !then.has(kind)), []);
});

Deno.test(`the control exchange of ${RELEASE} is understood, and understands this one`, () => {
  deepEqual(decodeRequest(encoder.encode(transcript.request)), REQUEST);
  const grant = decodeResponse(encoder.encode(transcript.grant));
  // Prefixes are not told: the receiver's own, as the release has it.
  deepEqual({ ...grant, prefix4: 24, prefix6: 64 }, GRANT);
  deepEqual(decodeResponse(encoder.encode(transcript.refusal)), REFUSAL);
  // The release passes over fields that it does not know, and wants those it does.
  const today = recordTranscript(RELEASE);
  for (const message of ["request", "grant", "refusal"] as const) {
    const [before, after] = [transcript, today].map((one) => JSON.parse(one[message]));
    for (const [field, value] of Object.entries(before)) deepEqual(after[field], value, field);
  }
});

Deno.test("two ends of this version make a transcript that both of them take", () => {
  const own = recordTranscript(RELEASE);
  deepEqual(replay("up", own).drops, STRAY_ANSWERS);
  deepEqual(replay("down", own).drops, []);
  ok(own.arrivals.length > 200);
});
