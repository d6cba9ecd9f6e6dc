/** Paths inside TLS beside those by UDP, and in their place. */
import { deepEqual, equal } from "node:assert/strict";
import type { EnginePath } from "../../lib/net/engine.ts";
import { NO_RULE, type PathRule } from "../../lib/protocol/wire/path_rule.ts";
import { networkInterface } from "../../testing/network_interface.ts";
import { TransportChoice } from "../transport/transport_choice.ts";
import type { TransportMode } from "../config/transport_options.ts";
import { LinkPaths } from "./link_paths.ts";

const linkOf = (name: string, id: number) => ({ id, name, device: name, sourceAddress: null });
const routeOf = (device: string) => ({
  server: { address: "203.0.113.10", family: 4 as const },
  nextHop: { device, gateway: undefined },
});
const tlsOf = (link: string, address = "203.0.113.10") => ({
  ...{ link, device: link, source: null, address, server: "vpn.example" },
});
const DSL = linkOf("dsl", 0);
const LTE = linkOf("lte", 1);

function setUp(mode: TransportMode, isV1 = false) {
  const log: string[] = [];
  const engine = {
    addPath: (_session: number, { name, id }: EnginePath) => (log.push(`udp ${name} as ${id}`), 1),
    removePath: (_session: number, id: number) => void log.push(`no udp ${id}`),
    setPathRule: (_session: number, id: number, { use }: PathRule) =>
      void log.push(`rule of ${id}${use === "always" ? "" : `: ${use}`}`),
  };
  const choice = new TransportChoice(mode);
  const transport = {
    open: (_engine: unknown, { id }: { id: number }, { link }: { link: string }) => {
      log.push(`tls ${link} as ${id}`);
      return {
        id,
        answered: () => void log.push(`tls ${id} is answered`),
        close: () => void log.push(`no tls ${id}`),
        closeLater: () => void log.push(`no tls ${id} later`),
      };
    },
  };
  let rate: number | null = null;
  const ruleOf = () => rate === null ? NO_RULE : { ...NO_RULE, sendRate: rate };
  const paths = new LinkPaths(engine, false, ruleOf, {
    // deno-lint-ignore no-explicit-any
    ...{ transport: transport as any, choice },
    look: (link, isUdpUp, nowMs, isTlsUp) => choice.look(link, isUdpUp, nowMs, isTlsUp) !== null,
  });
  paths.begin(7, 8000, isV1);
  const ensure = (link = DSL, tls: ReturnType<typeof tlsOf> | null = tlsOf(link.name)) => {
    const via = {
      ...routeOf(link.name),
      server: { address: tls?.address ?? "", family: 4 as const },
    };
    const stream = tls === null ? null : { tls, via };
    paths.ensure(7, link, networkInterface(link.name), routeOf(link.name), stream);
    return log.splice(0);
  };
  const silence = (link: string) => {
    choice.look(link, false, 0);
    choice.look(link, false, 5000);
  };
  const limit = () => {
    rate = 1_000_000;
    paths.applyRules();
    return log.splice(0);
  };
  return { paths, ensure, silence, choice, log, limit };
}

Deno.test("auto has a path by UDP, and one inside TLS beside it while UDP is silent", () => {
  const { paths, ensure, silence, choice } = setUp("auto");
  deepEqual(ensure(), ["udp dsl as 0"]);
  equal(paths.streamOf("dsl"), null);
  silence("dsl");
  deepEqual(ensure(), ["tls dsl as 15"]);
  deepEqual(ensure(), []);
  equal(paths.streamOf("dsl"), 15);
  equal(paths.linkOfStream(15), "dsl");
  deepEqual(ensure(LTE), ["udp lte as 1"]);
  choice.look("dsl", true, 6000, true);
  choice.look("dsl", true, 9000, true);
  deepEqual(ensure(), ["no tls 15"]);
});

Deno.test("tls has one path for a link, under the link's own id", () => {
  const { paths, ensure } = setUp("tls");
  deepEqual(ensure(), ["tls dsl as 0"]);
  equal(paths.has("dsl"), true);
  deepEqual(ensure(LTE), ["tls lte as 1"]);
});

