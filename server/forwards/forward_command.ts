/**
 * The `fluxify-server forward` commands as values: options in, lines and an exit code out. They write
 * a file in the PKI directory and nothing else; a running server follows it by itself.
 */
import { formatTable } from "../../lib/cli/table.ts";
import { openClientRegistry } from "../../lib/pki/client_registry.ts";
import { PkiError } from "../../lib/pki/pki_error.ts";
import {
  type CertificateOptions,
  type CommandOutcome,
  outcomeOf,
  render,
} from "../certificates/certificate_command.ts";
import { changeForwards, forwardFile, FORWARDS_MAX, readForwards } from "./forward_file.ts";
import { forwardLabel, type PortForward } from "./port_forward.ts";

interface AddOptions extends CertificateOptions {
  readonly forward: PortForward;
  /** Ports of that protocol on which programs of this machine wait for connections. */
  readonly localPorts: ReadonlySet<number>;
  /** Whether such a program may lose its connections to the client. */
  readonly mayTakeLocalPort: boolean;
}

/** `forward add`: a port goes to a client from now on. */
export function addForward(options: AddOptions): Promise<CommandOutcome> {
  return outcomeOf(async () => {
    const { directory, folders, now, forward, localPorts, mayTakeLocalPort } = options;
    const label = forwardLabel(forward);
    const registry = await openClientRegistry(directory, folders);
    const client = await registry.show(forward.client, now);
    if (client.status === "revoked") {
      throw refusal(`${forward.client} is revoked: "fluxify-server cert new" lets it in again`);
    }
    if (localPorts.has(forward.port) && !mayTakeLocalPort) {
      throw refusal(
        `a program of this machine has ${label}, and would get no connection from outside any ` +
          "more; choose another port, or add --take-local-port",
      );
    }
    await changeForwards(directory, (forwards) => {
      const present = forwards.find((each) => forwardLabel(each) === label);
      if (present !== undefined) {
        throw refusal(
          `${label} goes to ${present.client} already; "fluxify-server forward remove ${label}" ends that`,
        );
      }
      if (forwards.length >= FORWARDS_MAX) {
        throw refusal(`${forwardFile(directory)} holds ${FORWARDS_MAX}, which is the limit`);
      }
      return [...forwards, forward];
    });
    const text = [
      `${label} goes to ${whereTo(forward)}: a running server applies it within two seconds`,
      `Open ${label} in this machine's firewall and in that of its provider`,
    ];
    return { lines: render(options, forward, text), errorLines: [] };
  });
}

/** `forward remove`: the port is the machine's own again. */
export function removeForward(
  options: CertificateOptions & { readonly forward: Pick<PortForward, "protocol" | "port"> },
): Promise<CommandOutcome> {
  return outcomeOf(async () => {
    const { directory, forward } = options;
    const label = forwardLabel(forward);
    await changeForwards(directory, (forwards) => {
      const kept = forwards.filter((each) => forwardLabel(each) !== label);
      if (kept.length < forwards.length) return kept;
      throw refusal(
        `${label} goes to no client; "fluxify-server forward list" shows what does`,
      );
    });
    const text = [`${label} goes to no client any more; connections that are open go on`];
    return { lines: render(options, forward, text), errorLines: [] };
  });
}

/** `forward list`. */
export function listForwards(options: CertificateOptions): Promise<CommandOutcome> {
  return outcomeOf(async () => {
    const forwards = await readForwards(options.directory);
    const text = forwards.length === 0
      ? ['No port goes to a client: "fluxify-server forward add tcp 8080 NAME:80" makes one go']
      : formatTable(
        ["PROTOCOL", "PORT", "TO", "FROM"],
        forwards.map((forward) => [
          forward.protocol,
          String(forward.port),
          whereTo(forward),
          forward.from ?? "anywhere",
        ]),
      );
    return { lines: render(options, forwards, text), errorLines: [] };
  });
}

function whereTo({ client, clientPort }: PortForward): string {
  return `${client}:${clientPort}`;
}

function refusal(reason: string): PkiError {
  return new PkiError("port forward", "", `Cannot do that: ${reason}`);
}
