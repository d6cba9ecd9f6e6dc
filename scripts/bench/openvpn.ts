/**
 * OpenVPN 2.6 as a subject: AES-256-GCM over UDP, both ends in user space (no DCO kernel module),
 * TLS with certificates made on the spot, everything else as it comes.
 */

import { join } from "node:path";
import type { Namespace } from "../../tests/netns/namespace.ts";
import type { Tunnel } from "./subject.ts";
import {
  CLIENT_TUNNEL_ADDRESS,
  SERVER_ADDRESS,
  SERVER_TUNNEL_ADDRESS,
  type Testbed,
} from "./testbed.ts";

const PORT = "1194";
const CIPHER = "AES-256-GCM";
const START_TIMEOUT_MS = 20_000;

export async function startOpenVpn(testbed: Testbed): Promise<Tunnel> {
  const { client, server, directory } = testbed;
  await makeCertificates(server, directory);
  const serverProcess = server.spawn([
    ...common(directory, "server", SERVER_TUNNEL_ADDRESS, CLIENT_TUNNEL_ADDRESS),
    ...["--local", SERVER_ADDRESS, "--lport", PORT, "--tls-server", "--dh", "none"],
  ]);
  const clientProcess = client.spawn([
    ...common(directory, "client", CLIENT_TUNNEL_ADDRESS, SERVER_TUNNEL_ADDRESS),
    ...["--remote", SERVER_ADDRESS, PORT, "--nobind", "--tls-client"],
  ]);
  for (const process of [serverProcess, clientProcess]) {
    await process.waitForLine(new RegExp(`Data Channel: .*cipher '${CIPHER}'`), START_TIMEOUT_MS);
    await process.waitForLine(/Initialization Sequence Completed/, START_TIMEOUT_MS);
  }
  const [, version] = await clientProcess.waitForLine(/OpenVPN (\d\S*)/, START_TIMEOUT_MS);
  return {
    address: SERVER_TUNNEL_ADDRESS,
    pids: [serverProcess.pid, clientProcess.pid],
    description: `OpenVPN ${version}, ${CIPHER}, UDP, without DCO`,
  };
}

function common(directory: string, name: string, local: string, remote: string): string[] {
  return [
    ...["openvpn", "--dev", "tun", "--proto", "udp4", "--disable-dco"],
    ...["--ifconfig", local, remote, "--data-ciphers", CIPHER],
    ...["--ca", join(directory, "ca.crt")],
    ...["--cert", join(directory, `${name}.crt`), "--key", join(directory, `${name}.key`)],
    ...["--verb", "4"],
  ];
}

async function makeCertificates(namespace: Namespace, directory: string): Promise<void> {
  const file = (name: string) => join(directory, name);
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await namespace.run(
    ...["openssl", "req", "-x509", ...newKey, "-days", "2", "-subj", "/CN=bench-ca"],
    ...["-keyout", file("ca.key"), "-out", file("ca.crt")],
  );
  for (const name of ["server", "client"]) {
    await namespace.run(
      ...["openssl", "req", ...newKey, "-subj", `/CN=${name}`],
      ...["-keyout", file(`${name}.key`), "-out", file(`${name}.csr`)],
    );
    await namespace.run(
      ...["openssl", "x509", "-req", "-in", file(`${name}.csr`), "-days", "2", "-CAcreateserial"],
      ...["-CA", file("ca.crt"), "-CAkey", file("ca.key"), "-out", file(`${name}.crt`)],
    );
  }
}
