import { deepEqual, equal, rejects } from "node:assert/strict";
import { FakeRunner } from "../../testing/fake_runner.ts";
import { HostJournal } from "../../lib/host/journal/host_journal.ts";
import { TestDirectory } from "../../lib/host/journal/test_directory.ts";
import { ControlError } from "../control/control_error.ts";
import { findServer, Protection } from "./protection.ts";

const NOT_FOUND = new ControlError("name not found", "Cannot find the server", {
  retryable: true,
});
const NONE = { lasting: [] };
const RUNNING = new AbortController().signal;

function adopted(server: string, addresses: string[]) {
  const handover = JSON.stringify({ killSwitch: 1, server, addresses });
  return { lasting: [{ id: 1, kind: "command" as const, undo: ["x"], handover }] };
}

/** What was asked for has begun, and is not done. */
async function begun(): Promise<void> {
  for (let turns = 0; turns < 3; turns++) await Promise.resolve();
}

const fails = () => Promise.reject(NOT_FOUND);

Deno.test("findServer() asks DNS first", async () => {
  const found = [{ address: "203.0.113.7", family: 4 as const, host: "vpn.example.com" }];
  const journal = adopted("vpn.example.com", ["198.51.100.1"]);
  equal(await findServer("vpn.example.com", journal, RUNNING, () => Promise.resolve(found)), found);
});

Deno.test("findServer() falls back to the addresses the kill switch lets through", async () => {
  const journal = adopted("vpn.example.com", ["203.0.113.7", "2001:db8::7"]);
  deepEqual(await findServer("vpn.example.com", journal, RUNNING, fails), [
    { address: "203.0.113.7", family: 4, host: "vpn.example.com" },
    { address: "2001:db8::7", family: 6, host: "vpn.example.com" },
  ]);
});

Deno.test("findServer() never takes the addresses of another server", async () => {
  const journal = adopted("vpn.example.com", ["203.0.113.7"]);
  await rejects(
    findServer("other.example.com", journal, RUNNING, fails),
    (error) =>
      error instanceof ControlError && error.code === "name not found" &&
      /kill switch of an earlier run.*fluxify-client restore/.test(error.message),
  );
  await rejects(findServer("vpn.example.com", NONE, RUNNING, fails), NOT_FOUND);
});

Deno.test("findServer() ends when it is told to, though DNS never answers", async () => {
  const stop = new AbortController();
  const never = () => new Promise<never>(() => {});
  const found = findServer("vpn.example.com", adopted("vpn.example.com", []), stop.signal, never);
  stop.abort();
  await rejects(found, (error) => error instanceof ControlError && error.code === "aborted");
});

Deno.test("Protection.end() lifts the kill switch for good, though a link has just changed", async () => {
  await using directory = await TestDirectory.create();
  const addressOf = (local: string) => [{ family: "inet", local, prefixlen: 24, scope: "global" }];
  let link = {
    ifindex: 2,
    ifname: "a",
    flags: ["UP"],
    mtu: 1500,
    addr_info: addressOf("192.168.2.2"),
  };
  const runner = new FakeRunner().on("nft", "").on("ip -j address", () => JSON.stringify([link]));
  const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
  const options = { server: "203.0.113.7", controlPort: 8443, killSwitch: true };
  const protection = new Protection(journal, options);
  await protection.enable("tun0", ["a"], ["203.0.113.7"]);

  link = { ...link, addr_info: addressOf("192.168.3.2") };
  protection.follow();
  await begun();
  await protection.end("stopped");
  protection.follow();
  await new Promise((resolve) => setTimeout(resolve)); // whatever is left over would run now
  deepEqual(runner.lines.filter((line) => /^nft (?:-f|delete) /.test(line)), [
    "nft -f -",
    "nft -f -",
    "nft delete table inet fluxify_kill_switch",
  ]);
});

Deno.test("Protection.end() lifts the kill switch for good, though it has another link", async () => {
  await using directory = await TestDirectory.create();
  const runner = new FakeRunner().on("nft", "").on("ip -j address", "[]");
  const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
  const options = { server: "203.0.113.7", controlPort: 8443, killSwitch: true };
  const protection = new Protection(journal, options);
  await protection.enable("tun0", ["a"], ["203.0.113.7"]);
  const covered = protection.cover(["a", "b"], ["203.0.113.7"]);
  await begun();
  await protection.end("stopped");
  await covered;
  await protection.cover(["a"], ["203.0.113.7"]);
  equal(runner.lines.at(-1), "nft delete table inet fluxify_kill_switch");
});

Deno.test("Protection.follow() puts a kill switch back that is gone, one look at a time", async () => {
  await using directory = await TestDirectory.create();
  const runner = new FakeRunner().on("ip -j address", "[]").on("nft", "")
    .on("nft list", { code: 1, stderr: "Error: No such file or directory" });
  const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
  const options = { server: "203.0.113.7", controlPort: 8443, killSwitch: true };
  const protection = new Protection(journal, options);
  protection.follow();
  await protection.enable("tun0", ["a"], ["203.0.113.7"]);
  for (let looks = 0; looks < 3; looks++) protection.follow();
  await begun();
  await protection.end("stopped");
  deepEqual(runner.lines.filter((line) => line.startsWith("nft")), [
    ...["nft -f -", "nft list table inet fluxify_kill_switch"], // as it was made
    "nft list table inet fluxify_kill_switch",
    ...["nft -f -", "nft list table inet fluxify_kill_switch"],
    "nft delete table inet fluxify_kill_switch",
  ]);
});
