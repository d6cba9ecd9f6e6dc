/** What is prescribed for a client, as people read it. */
import { formatBytes, formatRate } from "../../lib/cli/screen/figures.ts";
import type { Prescribed } from "../../lib/status/server_status.ts";
import { SETTING_WORDS, type SettingWord } from "./client_settings.ts";

/** As in `50.0 Mbit/s down, 10.0 Mbit/s up`; null for what is not prescribed. */
export function settingTexts(prescribed: Prescribed): Record<SettingWord, string | null> {
  const { rate, quotaBytes, usedBytes, expires, reach, address, routes } = prescribed;
  const used = usedBytes === null ? "" : `${formatBytes(usedBytes)} of `;
  return {
    rate: rate === null ? null : `${formatRate(rate.down)} down, ${formatRate(rate.up)} up`,
    quota: quotaBytes === null ? null : `${used}${formatBytes(quotaBytes)} this month`,
    expires,
    reach: reach === null ? null : reach.join(", "),
    address,
    routes: routes.length === 0 ? null : routes.join(", "),
  };
}

/** What is prescribed, by its word. */
export function settingRows(prescribed: Prescribed): [SettingWord, string][] {
  const texts = settingTexts(prescribed);
  return SETTING_WORDS.flatMap((word) => {
    const text = texts[word];
    return text === null ? [] : [[word, text]];
  });
}

/** In one line, for tables of sessions; a dash where nothing is prescribed. */
export function prescribedLine(prescribed: Prescribed | null): string {
  if (prescribed === null) return "-";
  const { rate, quota, expires, reach, routes } = settingTexts(prescribed);
  const parts = [
    rate,
    quota,
    expires === null ? null : `until ${expires}`,
    reach === null ? null : `reaches ${reach}`,
    routes === null ? null : `routes ${routes}`,
  ].filter((part) => part !== null);
  return parts.length === 0 ? "address" : parts.join("; ");
}
