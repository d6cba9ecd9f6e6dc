/** The entry of `fluxify-server`, and of its data plane's thread. */
import { runEntry } from "../lib/entry/run_entry.ts";

await runEntry(import.meta.main, () => import("./server_program.ts"));
