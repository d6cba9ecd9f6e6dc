/** Sessions for tests. */
import type { PathReport } from "../../lib/net/engine.ts";
import { pathReport, sessionReport } from "../../lib/status/test_session_report.ts";
import type { BondStatus } from "../../lib/status/bond_status.ts";
import { gainOverBest } from "../../lib/status/gain.ts";
import { NO_TRAFFIC, type Traffic } from "../../lib/status/traffic_history.ts";

export function bondStatus(
  links: readonly string[],
  paths: readonly PathReport[] = links.map((name, id) => pathReport(id, name)),
  trafficOf: (link: string) => Traffic = () => NO_TRAFFIC,
): BondStatus {
  return {
    server: "vpn.example.org",
    servers: [],
    serverAddress: "203.0.113.10",
    addresses: "10.8.0.2 and fd00:8::2",
    engine: "native",
    links: links.map((name) => ({
      name,
      problem: null,
      unchangedMs: 200_000,
      traffic: trafficOf(name),
      rule: { use: "always", downRate: null, upRate: null, volume: null },
      transport: "udp" as const,
      transportReason: null,
    })),
    unmatched: [],
    gainOverBest: gainOverBest(links.map(trafficOf)),
    drops: {},
    session: sessionReport(paths),
  };
}
