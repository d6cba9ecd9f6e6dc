/**
 * The network inside the tunnel as a file beside the certificates, written by each start of the server:
 * so that commands which run without one know what addresses its clients can have.
 *
 *   {"version":1,"ipv4":"10.8.0.0/24","ipv6":"fd00:8::/64"}
 */
import { join } from "node:path";
import * as v from "valibot";
import {
  readBounded,
  readError,
  SECRET_FILE_MODE,
  writeFilesAtomically,
} from "../../lib/pki/secure_file.ts";
import { TunnelNetwork } from "../../lib/protocol/wire/tunnel_network.ts";

const FILE_NAME = "network.json";
const FILE_BYTES_MAX = 4096;
const FileSchema = v.object({ version: v.literal(1), ipv4: v.string(), ipv6: v.string() });

/** @throws PkiError */
export async function writeNetwork(directory: string, network: TunnelNetwork): Promise<void> {
  const { subnet4: ipv4, subnet6: ipv6 } = network;
  const text = JSON.stringify({ version: 1, ipv4, ipv6 }) + "\n";
  await writeFilesAtomically([{
    path: join(directory, FILE_NAME),
    text,
    mode: SECRET_FILE_MODE,
  }]);
}

/** Null: no server has started with this folder, or what it wrote cannot be used. @throws PkiError */
export async function readNetwork(directory: string): Promise<TunnelNetwork | null> {
  const path = join(directory, FILE_NAME);
  let text: string | null;
  try {
    text = await readBounded(path, FILE_BYTES_MAX);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw readError(path, error);
  }
  try {
    const { ipv4, ipv6 } = v.parse(FileSchema, JSON.parse(text ?? ""));
    return new TunnelNetwork(ipv4, ipv6);
  } catch {
    return null; // the next start of the server writes it anew
  }
}
