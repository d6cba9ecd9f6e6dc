import { deepEqual, equal } from "node:assert/strict";
import { DropCounters } from "../protocol/wire/drop_reason.ts";
import { ServerMonitor, TLS_PEER_MARK } from "./server_status.ts";
import { pathReport, sessionReport } from "./test_session_report.ts";

const ADDRESSES = { ipv4: "10.8.0.2", ipv6: "fd00:8::2" };

const PRESCRIBED = {
  ...{ rate: { down: 2e6, up: 1e6 }, quotaBytes: 1e9, usedBytes: 4e8, expires: null },
  ...{ reach: null, address: null, routes: [] },
};

function setUp() {
  const state = {
    nowMs: 0,
    reports: 0,
    receivedBytes: [0, 0],
    isPathThere: true,
    insideTls: [] as number[],
  };
  const engine = {
    drops: new DropCounters(),
    report: () => {
      state.reports++;
      const [first, second] = state.receivedBytes;
      const paths = [
        pathReport(0, "one", { receivedBytes: first!, sentBytes: 0 }),
        pathReport(1, "two", { receivedBytes: second!, sentBytes: 0, state: "down" }),
        ...state.insideTls.map((id) =>
          pathReport(id, `path ${id}`, {
            ...{ peer: `203.0.113.7:4711${TLS_PEER_MARK}`, receivedBytes: 0, sentBytes: 0 },
          })
        ),
      ];
      const there = state.isPathThere ? paths : paths.slice(1);
      return Promise.resolve([{ ...sessionReport(there), id: 7 }]);
    },
  };
  const monitor = new ServerMonitor({
    engine,
    sessions: () => [
      { id: 8, name: "tablet", addresses: ADDRESSES, isHeard: false },
      { id: 7, name: "laptop", addresses: ADDRESSES, isHeard: true },
    ],
    prescribed: (name) => name === "laptop" ? PRESCRIBED : null,
    nowMs: () => state.nowMs,
    pause: (ms) => {
      state.nowMs += ms;
      state.receivedBytes = [50_000, 0];
      return Promise.resolve();
    },
  });
  return { state, engine, monitor };
}

Deno.test("ServerMonitor: the first reading has rates already, from two of the engine", async () => {
  const { state, monitor } = setUp();
  const [laptop, tablet] = await monitor.sessions();
  deepEqual([laptop!.name, laptop!.receivedBytes, laptop!.receivedBytesPerSecond], [
    "laptop",
    50_000,
    100_000,
  ]);
  deepEqual([laptop!.prescribed, tablet!.prescribed], [PRESCRIBED, null]);
  deepEqual([tablet!.name, tablet!.session, tablet!.sentBytes], ["tablet", null, 0]);
  equal(state.reports, 2);
  // All who ask at once get one reading.
  const both = await Promise.all([monitor.sessions(), monitor.sessions()]);
  equal(both[0], both[1]);
  equal(state.reports, 2);
  state.nowMs += 1_000;
  state.receivedBytes = [200_000, 0];
  // Over the 1.5 s since the first one.
  equal(Math.round((await monitor.sessions())[0]!.receivedBytesPerSecond), 133_333);
  equal(state.reports, 3);
});

Deno.test("ServerMonitor: counters alone need one reading", async () => {
  const { state, monitor } = setUp();
  equal((await monitor.sessions("counters alone"))[0]!.name, "laptop");
  equal(state.reports, 1);
});

Deno.test("ServerMonitor: a path that goes is no traffic", async () => {
  const { state, monitor } = setUp();
  await monitor.sessions();
  state.nowMs += 1_000;
  state.isPathThere = false;
  const [laptop] = await monitor.sessions();
  deepEqual([laptop!.receivedBytes, laptop!.receivedBytesPerSecond], [0, 0]);
});

Deno.test("ServerMonitor: a path inside TLS stands in for one by UDP, and is no further one", async () => {
  const { state, monitor } = setUp();
  const facts = {
    ...{ udpPort: 8000, controlPort: 8443, tun: "fluxify-srv" },
    ...{ address4: "10.8.0.1", address6: "fd00:8::1" },
  };
  const counted = async (insideTls: number[]) => {
    state.nowMs += 1000;
    state.insideTls = insideTls;
    const { paths, pathsUp } = await monitor.status(facts);
    return [pathsUp, paths];
  };
  deepEqual(await counted([]), [1, 2]);
  deepEqual(await counted([15]), [2, 2]);
  deepEqual(await counted([15, 14]), [2, 2]);
  state.isPathThere = false; // one by UDP is left
  deepEqual(await counted([15, 14]), [2, 2], "a client that goes inside TLS alone has these");
});

Deno.test("ServerMonitor: the status is the sum, with what was dropped", async () => {
  const { engine, monitor } = setUp();
  engine.drops.count("replayed");
  const facts = {
    ...{ udpPort: 8000, controlPort: 8443, tun: "fluxify-srv" },
    ...{ address4: "10.8.0.1", address6: "fd00:8::1" },
  };
  deepEqual(await monitor.status(facts), {
    ...facts,
    ...{ sessions: 2, paths: 2, pathsUp: 1, receivedBytes: 50_000, sentBytes: 0 },
    ...{ receivedBytesPerSecond: 100_000, sentBytesPerSecond: 0, drops: { replayed: 1 } },
  });
});
