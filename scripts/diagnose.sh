#!/bin/sh
# Says how this machine is set up for a multipath VPN, with plain sh and common tools: nothing of
# Fluxify has to run or to be installed. It changes nothing and sends nothing but DNS, ping and TCP
# to the server that is named.
set -u

PROGRAM=$(basename "$0")
SERVER=
PORT=8443
FULL=no
VERBOSE=no
OUTPUT=
ADVICE=

usage() {
    cat <<END
Usage: $PROGRAM [options]

  -s, --server HOST[:PORT]  a server to reach (default port: 8443)
  -f, --full                ask over each interface as well
  -o, --output FILE         save the report as well, for you alone
  -v, --verbose             show whole tables
  -h, --help                show this help
END
}

refuse() {
    echo "$PROGRAM: $1" >&2
    exit 2
}

value_of() {
    if [ $# -lt 2 ] || [ -z "$2" ]; then refuse "$1 needs a value"; fi
    printf '%s\n' "$2"
}

while [ $# -gt 0 ]; do
    case $1 in
        -s | --server) SERVER=$(value_of "$@") || exit 2; shift 2 ;;
        --server=*) SERVER=${1#*=}; shift ;;
        -o | --output) OUTPUT=$(value_of "$@") || exit 2; shift 2 ;;
        --output=*) OUTPUT=${1#*=}; shift ;;
        -f | --full) FULL=yes; shift ;;
        -v | --verbose) VERBOSE=yes; shift ;;
        -h | --help) usage; exit 0 ;;
        *) refuse "unknown option '$1', see --help" ;;
    esac
done

case $SERVER in
    \[*\]:*) PORT=${SERVER##*:}; SERVER=${SERVER#\[}; SERVER=${SERVER%%\]*} ;;
    *:*:*) ;; # an IPv6 address alone
    *:*) PORT=${SERVER##*:}; SERVER=${SERVER%:*} ;;
esac
case $SERVER in
    -* | *[!A-Za-z0-9.:_-]*) refuse "--server must be a name or an address, not '$SERVER'" ;;
esac
case $PORT in
    '' | *[!0-9]*) refuse "--server has a port that is no number: '$PORT'" ;;
esac

has() { command -v "$1" >/dev/null 2>&1; }
section() { printf '\n== %s\n' "$1"; }
say() { printf '  %-22s %s\n' "$1" "$2"; }
advise() {
    ADVICE="$ADVICE
  - $1"
}
# What a file holds, or a dash.
content() { if [ -r "$1" ]; then head -n 1 "$1" 2>/dev/null || echo -; else echo -; fi; }
# The first lines of a command, all of them with --verbose.
show() {
    if ! has "$1"; then
        say "$1" "not installed"
        return
    fi
    if [ "$VERBOSE" = yes ]; then "$@" 2>&1 | sed 's/^/  /'
    else "$@" 2>&1 | head -n 12 | sed 's/^/  /'; fi
}
limited() { if has timeout; then timeout "$@"; else shift; "$@"; fi; }

interfaces() {
    for folder in /sys/class/net/*; do
        name=${folder##*/}
        [ "$name" = lo ] || printf '%s\n' "$name"
    done
}

gateway_of() {
    ip -4 route show default dev "$1" 2>/dev/null | sed -n 's/.*via \([^ ]*\).*/\1/p' | head -n 1
}

system_section() {
    section System
    name=$(sed -n 's/^PRETTY_NAME="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/os-release 2>/dev/null)
    say "operating system" "${name:-unknown}"
    say kernel "$(uname -srm)"
    model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1)
    say processor "${model:-$(uname -m)}, $(grep -c '^processor' /proc/cpuinfo 2>/dev/null) cores"
    if grep -qwE 'aes|vaes' /proc/cpuinfo 2>/dev/null; then say "AES instructions" yes
    else
        say "AES instructions" no
        advise "this processor encrypts slowly: do not expect hundreds of Mbit/s"
    fi
    memory=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo 2>/dev/null)
    say "memory available" "$((${memory:-0} / 1024)) MiB"
    say time "$(date -u '+%Y-%m-%d %H:%M:%S UTC')"
    [ "$(date -u +%Y)" -ge 2025 ] || advise "set the clock: certificates look not valid yet"
    if [ -c /dev/net/tun ]; then say /dev/net/tun "is there"
    else
        say /dev/net/tun missing
        advise "modprobe tun; a container needs --device /dev/net/tun --cap-add NET_ADMIN"
    fi
}

