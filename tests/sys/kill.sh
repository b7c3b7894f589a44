#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Stop choppy before and after each `make` and each `undo` of its step table, kill one of its
# processes there, and let the rest go on: nothing may be left, and the lab beside it must live.
# The plan that --dry-run prints says how many points there are; a point that is not reached fails.
# Waits: for processes that end, one by one.
. "$(dirname "$0")/lib.sh"
fake_host
outside_up

choppy add beside >"$T/out" 2>"$T/err" || not_ok "a lab beside" "$(cat "$T/err")"

# beside_answers: the host reaches it, where that is possible; else it reaches its gateway.
beside_answers() {
	if as_root; then
		ping -c 1 -W 2 "$BESIDE"
	else
		choppy exec beside -- ping -c 1 -W 2 gateway
	fi
}
as_root && BESIDE=$(node4 beside)

# child_of PID COMM: the child with that name.
child_of() {
	local c comm
	for c in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		{ read -r comm <"/proc/$c/comm"; } 2>/dev/null
		[ "$comm" = "$2" ] && echo "$c" && return
	done
	return 1
}

# kill_victim VICTIM KEEPER: -9 to it, where it lives at this point.
kill_victim() {
	local init undo
	init=$(child_of "$2" choppy-init)
	undo=$(child_of "$2" choppy-undo)
	case $1 in
	keeper) kill -9 "$2" ;;
	init) [ -z "$init" ] || kill -9 "$init" ;;
	engine) [ -z "$(child_of "$2" choppy-engine)" ] || kill -9 "$(child_of "$2" choppy-engine)" ;;
	serve | relay | dns)
		[ -z "$(child_of "$2" "choppy-$1")" ] || kill -9 "$(child_of "$2" "choppy-$1")"
		;;
	undertaker) [ -z "$undo" ] || kill -9 "$undo" ;;
	program) kill -9 "$(child_of "$init" sleep)" ;;
	both) # a keeper that runs would start another undertaker
		kill -STOP "$2"
		wait_until stopped "$2"
		[ -z "$undo" ] || kill -9 "$undo"
		kill -9 "$2"
		;;
	esac
}

reached=0

# at_point N VICTIM KEEPER: when it has stopped there.
at_point() {
	if ! wait_until stopped "$3"; then
		not_ok "point $1 of $2" "it was not reached"
		return 1
	fi
	reached=$((reached + 1))
	kill_victim "$2" "$3"
	kill -CONT "$3" 2>/dev/null
	return 0
}

# clean N VICTIM: nothing left, and the neighbour answers.
clean() {
	if [ "$2" = both ]; then
		choppy gc >"$T/gc" 2>&1 || not_ok "gc after $2 at $1" "$(cat "$T/gc")"
	fi
	if ! unchanged "$T/before"; then
		not_ok "$2 killed at point $1" "$(grep '^[<>]' "$T/leak.diff" | head -n 12)"
		return 1
	fi
	if ! beside_answers >"$T/ping" 2>&1; then
		not_ok "$2 killed at point $1" "the lab beside does not answer: $(cat "$T/ping")"
		return 1
	fi
}

# A program that ends by itself lets the points of `undo` come.
run_points() { # VICTIM
	local n keeper bad=0
	reached=0
	for ((n = 1; n <= RUN_POINTS; n++)); do
		CHOPPY_TEST_STOP=$n choppy run --name k -- true >"$T/out" 2>"$T/err" &
		keeper=$!
		at_point "$n" "$1" "$keeper" || bad=1
		wait "$keeper" 2>/dev/null
		clean "$n" "$1" || bad=1
	done
	equal "run: points tested with the $1 killed" "$reached" "$RUN_POINTS"
	holds "run: nothing left with the $1 killed at any point" [ $bad -eq 0 ]
}

