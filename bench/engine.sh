# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154 # variables of bench/run, and for it
#
# What the packets of a link cost, and how true the link is; sourced by bench/run. Each part
# takes its lines in turns, REPEATS times.

# turns PART: the rows of the table of that name, each a title and a line, in turns; on each that
# is up, measure_PART N.
turns() {
	local -n table=$1
	local r n words
	for ((r = 0; r < repeats; r++)); do
		for n in "${!table[@]}"; do
			read -r -a words <<<"${table[n]#*|}"
			line_up "${words[@]}"
			"measure_$1" "$n"
			line_down
		done
	done
}

title() { # PART N
	local -n table=$1
	echo "${table[$2]%%|*}"
}

# cell FILE COLUMN SCALE FORMAT: median, and the range behind it.
cell() {
	printf " $4 %-15s" "$(calc %f "$(median "$1" "$2") / $3")" "($(spread "$1" "$2" "$3"))"
}

# ratio FILE COLUMN OTHER: of the medians.
ratio() {
	calc %.2f "$(median "$1" "$2") / $(median "$3" "$2")"
}

# --------------------------------------------------------------------- TCP

tcp=(
	"a plain veth pair|plain"
	"veth, bridge, veth|bridge"
	"two copies, packet sockets|copies packet 0"
	"two copies, taps|copies tap 0"
	"two copies, packet sockets, 10 ms|copies packet 10"
	"two copies, taps, 10 ms|copies tap 10"
	"choppy|choppy"
	"choppy delay 1ms|choppy delay 1ms"
	"choppy delay 10ms|choppy delay 10ms"
	"choppy loss 0.001%|choppy loss 0.001%"
	"choppy delay 10ms loss 0.01%|choppy delay 10ms loss 0.01%"
	"choppy rate 1gbit limit 50ms|choppy rate 1gbit limit 50ms"
	"choppy all three|choppy delay 10ms loss 0.01% rate 1gbit limit 50ms"
	"VDE wirefilter, 10 ms|wirefilter 10"
	"kernel tbf 1gbit, 50 ms|tbf 1gbit 50ms"
)
declare -A tcp_least=(
	["choppy"]=0.6 ["choppy delay 10ms"]=0.6 ["choppy loss 0.001%"]=0.45
)
# What any process takes that emulates the same line, by the same means.
declare -A tcp_floor=(["choppy"]=2 ["choppy delay 10ms"]=4)
flows=(1 8)
rings=(1 64) # MiB

# iperf FILE FLOWS: bit/s that arrived, appended to FILE.
iperf() {
	local server bps
	iperf3 -s -1 >/dev/null 2>&1 & # ends after one client
	server=$!
	wait_until grep -q ':1451 00000000.* 0A ' /proc/net/tcp /proc/net/tcp6 || die "iperf3 -s"
	in_node timeout -k 1 $((omit + each + 20)) iperf3 -4 -C cubic -P "$2" -O "$omit" -t "$each" \
		-J -c "$far" >"$B/iperf" || die "iperf3: $(jq -r .error "$B/iperf")"
	bps=$(jq -e '.end.sum_received.bits_per_second' "$B/iperf") || die "iperf3 has no result"
	kill "$server" 2>/dev/null # it should have ended by itself, and now and then does not
	wait "$server"
	echo "$bps" >>"$1"
}

# Where there is a round trip, buffers for it; where there is none, large ones only hold a queue, and
# what queues has left the cache.
measure_tcp() {
	local f
	for f in $([ "$1" -ne 0 ] || echo "${rings[@]}"); do
		"$B/handover" "$f" 0.5 >>"$B/handover.$f" || die "handover"
	done
	for f in "${flows[@]}"; do
		if [[ ${tcp[$1]} =~ (delay|wirefilter|packet|tap)' '([1-9][0-9]*) ]]; then
			tcp_buffers $((buffers * BASH_REMATCH[2] / 10 / f))
		else
			tcp_buffers ""
		fi
		iperf "$B/tcp$f.$1" "$f"
	done
}

