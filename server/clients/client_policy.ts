/**
 * Holds clients to their settings: who is let in, with which address, and what its session is held
 * to. Follows the settings and what clients carry while the server runs.
 */
import { formatBytes } from "../../lib/cli/screen/figures.ts";
import type { Engine, EngineEvent, SessionLimits } from "../../lib/net/engine.ts";
import type { ControlRefusal } from "../../lib/protocol/wire/control_message.ts";
import type { Prescribed } from "../../lib/status/server_status.ts";
import type { AccessPolicy, SessionRegistry } from "../sessions/session_registry.ts";
import { type ClientSettings, endOf, isNothing } from "./client_settings.ts";
import type { ClientUsage } from "./client_usage.ts";
import type { SettingsStore } from "./settings_store.ts";

interface PolicyParts {
  readonly store: Pick<SettingsStore, "get" | "list" | "watch">;
  readonly usage: Pick<ClientUsage, "add" | "bytesOf">;
  readonly engine: Pick<Engine, "setLimits">;
  readonly registry: Pick<SessionRegistry, "byName" | "end" | "reserve">;
  /** The time of day. */
  readonly now: () => Date;
  readonly say: (line: string) => void;
  readonly warn: (line: string) => void;
}

export class ClientPolicy implements AccessPolicy, Disposable {
  readonly #parts: PolicyParts;
  readonly #watch: Disposable;
  /** By client that has a quota: bytes after which the engine tells at once. */
  readonly #volumesLeft = new Map<string, number>();
  /** By client, the prefixes behind it that its session was opened with. */
  readonly #told = new Map<string, string>();
  /** Prefixes behind clients that lead to them. */
  #usable: ReadonlySet<string> = new Set();
  /** When the first of those that are let in is so no longer, in ms since 1970. */
  #nextEnd = -Infinity;

  constructor(parts: PolicyParts) {
    this.#parts = parts;
    for (const [name, settings] of parts.store.list()) this.#reserve(name, settings);
    this.#watch = parts.store.watch((names) => this.#changed(names));
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }

  /** What to answer a client that is not let in; null: it is. */
  refusal(name: string): ControlRefusal | null {
    const reason = this.#endedFor(name, this.#parts.store.get(name));
    return reason === null ? null : { kind: "refusal", ...reason };
  }

  /** What a session of the client is held to; undefined: nothing is prescribed. */
  limitsOf(name: string): SessionLimits | undefined {
    const settings = this.#parts.store.get(name);
    const led = this.#ledTo(settings).join();
    if (led === "") this.#told.delete(name);
    else this.#told.set(name, led);
    return isNothing(settings) ? undefined : this.#limits(name, settings);
  }

  /** For status; null: nothing is prescribed. */
  prescribed(name: string): Prescribed | null {
    const settings = this.#parts.store.get(name);
    if (isNothing(settings)) return null;
    const { quotaBytes } = settings;
    const usedBytes = quotaBytes === null ? null : this.#parts.usage.bytesOf(name);
    return { ...settings, usedBytes };
  }

