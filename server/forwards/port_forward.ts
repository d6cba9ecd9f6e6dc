/** A port of the server's machine that goes to a client. */
export interface PortForward {
  readonly protocol: Protocol;
  /** On the server's machine. */
  readonly port: number;
  /** The client's name, as its certificate has it. */
  readonly client: string;
  /** On the client. */
  readonly clientPort: number;
  /** Only from there, an IPv4 or IPv6 prefix; null: from anywhere. */
  readonly from: string | null;
}

export const PROTOCOLS = ["tcp", "udp"] as const;
export type Protocol = typeof PROTOCOLS[number];

export const PORT_MAX = 65_535;

/** `tcp 8080`: what a forwarding is known by; there is one of each. */
export function forwardLabel({ protocol, port }: Pick<PortForward, "protocol" | "port">): string {
  return `${protocol} ${port}`;
}
