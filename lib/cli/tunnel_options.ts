import { Option } from "@commander-js/extra-typings";
import {
  COMPRESSION_MODES,
  type CompressionMode,
} from "../protocol/compression/compression_mode.ts";
import type { DscpMode } from "../protocol/packet/traffic_class.ts";
import { type SchedulerName, SCHEDULERS } from "../protocol/wire/scheduler_name.ts";
import type { SessionTuning } from "../protocol/session/session_tuning.ts";
import { durationMsIn } from "./duration.ts";
import { UsageError } from "./exit.ts";
import { integerIn } from "./integer.ts";

const DSCP_MAX = 63;

/** Which implementation of the data plane to run; `"auto"` probes and takes the fastest. */
type EngineChoice = "native" | "portable" | "auto";

const ENGINES = ["native", "portable", "auto"] as const satisfies EngineChoice[];

/** TCP port of the control plane, unless another is given. */
export const CONTROL_PORT = 8443;

/** What both ends of the tunnel can be told. */
export interface TunnelOptions {
  /** TCP port of the control plane, on the server. */
  controlPort: number;
  /** Packets the reorder buffer holds at most. */
  reorderBufferSize: number;
  /** How long the reorder buffer waits for a missing packet. */
  reorderFlushTimeoutMs: number;
  engine: EngineChoice;
  tuning: SessionTuning;
  /** Whether peers are taken that speak v1 only, which has no replay protection. */
  acceptsV1: boolean;
  /** What the log shows. */
  logLevel: "debug" | "info";
  logFormat: "text" | "json";
  /** Sentences to log first; absent when there are none. */
  notices?: string[];
}

/** A gap that is older is no reordering any more. */
const REORDER_FLUSH_MAX_MS = 10_000;

/** Headings of the help, in their order. Each option of a program is under one of them. */
export const GROUPS = {
  connection: "Connection:",
  links: "Links:",
  tuning: "Tuning:",
  safety: "Safety:",
  output: "Output:",
} as const;

export const controlPortOption = () =>
  new Option("--ctrl <port>", "TCP port of the control plane").helpGroup(GROUPS.connection)
    .default(CONTROL_PORT).argParser(integerIn("-ctrl", 1, 65535));

export const reorderBufferSizeOption = () =>
  new Option("--reorder-buffer-size <packets>", "packets a reorder buffer tells apart, 1 to 65536")
    .helpGroup(GROUPS.tuning)
    .default(2048).argParser(integerIn("-reorder-buffer-size", 1, 65536));

export const reorderFlushTimeoutOption = () =>
  new Option(
    "--reorder-flush-timeout <time>",
    "how long a packet waits for those before it, 10s at most; also decides which paths count as good",
  )
    .helpGroup(GROUPS.tuning)
    // The original takes any duration: what is too long is cut, and said, in tunnelOptions().
    .default(50, "50ms").argParser(durationMsIn("-reorder-flush-timeout", 0, Infinity));

export const engineOption = () =>
  new Option("--engine <name>", "data plane: native, portable or auto")
    .helpGroup(GROUPS.tuning).choices(ENGINES).default("auto" as EngineChoice).argParser(
      oneOf("-engine", ENGINES),
    );

export const schedulerOption = (otherwise: string) =>
  new Option(
    "--scheduler <name>",
    `how packets are spread: ${SCHEDULERS.join(", ")} (default: ${otherwise})`,
  ).helpGroup(GROUPS.tuning).choices(SCHEDULERS).argParser(oneOf("-scheduler", SCHEDULERS));

export const compressionOption = () =>
  new Option("--compression <mode>", "compress packets: auto, off or always")
    .helpGroup(GROUPS.tuning).choices(COMPRESSION_MODES).default("auto" as CompressionMode)
    .argParser(oneOf("-compression", COMPRESSION_MODES));

export const dscpOption = () =>
  new Option("--dscp <value>", "DSCP of datagrams: copy (of the packet inside), off, or 0 to 63")
    .helpGroup(GROUPS.tuning).default("copy" as DscpMode, "copy").argParser(parseDscp);

/** @throws UsageError */
function parseDscp(text: string): DscpMode {
  if (text === "copy" || text === "off") return text;
  if (/^\d{1,2}$/.test(text) && Number(text) <= DSCP_MAX) return Number(text);
  throw new UsageError(`-dscp must be copy, off or 0 to ${DSCP_MAX}, not '${text}'`);
}

