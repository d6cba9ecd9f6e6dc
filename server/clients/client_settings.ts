/** What the operator of a server has prescribed for a client. */
import type { DownUp } from "../../lib/cli/traffic_figures.ts";

export interface ClientSettings {
  /** Bytes a second of packets inside the tunnel, to the client and from it; null: no limit. */
  readonly rate: DownUp | null;
  /** Bytes a calendar month, both ways together; null: no limit. */
  readonly quotaBytes: number | null;
  /** The last day on which it is let in, as in `2027-01-31`, by the machine's clock; null: none. */
  readonly expires: string | null;
  /** Prefixes it may send to through the tunnel, of both families; null: anywhere. */
  readonly reach: readonly string[] | null;
  /** Its IPv4 address inside the tunnel, which is nobody else's; null: any. */
  readonly address: string | null;
  /** Prefixes behind it, which are routed to it. */
  readonly routes: readonly string[];
}

export const NO_SETTINGS: ClientSettings = {
  ...{ rate: null, quotaBytes: null, expires: null, reach: null, address: null },
  routes: [],
};

/** The words of `client unset`, in the order in which settings are shown. */
export const SETTING_WORDS = ["rate", "quota", "expires", "reach", "address", "routes"] as const;
export type SettingWord = (typeof SETTING_WORDS)[number];

/** The setting that each word stands for, as nothing is prescribed. */
export const UNSET: Readonly<Record<SettingWord, Partial<ClientSettings>>> = {
  rate: { rate: null },
  quota: { quotaBytes: null },
  expires: { expires: null },
  reach: { reach: null },
  address: { address: null },
  routes: { routes: [] },
};

export function isNothing(settings: ClientSettings): boolean {
  return encodedFields(settings).length === 0;
}

/** Those that prescribe something. */
export function encodedFields(settings: ClientSettings): [string, unknown][] {
  return Object.entries(settings).filter(([key, value]) =>
    key === "routes" ? (value as readonly string[]).length > 0 : value !== null
  );
}

/** The first moment of the day after `expires`, in ms since 1970. */
export function endOf(expires: string): number {
  const [year, month, day] = expires.split("-").map(Number) as [number, number, number];
  return new Date(year, month - 1, day + 1).getTime();
}
