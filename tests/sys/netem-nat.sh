#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The netem backend and the uplink nat together, on a kernel that has both: out by name through the
# qdiscs, live changes, published ports, leaks.
. "$(dirname "$0")/lib.sh"
VM_SECONDS=240 in_vm # it takes 50 where nothing else runs
fake_host
outside_up
snapshot "$T/before"
page="hello from outside"
forwarding() { cat "/proc/sys/net/ipv4/conf/$WAN/forwarding"; }
netem() { choppy run --backend netem "$@"; }
web() { curl -4 -sS --max-time 30 "$@" http://www.example.test/; }
export -f web

# at_least MINIMUM NUMBER: both may have a point. An upper bound would test how busy the machine is.
at_least() {
	[[ $2 =~ ^[0-9.]+$ ]] && awk -v min="$1" -v n="$2" 'BEGIN { exit !(n >= min) }'
}

# rtt COMMAND...: the round trip of a ping that COMMAND runs, in ms.
rtt() {
	"$@" ping -n -c 1 $WEB4 | sed -n 's,^rtt [^=]*= \([0-9.]*\)/.*,\1,p'
}

doctor=$(choppy doctor 2>&1)
matches "netem stands in this kernel" "$doctor" '^netem \(--backend netem\) +yes'
matches "and so does nat" "$doctor" '^nftables owner table \(nat\) +yes'

# ---- out by name

equal "reach outside by name" "$(netem delay 20ms -- bash -c web)" "$page"
matches "with the host's address" "$(tail -n 1 "$T/http.log")" "$HOST4"
equal "without a condition" "$(netem -- bash -c web)" "$page"
if [ -e "/proc/sys/net/ipv6/conf/$WAN/force_forwarding" ]; then
	equal "IPv6 is forwarded" \
		"$(netem delay 20ms -- curl -6 -sS --max-time 30 http://www.example.test/)" "$page"
else
	status "IPv6 is unreachable at once" 7 \
		netem delay 20ms -- curl -6 -sS --max-time 30 "http://[$WEB6]/"
	matches "and a line says why" "$(netem -v delay 20ms -- true 2>&1)" 'IPv6.*6\.17'
	matches "and doctor says it" "$doctor" '^IPv6 forwarding of a device +no.*6\.17'
fi
resolv=$(netem --addr 10.1.1.0/31 -- cat /etc/resolv.conf)
matches "resolv.conf names the gateway" "$resolv" '^nameserver 10\.1\.1\.0$'
equal "DNS over UDP" "$(netem delay 20ms -- dig +short +tries=1 www.example.test)" $WEB4
equal "DNS over TCP" "$(netem delay 20ms -- dig +tcp +short +tries=1 www.example.test)" $WEB4
equal "AAAA" "$(netem delay 20ms -- dig +short +tries=1 www.example.test AAAA)" $WEB6

# ---- the link is a bad one

got=$(rtt netem delay 20ms --)
holds "delay 20ms: a round trip outside takes 40 ms: $got" at_least 40 "$got"
got=$(rtt netem up delay 30ms --)
holds "up delay 30ms: it takes 30 ms: $got" at_least 30 "$got"
got=$(rtt netem down delay 30ms --)
holds "down delay 30ms: it takes 30 ms: $got" at_least 30 "$got"
times=$(netem delay 20ms -- bash -c 'web -o /dev/null -w "%{time_namelookup} %{time_connect}"')
read -r name connect <<<"$times"
holds "a name takes a round trip: $name" at_least 0.040 "$name"
holds "and the connection another: $connect" at_least 0.080 "$connect"
got=$(netem delay 20ms -- dig +tries=1 www.example.test |
	sed -n 's/^;; Query time: \([0-9]*\) msec/\1/p')
holds "to dig as well: $got" at_least 40 "$got"
status "loss 100%: no connection" 28 netem loss 100% -- curl -4 -sS --max-time 1 "http://$WEB4/"
status "down loss 100%: none either" 28 \
	netem down loss 100% -- curl -4 -sS --max-time 1 "http://$WEB4/"
status "loss 100%: no name" 9 \
	netem loss 100% -- dig +short +tries=1 +time=1 www.example.test
head -c 1000000 /dev/zero | tr '\0' x >"$T/www/big"
equal "a megabyte comes through losses whole" \
	"$(netem loss 2% delay 2ms -- curl -4 -sS --max-time 60 http://www.example.test/big | sha256sum)" \
	"$(sha256sum <"$T/www/big")"
leak_check "nothing left of all these" "$T/before"

# ---- one that stays

check "add" choppy add --backend netem a delay 20ms
equal "show names backend, uplink, condition" \
	"$(of a '"\(.backend), \(.uplink), \(.condition.text)"')" "netem, nat, delay 20ms each way"
equal "forwarding on the uplink's device" "$(forwarding)" 1
matches "a qdisc in the node" "$(choppy exec a -- tc qdisc show dev eth0)" '^qdisc netem .* delay 20ms'
matches "and one on the host" "$(tc qdisc show dev ch-a)" '^qdisc netem .* delay 20ms'
equal "exec reaches outside" "$(choppy exec a -- bash -c web)" "$page"
holds "counters show it" [ "$(of a .counters.down.packets)" -ge 4 ]
address=$(node4 a)
holds "conntrack knows the connection" [ "$(conntrack_of "$address")" -gt 0 ]
check "set" choppy set a delay 50ms
got=$(rtt choppy exec a --)
holds "the change is felt: $got" at_least 100 "$got"
check "set loss 100%" choppy set a up loss 100%
status "nothing gets through" 28 choppy exec a -- curl -4 -sS --max-time 1 "http://$WEB4/"
check "set loss 0%" choppy set a up loss 0%
equal "all is well again" "$(choppy exec a -- bash -c web)" "$page"
status "what netem cannot do is refused" 1 choppy set a mtu 1400
matches "by its name" "$(cat "$T/err")" 'netem cannot do mtu'
check "a second one" choppy add --backend netem b loss 1%
check "and one with the engine" choppy add c delay 1ms
equal "all reach outside" "$(for lab in a b c; do choppy exec $lab -- bash -c web; done)" \
	"$page"$'\n'"$page"$'\n'"$page"
check "del" choppy del a
equal "conntrack has forgotten it" "$(conntrack_of "$address")" 0
equal "forwarding stays for the others" "$(forwarding)" 1
keeper=$(of b .keeper)
kill -9 "$keeper"
wait_until gone "$keeper"
equal "the last still reaches outside" "$(choppy exec c -- bash -c web)" "$page"
check "del the last" choppy del c
leak_check "nothing left of del and SIGKILL" "$T/before"

# ---- published ports

check "add --publish" choppy add --backend netem --publish 8080:80 pub delay 20ms
choppy exec pub -- python3 -m http.server --directory "$T/www" --bind 0.0.0.0 80 >/dev/null 2>&1 &
server=$!
wait_until choppy exec pub -- bash -c 'exec 3<>/dev/tcp/127.0.0.1/80'
equal "a published port, from outside" \
	"$(outside curl -sS --max-time 30 http://$HOST4:8080/)" "$page"
got=$(curl -sS --max-time 30 -o /dev/null -w '%{time_total}' http://127.0.0.1:8080/)
holds "is behind the link too: $got" at_least 0.040 "$got"
check "del it" choppy del pub
wait "$server" 2>/dev/null
leak_check "published: nothing left" "$T/before"

finish
