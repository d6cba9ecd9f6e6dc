import { deepEqual, equal, match } from "node:assert/strict";
import { FakeRunner } from "../../testing/fake_runner.ts";
import { MissingProgramError } from "../../lib/host/command/runner.ts";
import { probeTargets, probeTimeoutMs, Probing, type Subject } from "./probing.ts";

const NEXT_HOP = {
  device: "wan1",
  gateway: { address: "192.0.2.1", family: 4, onlink: false },
} as const;
const SUBJECT: Subject = { family: 4, device: "wan1" };
const ANSWER = "rtt min/avg/max/mdev = 3.0/3.0/3.0/0.0 ms";

Deno.test("probeTargets() asks the gateway, then public resolvers, unless others are named", () => {
  deepEqual(probeTargets(4, NEXT_HOP, []), { first: "192.0.2.1", others: ["1.1.1.1", "9.9.9.9"] });
  deepEqual(probeTargets(4, NEXT_HOP, ["198.51.100.7", "2001:db8::7"]), {
    first: undefined,
    others: ["198.51.100.7"],
  });
  equal(probeTargets(4, NEXT_HOP, ["2001:db8::7"]).first, "192.0.2.1");
  equal(probeTargets(4, { device: "ppp0", gateway: undefined }, []).first, undefined);
  equal(probeTargets(6, NEXT_HOP, []).first, undefined);
});

Deno.test("probeTimeoutMs() lets three probes end within three intervals and two seconds", () => {
  for (const intervalMs of [200, 500, 1_000, 5_000, 600_000]) {
    const timeoutMs = probeTimeoutMs(intervalMs);
    equal(timeoutMs < intervalMs && timeoutMs <= 1_500, true);
  }
});

Deno.test("Probing tells each answer, hurries when asked, and ends", async () => {
  const runner = new FakeRunner().on("ping", ANSWER);
  const answers: (number | null)[] = [];
  let told = Promise.withResolvers<void>();
  const probing = new Probing({
    runner,
    intervalMs: 60_000,
    named: [],
    nextHopOf: () => NEXT_HOP,
    onAnswer: (subject, roundTripMs) => {
      equal(subject, SUBJECT);
      answers.push(roundTripMs);
      told.resolve();
    },
    onFault: (error) => told.reject(error),
  }, [SUBJECT]);
  await told.promise;
  told = Promise.withResolvers();
  while (answers.length < 2) {
    probing.hurry(["wan2"]);
    probing.hurry(["wan1"]);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await probing.ended();
  deepEqual(answers, [3, 3]);
});

Deno.test("Probing leaves out uplinks that lead nowhere, and answers of an old next hop", async () => {
  const runner = new FakeRunner().on("ping", ANSWER);
  let asked = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const probing = new Probing({
    runner,
    intervalMs: 60_000,
    named: [],
    nextHopOf: ({ device }) => {
      if (device === "wan2") return null;
      if (++asked === 2) resolve();
      return { ...NEXT_HOP };
    },
    onAnswer: () => {
      throw new Error("told an answer that is of no use");
    },
    onFault: (error) => {
      throw error;
    },
  }, [SUBJECT, { family: 4, device: "wan2" }]);
  await promise;
  await probing.ended();
  equal(runner.calls.length, 1);
});

Deno.test("Probing says when there is no ping", async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const probing = new Probing({
    runner: new FakeRunner().on("ping", new MissingProgramError("ping")),
    intervalMs: 60_000,
    named: [],
    nextHopOf: () => NEXT_HOP,
    onAnswer: () => {},
    onFault: resolve,
  }, [SUBJECT]);
  match(String(await promise), /iputils-ping/);
  await probing.ended();
});

Deno.test("Probing probes again at once when an uplink is renewed during a probe", async () => {
  const asked = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let probes = 0;
  const answer = Promise.withResolvers<{ stdout: string; stderr: string; code: number }>();
  const told = Promise.withResolvers<number | null>();
  let nextHop = { ...NEXT_HOP };
  const probing = new Probing({
    runner: {
      run: () => {
        asked[probes++]?.resolve();
        return answer.promise;
      },
    },
    intervalMs: 60_000,
    named: [],
    nextHopOf: () => nextHop,
    onAnswer: (_subject, roundTripMs) => told.resolve(roundTripMs),
    onFault: (error) => told.reject(error),
  }, [SUBJECT]);
  await asked[0]!.promise;
  nextHop = { ...NEXT_HOP };
  probing.hurry(["wan1"]);
  answer.resolve({ stdout: ANSWER, stderr: "", code: 0 });
  equal(await told.promise, 3, "the answer of the second probe");
  equal(probes, 2);
  await probing.ended();
});
