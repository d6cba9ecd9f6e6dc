/** A tunnel through an HTTP proxy: CONNECT of RFC 9110, section 9.3.6, in the form of HTTP/1.1. */
import { isIPv6 } from "node:net";

/** A proxy's head is longer only when it is no proxy's. */
const HEAD_BYTES_MAX = 8192;
/** What of the proxy's own words is shown to people. */
const REASON_LENGTH_MAX = 80;

/** The request for a tunnel to a host. @param authorization value of Proxy-Authorization, or null. */
export function connectRequest(
  host: string,
  port: number,
  authorization: string | null,
): Uint8Array<ArrayBuffer> {
  const authority = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const lines = [
    `CONNECT ${authority} HTTP/1.1`,
    `Host: ${authority}`,
    ...(authorization === null ? [] : [`Proxy-Authorization: ${authorization}`]),
  ];
  return new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
}

export type ConnectAnswer =
  | { readonly kind: "incomplete" }
  | { readonly kind: "open" }
  /** `reason` in the proxy's words, without control characters. */
  | { readonly kind: "refused"; readonly status: number; readonly reason: string }
  /** It is not what a proxy says. */
  | { readonly kind: "nonsense" };

/** Reads the head of the proxy's answer, in whatever pieces it comes. */
export class ConnectAnswerReader {
  #text = "";

  /** To be called until the answer is another than "incomplete". */
  read(chunk: Uint8Array): ConnectAnswer {
    this.#text += new TextDecoder("latin1").decode(chunk);
    const text = this.#text;
    if (!"HTTP/1.".startsWith(text.slice(0, 7))) return { kind: "nonsense" };
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) {
      return text.length > HEAD_BYTES_MAX ? { kind: "nonsense" } : { kind: "incomplete" };
    }
    if (end > HEAD_BYTES_MAX) return { kind: "nonsense" };
    const [line = ""] = text.split("\r\n");
    const found = /^HTTP\/1\.[01] ([1-5]\d\d)(?: (.*))?$/.exec(line);
    if (found === null) return { kind: "nonsense" };
    const status = Number(found[1]);
    if (status >= 200 && status < 300) {
      // The other end of the tunnel waits for us: bytes behind the head are of somebody else.
      return text.length === end + 4 ? { kind: "open" } : { kind: "nonsense" };
    }
    const reason = (found[2] ?? "").replace(/[^\x20-\x7e]/g, "").slice(0, REASON_LENGTH_MAX).trim();
    return { kind: "refused", status, reason };
  }
}
