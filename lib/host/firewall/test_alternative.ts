import type { CommandRunner } from "../command/runner.ts";

/** For tests: as if `update-alternatives` had made `iptables` this variant of it. */
export function withAlternative(runner: CommandRunner, variant: "nft" | "legacy"): CommandRunner {
  return {
    run: ([program, ...words], options) => {
      const exact = program!.replace(/^(ip6?tables)(-save|-restore)?$/, `$1-${variant}$2`);
      return runner.run([exact, ...words], options);
    },
  };
}
