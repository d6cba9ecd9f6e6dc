/** What can be done: each action, and what came of it. */
import { act, byId, element } from "./figures.js";

const SCHEDULERS = ["aggregate", "flow", "stripe", "redundant", "failover"];

/** Waits for an action, and tells what came of it. Null: it failed. */
export async function report(done, promise) {
  const outcome = byId("outcome");
  outcome.className = "dim";
  outcome.textContent = "…";
  try {
    const result = await promise;
    outcome.className = "good";
    outcome.textContent = done;
    return result;
  } catch (error) {
    outcome.className = "bad";
    outcome.textContent = `not done: ${error.message}`;
    return null;
  }
}

/** The actions that this page has, of `actions`. */
export function showActions(actions) {
  const has = (name) => actions.includes(name);
  const parts = [
    has("up") ? button("start", "Start", () => report("started", act("up"))) : null,
    has("down") ? button("stop", "Stop", stop) : null,
    has("set") ? scheduler() : null,
    has("links") ? addLink() : null,
    has("diag") ? button("diag", "Diagnose", diagnose) : null,
  ];
  const offered = parts.filter((part) => part !== null);
  byId("actions").replaceChildren(...offered);
  byId("actions-section").hidden = offered.length === 0;
  // On a server the buttons are in the tables: what came of them stands above.
  if (offered.length === 0) byId("totals").after(byId("outcome"));
}

/** What fits to what runs. */
export function followActions(live) {
  const [start, stopping, select] = ["start", "stop", "scheduler"].map(byId);
  if (start !== null) start.hidden = live.isRunning;
  if (stopping !== null) stopping.hidden = !live.isRunning;
  const session = live.status?.bond?.session;
  if (select === null || session == null || document.activeElement === select) return;
  select.value = session.scheduler;
}

function button(id, text, onclick) {
  return element("button", { type: "button", id, onclick }, text);
}

async function stop() {
  if (!confirm("Stop the client? Traffic then takes the machine's own routes.")) return;
  const result = await report("stopped, and everything is undone", act("down"));
  if (result?.failures?.length > 0) {
    byId("outcome").className = "bad";
    byId("outcome").textContent = result.failures.join("; ");
  }
}

function scheduler() {
  const select = element(
    "select",
    { id: "scheduler" },
    ...SCHEDULERS.map((name) => element("option", { value: name }, name)),
  );
  select.onchange = () =>
    report(
      `scheduler ${select.value} is asked for`,
      act("set", { setting: "scheduler", value: select.value }),
    );
  return element("label", {}, "Scheduler ", select);
}

function addLink() {
  const input = element("input", {
    id: "link",
    maxLength: 64,
    required: true,
    autocomplete: "off",
  });
  const form = element(
    "form",
    { className: "row", id: "link-form" },
    element("label", {}, "Link to add ", input),
    element("button", { type: "submit" }, "Add"),
  );
  form.onsubmit = async (event) => {
    event.preventDefault();
    const link = input.value.trim();
    const result = await report(`${link} is a link`, act("links", { action: "add", link }));
    if (result !== null) input.value = "";
  };
  return form;
}

async function diagnose() {
  const found = await report("", act("diag"));
  if (found === null) return;
  const checks = found.checks ?? [];
  const outcome = byId("outcome");
  outcome.className = "";
  outcome.replaceChildren(
    element("p", {}, checks.length === 0 ? "nothing was checked" : `${checks.length} checks:`),
    element("ul", {}, ...checks.map(line)),
  );
}

function line({ state, section, name, text, advice }) {
  const level = state === "ok" ? "good" : state === "failed" ? "bad" : "doubt";
  const words = [section, name, text, advice].filter((word) => word).join(": ");
  return element("li", {}, element("span", { className: level }, `${state} `), words);
}
