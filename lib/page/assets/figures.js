/** Figures for people, and elements to show them in. Text goes in as text, never as markup. */

/** Bits per second of bytes per second. */
export function rate(bytesPerSecond) {
  const bits = bytesPerSecond * 8;
  if (bits < 1000) return `${Math.round(bits)} bit/s`;
  const [unit, by] = bits < 1e6 ? ["kbit/s", 1e3] : bits < 1e9 ? ["Mbit/s", 1e6] : ["Gbit/s", 1e9];
  return `${rounded(bits / by)} ${unit}`;
}

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let index = 0;
  for (; count >= 1000 && index < units.length - 1; index++) count /= 1000;
  return `${index === 0 ? count : rounded(count)} ${units[index]}`;
}

export function ms(value) {
  return value === null || value === undefined ? "–" : `${rounded(value)} ms`;
}

export function part(value) {
  return value === null || value === undefined ? "–" : `${rounded(value * 100)} %`;
}

export function duration(milliseconds) {
  const minutes = Math.floor(milliseconds / 60_000);
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24];
  if (days > 0) return `${days} d ${hours} h`;
  return hours > 0 ? `${hours} h ${minutes % 60} min` : `${minutes} min`;
}

function rounded(value) {
  return value < 10 ? value.toFixed(1) : Math.round(value).toString();
}

/** An element with properties, and children that are elements or text. */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A table with a heading for each column; cells are text or elements. */
export function table(headings, rows, caption) {
  const head = headings.map((text) => element("th", { scope: "col" }, text));
  return element(
    "table",
    {},
    element("caption", { className: "hidden" }, caption),
    element("thead", {}, element("tr", {}, ...head)),
    element(
      "tbody",
      {},
      ...rows.map((cells) =>
        element("tr", {}, ...cells.map((cell, index) => labelled(headings[index], cell)))
      ),
    ),
  );
}

/** Where there is no room for columns, the heading stands before each cell. */
function labelled(heading, content) {
  const cell = element("td", {}, content);
  cell.dataset.heading = heading;
  return cell;
}

export const byId = (id) => document.getElementById(id);

/** Asks the program. Throws an Error with what it says. */
export async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await fetch(path, options);
  const value = await response.json().catch(() => ({ message: response.statusText }));
  if (!response.ok) throw Object.assign(new Error(value.message), { status: response.status });
  return value;
}

export function act(action, args = {}) {
  return ask("/api/act", { action, arguments: args });
}
