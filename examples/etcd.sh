#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the nodes of etcd.yaml do.
#
#	etcd.sh serve			a member of the cluster, which is called as its node
#	etcd.sh lead NODE		make NODE the leader
#	etcd.sh leader NODE...		whether one of them leads
#	etcd.sh put KEY NODE...		write KEY by way of one of them
#	etcd.sh have KEY		whether each of the three has KEY, which it says by itself
#	etcd.sh terms			whether no term had two leaders: by what each has logged
. ./servers.sh
need 'etcd-server etcd-client' etcd etcdctl
need 'curl python3' curl python3
export ETCDCTL_API=3
all='e1 e2 e3'

serve() {
	name=$(hostname)
	mkdir /dev/shm/log
	python3 -m http.server 8000 --directory /dev/shm/log >/dev/null 2>&1 &
	exec etcd --name "$name" --data-dir /dev/shm/data --pre-vote=true \
		--heartbeat-interval 50 --election-timeout 500 \
		--initial-cluster e1=http://e1:2380,e2=http://e2:2380,e3=http://e3:2380 \
		--listen-peer-urls http://0.0.0.0:2380 --initial-advertise-peer-urls "http://$name:2380" \
		--listen-client-urls http://0.0.0.0:2379 --advertise-client-urls "http://$name:2379" \
		--logger zap --log-outputs stderr,/dev/shm/log/etcd
}

# ctl 'NODE...' COMMAND...
ctl() {
	# shellcheck disable=SC2086 # a list
	endpoints=$(printf ',%s:2379' $1)
	shift
	etcdctl --endpoints="${endpoints#,}" --dial-timeout=1s --command-timeout=1s "$@" 2>/dev/null
}

# Of each node that is reached: its address, id, version, size, whether it leads, ...
status() {
	ctl "$*" endpoint status
}

leaders() {
	status "$@" | awk -F ', ' '$5 == "true" { sub(":.*", "", $1); print $1 }'
}

leader() {
	[ -n "$(leaders "$@")" ]
}

lead() {
	tries=20
	until leader "$1"; do
		if [ $((tries -= 1)) -eq 0 ]; then
			echo "$0: $1 does not lead" >&2
			return 1
		fi
		# shellcheck disable=SC2086 # a list
		ctl "$(leaders $all)" move-leader "$(status "$1" | cut -d, -f2 | tr -d ' ')"
		sleep 0.3
	done
}

put() {
	key=$1
	shift
	ctl "$*" put "$key" "$key"
}

have() {
	for node in $all; do
		[ "$(ctl "$node" get --consistency=s --print-value-only "$1")" = "$1" ] || return 1
	done
}

terms() {
	logs=$(curl -sS --fail http://e1:8000/etcd http://e2:8000/etcd http://e3:8000/etcd) || return 1
	elected=$(printf '%s\n' "$logs" | grep -o 'became leader at term [0-9]*' | sort)
	printf '%s\n' "$elected"
	[ -n "$elected" ] && [ -z "$(printf '%s\n' "$elected" | uniq -d)" ]
}

"$@"
