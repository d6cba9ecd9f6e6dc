#!/bin/sh
# Measures each link of a client alone, then all of them bonded, between two real machines, and writes
# a report: report.txt, report.json and report.svg. Run it with --server on one machine, and with
# --client HOST on the other. With --netem links are shaped; whatever ends it, they are as before.
set -u

PROGRAM=$(basename "$0")
HERE=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
SERVER_COMMAND=${FLUXIFY_SERVER:-$HERE/bin/fluxify-server}
CLIENT_COMMAND=${FLUXIFY_CLIENT:-$HERE/bin/fluxify-client}
IPERF_PORT=5201
INNER_SERVER=10.8.0.1

MODE=
HOST=
IFACES=eth0,wlan0
DURATION=30
PKI=
SHAPES=no
OWN_SHAPES=
OUTPUT=.
VERBOSE=no
PIDS=
SHAPED=
WORK=

usage() {
    cat <<END
Usage: $PROGRAM --server [options]
       $PROGRAM --client HOST [options]

  -s, --server           start iperf3 and fluxify-server, until Ctrl-C
  -c, --client HOST      measure each interface, then the bond
  -i, --ifaces LIST      interfaces (default: eth0,wlan0)
  -d, --duration S       seconds of each measurement (default: 30)
  -p, --pki DIR          server: its authority; client: the bundle, or its folder
      --netem            shape the interfaces by name:
                           eth0   10 ms, jitter  1 ms, loss 0 %,   1000 Mbit/s
                           wlan0  30 ms, jitter 15 ms, loss 0.5 %,  100 Mbit/s
                           wwan0  60 ms, jitter 40 ms, loss 1 %,     50 Mbit/s
                           others 20 ms, jitter  5 ms, loss 0.1 %,  200 Mbit/s
      --shape NAME=DELAY,JITTER,LOSS,RATE
                         shape one interface so (ms, ms, %, Mbit/s); may be repeated
      --cleanup          take shaping off the interfaces, and end
  -o, --output DIR       where the report goes (default: here)
  -v, --verbose          show what is run
  -h, --help             show this help

The programs are bin/fluxify-server and bin/fluxify-client, or what FLUXIFY_SERVER and
FLUXIFY_CLIENT say. Needs root, iperf3, ip, tc and ping.
END
}

refuse() {
    echo "$PROGRAM: $1" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
        -c | --client | -i | --ifaces | -d | --duration | -p | --pki | --shape | -o | --output)
            if [ $# -lt 2 ] || [ -z "$2" ]; then refuse "$1 needs a value"; fi
            ;;
    esac
    case $1 in
        -s | --server) MODE=server; shift ;;
        -c | --client) MODE=client; HOST=$2; shift 2 ;;
        -i | --ifaces) IFACES=$2; shift 2 ;;
        -d | --duration) DURATION=$2; shift 2 ;;
        -p | --pki) PKI=$2; shift 2 ;;
        --netem) SHAPES=yes; shift ;;
        --shape) SHAPES=yes; OWN_SHAPES="$OWN_SHAPES $2"; shift 2 ;;
        --cleanup) MODE=cleanup; shift ;;
        -o | --output) OUTPUT=$2; shift 2 ;;
        -v | --verbose) VERBOSE=yes; shift ;;
        -h | --help) usage; exit 0 ;;
        *) refuse "unknown option '$1', see --help" ;;
    esac
done

case $DURATION in '' | *[!0-9]* | 0) refuse "--duration must be a number of seconds, not '$DURATION'" ;; esac
case $IFACES in *[!A-Za-z0-9_.,@:-]* | -*) refuse "--ifaces has something that is no interface: '$IFACES'" ;; esac
case $HOST in -* | *[!A-Za-z0-9.:_-]*) refuse "--client must be a name or an address, not '$HOST'" ;; esac
for shape in $OWN_SHAPES; do
    case $shape in
        ?*=*,*,*,*) ;;
        *) refuse "--shape must be NAME=DELAY,JITTER,LOSS,RATE, not '$shape'" ;;
    esac
    case ${shape#*=} in *[!0-9.,]*) refuse "--shape has something that is no number: '$shape'" ;; esac
done
[ -n "$MODE" ] || refuse "say --server, --client HOST or --cleanup, see --help"
NAMES=$(echo "$IFACES" | tr ',' ' ')

say() { printf '%s\n' "$*"; }
run() {
    [ "$VERBOSE" = no ] || echo "+ $*" >&2
    "$@"
}

need() {
    for tool in "$@"; do
        command -v "$tool" >/dev/null 2>&1 || refuse "$tool is missing: install it"
    done
    [ "$(id -u)" = 0 ] || refuse "it must be root: run with sudo"
}

# Delay, jitter, loss and rate of an interface.
shape_of() {
    for shape in $OWN_SHAPES; do
        if [ "${shape%%=*}" = "$1" ]; then
            echo "${shape#*=}" | tr ',' ' '
            return
        fi
    done
    case $1 in
        eth0) echo 10 1 0 1000 ;;
        wlan0) echo 30 15 0.5 100 ;;
        wwan0) echo 60 40 1 50 ;;
        *) echo 20 5 0.1 200 ;;
    esac
}

