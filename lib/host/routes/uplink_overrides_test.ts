import { deepEqual, match } from "node:assert/strict";
import { TestMachine } from "../journal/test_machine.ts";
import { UplinkOverrides } from "./uplink_overrides.ts";

const UPLINKS = ["fiber", "mobile"];

Deno.test({
  name:
    "netns: UplinkOverrides names what takes the traffic from the uplinks, once, in both families",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("overrides");
    const overrides = new UplinkOverrides(machine.namespace);
    const look = () => overrides.look([4, 6], UPLINKS);
    deepEqual(await look(), []);
    await machine.namespace.addLink("docker", "172.17.0.1/16", "fd17::1/64");
    deepEqual(await look(), []);
    const cases = [["-4", "128.0.0.0/1"], ["-6", "2000::/4"]] as const;
    for (const [family, wide] of cases) {
      const ip = `ip ${family}`;
      await machine.namespace.sh(`
        ${ip} route add default dev docker table 100
        ${ip} rule add pref 2000 from all lookup 100
      `);
      const [line, ...rest] = await look();
      match(line!, RegExp(`IPv${family.slice(1)} traffic goes to docker by the routing table 100`));
      deepEqual([rest, await look()], [[], []]);
      await machine.namespace.sh(`${ip} rule del pref 2000`);
      deepEqual(await look(), []);

      await machine.namespace.sh(`${ip} route add ${wide} dev docker`);
      match((await look()).join(), /traffic goes to docker by the routing table main, not over/);
      await machine.namespace.sh(`${ip} route del ${wide} dev docker`);
      deepEqual(await look(), []);

      await machine.namespace.sh(`${ip} rule add pref 2000 unreachable`);
      match((await look()).join(), /traffic goes nowhere, not over the uplinks/);
      await machine.namespace.sh(`${ip} rule del pref 2000`);
      deepEqual(await look(), []);
    }
  },
});