# What makes a lab that stays is two processes: the command, and the keeper that it leaves behind.
stay_points() { # VICTIM POINTS COMMAND...
	local victim=$1 points=$2 n command keeper bad=0
	shift 2
	reached=0
	for ((n = 1; n <= points / 2; n++)); do
		CHOPPY_TEST_STOP=$n "$@" >"$T/out" 2>"$T/err" &
		command=$!
		wait_until child_of "$command" choppy
		keeper=$(child_of "$command" choppy)
		at_point "$n" "$victim" "$keeper" || bad=1
		wait "$command" 2>/dev/null
		[ "$victim" != both ] || wait_until gone "$keeper"
		clean "$n" "$victim" || bad=1
	done
	for (( ; n <= points; n++)); do
		CHOPPY_TEST_STOP=$n "$@" >"$T/out" 2>"$T/err" || bad=1
		keeper=$(of k .keeper)
		choppy del k >"$T/out" 2>"$T/err" &
		command=$!
		at_point "$n" "$victim" "$keeper" || bad=1
		wait "$command" 2>/dev/null
		[ "$victim" != both ] || wait_until gone "$keeper"
		clean "$n" "$victim" || bad=1
	done
	equal "$2: points tested with the $victim killed" "$reached" "$points"
	holds "$2: nothing left with the $victim killed at any point" [ $bad -eq 0 ]
}

RUN_POINTS=$((4 * $(choppy run --dry-run -- true | wc -l)))
ADD_POINTS=$((4 * $(choppy add --dry-run k | wc -l)))
cat >"$T/k.yaml" <<-END
	nodes: {a: {command: sleep 1000}, b: , r: router}
	lan: [a, b, r]
	uplink: r
END
UP_POINTS=$((4 * $(choppy up --dry-run "$T/k.yaml" | wc -l)))
holds "the plan has its steps" [ "$RUN_POINTS" -ge 40 ]
snapshot "$T/before"
# Without root, what differs: two servers, nothing of the host to undo, and an undertaker that takes
# a lost one's place inside the user namespace.
as_root && victims="keeper init engine serve undertaker both" ||
	victims="keeper relay dns undertaker both"
for victim in $victims; do
	run_points $victim
done
as_root && stay_points keeper $ADD_POINTS choppy add k
stay_points both $ADD_POINTS choppy add k
as_root && stay_points keeper $UP_POINTS choppy up "$T/k.yaml"
as_root || stay_points both $UP_POINTS choppy up "$T/k.yaml"

# The program itself, while it runs.
CHOPPY_TEST_STOP=$((RUN_POINTS / 2)) choppy run --name k -- sleep 1000 >"$T/out" 2>"$T/err" &
keeper=$!
wait_until stopped "$keeper"
init=$(child_of "$keeper" choppy-init)
wait_until child_of "$init" sleep
at_point last program "$keeper"
wait "$keeper"
equal "the program killed: its status" $? 137
clean last program && ok "the program killed: nothing left"

# What a dead keeper's gc would do is told before it is done.
choppy add k >"$T/out" 2>"$T/err"
keeper=$(of k .keeper)
kill_victim both "$keeper"
wait_until gone "$keeper"
told=$(choppy gc --dry-run)
as_root && matches "gc --dry-run tells" "$told" "k: .*/run/netns"
matches "gc --dry-run tells of the files" "$told" "k: remove /run/.*/labs/k"
equal "gc --dry-run changes nothing" "$(choppy gc --dry-run)" "$told"
check "gc" choppy gc
leak_check "nothing left after gc" "$T/before"

# The next command does it as well, however soon it comes: the kernel is still at it now and then.
cleared=0
for _ in {1..10}; do
	choppy add k >"$T/out" 2>"$T/err" || break
	keeper=$(of k .keeper)
	kill_victim both "$keeper"
	wait_until gone "$keeper"
	choppy run --name k -- true >"$T/out" 2>"$T/err" || break
	[ ! -s "$T/err" ] || break
	cleared=$((cleared + 1))
done
equal "the next command clears up, $(head -c 200 "$T/err")" $cleared 10
leak_check "nothing left after that" "$T/before"

choppy del beside
finish
