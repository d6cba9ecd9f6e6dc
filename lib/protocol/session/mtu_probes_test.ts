/** Which probes a client sends, and what size it takes for carried by all paths. */
import { deepEqual, equal } from "node:assert/strict";
import { Outbox } from "../path/outbox.ts";
import { PathTable } from "../path/path_table.ts";
import { decodeTunnelMessage } from "../wire/tunnel_message.ts";
import { MtuProbes, START_BYTES } from "./mtu_probes.ts";

const CEILING = 1400;

function setUp(ceiling: number | null = CEILING) {
  const paths = new PathTable(0);
  const outbox = new Outbox();
  const probes = new MtuProbes(paths, outbox, ceiling);
  const [path, other] = [0, 1].map((id) => {
    const added = paths.add({ id, name: `link ${id}`, socket: id, peer: null })!;
    added.liveness.heard(0);
    probes.begin(added);
    return added;
  });
  const sizes = () => {
    const sent: [path: number, size: number][] = [];
    for (let next = outbox.nextTransmit(); next !== null; next = outbox.nextTransmit()) {
      const message = decodeTunnelMessage(next.payload);
      equal(message?.type, "mtu probe");
      sent.push([next.path.id, (message as { size: number }).size]);
      equal(next.payload.length, (message as { size: number }).size, "as long as it says");
    }
    return sent;
  };
  return { probes, outbox, sizes, path: path!, other: other! };
}

Deno.test("the size that is wanted is tried first, on each path that works", () => {
  const { probes, sizes, other } = setUp();
  other.liveness.linkDown(0);
  probes.handleTimeout(0);
  deepEqual(sizes(), [[0, CEILING]]);
  other.liveness.linkUp(0);
  other.liveness.heard(0);
  probes.handleTimeout(1);
  deepEqual(sizes(), [[1, CEILING]]);
});

Deno.test("a size that is found is told once, and counts for all paths when all have it", () => {
  const { probes, outbox, path, other } = setUp();
  probes.handleTimeout(0);
  probes.answered(path, CEILING, 10);
  probes.answered(path, CEILING, 11);
  deepEqual(outbox.nextEvent(), {
    ...{ name: "path MTU", path, mtu: CEILING, wasBlackhole: false },
  });
  equal(outbox.nextEvent(), null);
  equal(probes.smallest(), START_BYTES);
  probes.answered(other, CEILING, 12);
  equal(probes.smallest(), CEILING);
});

Deno.test("a path that does not work, or is too narrow and not in use, sets no limit", () => {
  const { probes, path, other } = setUp();
  [path.mtu, other.mtu] = [CEILING, 1322];
  equal(probes.smallest(), 1322);
  other.liveness.linkDown(0);
  equal(probes.smallest(), CEILING);
  other.liveness.linkUp(0);
  other.liveness.heard(0);
  other.mtu = 1200;
  equal(probes.smallest(), CEILING);
  other.carriesFlows = true;
  equal(probes.smallest(), 1200);
});

Deno.test("without a size that is wanted nothing is probed, and no size is known", () => {
  const { probes, sizes, path } = setUp(null);
  probes.handleTimeout(0);
  probes.refused(path, 1400, 0);
  deepEqual(sizes(), []);
  deepEqual([probes.smallest(), probes.nextDeadline()], [null, Infinity]);
});

Deno.test("more is looked for once, on each path, and what was found stays until then", () => {
  const { probes, sizes, path, other } = setUp();
  probes.handleTimeout(0);
  for (const each of [path, other]) probes.answered(each, CEILING, 10);
  sizes();
  probes.raise(10);
  probes.raise(10);
  probes.handleTimeout(20);
  deepEqual(sizes(), [[0, CEILING + 10], [1, CEILING + 10]]);
  equal(probes.smallest(), CEILING);
  probes.answered(path, CEILING + 10, 30);
  probes.answered(other, CEILING + 10, 30);
  equal(probes.smallest(), CEILING + 10);
});
