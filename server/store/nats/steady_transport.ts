/**
 * The connection of the store's client, whose sockets may fail at any moment. The client takes its
 * listeners away before it closes a socket, and between its steps; a reset that the runtime tells of
 * then, as when credentials are refused, would end the program: an error that nobody listens for.
 */
import { Socket } from "node:net";
import {
  type ConnectionOptions,
  type NatsConnection,
  NatsConnectionImpl,
  setTransportFactory,
} from "@nats-io/transport-node";
import { isPrivateAddress } from "../../../lib/host/links/private_networks.ts";
import { nodeResolveHost, NodeTransport } from "@nats-io/transport-node/lib/node_transport.js";

class SteadyTransport extends NodeTransport {
  override async dial(place: Parameters<NodeTransport["dial"]>[0]) {
    return steady(await super.dial(place));
  }

  override async tlsFirst(place: Parameters<NodeTransport["tlsFirst"]>[0]) {
    return steady(await super.tlsFirst(place));
  }

  override async startTLS() {
    return steady(await super.startTLS());
  }
}

/** How a connection gets to its machine. */
interface Line {
  readonly isEncrypted: boolean;
  /** The machine's address; null when it is not known any more. */
  readonly peer: string | null;
}

export function lineOf(connection: NatsConnection): Line {
  const { transport } = (connection as NatsConnectionImpl).protocol;
  const { socket } = transport as NodeTransport;
  return { isEncrypted: transport.isEncrypted(), peer: socket?.remoteAddress ?? null };
}

/** What the operator should know of a line to `place`; null: nothing. */
export function warningOfLine({ isEncrypted, peer }: Line, place: string): string | null {
  if (isEncrypted || (peer !== null && isPrivateAddress(peer))) return null;
  return `the shared store at ${place} is reached without TLS: whoever is on the way can read its ` +
    "credentials and change what servers share; give -store-ca FILE, or -store tls://...";
}

/** As the client's own `connect`. */
export function connectSteadily(options: ConnectionOptions): Promise<NatsConnection> {
  setTransportFactory({ factory: () => new SteadyTransport(), dnsResolveFn: nodeResolveHost });
  return NatsConnectionImpl.connect(options);
}

/** Its errors have a listener from now on, whatever listeners are taken away. */
export function steady<Some extends Socket>(socket: Some): Some {
  const removeAll = Socket.prototype.removeAllListeners;
  socket.removeAllListeners = (event?: string | symbol) => {
    if (event === undefined) removeAll.call(socket);
    else removeAll.call(socket, event);
    if (!socket.listeners("error").includes(ignore)) socket.on("error", ignore);
    return socket;
  };
  return socket.on("error", ignore);
}

/** What is of use is told to the client's own listeners, and that the connection has ended to all. */
function ignore(): void {}
