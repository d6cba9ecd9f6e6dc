import { CommandError, MissingProgramError } from "./command_error.ts";
import type { CommandOptions, CommandResult, CommandRunner } from "./runner.ts";

const DEFAULT_TIMEOUT_MS = 10_000;
/** A full Internet routing table would be larger; nothing here asks for one. */
const OUTPUT_LIMIT_BYTES = 16 * 1024 * 1024;
/** Where iptables and ip live; a user's PATH often lacks these. */
const SYSTEM_DIRECTORIES = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/** Runs programs of this machine, in the network namespace of this process. */
export class SystemRunner implements CommandRunner {
  async run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const [program, ...args] = argv;
    if (program === undefined) throw new RangeError("Cannot run an empty command");
    const child = spawn(program, args, options.input === undefined ? "null" : "piped");

    let stopped: string | undefined;
    const readers = [child.stdout.getReader(), child.stderr.getReader()];
    const stop = (reason: string) => {
      stopped ??= reason;
      killIfRunning(child);
      // A grandchild may keep the pipe open after its parent is gone.
      for (const reader of readers) reader.cancel().catch(() => {});
    };
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const timer = setTimeout(() => stop(`no answer within ${timeoutMs} ms`), timeoutMs);
    try {
      if (options.input !== undefined) writeInput(child.stdin, options.input);
      const [stdout, stderr] = await Promise.all(readers.map((reader) => readAll(reader, stop)));
      const status = await child.status;
      if (stopped !== undefined) throw new CommandError(argv, null, stderr ?? "", stopped);
      return { stdout: stdout ?? "", stderr: stderr ?? "", code: status.code };
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Of every program that is run: it answers in the C locale, and is found where PATH lacks it. */
export function programEnvironment(): Record<string, string> {
  const path = [Deno.env.get("PATH") ?? "", ...SYSTEM_DIRECTORIES].filter((part) => part !== "");
  return { LC_ALL: "C", LANGUAGE: "", PATH: path.join(":") };
}

function spawn(program: string, args: string[], stdin: "null" | "piped"): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      args,
      stdin,
      stdout: "piped",
      stderr: "piped",
      env: programEnvironment(),
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new MissingProgramError(program);
    throw error;
  }
}

/** Not awaited: a program that ends without reading its input fails by its exit code. */
function writeInput(stdin: WritableStream<Uint8Array>, input: string): void {
  const writer = stdin.getWriter();
  writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => {});
}

async function readAll(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  stop: (reason: string) => void,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let lengthBytes = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    lengthBytes += next.value.byteLength;
    if (lengthBytes > OUTPUT_LIMIT_BYTES) {
      stop(`more than ${OUTPUT_LIMIT_BYTES} bytes of output`);
      break;
    }
    text += decoder.decode(next.value, { stream: true });
  }
  return text + decoder.decode();
}

function killIfRunning(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
