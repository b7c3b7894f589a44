#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The uplink relay: whatever the node does beyond its gateway looks as it does on the host itself. The
# host is not touched.
. "$(dirname "$0")/lib.sh"
fake_host
outside_up

run() { choppy run --uplink relay "$@"; }
inside() { choppy exec r -- "$@"; }
TALK="python3 $T/talk.py"
cp "$ROOT/tests/sys/talk.py" "$T/talk.py"
PORT=7000

# Where the host itself fails to connect, and how.
outside ip route add unreachable 203.0.113.91/32
outside ip route add prohibit 203.0.113.92/32
outside ip route add blackhole 203.0.113.93/32
outside ip -6 route add unreachable 2001:db8:113::91/128
outside ip -6 route add prohibit 2001:db8:113::92/128
outside ip -6 route add blackhole 2001:db8:113::93/128
# It answers as often as it is asked.
outside sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
	 net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 net.ipv4.icmp_msgs_per_sec=100000
for a in $WEB4 $WEB6; do
	outside $TALK serve $a $PORT "$T/served" &
	wait_port $a $((PORT + 7))
done
disown -a
: >"$T/served"
echo "1 0" >/proc/sys/net/ipv4/ping_group_range # nobody, as the kernel has it at first

snapshot "$T/before"
check "a lab stays" choppy add r --uplink relay
keeper=$(of r .keeper)
relay=$(for c in $(cat "/proc/$keeper/task/$keeper/children"); do
	grep -qx choppy-relay "/proc/$c/comm" && echo "$c"
done)

# ---- the host has nothing of it but processes and files

equal "no device, address, route, rule, sysctl or mount on the host" "$(
	unchanged "$T/before" 2>/dev/null
	grep '^[<>]' "$T/leak.diff" | grep -vE '^> (process|[dfs] /run/|.* /run/netns)'
)" ""
matches "show tells what it is" "$(choppy show r)" 'uplink +relay: split TCP, between two kernels'

# ---- connections

equal "a page over IPv4" "$(inside curl -sS http://$WEB4/)" "hello from outside"
equal "a page over IPv6" "$(inside curl -sS "http://[$WEB6]/")" "hello from outside"
equal "a page by name" "$(inside curl -sS http://www.example.test/)" "hello from outside"
equal "by name, over IPv6" "$(inside curl -6 -sS http://www.example.test/)" "hello from outside"

# as_direct NAME ADDRESS PORT: connect(2) ends as it does on the host.
as_direct() {
	local direct
	$TALK connect "$2" "$3" >"$T/direct" &
	inside $TALK connect "$2" "$3" >"$T/inside"
	wait $!
	direct=$(cat "$T/direct")
	equal "$1: $direct" "$(cat "$T/inside")" "$direct"
}
[ "${CHOPPY_AS-}" = nested ] && versions=4 || versions="4 6" # some take seconds
for v in $versions; do
	[ $v = 4 ] && net=203.0.113. web=$WEB4 none=198.51.100.77 || net=2001:db8:113:: web=$WEB6 none=2001:db8:51::77
	as_direct "IPv$v, a listening port" "$web" $PORT
	as_direct "IPv$v, a closed port" "$web" 1
	as_direct "IPv$v, an unreachable host" "${net}91" 80
	as_direct "IPv$v, a prohibited host" "${net}92" 80
	as_direct "IPv$v, a host that is not there" $none 80
	export TALK_TIMEOUT=1.5
	as_direct "IPv$v, silence" "${net}93" 80
	unset TALK_TIMEOUT
done
# Until the far end has answered there is no connection; the host's own SYN finds it in a second.
outside nft -f - <<-END
	table inet slow {
		chain c { type filter hook input priority filter; ip daddr $WEB4 tcp dport $PORT drop; }
	}
END
inside $TALK connect $WEB4 $PORT >"$T/slow" &
slow=$!
asks() { inside ss -tnH state syn-sent | grep -q "$WEB4:$PORT"; }
wait_until asks
equal "a connection waits for the far end" "$(cat "$T/slow")" ""
outside nft delete table inet slow
wait "$slow"
equal "and comes when it answers" "$(cat "$T/slow")" connected

for web in $WEB4 $WEB6; do
	equal "$web: the node ends first, and still hears" "$(inside $TALK half "$web" $PORT)" "got 300000"
	: >"$T/served"
	equal "$web: the far end ends first, ..." "$(inside $TALK first "$web" $PORT)" "got 100000"
	check "$web: ... and still hears" wait_until grep -qx "first: 50000 after the end" "$T/served"
	equal "$web: a reset from outside" "$(inside $TALK reset "$web" $PORT)" ECONNRESET
	inside $TALK is_reset "$web" $PORT
	check "$web: a reset from the node" wait_until grep -qx "is_reset: ECONNRESET" "$T/served"
done

