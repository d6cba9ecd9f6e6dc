/** Which path a record belongs to on the server, and when a path follows its client elsewhere. */
import { deepEqual, equal, notEqual } from "node:assert/strict";
import { AddressChallenges } from "../path/address_challenges.ts";
import { Outbox } from "../path/outbox.ts";
import { PeerAddress } from "../path/peer_address.ts";
import { PathOpening } from "../path/path_opening.ts";
import { PATHS_MAX, PathTable } from "../path/path_table.ts";
import { RecordHeader } from "../wire/header.ts";
import { decodeTunnelMessage } from "../wire/tunnel_message.ts";
import { PeerPaths } from "./peer_paths.ts";

const SOCKET = 0;

function setUp() {
  const paths = new PathTable(400);
  const outbox = new Outbox();
  let tokens = 0;
  const challenges = new AddressChallenges(outbox, (into) => into.fill(++tokens));
  const opening = new PathOpening(paths, (id) => paths.remove(id));
  const peerPaths = new PeerPaths(paths, opening, challenges);
  const header = new RecordHeader();
  const record = (id: number, from: PeerAddress, age: "newest" | "older" = "newest", now = 0) => {
    Object.assign(header, { pathId: id, payloadLength: 100 });
    return peerPaths.of(header, SOCKET, from, age, now);
  };
  /** The token that was asked for last, where it was asked. */
  const asked = () => {
    const next = outbox.nextTransmit();
    if (next === null) return null;
    const message = decodeTunnelMessage(next.payload);
    return { token: (message as { token: string }).token, at: next.path.peer.toString() };
  };
  return { paths, peerPaths, record, asked };
}

function address(host: number, port = 4000): PeerAddress {
  return Object.assign(new PeerAddress(), { a2: 0xffff, a3: host, port });
}

Deno.test("an authentic record opens its path, which proves its address before it gets more", () => {
  const { peerPaths, record, asked } = setUp();
  const path = record(3, address(1))!;
  equal(path.id, 3);
  equal(path.isUsable, false);
  equal(record(3, address(1)), path);
  const { token } = asked()!;
  equal(peerPaths.takeResponse(path, address(2), token), false, "from somewhere else");
  equal(peerPaths.takeResponse(path, address(1), "0".repeat(32)), false, "another token");
  equal(path.amplificationCredit < Infinity, true);
  equal(peerPaths.takeResponse(path, address(1), token), true);
  equal(path.amplificationCredit, Infinity);
});

Deno.test("a proven path keeps its address until the new one has answered, too", () => {
  const { peerPaths, record, asked } = setUp();
  const path = record(3, address(1))!;
  peerPaths.takeResponse(path, address(1), asked()!.token);
  path.quality.rttMeasured(20, 0);
  equal(record(3, address(2)), path);
  equal(path.peer.equals(address(1)), true);
  const { token, at } = asked()!;
  equal(at, address(2).toString(), "it is asked there");
  equal(peerPaths.takeResponse(path, address(1), token), false);
  equal(peerPaths.takeResponse(path, address(2), token), true);
  equal(path.peer.equals(address(2)), true);
  equal(path.quality.rtt.smoothedMs, null, "another host is another way");
});

Deno.test("another port of the same host is the same way", () => {
  const { peerPaths, record, asked } = setUp();
  const path = record(3, address(1))!;
  peerPaths.takeResponse(path, address(1), asked()!.token);
  path.quality.rttMeasured(20, 0);
  record(3, address(1, 5000));
  equal(peerPaths.takeResponse(path, address(1, 5000), asked()!.token), true);
  equal(path.peer.port, 5000);
  equal(path.quality.rtt.smoothedMs, 20);
});

Deno.test("a path follows the newest record only", () => {
  const { record, asked } = setUp();
  const path = record(3, address(1))!;
  asked();
  equal(record(3, address(2), "older"), path, "it is taken all the same");
  deepEqual([path.peer.equals(address(1)), asked()], [true, null]);
  record(3, address(2));
  equal(path.peer.equals(address(2)), true, "it had not proved the old one");
});

Deno.test("an address that does not answer within 3 s is asked no more", () => {
  const { peerPaths, record, asked } = setUp();
  const path = record(3, address(1))!;
  peerPaths.takeResponse(path, address(1), asked()!.token);
  record(3, address(2), "newest", 1000);
  const { token } = asked()!;
  record(3, address(2), "older", 4001);
  equal(asked(), null);
  peerPaths.takeResponse(path, address(2), token);
  equal(path.peer.equals(address(1)), true);
});

Deno.test("there is no room for more paths than a client may have while all are heard", () => {
  const { paths, record } = setUp();
  for (let id = 0; id < PATHS_MAX; id++) {
    notEqual(record(id, address(id)), null);
    paths.byId(id)!.lastHeardAt = 0;
  }
  equal(record(PATHS_MAX, address(99)), null);
  equal(record(PATHS_MAX, address(99), "newest", 31_000)?.id, PATHS_MAX);
  equal(paths.count, PATHS_MAX);
});
