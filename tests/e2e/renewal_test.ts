/**
 * New keys every second and a new session every five, while packets go both ways: nothing is lost.
 * The links are clean and far from full. Queues are made long enough for a busy machine to fall
 * behind, so that what is missing in the end was lost by the programs.
 */
import { deepEqual, ok } from "node:assert/strict";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6, Lab } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import type { Namespace } from "../netns/namespace.ts";
import { topic } from "./scenario.ts";
import { pingAll } from "./small_lab.ts";

const LINKS = ["one", "two"] as const;
const PORT = "5201";
const SECONDS = 12;
const MBIT = 20;
const PING_EVERY_MS = 20;
const REKEY = ["-rekey-every", "1s"];
const START_TIMEOUT_MS = 10_000;
const RENEWALS_MIN = 2;
const KEYS_MIN = 10;
/** Packets; 20 Mbit/s for some seconds. */
const QUEUE_LENGTH = "10000";
const LINK_QUEUE_MS = 2000;
const PAYLOAD_BYTES = "1200";
/** Of IPv4 and UDP. */
const HEADER_BYTES = 28;

/**
 * Counts keys by what every record says in the clear: session and epoch, at bytes 2 and 15 behind
 * the UDP header (docs/protocol.md).
 */
const COUNT_KEYS = `
table ip keys {
  set up {
    typeof @th,80,32 . @th,184,8
    size 4096
    flags dynamic
  }
  set down {
    typeof @th,80,32 . @th,184,8
    size 4096
    flags dynamic
  }
  chain forward {
    type filter hook forward priority filter;
    udp dport 8000 update @up { @th,80,32 . @th,184,8 }
    udp sport 8000 update @down { @th,80,32 . @th,184,8 }
  }
}
`;

/**
 * Counts what comes out of the tunnel, before a socket may have no room for it. Several packets of one
 * flow come as one whose length is theirs together, so bytes count.
 */
const COUNT_ARRIVALS = `
table ip arrivals {
  chain prerouting {
    type filter hook prerouting priority -500;
    iifname "fluxify*" udp length > ${PAYLOAD_BYTES} counter
  }
}
`;

topic("e2e renewal", async (scenario) => {
  const patient = { queueMs: LINK_QUEUE_MS };
  await using lab = await Lab.create({
    links: LINKS.map((name) => ({ name, rateMbit: 100, rttMs: 10, up: patient, down: patient })),
  });
  for (const machine of [lab.client, lab.router]) {
    for (const link of LINKS) await lengthenQueue(machine, link);
  }
  const bundle = await newClientCertificate(lab, "laptop");
  await startServer(lab, { args: REKEY });
  const client = await startClient(lab, bundle, { args: [...REKEY, "-renew-every", "5s"] });
  await lengthenQueue(lab.client, "fluxify");
  await lengthenQueue(lab.server, "fluxify-srv");
  await pingAll(lab.client, [INTERNET_ADDRESS, INTERNET_ADDRESS6]);
  await addTable(lab.router, COUNT_KEYS);
  for (const machine of [lab.client, lab.server]) await addTable(machine, COUNT_ARRIVALS);
  const receiver = lab.internet.spawn(["iperf3", "-s", "-p", PORT, "--forceflush"]);
  await receiver.waitForLine(/listening/, START_TIMEOUT_MS);

  await scenario("no packet is lost while keys and sessions change", async (measure) => {
    const from = client.lineCount;
    const pings = Promise.all(
      [
        pingsLost(lab.client, INTERNET_ADDRESS),
        pingsLost(lab.client, INTERNET_ADDRESS6),
      ] as const,
    );
    const { stdout } = await lab.client.runWith(
      { timeoutMs: 40_000 },
      ...["iperf3", "-c", INTERNET_ADDRESS, "-p", PORT, "--json", "--bidir"],
      ...["-u", "-b", `${MBIT}M`, "-l", PAYLOAD_BYTES, "-t", String(SECONDS)],
    );
    const [pings4, pings6] = await pings;
    const { end } = JSON.parse(stdout);
    const sent = { up: end.sum_sent.packets, down: end.sum_sent_bidir_reverse.packets };
    const lost = {
      up: sent.up - await countArrivals(lab.server),
      down: sent.down - await countArrivals(lab.client),
      ping4: pings4,
      ping6: pings6,
    };
    const renewals = client.output("stderr").split("\n").slice(from)
      .filter((line) => line.includes("session renewed")).length;
    const keys = {
      up: await countKeys(lab.router, "up"),
      down: await countKeys(lab.router, "down"),
    };

    for (const [way, packets] of Object.entries(sent)) measure(`sent ${way}`, packets, "packets");
    for (const [what, packets] of Object.entries(lost)) measure(`lost ${what}`, packets, "packets");
    // The receivers' own sockets lose some when the machine is busy.
    measure("iperf3 misses up", end.sum_received.lost_packets, "packets");
    measure("iperf3 misses down", end.sum_received_bidir_reverse.lost_packets, "packets");
    measure("renewals", renewals);
    for (const [way, count] of Object.entries(keys)) measure(`keys ${way}`, count);
    deepEqual(lost, { up: 0, down: 0, ping4: 0, ping6: 0 });
    ok(renewals >= RENEWALS_MIN, `${renewals} renewals`);
    ok(Math.min(keys.up, keys.down) >= KEYS_MIN, JSON.stringify(keys));
  });
});

function lengthenQueue(machine: Namespace, device: string): Promise<unknown> {
  return machine.run("ip", "link", "set", device, "txqueuelen", QUEUE_LENGTH);
}

function addTable(machine: Namespace, table: string): Promise<unknown> {
  return machine.runWith({ input: table }, "nft", "-f", "-");
}

async function pingsLost(from: Namespace, address: string): Promise<number> {
  const { stdout } = await from.runWith(
    { timeoutMs: 40_000 },
    ...["ping", "-q", "-i", String(PING_EVERY_MS / 1000)],
    ...["-c", String(SECONDS * 1000 / PING_EVERY_MS), address],
  );
  const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(stdout) ?? [];
  return Number(sent) - Number(received);
}

async function countArrivals(machine: Namespace): Promise<number> {
  const { stdout } = await machine.run("nft", "list", "table", "ip", "arrivals");
  const [, packets, bytes] = /counter packets (\d+) bytes (\d+)/.exec(stdout) ?? [];
  return (Number(bytes) - HEADER_BYTES * Number(packets)) / Number(PAYLOAD_BYTES);
}

async function countKeys(router: Namespace, way: "up" | "down"): Promise<number> {
  const { stdout } = await router.run("nft", "list", "set", "ip", "keys", way);
  return stdout.match(/0x[0-9a-f]+ \. 0x[0-9a-f]+/g)?.length ?? 0;
}
