import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { enableKillSwitch, SERVER, stateOf, STRANGER, STRANGER6, TestSite } from "./test_site.ts";

const MARK_ALL = `
  nft add table inet marks
  nft add chain inet marks output { type filter hook output priority 0 ; }
  nft add rule inet marks output udp dport { 53, 54 } meta mark set 0x20000053
`;

for (const backend of ["nft", "iptables"] as const) {
  Deno.test({
    name: `netns: ${backend}: the client's own questions pass to a link's DNS servers, no others`,
    ignore: Deno.uid() !== 0,
    fn: async () => {
      await using site = await TestSite.create();
      const { namespace } = site.machine;
      const { before, journal, killSwitch } = await enableKillSwitch(site, backend);
      const resolvers = [STRANGER, STRANGER6].map((address) => ({ device: "fiber", address }));
      deepEqual(await killSwitch.allowLookUps(resolvers), []);
      equal(await site.reaches(namespace, STRANGER, 53), false, "another program's question");
      await namespace.sh(MARK_ALL);
      for (const address of [STRANGER, STRANGER6]) {
        ok(await site.reaches(namespace, address, 53), address);
        equal(await site.reaches(namespace, address, 54), false, `${address}, another port`);
        equal(await site.reaches(site.lan, address, 53), false, `${address} for others`);
      }
      equal(await site.reaches(namespace, SERVER, 53), false, "another server");
      await killSwitch.allowLookUps([]);
      equal(await site.reaches(namespace, STRANGER, 53), false, "when nothing is asked");
      const wrong = [{ device: 'a"b', address: STRANGER }];
      await rejects(killSwitch.allowLookUps(wrong), { name: "InterfaceError" });
      await namespace.sh("nft delete table inet marks");
      deepEqual(await journal.undoAll(), []);
      equal(await stateOf(site), before);
    },
  });
}
