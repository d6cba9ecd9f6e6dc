/**
 * For tests: a process that changes the network namespace it was started in, to be killed by the
 * test, and one that restores what it left. Both use the real runner and the real /proc.
 *
 *   hold DIRECTORY      changes everything, prints "ready", waits for the end of its input, undoes
 *   restore DIRECTORY   prints what it restored
 *   fill DIRECTORY      records changes until the disk is full
 */
import assert from "node:assert/strict";
import { SystemRunner } from "../command/runner.ts";
import { findNextHop } from "../routes/gateway/gateway.ts";
import { listInterfaces, requireInterface } from "../links/network_interface.ts";
import { enableNat } from "../firewall/nat.ts";
import { DefaultRoute } from "../routes/default_route.ts";
import { ServerRoutes } from "../routes/server_routes.ts";
import { enableForwarding } from "../sysctl/forwarding.ts";
import { loosenReversePath } from "../sysctl/reverse_path.ts";
import { HostJournal, JournalError, restoreStale } from "./host_journal.ts";
import { ModelHost } from "../../../testing/model_host.ts";

const LINKS = ["fiber", "mobile"];
const TUN = "tunnel";

async function hold(directory: string): Promise<void> {
  const runner = new SystemRunner();
  for (const line of await restoreStale(runner, directory)) console.error(line);
  const journal = await HostJournal.open({ program: "fluxify-test", runner, directory });
  const interfaces = await listInterfaces(runner);
  for (const server of ["203.0.113.7", "2001:db8:9::7"]) {
    const routes = new ServerRoutes(journal, server);
    for (const link of LINKS) {
      const nextHop = await findNextHop(runner, requireInterface(interfaces, link), server);
      assert.ok(nextHop, `no way to ${server} over ${link}`);
      await routes.ensure(nextHop);
    }
    assert.ok(await routes.prefer("mobile"));
  }
  assert.deepEqual(await new DefaultRoute(journal, TUN).enable(), []);
  assert.deepEqual(await enableForwarding(journal, TUN), []);
  await loosenReversePath(journal, LINKS);
  const { backend, notices } = await enableNat(journal, { tun: TUN });
  assert.deepEqual([backend.split("-")[0], notices], ["iptables", []]);
  console.log("ready");
  await Deno.stdin.readable.pipeTo(new WritableStream());
  assert.deepEqual(await journal.undoAll(), []);
}

async function restore(directory: string): Promise<void> {
  for (const line of await restoreStale(new SystemRunner(), directory)) console.log(line);
}

async function fill(directory: string): Promise<void> {
  const host = new ModelHost();
  const journal = await HostJournal.open({ program: "fluxify-test", runner: host, directory });
  const padding = "x".repeat(200);
  const add = (name: string) =>
    journal.apply({ kind: "command", argv: ["ip", "add", name], undo: ["ip", "del", name] });
  await assert.rejects(async () => {
    for (let i = 0; i < 1000; i++) await add(`${i}${padding}`);
  }, JournalError);
  const done = host.routes.size;
  assert.ok(done > 10 && done < 1000);
  await assert.rejects(add(padding + padding), JournalError);
  assert.equal(host.routes.size, done);
  assert.ok(Deno.readTextFileSync(journal.path).endsWith("\n"));
  assert.deepEqual(await journal.undoAll(), []);
  assert.equal(host.routes.size, 0);
  console.log("refused, then undone");
}

if (import.meta.main) {
  const [command, directory = ""] = Deno.args;
  await { hold, restore, fill }[command as "hold" | "restore" | "fill"](directory);
}
