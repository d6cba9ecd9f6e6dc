/**
 * The process that speaks TLS by `node:tls` for a program that has no libssl. It has no socket of its
 * own: bytes of connections come and go in frames (helper_frame.ts), and it ends when its standard
 * input does. `node:tls` keeps some memory of each connection, so the program replaces it now and then.
 */
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import tls from "node:tls";
import { Libc } from "../../ffi/libc/libc.ts";
import { encodeFrame, FRAME, FrameReader, type HelperSettings } from "./helper_frame.ts";

const VERSION = { minVersion: "TLSv1.3", maxVersion: "TLSv1.3" } as const;
/** What came before the end of a connection is read within so long. */
const HANDSHAKE_END_MS = 200;
const READ_BYTES = 64 * 1024;

/** Serves until standard input ends. */
export async function runTlsHelper(): Promise<void> {
  forbidCoreDumps();
  const helper = new Helper();
  const reader = new FrameReader();
  const chunk = new Uint8Array(READ_BYTES);
  for (;;) {
    const length = await Deno.stdin.read(chunk);
    if (length === null) Deno.exit(0);
    for (const { id, kind, payload } of reader.read(chunk.subarray(0, length))) {
      helper.take(id, kind, payload);
    }
  }
}

/** Keys are in its memory. */
function forbidCoreDumps(): void {
  try {
    Libc.open().forbidCoreDumps();
  } catch {
    // Without glibc the program cannot do it for itself, either.
  }
}

class Helper {
  #settings: HelperSettings | null = null;
  readonly #connections = new Map<number, Connection>();
  #written: Promise<unknown> = Promise.resolve();

  take(id: number, kind: number, payload: Uint8Array<ArrayBuffer>): void {
    if (kind === FRAME.settings) {
      this.#settings = JSON.parse(new TextDecoder().decode(payload));
      payload.fill(0);
    } else if (kind === FRAME.open && this.#settings !== null) {
      const name = new TextDecoder().decode(payload);
      const tell = (kind: number, bytes?: Uint8Array) => this.#tell(id, kind, bytes);
      const forget = () => this.#connections.delete(id);
      this.#connections.set(id, new Connection(this.#settings, name, tell, forget));
    } else this.#connections.get(id)?.take(kind, payload);
  }

  #tell(id: number, kind: number, payload?: Uint8Array): void {
    const bytes = encodeFrame(id, kind, payload);
    this.#written = this.#written.then(async () => {
      for (let sent = 0; sent < bytes.length;) {
        sent += await Deno.stdout.write(bytes.subarray(sent));
      }
    }).catch(() => Deno.exit(0)); // the program has gone
  }
}

class Connection {
  readonly #wire: Duplex;
  readonly #tell: (kind: number, bytes?: Uint8Array) => void;
  readonly #forget: () => void;
  #secured: tls.TLSSocket | null = null;
  #isOver = false;

  constructor(
    settings: HelperSettings,
    serverName: string,
    tell: (kind: number, bytes?: Uint8Array) => void,
    forget: () => void,
  ) {
    this.#tell = tell;
    this.#forget = forget;
    this.#wire = new Duplex({
      allowHalfOpen: true,
      read() {},
      write: (bytes, _encoding, done) => {
        tell(FRAME.wire, bytes);
        done();
      },
      final: (done) => {
        tell(FRAME.wireEnd);
        done();
      },
    });
    this.#wire.on("error", (error) => this.#fail(error));
    const { caPem: ca, certPem: cert, keyPem: key } = settings;
    const own = { ca, cert, key, ...VERSION, allowHalfOpen: true };
    if (settings.role === "server") this.#accept(own);
    else this.#connect(own, serverName);
  }

  take(kind: number, payload: Uint8Array<ArrayBuffer>): void {
    if (kind === FRAME.wire) this.#wire.push(Buffer.from(payload));
    else if (kind === FRAME.wireEnd) this.#endWire();
    else if (kind === FRAME.plain) this.#secured?.write(Buffer.from(payload));
    else if (kind === FRAME.plainEnd) this.#secured?.end();
    else if (kind === FRAME.close) this.#end();
  }

  /** `node:tls` does not tell of a peer that leaves before it has said anything. */
  #endWire(): void {
    this.#wire.push(null);
    setTimeout(() => {
      if (this.#secured === null) this.#fail(new Error("socket hang up"));
    }, HANDSHAKE_END_MS);
  }

  /** A server of its own for each connection, so that its events are of no other. */
  #accept(own: tls.TlsOptions): void {
    const mutual = { requestCert: true, rejectUnauthorized: true };
    const server = tls.createServer({ ...own, ...mutual } as tls.TlsOptions);
    server.on("secureConnection", (socket) => {
      // A connection that is resumed shows no certificate.
      if (socket.isSessionReused()) return this.#fail(new Error("session resumption"));
      this.#secure(socket);
    });
    server.on("tlsClientError", (error) => this.#fail(error));
    server.emit("connection", this.#wire);
  }

  #connect(own: tls.ConnectionOptions, servername: string): void {
    const socket = tls.connect({
      ...own,
      socket: this.#wire,
      rejectUnauthorized: true,
      // The program compares names itself.
      checkServerIdentity: () => undefined,
      ...(servername === "" ? {} : { servername }),
    });
    socket.on("error", (error) => this.#fail(error));
    socket.on("secureConnect", () => this.#secure(socket));
  }

  #secure(socket: tls.TLSSocket): void {
    const { raw } = socket.getPeerCertificate();
    if (socket.getProtocol() !== "TLSv1.3") return this.#fail(new Error("another version of TLS"));
    this.#secured = socket;
    socket.on("error", (error) => this.#fail(error));
    socket.on("data", (bytes: Uint8Array) => this.#tell(FRAME.plain, bytes));
    socket.on("end", () => this.#tell(FRAME.plainEnd));
    socket.on("close", () => this.#end());
    this.#tell(FRAME.secure, raw);
  }

  #fail(error: Error): void {
    if (this.#isOver) return;
    const { code = "" } = error as NodeJS.ErrnoException;
    this.#tell(FRAME.failed, new TextEncoder().encode(`${code} ${error.message}`));
    this.#end();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#tell(FRAME.close);
    this.#secured?.destroy();
    this.#wire.destroy();
    this.#forget();
  }
}
