/** The status of a running client as lines of text: the same model that its screen shows. */
import { formatUptime } from "../../lib/cli/screen/figures.ts";
import { joinFitting, type Line, span } from "../../lib/cli/screen/styled_line.ts";
import { describeDrops } from "../../lib/status/metrics_line.ts";
import { balanceModel } from "../screen/balance_view.ts";
import { bondModel } from "../screen/bond_view.ts";
import { ruleDetails, volumeDetails } from "../screen/rule_details.ts";
import type { StatusModel } from "../screen/status_model.ts";
import { headingLine, layOut, rowLine } from "../screen/table.ts";
import type { ClientStatus } from "./client_socket.ts";

/** `columns` is the width of the terminal. @throws Error for a mode of a later version. */
export function statusLines(status: ClientStatus, columns: number): Line[] {
  const model = modelOf(status);
  const { version, instance, processId } = status;
  const own = `${instance}, version ${version}, process ${processId}`;
  const layout = layOut(model.columns, model.rows, columns);
  const paragraph = (parts: readonly string[]) => joinFitting(parts, columns);
  return [
    [span(paragraph([`${model.title}, up ${formatUptime(status.uptimeMs)}`, own]), "strong")],
    [span(paragraph(model.facts), "dim")],
    [span(paragraph(model.totals))],
    ...model.more.map((parts): Line => [span(paragraph(parts), "dim")]),
    headingLine(layout),
    ...model.rows.map((row) => rowLine(row, layout, "not selected")),
    ...rulesOf(status).map((parts): Line => [span(paragraph(parts), "dim")]),
    [span(paragraph([dropsOf(status)]), "dim")],
  ].filter((line) => line.some(({ text }) => text !== ""));
}

function modelOf(status: ClientStatus): StatusModel {
  switch (status.mode) {
    case "bonding":
      return bondModel(status.bond, status.uptimeMs);
    case "load-balance":
      return balanceModel(status.balance, status.uptimeMs);
    default:
      status satisfies never;
      throw new Error("Cannot show what this client does: it is of another version");
  }
}

/** For each link that something is prescribed for, its limit and its volume of this month. */
function rulesOf(status: ClientStatus): string[][] {
  const links = status.mode === "bonding"
    ? status.bond.links.map(({ name, rule }) => ({ name, details: ruleDetails(rule) }))
    : status.balance.uplinks.map(({ name, volume }) => ({ name, details: volumeDetails(volume) }));
  return links.filter(({ details }) => details.length > 0).map(({ name, details }) =>
    details.map(([label, value], index) => `${index === 0 ? `${name}: ` : ""}${label} ${value}`)
  );
}

function dropsOf(status: ClientStatus): string {
  if (status.mode !== "bonding") return "";
  const { drops } = status.bond;
  return Object.keys(drops).length === 0 ? "" : `dropped: ${describeDrops(drops)}`;
}
