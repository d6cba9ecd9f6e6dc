/** Sessions against processor time and memory, as a small SVG. */
import type { SessionsFigure } from "./report.ts";

const WIDTH = 640;
const HEIGHT = 300;
const MARGIN = { left: 56, right: 56, top: 36, bottom: 44 } as const;
const INK = "#444";
const CPU = "#1b6ac9";
const BUSY_CPU = "#c9461b";
const MEMORY = "#2a8a4a";

interface Scale {
  (value: number): number;
}

/** Both axes are logarithmic but that of memory. */
export function drawScaling(figures: readonly SessionsFigure[]): string {
  const idle = figures.filter(({ kind }) => kind === "idle");
  const busy = figures.filter(({ kind, paths }) => kind === "busy" && paths === 1);
  const counts = [...idle.map((figure) => figure.sessions), ...busy.map((figure) => figure.busy)];
  const x = logarithmic(
    [Math.min(...counts), Math.max(...counts, 10 * Math.min(...counts))],
    [MARGIN.left, WIDTH - MARGIN.right],
  );
  const y = logarithmic([0.1, 1000], [HEIGHT - MARGIN.bottom, MARGIN.top]);
  const line = (points: readonly (readonly [number, number])[], color: string, dash = "") => {
    const at = points.map(([px, py]) => `${x(px).toFixed(1)},${y(py).toFixed(1)}`);
    return [
      `<polyline points="${at.join(" ")}" fill="none" stroke="${color}" stroke-width="2"${dash}/>`,
      ...at.map((point) => {
        const [cx, cy] = point.split(",");
        return `<circle cx="${cx}" cy="${cy}" r="3" fill="${color}"/>`;
      }),
    ];
  };
  const text = (at: number, height: number, words: string, anchor = "middle", color = INK) =>
    `<text x="${at.toFixed(1)}" y="${height.toFixed(1)}" text-anchor="${anchor}" fill="${color}">` +
    `${words}</text>`;
  const xTicks = [...new Set(counts)].filter((count) => /^[13]0*$/.test(String(count)));
  const yTicks = [0.1, 1, 10, 100, 1000];
  const right = WIDTH - MARGIN.right;
  const grid = yTicks.map((tick) =>
    `<line x1="${MARGIN.left}" x2="${right}" y1="${y(tick)}" y2="${y(tick)}" stroke="#ddd"/>`
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" ` +
    `font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    ...grid,
    ...yTicks.map((tick) => text(MARGIN.left - 6, y(tick) + 4, String(tick), "end")),
    ...xTicks.map((tick) => text(x(tick), HEIGHT - MARGIN.bottom + 18, String(tick))),
    text(WIDTH / 2, HEIGHT - 8, "sessions"),
    text(MARGIN.left, 16, "% of a core, idle", "start", CPU),
    text(MARGIN.left + 130, 16, "% of a core, 100 kbit/s each way", "start", BUSY_CPU),
    text(MARGIN.left + 350, 16, "MiB of the server", "start", MEMORY),
    ...line(idle.map(({ sessions, percent }) => [sessions, Math.max(percent, 0.1)] as const), CPU),
    ...line(
      busy.map(({ busy: count, percent }) => [count, Math.max(percent, 0.1)] as const),
      BUSY_CPU,
    ),
    ...line(
      idle.map(({ sessions, mib }) => [sessions, mib] as const),
      MEMORY,
      ' stroke-dasharray="5 4"',
    ),
    "</svg>",
    "",
  ].join("\n");
}

function logarithmic(from: readonly [number, number], to: readonly [number, number]): Scale {
  const [low, high] = [Math.log(from[0]), Math.log(from[1])];
  return (value) => to[0] + (Math.log(value) - low) / (high - low) * (to[1] - to[0]);
}
