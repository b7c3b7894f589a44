#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Hosts and callers that are not as one expects them: directories already there or not there, closed
# descriptors, labs inside labs, several network namespaces over one /run, traffic until the end.
. "$(dirname "$0")/lib.sh"
fake_host
outside_up
snapshot "$T/before"

run() { choppy run --uplink none "$@"; }

# ---- the state directory

mkdir /run/choppy
check "an empty state directory is as good as none" run -- true
mkdir /run/choppy
check "also for a lab that stays" choppy add blue
check "which is there" choppy show blue
check "and goes" choppy del blue
leak_check "state directory: nothing left" "$T/before"

# Labs that come and go beside each other, and those who ask: each finds or makes what it needs.
bad=0
for i in 1 2 3; do
	(for ((n = 0; n < 40; n++)); do run -- true || exit 1; done) 2>"$T/loop.$i" &
	pids[i]=$!
done
(for ((n = 0; n < 60; n++)); do choppy ls || exit 1; done) >"$T/ls" 2>&1 &
pids[4]=$!
for i in 1 2 3 4; do
	wait "${pids[i]}" || bad=1
done
holds "three loops of run, and ls beside them: $(cat "$T"/loop.* | head -n 3)" [ $bad -eq 0 ]
leak_check "loops: nothing left" "$T/before"

# ---- descriptors

for closed in "<&-" ">&-" "2>&-" "<&- >&-" "<&- 2>&-" ">&- 2>&-" "<&- >&- 2>&-"; do
	bash -c "choppy run --uplink none -- sh -c 'exit 5' $closed" 2>/dev/null
	equal "run with $closed: the program's status" $? 5
	bash -c "choppy add --uplink none blue $closed" >/dev/null 2>&1
	check "add with $closed: the lab stands" choppy del blue
done
leak_check "descriptors: nothing left" "$T/before"

# ---- files of the host

own_etc() {
	cp -a /etc "$T/own-etc" && mount --bind "$T/own-etc" /etc && umount /etc/resolv.conf 2>/dev/null
	rm -f /etc/resolv.conf "$@"
}
matches "no /etc/resolv.conf: a line, and it goes on" \
	"$(own_etc && run -- echo fine 2>&1)" "^fine$"
umount /etc 2>/dev/null
rm -rf "$T/own-etc"

# ---- labs in labs

run -- sh -c 'choppy add green --uplink none && choppy exec green -- true' >"$T/out" 2>&1
equal "a lab inside a node" $? 0
leak_check "which goes with the node" "$T/before"

# Two namespaces with a device of one name and index share /run: each has its own old value.
for n in na nb; do
	unshare --net sleep infinity &
	declare "$n=$!"
	disown
done
wait_until other_netns "$na"
wait_until other_netns "$nb"
for p in "$na" "$nb"; do
	nsenter --net="/proc/$p/ns/net" sh -c 'ip link set lo up; ip link add up0 index 7 type veth peer name up1; ip link set up1 up
		ip addr add 192.0.2.1/24 dev up0; ip link set up0 up; ip route add default via 192.0.2.2'
done
flag() { nsenter --net="/proc/$1/ns/net" cat /proc/sys/net/ipv4/conf/up0/forwarding; }
nsenter --net="/proc/$na/ns/net" choppy add la >"$T/out" 2>&1
nsenter --net="/proc/$nb/ns/net" choppy add lb >"$T/out" 2>&1
equal "two namespaces: both forward" "$(flag "$na")$(flag "$nb")" 11
nsenter --net="/proc/$na/ns/net" choppy del la
equal "the first is as it was, the second still forwards" "$(flag "$na")$(flag "$nb")" 01
nsenter --net="/proc/$nb/ns/net" choppy del lb
equal "both are as they were" "$(flag "$na")$(flag "$nb")" 00
kill "$na" "$nb"

# ---- until the end

outside nft -f - <<'END'
table inet seen {
	counter bare { }
	chain c { type filter hook prerouting priority -200; ip saddr 10.64.0.0/10 counter name bare; }
}
END
for ((n = 0; n < 5; n++)); do
	choppy run delay 5ms -- sh -c "ping -n -q -i 0.002 $WEB4 >/dev/null & ping -n -q -c 30 -i 0.005 $WEB4" \
		>"$T/out" 2>&1
done
matches "no packet leaves without its masquerade, also at the end" \
	"$(outside nft list counter inet seen bare)" "packets 0 "
outside nft delete table inet seen

# A signal that comes before the program is started ends choppy, not the program.
CHOPPY_TEST_STOP=5 choppy run --uplink none -- sh -c "echo ran >$T/ran" 2>"$T/err" &
keeper=$!
wait_until stopped "$keeper"
kill -TERM "$keeper"
kill -CONT "$keeper"
wait "$keeper"
equal "a signal during set-up: the status" $? 143
holds "and the program was not run" [ ! -e "$T/ran" ]
leak_check "the end: nothing left" "$T/before"
finish
