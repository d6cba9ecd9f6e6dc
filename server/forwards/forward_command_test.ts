import { deepEqual, equal, match, rejects } from "node:assert/strict";
import {
  initAuthority,
  newCertificate,
  revokeCertificate,
} from "../certificates/certificate_command.ts";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import { addForward, listForwards, removeForward } from "./forward_command.ts";
import { changeForwards, forwardFile, FORWARDS_MAX, readForwards } from "./forward_file.ts";
import type { PortForward } from "./port_forward.ts";

const NOW = new Date("2026-06-01T12:00:00Z");
const WEB: PortForward = {
  protocol: "tcp",
  port: 8080,
  client: "nas",
  clientPort: 80,
  from: null,
};

/** A tree with the client "nas". */
async function tree(stack: AsyncDisposableStack) {
  const { path } = stack.use(await TemporaryDirectory.create());
  const options = { directory: path, folders: [path], format: "text" as const, now: NOW };
  await initAuthority({ ...options, hosts: [] });
  await newCertificate({ ...options, name: "nas" });
  const add = (forward: Partial<PortForward> = {}, localPorts: number[] = [], take = false) =>
    addForward({
      ...options,
      forward: { ...WEB, ...forward },
      localPorts: new Set(localPorts),
      mayTakeLocalPort: take,
    });
  return { path, options, add };
}

Deno.test("a forwarding is added, listed, refused a second time, and removed", async () => {
  await using stack = new AsyncDisposableStack();
  const { path, options, add } = await tree(stack);
  match((await listForwards(options)).lines.join(), /No port goes to a client/);
  const added = await add();
  equal(added.exitCode, 0);
  match(added.lines.join("\n"), /^tcp 8080 goes to nas:80: a running server .*\nOpen tcp 8080 in/);
  equal((await add({ protocol: "udp", from: "192.0.2.0/24" })).exitCode, 0);
  const again = await add({ clientPort: 81 });
  equal(again.exitCode, 1);
  match(again.errorLines.join(), /tcp 8080 goes to nas already; .*forward remove tcp 8080/);
  deepEqual((await listForwards(options)).lines.map((line) => line.split(/\s+/)), [
    ["PROTOCOL", "PORT", "TO", "FROM"],
    ["tcp", "8080", "nas:80", "anywhere"],
    ["udp", "8080", "nas:80", "192.0.2.0/24"],
  ]);
  deepEqual(JSON.parse((await listForwards({ ...options, format: "json" })).lines[0]!)[0], WEB);
  equal((await Deno.stat(forwardFile(path))).mode! & 0o777, 0o600);

  equal((await removeForward({ ...options, forward: WEB })).exitCode, 0);
  const gone = await removeForward({ ...options, forward: WEB });
  match(gone.errorLines.join(), /tcp 8080 goes to no client/);
  equal(gone.exitCode, 1);
  deepEqual((await readForwards(path)).map(({ protocol }) => protocol), ["udp"]);
});

Deno.test("what cannot be forwarded is refused, with what to do", async () => {
  await using stack = new AsyncDisposableStack();
  const { path, options, add } = await tree(stack);
  match((await add({ client: "nobody" })).errorLines.join(), /Cannot find the client nobody/);
  const taken = await add({ port: 22 }, [22]);
  match(taken.errorLines.join(), /has tcp 22, .* choose another port, or add --take-local-port/);
  equal((await add({ port: 22 }, [22], true)).exitCode, 0);
  const many = Array.from({ length: FORWARDS_MAX }, (_, at) => ({ ...WEB, port: 10_000 + at }));
  await changeForwards(path, () => many);
  match((await add()).errorLines.join(), /holds 500, which is the limit/);
  await Deno.writeTextFile(forwardFile(path), '{"version":1,"forwards":[{}]}');
  match((await listForwards(options)).errorLines.join(), /forwards\.json is damaged; restore/);
});

Deno.test("a client that is revoked takes its forwardings along, a damaged file does not stop that", async () => {
  await using stack = new AsyncDisposableStack();
  const { path, options, add } = await tree(stack);
  await newCertificate({ ...options, name: "other" });
  await add();
  await add({ port: 8081, client: "other" });
  const revoked = await revokeCertificate({ ...options, name: "nas" });
  match(revoked.lines.join("\n"), /\nNo longer forwarded: tcp 8080 to nas\n/);
  deepEqual((await readForwards(path)).map(({ client }) => client), ["other"]);
  match((await add()).errorLines.join(), /nas is revoked: .*cert new/);

  await Deno.writeTextFile(forwardFile(path), "nonsense");
  const other = await revokeCertificate({ ...options, name: "other" });
  equal(other.exitCode, 0);
  match(other.lines.join(), /Certificate of other revoked/);
  match(other.errorLines.join(), /forwards\.json is damaged/);
});

Deno.test("a pipe in the place of the file is refused, and not waited for", async () => {
  await using directory = await TemporaryDirectory.create();
  await new Deno.Command("mkfifo", { args: [forwardFile(directory.path)] }).output();
  await rejects(readForwards(directory.path), /forwards\.json is no file/);
});

for (
  const from of ["192.0.2.7/24", "192.0.2.0/33", '192.0.2.0/24 drop comment "x"', "", "any"]
) {
  Deno.test(`a file with the prefix '${from}' is none of ours`, async () => {
    await using directory = await TemporaryDirectory.create();
    const text = JSON.stringify({ version: 1, forwards: [{ ...WEB, from }] });
    await Deno.writeTextFile(forwardFile(directory.path), text);
    const options = { folders: [directory.path], format: "text" as const, now: NOW };
    const { exitCode } = await listForwards({ ...options, directory: directory.path });
    equal(exitCode, 1);
  });
}
