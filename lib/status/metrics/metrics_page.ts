/**
 * One page of metrics in the text format of Prometheus. Each scrape fills a page of its own, so that
 * nothing of links and sessions that are gone is left on it. Names follow the conventions: a prefix,
 * base units, `_total` for counters.
 */
import { Counter, Gauge, Registry } from "prom-client";

type Labels = Readonly<Record<string, string>>;

export class MetricsPage {
  readonly #registry = new Registry();
  readonly #gauges = new Map<string, Gauge>();
  readonly #counters = new Map<string, Counter>();

  /** `value` null or undefined is not known, and left out. */
  gauge(name: string, help: string, value: number | null | undefined, labels: Labels = {}): void {
    if (value === null || value === undefined) return;
    const gauge = this.#gauges.getOrInsertComputed(
      name,
      () => new Gauge({ name, help, labelNames: Object.keys(labels), registers: [this.#registry] }),
    );
    gauge.set(labels, value);
  }

  /** `value` is all that was counted so far. */
  counter(name: string, help: string, value: number | null | undefined, labels: Labels = {}): void {
    if (value === null || value === undefined) return;
    const counter = this.#counters.getOrInsertComputed(
      name,
      () =>
        new Counter({ name, help, labelNames: Object.keys(labels), registers: [this.#registry] }),
    );
    counter.inc(labels, value);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
