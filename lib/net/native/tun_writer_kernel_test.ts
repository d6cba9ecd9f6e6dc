/** What a socket gets of UDP packets that the writer hands to a real TUN device as one. */
import { deepEqual } from "node:assert/strict";

const TIMEOUT_MS = 30_000;

Deno.test({
  name: "netns: the kernel cuts a UDP super-packet into the datagrams it was made of",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const module = (path: string) => JSON.stringify(import.meta.resolve(path));
    const program = `
      import { Libc } from ${module("../../ffi/libc/libc.ts")};
      import { openTun } from ${module("../../ffi/linux/tun.ts")};
      import { fold, sumPseudoHeader } from ${module("../../protocol/packet/checksum.ts")};
      import { FlowKey, readFlowKey } from ${module("../../protocol/packet/flow_key.ts")};
      import { ipPacket } from ${module("../../protocol/packet/test_packet.ts")};
      import { DropCounters } from ${module("../../protocol/wire/drop_reason.ts")};
      import { MemoryLayout } from ${module("./memory_layout.ts")};
      import { TunWriter } from ${module("./tun_writer.ts")};
      const run = (...argv) => new Deno.Command(argv[0], { args: argv.slice(1) }).output();
      const libc = Libc.open();
      const tun = openTun(libc, "fx0", true);
      await run("ip", "link", "set", "fx0", "up", "mtu", "1500");
      await run("ip", "address", "add", "10.8.0.2/24", "dev", "fx0");
      await run("ip", "address", "add", "fd00:8::2/64", "dev", "fx0", "nodad");
      const layout = new MemoryLayout();
      const { arena, receive } = layout;
      const drops = new DropCounters();
      let writes = 0;
      const counting = {
        writev: (...words) => (writes++, libc.writev(...words)),
      };
      const writer = new TunWriter(counting, tun, layout, drops);
      const flow = new FlowKey();
      const server4 = [10, 8, 0, 1], client4 = [10, 8, 0, 2];
      const [server6, client6] = [1, 2].map((host) => [0xfd, 0, 0, 8, ...Array(11).fill(0), host]);
      for (const version of [4, 6]) {
        const hostname = version === 4 ? "10.8.0.2" : "fd00:8::2";
        const socket = Deno.listenDatagram({ transport: "udp", hostname, port: 5000 });
        let at = receive;
        writes = 0;
        for (const [index, length] of [1000, 1000, 1000, 10].entries()) {
          const payload = new Uint8Array(8 + length).fill(index);
          new DataView(payload.buffer).setUint32(0, (4000 << 16) | 5000);
          new DataView(payload.buffer).setUint16(4, 8 + length);
          const [source, destination] = version === 4 ? [server4, client4] : [server6, client6];
          const packet = ipPacket({ version, protocol: 17, payload, source, destination });
          arena.bytes.set(packet, at);
          readFlowKey(arena.view, at, packet.length, flow);
          const sum = sumPseudoHeader(arena.view, at, 17) + 8 + length;
          arena.view.setUint16(flow.transport + 6, fold(sum));
          writer.deliver(arena, at, flow, true);
          at += packet.length;
        }
        writer.flush();
        const got = [];
        for (let count = 0; count < 4; count++) {
          const [bytes, from] = await socket.receive();
          got.push([bytes.length, bytes[0], bytes.at(-1), from.hostname, from.port]);
        }
        console.log(JSON.stringify({ got, writes, refused: drops.get("TUN refused") }));
        socket.close();
      }
      console.log(JSON.stringify(tun.udpSegments));
      Deno.exit(0);`;
    const { stdout, stderr, success } = await new Deno.Command("unshare", {
      args: ["--net", Deno.execPath(), "eval", "--no-lock", "--ext=ts", program],
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    const lines = new TextDecoder().decode(stdout).trim().split("\n").map((line) =>
      JSON.parse(line)
    );
    const udpSegments = lines.pop();
    const writes = udpSegments ? 1 : 4;
    const datagrams = (from: string) =>
      [1000, 1000, 1000, 10].map((length, index) => [length, index, index, from, 4000]);
    deepEqual(lines, [
      { got: datagrams("10.8.0.1"), writes, refused: 0 },
      { got: datagrams("fd00:8::1"), writes, refused: 0 },
    ]);
  },
});
