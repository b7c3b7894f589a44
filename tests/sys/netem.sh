#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The netem backend on a kernel that has netem: the walkthrough, live changes, what it refuses, what
# somebody else does to its qdiscs, leaks. There is no NAT in that kernel, so the outside is a second node.
. "$(dirname "$0")/lib.sh"

# as_user: the kernel is an ordinary process of an ordinary user.
as_user() {
	local dir
	dir=$(mktemp -d) && chmod 755 "$dir" &&
		cp "$ROOT"/tests/uml/{boot,init} "$BUILD_DIR/tests/libuml_xstate.so" "$dir" || return
	cd / && setpriv --reuid 65534 --regid 65534 --clear-groups env TMPDIR=/tmp "$dir/boot" \
		sh -c 'echo uid $(id -u) in the kernel $(uname -m); exit 7'
	echo "status $?"
	rm -rf "$dir"
}

if [ -z "${CHOPPY_UML-}" ]; then
	equal "the kernel boots for an ordinary user, and hands output and status on" \
		"$(as_user 2>&1)" "uid 0 in the kernel x86_64
status 7"
fi
UML_SECONDS=150 UML_MODULES='net/netfilter/nfnetlink net/netfilter/nf_tables net/sched/sch_tbf' in_uml
fake_host
NETEM='--uplink none --backend netem'
GW=10.9.9.0 NODE=10.9.9.1

# ---- what this kernel can do

doctor=$(choppy doctor 2>&1)
matches "doctor: netem" "$doctor" '^netem \(--backend netem\) +yes'
matches "doctor: whole ns" "$doctor" '^netem: times in whole ns +yes'
matches "doctor: no seed in Linux 6.1" "$doctor" '^netem: --seed +no .*Linux 6.6 has it'
matches "doctor: duplicate" "$doctor" '^netem: duplicate +yes'
matches "doctor: which backend a link has" "$doctor" '^the backend of a link is the engine'
# But for what tc sends, which needs no netem and takes long with strace in here.
status "the unit tests of netem" 0 env -u CHOPPY_MUST_WORK PATH=/usr/sbin:/sbin \
	"$BUILD_DIR/tests/test_netem"
matches "with a real one" "$(cat "$T/out" "$T/err")" '^\[ +OK \] test_apply$'
snapshot "$T/before"

status "no NAT in this kernel" 77 choppy run --backend netem -- true
matches "with the reason" "$(cat "$T/err")" \
	'^choppy: nftables of this kernel has no tables of family inet, in which NAT would be .*--uplink none'
status "a seed that is asked for" 77 choppy run $NETEM --seed 5 -- true
matches "with the reason" "$(cat "$T/err")" 'netem of this kernel takes no seed \(Linux 6.6 has it\)'
leak_check "refusals leave nothing" "$T/before"

# ---- run

check "run: a program behind it" choppy run $NETEM --addr $GW/31 loss 30% -- \
	ping -q -i 0.005 -c 400 -W 1 $GW
got=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$T/out")
# 49% of 400 come back: binomial, and outside of these with a probability below 1e-9.
holds "loss 30% each way: $got of 400 come back" [ "$got" -gt 134 -a "$got" -lt 258 ]
status "the program's own status" 3 choppy run $NETEM delay 1ms -- sh -c 'exit 3'
rtt=$(choppy run $NETEM --addr $GW/31 delay 40ms -- ping -c 3 -i 0.1 $GW |
	sed -n 's/.*time=\([0-9]*\).*/\1/p' | sort -n | head -n 1)
holds "delay 40ms each way: $rtt ms" [ "${rtt:-0}" -ge 80 ]

# ---- add, show, set, exec, del

check "add" choppy add blue $NETEM --addr $GW/31 delay 20ms loss gemodel 1% 10%
matches "add: the backend, and why" "$(cat "$T/out")" '^ +backend +netem: the kernel.s qdisc at each end'
equal "exec" "$(choppy exec blue -- hostname -I | grep -o "$NODE")" "$NODE"
tc_node() { tc -n blue -j qdisc show dev eth0 | jq -c '.[0].options'; }
tc_host() { tc -j qdisc show dev ch-blue | jq -c '.[0].options'; }
equal "tc sees it in the node" "$(tc_node | jq -c '.delay, ."loss-gemodel"')" \
	"$(printf '{"delay":0.02,"jitter":0,"correlation":0}\n{"p":0.01,"r":0.1,"1-h":1,"1-k":0}')"
