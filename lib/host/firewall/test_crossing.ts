import { TestNamespace } from "../../../testing/test_namespace.ts";
import { TestMachine } from "../journal/test_machine.ts";
import { until } from "../../../testing/until.ts";

export const CLIENT_SUBNET4 = "10.9.0.0/24";
export const CLIENT_SUBNET6 = "fd00:9::/64";
const CLIENT = { v4: "10.9.0.2", v6: "fd00:9::2" };
const SERVER = { v4: "203.0.113.1", v6: "2001:db8:7::1" };
const INTERNET = { v4: "203.0.113.7", v6: "2001:db8:7::7" };
/** Each takes 0.3 s where nobody answers. */
const PINGS_MAX = 40;

/**
 * For tests: a server between its client and the Internet. `srv` stands for the TUN device; its MTU
 * is 1400, while everybody else believes in 1500.
 *
 *   client              server (TestMachine)              internet
 *     srv 10.9.0.2 ---- srv 10.9.0.1 | wan 203.0.113.1 ---- wan 203.0.113.7
 */
export class TestCrossing implements AsyncDisposable {
  private constructor(
    readonly client: TestNamespace,
    readonly server: TestMachine,
    readonly internet: TestNamespace,
    readonly cleanup: AsyncDisposableStack,
  ) {}

  static async create(): Promise<TestCrossing> {
    await using stack = new AsyncDisposableStack();
    const server = stack.use(await TestMachine.create("crossing"));
    const client = stack.use(await TestNamespace.create("crossing-client"));
    const internet = stack.use(await TestNamespace.create("crossing-internet"));
    const crossing = new TestCrossing(client, server, internet, stack.move());
    await crossing.#build();
    return crossing;
  }

  /** Whether the client gets an answer from the Internet. */
  async reaches(family: "v4" | "v6"): Promise<boolean> {
    return (await this.client.run(ping(INTERNET[family]))).code === 0;
  }

  /** Whether the Internet gets at the client without having been asked. */
  async isReached(family: "v4" | "v6"): Promise<boolean> {
    return (await this.internet.run(ping(CLIENT[family]))).code === 0;
  }

  /** The MSS with which `from` sends: what the other end's half of the handshake allows. */
  async mssSeenBy(from: "client" | "internet", family: "v4" | "v6"): Promise<number> {
    const [caller, listener, address] = from === "client"
      ? [this.client, this.internet, INTERNET[family]]
      : [this.internet, this.client, CLIENT[family]];
    await using _server = await listen(listener);
    // What ICMP has told about the path would hide what the handshake says.
    await caller.sh("ip route flush cache\nip -6 route flush cache");
    const { stdout } = await caller.run(["iperf3", "-J", "-n", "1K", "-c", address]);
    return JSON.parse(stdout).start.tcp_mss_default;
  }

  /** Whether a connection from the Internet to that port of the server ends at the client's 5201. */
  async reachesClientAt(family: "v4" | "v6", port: number): Promise<boolean> {
    await using _server = await listen(this.client);
    const { code } = await this.internet.run([
      ...["iperf3", "-n", "1K", "--connect-timeout", "500"],
      ...["-c", SERVER[family], "-p", String(port)],
    ]);
    return code === 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cleanup.disposeAsync();
  }

  async #build(): Promise<void> {
    const { client, server, internet } = this;
    await server.namespace.sh(`
      ip link add srv type veth peer name srv netns ${client.name}
      ip link add wan type veth peer name wan netns ${internet.name}
      ip link set srv mtu 1400 up
      ip link set wan up
      ip address add 10.9.0.1/24 dev srv
      ip address add fd00:9::1/64 dev srv nodad
      ip address add 203.0.113.1/24 dev wan
      ip address add 2001:db8:7::1/64 dev wan nodad
      sysctl -q -w net.ipv4.ip_forward=1
      sysctl -q -w net.ipv6.conf.all.forwarding=1
    `);
    await client.sh(`
      sysctl -q -w net.ipv4.tcp_timestamps=0
      ip link set srv up
      ip address add ${CLIENT.v4}/24 dev srv
      ip address add ${CLIENT.v6}/64 dev srv nodad
      ip route add default via 10.9.0.1
      ip -6 route add default via fd00:9::1
    `);
    await internet.sh(`
      sysctl -q -w net.ipv4.tcp_timestamps=0
      ip link set wan up
      ip address add ${INTERNET.v4}/24 dev wan
      ip address add ${INTERNET.v6}/64 dev wan nodad
      ip route add ${CLIENT_SUBNET4} via 203.0.113.1
      ip -6 route add ${CLIENT_SUBNET6} via 2001:db8:7::1
    `);
  }
}

/** Asks until all say yes; for so many pings at most. */
export async function untilAll(ask: () => Promise<readonly boolean[]>): Promise<void> {
  for (let asked = 0; asked < PINGS_MAX; asked++) {
    if ((await ask()).every((yes) => yes)) return;
  }
  throw new Error(`no answer to ${PINGS_MAX} pings`);
}

function ping(address: string): string[] {
  return ["ping", "-n", "-c", "1", "-W", "0.3", address];
}

/** An iperf3 server for one test, until it is disposed of. */
async function listen(namespace: TestNamespace): Promise<AsyncDisposable> {
  const child = new Deno.Command("ip", {
    args: ["netns", "exec", namespace.name, "iperf3", "-s", "-1"],
    stdout: "null",
    stderr: "null",
  }).spawn();
  const server = {
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has served its one test.
      }
      await child.status;
    },
  };
  try {
    const listens = async () => (await namespace.sh("ss -H -l -t -n sport = 5201")) !== "";
    await until("iperf3 listens", listens);
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}
