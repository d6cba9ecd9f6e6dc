/** `-mss-clamp`: what becomes of the segment size of TCP connections. */
import { Option } from "@commander-js/extra-typings";
import { UsageError } from "../lib/cli/exit.ts";
import { parseInteger } from "../lib/cli/integer.ts";
import { GROUPS } from "../lib/cli/tunnel_options.ts";
import { MSS_MAX, MSS_MIN, type MssClamp } from "../lib/host/firewall/mss_clamp.ts";

export const mssClampOption = () =>
  new Option(
    "--mss-clamp <what>",
    "clamp the MSS of TCP: off, pmtu or fixed:N, N from 500 to 9000",
  ).helpGroup(GROUPS.tuning).default({ kind: "pmtu" } as MssClamp, "pmtu")
    .argParser(parseMssClamp);

/** `off` or `0`, `pmtu`, `fixed:1360` or the number alone, in letters of either case. */
function parseMssClamp(text: string): MssClamp {
  const word = text.toLowerCase();
  if (word === "off" || word === "0") return { kind: "off" };
  if (word === "pmtu") return { kind: "pmtu" };
  const mssBytes = parseInteger(word.replace(/^fixed:/, ""));
  if (mssBytes !== null && mssBytes >= MSS_MIN && mssBytes <= MSS_MAX) {
    return { kind: "fixed", mssBytes };
  }
  throw new UsageError(
    `-mss-clamp must be off, pmtu or fixed:N with N from ${MSS_MIN} to ${MSS_MAX}, not '${text}'`,
  );
}
