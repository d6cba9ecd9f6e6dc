import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY, setUpLogging } from "../../cli/log.ts";
import { LOG_LINES_MAX, RecentLog } from "../../cli/log_lines.ts";
import { LocalConnection } from "./ask.ts";
import { openProgramSocket } from "./program_socket.ts";
import { SocketSite } from "./test_site.ts";

const log = getLogger([LOG_CATEGORY, "test"]);
const OPTIONS = { instance: "fluxify", group: null, commands: {} };

function setUpSilentLog(): void {
  setUpLogging({ level: "info", format: "text", write: () => {} });
}

Deno.test("the last lines of the log are told, as many as are wanted", async () => {
  setUpSilentLog();
  await using site = await SocketSite.create();
  using recent = new RecentLog();
  const { sockets } = site;
  await using _socket = await openProgramSocket({
    ...OPTIONS,
    ...{ sockets, recent, warn: (line) => log.error("{line}", { line }) },
  });
  log.info("one");
  log.warn("two\n{evil}", { evil: "\x1b[2J" });
  using connection = await LocalConnection.open(sockets, "fluxify");
  const lines = await connection.ask("logs", { lines: 2 }) as { level: string; text: string }[];
  deepEqual(lines.map(({ level, text }) => [level, text]), [
    ["info", "one"],
    ["warning", "two\\n\\x1b[2J"],
  ]);
  equal((await connection.ask("logs", { lines: 1 }) as unknown[]).length, 1);
  for (const wrong of [0, LOG_LINES_MAX + 1, "1", 1.5]) {
    await rejects(
      connection.ask("logs", { lines: wrong }),
      /"lines" must be a whole number from 1/,
    );
  }
  const before = recent.count;
  for (let number = 0; number < LOG_LINES_MAX + 7; number++) log.info(`${number}`);
  const all = await connection.ask("logs") as { text: string }[];
  deepEqual([all.length, all[0]!.text], [LOG_LINES_MAX, "7"]);
  equal(recent.since(before).length, LOG_LINES_MAX);
  deepEqual(recent.since(recent.count - 1).map(({ text }) => text), [`${LOG_LINES_MAX + 6}`]);
  deepEqual(recent.since(Infinity), []);
});

Deno.test("without a socket the program goes on, and says why once; a wrong group is an error", async () => {
  await using site = await SocketSite.create();
  using recent = new RecentLog();
  const said: string[] = [];
  const options = { ...OPTIONS, recent, warn: (line: string) => void said.push(line) };
  const sockets = { ...site.sockets, directory: "/proc/none" };
  {
    await using _none = await openProgramSocket({ ...options, sockets });
  }
  equal(said.length, 1);
  match(said[0]!, /^Cannot listen on \/proc\/none\/client\.sock: .*; all else works, but nobody/);
  await rejects(
    openProgramSocket({ ...options, sockets: site.sockets, group: "no-such-group" }),
    /Cannot find group 'no-such-group'/,
  );
});
