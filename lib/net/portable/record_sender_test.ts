/** Records leave in the order they were made in, and what the socket says reaches the session. */
import { deepEqual, equal } from "node:assert/strict";
import { OutgoingRecord } from "../../protocol/crypto/outgoing_record.ts";
import { PeerAddress } from "../../protocol/path/peer_address.ts";
import { SessionPath } from "../../protocol/path/session_path.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { PAYLOAD_OFFSET, RECORD_OVERHEAD } from "../../protocol/wire/header.ts";
import { newMemory } from "../driver/packet_cells.ts";
import type { SessionEntry } from "../driver/sessions.ts";
import type { DatagramSocket } from "./datagram_socket.ts";
import { RecordSender } from "./record_sender.ts";
import { SocketTable } from "./socket_table.ts";
import type { WebOpener, WebSealer } from "./web_crypto.ts";

const SERVER: Deno.NetAddr = { transport: "udp", hostname: "192.0.2.1", port: 8000 };

type Datagram = Parameters<DatagramSocket["send"]>[0];

class FakeSocket {
  readonly isV6 = true;
  isBusy = false;
  hasRoom = true;
  isClosed = false;
  readonly taken: Datagram[] = [];

  send(datagram: Datagram): boolean {
    if (this.hasRoom) this.taken.push(datagram);
    return this.hasRoom;
  }

  whenSent(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.isClosed = true;
  }
}

/** A sender with one path; each record waits to be sealed until its turn in `sealed`. */
function setUp(server: Deno.NetAddr | null = SERVER) {
  const sockets = new SocketTable();
  const socket = new FakeSocket();
  const number = sockets.add(socket as unknown as DatagramSocket, server);
  const path = new SessionPath(0, "fiber", number, 0);
  const drops = new DropCounters();
  const told: string[] = [];
  const tasks: Promise<void>[] = [];
  const sealing: PromiseWithResolvers<boolean>[] = [];
  const entry = {
    session: {
      writeRecord: () => ({
        seal: () => {
          const sealed = Promise.withResolvers<boolean>();
          sealing.push(sealed);
          return sealed.promise;
        },
      }),
    },
  } as unknown as SessionEntry<WebSealer, WebOpener>;
  const sender = new RecordSender(sockets, drops, {
    observer: () => ({
      linkFailed: (_entry, { name }) => void told.push(`${name} failed`),
      linkWorks: (_entry, { name }) => void told.push(`${name} works`),
      packetRefused: (_entry, { name }, bytes) => void told.push(`${name} refused ${bytes}`),
    }),
    start: (task) => void tasks.push(task),
    fail: (error) => void told.push(String(error)),
  });
  const memory = newMemory(100);
  const send = (number: number, length = 10) => {
    memory.bytes[5] = number;
    sender.send(entry, path, memory, 5, length, new OutgoingRecord());
    memory.bytes[5] = 0;
  };
  /** Ends the sealing of the `index`th record. */
  const seal = async (index: number, isSealed = true) => {
    sealing[index]!.resolve(isSealed);
    await new Promise((resolve) => setTimeout(resolve));
  };
  const numbers = () => socket.taken.map(({ datagram }) => datagram[PAYLOAD_OFFSET]);
  return { sender, sockets, socket, number, path, drops, told, tasks, send, seal, numbers };
}

Deno.test("records leave in the order they were made in, whichever is sealed first", async () => {
  const { send, seal, numbers, socket } = setUp();
  for (const number of [1, 2, 3]) send(number);
  await seal(2);
  await seal(1);
  deepEqual(numbers(), []);
  await seal(0);
  deepEqual(numbers(), [1, 2, 3]);
  for (const { datagram, to } of socket.taken) {
    equal(datagram.length, 10 + RECORD_OVERHEAD);
    equal(to, SERVER);
  }
});

Deno.test("a record that cannot be sealed, or has no socket, is counted, and the next one leaves", async () => {
  const { send, seal, numbers, drops, sockets, number } = setUp();
  for (const each of [1, 2, 3]) send(each);
  await seal(0, false);
  await seal(1);
  deepEqual(numbers(), [2]);
  equal(drops.get("send failed"), 1);
  sockets.remove(number);
  await seal(2);
  equal(drops.get("send failed"), 2);
});

Deno.test("a record that the socket has no room for is dropped, and counted", async () => {
  const { send, seal, drops, socket, sender } = setUp();
  socket.hasRoom = false;
  send(1);
  await seal(0);
  equal(drops.get("send buffer full"), 1);
  socket.isBusy = true;
  equal(sender.hasRoom, false);
});

Deno.test("packets are read no more while much is being sealed, but control records have room", async () => {
  const { send, seal, sender } = setUp();
  for (let count = 0; count < 64; count++) send(count);
  deepEqual([sender.hasRoom, sender.hasControlRoom], [false, true]);
  for (let count = 64; count < 256; count++) send(count);
  equal(sender.hasControlRoom, false);
  await Promise.all(Array.from({ length: 256 }, (_, index) => seal(index)));
  deepEqual([sender.hasRoom, sender.hasControlRoom], [true, true]);
});

Deno.test("what the kernel says of a datagram reaches the session", async () => {
  const { send, seal, socket, path, told, drops } = setUp();
  send(1, 40);
  await seal(0);
  const [{ failed, sent }] = socket.taken as [Datagram];
  failed("EMSGSIZE");
  failed("ENOBUFS");
  failed("EPERM");
  failed("ENETDOWN");
  sent();
  path.isLinkGone = true;
  sent();
  deepEqual(told, ["fiber refused 40", "fiber failed", "fiber works"]);
  deepEqual(
    (["too big for path", "send buffer full", "send failed"] as const).map((one) => drops.get(one)),
    [1, 1, 2],
  );
});

Deno.test("a server sends where the path leads at the time, and no link of its own fails", async () => {
  const { send, seal, socket, path, told } = setUp(null);
  const moved = Object.assign(new PeerAddress(), { a2: 0xffff, a3: 0x0a000001, port: 4000 });
  path.peer.copyFrom(moved);
  send(1);
  await seal(0);
  path.peer.port = 5000;
  send(2);
  await seal(1);
  deepEqual(socket.taken.map(({ to }) => to.port), [4000, 5000]);
  socket.taken[0]!.failed("ENETUNREACH");
  deepEqual(told, []);
});

Deno.test("a path's own socket is closed when its last records have left", async () => {
  const { sender, send, seal, numbers, path, socket, sockets, number, tasks } = setUp();
  send(1);
  sender.close(path);
  equal(socket.isClosed, false);
  await seal(0);
  await Promise.all(tasks);
  deepEqual(numbers(), [1]);
  equal(socket.isClosed, true);
  equal(sockets.get(number), undefined);
});

Deno.test("the socket that all sessions share stays open", () => {
  const { sender, path, tasks } = setUp(null);
  sender.close(path);
  equal(tasks.length, 0);
});
