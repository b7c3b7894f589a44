#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Labs of ordinary users: who the program is and what it may do, what it keeps of its user, who sees
# whose labs, where their state lies, and what needs root after all. The host stays as it was.
. "$(dirname "$0")/lib.sh"
fake_host
outside_up
REAL=$T/bin/choppy
OTHER_ID=$((USER_ID + 1))
user_home $USER_ID
user_home $OTHER_ID
chmod 1777 "$T"

# as UID COMMAND...: that user after a login. alone UID COMMAND...: without a directory of the login's.
as() {
	local id=$1
	shift
	setpriv --reuid "$id" --regid "$id" --clear-groups --inh-caps=-all -- \
		env XDG_RUNTIME_DIR="/run/user/$id" HOME=/ "$@"
}
me() { as $USER_ID "$@"; }
other() { as $OTHER_ID "$@"; }
run() { me choppy run --uplink none "$@"; }

snapshot "$T/before"

# ---- who the program is

equal "the program is its user" "$(run -- id -u)/$(run -- id -g)" "$USER_ID/$USER_ID"
equal "without any capability" \
	"$(run -- grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status | grep -c '0\{16\}$')" 4
equal "also where its user is root of a user namespace" \
	"$(me unshare --user --map-root-user -- choppy run --uplink none -- \
		grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status | grep -c '0\{16\}$')" 4
matches "and without new privileges" "$(run -- cat /proc/self/status)" '^NoNewPrivs:	1'
matches "the bounding set is kept" "$(run -- cat /proc/self/status)" '^CapBnd:	0*1ff'
equal "ping with its file capability" "$(getcap "$(command -v ping)" 2>/dev/null | grep -c cap_net_raw)" 1
check "still runs, and pings" run -- ping -n -c 1 -W 5 gateway
check "it may listen on a low port" run -- python3 -c 'import socket; socket.create_server(("", 80))'
status "it cannot change its link" 2 run -- ip link set eth0 mtu 1400
echo "for the group" >"$T/group-file"
chgrp 4242 "$T/group-file" && chmod 640 "$T/group-file"
equal "it keeps its supplementary groups" "$(setpriv --reuid $USER_ID --regid $USER_ID \
	--groups 4242 --inh-caps=-all -- choppy run --uplink none -- cat "$T/group-file")" "for the group"
equal "--map-root: root of the node" "$(run --map-root -- id -u)" 0
check "--map-root: it changes its link" run --map-root -- ip link set eth0 mtu 1400
check "--map-root: nft works" run --map-root -- nft add table inet t
status "--map-root: of the node only" 2 run --map-root -- sh -c 'echo 1 >/proc/sys/kernel/panic'
leak_check "nothing left" "$T/before"

# ---- what it sees

hosts=$(run -- cat /etc/hosts)
matches "/etc/hosts names the gateway" "$hosts" '[[:space:]]gateway$'
equal "the host's /etc/hosts is as it was" "$(grep -c gateway /etc/hosts)" 0
equal "/etc/resolv.conf asks the gateway" \
	"$(me choppy run -- sh -c 'grep -c "^nameserver $(getent ahostsv4 gateway | sed "s/ .*//;q")" /etc/resolv.conf')" 1
equal "it sees its own processes only" \
	"$(run -- sh -c 'for p in /proc/[0-9]*; do read -r name <$p/comm; echo $name; done')" $'choppy-init\nsh'
equal "nor the labs of its user" "$(run -- ls -A "/run/user/$USER_ID/choppy")" ""
mount -t tmpfs tmpfs /mnt
mount --make-shared /mnt
run --map-root -- sh -c 'mount -t tmpfs tmpfs /mnt && touch /mnt/inside'
equal "a mount of its own stays inside" "$(ls /mnt)" ""
umount /mnt

# ---- the one thing that has to work for everybody

for v in 4 6; do
	equal "choppy run 3g -- curl, by name over IPv$v" \
		"$(me choppy run 3g -- curl -$v -sS http://www.example.test/)" "hello from outside"
done

# ---- labs that stay

check "add" me choppy add blue up loss 100%
equal "exec" "$(me choppy exec blue -- id -u)" $USER_ID
equal "exec: no capability either" \
	"$(me choppy exec blue -- grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status | grep -c '0\{16\}$')" 4
status "the condition holds" 1 me choppy exec blue -- ping -n -c 1 -W 0.5 gateway
check "set" me choppy set blue clear
check "and its change too" me choppy exec blue -- ping -n -c 1 -W 5 gateway
matches "show" "$(me choppy show blue)" 'uplink +relay'
equal "ls" "$(me choppy ls --json | jq -r '.[].name' 2>/dev/null || me choppy ls | awk 'NR > 1 { print $1 }')" blue
check "a lab of root's with the same name" choppy add blue
equal "each sees its own: the other user" "$(other choppy ls | grep -c blue)" 0
refused "and cannot show it" 1 "no lab 'blue'" other choppy show blue
refused "nor change it" 1 "no lab 'blue'" other choppy set blue loss 50%
refused "nor enter it" 125 "no lab 'blue'" other choppy exec blue -- true
refused "nor delete it" 1 "no lab 'blue'" other choppy del blue
keeper=$(me choppy show --json blue | jq -r .keeper)
status "nor kill its keeper" 1 other sh -c "kill -9 $keeper"
status "nor look into its directory" 2 other ls "/run/user/$USER_ID/choppy"
check "nor is it in root's way" choppy del blue
check "del" me choppy del blue
leak_check "nothing left of both" "$T/before"

