#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What is done to a lab of many nodes while it lives: cuts and partitions of every shape, links that
# are unplugged, conditions of links, programs that stand still or are killed.
# Waits: for servers, and for answers that do not come.
. "$(dirname "$0")/lib.sh"
fake_host
outside_up
snapshot "$T/before"

# Hosts on a switch, two of them behind a router, and a way out.
cat >"$T/net.yaml" <<-END
	seed: 7
	nodes:
	  a: {command: exec sleep 1000}
	  b: {command: 'echo started; exec sleep 1000'}
	  c:
	  d:
	  r: router
	  e:
	lan: {sw: [a, b, c, d, r]}
	links: [r -- e: {name: trunk}]
	uplink: r
END
check "up" choppy up "$T/net.yaml"

# hears A B: whether B's echo reply reaches A.
hears() {
	choppy exec "$1" -- ping "${3:--6}" -n -c 2 -i 0.3 -W 1 "$2" >"$T/ping" 2>&1
}
# from NODE OTHER...: those of the others whose answers it gets; all are asked at once.
from() {
	local node=$1 other pids=
	shift
	rm -rf "$T/heard"
	mkdir "$T/heard"
	for other; do
		[ "$other" = "$node" ] && continue
		{ choppy exec "$node" -- ping -6 -n -c 2 -i 0.3 -W 1 "$other" >/dev/null 2>&1 &&
			touch "$T/heard/$other"; } &
		pids="$pids $!"
	done
	# shellcheck disable=SC2086 # several
	wait $pids
	ls "$T/heard" | tr '\n' ' ' | sed 's/ $//'
}
pkts() { # LINK DIRECTION WHAT: a counter
	choppy show "net/$1" --json | jq ".counters.$2.$3"
}

# ---- cuts

equal "cut says what it did" "$(choppy cut a b)" "cut a to b, b to a"
equal "a hears the others" "$(from a a b c d e)" "c d e"
equal "b, too" "$(from b a b c d e)" "c d e"
status "with IPv4 it is the same" 1 hears a b -4
matches "show tells of it" "$(choppy show net)" 'faults +cut a to b, b to a'
equal "so does JSON" "$(of net '.faults[0]')" "cut a to b, b to a"
check "heal" choppy heal
equal "then all is well" "$(from a a b c d e)" "b c d e"
equal "no fault is left" "$(of net '.faults | length')" 0

choppy cut a to 'b e' >/dev/null
before=$(pkts a-sw up packets)
choppy exec b -- ping -n -c 3 -i 0.05 -W 0.3 a >/dev/null
holds "one way: a gets what b asks, and answers" [ $(($(pkts a-sw up packets) - before)) -ge 3 ]
holds "the answers are what b does not get" [ "$(pkts b-sw down dropped.outage)" -ge 3 ]
equal "behind a router it is the same" "$(from e a b c)" "b c"
choppy heal >/dev/null

equal "who is cut off may be told so" "$(choppy cut a c reject)" \
	"cut a to c reject unreachable, c to a reject unreachable"
hears a c -4
matches "ICMP" "$(cat "$T/ping")" "From .* Destination Host Unreachable"
hears a c -6
matches "ICMPv6" "$(cat "$T/ping")" "Destination unreachable"
choppy heal >/dev/null
choppy cut a c reject reset >/dev/null
for v in 4 6; do
	refused "TCP over IPv$v is reset" 7 "Couldn't connect" choppy exec a -- curl -sS -$v --max-time 5 http://c/
done
choppy heal >/dev/null

# ---- partitions

choppy partition 'a b | c d r e' reject >/dev/null
equal "two sides: a" "$(from a a b c d e)" b
equal "two sides: e" "$(from e a b c d e)" "c d"
choppy partition 'a c|b d' reject >/dev/null
equal "another takes its place" "$(from a a b c d e)" "c e"
equal "who is on no side hears all" "$(from e a b c d e)" "a b c d"
equal "isolate, by name" "$(choppy partition isolate d reject | tr ' ' '\n' | grep -c d)" 2
equal "it hears nobody" "$(from d a b c d e)" ""
choppy partition ring of a b c d e reject >/dev/null
for n in a b c d e; do
	equal "ring: $n hears two neighbours" "$(from $n a b c d e | wc -w)" 2
done
choppy partition bridge of a b c d e reject >/dev/null
equal "bridge: one hears all, the others one more" \
	"$(for n in a b c d e; do from $n a b c d e | wc -w; done | sort -n | tr '\n' ' ')" "2 2 2 2 4 "
choppy partition halves of a b c d reject >/dev/null
equal "halves: each hears one" \
	"$(for n in a b c d; do from $n a b c d | wc -w; done | tr '\n' ' ')" "1 1 1 1 "
check "heal" choppy heal
equal "and all hear all" "$(from e a b c d)" "a b c d"

# ---- links

