/**
 * Load-balance mode: the machine's connections are spread over several uplinks, without a server.
 * Rules and routes go into tables of their own, every uplink is probed, and the routes follow what
 * the probes and the kernel say. Whatever ends it, the machine is as it was before.
 */
import { FAMILIES } from "../../lib/host/links/address.ts";
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { inspectHost, refuseObstacle } from "../../lib/cli/preflight.ts";
import { Libc } from "../../lib/ffi/libc/libc.ts";
import { type CommandRunner, runChecked, SystemRunner } from "../../lib/host/command/runner.ts";
import { checkInterfaceName } from "../../lib/host/links/network_interface.ts";
import { HostJournal, restoreStale } from "../../lib/host/journal/host_journal.ts";
import { ServiceManager } from "../../lib/host/service/service_manager.ts";
import { watchRules } from "../../lib/host/journal/rule_watch.ts";
import { refuseTunnelRoutes } from "../../lib/host/routes/default_route.ts";
import { UplinkOverrides } from "../../lib/host/routes/uplink_overrides.ts";
import { SerialQueue } from "../../lib/host/serial_queue.ts";
import { refuseOtherBalancing } from "../../lib/host/routes/uplink_policy.ts";
import { watchLinks } from "../../lib/host/links/link_watch.ts";
import type { BalanceOptions } from "../config/balance_options.ts";
import { type LinkUses, parseUses, refuseStrangers } from "../config/link_rules.ts";
import { CLIENT_PROGRAM } from "../config/options.ts";
import { type Arguments, Refusal } from "../../lib/status/local_socket/message.ts";
import { addBalance } from "../metrics/balance_metrics.ts";
import { openClientMetrics } from "../metrics/client_metrics.ts";
import { openClientSocket, refusedCommands, whileRunning } from "../local_socket/client_socket.ts";
import { orRefuse } from "../local_socket/or_refuse.ts";
import { textOf, wordOf } from "../../lib/status/local_socket/program_socket.ts";
import { linksCommand, type RunningLinks } from "../local_socket/links_command.ts";
import { UnmatchedNames } from "../config/unmatched_names.ts";
import { LinkRules } from "../metering/link_rules.ts";
import { VolumeWatch } from "../metering/volume_watch.ts";
import { undoChanges } from "../undo_changes.ts";
import { Balancer } from "./balancer.ts";
import { goesBefore } from "../../lib/host/routes/removed_defaults.ts";
import { DefaultKeeper } from "../default_keeper.ts";
import { askExternalAddress, pageOf, sameUpstreamWarning } from "./external_address.ts";
import type { Strategy } from "./family_balance.ts";
import { Probing, type Subject } from "./probing.ts";
import type { BalanceStatus } from "./status.ts";
import { formatStatus } from "./status_text.ts";

const log = getLogger([LOG_CATEGORY, "client"]);
/** How often the counters are read, for the rates. */
const SAMPLE_MS = 2_000;
const monotonicMs = () => performance.now();

/** For a user interface beside it. */
interface BalanceObserver {
  /** It balances. `readStatus` reads the counters anew; call it as often as the screen changes. */
  onBalancing(readStatus: () => Promise<BalanceStatus>, controls: BalanceControls): void;
}

/** What can be changed while it runs: the uplinks. */
export interface BalanceControls extends RunningLinks {
  /** Uplinks are used so from now on. @throws UsageError for what is no uplink. */
  useUses(uses: LinkUses): void;
}

/**
 * Runs until `stopped` is aborted, or somebody says so at the socket.
 * @throws Error that says what to do, everything undone.
 */
