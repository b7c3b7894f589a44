# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What every system test stands on: a throw-away host to break things in, an
# outside to reach, a snapshot of everything that choppy might leave behind, and
# test points in words.
#
#	. "$(dirname "$0")/lib.sh"
#	fake_host		everything below happens in namespaces that die with the script
#	outside_up		a resolver and a web server beyond the host
#	status "a program's status" 3 choppy run --uplink none -- sh -c 'exit 3'
#	finish
#
# A line on stdout is a test point: "ok NAME", "not ok NAME - REASON" or
# "skip NAME - REASON"; "# end" is the last one. Everything else goes to stderr, the log.
# No test sleeps to synchronise: it polls for what it waits for, a bounded number of times.
set -u
export LC_ALL=C

SCRIPT=$(readlink -f "$0")
ROOT=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
BUILD_DIR=$(readlink -f "$ROOT/${BUILD:-build}")
T=/run/choppy-test # scratch, inside the fake host's own /run
exec 9>&1 # test points, also from where stdout is captured

# ------------------------------------------------------------- test points

ok() {
	echo "ok $1" >&9
}

not_ok() { # NAME REASON
	echo "not ok $1 - $(tr '\n' ' ' <<<"${2-}" | cut -c1-600)" >&9
}

skip() { # NAME REASON
	echo "skip $1 - $2" >&9
}

finish() {
	echo "# end" >&9
	exit 0
}

# check NAME COMMAND...: COMMAND succeeds. Its output is left in $T/out and $T/err.
check() {
	status "$1" 0 "${@:2}"
}

# status NAME STATUS COMMAND...: COMMAND ends with STATUS.
status() {
	local name=$1 want=$2 got
	shift 2
	"$@" >"$T/out" 2>"$T/err" </dev/null
	got=$?
	if [ "$got" -eq "$want" ]; then
		ok "$name"
	else
		not_ok "$name" "status $got, not $want: $(head -c 300 "$T/out") $(head -c 300 "$T/err")"
	fi
}

# refused NAME STATUS REGEX COMMAND...: STATUS, and one line on stderr that REGEX matches, and
# nothing on stdout, and nothing changed on the host. LINES_WANTED=3 for a condition with its caret.
refused() {
	local name=$1 want=$2 regex=$3 got lines try
	shift 3
	# Twice, because the kernel may still have been clearing up after an earlier lab.
	for try in 1 2; do
		snapshot "$T/refused.before"
		"$@" >"$T/out" 2>"$T/err" </dev/null
		got=$?
		! unchanged "$T/refused.before" || break
	done
	lines=$(wc -l <"$T/err")
	if [ "$got" -ne "$want" ]; then
		not_ok "$name" "status $got, not $want: $(head -c 400 "$T/err")"
	elif [ "$lines" -ne "${LINES_WANTED:-1}" ]; then
		not_ok "$name" "$lines lines, not ${LINES_WANTED:-1}: $(head -c 400 "$T/err")"
	elif ! grep -qE -- "$regex" "$T/err"; then
		not_ok "$name" "says \"$(head -c 400 "$T/err")\", which /$regex/ does not match"
	elif [ -s "$T/out" ]; then
		not_ok "$name" "stdout has $(head -c 200 "$T/out")"
	elif [ -s "$T/leak.diff" ]; then
		not_ok "$name" "changed the host: $(cat "$T/leak.diff")"
	else
		ok "$name"
	fi
}

# equal NAME GOT WANT
equal() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "got \"$2\", not \"$3\""
	fi
}

# matches NAME TEXT REGEX: TEXT (of one or more lines) has a line that the extended REGEX matches.
matches() {
	if grep -qE -- "$3" <<<"$2"; then
		ok "$1"
	else
		not_ok "$1" "/$3/ does not match: $2"
	fi
}

# holds NAME COMMAND...: as check, and keeps quiet about output. For [ ] and the like.
holds() {
	if "${@:2}"; then
		ok "$1"
	else
		not_ok "$1" "not so: ${*:2}"
	fi
}

