/**
 * The `fluxify-server client` commands as values: options in, lines and an exit code out. They write
 * a file in the PKI directory and nothing else; a running server follows it by itself.
 */
import { formatTable } from "../../lib/cli/table.ts";
import { prefixesOverlap } from "../../lib/host/links/address.ts";
import type { Overlap } from "../../lib/host/links/network_overlap.ts";
import { openClientRegistry } from "../../lib/pki/client_registry.ts";
import { PkiError } from "../../lib/pki/pki_error.ts";
import type { TunnelNetwork } from "../../lib/protocol/wire/tunnel_network.ts";
import { monthOf } from "../../lib/status/metering/volume_meter.ts";
import type { Prescribed } from "../../lib/status/server_status.ts";
import {
  type CertificateOptions,
  type CommandOutcome,
  outcomeOf,
  render,
} from "../certificates/certificate_command.ts";
import {
  type ClientSettings,
  endOf,
  isNothing,
  NO_SETTINGS,
  SETTING_WORDS,
  type SettingWord,
  UNSET,
} from "./client_settings.ts";
import { settingRows, settingTexts } from "./client_text.ts";
import { usageFile } from "./client_usage.ts";
import { readNetwork } from "../sessions/network_file.ts";
import { FileSettings, refusal } from "./settings_file.ts";
import { readUsageCopy } from "../store/shared/usage_copy.ts";
import { UsageCounters } from "../store/shared/usage_counters.ts";

interface NamedOptions extends CertificateOptions {
  readonly name: string;
}

interface SetOptions extends NamedOptions {
  readonly settings: Partial<ClientSettings>;
  /** Networks of this machine that the routes overlap. */
  readonly overlaps: readonly Overlap[];
}

/** `client set`: settings of a client. */
export function setClient(options: SetOptions): Promise<CommandOutcome> {
  return outcomeOf(async () => {
    const { directory, folders, now, name, settings, overlaps } = options;
    await (await openClientRegistry(directory, folders)).show(name, now);
    const [overlap] = overlaps;
    if (overlap !== undefined) {
      const { device, address, subnet } = overlap;
      throw refusal(
        `${subnet} cannot be behind ${name}: ${device} of this machine has ${address}; give ` +
          "networks that nothing else here has",
      );
    }
    const network = await readNetwork(directory);
    const notices = network === null
      ? unknownNetwork(settings)
      : refuseOutside(network, name, settings);
    const store = await changed(directory, name, (before) => ({ ...before, ...settings }));
    const { expires } = settings;
    if (expires !== undefined && expires !== null && endOf(expires) <= now.getTime()) {
      notices.push(`${expires} is over: ${name} is not let in from now on`);
    }
    const client = await prescribed(options, store, name);
    const text = [...tableOf(name, client), "A running server applies it within two seconds"];
    return { lines: render(options, { name, ...client }, text), errorLines: notices };
  });
}

/** @throws PkiError for an address that no client of the server can have, or a route to its clients */
function refuseOutside(
  network: TunnelNetwork,
  name: string,
  { address, routes = [] }: Partial<ClientSettings>,
): string[] {
  const { subnet4, subnet6 } = network;
  if (address !== undefined && address !== null) {
    const host = network.numberOf(address);
    if (host === null) {
      throw refusal(
        `${address} is no address of a client in ${subnet4}, the network inside the tunnel: give one ` +
          `of it that is not the server's; for another network start the server with -network first`,
      );
    }
    if (!network.isUsual(host)) {
      throw refusal(`not every client takes ${address}: give one that does not end in 0, 1 or 255`);
    }
  }
  for (const prefix of routes) {
    const inside = [subnet4, subnet6].find((each) => prefixesOverlap(each, prefix));
    if (inside === undefined) continue;
    throw refusal(
      `${prefix} cannot be behind ${name}: it overlaps ${inside}, the network inside the tunnel`,
    );
  }
  return [];
}

function unknownNetwork({ address }: Partial<ClientSettings>): string[] {
  if (address === undefined || address === null) return [];
  return [
    `no server has started with this folder yet, so it is not known whether ${address} is in its ` +
    "-network: when it starts, its log says so if not",
  ];
}

