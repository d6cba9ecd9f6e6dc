/** What is measured, topic by topic, each with a server of its own. */
import type { Child } from "../../tests/netns/namespace.ts";
import { cpuSeconds, residentMib } from "../bench/process_usage.ts";
import type { SchedulerName } from "../../lib/protocol/wire/scheduler_name.ts";
import type { ExchangeFigures, FleetNotice, SessionStep, SessionsWork } from "./fleet_program.ts";
import { EXCHANGES_PER_SECOND, HALF_OPEN, type LoadReport, type SessionsFigure } from "./report.ts";
import { Site } from "./site.ts";

export const TOPICS = ["idle", "busy", "many", "exchanges", "half-open"] as const;
export type TopicName = (typeof TOPICS)[number];

/** 100 kbit/s each way: ten pings of 1250 bytes a second, four at a time, each answered by as many. */
const BUSY = { bytes: 1250, everyMs: 400, pings: 4 } as const;
/** Who tells of the delay on an idle server. */
const SAMPLE = { bytes: 84, everyMs: 200 } as const;
const SAMPLES = 2;
const IDLE = [10, 100, 300, 1000] as const;
/** Code that has run for long enough to be compiled for good. */
const IDLE_REST_SECONDS = 12;
const BUSY_OF_1000 = [100, 300, 600, 1000] as const;
const MANY = [3000, 10_000] as const;
const EXCHANGE_SECONDS = 15;
const EXCHANGE_CLIENTS = 500;
const HALF_OPEN_TRIES = 20;
const IDLE_PATHS = 2;
/** The clients have one core here, and each path costs them more than it costs the server. */
const BUSY_PATHS = 1;
/** With two paths each, as many as the clients' core carries. */
const BUSY_TWO_PATHS = [100, 300, 500] as const;
const FLEET_TIMEOUT_MS = 400_000;

export async function runLoad(
  topics: readonly TopicName[],
  threads: number,
  scheduler: SchedulerName,
  progress: (line: string) => void,
): Promise<LoadReport> {
  await using site = await Site.create(threads);
  const args = threads === 1 ? [] : ["-threads", String(threads)];
  const sessions: SessionsFigure[] = [];
  let exchanges: LoadReport["exchanges"] = null;
  let halfOpen: LoadReport["halfOpen"] = null;
  for (const topic of topics) {
    progress(topic);
    const server = await site.startServer(args);
    const measure = async (paths: number, steps: readonly SessionStep[]) => {
      const work = { kind: "sessions", paths, scheduler, steps } as const;
      sessions.push(...await measureSessions(site, server, work, progress));
    };
    switch (topic) {
      case "idle":
        await measure(IDLE_PATHS, IDLE.map(idle));
        break;
      case "busy":
        await measure(BUSY_PATHS, BUSY_OF_1000.map(busy));
        await measure(IDLE_PATHS, BUSY_TWO_PATHS.map(busy));
        break;
      case "many":
        await measure(IDLE_PATHS, MANY.map(idle));
        break;
      case "exchanges":
        exchanges = await measureExchanges(site, server);
        break;
      case "half-open":
        halfOpen = await measureHalfOpen(site);
        break;
      default:
        topic satisfies never;
    }
    if (server.exitCode !== null) throw new Error(`The server has ended:\n${server.tail()}`);
    await server.stop("SIGTERM", 20_000);
  }
  return { cores: navigator.hardwareConcurrency, threads, sessions, exchanges, halfOpen };
}

function idle(clients: number): SessionStep {
  return {
    clients,
    pinging: Math.min(clients, SAMPLES),
    ...SAMPLE,
    restSeconds: IDLE_REST_SECONDS,
    seconds: 12,
  };
}

function busy(pinging: number): SessionStep {
  return { clients: 1000, pinging, ...BUSY, restSeconds: 5, seconds: 8 };
}

async function measureSessions(
  site: Site,
  server: Child,
  work: SessionsWork,
  progress: (line: string) => void,
): Promise<SessionsFigure[]> {
  const { paths, steps } = work;
  const figures: SessionsFigure[] = [];
  const clients = Math.max(...steps.map((step) => step.clients));
  const usage = new Usage(server);
  let before = 0;
  let openedPerSecond: number | null = null;
  let used = { percent: 0, mib: 0 };
  await site.runFleet(work, clients, FLEET_TIMEOUT_MS, (notice) => {
    if (notice.event === "opened") {
      const { clients, seconds } = notice;
      openedPerSecond = clients > before ? (clients - before) / seconds : null;
      before = clients;
      progress(`${clients} sessions are open, after ${seconds.toFixed(1)} s`);
    }
    if (notice.event === "begin") usage.begin();
    if (notice.event === "measured") used = usage.end();
    if (notice.event !== "end") return;
    const { sent, answered, roundTripMs } = notice.figures;
    const { clients, pinging, bytes } = steps[figures.length]!;
    const isBusy = bytes === BUSY.bytes;
    figures.push({
      kind: isBusy ? "busy" : "idle",
      sessions: clients,
      busy: isBusy ? pinging : 0,
      ...used,
      pingMs: roundTripMs,
      answered: sent === 0 ? 1 : Math.min(1, answered / sent),
      pathsUp: notice.figures.pathsUp / notice.figures.paths,
      paths,
      openedPerSecond,
    });
    progress(JSON.stringify(figures.at(-1)));
  });
  return figures;
}

async function measureExchanges(
  site: Site,
  server: Child,
): Promise<NonNullable<LoadReport["exchanges"]>> {
  const work = {
    kind: "exchanges",
    perSecond: EXCHANGES_PER_SECOND,
    seconds: EXCHANGE_SECONDS,
  } as const;
  const usage = new Usage(server);
  let percent = 0;
  const figures = await exchangeFigures((onNotice) =>
    site.runFleet(work, EXCHANGE_CLIENTS, FLEET_TIMEOUT_MS, (notice) => {
      if (notice.event === "begin") usage.begin();
      if (notice.event === "exchanges") percent = usage.end().percent;
      onNotice(notice);
    })
  );
  return { ...figures, percent };
}

function measureHalfOpen(site: Site): Promise<ExchangeFigures> {
  const work = {
    kind: "half open",
    connections: HALF_OPEN,
    exchanges: HALF_OPEN_TRIES,
  } as const;
  return exchangeFigures((onNotice) =>
    site.runFleet(work, HALF_OPEN_TRIES, FLEET_TIMEOUT_MS, onNotice)
  );
}

async function exchangeFigures(
  run: (onNotice: (notice: FleetNotice) => void) => Promise<void>,
): Promise<ExchangeFigures> {
  let figures: ExchangeFigures | null = null;
  await run((notice) => {
    if (notice.event === "exchanges") figures = notice.figures;
  });
  if (figures === null) throw new Error("The clients have told nothing of their exchanges");
  return figures;
}

/** What a process takes between two moments. */
class Usage {
  readonly #process: Child;
  #beganMs = 0;
  #beganSeconds = 0;

  constructor(process: Child) {
    this.#process = process;
  }

  begin(): void {
    this.#beganMs = performance.now();
    this.#beganSeconds = cpuSeconds(this.#process.pid);
  }

  end(): { percent: number; mib: number } {
    const { pid } = this.#process;
    const seconds = (performance.now() - this.#beganMs) / 1000;
    return {
      percent: 100 * (cpuSeconds(pid) - this.#beganSeconds) / seconds,
      mib: residentMib(pid),
    };
  }
}
