/**
 * The clients' machine, as a program of its own: reads one JSON object (FleetTask) from its standard
 * input, and writes a JSON object on a line for each thing that happens.
 */
import { ask } from "../../client/control/connection.ts";
import { Libc } from "../../lib/ffi/libc/libc.ts";
import type { SchedulerName } from "../../lib/protocol/wire/scheduler_name.ts";
import { FEATURE_ORDER, FEATURE_X1 } from "../../lib/net/driver/features.ts";
import { type ControlGrant, encodeRequest } from "../../lib/protocol/wire/control_message.ts";
import { Fleet } from "./fleet.ts";
import { ANSWERS_MS, type FleetFigures, type FleetLink, type Pings } from "./fleet_figures.ts";

/** Keys of a client, in PEM. */
export interface FleetCredentials {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface SessionStep extends Pings {
  /** Sessions there shall be; never fewer than before. */
  readonly clients: number;
  /** So many of them send pings; the others have nothing to say. */
  readonly pinging: number;
  /** Measured for so long, after a rest. */
  readonly seconds: number;
  readonly restSeconds: number;
}

export interface SessionsWork {
  readonly kind: "sessions";
  /** Of each session. */
  readonly paths: number;
  /** Of the clients, which the server follows. */
  readonly scheduler: SchedulerName;
  readonly steps: readonly SessionStep[];
}

interface FleetPlace {
  readonly links: readonly FleetLink[];
  readonly controlPort: number;
  readonly dataPort: number;
  /** The server inside the tunnel. */
  readonly serverAddress: string;
  readonly caPem: string;
  readonly credentials: readonly FleetCredentials[];
}

export type FleetTask =
  & FleetPlace
  & (
    | SessionsWork
    | { readonly kind: "exchanges"; readonly perSecond: number; readonly seconds: number }
    | { readonly kind: "half open"; readonly connections: number; readonly exchanges: number }
  );

/** What is said of exchanges. */
export interface ExchangeFigures {
  readonly tried: number;
  readonly served: number;
  readonly perSecond: number;
  /** How long they took, in milliseconds. */
  readonly medianMs: number;
  readonly longestMs: number;
}

export type FleetNotice =
  | { readonly event: "opened"; readonly clients: number; readonly seconds: number }
  | { readonly event: "begin" }
  | { readonly event: "measured" }
  | { readonly event: "end"; readonly figures: FleetFigures }
  | { readonly event: "exchanges"; readonly figures: ExchangeFigures }
  | { readonly event: "done" };

/** Exchanges under way at a time while sessions are opened. */
const OPENING_MAX = 8;
const EXCHANGES_MAX = 256;
const EXCHANGE_TIMEOUT_MS = 10_000;
const FLEET_WAIT_MS = 20;
/**
 * Clients that are this late have no core to spare: no more exchanges are begun meanwhile. Later still,
 * they would take paths for down whose answers they have not read, and ask for more than can be answered.
 */
const LATE_MS_MAX = 30;
/** While exchanges are under way. */
const OPENING_WAIT_MS = 1;
/** As many paths that do not work are those of sessions that have just been opened; more wait. */
const NOT_UP_MAX = 100;
const NOT_UP_SHARE_MAX = 0.03;
const LOOK_MS = 200;
/** The event loop gets its turn as often. */
const TURNS_MS = 50;

class Exchanges {
  readonly #times: number[] = [];
  readonly #underWay = new Set<Promise<void>>();
  readonly #place: FleetPlace;
  #tried = 0;

  constructor(place: FleetPlace) {
    this.#place = place;
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  /** Starts one in the name of client `number`. */
  start(number: number, granted: (grant: ControlGrant) => void = () => {}): void {
    this.#tried++;
    const startMs = performance.now();
    const exchange = this.#ask(number).then((grant) => {
      this.#times.push(performance.now() - startMs);
      granted(grant);
    }, (error) => console.error(String(error)))
      .finally(() => this.#underWay.delete(exchange));
    this.#underWay.add(exchange);
  }

