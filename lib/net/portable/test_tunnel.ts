/** For tests: two ends of a tunnel in namespaces, and what goes through it. */
import { equal, ok } from "node:assert/strict";
import type { Child, Namespace } from "../../../tests/netns/namespace.ts";

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
