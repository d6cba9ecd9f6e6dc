import manifest from "../../deno.json" with { type: "json" };

/** The version of both programs, as `deno.json` states it. */
export const VERSION: string = manifest.version;
