import { deepEqual, equal } from "node:assert/strict";
import { TransportChoice } from "./transport_choice.ts";

/**
 * What a link uses, second by second, while UDP is answered where the text has a dot. TLS is answered as
 * soon as it is there, unless told.
 */
function follow(choice: TransportChoice, answers: string, isTlsUp = true): string {
  let uses = "";
  for (const [second, sign] of [...answers].entries()) {
    choice.look("wan", sign === ".", second * 1000, isTlsUp && choice.wantsTls("wan"));
    uses += choice.wantsTls("wan") ? "T" : "U";
  }
  return uses;
}

Deno.test("auto takes TLS when UDP is silent for 3 s, and UDP when it is answered for 2 s", () => {
  const answers = "...xxxxxxx....";
  deepEqual(follow(new TransportChoice("auto"), answers), "UUUUUUTTTTTTUU");
});

Deno.test("auto takes TLS for a link that never answered by UDP", () => {
  equal(follow(new TransportChoice("auto"), "xxxxx"), "UUUTT");
});

Deno.test("UDP that falls silent again soon is trusted later each time", () => {
  const choice = new TransportChoice("auto");
  //                 silent, back    silent, back
  equal(follow(choice, "xxxx....xxxx........"), "UUUTTTUUUUUTTTTTUUUU");
});

Deno.test("a path inside TLS that was not answered ends as soon as UDP is answered", () => {
  const choice = new TransportChoice("auto");
  equal(follow(choice, "xxxxx.....", false), "UUUTTUUUUU");
  equal(choice.look("wan", false, 20_000), null);
  equal(choice.look("wan", false, 23_000), "to TLS");
  equal(choice.look("wan", true, 24_000, false), "TLS not needed");
  const lost = new TransportChoice("auto");
  follow(lost, "xxxxx");
  equal(lost.look("wan", true, 6000, false), "to UDP", "TLS works no more");
  // It has not stood in for UDP, so UDP is trusted as before.
  equal(follow(new TransportChoice("auto"), "xxxx...."), "UUUTTTUU");
});

Deno.test("a moment of silence changes nothing", () => {
  equal(follow(new TransportChoice("auto"), "..xx.xx.xx"), "UUUUUUUUUU");
});

Deno.test("a link without a path learns nothing, and keeps what it uses", () => {
  const choice = new TransportChoice("auto");
  choice.look("wan", false, 0);
  choice.hasNoPath("wan");
  equal(choice.look("wan", false, 5000), null);
  equal(choice.look("wan", false, 8000), "to TLS");
  choice.hasNoPath("wan");
  equal(choice.wantsTls("wan"), true);
  choice.keepOnly([]);
  equal(choice.wantsTls("wan"), false);
});

Deno.test("links are judged one by one", () => {
  const choice = new TransportChoice("auto");
  for (let ms = 0; ms <= 4000; ms += 1000) {
    choice.look("wan", true, ms);
    choice.look("lte", false, ms);
  }
  deepEqual([choice.wantsTls("wan"), choice.wantsTls("lte")], [false, true]);
  deepEqual([choice.reason("wan"), choice.reason("lte")], [null, "UDP gets no answer"]);
});

Deno.test("what was prescribed is used, whatever is answered", () => {
  const udp = new TransportChoice("udp");
  equal(follow(udp, "xxxxxx"), "UUUUUU");
  equal(udp.wantsUdp(), true);
  const tls = new TransportChoice("tls");
  equal(follow(tls, "......"), "TTTTTT");
  equal(tls.wantsUdp(), false);
  equal(tls.reason("wan"), "as asked for");
});

const NOTHING = { rate: 0, loss: 0, isQueued: false };
const downOf = (rate: number, loss = 0) => ({ up: NOTHING, down: { rate, loss, isQueued: false } });

/** Until UDP is found to be slowed down to 1 Mbit/s. */
function throttle(choice: TransportChoice, fromMs = 0): number {
  for (let ms = fromMs;; ms += 1000) {
    const isByTls = choice.heldBack("wan") === "udp";
    choice.look("wan", true, ms);
    const udp = isByTls ? downOf(0) : downOf(125_000, 0.3);
    const tls = choice.wantsTls("wan") ? downOf(isByTls ? 4_000_000 : 0) : null;
    if (choice.carried("wan", udp, tls, ms)?.kind === "to TLS") return ms;
  }
}

Deno.test("UDP that is answered and slowed down is left for TLS, and answers do not bring it back", () => {
  const choice = new TransportChoice("auto");
  const ms = throttle(choice);
  equal(choice.reason("wan"), "UDP is slowed down");
  for (let later = ms; later < ms + 10_000; later += 1000) choice.look("wan", true, later);
  deepEqual([choice.wantsTls("wan"), choice.heldBack("wan")], [true, "udp"]);
});

Deno.test("silence goes before: then neither is held back", () => {
  const choice = new TransportChoice("auto");
  const ms = throttle(choice);
  for (let later = ms; later < ms + 5000; later += 1000) choice.look("wan", false, later);
  deepEqual([choice.reason("wan"), choice.heldBack("wan")], ["UDP gets no answer", null]);
});

Deno.test("in another network all begins anew; what was prescribed is not looked at", () => {
  const choice = new TransportChoice("auto");
  throttle(choice);
  choice.movedElsewhere("wan");
  deepEqual([choice.wantsTls("wan"), choice.heldBack("wan")], [false, null]);
  for (const mode of ["udp", "tls"] as const) {
    const fixed = new TransportChoice(mode);
    for (let ms = 0; ms < 20_000; ms += 1000) {
      equal(fixed.carried("wan", downOf(125_000, 0.3), null, ms), null);
    }
    deepEqual([fixed.isAutomatic, fixed.heldBack("wan")], [false, null]);
  }
});
