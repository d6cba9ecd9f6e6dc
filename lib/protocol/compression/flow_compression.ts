/**
 * Compression of single packets, so that slow links carry more. This folder decides which packets
 * are worth a try, in constant time and without allocating; it promises that traffic that does not
 * become smaller, and traffic so fast that the processor is the limit, costs next to nothing.
 *
 * A flow whose packet did not become smaller is left alone for its next 8 packets, then for 16 and
 * so on up to 1024; each success takes one such step back. A flow is forgotten after 2 s without a
 * packet, and starts anew.
 */
import type { FlowKey } from "../packet/flow_key.ts";
import { PROTOCOL_TCP, PROTOCOL_UDP } from "../packet/ip.ts";
import { ByteDiversity } from "./byte_diversity.ts";
import type { CompressionMode } from "./compression_mode.ts";
import { ProcessorGate } from "./processor_gate.ts";

/** The longest packet that may be compressed: the peer inflates no more. */
export const COMPRESSIBLE_BYTES_MAX = 1500;

/** Shorter packets are interactive, or save less than an eighth after the 18 bytes that gzip adds. */
const AUTO_BYTES_MIN = 400;
/** Header and trailer of gzip take 18 bytes, so nothing this short becomes smaller. */
const ALWAYS_BYTES_MIN = 24;
/** IPv4 and TCP without options, or IPv6; what follows is looked at. */
const HEADER_BYTES = 40;
const SLOTS = 4096;
const IDLE_MS = 2000;
const SKIP_MIN = 8;
/** Failures in a row that count: 8 << 7 is 1024. */
const FAILURES_MAX = 8;

/** One for all sessions of an engine, since it is their sum that keeps the processor busy. */
export class FlowCompression {
  readonly #gate = new ProcessorGate();
  readonly #diversity = new ByteDiversity();

  /**
   * What is known of a flow, in one of the two slots that its hashes name. When other flows hold
   * both it shares the first: at worst it is left alone for what another flow did.
   */
  readonly #tag = new Int32Array(SLOTS);
  readonly #failures = new Uint8Array(SLOTS);
  readonly #skip = new Uint16Array(SLOTS);
  readonly #usedAt = new Float64Array(SLOTS).fill(-Infinity);
  /** The slot of the packet last allowed, or -1 when it was not for its flow. */
  #slot = -1;

  /**
   * Hot. To be asked for each packet an engine sends, whatever its session; `flow` is what
   * `readFlowKey` says of the `length` bytes of IP packet at `offset`, or of the larger one they were
   * cut from, and `now` is in ms.
   * @returns the length above which the compressed packet is not worth it, or 0 when it is not to
   * be compressed. After a try, and before the next question, {@link noteTry} wants to know.
   */
  capacityFor(
    mode: CompressionMode,
    flow: FlowKey,
    bytes: Uint8Array,
    offset: number,
    length: number,
    now: number,
  ): number {
    if (mode === "auto") return this.#autoCapacity(flow, bytes, offset, length, now);
    this.#slot = -1;
    const isTried = mode === "always" && length >= ALWAYS_BYTES_MIN &&
      length <= COMPRESSIBLE_BYTES_MAX;
    return isTried ? length - 1 : 0;
  }

  /**
   * Hot. Tells what came of the packet `capacityFor` allowed: whether it became small enough, and
   * how long the try took.
   */
  noteTry(paid: boolean, costMs: number): void {
    const slot = this.#slot;
    if (slot < 0) return;
    this.#gate.noteCost(costMs);
    if (!paid) this.#backOff(slot);
    else if (this.#failures[slot]! > 0) this.#failures[slot]!--;
  }

  #autoCapacity(
    flow: FlowKey,
    bytes: Uint8Array,
    offset: number,
    length: number,
    now: number,
  ): number {
    if (length < AUTO_BYTES_MIN || length > COMPRESSIBLE_BYTES_MAX) return 0;
    if (!this.#gate.count(now)) return 0;
    if (flow.protocol !== PROTOCOL_TCP && flow.protocol !== PROTOCOL_UDP) return 0;
    const slot = this.#slotOf(flow, now);
    if (this.#skip[slot]! > 0) {
      this.#skip[slot]!--;
      return 0;
    }
    if (!this.#diversity.looksCompressible(bytes, offset + HEADER_BYTES, length - HEADER_BYTES)) {
      this.#backOff(slot);
      return 0;
    }
    this.#slot = slot;
    // Less than an eighth saved is not worth the time of both ends.
    return length - (length >>> 3);
  }

  #slotOf(flow: FlowKey, now: number): number {
    const { hashA, hashB } = flow;
    const first = hashA & (SLOTS - 1);
    const second = hashB & (SLOTS - 1);
    const tag = hashA ^ Math.imul(hashB, 0x9e3779b1);
    const idleBefore = now - IDLE_MS;
    if (this.#isOf(first, tag, idleBefore)) return this.#use(first, now);
    if (this.#isOf(second, tag, idleBefore)) return this.#use(second, now);
    if (this.#usedAt[first]! < idleBefore) return this.#take(first, tag, now);
    if (this.#usedAt[second]! < idleBefore) return this.#take(second, tag, now);
    return first;
  }

  #isOf(slot: number, tag: number, idleBefore: number): boolean {
    return this.#tag[slot] === tag && this.#usedAt[slot]! >= idleBefore;
  }

  #use(slot: number, now: number): number {
    this.#usedAt[slot] = now;
    return slot;
  }

  #take(slot: number, tag: number, now: number): number {
    this.#tag[slot] = tag;
    this.#failures[slot] = this.#skip[slot] = 0;
    return this.#use(slot, now);
  }

  #backOff(slot: number): void {
    const failures = Math.min(this.#failures[slot]! + 1, FAILURES_MAX);
    this.#failures[slot] = failures;
    this.#skip[slot] = SKIP_MIN << (failures - 1);
  }
}
