/** A socket in a directory of its own, for tests. */
import { join } from "node:path";
import { LocalSocket, type SocketCommand, type SocketLimits } from "./listener.ts";

export class SocketSite implements AsyncDisposable {
  readonly sockets: { program: string; usualName: string; directory: string };

  private constructor(base: string) {
    this.sockets = { program: "client", usualName: "fluxify", directory: join(base, "run") };
  }

  static async create(): Promise<SocketSite> {
    return new SocketSite(await Deno.makeTempDir({ prefix: `fluxify-socket-${Deno.pid}-` }));
  }

  listen(
    commands: Readonly<Record<string, SocketCommand>> = { echo: (args) => args },
    limits: Partial<SocketLimits> = {},
    instance = "fluxify",
    groupId: number | null = null,
  ): Promise<LocalSocket> {
    return LocalSocket.open({ ...this.sockets, instance, groupId, commands, limits });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(join(this.sockets.directory, ".."), { recursive: true });
  }
}

/** What the other side sends until it closes, or until `untilLine` says so. */
export async function readAll(
  connection: Deno.Conn,
  until: (text: string) => boolean = () => false,
): Promise<string> {
  const piece = new Uint8Array(64 * 1024);
  const decoder = new TextDecoder();
  let text = "";
  while (!until(text)) {
    const length = await connection.read(piece).catch(() => null);
    if (length === null) break;
    text += decoder.decode(piece.subarray(0, length), { stream: true });
  }
  return text;
}
