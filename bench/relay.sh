# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154 # variables of bench/run, and for it
#
# A program without root, and the far end that it has: sourced by bench/run. The yardstick is the same
# link between two hosts of a lab, where both ends are kernels and nothing is between them. pasta and
# slirp4netns get the same link before their device: choppy with its uplink nat, in their namespace.

relay_delays=(0 20 100)
relay_losses=(0 1)
relay_ways=(direct relay pasta slirp4netns)
iperf_port=5201

me=(setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --inh-caps=-all --
	env XDG_RUNTIME_DIR=/run/user/$USER_ID HOME=/)

# relay_up: a user with a home, a choppy for all, and a /dev/net/tun as ordinary machines have it.
relay_up() {
	user_home $USER_ID
	mount -t tmpfs -o mode=755 tmpfs /mnt && install -m 755 "$T/bin/choppy" /mnt/choppy || die "no /mnt"
	mknod "$B/tun" c 10 200 && chmod 666 "$B/tun" && mount --bind "$B/tun" /dev/net/tun || die "no tun"
}

# In the namespace that a peer has made and joined to the host, its own root: a choppy of root's.
behind='mount -t tmpfs tmpfs /run && PATH=/mnt:$PATH exec "$@"'

pasta_run() { # COMMAND...
	"${me[@]}" pasta -q --config-net -m 1500 --no-map-gw -t none -u none -T none -U none -- \
		unshare --mount-proc sh -c "$behind" - "$@"
}

has_default_route() { # PID
	nsenter --net="/proc/$1/ns/net" ip -4 route | grep -q default
}

slirp_run() { # COMMAND...
	local holder slirp status
	"${me[@]}" unshare --user --map-root-user --net --mount sleep infinity &
	holder=$!
	wait_until other_netns $holder
	"${me[@]}" slirp4netns --configure --mtu=1500 --disable-host-loopback $holder tap0 >/dev/null 2>&1 &
	slirp=$!
	wait_until has_default_route $holder || die "slirp4netns"
	"${me[@]}" nsenter --user --net --mount --preserve-credentials -t $holder sh -c "$behind" - "$@"
	status=$?
	kill $slirp $holder
	wait $slirp $holder 2>/dev/null
	return $status
}

# way WAY CONDITION... -- COMMAND...: the command on that link, by that way out.
way() {
	local way=$1
	shift
	case $way in
	direct) choppy run --uplink none "$@" ;;
	relay) "${me[@]}" choppy run "$@" ;;
	pasta) pasta_run choppy run --uplink nat "$@" ;;
	slirp4netns) slirp_run choppy run --uplink nat "$@" ;;
	esac
}

listens() { # COMMAND...: in that namespace
	"$@" ss -tnlH "sport = :$iperf_port" | grep -q .
}

# iperf FILE WAY OPTIONS COMMAND...: Mbit/s that arrived, by a client that COMMAND starts, appended. The
# server is new each time: one whose client has vanished serves nobody else.
iperf_by() {
	local file=$1 to=$WEB4 side=outside mbit
	[ "$2" != direct ] || to=gateway side=env
	"$side" iperf3 -s -1 -p $iperf_port >/dev/null 2>&1 &
	wait_until listens "$side" || die "no iperf3 server"
	# shellcheck disable=SC2086 # none or more options
	mbit=$("${@:4}" iperf3 -4 -J -c $to -p $iperf_port -t "$each" -O 1 $3 2>/dev/null |
		jq -r '.end.sum_received.bits_per_second // empty')
	"$side" pkill -x iperf3
	wait
	[ -n "$mbit" ] || die "$2 ${*:4}: iperf3 failed"
	calc '%.3f\n' "$mbit / 1e6" >>"$file"
}

# goodput WAY OPTIONS FILE CONDITION...: with that link, by that way out.
goodput() {
	iperf_by "$3" "$1" "$2" way "$1" "${@:4}" --
}

# bare WAY OPTIONS FILE: the way out alone. choppy has its link in it all the same.
bare() {
	case $1 in
	plain) iperf_by "$3" "$1" "$2" env ;;
	relay) iperf_by "$3" "$1" "$2" "${me[@]}" choppy run -- ;;
	pasta) iperf_by "$3" "$1" "$2" pasta_run ;;
	slirp4netns) iperf_by "$3" "$1" "$2" slirp_run ;;
	esac
}

