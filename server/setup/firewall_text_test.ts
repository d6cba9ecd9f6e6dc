import { match, ok } from "node:assert/strict";
import { nftCommands, optionalPort } from "./firewall_text.ts";

Deno.test("the commands of nft are those of docs/operations.md", async () => {
  const path = new URL("../../docs/operations.md", import.meta.url);
  const row = (await Deno.readTextFile(path)).split("\n").find((line) => /^\| nft /.test(line));
  for (const command of nftCommands(8443, 8000)) ok(row?.includes(`\`${command}\``), command);
});

Deno.test("the port that only tells the kind of NAT is named as one that may stay closed", () => {
  match(optionalPort(8443), /^UDP 8443 may be let in, too: .*diag.*NAT/);
});
