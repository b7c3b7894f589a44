#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every word of a condition on real packets: what the kernel's own stack makes of a link that
# duplicates, corrupts, reorders, refuses, is too narrow; rules, traces, verdicts, and their refusals.
. "$(dirname "$0")/lib.sh"
fake_host
snapshot "$T/before"

# udp.py send HOST PORT N [SIZE]: N datagrams that begin with their number, one in flight at a time
# unless the link holds them. udp.py receive PORT FILE WANT: numbers (and whether the rest is as sent)
# until WANT have come, or 2 s after the last.
cat >"$T/udp.py" <<'END'
import socket, struct, sys
def body(i, size):
    return struct.pack("!I", i) + bytes((i + k) % 251 for k in range(size - 4))
if sys.argv[1] == "send":
    host, port, n = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    size = int(sys.argv[5]) if len(sys.argv) > 5 else 100
    s = socket.create_connection((host, port)) if False else socket.socket(
        socket.getaddrinfo(host, port)[0][0], socket.SOCK_DGRAM)
    s.connect((host, port))
    for i in range(1, n + 1):
        s.send(body(i, size))
else:
    port, path, want = int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    s.bind(("::", port))
    s.settimeout(10)
    open(path + ".ready", "w").close()
    got = []
    try:
        while len(got) < want:
            d = s.recv(65536)
            s.settimeout(2)
            i = struct.unpack("!I", d[:4])[0]
            same = d[4:] == body(i, len(d))[4:]
            wrong = sum(bin(a ^ b).count("1") for a, b in zip(d[4:], body(i, len(d))[4:]))
            got.append("%d %d" % (i, wrong))
    except socket.timeout:
        pass
    open(path, "w").write("\n".join(got) + "\n")
END

# far COMMAND...: at the link's other end.
far() {
	if as_root; then
		"$@"
	else
		nsenter --net="/proc/$(of c .keeper)/ns/net" -- "$@"
	fi
}

# udp_up N WANT [SIZE]: send N datagrams from the node to its gateway; "NUMBER WRONGBITS" lines in $T/got.
udp_up() {
	local pid
	rm -f "$T/got" "$T/got.ready"
	far python3 "$T/udp.py" receive 4000 "$T/got" "$2" &
	pid=$!
	wait_until [ -e "$T/got.ready" ]
	choppy exec c -- python3 "$T/udp.py" send "$GW" 4000 "$1" "${3-100}"
	wait "$pid"
}

numbers() {
	cut -d ' ' -f 1 "$T/got" | tr '\n' ' ' | sed 's/ $//'
}

now() { # WORDS...: nothing but these from here on
	choppy set c clear "$@" >"$T/out" 2>"$T/err" || not_ok "choppy set c clear $*" "$(cat "$T/err")"
}

counter() { # DIRECTION KEY
	of c ".counters.$1.$2"
}

check "a namespace to begin with" choppy add c --addr 10.1.1.0/31 --uplink none --seed 7
GW=10.1.1.0

# ---- one word after another

now up duplicate 100%
udp_up 5 10
equal "duplicate: each arrives twice, side by side" "$(numbers)" "1 1 2 2 3 3 4 4 5 5"

now up drop 1,3,7-9
udp_up 10 5
equal "drop: exactly these" "$(numbers)" "2 4 5 6 10"

now up loss every 3
udp_up 9 6
equal "loss every: each third" "$(numbers)" "1 2 4 5 7 8"

now up reorder 100% by 1 within 2s
udp_up 3 3
equal "reorder by: all arrive, held ones last of all" "$(numbers | tr ' ' '\n' | sort | tr '\n' ' ')" "1 2 3 "

now up drop 1000000 match 'udp port 4000' nth 2 reorder 100% by 3
udp_up 8 8
equal "reorder by 3: the second is overtaken by three" "$(numbers)" "1 3 4 5 2 6 7 8"