bench_tcp() {
	local n f name
	turns tcp
	echo "Memory written by one processor and read by another, Gbit/s: median of $repeats (range)"
	for n in "${rings[@]}"; do
		printf '  %-30s' "$n MiB, again and again"
		cell "$B/handover.$n" 1 1.25e8 %7.2f
		echo
	done
	echo "TCP (iperf3, cubic, node to host), Gbit/s: median of $repeats times $each s (range), and" \
		"ratio to the plain pair"
	printf '  %-30s' ""
	printf ' %-31s' "${flows[@]/%/ flows}"
	echo
	for n in "${!tcp[@]}"; do
		printf '  %-30s' "$(title tcp "$n")"
		for f in "${flows[@]}"; do
			cell "$B/tcp$f.$n" 1 1e9 %7.2f
			printf ' %6.2f ' "$(ratio "$B/tcp$f.$n" 1 "$B/tcp$f.0")"
		done
		echo
	done
	for n in "${!tcp[@]}"; do
		name=$(title tcp "$n")
		[ -n "${tcp_least[$name]-}" ] || continue
		for f in "${flows[@]}"; do
			aim_least "TCP, $name, $f flows" "$(ratio "$B/tcp$f.$n" 1 "$B/tcp$f.0")" \
				"${tcp_least[$name]}" "of the plain pair"
			[ -n "${tcp_floor[$name]-}" ] || continue
			aim_least "TCP, $name, $f flows" \
				"$(ratio "$B/tcp$f.$n" 1 "$B/tcp$f.${tcp_floor[$name]}")" \
				0.9 "of ${tcp[${tcp_floor[$name]}]%%|*}"
		done
	done
}

# --------------------------------------------------------------------- UDP

# blast FILE SECONDS SIZE PPS SEGMENTS DELAY_NS: datagrams from the node to the host; a line for
# FILE: 1 sent, 2 arrived, 3 arrived per second, 4 lost by the receiving socket, 5-8 error of the delay:
# least, median, 99th percentile, most; 9, 10 median and 99th percentile of its amount; and, of
# choppy, 11 judged per second, 12 lost by the emulator itself, 13 its CPU ns per judged packet.
blast() {
	local file=$1 receiver before after sent all rate rest=
	"$B/udp" receive "$6" "$2" >"$B/received" &
	receiver=$!
	wait_until grep -q ':0FA0 ' /proc/net/udp || die "udp receive"
	[ "$kind" != choppy ] || read -r -a before <<<"$(engine_counts) $(engine_ns)"
	sent=$(in_node "$B/udp" send "$far" "$(calc %f "$2 + 0.3")" "$3" "$4" "$5") || die "udp send"
	wait "$receiver" || die "udp receive"
	read -r all rate _ <"$B/received"
	if [ "$kind" = choppy ]; then
		read -r -a after <<<"$(engine_counts) $(engine_ns)"
		rest="$(calc %.0f "$rate * (${after[0]} - ${before[0]}) / $all")"
		rest+=" $((after[2] - before[2]))"
		rest+=" $(((after[7] - before[7]) / (after[0] - before[0])))"
	fi
	echo "$sent $(cat "$B/received") $rest" >>"$file"
}

udp=(
	"a plain veth pair|plain"
	"veth, bridge, veth|bridge"
	"two copies, packet sockets|copies packet 0"
	"two copies, taps|copies tap 0"
	"choppy|choppy"
	"choppy loss 1%|choppy loss 1%"
	"choppy delay 10ms|choppy delay 10ms"
	"choppy delay 10ms loss 0.01%|choppy delay 10ms loss 0.01%"
	"choppy rate 1gbit limit 50ms|choppy rate 1gbit limit 50ms"
	"choppy all three|choppy delay 10ms loss 0.01% rate 1gbit limit 50ms"
	"VDE wirefilter, 10 ms|wirefilter 10"
	"kernel tbf 1gbit, 50 ms|tbf 1gbit 50ms"
)
declare -A udp_least=(["choppy"]=2.2 ["choppy loss 1%"]=1.7)

