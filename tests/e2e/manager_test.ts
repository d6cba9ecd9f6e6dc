/**
 * The operator's way: setup, a start, the certificate manager beside the server, a new client, and its
 * revocation while it is connected.
 */
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
import { createSmallLab, ending, FAR_ADDRESSES, pingAll, SERVER_ADDRESS } from "./small_lab.ts";

const END_TIMEOUT_MS = 15_000;
const DENO_DIR = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;

Deno.test({
  name:
    "netns: setup, start, -tui, a new client, and revoking it there while connected ends its session",
  ignore: needsRoot().ignore || !canRunTmux(),
  fn: async () => {
    await using lab = await createSmallLab();
    const { cwd, env } = environment(lab, "server");
    const [runtime, ...args] = program("server");
    const main = join(cwd, args.pop()!);
    const onTerminal = (...words: readonly string[]) =>
      Tmux.run([runtime!, ...args, main, "-pki", pkiDirectory(lab), ...words], {
        within: ["ip", "netns", "exec", lab.server.name],
        env: { ...env, DENO_DIR },
        columns: 120,
        rows: 30,
      });

    await using setup = await onTerminal("setup");
    await setup.waitFor(/Names and addresses clients reach[^]*203\.0\.113\.10/);
    await setup.press("C-u");
    await setup.type(SERVER_ADDRESS);
    for (const question of [/UDP port for data/, /TCP port for control/, /Name of the first/]) {
      await setup.press("Enter");
      await setup.waitFor(question);
    }
    await setup.type("phone");
    await setup.press("Enter");
    await setup.waitFor(/Certificate for phone issued[^]*let TCP 8443 and UDP 8000[^]*exit 0/);

    const server = await startServer(lab, { args: ["-hosts", SERVER_ADDRESS] });
    await using terminal = await onTerminal("-tui");
    await terminal.waitFor(/> phone +valid/);
    await terminal.press("n");
    await terminal.type("laptop");
    await terminal.press("Enter");
    await terminal.waitFor(/laptop +valid +\d{4}-\d\d-\d\d - [^]*-server 203\.0\.113\.10/);
    await terminal.click("laptop");
    await terminal.waitFor(/> laptop/);

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
