/**
 * TCP connections, many a second, as of somebody who clicks on without a rest:
 *
 *     dials_program.ts listen PORT
 *     dials_program.ts dial ADDRESS PORT
 *
 * The one that dials prints a line for each connection when it is made or given up: when it began, in
 * ms since 1970, and how long it took, or `failed`.
 */

const EVERY_MS = 50;
const TIMEOUT_MS = 10_000;

async function listen(port: number): Promise<void> {
  const listener = Deno.listen({ port, hostname: "0.0.0.0" });
  console.log("listening");
  for await (const connection of listener) connection.close();
}

async function dial(hostname: string, port: number): Promise<void> {
  const beganAt = Date.now();
  const startMs = performance.now();
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    (await Deno.connect({ hostname, port, signal })).close();
    console.log(`${beganAt} ${Math.round(performance.now() - startMs)}`);
  } catch {
    console.log(`${beganAt} failed`);
  }
}

if (import.meta.main) {
  const [role, ...rest] = Deno.args;
  if (role === "listen") await listen(Number(rest[0]));
  else setInterval(() => dial(rest[0]!, Number(rest[1])), EVERY_MS);
}
