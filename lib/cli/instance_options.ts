/** Which of several running instances of a program is meant, and who may ask it. */
import { type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { UsageError } from "./exit.ts";
import { parseInterfaceName } from "./host_name.ts";
import { type ListenAddress, parseListenAddress } from "./listen_address.ts";
import { type PageOptions, pageOptions, type RawPageOptions } from "./page_options.ts";
import { GROUPS } from "./tunnel_options.ts";

export interface InstanceOptions {
  /** Where metrics are served over HTTP, or null: nowhere. */
  metricsListen: ListenAddress | null;
  /** The page for browsers, or null: none. */
  page: PageOptions | null;
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

export const metricsListenOption = () =>
  new Option(
    "--metrics-listen <address>",
    "serve metrics for Prometheus, as in 127.0.0.1:9477 (default: nowhere)",
  ).helpGroup(GROUPS.output).argParser((text) => parseListenAddress("-metrics-listen", text));

/** For the commands that ask an instance. */
export const askedNameOption = () =>
  new Option("--name <name>", "the instance to ask (default: the one without a name)")
    .argParser(parseName);

/** Values of the options above as commander collects them. */
interface RawInstanceOptions extends RawPageOptions {
  name?: string | undefined;
  socketGroup?: string | undefined;
  metricsListen?: ListenAddress | undefined;
}

/** Also the name of the TUN device: it and the instance's are each other's where one is given. */
export function instanceOptions(
  program: CommandUnknownOpts,
  deviceOption: string,
  raw: RawInstanceOptions,
  device: string,
): { own: InstanceOptions; device: string } {
  const { name = device, socketGroup = null, metricsListen = null } = raw;
  const isDeviceGiven = program.getOptionValueSource(deviceOption) !== "default";
  const own = { instance: name, socketGroup, metricsListen, page: pageOptions(raw) };
  return { own, device: isDeviceGiven ? device : name };
}

/** It may become the name of a TUN device. @throws UsageError */
function parseName(text: string): string {
  return parseInterfaceName("-name", text);
}

function parseGroup(text: string): string {
  if (/^[\w.-]{1,64}$/.test(text)) return text;
  throw new UsageError(`-socket-group must be the name or number of a group, not '${text}'`);
}
