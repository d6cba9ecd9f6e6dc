/**
 * Where a path leads: the peer's address and port, and the local address it was reached at. IPv4 is
 * kept as IPv4-mapped IPv6 (RFC 4291, 2.5.5.2), so that one form serves both families and a
 * comparison is a few numbers.
 */
/** The third word of such an address. */
export const MAPPED_PREFIX = 0x0000ffff;

export class PeerAddress {
  /** The peer's address as four signed words. */
  a0 = 0;
  a1 = 0;
  a2 = 0;
  a3 = 0;
  port = 0;
  /** The scope of a link-local address, else 0. */
  scope = 0;
  /** The local address the peer sent to, as four signed words. */
  local0 = 0;
  local1 = 0;
  local2 = 0;
  local3 = 0;

  equals(other: PeerAddress): boolean {
    return this.a3 === other.a3 && this.port === other.port && this.a2 === other.a2 &&
      this.a1 === other.a1 && this.a0 === other.a0 && this.scope === other.scope &&
      this.local3 === other.local3 && this.local2 === other.local2 &&
      this.local1 === other.local1 && this.local0 === other.local0;
  }

  /** Whether the peer is at the same address, whatever its port. */
  isSameHost(other: PeerAddress): boolean {
    return this.a3 === other.a3 && this.a2 === other.a2 && this.a1 === other.a1 &&
      this.a0 === other.a0 && this.scope === other.scope;
  }

  copyFrom(other: PeerAddress): void {
    this.a0 = other.a0;
    this.a1 = other.a1;
    this.a2 = other.a2;
    this.a3 = other.a3;
    this.port = other.port;
    this.scope = other.scope;
    this.local0 = other.local0;
    this.local1 = other.local1;
    this.local2 = other.local2;
    this.local3 = other.local3;
  }

  /** For people: `203.0.113.7:40000` or `[2001:db8::7]:40000`. */
  toString(): string {
    if (this.a0 === 0 && this.a1 === 0 && this.a2 === MAPPED_PREFIX) {
      const word = this.a3;
      const bytes = [word >>> 24, (word >>> 16) & 0xff, (word >>> 8) & 0xff, word & 0xff];
      return `${bytes.join(".")}:${this.port}`;
    }
    const groups = [this.a0, this.a1, this.a2, this.a3].flatMap((word) => [
      (word >>> 16).toString(16),
      (word & 0xffff).toString(16),
    ]);
    return `[${groups.join(":").replace(/(^|:)0(:0)+(:|$)/, "::")}]:${this.port}`;
  }
}
