import { deepEqual, equal } from "node:assert/strict";
import { FakeRunner } from "../../testing/fake_runner.ts";
import { TunMtuKeeper } from "./tun_mtu_keeper.ts";

const SERVER_MTU = 1400;

/** A client with the links fiber (path 0) and dsl (path 1), whose interfaces can be changed. */
function makeClient(options: { dsl?: number; forbidsFragments?: boolean } = {}) {
  const { dsl = 1500, forbidsFragments = true } = options;
  const interfaces = [
    { id: 0, link: "fiber", interfaceMtu: 1500, family: 4 as const },
    { id: 1, link: "dsl", interfaceMtu: dsl, family: 4 as const },
  ];
  const runner = new FakeRunner().on("ip link set", "");
  const mtu = new TunMtuKeeper({
    ...{ runner, tun: "tun", forbidsFragments, prescribed: null },
    links: { outerMtus: () => interfaces },
  });
  /** What the device was set to since the last call. */
  let seen = 0;
  async function set(): Promise<number[]> {
    await mtu.settled();
    const calls = runner.calls.slice(seen);
    seen = runner.calls.length;
    return calls.map(({ argv }) => Number(argv.at(-1)));
  }
  return { mtu, interfaces, set };
}

Deno.test("a path that goes down sets no limit, and the limit is back when it works again", async () => {
  const { mtu, set } = makeClient();
  mtu.begin(SERVER_MTU);
  equal(mtu.current, 1400);
  mtu.noteFound({ path: 1, mtu: 1322 });
  deepEqual(await set(), [1322]);
  mtu.notePath({ path: 1, state: "suspect" });
  deepEqual(await set(), []);
  mtu.notePath({ path: 1, state: "down" });
  deepEqual(await set(), [1400]);
  mtu.begin(SERVER_MTU);
  mtu.notePath({ path: 0, state: "up" });
  deepEqual(await set(), [], "a new session finds it as it was");
  mtu.notePath({ path: 1, state: "up" });
  deepEqual(await set(), [1322], "before it is probed again");
  mtu.noteFound({ path: 1, mtu: 1400 });
  deepEqual(await set(), [1400]);
});

Deno.test("while no path works the limit stays", async () => {
  const { mtu, set } = makeClient();
  mtu.begin(SERVER_MTU);
  mtu.noteFound({ path: 1, mtu: 1322 });
  deepEqual(await set(), [1322]);
  mtu.notePath({ path: 0, state: "down" });
  mtu.notePath({ path: 1, state: "down" });
  deepEqual(await set(), []);
  mtu.notePath({ path: 0, state: "up" });
  deepEqual(await set(), [1400]);
});

for (const forbidsFragments of [false, true]) {
  const how = forbidsFragments ? "with probes" : "without probes";
  Deno.test(`an interface that is made larger or smaller is followed ${how}`, async () => {
    const { mtu, interfaces, set } = makeClient({ dsl: 1400, forbidsFragments });
    mtu.begin(SERVER_MTU);
    equal(mtu.current, 1314);
    interfaces[1]!.interfaceMtu = 1500;
    mtu.follow();
    deepEqual(await set(), [1400]);
    interfaces[1]!.interfaceMtu = 1380;
    mtu.follow();
    deepEqual(await set(), [1294]);
    interfaces.pop();
    mtu.follow();
    deepEqual(await set(), [1400]);
  });
}

Deno.test("what was found of a smaller interface says nothing of a larger one", async () => {
  const { mtu, interfaces, set } = makeClient({ dsl: 1400 });
  mtu.begin(SERVER_MTU);
  equal(mtu.current, 1314);
  mtu.noteFound({ path: 1, mtu: 1300 });
  deepEqual(await set(), [1300]);
  interfaces[1]!.interfaceMtu = 1500;
  mtu.follow();
  deepEqual(await set(), [1400]);
  mtu.noteFound({ path: 1, mtu: 1310 });
  deepEqual(await set(), [1310]);
  interfaces[1]!.interfaceMtu = 1400;
  mtu.follow();
  deepEqual(await set(), []);
});
