import { doesNotMatch, match } from "node:assert/strict";
import type { StreamEnd, StreamStage } from "../../lib/net/relay/message.ts";
import { parseProxyUrl } from "./proxy_setting.ts";
import { explainStreamEnd } from "./stream_failure.ts";

const TARGET = { server: "vpn.example", address: "203.0.113.10", port: 8443 };
const PROXY = parseProxyUrl("http://anna:geheim@10.0.0.1:3128", "-proxy");

Deno.test("each end of a stream is told with whose it was, and without secrets", () => {
  const cases: readonly [StreamEnd, StreamStage, RegExp][] = [
    [{ kind: "closed" }, "open", /closed here/],
    [
      { kind: "unreachable", errno: 111, message: "ECONNREFUSED, connection refused" },
      "connecting",
      /cannot reach the proxy at 10\.0\.0\.1:3128 by TCP \(ECONNREFUSED/,
    ],
    [{ kind: "timed out" }, "proxy", /No answer from the proxy within 10 s/],
    [{ kind: "timed out" }, "handshake", /the TLS handshake did not end within 10 s/],
    [{ kind: "proxy refused", status: 407, reason: "No" }, "proxy", /user and the password/],
    [{ kind: "proxy nonsense" }, "proxy", /does not answer as an HTTP proxy/],
    [{ kind: "no data stream" }, "handshake", /bring it up to date/],
    [{ kind: "silent" }, "open", /nothing came from .* for a while/],
    [{ kind: "slow reader" }, "open", /takes nothing/],
    [{ kind: "broken frame" }, "open", /no record/],
    [{ kind: "TLS", reason: "" }, "open", /closed the connection/],
    [{ kind: "TLS", reason: "the connection was cut" }, "open", /\(the connection was cut\)/],
    [{ kind: "fault", message: "no memory" }, "open", /failed here: no memory/],
  ];
  for (const [end, stage, words] of cases) {
    const text = explainStreamEnd(end, stage, TARGET, PROXY);
    match(text, words);
    doesNotMatch(text, /geheim|YW5u|\.$/);
  }
  const direct = { kind: "unreachable", errno: 113, message: "EHOSTUNREACH" } as const;
  match(
    explainStreamEnd(direct, "connecting", TARGET, null),
    /vpn\.example \(203\.0\.113\.10:8443\)/,
  );
});