export async function balance(
  options: BalanceOptions,
  stopped: AbortSignal,
  observer?: BalanceObserver,
): Promise<void> {
  refuseObstacle({ ...inspectHost(), tunDevice: "present" }, "change the routes");
  const manager = ServiceManager.open(() => Libc.open());
  const runner = new SystemRunner();
  await runChecked(runner, ["ping", "-V"]);
  for (const line of await restoreStale(runner)) log.warn("{line}", { line });
  for (const family of FAMILIES) {
    await refuseOtherBalancing(runner, family);
    await refuseTunnelRoutes(runner, family);
  }
  for (const name of options.interfaces) checkInterfaceName(name);

  // Disposed of from the last to the first: what is slow to end waits until everything is undone.
  await using stack = new AsyncDisposableStack();
  let balancer: Balancer | undefined;
  let controls: BalanceControls | null = null;
  let ready = false;
  const rules = new LinkRules(new Map(), options.uses);
  const weighed = [...options.weights?.keys() ?? []];
  const unmatched = new UnmatchedNames(() => ({
    "-link": rules.names["-link"],
    "-weights": weighed,
  }));
  const asked = new AbortController();
  const signal = AbortSignal.any([stopped, asked.signal]);
  const readStatus = async () => {
    if (balancer === undefined) throw new Refusal("not possible", "the client is starting");
    await balancer.sample(monotonicMs);
    return { ...balancer.status(), unmatched: unmatched.of(balancer.names) };
  };
  stack.use(
    await openClientSocket({
      ...options,
      stop: () => asked.abort(),
      isUp: () => ready && (balancer?.balanced().length ?? 0) > 0,
      readStatus: async () => ({ mode: "load-balance", balance: await readStatus() }),
      commands: {
        ...refusedCommands(["ping"]),
        set: (args, asker) => setUses(whileRunning(controls, signal), args, asker),
        links: linksCommand(() => whileRunning(controls, signal)),
      },
    }),
  );
  stack.use(
    await openClientMetrics(options, async (page) => addBalance(page, await readStatus())),
  );
  let probing: Probing | undefined;
  let compared: Promise<void> | undefined;
  stack.defer(() => Promise.all([compared, probing?.ended()]).then(() => {}));
  stack.use(showStatus(() => balancer, options.statusEveryMs, signal));
  const keeper = stack.use(await DefaultKeeper.save(runner, (route) => !goesBefore(route)));
  const journal = await HostJournal.open({ program: CLIENT_PROGRAM, runner });
  stack.defer(async () => {
    const isUndone = await undoChanges(journal);
    if (isUndone && ready) log.info("stopped: routes, rules and parameters are as before");
  });

  const ended = Promise.withResolvers<void>();
  ended.promise.catch(() => {}); // awaited below, unless the start fails first
  signal.addEventListener("abort", () => ended.resolve(), { once: true });
  stack.use(watchRules(journal, (line) => log.warn("{line}", { line })));
  /** Said once for all that is balanced at the start, later for what is added. */
  const balances = () => {
    if (!ready || running.balanced().length === 0) return;
    const families = running.balanced().join(" and IPv");
    log.info(`fluxify-client balances IPv${families} over ${running.names.join(", ")}`);
    const url = options.externalIpUrl;
    if (url !== null) compared ??= compareExternalAddresses(runner, running, url);
  };
  const subjectsOf = (names: readonly string[]) =>
    FAMILIES.flatMap((family) => names.map((device): Subject => ({ family, device })));
  const running = balancer = new Balancer(journal, options.interfaces, strategyOf(options), {
    onJoined: (names) => probing?.add(subjectsOf(names)),
    onBalanced: () => balances(),
    onRenewed: (renewed) => probing?.hurry(renewed),
    onBare: (name, gateway) => keeper.linkIsBare(name, gateway),
  }, rules);
  await running.sample(monotonicMs);
  const snapshot = await running.inspect();
  const idle = running.whyIdle();
  if (idle !== null && options.once) throw new Error(`Cannot balance: ${idle}`);
  if (idle !== null) log.warn(`fluxify-client waits for uplinks: ${idle}`);
  await running.enable(snapshot);
  stack.defer(() => running.settled());

  const said = sayOnce();
  const overrides = new UplinkOverrides(runner);
  const looks = new SerialQueue();
  const look = looks.shared(async () => {
    for (const line of unmatched.look(running.names)) log.warn("{line}", { line });
    const lines = await overrides.look(running.balanced(), running.names);
    for (const line of lines) log.warn("{line}", { line });
  });
  stack.defer(() => looks.idle());
  const follow = (wentDown: ReadonlySet<string>) => {
    if (!signal.aborted) running.refresh(wentDown).then(look).then(said.done, said.failed);
  };
  const usesChanged = () => {
    if (!signal.aborted) running.usesChanged().then(said.done, said.failed);
  };
  let applied = "";
  const volumes = stack.use(
    await VolumeWatch.start({
      ...{ runner, rules, instance: options.instance },
      onCounted: () => {
        const now = running.names.map((name) => rules.pathUseOf(name)).join();
        if (applied !== now) usesChanged();
        applied = now;
      },
    }),
  );
  const probes = probing = new Probing({
    runner,
    intervalMs: options.healthIntervalMs,
    named: options.healthTargets,
    nextHopOf: ({ family, device }) => running.nextHopOf(family, device),
    onAnswer: ({ family, device }, roundTripMs) => {
      if (running.probed(family, device, roundTripMs) && !signal.aborted) {
        running.apply().then(said.done, said.failed);
      }
    },
    onFault: (error) => ended.reject(error),
  }, subjectsOf(running.names));
  stack.defer(() => probes.stop());
  stack.use(watchLinks(follow));
  ready = true;
  // All that this mode does is done on this thread.
  stack.use(manager.watch(() => Promise.resolve()));
  balances();
  look().then(said.done, said.failed);
  manager.ready(`balances over ${running.names.join(", ")}`);
  controls = {
    useUses(uses) {
      refuseStrangers("link", uses.keys(), running.names);
      rules.useUses(uses);
      usesChanged();
      volumes.look();
    },
    get links() {
      return running.names;
    },
    useLinks(names) {
      const followed = running.useUplinks(names);
      log.info("uplinks: {names}", { names: names.join(", ") });
      followed.then(look).then(said.done, said.failed);
    },
  };
  observer?.onBalancing(readStatus, controls);
  if (signal.aborted) ended.resolve();
  await ended.promise;
  manager.stopping();
  log.info("stopping");
}

