import { ok } from "node:assert/strict";
import { nftCommands } from "./firewall_text.ts";

Deno.test("the commands of nft are those of docs/operations.md", async () => {
  const path = new URL("../../docs/operations.md", import.meta.url);
  const row = (await Deno.readTextFile(path)).split("\n").find((line) => /^\| nft /.test(line));
  for (const command of nftCommands(8443, 8000)) ok(row?.includes(`\`${command}\``), command);
});
