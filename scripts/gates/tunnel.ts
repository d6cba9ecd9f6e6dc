/** Both programs in a lab of their own, and a download through the tunnel between them. */
import { INTERNET_ADDRESS, Lab, type LabLink } from "../lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "../lab/programs.ts";
import type { Child } from "../../tests/netns/namespace.ts";
import { transfer, type TransferOptions } from "./transfer.ts";

export const SECONDS = 8;
export const RAMP_SECONDS = 4;
const LOAD = { control: "cubic", flows: 1, direction: "down" } as const;

interface Tunnel {
  readonly lab: Lab;
  readonly programs: readonly Child[];
}

interface TunnelOptions {
  readonly shaping?: "emulated" | "none";
  /** Of both ends. */
  readonly engine?: "native" | "portable";
  /** Of the client. */
  readonly args?: readonly string[];
}

/** Starts both programs over these links, and stops them after `measure`, whose answer it returns. */
export async function withTunnel(
  links: readonly LabLink[],
  scheduler: string,
  measure: (tunnel: Tunnel) => Promise<string>,
  options: TunnelOptions = {},
): Promise<string> {
  const { shaping = "emulated", engine = "native", args = [] } = options;
  await using lab = await Lab.create({ links, shaping });
  const bundle = await newClientCertificate(lab, "gates");
  const common = ["-compression", "off", "-engine", engine];
  const programs = [
    await startServer(lab, { args: common }),
    await startClient(lab, bundle, { args: [...common, "-scheduler", scheduler, ...args] }),
  ];
  const found = await measure({ lab, programs });
  for (const program of programs.toReversed()) await program.stop("SIGTERM");
  return found;
}

/** One download of CUBIC from the internet for 8 s after 4 s that do not count, unless said otherwise. */
export function load(lab: Lab, more: Partial<TransferOptions> = {}) {
  const timing = { seconds: SECONDS, rampSeconds: RAMP_SECONDS };
  return transfer(lab.client, lab.internet, INTERNET_ADDRESS, { ...LOAD, ...timing, ...more });
}