measure_udp() {
	blast "$B/udp64.$1" 1 64 0 1 0
	blast "$B/udp1400.$1" 1 1400 0 1 0
	case $kind in
	wirefilter | bridge) ;; # a tap takes no such super-packet; the bridge is no more than the pair
	*) blast "$B/udpgso.$1" 1 1400 0 40 0 ;;
	esac
}

bench_udp() {
	local n name size
	turns udp
	echo "UDP, no limit to what is sent, 1000 packets/s that arrived: median of $repeats (range); of" \
		"choppy, 1000/s judged, CPU ns per judged packet, and frames it lost itself"
	for size in 64 1400 gso; do
		printf '  %s\n' "$size bytes${size/#[0-9]*/}" | sed 's/gso bytesgso/40 x 1400 bytes in super-packets/'
		for n in "${!udp[@]}"; do
			[ -e "$B/udp$size.$n" ] || continue
			printf '    %-30s' "$(title udp "$n")"
			cell "$B/udp$size.$n" 3 1e3 %8.1f
			case ${udp[n]#*|} in
			choppy*)
				cell "$B/udp$size.$n" 11 1e3 %8.1f
				printf ' %7.0f ns %9.0f' "$(median "$B/udp$size.$n" 13)" \
					"$(median "$B/udp$size.$n" 12)"
				;;
			esac
			echo
		done
	done
	for n in "${!udp[@]}"; do
		name=$(title udp "$n")
		[ -z "${udp_least[$name]-}" ] || aim_least "UDP super-packets, $name" \
			"$(calc %.2f "$(median "$B/udpgso.$n" 11) / 1e6")" "${udp_least[$name]}" \
			"million packets/s judged"
	done
	aim_least "UDP super-packets, choppy" "$(ratio "$B/udpgso.4" 3 "$B/udpgso.2")" 0.9 \
		"of ${udp[2]%%|*}"
}

# ------------------------------------------------------------- round trip

trip=(
	"a plain veth pair|plain"
	"veth, bridge, veth|bridge"
	"choppy|choppy"
	"choppy delay 10ms|choppy delay 10ms"
	"choppy delay 10ms loss 0.01%|choppy delay 10ms loss 0.01%"
	"choppy rate 1gbit limit 50ms|choppy rate 1gbit limit 50ms"
	"choppy all three|choppy delay 10ms loss 0.01% rate 1gbit limit 50ms"
	"VDE wirefilter, 10 ms|wirefilter 10"
)

measure_trip() {
	local echo got
	"$B/udp" echo &
	echo=$!
	wait_until grep -q ':0FA0 ' /proc/net/udp || die "udp echo"
	got=$(in_node "$B/udp" ping "$far" 100 100) || die "udp ping"
	case ${trip[$1]} in
	*10*) ;; # by the round trip itself no more than 50 a second
	*) got+=" $(in_node "$B/udp" ping "$far" 1000 1000)" || die "udp ping" ;;
	esac
	kill "$echo"
	wait "$echo" 2>/dev/null
	echo "$got" >>"$B/trip.$1"
}

bench_trip() {
	local n c base
	turns trip
	echo "Round trip of a datagram beyond that of the plain pair and the delay, us: median of $repeats" \
		"(range)"
	printf '  %-30s %-24s %-24s %-24s %-24s\n' "" "100/s: p50" p99 "1000/s: p50" p99
	for n in "${!trip[@]}"; do
		printf '  %-30s' "$(title trip "$n")"
		base=0
		[[ ${trip[n]} != *10* ]] || base=20e6
		for c in 1 2 3 4; do
			awk -v c=$c -v b="$base" -v p="$(median "$B/trip.0" $c)" \
				'NF >= c { print $c - b - p }' "$B/trip.$n" >"$B/added"
			[ ! -s "$B/added" ] || cell "$B/added" 1 1e3 %8.1f
		done
		echo
	done
}

# ------------------------------------------------------- error of a delay

