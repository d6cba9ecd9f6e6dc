/**
 * Makes the tables of `lib/protocol/compression/dictionary.ts`: how often zstd meets each byte,
 * length and distance in packets of the given files when it has the dictionary's text.
 *
 *     deno run -A scripts/dictionary_tables.ts FILE...      prints base64, to be put there
 *
 * What it prints makes another dictionary, so peers that have the present one no longer share it.
 */
import { Buffer } from "node:buffer";
import { DICTIONARY_TEXT } from "../lib/protocol/compression/dictionary_text.ts";
import { tcpPacket } from "../lib/protocol/packet/test_packet.ts";

const PAYLOAD_BYTES = 1348;
const TIMESTAMPS = Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0);
/** Any number that is nobody else's: frames do not carry it. */
const DICTIONARY_ID = 0x666c_7578;
const LEVEL = 5;
const ROOM_BYTES = 1 << 20;
const LINE_LENGTH = 96;

const SYMBOLS = {
  // size_t ZDICT_finalizeDictionary(void *dictionary, size_t, const void *content, size_t,
  //     const void *samples, const size_t *sample_sizes, unsigned samples_count,
  //     ZDICT_params_t { int level; unsigned notification_level; unsigned id });
  ZDICT_finalizeDictionary: {
    parameters: [
      ...["buffer", "usize", "buffer", "usize", "buffer", "buffer", "u32"] as const,
      { struct: ["i32", "u32", "u32"] },
    ],
    result: "usize",
  },
  // size_t ZDICT_getDictHeaderSize(const void *dictionary, size_t);
  ZDICT_getDictHeaderSize: { parameters: ["buffer", "usize"], result: "usize" },
  // unsigned ZDICT_isError(size_t);
  ZDICT_isError: { parameters: ["usize"], result: "u32" },
} as const;

/** The files cut into packets of a TCP flow, as the tunnel meets them. */
function packetsOf(files: readonly string[]): Uint8Array[] {
  return files.map((file) => Deno.readFileSync(file)).flatMap((bytes) =>
    Array.from({ length: Math.floor(bytes.length / PAYLOAD_BYTES) }, (_, packet) => {
      const payload = bytes.slice(packet * PAYLOAD_BYTES, (packet + 1) * PAYLOAD_BYTES);
      const options = TIMESTAMPS.slice();
      new DataView(options.buffer).setUint32(4, Math.imul(packet + 1, 0x9e3779b1));
      return tcpPacket({ payload, options, sequence: packet * PAYLOAD_BYTES });
    })
  );
}

function makeTables(packets: readonly Uint8Array[]): Uint8Array {
  const { symbols } = Deno.dlopen("libzstd.so.1", SYMBOLS);
  const text = new TextEncoder().encode(DICTIONARY_TEXT);
  const dictionary = new Uint8Array(ROOM_BYTES);
  const length = symbols.ZDICT_finalizeDictionary(
    dictionary,
    BigInt(dictionary.length),
    text,
    BigInt(text.length),
    Buffer.concat(packets),
    BigUint64Array.from(packets, (packet) => BigInt(packet.length)),
    packets.length,
    new Uint8Array(Uint32Array.of(LEVEL, 0, DICTIONARY_ID).buffer),
  );
  if (symbols.ZDICT_isError(length) !== 0) {
    throw new Error("Cannot make the tables: give larger files, of several kinds of text");
  }
  const tables = symbols.ZDICT_getDictHeaderSize(dictionary, length);
  return dictionary.slice(0, Number(tables));
}

if (import.meta.main) {
  const base64 = Buffer.from(makeTables(packetsOf(Deno.args))).toString("base64");
  for (let at = 0; at < base64.length; at += LINE_LENGTH) {
    console.log(base64.slice(at, at + LINE_LENGTH));
  }
}
