/** Opens what holds clients to their settings, for a server that runs. */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { listInterfaces } from "../../lib/host/links/network_interface.ts";
import type { HostJournal } from "../../lib/host/journal/host_journal.ts";
import { TunnelPrefixes } from "../../lib/host/routes/tunnel_prefixes.ts";
import type { Engine } from "../../lib/net/engine.ts";
import { guardClients, type GuardedOptions } from "../host_changes.ts";
import type { SessionRegistry } from "../sessions/session_registry.ts";
import { ClientPolicy } from "./client_policy.ts";
import { ClientUsage } from "./client_usage.ts";
import { RouteKeeper } from "./route_keeper.ts";
import { FileSettings } from "./settings_file.ts";
import type { ServerStore } from "../store/server_store.ts";

/** What is set on one server is in force on all that share a store within a second. */
const LOOK_MS = 250;
const ROUTE_LOOK_MS = 10_000;
/** An engine that does not answer by then is not waited for. */
const LAST_VOLUMES_MS = 1000;

const log = getLogger([LOG_CATEGORY, "server"]);

interface ClientParts {
  /** The folder of the certificates. */
  readonly directory: string;
  readonly engine: Engine;
  readonly registry: SessionRegistry;
  readonly store: Pick<ServerStore, "shareUsage">;
}

interface OpenClients extends AsyncDisposable {
  readonly policy: ClientPolicy;
  readonly settings: FileSettings;
}

/**
 * From now on the registry lets in those that the settings let in, and holds them to their limits.
 * @throws {PkiError} when the settings cannot be read: nobody would be held to them
 */
export async function openClients(parts: ClientParts): Promise<OpenClients> {
  const { directory, engine, registry, store } = parts;
  const say = (line: string) => log.info("{line}", { line });
  const warn = (line: string) => log.warn("{line}", { line });
  await using stack = new AsyncDisposableStack();
  const settings = new FileSettings(directory, warn);
  await settings.read();
  const now = () => new Date();
  const usage = stack.use(await ClientUsage.open({ directory, warn, now }));
  const elsewhere = store.shareUsage(usage);
  const onAllServers = {
    add: (name: string, bytes: number) => usage.add(name, bytes),
    bytesOf: (name: string) => usage.bytesOf(name) + elsewhere.bytesOf(name),
  };
  stack.defer(() => lastVolumes(engine));
  const policy = stack.use(
    new ClientPolicy({
      ...{ store: settings, usage: onAllServers, engine, registry, now, say, warn },
    }),
  );
  elsewhere.watch((name) => policy.carriedElsewhere(name));
  registry.policy = policy;
  const look = () => {
    settings.look();
    policy.look();
  };
  stack.adopt(setInterval(look, LOOK_MS), clearInterval);
  stack.defer(() => settings.idle());
  const opened = stack.move();
  return { policy, settings, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

interface NetworkParts extends GuardedOptions {
  readonly journal: HostJournal;
  readonly policy: ClientPolicy;
  readonly settings: FileSettings;
  /** Of TCP and UDP, on which clients talk to this server. */
  readonly controlPort: number;
  readonly port: number;
}

/** Leads to the networks behind clients, as the settings have them. Undone by the journal. */
export async function leadToNetworks(parts: NetworkParts): Promise<AsyncDisposable> {
  const { journal, policy, settings, tunName: tun, network, controlPort, port } = parts;
  const ports = { tcp: controlPort, udp: port };
  const routes = new TunnelPrefixes(journal, tun, "what is behind clients", ports);
  const keeper = new RouteKeeper({
    ...{ store: settings, tun },
    networks: [network.subnet4, network.subnet6],
    interfaces: () => listInterfaces(journal.runner),
    routes,
    permit: (prefixes) => guardClients(journal, parts, prefixes),
    use: (prefixes) => policy.useRoutes(prefixes),
    warn: (line) => log.warn("{line}", { line }),
  });
  await keeper.look();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => keeper.idle());
  stack.use(settings.watch(() => void keeper.look()));
  // What another program takes away is put back.
  stack.adopt(setInterval(keeper.look, ROUTE_LOOK_MS), clearInterval);
  const opened = stack.move();
  return { [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** When the engine answers, it has told what the sessions have carried that ended before. */
async function lastVolumes(engine: Engine): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, LAST_VOLUMES_MS);
  await Promise.race([engine.report(), promise]);
  clearTimeout(timer);
}
