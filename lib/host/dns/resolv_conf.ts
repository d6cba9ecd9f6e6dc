/** The first line of an /etc/resolv.conf of ours. */
export const OWN_HEADER = "# Written by fluxify-client; what was here comes back when it stops.";

/** The addresses after `nameserver`, as they are written. */
export function nameservers(text: string): string[] {
  return [...text.matchAll(/^nameserver[ \t]+(\S+)/gm)].map(([, server]) => server!);
}
