/*
 * What the kernel makes of our answers and fragments. Everything is in a network namespace of its
 * own, whose only way out is a TUN device that the program in it reads and writes:
 *
 *     ping, sockets of the kernel --- fx0 10.8.0.2/24, fd00:8::2/64 --- program: 10.8.0.1, fd00:8::1
 */
import { deepEqual, equal, match } from "node:assert/strict";

const TIMEOUT_MS = 30_000;

/** Runs code that has the TUN device; what it tells is answered. */
async function atTun(code: string): Promise<unknown[]> {
  const module = (path: string) => JSON.stringify(import.meta.resolve(path));
  const program = `
    import { Libc } from ${module("../../ffi/libc/libc.ts")};
    import { openTun } from ${module("../../ffi/linux/tun.ts")};
    import { pinnedBytes } from ${module("../../ffi/memory/arena.ts")};
    import { ipv4Word, ipv6Words } from ${module("./inner_address.ts")};
    import { writeTooBig } from ${module("./too_big.ts")};
    import { Ipv4Fragments } from ${module("./ipv4_fragments.ts")};
    import { ipPacket, naiveChecksum } from ${module("./test_packet.ts")};
    const tell = (value) => console.log(JSON.stringify(value));
    const run = async (...argv) => {
      const { stdout, stderr } = await new Deno.Command(argv[0], { args: argv.slice(1) }).output();
      return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    };
    const libc = Libc.open();
    const tun = openTun(libc, "fx0", false);
    await run("ip", "link", "set", "lo", "up");
    await run("ip", "link", "set", "fx0", "up", "mtu", "1500");
    await run("ip", "address", "add", "10.8.0.2/24", "dev", "fx0");
    await run("ip", "address", "add", "fd00:8::2/64", "dev", "fx0", "nodad");
    const router = { ipv4: ipv4Word("10.8.0.1"), ipv6: ipv6Words("fd00:8::1") };
    const inbox = pinnedBytes(2048);
    const outbox = pinnedBytes(2048);
    const packet = new DataView(inbox.bytes.buffer, inbox.bytes.byteOffset, 2048);
    const target = new DataView(outbox.bytes.buffer, outbox.bytes.byteOffset, 2048);
    const read = () => libc.read(tun.fd, inbox.address, 2048n);
    const write = (length) => libc.write(tun.fd, outbox.address, BigInt(length));
    ${code}
    Deno.exit(0);`;
  const child = new Deno.Command("unshare", {
    args: ["--net", Deno.execPath(), "eval", "--no-lock", "--ext=ts", program],
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const { stdout, stderr, success } = await child.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
}

Deno.test({
  name: "netns: the kernel believes our ICMP and ICMPv6, and refuses what is larger",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const [route4, route6, ping4, ping6] = await atTun(`
      const ping = (address, size) => run("ping", "-c1", "-W1", "-Mdo", "-s", String(size), address);
      for (const [address, size] of [["10.8.0.1", 1400], ["fd00:8::1", 1400]]) {
        const echo = ping(address, size);
        for (let isAnswered = false; !isAnswered;) {
          const length = read();
          if (length < 1000) {
            await new Promise((resolve) => setTimeout(resolve, 5));
            continue;
          }
          write(writeTooBig(packet, 0, length, 1300, router, target, 0));
          isAnswered = true;
        }
        await echo;
      }
      tell(await run("ip", "route", "get", "10.8.0.1"));
      tell(await run("ip", "-6", "route", "get", "fd00:8::1"));
      tell(await ping("10.8.0.1", 1273));
      tell(await ping("fd00:8::1", 1253));`) as string[];
    match(route4!, /\bmtu 1300\b/);
    match(route6!, /\bmtu 1300\b/);
    match(ping4!, /[Mm]essage too long/);
    match(ping6!, /[Mm]essage too long/);
  },
});

Deno.test({
  name: "netns: the kernel puts our fragments together",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const told = await atTun(`
      const socket = Deno.listenDatagram({ transport: "udp", hostname: "10.8.0.2", port: 4000 });
      const payload = Uint8Array.from({ length: 1300 }, (_, i) => i * 3);
      const datagram = new Uint8Array(8 + payload.length);
      new DataView(datagram.buffer).setUint32(0, 4001 << 16 | 4000);
      new DataView(datagram.buffer).setUint16(4, datagram.length);
      datagram.set(payload, 8);
      const whole = ipPacket({
        protocol: 17, payload: datagram, fragment: 0, identification: 99,
        source: [10, 8, 0, 1], destination: [10, 8, 0, 2],
      });
      const view = new DataView(whole.buffer);
      const { length } = datagram;
      const pseudo = [...whole.subarray(12, 20), 0, 17, length >> 8, length & 0xff];
      view.setUint16(26, naiveChecksum(new Uint8Array([...pseudo, ...datagram])));
      const fragments = new Ipv4Fragments();
      fragments.start(view, 0, whole.length, 576);
      let count = 0;
      for (let n = fragments.next(target, 0); n > 0; n = fragments.next(target, 0)) {
        write(n);
        count++;
      }
      tell(count);
      const [received] = await socket.receive();
      tell(received.length === payload.length && received.every((byte, i) => byte === payload[i]));`);
    equal(told.length, 2);
    deepEqual(told, [3, true]);
  },
});
