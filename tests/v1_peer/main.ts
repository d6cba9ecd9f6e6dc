/**
 * The v1 peer as a program, and a UDP echo service for the far end of a NAT:
 *
 *     main.ts client --pki DIRECTORY --name NAME --server ADDRESS --links ADDRESS,ADDRESS
 *     main.ts server --pki DIRECTORY
 *     main.ts echo PORT
 *
 * Options: --tun NAME for a TUN device in place of the host of the peer's own, --no-gzip, and for a
 * server that never lets a path go --keeps-paths.
 * It prints one line of JSON when it is ready, and one for each line of JSON on standard input: see
 * Command.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { TextLineStream } from "../e2e/text_lines.ts";
import { V1Client } from "./client.ts";
import { type Credentials, requestSession } from "./control.ts";
import { type Ask, DATAGRAM_BYTES_MAX, type Endpoint } from "./endpoint.ts";
import { V1Server } from "./server.ts";
import { TunEnd } from "./tun_end.ts";

const CONTROL_PORT = 8443;
const DATA_PORT = 8000;
const HEARTBEAT_MS = 2000;
const DELIVER_EVERY_MS = 5;

export type Command =
  | { do: "report" }
  | ({ do: "ask" } & Ask)
  | { do: "walk"; to: number; address: string }
  | { do: "use"; links: number[] }
  | { do: "jam" }
  | { do: "replay" | "corrupt" | "bomb" };

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      pki: { type: "string", default: "." },
      name: { type: "string", default: "client" },
      server: { type: "string", default: "" },
      links: { type: "string", default: "" },
      tun: { type: "string" },
      "no-gzip": { type: "boolean", default: false },
      "keeps-paths": { type: "boolean", default: false },
    },
    allowPositionals: true,
  });
  const [role, port] = positionals;
  if (role === "echo") return serveEcho(Number(port));
  const common = {
    tun: values.tun === undefined ? null : TunEnd.open(values.tun),
    gzip: !values["no-gzip"],
  };
  if (role === "server") {
    const credentials = await readCredentials(values.pki, "server");
    const ports = { controlPort: CONTROL_PORT, udpPort: DATA_PORT };
    const keepsPaths = values["keeps-paths"];
    const server = await V1Server.start({ ...common, ...ports, credentials, keepsPaths });
    console.log(JSON.stringify({ ready: true }));
    return serve(server, () => ({
      asked: server.asked,
      unknownSession: server.unknownSession,
      heartbeats: server.heartbeats,
    }));
  }
  const credentials = await readCredentials(values.pki, `clients/${values.name}`);
  const grant = await requestSession(values.server, CONTROL_PORT, credentials);
  const links = values.links.split(",");
  const { server } = values;
  const client = V1Client.start({ ...common, grant, server, links, heartbeatMs: HEARTBEAT_MS });
  await client.ready();
  const { ipv4, ipv6 } = grant;
  console.log(JSON.stringify({ ready: true, ipv4, ipv6, sources: client.sources }));
  await serve(client, () => ({ strayReceived: client.strayReceived }));
}

async function readCredentials(pki: string, stem: string): Promise<Credentials> {
  const read = (file: string) => Deno.readTextFile(join(pki, file));
  return {
    ca: await read("ca.pem"),
    cert: await read(`${stem}.pem`),
    key: await read(`${stem}-key.pem`),
  };
}

/** Does what standard input says, until it ends. */
async function serve(endpoint: Endpoint, extra: () => object): Promise<void> {
  endpoint.tun?.run((packet) => endpoint.sendPacket(packet));
  setInterval(() => endpoint.deliver(performance.now()), DELIVER_EVERY_MS);
  for await (const line of Deno.stdin.readable.pipeThrough(new TextLineStream())) {
    const command: Command = JSON.parse(line);
    const result = await run(endpoint, command, extra);
    console.log(JSON.stringify({ did: command.do, ...result }));
  }
  Deno.exit(0);
}

async function run(endpoint: Endpoint, command: Command, extra: () => object): Promise<object> {
  switch (command.do) {
    case "report":
      return { ...endpoint.report(), ...extra() };
    case "ask":
      return { count: await endpoint.ask(command) };
    case "walk":
      await endpoint.walk(command.to, command.address);
      return {};
    case "jam":
      if (endpoint instanceof V1Server) endpoint.jam();
      return {};
    case "use":
      if (endpoint instanceof V1Client) endpoint.use(command.links);
      return {};
    default:
      if (!(endpoint instanceof V1Client)) throw new Error(`Cannot ${command.do}: not a client`);
      return { count: endpoint[command.do]() };
  }
}

/** Echoes datagrams of both families; a line on standard input asks how many there were. */
async function serveEcho(port: number): Promise<void> {
  let count = 0;
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "::", port });
  const echo = async () => {
    const buffer = new Uint8Array(DATAGRAM_BYTES_MAX);
    for (;;) {
      const [datagram, from] = await socket.receive(buffer);
      count++;
      await socket.send(datagram, from);
    }
  };
  echo();
  console.log(JSON.stringify({ ready: true }));
  for await (const _ of Deno.stdin.readable.pipeThrough(new TextLineStream())) {
    console.log(JSON.stringify({ did: "report", count }));
  }
  Deno.exit(0);
}

if (import.meta.main) await main();
