import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { ensureTools, type Machine, MissingToolsError, thisMachine } from "./ensure_tools.ts";
import { missingTools, packagesFor, TEST_TOOLS, type Tool, withSystemFolders } from "./packages.ts";

/** A machine where an `apt-get install` brings tools when `installs` says so. */
class FakeMachine implements Machine {
  uid: number | null = 0;
  path = "";
  readonly said: string[] = [];
  readonly ran: string[] = [];
  apt = true;
  installs = 0;

  constructor(private absent: Tool[], readonly succeedsAt: number) {}

  say(line: string) {
    this.said.push(line);
  }
  isMissing(tools: readonly Tool[]) {
    return tools.filter((tool) => this.absent.includes(tool));
  }
  has() {
    return this.apt;
  }
  run(command: readonly string[]) {
    this.ran.push(command.join(" ").replace(/ -o \S+/g, ""));
    if (!command.includes("install")) return Promise.resolve(false);
    this.installs++;
    if (this.installs < this.succeedsAt) return Promise.resolve(false);
    this.absent = [];
    return Promise.resolve(true);
  }
}

const UPDATE = "apt-get -q update";
const INSTALL = "apt-get -q install -y --no-install-recommends iperf3 iproute2";

Deno.test("ensureTools() does nothing when nothing is missing", async () => {
  const machine = new FakeMachine([], 1);
  await ensureTools(["ip"], "install", machine);
  deepEqual([machine.said, machine.ran], [[], []]);
});

Deno.test("ensureTools() installs each missing package once", async () => {
  const machine = new FakeMachine(["ip", "ss", "iperf3"], 1);
  await ensureTools(["ip", "ss", "iperf3", "ping"], "install", machine);
  deepEqual(machine.said, ["installing iperf3, iproute2 for ip, ss, iperf3"]);
  deepEqual(machine.ran, [UPDATE, INSTALL]);
});

Deno.test("ensureTools() tries twice and no more", async () => {
  const second = new FakeMachine(["ip", "iperf3"], 2);
  await ensureTools(["ip", "iperf3"], "install", second);
  deepEqual(second.ran, [UPDATE, INSTALL, UPDATE, INSTALL]);

  const never = new FakeMachine(["ip", "iperf3"], 9);
  await rejects(
    ensureTools(["ip", "iperf3"], "install", never),
    new MissingToolsError(
      "Cannot install ip, iperf3, " +
        "run: sudo apt-get install -y --no-install-recommends iperf3 iproute2",
    ),
  );
  equal(never.installs, 2);
});

Deno.test("ensureTools() runs nothing unless it may", async () => {
  const command = "apt-get install -y --no-install-recommends iproute2";
  const printOnly = new FakeMachine(["ip"], 1);
  await rejects(
    ensureTools(["ip"], "print only", printOnly),
    new MissingToolsError(`ip missing, run: sudo ${command}`),
  );
  const user = new FakeMachine(["ip"], 1);
  user.uid = 1000;
  await rejects(
    ensureTools(["ip"], "install", user),
    new MissingToolsError(`ip missing and not root, run: sudo ${command}`),
  );
  const other = new FakeMachine(["ip"], 1);
  other.apt = false;
  await rejects(
    ensureTools(["ip"], "install", other),
    new MissingToolsError("ip missing: install iproute2"),
  );
  deepEqual([printOnly.ran, user.ran, other.ran], [[], [], []]);
});

Deno.test("thisMachine() runs a command within a limit", async () => {
  const machine = thisMachine();
  equal(await machine.run(["true"], 60_000), true);
  equal(await machine.run(["false"], 60_000), false);
  equal(await machine.run(["sleep", "600"], 1), false);
  equal(machine.has("sh-that-nobody-has"), false);
});

Deno.test("missingTools() looks in the folders of system programs too", () => {
  const present = new Set(["/opt/bin/ip", "/usr/sbin/iptables"]);
  deepEqual(
    missingTools(["ip", "iptables", "ping"], "/opt/bin", (file) => present.has(file)),
    ["ping"],
  );
  deepEqual(missingTools(["ping"], "", () => false), ["ping"]);
});

Deno.test("withSystemFolders() appends what is missing", () => {
  equal(
    withSystemFolders("/home/mara/bin:/usr/bin:"),
    "/home/mara/bin:/usr/bin:/usr/local/sbin:/usr/sbin:/sbin:/bin",
  );
});

Deno.test("packagesFor() names Debian's packages", () => {
  match(
    packagesFor(TEST_TOOLS).join(" "),
    /iperf3 iproute2 iptables iputils-ping man-db mount nftables openssl/,
  );
});
