/**
 * What the process of the page and the one that started it say to each other: lines of JSON over its
 * standard input and output. The page asks; the starter, which has the rights, answers what is on its
 * list.
 */
import { LineBuffer } from "../status/local_socket/line_buffer.ts";
import { ANSWER_BYTES_MAX, type Arguments } from "../status/local_socket/message.ts";
import type { PageAddress } from "../cli/page_options.ts";

/** The first line the page gets. */
export interface PageStart {
  readonly listen: PageAddress;
  readonly certificate: { readonly cert: string; readonly key: string } | null;
  /** Names and addresses by which browsers may ask. */
  readonly hosts: readonly string[];
  /** What the link to log in with carries. */
  readonly token: string;
  readonly program: string;
  readonly version: string;
  readonly instance: string;
  /** Where the history is kept; null: nowhere. */
  readonly historyDirectory: string | null;
  /** The user to become; null: the one it runs as. */
  readonly user: { readonly userId: number; readonly groupId: number } | null;
  /** What may be asked besides looking. */
  readonly actions: readonly string[];
}

export type FromPage =
  | { readonly say: "ask"; readonly id: number; readonly ask: string; readonly with: Arguments }
  | { readonly say: "ready" }
  | { readonly say: "warn"; readonly text: string };

export type ToPage =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly code: string; readonly message: string };

const PIECE_BYTES = 64 * 1024;

/** Gives each line of `stream` to `take`, as JSON, until it ends or a line is none. */
export async function readLines(
  stream: ReadableStream<Uint8Array>,
  take: (value: unknown) => void,
): Promise<void> {
  const buffer = new LineBuffer(ANSWER_BYTES_MAX + PIECE_BYTES);
  const decoder = new TextDecoder();
  for await (const piece of stream) {
    const lines: string[] = [];
    if (!buffer.push(piece, (line) => void lines.push(decoder.decode(line)))) return;
    for (const line of lines) {
      try {
        take(JSON.parse(line));
      } catch (error) {
        if (error instanceof SyntaxError) return;
        throw error;
      }
    }
  }
}

/** Writes lines in their order. */
export class LineWriter {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(stream: WritableStream<Uint8Array>) {
    this.#writer = stream.getWriter();
  }

  /** What the other side does not take any more is lost: it has ended. */
  write(value: FromPage | ToPage | PageStart): void {
    this.#writer.write(new TextEncoder().encode(JSON.stringify(value) + "\n")).catch(() => {});
  }

  /** The other side reads the end. */
  async close(): Promise<void> {
    await this.#writer.close().catch(() => {});
  }
}
