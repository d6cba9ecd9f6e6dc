/** The argument by which a program is its own TLS process. */
export const TLS_HELPER_ARGUMENT = "tls-helper";

/** Starts this program again, from source, packed or compiled, as its TLS process. */
export function helperCommand(): string[] {
  if (Deno.build.standalone) return [Deno.execPath(), TLS_HELPER_ARGUMENT];
  // Its data comes from the program alone. The one port is that which keeps the debugger shut.
  const isolation = ["--quiet", "--no-prompt", "--no-lock", "--no-remote", "--no-code-cache"];
  const module = new URL(Deno.mainModule).pathname;
  return [
    Deno.execPath(),
    "run",
    ...isolation,
    "--allow-ffi",
    "--allow-env",
    "--allow-net=127.0.0.1:9229",
    module,
    TLS_HELPER_ARGUMENT,
  ];
}
