/**
 * Finds the end of one JSON object in bytes that come in pieces, so that it can be answered before
 * the peer closes its side. Each byte is looked at once however it is cut, and what follows the
 * object is not read, so the answer never depends on the cuts.
 */

export type JsonObject = Readonly<Record<string, unknown>>;

/** "too large": the object had not ended within the limit. The last three are final. */
export type JsonObjectState =
  | { readonly state: "incomplete" | "too large" | "malformed" }
  | { readonly state: "complete"; readonly object: JsonObject };

const INCOMPLETE = { state: "incomplete" } as const;
const TOO_LARGE = { state: "too large" } as const;
const MALFORMED = { state: "malformed" } as const;

const BYTES_AT_FIRST = 1024;

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;

export class JsonObjectReader {
  readonly #bytesMax: number;
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;
  #place: "before" | "between" | "string" | "escape" = "before";
  #depth = 0;
  #state: JsonObjectState = INCOMPLETE;

  /** Reads an object that ends within `bytesMax` bytes, white space before it included. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#bytes = new Uint8Array(Math.min(bytesMax, BYTES_AT_FIRST));
  }

  /** Takes the next bytes (borrowed for the call) and says what all of them so far amount to. */
  read(chunk: Uint8Array): JsonObjectState {
    for (const byte of chunk) {
      if (this.#state !== INCOMPLETE) break;
      this.#state = this.#readByte(byte);
    }
    return this.#state;
  }

  #readByte(byte: number): JsonObjectState {
    this.#append(byte);
    switch (this.#place) {
      case "before":
        if (byte === BRACE_OPEN) this.#open();
        else if (!isWhiteSpace(byte)) return this.#end(MALFORMED);
        break;
      case "between":
        if (byte === QUOTE) this.#place = "string";
        else if (byte === BRACE_OPEN || byte === BRACKET_OPEN) this.#open();
        else if (byte === BRACE_CLOSE || byte === BRACKET_CLOSE) {
          if (--this.#depth === 0) return this.#end(this.#parse());
        }
        break;
      case "string":
        if (byte === BACKSLASH) this.#place = "escape";
        else if (byte === QUOTE) this.#place = "between";
        break;
      case "escape":
        this.#place = "string";
        break;
      default:
        this.#place satisfies never;
    }
    return this.#length < this.#bytesMax ? INCOMPLETE : this.#end(TOO_LARGE);
  }

  #open(): void {
    this.#place = "between";
    this.#depth++;
  }

  #append(byte: number): void {
    if (this.#length === this.#bytes.length) {
      const grown = new Uint8Array(Math.min(this.#bytesMax, 2 * this.#length));
      grown.set(this.#bytes);
      this.#bytes.fill(0);
      this.#bytes = grown;
    }
    this.#bytes[this.#length++] = byte;
  }

  #parse(): JsonObjectState {
    try {
      const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
      const object = JSON.parse(decoder.decode(this.#bytes.subarray(0, this.#length)));
      return { state: "complete", object };
    } catch {
      return MALFORMED;
    }
  }

  /** A response carries the session key, so the bytes do not stay behind. */
  #end(state: JsonObjectState): JsonObjectState {
    this.#bytes.fill(0);
    return state;
  }
}

function isWhiteSpace(byte: number): boolean {
  return byte === SPACE || byte === LINE_FEED || byte === CARRIAGE_RETURN || byte === TAB;
}
