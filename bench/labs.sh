# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154 # variables of bench/run, and for it
#
# Labs of many nodes, beside mininet: sourced by bench/run. N hosts around one switch, or a row of N
# switches with a host each, as mininet has them; choppy also has routers in place of switches.
# Each lab is made, asked and taken away again, the sizes and kinds in turns.
#
#	SIZES="10 100 1000"	hosts; MININET_MOST=100 of a row of mininet's, which takes 10
#				minutes and more for 1000
#	REPEATS=3		times each; those that take a minute once

read -r -a lab_sizes <<<"${SIZES:-10 100 1000}"
lab_repeats=${REPEATS:-3}
lab_pairs=50
lab_seed=1
lab_far=50 # hops between routers: an answer begins with a hop limit of 64
lab_wait=120 # tries of a second until a first answer
lab_gone=10 # seconds until the kernel must have taken a lab away

# A title, who makes it, the shape, veth pairs a link, and how often it is made of 1000 and more.
lab_kinds=(
	"star, mininet|mininet|single|1|1"
	"star, a switch|choppy|lan|2|$lab_repeats"
	"star, a router|choppy|star|2|$lab_repeats"
	"row, mininet|mininet|linear|1|1"
	"row of switches|choppy|row|2|1"
	"row of routers|choppy|chain|2|$lab_repeats"
)

# lab_kind NUMBER: its row, into our caller's variables.
lab_kind() {
	IFS='|' read -r title whose shape veths often <<<"${lab_kinds[$1]}"
}

# lab_links SHAPE N: its links, one a line: two numbers of nodes, from 0; hosts behind the others.
lab_links() {
	awk -v shape="$1" -v n="$2" 'BEGIN {
		for (i = 0; i < n; i++) {
			if (shape == "lan" || shape == "single" || shape == "star")
				print 0, i + 1
			if (shape == "row" || shape == "linear")
				print i, n + i
			if (i && (shape == "row" || shape == "linear" || shape == "chain"))
				print i - 1, i
		}
	}'
}

# lab_nodes SHAPE N: how many that are.
lab_nodes() {
	case $1 in
	lan | single | star) echo $(($2 + 1)) ;;
	row | linear) echo $((2 * $2)) ;;
	chain) echo "$2" ;;
	esac
}

# lab_file SHAPE N: choppy's file; what corresponds to mininet's hosts is h1 to hN.
lab_file() {
	case $1 in
	lan | star) echo "$1: {hub: [\"h[1-$2]\"]}" ;;
	row)
		echo "nodes: {\"s[1-$2]\": switch, \"h[1-$2]\": host}"
		echo "links:"
		lab_links row "$2" | awk -v n="$2" '{
			print "  - s" $1 + 1 " -- " ($2 < n ? "s" $2 + 1 : "h" $2 - n + 1)
		}'
		;;
	chain)
		echo "nodes: {\"h[1-$2]\": router}"
		echo "links:"
		lab_links chain "$2" | awk '{ print "  - h" $1 + 1 " -- h" $2 + 1 }'
		;;
	esac
}

# lab_sample SHAPE N: pairs of hosts, the same each time; routers not too far from each other.
lab_sample() {
	awk -v shape="$1" -v n="$2" -v pairs=$lab_pairs -v seed=$lab_seed -v far=$lab_far 'BEGIN {
		srand(seed)
		while (pairs) {
			a = 1 + int(rand() * n)
			b = 1 + int(rand() * n)
			if (shape == "chain" && n > far)
				b = a + int((2 * rand() - 1) * far)
			if (a == b || b < 1 || b > n)
				continue
			print a, b
			pairs--
		}
	}'
}

# ---------------------------------------------------------- what the kernel has

# namespaces: network namespaces that the kernel has, with those that it has not taken down yet.
# It keeps the last of them until others follow (net_complete_free()), so one is made to follow. Where it
# does not tell, nothing is waited for.
namespaces() {
	unshare -n true
	{ echo 1 >/sys/kernel/slab/net_namespace/shrink; } 2>/dev/null
	awk '$1 == "net_namespace" { n = $2 } END { print n + 0 }' /proc/slabinfo
}