error=(
	"a plain veth pair|plain"
	"choppy|choppy"
	"choppy delay 10ms|choppy delay 10ms"
	"VDE wirefilter, 10 ms|wirefilter 10"
	"two copies, packet sockets, 10 ms|copies packet 10"
	"two copies, taps, 10 ms|copies tap 10"
)
error_pps=(100 50000)

measure_error() {
	local pps delay=0
	[[ ${error[$1]} != *10* ]] || delay=10000000
	for pps in "${error_pps[@]}"; do
		blast "$B/error$pps.$1" "$each" 64 "$pps" 1 $delay
	done
}

# closer COLUMN PPS: how many times closer to what was asked than wirefilter, beyond what the way from
# the sender's call to the receiver's stamp takes on the plain pair.
closer() {
	local pair
	pair=$(median "$B/error$2.0" "$1")
	calc %.1f "($(median "$B/error$2.3" "$1") - $pair) / ($(median "$B/error$2.2" "$1") - $pair)"
}

bench_error() {
	local n pps c
	turns error
	echo "One way, less the 10 ms of a delay, us: median of $repeats times $each s (range)"
	printf '  %-40s %-24s %-24s %-24s %s\n' "" least p50 p99 most
	for pps in "${error_pps[@]}"; do
		for n in "${!error[@]}"; do
			printf '  %-30s %6s/s ' "$(title error "$n")" "$pps"
			for c in 5 6 7 8; do
				cell "$B/error$pps.$n" $c 1e3 %8.1f
			done
			echo
		done
	done
	aim "error at 100/s, p50" "$(calc %.1f "$(median "$B/error100.2" 6) / 1e3")" 60 us
	aim "error at 100/s, p99" "$(calc %.1f "$(median "$B/error100.2" 7) / 1e3")" 250 us
	aim "error at 50000/s, p50" "$(calc %.1f "$(median "$B/error50000.2" 6) / 1e3")" 20 us
	aim "error at 50000/s, p99" "$(calc %.1f "$(median "$B/error50000.2" 7) / 1e3")" 93 us
	aim "error at 50000/s, p99, beside a timer" "$(calc %.1f "$(median "$B/error50000.2" 7) / 1e3")" \
		"$(calc %.1f "$(median "$B/error50000.4" 7) / 1e3")" "us, of ${error[4]%%|*}"
	for pps in "${error_pps[@]}"; do
		aim_least "never early, $pps/s" \
			"$(calc %.1f "$(sort -g -k 5 "$B/error$pps.2" | awk 'NR == 1 { print $5 }') / 1e3")" 0 us
		aim_least "closer than wirefilter, $pps/s, p50" "$(closer 9 "$pps")" 10 times
		aim_least "closer than wirefilter, $pps/s, p99" "$(closer 10 "$pps")" 10 times
	done
}

# -------------------------------------------------------------------- rate

rate=(
	"choppy rate 100mbit limit 50ms|choppy rate 100mbit limit 50ms"
	"choppy rate 1gbit limit 50ms|choppy rate 1gbit limit 50ms"
	"kernel tbf 100mbit, 50 ms|tbf 100mbit 50ms"
	"kernel tbf 1gbit, 50 ms|tbf 1gbit 50ms"
)
wire_headers=42 # Ethernet, IPv4, UDP

measure_rate() {
	local receiver bps=1e8 segments=3
	[[ ${rate[$1]} != *1gbit* ]] || bps=1e9 segments=24
	"$B/udp" seconds $bps $wire_headers >"$B/received" &
	receiver=$!
	wait_until grep -q ':0FA0 ' /proc/net/udp || die "udp seconds"
	# A fifth too much, so the queue is never empty; in super-packets, of which a sender that
	# sleeps sends enough: one that spins would take a processor from what is measured.
	in_node "$B/udp" send "$far" "$((each + 1)).3" 1400 "$(calc %.0f "1.2 * $bps / 8 / 1442")" \
		"$segments" \
		>/dev/null || die "udp send"
	wait "$receiver" || die "udp seconds"
	[ -s "$B/received" ] || die "udp seconds: none"
	awk -v r="$bps" '{ print ($1 * 8 / r - 1) * 100, $2, $3 }' "$B/received" >>"$B/rate.$1"
}

