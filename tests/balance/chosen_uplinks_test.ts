/** Uplinks that are chosen on the live status while connections are balanced. */
import { deepEqual, doesNotMatch, equal, ok } from "node:assert/strict";
import { canRunTmux, Tmux } from "../../testing/tmux.ts";
import { connect, needsRoot } from "../netns/namespace.ts";
import { BalanceLab, equalStates } from "./balance_lab.ts";

const MAIN = new URL("../../client/main.ts", import.meta.url).pathname;
const DENO_DIR = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;

/** A third uplink, to the router of wan2: 10.3.0.2. */
async function plugInModem({ machine, routers, server }: BalanceLab): Promise<void> {
  await connect(machine, routers.wan2, {
    a: { name: "modem", addresses: ["10.3.0.2/24"] },
    b: { name: "lan3", addresses: ["10.3.0.1/24"] },
  });
  await machine.run(
    ...["ip", "route", "add", "default", "via", "10.3.0.1", "dev", "modem", "metric", "300"],
  );
  await server.run("ip", "route", "add", "10.3.0.0/24", "via", "10.102.0.1");
}

Deno.test({
  name: "netns: uplinks are changed on the screen while connections are balanced",
  ignore: needsRoot().ignore || !canRunTmux(),
  fn: async () => {
    await using lab = await BalanceLab.create();
    await plugInModem(lab);
    const before = await lab.state();
    const args = ["-l", "-ui", "-ifaces", "wan1,wan2", "-health-interval", "300ms"];
    await using terminal = await Tmux.run([Deno.execPath(), "run", "-A", MAIN, ...args], {
      within: ["ip", "netns", "exec", lab.machine.name],
      env: { FLUXIFY_STATE_DIR: `${lab.directory}/state`, HOME: lab.directory, DENO_DIR },
      columns: 120,
      rows: 30,
    });
    await terminal.waitFor(/wan1 +IPv4 +healthy[^]*wan2 +IPv4 +healthy/);
    await terminal.press("l");
    await terminal.waitFor(/^ Links +2 ticked[^]*\[x\] wan1[^]*\[x\] wan2[^]*\[ \] modem/);
    await terminal.click("[ ] modem");
    await terminal.click("[x] wan2");
    await terminal.waitFor(/^ Links +2 ticked[^]*\[ \] wan2[^]*\[x\] modem/);
    await terminal.click("[Apply]");
    const screen = await terminal.waitFor(/wan1 +IPv4 +healthy[^]*modem +IPv4 +healthy/);
    doesNotMatch(screen, /^[> ] wan2/m);
    const seen = await lab.sources(lab.machine, 4, 40);
    deepEqual(Object.keys(seen).sort(), ["10.1.0.2", "10.3.0.2"], JSON.stringify(seen));
    ok(Object.values(seen).every((count) => count > 0));

    await terminal.press("q");
    await terminal.waitFor(/Stop\? y\/n/);
    await terminal.press("y");
    const end = await terminal.waitFor(/exit \d/);
    equal(/exit (\d)/.exec(end)![1], "0");
    equalStates(await lab.state(), before);
  },
});