Deno.test("udp, and any mode towards a v1 server, has no path inside TLS", () => {
  const { ensure, silence } = setUp("udp");
  silence("dsl");
  deepEqual(ensure(), ["udp dsl as 0"]);
  deepEqual(setUp("tls", true).ensure(), ["udp dsl as 0"]);
});

Deno.test("a connection is made anew where it leads elsewhere, and ends with its link or session", () => {
  const { paths, ensure, log } = setUp("tls");
  ensure();
  deepEqual(ensure(DSL, tlsOf("dsl", "203.0.113.11")), ["no tls 0", "tls dsl as 0"]);
  paths.drop(DSL);
  deepEqual(log.splice(0), ["no tls 0"]);
  equal(paths.has("dsl"), false);
  ensure();
  paths.forget(7);
  deepEqual(log.splice(0), ["no tls 0 later"]);
});

Deno.test("where nothing leads to the control port there is no path inside TLS", () => {
  const { ensure } = setUp("tls");
  deepEqual(ensure(DSL, null), []);
});

Deno.test("a link that joins gets its id, and the path inside TLS another one", () => {
  const { ensure, silence } = setUp("auto");
  ensure();
  silence("dsl");
  deepEqual(ensure(), ["tls dsl as 15"]);
  deepEqual(ensure(linkOf("sat", 15), null), ["no tls 15", "udp sat as 15"]);
  deepEqual(ensure(), ["tls dsl as 14"]);
});

Deno.test("with all ids taken a link keeps to UDP", () => {
  const { ensure, silence } = setUp("auto");
  for (let id = 0; id < 16; id++) ensure(linkOf(`link${id}`, id), null);
  silence("link3");
  deepEqual(ensure(linkOf("link3", 3)), []);
});

Deno.test("what is prescribed for a link holds for both of its paths", () => {
  const { ensure, silence, limit } = setUp("auto");
  ensure();
  silence("dsl");
  ensure();
  deepEqual(limit(), ["rule of 0", "rule of 15"]);
});

Deno.test("while UDP is slowed down its path is held back, and no more when that is over", () => {
  const { paths, ensure, choice, log } = setUp("auto");
  ensure();
  const nothing = { rate: 0, loss: 0, isQueued: false };
  const downOf = (rate: number, loss: number) => ({
    up: nothing,
    down: { rate, loss, isQueued: false },
  });
  for (let ms = 0; choice.heldBack("dsl") === null; ms += 1000) {
    const tls = choice.wantsTls("dsl") ? downOf(0, 0) : null;
    choice.carried("dsl", downOf(125_000, 0.3), tls, ms);
  }
  deepEqual(ensure(), ["tls dsl as 15"]);
  paths.applyRules();
  deepEqual(log.splice(0), ["rule of 0: cap reached"]);
  choice.movedElsewhere("dsl");
  paths.applyRules();
  deepEqual(log.splice(0), ["rule of 0"]);
});

Deno.test("a path inside TLS ends at once when UDP is answered before it ever was", () => {
  const { paths, ensure, silence, log } = setUp("auto");
  ensure();
  silence("dsl");
  ensure();
  equal(paths.followTransport(DSL, 6000, () => false), false);
  equal(paths.followTransport(DSL, 7000, (id) => id === 0), true);
  deepEqual(log.splice(0), ["no tls 15"]);
  equal(paths.streamOf("dsl"), null);
});

Deno.test("a path inside TLS that is answered is told so, and stays until UDP is trusted", () => {
  const { paths, ensure, silence, log } = setUp("auto");
  ensure();
  silence("dsl");
  ensure();
  equal(paths.followTransport(DSL, 6000, (id) => id === 15), false);
  deepEqual(log.splice(0), ["tls 15 is answered"]);
  equal(paths.followTransport(DSL, 7000, () => true), false);
  equal(paths.followTransport(DSL, 9000, () => true), true);
  deepEqual(log.splice(0), ["tls 15 is answered", "tls 15 is answered", "no tls 15"]);
});
