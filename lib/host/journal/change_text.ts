/** What a change on record was, in words for people. */
import { type ChangeRecord, isLasting } from "./record.ts";

/** In the order in which they are told. */
const SORTS = [
  ["kill switch", "kill switch"],
  ["route", "routes"],
  ["policy rule", "policy rules"],
  ["firewall rule", "firewall rules"],
  ["DNS setting", "DNS settings"],
  ["kernel parameter", "kernel parameters"],
  ["file", "files"],
  ["other", "other changes"],
] as const;
type Sort = typeof SORTS[number][0];

const RESOLVER_FILE = "/etc/resolv.conf";

/** `the kill switch, 3 routes, 1 kernel parameter`. The kill switch counts once, however it was made. */
export function summaryOf(changes: readonly ChangeRecord[]): string {
  const sorts = changes.map(sortOf);
  return SORTS.flatMap(([sort, several]) => {
    const count = sorts.filter((one) => one === sort).length;
    if (count === 0) return [];
    if (sort === "kill switch") return [`the ${sort}`];
    return [count === 1 ? `1 ${sort === "other" ? "other change" : sort}` : `${count} ${several}`];
  }).join(", ");
}

/** One change, as in `route: 0.0.0.0/1 dev fluxify scope link`. */
export function changeText(change: ChangeRecord): string {
  return `${sortOf(change)}: ${whatOf(change)}`;
}

function whatOf(change: ChangeRecord): string {
  switch (change.kind) {
    case "command":
      return sortOf(change) === "other" ? change.undo.join(" ") : commandText(change.undo);
    case "sysctl":
      return `${change.path} (${change.value}, before ${change.previous})`;
    case "file":
      return change.path;
    case "table":
      return `${change.program} table ${change.table}`;
    case "nft rule":
      return `in ${change.family} ${change.table} ${change.chain}`;
    default:
      return change satisfies never;
  }
}

/** From the command that undoes it; what that puts back had been taken away. */
function commandText([program = "", ...words]: readonly string[]): string {
  if (program !== "ip") return [program, ...words].join(" ");
  const [verb, ...rest] = words.slice(words.findIndex((word) => !word.startsWith("-")) + 1);
  const text = rest.join(" ");
  return verb === "add" || verb === "append" ? `${text}, which was taken away` : text;
}

function sortOf(change: ChangeRecord): Sort {
  if (isLasting(change)) return "kill switch";
  switch (change.kind) {
    case "command": {
      const [program = "", ...words] = change.undo;
      if (program === "resolvectl") return "DNS setting";
      if (program === "nft" || /^ip6?tables/.test(program)) return "firewall rule";
      const object = program === "ip" ? words.find((word) => !word.startsWith("-")) : undefined;
      return object === "route" ? "route" : object === "rule" ? "policy rule" : "other";
    }
    case "sysctl":
      return "kernel parameter";
    case "file":
      return change.path === RESOLVER_FILE ? "DNS setting" : "file";
    case "table":
    case "nft rule":
      return "firewall rule";
    default:
      return change satisfies never;
  }
}