# The urgent byte is passed on as one, and what is behind it.
equal "urgent data, both ways" "$(inside $TALK urgent $WEB4 $PORT)" "$($TALK urgent $WEB4 $PORT)"
equal "a TCP packet of one hop" "$(inside $TALK one_hop $WEB4 $PORT)" EHOSTUNREACH
equal "the relay's own port is none of the gateway's" \
	"$(inside $TALK connect "$(gateway4 r)" 1) $(inside $TALK connect "$(gateway4 r)" 2)" "ECONNREFUSED ECONNREFUSED"

# with_client COMMAND...: start a client that ends with its stdin; its first line is in $line.
with_client() {
	coproc CLIENT { inside "$@"; }
	client=$CLIENT_PID
	read -r -u "${CLIENT[0]}" line
}
let_go() {
	eval "exec ${CLIENT[1]}>&-"
	wait "$client" 2>/dev/null
}
fds() { find "/proc/$relay/fd" -mindepth 1 | wc -l; }
rss() { awk '/VmRSS/ { print $2 }' "/proc/$relay/status"; }

before=$(fds)
with_client $TALK deaf $WEB4 $PORT
holds "nobody reads: the sender is held back after $line MiB" [ "$line" -lt 64 ]
holds "and the relay has $(rss) KiB of memory" [ "$(rss)" -lt 32768 ]
# is_real NAME COMMAND...: a connection of the kernel's TCP, by what ss says of it.
is_real() {
	matches "$1: window scaling and SACK" "$("${@:2}" ss -tinoH state established | tr -d '\n')" \
		"$WEB4:$((PORT + 4)).* sack .*wscale:[1-9]"
}
is_real "the node's end" inside
is_real "the gateway's end" nsenter --net="/proc/$keeper/ns/net"
is_real "the relay's end outside" env
let_go
with_client $TALK many $WEB4 $PORT
equal "1,000 connections at once" "$line" 1000
ticks() { awk '{ print $14 + $15 }' "/proc/$relay/stat"; }
holds "idle, they have $(fds) descriptors" [ "$(fds)" -le $((before + 2000 + 32)) ]
spent=$(ticks)
sleep 1 # no synchronisation: a second of doing nothing
equal "and take no time" "$(ticks)" "$spent"
let_go
all_closed() { [ "$(fds)" -le $((before + 32)) ]; }
check "all are closed" wait_until all_closed

# ---- datagrams

for web in $WEB4 $WEB6; do
	equal "$web: datagrams come back from where they went, one mapping for all" \
		"$(inside $TALK udp "$web" $PORT)" one
	equal "$web: a closed UDP port" "$(inside $TALK udp_refused "$web" 9)" ECONNREFUSED
done
# Over IPv4 the outside answers this only so often (ip_error() in net/ipv4/route.c).
equal "an unreachable host, for UDP" "$(inside $TALK udp_refused 2001:db8:113::91 9)" \
	"$($TALK udp_refused 2001:db8:113::91 9)"
equal "look-ups past the stub" \
	"$(inside dig +short +time=5 @$DNS4 www.example.test)" $WEB4
equal "by TCP" "$(inside dig +short +tcp +time=5 @$DNS4 www.example.test)" $WEB4
equal "over IPv6" "$(inside dig +short +time=5 @$DNS6 www.example.test)" $WEB4
equal "a long answer, through the stub" \
	"$(inside dig +short +bufsize=4096 +time=5 big.example.test txt | tr -d '" \n' | wc -c)" 1500

# ---- ping

check "the gateway answers" inside ping -n -c 1 -W 5 gateway
status "without ping sockets nothing is answered" 1 inside ping -n -c 2 -i 0.1 -W 0.2 $WEB4
matches "and a line says so" "$(choppy show r)" 'no ping sockets; sudo sysctl -w net.ipv4.ping_group'
choppy del r
echo "0 2147483647" >/proc/sys/net/ipv4/ping_group_range
check "with them" choppy add r --uplink relay
# Whatever comes first asks for the neighbours; then all is as it will be.
check "ping over IPv4" inside ping -n -c 3 -i 0.1 -W 5 $WEB4
ping -6 -n -c 1 -W 2 $WEB6 >/dev/null 2>&1
check "ping over IPv6" inside ping -6 -n -c 3 -i 0.1 -W 5 $WEB6
check "with 4000 bytes" inside ping -n -c 1 -s 4000 -W 5 $WEB4
check "with 4000 bytes over IPv6" inside ping -6 -n -c 1 -s 4000 -W 5 $WEB6
choppy set r up corrupt 100%
status "a corrupted echo request is not answered" 1 inside ping -n -c 5 -i 0.1 -W 0.3 -s 1000 $WEB4
choppy set r clear
ip route add 203.0.113.0/24 via 198.51.100.1 mtu 1200
equal "datagrams that nobody may cut up find the path's MTU" \
	"$(inside $TALK whole_datagrams $WEB4 $PORT)" "$($TALK whole_datagrams $WEB4 $PORT)"
equal "longer ones come in fragments all the same" "$(inside $TALK udp $WEB4 $PORT)" one
ip route del 203.0.113.0/24
equal "nor is anybody, by the kernel's own answers" \
	"$(nsenter --net="/proc/$(of r .init)/ns/net" -- $TALK strange 203.0.113.93 0)" silence
