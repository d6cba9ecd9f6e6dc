/** The argument by which a program is its own TLS process. */
export const TLS_HELPER_ARGUMENT = "tls-helper";

/** Starts this program again, from source, packed or compiled, as its TLS process. */
export function helperCommand(): string[] {
  if (Deno.build.standalone) return [Deno.execPath(), TLS_HELPER_ARGUMENT];
  // Its data comes from the program alone, so it needs no configuration, package or network.
  const isolation = ["--quiet", "--no-prompt", "--no-lock", "--no-remote", "--no-code-cache"];
  const module = new URL(Deno.mainModule).pathname;
  return [
    Deno.execPath(),
    "run",
    ...isolation,
    "--allow-ffi",
    "--allow-env",
    module,
    TLS_HELPER_ARGUMENT,
  ];
}
