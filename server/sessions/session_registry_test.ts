import { deepEqual, equal, match, notDeepEqual, notEqual, ok } from "node:assert/strict";
import type { EngineSession } from "../../lib/net/engine.ts";
import { FEATURE_ANY_HOST, TunnelNetwork } from "../../lib/protocol/wire/tunnel_network.ts";
import { AddressPool } from "./address_pool.ts";
import { SessionRegistry } from "./session_registry.ts";
import { dictionaryFeature } from "../../lib/protocol/compression/dictionary.ts";
import { DEFAULT_TUNING } from "../../lib/protocol/session/session_tuning.ts";

const POOL_SIZE = new AddressPool().size;

const DICTIONARY = dictionaryFeature();

function makeRegistry(clientsMax?: number) {
  const opened: EngineSession[] = [];
  const closed: number[] = [];
  const registry = new SessionRegistry({
    engine: {
      features: ["x1", DICTIONARY],
      openSession: (session) => void opened.push(session),
      closeSession: (id) => void closed.push(id),
    },
    udpPort: 8000,
    mtu: 1400,
    reorderBufferSize: 128,
    reorderFlushTimeoutMs: 50,
    tuning: DEFAULT_TUNING,
    ...clientsMax === undefined ? {} : { clientsMax },
    random: (into) => crypto.getRandomValues(into),
  });
  const grant = (
    commonName: string,
    features: string[] = ["x1", "telepathy"],
    serialHex = "01",
    notAfterMs = Infinity,
  ) => registry.grant({ commonName, serialHex, notAfterMs, features });
  return { registry, grant, opened, closed };
}

/** Of a /16. */
function largeRegistry() {
  const registry = new SessionRegistry({
    engine: { features: ["x1"], openSession: () => {}, closeSession: () => {} },
    ...{ udpPort: 8000, mtu: 1400, reorderBufferSize: 128, reorderFlushTimeoutMs: 50 },
    tuning: DEFAULT_TUNING,
    network: new TunnelNetwork("10.8.0.0/16", "fd00:8::/48"),
    random: (into) => crypto.getRandomValues(into),
  });
  const open = (commonName: string): number => {
    const features = ["x1", FEATURE_ANY_HOST];
    const granted = registry.grant({ commonName, serialHex: "01", notAfterMs: Infinity, features });
    ok(granted.kind === "grant");
    return granted.sessionId;
  };
  return { registry, open };
}

Deno.test("SessionRegistry grants what the engine was given, and only features it has", () => {
  const { grant, opened } = makeRegistry();
  const granted = grant("anna");
  ok(granted.kind === "grant");
  deepEqual(granted.features, ["x1"]);
  deepEqual(opened[0]?.key, granted.sessionKey);
  equal(opened[0]?.id, granted.sessionId);
  equal(opened[0]?.x1, true);
  equal(opened[0]?.usesDictionary, false);
  equal(grant("old", []).kind, "grant");
  equal(opened[1]?.x1, false);
  const same = grant("same", ["telepathy", DICTIONARY, "x1"]);
  ok(same.kind === "grant");
  deepEqual(same.features, ["x1", DICTIONARY]);
  equal(opened[2]?.usesDictionary, true);
});

Deno.test("SessionRegistry replaces a client's session: same addresses, new id and key", () => {
  const { registry, grant } = makeRegistry();
  const first = grant("anna");
  const second = grant("anna");
  ok(first.kind === "grant" && second.kind === "grant");
  equal(second.clientIp, first.clientIp);
  equal(second.clientIp6, first.clientIp6);
  notEqual(second.sessionId, first.sessionId);
  notDeepEqual(second.sessionKey, first.sessionKey);
  equal([...registry.sessions].length, 1);
  equal(registry.end(first.sessionId), false);
  equal(registry.end(second.sessionId), true);
  equal([...registry.sessions].length, 0);
});

Deno.test("SessionRegistry ends the sessions a client may still use with its present one", () => {
  const { registry, grant, closed } = makeRegistry();
  const ids = ["anna", "anna", "bob"].map((name) => {
    const granted = grant(name);
    ok(granted.kind === "grant");
    return granted.sessionId;
  });
  equal(registry.end(ids[1]!), true);
  deepEqual(closed, ids.slice(0, 2));
});

Deno.test("SessionRegistry bounds the sessions of a client that asks for many", () => {
  const { registry, grant, opened, closed } = makeRegistry();
  for (let exchange = 0; exchange < 100; exchange++) {
    grant("anna");
    ok(opened.length - closed.length <= 4);
  }
  equal(registry.end(opened.at(-1)!.id), true);
  deepEqual(closed, opened.map(({ id }) => id));
});

Deno.test("SessionRegistry gives the place back when the answer with a new session was lost", () => {
  const { registry, grant, opened, closed } = makeRegistry();
  for (let exchange = 0; exchange < 3; exchange++) grant("anna");
  const [outdated, inUse, unheard] = opened.map(({ id }) => id);
  registry.heard(outdated!);
  registry.heard(inUse!);
  equal(registry.fellIdle(unheard!), null);
  deepEqual([...registry.sessions].map(({ id }) => id), [inUse]);
  deepEqual(closed, [], "the client goes on");
  equal(registry.fellIdle(inUse!)?.name, "anna");
  equal([...registry.sessions].length, 0);
});

