# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154 # variables of bench/run, and for it
#
# Lines between a node and the host to measure on, one at a time; sourced by bench/run.
#
#	line_up KIND WORDS...	make it: in_node runs there, $far is the host's address
#	line_down		take it away
#
#	plain			a veth pair, as the kernel makes it
#	bridge			veth, a bridge in a namespace of its own, veth
#	tbf RATE LIMIT		the plain pair with the kernel's token bucket at the node's end
#	copies packet|tap MS	what copies each frame in and out again, and nothing else (copies.c)
#	wirefilter MS		tap, vde_switch, wirefilter, vde_switch, tap
#	choppy CONDITION...	a lab without an uplink

far=10.2.2.0 # but choppy's

new_netns() { # VARIABLE: the pid of a process that holds a new network namespace
	unshare --net sleep infinity &
	printf -v "$1" %s $!
	disown $!
	wait_until other_netns $! || die "no namespace"
	nsenter --net="/proc/$!/ns/net" ip link set lo up
}

at() { # PID COMMAND...: in that process's network namespace
	nsenter --net="/proc/$1/ns/net" "${@:2}"
}

in_node() {
	case $kind in
	choppy) choppy exec bench -- "$@" ;;
	*) at "$node" "$@" ;;
	esac
}

# Addresses for the devices eth0 in the node and far0 here.
join() {
	ip link set far0 addrgenmode none
	ip addr add "$far/31" dev far0
	ip link set far0 up
	at "$node" ip link set eth0 addrgenmode none
	at "$node" ip addr add 10.2.2.1/31 dev eth0
	at "$node" ip link set eth0 up
}

up_plain() {
	new_netns node
	ip link add far0 type veth peer name eth0 netns "$node"
	join
}

down_plain() {
	ip link del far0
	kill "$node"
}

up_tbf() {
	up_plain
	at "$node" tc qdisc add dev eth0 root tbf rate "$1" burst 128kb latency "$2"
}

down_tbf() {
	down_plain
}

up_bridge() {
	new_netns node
	new_netns middle
	at "$middle" ip link add br0 type bridge
	ip link add far0 type veth peer name br1 netns "$middle"
	at "$middle" ip link add br2 type veth peer name eth0 netns "$node"
	for port in br1 br2; do
		at "$middle" ip link set "$port" master br0 up
	done
	at "$middle" ip link set br0 up
	join
}

down_bridge() {
	down_plain
	kill "$middle"
}

up_copies() {
	new_netns node
	new_netns middle
	if [ "$1" = packet ]; then
		ip link add far0 type veth peer name br1 netns "$middle"
		at "$middle" ip link add br2 type veth peer name eth0 netns "$node"
		at "$middle" ip link set br1 up
		at "$middle" ip link set br2 up
		at "$middle" "$B/copies" packet "$2" br2 br1 >"$B/copies.out" &
	else
		"$B/copies" tap "$2" eth0 far0 >"$B/copies.out" &
	fi
	copies=$!
	wait_until grep -q up "$B/copies.out" || die "copies"
	[ "$1" = packet ] || ip link set eth0 netns "$node" || die "copies: no tap"
	join
}

down_copies() {
	kill "$copies"
	wait "$copies" 2>/dev/null
	[ ! -e /sys/class/net/far0 ] || ip link del far0
	kill "$node" "$middle"
}

up_wirefilter() {
	new_netns node
	vde_switch -d -s "$B/vde-a" -t far0 -p "$B/vde-a.pid" || die "vde_switch"
	vde_switch -d -s "$B/vde-b" -t eth0 -p "$B/vde-b.pid" || die "vde_switch"
	wait_until ip link show far0 || die "vde_switch: no tap"
	wait_until ip link set eth0 netns "$node" || die "vde_switch: no tap"
	# Without --daemon it ends at the end of its standard input.
	wirefilter --daemon -v "$B/vde-a:$B/vde-b" -d "$1" --pidfile "$B/vde-c.pid" || die "wirefilter"
	wait_until [ -s "$B/vde-c.pid" ] || die "wirefilter"
	join
}

down_wirefilter() {
	local which pid
	for which in c b a; do
		pid=$(cat "$B/vde-$which.pid")
		kill "$pid"
		wait_until gone "$pid"
		rm -f "$B/vde-$which.pid"
	done
	kill "$node"
	wait_until no_device far0
}

no_device() {
	! ip link show "$1"
}

up_choppy() {
	choppy add --uplink none --seed 1 bench "$@" >/dev/null || die "choppy add: $*"
	far=$(gateway4 bench)
	engine=$(awk -v keeper="$(of bench .keeper)" \
		'$2 == "(choppy-engine)" && $4 == keeper { print $1 }' /proc/[0-9]*/stat 2>/dev/null)
	[ -n "$engine" ] || die "no engine"
}

down_choppy() {
	choppy del bench || die "choppy del"
	far=10.2.2.0
}

# tcp_setting NAME=VALUE...: at both ends of the line.
tcp_setting() {
	sysctl -qw "$@" && in_node sysctl -qw "$@" || die "sysctl"
}

# tcp_buffers BYTES: as large as TCP may make them, or as the kernel has it when BYTES is empty.
tcp_buffers() {
	tcp_setting net.ipv4.tcp_rmem="${1:+4096 131072 }${1:-$own_rmem}" \
		net.ipv4.tcp_wmem="${1:+4096 65536 }${1:-$own_wmem}"
}

own_rmem=$(sysctl -n net.ipv4.tcp_rmem)
own_wmem=$(sysctl -n net.ipv4.tcp_wmem)

# The sender does not write far ahead of what it sends. Cubic from the start: a socket that was BBR's
# while it connected stays paced when iperf3 makes it another's.
line_up() {
	kind=$1
	settle
	"up_$1" "${@:2}"
	in_node ping -n -q -c 5 -i 0.02 -W 2 "$far" >/dev/null || die "no way over $*"
	tcp_setting net.ipv4.tcp_notsent_lowat=131072
	in_node ip route add "$far/32" dev eth0 congctl cubic || die "ip route"
}

line_down() {
	"down_$kind"
}

# engine_ns: CPU time of the engine so far, in ns.
engine_ns() {
	[ "$(cat "/proc/$engine/comm")" = choppy-engine ] || die "process $engine is not the engine"
	cut -d ' ' -f 1 "/proc/$engine/schedstat"
}

# engine_counts: of the direction from the node to the host; those of drops are the emulator's own.
engine_counts() {
	of bench '.counters.up | "\(.packets) \(.delivered) \(.dropped | .memory + .receive + .send) \(
		.waiting) \(.memory_bytes) \(.late_p50_ns) \(.late_p99_ns)"'
}
