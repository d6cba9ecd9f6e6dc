/** An authority with two clients, for tests of the manager. */
import type { ManagerFacts } from "./manager_state.ts";

const DATES = {
  notBefore: new Date("2026-01-01T00:00:00Z"),
  notAfter: new Date("2028-01-01T00:00:00Z"),
};

export function managerFacts(more: Partial<ManagerFacts> = {}): ManagerFacts {
  const client = (name: string, serial: string) => ({
    name,
    serial,
    certPath: `/etc/pki/clients/${name}.pem`,
    createdAt: new Date("2026-01-01T01:00:00Z"),
    notAfter: DATES.notAfter,
  });
  return {
    directory: "/etc/pki",
    clients: [
      {
        ...client("alice", "0A"),
        lastSeen: new Date("2026-11-28T13:05:00Z"),
        revokedAt: null,
        status: "valid",
      },
      {
        ...client("laptop", "0B"),
        lastSeen: null,
        revokedAt: new Date("2026-06-01T00:00:00Z"),
        status: "revoked",
      },
    ],
    authority: {
      ca: { path: "/etc/pki/ca.pem", commonName: "CA", serial: "01", ...DATES },
      server: {
        path: "/etc/pki/server.pem",
        commonName: "server",
        serial: "02",
        names: ["vpn.example.com", "203.0.113.10"],
        ...DATES,
      },
    },
    problem: null,
    details: null,
    prescribed: null,
    qrCode: null,
    ...more,
  };
}
