/** Records of x1 between two sides that share a key: which are opened, and which count as new. */
import { deepEqual, equal } from "node:assert/strict";
import {
  decodeHeader,
  DIRECTION_CLIENT_TO_SERVER,
  encodeNonce,
  HEADER_LENGTH,
  NONCE_LENGTH,
  RECORD_OVERHEAD,
  RecordHeader,
} from "../wire/header.ts";
import type { Cipher, CipherSuite, EpochLimits } from "./key_epochs.ts";
import { OutgoingRecord } from "./outgoing_record.ts";
import { counterProtection } from "./packet_protection.ts";

const SESSION = 0x89abcdef;
const PATH = 3;
/** The upper half of the nonce's counter. */
const COUNTER_HIGH = HEADER_LENGTH + 4;

/** A cipher that shows its key. */
interface Key extends Cipher {
  readonly key: string;
}

const SUITE: CipherSuite<Key, Key> = {
  sealer: (key) => ({ key: key.toHex(), free() {} }),
  opener: (key) => ({ key: key.toHex(), free() {} }),
};

function side(role: "client" | "server", epochLimits?: EpochLimits) {
  const { writer, verifier } = counterProtection({
    ...{ role, id: SESSION, key: new Uint8Array(32).fill(5), suite: SUITE, now: 0 },
    random: () => {},
    ...(epochLimits === undefined ? {} : { epochLimits }),
  });
  const write = (pathId = PATH) => {
    const view = new DataView(new ArrayBuffer(RECORD_OVERHEAD));
    const { key } = writer.write(view, 0, pathId, 0, new OutgoingRecord());
    return { view, key };
  };
  /** What would open a record. */
  const ask = (view: DataView, now = 0) => {
    const header = new RecordHeader();
    equal(decodeHeader(view, 0, view.byteLength, header), null);
    return verifier.openerFor(view, 0, header, now)?.key ?? verifier.refusal;
  };
  const take = (view: DataView, now = 0) => {
    ask(view, now);
    return verifier.accept(now) ?? verifier.refusal;
  };
  return { writer, verifier, write, ask, take };
}

Deno.test("each direction has a key of its own, and both sides agree on it", () => {
  const [client, server] = [side("client"), side("server")];
  const up = client.write();
  const down = server.write();
  equal(server.ask(up.view), up.key);
  equal(client.ask(down.view), down.key);
  equal(up.key === down.key, false);
  equal(client.ask(up.view), "wrong direction");
  equal(server.ask(down.view), "wrong direction");
});

Deno.test("no nonce comes twice, on whichever path", () => {
  const { write } = side("client");
  const nonces = new Set<string>();
  for (let count = 0; count < 100; count++) {
    const { view } = write(count % 3);
    nonces.add(new Uint8Array(view.buffer, HEADER_LENGTH, NONCE_LENGTH).toHex());
  }
  equal(nonces.size, 100);
});

Deno.test("a record counts once, and asking for its key changes nothing", () => {
  const [client, server] = [side("client"), side("server")];
  const [first, second, third] = [client.write(), client.write(), client.write()];
  for (let times = 0; times < 3; times++) equal(server.ask(first.view), first.key);
  equal(server.take(second.view), "newest");
  equal(server.take(first.view), "older");
  equal(server.ask(first.view), "replayed");
  equal(server.take(third.view), "newest");
  equal(server.ask(third.view), "replayed");
});

Deno.test("a record that was opened twice at a time counts once", () => {
  const [client, server] = [side("client"), side("server")];
  const { view, key } = client.write();
  equal(server.ask(view), key);
  equal(server.verifier.accept(0), "newest");
  equal(server.verifier.accept(0), null);
  equal(server.verifier.refusal, "replayed");
});

Deno.test("a nonce of another path, with a high counter or counter 0 is refused unopened", () => {
  const [client, server] = [side("client"), side("server")];
  const answer = (pathId: number, counter: number, counterHigh = 0) => {
    const { view } = client.write();
    encodeNonce(view, 0, DIRECTION_CLIENT_TO_SERVER, pathId, counter);
    view.setUint32(COUNTER_HIGH, counterHigh);
    return server.ask(view);
  };
  equal(answer(PATH + 1, 1), "unknown sender");
  equal(answer(PATH, 1, 1), "unknown sender");
  equal(answer(PATH, 0), "replayed");
  equal(answer(PATH, 1), client.write().key, "as it should be");
});

Deno.test("keys change with the epoch, and the receiver follows", () => {
  const [client, server] = [side("client", { packets: 2, ms: 1e9 }), side("server")];
  const old = client.write();
  const late = client.write();
  client.writer.advanceIfDue(0);
  const next = client.write();
  equal(next.key === old.key, false);
  equal(server.take(old.view), "newest");
  equal(server.take(next.view), "newest");
  equal(server.ask(late.view), late.key, "what was on its way is taken");
  equal(server.take(late.view), "older");
});

Deno.test("what is held back until its key is gone is of an unknown epoch", () => {
  const [client, server] = [side("client", { packets: 2, ms: 1e9 }), side("server")];
  const [old, held] = [client.write(), client.write()];
  client.writer.advanceIfDue(0);
  server.take(old.view);
  server.take(client.write().view);
  server.verifier.handleTimeout(10_001);
  equal(server.ask(held.view, 10_001), "unknown epoch");
});

Deno.test("each stream has a sequence of its own, which passes 0 over", () => {
  const { writer } = side("client");
  deepEqual([1, 1, 2, 1].map((stream) => writer.nextSequence(stream)), [1, 2, 1, 3]);
  const { writer: wrapping } = counterProtection({
    ...{ role: "client", id: SESSION, key: new Uint8Array(32), suite: SUITE, now: 0 },
    ...{ random: () => {}, firstSequence: 0xffff_ffff },
  });
  deepEqual([1, 1].map((stream) => wrapping.nextSequence(stream)), [0xffff_ffff, 1]);
});