/** `auto`: where the server answers probes. */
const PROBING = ["auto", "off"] as const;
type Probing = typeof PROBING[number];

export const probePmtudOption = () =>
  new Option("--probe-pmtud <when>", "find out what size of packets each path carries: auto or off")
    .helpGroup(GROUPS.tuning).choices(PROBING).default("auto" as Probing)
    .argParser(oneOf("-probe-pmtud", PROBING));

export const rekeyEveryOption = () =>
  new Option("--rekey-every <time>", "change keys at least this often, 1s to 2m")
    .helpGroup(GROUPS.safety)
    .default(120_000, "2m").argParser(durationMsIn("-rekey-every", 1000, 120_000));

export const acceptV1Option = (peers: string) =>
  new Option(
    "--accept-v1",
    `take ${peers} that speak v1 only, without protection against replays`,
  ).helpGroup(GROUPS.safety);

export const verboseOption = () =>
  new Option("-v, --verbose", "log more, and errors in full").helpGroup(GROUPS.output);

export const logJsonOption = () =>
  new Option("--log-json", "log one JSON object a line, the error that ends it too")
    .helpGroup(GROUPS.output);

/** Taken so that command lines of the Go programs work; says that it does nothing. */
export const compressionSampleSizeOption = () =>
  new Option("--compression-sample-size <bytes>", "has no effect").hideHelp();

/** Values of the options above as commander collects them. */
interface RawTunnelOptions {
  ctrl: number;
  reorderBufferSize: number;
  reorderFlushTimeout: number;
  engine: EngineChoice;
  scheduler?: SchedulerName | undefined;
  compression: CompressionMode;
  probePmtud?: Probing | undefined;
  rekeyEvery: number;
  dscp: DscpMode;
  acceptV1?: true | undefined;
  verbose?: true | undefined;
  logJson?: true | undefined;
  compressionSampleSize?: string | undefined;
}

export function tunnelOptions(raw: RawTunnelOptions): TunnelOptions {
  return {
    controlPort: raw.ctrl,
    reorderBufferSize: raw.reorderBufferSize,
    reorderFlushTimeoutMs: Math.min(raw.reorderFlushTimeout, REORDER_FLUSH_MAX_MS),
    engine: raw.engine,
    tuning: {
      scheduler: raw.scheduler ?? null,
      compression: raw.compression,
      probeMtu: raw.probePmtud !== "off",
      rekeyEveryMs: raw.rekeyEvery,
      dscp: raw.dscp,
    },
    acceptsV1: raw.acceptV1 === true,
    ...logOptions(raw),
  };
}

export function logOptions(
  raw:
    & Pick<RawTunnelOptions, "verbose" | "logJson" | "compressionSampleSize">
    & Partial<Pick<RawTunnelOptions, "reorderFlushTimeout">>,
): Pick<TunnelOptions, "logLevel" | "logFormat" | "notices"> {
  const notices: string[] = [];
  if (raw.compressionSampleSize !== undefined) {
    notices.push(
      "-compression-sample-size has no effect: each packet is looked at, see -compression",
    );
  }
  if ((raw.reorderFlushTimeout ?? 0) > REORDER_FLUSH_MAX_MS) {
    notices.push("-reorder-flush-timeout is taken as 10s: no packet waits longer for others");
  }
  return {
    logLevel: raw.verbose ? "debug" : "info",
    logFormat: raw.logJson ? "json" : "text",
    ...notices.length === 0 ? {} : { notices },
  };
}

/** A parser for the option `flag` that refuses an empty path. It throws UsageError. */
export function pathFor(flag: string): (text: string) => string {
  return (text) => {
    if (text.trim() === "" || text.includes("\0")) {
      throw new UsageError(`${flag} must be a path, not '${text}'`);
    }
    return text;
  };
}

/** A parser for the option `flag` that takes the words of `choices` only. It throws UsageError. */
function oneOf<Choice extends string>(
  flag: string,
  choices: readonly Choice[],
): (text: string) => Choice {
  return (text) => {
    const choice = choices.find((choice) => choice === text);
    if (choice !== undefined) return choice;
    const list = `${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}`;
    throw new UsageError(`${flag} must be ${list}, not '${text}'`);
  };
}
