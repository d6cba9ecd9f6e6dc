/** Runs this program once more, with other words, and takes what it writes. */
import { BUILD_VARIABLE, parseBuildInfo } from "../cli/build_info.ts";
import { readOwnCommand } from "../cli/own_command.ts";
import { Refusal } from "../status/local_socket/message.ts";

/** Its standard output. @throws Refusal with what it says, when it says no result or takes too long. */
export async function ownCommandOutput(words: readonly string[], limitMs: number): Promise<string> {
  const { form } = parseBuildInfo(Deno.env.get(BUILD_VARIABLE), () => null);
  const { path, args, env } = readOwnCommand(form);
  const { success, stdout, stderr } = await new Deno.Command(path, {
    args: [...args, ...words],
    env: { ...env, DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    signal: AbortSignal.timeout(limitMs),
  }).output();
  const text = new TextDecoder().decode(stdout);
  if (success || text.trim().startsWith("{")) return text;
  const said = new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? "";
  throw new Refusal("failed", said.replace(/^fluxify-\w+: /, "") || "it took too long");
}
