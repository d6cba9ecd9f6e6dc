import assert from "node:assert/strict";
import fc from "fast-check";
import { Authority } from "./authority.ts";
import { parseCertificates } from "./certificate.ts";
import { parsePem } from "./pem.ts";
import { generateKey } from "./private_key.ts";
import { hostsOf, missingHosts, requireHosts } from "./server_host.ts";

const NOW = new Date("2026-06-01T12:00:00Z");

Deno.test("requireHosts() spells each host in one way, and names it once", () => {
  const hosts = [
    "VPN.Example.org",
    "10.0.0.1",
    "FD00:0::1",
    "fd00::1",
    "*.a.org",
    "::ffff:1.2.3.4",
  ];
  assert.deepEqual(
    requireHosts(hosts),
    ["vpn.example.org", "10.0.0.1", "fd00::1", "*.a.org", "::ffff:102:304"],
  );
  assert.deepEqual(requireHosts([]), []);
});

Deno.test("requireHosts() refuses what is no host, and says what to give", () => {
  const bad = [
    ...["1.2.3", "1.2.3.256", "fe80::1%eth0", "[::1]", "a b", "-a", "a-", "a..b", "a.", "*"],
    ...["a.*.b", "käse.de", "host:8443", "https://a", "a".repeat(64), "x.".repeat(127) + "abc"],
  ];
  for (const host of bad) {
    assert.throws(
      () => requireHosts([host]),
      { code: "bad host", message: /neither an IP address nor a DNS name; give -hosts like/ },
      host,
    );
  }
  const many = Array.from({ length: 101 }, (_, index) => `host${index}`);
  assert.throws(() => requireHosts(many), { code: "bad host", message: /100 are the limit/ });
  assert.equal(requireHosts(many.slice(1)).length, 100);
});

Deno.test("a certificate names all the hosts it was issued for", async () => {
  const { authority } = await Authority.create("ca.pem", NOW);
  const { spki } = generateKey();
  const label = fc.stringMatching(/^[a-z0-9]{1,10}$/).filter((text) => !/^\d+$/.test(text));
  const host = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join(".")),
    label.map((text) => `*.${text}.example`),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(host, { minLength: 1, maxLength: 8 }), async (given) => {
      const hosts = requireHosts(given);
      const pem = await authority.issueServer(spki, hosts, NOW);
      const [certificate] = parseCertificates(parsePem(pem, "server.pem"), "server.pem");
      assert.deepEqual(hostsOf(certificate!), hosts);
      assert.deepEqual(missingHosts(certificate!, hosts), []);
      assert.deepEqual(missingHosts(certificate!, ["not.there", "192.0.2.77", "2001:db8::77"]), [
        ...["not.there", "192.0.2.77", "2001:db8::77"],
      ]);
    }),
    { numRuns: 40 },
  );
});

Deno.test("a wildcard covers one label, and the common name covers nothing", async () => {
  const { authority } = await Authority.create("ca.pem", NOW);
  const pem = await authority.issueServer(generateKey().spki, ["*.example.org"], NOW);
  const [certificate] = parseCertificates(parsePem(pem, "server.pem"), "server.pem");
  assert.deepEqual(
    missingHosts(certificate!, ["a.example.org", "a.b.example.org", "fluxify-server"]),
    ["a.b.example.org", "fluxify-server"],
  );
});