  /** Returns when one has ended, or none is under way. */
  async oneEnded(): Promise<void> {
    await Promise.race(this.#underWay);
  }

  /** When all have ended. */
  async figures(seconds: number): Promise<ExchangeFigures> {
    await Promise.all(this.#underWay);
    const times = this.#times.sort((a, b) => a - b);
    return {
      tried: this.#tried,
      served: times.length,
      perSecond: times.length / seconds,
      medianMs: times[times.length >> 1] ?? 0,
      longestMs: times.at(-1) ?? 0,
    };
  }

  async #ask(number: number): Promise<ControlGrant> {
    const { links, controlPort, caPem, credentials } = this.#place;
    const { server } = links[0]!;
    const own = credentials[number % credentials.length]!;
    const answer = await ask(
      { server, address: server, port: controlPort, credentials: { ...own, caPem } },
      encodeRequest({ clientName: "", features: [FEATURE_X1, FEATURE_ORDER], clientVersion: "" }),
      EXCHANGE_TIMEOUT_MS,
    );
    if (answer.kind === "refusal") throw new Error(`refused: ${answer.message}`);
    if (answer.kind !== "grant") throw new Error(`there is no session in a ${answer.kind}`);
    return answer;
  }
}

const NO_PINGS: Pings = { bytes: 0, everyMs: Infinity };

async function runSessions(
  place: FleetPlace,
  { paths, scheduler, steps }: SessionsWork,
): Promise<void> {
  const { dataPort, serverAddress } = place;
  const links = place.links.slice(0, paths);
  using fleet = new Fleet(Libc.open(), links, dataPort, serverAddress, scheduler);
  let asked = 0;
  for (const step of steps) {
    const { clients, pinging, seconds, restSeconds } = step;
    const startMs = performance.now();
    const exchanges = new Exchanges(place);
    fleet.ping(0, NO_PINGS);
    let isSettled = true;
    let lookAt = 0;
    while (fleet.size < clients) {
      if (performance.now() >= lookAt) {
        lookAt = performance.now() + LOOK_MS;
        const notUp = fleet.paths - fleet.pathsUp();
        isSettled = notUp <= NOT_UP_MAX + NOT_UP_SHARE_MAX * fleet.paths;
      }

      if (asked === clients && exchanges.underWay === 0) {
        throw new Error("Cannot open all sessions: some were refused");
      }
      while (
        isSettled && asked < clients && exchanges.underWay < OPENING_MAX &&
        fleet.lateMs < LATE_MS_MAX
      ) exchanges.start(asked++, (grant) => fleet.admit(grant));
      fleet.turn(exchanges.underWay === 0 ? FLEET_WAIT_MS : OPENING_WAIT_MS);
      await turnOfEventLoop();
    }
    tell({ event: "opened", clients, seconds: (performance.now() - startMs) / 1000 });
    await runFor(fleet, restSeconds);
    fleet.ping(pinging, step);
    await runFor(fleet, Math.min(2, restSeconds));
    fleet.takeFigures();
    tell({ event: "begin" });
    await runFor(fleet, seconds);
    tell({ event: "measured" });
    fleet.ping(0, NO_PINGS);
    await runFor(fleet, ANSWERS_MS / 1000);
    tell({ event: "end", figures: fleet.takeFigures() });
  }
}

async function runFor(fleet: Fleet, seconds: number): Promise<void> {
  const endMs = performance.now() + seconds * 1000;
  for (let now = performance.now(); now < endMs; now = performance.now()) {
    const turnsEndMs = Math.min(endMs, now + TURNS_MS);
    while (performance.now() < turnsEndMs) fleet.turn(FLEET_WAIT_MS);
    await turnOfEventLoop();
  }
}

async function runExchanges(
  place: FleetPlace,
  perSecond: number,
  seconds: number,
): Promise<void> {
  const exchanges = new Exchanges(place);
  tell({ event: "begin" });
  const startMs = performance.now();
  for (let number = 0; number < perSecond * seconds; number++) {
    const aheadMs = number / perSecond * 1000 - (performance.now() - startMs);
    if (aheadMs > 1) await new Promise((resolve) => setTimeout(resolve, aheadMs));
    if (performance.now() - startMs > seconds * 1000) break;
    if (exchanges.underWay < EXCHANGES_MAX) exchanges.start(number);
    else await exchanges.oneEnded();
  }
  const took = (performance.now() - startMs) / 1000;
  tell({ event: "exchanges", figures: await exchanges.figures(took) });
}

/** Connections that say nothing, or stop in the midst of the first message, and an honest client. */
async function runHalfOpen(place: FleetPlace, connections: number, tries: number): Promise<void> {
  const { links, controlPort } = place;
  const { server } = links[0]!;
  const open: Deno.TcpConn[] = [];
  // The head of a TLS record that is never finished.
  const head = Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc);
  for (let number = 0; number < connections; number++) {
    const connection = await Deno.connect({ hostname: server, port: controlPort });
    if (number % 2 === 1) await connection.write(head);
    open.push(connection);
  }
  tell({ event: "begin" });
  const startMs = performance.now();
  const exchanges = new Exchanges(place);
  for (let number = 0; number < tries; number++) {
    exchanges.start(number);
    await exchanges.oneEnded();
  }
  const took = (performance.now() - startMs) / 1000;
  tell({ event: "exchanges", figures: await exchanges.figures(took) });
  for (const connection of open) connection.close();
}

function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function tell(notice: FleetNotice): void {
  console.log(JSON.stringify(notice));
}

if (import.meta.main) {
  const task = JSON.parse(await new Response(Deno.stdin.readable).text()) as FleetTask;
  if (task.kind === "sessions") await runSessions(task, task);
  else if (task.kind === "exchanges") await runExchanges(task, task.perSecond, task.seconds);
  else await runHalfOpen(task, task.connections, task.exchanges);
  tell({ event: "done" });
  Deno.exit(0);
}
