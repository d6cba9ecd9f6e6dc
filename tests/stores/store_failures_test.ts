/** What a real store refuses, and what the operator is told then. */
import { deepEqual, doesNotMatch, equal, match, rejects } from "node:assert/strict";
import type { NatsOptions } from "../../server/store/nats/nats_options.ts";
import { NatsService } from "../../server/store/nats/nats_service.ts";
import type { KeyValue } from "../../server/store/shared/key_value.ts";
import { needsNatsServer } from "../daemons/packages.ts";
import { JETSTREAM, NatsMachine, PLAIN_USER } from "./nats_machine.ts";

const never = new AbortController().signal;
const KEY = "server.0011223344556677";

function connect(options: NatsOptions, warnings: string[] = []): Promise<KeyValue> {
  return new NatsService(options, 0, (line) => warnings.push(line)).connect(never);
}

async function refusal(attempt: Promise<unknown>): Promise<string> {
  let message = "";
  await rejects(attempt, (error: Error) => {
    message = error.message;
    return true;
  });
  doesNotMatch(message, /a-word-that-no-log-may-have/);
  return message;
}

const user = (permissions: string) =>
  `authorization { users: [{ user: fluxify, password: PASSWORD, permissions: ${permissions} }] }`;

const needed = await needsNatsServer();

Deno.test({
  name: "a store that does its work is used, over the loopback interface without a warning",
  ...needed,
  async fn() {
    await using machine = await NatsMachine.start(JETSTREAM, PLAIN_USER);
    const warnings: string[] = [];
    await using store = await connect(machine.options, warnings);
    const first = await store.write(KEY, Uint8Array.of(1), 0);
    equal(await store.write(KEY, Uint8Array.of(2), 0), "conflict");
    equal(await store.write(KEY, Uint8Array.of(2), first as number), (first as number) + 1);
    deepEqual([...(await store.read(KEY))!.value!], [2]);
    deepEqual(warnings, []);
  },
});

Deno.test({
  name: "a store that refuses says what to change in its configuration",
  ...needed,
  async fn() {
    const cases: [RegExp, ...string[]][] = [
      [/JetStream is off there.*add "jetstream \{/, PLAIN_USER],
      [
        /no room for what servers share: raise max_file_store/,
        'jetstream { store_dir: "DIRECTORY/data", max_file_store: 1M }',
        PLAIN_USER,
      ],
      [
        /no room for what servers share.*or the limits of its account/,
        JETSTREAM,
        "accounts { A { jetstream { max_file: 1M }, " +
        "users: [{ user: fluxify, password: PASSWORD }] } }",
      ],
      [
        /JetStream is off there, or for this account/,
        JETSTREAM,
        "accounts { A { jetstream: disabled, users: [{ user: fluxify, password: PASSWORD }] } }",
      ],
      [
        /may not publish to \$JS\.API\..*let it publish to \$JS\.API\.> and \$KV\.fluxify\.>/,
        JETSTREAM,
        user('{ publish: ["foo"], subscribe: ["_INBOX.>"] }'),
      ],
      [
        /may not subscribe to _INBOX\..*subscribe to _INBOX\.>/,
        JETSTREAM,
        user('{ publish: [">"], subscribe: ["foo"] }'),
      ],
      [
        /does not take these credentials; check -store-credentials/,
        JETSTREAM,
        "authorization { user: fluxify, password: another }",
      ],
    ];
    for (const [words, ...config] of cases) {
      await using machine = await NatsMachine.start(...config);
      match(await refusal(connect(machine.options)), words);
    }
  },
});

Deno.test({
  name: "rights that are too few for writing or watching are named as well",
  ...needed,
  async fn() {
    const mayNotWrite = user('{ publish: ["$JS.API.>"], subscribe: ["_INBOX.>"] }');
    await using reading = await NatsMachine.start(JETSTREAM, mayNotWrite);
    await using first = await connect(reading.options);
    match(
      await refusal(first.write(KEY, Uint8Array.of(1), "anything")),
      /may not publish to \$KV\.fluxify\.server\.\d+: let it publish/,
    );
    const mayNotWatch = user('{ publish: { deny: "$JS.API.CONSUMER.>" } }');
    await using writing = await NatsMachine.start(JETSTREAM, mayNotWatch);
    await using second = await connect(writing.options);
    match(await refusal(second.watch(() => {}, never)), /may not publish to \$JS\.API\.CONSUMER/);
  },
});

Deno.test({
  name: "machines that are no cluster are refused in one sentence",
  ...needed,
  async fn() {
    await using machine = await NatsMachine.start(JETSTREAM, PLAIN_USER);
    const [one] = machine.options.machines;
    const message = await refusal(connect({ ...machine.options, machines: [one!, one!, one!] }));
    match(message, /keeps no copies on so many machines: name machines of one cluster/);
    equal(message.split("keeps no copies").length, 2);
  },
});

Deno.test({
  name: "where TLS is asked for, nothing is told to a store without it",
  ...needed,
  async fn() {
    await using machine = await NatsMachine.start(JETSTREAM, PLAIN_USER);
    match(
      await refusal(connect({ ...machine.options, transport: "tls" })),
      /TLS|tls/,
    );
  },
});
