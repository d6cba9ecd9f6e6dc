/** Carries out the steps of a plan and collects what they find. */

import { TCP_FIGURES, type TcpFigure } from "./figures.ts";
import { tcpRun, type UdpResult, udpRun } from "./iperf.ts";
import { LinkUse } from "./link_use.ts";
import { medianPingMs } from "./ping.ts";
import { type Effort, type Step, stepSeconds } from "./plan.ts";
import { cpuSeconds, residentMib } from "./process_usage.ts";
import { Samples } from "./samples.ts";
import type { Subject, SubjectName } from "./subject.ts";
import { LINK_ADDRESS } from "./testbed.ts";
import { UdpSearch } from "./udp_search.ts";

const BYTES_PER_GB = 1e9;
const [UP, DOWN] = TCP_FIGURES;

export class Measurement {
  readonly samples = new Samples();
  /** Fluxify's: the others have one link. */
  readonly linkUse = new LinkUse();
  #effort: Effort;
  #subjects: Map<SubjectName, Subject>;
  #progress: (text: string) => void;
  /** Memory after each transfer, with the bytes carried until then. */
  #memory = new Map<SubjectName, { bytes: number; mib: number }[]>();

  constructor(effort: Effort, subjects: readonly Subject[], progress: (text: string) => void) {
    this.#effort = effort;
    this.#subjects = new Map(subjects.map((subject) => [subject.name, subject]));
    this.#progress = progress;
  }

  /**
   * Returns the subjects that held out to the end. One that fails is left out from there on; what
   * was measured before stays.
   */
  async run(plan: readonly Step[]): Promise<SubjectName[]> {
    for (const step of plan) {
      if (this.#isTooLate(step)) {
        this.#progress(`no time left for: ${describe(step)}`);
        continue;
      }
      const subject = "subject" in step ? this.#subjects.get(step.subject) : undefined;
      if ("subject" in step && !subject) continue;
      this.#progress(describe(step));
      try {
        await this.#runStep(step);
      } catch (error) {
        if (!subject) throw error;
        this.#subjects.delete(subject.name);
        this.#progress(`${subject.name} is left out from here on: ${(error as Error).message}`);
      }
    }
    this.#concludeMemory();
    return [...this.#subjects.keys()];
  }

  #isTooLate(step: Step): boolean {
    const { deadlineMs } = this.#effort;
    const endMs = performance.now() + stepSeconds(step, this.#effort) * 1000;
    return deadlineMs !== null && endMs > deadlineMs;
  }

  #runStep(step: Step): Promise<void> {
    switch (step.kind) {
      case "warm up":
        return this.#warmUp();
      case "tcp":
        return this.#measureTcp(this.#subject(step.subject), step.figure);
      case "ping":
        return this.#measurePing(this.#subject(step.subject));
      case "udp":
        return this.#measureUdp(this.#subject(step.subject));
      case "idle":
        return this.#measureIdle();
      case "carry":
        return this.#carry(this.#subject(step.subject));
      default:
        return step satisfies never;
    }
  }

