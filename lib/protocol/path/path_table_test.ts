import { deepEqual, equal, ok } from "node:assert/strict";
import { PATHS_MAX, PathTable } from "./path_table.ts";
import { PeerAddress } from "./peer_address.ts";

function newPath(id: number, peer: PeerAddress | null = null) {
  return { id, name: `link ${id}`, socket: 10 + id, peer };
}

function peerAt(port: number): PeerAddress {
  const peer = new PeerAddress();
  peer.port = port;
  return peer;
}

Deno.test("paths are found by id, socket and peer, until they are removed", () => {
  const paths = new PathTable(0);
  const address = peerAt(7);
  const path = paths.add(newPath(3, address))!;
  address.port = 8;
  equal(path.peer.port, 7, "the address was copied");
  deepEqual([paths.byId(3), paths.bySocket(13), paths.byPeer(peerAt(7))], [path, path, path]);
  deepEqual([paths.byId(4), paths.bySocket(14), paths.byPeer(address)], [null, null, null]);
  for (const id of [-1, 256, 1.5]) equal(paths.byId(id), null);
  paths.remove(4);
  equal(paths.count, 1);
  paths.remove(3);
  deepEqual([paths.byId(3), paths.count, [...paths]], [null, 0, []]);
});

Deno.test("add() refuses an id that is taken or none, and one path too many", () => {
  const paths = new PathTable(0);
  for (let id = 0; id < PATHS_MAX; id++) ok(paths.add(newPath(id)) !== null);
  equal(paths.add(newPath(100)), null);
  equal(paths.freeId(), PATHS_MAX);
  paths.remove(5);
  equal(paths.freeId(), 5);
  for (const id of [0, 256, -1]) equal(paths.add(newPath(id)), null);
  ok(paths.add(newPath(255)) !== null);
});

Deno.test("lastHeard() and longestSilent() are the two ends", () => {
  const paths = new PathTable(0);
  deepEqual([paths.lastHeard(), paths.longestSilent()], [null, null]);
  for (const [id, heardAt] of [[0, 5], [1, 9], [2, 1]] as const) {
    paths.add(newPath(id))!.lastHeardAt = heardAt;
  }
  deepEqual([paths.lastHeard()!.id, paths.longestSilent()!.id], [1, 2]);
  paths.byId(1)!.isLinkGone = true;
  equal(paths.lastHeard()!.id, 0, "nothing can leave on a link that is gone");
  for (const path of paths) path.isLinkGone = true;
  equal(paths.lastHeard()!.id, 1);
});

Deno.test("usable() has the paths that are up, for both sides, and lead to the peer for certain", () => {
  const paths = new PathTable(0);
  for (let id = 0; id < 5; id++) paths.add(newPath(id))!.liveness.heard(0);
  paths.byId(1)!.isUsableForPeer = false;
  paths.byId(2)!.liveness.linkDown(0);
  paths.byId(4)!.amplificationCredit = 1000;
  deepEqual(paths.usable().map(({ id }) => id), [0, 3]);
});