status "nobody is forged" 1 inside ping -n -c 1 -W 0.5 203.0.113.93
inside ping -n -c 1 -W 5 203.0.113.91 >"$T/out" 2>&1
matches "an unreachable host is told" "$(cat "$T/out")" 'Destination Host Unreachable'
inside ping -n -c 1 -t 1 -W 5 $WEB4 >"$T/out" 2>&1
matches "one hop: the gateway" "$(cat "$T/out")" "From $(gateway4 r) .*Time to live exceeded"

# ---- what is closed

python3 -m http.server --directory "$T/www" --bind 127.0.0.1 8000 >/dev/null 2>&1 &
wait_port 127.0.0.1 8000
python3 -m http.server --directory "$T/www" --bind ::1 8000 >/dev/null 2>&1 &
wait_port ::1 8000
disown -a
equal "link-local addresses are refused" "$(inside $TALK connect 169.254.169.254 80)" EHOSTUNREACH
equal "for UDP too" "$(inside $TALK udp_refused 169.254.169.254 80)" EHOSTUNREACH
equal "the gateway is not the host" "$(inside $TALK connect "$(gateway4 r)" 8000)" ECONNREFUSED
equal "the host's other addresses are as from anywhere" \
	"$(inside $TALK connect $HOST4 8000)" ECONNREFUSED
equal "the host's loopback has no name" "$(inside getent hosts host.choppy.internal)" ""
holds "nor has its address any use" [ "$(inside $TALK connect 192.0.0.11 8000)" != connected ]
choppy del r
check "--allow-host" choppy add r --uplink relay --allow-host
equal "the host's loopback, by name" \
	"$(inside curl -4 -sS http://host.choppy.internal:8000/)" "hello from outside"
equal "over IPv6" "$(inside curl -6 -sS http://host.choppy.internal:8000/)" "hello from outside"
equal "a closed port of it" "$(inside $TALK connect 192.0.0.11 8001)" ECONNREFUSED
check "it pings" inside ping -n -c 1 -W 5 host.choppy.internal
choppy del r

# ---- the way in, and a bad link

check "--publish" choppy add r --uplink relay --publish 8088:80
inside python3 -m http.server --directory "$T/www" 80 >/dev/null 2>&1 &
wait_until curl -sS http://127.0.0.1:8088/
equal "a published port answers on the host" "$(curl -sS http://127.0.0.1:8088/)" "hello from outside"
check "the link can be made bad" choppy set r up loss 100%
equal "then nothing passes" "$(TALK_TIMEOUT=1 inside $TALK connect $WEB4 $PORT)" "timed out"
equal "nor is anything sent outside" "$(ss -tnH state syn-sent | grep -c "$WEB4:$PORT")" 0
choppy set r clear
check "a wrong checksum is dropped, not mended" choppy set r up corrupt 100%
equal "and goes nowhere" "$(TALK_TIMEOUT=1 inside $TALK connect $WEB4 $PORT)" "timed out"
choppy del r
refused "no way, and yet to the host" 2 'allow-host' \
	choppy run --uplink none --allow-host -- true

# What is cut short does not look complete.
for how in del kill; do
	check "one that is ended, by $how" choppy add r --uplink relay
	: >"$T/served"
	with_client $TALK cut_short $WEB4 $PORT
	equal "$how: it sends" "$line" sends
	if [ $how = del ]; then choppy del r; else kill -9 "$(of r .keeper)"; fi
	check "$how: the far end sees a reset" wait_until grep -qx "reads: ECONNRESET" "$T/served"
	wait "$client" 2>/dev/null
done

no_process() { ! grep -qs '^choppy' /proc/[0-9]*/comm; }
wait_until no_process

# ---- the process

snapshot "$T/before"
check "once more" choppy add r --uplink relay
keeper=$(of r .keeper)
for c in $(cat "/proc/$keeper/task/$keeper/children"); do
	case $(cat "/proc/$c/comm") in
	choppy-relay)
		matches "relay: a seccomp filter" "$(cat "/proc/$c/status")" '^Seccomp:	2'
		matches "relay: no new privileges" "$(cat "/proc/$c/status")" '^NoNewPrivs:	1'
		equal "relay: no capability" "$(grep -E 'Cap(Inh|Prm|Eff|Amb)' "/proc/$c/status" | grep -c '0\{16\}$')" 4
		equal "relay: an empty root" "$(find "/proc/$c/root/" -mindepth 1)" ""
		equal "relay: the host's network" "$(readlink "/proc/$c/ns/net")" "$(readlink /proc/self/ns/net)"
		kill -9 "$c"
		;;
	esac
done
wait_until gone "$keeper"
leak_check "without its relay a lab ends, and nothing is left" "$T/before"

# ---- no IPv6 outside

ip -6 route del default
ip -6 addr flush dev $WAN
equal "without IPv6 outside: unreachable" \
	"$(run -- $TALK connect $WEB6 $PORT 2>/dev/null)" EHOSTUNREACH
equal "and IPv4 goes on" "$(run -- curl -sS http://www.example.test/)" "hello from outside"
finish
