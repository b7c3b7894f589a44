#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The classic page of `ip netns`, veth, MASQUERADE and netem commands, with choppy.
#
#   examples/walkthrough.sh                      in a throw-away host with an outside of its own
#   OUTSIDE=http://example.com/ examples/walkthrough.sh      on this machine, to the real network
#
# Each step shows the command, what it printed, and ends the script when it did
# not do what it must. Read from "The walkthrough" on; what stands before only prepares.
set -u
cd "$(dirname "$0")/.." || exit 1
choppy=$(readlink -f "${BUILD:-build}/choppy")

if [ ! -x "$choppy" ]; then
	echo "$0: ${BUILD:-build}/choppy is not built yet: make" >&2
	exit 1
fi
if [ -z "${OUTSIDE-}" ] && [ -z "${INSIDE_THROW_AWAY_HOST-}" ]; then
	# Once more, in namespaces that are gone when the script is. Who is not root becomes root of them.
	user=
	[ "$(id -u)" -eq 0 ] || user='--user --map-root-user'
	if ! why=$(unshare $user --net --mount --pid --fork --mount-proc true 2>&1); then
		printf '%s: %s\n' "$0" "$why" >&2
		"$choppy" doctor >&2
		exit 77
	fi
	INSIDE_THROW_AWAY_HOST=yes exec unshare $user --net --mount --uts --pid --fork --kill-child \
		--mount-proc bash "$0"
fi

# ------------------------------------------------------------------ helpers

# title WORDS: what the next step is about.
title() {
	printf '\n# %s\n' "$*"
}

# step COMMAND: show it, run it, show what it prints; both stay in $output and $status.
step() {
	printf '$ %s\n' "$1"
	output=$(eval "$1" 2>&1)
	status=$?
	[ -z "$output" ] || printf '%s\n' "$output" | sed 's/^/  /'
}

fail() {
	printf '\nwalkthrough: %s\n' "$*" >&2
	exit 1
}

works() {
	[ "$status" -eq 0 ] || fail "that should have worked; its status is $status"
}

fails() {
	[ "$status" -ne 0 ] || fail "that should have failed"
}

shows() { # REGEX
	grep -qE -- "$1" <<<"$output" || fail "that should have shown /$1/"
}

shows_not() { # REGEX
	! grep -qE -- "$1" <<<"$output" || fail "that should not have shown /$1/"
}

# ------------------------------------------------- the outside, when there is none

