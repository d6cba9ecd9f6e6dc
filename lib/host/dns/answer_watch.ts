/**
 * Holds each DNS answer to a question of this machine, or of a network behind it, until what it says of
 * certain names has been seen to: a program that connects to what it was told finds the way there made.
 * Answers over TCP and inside TLS or HTTPS pass unseen.
 */
import { messageOf } from "../../ffi/error_text.ts";
import { AsyncPoll } from "../../ffi/libc/async_poll.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import { PacketQueue } from "../../ffi/linux/packet_queue.ts";
import { baseChain } from "../firewall/own_table.ts";
import { applyTableOrRules } from "../firewall/table_or_rules.ts";
import type { HostJournal } from "../journal/host_journal.ts";
import { checkInterfaceName } from "../links/network_interface.ts";
import { type NamedAnswer, readNamedAnswer } from "./dns_answer.ts";

/** The first that nobody has; a program with queues of its own counts from 0, as a rule. */
const QUEUES = [7700, 7701, 7702, 7703] as const;
/** No answer waits for longer: programs ask again after five seconds. */
const HELD_MS_MAX = 2000;
/** Read in one go: whoever sends many must not keep the client from its other work. */
const BATCH_MAX = 64;
const HOOKS = ["input", "forward"] as const;
const PRIORITY = -145;

interface AnswerWatchParts {
  readonly libc: Libc;
  readonly journal: HostJournal;
  readonly tun: string;
  /** In lower case, as they go over the wire. */
  readonly names: ReadonlySet<string>;
  /** Called with each answer for one of them, which waits for the end of it. */
  readonly learned: (answer: NamedAnswer) => Promise<void>;
}

export class AnswerWatch implements AsyncDisposable {
  readonly #parts: AnswerWatchParts;
  readonly #queue: PacketQueue;
  readonly #poll: AsyncPoll;
  readonly #ended: Promise<void>;
  /** Numbers of the packets that wait to be seen to. */
  readonly #held = new Set<number>();
  #isDisposed = false;

  private constructor(parts: AnswerWatchParts, queue: PacketQueue) {
    this.#parts = parts;
    this.#queue = queue;
    this.#poll = new AsyncPoll(parts.libc, queue.descriptor);
    this.#ended = this.#run();
  }

  /**
   * Begins, with a rule on record. Returns why that is not possible here, else the watch.
   * @throws JournalError.
   */
  static async begin(parts: AnswerWatchParts): Promise<AnswerWatch | string> {
    const { journal } = parts;
    const tun = checkInterfaceName(parts.tun);
    const opened = openQueue(parts.libc);
    if (typeof opened === "string") return opened;
    const { queue, number } = opened;
    // Before the rule, so that nothing waits for nobody.
    const watch = new AnswerWatch(parts, queue);
    const { without } = await applyTableOrRules(journal, {
      table: ["inet", `fluxify_answers_${tun}`],
      // Of a question that was asked: who sends answers to nobody's question is not heard.
      chains: HOOKS.map((hook) =>
        baseChain(hook, `filter hook ${hook} priority ${PRIORITY}; policy accept`, [
          `udp sport 53 ct direction reply queue num ${number} bypass`,
        ])
      ),
      rules: () =>
        HOOKS.map((hook) => ({
          table: "mangle",
          chain: hook === "input" ? "INPUT" : "FORWARD",
          place: "first",
          match: ["-p", "udp", "--sport", "53", "-m", "conntrack", "--ctdir", "REPLY"],
          tag: `fluxify-answers-${tun}`,
          target: ["NFQUEUE", "--queue-num", String(number), "--queue-bypass"],
        })),
    });
    if (without.length < 2) return watch;
    await watch[Symbol.asyncDispose]();
    return without[0]!.reason;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#poll.wake();
    await this.#ended;
    this.#poll.close();
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    try {
      while (await this.#poll.wait() === "readable" && !this.#isDisposed) {
        this.#readBatch();
      }
    } catch {
      // As below.
    }
    // Without a reader nothing may wait: what waits now goes on, then the kernel lets all pass.
    for (const id of this.#held) this.#queue.accept(id);
    this.#held.clear();
    this.#queue.close();
  }

  #readBatch(): void {
    for (let read = 0; read < BATCH_MAX; read++) {
      const packet = this.#queue.receive();
      if (packet === null) return;
      const { id, bytes } = packet;
      const answer = readNamedAnswer(bytes, this.#parts.names);
      if (answer === null) this.#queue.accept(id);
      else this.#hold(id, answer);
    }
  }

  #hold(id: number, answer: NamedAnswer): void {
    this.#held.add(id);
    const release = () => {
      clearTimeout(timer);
      if (this.#held.delete(id)) this.#queue.accept(id);
    };
    const timer = setTimeout(release, HELD_MS_MAX);
    this.#parts.learned(answer).catch(() => {}).finally(release);
  }
}

/** Or why there is none. */
function openQueue(libc: Libc): { queue: PacketQueue; number: number } | string {
  let why = "";
  for (const number of QUEUES) {
    try {
      return { queue: new PacketQueue(libc, number), number };
    } catch (error) {
      why = messageOf(error);
    }
  }
  return why;
}
