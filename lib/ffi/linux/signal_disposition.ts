/** What the kernel does with a signal, set past the runtime. signal(7). */

const SIGNAL_SYMBOLS = {
  // sighandler_t signal(int signum, sighandler_t handler);
  signal: { parameters: ["i32", "usize"], result: "usize" },
} as const;

const SIG_IGN = 1n;
const NUMBERS = { SIGUSR1: 10, SIGUSR2: 12 } as const;

type UserSignal = keyof typeof NUMBERS;

export class SignalDisposition implements Disposable {
  readonly #library: Deno.DynamicLibrary<typeof SIGNAL_SYMBOLS>;

  private constructor(library: Deno.DynamicLibrary<typeof SIGNAL_SYMBOLS>) {
    this.#library = library;
  }

  /** @throws Error when libc.so.6 cannot be loaded (not a glibc system). */
  static open(): SignalDisposition {
    return new SignalDisposition(Deno.dlopen("libc.so.6", SIGNAL_SYMBOLS));
  }

  /** Makes the kernel drop the signal. Says whether something else was to be done with it before. */
  ignore(name: UserSignal): boolean {
    return this.#library.symbols.signal(NUMBERS[name], SIG_IGN) !== SIG_IGN;
  }

  [Symbol.dispose](): void {
    this.#library.close();
  }
}
