import { deepEqual, equal, match } from "node:assert/strict";
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY, setUpLogging } from "../../lib/cli/log.ts";
import { plainText } from "../../lib/cli/screen/styled_line.ts";
import { LocalConnection } from "../../lib/status/local_socket/ask.ts";
import { pathReport } from "../../lib/status/test_session_report.ts";
import { summarize } from "../balance/status.ts";
import { NO_TRAFFIC } from "../../lib/status/traffic_history.ts";
import { bondStatus } from "../screen/test_bond_status.ts";
import { CLIENT_SOCKETS, type ClientStatus, openClientSocket } from "./client_socket.ts";
import { statusLines } from "./status_lines.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

/** A directory for the sockets of this test, which the environment names. */
async function runDirectory(): Promise<AsyncDisposable> {
  const before = Deno.env.get("FLUXIFY_RUN_DIR");
  const path = await Deno.makeTempDir({ prefix: `fluxify-run-${Deno.pid}-` });
  Deno.env.set("FLUXIFY_RUN_DIR", path);
  return {
    async [Symbol.asyncDispose]() {
      if (before === undefined) Deno.env.delete("FLUXIFY_RUN_DIR");
      else Deno.env.set("FLUXIFY_RUN_DIR", before);
      await Deno.remove(path, { recursive: true });
    },
  };
}

Deno.test("down is answered at the very end, with what could not be undone since it was asked", async () => {
  setUpLogging({ level: "info", format: "text", write: () => {} });
  await using _directory = await runDirectory();
  const stopped = Promise.withResolvers<void>();
  const socket = await openClientSocket({
    instance: "fluxify",
    socketGroup: null,
    readStatus: () => Promise.resolve({ mode: "bonding", bond: bondStatus(["one"]) }),
    isUp: () => true,
    stop: () => stopped.resolve(),
    commands: {},
  });
  log.error("an error of before");
  using connection = await LocalConnection.open(CLIENT_SOCKETS, "fluxify");
  const { mode, phase } = await connection.ask("status") as ClientStatus;
  deepEqual([mode, phase], ["bonding", "up"]);
  let isAnswered = false;
  const answer = connection.ask("down").finally(() => isAnswered = true);
  await stopped.promise;
  log.info("undoing");
  log.error("Cannot remove a route");
  equal(isAnswered, false);
  await socket[Symbol.asyncDispose]();
  deepEqual(await answer, { failures: ["Cannot remove a route"] });
});

Deno.test("the status as text is what the screen shows, within the width of the terminal", () => {
  const status: ClientStatus = {
    ...{ program: "fluxify-client", version: "0.1.0", instance: "home", processId: 7 },
    ...{ startedAt: "2026-03-01T08:00:00.000Z", uptimeMs: 61_000, mode: "bonding" },
    phase: "up",
    bond: {
      ...bondStatus(["one", "two\x1b"], [
        pathReport(0, "one", { isGood: false, isBadFor: "loss" }),
      ]),
      drops: { replayed: 3 },
    },
  };
  const lines = (columns: number) => statusLines(status, columns).map(plainText);
  const wide = lines(120);
  match(
    wide[0]!,
    /^Fluxify bonding to vpn\.example\.org, up 1:01 {3}home, version 0\.1\.0, process 7$/,
  );
  equal(wide[5], "reorder: buffered 3   reordered 2   drops 0   flushes 1   max depth 4");
  match(wide[7]!, /^ {2}one +up +avoided: loss +20\.1 ms/);
  match(wide[8]!, /^ {2}two\\x1b +down +not in use/);
  equal(wide.at(-1), "dropped: replayed 3");
  for (const columns of [20, 80, 120]) {
    for (const line of lines(columns)) equal(line.length <= columns, true, line);
  }
});

Deno.test("the status as text has limit and volume of each link that something is prescribed for", () => {
  const bond = bondStatus(["one", "lte"]);
  const volume = { month: "2026-11", bytes: 1_234_000_000, capBytes: 20_000_000_000 };
  const rule = { use: "metered", downRate: 2_500_000, upRate: 250_000, volume } as const;
  const status: ClientStatus = {
    ...{ program: "fluxify-client", version: "0.1.0", instance: "home", processId: 7 },
    ...{ startedAt: "2026-03-01T08:00:00.000Z", uptimeMs: 61_000, mode: "bonding" },
    phase: "up",
    bond: { ...bond, links: [bond.links[0]!, { ...bond.links[1]!, rule }] },
  };
  const rules = (shown: ClientStatus) =>
    statusLines(shown, 120).map(plainText).filter((line) => /^(lte|wan1): /.test(line));
  deepEqual(rules(status), [
    "lte: limit 20.0 Mbit/s down, 2.0 Mbit/s up   in 2026-11 1.2 GB of 20.0 GB",
  ]);
  const { bond: _, ...own } = status;
  const carried = { volume: { ...volume, capBytes: null }, share: 1, lastMinute: [] };
  const counted: ClientStatus = {
    ...own,
    mode: "load-balance",
    balance: {
      unmatched: ["wan9"],
      ...summarize("spread", [
        { ...NO_TRAFFIC, ...carried, name: "wan1", families: { 4: null, 6: null } },
      ]),
    },
  };
  deepEqual(rules(counted), ["wan1: in 2026-11 1.2 GB"]);
});
