#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What leaves a link is right to others than choppy: the kernel cuts it on a device without offloads, and
# tshark takes the wire packets apart (a TCP checksum of 0 is sent as 0xffff, which it does not like): no
# bad checksum, nothing malformed, and no error in the
# receiver's own counters. TCP with ECN and SACK, UDP with segmentation offload, IPv4 and IPv6.
. "$(dirname "$0")/lib.sh"
fake_host
outside_up
ethtool -K "$WAN" tso off gso off tx off tx-udp-segmentation off >&2
outside ethtool -K host0 tx off >&2
sysctl -qw net.ipv4.tcp_ecn=1
outside sysctl -qw net.ipv4.tcp_ecn=1
choppy add --seed 5 w >&2 || not_ok "a namespace to begin with"
choppy exec w -- sysctl -qw net.ipv4.tcp_ecn=1 net.ipv4.tcp_congestion_control=cubic

cat >"$T/peer.py" <<'END'
import socket, sys
def sink(port):
    s = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    open(sys.argv[3], "w").close()
    c, n = s.accept()[0], 0
    while (d := c.recv(1 << 20)):
        n += len(d)
        if d.count(b"x") != len(d):
            sys.exit("wrong bytes")
    print(n)
def source(host, port, n):
    s = socket.create_connection((host, port))
    s.sendall(b"x" * n)
    s.close()
def udp(host, port, n):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_UDP, 103, 1200)  # UDP_SEGMENT
    for i in range(n):  # not connected: nobody listens there, and that is no matter
        s.sendto(bytes([i % 256]) * (1200 * 30 + 500), (host, port))
if sys.argv[1] == "sink":
    sink(int(sys.argv[2]))
elif sys.argv[1] == "source":
    source(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    udp(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
END

errors() { # of the receiver's stack
	outside nstat -asz TcpInCsumErrors TcpInErrs UdpInCsumErrors Udp6InCsumErrors IpInHdrErrors \
		Ip6InHdrErrors Ip6InTruncatedPkts | awk 'NR > 1 { n += $2 } END { print n + 0 }'
}

capture() { # FILE FILTER
	nsenter --net="/proc/$OUTSIDE/ns/net" -- dumpcap -q -i host0 -f "$2" -w "$1" 2>"$T/dumpcap.log" &
	CAPTURE=$!
	wait_until [ -s "$1" ]
}

capture_end() {
	kill -TERM "$CAPTURE" # a shell's background jobs do not hear SIGINT
	wait "$CAPTURE"
}

packets() { # FILE [DISPLAY-FILTER]: how many there are
	tshark -r "$1" ${2:+-Y "$2"} 2>>"$T/tshark.log" | wc -l
}

captured() { # FILE N
	[ "$(packets "$1")" -ge "$2" ]
}

# judge NAME FILE LEAST: at least so many packets came, and none is wrong.
judge() {
	local n bad
	n=$(packets "$2")
	holds "$1: wire packets were seen" [ "$n" -ge "$3" ]
	bad=$(tshark -r "$2" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE \
		-o udp.check_checksum:TRUE -Y 'ip.checksum.status == 0 || (tcp.checksum.status == 0 && tcp.checksum != 0xffff) ||
		udp.checksum.status == 0 || _ws.malformed || frame.len > 1514' 2>>"$T/tshark.log" | wc -l)
	equal "$1: none has a bad checksum, is malformed or too long" "$bad" 0
}

before=$(errors)
# At 20mbit four packets on the way, TCP's least, wait longer than CoDel's target.
for words in "up loss 2%" "up loss 2% duplicate 1% reorder 1% by 3 delay 1ms" "up rate 20mbit limit 200packets queue codel target 1ms interval 5ms ecn"; do
	check "set $words" choppy set w clear $words
	for host in "$WEB4" "$WEB6"; do
		name="TCP to $host, $words"
		rm -f "$T/sink.ready" "$T/tcp.pcap"
		capture "$T/tcp.pcap" "tcp port 5001"
		outside python3 "$T/peer.py" sink 5001 "$T/sink.ready" >"$T/sink.out" 2>&1 &
		sink=$!
		wait_until [ -e "$T/sink.ready" ]
		choppy exec w -- python3 "$T/peer.py" source "$host" 5001 3000000
		wait "$sink"
		equal "$name: every byte arrives" "$(cat "$T/sink.out")" 3000000
		capture_end
		judge "$name" "$T/tcp.pcap" 2000
	done
done
holds "ECN was negotiated, and packets were marked" \
	[ "$(packets "$T/tcp.pcap" 'ip.dsfield.ecn == 3 || ipv6.tclass.ecn == 3')" -gt 0 ]
check "set up loss 5%" choppy set w clear up loss 5%
for host in "$WEB4" "$WEB6"; do
	rm -f "$T/udp.pcap"
	capture "$T/udp.pcap" "udp port 5002"
	lost=$(of w .counters.up.dropped.loss)
	choppy exec w -- python3 "$T/peer.py" udp "$host" 5002 40
	left=$((40 * 31 - $(of w .counters.up.dropped.loss) + lost))
	wait_until captured "$T/udp.pcap" "$left"
	capture_end
	equal "UDP to $host: as many arrived as were not lost" "$(packets "$T/udp.pcap")" "$left"
	judge "UDP with segmentation offload to $host" "$T/udp.pcap" 1000
	n=$(packets "$T/udp.pcap" 'udp.length == 1208')
	holds "UDP to $host: datagrams of the segment's size" [ "$n" -ge 1000 ]
	holds "UDP to $host: some were lost" [ "$left" -le 1220 ]
done
equal "the receiver's stack counts no error" "$(errors)" "$before"
check "the namespace goes" choppy del w
finish
