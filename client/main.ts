/** The entry of `fluxify-client`, and of its data plane's thread. */
import { runEntry } from "../lib/entry/run_entry.ts";

await runEntry(import.meta.main, () => import("./client_program.ts"));
