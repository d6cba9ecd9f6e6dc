/**
 * Tells the server about the client's paths as a whole (x1): which of them work, which scheduler to
 * use, what packet size all of them carry, and what rules the server is to send by. The client learns
 * of link changes first, so it tells the server. The message is repeated, since it may get lost.
 */
import type { Scheduling } from "../schedule/scheduling.ts";
import { TYPE_CONTROL } from "../wire/header.ts";
import { NO_RULE, type PathRule } from "../wire/path_rule.ts";
import {
  encodeTunnelMessage,
  type PathRuleMessage,
  type TunnelMessage,
} from "../wire/tunnel_message.ts";
import type { MtuProbes } from "./mtu_probes.ts";
import type { Outbox } from "../path/outbox.ts";
import type { PathTable } from "../path/path_table.ts";

const REPEAT_MS = 2000;
/** What is repeated waits so long for a heartbeat to leave with: one wake-up of the server less. */
const COMPANY_MS = 500;

export class PathAnnouncements {
  /** When it is due again; Infinity on the server. */
  nextAt: number;
  readonly #paths: PathTable;
  readonly #outbox: Outbox;
  readonly #scheduling: Scheduling;
  readonly #probes: MtuProbes;
  #toldMtu: number | null = null;
  #toldUsable: readonly number[] = [];
  /** When the client sent the newest one that has come, by its clock. */
  #heardSendTime: number | null = null;

  /** @param firstAt Infinity: this side announces nothing. */
  constructor(
    paths: PathTable,
    outbox: Outbox,
    scheduling: Scheduling,
    probes: MtuProbes,
    firstAt: number,
  ) {
    this.#paths = paths;
    this.#outbox = outbox;
    this.#scheduling = scheduling;
    this.#probes = probes;
    this.nextAt = firstAt;
  }

  /** When it is repeated at the latest. */
  get deadline(): number {
    return this.nextAt + COMPANY_MS;
  }

  /**
   * Something has changed: the server is told on a path that works; on all of them when one does not
   * any more, since it goes on sending on that until then.
   */
  announce(): void {
    if (this.nextAt === Infinity) return;
    const usable = this.#paths.usable();
    if (usable.length === 0) return;
    this.#toldMtu = this.#probes.smallest();
    const payload = encodeTunnelMessage({
      type: "paths",
      usable: usable.map(({ id }) => id),
      scheduler: this.#scheduling.scheduler.name,
      mtu: this.#toldMtu ?? undefined,
      rules: this.#rules(),
    });
    const ids = usable.map(({ id }) => id);
    const hasLost = this.#toldUsable.some((id) => !ids.includes(id));
    this.#toldUsable = ids;
    const paths = hasLost ? usable : usable.slice(0, 1);
    for (const path of paths) this.#outbox.transmit({ type: TYPE_CONTROL, path, payload });
  }

  /** Undefined: there are none, and a message of before is void. */
  #rules(): PathRuleMessage[] | undefined {
    const rules: PathRuleMessage[] = [];
    for (const { id, rule: { receiveRate, use } } of this.#paths) {
      if (receiveRate === null && use === "always") continue;
      rules.push({
        id,
        rate: receiveRate === null ? undefined : Math.round(receiveRate),
        use: use === "always" ? undefined : use,
      });
    }
    return rules.length === 0 ? undefined : rules;
  }

  /** A size may have been found: packets that are too large for it are lost until it is known. */
  announceMtu(): void {
    if (this.#probes.smallest() !== this.#toldMtu) this.announce();
  }

  handleTimeout(now: number): void {
    if (now < this.nextAt) return;
    this.nextAt = now + REPEAT_MS;
    this.announce();
  }

  /**
   * The server's side. False: it was overtaken on a nearer path by what was said later.
   * @param sendTime the client's clock, microseconds modulo 2^32.
   */
  receive(message: TunnelMessage & { type: "paths" }, sendTime: number): boolean {
    if (this.#heardSendTime !== null && ((sendTime - this.#heardSendTime) | 0) < 0) return false;
    this.#heardSendTime = sendTime;
    for (const path of this.#paths) {
      path.isUsableForPeer = message.usable.includes(path.id);
      path.rule = ruleFrom(message.rules?.find(({ id }) => id === path.id));
    }
    return true;
  }
}

/** What the server is to keep to, of what the client tells. */
function ruleFrom(message: PathRuleMessage | undefined): PathRule {
  if (message === undefined) return NO_RULE;
  return { sendRate: message.rate ?? null, receiveRate: null, use: message.use ?? "always" };
}