shape_interfaces() {
    [ "$SHAPES" = yes ] || return 0
    for name in $NAMES; do
        # Those that the kernel gives an interface by itself have the handle 0; no other comes back.
        if tc qdisc show dev "$name" | grep ' root' | grep -qv ' 0: root'; then
            refuse "$name has a queueing discipline of its own: take it off first, or with --cleanup"
        fi
    done
    for name in $NAMES; do
        # shellcheck disable=SC2046
        set -- $(shape_of "$name")
        SHAPED="$SHAPED $name"
        if run tc qdisc replace dev "$name" root netem delay "$1ms" "$2ms" loss "$3%" \
            rate "$4mbit" 2>/dev/null; then
            say "$name is shaped: $1 ms, jitter $2 ms, loss $3 %, $4 Mbit/s"
        elif run tc qdisc replace dev "$name" root tbf rate "$4mbit" burst 64kb latency 100ms; then
            say "$name is shaped to $4 Mbit/s; this kernel has no netem, so without delay and loss"
        else
            refuse "$name cannot be shaped"
        fi
    done
}

unshape() {
    for name in $1; do
        run tc qdisc del dev "$name" root 2>/dev/null && say "$name is as before"
    done
    return 0
}

# By their numbers, those that were started here alone.
clean_up() {
    trap - EXIT INT TERM HUP
    for pid in $PIDS; do kill -TERM "$pid" 2>/dev/null; done
    for pid in $PIDS; do wait "$pid" 2>/dev/null; done
    unshape "$SHAPED"
    [ -z "$WORK" ] || rm -rf "$WORK"
}
on_signal() {
    clean_up
    exit 130
}
trap clean_up EXIT
trap on_signal INT TERM HUP

start() {
    log=$1
    shift
    [ "$VERBOSE" = no ] || echo "+ $*" >&2
    "$@" >"$log" 2>&1 &
    PIDS="$! $PIDS"
}

wait_for_line() {
    tries=0
    until grep -q "$2" "$1" 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ] || ! kill -0 "${PIDS%% *}" 2>/dev/null; then
            cat "$1" >&2
            refuse "it did not start, see above"
        fi
        sleep 0.1
    done
}

run_server() {
    need iperf3 ip tc
    shape_interfaces
    addresses=$(ip -o addr show scope global | awk '{ sub(/\/.*/, "", $4); printf "%s%s", (NR > 1 ? "," : ""), $4 }')
    start "$WORK/iperf3.log" iperf3 -s -p "$IPERF_PORT"
    # The command may be several words.
    # shellcheck disable=SC2086
    start "$WORK/server.log" $SERVER_COMMAND -pki "${PKI:-$HERE/pki}" -hosts "$addresses"
    wait_for_line "$WORK/server.log" 'is ready'
    say "server is ready on $addresses; Ctrl-C ends it"
    wait "${PIDS%% *}"
}

# Bits per second that the receiver got. Arguments go to iperf3, whose server takes one at a time, and
# may still be with the one before.
measure() {
    for attempt in 1 2 3; do
        bits=$(measure_once "$@")
        [ "$bits" = 0 ] || break
        [ "$attempt" = 3 ] || sleep 1
    done
    printf '%s' "$bits"
}

measure_once() {
    run iperf3 -J -p "$IPERF_PORT" -t "$DURATION" --connect-timeout 5000 "$@" 2>/dev/null |
        awk '/"sum_received"/ { inside = 1 }
             inside && /"bits_per_second"/ { gsub(/[^0-9.e+]/, "", $2); printf "%.0f", $2; found = 1; exit }
             END { if (!found) printf "0" }'
}

mbit() { awk -v bits="$1" 'BEGIN { printf "%.1f", bits / 1000000 }'; }

round_trip() {
    ping -I "$1" -c 5 -i 0.2 -W 2 "$2" 2>/dev/null |
        sed -n 's|^rtt[^=]*= [0-9.]*/\([0-9.]*\)/.*|\1|p'
}

