import { familyOf } from "../links/address.ts";
import { checkInterfaceName } from "../links/network_interface.ts";
import { type NextHop, OWN_PROTOCOL } from "./gateway/routing_table.ts";

export interface RouteEntry {
  /** With its length: 203.0.113.7/32, ::/1. */
  destination: string;
  nextHop: NextHop;
  /** The kernel's own default unless given. */
  metric?: number;
  /** The main one unless given. */
  table?: number;
}

/** The `ip` command that adds, puts in place or deletes exactly this route. */
export function routeCommand(verb: "add" | "replace" | "del", route: RouteEntry): string[] {
  const { destination, metric, table, nextHop: { device, gateway, source } } = route;
  const family = familyOf(destination.slice(0, destination.indexOf("/")));
  const argv = ["ip", `-${family}`, "route", verb, destination];
  if (gateway !== undefined) {
    argv.push("via", ...(gateway.family === family ? [] : ["inet6"]), gateway.address);
  }
  argv.push("dev", checkInterfaceName(device));
  if (gateway === undefined && family === 4) argv.push("scope", "link");
  if (gateway?.onlink) argv.push("onlink");
  if (source !== undefined) argv.push("src", source);
  if (metric !== undefined) argv.push("metric", String(metric));
  if (table !== undefined) argv.push("table", String(table));
  // So that one client knows the routes of another for what they are.
  argv.push("protocol", OWN_PROTOCOL);
  return argv;
}

/** Whether the command failed because the very place in the table is taken. */
export function isTaken(stderr: string): boolean {
  return stderr.includes("File exists");
}
