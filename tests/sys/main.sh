#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `choppy run` as a user meets it: statuses, streams, signals, names and addresses
# inside, a bad link, and nothing left behind.
. "$(dirname "$0")/lib.sh"
fake_host
outside_up
run() { choppy run --uplink none "$@"; }
snapshot "$T/before"

# ---- exit statuses

status "status 0" 0 run -- true
status "the program's own status" 3 run -- sh -c 'exit 3'
status "a program that cannot be executed" 126 run -- /etc/passwd
status "a program that is not there" 127 run -- /nonexistent/program
status "a program that is not on the PATH" 127 run -- no-such-program-here
status "a program that a signal killed" 137 run -- sh -c 'kill -9 $$'
status "choppy itself failed" 125 run --addr "$HOST4/31" -- true
status "a wrong command line" 2 run --no-such-option -- true
status "a wrong condition" 2 run loss 101% -- true
status "no program" 2 run loss 1%
leak_check "nothing left after each kind of ending" "$T/before"

# ---- streams

echo "through stdin" >"$T/in"
equal "stdin reaches the program" "$(run -- cat <"$T/in")" "through stdin"
equal "stdout and stderr stay apart" "$(run -- sh -c 'echo out; echo err >&2' 2>/dev/null)" out
equal "a pipe that closes ends the program" "$(run -- yes | head -n 1)" y
run -- yes 2>/dev/null | head -n 1 >/dev/null
equal "with the status of SIGPIPE" "${PIPESTATUS[0]}" 141
equal "the environment passes" "$(CHOPPY_TEST_WORD=here run -- sh -c 'echo $CHOPPY_TEST_WORD')" here
equal "so does the working directory" "$(cd /usr && run -- pwd)" /usr
leak_check "nothing left after closed pipes" "$T/before"

# ---- signals

# signal_test NAME SIGNAL WANT PROGRAM: PROGRAM writes to $T/ready when SIGNAL may come.
signal_test() {
	local pid got
	rm -f "$T/ready"
	choppy run --uplink none -- sh -c "$4" & # not by the function: $! would be a shell
	pid=$!
	wait_until [ -e "$T/ready" ]
	kill -s "$2" "$pid"
	wait "$pid"
	got=$?
	equal "$1" "$got" "$3"
}
signal_test "SIGTERM reaches the program, which handles it" TERM 7 \
	"trap 'exit 7' TERM; sleep 1000 & : >$T/ready; wait"
signal_test "SIGTERM ends a program that does not" TERM 143 ": >$T/ready; exec sleep 1000"
signal_test "SIGHUP is passed on" HUP 8 "trap 'exit 8' HUP; sleep 1000 & : >$T/ready; wait"
signal_test "SIGUSR1 is passed on" USR1 9 "trap 'exit 9' USR1; sleep 1000 & : >$T/ready; wait"
leak_check "nothing left after signals, nor of what the program left running" "$T/before"
check "a program's daemon ends with it" run -- sh -c 'setsid sleep 1000 & exit 0'
leak_check "daemons are gone" "$T/before"

# ---- inside

