/** The demo's measurements, each a download as a person would make it. */

import type { Child, Namespace } from "../../tests/netns/namespace.ts";
import { INTERNET_ADDRESS, type Lab, SERVER_ADDRESS } from "../lab/lab.ts";
import type { ReceiveResult, SendResult } from "./stream.ts";

const IPERF_PORT = "5201";
const STREAM_PORT = 5300;
const START_TIMEOUT_MS = 20_000;
const STREAM_TIMEOUT_MS = 60_000;
const STREAM_PROGRAM = new URL("stream.ts", import.meta.url).pathname;

/** TCP needs this long to find the rate; it does not count. */
const RAMP_SECONDS = 1;
const ALONE_SECONDS = 3;
const BONDED_SECONDS = 6;
/** The same alone and bonded, or flows that get going slowly would look like slow links. */
const FLOWS = ["-P", "8"];
/** With the congestion control of Linux as it comes, whatever this machine has been set to. */
const ONE_FLOW = ["-P", "1", "-C", "cubic"];
/** One flow over all links takes longer to find out what they carry. */
const ONE_FLOW_RAMP_SECONDS = 3;
const STREAM_SECONDS = 8;
const CUT_AFTER_MS = 3_000;

export interface CutResult {
  /** From the cut on, and before it: flows that begin have gaps, too. */
  longestGapMs: number;
  gapBeforeMs: number;
  /** The transfer went on over what was left, and every byte arrived. */
  lossFree: boolean;
  megabytes: number;
}

/** Starts the iperf3 servers that `measureAlone` and `measureBonded` download from. */
export async function startDownloadServers(lab: Lab): Promise<void> {
  for (const namespace of [lab.server, lab.internet]) {
    const child = namespace.spawn(["iperf3", "-s", "-p", IPERF_PORT, "--forceflush"]);
    await child.waitForLine(/listening/, START_TIMEOUT_MS);
  }
}

/** Mbit/s of eight plain TCP downloads over one link, from the server itself: there is no tunnel. */
export function measureAlone(lab: Lab, link: string): Promise<number> {
  return download(
    lab.client,
    SERVER_ADDRESS,
    ALONE_SECONDS,
    RAMP_SECONDS,
    "--bind-dev",
    link,
    ...FLOWS,
  );
}

/** Mbit/s of TCP downloads from the internet host, through the tunnel: one of them, or eight together. */
export function measureBonded(lab: Lab, flows: "one flow" | "eight flows"): Promise<number> {
  return flows === "one flow"
    ? download(lab.client, INTERNET_ADDRESS, BONDED_SECONDS, ONE_FLOW_RAMP_SECONDS, ...ONE_FLOW)
    : download(lab.client, INTERNET_ADDRESS, BONDED_SECONDS, RAMP_SECONDS, ...FLOWS);
}

async function download(
  client: Namespace,
  address: string,
  seconds: number,
  rampSeconds: number,
  ...options: string[]
): Promise<number> {
  const { stdout } = await client.runWith(
    { timeoutMs: (seconds + rampSeconds) * 1000 + START_TIMEOUT_MS },
    ...["iperf3", "-c", address, "-p", IPERF_PORT, "--json", "--reverse"],
    ...["--time", String(seconds), "--omit", String(rampSeconds), "--connect-timeout", "5000"],
    ...options,
  );
  const bitsPerSecond: unknown = JSON.parse(stdout)?.end?.sum_received?.bits_per_second;
  if (typeof bitsPerSecond !== "number") throw new Error("iperf3 reported no received rate");
  return bitsPerSecond / 1e6;
}

/**
 * Downloads from the internet host through the tunnel, in the middle of which `cut` happens: the
 * longest gap of any of them.
 */
export async function measureGap(
  lab: Lab,
  cut: () => Promise<unknown>,
  downloads = 1,
): Promise<CutResult> {
  const started: Download[] = [];
  for (let each = 0; each < downloads; each++) {
    started.push(await startDownload(lab, String(STREAM_PORT + each)));
  }
  await new Promise((resolve) => setTimeout(resolve, CUT_AFTER_MS));
  const cutAtMs = Date.now();
  await cut();
  const results = await Promise.all(started.map((each) => finish(each, cutAtMs)));
  return {
    longestGapMs: Math.max(...results.map(({ longestGapMs }) => longestGapMs)),
    gapBeforeMs: Math.max(...results.map(({ gapBeforeMs }) => gapBeforeMs)),
    lossFree: results.every(({ lossFree }) => lossFree),
    megabytes: results.reduce((sum, { megabytes }) => sum + megabytes, 0),
  };
}

interface Download {
  readonly sender: Child;
  readonly receiver: Child;
}

async function startDownload(lab: Lab, port: string): Promise<Download> {
  const program = [Deno.execPath(), "run", "-A", STREAM_PROGRAM];
  const sender = lab.internet.spawn([...program, "send", port, String(STREAM_SECONDS)]);
  await sender.waitForLine(/listening/, START_TIMEOUT_MS);
  const receiver = lab.client.spawn([...program, "receive", INTERNET_ADDRESS, port]);
  await receiver.waitForLine(/receiving/, START_TIMEOUT_MS);
  return { sender, receiver };
}

async function finish({ sender, receiver }: Download, cutAtMs: number): Promise<CutResult> {
  const received = await result<ReceiveResult>(receiver.waitForLine(/^\{.*\}$/, STREAM_TIMEOUT_MS));
  // A receiver that gave up leaves the sender with nobody to tell it.
  const sent = received.ended
    ? await result<SendResult>(sender.waitForLine(/^\{.*\}$/, START_TIMEOUT_MS))
    : null;
  await sender.stop("SIGKILL");
  const longest = (pauses: ReceiveResult["pauses"]) => Math.max(0, ...pauses.map(({ ms }) => ms));
  return {
    longestGapMs: longest(received.pauses.filter(({ endedAtMs }) => endedAtMs >= cutAtMs)),
    gapBeforeMs: longest(received.pauses.filter(({ endedAtMs }) => endedAtMs < cutAtMs)),
    lossFree: sent !== null && sent.bytes === received.bytes && sent.sha256 === received.sha256,
    megabytes: received.bytes / 1e6,
  };
}

async function result<T>(line: Promise<RegExpExecArray>): Promise<T> {
  return JSON.parse((await line)[0]);
}