equal "and the same on the host" "$(tc_host)" "$(tc_node)"
check "show" choppy show blue
matches "show: netem's values in tc's words" "$(cat "$T/out")" \
	'^ +netem +up: limit [0-9]+ delay 20ms loss gemodel 1% 10% 100% 0%$'
choppy show --tc blue >"$T/tc"
equal "show --tc: a command for each end" "$(sed "s/ root .*//" "$T/tc")" \
	"tc -n blue qdisc replace dev eth0
tc qdisc replace dev ch-blue"
choppy set blue clear >/dev/null
check "show --tc: tc takes the commands" sh -e "$T/tc"
equal "and they make the same netem" "$(choppy show --tc blue)" "$(cat "$T/tc")"
mkdir "$T/my tables" && cp /usr/lib/*/tc/pareto.dist "$T/my tables/my own.dist"
choppy set blue up delay 50ms 5ms distribution "$T/my tables/my own.dist" >/dev/null 2>&1
check "show --tc: with a table out of a file, whatever its name" \
	sh -ec "$(choppy show --tc blue | head -n 1)"
cp "$T/my tables/my own.dist" "$T/table"
choppy set blue up delay 50ms 5ms distribution "$T/table" >/dev/null 2>&1
status "show --tc: one that tc would not find" 1 choppy show --tc blue
matches "with the reason" "$(cat "$T/err")" '^choppy show: tc reads tables only from files that end in .dist'
choppy set blue clear >/dev/null
tc -n blue qdisc change dev eth0 root handle 4348: netem delay 5ms
matches "a change by hand is told" "$(choppy show blue)" \
	"somebody has changed netem's latency on eth0: choppy set puts it back"
check "set puts it back" choppy set blue up loss 2%
matches "as if it had not been" "$(choppy show --tc blue | head -n 1)" ' netem limit [0-9]+ loss 2%$'
check "set --from-tc" choppy set blue down --from-tc 'delay 100ms 20ms loss 1% 25% limit 300'
equal "set --from-tc: what it means" "$(cat "$T/out")" \
	"blue: up loss 2%, down delay 100ms 20ms loss 1% 25% inflight 300 netem-raw"
matches "set --from-tc: what tc says of it" "$(tc_host)" \
	'"limit":300,"delay":\{"delay":0.1,"jitter":0.02,"correlation":0},"loss-random":\{"loss":0.01,"correlation":0.25}'
check "set with netem as the backend" choppy set blue --backend netem clear
status "set with the engine as the backend" 1 choppy set blue --backend engine clear

# ---- exact counts

python3 - >"$T/send.py" <<'END'
print("""
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(int(sys.argv[3])):
    s.sendto(b"%d" % i, (sys.argv[1], int(sys.argv[2])))
""")
END
counted() { choppy show --json blue | jq -c "$1"; }
choppy set blue up loss 100% >/dev/null
choppy exec blue -- python3 "$T/send.py" $GW 9 50
equal "loss 100%: all that were sent are counted as lost" \
	"$(counted '[.counters.up.judged, .counters.up.judged_lost]')" "[50,50]"
before=$(counted .counters.up.dropped.loss)
choppy set blue up loss off delay 1ms >/dev/null
choppy exec blue -- python3 "$T/send.py" $GW 9 20
wait_until sh -c "[ \"\$(choppy show --json blue | jq .counters.up.waiting)\" = 0 ]"
equal "no loss: no more are" "$(counted .counters.up.dropped.loss)" "$before"
choppy set blue up delay off rate 8kbit limit 5packets >/dev/null
before=$(counted .counters.up.delivered)
choppy exec blue -- python3 "$T/send.py" $GW 9 40
dropped='.counters.up.dropped | [.loss, .queue]'
counted "$dropped" >"$T/dropped"
choppy set blue up clear >/dev/null
equal "drops keep the reason that they had" "$(counted "$dropped")" "$(cat "$T/dropped")"
equal "a full queue: what is dropped and what is not are all" \
	"$(counted '.counters.up | .delivered + .waiting + .dropped.loss + .dropped.queue == .packets')" true

# ---- a change loses nothing of what is on its way

python3 - "$T" <<'END' &
import os, socket, sys
r = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
r.setsockopt(socket.SOL_SOCKET, 33, 1 << 24) # SO_RCVBUFFORCE
r.bind(("0.0.0.0", 5000))
open(sys.argv[1] + "/listening", "w")
seen = set()
r.settimeout(20)
while True:
    data = r.recv(100)
    if data == b"end":
        break
    seen.add(int(data))
print(len(seen), file=open(sys.argv[1] + "/seen", "w"))
END
receiver=$!
wait_until [ -e "$T/listening" ]
cat >"$T/flood.py" <<'END'
import os, select, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
n = 0
while not os.path.exists(sys.argv[2] + "/enough") and n < 50000:
    s.sendto(b"%d" % n, (sys.argv[1], 5000))
    n += 1
    select.select([], [], [], .001)
print(n, file=open(sys.argv[2] + "/sent", "w"))
# Behind all of them, whatever the order: again and again until it has come.
for _ in range(100):
    if os.path.exists(sys.argv[2] + "/seen"):
        break
    select.select([], [], [], .2)
    s.sendto(b"end", (sys.argv[1], 5000))
END
choppy set blue up delay 300ms >/dev/null
choppy exec blue -- python3 "$T/flood.py" $GW "$T" &
flood=$!
for condition in 'delay 200ms 50ms' 'delay 100ms rate 100mbit' 'delay 150ms 40ms distribution normal' \
	'delay 300ms slot 5ms' 'delay 250ms 50ms netem-raw' 'clear' 'corrupt 0% delay 100ms'; do
	choppy set blue up $condition >/dev/null 2>&1 || not_ok "set in a flood: $condition"
done
: >"$T/enough"
wait "$flood" "$receiver"
equal "7 changes in a flood of $(cat "$T/sent") packets lose none" "$(cat "$T/seen")" "$(cat "$T/sent")"

# ---- packets as on the wire

equal "no super-packets are sent to it" \
	"$(ip -d link show ch-blue | grep -o 'gso_max_segs [0-9]*')" "gso_max_segs 1"
cat >"$T/tcp.py" <<'END'
import socket, sys
s = socket.create_connection((sys.argv[1], 5001))
s.sendall(bytes(400000))
END
cat >"$T/sink.py" <<'END'
import socket, sys
l = socket.socket()
l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.bind(("0.0.0.0", 5001))
l.listen()
open(sys.argv[1] + "/sink", "w")
c = l.accept()[0]
while c.recv(65536):
    pass
END
# longest NAME WORDS...: bytes of the longest queue seen for each packet of it, in a TCP transfer.
longest() {
	local name=$1
	shift
	rm -f "$T/sink"
	choppy add "$name" $NETEM --addr 10.9.8.0/31 "$@" up delay 20ms rate 4mbit >/dev/null 2>&1
	python3 "$T/sink.py" "$T" &
	sink=$!
	wait_until [ -e "$T/sink" ]
	choppy exec "$name" -- python3 "$T/tcp.py" 10.9.8.0 &
	{ local - most=0 bytes packets; set +x; } 2>/dev/null
	while [ -d "/proc/$sink" ]; do
		read -r bytes packets < <(tc -n "$name" -s qdisc show dev eth0 |
			sed -n 's/.*backlog \([0-9]*\)b \([0-9]*\)p.*/\1 \2/p')
		[ "${packets:-0}" -eq 0 ] || [ $((bytes / packets)) -le "$most" ] ||
			most=$((bytes / packets))
	done
	wait
	choppy del "$name"
	echo "$most"
}
most=$(longest green)
holds "a queue of TCP is of wire packets: $most bytes each" [ "$most" -gt 500 -a "$most" -le 1514 ]
most=$(longest green --super-packets)
holds "with --super-packets it is of longer ones: $most bytes each" [ "$most" -gt 1514 ]
status "--super-packets with the engine" 2 choppy run --uplink none --super-packets -- true
matches "with the reason" "$(cat "$T/err")" 'the engine takes super-packets always'

