# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Parity: the same condition by netem and by the engine, in one kernel at one time.
#
#	. "$(dirname "$0")/lib.sh"
#	. "$ROOT/tests/uml/parity.sh"
#	condition ID "WORDS" ["WRONG"]		two labs with it: nID by netem, eID by the engine
#	measure "OPTIONS" ID...			packets over all of these, both ways at once (probe.c)
#	compare ID "CHECKS" [BASE]		what parity.py holds against what, and beside what
#	conclude				a test point for each comparison and direction
#
# A condition that netem cannot do is skipped. The table of what was measured goes to the log, and
# with PARITY_TABLE=FILE it is added to FILE as well.
#
# PARITY_BROKEN=1 shows by real packets what the bounds catch: the engine gets WRONG, which is
# WORDS off by a factor, and a comparison that finds no difference is the failure. What has no
# WRONG is not compared then.

declare -A WORDS WRONG CANNOT LINKS
JOBS=$T/jobs

condition() { # ID "WORDS" ["WRONG"]
	local id=$1 backend words said
	WORDS[$id]=${2:-no condition} WRONG[$id]=${3-}
	for backend in netem engine; do
		words=$2
		[ -z "${PARITY_BROKEN-}" ] || [ "$backend" = netem ] || words=${3:-$2}
		# shellcheck disable=SC2086 # words they are
		if ! said=$(choppy add "${backend:0:1}$id" --uplink none --backend "$backend" $words 2>&1); then
			grep -q 'netem cannot do' <<<"$said" || not_ok "$words" "$said"
			CANNOT[$id]=$said
			return
		fi
		LINKS[${backend:0:1}$id]=$(sed -nE '
			s,^ *address +([0-9.]+)/[0-9]+ .node.\, ([0-9.]+)/.*,\1 \2,p
			s,^ *device +([^ ]+) in the node\, ([^ ]+) on the host$,\1 \2,p' <<<"$said" | xargs)
	done
}

measure() { # "OPTIONS" ID...
	local id lab node gateway inner outer flows=()
	for id in "${@:2}"; do
		[ -z "${CANNOT[$id]-}" ] || continue
		for lab in "n$id" "e$id"; do
			read -r node gateway inner outer <<<"${LINKS[$lab]}"
			flows+=("$lab:$inner::$outer:$gateway:$T/$lab.up"
				":$outer:$lab:$inner:$node:$T/$lab.down")
		done
	done
	# shellcheck disable=SC2086
	[ ${#flows[@]} -eq 0 ] || check "packets: ${*:2}" "$BUILD_DIR/tests/probe" $1 "${flows[@]}"
}

compare() { # ID "CHECKS" [BASE]
	local id=$1 direction of files
	[ -z "${PARITY_BROKEN-}" ] || [ -n "${WRONG[$id]}" ] || return 0
	for direction in up down; do
		files=
		for of in "$id" "${@:3}"; do
			files+=$'\t'"$T/n$of.$direction"$'\t'"$T/e$of.$direction"
		done
		if [ -n "${CANNOT[$id]-}" ]; then
			skip "${WORDS[$id]}, $direction" "${CANNOT[$id]}"
		else
			printf '%s\t%s\t%s%s\n' "${WORDS[$id]}" "$direction" "$2" "$files" >>"$JOBS"
		fi
	done
}

conclude() {
	local points
	points=$(python3 "$ROOT/tests/uml/parity.py" ${PARITY_BROKEN:+--broken} \
		--table "$T/table" <"$JOBS")
	echo "$points" >&9
	[ "$(wc -l <<<"$points")" -eq "$(wc -l <"$JOBS")" ] ||
		not_ok "the comparison" "cut short, see the log"
	{
		echo "| condition | | what | netem | engine | bound |"
		echo "|---|---|---|---|---|---|"
		cat "$T/table"
	} >&2
	[ -z "${PARITY_TABLE-}" ] || cat "$T/table" >>"$PARITY_TABLE"
	rm -f "$JOBS"
}