before=$(far nstat -asz UdpInCsumErrors UdpInErrors IpInHdrErrors | awk 'NR > 1 { n += $2 } END { print n }')
now up match 'udp port 4000' corrupt 100%
udp_up 20 20
after=$(far nstat -asz UdpInCsumErrors UdpInErrors IpInHdrErrors | awk 'NR > 1 { n += $2 } END { print n }')
holds "corrupt: the receiver sees bad checksums" [ "${after%.*}" -gt "${before%.*}" ]
equal "corrupt: nothing wrong reaches the program" "$(awk 'NF && $2 != 0' "$T/got" | wc -l)" 0
equal "corrupt: counted" "$(counter up corrupted)" 20

now up match 'udp port 4000' corrupt 100% fix
udp_up 20 20
equal "corrupt fix: all but those of a wrong number arrive" "$(wc -l <"$T/got")" 20
holds "corrupt fix: the program sees wrong bits" [ "$(awk '$2 == 1' "$T/got" | wc -l)" -ge 15 ]

now up outage
status "outage: nothing passes" 1 choppy exec c -- ping -n -q -c 2 -i 0.01 -W 0.3 $GW
equal "outage: counted" "$(counter up dropped.outage)" 2
check "outage off: passes again" choppy set c up outage off
check "outage off: a ping" choppy exec c -- ping -n -q -c 1 -W 5 $GW

now up reject
choppy exec c -- ping -n -c 1 -W 5 $GW >"$T/out" 2>&1
matches "reject: ping is told" "$(cat "$T/out")" 'Destination Host Unreachable'
choppy exec c -- ping -6 -n -c 1 -W 5 gateway >"$T/out" 2>&1
matches "reject: over IPv6 too" "$(cat "$T/out")" 'Address unreachable|Destination unreachable'
now up reject reset
choppy exec c -- python3 -c "import socket; socket.create_connection(('$GW', 9), 5)" >"$T/out" 2>&1
matches "reject reset: connect is refused" "$(cat "$T/out")" 'ConnectionRefusedError'
choppy exec c -- python3 -c "import socket; socket.create_connection(('$(of c .ipv6.gateway | sed 's,/.*,,')', 9), 5)" >"$T/out" 2>&1
matches "reject reset: over IPv6 too" "$(cat "$T/out")" 'ConnectionRefusedError'
now up reject prohibited
choppy exec c -- ping -n -c 1 -W 5 $GW >"$T/out" 2>&1
matches "reject prohibited: ping is told" "$(cat "$T/out")" 'Packet filtered|prohibited'

now up mtu 1000
choppy exec c -- ping -n -c 1 -W 5 -M "do" -s 1200 $GW >"$T/out" 2>&1
matches "mtu: the sender learns it" "$(cat "$T/out")" '[Ff]rag.* needed.*mtu = 1000|mtu=1000|mtu = 1000'
now up mtu 1100
# What a program of an ordinary user may not do.
nsenter --net="/proc/$(of c .init)/ns/net" -- ip route flush cache
check "mtu: a packet that may be is cut up" choppy exec c -- ping -n -q -c 1 -W 5 -M dont -s 1300 $GW
holds "mtu: fragments are counted" [ "$(counter up fragments)" -ge 2 ]
choppy exec c -- ping -6 -n -c 1 -W 5 -s 1400 -M "do" gateway >/dev/null 2>&1
now up mtu 1280
choppy exec c -- ping -6 -n -c 1 -W 5 -s 1400 -M "do" gateway >"$T/out" 2>&1
matches "mtu: IPv6 says too big" "$(cat "$T/out")" 'too big|mtu=1280|mtu = 1280'
now up mtu 900 silent
status "mtu silent: a black hole" 1 choppy exec c -- ping -n -q -c 1 -W 0.5 -M "do" -s 950 $GW
equal "mtu silent: nobody is told" "$(counter up replies)" "$(counter up replies)"
check "mtu silent: small ones pass" choppy exec c -- ping -n -q -c 1 -W 5 -s 100 $GW

