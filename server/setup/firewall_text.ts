/** What has to be let in, said in one way wherever it is said. */

/** For the middle of a sentence. */
export function openPorts(controlPort: number | string, port: number | string): string {
  return `let TCP ${controlPort} and UDP ${port} through the firewalls of this machine and of its ` +
    "provider";
}

/** A line of what may be let in besides. */
export function optionalPort(controlPort: number | string): string {
  return `UDP ${controlPort} may be let in, too: by it 'fluxify-client diag' tells what kind of NAT ` +
    "a link is behind; nothing else needs it";
}

/** As docs/operations.md has them. In front: a rule behind one that drops does nothing. */
export function nftCommands(controlPort: number | string, port: number | string): string[] {
  return [
    `nft insert rule inet filter input tcp dport ${controlPort} accept`,
    `nft insert rule inet filter input udp dport ${port} accept`,
  ];
}
