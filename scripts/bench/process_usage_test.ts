import { equal, ok, throws } from "node:assert/strict";
import { cpuSeconds, parseCpuSeconds, parseResidentMib, residentMib } from "./process_usage.ts";

Deno.test("CPU time is found behind any program name", () => {
  for (const name of ["deno", "a b", "x) R 1 (y"]) {
    const stat = `42 (${name}) S 1 42 42 0 -1 4194304 500 0 0 0 123 77 9 9 20 0 5 0 1000 0 0`;
    equal(parseCpuSeconds(stat), 2);
  }
  throws(() => parseCpuSeconds("42 (deno) S 1"), /Cannot read CPU times/);
});

Deno.test("resident memory is read in MiB", () => {
  equal(parseResidentMib("Name:\tdeno\nVmHWM:\t  999999 kB\nVmRSS:\t  102400 kB\n"), 100);
  throws(() => parseResidentMib("Name:\tkthreadd\n"), /Cannot read the resident memory/);
});

Deno.test({
  name: "this process has used time and memory",
  ignore: Deno.build.os !== "linux",
  fn() {
    ok(cpuSeconds(Deno.pid) > 0);
    ok(residentMib(Deno.pid) > 1);
  },
});
