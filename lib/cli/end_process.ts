/** How a program with an engine ends. */
import { Libc } from "../ffi/libc/libc.ts";

/**
 * Ends the process. `Deno.exit` would run what C libraries have registered for the end of a process
 * (OPENSSL_cleanup, destructors of V8) while the thread of an engine that has just stopped still
 * takes its own memory down. Both free the same things: the heap breaks, and now and then the
 * program aborts after it has done everything right. All that has to be undone is undone before.
 */
export function endProcess(code: number): never {
  let libc: Libc;
  try {
    libc = Libc.open();
  } catch {
    Deno.exit(code); // without glibc there is no such thread either
  }
  libc.exitAtOnce(code);
}
