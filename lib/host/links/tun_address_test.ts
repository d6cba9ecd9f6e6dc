import assert from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { TestNamespace } from "../../../testing/test_namespace.ts";
import { listInterfaces, requireInterface } from "./network_interface.ts";
import { configureTun, type TunAddresses } from "./tun_address.ts";

const WANTED: TunAddresses = {
  ipv4: "10.8.0.2",
  prefix4: 24,
  ipv6: "fd00:8::2",
  prefix6: 64,
  mtu: 1400,
  txqueuelen: 1000,
};

Deno.test("configureTun() refuses what no device can have, before any command", async () => {
  const runner = new FakeRunner();
  const wrong: Partial<TunAddresses>[] = [
    { ipv4: "10.8.0" },
    { ipv4: "fd00::1" },
    { prefix4: 33 },
    { ipv6: "10.8.0.2" },
    { prefix6: 0 },
    { mtu: 100 },
    { mtu: 70_000 },
    { mtu: 1400.5 },
    { txqueuelen: 0 },
  ];
  for (const change of wrong) {
    await assert.rejects(configureTun(runner, "tun0", { ...WANTED, ...change }), RangeError);
  }
  await assert.rejects(configureTun(runner, "-x", WANTED), /cannot be the name/);
  assert.deepEqual(runner.lines, []);
});

Deno.test("configureTun() goes on with IPv4 where IPv6 cannot be had", async () => {
  const refused = new FakeRunner().on("ip", "").on("ip -6", {
    code: 2,
    stderr: "Permission denied",
  })
    .on("ip link set dev tun0 addrgenmode", { code: 255 });
  assert.match(
    (await configureTun(refused, "tun0", WANTED)).join(),
    /IPv4 only.*Permission denied/,
  );
  assert.equal(refused.lines.at(-1), "ip link set dev tun0 up");

  const small = new FakeRunner().on("ip", "");
  assert.match((await configureTun(small, "tun0", { ...WANTED, mtu: 1200 })).join(), /1280/);
  const none = new FakeRunner().on("ip", "");
  assert.deepEqual(await configureTun(none, "tun0", { ...WANTED, ipv6: undefined }), []);
  assert.ok(![...small.lines, ...none.lines].some((line) => line.includes("-6")));
});

Deno.test({
  name: "netns: configureTun() sets addresses, MTU and queue, and may be called again",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using namespace = await TestNamespace.create("tun-address");
    await namespace.sh("ip tuntap add dev tunnel mode tun");
    for (const mtu of [1400, 1380]) {
      assert.deepEqual(await configureTun(namespace, "tunnel", { ...WANTED, mtu }), []);
      const tunnel = requireInterface(await listInterfaces(namespace), "tunnel");
      assert.ok(tunnel.up);
      assert.equal(tunnel.mtu, mtu);
      assert.deepEqual(
        tunnel.addresses.map((one) => `${one.address}/${one.prefixLength}`),
        ["10.8.0.2/24", "fd00:8::2/64"],
      );
    }
    const shown = await namespace.sh("ip address show dev tunnel");
    assert.match(shown, /qlen 1000/);
    assert.doesNotMatch(shown, /tentative/);
  },
});
