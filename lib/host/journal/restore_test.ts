import assert from "node:assert/strict";
import { testProgram } from "./test_directory.ts";
import { TestMachine } from "./test_machine.ts";

const BEFORE = `
  iptables -P FORWARD DROP
  iptables -A FORWARD -s 203.0.113.0/24 -j ACCEPT
  ip route add 203.0.113.7/32 via 192.0.2.77 dev fiber
  sysctl -q -w net.ipv4.conf.fiber.rp_filter=1
  sysctl -q -w net.ipv4.conf.all.accept_redirects=0
  sysctl -q -w net.ipv4.conf.mobile.forwarding=1
  sysctl -q -w net.ipv6.conf.fiber.accept_ra=1
`;

async function waitForReady(child: Deno.ChildProcess): Promise<void> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of child.stdout.values({ preventCancel: true })) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes("ready\n")) return;
  }
  assert.fail(`the program ended before it was ready: ${text}`);
}

function startHolder(machine: TestMachine): Deno.ChildProcess {
  const [program, ...args] = testProgram("hold", machine.directory.path);
  return new Deno.Command("ip", {
    args: ["netns", "exec", machine.namespace.name, program!, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

for (const ending of ["stopped", "killed"] as const) {
  Deno.test({
    name: `netns: a program that is ${ending} leaves the machine as it was`,
    ignore: Deno.uid() !== 0,
    fn: async () => {
      await using machine = await TestMachine.create("restore");
      await machine.namespace.sh(BEFORE);
      const before = await machine.snapshot();

      const child = startHolder(machine);
      try {
        await waitForReady(child);
        const during = await machine.snapshot();
        for (
          const line of [
            "203.0.113.7 via 192.0.2.1 dev fiber proto 77 metric 10",
            "203.0.113.7 via 198.51.100.1 dev mobile proto 77 metric 1 ",
            "2001:db8:9::7 via 2001:db8:2::1 dev mobile proto 77 metric 1 ",
            "0.0.0.0/1 dev tunnel proto 77 scope link",
            "8000::/1 dev tunnel",
            "-A FORWARD -s 10.8.0.0/24 -i tunnel ! -o tunnel -m comment --comment fluxify -j ACCEPT",
            "-A POSTROUTING -s fd00:8::/64 ! -o tunnel -m comment --comment fluxify -j MASQUERADE",
            "net.ipv4.ip_forward = 1",
            "net.ipv4.conf.fiber.rp_filter = 2",
            "net.ipv6.conf.fiber.accept_ra = 2",
            "net.ipv6.conf.all.forwarding = 1",
          ]
        ) assert.ok(during.includes(line), `${line} is missing in\n${during}`);

        if (ending === "stopped") {
          await child.stdin.close();
          assert.equal((await child.status).code, 0);
        } else {
          child.kill("SIGKILL");
          await child.status;
          assert.notEqual(await machine.snapshot(), before);
          const restored = await machine.namespace.run(
            testProgram("restore", machine.directory.path),
          );
          assert.match(restored.stdout, /^undid \d+ changes left by fluxify-test/, restored.stderr);
        }
      } finally {
        await child.stdout.cancel();
        await child.stdin.close().catch(() => {});
        await child.status;
      }
      assert.equal(await machine.snapshot(), before);
      assert.deepEqual(await machine.directory.journals(), []);
    },
  });
}