# ---- what netem cannot do

choppy show --tc blue >"$T/tc"
while IFS='|' read -r words want; do
	choppy set blue $words >"$T/out" 2>"$T/err"
	equal "refused: $words" "$?$(grep -cE "$want" "$T/err")$(wc -l <"$T/err")" 111
done <<'END'
drop 3|netem cannot do drop; the engine can \(--backend engine\)
loss every 5|netem cannot do loss-every; the engine can
outage|netem cannot do outage; the engine can
mtu 1400|netem cannot do mtu; the engine can
rate 1mbit queue codel|queue codel: netem drops at the tail only.*--backend engine
rate 1mbit limit 20ms|limit 20ms: netem can limit a queue by packets only.*--backend engine
rate 1mbit burst 10kb|netem cannot do rate-burst; the engine can
loss 20% 75%|loss-correlation 75%: .*loses 0.12%.*netem-raw.*--backend engine
reorder 5% by 3|netem cannot do reorder-by; the engine can
trace leo|netem cannot do trace; the engine can
match udp loss 5%|netem cannot match packets; the engine can
END
equal "before anything has changed" "$(choppy show --tc blue)" "$(cat "$T/tc")"
status "the engine has no inflight" 125 choppy run --uplink none inflight 10 -- true
matches "by name" "$(cat "$T/err")" 'engine cannot do inflight; netem can \(--backend netem\)'
status "nor netem-raw" 125 choppy run --uplink none netem-raw -- true
matches "by name" "$(cat "$T/err")" 'engine cannot do netem-raw; netem can \(--backend netem\)'
choppy add engine --uplink none >/dev/null 2>&1
status "so a line of tc, which has a limit, is not for it" 1 choppy set engine --from-tc 'delay 5ms'
equal "with what it means" "$(cat "$T/err")" "choppy: the line of tc means: delay 5ms inflight 1000
choppy: engine cannot do inflight; netem can (--backend netem)"
choppy del engine
status "verdicts are the engine's" 125 choppy run $NETEM --verdicts "$T/v" -- true
matches "with the reason" "$(cat "$T/err")" 'netem cannot write verdicts; the engine can'