run_client() {
    need iperf3 ip tc ping
    mkdir -p "$OUTPUT" || refuse "cannot write to $OUTPUT"
    shape_interfaces
    results=$WORK/results
    for name in $NAMES; do
        rtt=$(round_trip "$name" "$HOST")
        up=$(measure -c "$HOST" --bind-dev "$name" -P 4)
        down=$(measure -c "$HOST" --bind-dev "$name" -P 4 -R)
        echo "$name ${rtt:-0} $up $down" >>"$results"
        say "$name alone: up $(mbit "$up") Mbit/s, down $(mbit "$down") Mbit/s, ${rtt:-no answer} ms"
    done
    set -- -b -server "$HOST" -ifaces "$IFACES"
    if [ -d "$PKI" ]; then set -- "$@" -pki "$PKI"; elif [ -n "$PKI" ]; then set -- "$@" -cert "$PKI"; fi
    # shellcheck disable=SC2086
    start "$WORK/client.log" $CLIENT_COMMAND "$@"
    wait_for_line "$WORK/client.log" 'fluxify-client is up'
    rtt=$(round_trip fluxify "$INNER_SERVER")
    up=$(measure -c "$INNER_SERVER" -P 8)
    down=$(measure -c "$INNER_SERVER" -P 8 -R)
    echo "bonded ${rtt:-0} $up $down" >>"$results"
    say "bonded: up $(mbit "$up") Mbit/s, down $(mbit "$down") Mbit/s, ${rtt:-no answer} ms"
    write_reports "$results"
    say "report: $OUTPUT/report.txt, report.json, report.svg"
}

write_reports() {
    awk -v host="$HOST" -v seconds="$DURATION" -v date="$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
        -v text="$OUTPUT/report.txt" -v json="$OUTPUT/report.json" -v svg="$OUTPUT/report.svg" '
        { name[NR] = $1; rtt[NR] = $2; up[NR] = $3 / 1e6; down[NR] = $4 / 1e6 }
        $1 != "bonded" {
            if ($3 / 1e6 > bestUp) bestUp = $3 / 1e6
            if ($4 / 1e6 > bestDown) bestDown = $4 / 1e6
        }
        function gain(bonded, best) { return best > 0 ? bonded / best : 0 }
        END {
            gainUp = gain(up[NR], bestUp); gainDown = gain(down[NR], bestDown)
            print "Bonding to " host ", " date ", " seconds " s each" > text
            printf "\n%-12s %10s %14s %14s\n", "link", "RTT ms", "up Mbit/s", "down Mbit/s" > text
            for (i = 1; i <= NR; i++)
                printf "%-12s %10.2f %14.1f %14.1f\n", name[i], rtt[i], up[i], down[i] > text
            printf "\ngain over the best link: up %.2f, down %.2f\n", gainUp, gainDown > text

            printf "{\"server\":\"%s\",\"time\":\"%s\",\"seconds\":%d,\"links\":[", host, date, seconds > json
            for (i = 1; i < NR; i++)
                printf "%s{\"name\":\"%s\",\"rttMs\":%.3f,\"upMbit\":%.1f,\"downMbit\":%.1f}", \
                    (i > 1 ? "," : ""), name[i], rtt[i], up[i], down[i] > json
            printf "],\"bonded\":{\"rttMs\":%.3f,\"upMbit\":%.1f,\"downMbit\":%.1f},", rtt[NR], up[NR], down[NR] > json
            printf "\"gain\":{\"up\":%.2f,\"down\":%.2f}}\n", gainUp, gainDown > json

            for (i = 1; i <= NR; i++) {
                if (up[i] > most) most = up[i]
                if (down[i] > most) most = down[i]
            }
            if (most <= 0) most = 1
            height = 60 + NR * 56
            printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"%d\" font-family=\"sans-serif\" font-size=\"14\">\n", height > svg
            printf "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n<text x=\"16\" y=\"28\" font-size=\"16\">Bonding to %s: gain up %.2f, down %.2f</text>\n", host, gainUp, gainDown > svg
            for (i = 1; i <= NR; i++) {
                y = 48 + (i - 1) * 56
                printf "<text x=\"16\" y=\"%d\">%s</text>\n", y + 24, name[i] > svg
                printf "<rect x=\"130\" y=\"%d\" width=\"%.0f\" height=\"18\" fill=\"#2266aa\"/><text x=\"%.0f\" y=\"%d\">up %.1f Mbit/s</text>\n", y, 340 * up[i] / most, 138 + 340 * up[i] / most, y + 14, up[i] > svg
                printf "<rect x=\"130\" y=\"%d\" width=\"%.0f\" height=\"18\" fill=\"#77aadd\"/><text x=\"%.0f\" y=\"%d\">down %.1f Mbit/s</text>\n", y + 22, 340 * down[i] / most, 138 + 340 * down[i] / most, y + 36, down[i] > svg
            }
            print "</svg>" > svg
        }' "$1"
}

if [ "$MODE" = cleanup ]; then
    need tc
    unshape "$NAMES"
    exit 0
fi
WORK=$(mktemp -d) || refuse "cannot make a folder for logs"
case $MODE in
    server) run_server ;;
    client) run_client ;;
esac
