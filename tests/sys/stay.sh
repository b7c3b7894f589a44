#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Labs that stay: add, ls, show, set, exec, del, with ip-netns(8) beside; what is not ours is left alone;
# and the table of bad input.
. "$(dirname "$0")/lib.sh"
fake_host
outside_up
ip netns add blue2
snapshot "$T/before"

# ---- the life of one

check "add" choppy add blue --uplink none --addr 10.1.1.0/31
equal "ls" "$(choppy ls --json | jq -r '.[].name')" blue
matches "ls for people" "$(choppy ls)" '^blue\b'
equal "complete knows its name" "$(choppy complete -- set b)" blue
matches "ip netns ls sees it" "$(ip netns ls)" '^blue\b'
matches "ip netns exec enters it" "$(ip netns exec blue ip -4 -o addr)" '10\.1\.1\.1/31'
check "the host pings the node" ping -n -c 1 -W 2 10.1.1.1
check "the node pings the gateway" choppy exec blue -- ping -n -c 1 -W 2 10.1.1.0
check "ip netns exec pings too" ip netns exec blue ping -n -c 1 -W 2 10.1.1.0
status "exec gives the program's status" 5 choppy exec blue -- sh -c 'exit 5'
status "exec of what is not there" 127 choppy exec blue -- /nonexistent/program
status "exec of what cannot be executed" 126 choppy exec blue -- /etc/passwd
status "exec of a program that a signal killed" 143 choppy exec blue -- sh -c 'kill $$'
equal "exec passes stdin" "$(echo word | choppy exec blue -- cat)" word
equal "exec --user" "$(choppy exec --user nobody blue -- id -un)" nobody
check "show" choppy show blue
matches "show tells the addresses" "$(choppy show blue)" '10\.1\.1\.1/31'
equal "show --json is JSON, with the name" "$(of blue .name)" blue
equal "show --json has the keeper" "$(cat "/proc/$(of blue .keeper)/comm")" choppy

# ---- live change

check "set" choppy set blue up loss 100%
status "set works at once" 1 choppy exec blue -- ping -n -c 2 -i 0.01 -W 1 10.1.1.0
equal "the loss is counted, up and not down" \
	"$(of blue '"\(.counters.up.dropped.loss) \(.counters.down.dropped.loss)"')" "2 0"
check "set replaces only the fields named" choppy set blue delay 3ms
matches "loss is still there" "$(choppy show blue)" 'loss 100%'
check "set up loss 0%" choppy set blue up loss 0%
check "and the link is whole" choppy exec blue -- ping -n -c 3 -i 0.01 -W 1 10.1.1.0
check "set clear" choppy set blue clear
matches "show says so" "$(choppy show blue)" 'no condition'
LINES_WANTED=3 refused "a bad set changes nothing" 2 'loss' choppy set blue up delay 5ms loss 101%
matches "nothing of it" "$(choppy show blue)" 'no condition'
refused "the backend of a live link stays" 1 'backend' choppy set blue --backend netem delay 1ms

# ---- a foreign qdisc

check "tc works inside" choppy exec blue -- \
	tc qdisc add dev eth0 root tbf rate 1mbit burst 10k latency 50ms
matches "show names the foreign qdisc" "$(choppy show blue)" 'tbf'
check "set beside it" choppy set blue delay 1ms
matches "it is left alone" "$(choppy exec blue -- tc qdisc show dev eth0)" 'qdisc tbf'

# ---- what is not ours

sentence='blue2 exists and was not made by choppy; nothing changed'
refused "add of a foreign namespace" 1 "$sentence" choppy add blue2
refused "set of a foreign namespace" 1 "$sentence" choppy set blue2 loss 30%
refused "del of a foreign namespace" 1 "$sentence" choppy del blue2
refused "exec in a foreign namespace" 125 "$sentence" choppy exec blue2 -- true
refused "a device of the host" 2 "choppy run loss 30% -- " choppy set "$WAN" loss 30%
refused "lo, too" 2 'choppy run' choppy set lo loss 30%
refused "a name that is taken" 1 'blue' choppy add blue

# ---- end

