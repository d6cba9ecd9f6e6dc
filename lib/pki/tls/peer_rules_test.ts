import { throws } from "node:assert/strict";
import { TestAuthority } from "../../../tests/support/test_certificates.ts";
import { PeerRules } from "./peer_rules.ts";

const DAY_MS = 86_400_000;

function derOf(pem: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromBase64(pem.replaceAll(/-----[^-]+-----|\s/g, ""));
}

Deno.test("PeerRules takes what an authority has signed itself, while both are valid", async () => {
  await using authority = await TestAuthority.create();
  await using other = await TestAuthority.create();
  const alice = derOf((await authority.issue("alice")).certPem);
  new PeerRules(authority.certPem).check(alice);
  new PeerRules(other.certPem + authority.certPem).check(alice);
  const refused = (rules: PeerRules, der: Uint8Array<ArrayBuffer> | null, code: number) =>
    throws(() => rules.check(der), { name: "TlsError", verifyCode: code });
  refused(new PeerRules(other.certPem), alice, 20);
  refused(new PeerRules(""), alice, 20);
  refused(new PeerRules(authority.certPem), null, 0);
  refused(new PeerRules(authority.certPem, () => Date.now() + 6 * DAY_MS), alice, 10);
  refused(new PeerRules(authority.certPem, () => Date.now() + 365 * DAY_MS), alice, 10);
  refused(new PeerRules(authority.certPem, () => Date.now() - DAY_MS), alice, 9);
  // One that the authority's own client has signed: the authority is not its issuer.
  refused(new PeerRules((await authority.issue("mallory")).certPem), alice, 20);
});
