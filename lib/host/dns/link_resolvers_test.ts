import { deepEqual } from "node:assert/strict";
import { dirname } from "node:path";
import { TestDirectory } from "../journal/test_directory.ts";
import { OWN_HEADER } from "./resolv_conf.ts";
import { LinkResolvers } from "./link_resolvers.ts";

const LINKS = [
  { device: "dsl", index: 3, gateways: ["192.168.1.1", "fe80::1"] },
  { device: "ppp0", index: 4, gateways: [] },
];

async function write(root: TestDirectory, path: string, text: string): Promise<void> {
  await Deno.mkdir(dirname(root.file(path)), { recursive: true });
  await Deno.writeTextFile(root.file(path), text);
}

async function asked(resolvers: LinkResolvers): Promise<string[]> {
  return (await resolvers.of(LINKS)).map(({ device, address }) => `${device} ${address}`);
}

Deno.test("a link's own DNS servers come first, then the machine's of before, then its gateway", async () => {
  await using root = await TestDirectory.create();
  const resolvers = new LinkResolvers(root.path);
  deepEqual(await asked(resolvers), ["dsl 192.168.1.1", "dsl fe80::1"]);
  await write(root, "etc/resolv.conf", "nameserver 127.0.0.53\nnameserver nonsense\n");
  await write(root, "run/systemd/resolve/resolv.conf", "nameserver 9.9.9.9\n");
  await resolvers.remember();
  deepEqual(await asked(resolvers), [
    ...["dsl 9.9.9.9", "dsl 192.168.1.1", "dsl fe80::1"],
    "ppp0 9.9.9.9",
  ]);
  await write(
    root,
    "run/systemd/netif/leases/3",
    "ADDRESS=192.168.1.9\nDNS=192.168.1.7 fe80::7%dsl\n",
  );
  deepEqual(await asked(resolvers), [
    ...["dsl 192.168.1.7", "dsl fe80::7", "dsl 9.9.9.9"],
    "ppp0 9.9.9.9",
  ]);
});

Deno.test("DNS servers of ours are not those of before", async () => {
  await using root = await TestDirectory.create();
  const resolvers = new LinkResolvers(root.path);
  await write(root, "etc/resolv.conf", "nameserver 9.9.9.9\n");
  await resolvers.remember();
  await write(root, "etc/resolv.conf", `${OWN_HEADER}\nnameserver 1.1.1.1\n`);
  await resolvers.remember();
  deepEqual((await asked(resolvers)).at(-1), "ppp0 9.9.9.9");
});
