import { deepEqual } from "node:assert/strict";
import { VERSION } from "../lib/cli/version.ts";
import { assertHelpFits } from "../testing/command_line.ts";
import { parseServerOptions } from "./options.ts";

const HELP = `Usage: fluxify-server [options] [command]

Carries the traffic of its clients, who reach it over several links at once.

Options:
  --version                        show the version
  -h, --help                       show this help

Connection:
  --port <port>                    UDP port of the data plane (default: 8000)
  --public-port <port>             UDP port that clients are told, where a router forwards another
                                   one (default: -port)
  --public-hosts <list>            names and addresses that clients are told for UDP (default: those
                                   they connect to)
  --ctrl <port>                    TCP port of the control plane (default: 8443)
  --pki <folder>                   folder of the certificate authority (default: ./pki, else as root
                                   /etc/fluxify/pki)
  --hosts <list>                   names and addresses clients reach this server by (default:
                                   127.0.0.1,localhost)
  --store <where>                  where servers keep what they share: file (this server alone), or
                                   nats://HOST,HOST,... or tls://HOST,HOST,... (default: file)
  --store-credentials <file>       for -store: a file of credentials (.creds), or one with
                                   USER:PASSWORD
  --store-ca <file>                for -store: the authority of its certificates; asks for TLS
  --store-cert <file>              for -store: this server's certificate for it
  --store-key <file>               for -store: the key of -store-cert

Links:
  --iface <name>                   name of the TUN device (default: fluxify-srv)
  --name <name>                    name of this instance, for its socket and TUN device (default:
                                   that of -iface)
  --uplink <name>                  the interface clients may leave by, with NAT (default: any but
                                   the tunnel)
  --network <prefix>               IPv4 network inside the tunnel, /16 to /29 (default: 10.8.0.0/24)
  --network6 <prefix>              IPv6 network inside the tunnel, /48 to /120 (default:
                                   fd00:8::/64)

Safety:
  --max-clients <count>            clients that may be connected at a time (default: as many as
                                   -network has addresses)
  --regen                          make a new certificate authority: old certificates end, the old
                                   tree is kept
  --clients-reach-each-other       pass on packets from one client to another
  --rekey-every <time>             change keys at least this often, 1s to 2m (default: 2m)
  --accept-v1                      take clients that speak v1 only, without protection against
                                   replays
  --socket-group <group>           group whose members may ask and steer this program at its socket
                                   (default: root alone)

Tuning:
  --mss-clamp <what>               clamp the MSS of TCP: off, pmtu or fixed:N, N from 500 to 9000
                                   (default: pmtu)
  --reorder-buffer-size <packets>  packets a reorder buffer tells apart, 1 to 65536 (default: 2048)
  --reorder-flush-timeout <time>   how long a packet waits for those before it, 10s at most; also
                                   decides which paths count as good (default: 50ms)
  --engine <name>                  data plane: native, portable or auto (default: auto)
  --threads <count>                engine threads, 1 to 8; auto: one per two cores (default: 1)
  --scheduler <name>               how packets are spread: aggregate, flow, stripe, redundant,
                                   failover (default: as the client does)
  --compression <mode>             compress packets: auto, off or always (default: auto)
  --dscp <value>                   DSCP of datagrams: copy (of the packet inside), off, or 0 to 63
                                   (default: copy)

Output:
  --metrics-every <time>           how often to log a line per session, up to 480h; 0: never
                                   (default: 0)
  --metrics-listen <address>       serve metrics for Prometheus, as in 127.0.0.1:9477 (default:
                                   nowhere)
  --metrics-per-client             serve metrics with the names of clients as well
  --web <address>                  serve a page for browsers, as in 127.0.0.1:8078 or
                                   unix:/run/page.sock (default: nowhere)
  --web-cert <file>                certificate of the page, in PEM: TLS, and then other machines may
                                   reach it
  --web-key <file>                 private key of -web-cert, in PEM
  --web-hosts <list>               names by which browsers reach the page besides localhost and
                                   those of its certificate
  --tui                            manage certificates on a full screen; serves nobody
  -v, --verbose                    log more, and errors in full
  --log-json                       log one JSON object a line, the error that ends it too

Commands:
  setup                            ask for names, ports and the first client, and make what is
                                   needed
  cert                             client certificates
  client                           limits and addresses of clients
  forward                          ports of this machine for clients
  web [options] [address]          serve a page for browsers beside whatever runs, or print the link
                                   of the one served
  status [options]                 show what a running server does
  sessions [options]               list the clients that are connected to a running server
  logs [options]                   show the last lines of a running server's log
  kick [options] <name>            end a client's session now; it may connect again, unless it is
                                   revoked
  drain [options]                  move the clients to other servers, and take no new ones, before
                                   an update
  completion <shell>               print a script that completes words in a shell: bash, zsh or fish
  help [command]                   show a command's help

Examples:
  Serve; the first start makes the authority:
    sudo fluxify-server -hosts vpn.example.com
  A certificate for a client:
    sudo fluxify-server cert new laptop

One dash is enough: -port 8000 is --port 8000.
`;

const CERT_NEW_HELP = `Usage: fluxify-server cert new [options] <name>

make a certificate for a client

Arguments:
  name            the client's name

Options:
  --pki <folder>  folder of the certificate authority (default: ./pki, else as root
                  /etc/fluxify/pki)
  --json          write JSON
  -h, --help      show this help
`;

Deno.test("parseServerOptions() prints help and version", () => {
  for (const flag of ["-h", "-help", "--help"]) {
    deepEqual(parseServerOptions([flag]), { command: "print", text: HELP, exitCode: 0 });
  }
  deepEqual(parseServerOptions(["cert", "new", "--help"]), {
    command: "print",
    text: CERT_NEW_HELP,
    exitCode: 0,
  });
  deepEqual(parseServerOptions(["--version"]), {
    command: "print",
    text: `${VERSION}\n`,
    exitCode: 0,
    about: "version",
  });
});

Deno.test("parseServerOptions() wraps its help to the terminal", () => {
  assertHelpFits((width) => parseServerOptions(["-help"], width));
});
