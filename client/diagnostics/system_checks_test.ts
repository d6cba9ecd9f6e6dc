import { deepEqual, equal, match, ok } from "node:assert/strict";
import { checkLines } from "./check.ts";
import { systemChecks } from "./system_checks.ts";

const FILES: Record<string, string> = {
  "/etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 13"\n',
  "/proc/sys/kernel/osrelease": "6.12.1-amd64\n",
  "/proc/cpuinfo": "model name\t: Fast One\nflags\t\t: fpu aes vaes\n",
  "/proc/meminfo": "MemTotal: 4000000 kB\nMemAvailable:    2048000 kB\n",
  "/proc/sys/net/core/rmem_max": "8388608\n",
  "/proc/sys/net/core/wmem_max": "212992\n",
};

const check = (files: Record<string, string>, name: string) => {
  const found = systemChecks((path) => files[path] ?? null).find((one) => one.name === name);
  ok(found !== undefined, name);
  return found;
};

Deno.test("systemChecks() tells what the machine is", () => {
  equal(check(FILES, "operating system").text, "Debian GNU/Linux 13, kernel 6.12.1-amd64");
  match(check(FILES, "processor").text, /^Fast One, \d+ cores, .*VAES/);
  equal(check(FILES, "memory").text, "2000 MiB available");
  equal(check(FILES, "net.core.rmem_max").state, "ok");
  match(check(FILES, "offloads").text, /TCP and UDP through the TUN device/);
});

Deno.test("systemChecks() says what is little, old or not told", () => {
  const old = {
    ...FILES,
    "/proc/sys/kernel/osrelease": "4.15.0",
    "/proc/cpuinfo": "flags : fpu\n",
    "/proc/meminfo": "MemAvailable: 50000 kB\n",
  };
  equal(check(old, "offloads").state, "warning");
  equal(check(old, "processor").state, "warning");
  match(check(old, "memory").advice!, /about 100 MiB/);
  equal(check({}, "memory").state, "warning");
});

Deno.test("systemChecks() without root says so once, and then what to do", () => {
  const host = { os: "linux", uid: 1000, tunDevice: "present" } as const;
  const found = systemChecks(() => null, host).find(({ name }) => name.startsWith("privileges"));
  deepEqual(checkLines(found!), [
    "  FAILED    privileges and TUN device: must be root to make a TUN device and routes",
    "            run with sudo",
  ]);
});
