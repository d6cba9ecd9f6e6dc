/** Figures as people read them. Null is what is not known: a dash. */
import { cut } from "./styled_line.ts";

const UNKNOWN = "-";
const PREFIXES = ["", "k", "M", "G", "T", "P"];
const BARS = "▁▂▃▄▅▆▇█";
/** Stands for nothing at all, which the lowest bar does not. */
const NO_BAR = "_";
/** A link that carries no more than its heartbeats looks idle: 100 kbit/s make the highest bar. */
const IDLE_BYTES_PER_SECOND = 12_500;

/** `12.4 Mbit/s`: links are sold in bits. At most 11 columns. */
export function formatRate(bytesPerSecond: number): string {
  return scaled(bytesPerSecond * 8, "bit/s");
}

/** `1.2 GB`. At most 7 columns. */
export function formatBytes(bytes: number): string {
  return scaled(bytes, "B");
}

/** `0.34 ms`, `20.1 ms`. At most 7 columns below 10 s. */
export function formatMs(ms: number | null): string {
  if (ms === null) return UNKNOWN;
  return `${ms.toFixed(ms < 9.995 ? 2 : ms < 99.95 ? 1 : 0)} ms`;
}

/** `1.8x`. */
export function formatGain(factor: number | null): string {
  return factor === null ? UNKNOWN : `${factor.toFixed(factor < 9.95 ? 1 : 0)}x`;
}

/** `0.5 %`, of a part from 0 to 1. At most 5 columns. */
export function formatPart(part: number | null): string {
  if (part === null) return UNKNOWN;
  const percent = part * 100;
  return `${percent === 0 || percent >= 9.95 ? percent.toFixed(0) : percent.toFixed(1)} %`;
}

export function formatCount(count: number | null): string {
  return count === null ? UNKNOWN : count.toFixed(0);
}

/** `0:05`, `1:02:03`, `4 d 01:02:03`. */
export function formatUptime(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (number: number) => String(number).padStart(2, "0");
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600) % 24;
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  if (days > 0) return `${days} d ${two(hours)}:${rest}`;
  return hours > 0 ? `${hours}:${rest}` : rest.replace(/^0/, "");
}

/** How long ago: `0.3 s`, `12 s`, `3 min`. */
export function formatAge(ms: number | null): string {
  if (ms === null) return "never";
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}

/**
 * A bar for each column, the highest for the greatest of `values`, bytes per second. Where there are
 * more values than columns, each bar is the mean of its part of them.
 */
export function sparkline(values: readonly number[], width: number): string {
  const columns = Math.min(width, values.length);
  const means = Array.from({ length: columns }, (_, column) => {
    const from = Math.floor(column * values.length / columns);
    const part = values.slice(from, Math.floor((column + 1) * values.length / columns));
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
  const greatest = Math.max(...means, IDLE_BYTES_PER_SECOND);
  return cut(
    means.map((mean) =>
      mean <= 0
        ? NO_BAR
        : BARS[Math.min(BARS.length - 1, Math.floor(mean / greatest * BARS.length))]!
    ).join(""),
    width,
  );
}

function scaled(value: number, unit: string): string {
  let power = 0;
  let number = Math.max(0, value);
  // 999.96 would be written as 1000.
  while (number >= 999.5 && power < PREFIXES.length - 1) {
    number /= 1000;
    power++;
  }
  const digits = power === 0 || number >= 99.95 ? 0 : 1;
  return `${number.toFixed(digits)} ${PREFIXES[power]}${unit}`;
}
