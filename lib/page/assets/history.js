/** What was: graphs of the last hour, day and month, and the volume of each month. */
import { ask, byId, bytes, element, ms, rate, table } from "./figures.js";

const ALL = "";
const EVERY_MS = 10_000;
const STEPS = { hour: 10, day: 120, month: 3600 };
const plots = new Map();
let timer;
/** What is received and sent is called. */
let ways = ["down", "up"];
/** By link, what counts against its cap at the moment. */
let counts = () => new Map();
let volumes = [];
let shownVolumes = "";

export function startHistory(countsNow, names) {
  [counts, ways] = [countsNow, names];
  for (const input of document.querySelectorAll("input[name=range]")) input.onchange = refresh;
  byId("series").onchange = refresh;
  addEventListener("resize", () => {
    for (const [id, plot] of plots) plot.setSize({ width: widthOf(id), height: plot.height });
  });
  matchMedia("(prefers-color-scheme: dark)").onchange = () => {
    for (const plot of plots.values()) plot.destroy();
    plots.clear();
    refresh();
  };
  refresh();

  async function refresh() {
    clearTimeout(timer);
    try {
      await show();
      await readVolumes();
    } catch {
      // The next time.
    }
    timer = setTimeout(refresh, EVERY_MS);
  }
}

async function show() {
  const range = document.querySelector("input[name=range]:checked").value;
  const name = byId("series").value;
  const query = new URLSearchParams({ range });
  if (name !== ALL) query.set("name", name);
  const { names, points } = await ask(`/api/history?${query}`);
  offer(names, name);
  const of = name === ALL ? "all together" : name;
  const inBits = (key) => points.map((point) => point[key] * 8);
  const peak = Math.max(0, ...points.map((point) => point.receivedBytesPerSecond));
  const peakUp = Math.max(0, ...points.map((point) => point.sentBytesPerSecond));
  byId("rate-caption").textContent = points.length === 0
    ? "Nothing is recorded yet: the first step comes within half a minute."
    : `Rate of ${of} in the last ${range}: at most ${rate(peak)} ${ways[0]} and ${rate(peakUp)} ${
      ways[1]
    }.`;
  const times = points.map(({ at }) => at);
  draw(
    "rate-chart",
    withGaps(times, STEPS[range], [
      inBits("receivedBytesPerSecond"),
      inBits("sentBytesPerSecond"),
    ]),
    [[ways[0], "--in"], [ways[1], "--out"]],
    (bits) => rate(bits / 8),
  );
  const rtts = points.map(({ rttMs }) => rttMs);
  const known = rtts.filter((one) => one !== null);
  byId("rtt-caption").textContent = known.length === 0
    ? "No round trip is recorded."
    : `Round trip of ${of === "all together" ? "the nearest link" : of}: ` +
      `${ms(Math.min(...known))} at the least, ${ms(Math.max(...known))} at most.`;
  draw("rtt-chart", withGaps(times, STEPS[range], [rtts]), [["round trip", "--good"]], ms);
}

/** Where nothing was recorded there is no line. */
function withGaps(times, step, columns) {
  const result = [[], ...columns.map(() => [])];
  for (const [index, time] of times.entries()) {
    if (index > 0 && time - times[index - 1] > step * 3) {
      result[0].push(times[index - 1] + step);
      for (let column = 1; column < result.length; column++) result[column].push(null);
    }
    result[0].push(time);
    for (const [column, values] of columns.entries()) result[column + 1].push(values[index]);
  }
  return result;
}

function draw(id, data, series, format) {
  const present = plots.get(id);
  if (present !== undefined) return present.setData(data);
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => {
    const probe = element("span");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value || style.color;
  };
  const axis = {
    stroke: colour("--dim"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { stroke: colour("--line") },
  };
  const plot = new globalThis.uPlot(
    {
      width: widthOf(id),
      height: 180,
      scales: { y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
      axes: [axis, { ...axis, size: 80, values: (_plot, values) => values.map(format) }],
      series: [
        {},
        ...series.map(([label, name]) => ({
          label,
          stroke: colour(name),
          width: 2,
          value: (_plot, value) => value === null ? "–" : format(value),
        })),
      ],
    },
    data,
    byId(id),
  );
  plots.set(id, plot);
}

function widthOf(id) {
  return Math.max(260, byId(id).clientWidth);
}

function offer(names, chosen) {
  const select = byId("series");
  const wanted = [ALL, ...names];
  if (wanted.join() === [...select.options].map(({ value }) => value).join()) return;
  select.replaceChildren(
    ...wanted.map((value) => element("option", { value }, value === ALL ? "all together" : value)),
  );
  select.value = wanted.includes(chosen) ? chosen : ALL;
}

/** By link, what this month has carried. */
export const volumesOfMonth = new Map();

async function readVolumes() {
  volumes = await ask("/api/volumes");
  const now = volumes[0]?.month;
  volumesOfMonth.clear();
  for (const { month, name, receivedBytes, sentBytes } of volumes) {
    if (month === now) volumesOfMonth.set(name, receivedBytes + sentBytes);
  }
  drawVolumes();
}

/** With what counts against caps as the lanes show it. */
export function drawVolumes() {
  const rows = volumeRows(volumes, counts());
  const shown = JSON.stringify(rows);
  if (shown === shownVolumes) return;
  shownVolumes = shown;
  const cells = rows.map(({ isOver, together, ...row }) => [
    ...[row.month, row.name, row.received, row.sent],
    element("span", { className: isOver ? "bad" : "" }, together),
    row.cap,
  ]);
  const headings = ["month", "of", ...ways, "together", "cap"];
  byId("volumes").replaceChildren(
    cells.length === 0 ? "nothing yet" : table(headings, cells, "Volume by month"),
  );
}

/**
 * What the table of volumes says. Of a metered link the client counts this month itself, both ways
 * together, and with what others send over it: that one figure is shown here and in its lane.
 */
export function volumeRows(volumes, counts) {
  const now = volumes[0]?.month;
  return volumes.map(({ month, name, receivedBytes, sentBytes }) => {
    const { cap, counted } = counts.get(name) ?? {};
    const isCounted = month === now && counted !== undefined;
    const all = isCounted ? counted : receivedBytes + sentBytes;
    return {
      ...{ month, name },
      received: isCounted ? "–" : bytes(receivedBytes),
      sent: isCounted ? "–" : bytes(sentBytes),
      together: bytes(all),
      cap: typeof cap === "number" ? bytes(cap) : "–",
      isOver: typeof cap === "number" && all > cap,
    };
  });
}