mkdir -p /run
if [ -z "${OUTSIDE-}" ]; then
	OUTSIDE=http://www.example.test/
	mount -t tmpfs tmpfs /run
	mount -t sysfs sysfs /sys 2>/dev/null
	files=/run/outside
	mkdir -p "$files/bin" "$files/www"
	install -m 755 "$choppy" "$files/bin/choppy" # where anybody may execute it
	PATH=$files/bin:$PATH:/usr/sbin:/sbin

	# A namespace beyond this host, with a web server and a name server. It knows
	# no way back to private addresses: whoever reaches it, does so by NAT.
	unshare --net sleep infinity &
	outside=$!
	until [ "$(readlink /proc/$outside/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
	beyond() { nsenter --net="/proc/$outside/ns/net" -- "$@"; }
	ip link set lo up
	ip link add wan0 type veth peer name host0 netns "$outside"
	ip addr add 198.51.100.2/24 dev wan0
	ip addr add 2001:db8::2/64 dev wan0 nodad
	ip link set wan0 up
	beyond ip link set lo up
	beyond ip addr add 198.51.100.1/24 dev host0
	beyond ip addr add 2001:db8::1/64 dev host0 nodad
	beyond ip link set host0 up
	ip route add default via 198.51.100.1
	ip route add default via 2001:db8::1

	resolv=$(readlink -m /etc/resolv.conf)
	echo 'nameserver 198.51.100.1' >"$files/resolv.conf"
	mkdir -p "${resolv%/*}"
	case $resolv in /run/*) : >"$resolv" ;; esac
	mount --bind "$files/resolv.conf" "$resolv" || fail "there is no /etc/resolv.conf"
	# In its debug mode it does not change its user, which root of a user namespace cannot.
	beyond dnsmasq --no-daemon --conf-file=/dev/null --no-resolv --no-hosts \
		--pid-file= --host-record=www.example.test,198.51.100.1 >/dev/null 2>&1 &
	echo 'Hello from outside.' >"$files/www/index.html"
	beyond python3 -m http.server --directory "$files/www" --bind 198.51.100.1 80 \
		>/dev/null 2>&1 &
	tries=0
	until curl -s -o /dev/null "$OUTSIDE"; do
		tries=$((tries + 1))
		[ "$tries" -lt 200 ] || fail "the outside did not come up"
		sleep 0.05
	done
else
	PATH=$(dirname "$choppy"):$PATH:/usr/sbin:/sbin
	! choppy show blue >/dev/null 2>&1 || fail "there is a lab named blue already"
	trap 'choppy del blue 2>/dev/null' EXIT
fi
links_before=$(ip -br link)

# ---------------------------------------------------------------- the walkthrough

title "A network namespace, joined to this host by a link with two addresses."
step "choppy add blue --addr 10.1.1.0/31 --uplink none"
works

title "It is a namespace like any other: ip(8) sees it and enters it."
step "ip netns ls"
shows '^blue\b'
step "ip netns exec blue ip -br addr"
works
shows '^eth0.*10\.1\.1\.1/31'

title "Both ends answer. The far end is called gateway."
step "ping -n -c 2 -i 0.1 10.1.1.1"
works
step "choppy exec blue -- ping -c 2 -i 0.1 gateway"
works

title "With --uplink none the world ends at the gateway."
step "choppy exec blue -- curl -sS --max-time 3 $OUTSIDE"
fails

title "With the uplink nat, which is the default, blue reaches the outside by name."
step "choppy del blue"
works
step "choppy add blue --addr 10.1.1.0/31"
works
step "choppy exec blue -- curl -sS --max-time 10 $OUTSIDE"
works
[ "$OUTSIDE" != http://www.example.test/ ] || shows '^Hello from outside\.$'

title "Lose 30% on the way up, and see it in ping's own count."
step "choppy set blue up loss 30%"
works
step "choppy exec blue -- ping -n -q -c 200 -i 0.005 -W 1 gateway"
shows '200 packets transmitted'
lost=$(sed -n 's/.* \([0-9]*\)\(\.[0-9]*\)\{0,1\}% packet loss.*/\1/p' <<<"$output")
[ "${lost:-0}" -ge 14 ] && [ "$lost" -le 48 ] || fail "that should have lost about 30%, not $lost%"

title "Change it while it lives. Only the fields that are named change."
step "choppy set blue up loss 0% delay 20ms 5ms down rate 10mbit"
works
step "choppy exec blue -- ping -n -q -c 10 -i 0.01 -W 1 gateway"
works
shows ' 0% packet loss'
shows '^ *rtt min/avg/max/mdev = (1[5-9]|2[0-9])'

title "What was asked, and what came of it."
step "choppy show blue"
works
shows 'loss'
shows '10mbit'

title "One command for all of it: made, run, removed, and the program's status returned."
step "choppy run --summary --seed 1 up loss 30% -- ping -n -q -c 100 -i 0.005 -W 1 gateway"
shows 'loss 30% asked'

title "Without root: an ordinary process connects in the node's place, and the host stays as it is."
step "choppy run --uplink relay --summary delay 20ms -- curl -sS --max-time 10 $OUTSIDE"
works
[ "$OUTSIDE" != http://www.example.test/ ] || shows '^Hello from outside\.$'
if setpriv --reuid 65534 --regid 65534 --clear-groups true 2>/dev/null; then
	step "setpriv --reuid nobody --regid nogroup --clear-groups choppy run 3g -- curl -sS --max-time 10 $OUTSIDE"
	works
fi

title "Take blue away. Nothing is left."
step "choppy del blue"
works
step "ip netns ls"
shows_not 'blue'
# The kernel takes a device away a moment after its namespace.
for ((tries = 0; tries < 50; tries++)); do
	[ "$(ip -br link)" != "$links_before" ] || break
	sleep 0.02
done
step "ip -br link"
[ "$output" = "$links_before" ] || fail "a link is left, or one is missing"
step "nft list tables"
shows_not 'choppy'
step "choppy ls"
works
shows_not 'blue'

printf '\nThe walkthrough works: every step showed what it must.\n'
