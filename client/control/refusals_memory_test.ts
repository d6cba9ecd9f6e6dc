import { equal, ok } from "node:assert/strict";
import { startTlsServer } from "./test_server.ts";
import { TestAuthority } from "../../tests/support/test_certificates.ts";

const WARM_UP = 300;
const MEASURED = 1500;
/** Attempts of 47 KB, as with node:tls, would take 70 MB; 20,000 were measured to take 9. */
const GROWTH_MAX = 35e6;

Deno.test("a client that is refused again and again does not grow", async () => {
  await using other = await TestAuthority.create();
  const options = { certificate: await other.issueServer("server"), clientAuthority: other };
  await using server = await startTlsServer(options, () => {});
  const program = new URL("./test_refusals.ts", import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "-A",
      "--no-check",
      program,
      ...[server.port, WARM_UP, MEASURED].map(String),
    ],
  }).output();
  equal(code, 0, new TextDecoder().decode(stderr));
  const grown = Number(new TextDecoder().decode(stdout));
  ok(grown < GROWTH_MAX, `${MEASURED} refusals took ${grown} bytes`);
});