Deno.test("SessionRegistry gives no place back to a session that fell idle before", () => {
  const { registry, grant, opened } = makeRegistry();
  grant("anna");
  grant("anna");
  const [lost, unheard] = opened.map(({ id }) => id);
  registry.heard(lost!);
  equal(registry.fellIdle(lost!), null);
  equal(registry.fellIdle(unheard!)?.isHeard, false);
  equal([...registry.sessions].length, 0);
});

Deno.test("SessionRegistry keeps the session in use however many answers are lost", () => {
  const { registry, grant, opened, closed } = makeRegistry();
  grant("anna");
  const inUse = opened[0]!.id;
  registry.heard(inUse);
  for (let exchange = 0; exchange < 20; exchange++) {
    grant("anna");
    ok(opened.length - closed.length <= 4);
  }
  ok(!closed.includes(inUse));
});

Deno.test("SessionRegistry knows that a client left which never used its newest session", () => {
  const { registry, grant, opened, closed } = makeRegistry();
  grant("anna");
  grant("anna");
  const [first, second] = opened.map(({ id }) => id);
  registry.heard(first!);
  equal(registry.left(first!)?.name, "anna");
  deepEqual(closed, [first]);
  equal(registry.left(first!), null);
  equal(registry.fellIdle(second!)?.isHeard, false);

  grant("bob");
  grant("bob");
  const [old, present] = opened.slice(2).map(({ id }) => id);
  registry.heard(old!);
  registry.heard(present!);
  equal(registry.left(old!), null, "bob goes on with the present one");
  equal(registry.left(present!)?.name, "bob");
  equal(registry.left(12345), null);
});

Deno.test("SessionRegistry ends the sessions of revoked certificates, the replaced ones too", () => {
  const { registry, grant, opened, closed } = makeRegistry();
  grant("anna", [], "0a");
  grant("anna", [], "0b"); // with a new certificate; whoever has the old one may still be heard
  grant("bob", [], "0a");
  const [old, present, bob] = opened.map(({ id }) => id);
  deepEqual(registry.endWhere(({ serialHex }) => serialHex === "0a"), ["anna", "bob"]);
  deepEqual(closed, [old, bob]);
  deepEqual([...registry.sessions].map(({ id }) => id), [present]);
  deepEqual(registry.endWhere(({ serialHex }) => serialHex === "0a"), []);
  deepEqual(registry.endWhere(() => true), ["anna"]);
  deepEqual(closed, [old, bob, present]);
});

Deno.test("SessionRegistry knows when the certificate of each session ends", () => {
  const { registry, grant, opened, closed } = makeRegistry();
  grant("anna", [], "0a", 1000);
  grant("anna", [], "0b", 2000); // with a new certificate; whoever has the old one may still be heard
  grant("bob", [], "0c", 3000);
  const [old, present, bob] = opened.map(({ id }) => id);
  const endAt = (nowMs: number) => registry.endWhere(({ notAfterMs }) => nowMs > notAfterMs);
  deepEqual(endAt(1000), []);
  deepEqual(endAt(1001), ["anna"]);
  deepEqual(closed, [old]);
  deepEqual(endAt(5000), ["anna", "bob"]);
  deepEqual(closed, [old, present, bob]);
});

Deno.test("SessionRegistry ends all sessions, and their clients keep their addresses", () => {
  const { registry, grant, opened, closed } = makeRegistry();
  const addresses = ["anna", "bob", "anna"].map((name) => {
    const granted = grant(name);
    ok(granted.kind === "grant");
    return granted.clientIp;
  });
  registry.endAll();
  deepEqual(closed.toSorted(), opened.map(({ id }) => id).toSorted());
  equal([...registry.sessions].length, 0);
  const again = grant("bob");
  equal(again.kind === "grant" && again.clientIp, addresses[1]);
});

Deno.test("SessionRegistry serves no more clients than it may, and those it has go on", () => {
  const { grant, registry } = makeRegistry(2);
  const first = grant("anna");
  equal(grant("bob").kind, "grant");
  const refused = grant("carl");
  ok(refused.kind === "refusal");
  equal(refused.code, "server_full");
  match(refused.message, /all 2 places of this server are in use: wait until another client/);
  const renewed = grant("anna");
  equal(renewed.kind, "grant");
  ok(first.kind === "grant" && renewed.kind === "grant");
  registry.end(renewed.sessionId);
  equal(registry.nameOf(first.sessionId), undefined);
  equal(grant("carl").kind, "grant");
});

Deno.test("SessionRegistry knows each of 65,533 clients and their sessions by id", () => {
  const { registry, open } = largeRegistry();
  const ids = Array.from({ length: 65_533 }, (_, client) => open(`client ${client}`));
  equal(new Set(ids).size, 65_533);
  for (const [client, id] of ids.entries()) equal(registry.nameOf(id), `client ${client}`);
  for (const id of ids) registry.heard(id);
  for (const id of ids) ok(registry.left(id) !== null);
  equal([...registry.sessions].length, 0);
});

Deno.test("SessionRegistry says what to do when the pool is full", () => {
  const { grant } = makeRegistry(POOL_SIZE);
  for (let client = 0; client < POOL_SIZE; client++) {
    equal(grant(`client ${client}`).kind, "grant");
  }
  const refused = grant("one too many");
  ok(refused.kind === "refusal");
  equal(refused.code, "pool_full");
});
