#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Delays between groups of nodes, out of a matrix: packets are never faster than it says, take one hop
# between routers, and every mistake is told with its place, in the lab's file or in the CSV.
. "$(dirname "$0")/lib.sh"
fake_host
snapshot "$T/before"
cp "$ROOT"/examples/regions.* "$T"

# rtt VERSION FROM TO: the shortest of some round trips, in microseconds.
rtt() {
	choppy exec "$2" -- ping -"$1" -n -c 5 -i 0.05 -W 10 "$3" |
		sed -n 's,.*min/avg/max/mdev = \([0-9]*\)\.\([0-9]*\)/.*,\1\2,p' | sed 's/^0*//'
}

not_faster() { # FROM TO MICROSECONDS
	local v us
	for v in 4 6; do
		us=$(rtt $v "$1" "$2")
		holds "IPv$v $1 to $2: ${us:-no answer}, at least $3 us" [ "${us:-0}" -ge "$3" ]
	done
}

# ---- round trips out of a CSV

equal "check" "$(choppy check "$T/regions.yaml")" "$T/regions.yaml: lab regions, 18 nodes, 18 links"
check "up" choppy up "$T/regions.yaml"
not_faster eu1 eu5 1000
not_faster ap2 ap3 1200
not_faster eu2 us4 80000
not_faster us1 ap5 150000
not_faster ap1 eu3 180000
for v in 4 6; do
	check "IPv$v: two routers between regions" choppy exec eu1 -- ping -$v -n -c 1 -t 3 -W 10 us1
	status "IPv$v: not fewer" 1 choppy exec eu1 -- ping -$v -n -c 1 -t 2 -W 10 us1
	check "IPv$v: one router within a region" choppy exec eu1 -- ping -$v -n -c 1 -t 2 -W 10 eu2
	for pair in "eu us" "us ap" "ap eu"; do
		# shellcheck disable=SC2086 # two names
		set -- $pair
		check "IPv$v: one hop from router $1 to router $2" \
			choppy exec "$1" -- ping -$v -n -c 1 -t 1 -W 10 "$2"
	done
done
check "down" choppy down
leak_check "nothing is left" "$T/before"

# ---- one way, inline, each way its own; a loss of all beside it

cat >"$T/two.yaml" <<-END
	nodes: {"a[1-2]": , b: , c: }
	latency:
	  near:
	    groups: {left: ["a[1-2]"], b: b}
	    matrix: {left: {left: 2ms, b: 10ms}, b: {left: 30ms}}
	  lost:
	    groups: {b: b, c: c}
	    matrix: {b: {c: 1ms}}
	    condition: loss 100%
	links: [a1 -- near-b]
END
check "two matrices" choppy up "$T/two.yaml"
not_faster a2 b 40000
not_faster b a2 40000
equal "routers have the names of groups, or with the matrix's before it" \
	"$(for n in left near-b lost-b lost-c; do choppy exec $n -- cat /proc/sys/net/ipv4/ip_forward; done | tr -d '\n')" 1111
status "the condition holds, too" 1 choppy exec b -- ping -n -c 2 -i 0.05 -W 0.5 c
check "down again" choppy down
leak_check "nothing is left of two" "$T/before"

# ---- the largest

{
	echo 'nodes: ["n[1-64]"]'
	echo "latency: {file: wide.csv, groups: {$(printf 'g%d: n%d, ' $(for i in $(seq 64); do echo "$i" "$i"; done))}}"
} >"$T/wide.yaml"
{
	echo "from (us)$(for i in $(seq 64); do printf ',g%d' "$i"; done)"
	for i in $(seq 64); do
		echo "g$i$(for k in $(seq "$i"); do printf ',%d' $((i == k ? i : 1000 + i * k)); done)"
	done
} >"$T/wide.csv"
equal "64 groups" "$(choppy check "$T/wide.yaml")" "$T/wide.yaml: lab wide, 128 nodes, 2080 links"
sed -i 's/n\[1-64\]/n[1-65]/; s/{g1:/{g0: n65, g1:/' "$T/wide.yaml"
choppy check "$T/wide.yaml" >"$T/out" 2>"$T/err"
matches "65 are too many" "$(cat "$T/err")" '^[^ ]*/wide.yaml:2:36: a matrix has 1 to 64 groups, not 65$'

# ---- what is refused, before anything is made

