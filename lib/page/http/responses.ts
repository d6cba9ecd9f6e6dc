/** Answers of the page, with what tells browsers to be strict. */

/** Nothing from elsewhere, nothing inline, no frame around it. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS = {
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "cache-control": "no-store",
} as const;

export function answer(
  body: BodyInit | null,
  type: string,
  more: Record<string, string> = {},
  status = 200,
): Response {
  return new Response(body, { status, headers: { ...HEADERS, "content-type": type, ...more } });
}

export function jsonAnswer(value: unknown, more: Record<string, string> = {}): Response {
  return answer(JSON.stringify(value), "application/json; charset=utf-8", more);
}

/** `code` is as at the local socket, for the page; `message` for people. */
export function refuse(status: number, code: string, message: string, more = {}): Response {
  const body = JSON.stringify({ code, message });
  return answer(body, "application/json; charset=utf-8", more, status);
}