# ---- somebody else's qdisc

tc -n blue qdisc del dev eth0 root
matches "show when the netem is gone" "$(choppy show blue)" \
	"notes .*eth0 has no netem of choppy any more; its qdisc is the kernel's own now: choppy set puts"
check "set puts one there" choppy set blue up loss 3%
matches "it is there" "$(choppy show --tc blue | head -n 1)" ' loss 3%$'
tc -n blue qdisc replace dev eth0 root handle 1: tbf rate 1mbit burst 10k latency 50ms
matches "show when another stands there" "$(choppy show blue)" '^ +foreign +tbf on eth0, put there by'
status "set leaves it alone" 1 choppy set blue up loss 4%
matches "and says what to do" "$(cat "$T/err")" \
	"eth0: somebody has put the qdisc tbf in the place of choppy's netem: 'tc qdisc del dev eth0 root'"
tc -n blue qdisc del dev eth0 root
choppy set blue clear up slot 5ms 10ms >/dev/null
tc qdisc replace dev ch-blue root handle 1: tbf rate 1mbit burst 10k latency 50ms
status "a change that the second end refuses" 1 choppy set blue slot distribution normal 20ms 2ms
matches "says where" "$(cat "$T/err")" "^choppy: ch-blue: somebody has put the qdisc tbf in the place"
choppy show blue >"$T/out"
matches "leaves the first as it was" "$(cat "$T/out")" '^ +condition +up slot 5ms 10ms'
equal "and accuses nobody" "$(grep -c 'somebody has changed' "$T/out")" 0
matches "but tells of the other" "$(cat "$T/out")" "qdisc is tbf now, which 'tc qdisc del dev ch-blue root' takes away"
ip link del ch-blue
matches "show without the host's device" "$(choppy show blue)" 'notes .*reading the qdisc of'
check "del" choppy del blue
leak_check "del leaves nothing" "$T/before"

# ---- a second node as the outside

echo 1 >/proc/sys/net/ipv4/ip_forward
choppy add near $NETEM --addr 10.9.1.0/31 delay 10ms >/dev/null
choppy add far $NETEM --addr 10.9.2.0/31 loss 5% >/dev/null
ip -n near route add default via 10.9.1.0
ip -n far route add default via 10.9.2.0
mkdir "$T/web" && echo "far away" >"$T/web/index.html"
choppy exec far -- python3 -m http.server --directory "$T/web" 80 >/dev/null 2>&1 &
server=$!
wait_until curl -s -o /dev/null http://10.9.2.1/
equal "a page from a second node, over two netems" \
	"$(choppy exec near -- curl -s --max-time 30 http://10.9.2.1/)" "far away"
choppy set far down loss 100% >/dev/null
status "and not when all is lost" 28 choppy exec near -- curl -s --max-time 2 http://10.9.2.1/
choppy del far near >/dev/null
wait "$server"
echo 0 >/proc/sys/net/ipv4/ip_forward
leak_check "two nodes leave nothing" "$T/before"

# ---- killed

choppy add blue $NETEM delay 10ms >/dev/null
kill -9 "$(choppy show --json blue | jq .keeper)"
leak_check "a killed keeper leaves nothing" "$T/before"
finish
