/** What the page of a program needs to know of it. */
import type { Arguments } from "../status/local_socket/message.ts";
import type { Reading } from "./history/history_store.ts";

/** Asks the program, through whoever started the page. @throws Refusal as it answers */
export type Ask = (what: string, args?: Arguments) => Promise<unknown>;

export interface PageProgram {
  /** How often those who watch are told anew. */
  readonly liveEveryMs: number;
  /** What is told. @throws Refusal while nothing runs */
  readonly read: (ask: Ask) => Promise<unknown>;
  /** What of it goes into the history. */
  readonly readings: (status: unknown) => readonly Reading[];
}
