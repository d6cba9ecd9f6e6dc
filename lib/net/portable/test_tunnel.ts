/** For tests: two ends of a tunnel in namespaces, and what goes through it. */
import { equal, ok } from "node:assert/strict";
import { type Child, connect, Namespace } from "../../../tests/netns/namespace.ts";

export const START_TIMEOUT_MS = 20_000;
const TRANSFER_TIMEOUT_MS = 60_000;
const TRANSFER_BYTES = 1_000_000;

function startProgram(namespace: Namespace, program: string, ...args: string[]): Child {
  const module = import.meta.resolve(program).replace("file://", "");
  const config = import.meta.resolve("../../../deno.json").replace("file://", "");
  return namespace.spawn(
    [Deno.execPath(), "run", "-A", "--no-lock", "--config", config, module, ...args],
  );
}

/** Starts `test_peer.ts` with its arguments. */
export function startPeer(namespace: Namespace, ...args: string[]): Child {
  return startProgram(namespace, "./test_peer.ts", ...args);
}

/**
 * A client and a server of x1 in namespaces of their own, joined by a link l1 of both families, the
 * client's path up. @param remote the server's address on the link.
 */
export async function openTunnel(engine: string, remote: string) {
  await using made = new AsyncDisposableStack();
  const client = made.use(await Namespace.create("pc"));
  const server = made.use(await Namespace.create("ps"));
  await connect(client, server, {
    a: { name: "l1", addresses: ["10.77.1.1/24", "fd00:77::1/64"] },
    b: { name: "l1", addresses: ["10.77.1.2/24", "fd00:77::2/64"] },
  });
  const serverPeer = startPeer(server, "server", engine, "x1");
  await serverPeer.waitForLine(/^ready$/, START_TIMEOUT_MS);
  const clientPeer = startPeer(client, "client", engine, "x1", `l1=${remote}`);
  await clientPeer.waitForLine(/"state":"up"/, START_TIMEOUT_MS);
  const all = made.move();
  return {
    ...{ client, server, clientPeer, serverPeer },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** Ends a peer and returns what it printed last. */
export async function finish(peer: Child) {
  equal(await peer.stop("SIGTERM"), 0, peer.tail());
  await peer.waitForLine(/^stopped$/, START_TIMEOUT_MS);
  equal(peer.output("stderr"), "");
  const [line] = await peer.waitForLine(/^\{"drops".*/, START_TIMEOUT_MS);
  return JSON.parse(line) as {
    drops: Record<string, number>;
    report: {
      paths: {
        congestionMarks: number;
        name: string;
        state: string;
        sentPackets: number;
        rttMs: number;
      }[];
    };
  };
}

/** Sends bytes over TCP and compares what came. Calls `meanwhile` when the first have been sent. */
export async function transfer(
  from: Namespace,
  to: Namespace,
  address: string,
  meanwhile: () => Promise<void> = () => Promise.resolve(),
  bytes = TRANSFER_BYTES,
): Promise<void> {
  const receiver = startProgram(to, "./test_transfer.ts", "listen", address);
  await receiver.waitForLine(/^listening$/, START_TIMEOUT_MS);
  const sender = startProgram(
    from,
    "./test_transfer.ts",
    ...["send", address, String(bytes)],
  );
  await sender.waitForLine(/^sending$/, START_TIMEOUT_MS);
  await meanwhile();
  const [sent] = await sender.waitForLine(/^sent .*/, TRANSFER_TIMEOUT_MS);
  const [received] = await receiver.waitForLine(/^received .*/, TRANSFER_TIMEOUT_MS);
  ok(sent.startsWith(`sent ${bytes} `), sent);
  equal(received.replace("received", "sent"), sent);
  await receiver.stop();
}
