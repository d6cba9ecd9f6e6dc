/**
 * Stops one thread of another process until this program is killed, as a thread that hangs is:
 * ptrace(2). Its arguments are the ids of threads.
 */
const PTRACE_SEIZE = 0x4206;
const PTRACE_INTERRUPT = 0x4207;

if (import.meta.main) {
  const library = Deno.dlopen("libc.so.6", {
    // long ptrace(enum __ptrace_request op, pid_t pid, void *addr, void *data);
    ptrace: { parameters: ["i32", "i32", "usize", "usize"], result: "i64" },
  });
  for (const id of Deno.args.map(Number)) {
    for (const request of [PTRACE_SEIZE, PTRACE_INTERRUPT]) {
      if (library.symbols.ptrace(request, id, 0n, 0n) < 0n) throw new Error(`Cannot stop ${id}`);
    }
  }
  console.log("stopped");
  await new Promise(() => setInterval(() => {}, 1000));
}
