#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# scratch.sh COMMAND [ARG...]: run COMMAND with an empty /dev/shm of its own, and never as root.
#
# The servers of the examples keep their data there. It is memory, mounted where only COMMAND and its
# children see it: so it is gone with the last of them, however they end. The end of a lab is a SIGKILL,
# and no trap runs. (ramfs, and not tmpfs, which counts what etcd only reserves: 128 MB a node. The IPC
# namespace is for PostgreSQL: System V memory would stay behind.)
#
# Root becomes nobody. Whoever is not root gets a user namespace, in which that may be mounted; and is
# nobody there, too, because PostgreSQL asks for its user's name. Unpacked servers (servers.sh) are mounted
# there as well, as this directory may be in a home that nobody may enter.
nobody=65534
if setpriv --reuid $nobody --regid $nobody --clear-groups true 2>/dev/null; then
	own='unshare --mount --ipc'
	become="--reuid $nobody --regid $nobody --clear-groups"
else
	own="unshare --mount --ipc --user --map-user=$nobody --map-group=$nobody --keep-caps"
	become=
fi
if ! why=$($own true 2>&1); then
	echo "$0: no namespaces of its own here: $why" >&2
	exit 77
fi
prepare='mount -t ramfs -o mode=1777 ramfs /dev/shm || exit
	[ ! -d ../build/examples ] || mount --rbind -o X-mount.mkdir ../build/examples /dev/shm/servers || exit
	exec setpriv "$@"'
# shellcheck disable=SC2086 # words
exec $own sh -c "$prepare" sh $become --inh-caps=-all --ambient-caps=-all -- "$@"
