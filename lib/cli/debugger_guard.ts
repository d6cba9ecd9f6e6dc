/**
 * Keeps the runtime's debugger shut. Deno opens its inspector on 127.0.0.1:9229, to every local user,
 * in any process that gets SIGUSR1, and has no switch against it. In a program that runs as root this
 * hands root to whoever waits for the port; closing it afterwards is too late.
 *
 * So the signal is ignored in the kernel. But the runtime sets its own handler once, half a second
 * after its start, whatever was set before. Until that has happened and has been undone, a listener
 * of our own holds the port: an inspector that cannot have its port does not open.
 */
import { SignalDisposition } from "../ffi/linux/signal_disposition.ts";

/** Where Deno's inspector listens unless it is told otherwise. */
const INSPECTOR = { hostname: "127.0.0.1", port: 9229 } as const;
const LOOK_EVERY_MS = 1;
/** A signal that came just before may still be on its way to the thread that would open the port. */
const HOLD_AFTER_MS = 1_000;
const CHECK_EVERY_MS = 1_000;

/**
 * To be called before anything else. Where the signal cannot be ignored (no glibc), the port is held
 * until disposed of. SIGUSR2, which asks a program for its status, is ignored until it listens: else
 * it would end one that has just been started.
 */
export function guardAgainstDebugger(): Disposable {
  const port = new HeldPort();
  const signals = openSignals();
  signals?.ignore("SIGUSR1");
  signals?.ignore("SIGUSR2");
  let releaseAtMs = Infinity;
  const look = () => {
    const nowMs = performance.now();
    if (signals?.ignore("SIGUSR1")) releaseAtMs = nowMs + HOLD_AFTER_MS;
    if (nowMs < releaseAtMs) return port.hold();
    port.release();
    clearInterval(timer);
    timer = setInterval(look, CHECK_EVERY_MS);
    Deno.unrefTimer(timer);
  };
  let timer = setInterval(look, signals === null ? CHECK_EVERY_MS : LOOK_EVERY_MS);
  Deno.unrefTimer(timer);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      port.release();
      signals?.[Symbol.dispose]();
    },
  };
}

function openSignals(): SignalDisposition | null {
  try {
    return SignalDisposition.open();
  } catch {
    return null;
  }
}

/** The inspector's port, held whenever nobody else has it: another one's inspector, or program. */
class HeldPort {
  #listener: Deno.Listener | null = null;

  constructor() {
    this.hold();
  }

  hold(): void {
    if (this.#listener !== null) return;
    try {
      this.#listener = Deno.listen(INSPECTOR);
      this.#listener.unref();
    } catch {
      // Taken: then the inspector cannot have it either.
    }
  }

  release(): void {
    this.#listener?.close();
    this.#listener = null;
  }
}
