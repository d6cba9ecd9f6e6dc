/** The relay's thread: takes commands from the main thread and runs the loop. */
import {
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  workerData,
} from "node:worker_threads";
import { Libc } from "../../ffi/libc/libc.ts";
import type { RelayCommand, RelayNotice } from "./message.ts";
import { RelayLoop } from "./relay_loop.ts";

export interface RelayWorkerData {
  readonly fluxifyRelay: true;
  readonly port: MessagePort;
  readonly wakeFd: number;
}

/** Whether this thread was started to be the relay. */
export function isRelayWorker(): boolean {
  return parentPort !== null && (workerData as Partial<RelayWorkerData>)?.fluxifyRelay === true;
}

/** Runs the relay in this thread until it is told to stop. */
export function runRelayWorker(): void {
  const { port, wakeFd } = workerData as RelayWorkerData;
  const tell = (notice: RelayNotice) => port.postMessage(notice);
  const loop = new RelayLoop(Libc.open(), wakeFd, tell);
  const takeCommands = (take: (command: RelayCommand) => void) => {
    for (
      let received = receiveMessageOnPort(port);
      received !== undefined;
      received = receiveMessageOnPort(port)
    ) take(received.message as RelayCommand);
  };
  try {
    loop.run((loop) => takeCommands((command) => loop.obey(command)));
  } finally {
    takeCommands((command) => loop.refuse(command));
  }
  tell({ kind: "stopped" });
  port.close();
}
