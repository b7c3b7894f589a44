#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Machines that refuse an ordinary user what a lab needs: each refusal is made for real, choppy ends with
# 77, and `choppy doctor` and the error both name the cause and the one command that mends it.
. "$(dirname "$0")/lib.sh"
fake_host
outside_up
user_home $USER_ID
chmod 1777 "$T"
cp "$ROOT/tests/sys/forbid.py" "$T/"
me() { run_as_user env XDG_RUNTIME_DIR=/run/user/$USER_ID HOME=/ "$@"; }

# cannot NAME REGEX ROW MEND COMMAND...: COMMAND choppy run fails with REGEX, and the doctor says no to
# ROW, mended by MEND.
cannot() {
	local name=$1 regex=$2 row=$3 mend=$4 doctor
	shift 4
	refused "$name: run" 77 "$regex" "$@" choppy run --uplink none -- true
	refused "$name: add" 77 "$regex" "$@" choppy add blue
	doctor=$("$@" choppy doctor)
	equal "$name: doctor's status" $? 77
	matches "$name: doctor" "$doctor" "^$row +no "
	matches "$name: what mends it" "$(grep -A 1 "^$row" <<<"$doctor")" "mend: $mend"
	equal "$name: as JSON" "$("$@" choppy doctor --json |
		jq -r "map(select(.works | not) | .mend) | map(select(test(\"$mend\"))) | length > 0")" true
}

check "here it works" me choppy run --uplink none -- true
check "and the doctor says so" me choppy doctor

# A user namespace in which no other may be made.
none() {
	me unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"' - "$@"
}
cannot "max_user_namespaces=0" \
	'create a user namespace: No space left on device: user.max_user_namespaces is 0; sudo sysctl -w user.max_user_namespaces=[0-9]+$' \
	"user namespace" 'sudo sysctl -w user.max_user_namespaces=[0-9]+' none

no_net() {
	me unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"' - "$@"
}
cannot "max_net_namespaces=0" \
	'create a network namespace: No space left on device: too many namespaces of one kind, .*; sudo sysctl -w .* user.max_net_namespaces=[0-9]+ ' \
	"network namespace" 'sudo sysctl -w .* user.max_net_namespaces=[0-9]+' no_net

# What has nothing to do with namespaces is not blamed on them.
mount -t tmpfs -o size=8k,mode=700,uid=$USER_ID tmpfs /run/user/$USER_ID
dd if=/dev/zero of=/run/user/$USER_ID/full bs=1k count=64 2>/dev/null
refused "a full disk" 125 'No space left on device$' me choppy run --uplink none -- true
umount /run/user/$USER_ID
mv /run/user/$USER_ID /run/user/away
refused "no place for the state" 77 'choppy-.* cannot be made .* export XDG_RUNTIME_DIR=' unshare --mount sh -c \
	'mount --bind /tmp /tmp && mount -o remount,ro,bind /tmp && exec "$@"' - \
	setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --inh-caps=-all -- choppy run --uplink none -- true
mv /run/user/away /run/user/$USER_ID

# As the default filter of container engines.
filtered() { me python3 "$T/forbid.py" clone,clone3,unshare,setns,mount "$@"; }
cannot "a seccomp filter" 'user namespace: Operation not permitted: a seccomp filter .*seccomp=unconfined' \
	"user namespace" 'docker run --security-opt seccomp=unconfined' filtered

# As container engines cover what they have in /proc.
covered() {
	setpriv --bounding-set +all unshare --mount sh -c 'mount -t tmpfs -o ro tmpfs /proc/acpi 2>/dev/null ||
		mount -t tmpfs -o ro tmpfs /proc/scsi 2>/dev/null || mount --bind /dev/null /proc/kcore; exec "$@"' - \
		setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --inh-caps=-all -- \
		env XDG_RUNTIME_DIR=/run/user/$USER_ID HOME=/ "$@"
}
cannot "a covered /proc" 'mount /proc: Operation not permitted: parts of the /proc .*systempaths=unconfined' \
	"PID and mount namespace" 'docker run --security-opt systempaths=unconfined' covered

# Read-only settings: that is a cover, too, for a user; root's labs work, and what is missing is said.
readonly_sys() {
	unshare --mount sh -c 'mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys; exec "$@"' - "$@"
}
doctor=$(readonly_sys setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --inh-caps=-all -- choppy doctor)
matches "a read-only /proc/sys: doctor" "$doctor" '^settings of a namespace .*no .*Read-only file system'
matches "what mends it" "$doctor" 'mend: sudo mount -o remount,rw /proc/sys'
check "root's labs work" readonly_sys choppy run --uplink relay -- curl -sS http://www.example.test/
matches "what is missing is said" "$(cat "$T/err")" '/proc/sys is read-only here: in the node, ping'

# Ping sockets.
echo "1 0" >/proc/sys/net/ipv4/ping_group_range
doctor=$(me choppy doctor)
matches "no ping sockets: doctor" "$doctor" '^ping beyond the gateway .*no .*Permission denied'
matches "what mends it" "$doctor" "mend: sudo sysctl -w net.ipv4.ping_group_range='0 2147483647'"
echo "0 2147483647" >/proc/sys/net/ipv4/ping_group_range
matches "with them" "$(me choppy doctor)" '^ping beyond the gateway .* yes'
matches "root's doctor tries the relay too" "$(choppy doctor)" '^nftables tproxy \(relay\) +yes'
finish
