import type { Lab } from "../../scripts/lab/lab.ts";

/** The server's machine has address `to` in the place of `from`. */
export async function moveServer({ server }: Lab, from: string, to: string): Promise<void> {
  await server.run("ip", "address", "add", `${to}/24`, "dev", "wan");
  await server.run("ip", "address", "del", `${from}/24`, "dev", "wan");
  await server.run("ip", "route", "replace", "default", "via", "203.0.113.1");
}
