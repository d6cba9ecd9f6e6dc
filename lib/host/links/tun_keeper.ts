import type { CommandRunner } from "../command/runner.ts";
import { listInterfaces, type NetworkInterface } from "./network_interface.ts";
import { configureTun, type TunAddresses } from "./tun_address.ts";

/**
 * Keeps the addresses of a TUN device: another program may take them (`ip address flush`), set the
 * device down, or switch IPv6 off and on, and what is left carries nothing.
 */
export class TunKeeper {
  readonly #runner: CommandRunner;
  readonly #tun: string;
  #wanted: TunAddresses | null = null;
  /** Whether the machine took the IPv6 address at first: else there is none to miss. */
  #hasIpv6 = false;
  /** What could not be put back the last time, for people; empty when all was. */
  #missing = "";

  constructor(runner: CommandRunner, tun: string) {
    this.#runner = runner;
    this.#tun = tun;
  }

  /** Whether the machine took the IPv6 address at first. */
  get hasIpv6(): boolean {
    return this.#hasIpv6;
  }

  /** Gives the device its addresses. Returns notices for people. @throws as configureTun(). */
  async configure(wanted: TunAddresses): Promise<string[]> {
    const notices = await configureTun(this.#runner, this.#tun, wanted);
    this.#wanted = wanted;
    this.#hasIpv6 = wanted.ipv6 !== undefined && notices.length === 0;
    return notices;
  }

  /**
   * Puts back what is missing. `mtu` is what the device has by now. Returns notices for people, about
   * what cannot be put back once for as long as that is so.
   * @throws CommandError.
   */
  async look(mtu?: number): Promise<string[]> {
    if (this.#wanted === null) return [];
    const interfaces = await listInterfaces(this.#runner);
    const tun = interfaces.find(({ name }) => name === this.#tun);
    // A device that is gone has taken the engine with it.
    if (tun === undefined || this.#isComplete(tun)) return [];
    const wanted = { ...this.#wanted, mtu: mtu ?? this.#wanted.mtu };
    const missing = await configureTun(this.#runner, this.#tun, wanted);
    this.#wanted = wanted;
    const before = this.#missing;
    this.#missing = missing.join("; ");
    const what = tun.up ? "took addresses from" : "set down";
    if (missing.length === 0) {
      return [`another program ${what} ${this.#tun}: it is as before again`];
    }
    return this.#missing === before ? [] : [`another program ${what} ${this.#tun}`, ...missing];
  }

  #isComplete({ up, addresses }: NetworkInterface): boolean {
    const { ipv4, prefix4, ipv6, prefix6 } = this.#wanted!;
    const has = (address: string, prefixLength: number | undefined) =>
      addresses.some((own) => own.address === address && own.prefixLength === prefixLength);
    const needsIpv6 = ipv6 !== undefined && this.#hasIpv6;
    return up && has(ipv4, prefix4) && (!needsIpv6 || has(ipv6, prefix6));
  }
}