interfaces_section() {
    section Interfaces
    usable=0
    for name in $(interfaces); do
        folder=/sys/class/net/$name
        state=$(content "$folder/operstate")
        addresses=
        if has ip; then
            addresses=$(ip -o addr show dev "$name" scope global 2>/dev/null |
                awk '{ printf "%s%s", (NR > 1 ? ", " : ""), $4 }')
        fi
        gateway=$(gateway_of "$name")
        driver=$(readlink "$folder/device/driver" 2>/dev/null)
        speed=$(cat "$folder/speed" 2>/dev/null)
        case $speed in '' | -*) speed=unknown ;; *) speed="$speed Mbit/s" ;; esac
        say "$name" "$state, MTU $(content "$folder/mtu"), ${addresses:-no address}"
        driver=${driver##*/}
        say "" "gateway ${gateway:-none}, driver ${driver:-none}, $speed"
        [ -n "$gateway" ] && [ -n "$addresses" ] && usable=$((usable + 1))
    done
    say "that can be used" "$usable"
    [ "$usable" -ge 2 ] ||
        advise "bonding needs two interfaces with an address and a default route (any metric): $usable here"
}

routing_section() {
    section Routing
    if ! has ip; then
        say ip "not installed"
        advise "install iproute2"
        return
    fi
    for family in 4 6; do
        echo "  IPv$family routes:"
        show ip "-$family" route show | sed 's/^/  /'
        echo "  IPv$family rules:"
        show ip "-$family" rule show | sed 's/^/  /'
    done
    for name in all $(interfaces); do
        say "rp_filter $name" "$(content "/proc/sys/net/ipv4/conf/$name/rp_filter")"
    done
}

dns_section() {
    section DNS
    grep -E '^(nameserver|search)' /etc/resolv.conf 2>/dev/null | sed 's/^/  /'
    [ -n "$SERVER" ] || return
    found=$(limited 5 getent ahosts "$SERVER" 2>/dev/null | awk '{ print $1 }' | sort -u | tr '\n' ' ')
    say "$SERVER" "${found:-cannot be resolved}"
    [ -n "$found" ] || advise "the name $SERVER cannot be resolved: check it, and /etc/resolv.conf"
}

firewall_section() {
    section "Firewall and NAT"
    if [ "$(id -u)" != 0 ]; then
        say rules "only root can read them: run with sudo"
        return
    fi
    if has nft; then
        if [ "$VERBOSE" = yes ]; then show nft list ruleset; else show nft list tables; fi
        [ -n "$(nft list tables 2>/dev/null)" ] || say nft "no tables"
        if nft list chains 2>/dev/null | grep -qE 'hook output .*policy drop'; then
            advise "a firewall drops what leaves: allow TCP $PORT and UDP 8000 to the server"
        fi
    elif has iptables; then show iptables -S
    else say rules "neither nft nor iptables is installed"; fi
}

tun_section() {
    section "TUN devices and other VPNs"
    others=
    for name in $(interfaces); do
        case $name in
            tun* | tap* | wg* | tailscale* | zt* | ppp*) others="$others $name" ;;
        esac
    done
    say devices "${others:-none}"
    [ -z "$others" ] || advise "two VPNs fight over the default route: end the one behind$others"
}

tcp_open() {
    if has nc; then limited 5 nc -z -w 4 "$1" "$2" >/dev/null 2>&1
    elif has bash; then
        # shellcheck disable=SC2016
        limited 5 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" >/dev/null 2>&1
    elif has curl; then
        limited 5 curl -s --connect-timeout 4 "telnet://$1:$2" </dev/null >/dev/null 2>&1
    else return 2; fi
}

