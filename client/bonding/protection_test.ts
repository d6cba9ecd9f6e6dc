import { deepEqual, equal, rejects } from "node:assert/strict";
import { ControlError } from "../control/control_error.ts";
import { findServer } from "./protection.ts";

const NOT_FOUND = new ControlError("name not found", "Cannot find the server", {
  retryable: true,
});
const NONE = { lasting: [] };

function adopted(server: string, addresses: string[]) {
  const handover = JSON.stringify({ killSwitch: 1, server, addresses });
  return { lasting: [{ id: 1, kind: "command" as const, undo: ["x"], handover }] };
}

const fails = () => Promise.reject(NOT_FOUND);

Deno.test("findServer() asks DNS first", async () => {
  const found = [{ address: "203.0.113.7", family: 4 as const, host: "vpn.example.com" }];
  const journal = adopted("vpn.example.com", ["198.51.100.1"]);
  equal(await findServer("vpn.example.com", journal, () => Promise.resolve(found)), found);
});

Deno.test("findServer() falls back to the addresses the kill switch lets through", async () => {
  const journal = adopted("vpn.example.com", ["203.0.113.7", "2001:db8::7"]);
  deepEqual(await findServer("vpn.example.com", journal, fails), [
    { address: "203.0.113.7", family: 4, host: "vpn.example.com" },
    { address: "2001:db8::7", family: 6, host: "vpn.example.com" },
  ]);
});

Deno.test("findServer() never takes the addresses of another server", async () => {
  const journal = adopted("vpn.example.com", ["203.0.113.7"]);
  await rejects(
    findServer("other.example.com", journal, fails),
    (error) =>
      error instanceof ControlError && error.code === "name not found" &&
      /kill switch of an earlier run.*fluxify-client restore/.test(error.message),
  );
  await rejects(findServer("vpn.example.com", NONE, fails), NOT_FOUND);
});
