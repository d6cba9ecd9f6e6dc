import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { PathReport, SessionReport } from "../net/engine.ts";
import { metricsLines } from "./metrics_line.ts";

const PATH: PathReport = {
  id: 0,
  name: "path 0",
  peer: "198.51.100.7:40000",
  seenAs: null,
  state: "up",
  isGood: true,
  isBadFor: null,
  rttMs: 20.04,
  rttLastMs: 21,
  rttMinMs: 19.5,
  jitterMs: 1.25,
  delayVariationMs: 0.4,
  loss: 0.015,
  score: 87.4,
  deliveryRate: 6_250_000.4,
  mtu: 1400,
  heardMsAgo: 119.6,
  arrived: { records: 12, expected: 12, bytes: 2200, isQueued: false },
  arrivedThere: null,
  sentPackets: 10,
  sentBytes: 12_345,
  receivedPackets: 20,
  receivedBytes: 67_890,
  congestionMarks: 0,
  heartbeatsSent: 3,
  heartbeatsAnswered: 3,
  idleFor: null,
  rateLimit: 6_250_000,
  capacity: 6_000_000.4,
  peerCapacity: null,
  sendingRate: 5_500_000.6,
  queuedBytes: 14_000,
  queuedMs: 12.34,
  retransmittedPackets: 7,
  reinjectedPackets: 2,
  repairedPackets: 3,
};

const UNKNOWN: PathReport = {
  ...PATH,
  id: 7,
  peer: "[2001:db8::7]:40001",
  seenAs: null,
  state: "down",
  isGood: false,
  isBadFor: "loss",
  rttMs: null,
  rttLastMs: null,
  rttMinMs: null,
  jitterMs: null,
  delayVariationMs: null,
  loss: null,
  score: null,
  deliveryRate: null,
  mtu: null,
  heardMsAgo: null,
  idleFor: "cap reached",
  rateLimit: null,
  capacity: null,
};

/** On the client, whose sockets are not told where they come from. */
const OWN: PathReport = { ...PATH, peer: "[::]:0" };

const REORDER = { bufferedEvents: 1, reorderedEvents: 2, drops: 3, flushes: 4, maxDepth: 5 };

function session(name: string, ...paths: PathReport[]): SessionReport {
  return {
    id: 0xbeef,
    name,
    wire: "x1",
    scheduler: "flow",
    paths,
    mtu: 1322,
    reorder: REORDER,
    limited: { down: 0, up: 0, reach: 0 },
    compression: { plainBytes: 3000, carriedBytes: 2000 },
  };
}

const linesOf = (report: SessionReport) => metricsLines(report).map(({ line }) => line);

Deno.test("metricsLines() has a line for each path, a key for everything, a unit for every number", () => {
  deepEqual(linesOf(session("laptop", PATH, UNKNOWN)), [
    "session=laptop id=0000beef wire=x1 scheduler=flow paths=2 mtu=1322B " +
    "reorder.bufferedEvents=1 reorder.reorderedEvents=2 reorder.drops=3 reorder.flushes=4 " +
    "reorder.maxDepth=5packets compression.plain=3000B compression.carried=2000B",
    'session=laptop path=0 name="path 0" address=198.51.100.7:40000 state=up good=yes badFor=- ' +
    "rtt=20.0ms rttLast=21.0ms rttMin=19.5ms jitter=1.3ms delayVariation=0.4ms loss=1.5% " +
    "score=87/100 lastSeen=120ms in=67890B out=12345B rate=6250000B/s mtu=1400B " +
    "idleFor=- limit=6250000B/s capacity=6000000B/s sending=5500001B/s queue=14000B " +
    "queueTime=12.3ms retransmitted=7packets reinjected=2packets repaired=3packets",
    'session=laptop path=7 name="path 0" address=[2001:db8::7]:40001 state=down good=no ' +
    "badFor=loss rtt=- rttLast=- rttMin=- jitter=- delayVariation=- loss=- score=- lastSeen=- " +
    "in=67890B out=12345B rate=- mtu=- " +
    'idleFor="cap reached" limit=- capacity=- sending=5500001B/s queue=14000B queueTime=12.3ms ' +
    "retransmitted=7packets reinjected=2packets repaired=3packets",
  ]);
});

Deno.test("metricsLines() has the values for logs in JSON", () => {
  const [own, path] = metricsLines(session("laptop", PATH)).map(({ values }) => values);
  deepEqual(own, {
    id: 0xbeef,
    name: "laptop",
    wire: "x1",
    scheduler: "flow",
    mtu: 1322,
    reorder: REORDER,
    limited: { down: 0, up: 0, reach: 0 },
    compression: { plainBytes: 3000, carriedBytes: 2000 },
  });
  deepEqual(path, { ...PATH, session: "laptop" });
});

Deno.test("metricsLines() takes an address without a host for one that is not known", () => {
  match(linesOf(session("server", OWN))[1]!, / address=- /);
});

Deno.test("metricsLines() keeps its shape without paths, and whatever the client is called", () => {
  for (const name of ["", "a b", 'x" id=1', "tab\there", "a=b"]) {
    const [line, ...more] = linesOf(session(name));
    deepEqual(more, []);
    ok(line!.startsWith(`session=${JSON.stringify(name)} id=0000beef `), line);
    match(line!, / paths=0 mtu=1322B reorder\.bufferedEvents=1 /);
    equal(line!.split("\n").length, 1);
  }
});
