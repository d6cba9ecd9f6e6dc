/** The clients of a server: who is connected, and who has a certificate. */
import { act, ask, byId, bytes, element, ms, rate, table } from "./figures.js";

/** Behind the address of a path that is inside TLS. */
const TLS_MARK = " (TLS)";
const LEVELS = { up: "good", suspect: "bad", down: "bad" };

export function showSessions(sessions, report) {
  const region = byId("sessions");
  // Whoever is about to press a button must not lose it.
  if (region.contains(document.activeElement) && document.activeElement !== region) return;
  if (sessions.length === 0) return region.replaceChildren("no client is connected");
  const rows = sessions.map((one) => [
    one.name,
    one.addresses.ipv4,
    paths(one.session?.paths ?? []),
    rate(one.receivedBytesPerSecond),
    rate(one.sentBytesPerSecond),
    bytes(one.receivedBytes + one.sentBytes),
    limits(one.prescribed),
    element("button", {
      type: "button",
      onclick: () => report(`session of ${one.name} ended`, act("kick", { name: one.name })),
    }, `Kick ${one.name}`),
  ]);
  const headings = [
    "client",
    "address",
    "paths",
    "from it",
    "to it",
    "carried",
    "limits",
    "action",
  ];
  region.replaceChildren(table(headings, rows, "Connected clients"));
}

/** What the operator has prescribed for a client, and what it has used of it. */
function limits(prescribed) {
  if (prescribed === null) return "–";
  const { rate: held, quotaBytes, usedBytes, expires, reach, routes } = prescribed;
  const parts = [
    held === null ? [] : `${rate(held.down)} down, ${rate(held.up)} up`,
    quotaBytes === null ? [] : `${bytes(usedBytes)} of ${bytes(quotaBytes)} this month`,
    expires === null ? [] : `until ${expires}`,
    reach === null ? [] : `reaches ${reach.join(", ")}`,
    routes.length === 0 ? [] : `routes ${routes.join(", ")}`,
  ].flat();
  return parts.length === 0 ? "address" : parts.join("; ");
}

function paths(all) {
  const parts = all.map(({ name, peer, state, rttMs }) => {
    const inside = peer.endsWith(TLS_MARK) ? " inside TLS" : "";
    const className = `path ${LEVELS[state] ?? "doubt"}`;
    return element("span", { className }, `${name}${inside} ${state} ${ms(rttMs)}`);
  });
  return element("span", { className: "paths" }, ...parts);
}

export async function showClients(report) {
  const clients = await ask("/api/clients");
  const rows = clients.map(({ name, status, notAfter, lastSeen }) => [
    name,
    element("span", { className: status === "valid" ? "good" : "bad" }, status),
    (notAfter ?? "–").slice(0, 10),
    (lastSeen ?? "–").slice(0, 16).replace("T", " "),
    status === "valid" ? revokeButton(name, report) : "",
  ]);
  const headings = ["client", "certificate", "until", "last seen", "action"];
  byId("clients").replaceChildren(
    clients.length === 0
      ? "no client has a certificate yet"
      : table(headings, rows, "Certificates"),
  );
}

function revokeButton(name, report) {
  const button = element("button", { type: "button" }, `Revoke ${name}`);
  button.onclick = async () => {
    if (!confirm(`Refuse ${name} from now on? Its certificate cannot be used again.`)) return;
    await report(`${name} is refused from now on`, act("revoke", { name }));
    await showClients(report);
  };
  return button;
}

export function listenForNewClients(report) {
  byId("issue-form").onsubmit = async (event) => {
    event.preventDefault();
    const name = byId("issue-name").value.trim();
    const issued = await report(`a certificate for ${name} is made`, act("issue", { name }));
    if (issued === null) return;
    byId("issue-name").value = "";
    showIssued(issued);
    await showClients(report);
  };
}

/** Both are there once. */
function showIssued({ name, file, fileName, qr }) {
  const link = element("a", { href: file, download: fileName }, `Download ${fileName}`);
  link.addEventListener("click", () => {
    setTimeout(() => link.replaceWith(`${fileName} was downloaded`), 500);
  });
  const picture = qr === null ? null : element("button", { type: "button" }, "Show as a QR code");
  if (picture !== null) {
    picture.onclick = () =>
      picture.replaceWith(element("img", { src: qr, alt: `QR code of the bundle of ${name}` }));
  }
  const text =
    "It holds the private key: bring it to the client over a safe channel. Each can be " +
    "had once, within ten minutes.";
  byId("issued").replaceChildren(
    element("p", {}, text),
    element("p", { className: "row" }, link, picture),
  );
}