largest_ping() {
    # Of IP and ICMP; the payload is what is left.
    case $SERVER in *:*) headers=48 ;; *) headers=28 ;; esac
    # With "do not fragment".
    for size in 1500 1492 1480 1440 1400 1280; do
        if limited 3 ping -c 1 -W 2 -M "do" -s $((size - headers)) "$@" >/dev/null 2>&1; then
            echo "$size"
            return
        fi
    done
    echo unknown
}

connectivity_section() {
    section Connectivity
    if [ -z "$SERVER" ]; then
        say server "none is known: name it with --server HOST"
        return
    fi
    tcp_open "$SERVER" "$PORT"
    case $? in
        0) say "TCP $PORT" "open" ;;
        2) say "TCP $PORT" "cannot be tried: install nc, bash or curl" ;;
        *)
            say "TCP $PORT" "no connection"
            advise "open TCP $PORT on the server, and check that fluxify-server runs there"
            ;;
    esac
    if ! has ping; then
        say ping "not installed"
        return
    fi
    rtt=$(limited 8 ping -c 3 -i 0.3 -W 2 "$SERVER" 2>/dev/null | sed -n 's/^\(rtt\|round-trip\)[^=]*= *//p')
    say ping "${rtt:-no answer, which proves nothing: many servers do not answer}"
    say "path MTU" "$(largest_ping "$SERVER")"
    [ "$FULL" = yes ] || return
    for name in $(interfaces); do
        [ -n "$(gateway_of "$name")" ] || continue
        rtt=$(limited 8 ping -I "$name" -c 3 -i 0.3 -W 2 "$SERVER" 2>/dev/null |
            sed -n 's/^\(rtt\|round-trip\)[^=]*= *//p')
        say "ping over $name" "${rtt:-no answer}"
        say "path MTU over $name" "$(largest_ping -I "$name" "$SERVER")"
    done
}

fluxify_section() {
    section Fluxify
    for name in fluxify-client fluxify-server; do
        found=
        for folder in /proc/[0-9]*; do
            case "$(content "$folder/comm")" in
                "$name" | "$(printf %.15s "$name")") found="$found ${folder##*/}" ;;
            esac
        done
        if [ -n "$found" ]; then say "$name" "process$found"; else say "$name" "not running"; fi
        if has journalctl && [ -n "$found" ] && [ "$VERBOSE" = yes ]; then
            journalctl -q -n 10 -t "$name" 2>/dev/null | sed 's/^/    /'
        fi
    done
    if has ss; then
        listened=$(ss -Hlntu 2>/dev/null | grep -E ':(8000|8443)[[:space:]]')
        if [ -n "$listened" ]; then printf '%s\n' "$listened" | sed 's/^/  /'
        else say ports "nothing listens on 8000 or 8443"; fi
    fi
}

kernel_section() {
    section "Network settings of the kernel"
    for key in core/rmem_max core/wmem_max core/default_qdisc core/netdev_max_backlog \
        ipv4/tcp_congestion_control ipv4/ip_forward; do
        say "$(echo "net/$key" | tr / .)" "$(content "/proc/sys/net/$key")"
    done
    for key in rmem_max wmem_max; do
        bytes=$(content "/proc/sys/net/core/$key")
        case $bytes in *[!0-9]* | '') continue ;; esac
        [ "$bytes" -ge 4194304 ] ||
            advise "for fast links, unless the program runs as root: sysctl -w net.core.$key=4194304"
    done
    if has ss; then
        section Sockets
        show ss -s
    fi
}

report() {
    echo "Report of $PROGRAM, $(date -u '+%Y-%m-%d %H:%M:%S UTC')"
    echo "In it: the system, names and addresses of interfaces, routes, firewall rules, the server."
    system_section
    interfaces_section
    routing_section
    dns_section
    firewall_section
    tun_section
    connectivity_section
    fluxify_section
    kernel_section
    section "What to do"
    echo "${ADVICE:-  nothing was found that stands in the way}" | sed '/^$/d'
}

if [ -z "$OUTPUT" ]; then
    report
else
    umask 077
    report >"$OUTPUT" || refuse "cannot write $OUTPUT"
    cat "$OUTPUT"
    echo
    echo "saved in $OUTPUT"
fi
