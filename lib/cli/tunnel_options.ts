import { Option } from "@commander-js/extra-typings";
import { durationMsIn } from "./duration.ts";
import { UsageError } from "./exit.ts";
import { integerIn } from "./integer.ts";

/** Which implementation of the data plane to run; `"auto"` probes and takes the fastest. */
export type EngineChoice = "native" | "portable" | "auto";

const ENGINES: readonly string[] = ["native", "portable", "auto"] satisfies EngineChoice[];

/** What both ends of the tunnel can be told. */
export interface TunnelOptions {
  /** TCP port of the control plane, on the server. */
  controlPort: number;
  /** Packets the reorder buffer holds at most. */
  reorderBufferSize: number;
  /** How long the reorder buffer waits for a missing packet. */
  reorderFlushTimeoutMs: number;
  engine: EngineChoice;
  /** What the log shows. */
  logLevel: "debug" | "info";
  logFormat: "text" | "json";
}

export const controlPortOption = () =>
  new Option("--ctrl <port>", "TCP port of the control plane")
    .default(8443).argParser(integerIn("-ctrl", 1, 65535));

export const reorderBufferSizeOption = () =>
  new Option("--reorder-buffer-size <packets>", "packets the reorder buffer holds at most")
    .default(128).argParser(integerIn("-reorder-buffer-size", 1, 65536));

export const reorderFlushTimeoutOption = () =>
  new Option("--reorder-flush-timeout <time>", "how long to wait for a missing packet")
    .default(50, "50ms").argParser(durationMsIn("-reorder-flush-timeout", 0, 10_000));

export const engineOption = () =>
  new Option("--engine <name>", "data plane: native, portable or auto")
    .default("auto" as EngineChoice).argParser(parseEngine);

export const verboseOption = () => new Option("-v, --verbose", "log more, and errors in full");

export const logJsonOption = () => new Option("--log-json", "log one JSON object a line");

/** Values of the options above as commander collects them. */
export interface RawTunnelOptions {
  ctrl: number;
  reorderBufferSize: number;
  reorderFlushTimeout: number;
  engine: EngineChoice;
  verbose?: true | undefined;
  logJson?: true | undefined;
}

export function tunnelOptions(raw: RawTunnelOptions): TunnelOptions {
  return {
    controlPort: raw.ctrl,
    reorderBufferSize: raw.reorderBufferSize,
    reorderFlushTimeoutMs: raw.reorderFlushTimeout,
    engine: raw.engine,
    ...logOptions(raw),
  };
}

export function logOptions(
  raw: Pick<RawTunnelOptions, "verbose" | "logJson">,
): Pick<TunnelOptions, "logLevel" | "logFormat"> {
  return {
    logLevel: raw.verbose ? "debug" : "info",
    logFormat: raw.logJson ? "json" : "text",
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

function parseEngine(text: string): EngineChoice {
  if (!ENGINES.includes(text)) {
    throw new UsageError(`-engine must be native, portable or auto, not '${text}'`);
  }
  return text as EngineChoice;
}
