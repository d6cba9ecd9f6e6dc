import type { CommandResult, CommandRunner } from "../lib/host/command/runner.ts";
import type { SysctlAccess } from "../lib/host/sysctl/sysctl.ts";

/**
 * For tests: as much of a machine as the journal's commands touch. Routes and rules are sets of
 * lines; adding what is there and deleting what is not fail with the words of the real programs.
 */
export class ModelHost implements CommandRunner, SysctlAccess {
  readonly routes = new Set<string>();
  readonly rules = new Set<string>();
  readonly parameters = new Map<string, string>();
  /** Called before and after each change. */
  onChange: () => void = () => {};
  /** Changes left until every further one fails, as if the process had been killed. */
  changesLeft = Infinity;

  run(argv: readonly string[]): Promise<CommandResult> {
    const [program, verb, ...words] = argv;
    const lines = program === "ip" ? this.routes : this.rules;
    const line = words.join(" ");
    if (lines.has(line) === (verb === "add")) {
      const stderr = verb === "add" ? "RTNETLINK answers: File exists" : "No such process";
      return Promise.resolve({ stdout: "", stderr, code: 2 });
    }
    this.#change(() => verb === "add" ? lines.add(line) : lines.delete(line));
    return Promise.resolve({ stdout: "", stderr: "", code: 0 });
  }

  read(path: string): Promise<string | null> {
    return Promise.resolve(this.parameters.get(path) ?? null);
  }

  write(path: string, value: string): Promise<void> {
    this.#change(() => this.parameters.set(path, value));
    return Promise.resolve();
  }

  state(): string {
    return JSON.stringify([
      [...this.routes].sort(),
      [...this.rules].sort(),
      [...this.parameters].sort(),
    ]);
  }

  /** Brings the machine to a state that `state()` gave. */
  load(state: string): void {
    const [routes, rules, parameters] = JSON.parse(state);
    this.routes.clear();
    this.rules.clear();
    for (const line of routes) this.routes.add(line);
    for (const line of rules) this.rules.add(line);
    for (const [path, value] of parameters) this.parameters.set(path, value);
  }

  #change(action: () => void): void {
    if (this.changesLeft-- <= 0) throw new Error("killed");
    this.onChange();
    action();
    this.onChange();
  }
}
