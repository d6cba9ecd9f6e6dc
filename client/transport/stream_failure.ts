/** What it means that the data plane has no connection inside TLS, for people. */
import type { StreamEnd, StreamStage } from "../../lib/net/relay/message.ts";
import { explainTimeout, place, type Stage, type Target } from "../control/connection_failure.ts";
import { proxyNonsense, proxyRefused } from "../control/proxy_tunnel.ts";
import { proxyPlace, type ProxySetting } from "./proxy_setting.ts";

/** As long as the relay waits for a connection. */
const OPENING_MS_MAX = 10_000;

const STAGES: Readonly<Record<StreamStage, Stage>> = {
  connecting: "connecting",
  proxy: "proxy",
  handshake: "TLS handshake",
  judged: "TLS handshake",
  open: "waiting for the answer",
};

export function explainStreamEnd(
  end: StreamEnd,
  stage: StreamStage,
  target: Target,
  proxy: ProxySetting | null,
): string {
  const server = place(target);
  const first = proxy === null ? server : `the proxy at ${proxyPlace(proxy)}`;
  switch (end.kind) {
    case "closed":
      return `the connection to ${server} inside TLS was closed here`;
    case "unreachable":
      return `cannot reach ${first} by TCP (${end.message})`;
    case "timed out":
      return explainTimeout(STAGES[stage], target, OPENING_MS_MAX).message;
    case "proxy refused":
      return proxyRefused(proxy!, end).message;
    case "proxy nonsense":
      return proxyNonsense(proxy!).message;
    case "no data stream":
      return `the server at ${server} does not carry data inside TLS: bring it up to date, or see ` +
        "in its log what it lacks";
    case "silent":
      return `nothing came from ${server} inside TLS for a while`;
    case "slow reader":
      return `${server} takes nothing of what is sent inside TLS`;
    case "broken frame":
      return `what came from ${server} inside TLS is no record`;
    case "TLS":
      return end.reason === ""
        ? `${server} closed the connection inside TLS`
        : `lost the connection to ${server} inside TLS (${end.reason})`;
    case "fault":
      return `the connection to ${server} inside TLS failed here: ${end.message}`;
    default:
      return end satisfies never;
  }
}
