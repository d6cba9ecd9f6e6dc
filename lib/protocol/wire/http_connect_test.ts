import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { type ConnectAnswer, ConnectAnswerReader, connectRequest } from "./http_connect.ts";

const bytesOf = (text: string) => Uint8Array.from(text, (sign) => sign.charCodeAt(0));

/** The answer to `text` in pieces of those sizes; the last one given until it was complete. */
function read(text: string, size = text.length): ConnectAnswer {
  const reader = new ConnectAnswerReader();
  const bytes = bytesOf(text);
  let answer: ConnectAnswer = { kind: "incomplete" };
  for (let at = 0; at < bytes.length && answer.kind === "incomplete"; at += size) {
    answer = reader.read(bytes.subarray(at, at + size));
  }
  return answer;
}

Deno.test("connectRequest() names the server, in brackets where it is IPv6", () => {
  const text = (...args: Parameters<typeof connectRequest>) =>
    new TextDecoder().decode(connectRequest(...args));
  equal(
    text("vpn.example.com", 8443, null),
    "CONNECT vpn.example.com:8443 HTTP/1.1\r\nHost: vpn.example.com:8443\r\n\r\n",
  );
  equal(
    text("2001:db8::1", 443, "Basic eDp5"),
    "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n" +
      "Proxy-Authorization: Basic eDp5\r\n\r\n",
  );
});

Deno.test("answers are read in whatever pieces they come", () => {
  const cases: readonly [string, ConnectAnswer][] = [
    ["HTTP/1.1 200 Connection established\r\n\r\n", { kind: "open" }],
    ["HTTP/1.0 200\r\nVia: x\r\n\r\n", { kind: "open" }],
    [
      "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\nbody",
      { kind: "refused", status: 407, reason: "Proxy Authentication Required" },
    ],
    ["HTTP/1.1 403 \x1b[31mno\x07\r\n\r\n", { kind: "refused", status: 403, reason: "[31mno" }],
    ["HTTP/1.1 100 Continue\r\n\r\n", { kind: "refused", status: 100, reason: "Continue" }],
  ];
  for (const [text, answer] of cases) {
    const head = text.slice(0, text.indexOf("\r\n\r\n") + 4);
    for (const size of [1, 3, 17]) deepEqual(read(head, size), answer);
    deepEqual(read(text), answer);
  }
});

Deno.test("what is no answer of a proxy is told from one that has not come as a whole", () => {
  for (
    const text of [
      "SSH-2.0-OpenSSH_9.6\r\n",
      "HTTP/2 200\r\n\r\n",
      "HTTP/1.1 20 OK\r\n\r\n",
      "HTTP/1.1 abc\r\n\r\n",
      "\x15\x03\x03\x00\x02\x02\x46",
      // Somebody speaks where the server has not been spoken to.
      "HTTP/1.1 200 OK\r\n\r\nhello",
      `HTTP/1.1 200 OK\r\nX: ${"x".repeat(9000)}\r\n\r\n`,
      `HTTP/1.1 200 OK\r\nX: ${"x".repeat(9000)}`,
    ]
  ) deepEqual(read(text), { kind: "nonsense" });
  for (const text of ["H", "HTTP/1.1 200 OK\r\n"]) deepEqual(read(text), { kind: "incomplete" });
});

Deno.test("hostile bytes never throw, and no head grows without bounds", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 8 }), (pieces) => {
      const reader = new ConnectAnswerReader();
      for (const piece of pieces) if (reader.read(piece).kind !== "incomplete") return;
      equal(pieces.reduce((sum, { length }) => sum + length, 0) <= 8192 + 3000, true);
    }),
  );
});
