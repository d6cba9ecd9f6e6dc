/** The control exchange of section 1 of docs/protocol.md, as a peer without features has it. */
import { randomBytes } from "node:crypto";
import tls from "node:tls";

const EXCHANGE_TIMEOUT_MS = 10_000;
const REQUEST_BYTES_MAX = 16 * 1024;

/** PEM texts. */
export interface Credentials {
  ca: string;
  cert: string;
  key: string;
}

export interface Grant {
  id: number;
  key: Uint8Array;
  udpPort: number;
  ipv4: string;
  ipv6: string;
}

/** What a client asked, and who it is. */
export interface Asked {
  commonName: string;
  features: unknown;
  clientName: unknown;
}

/** Asks as a v1 client does: `client_name` and nothing else. Throws whatever is wrong with the answer. */
export async function requestSession(
  host: string,
  port: number,
  credentials: Credentials,
): Promise<Grant> {
  const text = await exchange(host, port, credentials, JSON.stringify({ client_name: "" }));
  const answer = JSON.parse(text);
  if (answer.error !== undefined) throw new Error(`Refused: ${text}`);
  const key = Uint8Array.from(atob(answer.session_key), (char) => char.charCodeAt(0));
  const isGood = Number.isInteger(answer.session_id) && answer.session_id > 0 &&
    answer.session_id < 2 ** 32 && key.length === 32 && Number.isInteger(answer.udp_port) &&
    /^10\.8\.0\.\d+$/.test(answer.client_ip) && /^fd00:8::[0-9a-f]+$/.test(answer.client_ip6);
  if (!isGood) throw new Error("Cannot use the answer: a field is not as the document has it");
  if (Array.isArray(answer.features) ? answer.features.length > 0 : "features" in answer) {
    throw new Error(`Features nobody asked for: ${JSON.stringify(answer.features)}`);
  }
  return {
    ...{ id: answer.session_id, key, udpPort: answer.udp_port },
    ...{ ipv4: answer.client_ip, ipv6: answer.client_ip6 },
  };
}

function exchange(host: string, port: number, pem: Credentials, request: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = tls.connect({ host, port, ...pem, servername: "" });
  const timer = setTimeout(() => reject(new Error("No answer")), EXCHANGE_TIMEOUT_MS);
  let text = "";
  socket.on("secureConnect", () => socket.end(request));
  socket.on("data", (chunk: Uint8Array) => text += new TextDecoder().decode(chunk));
  socket.on("error", reject);
  // Only a server that closes has answered.
  socket.on("close", () => resolve(text));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

/** Grants each client with a certificate a session of its own, with a new key. */
export function serveSessions(
  port: number,
  credentials: Credentials,
  udpPort: number,
  onGrant: (grant: Grant, asked: Asked) => void,
): Promise<tls.Server> {
  const options = { ...credentials, requestCert: true, rejectUnauthorized: true };
  const server = tls.createServer(options, (socket) => {
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (chunk: Uint8Array) => {
      text += new TextDecoder().decode(chunk);
      if (text.length > REQUEST_BYTES_MAX) return socket.destroy();
      const request = parseObject(text);
      if (request === null) return;
      const grant = newGrant(udpPort);
      const commonName = String(socket.getPeerCertificate().subject.CN);
      onGrant(grant, {
        commonName,
        features: request.features,
        clientName: request.client_name,
      });
      socket.end(JSON.stringify({
        session_id: grant.id,
        session_key: btoa(String.fromCharCode(...grant.key)),
        udp_port: udpPort,
        client_ip: grant.ipv4,
        client_ip6: grant.ipv6,
      }));
    });
  });
  const { promise, resolve, reject } = Promise.withResolvers<tls.Server>();
  server.once("error", reject);
  server.listen(port, "0.0.0.0", () => resolve(server));
  return promise;
}

function newGrant(udpPort: number): Grant {
  const id = randomBytes(4).readUInt32BE() || 1;
  return {
    ...{ id, key: Uint8Array.from(randomBytes(32)), udpPort },
    ...{ ipv4: "10.8.0.2", ipv6: "fd00:8::2" },
  };
}

/** Null while the object is incomplete. */
function parseObject(text: string): Record<string, unknown> | null {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
