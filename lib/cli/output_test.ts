import { equal, throws } from "node:assert/strict";
import { type Output, writeTo } from "./output.ts";

/** Takes at most `bytesAtOnce`, and before each of them answers with an error of `refusals`. */
class FakeStream implements Output {
  text = "";
  readonly #bytesAtOnce: number;
  readonly #refusals: Error[];

  constructor(bytesAtOnce: number, ...refusals: Error[]) {
    this.#bytesAtOnce = bytesAtOnce;
    this.#refusals = refusals;
  }

  writeSync(bytes: Uint8Array): number {
    const refusal = this.#refusals.shift();
    if (refusal !== undefined) throw refusal;
    const taken = bytes.subarray(0, this.#bytesAtOnce);
    this.text += new TextDecoder().decode(taken);
    return taken.byteLength;
  }
}

Deno.test("writeTo() writes all of a text that is taken piece by piece", () => {
  const stream = new FakeStream(3, new Deno.errors.WouldBlock());
  writeTo(stream, "eleven here");
  equal(stream.text, "eleven here");
});

Deno.test("writeTo() is silent when nobody reads any more", () => {
  const stream = new FakeStream(3, new Deno.errors.BrokenPipe());
  writeTo(stream, "into a pipe that is closed");
  equal(stream.text, "");
});

Deno.test("writeTo() gives up on a reader that takes nothing", () => {
  const never = new FakeStream(0);
  writeTo(never, "text");
  equal(never.text, "");
});

Deno.test("writeTo() lets through that the disk is full", () => {
  throws(() => writeTo(new FakeStream(3, new Error("No space left on device")), "text"), /space/);
});