# wait_gone BEFORE ADDED: until they are gone. Those that somebody else makes meanwhile look the same;
# that it was waited for them in vain is told at the end.
wait_gone() {
	local i most=$(($1 + 2 + $2 / 50))
	for ((i = 0; i < lab_gone * 50; i++)); do
		[ "$(namespaces)" -gt $most ] || return 0
		sleep 0.02
	done
	echo "$(($(namespaces) - $1)) of $2" >>"$B/restless"
}

# kernel_kib: its own memory that labs take.
kernel_kib() {
	awk '/^(Slab|Percpu|KernelStack|PageTables):/ { n += $2 } END { print n }' /proc/meminfo
}

# -------------------------------------------------------------------- processes

# lab_pids: what runs now and did not when $B/pids was written, with its name.
lab_pids() {
	pids | grep -vxFf "$B/pids" | awk '{ print $2, $3 }'
}

# lab_processes WHOSE N: "COUNT PSS-KiB" of the lab's processes, which are checked to be its own, and
# to be in N network namespaces at least, or to hold them.
lab_processes() {
	local pid comm args files=() held
	while read -r pid comm; do
		case $1/$(readlink "/proc/$pid/exe") in
		choppy/"$(readlink -f "$T/bin/choppy")" | mininet/*/python3*) ;;
		mininet/*/bash)
			mapfile -d '' -t args <"/proc/$pid/cmdline"
			[[ ${args[-1]} == mininet:* ]] || continue
			;;
		*) continue ;; # of the benchmark's own
		esac
		files+=("/proc/$pid/smaps_rollup")
	done < <(lab_pids)
	[ ${#files[@]} -gt 0 ] || die "no process of $1's"
	held=$(find "${files[@]/%smaps_rollup/ns}" "${files[@]/%smaps_rollup/fd}" -lname 'net:*' -printf '%l\n' |
		sort -u | wc -l)
	[ "$held" -ge "$2" ] || die "$1 has $held network namespaces for $2 nodes"
	echo "${#files[@]} $(cat "${files[@]}" | awk '$1 == "Pss:" { n += $2 } END { print n }')"
}

# ------------------------------------------------------------------------ labs

# A lab writes to $B/lab: ms until up, until the first answer, for the pairs, how many were answered, ms
# until down, until the kernel has taken it away; processes, PSS and kernel memory in KiB.

ms_since() { # BEGIN, of EPOCHREALTIME
	calc %.3f "(${EPOCHREALTIME/./} - ${1/./}) / 1e3"
}

choppy_first() { # FAR
	local i
	for ((i = 0; i < lab_wait; i++)); do
		choppy exec h1 -- ping -n -4 -c 1 -W 1 "h$1" >/dev/null 2>&1 && return
	done
	die "no way through the lab"
}

choppy_pairs() { # prints how many are answered
	local a b good=0
	while read -r a b; do
		choppy exec "h$a" -- ping -n -4 -c 1 -W 5 "h$b" >/dev/null 2>&1 && good=$((good + 1))
	done <"$B/pairs"
	echo $good
}

# with_choppy SHAPE N BEFORE NODES
with_choppy() {
	local begin up first pairs good down far=$2 measured kib
	lab_file "$1" "$2" >"$B/lab.yaml"
	[ "$1" != chain ] || [ "$2" -le $lab_far ] || far=$lab_far
	snapshot "$B/host"
	begin=$EPOCHREALTIME
	choppy up "$B/lab.yaml" --seed 1 >"$B/said" || die "choppy up: $1 of $2"
	up=$(ms_since "$begin")
	grep -q " $4 nodes" "$B/said" || die "choppy up: $(cat "$B/said")"
	begin=$EPOCHREALTIME
	choppy_first "$far"
	first=$(ms_since "$begin")
	begin=$EPOCHREALTIME
	good=$(choppy_pairs)
	pairs=$(ms_since "$begin")
	kib=$(($(kernel_kib) - kib_before))
	measured=$(lab_processes choppy "$4") || exit
	begin=$EPOCHREALTIME
	choppy down || die "choppy down"
	down=$(ms_since "$begin")
	wait_gone "$3" "$4"
	echo "$up $first $pairs $good $down $(ms_since "$begin") $measured $kib" >"$B/lab"
	unchanged "$B/host" || die "something is left of choppy's $1 of $2"
}

# with_mininet SHAPE N BEFORE NODES
with_mininet() {
	local up first pairs good down begin measured kib to from pid
	coproc PEER { exec /usr/bin/python3 bench/mininet_lab.py "$1" "$2" "$B/pairs" 2>"$B/mininet.err"; }
	pid=$PEER_PID
	exec {from}<&"${PEER[0]}" {to}>&"${PEER[1]}"
	if ! read -r up || ! read -r first || ! read -r pairs good; then
		die "mininet: $(tail -n 1 "$B/mininet.err")"
	fi <&"$from"
	kib=$(($(kernel_kib) - kib_before))
	measured=$(lab_processes mininet "$2") || exit
	begin=$EPOCHREALTIME
	echo >&"$to"
	read -r down <&"$from" || die "mininet: $(tail -n 1 "$B/mininet.err")"
	wait_gone "$3" "$4"
	echo "$up $first $pairs $good $down $(ms_since "$begin") $measured $kib" >"$B/lab"
	exec {from}<&- {to}>&-
	wait "$pid"
}

# floor_of SHAPE N PAIRS BEFORE NODES: ms of the kernel alone, for making and for taking away.
floor_of() {
	local begin ns
	rm -f "$B/made"
	lab_links "$1" "$2" >"$B/links"
	"$B/floor" "$5" "$3" <"$B/links" >"$B/made" &
	wait_until [ -s "$B/made" ] || die "floor"
	begin=$EPOCHREALTIME
	kill $!
	wait $! 2>/dev/null
	wait_gone "$4" "$5"
	read -r -a ns <"$B/made"
	calc '%f %f %f\n' "${ns[0]} / 1e6, ${ns[1]} / 1e6, ${EPOCHREALTIME/./} / 1e3 - ${begin/./} / 1e3" \
		>>"$B/floor.$1.$2"
}

# lab_turn KIND SIZE
lab_turn() {
	local title whose shape veths often before nodes
	lab_kind "$1"
	nodes=$(lab_nodes "$shape" "$2")
	lab_sample "$shape" "$2" >"$B/pairs"
	before=$(namespaces)
	floor_of "$shape" "$2" "$veths" "$before" "$nodes"
	pids >"$B/pids"
	kib_before=$(kernel_kib)
	"with_$whose" "$shape" "$2" "$before" "$nodes"
	cat "$B/lab" >>"$B/labs.$1.$2"
}

# lab_wanted KIND SIZE TURN
lab_wanted() {
	local title whose shape veths often
	lab_kind "$1"
	[ "$2" -lt 1000 ] || [ "$3" -lt "$often" ] || return
	[ "$shape" != linear ] || [ "$2" -le "${MININET_MOST:-100}" ]
}

# ---------------------------------------------------------------------- report

lab_has() { # KIND SIZE
	[ -e "$B/labs.$1.$2" ]
}

lab_of() { # KIND SIZE COLUMN: the median
	median "$B/labs.$1.$2" "$3"
}

# lab_line KIND SIZE
lab_line() {
	local title whose shape veths often nodes floor up f="$B/labs.$1.$2"
	lab_kind "$1"
	nodes=$(lab_nodes "$shape" "$2")
	floor=$(calc %f "$(median "$B/floor.$shape.$2" 1) + $(median "$B/floor.$shape.$2" 2)")
	up=$(median "$f" 1)
	printf '  %-16s %5s %8.0f %6.2f %7.0f %6.1f %9.1f %7.0f %4.0f %7.0f %7.0f %7.0f %6.0f %8.1f %8.1f\n' "$title" \
		"$2" "$up" "$(calc %f "$up / $nodes")" "$floor" "$(calc %f "$up / $floor")" "$(median "$f" 2)" \
		"$(median "$f" 3)" "$(median "$f" 4)" "$(median "$f" 5)" "$(median "$f" 6)" \
		"$(median "$B/floor.$shape.$2" 3)" "$(median "$f" 7)" "$(calc %f "$(median "$f" 8) / 1024")" \
		"$(calc %f "$(median "$f" 9) / 1024")"
}

# lab_beside MININETS OURS: at 100, by their places in the table.
lab_beside() {
	local title=${lab_kinds[$2]%%|*} what
	if ! lab_has "$1" 100 || ! lab_has "$2" 100; then
		return
	fi
	for what in "1 up" "5 down"; do
		aim_least "100, $title: ${what#* }" \
			"$(calc %.1f "$(lab_of "$1" 100 "${what% *}") / $(lab_of "$2" 100 "${what% *}")")" 10 \
			"times faster than mininet"
	done
}

# lab_growth KIND: 1000 by itself, and beside 100.
lab_growth() {
	local title=${lab_kinds[$1]%%|*} what column
	lab_has "$1" 1000 || return
	aim "1000, $title: up" "$(calc %.0f "$(lab_of "$1" 1000 1)")" 5000 ms
	aim "1000, $title: gone" "$(calc %.0f "$(lab_of "$1" 1000 6)")" 3000 ms
	lab_has "$1" 100 || return
	for what in "1 ms until up" "6 ms until gone" "8 PSS" "9 kernel memory"; do
		column=${what%% *}
		aim "1000, $title: ${what#* }" \
			"$(calc %.2f "$(lab_of "$1" 1000 "$column") / $(lab_of "$1" 100 "$column") / 10")" 1.5 \
			"times as much a node as of 100"
	done
	aim "1000, $title: processes" "$(calc %d "$(lab_of "$1" 1000 7)")" \
		"$(calc %d "$(lab_of "$1" 100 7)")" "as of 100"
}

lab_aims() {
	local k n unanswered=0
	lab_beside 0 1
	lab_beside 3 4
	for k in 1 2 4 5; do
		lab_growth $k
		for n in "${lab_sizes[@]}"; do
			! lab_has $k "$n" || unanswered=$((unanswered + $(awk -v n=$lab_pairs \
				'{ m += n - $4 } END { print m }' "$B/labs.$k.$n")))
		done
	done
	aim "choppy's pairs that were not answered" $unanswered 0 ""
}

bench_labs() {
	local r n k
	ulimit -n "$(ulimit -H -n)"
	for n in "${lab_sizes[@]}"; do
		for ((r = 0; r < lab_repeats; r++)); do
			for k in "${!lab_kinds[@]}"; do
				! lab_wanted "$k" "$n" "$r" || lab_turn "$k" "$n"
			done
		done
	done
	cat <<-END
		Labs of N hosts, median of $lab_repeats (once: mininet's and the row of switches of 1000). ms until up, per
		node, of the kernel alone for the same namespaces and veth pairs, and times that; ms until the first
		answer; ms of $lab_pairs pings between random pairs, and how many were answered (routers: at most $lab_far
		apart); ms until down, until the kernel has taken all away, and of the kernel alone; processes, their
		PSS and what the kernel needs, MB.
	END
	printf '  %-16s %5s %8s %6s %7s %6s %9s %7s %4s %7s %7s %7s %6s %8s %8s\n' "" N up /node alone times first \
		pairs "" down gone alone procs PSS kernel
	for n in "${lab_sizes[@]}"; do
		for k in "${!lab_kinds[@]}"; do
			! lab_has "$k" "$n" || lab_line "$k" "$n"
		done
	done
	lab_aims
	[ ! -e "$B/restless" ] || echo "  network namespaces that did not go (somebody else's?), of those made:" \
		"$(paste -s -d ',' "$B/restless")"
}
