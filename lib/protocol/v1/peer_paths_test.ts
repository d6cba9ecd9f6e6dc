/** Which path a record of a v1 client belongs to, and what opens one. */
import { deepEqual, equal, notEqual } from "node:assert/strict";
import { AddressChallenges } from "../path/address_challenges.ts";
import { Outbox } from "../path/outbox.ts";
import { PeerAddress } from "../path/peer_address.ts";
import { PathOpening } from "../path/path_opening.ts";
import { PathTable } from "../path/path_table.ts";
import { SessionPath } from "../path/session_path.ts";
import {
  HEADER_LENGTH,
  PAYLOAD_OFFSET,
  RECORD_OVERHEAD,
  RecordHeader,
  TYPE_CONTROL,
  TYPE_HANDSHAKE,
  TYPE_HEARTBEAT,
  TYPE_PACKET,
} from "../wire/header.ts";
import { encodeHeartbeat, HEARTBEAT_LENGTH } from "../wire/heartbeat.ts";
import { V1PeerPaths } from "./peer_paths.ts";

function setUp(controlHost: PeerAddress | null = null) {
  const paths = new PathTable(4000);
  const challenges = new AddressChallenges(new Outbox(), (into) => into.fill(1));
  const opening = new PathOpening(paths, (id) => paths.remove(id));
  const peerPaths = new V1PeerPaths(paths, opening, challenges, controlHost);
  const view = new DataView(new ArrayBuffer(RECORD_OVERHEAD + HEARTBEAT_LENGTH));
  const header = new RecordHeader();
  /** @param nonce the first byte of it. */
  const record = (type: number, from: PeerAddress, nonce: number, clock = 1000) => {
    const payloadLength = type === TYPE_HEARTBEAT ? HEARTBEAT_LENGTH : 0;
    Object.assign(header, { type, payloadLength });
    view.setUint8(HEADER_LENGTH, nonce);
    new Uint8Array(view.buffer).set(encodeHeartbeat(clock), PAYLOAD_OFFSET);
    return peerPaths.of(header, view, 0, 0, from, 0);
  };
  return { paths, peerPaths, record };
}

function address(host: number, port = 4000): PeerAddress {
  return Object.assign(new PeerAddress(), { a2: 0xffff, a3: host, port });
}

Deno.test("v1: a handshake or heartbeat opens a path for its address and port, once", () => {
  const { paths, record } = setUp();
  const first = record(TYPE_HANDSHAKE, address(1), 1);
  equal(record(TYPE_HEARTBEAT, address(1), 2), first);
  notEqual(record(TYPE_HEARTBEAT, address(1, 5000), 3), first);
  equal(paths.count, 2);
});

Deno.test("v1: what has come before opens nothing from elsewhere, and is taken where it belongs", () => {
  const { paths, record } = setUp();
  const path = record(TYPE_HANDSHAKE, address(1), 1);
  record(TYPE_HEARTBEAT, address(1), 2, 10_000);
  equal(record(TYPE_HANDSHAKE, address(2), 1), "replayed");
  equal(record(TYPE_HEARTBEAT, address(2), 2, 10_000), "replayed");
  equal(record(TYPE_HEARTBEAT, address(2), 3, 7_000), "replayed", "it is old, whatever its nonce");
  equal(record(TYPE_HANDSHAKE, address(1), 1), path);
  equal(paths.count, 1);
});

Deno.test("v1: packets and unknown types open no path", () => {
  const { paths, peerPaths, record } = setUp();
  equal(record(TYPE_PACKET, address(1), 1), peerPaths.stray);
  equal(record(TYPE_CONTROL, address(1), 2), null);
  equal(paths.count, 0);
  const path = record(TYPE_HANDSHAKE, address(1), 3);
  equal(record(TYPE_PACKET, address(1), 4), path);
});

Deno.test("v1: an address proves itself unless its host has answered before", () => {
  const isProven = (path: SessionPath | string | null) =>
    path instanceof SessionPath && path.amplificationCredit === Infinity;
  const { record } = setUp(address(1, 60_000));
  deepEqual(
    [record(TYPE_HANDSHAKE, address(1), 1), record(TYPE_HANDSHAKE, address(2), 2)].map(isProven),
    [true, false],
    "the control connection came from the first",
  );
  equal(isProven(record(TYPE_HANDSHAKE, address(1, 5000), 3)), true, "another port of it");
  equal(isProven(record(TYPE_HANDSHAKE, address(2, 5000), 4)), false);
});
