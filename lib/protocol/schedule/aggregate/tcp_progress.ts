/**
 * Which segments a TCP sender sends again: it has lost something, and its receiver waits for that. And
 * which do nothing but acknowledge more than the one before. Two flows in one place take it from each
 * other, and then nothing of theirs counts as either.
 */
import type { FlowKey } from "../../packet/flow_key.ts";
import { FairQueue, FLOWS } from "./fair_queue.ts";

/** Behind by more is another connection: no window is larger (RFC 7323, 2.3). */
const WINDOW_MAX = 2 ** 30;

export class TcpProgress {
  readonly #owner = new Int32Array(FLOWS);
  /** The sequence number behind the last byte that was sent. */
  readonly #next = new Uint32Array(FLOWS);
  /** Bytes that it sent without a gap, up to that one. */
  readonly #contiguous = new Float64Array(FLOWS);
  readonly #ackOwner = new Int32Array(FLOWS);
  readonly #acknowledged = new Uint32Array(FLOWS);

  /** Hot. Takes a packet in; whether all its bytes were sent before. */
  isRepeated({ hashA, hashB, sequence, payloadBytes }: FlowKey): boolean {
    if (payloadBytes === 0) return false;
    const place = FairQueue.flowOf(hashA);
    const end = (sequence + payloadBytes) >>> 0;
    const ahead = (end - this.#next[place]!) | 0;
    if (this.#owner[place] === hashB && ahead <= 0 && ahead > -WINDOW_MAX) return true;
    const isNext = this.#owner[place] === hashB && this.#next[place] === sequence;
    this.#contiguous[place] = payloadBytes + (isNext ? this.#contiguous[place]! : 0);
    this.#owner[place] = hashB;
    this.#next[place] = end;
    return false;
  }

  /**
   * Hot. Whether all bytes of a repeated packet are among the last `waitingBytes` that its flow sent,
   * and no others are.
   */
  isAmongLast({ hashA, sequence }: FlowKey, waitingBytes: number): boolean {
    const place = FairQueue.flowOf(hashA);
    const behind = (this.#next[place]! - sequence) | 0;
    return behind <= waitingBytes && waitingBytes <= this.#contiguous[place]!;
  }

  /** Hot. Takes a packet in; whether the one of its flow before it tells nothing that it does not. */
  acknowledgesMore({ hashA, hashB, isPlainAck, acknowledgement }: FlowKey): boolean {
    if (!isPlainAck) return false;
    const place = FairQueue.flowOf(hashA);
    const ahead = (acknowledgement - this.#acknowledged[place]!) | 0;
    const isSame = this.#ackOwner[place] === hashB;
    this.#ackOwner[place] = hashB;
    this.#acknowledged[place] = acknowledgement;
    return isSame && ahead > 0;
  }
}
