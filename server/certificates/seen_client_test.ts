import { deepEqual } from "node:assert/strict";
import type { ClientSummary } from "../../lib/pki/client_registry.ts";
import { clientsSeen } from "./seen_client.ts";

const at = (hour: number) => Date.UTC(2026, 10, 28, hour);

function withFile(name: string, createdHour: number): ClientSummary {
  return {
    ...{ name, certPath: `/pki/clients/${name}.pem`, serial: `${createdHour}`, notAfter: null },
    ...{ createdAt: new Date(at(createdHour)), revokedAt: null, status: "valid" },
  };
}

function revoked(name: string, revokedHour: number): ClientSummary {
  return {
    ...{ name, certPath: "", serial: `r${revokedHour}`, createdAt: null, notAfter: null },
    ...{ revokedAt: new Date(at(revokedHour)), status: "revoked" },
  };
}

function seenHours(clients: readonly ClientSummary[], seenHour: number): (number | null)[] {
  return clientsSeen(clients, new Map([["laptop", at(seenHour)]]))
    .map(({ lastSeen }) => lastSeen === null ? null : lastSeen.getUTCHours());
}

Deno.test("clientsSeen() gives a time to the certificate that was in use then", () => {
  const clients = [
    withFile("laptop", 12),
    withFile("phone", 1),
    revoked("laptop", 9),
    revoked("laptop", 6),
  ];
  deepEqual(seenHours(clients, 13), [13, null, null, null]);
  deepEqual(seenHours(clients, 8), [null, null, 8, null]);
  deepEqual(seenHours(clients, 5), [null, null, null, 5]);
  deepEqual(seenHours(clients, 10), [null, null, 10, null], "heard just behind its revocation");
});

Deno.test("clientsSeen() shows no time for a certificate made later", () => {
  deepEqual(seenHours([withFile("laptop", 12)], 11), [null]);
});
