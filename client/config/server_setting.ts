/** The settings that name the server, or several of them: one is given, or the other. */
import { hostsAndPort } from "./server_port.ts";
import type { Settings } from "./settings.ts";

/** Each is the names and addresses of one server, with commas between; none: none is named. */
export function serversOf(settings: Settings): string[] {
  for (const key of ["servers", "server"]) {
    const text = settings.get(key);
    if (typeof text !== "string" || text === "") continue;
    return key === "server" ? [text] : text.split(",").map((name) => name.trim());
  }
  return [];
}

/** As a person writes it: several servers with spaces between. */
export function serverText(settings: Settings): string {
  return serversOf(settings).join(" ");
}

/**
 * What a person has written: one server, by several names with commas between, or several servers with
 * spaces between. `port` null: none is named, or not one alone.
 */
export function readServerText(
  text: string,
): { key: "server" | "servers"; value: string; port: string | null } {
  const servers = text.trim().split(/\s+/);
  const key = servers.length > 1 && !text.includes(",") ? "servers" : "server";
  const { hosts, port } = hostsAndPort(key === "servers" ? servers.join(",") : text.trim());
  return { key, value: hosts, port };
}
