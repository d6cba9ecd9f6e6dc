/**
 * The text of a journal: one JSON object a line. The first line says whose it is, the others are
 * changes with their undo, and marks that a change needs no undo any more:
 *
 *   {"fluxify":1,"program":"fluxify-client","pid":812,"startTime":"4711",...}
 *   {"id":1,"kind":"command","undo":["ip","-4","route","del","203.0.113.7/32","dev","eth0"]}
 *   {"id":2,"kind":"sysctl","path":"net/ipv4/ip_forward","previous":"0","value":"1","sideEffects":{}}
 *   {"settled":1}
 *
 * A change is done only after its whole line is on the disk, so a line that cannot be read stands
 * for a change that was never done.
 */
import * as v from "valibot";

const HeaderSchema = v.object({
  fluxify: v.literal(1),
  program: v.string(),
  pid: v.number(),
  startTime: v.string(),
  bootId: v.string(),
  network: v.string(),
  processes: v.string(),
});

const SavedFileSchema = v.variant("type", [
  v.object({ type: v.literal("absent") }),
  v.object({ type: v.literal("symlink"), target: v.string() }),
  v.object({
    type: v.literal("file"),
    base64: v.string(),
    mode: v.number(),
    uid: v.number(),
    gid: v.number(),
  }),
]);

/**
 * Present when the change is to stay when its program crashes or fails. What the text says is for
 * the program that takes the change over.
 */
const Handover = v.optional(v.pipe(v.string(), v.maxLength(4096)));

const Id = v.pipe(v.number(), v.integer(), v.minValue(1));

const ChangeSchema = v.variant("kind", [
  v.object({
    id: Id,
    kind: v.literal("command"),
    undo: v.pipe(v.array(v.string()), v.minLength(1)),
    handover: Handover,
  }),
  v.object({
    id: Id,
    kind: v.literal("sysctl"),
    path: v.string(),
    previous: v.string(),
    value: v.string(),
    /** Parameters the kernel changes along with this one, with their previous values. */
    sideEffects: v.record(v.string(), v.string()),
  }),
  v.object({
    id: Id,
    kind: v.literal("file"),
    path: v.string(),
    saved: SavedFileSchema,
    /** SHA-256, in hex, of what we write. */
    digest: v.string(),
  }),
  v.object({
    id: Id,
    kind: v.literal("table"),
    program: v.picklist([
      "iptables",
      "ip6tables",
      "iptables-nft",
      "ip6tables-nft",
      "iptables-legacy",
      "ip6tables-legacy",
    ]),
    table: v.string(),
    chain: v.string(),
    handover: Handover,
  }),
  v.object({
    id: Id,
    kind: v.literal("nft rule"),
    family: v.picklist(["ip", "ip6", "inet"]),
    table: v.string(),
    chain: v.string(),
    /** By which the rule is found again; nobody else's may have it. */
    comment: v.string(),
  }),
]);

const MarkSchema = v.object({ settled: Id });

export type JournalHeader = v.InferOutput<typeof HeaderSchema>;
export type SavedFile = v.InferOutput<typeof SavedFileSchema>;
export type ChangeRecord = v.InferOutput<typeof ChangeSchema>;
export type SysctlRecord = Extract<ChangeRecord, { kind: "sysctl" }>;
export type FileRecord = Extract<ChangeRecord, { kind: "file" }>;
export type TableRecord = Extract<ChangeRecord, { kind: "table" }>;
export type NftRuleRecord = Extract<ChangeRecord, { kind: "nft rule" }>;

/** A change that stays when its program crashes. */
export type LastingRecord =
  & Extract<ChangeRecord, { kind: "command" | "table" }>
  & { handover: string };

export function isLasting(record: ChangeRecord): record is LastingRecord {
  return (record.kind === "command" || record.kind === "table") && record.handover !== undefined;
}

export interface JournalText {
  /** Undefined when its writer came no further than the start of the first line. */
  header: JournalHeader | undefined;
  /** What is still to be undone, oldest first. */
  outstanding: ChangeRecord[];
}

export function formatLine(
  line: JournalHeader | ChangeRecord | v.InferOutput<typeof MarkSchema>,
): string {
  return JSON.stringify(line) + "\n";
}

/** Reads what a crash, a full disk or a power cut left of a journal. Never throws. */
export function parseJournal(text: string): JournalText {
  const [first, ...rest] = text.split("\n").slice(0, -1).map(parseLine);
  const header = v.safeParse(HeaderSchema, first);
  const outstanding = new Map<number, ChangeRecord>();
  for (const line of rest) {
    const change = v.safeParse(ChangeSchema, line);
    if (change.success) outstanding.set(change.output.id, change.output);
    const mark = v.safeParse(MarkSchema, line);
    if (mark.success) outstanding.delete(mark.output.settled);
  }
  return {
    header: header.success ? header.output : undefined,
    outstanding: [...outstanding.values()],
  };
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
