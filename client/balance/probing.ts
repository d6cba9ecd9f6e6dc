import type { CommandRunner } from "../../lib/host/command/runner.ts";
import type { NextHop } from "../../lib/host/routes/gateway/routing_table.ts";
import { type AddressFamily, familyOf } from "../../lib/host/links/address.ts";
import { sendEchoes } from "../../lib/host/links/echo.ts";

/** Public resolvers, which answer echo requests: Cloudflare's and Quad9's. */
const PUBLIC_TARGETS = {
  4: ["1.1.1.1", "9.9.9.9"],
  6: ["2606:4700:4700::1111", "2620:fe::fe"],
} as const;
/** The longest a probe takes; part of how soon an uplink is out. */
const PROBE_MAX_MS = 1_500;
/** One probe is over before the next. */
const PART_OF_INTERVAL = 0.9;

interface ProbeTargets {
  /** Asked before the others. */
  first: string | undefined;
  others: readonly string[];
}

export interface Subject {
  family: AddressFamily;
  device: string;
}

/**
 * Whom to ask over an uplink: those the user has named, of this family; else its gateway, and when
 * that is silent, public resolvers.
 */
export function probeTargets(
  family: AddressFamily,
  nextHop: NextHop,
  named: readonly string[],
): ProbeTargets {
  const others = named.filter((target) => familyOf(target) === family);
  if (others.length > 0) return { first: undefined, others };
  const { gateway } = nextHop;
  const first = gateway?.family === family ? gateway.address : undefined;
  return { first, others: PUBLIC_TARGETS[family] };
}

export function probeTimeoutMs(intervalMs: number): number {
  return Math.min(PROBE_MAX_MS, intervalMs * PART_OF_INTERVAL);
}

interface ProbingOptions {
  runner: CommandRunner;
  intervalMs: number;
  /** The user's targets. */
  named: readonly string[];
  /** The next hop of an uplink at present, or null: then it is not probed. */
  nextHopOf(subject: Subject): NextHop | null;
  onAnswer(subject: Subject, roundTripMs: number | null): void;
  /** `ping` is not there: nothing can be said about any uplink. */
  onFault(error: unknown): void;
}

/** Probes each subject once per interval until it is stopped; no answer is told after that. */
export class Probing {
  readonly #options: ProbingOptions;
  readonly #subjects: Subject[] = [];
  readonly #loops: Promise<void>[] = [];
  readonly #waits = new Map<Subject, () => void>();
  readonly #silent = new Set<Subject>();
  /** Those to be probed again at once: what is under way says nothing of where they lead now. */
  readonly #hurried = new Set<Subject>();
  #isStopped = false;

  constructor(options: ProbingOptions, subjects: readonly Subject[]) {
    this.#options = options;
    this.add(subjects);
  }

  /** Probes these, too, from now on. */
  add(subjects: readonly Subject[]): void {
    for (const subject of subjects) {
      this.#subjects.push(subject);
      this.#loops.push(this.#loop(subject).catch(this.#options.onFault));
    }
  }

  /** Probes the uplinks of these names now, because they have just come back. */
  hurry(devices: readonly string[]): void {
    for (const subject of this.#subjects) {
      if (!devices.includes(subject.device)) continue;
      const wake = this.#waits.get(subject);
      if (wake !== undefined) wake();
      else this.#hurried.add(subject);
    }
  }

  stop(): void {
    this.#isStopped = true;
    for (const wake of this.#waits.values()) wake();
  }

  /** Resolves when no probe is under way any more, which may take as long as one. */
  async ended(): Promise<void> {
    this.stop();
    await Promise.all(this.#loops);
  }

  async #loop(subject: Subject): Promise<void> {
    const { intervalMs } = this.#options;
    while (!this.#isStopped) {
      const due = performance.now() + intervalMs;
      await this.#probe(subject);
      if (!this.#hurried.delete(subject)) await this.#wait(subject, due - performance.now());
    }
  }

  async #probe(subject: Subject): Promise<void> {
    const { runner, intervalMs, named } = this.#options;
    const nextHop = this.#options.nextHopOf(subject);
    if (nextHop === null) return;
    const { first, others } = probeTargets(subject.family, nextHop, named);
    const timeoutMs = probeTimeoutMs(intervalMs);
    // Once nobody has answered there is no time to lose: all are asked at once.
    const answer = this.#silent.has(subject) && first !== undefined
      ? await sendEchoes(runner, subject.device, undefined, [first, ...others], timeoutMs)
      : await sendEchoes(runner, subject.device, first, others, timeoutMs);
    if (answer === null) this.#silent.add(subject);
    else this.#silent.delete(subject);
    // The link may have gone, or lead elsewhere, in the meantime.
    if (this.#isStopped || this.#options.nextHopOf(subject) !== nextHop) return;
    this.#options.onAnswer(subject, answer);
  }

  async #wait(subject: Subject, ms: number): Promise<void> {
    if (this.#isStopped) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, Math.max(0, ms));
    this.#waits.set(subject, resolve);
    await promise;
    clearTimeout(timer);
    this.#waits.delete(subject);
  }
}