  /** The engine tells what has been carried for a client. */
  carried({ name, bytes }: EngineEvent & { kind: "volume" }): void {
    const { store, usage, registry, engine } = this.#parts;
    usage.add(name, bytes);
    const settings = store.get(name);
    if (this.#end(name, settings)) return;
    const left = (this.#volumesLeft.get(name) ?? 0) - bytes;
    this.#volumesLeft.set(name, left);
    // In a new month there is more than the engine was told.
    const session = left <= 0 && settings.quotaBytes !== null ? registry.byName(name) : undefined;
    if (session !== undefined) engine.setLimits(session.id, this.#limits(name, settings));
  }

  /** Other servers have counted more of a client: what is left for it here is less. */
  carriedElsewhere(name: string): void {
    const { store, registry, engine } = this.#parts;
    const settings = store.get(name);
    if (settings.quotaBytes === null || this.#end(name, settings)) return;
    const session = registry.byName(name);
    if (session !== undefined) engine.setLimits(session.id, this.#limits(name, settings));
  }

  /** From now on these prefixes behind clients lead to them, no others. */
  useRoutes(usable: ReadonlySet<string>): void {
    this.#usable = usable;
    for (const [name, settings] of this.#parts.store.list()) this.#endWhenMoved(name, settings);
  }

  /**
   * A client learns with its session which sources it may send as they are, so the session of one
   * whose networks are other ones ends. False: they are the same.
   */
  #endWhenMoved(name: string, settings: ClientSettings): boolean {
    const { registry, say } = this.#parts;
    const session = registry.byName(name);
    if (session === undefined) return false;
    if (this.#ledTo(settings).join() === (this.#told.get(name) ?? "")) return false;
    say(`session of ${name} ended: the networks behind it are other ones`);
    return registry.end(session.id);
  }

  #ledTo({ routes }: ClientSettings): readonly string[] {
    return routes.filter((prefix) => this.#usable.has(prefix));
  }

  /** Ends the sessions of clients whose time is over; to be called regularly. */
  look(): void {
    const now = this.#parts.now().getTime();
    if (now < this.#nextEnd) return;
    this.#nextEnd = Infinity;
    for (const [name, settings] of this.#parts.store.list()) {
      if (settings.expires === null || this.#end(name, settings)) continue;
      const end = endOf(settings.expires);
      if (end > now) this.#nextEnd = Math.min(this.#nextEnd, end);
    }
  }

  #changed(names: readonly string[]): void {
    const { store, registry, engine } = this.#parts;
    this.#nextEnd = -Infinity;
    const changed = names.map((name) => ({ name, settings: store.get(name) }));
    // What one client no longer has may be another's by now.
    for (const { name } of changed) registry.reserve(name, null);
    for (const { name, settings } of changed) {
      this.#reserve(name, settings);
      if (this.#end(name, settings) || this.#endWhenMoved(name, settings)) continue;
      const session = registry.byName(name);
      if (session !== undefined) engine.setLimits(session.id, this.#limits(name, settings));
    }
    this.look();
  }

  #reserve(name: string, { address }: ClientSettings): void {
    const { registry, warn, say } = this.#parts;
    if (address === null) return;
    const { problem, ended } = registry.reserve(name, address);
    if (problem !== null) warn(`${name} does not get ${address}: ${problem}`);
    for (const each of ended) say(`session of ${each} ended: ${address} is for ${name}`);
  }

  /** Ends the session of a client that is not let in any more. False: it is let in. */
  #end(name: string, settings: ClientSettings): boolean {
    const reason = this.#endedFor(name, settings);
    if (reason === null) return false;
    const { registry, say } = this.#parts;
    const session = registry.byName(name);
    if (session !== undefined && registry.end(session.id)) {
      say(`session of ${name} ended: ${reason.message}`);
    }
    return true;
  }

  #endedFor(
    name: string,
    { expires, quotaBytes }: ClientSettings,
  ): Pick<ControlRefusal, "code" | "message"> | null {
    const now = this.#parts.now();
    if (expires !== null && now.getTime() >= endOf(expires)) {
      const message = `the access of ${name} has ended with ${expires}: ask the operator of the ` +
        "server to prolong it";
      return { code: "access_expired", message };
    }
    if (quotaBytes === null || this.#parts.usage.bytesOf(name) < quotaBytes) return null;
    const next = new Date(now.getFullYear(), now.getMonth() + 1, 1);
    const message =
      `${name} has used up its ${formatBytes(quotaBytes)} of this month: it is let in ` +
      `again on ${dayOf(next)}, or when the operator of the server raises the quota`;
    return { code: "quota_used_up", message };
  }

  #limits(name: string, settings: ClientSettings): SessionLimits {
    const { rate, quotaBytes, reach } = settings;
    const volumeLeft = quotaBytes === null
      ? null
      : Math.max(0, quotaBytes - this.#parts.usage.bytesOf(name));
    if (volumeLeft === null) this.#volumesLeft.delete(name);
    else this.#volumesLeft.set(name, volumeLeft);
    const { down: rateDown, up: rateUp } = rate ?? { down: null, up: null };
    return { rateDown, rateUp, reach, routes: this.#ledTo(settings), volumeLeft };
  }
}

/** As in 2026-12-01, by the machine's clock. */
function dayOf(date: Date): string {
  const two = (figure: number) => String(figure).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
