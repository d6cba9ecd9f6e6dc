import { deepEqual, equal, match } from "node:assert/strict";
import { program } from "../../scripts/lab/programs.ts";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import { hostState } from "../../tests/e2e/host_state.ts";
import { Namespace, needsRoot } from "../../tests/netns/namespace.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const LINE_TIMEOUT_MS = 30_000;

Deno.test({
  name:
    "netns: a client that gets no session takes back what it has done, asked to stop or by itself",
  ...needsRoot(),
  async fn() {
    await using directory = await TemporaryDirectory.create();
    await using machine = await Namespace.create("bond");
    const environment = {
      cwd: ROOT,
      env: {
        FLUXIFY_STATE_DIR: `${directory.path}/state`,
        FLUXIFY_RUN_DIR: `${directory.path}/run`,
        DENO_NO_UPDATE_CHECK: "1",
      },
    };
    const pki = `${directory.path}/pki`;
    for (const words of [["init"], ["new", "laptop"]]) {
      const argv = [...program("server"), "cert", ...words, "-pki", pki];
      await machine.runWith({ ...environment, timeoutMs: LINE_TIMEOUT_MS }, ...argv);
    }
    for (const [index, name] of ["one", "two"].entries()) {
      await machine.run(...`ip link add ${name} type veth peer name ${name}-far`.split(" "));
      await machine.run("ip", "link", "set", `${name}-far`, "up");
      await machine.run("ip", "link", "set", name, "up");
      await machine.run("ip", "address", "add", `192.0.2.${16 * index + 2}/28`, "dev", name);
      const route = ["default", "via", `192.0.2.${16 * index + 1}`, "metric", `${100 + index}`];
      await machine.run("ip", "route", "add", ...route);
    }
    const before = await hostState(machine);
    const start = (...args: string[]) =>
      machine.spawn([
        ...program("client"),
        ...["-b", "-server", "203.0.113.10", "-ifaces", "one,two", "-kill-switch"],
        ...["-cert", `${pki}/clients/laptop.bundle`, ...args],
      ], environment);

    const once = start("-once");
    const { code } = await once.ended;
    equal(code, 1);
    match(once.output("stderr"), /203\.0\.113\.10/);
    equal(await hostState(machine), before);

    const client = start();
    await client.waitForLine(
      /cannot connect yet, trying again: .*203\.0\.113\.10/,
      LINE_TIMEOUT_MS,
    );
    deepEqual([await client.stop("SIGTERM"), await hostState(machine)], [0, before]);
  },
});
