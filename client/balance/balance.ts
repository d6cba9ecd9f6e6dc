/**
 * Load-balance mode: the machine's connections are spread over several uplinks, without a server.
 * Rules and routes go into tables of their own, every uplink is probed, and the routes follow what
 * the probes and the kernel say. Whatever ends it, the machine is as it was before.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { inspectHost, refuseObstacle } from "../../lib/cli/preflight.ts";
import { type CommandRunner, runChecked, SystemRunner } from "../../lib/host/command/runner.ts";
import {
  checkInterfaceName,
  listInterfaces,
  requireInterface,
} from "../../lib/host/links/network_interface.ts";
import { HostJournal, restoreStale } from "../../lib/host/journal/host_journal.ts";
import { watchRules } from "../../lib/host/journal/rule_watch.ts";
import { refuseTunnelRoutes } from "../../lib/host/routes/default_route.ts";
import { refuseOtherBalancing } from "../../lib/host/routes/uplink_policy.ts";
import { watchLinks } from "../../lib/host/links/link_watch.ts";
import { checkWeights } from "../config/balance_options.ts";
import { type BalanceOptions, CLIENT_PROGRAM } from "../config/options.ts";
import { undoChanges } from "../undo_changes.ts";
import { Balancer } from "./balancer.ts";
import { DefaultKeeper } from "./default_keeper.ts";
import { askExternalAddress, pageOf, sameUpstreamWarning } from "./external_address.ts";
import type { Strategy } from "./family_balance.ts";
import { Probing, type Subject } from "./probing.ts";
import type { BalanceStatus } from "./status.ts";
import { formatStatus } from "./status_text.ts";
import { findUplinks } from "./uplinks.ts";

const log = getLogger([LOG_CATEGORY, "client"]);
const FAMILIES = [4, 6] as const;
/** How often the counters are read, for the rates. */
const SAMPLE_MS = 2_000;
/** Readings that wait for one that is slow; further ones are left out. */
const READINGS_MAX = 3;
const monotonicMs = () => performance.now();

/** For a user interface beside it. */
interface BalanceObserver {
  /** It balances. `readStatus` reads the counters anew; call it as often as the screen changes. */
  onBalancing(readStatus: () => Promise<BalanceStatus>): void;
}

/** Runs until `signal` is aborted. @throws Error that says what to do, everything undone. */
export async function balance(
  options: BalanceOptions,
  signal: AbortSignal,
  observer?: BalanceObserver,
): Promise<void> {
  refuseObstacle(CLIENT_PROGRAM, { ...inspectHost(), tunDevice: "present" });
  const runner = new SystemRunner();
  await runChecked(runner, ["ping", "-V"]);
  for (const line of await restoreStale(runner)) log.warn("{line}", { line });
  for (const family of FAMILIES) {
    await refuseOtherBalancing(runner, family);
    await refuseTunnelRoutes(runner, family);
  }
  const names = await chooseInterfaces(runner, options.interfaces);
  checkWeights(options.balance, options.weights, names);

  // Disposed of from the last to the first: what is slow to end waits until everything is undone.
  await using stack = new AsyncDisposableStack();
  let probing: Probing | undefined;
  let asked = Promise.resolve();
  stack.defer(() => Promise.all([asked, probing?.ended()]).then(() => {}));
  let balancer: Balancer | undefined;
  stack.use(showStatus(() => balancer, options.statusEveryMs, signal));
  const keeper = stack.use(await DefaultKeeper.save(runner));
  let ready = false;
  const journal = await HostJournal.open({ program: CLIENT_PROGRAM, runner });
  stack.defer(async () => {
    const isUndone = await undoChanges(journal);
    if (isUndone && ready) log.info("stopped: routes, rules and parameters are as before");
  });

  const ended = Promise.withResolvers<void>();
  ended.promise.catch(() => {}); // awaited below, unless the start fails first
  signal.addEventListener("abort", () => ended.resolve(), { once: true });
  stack.use(watchRules(journal, (line) => log.warn("{line}", { line })));
  const running = balancer = new Balancer(journal, names, strategyOf(options), {
    onRenewed: (renewed) => probing?.hurry(renewed),
    onBare: (name, gateway) => keeper.linkIsBare(name, gateway),
  });
  await running.sample(monotonicMs);
  await running.enable(await running.inspect());
  stack.defer(() => running.settled());

  const said = sayOnce();
  const follow = (wentDown: ReadonlySet<string>) => {
    if (!signal.aborted) running.refresh(wentDown).then(said.done, said.failed);
  };
  const subjects = FAMILIES.flatMap((family) =>
    names.map((device): Subject => ({ family, device }))
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
  }, subjects);
  stack.defer(() => probes.stop());
  stack.use(watchLinks(follow));
  ready = true;
  log.info(
    `fluxify-client balances IPv${running.balanced().join(" and IPv")} over ${names.join(", ")}`,
  );
  observer?.onBalancing(async () => {
    await running.sample(monotonicMs);
    return running.status();
  });
  const url = options.externalIpUrl;
  if (url !== null) asked = compareExternalAddresses(runner, running, url);
  if (signal.aborted) ended.resolve();
  await ended.promise;
  log.info("stopping");
}

/** Those the user names, or all with a gateway. Throws InterfaceError. */
async function chooseInterfaces(
  runner: CommandRunner,
  named: readonly string[],
): Promise<string[]> {
  if (named.length > 0) {
    const interfaces = await listInterfaces(runner);
    for (const name of named) requireInterface(interfaces, checkInterfaceName(name));
    return [...named];
  }
  const found = await findUplinks(runner);
  if (found.length >= 2) return found;
  throw new Error(
    `Cannot balance: at least two interfaces must have a gateway, and ${
      found.length === 0 ? "none has" : `only ${found[0]} has`
    } one`,
  );
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
  let last = Promise.resolve();
  let waiting = 0;
  const later = (action: () => Promise<void>) => () => {
    if (waiting >= READINGS_MAX) return;
    waiting++;
    last = last.then(action)
      .catch((error) => log.warn("cannot read the counters: {error}", { error }))
      .finally(() => waiting--);
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
      await last;
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
