/** An engine of several threads with a TUN device, in a namespace of its own: its clients are simulated. */
import { deepEqual } from "node:assert/strict";
import { Namespace, needsRoot } from "../../../tests/netns/namespace.ts";

const CONFIG = new URL("../../../deno.json", import.meta.url).pathname;
const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

const PROGRAM = `
import { workerData } from "node:worker_threads";
import { Libc } from ${module("../../ffi/libc/libc.ts")};
import { NativeEngine } from ${module("native_engine.ts")};
import { isNativeWorker, runNativeWorker } from ${module("worker.ts")};
import { DEFAULT_TUNING } from ${module("../../protocol/session/session_tuning.ts")};
import { Fleet } from ${module("../../../scripts/load/fleet.ts")};

const THREADS = 2;
const FIRST = 2;
const CLIENTS = 8;
const PINGS = { bytes: 500, everyMs: 20 };

if (isNativeWorker()) {
  // The second thread breaks once, when it finds the file.
  const { ppoll } = Libc.prototype;
  Libc.prototype.ppoll = function (...args) {
    if (workerData.handover.thread === 1) {
      try {
        Deno.removeSync("BREAK");
        return -77;
      } catch {
        // Not yet.
      }
    }
    return ppoll.apply(this, args);
  };
  runNativeWorker();
} else {
  const told = [];
  const engine = new NativeEngine({
    libc: Libc.open(),
    tunName: "flux0",
    role: { kind: "server", port: 8000 },
    threads: THREADS,
    onEvent: (event) => told.push(event),
    workerModule: new URL(import.meta.url),
  });
  for (
    const words of [
      "link set flux0 up mtu 1400",
      "address add 10.8.0.1/24 dev flux0",
      "route add 192.168.0.0/16 dev flux0",
    ]
  ) {
    await new Deno.Command("ip", { args: words.split(" ") }).output();
  }
  using fleet = new Fleet(Libc.open(), [{ device: "lo", server: "127.0.0.1" }], 8000, "10.8.0.1");
  const open = (number) => {
    const key = crypto.getRandomValues(new Uint8Array(32));
    const ipv4 = "10.8.0." + number;
    const id = engine.sessionIdFor(crypto.getRandomValues(new Uint32Array(1))[0], ipv4);
    engine.openSession({
      role: "server", id, key: key.slice(), x1: true, name: "client " + number, mtu: 1400,
      ipv4, ipv6: "fd00:8::" + number.toString(16),
      reorderBufferSize: 16, reorderFlushTimeoutMs: 50, tuning: DEFAULT_TUNING,
      limits: { rateDown: null, rateUp: null, reach: null, routes: ["192.168." + number + ".0/24"] },
    });
    fleet.admit({
      kind: "grant", sessionId: id, sessionKey: key, udpPort: 8000, udpHosts: [], clientIp: ipv4,
      clientIp6: "", prefix4: 24, prefix6: 64, features: ["x1"], mtu: 1400,
    });
    return id;
  };
  const until = async (holds) => {
    const endMs = performance.now() + 10_000;
    while (!holds() && performance.now() < endMs) {
      fleet.turn(5);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  };
  const numbers = Array.from({ length: CLIENTS }, (_, index) => FIRST + index);
  const ids = numbers.map(open);

  // Every client reaches the server, and is answered.
  fleet.ping(CLIENTS, PINGS);
  let answered = 0;
  const isServed = (pings) => {
    answered = 0;
    return until(() => (answered += fleet.takeFigures().answered) >= pings).then(() => answered >= pings);
  };
  const served = await isServed(200);
  const threads = (await engine.report()).map(({ id }) => id % THREADS).toSorted();

  // Packets of flows that no client has begun come to any thread, and reach their clients all the same.
  fleet.ping(0, PINGS);
  fleet.takeFigures();
  let sent = 0;
  for (let port = 0; port < 8; port++) {
    const socket = Deno.listenDatagram({ transport: "udp", hostname: "10.8.0.1", port: 0 });
    for (const number of numbers) {
      for (const hostname of ["10.8.0." + number, "192.168." + number + ".7"]) {
        await socket.send(new Uint8Array(100), { transport: "udp", hostname, port: 9 });
        sent++;
      }
    }
    socket.close();
  }
  let came = 0;
  await until(() => (came += fleet.takeFigures().unasked) >= sent);
  const lost = sent - came;
  const missed = engine.drops.get("no session for destination") + engine.drops.get("handover full");

  // The second thread breaks; the first one's clients notice nothing.
  Deno.writeTextFileSync("BREAK", "");
  await until(() => told.some(({ kind }) => kind === "thread ended"));
  await until(() => told.filter(({ kind }) => kind === "session failed").length === CLIENTS / 2);
  const failed = told.flatMap((event) => event.kind === "session failed" ? [event.session] : []);
  const left = (await engine.report()).map(({ id }) => id).toSorted();
  for (const number of numbers.filter((_, index) => failed.includes(ids[index]))) open(number);
  fleet.ping(2 * CLIENTS, PINGS);
  const servedAgain = await isServed(200);
  const again = (await engine.report()).map(({ id, paths }) => paths[0]?.state + " " + id % THREADS);
  await engine.stop();
  console.log(JSON.stringify({
    served, threads, lost, missed,
    failedAll: failed.every((id) => id % THREADS === 1) && failed.length,
    leftOnes: left.every((id) => id % THREADS === 0) && left.length,
    servedAgain, again: again.toSorted(),
    faults: told.filter(({ kind }) => kind === "fault"),
  }));
}
`;

Deno.test({
  name:
    "netns: clients of two threads are served, whichever the kernel asks, and one may end alone",
  ...needsRoot(),
  fn: async () => {
    await using namespace = await Namespace.create("threads");
    const directory = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${directory}/program.mts`, PROGRAM);
      const { stdout } = await namespace.runWith(
        { cwd: directory, timeoutMs: 60_000 },
        ...[Deno.execPath(), "run", "-A", "--no-check", "--quiet", "--config", CONFIG],
        "program.mts",
      );
      deepEqual(JSON.parse(stdout), {
        served: true,
        threads: [0, 0, 0, 0, 1, 1, 1, 1],
        lost: 0,
        missed: 0,
        failedAll: 4,
        leftOnes: 4,
        servedAgain: true,
        again: ["up 0", "up 0", "up 0", "up 0", "up 1", "up 1", "up 1", "up 1"],
        faults: [],
      });
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
