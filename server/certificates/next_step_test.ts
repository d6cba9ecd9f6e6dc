import { equal } from "node:assert/strict";
import type { ClientSummary } from "../../lib/pki/client_registry.ts";
import { nextStep } from "./next_step.ts";

const OPTIONS = { pkiFolder: "./pki", port: 8000, controlPort: 8443 };

function client(status: ClientSummary["status"]): ClientSummary {
  return {
    name: "a",
    certPath: "",
    serial: "1",
    createdAt: null,
    notAfter: null,
    revokedAt: null,
    status,
  };
}

Deno.test("nextStep() tells of the first certificate and the ports until there is one", () => {
  const step = 'no client has a certificate yet: "fluxify-server cert new NAME" makes one; let ' +
    "TCP 8443 and UDP 8000 through the firewalls of this machine and of its provider";
  equal(nextStep([], OPTIONS), step);
  equal(nextStep([client("revoked"), client("expired")], OPTIONS), step);
  equal(nextStep([client("revoked"), client("valid")], OPTIONS), null);
  equal(
    nextStep([], { ...OPTIONS, pkiFolder: "/srv/pki" }),
    step.replace("cert new NAME", "cert new NAME -pki /srv/pki"),
  );
});
