import { equal, match, ok } from "node:assert/strict";
import type { PathReport, SessionReport } from "../net/engine.ts";
import { metricsLine } from "./metrics_line.ts";

const PATH: PathReport = {
  id: 0,
  name: "path 0",
  peer: "198.51.100.7:40000",
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
  sentPackets: 10,
  sentBytes: 12_345,
  receivedPackets: 20,
  receivedBytes: 67_890,
  congestionMarks: 0,
};

const UNKNOWN: PathReport = {
  ...PATH,
  id: 7,
  peer: "[2001:db8::7]:40001",
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
};

/** On the client, whose sockets are not told where they come from. */
const OWN: PathReport = { ...PATH, peer: "[::]:0" };

const REORDER = { bufferedEvents: 1, reorderedEvents: 2, drops: 3, flushes: 4, maxDepth: 5 };

function session(name: string, ...paths: PathReport[]): SessionReport {
  return { id: 0xbeef, name, wire: "x1", scheduler: "flow", paths, mtu: 1322, reorder: REORDER };
}

Deno.test("metricsLine() has a key for everything, and a unit for every number", () => {
  equal(
    metricsLine(session("laptop", PATH, UNKNOWN)),
    "session=laptop id=0000beef scheduler=flow paths=2 mtu=1322B " +
      'path0.name="path 0" path0.address=198.51.100.7:40000 path0.state=up path0.good=yes path0.badFor=- ' +
      "path0.rtt=20.0ms path0.rttLast=21.0ms path0.rttMin=19.5ms path0.jitter=1.3ms " +
      "path0.delayVariation=0.4ms path0.loss=1.5% path0.score=87/100 " +
      "path0.lastSeen=120ms path0.in=67890B path0.out=12345B path0.rate=6250000B/s " +
      "path0.mtu=1400B " +
      'path7.name="path 0" path7.address=[2001:db8::7]:40001 path7.state=down path7.good=no path7.badFor=loss ' +
      "path7.rtt=- path7.rttLast=- path7.rttMin=- path7.jitter=- path7.delayVariation=- path7.loss=- path7.score=- path7.lastSeen=- " +
      "path7.in=67890B path7.out=12345B path7.rate=- path7.mtu=- " +
      "reorder.bufferedEvents=1 reorder.reorderedEvents=2 reorder.drops=3 reorder.flushes=4 " +
      "reorder.maxDepth=5packets wire=x1",
  );
});

Deno.test("metricsLine() takes an address without a host for one that is not known", () => {
  match(metricsLine(session("server", OWN)), / path0\.address=- /);
});

Deno.test("metricsLine() keeps its shape without paths, and whatever the client is called", () => {
  for (const name of ["", "a b", 'x" id=1', "tab\there", "a=b"]) {
    const line = metricsLine(session(name));
    ok(line.startsWith(`session=${JSON.stringify(name)} id=0000beef `), line);
    match(line, / paths=0 mtu=1322B reorder\.bufferedEvents=1 /);
    equal(line.split("\n").length, 1);
  }
});
