import type { NftRuleRecord, TableRecord } from "./record.ts";

export type Change =
  /**
   * `undo` must be harmless when the command was never run. `check` ends with 0 as long as the change
   * is in force, and with 1 when it is not: given, `putBack()` does again what another program has
   * undone, by the command that `again` makes up then, or by `argv`. One with the `undo` of an earlier
   * one takes its place.
   */
  | (Lasting & {
    kind: "command";
    argv: readonly string[];
    undo: readonly string[];
    input?: string;
    check?: readonly string[];
    again?: () => Promise<readonly string[]>;
  })
  /** `sideEffects` are the paths of parameters the kernel changes along with this one. */
  | { kind: "sysctl"; path: string; value: string; sideEffects?: readonly string[] }
  /** Replaces a whole file, or a symbolic link by a file. `mode` is that of the new file. */
  | { kind: "file"; path: string; content: string; mode?: number }
  /** A firewall table about to be made by its first rule: removed when it is empty at the end. */
  | (Lasting & { kind: "table" } & Pick<TableRecord, "program" | "table" | "chain">)
  /** Puts a rule into a chain that is another's. `comment` must be ours alone. */
  | NftRuleChange;

/** Given, it makes the change stay when this program crashes, and is for the one that takes over. */
interface Lasting {
  handover?: string;
}

/**
 * `rule` are the words of nft without the comment; it goes before the rule with the handle `before`,
 * or to the end of the chain.
 */
export type NftRuleChange =
  & { kind: "nft rule"; rule: readonly string[]; before: number | null }
  & Pick<NftRuleRecord, "family" | "table" | "chain" | "comment">;

/** A change that has been done; for `undo()` and `settle()`. */
export type ChangeId = number;
