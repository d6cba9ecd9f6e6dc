import type { ClientSummary } from "../../lib/pki/client_registry.ts";
import { openPorts } from "../setup/firewall_text.ts";
import { PKI_FOLDERS } from "../../lib/pki/pki_folder.ts";

interface NextStepOptions {
  readonly pkiFolder: string;
  readonly port: number;
  readonly controlPort: number;
}

/** What the operator of a server that no client can use yet is to do, or null. */
export function nextStep(
  clients: readonly ClientSummary[],
  { pkiFolder, port, controlPort }: NextStepOptions,
): string | null {
  if (clients.some((client) => client.status === "valid")) return null;
  const folder = (PKI_FOLDERS as readonly string[]).includes(pkiFolder) ? "" : ` -pki ${pkiFolder}`;
  return `no client has a certificate yet: "fluxify-server cert new NAME${folder}" makes one; ` +
    openPorts(controlPort, port);
}
