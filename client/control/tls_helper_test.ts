/** The control plane where libssl is missing: the same answers, with TLS in a process of its own. */
import { equal } from "node:assert/strict";
import { TestAuthority } from "../../tests/support/test_certificates.ts";
import { openHelperTls } from "../../lib/pki/tls/open_tls.ts";
import { TEST_HELPER_COMMAND } from "../../lib/pki/tls/test_helper_program.ts";
import { exchange } from "./exchange.ts";
import { createTestPki, failure, GRANT, optionsFor, startTlsServer } from "./test_server.ts";

const tls = openHelperTls(TEST_HELPER_COMMAND);

Deno.test("without libssl a client takes its own server, and no other", async () => {
  await using pki = await createTestPki();
  await using other = await TestAuthority.create();
  const { authority, server, alice } = pki;
  const serve = (certificate: typeof server) =>
    startTlsServer({ certificate, clientAuthority: authority }, (socket) => {
      socket.on("data", () => socket.end(JSON.stringify(GRANT)));
    });
  await using own = await serve(server);
  let negotiated = "";
  const onSecured = (text: string) => negotiated = text;
  equal((await exchange(optionsFor(own.port, alice, { tls, onSecured }))).sessionId, 7);
  equal(negotiated, "TLSv1.3");
  const usage = ["extendedKeyUsage=clientAuth", "subjectAltName=IP:127.0.0.1"];
  const names = ["extendedKeyUsage=serverAuth", "subjectAltName=DNS:elsewhere.example"];
  for (
    const [code, certificate] of [
      ["server certificate out of date", await authority.issueServer("old", { days: -1 })],
      ["server certificate of another authority", await other.issueServer("server")],
      [
        "server certificate of another authority",
        await authority.issue("mallory", { extensions: usage }),
      ],
      [
        "server certificate of another name",
        await authority.issue("elsewhere", { extensions: names }),
      ],
    ] as const
  ) {
    await using impostor = await serve(certificate);
    await failure(code, optionsFor(impostor.port, alice, { tls }));
  }
});
