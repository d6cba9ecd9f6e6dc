/**
 * Ports of the server's machine that lead to a client, asked for by `fluxify-server forward` while
 * both programs run: who connects there from the internet talks to the client.
 */
import { deepEqual, equal, match } from "node:assert/strict";
import { join } from "node:path";
import type { Lab } from "../../scripts/lab/lab.ts";
import {
  environment,
  newClientCertificate,
  program,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import { hostState } from "./host_state.ts";
import { topic } from "./scenario.ts";
import { cert, createSmallLab, type Ending, ending, SERVER_ADDRESS } from "./small_lab.ts";

const STATE_TIMEOUT_MS = 20_000;
const PORT = "8080";
const SERVER_ADDRESS6 = "2001:db8:113::10";
const BOTH = [SERVER_ADDRESS, SERVER_ADDRESS6];

topic("e2e ports of the server for clients", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "nas");
  const before = await hostState(lab.server);
  const server = await startServer(lab);
  const count = async () => {
    const argv = [...program("server"), "status"];
    const { stdout } = await lab.server.runWith(environment(lab, "server"), ...argv);
    return /port forwards +(.*)/.exec(stdout)?.[1];
  };

  await scenario("a port leads to the client once that is there, and to its port", async () => {
    const { exitCode, text } = await forward(lab, "add", "tcp", PORT, "nas:5201");
    equal(exitCode, 0, text);
    match(text, /tcp 8080 goes to nas:5201/);
    await server.waitForLine(/tcp 8080 waits for nas to connect/, STATE_TIMEOUT_MS);
    equal(await count(), "0 of 1 in force; the log says why");
    await startClient(lab, bundle, { args: ["-kill-switch"] });
    await server.waitForLine(/port forwards in force: 1 of 1/, STATE_TIMEOUT_MS);
    equal(await count(), "1");
    deepEqual(await reached(lab), [true, true]);
  });

  await scenario("what the server's own programs listen on is not taken by accident", async () => {
    const { exitCode, text } = await forward(lab, "add", "tcp", "8443", "nas:443");
    equal(exitCode, 1);
    match(text, /a program of this machine has tcp 8443/);
  });

  await scenario("only from a prefix, then not at all", async () => {
    for (
      const [args, line, expected] of [
        [["remove", "tcp", PORT], /in force: 0 of 0/, [false, false]],
        [["add", "tcp", PORT, "nas:5201", "-from", "203.0.113.0/24"], /1 of 1/, [true, false]],
      ] as const
    ) {
      const from = server.lineCount;
      equal((await forward(lab, ...args)).exitCode, 0);
      await server.waitForLine(line, STATE_TIMEOUT_MS, from);
      deepEqual(await reached(lab), expected);
    }
  });

  await scenario("a client that is revoked takes its ports along", async () => {
    const from = server.lineCount;
    match((await cert(lab, "revoke", "nas")).text, /No longer forwarded: tcp 8080 to nas/);
    await server.waitForLine(/port forwards in force: 0 of 0/, STATE_TIMEOUT_MS, from);
    deepEqual(await reached(lab), [false, false]);
  });
  equal(await server.stop("SIGINT"), 0);
  deepEqual(await hostState(lab.server), before);
});

/** Whether a connection to the port ends at the client's iperf3, for each of the server's addresses. */
async function reached(lab: Lab): Promise<boolean[]> {
  const listener = lab.client.spawn(["iperf3", "-s", "--forceflush"]);
  try {
    await listener.waitForLine(/Server listening on 5201/, STATE_TIMEOUT_MS);
    const answers: boolean[] = [];
    for (const address of BOTH) {
      const argv = ["iperf3", "-n", "1K", "--connect-timeout", "2000", "-c", address, "-p", PORT];
      answers.push((await ending(lab.router.spawn(argv))).exitCode === 0);
    }
    return answers;
  } finally {
    listener.signal("SIGKILL");
    await listener.ended;
  }
}

/** Runs `fluxify-server forward ...` to its end. */
function forward(lab: Lab, ...args: string[]): Promise<Ending> {
  const command = [...program("server"), "forward", ...args, "-pki", join(lab.directory, "pki")];
  return ending(lab.server.spawn(command, environment(lab, "server")));
}
