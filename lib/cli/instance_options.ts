/** Which of several running instances of a program is meant, and who may ask it. */
import { type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { UsageError } from "./exit.ts";
import { parseInterfaceName } from "./host_name.ts";
import { GROUPS } from "./tunnel_options.ts";

export interface InstanceOptions {
  /** What this instance is called; its socket has the name. */
  instance: string;
  /** The group whose members may ask at the socket, or null: root alone. */
  socketGroup: string | null;
}

/** `deviceFlag` names the TUN device, as in `-tun`. */
export const nameOption = (deviceFlag: string) =>
  new Option(
    "--name <name>",
    `name of this instance, for its socket and TUN device (default: that of ${deviceFlag})`,
  ).helpGroup(GROUPS.links).argParser(parseName);

export const socketGroupOption = () =>
  new Option(
    "--socket-group <group>",
    "group whose members may ask and steer this program at its socket (default: root alone)",
  ).helpGroup(GROUPS.safety).argParser(parseGroup);

/** For the commands that ask an instance. */
export const askedNameOption = () =>
  new Option("--name <name>", "the instance to ask (default: the one without a name)")
    .argParser(parseName);

/** Name and device of an instance: each is the other's where only one is given. */
export function nameAndDevice(
  program: CommandUnknownOpts,
  deviceOption: string,
  name: string | undefined,
  device: string,
): { instance: string; device: string } {
  const isDeviceGiven = program.getOptionValueSource(deviceOption) !== "default";
  return { instance: name ?? device, device: isDeviceGiven ? device : name ?? device };
}

/** It may become the name of a TUN device. @throws UsageError */
function parseName(text: string): string {
  return parseInterfaceName("-name", text);
}

function parseGroup(text: string): string {
  if (/^[\w.-]{1,64}$/.test(text)) return text;
  throw new UsageError(`-socket-group must be the name or number of a group, not '${text}'`);
}
