/** What bonding mode is told. */
import type { InstanceOptions } from "../../lib/cli/instance_options.ts";
import type { TunnelOptions } from "../../lib/cli/tunnel_options.ts";
import type { TrafficMark } from "../../lib/host/firewall/traffic_mark.ts";
import type { ShareMode } from "../../lib/host/firewall/tunnel_share.ts";
import type { ServerPolicy } from "../bonding/servers/server_choice.ts";
import type { Destinations } from "./destinations.ts";
import type { LinkChoice } from "./link_choice.ts";
import type { LinkRates, LinkUses } from "./link_rules.ts";
import type { TransportOptions } from "./transport_options.ts";

export interface BondOptions extends TunnelOptions, InstanceOptions, TransportOptions {
  /** As the user named it, or all of them with commas between. */
  server: string;
  /** Each is the names and addresses of one server, with commas between; all have one authority. */
  servers: readonly string[];
  /** Which of several servers is used. */
  serverChoice: ServerPolicy;
  /** In the user's order; empty: choose from what the machine has. */
  links: LinkChoice[];
  /** What links carry at most. */
  rates: LinkRates;
  /** Links that are used only when others do not suffice. */
  uses: LinkUses;
  pkiFolder: string;
  /** File of the client's certificate, or null: the one in `pkiFolder`. */
  certFile: string | null;
  /** Name of the TUN device. */
  tunName: string;
  /** MTU of the TUN device in bytes, or null: as the paths allow. */
  tunMtu: number | null;
  /** Whether the first failure to connect ends the program. */
  once: boolean;
  /** How often the session is renewed. */
  renewEveryMs: number;
  /** Addresses of the servers to ask through the tunnel; empty: DNS stays as it is. */
  dnsServers: string[];
  /** Whether what does not go into the tunnel is dropped. */
  killSwitch: boolean;
  /** Whether each link gets a routing table of its own. */
  policyRouting: boolean;
  /** What goes beside the tunnel; null: nothing but what is near. */
  bypass: Destinations | null;
  /** What goes beside it besides: programs by their cgroups, packets by their mark. */
  bypassCgroups: readonly string[];
  bypassMark: TrafficMark | null;
  /** What alone goes into the tunnel; null: everything. */
  only: Destinations | null;
  /** Whether a network behind this machine uses the tunnel. */
  share: ShareMode;
  /** Whether a live full-screen status is shown. */
  ui: boolean;
  /** 0: only on SIGUSR2. */
  statusEveryMs: number;
}
