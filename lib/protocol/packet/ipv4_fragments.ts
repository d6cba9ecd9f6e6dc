/**
 * Splits an IPv4 packet that may be fragmented into packets that fit (RFC 791, 3.2), one at a time.
 * Each fragment but the last carries a multiple of 8 bytes; options go into all of them if their
 * copied flag is set, else into the first alone. A fragment may be split further, and several
 * packets may be split one after the other with the same object: it holds no memory of theirs.
 */
import { writeIpv4Checksum } from "./checksum.ts";
import {
  IPV4_DONT_FRAGMENT,
  IPV4_FRAGMENT,
  IPV4_FRAGMENT_OFFSET,
  IPV4_HEADER_LENGTH,
  IPV4_MORE_FRAGMENTS,
  IPV4_TOTAL_LENGTH,
} from "./ip.ts";

const HEADER_LENGTH_MAX = 60;
const OFFSET_UNIT = 8;
const OFFSET_MAX = IPV4_FRAGMENT_OFFSET * OFFSET_UNIT;
const OPTION_END = 0;
const OPTION_NOTHING = 1;
const OPTION_COPIED = 0x80;

export class Ipv4Fragments {
  /** The header of the first fragment, then that of the others. */
  readonly #header = new Uint8Array(HEADER_LENGTH_MAX);
  readonly #headerView = new DataView(this.#header.buffer);
  #headerLength = 0;
  #view: DataView | null = null;
  #at = 0;
  #end = 0;
  #mtu = 0;
  /** Of the next fragment, in the packet that was split first. */
  #offsetBytes = 0;
  #moreFollow = 0;
  #reserved = 0;

  /**
   * Begins to split the packet of `length` bytes at `packet`, whose TCP or UDP checksum must be
   * complete, into fragments of at most `mtu` bytes. The memory must stay as it is until next() has
   * answered 0.
   * @returns false: it must not be fragmented, is no IPv4 packet, or `mtu` leaves no room for 8 bytes.
   */
  start(view: DataView, packet: number, length: number, mtu: number): boolean {
    this.#view = null;
    if (length < IPV4_HEADER_LENGTH || view.getUint8(packet) >>> 4 !== 4) return false;
    const headerLength = (view.getUint8(packet) & 0xf) * 4;
    const total = view.getUint16(packet + IPV4_TOTAL_LENGTH);
    if (headerLength < IPV4_HEADER_LENGTH || total < headerLength || total > length) return false;
    const flags = view.getUint16(packet + IPV4_FRAGMENT);
    if ((flags & IPV4_DONT_FRAGMENT) !== 0 || mtu < headerLength + OFFSET_UNIT) return false;
    this.#offsetBytes = (flags & IPV4_FRAGMENT_OFFSET) * OFFSET_UNIT;
    if (this.#offsetBytes + total - headerLength > OFFSET_MAX + OFFSET_UNIT) return false;
    if (!hasWholeOptions(view, packet, headerLength)) return false;

    for (let i = 0; i < headerLength; i++) this.#header[i] = view.getUint8(packet + i);
    this.#headerLength = headerLength;
    this.#moreFollow = flags & IPV4_MORE_FRAGMENTS;
    this.#reserved = flags & 0x8000;
    this.#view = view;
    this.#at = packet + headerLength;
    this.#end = packet + total;
    this.#mtu = mtu;
    return true;
  }

  /**
   * Writes the next fragment to `target` at `at`, where `mtu` bytes must be free, other memory than
   * the packet's.
   * @returns its length; 0: there are no more.
   */
  next(target: DataView, at: number): number {
    const view = this.#view;
    if (view === null) return 0;
    const headerLength = this.#headerLength;
    const left = this.#end - this.#at;
    let payload = left;
    if (headerLength + left > this.#mtu) payload = (this.#mtu - headerLength) & ~(OFFSET_UNIT - 1);
    const isLast = payload === left;

    for (let i = 0; i < headerLength; i++) target.setUint8(at + i, this.#header[i]!);
    for (let i = 0; i < payload; i++) {
      target.setUint8(at + headerLength + i, view.getUint8(this.#at + i));
    }
    const more = isLast ? this.#moreFollow : IPV4_MORE_FRAGMENTS;
    target.setUint16(at + IPV4_TOTAL_LENGTH, headerLength + payload);
    target.setUint16(at + IPV4_FRAGMENT, this.#reserved | more | this.#offsetBytes / OFFSET_UNIT);
    writeIpv4Checksum(target, at, headerLength);

    this.#at += payload;
    if (isLast) this.#view = null;
    else if (headerLength > IPV4_HEADER_LENGTH) this.#keepCopiedOptions();
    this.#offsetBytes += payload;
    return headerLength + payload;
  }

  /** Leaves the options in the header that every fragment carries. */
  #keepCopiedOptions(): void {
    const header = this.#header;
    let to = IPV4_HEADER_LENGTH;
    for (let from = IPV4_HEADER_LENGTH; from < this.#headerLength;) {
      const type = header[from]!;
      if (type === OPTION_END) break;
      const optionLength = type === OPTION_NOTHING ? 1 : header[from + 1]!;
      if ((type & OPTION_COPIED) !== 0) {
        header.copyWithin(to, from, from + optionLength);
        to += optionLength;
      }
      from += optionLength;
    }
    const headerLength = (to + 3) & ~3;
    header.fill(OPTION_END, to, headerLength);
    this.#headerView.setUint8(0, 0x40 | (headerLength / 4));
    this.#headerLength = headerLength;
  }
}

function hasWholeOptions(view: DataView, packet: number, headerLength: number): boolean {
  let at = IPV4_HEADER_LENGTH;
  while (at < headerLength) {
    const type = view.getUint8(packet + at);
    if (type === OPTION_END) return true;
    if (type === OPTION_NOTHING) {
      at++;
      continue;
    }
    if (at + 2 > headerLength) return false;
    const optionLength = view.getUint8(packet + at + 1);
    if (optionLength < 2) return false;
    at += optionLength;
  }
  return at === headerLength;
}
