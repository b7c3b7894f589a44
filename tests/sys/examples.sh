#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The examples with real servers: each does what it says, tells when something is not so and when its server
# is missing, and leaves nothing. The servers are unpacked and not installed: their packages would start them.
# Waits: for servers, and for answers that do not come.
. "$(dirname "$0")/lib.sh"

servers=$BUILD_DIR/examples
unpacked() {
	[ -x "$servers/usr/bin/etcd" ] && [ -x "$servers/usr/bin/etcdctl" ] && [ -x "$servers/usr/sbin/nginx" ] &&
		[ -x "$servers/usr/lib/postgresql/15/bin/psql" ] &&
		[ -x "$servers/usr/lib/postgresql/15/bin/postgres" ]
}
# In the real host, before there is a fake one, which has no way to the packages. One script at a time.
if [ -z "${CHOPPY_FAKE_HOST-}" ]; then
	(
		flock 8
		unpacked || "$ROOT/scripts/install-packages" --unpack examples "$servers" >/dev/null 2>&1
	) 8>"$BUILD_DIR/examples.lock"
fi
fake_host
if ! unpacked; then
	skip "examples" "their servers could not be fetched"
	finish
fi

# As in a checkout that everybody may read; and nothing of the machine's own is in the way.
E=$T/examples
cp -r "$ROOT/examples" "$E"
mkdir -p "$T/build/examples"
mount --bind "$servers" "$T/build/examples"
chmod -R go+rX "$E" "$T/build"
for dir in /tmp /dev/shm; do
	mount -t tmpfs -o mode=1777 tmpfs $dir
done
snapshot "$T/before"

# begin FILE [OPTION...]: `choppy test` in the background; they wait more than they work.
declare -A pid
begin() {
	choppy test "$@" --logs >"$T/$(basename "$1" .yaml).out" 2>&2 </dev/null &
	pid[$(basename "$1" .yaml)]=$!
}

# ended NAME: with its status; what it says is in $result.
ended() {
	wait "${pid[$1]}"
	local status=$?
	result=$(cat "$T/$1.out")
	grep -v '^ok' "$T/$1.out" >&2
	return $status
}

wrong() { # WHAT: lines of TAP that say it does not hold
	grep -cE -- "^not ok [0-9]+ - .*$1" <<<"$result"
}

nothing_left() { # NAME
	leak_check "$1: nothing is left" "$T/before"
	equal "$1: no file, no shared memory" \
		"$(find /tmp /dev/shm -mindepth 1) $(tail -n +2 /proc/sysvipc/shm)" " "
}

# ---- what they show

for name in etcd postgres nginx resolver; do
	begin "$E/$name.yaml"
done
for row in "etcd 14" "postgres 7" "nginx 50" "resolver 3"; do
	# shellcheck disable=SC2086 # two words
	set -- $row
	holds "$1: all of it holds" ended "$1"
	equal "$1: results" "$(grep -c "^ok" <<<"$result")" "$2"
	equal "$1: the plan" "$(sed -n 2p <<<"$result")" "1..$2"
done
nothing_left "all four"

# ---- what is not so

broken() { # EXAMPLE SED: a copy in which something else is said or done
	sed "$2" "$E/$1.yaml" >"$E/broken-$1.yaml"
	! cmp -s "$E/$1.yaml" "$E/broken-$1.yaml"
}

fails() {
	! ended "$1"
}
holds "a copy without the cut" broken etcd "s/\[cut e1 'e2 e3', /[/"
holds "a copy that expects another status" broken nginx 's/geo\[1-10\] exits 0/geo[1-10] exits 22/'
holds "a copy that expects another address" broken resolver 's/192.0.2.80$/192.0.2.81/'
holds "a copy whose time is short" broken postgres 's/^  - at 2s after ready/  - at 30s after ready/'
# The first mistake stays; by then not all is decided, and what is not does not hold either.
begin "$E/broken-etcd.yaml" --timeout 8s
begin "$E/broken-nginx.yaml"
begin "$E/broken-resolver.yaml"
# A second of the copying is enough.
begin "$E/broken-postgres.yaml" --timeout 1s
holds "etcd: without the cut it fails" fails broken-etcd
equal "etcd: e1 takes the write" "$(wrong 'put never e1')" 1
matches "etcd: and why that is wrong" "$result" 'reason: "the command ended with status 0: OK"'
holds "nginx: it fails" fails broken-nginx
equal "nginx: for these ten" "$(wrong 'node geo[0-9]+ exits 22$')/$(grep -c '^ok' <<<"$result")" 10/40
matches "nginx: what the client has written" "$result" 'status 0: 200 in [0-9.]+ s"'
holds "resolver: it fails" fails broken-resolver
equal "resolver: what is wrong" "$(wrong 'prints 192.0.2.81')" 1
holds "postgres: what is not decided does not hold" fails broken-postgres
equal "postgres: none of it" "$(grep -c 'time was up before it was decided' <<<"$result")" 7
nothing_left "broken copies"

# ---- without the servers

umount "$T/build/examples"
for dir in /usr/lib/postgresql/*/bin; do
	[ ! -d "$dir" ] || mount -t tmpfs tmpfs "$dir"
done
for command in etcd etcdctl nginx dnsmasq initdb; do
	# No process substitution: its shell may outlive it, and be in the snapshot.
	paths=$(type -aP $command | xargs -r readlink -e)
	while IFS= read -r path; do
		[ -z "$path" ] || mount --bind /dev/null "$path"
	done <<<"$paths"
done
snapshot "$T/before"
for row in "etcd etcd" "postgres initdb" "nginx nginx" "resolver dnsmasq"; do
	# shellcheck disable=SC2086 # two words
	set -- $row
	status "$1: without $2 it fails" 1 choppy test "$E/$1.yaml" --timeout 60s
	matches "$1: and says why" "$(cat "$T/out")" \
		"reason: \".* status 77: \./$1\.sh: there is no $2 here: apt-get install "
done
nothing_left "without the servers"

finish
