import { deepEqual } from "node:assert/strict";
import { VERSION } from "../../lib/cli/version.ts";
import { assertHelpFits } from "../../testing/command_line.ts";
import { EXAMPLES } from "./help_examples.ts";
import { parseClientOptions } from "./options.ts";

const HELP = `Usage: fluxify-client [options] [command]

Carries this machine's traffic over several links at once: to a fluxify-server (-b), or without a
server, each connection over one of them (-l).

Options:
  --version                        show the version
  -h, --help                       show this help

Connection:
  -b, --bond                       bonding mode: one tunnel over all links
  -l, --load-balance               load-balance mode: no server, no tunnel
  --server <host>                  name, address or HOST:PORT of the server; up to 8, as in v4,v6
  --servers <list>                 up to eight servers of one authority, as in a.example,b.example:
                                   one is in use, the others are spares
  --server-choice <how>            with -servers: nearest (by round trip and load) or order (the
                                   first that works) (default: nearest)
  --ctrl <port>                    TCP port of the control plane (default: 8443)
  --pki <folder>                   folder of the certificate, in the home of who called sudo
                                   (default: ~/.fluxify)
  --cert <file>                    bundle, or certificate with its key and CA beside it (default:
                                   the only one in -pki)
  --once                           end with an error when the first attempt fails
  --transport <how>                what carries data: udp, tls (TCP, the control port), or auto: tls
                                   where udp fails (default: auto)
  --proxy <url>                    HTTP proxy to reach the server through: http://HOST:PORT,
                                   file:PATH that holds it, or env

Links:
  --ifaces <list>                  links to use, as in eth0,wlan0: 2 to 16, with -l 2 to 63
                                   (default: all that work)
  --ips <list>                     source addresses, in the order of -ifaces; items may be empty
  --policy-routing                 give each link a routing table of its own
  --tun <name>                     name of the TUN device (default: fluxify)
  --name <name>                    name of this instance, for its socket and TUN device (default:
                                   that of -tun)
  --share <mode>                   let a network behind this machine use the tunnel: the interfaces
                                   to it, as in eth1; on (all), off, or auto (where it forwards
                                   anyway) (default: auto)
  --bypass <list>                  what goes beside the tunnel, as in 192.0.2.0/24,example.com:
                                   prefixes, addresses and names
  --bypass-cgroup <list>           programs beside the tunnel, by cgroup (v2), as in
                                   system.slice/backup.service; needs nft
  --bypass-mark <mark>             packets beside the tunnel, by the mark they bear, as in 0x10 or
                                   0x10/0xf0
  --only <list>                    send only this through the tunnel (default: everything)
  --rate <list>                    what links carry at most, down/up, as in
                                   fiber=50/10mbit,dsl=20mbit; the server keeps to it, too
  --link <list>                    links to use only while the others are full or down: lte=backup,
                                   or lte=metered,cap=20GB/month
  --balance <kind>                 with -l: spread over all uplinks, or best for the nearest one
                                   (default: spread)
  --weights <list>                 with -l: as in wan1=3,wan2=1 (default: by link quality)
  --health-interval <time>         with -l: how often each uplink is probed, 200ms to 10m (default:
                                   5s)
  --health-target <list>           with -l: addresses to probe (default: the gateway, then public
                                   resolvers)
  --external-ip-url <url>          with -l: page that tells our address, to compare uplinks

Tuning:
  --mtu <bytes>                    MTU of the tunnel, 576 to 9000; 0 is 1400, less when a link is
                                   smaller (default: 0)
  --reorder-buffer-size <packets>  packets a reorder buffer tells apart, 1 to 65536 (default: 2048)
  --reorder-flush-timeout <time>   how long a packet waits for those before it, 10s at most; also
                                   decides which paths count as good (default: 50ms)
  --engine <name>                  data plane: native, portable or auto (default: auto)
  --scheduler <name>               how packets are spread: aggregate, flow, stripe, redundant,
                                   failover (default: aggregate)
  --compression <mode>             compress packets: auto, off or always (default: auto)
  --dscp <value>                   DSCP of datagrams: copy (of the packet inside), off, or 0 to 63
                                   (default: copy)
  --probe-pmtud <when>             find out what size of packets each path carries: auto or off
                                   (default: auto)

Safety:
  --rekey-every <time>             change keys at least this often, 1s to 2m (default: 2m)
  --renew-every <time>             renew the session this often, 5s to 24h (default: 60m)
  --accept-v1                      take servers that speak v1 only, without protection against
                                   replays
  --dns <list>                     up to three DNS servers to ask through the tunnel, as in
                                   1.1.1.1,2606:4700::1111
  --kill-switch                    let nothing out beside the tunnel, until stop or 'restore'
  --socket-group <group>           group whose members may ask and steer this program at its socket
                                   (default: root alone)

Output:
  --status-every <time>            log the status this often, 1s to 24h; 0 is never (default: 0)
  --metrics-listen <address>       serve metrics for Prometheus, as in 127.0.0.1:9477 (default:
                                   nowhere)
  --web <address>                  serve a page for browsers, as in 127.0.0.1:8078 or
                                   unix:/run/page.sock (default: nowhere)
  --web-cert <file>                certificate of the page, in PEM: TLS, and then other machines may
                                   reach it
  --web-key <file>                 private key of -web-cert, in PEM
  --web-hosts <list>               names by which browsers reach the page besides localhost and
                                   those of its certificate
  --ui                             show a live full-screen status
  -v, --verbose                    log more, and errors in full
  --log-json                       log one JSON object a line, the error that ends it too

Commands:
  setup                            ask for mode, server, certificate and links, save them, and start
  diag [options]                   look for what stands in the way, from the machine to the server
  netcheck [options]               try each link: UDP to the server, round trip, packet size,
                                   external address
  config [options]                 show the settings in force, and where each comes from
  restore [options]                undo what a client that was killed left behind: routes, DNS, kill
                                   switch
  up [options]                     start with the saved settings, as a service or in the background,
                                   and wait for it
  run [options]                    run with the saved settings until it is stopped, as a service
                                   does
  web [options] [address]          serve a page for browsers beside whatever runs, or print the link
                                   of the one served
  status [options]                 show what a running client does
  logs [options]                   show the last lines of a running client's log
  ping [options]                   ask the server over each link, and show round trips and loss
  down [options]                   stop a running client, and wait until everything is undone
  set                              change a running client, until it stops
  links                            links of a running client
  completion <shell>               print a script that completes words in a shell: bash, zsh or fish
  help [command]                   show a command's help
${EXAMPLES}
`;

function parse(...argv: string[]) {
  return parseClientOptions(argv, "/home/mara");
}

Deno.test("parseClientOptions() prints help and version", () => {
  for (const flag of ["-h", "-help", "--help"]) {
    deepEqual(parse(flag), { command: "print", text: HELP, exitCode: 0 });
  }
  deepEqual(parse("--version"), {
    command: "print",
    text: `${VERSION}\n`,
    exitCode: 0,
    about: "version",
  });
});

Deno.test("parseClientOptions() wraps its help to the terminal", () => {
  assertHelpFits((width) => parseClientOptions(["-help"], "/home/x", new Map(), width));
});
