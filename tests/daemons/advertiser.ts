import type { Child } from "../netns/namespace.ts";
import type { DaemonMachine } from "./daemon_machine.ts";

const START_TIMEOUT_MS = 15_000;

/** What a router says of itself on a link (RFC 4861). */
interface Advertisement {
  /** Networks that hosts on the link take addresses from. */
  prefixes: readonly string[];
  /** Those they are to give up. */
  deprecated?: readonly string[];
}

/** Advertises a router by radvd, once in a few seconds and when a host asks. */
export async function startAdvertiser(
  router: DaemonMachine,
  device: string,
  { prefixes, deprecated = [] }: Advertisement,
): Promise<Child> {
  const lines = [
    ...prefixes.map((prefix) => `prefix ${prefix} {};`),
    ...deprecated.map((prefix) => `prefix ${prefix} { AdvPreferredLifetime 0; };`),
  ];
  await router.write(
    "/run/radvd.conf",
    `interface ${device} {
  AdvSendAdvert on;
  MinRtrAdvInterval 3;
  MaxRtrAdvInterval 4;
  AdvDefaultLifetime 1800;
  ${lines.join("\n  ")}
};
`,
  );
  const advertiser = router.spawn(
    ...["radvd", "--nodaemon", "--config=/run/radvd.conf", "--pidfile=/run/radvd.pid"],
    ...["--logmethod=stderr", "--debug=1"],
  );
  await advertiser.waitForLine(/version \S+ started/, START_TIMEOUT_MS);
  return advertiser;
}
