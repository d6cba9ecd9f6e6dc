/** Values of the server's options that are read in more than one place. */
import { Option } from "@commander-js/extra-typings";
import { UsageError } from "../lib/cli/exit.ts";
import { TunnelNetwork } from "../lib/protocol/wire/tunnel_network.ts";
import { parseHosts } from "./host_lists.ts";

/** What commands about the tree share. */
export interface SharedOptions {
  pkiOption(): Option<"--pki <folder>", undefined, undefined, undefined, false, string>;
  jsonOption(): Option<"--json">;
  /** Refuses flags before the command that mean nothing to it. */
  refuseFlags(command: string): void;
  /** `-pki` may stand before the command, too. */
  folder(raw: { pki?: string | undefined }): string | null;
}

/** @throws UsageError */
export function networkOf(subnet4: string, subnet6: string): TunnelNetwork {
  try {
    return new TunnelNetwork(subnet4, subnet6);
  } catch (error) {
    throw new UsageError((error as RangeError).message);
  }
}

export function jsonOption() {
  return new Option("--json", "write JSON");
}

export function hostsOption() {
  return new Option("--hosts <list>", "names and addresses clients reach this server by")
    .default([] as string[], "127.0.0.1,localhost").argParser(parseHosts);
}