# wrong NAME PLACE-AND-TEXT...: $T/bad.yaml has these problems, as many as are given.
wrong() {
	local name=$1 what
	shift
	choppy up "$T/bad.yaml" >"$T/out" 2>"$T/err"
	equal "$name: status" $? 2
	matches "$name: as many problems" "$(cat "$T/err")" "/bad.yaml: $# problems?\$"
	for what; do
		holds "$name: $what" grep -qF -- "$what" "$T/err"
	done
}

lab() { # LINE...: of the matrix
	printf '%s\n' 'nodes: ["eu[1-2]", "us[1-2]", sw]' 'latency:' "${@/#/  }" >"$T/bad.yaml"
}

groups='groups: {eu: ["eu[1-2]"], us: ["us[1-2]"]}'
lab "$groups"
wrong "no delays" "bad.yaml:3:3: which delays?"
lab 'matrix: {eu: {us: 1ms}}'
wrong "no groups" "bad.yaml:3:3: between whom?"
lab 'groups: {eu: ["eu[1-3]"], us: [us1, eu2, us2], ap: []}' 'matrix: {eu: {usa: 40, eu: 1ms}}'
wrong "groups" "bad.yaml:3:18: there is no node 'eu3'" "bad.yaml:3:29: node eu2 is in group eu already" \
	"bad.yaml:3:50: group ap has no node" "bad.yaml:4:17: there is no group 'usa'; is it 'us'?"
lab "$groups" 'matrix:' '  eu: {eu: 1ms, us: 40}' '  us: {us: -1ms, ap: 1ms}'
wrong "cells" "bad.yaml:5:23: delay needs its unit: 40ms, 40us or 40s" "bad.yaml:6:14: delay cannot be negative" \
	"bad.yaml:6:20: there is no group 'ap'"
lab "$groups" 'matrix: {eu: {eu: 1ms, us: 2ms}, us: {eu: 3ms, us: 4ms}}'
wrong "too short" \
	"bad.yaml:4:30: from eu to us 2ms is too short: 500us of it is within eu, and 2ms within us: at least 2.5ms"
lab "$groups" 'matrix: {eu: {eu: 1ms}, us: {us: 1ms}}'
wrong "missing" "bad.yaml:4:12: the delay between eu and us is missing: from eu to us, or back"
lab "$groups" 'matrix: {eu: {us: 5ms, us: 4ms}}'
LINES_WANTED=4 refused "twice" 2 "bad.yaml:4:26: duplicate key" choppy up "$T/bad.yaml"
lab "$groups" 'rtt: maybe' 'file: none.csv' 'matrix: {eu: {eu: 1ms}}' 'condition: delay 5ms'
wrong "other keys" "bad.yaml:4:8: 'maybe' is no truth value: it is false or true" "bad.yaml:5:9: cannot read $T/none.csv: No such file" \
	"bad.yaml:6:12: the delays are in a file already" "bad.yaml:7:14: this says a delay"

csv() { # LINE...
	printf '%s\n' "$@" >"$T/bad.csv"
}

lab "$groups" 'file: bad.csv'
csv 'from,eu,usa,eu' 'eu,1ms,1,1' 'us,-1ms' 'us,1ms' 'mars,1ms'
wrong "CSV" "$T/bad.csv:1:9: there is no group 'usa'; is it 'us'?" "$T/bad.csv:1:13: group eu has a column already" \
	"$T/bad.csv:2:10: 1 has no unit: 1ms, or in the first cell for all of them: from (ms)" \
	"$T/bad.csv:3:4: delay cannot be negative" "$T/bad.csv:4:1: group us has a row already" \
	"$T/bad.csv:5:1: there is no group 'mars'"
csv '(ms),eu,us' 'eu,3,2.5' 'us,2.5,3'
wrong "CSV, too short" "$T/bad.csv:2:6: from eu to us 2.5ms is too short: 1.5ms of it is within eu, and 1.5ms within us: at least 3ms" \
	"$T/bad.csv:3:4: from us to eu 2.5ms is too short"
csv '(ms),eu,us' 'eu,3,20'
wrong "CSV, missing" "$T/bad.csv:1:1: the delay within group us is missing, and it has 2 nodes"
csv 'from,eu,us' 'eu,1,40' 'us,40,1'
wrong "CSV without units" "$T/bad.csv:2:4: 1 has no unit"
lab "$groups" 'rtt: true' 'file: bad.csv'
csv '(ns),eu,us' 'eu,3,80' 'us,81,2'
wrong "CSV, odd" "$T/bad.csv:2:4: a round trip within a group takes as long each way, and 3ns is odd"
leak_check "nothing was made" "$T/before"

finish
