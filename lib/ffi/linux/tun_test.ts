import { deepEqual, equal, throws } from "node:assert/strict";
import { Libc } from "../libc/libc.ts";
import { openTun, TunError } from "./tun.ts";

/** Runs code that has `libc`, `openTun` and `tell` in a network namespace of its own. */
async function inNamespace(code: string): Promise<unknown[]> {
  const module = `
    import { Libc } from ${JSON.stringify(import.meta.resolve("../libc/libc.ts"))};
    import { openTun } from ${JSON.stringify(import.meta.resolve("./tun.ts"))};
    const libc = Libc.open();
    const tell = (value) => console.log(JSON.stringify(value));
    const attempt = (action) => { try { return action(); } catch (error) { return String(error); } };
    ${code}`;
  const { stdout, stderr, success } = await new Deno.Command("unshare", {
    args: ["--net", Deno.execPath(), "eval", "--no-lock", "--ext=ts", module],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
}

Deno.test("names that are none of a device are refused before the kernel is asked", () => {
  const libc = Libc.open();
  for (const name of ["", "x".repeat(16), "tun%d", "a b", "a/b", "tun\n", "ü", ".", ".."]) {
    throws(() => openTun(libc, name, true), (error) => error instanceof TunError);
  }
});

Deno.test({
  name: "netns: a TUN device is there while it is open, with offloads or without",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const told = await inNamespace(`
      const exists = () => attempt(() => Deno.readTextFileSync("/proc/net/dev").includes("fx0"));
      for (const offload of [true, false]) {
        const { fd, udpSegments: _, ...device } = openTun(libc, "fx0", offload);
        tell({ ...device, exists: exists() });
        libc.closeFile(fd);
        tell(exists());
      }`);
    deepEqual(told, [
      { name: "fx0", vnetHeader: true, exists: true },
      false,
      { name: "fx0", vnetHeader: false, exists: true },
      false,
    ]);
  },
});

Deno.test({
  name: "netns: what a program sends with UDP_SEGMENT is one packet where the kernel can",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const [told] = await inNamespace(`
      import { pinnedBytes } from ${JSON.stringify(import.meta.resolve("../memory/arena.ts"))};
      import { encodeSockaddr } from ${JSON.stringify(import.meta.resolve("./socket.ts"))};
      const { fd, udpSegments } = openTun(libc, "fx0", true);
      const run = (...argv) => new Deno.Command(argv[0], { args: argv.slice(1) }).output();
      await run("ip", "link", "set", "fx0", "up", "mtu", "1500");
      await run("ip", "address", "add", "10.8.0.2/24", "dev", "fx0");
      const socket = libc.socket(2, 2);
      libc.setOption(socket, 17, 103, 1000, "set the segment size");
      libc.connect(socket, encodeSockaddr("10.8.0.1", 9), "connect");
      const { bytes, address } = pinnedBytes(65_600);
      libc.write(socket, address, 2500n);
      const view = new DataView(bytes.buffer);
      const packets = [];
      for (;;) {
        const length = libc.read(fd, address, 65_600n);
        if (length < 0) break;
        const isUdp = bytes[10] >> 4 === 4 && bytes[19] === 17;
        if (isUdp) packets.push([length, bytes[1], view.getUint16(4, true)]);
      }
      tell({ udpSegments, packets });`);
    const { udpSegments, packets } = told as { udpSegments: boolean; packets: number[][] };
    const cut = [[1038, 0, 0], [1038, 0, 0], [538, 0, 0]];
    deepEqual(packets, udpSegments ? [[2538, 5, 1000]] : cut);
  },
});

Deno.test({
  name: "netns: a name in use is told from one of another kind of device",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const told = await inNamespace(`
      openTun(libc, "fx0", true);
      const fds = () => [...Deno.readDirSync("/proc/self/fd")].length;
      const before = fds();
      tell(attempt(() => openTun(libc, "fx0", true)));
      tell(attempt(() => openTun(libc, "lo", true)));
      tell(fds() - before);`);
    equal(
      told[0],
      "TunError: Cannot make TUN device fx0: another program uses it; stop that one first, or " +
        "choose another name with -tun, on the server with -iface",
    );
    equal(
      told[1],
      "TunError: Cannot make TUN device lo: a device of that name is there already, and is no TUN " +
        "device of ours; choose another name with -tun, on the server with -iface",
    );
    equal(told[2], 0, "descriptors left open");
  },
});
