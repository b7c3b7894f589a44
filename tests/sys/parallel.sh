#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Twenty labs at once, with and without a way out: all work, none shares an address, nothing is left.
. "$(dirname "$0")/lib.sh"
fake_host
outside_up
snapshot "$T/before"
N=20

# at_once NAME COMMAND...: N of them; they meet inside before the first may end, so that all of
# them live at one time.
at_once() {
	local name=$1 i pids=() failed=0
	shift
	rm -rf "$T/meet" && mkdir "$T/meet"
	for ((i = 0; i < N; i++)); do
		"$@" -- bash -c '
			ip -4 -o addr show dev eth0 | grep -oE "inet [0-9./]+" >"$0/$1.new"
			mv "$0/$1.new" "$0/$1"
			for ((try = 0; try < 1500; try++)); do
				set -- "$0"/*[0-9]
				[ $# -eq '$N' ] && break
				sleep 0.02
			done
			[ $# -eq '$N' ] && ping -n -c 1 -W 5 gateway >/dev/null
		' "$T/meet" "$i" 2>"$T/err.$i" &
		pids+=($!)
	done
	for ((i = 0; i < N; i++)); do
		wait "${pids[i]}" || {
			echo "number $i: status $?: $(cat "$T/err.$i")" >&2
			failed=$((failed + 1))
		}
	done
	equal "$name: all $N end well" "$failed" 0
	equal "$name: $N different addresses" "$(cat "$T"/meet/*[0-9] | sort -u | wc -l)" "$N"
	leak_check "$name: nothing left" "$T/before"
}
at_once "uplink none" choppy run --uplink none
at_once "uplink nat" choppy run

# The first packet of each, sent while the others are being made, over IPv6 and IPv4.
for version in -6 -4; do
	lost=0
	for round in 1 2 3; do
		pids=()
		for ((i = 0; i < N; i++)); do
			choppy run --uplink none -- ping $version -n -q -c 1 -W 3 gateway >/dev/null &
			pids+=($!)
		done
		for pid in "${pids[@]}"; do
			wait "$pid" || lost=$((lost + 1))
		done
	done
	equal "ping $version: the very first packet is answered, in each of $((3 * N)) labs" "$lost" 0
done
leak_check "first packets: nothing left" "$T/before"

# Names that stay, made and taken away at once.
pids=()
for ((i = 0; i < N; i++)); do
	choppy add "lab$i" --uplink none &
	pids+=($!)
done
failed=0
for pid in "${pids[@]}"; do
	wait "$pid" || failed=$((failed + 1))
done
equal "add: all $N are there" "$failed $(choppy ls --json | jq length)" "0 $N"
pids=()
for ((i = 0; i < N; i++)); do
	choppy del "lab$i" &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid" || failed=$((failed + 1))
done
equal "del: all $N went" "$failed" 0
leak_check "add and del: nothing left" "$T/before"

# One name, wanted by all: one gets it.
pids=()
won=0
for ((i = 0; i < N; i++)); do
	choppy add same --uplink none 2>/dev/null &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid" && won=$((won + 1))
done
equal "one name is given once" "$won" 1
choppy del same
leak_check "one name: nothing left" "$T/before"
finish
