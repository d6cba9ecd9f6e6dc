/** The native engine's thread: takes messages from the main thread and runs the loop. */
import { messageOf } from "../../ffi/error_text.ts";
import {
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  workerData,
} from "node:worker_threads";
import { Libc } from "../../ffi/libc/libc.ts";
import { collectGarbage } from "../../ffi/memory/garbage.ts";
import type { PathRule } from "../../protocol/wire/path_rule.ts";
import type { TunDevice } from "../../ffi/linux/tun.ts";
import type {
  EngineEvent,
  EngineSession,
  SessionHeard,
  SessionLimits,
  SessionReport,
} from "../engine.ts";
import type { HandoverPlan } from "./handover.ts";
import { Loop } from "./loop.ts";
import type { EngineSocket } from "./sockets.ts";

/** What is answered with a value. */
export interface Answers {
  readonly report: SessionReport[];
  readonly heard: SessionHeard[];
  readonly alive: never[];
}
export type Question = keyof Answers;

/** Main thread to worker. */
export type Command =
  | { readonly kind: "open session"; readonly session: EngineSession }
  | { readonly kind: "close session"; readonly id: number }
  | {
    readonly kind: "add path";
    readonly session: number;
    readonly id: number;
    readonly name: string;
    readonly family: 4 | 6;
    readonly socket: EngineSocket;
  }
  | { readonly kind: "remove path"; readonly session: number; readonly path: number }
  | {
    readonly kind: "path rule";
    readonly session: number;
    readonly path: number;
    readonly rule: PathRule;
  }
  | { readonly kind: "limits"; readonly session: number; readonly limits: SessionLimits }
  | { readonly kind: "probe paths"; readonly session: number }
  | { readonly kind: "ask to leave"; readonly session: number }
  | {
    readonly kind: "routes elsewhere";
    readonly ipv4: string;
    readonly prefixes: readonly string[];
  }
  | { readonly kind: Question; readonly request: number }
  | { readonly kind: "stop" };

/** Worker to main thread. */
export type Notice =
  | EngineEvent
  | {
    readonly kind: "answer";
    readonly request: number;
    readonly value: Answers[Question];
  }
  | { readonly kind: "stopped" };

export interface NativeWorkerData {
  readonly fluxifyEngine: "native";
  readonly port: MessagePort;
  readonly tun: TunDevice;
  readonly wakeFd: number;
  readonly sharedSocket: EngineSocket & { readonly isV6: boolean } | null;
  readonly drops: SharedArrayBuffer;
  /** Null: it is the engine's only thread. */
  readonly handover: HandoverPlan | null;
}

/** Whether this thread was started to be the native engine. */
export function isNativeWorker(): boolean {
  return parentPort !== null &&
    (workerData as Partial<NativeWorkerData>)?.fluxifyEngine === "native";
}

/** Runs the engine in this thread until it is told to stop. */
export function runNativeWorker(): void {
  const { port, tun, wakeFd, sharedSocket, drops, handover } = workerData as NativeWorkerData;
  const tell = (notice: Notice) => port.postMessage(notice);
  let loop: Loop | null = null;
  try {
    loop = new Loop(Libc.open(), {
      tun,
      wakeFd,
      sharedSocket,
      drops: new Float64Array(drops),
      handover,
      emit: tell,
      handleMessages: (loop) => handleMessages(loop, port, tell),
    });
    // What loading the thread has left: later, nothing would.
    collectGarbage();
    loop.run();
    loop.close();
  } catch (error) {
    closeAfter(loop);
    tell({ kind: "fault", message: messageOf(error) });
  }
  tell({ kind: "stopped" });
  port.close();
}

/** The loop cannot go on, but as a rule it can tell the peers, who then lose no time, and wipe the keys. */
function closeAfter(loop: Loop | null): void {
  try {
    loop?.close();
  } catch {
    // What ended it keeps it from that, too.
  }
}

function handleMessages(loop: Loop, port: MessagePort, tell: (notice: Notice) => void): boolean {
  for (
    let received = receiveMessageOnPort(port);
    received !== undefined;
    received = receiveMessageOnPort(port)
  ) {
    const command = received.message as Command;
    switch (command.kind) {
      case "open session":
        loop.openSession(command.session);
        break;
      case "close session":
        loop.closeSession(command.id);
        break;
      case "add path":
        loop.addPath(command);
        break;
      case "remove path":
        loop.removePath(command.session, command.path);
        break;
      case "path rule":
        loop.setPathRule(command.session, command.path, command.rule);
        break;
      case "limits":
        loop.setLimits(command.session, command.limits);
        break;
      case "routes elsewhere":
        loop.setRoutesElsewhere(command.ipv4, command.prefixes);
        break;
      case "probe paths":
        loop.probePaths(command.session);
        break;
      case "ask to leave":
        loop.askToLeave(command.session);
        break;
      case "report":
        tell({ kind: "answer", request: command.request, value: loop.report() });
        break;
      case "heard":
        tell({ kind: "answer", request: command.request, value: loop.heard() });
        break;
      case "alive":
        tell({ kind: "answer", request: command.request, value: [] });
        break;
      case "stop":
        return false;
      default:
        command satisfies never;
    }
  }
  return true;
}
