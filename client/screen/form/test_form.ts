/** A machine with some links, for tests of the form. */
import { optionTable } from "../../../lib/cli/option_table.ts";
import { describeClientProgram } from "../../config/options.ts";
import { whyRefused } from "../../config/settings.ts";
import type { FormFacts } from "./form_state.ts";
import type { MachineLink } from "./machine_link.ts";

const PROGRAM = describeClientProgram();

export function machineLink(name: string, more: Partial<MachineLink> = {}): MachineLink {
  return {
    name,
    kind: "ethernet",
    addresses: ["192.0.2.10"],
    gateways: ["192.0.2.1"],
    mtu: 1500,
    isUp: true,
    speedMbit: 1000,
    problem: null,
    ...more,
  };
}

export function formFacts(more: Partial<FormFacts> = {}): FormFacts {
  return {
    links: [
      machineLink("eth0"),
      machineLink("wlan0", { kind: "wifi", addresses: ["198.51.100.7"], speedMbit: null }),
      machineLink("wwan0", { kind: "mobile", gateways: [], problem: "has no gateway" }),
      machineLink("docker0", { kind: "virtual", gateways: [], problem: "has no gateway" }),
    ],
    linksError: null,
    certificate: {
      choices: ["/p/laptop.bundle"],
      state: { kind: "good", text: "laptop, until 2027-01-01: laptop.bundle" },
    },
    externalAddresses: new Map(),
    options: optionTable(PROGRAM).filter(({ name }) =>
      ["mtu", "scheduler", "kill-switch", "dns"].includes(name)
    ),
    whyRefused: (settings) => whyRefused(settings, PROGRAM),
    ...more,
  };
}
