/** Something the benchmark measures, running in a testbed of its own. */

import { Testbed } from "./testbed.ts";

export type SubjectName = "fluxify" | "raw" | "openvpn" | "wireguardGo";

/** In the order of the table's columns. */
export const SUBJECTS: readonly SubjectName[] = ["fluxify", "raw", "openvpn", "wireguardGo"];

/** A tunnel that carries traffic, or none at all. */
export interface Tunnel {
  /** The server's address by which traffic takes this tunnel. */
  address: string;
  /** Process ids of both ends; none without a tunnel. */
  pids: readonly number[];
  /** Version and settings, for the reader of the table. */
  description: string;
}

export interface Subject extends Tunnel {
  name: SubjectName;
  testbed: Testbed;
}

/** Starts a tunnel in the testbed; what must go when it goes is put on `cleanup`. */
export type TunnelStarter = (testbed: Testbed, cleanup: AsyncDisposableStack) => Promise<Tunnel>;
