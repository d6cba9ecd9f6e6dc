import { deepEqual, equal, match } from "node:assert/strict";
import { TemporaryDirectory } from "../../../testing/pki/temporary_directory.ts";

const MODULE = new URL("./drop_rights.ts", import.meta.url).href;
const IDS = { userId: 1_900_080_079, groupId: 1_900_080_080 };

/** Gives up its rights in a process of its own, and says what it has and may then. */
const PROGRAM = `
  const [module, ids, secret] = Deno.args;
  const { becomeUser } = await import(module);
  becomeUser(JSON.parse(ids));
  const threads = [...Deno.readDirSync("/proc/self/task")].map(({ name }) =>
    Deno.readTextFileSync("/proc/self/task/" + name + "/status")
  );
  const read = (line) => [...new Set(threads.map((text) =>
    new RegExp("^" + line + ":[ \\\\t]*(.*)$", "m").exec(text)[1].trim().replaceAll("\\t", " ")
  ))];
  const tried = (body) => {
    try {
      body();
      return "done";
    } catch (error) {
      return error.name;
    }
  };
  console.log(JSON.stringify({
    ...{ threads: threads.length, users: read("Uid"), groups: read("Gid"), others: read("Groups") },
    ...{ effective: read("CapEff"), permitted: read("CapPrm") },
    reading: tried(() => Deno.readTextFileSync(secret)),
    again: tried(() => becomeUser({ userId: 0, groupId: 0 })),
  }));
`;

async function runProgram(ids: typeof IDS, secret: string) {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", PROGRAM, MODULE, JSON.stringify(ids), secret],
    env: { DENO_NO_UPDATE_CHECK: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test({
  name: "every thread becomes the user, without groups and capabilities, for good",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    const secret = `${directory.path}/secret`;
    await Deno.writeTextFile(secret, "of root", { mode: 0o600 });
    await Deno.chmod(directory.path, 0o755);
    const { stdout, stderr, success } = await runProgram(IDS, secret);
    equal(success, true, stderr);
    const { threads, ...found } = JSON.parse(stdout);
    equal(threads > 1, true, "the runtime has threads of its own");
    const four = (id: number) => [Array(4).fill(id).join(" ")];
    deepEqual(found, {
      ...{ users: four(IDS.userId), groups: four(IDS.groupId), others: [""] },
      ...{ effective: ["0".repeat(16)], permitted: ["0".repeat(16)] },
      reading: "PermissionDenied",
      again: "SyscallError",
    });
  },
});

Deno.test("a user that one cannot become is an error that says so", async () => {
  // (uid_t) -1 means: leave it as it is; and who is not root may become nobody.
  const { success, stderr } = await runProgram({ userId: 0, groupId: 0 }, "/");
  equal(success, false);
  match(stderr, Deno.uid() === 0 ? /Cannot give up the rights of root for good/ : /EPERM/);
});