# wait_until COMMAND...: try for up to 10 s.
wait_until() {
	{ local - i; set +x; } 2>/dev/null
	for ((i = 0; i < 500; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.02
	done
	echo "waited in vain for: $*" >&2
	return 1
}

# port_open HOST PORT
port_open() {
	(exec 3<>"/dev/tcp/$1/$2") 2>/dev/null
}

wait_port() {
	wait_until port_open "$1" "$2"
}

stopped() { # PID: by SIGSTOP
	local stat
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	stat=${stat##*) }
	[ "${stat%% *}" = T ]
}

gone() { # PID
	! [ -e "/proc/$1" ]
}

# ---------------------------------------------------------------- the host

# in_uml: go on inside a kernel that has netem (tests/uml/boot).
in_uml() {
	[ -z "${CHOPPY_UML-}" ] || return 0
	exec "$ROOT/tests/uml/boot" bash "$SCRIPT"
}

# in_vm: go on inside a kernel that has netem and also the NAT of nftables (tests/vm/boot).
in_vm() {
	[ -z "${CHOPPY_VM-}" ] || return 0
	exec "$ROOT/tests/vm/boot" bash "$SCRIPT"
}

# fake_host: go on in network, mount, PID, UTS and IPC namespaces of this script's own, with an
# empty /run, its own /etc/resolv.conf, and lo up. choppy is on the PATH, as a copy that an
# ordinary user may execute wherever the checkout lies.
fake_host() {
	local why
	if [ -z "${CHOPPY_FAKE_HOST-}" ]; then
		if [ "$(id -u)" -ne 0 ]; then
			skip "$(basename "$SCRIPT")" "needs root"
			finish
		fi
		if ! why=$(unshare --net --mount --pid --fork --mount-proc true 2>&1); then
			skip "$(basename "$SCRIPT")" "no namespaces here: $why"
			finish
		fi
		exec env CHOPPY_FAKE_HOST=1 unshare --net --mount --uts --ipc --pid --fork \
			--kill-child --mount-proc bash "$SCRIPT"
	fi
	mount -t tmpfs -o mode=755 tmpfs /run
	mount -t sysfs sysfs /sys 2>/dev/null || :
	mkdir -p "$T/bin" && chmod 755 "$T"
	if ! install -m 755 "$BUILD_DIR/choppy" "$T/bin/choppy"; then
		not_ok "$(basename "$SCRIPT")" "no $BUILD_DIR/choppy: make builds it"
		finish
	fi
	PATH=$T/bin:$PATH:/usr/sbin:/sbin
	unset CHOPPY_FAKE_HOST
	[ "${CHOPPY_AS-root}" = root ] || choppy_as "$CHOPPY_AS"
	hostname fakehost
	ip link set lo up
	own_resolv_conf
	# As after the first `ip netns add` of a machine's life. stay.sh tests it without.
	mkdir /run/netns
	mount --bind /run/netns /run/netns
	mount --make-shared /run/netns
	# The first NAT of a kernel loads modules, and their sysctls would look like a leak.
	nft -f - <<-'END' && nft delete table inet warm
		table inet warm {
			chain c { type nat hook postrouting priority srcnat; masquerade; }
		}
	END
	if [ -n "${CHOPPY_TEST_TRACE-}" ]; then
		exec 8>&2 # the trace goes to the log even where stderr is captured
		BASH_XTRACEFD=8
		set -x
	fi
}

USER_ID=12345 # an ordinary user; the next one is another

# user_home UID: what a login would have made for that user.
user_home() {
	mkdir -p "/run/user/$1"
	chown "$1:$1" "/run/user/$1"
	chmod 700 "/run/user/$1"
}

nested_ready() {
	[ -s "/proc/$NESTED/uid_map" ] &&
		[ "$(readlink "/proc/$NESTED/ns/user")" != "$(readlink /proc/self/ns/user)" ]
}

# choppy_as user|nested: from here on `choppy` is run by an ordinary user (nested: who is root of a
# user namespace of its own already). What tests write in $T, that user may write too.
choppy_as() {
	local become="setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --inh-caps=-all --"
	user_home $USER_ID
	chmod 1777 "$T"
	mkdir -p "$T/real"
	mv "$T/bin/choppy" "$T/real/choppy"
	if [ "$1" = nested ]; then
		$become unshare --user --map-root-user sleep infinity &
		NESTED=$!
		disown "$NESTED"
		wait_until nested_ready
		become="$become nsenter --user=/proc/$NESTED/ns/user --preserve-credentials --"
	fi
	cat >"$T/bin/choppy" <<-END
		#!/bin/sh
		export XDG_RUNTIME_DIR=/run/user/$USER_ID HOME=/
		PATH=$T/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
			exec $become $T/real/choppy "\$@"
	END
	chmod 755 "$T/bin/choppy"
}

as_root() {
	[ "${CHOPPY_AS-root}" = root ]
}

# own_resolv_conf: a file of ours over /etc/resolv.conf, which may be a link into the /run that is gone.
own_resolv_conf() {
	local real
	real=$(readlink -m /etc/resolv.conf)
	: >"$T/resolv.conf"
	case $real in
	/run/*)
		mkdir -p "${real%/*}"
		: >"$real"
		;;
	esac
	if [ ! -e "$real" ]; then # never made on the real /etc
		cp -a /etc "$T/etc"
		mount --bind "$T/etc" /etc
		: >"$real"
	fi
	mount --bind "$T/resolv.conf" "$real"
}

HOST4=198.51.100.2 HOST6=2001:db8:51::2 # the fake host, as the outside sees it
WEB4=203.0.113.80 WEB6=2001:db8:113::80 # www.example.test
DNS4=203.0.113.53 DNS6=2001:db8:113::53
WAN=wan0 # the fake host's device to the outside

# outside COMMAND...: in the outside's network namespace.
outside() {
	nsenter --net="/proc/$OUTSIDE/ns/net" -- "$@"
}

other_netns() { # PID: is in another network namespace than we are
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

# outside_up: a namespace beyond $WAN with a web server (www.example.test) and a resolver. It
# has no route back to private addresses: who reaches it has gone through NAT.
outside_up() {
	unshare --net sleep infinity &
	OUTSIDE=$!
	wait_until other_netns "$OUTSIDE" || return
	ip link add "$WAN" type veth peer name host0 netns "$OUTSIDE"
	ip link set "$WAN" addrgenmode none # a link-local address would come when it likes
	ip addr add $HOST4/24 dev "$WAN"
	ip addr add $HOST6/64 dev "$WAN" nodad
	ip link set "$WAN" up
	outside sh -e <<-END
		ip link set lo up
		ip link set host0 addrgenmode none
		ip addr add 198.51.100.1/24 dev host0
		ip addr add 2001:db8:51::1/64 dev host0 nodad
		ip link set host0 up
		ip addr add $WEB4/32 dev lo
		ip addr add $DNS4/32 dev lo
		ip addr add $WEB6/128 dev lo nodad
		ip addr add $DNS6/128 dev lo nodad
	END
	ip route add default via 198.51.100.1
	ip -6 route add default via 2001:db8:51::1
	echo "nameserver $DNS4" >"$T/resolv.conf"
	outside dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts \
		--user=root --pid-file= --bind-interfaces --listen-address=$DNS4,$DNS6 \
		--host-record=www.example.test,$WEB4,$WEB6 --local=/test/ \
		--txt-record=big.example.test,"$(big_text a)","$(big_text b)","$(big_text c)","$(big_text d)","$(big_text e)","$(big_text f)" \
		--log-queries --log-facility="$T/dns.log" &
	mkdir -p "$T/www"
	echo "hello from outside" >"$T/www/index.html"
	# Not by a TCP connection: dnsmasq forks for each, which a snapshot would see.
	wait_until getent ahostsv4 www.example.test || return
	# The web server asks for its own name first, hence the order.
	outside python3 -u -m http.server --directory "$T/www" --bind :: 80 >>"$T/http.log" 2>&1 &
	wait_port $WEB4 80 || return
	disown -a
	: >"$T/http.log"
}

big_text() { # CHAR: 250 of them
	printf "%250s" "" | tr ' ' "$1"
}

# host_dnsmasq: a resolver of the host's on every address's port 53, as many machines have it.
host_dnsmasq() {
	dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --user=root \
		--pid-file= --server=$DNS4 --log-queries --log-facility="$T/host-dns.log" &
	HOST_DNS=$!
	echo "nameserver 127.0.0.1" >"$T/resolv.conf"
	wait_until getent ahostsv4 www.example.test
	disown "$HOST_DNS"
}

# run_as_user COMMAND...: as an ordinary user without any capability.
run_as_user() {
	setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --inh-caps=-all -- "$@"
}

# ------------------------------------------------------------ choppy's state

# of NAME KEY: one value of `choppy show --json`.
of() {
	choppy show --json "$1" | jq -r "$2"
}

node4() { # NAME: the node's IPv4 address
	of "$1" '.ipv4.node' | sed 's,/.*,,'
}

gateway4() { # NAME
	of "$1" '.ipv4.gateway' | sed 's,/.*,,'
}

# --------------------------------------------------------------------- leaks

# pids: "PID COMM" of every process, without starting one.
pids() {
	{ local - p comm; set +x; } 2>/dev/null
	for p in /proc/[0-9]*; do
		p=${p#/proc/}
		comm=gone
		{ read -r comm <"/proc/$p/comm"; } 2>/dev/null
		[ "$comm" = gone ] || echo "process $p $comm"
	done
}

# sysctls: every readable value under /proc/sys/net, without those that change by themselves: a count
# of connections, and a key that the kernel draws when it is first needed.
sysctls() {
	grep -rs '' /proc/sys/net | grep -vE '/(nf_conntrack_count|tcp_fastopen_key):' | sort
}

# snapshot FILE: everything of the host that a lab might leave changed.
snapshot() {
	{ local -; set +x; } 2>/dev/null
	{
		pids
		echo "== links"
		ip -d -o link
		echo "== addresses"
		ip -o addr
		echo "== routes"
		ip -4 route show table all
		ip -6 route show table all
		echo "== neighbours"
		ip neigh show nud permanent
		echo "== rules"
		ip -4 rule
		ip -6 rule
		echo "== nftables"
		nft -s list ruleset
		echo "== qdiscs"
		tc qdisc show
		echo "== sysctls"
		sysctls
		echo "== mounts"
		cut -d ' ' -f 3- /proc/self/mountinfo
		echo "== run"
		# main.sh has a test of its own for the empty state directory and its lock
		find /run -path "$T" -prune -o -printf '%y %p\n' | sort |
			grep -vE '^(d /run/choppy|d /run/choppy/labs|f /run/choppy/lock)$'
		echo "== tmp"
		find /tmp /dev/shm -maxdepth 1 -name '*choppy*' | sort
	} >"$1" 2>&1
}

# unchanged FILE: nothing differs from the snapshot. What the kernel cleans up by itself has a
# second to do so. The difference is left in $T/leak.diff.
unchanged() {
	{ local - i; set +x; } 2>/dev/null
	for ((i = 0; i < 25; i++)); do
		snapshot "$T/after"
		if diff "$1" "$T/after" >"$T/leak.diff"; then
			return 0
		fi
		sleep 0.04
	done
	cat "$T/leak.diff" >&2
	return 1
}

# leak_check NAME FILE: a test point of unchanged.
leak_check() {
	if unchanged "$2"; then
		ok "$1"
	else
		not_ok "$1" "$(grep '^[<>]' "$T/leak.diff" | head -n 12)"
	fi
}

# conntrack_of ADDRESS: how many conntrack entries name it.
conntrack_of() {
	conntrack -L 2>/dev/null | grep -cwF "$1"
}