# share FILE CONDITION: percent of the lines for which the awk condition holds.
share() {
	awk "$2 { n++ } END { printf \"%.0f\", 100 * n / NR }" "$1"
}

bench_rate() {
	local n off='($1 < 0 ? -$1 : $1)'
	turns rate
	echo "Bytes on the wire in each second behind a full queue, and how late they were"
	for n in "${!rate[@]}"; do
		printf '  %-31s %3d s: %+.3f%% (%s), p99 late %s ms; receiver lost %s\n' "$(title rate "$n")" \
			"$(wc -l <"$B/rate.$n")" "$(median "$B/rate.$n" 1)" "$(spread "$B/rate.$n" 1 1)" \
			"$(cell "$B/rate.$n" 2 1e6 %.2f)" "$(median "$B/rate.$n" 3)"
	done
	for n in 0 1; do
		# Of the seconds that were less than 1 ms late, if there is any.
		aim "${rate[n]##*|choppy }, worst prompt second" \
			"$(awk "\$2 < 1e6 { o = $off; if (o > w) w = o; n++ }
				END { print n ? w : 100 }" "$B/rate.$n")" 0.5 "% off"
		aim_least "${rate[n]##*|choppy }, within 0.5%" \
			"$(share "$B/rate.$n" "$off <= 0.5")" 90 \
			"% of seconds"
		aim_least "${rate[n]##*|choppy }, prompt" "$(share "$B/rate.$n" '$2 < 1e6')" 90 \
			"% of seconds (less than 1 ms late)"
	done
}

# ------------------------------------- TCP on lossy lines, offloads on and off

offload=(
	"loss 0.1%, on|choppy delay 5ms loss 0.1%"
	"loss 0.1%, off|choppy delay 5ms loss 0.1%"
	"loss 1%, on|choppy delay 5ms loss 1%"
	"loss 1%, off|choppy delay 5ms loss 1%"
)

measure_offload() {
	if [ $(($1 % 2)) -eq 1 ]; then
		in_node ethtool -K eth0 tso off gso off tx-udp-segmentation off || die "ethtool"
	fi
	tcp_buffers $((buffers / 2))
	iperf "$B/offload.$1" 1
}

bench_offload() {
	local n
	turns offload
	echo "TCP over delay 5ms and a loss, the sender's offloads on and off, Mbit/s: median of $repeats" \
		"times $each s (range)"
	for n in "${!offload[@]}"; do
		printf '  %-30s' "$(title offload "$n")"
		cell "$B/offload.$n" 1 1e6 %8.1f
		echo
	done
	for n in 0 2; do
		aim "${offload[n]%%,*}: medians, on and off, apart" \
			"$(calc %.1f "($(median "$B/offload.$n") - $(median "$B/offload.$((n + 1))")) / 1e6" |
				tr -d -)" \
			"$(sort -g "$B/offload.$n" "$B/offload.$((n + 1))" |
				awk 'NR == 1 { a = $1 } { b = $1 } END { printf "%.1f", (b - a) / 1e6 }')" \
			"Mbit/s, the spread"
	done
}

# ------------------------------------------------------- a long and fast line

long=("choppy delay 500ms, 10 Gbit/s|choppy delay 500ms")

measure_long() {
	local counts
	# 40 x 1400 bytes: 1442 on the wire each.
	blast "$B/long" 1 1400 866852 40 500000000
	counts=$(engine_counts)
	echo "$counts $(engine_peak)" >>"$B/long.memory"
}

engine_peak() { # KiB
	awk '$1 == "VmHWM:" { print $2 }' "/proc/$engine/status"
}

