import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { ControlError } from "./control_error.ts";
import {
  alternateFamilies,
  answerWithin,
  plainHost,
  resolveServer,
  resolveServers,
  SERVER_ADDRESSES_MAX,
} from "./resolve_server.ts";

Deno.test("resolveServer() returns addresses as they are", async () => {
  deepEqual(await resolveServer("192.0.2.1"), [{ address: "192.0.2.1", family: 4 }]);
  deepEqual(await resolveServer("2001:db8::1"), [{ address: "2001:db8::1", family: 6 }]);
  deepEqual(await resolveServer("[2001:db8::1]"), [{ address: "2001:db8::1", family: 6 }]);
});

Deno.test("resolveServer() writes addresses as the kernel does", async () => {
  deepEqual(await resolveServer("2001:DB8:0:0::1"), [{ address: "2001:db8::1", family: 6 }]);
});

Deno.test("resolveServers() takes several names of one server, and does without some", async () => {
  const nowhere = `${"x".repeat(64)}.invalid`;
  deepEqual(await resolveServers(`203.0.113.10,192.0.2.1,${nowhere},2001:db8::1`), [
    { address: "203.0.113.10", family: 4, host: "203.0.113.10" },
    { address: "2001:db8::1", family: 6, host: "2001:db8::1" },
    { address: "192.0.2.1", family: 4, host: "192.0.2.1" },
  ]);
  await rejects(resolveServers(`${nowhere},${nowhere}`), /check the spelling/);
  const many = Array.from({ length: 20 }, (_, index) => `192.0.2.${index}`).join(",");
  equal((await resolveServers(many)).length, SERVER_ADDRESSES_MAX);
});

Deno.test("resolveServer() finds names", async () => {
  const addresses = await resolveServer("localhost");
  ok(addresses.some(({ address }) => address === "127.0.0.1" || address === "::1"));
});

Deno.test("resolveServer() says what to do about a name that is nowhere", async () => {
  // Longer than a label may be (RFC 1035, section 2.3.4), so no resolver has to be asked.
  const host = `${"x".repeat(64)}.invalid`;
  const error = await resolveServer(host).then(() => null, (error) => error);
  ok(error instanceof ControlError);
  equal(error.code, "name not found");
  ok(error.retryable && error.message.includes("check the spelling"));
});

Deno.test("alternateFamilies() starts with the preferred family and keeps every address", () => {
  const v6 = (address: string) => ({ address, family: 6 as const });
  const v4 = (address: string) => ({ address, family: 4 as const });
  const mixed = alternateFamilies([v6("::1"), v6("::2"), v6("::3"), v4("192.0.2.1")]);
  equal(mixed.map(({ address }) => address).join(), "::1,192.0.2.1,::2,::3");
  deepEqual(alternateFamilies([]), []);
});

Deno.test("plainHost() takes brackets off IPv6 addresses only", () => {
  equal(plainHost("[::1]"), "::1");
  equal(plainHost("[name]"), "[name]");
  equal(plainHost("name"), "name");
});

Deno.test("answerWithin() gives up on a resolver that never answers", async () => {
  const never = new Promise<never>(() => {});
  await rejects(
    answerWithin(never, "vpn.example.com", 1),
    (error) =>
      error instanceof ControlError && error.retryable &&
      /'vpn\.example\.com': no answer from DNS within 1 ms; check/.test(error.message),
  );
  const stopped = AbortSignal.abort();
  await rejects(answerWithin(never, "vpn.example.com", 60_000, stopped), /cancelled/);
  equal(await answerWithin(Promise.resolve(7), "vpn.example.com", 60_000), 7);
});
