import { equal, ok } from "node:assert/strict";
import { RECORD_OVERHEAD, TYPE_CONTROL } from "../wire/header.ts";
import { decodeTunnelMessage } from "../wire/tunnel_message.ts";
import { AddressChallenges } from "./address_challenges.ts";
import { Outbox } from "./outbox.ts";
import { SessionPath } from "./session_path.ts";

/** Challenges whose first token is all "01", the second all "02", and so on. */
function setUp() {
  const outbox = new Outbox();
  let tokens = 0;
  const challenges = new AddressChallenges(outbox, (into) => into.fill(++tokens));
  const path = new SessionPath(3, "link", 0, 0);
  /** The token that the next record asks for, or null when nothing is sent. */
  const asked = () => {
    const next = outbox.nextTransmit();
    if (next === null) return null;
    equal(next.type, TYPE_CONTROL);
    const message = decodeTunnelMessage(next.payload);
    ok(message?.type === "challenge");
    return message.token;
  };
  return { challenges, outbox, path, asked };
}

const FIRST = "01".repeat(16);
const SECOND = "02".repeat(16);

Deno.test("a path is held to three bytes for each received until it has answered", () => {
  const { challenges, path, asked } = setUp();
  equal(path.amplificationCredit, Infinity);
  challenges.begin(path, 0);
  equal(path.amplificationCredit, 0);
  challenges.noteReceived(path, 100, 0);
  equal(path.amplificationCredit, 3 * (100 + RECORD_OVERHEAD));
  equal(asked(), FIRST);
  equal(challenges.answer(path, FIRST), true);
  equal(path.amplificationCredit, Infinity);
  equal(challenges.nextDeadline(), Infinity);
});

Deno.test("a challenge waits until there is room for it", () => {
  const { challenges, path, asked } = setUp();
  challenges.begin(path, 0);
  challenges.handleTimeout(0);
  equal(asked(), null, "nothing has come");
  path.amplificationCredit = 100;
  challenges.handleTimeout(1000);
  equal(asked(), null);
  challenges.noteReceived(path, 0, 2000);
  equal(asked(), FIRST);
});

Deno.test("it is repeated every 200 ms, the same token, until it is answered", () => {
  const { challenges, path, asked } = setUp();
  challenges.begin(path, 1000);
  equal(challenges.nextDeadline(), 1000);
  challenges.noteReceived(path, 500, 1000);
  equal(asked(), FIRST);
  equal(challenges.nextDeadline(), 1200);
  challenges.handleTimeout(1199);
  equal(asked(), null);
  challenges.handleTimeout(1200);
  equal(asked(), FIRST);
  challenges.answer(path, FIRST);
  challenges.handleTimeout(9000);
  equal(asked(), null);
});

Deno.test("a wrong token proves nothing", () => {
  const { challenges, path } = setUp();
  challenges.begin(path, 0);
  equal(challenges.answer(path, SECOND), false);
  equal(path.amplificationCredit, 0);
  ok(challenges.nextDeadline() < Infinity);
});

Deno.test("the token of an address that was left proves nothing for the next", () => {
  const { challenges, path, asked } = setUp();
  challenges.begin(path, 0);
  challenges.begin(path, 100);
  equal(challenges.answer(path, FIRST), false);
  challenges.noteReceived(path, 500, 100);
  equal(asked(), SECOND);
  equal(asked(), null, "the first is not asked for any more");
  equal(challenges.answer(path, SECOND), true);
});

Deno.test("the token of one path proves nothing for another", () => {
  const { challenges, path } = setUp();
  const other = new SessionPath(4, "other", 1, 0);
  challenges.begin(path, 0);
  challenges.begin(other, 0);
  equal(challenges.answer(other, FIRST), false);
  equal(challenges.answer(path, FIRST), true);
  equal(other.amplificationCredit, 0);
});

Deno.test("an answer more than asked for is taken, and changes nothing", () => {
  const { challenges, path } = setUp();
  challenges.begin(path, 0);
  equal(challenges.answer(path, FIRST), true);
  equal(challenges.answer(path, FIRST), true);
  equal(path.amplificationCredit, Infinity);
});

Deno.test("a path that is gone is not asked", () => {
  const { challenges, path, asked } = setUp();
  challenges.begin(path, 0);
  path.amplificationCredit = 1000;
  challenges.forget(path);
  challenges.handleTimeout(1000);
  equal(asked(), null);
  equal(challenges.nextDeadline(), Infinity);
});