/** `set` at the socket: there is no tunnel to tune, but uplinks are used as they are said to be. */
function setUses(controls: BalanceControls, args: Arguments, asker: string) {
  const setting = wordOf(args, "setting", ["scheduler", "compression", "rate", "link"]);
  if (setting !== "link") {
    throw new Refusal(
      "not possible",
      `'${setting}' is for bonding: load-balance mode has no tunnel; it takes 'link'`,
    );
  }
  const value = textOf(args, "value");
  orRefuse(() => controls.useUses(parseUses(value)));
  log.info("{setting} {value} is asked for by {asker}", { setting, value, asker });
  return { setting, value };
}

function strategyOf({ balance, weights }: BalanceOptions): Strategy {
  if (balance === "best") return { kind: "best" };
  return weights === null ? { kind: "by quality" } : { kind: "prescribed", weights };
}

/**
 * Reads the counters regularly; shows the status on SIGUSR2, and each `everyMs` unless 0. To be called
 * before there is something to show: a signal that nobody listens for ends the program.
 */
function showStatus(
  balancerNow: () => Balancer | undefined,
  everyMs: number,
  signal: AbortSignal,
): AsyncDisposable {
  const sample = async () => await balancerNow()?.sample(monotonicMs);
  const readings = new SerialQueue();
  const later = (action: () => Promise<void>) => {
    const read = readings.shared(action);
    return () => {
      read().catch((error) => log.warn("cannot read the counters: {error}", { error }));
    };
  };
  const show = later(async () => {
    await sample();
    const balancer = balancerNow();
    if (balancer === undefined || signal.aborted) return;
    for (const line of formatStatus(balancer.status())) log.info("{line}", { line });
  });
  const sampling = setInterval(later(sample), SAMPLE_MS);
  const showing = everyMs === 0 ? undefined : setInterval(show, everyMs);
  Deno.addSignalListener("SIGUSR2", show);
  return {
    async [Symbol.asyncDispose]() {
      Deno.removeSignalListener("SIGUSR2", show);
      clearInterval(sampling);
      clearInterval(showing);
      await readings.idle();
    },
  };
}

/** Every probe tries again what has failed: the same reason in a row is a warning once. */
function sayOnce(): { done: () => void; failed: (error: unknown) => void } {
  let last = "";
  return {
    done: () => last = "",
    failed: (error) => {
      const level = String(error) === last ? "debug" : "warn";
      last = String(error);
      log[level]("cannot follow the links, and tries again: {error}", { error });
    },
  };
}

/** Warns once when uplinks are seen with one address. Asked once, beside everything else. */
async function compareExternalAddresses(
  runner: CommandRunner,
  balancer: Balancer,
  url: string,
): Promise<void> {
  try {
    const family = balancer.balanced()[0]!;
    const answers = await Promise.all(
      balancer.names.map(async (name) =>
        [name, await askExternalAddress(runner, name, family, url)] as const
      ),
    );
    const known = new Map<string, string>();
    for (const [name, address] of answers) {
      if (address === null) {
        const page = pageOf(url);
        log.info("{page} tells no IPv{family} address over {name}", { page, family, name });
        continue;
      }
      known.set(name, address);
      log.debug("external address of {name}: {address}", { name, address });
    }
    const warning = sameUpstreamWarning(known);
    if (warning !== null) log.warn("{warning}", { warning });
  } catch (error) {
    log.warn("-external-ip-url: {error}", { error });
  }
}