relay_table() {
	local d l w r dir cond base
	for ((r = 0; r < repeats; r++)); do
		for d in "${relay_delays[@]}"; do
			for l in "${relay_losses[@]}"; do
				cond=()
				[ "$d" = 0 ] || cond+=(delay "${d}ms")
				[ "$l" = 0 ] || cond+=(loss "$l%")
				for w in "${relay_ways[@]}"; do
					goodput "$w" "" "$B/good.$w.$d.$l.up" "${cond[@]}"
					goodput "$w" -R "$B/good.$w.$d.$l.down" "${cond[@]}"
				done
			done
		done
	done
	echo "Goodput, Mbit/s, MTU 1500, TCP $(cat /proc/sys/net/ipv4/tcp_congestion_control): node to far end / back"
	printf '  %-22s' "each way"
	printf ' %-24s' "host to host" relay pasta slirp4netns
	echo "  relay / host to host"
	for d in "${relay_delays[@]}"; do
		for l in "${relay_losses[@]}"; do
			printf '  %-22s' "delay ${d}ms loss $l%"
			for w in "${relay_ways[@]}"; do
				printf ' %10.1f / %-11.1f' "$(median "$B/good.$w.$d.$l.up")" "$(median "$B/good.$w.$d.$l.down")"
			done
			printf '  %.2f / %.2f\n' \
				"$(ratio "$B/good.relay.$d.$l.up" 1 "$B/good.direct.$d.$l.up")" \
				"$(ratio "$B/good.relay.$d.$l.down" 1 "$B/good.direct.$d.$l.down")"
		done
	done
}

relay_bare() {
	local r w
	for ((r = 0; r < repeats; r++)); do
		for dir in "" -R; do
			for w in plain relay pasta slirp4netns; do
				bare $w "$dir" "$B/bare.$w.$dir"
			done
		done
	done
	echo "Nothing asked for, MTU 1500, Gbit/s: node to far end / back"
	for w in plain relay pasta slirp4netns; do
		printf '  %-22s %s / %s\n' $w "$(cell "$B/bare.$w." 1 1e3 %6.2f)" "$(cell "$B/bare.$w.-R" 1 1e3 %6.2f)"
	done
	aim_least "relay beside a plain veth pair" "$(ratio "$B/bare.relay." 1 "$B/bare.plain.")" 0.5 ""
	aim_least "and back" "$(ratio "$B/bare.relay.-R" 1 "$B/bare.plain.-R")" 0.5 ""
	aim_least "relay beside slirp4netns" "$(ratio "$B/bare.relay." 1 "$B/bare.slirp4netns.")" 3 times
	aim_least "and back" "$(ratio "$B/bare.relay.-R" 1 "$B/bare.slirp4netns.-R")" 3 times
}

# since FILE COMMAND...: microseconds that it took, appended.
since() {
	local begin=${EPOCHREALTIME/./} file=$1
	shift
	"$@" >/dev/null 2>&1 || die "failed: $*"
	echo $((${EPOCHREALTIME/./} - begin)) >>"$file"
}

relay_setup() {
	local i
	for ((i = 0; i < rounds; i++)); do
		settle
		since "$B/start.user" "${me[@]}" true
		since "$B/start.root" choppy run -- true
		settle
		since "$B/start.relay" "${me[@]}" choppy run -- true
		since "$B/start.pasta" pasta_run true
		[ "$i" -ge 5 ] || since "$B/start.slirp4netns" slirp_run true
	done
	echo "Set-up, a program and the end, ms: median of $rounds (range); without root, the change of user in it"
	printf '  %-34s %s\n' "the change of user alone" "$(cell "$B/start.user" 1 1e3 %6.1f)" \
		"choppy run -- true, as root" "$(cell "$B/start.root" 1 1e3 %6.1f)" \
		"choppy run -- true, without" "$(cell "$B/start.relay" 1 1e3 %6.1f)" \
		"pasta -- true" "$(cell "$B/start.pasta" 1 1e3 %6.1f)" \
		"slirp4netns, and its unshare" "$(cell "$B/start.slirp4netns" 1 1e3 %6.1f)"
	aim "without root beside with it" \
		"$(calc %.2f "($(median "$B/start.relay") - $(median "$B/start.user")) / $(median "$B/start.root")")" 1.5 times
}

bench_relay() {
	relay_up
	relay_setup
	relay_bare
	relay_table
}