check "the daemon holds nothing of its caller's" \
	timeout 10 bash -c 'x=$(choppy add green --uplink none 7>&1)' # ends when the pipe closes
check "del green" choppy del green
check "del" choppy del blue
leak_check "nothing left after del" "$T/before"
refused "del of what is not there" 1 'blue' choppy del blue
refused "show of what is not there" 1 'blue' choppy show blue
refused "exec in what is not there" 125 'blue' choppy exec blue -- true
check "a name may be used again" choppy add blue --uplink none
check "and again taken away" choppy del blue
check "add with nat" choppy add blue
check "del with nat" choppy del blue
leak_check "nothing left after nat either" "$T/before"

# ---- a keeper that is gone

check "add once more" choppy add blue --uplink none
keeper=$(of blue .keeper)
kill -9 "$keeper"
wait_until gone "$keeper"
leak_check "nothing left after the keeper was killed" "$T/before"
refused "del after that" 1 'blue' choppy del blue
check "gc has nothing to do" choppy gc
leak_check "gc changed nothing" "$T/before"

# ---- bad names

long=$(printf 'x%.0s' {1..300})
for name in .. . / a/b "" "$long" "a b" -x $'new\nline' 'ümlaut'; do
	refused "bad name '${name:0:12}'" 2 '.' choppy add -- "$name"
done

# ---- bad conditions: one line, the words again, and a caret

LINES_WANTED=3
bad_condition() { # REGEX WORDS...
	refused "bad condition: ${*:2}" 2 "$1" choppy run --uplink none "${@:2}" -- true
	equal "its caret: ${*:2}" "$(tail -n 1 "$T/err" | tr -d ' \t~')" '^'
}
bad_condition 'unit' delay 100
bad_condition 'loss|negative|minus' loss -5%
bad_condition '100%' loss 101%
bad_condition 'twice|two|again' loss 1% loss 2%
bad_condition 'delay' dealy 10ms
bad_condition 'loss' los 10%
bad_condition 'unit' rate 100
bad_condition 'unit' limit 10
bad_condition '.' delay
bad_condition 'add e.g. rate' limit 10packets
bad_condition 'jitter' delay 1ms 2ms
LINES_WANTED=1

# ---- bad commands and options

refused "a command that does not exist" 2 'run' choppy rnu
refused "no command at all but a condition" 2 'choppy run loss' choppy loss 30% -- true
refused "an unknown option" 2 'uplink' choppy run --uplnik none -- true
refused "an unknown uplink" 2 'nat' choppy run --uplink wifi -- true
refused "a bad seed" 2 'seed' choppy run --seed x -- true
refused "a bad address" 2 'addr' choppy run --addr 10.1.1.300/31 -- true
refused "an address of the host's" 125 "198\.51\.100" choppy run --addr 198.51.100.2/31 -- true
refused "a network with the host's resolver in it" 125 "203\.0\.113" \
	choppy run --addr 203.0.113.52/31 -- true
refused "a bad device name" 2 'dev' choppy run --dev 'a/b' -- true
refused "a user who is not there" 2 'nosuchuser' choppy run --user nosuchuser -- true


# ---- a full disk under the state directory

made=$([ -d /run/choppy ] || echo yes)
mkdir -p /run/choppy
mount -t tmpfs -o size=4k,nr_inodes=2 tmpfs /run/choppy
: >/run/choppy/last-inode 2>/dev/null
refused "run with a full state directory" 125 '/run/choppy.*[Ss]pace' choppy run -- true
refused "add with a full state directory" 1 '/run/choppy.*[Ss]pace' choppy add green
umount /run/choppy
[ -z "$made" ] || rmdir /run/choppy

# ---- output that cannot be written

choppy --version >/dev/full 2>"$T/err"
equal "a full disk under stdout is an error" $? 1

leak_check "nothing left at the end" "$T/before"

# ---- a host that has never seen ip netns

ip netns del blue2
umount /run/netns && rmdir /run/netns
snapshot "$T/before"
check "add without /run/netns" choppy add blue --uplink none
matches "ip netns ls sees it" "$(ip netns ls)" '^blue\b'
check "del without /run/netns" choppy del blue
leak_check "not even /run/netns is left" "$T/before"
finish
