import { deepEqual, match } from "node:assert/strict";
import { natKindCheck, type NatObservation } from "./nat_kind.ts";

type Answer = string | null | "port taken";

function kind(...answers: readonly Answer[]) {
  const observation: NatObservation = {
    name: "dsl",
    sourcePort: 40000,
    server: "192.0.2.1",
    seenAs: "203.0.113.7:40000",
    second: {
      port: 8443,
      answers: answers.map((seenAs, index) => ({ server: `192.0.2.${index + 1}`, seenAs })),
    },
  };
  const { name, state, text } = natKindCheck(observation);
  return [name, state, text];
}

Deno.test("natKindCheck() names the mapping of RFC 4787", () => {
  const at = (text: string) => ["NAT of dsl", "ok", text];
  deepEqual(
    kind("203.0.113.7:40000"),
    at(
      "endpoint-independent mapping, as far as one address of the server tells, port preservation",
    ),
  );
  deepEqual(
    kind("203.0.113.7:40000", "203.0.113.7:40000"),
    at("endpoint-independent mapping, the same for 2 addresses of the server, port preservation"),
  );
  deepEqual(
    kind("203.0.113.7:40000", "203.0.113.7:7"),
    at("address-dependent mapping (a symmetric NAT), port preservation"),
  );
  deepEqual(
    kind("203.0.113.7:7", null),
    at("address and port-dependent mapping (a symmetric NAT), port preservation"),
  );
  deepEqual(
    kind("203.0.113.8:40000"),
    at(
      "endpoint-independent mapping, as far as one address of the server tells, port " +
        "preservation, arbitrary pooling of addresses: 203.0.113.7, 203.0.113.8",
    ),
  );
});

Deno.test("natKindCheck() says no port preservation where the NAT shows another one", () => {
  const { text } = natKindCheck({
    name: "dsl",
    sourcePort: 4000,
    server: "192.0.2.1",
    seenAs: "203.0.113.7:1024",
    second: { port: 8443, answers: [{ server: "192.0.2.1", seenAs: "203.0.113.7:1024" }] },
  });
  match(text, /endpoint-independent .*, no port preservation$/);
});

Deno.test("natKindCheck() says why the kind is not known", () => {
  deepEqual(kind(null, "203.0.113.7:1"), [
    "NAT of dsl",
    "left out",
    "kind not known: UDP 8443 of the server did not answer",
  ]);
  match(kind("port taken")[2]!, /another program took UDP 40000 meanwhile/);
  const old = natKindCheck({
    name: "dsl",
    sourcePort: 1,
    server: "192.0.2.1",
    seenAs: "203.0.113.7:1",
    second: null,
  });
  match(old.text, /the server answers on one UDP port only/);
});