bench_long() {
	turns long
	echo "A line of 500 ms, 10 Gbit/s in super-packets of 40 x 1400 bytes for 1.3 s: median of $repeats" \
		"(range)"
	printf '  error, us: p50 %s, p99 %s; CPU %s ns per packet; memory %s MB, resident %s MB\n' \
		"$(cell "$B/long" 6 1e3 %.1f)" "$(cell "$B/long" 7 1e3 %.1f)" "$(median "$B/long" 13)" \
		"$(calc %.0f "$(median "$B/long.memory" 5) / 1e6")" \
		"$(calc %.0f "$(median "$B/long.memory" 8) / 1024")"
	aim_least "offered" "$(calc %.2f "$(median "$B/long" 1) * 1442 * 8 / 1.3e9")" 9.8 Gbit/s
	aim "packets that did not arrive" "$(awk '{ n += $1 - $2 } END { print n }' "$B/long")" 0 ""
}

# --------------------------------------------------- memory of packets, CPU

held=("choppy delay 1s|choppy delay 1s")
# What: bytes, packets a second, segments.
held_loads=("64 50000 1" "1400 50000 1" "1400 400000 40")

measure_held() {
	local i before after load all
	for i in "${!held_loads[@]}"; do
		read -r -a load <<<"${held_loads[i]}"
		line_down
		line_up choppy delay 1s
		read -r -a before <<<"$(engine_counts) $(engine_rss)"
		"$B/udp" receive 1000000000 0.2 >"$B/received" &
		all=$!
		wait_until grep -q ':0FA0 ' /proc/net/udp || die "udp receive"
		in_node "$B/udp" send "$far" 0.4 "${load[@]}" >/dev/null || die "udp send"
		read -r -a after <<<"$(engine_counts) $(engine_rss)"
		wait "$all" || die "udp receive"
		[ "${after[3]}" -gt 0 ] || die "nothing was held"
		echo "${after[3]} $(calc %.1f "(${after[4]} - ${before[4]}) / ${after[3]}")" \
			"$(calc %.1f "(${after[7]} - ${before[7]}) * 1024 / ${after[3]}")" >>"$B/held.$i"
	done
}

engine_rss() { # KiB
	awk '$1 == "VmRSS:" { print $2 }' "/proc/$engine/status"
}

bench_held() {
	local i load
	turns held
	echo "Memory of a packet that is held, bytes: taken by the pool, resident; packets held meanwhile"
	for i in "${!held_loads[@]}"; do
		read -r -a load <<<"${held_loads[i]}"
		printf '  %-30s' "${load[0]} bytes, ${load[2]} a frame"
		cell "$B/held.$i" 2 1 %8.0f
		cell "$B/held.$i" 3 1 %8.0f
		printf ' %8.0f\n' "$(median "$B/held.$i" 1)"
	done
}

# --------------------------------------------------------------- idle links

bench_idle() {
	local r links=1000
	for ((r = 0; r < repeats; r++)); do
		"$B/idle" $links 1 >>"$B/idle.out" || die "idle"
	done
	echo "$links idle links in one engine, ports that are socket pairs: median of $repeats (range)"
	printf '  resident memory per idle link, KiB      %s\n' "$(cell "$B/idle.out" 1 1024 %8.1f)"
	printf '  CPU in 1 s of idleness, us              %s\n' "$(cell "$B/idle.out" 2 1e3 %8.1f)"
	printf '  CPU of a packet by itself, us           %s\n' "$(cell "$B/idle.out" 3 1e3 %8.1f)"
	printf '  the same with the idle links beside     %s\n' "$(cell "$B/idle.out" 4 1e3 %8.1f)"
	aim "idle link, memory" "$(calc %.1f "$(median "$B/idle.out" 1) / 1024")" 64 KiB
	aim "idle links, CPU" "$(median "$B/idle.out" 2)" 0 "ns in 1 s"
	aim "a packet with idle links beside" \
		"$(calc %.2f "$(median "$B/idle.out" 4) / $(median "$B/idle.out" 3)")" 1.1 "times its CPU alone"
}

engine_parts=(tcp udp trip error rate offload long held idle)

bench_engine() {
	local part
	for part in "${engine_parts[@]}"; do
		"bench_$part"
		echo
	done
}
