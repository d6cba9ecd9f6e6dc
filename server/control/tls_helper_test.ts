/** The control plane where libssl is missing: the same rules, with TLS in a process of its own. */
import { equal, match, ok } from "node:assert/strict";
import { openHelperTls } from "../../lib/pki/tls/open_tls.ts";
import { TEST_HELPER_COMMAND } from "../../lib/pki/tls/test_helper_program.ts";
import type { OpenTls } from "../../lib/pki/tls/tls_side.ts";
import { TestAuthority, type TestCertificate } from "../../tests/support/test_certificates.ts";
import { ask, opensslClient, startBench, until } from "./test_bench.ts";

const tls = openHelperTls(TEST_HELPER_COMMAND);

/** The processes that serve us. */
async function helperPids(): Promise<number[]> {
  const pids: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const text = await Deno.readTextFile(`/proc/${name}/stat`).catch(() => "");
    const parent = Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]);
    const command = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    if (parent === Deno.pid && command.includes("test_helper_program")) pids.push(Number(name));
  }
  return pids;
}

/** A key of alice's curve point with another private number: who has it does not have hers. */
async function forgeKey(alice: TestCertificate): Promise<TestCertificate> {
  const sec1 = await run("openssl", "ec", "-in", alice.keyFile, "-outform", "DER");
  const at = sec1.findIndex((byte, index) => byte === 4 && sec1[index + 1] === 32) + 2;
  ok(at > 1, "a private number of 32 bytes");
  sec1[at + 31]! ^= 1;
  const body = sec1.toBase64().replaceAll(/.{64}/g, "$&\n").trimEnd();
  const keyFile = `${alice.keyFile}.forged`;
  const label = "EC PRIVATE KEY";
  await Deno.writeTextFile(keyFile, `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`);
  return { ...alice, keyFile };
}

async function run(program: string, ...args: string[]): Promise<Uint8Array<ArrayBuffer>> {
  return (await new Deno.Command(program, { args, stderr: "null" }).output()).stdout;
}

Deno.test("without libssl a client gets its session, and nobody else does", async () => {
  await using other = await TestAuthority.create();
  let isRevoked = false;
  await using bench = await startBench({ tls, isRevoked: () => isRevoked });
  const { authority, alice, server } = bench;
  equal((await ask(bench, alice)).session_id, 7);
  const usage = (name: string) => ({ extensions: [`extendedKeyUsage=${name}`] });
  const strangers: [string, TestCertificate | null][] = [
    ["no certificate", null],
    ["another authority", await other.issue("alice")],
    ["expired", await authority.issue("late", { days: -1 })],
    ["not yet valid", await authority.issue("early", { notBefore: new Date(Date.now() + 9e7) })],
    ["meant for servers", await authority.issue("wrong", usage("serverAuth"))],
  ];
  for (const [what, certificate] of strangers) {
    equal(await ask(bench, certificate), null, what);
  }
  equal(bench.granted.length, 1);
  const request = '{"client_name":""}';
  const forged = await opensslClient(bench, await forgeKey(alice), request);
  match(forged, /CONNECTED/);
  equal(bench.granted.length, 1, "who does not have the key");
  await opensslClient(bench, alice, request, "-tls1_2");
  equal(bench.granted.length, 1, "an older TLS");
  isRevoked = true;
  equal((await ask(bench, alice)).error.code, "revoked");
  equal(bench.granted.length, 1);
  await until("all are gone", () => server.connections === 0);
});

Deno.test("the process is replaced after so many connections, and when it has died", async () => {
  const replaced: OpenTls = openHelperTls(TEST_HELPER_COMMAND, 3);
  await using bench = await startBench({ tls: replaced });
  const seen = new Set<number>();
  for (let asked = 0; asked < 7; asked++) {
    equal((await ask(bench, bench.alice)).session_id, 7);
    for (const pid of await helperPids()) seen.add(pid);
  }
  equal(seen.size, 3);
  const pid = await until("those before have ended", async () => {
    const pids = await helperPids();
    return pids.length === 1 ? pids[0]! : null;
  });
  Deno.kill(pid, "SIGKILL");
  const answer = await until("it answers again", () => ask(bench, bench.alice));
  equal(answer.session_id, 7);
});
