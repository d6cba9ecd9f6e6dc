/**
 * One page of metrics in the text format of Prometheus, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). Each scrape fills a page of its own,
 * so that nothing of links and sessions that are gone is left on it. Names follow the conventions: a
 * prefix, base units, `_total` for counters.
 */
type Labels = Readonly<Record<string, string>>;

interface Metric {
  readonly kind: "gauge" | "counter";
  readonly help: string;
  /** By the labels as they are written. */
  readonly values: Map<string, number>;
}

export class MetricsPage {
  readonly contentType = "text/plain; version=0.0.4; charset=utf-8";
  readonly #metrics = new Map<string, Metric>();

  /** `value` null or undefined is not known, and left out. */
  gauge(name: string, help: string, value: number | null | undefined, labels: Labels = {}): void {
    if (value === null || value === undefined) return;
    this.#metric("gauge", name, help).values.set(labelText(labels), value);
  }

  /** `value` is all that was counted so far; what is told twice of the same labels adds up. */
  counter(name: string, help: string, value: number | null | undefined, labels: Labels = {}): void {
    if (value === null || value === undefined) return;
    const { values } = this.#metric("counter", name, help);
    const key = labelText(labels);
    values.set(key, (values.get(key) ?? 0) + value);
  }

  text(): string {
    let text = "";
    for (const [name, { kind, help, values }] of this.#metrics) {
      text += `# HELP ${name} ${escape(help)}\n# TYPE ${name} ${kind}\n`;
      for (const [labels, value] of values) text += `${name}${labels} ${numberText(value)}\n`;
    }
    return text;
  }

  #metric(kind: Metric["kind"], name: string, help: string): Metric {
    return this.#metrics.getOrInsertComputed(name, () => ({ kind, help, values: new Map() }));
  }
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) =>
    `${name}="${escape(value).replaceAll('"', '\\"')}"`
  );
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function numberText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}
