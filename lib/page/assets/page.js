/** The page: logs in, follows what goes on, and hands it to the parts that show it. */
import { followActions, report, showActions } from "./actions.js";
import { act, ask, byId, bytes, duration, element, rate } from "./figures.js";
import { drawVolumes, startHistory, volumesOfMonth } from "./history.js";
import { isUp, linksOf, showLanes } from "./lanes.js";
import { listenForNewClients, showClients, showSessions } from "./sessions.js";

/** What is received, and what is sent. */
const DOWN_AND_UP = ["down", "up"];
const FROM_AND_TO = ["from clients", "to clients"];
const EVENTS_EVERY_MS = 3000;
const AGAIN_MS = 1000;
/** By link, what counts against its cap: of metered ones. */
let counts = new Map();
let isServer = false;

async function begin() {
  const token = location.hash.slice(1);
  if (token !== "") {
    // Out of the address bar, so that it is in no picture of the screen and no history.
    history.replaceState(null, "", "/");
    if (await logIn(token)) return await show();
  }
  await show();
}

async function logIn(token) {
  try {
    await ask("/api/login", { token });
    return true;
  } catch (error) {
    byId("login-problem").textContent = error.message;
    return false;
  }
}

async function show() {
  let about;
  try {
    about = await ask("/api/about");
  } catch (error) {
    if (error.status !== 401) return void setTimeout(show, AGAIN_MS);
    byId("login").hidden = false;
    byId("content").hidden = true;
    byId("state").textContent = "not logged in";
    byId("token").focus();
    return;
  }
  isServer = about.program === "fluxify-server";
  document.title = `${about.program} ${about.instance}`;
  byId("title").textContent = `${about.program} ${about.instance}`;
  byId("login").hidden = true;
  byId("content").hidden = false;
  byId("logout").hidden = false;
  byId("sessions-section").hidden = !isServer;
  byId("clients-section").hidden = !about.actions.includes("issue");
  showActions(about.actions);
  if (about.actions.includes("issue")) {
    listenForNewClients(report);
    showClients(report).catch(() => {});
  }
  if (about.hasHistory) {
    byId("history-section").hidden = false;
    startHistory(() => counts, isServer ? FROM_AND_TO : DOWN_AND_UP);
  }
  follow();
  followEvents();
}

function follow() {
  const source = new EventSource("/api/live");
  source.onmessage = ({ data }) => take(JSON.parse(data));
  source.onerror = async () => {
    setState("bad", "the page's program has ended, or is out of reach");
    if (source.readyState !== EventSource.CLOSED) return;
    source.close();
    // A log-in that is over shows the form again.
    const isOut = await ask("/api/about").then(() => false, (error) => error.status === 401);
    if (isOut) location.reload();
    else setTimeout(follow, AGAIN_MS);
  };
}

function take(live) {
  followActions(live);
  const notice = byId("notice");
  notice.hidden = live.isRunning;
  if (!live.isRunning) {
    setState("bad", "not running");
    if (notice.textContent !== live.message) notice.textContent = live.message;
    byId("totals").replaceChildren();
    showLanes([], volumesOfMonth, null);
    return;
  }
  const { status } = live;
  byId("facts").textContent = `version ${status.version}, up ${duration(status.uptimeMs)}`;
  if (isServer) takeServer(status, live.sessions);
  else takeClient(status);
}

function takeServer(status, sessions) {
  const { store, isDraining } = status;
  const isStoreAway = store.kind !== "file" && !store.isReachable;
  if (isDraining) setState("doubt", "draining");
  else if (isStoreAway) setState("doubt", "running, the shared store is away");
  else setState("good", "running");
  const notice = byId("notice");
  notice.hidden = !isStoreAway;
  notice.textContent = isStoreAway ? `${store.place}: ${store.problem}` : "";
  totals([
    ["from clients", rate(status.receivedBytesPerSecond)],
    ["to clients", rate(status.sentBytesPerSecond)],
    ["clients", String(status.sessions)],
    ["paths up", `${status.pathsUp} of ${status.paths}`],
    ["ports", `UDP ${status.udpPort}, TCP ${status.controlPort}`],
    ...store.kind === "file" ? [] : [["servers", serversText(store.servers)]],
  ]);
  showSessions(sessions, report);
}

/** Those that share what this one does, and their clients. */
function serversText(servers) {
  const heard = servers.filter(({ heardMsAgo }) => heardMsAgo < 10_000);
  const sessions = heard.reduce((all, { sessions }) => all + sessions, 0);
  return `${heard.length} of ${servers.length}, ${sessions} clients`;
}

function takeClient(status) {
  const links = linksOf(status);
  counts = new Map(links.map(({ name, cap, counted }) => [name, { cap, counted }]));
  const up = links.filter(isUp).length;
  const level = up === links.length ? "good" : up > 0 ? "doubt" : "bad";
  setState(level, `${up} of ${links.length} links up`);
  const sum = (key) => links.reduce((all, { traffic }) => all + traffic[key], 0);
  const gain = status.bond?.gainOverBest;
  totals([
    ["down", rate(sum("receivedBytesPerSecond"))],
    ["up", rate(sum("sentBytesPerSecond"))],
    ["gain over the best link", gain == null ? "–" : `× ${gain.toFixed(2)}`],
    ["carried", bytes(sum("receivedBytes") + sum("sentBytes"))],
    ...status.bond === undefined ? [] : [["server", status.bond.server]],
  ]);
  const remove = (link) =>
    report(`${link} is no link any more`, act("links", { action: "remove", link }));
  showLanes(links, volumesOfMonth, remove);
  drawVolumes();
}

function totals(figures) {
  byId("totals").replaceChildren(
    ...figures.map(([label, value]) =>
      element("div", {}, element("dt", {}, label), element("dd", {}, value))
    ),
  );
}

function setState(level, text) {
  const state = byId("state");
  state.className = `pill ${level}`;
  if (state.textContent !== text) state.textContent = text;
}

async function followEvents() {
  try {
    const lines = await ask("/api/logs");
    const items = lines.toReversed().map(({ time, level, text }) => {
      const name = level === "warning"
        ? "doubt"
        : level === "error" || level === "fatal"
        ? "bad"
        : "";
      const clock = new Date(time).toLocaleTimeString();
      return element(
        "li",
        {},
        element("time", { className: "dim", dateTime: time }, `${clock} `),
        element("span", { className: name }, level === "info" ? "" : `${level} `),
        text,
      );
    });
    if (items[0]?.textContent !== byId("events").firstChild?.textContent) {
      byId("events").replaceChildren(...items);
    }
  } catch {
    // Nothing runs.
  }
  setTimeout(followEvents, EVENTS_EVERY_MS);
}

byId("login-form").onsubmit = async (event) => {
  event.preventDefault();
  if (await logIn(byId("token").value.trim())) await show();
};
byId("logout").onclick = async () => {
  await ask("/api/logout", {}).catch(() => {});
  location.reload();
};
begin();