sum() { cat /etc/hosts /etc/resolv.conf /etc/hostname 2>/dev/null | cksum; }
files=$(sum)
inside=$(run --addr 10.1.1.0/31 -- sh -c 'cat /etc/hosts; echo ==; cat /etc/resolv.conf; echo ==
	ip -4 -o addr show dev eth0; ip -o link show lo; ip -o link show eth0')
matches "the node's address is the upper one of the /31" "$inside" 'inet 10\.1\.1\.1/31 .*eth0'
matches "/etc/hosts names the gateway" "$inside" '^10\.1\.1\.0[[:space:]].*\bgateway\b'
matches "lo is up" "$inside" 'lo: <LOOPBACK,UP'
check "the gateway is found by name and answers" run -- ping -c 1 -W 2 gateway
check "and over IPv6" run -- ping -6 -c 1 -W 2 gateway
if as_root; then
	check "an ordinary user may ping" run --user nobody -- ping -c 1 -W 2 gateway
	equal "--user" "$(run --user nobody -- id -un)" nobody
fi
equal "--dev" "$(run --dev net7 -- sh -c 'ls /sys/class/net | tr "\n" " "')" "lo net7 "
equal "the host's own files are as before" "$(sum)" "$files"

rm -f "$T/ready"
mkfifo "$T/stop"
exec 5<>"$T/stop" # so that neither end waits for the other to open it
choppy run --uplink none --addr 10.1.1.0/31 -- sh -c ": >$T/ready; read line <$T/stop" &
pid=$!
wait_until [ -e "$T/ready" ]
matches "ls shows a lab that runs" "$(choppy ls)" "run-$pid"
if as_root; then
	check "the host reaches the node" ping -c 1 -W 2 10.1.1.1
	equal "the host's device carries the owner's tag" \
		"$(ip -o link show "ch-run-$pid" | grep -o 'alias .*')" "alias choppy:run-$pid"
fi
echo >&5
wait "$pid"
equal "and it ends well" $? 0
exec 5>&-

ip link add plain0 type veth peer name plain1
# SCTP's alone are cut before the engine, which could not be told of them.
equal "offloads are those of any veth, SCTP's apart" \
	"$(run -- ethtool -k eth0 | tail -n +2 | grep -v tx-sctp-segmentation)" \
	"$(ethtool -k plain0 | tail -n +2 | grep -v tx-sctp-segmentation)"
ip link del plain0

# ---- a bad link

lossy() { # SEED: which of 200 requests were answered
	run --seed "$1" up loss 30% -- ping -n -c 200 -i 0.002 -W 1 gateway |
		sed -n 's/.*icmp_seq=\([0-9]*\) .*/\1/p'
}
lossy 7 >"$T/first"
lossy 7 >"$T/second"
lossy 8 >"$T/third"
answered=$(wc -l <"$T/first")
# 140 are expected; a binomial stays within these bounds but for one seed in 10 million.
holds "loss 30% up takes about 30% ($answered of 200 answered)" \
	[ "$answered" -gt 104 -a "$answered" -lt 173 ]
holds "the same seed loses the same packets" cmp "$T/first" "$T/second"
holds "another seed loses others" eval '! cmp -s "$T/first" "$T/third"'

check "a run with a summary" run --summary --seed 7 up loss 30% delay 1ms -- \
	ping -n -q -c 200 -i 0.002 -W 1 gateway
summary=$(cat "$T/err")
matches "the summary has the way up, asked and delivered" "$summary" \
	'^up: .*delay 1ms loss 30% asked, [0-9.]+% of 200 lost, 95% interval [0-9.]+-[0-9.]+ .*dropped: loss [0-9]+'
matches "the summary has the way down" "$summary" '^down: .*no condition asked; [0-9]+ packets in'
matches "the summary has the engine's lateness" "$summary" 'p50.*p99'
received=$(sed -n 's/.*transmitted, \([0-9]*\) received.*/\1/p' "$T/out")
matches "it counts what ping missed" "$summary" "^up: .*dropped: loss $((200 - received))\\b"
matches "and what came back" "$summary" "^down: .* $received packets in, $received delivered"

rtt() { # CONDITION...: the smallest round trip of ten, in whole ms
	run "$@" -- ping -n -q -c 10 -i 0.002 gateway | sed -n 's,^rtt .* = \([0-9]*\)\..*,\1,p'
}
holds "delay 20ms each way is at least 40 ms there and back" [ "$(rtt delay 20ms)" -ge 40 ]
holds "delay 20ms up is at least 20 ms and less than 40" \
	eval 'r=$(rtt up delay 20ms); [ "$r" -ge 20 ] && [ "$r" -lt 40 ]'
matches "a condition without direction holds each way" \
	"$(run -v loss 30% -- true 2>&1)" '30% each way'

# ---- netem is named when it cannot be had

if run --backend netem -- true 2>"$T/err"; then
	check "backend netem" run --backend netem delay 5ms -- ping -n -c 1 -W 2 gateway
else
	refused "without sch_netem the error names the engine" 77 'netem.*engine' \
		choppy run --uplink none --backend netem delay 5ms -- true
fi

leak_check "nothing left at the end" "$T/before"
holds "not even an empty state directory" [ ! -e /run/choppy ]
finish
