import { deepEqual, equal } from "node:assert/strict";
import { TransportChoice } from "./transport_choice.ts";

/** What a link uses, second by second, while UDP is answered where the text has a dot. */
function follow(choice: TransportChoice, answers: string): string {
  let uses = "";
  for (const [second, sign] of [...answers].entries()) {
    choice.look("wan", sign === ".", second * 1000);
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
