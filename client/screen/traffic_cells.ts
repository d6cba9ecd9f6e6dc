/** What the table shows of the bytes of a link, in both modes. */
import { formatBytes, formatPart, formatRate } from "../../lib/cli/screen/figures.ts";
import { span } from "../../lib/cli/screen/styled_line.ts";
import type { Traffic } from "../../lib/status/traffic_history.ts";
import type { Cell } from "./status_model.ts";
import { LAST_MINUTE, SPARKLINE } from "./table.ts";

/** By the keys of the columns. `share` is the part of all, 0 to 1; null: nothing flows. */
export function trafficCells(traffic: Traffic, share: number | null): Record<string, Cell> {
  return {
    share: span(formatPart(share)),
    down: span(formatRate(traffic.receivedBytesPerSecond)),
    up: span(formatRate(traffic.sentBytesPerSecond)),
    bytes: span(formatBytes(traffic.receivedBytes + traffic.sentBytes)),
    [LAST_MINUTE.key]: span(SPARKLINE),
  };
}
