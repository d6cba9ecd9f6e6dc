/** Chooses the engine: the one that was asked for, or the fastest this machine can run. */
import type { Engine, EngineName, EngineOptions } from "./engine.ts";
import { NativeEngine, nativeEngineObstacle } from "./native/native_engine.ts";

export interface StartedEngine {
  readonly engine: Engine;
  readonly name: EngineName;
  /** One line for the log: what was chosen, and why. */
  readonly reason: string;
}

/** @throws Error when the engine asked for cannot run here; SyscallError, TunError. */
export async function startEngine(
  choice: EngineName | "auto",
  options: EngineOptions,
): Promise<StartedEngine> {
  if (choice === "portable") {
    const reason = "portable engine, as asked for";
    return { engine: await startPortable(options), name: "portable", reason };
  }
  const obstacle = nativeEngineObstacle();
  const { threads = 1 } = options;
  if (obstacle === null) {
    const why = choice === "native" ? "as asked for" : "libc and libcrypto can be used";
    const many = threads === 1 ? "" : `, ${threads} threads`;
    const reason = `native engine${many}: ${why}`;
    return { engine: new NativeEngine(options), name: "native", reason };
  }
  if (choice === "native") {
    throw new Error(`Cannot run the native engine: ${obstacle}; try -engine portable`);
  }
  return {
    engine: await startPortable(options),
    name: "portable",
    reason: `portable engine, which is slower: the native one cannot run here (${obstacle})`,
  };
}

/** Loaded only where it is used: the native engine runs in a thread, and needs none of it here. */
async function startPortable(options: EngineOptions): Promise<Engine> {
  const { PortableEngine } = await import("./portable/portable_engine.ts");
  return new PortableEngine(options);
}