now up delay 50ms 20ms reorder jitter
udp_up 200 200
holds "reorder jitter: packets overtake each other" [ "$(numbers)" != "$(seq -s ' ' 200)" ]
equal "reorder jitter: none is lost" "$(numbers | tr ' ' '\n' | sort -n | tr '\n' ' ')" "$(seq -s ' ' 200) "
now up delay 20ms 5ms distribution normal
udp_up 200 200
equal "jitter keeps the order" "$(numbers)" "$(seq -s ' ' 200)"

now up rate 1mbit limit 5packets
udp_up 50 7 1000
holds "limit: what does not fit is dropped" [ "$(counter up dropped.queue)" -ge 40 ]
now up rate 1mbit limit 5packets queue head
udp_up 50 7 1000
equal "queue head: the last one is there" "$(numbers | awk '{ print $NF }')" 50
for q in codel fq_codel pie "red min 3kb max 9kb"; do
	now up rate 1mbit limit 100packets queue $q
	udp_up 20 20 1000
	holds "queue $q: packets arrive" [ "$(wc -l <"$T/got")" -ge 10 ]
done
now up slot 50ms packets 2
udp_up 6 6
equal "slot: all arrive" "$(numbers)" "1 2 3 4 5 6"

# ---- rules

now match icmp loss 100%
status "match: ICMP is lost" 1 choppy exec c -- ping -n -q -c 2 -i 0.01 -W 0.3 $GW
udp_up 3 3
equal "match: UDP is not" "$(numbers)" "1 2 3"
now up loss 100% match 'udp port 4000' loss 0%
udp_up 3 3
equal "match: a rule's clause replaces the direction's" "$(numbers)" "1 2 3"
now up match 'udp port 4000' first 2packets loss 100%
udp_up 5 3
equal "match first: only so many" "$(numbers)" "3 4 5"
equal "match first: counted" "$(of c '[.rules[0].matched[]] | add')" 2
now up match 'udp port 4000' nth 2,4-5 loss 100%
udp_up 6 3
equal "match nth: only these" "$(numbers)" "1 3 6"
now up match 'tcp' loss 100% match 'udp port 4000' drop 1
udp_up 3 2
equal "several rules: the first that matches" "$(numbers)" "2 3"
now up match arp loss 100%
matches "show tells of a rule that never matched" "$(choppy show c)" "no packet"
equal "a rule is taken off" "$(choppy set c up match arp off >/dev/null; of c '.rules | length')" 0

# ---- traces

printf '%s\n' 5 10 >"$T/half.trace"
now up trace "$T/half.trace"
udp_up 20 20 1400
equal "a mahimahi trace delivers" "$(numbers)" "$(seq -s ' ' 20)"
printf 'time,loss\n0s,100%%\n3600s,0%%\n' >"$T/lossy.csv"
now up trace "$T/lossy.csv"
status "a CSV trace rules" 1 choppy exec c -- ping -n -q -c 2 -i 0.01 -W 0.3 $GW
for t in leo train; do
	check "the built-in trace $t" choppy set c clear trace $t
done

check "a trace that is taken off again leaves the lab alive" choppy set c clear rate 10mbit trace leo
check "and so the ping" choppy exec c -- ping -n -q -c 1 -W 5 $GW
check "trace off" choppy set c trace off
check "a ping behind it" choppy exec c -- ping -n -q -c 1 -W 5 $GW
equal "the rate is what is left" "$(of c .condition.text)" "rate 10mbit each way"

# ---- verdicts and replay

run_ping() { # OPTION...: the sequence numbers that came back
	choppy run --uplink none --addr 10.3.3.0/31 "$@" -- ping -n -c 40 -i 0.002 -W 1 10.3.3.0 |
		sed -n 's/.*icmp_seq=\([0-9]*\) .*/\1/p' | tr '\n' ' '
}
first=$(run_ping --seed 11 --verdicts "$T/verdicts" up loss 30% duplicate 10%)
holds "verdicts: a line for each packet lost" [ "$(grep -c ' up .* dropped loss ' "$T/verdicts")" -ge 3 ]
holds "verdicts: and for each copy" [ "$(grep -c ' up .* duplicated ' "$T/verdicts")" -ge 1 ]
equal "replay: the same pings come back" "$(run_ping --seed 12 --replay "$T/verdicts")" "$first"
equal "replay by flow: the same again" "$(run_ping --seed 13 --replay "$T/verdicts" --replay-by-flow)" "$first"
grep -v ' up .* dropped ' "$T/verdicts" >"$T/fewer"
holds "replay: a file cut down loses nothing" \
	[ "$(run_ping --replay "$T/fewer" | tr ' ' '\n' | sort -un | grep -c .)" -eq 40 ]