check "a link is unplugged" choppy link trunk off
equal "nothing passes" "$(from e a b r)" ""
matches "show tells of it" "$(choppy show net)" 'link trunk off'
check "and plugged in" choppy link trunk on
equal "all passes" "$(from e a b)" "a b"
check "the way out" choppy link uplink off
status "nobody outside answers" 28 choppy exec e -- curl -4 -sS --max-time 1 "http://$WEB4/"
choppy heal >/dev/null
check "until it is healed" choppy exec e -- curl -4 -sS --max-time 10 "http://$WEB4/"

# ---- conditions

equal "a link's condition" "$(choppy set trunk loss 100%)" "set trunk"
equal "holds" "$(from e a)" ""
equal "is told" "$(choppy show trunk --json | jq -r '.condition.text, .link, .ends[0], .ends[1]' | tr '\n' ' ')" \
	"loss 100% each way trunk r e "
check "of one direction" choppy set 'e>r' loss off
before=$(pkts trunk down delivered)
hears e a
holds "passes" [ $(($(pkts trunk down delivered) - before)) -ge 1 ]
check "of a node: up is what it sends" choppy set net/e clear up delay 5ms
matches "turned as the link is" "$(choppy show trunk)" 'condition +down delay 5ms'
equal "rules, too" "$(choppy set trunk match 'icmp6' outage >/dev/null; from e a)" ""
equal "a rule's packets" "$(choppy show trunk --json | jq '.rules[0].matched.down > 0')" true
check "a cut stands before rules" choppy cut e a
equal "and does not shift their counts" "$(choppy show trunk --json | jq '.rules[0].matched.down > 0')" true
check "all away" choppy set trunk clear
choppy heal >/dev/null
equal "it is as it was" "$(from e a)" a

# ---- programs

states() { # NODE: of its programs, with their state
	for p in /proc/[0-9]*; do
		[ "$(readlink "$p/ns/net" 2>/dev/null)" = "$(choppy exec "$1" -- readlink /proc/self/ns/net)" ] &&
			[ "$(tr '\0' ' ' <"$p/cmdline" 2>/dev/null)" = "sleep 1000 " ] &&
			sed 's/.*) \(.\).*/\1/' "$p/stat"
	done
}
equal "a program runs" "$(states b)" S
equal "pause" "$(choppy pause b)" "pause b"
equal "it stands still" "$(states b)" T
equal "another does not" "$(states a)" S
equal "resume" "$(choppy resume b)" "resume b"
equal "it goes on" "$(states b)" S
choppy pause a b >/dev/null
choppy pause b >/dev/null
choppy resume b >/dev/null
equal "resume ends every pause" "$(states b)$(states a)" "ST"
choppy resume a >/dev/null
equal "kill" "$(choppy kill b)" "kill b"
equal "it is gone" "$(states b)" ""
equal "start" "$(choppy start b)" "start b"
wait_until eval '[ "$(choppy logs b | grep -c started)" -eq 2 ]'
equal "it runs again, and its log goes on" "$(choppy logs b | grep -c started)" 2
equal "any: by chance, one of them" "$(choppy restart any a b | grep -cE '^restart (a|b)$')" 1

# ---- what is refused, and changes nothing

refused "no such node" 1 "no node 'x'" choppy cut a x
refused "nor link" 1 "no link 'trnk'; is it 'trunk'" choppy link trnk off
refused "neither" 1 "no node and no link is called 'trnk'; is it 'trunk'" choppy set net/trnk loss 1%
refused "itself" 1 "cannot be cut off from itself" choppy cut a a
refused "one side" 1 "two sides at least" choppy partition a b
refused "on both sides" 1 "a is on both sides" choppy partition 'a b | a'
refused "too few for a ring" 1 "ring needs 4 nodes at least, and here are 3" choppy partition ring of a b c
refused "a switch" 1 "sw is a switch" choppy cut a sw
refused "up and down of a link" 1 "name it as 'r>e'" choppy set trunk up loss 1%
refused "a word too many" 1 "one word too many" choppy link trunk off now
refused "runs already" 1 "the command of a runs already" choppy start a
refused "has no command" 1 "node c has no command" choppy start c
LINES_WANTED=3 refused "a wrong condition" 2 "300%" choppy set trunk loss 300%
refused "nothing counts from it" 1 "nothing counts from the mark 'x'" choppy mark x
equal "nothing of that is in force" "$(of net '.faults | length')" 0

# ---- the same seed, the same chances

drawn() {
	choppy up "$T/net.yaml" --name "$1" --seed "$2" --uplink none >/dev/null
	for _ in 1 2 3 4; do choppy partition halves --lab "$1"; done
	choppy down "$1"
}
choppy down net
first=$(drawn one 5)
equal "the same seed draws the same" "$(drawn two 5)" "$first"
holds "another seed another" [ "$(drawn three 6)" != "$first" ]
leak_check "nothing is left" "$T/before"

finish
