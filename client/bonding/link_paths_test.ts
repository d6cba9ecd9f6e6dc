import { deepEqual } from "node:assert/strict";
import type { EnginePath } from "../../lib/net/engine.ts";
import { networkInterface } from "../../testing/network_interface.ts";
import { LinkPaths } from "./link_paths.ts";

const LINK = { id: 0, name: "dsl", device: "dsl", sourceAddress: null };
const FOUND = networkInterface("dsl");
const ROUTE = {
  server: { address: "203.0.113.10", family: 4 as const },
  nextHop: { device: "dsl", gateway: undefined },
};

/** The source port that each new path asks for; the engine gives it, or the next of 40000, ... */
function portsOf(keepsPorts: boolean, use: (paths: LinkPaths) => void) {
  const asked: (number | undefined)[] = [];
  let next = 40_000;
  const paths = new LinkPaths({
    addPath: (_session: number, { sourcePort }: EnginePath) => {
      asked.push(sourcePort);
      return sourcePort ?? next++;
    },
    removePath() {},
    setPathRule() {},
  }, false);
  paths.begin(7, 8000, keepsPorts);
  paths.ensure(7, LINK, FOUND, ROUTE);
  use(paths);
  return asked;
}

Deno.test("LinkPaths sends from the port a link had when it is back, towards a v1 server", () => {
  const flap = (paths: LinkPaths) => {
    paths.drop(LINK);
    paths.ensure(7, LINK, FOUND, ROUTE);
  };
  deepEqual(portsOf(true, flap), [undefined, 40_000]);
  deepEqual(portsOf(false, flap), [undefined, undefined]);
});

Deno.test("LinkPaths has ports of its own for each session", () => {
  const renew = (paths: LinkPaths) => {
    paths.begin(8, 8000, true);
    paths.ensure(8, LINK, FOUND, ROUTE);
  };
  deepEqual(portsOf(true, renew), [undefined, undefined]);
});

Deno.test("LinkPaths forbids fragments to a server that answers probes only", () => {
  const asked: (boolean | undefined)[] = [];
  for (const probesMtu of [false, true]) {
    const paths = new LinkPaths({
      addPath: (_session, { forbidsFragments }) => asked.push(forbidsFragments),
      removePath() {},
      setPathRule() {},
    }, probesMtu);
    for (const [session, isV1] of [[7, false], [8, true]] as const) {
      paths.begin(session, 8000, isV1);
      paths.ensure(session, LINK, FOUND, ROUTE);
    }
  }
  deepEqual(asked, [false, false, true, false]);
});

Deno.test("LinkPaths makes no path for a session that ended while its links were read", () => {
  const ended = (paths: LinkPaths) => {
    paths.drop(LINK);
    paths.forget(7);
    paths.ensure(7, LINK, FOUND, ROUTE);
  };
  deepEqual(portsOf(false, ended), [undefined]);
});