# ---- where its state lies

bare() { setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --inh-caps=-all -- env -u XDG_RUNTIME_DIR "$@"; }
check "without XDG_RUNTIME_DIR, but with /run/user/UID" bare choppy add green
holds "it is there" [ -d "/run/user/$USER_ID/choppy/labs/green" ]
bare choppy del green
mv "/run/user/$USER_ID" "/run/user/away"
check "without both" bare choppy add green
holds "it is in /tmp" [ -d "/tmp/choppy-$USER_ID/labs/green" ]
bare choppy del green
holds "and goes with the last lab" [ ! -e "/tmp/choppy-$USER_ID" ]
install -d -m 700 -o $OTHER_ID "/tmp/choppy-$USER_ID"
refused "somebody else was there first" 125 "/tmp/choppy-$USER_ID is not yours alone" bare choppy run -- true
for mode in "755 -o $OTHER_ID" "777 -o $USER_ID"; do
	rmdir "/tmp/choppy-$USER_ID"
	# shellcheck disable=SC2086 # a mode and an owner
	install -d -m $mode "/tmp/choppy-$USER_ID"
	refused "open to others: $mode" 125 "/tmp/choppy-$USER_ID is not yours alone" bare choppy run -- true
done
rmdir "/tmp/choppy-$USER_ID"
ln -s "/run/user/$OTHER_ID" "/tmp/choppy-$USER_ID"
refused "with a link" 125 "/tmp/choppy-$USER_ID is not yours alone" bare choppy run -- true
rm "/tmp/choppy-$USER_ID"
mv "/run/user/away" "/run/user/$USER_ID"
refused "a directory with too long a name" 125 "XDG_RUNTIME_DIR has .* characters" \
	bare env XDG_RUNTIME_DIR="$(mkdir -p "$T/$(printf '%060d' 0)" &&
		chown $USER_ID "$T/$(printf '%060d' 0)"; echo "$T/$(printf '%060d' 0)")" choppy run -- true
check "another user's directory, as sudo leaves it, is passed over" \
	bare env XDG_RUNTIME_DIR="/run/user/$OTHER_ID" choppy run -- true

# ---- when that changes

rm -rf "/run/user/$USER_ID/choppy"
bare env XDG_RUNTIME_DIR= choppy add early # before there is a login
mv "/run/user/$USER_ID" "/run/user/away"
bare choppy add earlier
mv "/run/user/away" "/run/user/$USER_ID"
equal "labs of before a login are seen after it" "$(me choppy ls --json | jq -r '.[].name' | sort | tr '\n' ' ')" \
	"earlier early "
matches "and shown" "$(me choppy show earlier)" '^earlier$'
check "and deleted" me choppy del earlier
holds "with their home" [ ! -e "/tmp/choppy-$USER_ID" ]
me choppy del early
check "a lab that stays" me choppy add blue --publish 8088:80
keeper=$(me choppy show --json blue | jq -r .keeper)
rm -rf "/run/user/$USER_ID"/* # as the last logout does
check "ends with what it is named by" wait_until gone "$keeper"
no_process() { ! grep -qs '^choppy' /proc/[0-9]*/comm; }
check "and all of it with it" wait_until no_process
check "its port is free" me choppy add blue --publish 8088:80
me choppy del blue
# What one leaves that is killed with its undertaker, in another network namespace.
setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --inh-caps=-all -- \
	env XDG_RUNTIME_DIR="/run/user/$USER_ID" HOME=/ unshare --user --net --map-current-user \
	choppy add --uplink none blue >/dev/null
pkill -9 -f '^choppy'
wait_until no_process
check "a dead lab of another network namespace is no obstacle" me choppy add blue
me choppy del blue
leak_check "nothing is left of all that" "$T/before"

# ---- what needs root

refused "a port of root's" 77 'port 80 of this host is for root: .*sysctl -w net.ipv4.ip_unprivileged_port_start=80$' \
	me choppy run --publish 80:80 -- true
refused "nat" 77 "uplink nat needs root .*: use sudo, or --uplink relay" me choppy run --uplink nat -- true
refused "another user" 77 "run the program as nobody, use sudo" run --user nobody -- true
check "oneself is no other user" setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all -- \
	choppy run --uplink none --user nobody -- true
refused "root and another user at once" 2 "either root or nobody" run --map-root --user nobody -- true

# ---- labs in labs

check "a lab in a lab" me choppy run --uplink none -- choppy run --uplink none -- ping -n -c 1 -W 5 gateway
equal "with a way out through both" \
	"$(me choppy run -- choppy run -- curl -sS http://www.example.test/)" "hello from outside"
check "twenty at once" bash -c '
	for i in {1..20}; do "$@" & all+=($!); done
	for p in "${all[@]}"; do wait "$p" || exit; done
' - setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --inh-caps=-all -- \
	env XDG_RUNTIME_DIR=/run/user/$USER_ID choppy run -- curl -sS http://www.example.test/
leak_check "nothing left in the end" "$T/before"
finish
