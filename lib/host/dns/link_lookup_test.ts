import { Buffer } from "node:buffer";
import { deepEqual, equal } from "node:assert/strict";
import { decode, encode } from "dns-packet";
import fc from "fast-check";
import { Libc } from "../../ffi/libc/libc.ts";
import { encodeQuestion, lookUpOverLinks, readAnswer } from "./link_lookup.ts";

const QUESTION = { id: 7, type: "A", name: "vpn.example.com" } as const;
const A = (data: string) => ({ type: "A", name: QUESTION.name, ttl: 1, data });
const NEVER = new AbortController().signal;

function answer(change: Record<string, unknown> = {}): Uint8Array {
  const questions = [{ type: "A", name: "VPN.example.com", class: "IN" }];
  const answers = [A("203.0.113.7")];
  return encode({ type: "response", id: 7, questions, answers, ...change });
}

Deno.test("readAnswer() takes the answer to its own question only", () => {
  deepEqual(readAnswer(answer(), QUESTION), ["203.0.113.7"]);
  deepEqual(readAnswer(answer({ answers: [] }), QUESTION), []);
  const alias = { type: "CNAME", name: QUESTION.name, ttl: 1, data: "other.example.com" };
  deepEqual(readAnswer(answer({ answers: [alias, A("203.0.113.8")] }), QUESTION), ["203.0.113.8"]);
  const many = ["203.0.113.1", "203.0.113.2", "203.0.113.3"].map(A);
  equal(readAnswer(answer({ answers: many }), QUESTION)?.length, 2);
  for (
    const wrong of [
      { id: 8 },
      { type: "query" },
      { questions: [{ type: "A", name: "vpn.example.net" }] },
      { questions: [{ type: "AAAA", name: QUESTION.name }] },
      { questions: [] },
    ]
  ) equal(readAnswer(answer(wrong), QUESTION), null, JSON.stringify(wrong));
  deepEqual(decode(Buffer.from(encodeQuestion(QUESTION))).questions[0].name, QUESTION.name);
});

Deno.test("property: readAnswer() never throws, whatever comes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    readAnswer(bytes, QUESTION);
  }));
});

Deno.test({
  name: "lookUpOverLinks() takes the first resolver that knows the name, and ends in its time",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const libc = Libc.open();
    const resolver = (address: string) => ({ device: "lo", index: 1, address });
    const ends = ["127.9.9.1", "127.9.9.2"].map((hostname) =>
      Deno.listenDatagram({ transport: "udp", hostname, port: 53 })
    );
    const serve = ends.map(async (socket, index) => {
      for await (const [bytes, from] of socket) {
        const { id, questions } = decode(Buffer.from(bytes));
        const isKnown = index === 1 && questions[0].type === "A";
        // Forged ones before it are no answer.
        await socket.send(encode({ type: "response", id: id ^ 1, questions }), from);
        const answers = isKnown ? [{ ...A("203.0.113.7"), name: questions[0].name }] : [];
        await socket.send(encode({ type: "response", id, questions, answers }), from);
      }
    });
    const all = ["127.9.9.1", "127.9.9.3", "127.9.9.2"].map(resolver);
    deepEqual(await lookUpOverLinks(libc, all, "vpn.example.com.", NEVER), [
      { address: "203.0.113.7", family: 4 },
    ]);
    deepEqual(await lookUpOverLinks(libc, all.slice(0, 2), QUESTION.name, NEVER), []);
    deepEqual(await lookUpOverLinks(libc, [], QUESTION.name, NEVER), []);
    const gone = [{ device: "none0", index: 9, address: "127.9.9.2" }];
    deepEqual(await lookUpOverLinks(libc, gone, QUESTION.name, NEVER), []);
    for (const socket of ends) socket.close();
    await Promise.all(serve);
  },
});
