#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The page of commands that `choppy run -- COMMAND` stands for, typed by hand:
#
#	bench/classic.sh WAN COMMAND...
set -e
wan=$1
shift
forward=$(cat /proc/sys/net/ipv4/ip_forward)
ip netns add blue
ip link add veth-host type veth peer name veth-blue
ip link set veth-blue netns blue
ip addr add 10.1.1.0/31 dev veth-host
ip link set veth-host up
ip netns exec blue ip addr add 10.1.1.1/31 dev veth-blue
ip netns exec blue ip link set veth-blue up
ip netns exec blue ip link set lo up
ip netns exec blue ip route add default via 10.1.1.0
sysctl_forward() { echo "$1" >/proc/sys/net/ipv4/ip_forward; }
sysctl_forward 1
iptables -t nat -A POSTROUTING -s 10.1.1.0/31 -o "$wan" -j MASQUERADE
status=0
ip netns exec blue "$@" || status=$?
iptables -t nat -D POSTROUTING -s 10.1.1.0/31 -o "$wan" -j MASQUERADE
sysctl_forward "$forward"
ip link del veth-host
ip netns del blue
exit $status
