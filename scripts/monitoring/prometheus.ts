/** A Prometheus of its own in a network namespace, asked by its HTTP interface. */
import { join } from "node:path";
import type { Child, Namespace } from "../../tests/netns/namespace.ts";

const PORT = 9090;
const START_MS = 30_000;
const WAIT_MS = 60_000;
const LOOK_MS = 500;

interface PrometheusOptions {
  readonly rules: string;
  /** Addresses by the names of their jobs. */
  readonly targets: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly values: readonly string[];
  readonly error: string | null;
}

interface Rule {
  readonly name: string;
  readonly health: "ok" | "err" | "unknown";
  readonly state: "inactive" | "pending" | "firing";
}

export class Prometheus implements AsyncDisposable {
  private constructor(readonly namespace: Namespace, readonly child: Child) {}

  static async start(
    namespace: Namespace,
    directory: string,
    { rules, targets }: PrometheusOptions,
  ): Promise<Prometheus> {
    const config = {
      global: { scrape_interval: "1s", evaluation_interval: "1s" },
      rule_files: [rules],
      scrape_configs: Object.entries(targets).map(([job_name, target]) => ({
        ...{ job_name, static_configs: [{ targets: [target] }] },
      })),
    };
    const file = join(directory, "prometheus.yml");
    await Deno.writeTextFile(file, JSON.stringify(config)); // JSON is YAML
    const child = namespace.spawn([
      "prometheus",
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(directory, "prometheus")}`,
      `--web.listen-address=127.0.0.1:${PORT}`,
    ]);
    await child.waitForLine(/Server is ready to receive web requests/, START_MS);
    return new Prometheus(namespace, child);
  }

  async query(query: string): Promise<Answer> {
    const answer = await this.#get(`query?query=${encodeURIComponent(query)}`);
    if (answer.status !== "success") return { values: [], error: String(answer.error) };
    const { result } = answer.data as { result: { value: [number, string] }[] };
    return { values: result.map(({ value }) => value[1]), error: null };
  }

  /** Asks until the answer is as wanted, or a minute has passed; returns the last one. */
  async until(query: string, isDone: (values: readonly string[]) => boolean) {
    const deadline = performance.now() + WAIT_MS;
    for (;;) {
      const { values } = await this.query(query);
      if (isDone(values) || performance.now() > deadline) return values;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  async metricNames(): Promise<string[]> {
    return (await this.#get("label/__name__/values")).data as string[];
  }

  async rules(): Promise<Rule[]> {
    const { data } = await this.#get("rules");
    return (data as { groups: { rules: Rule[] }[] }).groups.flatMap(({ rules }) => rules);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child.stop("SIGTERM");
  }

  /** From inside the namespace, where it listens. */
  async #get(path: string): Promise<{ status: string; data?: unknown; error?: unknown }> {
    const script = `console.log(await (await fetch(Deno.args[0])).text())`;
    const url = `http://127.0.0.1:${PORT}/api/v1/${path}`;
    const file = `data:application/javascript,${encodeURIComponent(script)}`;
    const { stdout } = await this.namespace.run(
      ...[Deno.execPath(), "run", "-A", "--no-lock", "--no-config", file, url],
    );
    return JSON.parse(stdout);
  }
}