  #subject(name: SubjectName): Subject {
    return this.#subjects.get(name)!;
  }

  #tunnels(): Subject[] {
    return [...this.#subjects.values()].filter(({ pids }) => pids.length > 0);
  }

  /** One tunnel after the other, both directions: a compiler that learns needs the machine alone. */
  async #warmUp(): Promise<void> {
    const seconds = this.#effort.warmUpSeconds;
    for (const { name, testbed, address } of this.#tunnels()) {
      try {
        await tcpRun(testbed, address, { ...UP, seconds });
        await tcpRun(testbed, address, { ...DOWN, seconds });
      } catch (error) {
        this.#subjects.delete(name);
        this.#progress(`${name} is left out: ${(error as Error).message}`);
      }
    }
  }

  async #measureTcp(subject: Subject, figure: TcpFigure): Promise<void> {
    const linksBefore = await subject.testbed.linkBytes();
    const cpuBefore = cpuSecondsOf(subject);
    const { bytes, megabits } = await tcpRun(subject.testbed, subject.address, {
      ...figure,
      seconds: this.#effort.tcpSeconds,
    });
    this.samples.add(figure.name, subject.name, megabits);
    if (subject.pids.length > 0 && figure.flows === 1 && bytes > 0) {
      const used = cpuSecondsOf(subject) - cpuBefore;
      this.samples.add("cpu_s_per_gb", subject.name, used / (bytes / BYTES_PER_GB));
    }
    if (subject.name === "fluxify") {
      this.linkUse.add(figure.name, linksBefore, await subject.testbed.linkBytes());
    }
    this.#noteMemory(subject, bytes);
  }

  async #measurePing({ name, testbed, address }: Subject): Promise<void> {
    const throughMs = await medianPingMs(testbed.client, address, this.#effort.pings);
    const rawMs = await medianPingMs(testbed.client, LINK_ADDRESS, this.#effort.pings);
    this.samples.add("ping_added_ms", name, throughMs - rawMs);
  }

  async #measureUdp({ name, testbed, address }: Subject): Promise<void> {
    const { seconds, ...limits } = this.#effort.udp;
    const search = new UdpSearch(limits);
    for (let rate = search.rate; rate !== null; rate = search.rate) {
      // A tunnel that is flooded may not even let iperf3 finish: that is a failed rate.
      const nothing: UdpResult = { sentPerSecond: rate, receivedPerSecond: 0, loss: 1 };
      const result = await udpRun(testbed, address, { packetsPerSecond: rate, seconds })
        .catch(() => nothing);
      this.#progress(`  ${rate} packets/s: ${(result.loss * 100).toFixed(2)} % lost`);
      search.report(result);
    }
    if (search.best !== null) this.samples.add("udp_pps", name, search.best);
  }

  async #measureIdle(): Promise<void> {
    const tunnels = this.#tunnels();
    const before = new Map(
      tunnels.flatMap(({ pids }) => pids.map((pid) => [pid, cpuSeconds(pid)])),
    );
    const startMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, this.#effort.idleSeconds * 1000));
    const seconds = (performance.now() - startMs) / 1000;
    for (const { name, pids } of tunnels) {
      const used = pids.map((pid) => cpuSeconds(pid) - before.get(pid)!);
      this.samples.add("idle_cpu_percent", name, Math.max(...used) / seconds * 100);
    }
  }

  async #carry(subject: Subject): Promise<void> {
    const { carry, tcpSeconds } = this.#effort;
    if (carry === null) return;
    const endMs = performance.now() + carry.secondsMax * 1000;
    while (this.#carriedBytes(subject.name) < carry.bytes && performance.now() < endMs) {
      const { testbed, address } = subject;
      const { bytes } = await tcpRun(testbed, address, { ...DOWN, seconds: tcpSeconds });
      this.#noteMemory(subject, bytes);
    }
  }

  #noteMemory({ name, pids }: Subject, bytes: number): void {
    if (pids.length === 0) return;
    const notes = this.#memory.get(name) ?? [];
    this.#memory.set(name, notes);
    notes.push({
      bytes: this.#carriedBytes(name) + bytes,
      mib: Math.max(...pids.map(residentMib)),
    });
  }

  #carriedBytes(name: SubjectName): number {
    return this.#memory.get(name)?.at(-1)?.bytes ?? 0;
  }

  #concludeMemory(): void {
    for (const { name } of this.#tunnels()) {
      const notes = this.#memory.get(name) ?? [];
      const end = notes.at(-1);
      if (!end) continue;
      const half = notes.find(({ bytes }) => bytes >= end.bytes / 2)!;
      this.samples.add("rss_mib", name, end.mib);
      this.#progress(
        `${name} carried ${(end.bytes / BYTES_PER_GB).toFixed(1)} GB of TCP, memory after each ` +
          `run ${notes.map(({ mib }) => mib.toFixed(1)).join(" ")} MiB`,
      );
      // The short runs of a quick plan cannot tell growth from settling.
      if (this.#effort.carry !== null) {
        this.samples.add("rss_growth_mib", name, end.mib - half.mib);
      }
    }
  }
}

function cpuSecondsOf({ pids }: Subject): number {
  return pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
}

function describe(step: Step): string {
  switch (step.kind) {
    case "warm up":
      return "warming up";
    case "tcp":
      return `${step.figure.name} ${step.subject}`;
    case "ping":
      return `pings ${step.subject}`;
    case "udp":
      return `UDP ${step.subject}`;
    case "idle":
      return "idle, all of them";
    case "carry":
      return `memory of ${step.subject} after more traffic`;
    default:
      return step satisfies never;
  }
}
