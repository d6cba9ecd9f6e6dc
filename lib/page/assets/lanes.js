/** Each link as a lane: what it carries, how good it is, and why it is avoided. */
import { byId, bytes, element, ms, part, rate } from "./figures.js";

const SVG = "http://www.w3.org/2000/svg";
const WORDS = {
  loss: "it loses packets",
  jitter: "its delay varies",
  rtt: "its round trip is long",
  probation: "it was bad a moment ago",
};
let lanes = new Map();

/** What a lane shows, from the status of either mode. */
export function linksOf(status) {
  if (status.mode === "load-balance") return status.balance.uplinks.map(uplink);
  const paths = status.bond.session?.paths ?? [];
  return status.bond.links.map((link) =>
    bonded(link, paths.find(({ name }) => name === link.name), status.bond.session)
  );
}

function bonded({ name, problem, traffic, rule, transport, transportReason }, path, session) {
  // Of a metered link: what it may carry in a month.
  const common = { name, traffic, cap: rule?.volume?.capBytes, counted: rule?.volume?.bytes };
  const figures = {
    rttMs: path?.rttMs,
    jitterMs: path?.jitterMs,
    loss: path?.loss,
    queueMs: queueOf(path),
    full: fullOf(path, traffic),
  };
  const all = { ...common, ...figures };
  if (problem !== null) return { ...all, level: "bad", state: "down", why: problem };
  if (session === null) return { ...all, level: "bad", state: "no session", why: "" };
  if (path === undefined) return { ...all, level: "doubt", state: "no path", why: "" };
  if (path.state === "down") {
    return { ...all, level: "bad", state: "down", why: "the server does not answer over it" };
  }
  if (path.state === "suspect") {
    return { ...all, level: "bad", state: "in doubt", why: "an answer is overdue" };
  }
  if (path.state !== "up") return { ...all, level: "doubt", state: path.state, why: "" };
  if (path.isGood) {
    const inside = transport === "tls" ? `inside TLS: ${transportReason}` : "";
    return { ...all, level: "good", state: "up", why: inside };
  }
  const why = WORDS[path.isBadFor] ?? path.isBadFor ?? "";
  return { ...all, level: "doubt", state: "avoided", why };
}

/** Whether a link carries what it is given, be it a bad one. */
export function isUp({ state }) {
  return state === "up" || state === "avoided" || state === "healthy";
}

/**
 * What the link takes when it is full, each way, as far as that is known. A link carries at least what it
 * carries at this moment, whatever was measured when it was full last.
 */
function fullOf(path, traffic) {
  const atLeast = (known, carried) => known == null ? null : Math.max(known, carried);
  return {
    down: atLeast(path?.peerCapacity, traffic.receivedBytesPerSecond),
    up: atLeast(path?.capacity ?? path?.deliveryRate, traffic.sentBytesPerSecond),
  };
}

/** As in `46 Mbit/s down, 9.6 Mbit/s up`. */
export function fullText(full) {
  const known = ["down", "up"].filter((way) => full?.[way] != null);
  return known.length === 0 ? "–" : known.map((way) => `${rate(full[way])} ${way}`).join(", ");
}

/** How much longer than the least the round trip is: what waits on the way. */
function queueOf(path) {
  if (path?.rttMs == null || path.rttMinMs == null) return undefined;
  return Math.max(0, path.rttMs - path.rttMinMs);
}

function uplink({ families, ...one }) {
  const family = families[4] ?? families[6];
  const isUp = family && family.problem === null && family.state === "healthy";
  return {
    name: one.name,
    traffic: one,
    level: isUp ? "good" : "bad",
    state: family?.state ?? "left alone",
    why: family?.problem ?? "",
    rttMs: family?.rttMs,
    jitterMs: family?.jitterMs,
    loss: family?.loss,
  };
}

/** `remove`: what its button does; null: there is none. */
export function showLanes(links, volumes, remove) {
  const busiest = Math.max(
    125_000,
    ...links.flatMap(({ traffic: t }) => [t.receivedBytesPerSecond, t.sentBytesPerSecond]),
  );
  const shown = new Map();
  for (const link of links) {
    const lane = lanes.get(link.name) ?? newLane(link.name, remove);
    fill(lane, link, busiest, volumes.get(link.name));
    shown.set(link.name, lane);
  }
  const isSame = [...shown.keys()].join() === [...lanes.keys()].join();
  lanes = shown;
  if (!isSame) byId("lanes").replaceChildren(...[...shown.values()].map(({ root }) => root));
}

function newLane(name, remove) {
  const state = element("span", { className: "pill" });
  const why = element("p", { className: "lane-why" });
  const button = remove === null
    ? null
    : element("button", { type: "button", onclick: () => remove(name) }, `Remove ${name}`);
  const meters = { in: meter("in"), out: meter("out") };
  const quality = element("p", { className: "quality" });
  const title = element("h3", {}, name);
  const head = element("div", { className: "lane-head" }, title, state, button);
  const body = element("div", { className: "meters" }, meters.in.root, meters.out.root);
  const root = element("article", { className: "lane" }, head, why, body, quality);
  root.dataset.link = name;
  return { root, state, why, meters, quality };
}

function meter(direction) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 100 10");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const bars = ["ground", direction].map((className) => {
    const bar = document.createElementNS(SVG, "rect");
    bar.setAttribute("class", className);
    bar.setAttribute("height", "10");
    bar.setAttribute("width", className === "ground" ? "100" : "0");
    svg.append(bar);
    return bar;
  });
  const figure = element("span");
  const label = element("span", { className: "dim" }, direction === "in" ? "down" : "up");
  return { root: element("div", { className: "meter" }, label, svg, figure), bar: bars[1], figure };
}

function fill({ root, state, why, meters, quality }, link, busiest, volume) {
  root.className = `lane ${link.level === "good" ? "" : `${link.level}-edge`}`;
  root.dataset.level = link.level;
  setText(state, link.state);
  state.className = `pill ${link.level}`;
  setText(why, link.why === "" ? "" : `${link.state}: ${link.why}`);
  why.hidden = link.why === "";
  const { receivedBytesPerSecond, sentBytesPerSecond } = link.traffic;
  for (const [key, value] of [["in", receivedBytesPerSecond], ["out", sentBytesPerSecond]]) {
    meters[key].bar.setAttribute("width", String(Math.min(100, value / busiest * 100)));
    setText(meters[key].figure, rate(value));
  }
  const facts = [
    ["round trip", ms(link.rttMs)],
    ["queue", ms(link.queueMs)],
    ["jitter", ms(link.jitterMs)],
    ["loss", part(link.loss)],
    ["when full", fullText(link.full)],
    ["this month", volumeText(volume, link)],
  ];
  quality.replaceChildren(
    ...facts.map(([label, value]) => element("span", {}, `${label} `, element("b", {}, value))),
  );
}

/** Of a metered link what counts against its cap; of others what the history has. */
export function volumeText(recorded, { counted = recorded, cap }) {
  if (counted === undefined) return "–";
  if (typeof cap !== "number") return bytes(counted);
  const left = counted < cap ? "" : ", used up";
  return `${bytes(counted)} of ${bytes(cap)}${left}`;
}

function setText(where, text) {
  if (where.textContent !== text) where.textContent = text;
}
