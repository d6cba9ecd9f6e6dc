/** The entry of the relay's thread in tests, which have no program. */
import { isRelayWorker, runRelayWorker } from "./worker.ts";

if (isRelayWorker()) runRelayWorker();
