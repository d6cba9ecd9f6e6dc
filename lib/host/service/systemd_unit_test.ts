import { deepEqual, equal } from "node:assert/strict";
import type { CommandRunner } from "../command/runner.ts";
import { enableUnit, startUnit, unitName, whyUnitEnded } from "./systemd_unit.ts";

const UNIT = "fluxify-client.service";
const JOURNAL = [
  "2026-03-01T08:00:00.000Z info    fluxify-client takes its time",
  "fluxify-client: the client certificate was refused: it is revoked",
  "fluxify-client.service: Main process exited, code=exited, status=1/FAILURE",
].join("\n");

/** Answers `systemctl show` with these properties, and journalctl with the lines above. */
function runnerWith(properties: string, asked: string[][] = []): CommandRunner {
  return {
    run: (argv) => {
      asked.push([...argv]);
      const stdout = argv[0] === "journalctl" ? JOURNAL : properties;
      return Promise.resolve({ code: 0, stdout, stderr: "" });
    },
  };
}

Deno.test("a unit that runs, or is being started, has not ended", async () => {
  for (
    const properties of [
      "ActiveState=active\nSubState=running\nJob=\n",
      "ActiveState=activating\nSubState=start\nJob=12\n",
      "ActiveState=inactive\nSubState=dead\nJob=12\n",
    ]
  ) equal(await whyUnitEnded(runnerWith(properties), UNIT), null, properties);
});

Deno.test("one that has ended is told of with its last words, and whether it is tried again", async () => {
  const why = "the client certificate was refused: it is revoked";
  const failed = "ActiveState=failed\nSubState=failed\nJob=\n";
  equal(await whyUnitEnded(runnerWith(failed), UNIT), why);
  const again = "ActiveState=activating\nSubState=auto-restart\nJob=\n";
  equal(await whyUnitEnded(runnerWith(again), UNIT), `${why}; systemd tries it again`);
});

Deno.test("units are named as systemd names them, and orders that fail say why", async () => {
  equal(unitName("fluxify-client", null), UNIT);
  equal(unitName("fluxify-server", "home"), "fluxify-server@home.service");
  const asked: string[][] = [];
  equal(await startUnit(runnerWith("", asked), UNIT, "in the background"), null);
  equal(await startUnit(runnerWith("", asked), UNIT, "and wait"), null);
  deepEqual(asked, [["systemctl", "start", "--no-block", UNIT], ["systemctl", "start", UNIT]]);
  const refusing: CommandRunner = {
    run: () => Promise.resolve({ code: 1, stdout: "", stderr: "Unit is masked.\nmore" }),
  };
  equal(await enableUnit(refusing, UNIT), "Unit is masked.");
});
