import { deepEqual, equal } from "node:assert/strict";
import { EndpointChoice, FIRST_ANSWER_AFTER_MS } from "./endpoint_choice.ts";
import type { LinkRoute } from "./link_state.ts";

const V6 = "2001:db8:113::10";
const V4 = "203.0.113.10";
const OLD = "203.0.113.77";
const routes = [V6, V4, OLD].map((address): LinkRoute => ({
  server: { address, family: address === V6 ? 6 : 4 },
  nextHop: { device: "a", gateway: undefined },
})) as [LinkRoute, ...LinkRoute[]];
const chosen = (choice: EndpointChoice, inUse: string | null) =>
  choice.choose("a", inUse, routes).server.address;

Deno.test("EndpointChoice keeps what is in use, else takes the granter's, else the first", () => {
  const choice = new EndpointChoice();
  equal(chosen(choice, null), V6);
  choice.grantedBy(V4, "renewed");
  equal(chosen(choice, null), V4);
  equal(chosen(choice, V6), V6);
});

Deno.test("EndpointChoice leaves what is in use for who granted a session after all was lost", () => {
  const choice = new EndpointChoice();
  choice.grantedBy(V4, "anew");
  equal(chosen(choice, OLD), V4);
  choice.settled();
  equal(chosen(choice, OLD), OLD);
});

Deno.test("EndpointChoice gives up what is silent, sooner what has never answered", () => {
  const choice = new EndpointChoice();
  choice.grantedBy(V6, "anew");
  const silent = (address: string, ...times: number[]) =>
    times.map((nowMs) => choice.isSilent("a", address, nowMs));
  deepEqual(silent(V6, 0, FIRST_ANSWER_AFTER_MS - 1, FIRST_ANSWER_AFTER_MS), [false, false, true]);
  equal(chosen(choice, V6), V4);
  choice.answers("a", V4);
  deepEqual(silent(V4, 10_000, 14_999, 15_000), [false, false, true]);
  equal(chosen(choice, V4), OLD);
  deepEqual(silent(OLD, 20_000, 22_500), [false, true]);
  equal(chosen(choice, OLD), V6, "the one that was given up first");
});

Deno.test("EndpointChoice counts the silence of each path anew", () => {
  const choice = new EndpointChoice();
  equal(choice.isSilent("a", V6, 0), false);
  choice.hasNoPath("a");
  equal(choice.isSilent("a", V6, 10_000), false);
  equal(choice.isSilent("b", V6, 10_000), false);
});

Deno.test("EndpointChoice forgets links and addresses that are gone", () => {
  const choice = new EndpointChoice();
  const giveUp = (link: string) => [0, 5000].map((nowMs) => choice.isSilent(link, V6, nowMs));
  giveUp("a");
  choice.keepOnly(["a"], [V6, V4]);
  equal(chosen(choice, V6), V4);
  choice.keepOnly(["b"], [V6, V4]);
  equal(chosen(choice, V6), V6);
  giveUp("a");
  choice.keepOnly(["a"], [V4]);
  equal(chosen(choice, V6), V6);
});
