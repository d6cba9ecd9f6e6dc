/** The operator's way: the certificate manager beside a server that has a client connected. */
import { equal, match } from "node:assert/strict";
import { join } from "node:path";
import {
  environment,
  pkiDirectory,
  program,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import { canRunTmux, Tmux } from "../../testing/tmux.ts";
import { needsRoot } from "../netns/namespace.ts";
import { createSmallLab, ending, FAR_ADDRESSES, pingAll } from "./small_lab.ts";

const END_TIMEOUT_MS = 15_000;
const DENO_DIR = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;

Deno.test({
  name:
    "netns: -tui makes a client, tells when it was seen, and revoking it there ends its session",
  ignore: needsRoot().ignore || !canRunTmux(),
  fn: async () => {
    await using lab = await createSmallLab();
    const server = await startServer(lab);
    const { cwd, env } = environment(lab, "server");
    const [runtime, ...args] = program("server");
    const main = join(cwd, args.pop()!);
    await using terminal = await Tmux.run(
      [runtime!, ...args, main, "-tui", "-pki", pkiDirectory(lab)],
      {
        within: ["ip", "netns", "exec", lab.server.name],
        env: { ...env, DENO_DIR },
        columns: 120,
        rows: 30,
      },
    );
    await terminal.waitFor(/no clients yet/);
    await terminal.press("n");
    await terminal.type("laptop");
    await terminal.press("Enter");
    await terminal.waitFor(/> laptop +valid +\d{4}-\d\d-\d\d - [^]*-server 203\.0\.113\.10/);

    const client = await startClient(lab, join(pkiDirectory(lab), "clients", "laptop.bundle"));
    await pingAll(lab.client, FAR_ADDRESSES);
    await terminal.waitFor(/> laptop +valid +\S+ \d{4}-\d\d-\d\d \d\d:\d\d .* laptop\.pem/);

    const startMs = performance.now();
    await terminal.press("r");
    await terminal.waitFor(/Revoke laptop\? y\/n/);
    await terminal.press("y");
    await server.waitForLine(
      /session of laptop ended: its certificate was revoked/,
      END_TIMEOUT_MS,
    );
    const { exitCode, text } = await ending(client);
    console.log(
      `the client ended ${Math.round(performance.now() - startMs)} ms after the question`,
    );
    equal(exitCode, 1);
    match(text, /the certificate of 'laptop' has been revoked; ask the operator.*new bundle/);
    await terminal.waitFor(/> laptop +revoked/);
    await terminal.press("Escape");
    await terminal.waitFor(/Quit\? y\/n/);
    await terminal.press("y");
    await terminal.waitFor(/exit 0/);
    server.signal("SIGTERM");
    await server.ended;
  },
});
