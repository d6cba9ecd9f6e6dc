import { UsageError } from "../lib/cli/exit.ts";
import { parseHost } from "../lib/cli/host_name.ts";
import { parseList } from "../lib/cli/list.ts";
import { UDP_HOSTS_MAX } from "../lib/protocol/wire/control_message.ts";

/** Of `-hosts`: names and addresses, each once. Throws UsageError. */
export function parseHosts(text: string): string[] {
  const hosts = parseList("-hosts", text, "refuse").map((host) => parseHost("-hosts", host));
  if (hosts.length === 0) throw new UsageError("-hosts must name at least one host");
  return [...new Set(hosts)];
}

/** Of `-public-hosts`. Throws UsageError. */
export function parsePublicHosts(text: string): string[] {
  const flag = "-public-hosts";
  const hosts = [...new Set(parseList(flag, text, "refuse").map((host) => parseHost(flag, host)))];
  if (hosts.length > UDP_HOSTS_MAX) {
    throw new UsageError(`${flag} takes at most ${UDP_HOSTS_MAX} items, not ${hosts.length}`);
  }
  return hosts;
}