/** `client unset`: the settings named are taken back. */
export function unsetClient(
  options: NamedOptions & { readonly which: readonly SettingWord[] },
): Promise<CommandOutcome> {
  return outcomeOf(async () => {
    const { directory, name, which } = options;
    const store = await changed(directory, name, (before) => {
      if (isNothing(before)) throw nothingFor(name);
      return which.reduce<ClientSettings>((rest, word) => ({ ...rest, ...UNSET[word] }), before);
    });
    const client = await prescribed(options, store, name);
    const rest = isNothing(store.get(name))
      ? [`${name} has no settings any more`]
      : tableOf(name, client);
    return { lines: render(options, { name, ...client }, rest), errorLines: [] };
  });
}

/** `client show`. */
export function showClient(options: NamedOptions): Promise<CommandOutcome> {
  return outcomeOf(async () => {
    const { directory, folders, now, name } = options;
    const store = await opened(directory);
    const isPrescribed = !isNothing(store.get(name));
    // A name that nothing is known of is a slip, and no client without limits.
    if (!isPrescribed) await (await openClientRegistry(directory, folders)).show(name, now);
    const client = await prescribed(options, store, name);
    const text = isPrescribed ? tableOf(name, client) : [
      `${name} has no settings: "fluxify-server client set ${name} -rate 50mbit" ` +
      "prescribes something",
    ];
    return { lines: render(options, { name, ...client }, text), errorLines: [] };
  });
}

/** `client list`. */
export function listClients(options: CertificateOptions): Promise<CommandOutcome> {
  return outcomeOf(async () => {
    const store = await opened(options.directory);
    const names = [...store.list()].map(([name]) => name).sort();
    const used = await usedBytes(options);
    const clients = names.map((name) => ({ name, ...withUsage(store.get(name), used, name) }));
    const text = clients.length === 0
      ? ['No client has settings: "fluxify-server client set NAME" gives it some']
      : formatTable(
        ["NAME", ...SETTING_WORDS.map((word) => word.toUpperCase())],
        clients.map(({ name, ...client }) => {
          const texts = settingTexts(client);
          return [name, ...SETTING_WORDS.map((word) => texts[word] ?? "-")];
        }),
      );
    return { lines: render(options, clients, text), errorLines: [] };
  });
}

/**
 * What is prescribed for a client; null: nothing.
 * @throws PkiError when that cannot be read
 */
export async function prescribedFor(
  options: Pick<CertificateOptions, "directory" | "now">,
  name: string,
): Promise<Prescribed | null> {
  const store = await opened(options.directory);
  return isNothing(store.get(name)) ? null : await prescribed(options, store, name);
}

async function opened(directory: string): Promise<FileSettings> {
  const store = new FileSettings(directory, () => {});
  await store.read();
  return store;
}

async function changed(
  directory: string,
  name: string,
  change: (before: ClientSettings) => ClientSettings,
): Promise<FileSettings> {
  const store = new FileSettings(directory, () => {});
  await store.change(name, change);
  return store;
}

async function prescribed(
  options: Pick<CertificateOptions, "directory" | "now">,
  store: FileSettings,
  name: string,
): Promise<Prescribed> {
  return withUsage(store.get(name), await usedBytes(options), name);
}

function withUsage(
  settings: ClientSettings,
  used: ReadonlyMap<string, number>,
  name: string,
): Prescribed {
  const usedBytes = settings.quotaBytes === null ? null : used.get(name) ?? 0;
  return { ...NO_SETTINGS, ...settings, usedBytes };
}

/** By client, in this month, on all servers, as a running server wrote it last. */
async function usedBytes(
  { directory, now }: Pick<CertificateOptions, "directory" | "now">,
): Promise<Map<string, number>> {
  const month = monthOf(now);
  const used = new Map<string, number>();
  for (const [name, volume] of await usageFile(directory).peek()) {
    if (volume.month === month) used.set(name, volume.bytes);
  }
  const copy = await readUsageCopy(directory);
  if (copy === null) return used;
  const counters = new UsageCounters(copy, copy.run);
  for (const name of copy.clients.keys()) {
    const local = used.get(name) ?? 0;
    used.set(name, local + counters.elsewhere(name, month, local));
  }
  return used;
}

function tableOf(name: string, client: Prescribed): string[] {
  return formatTable(null, [["client", name], ...settingRows(client)]);
}

function nothingFor(name: string): PkiError {
  return refusal(
    `${name} has no settings; "fluxify-server client list" shows which clients do`,
  );
}