equal "replay: what it applied is written again" "$(run_ping --replay "$T/verdicts" --verdicts "$T/again" >/dev/null
	grep -c ' dropped ' "$T/again")" "$(grep -c ' dropped ' "$T/verdicts")"
sed '4q' "$T/verdicts" >"$T/broken"
echo "0 up seven" >>"$T/broken"
refused "replay: a broken file" 2 "$T/broken:[0-9]+:[0-9]+: " choppy run --replay "$T/broken" -- true
refused "replay: no such file" 125 "No such file" choppy run --replay "$T/none" -- true
refused "replay by flow without a file" 2 "name the file" choppy run --replay-by-flow -- true

mkdir "$T/small"
mount -t tmpfs -o size=16k tmpfs "$T/small"
status "verdicts on a full disk: the run has failed" 125 choppy run --uplink none --verdicts "$T/small/v" \
	up loss 50% -- ping -n -q -c 600 -i 0.002 -W 0.1 gateway
matches "and says why" "$(cat "$T/err")" 'is cut short: No space left'
umount "$T/small"
mkfifo "$T/fifo"
as_root || chown $USER_ID "$T/fifo" # sysctl fs.protected_fifos
refused "verdicts into a pipe" 125 "no regular file|No such device" choppy run --verdicts "$T/fifo" loss 1% -- true
refused "verdicts over what is replayed" 2 "written and replayed at once" \
	choppy run --verdicts "$T/again" --replay "$T/again" -- true

# ---- honest about itself

status "a lateness that no machine keeps" 75 choppy run --uplink none --max-lateness 1ns delay 1ms -- \
	ping -n -q -c 2 -i 0.01 gateway
matches "says why" "$(cat "$T/err")" 'late, more than the 1ns of --max-lateness'
status "a lateness that every machine keeps" 0 choppy run --uplink none --max-lateness 10s delay 1ms -- \
	ping -n -q -c 2 -i 0.01 gateway

# ---- refused before anything is made

printf 'time,loss\n0s,1%%\n1s,101%%\n' >"$T/bad.csv"
refused "a trace with a wrong cell" 2 "$T/bad.csv:3:4: " choppy run trace "$T/bad.csv" -- true
printf '1 2 x\n' >"$T/bad.dist"
LINES_WANTED=3 refused "a table with a wrong number" 2 "$T/bad.dist:1:5: " \
	choppy run delay 50ms 1ms distribution "$T/bad.dist" -- true
refused "an expression that is none" 2 "match 'tcp prot 80'" choppy run match 'tcp prot 80' loss 1% -- true
LINES_WANTED=3 refused "a trace in a rule" 2 "trace is a direction's" choppy run match tcp trace leo -- true
LINES_WANTED=3 refused "a burst without a share" 2 "loss" choppy run loss burst 5 -- true
LINES_WANTED=3 refused "ecn with nothing to mark" 2 "ecn marks where" choppy run ecn -- true
refused "verdicts to nowhere" 125 "/nonexistent/file" choppy run --verdicts /nonexistent/file loss 1% -- true
refused "netem cannot match" 125 "the engine can" choppy run --backend netem match tcp loss 1% -- true
before=$(of c '[.condition, .rules]')
refused "a bad change changes nothing" 1 "match" choppy set c up match 'tcp prot' loss 1%
equal "indeed nothing" "$(of c '[.condition, .rules]')" "$before"

# ---- profiles

for p in 3g edge leo train wifi-bad geo; do
	check "profile $p" choppy run --uplink none $p -- true
done
check "choppy profiles" choppy profiles

check "the namespace goes" choppy del c
leak_check "nothing is left" "$T/before"
finish
