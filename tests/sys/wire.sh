#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Wire packets as others see them: TCP with ECN and selective acknowledgement, and UDP super-packets,
# over IPv4, IPv6 and, where the kernel has it, a VLAN, both ways, through a link that loses. What arrives is captured
# behind the kernel's cutting and read by tshark: nothing is malformed, no checksum is wrong,
# IPv4 ids are in step, and the kernel's counts of bad packets stay at zero.
. "$(dirname "$0")/lib.sh"
fake_host

cat >"$T/wire.py" <<'END'
# wire.py tcp|udp take|give ADDRESS: one end of a transfer. wire.py ids: what a capture says of it.
import collections, random, socket, struct, sys

SIZE = 1400  # of the payload of a wire packet
SUPERS, SEGMENTS = 60, 30  # UDP super-packets, and full segments in each; a short one follows
TCP_MB = 6
pattern = random.Random(7).randbytes(1 << 20)


def body(sup, seg):
    n = SIZE if seg < SEGMENTS else 333
    at = (sup * 977 + seg * 13) % (len(pattern) - SIZE)
    return struct.pack('!II', sup, seg) + pattern[at:at + n - 8]


def tcp_take(family, address):
    s = socket.create_server((address, 40001), family=family)
    print('ready', flush=True)
    c, _ = s.accept()
    got, twice = 0, pattern + pattern
    while block := c.recv(1 << 16):
        at = got % len(pattern)
        if block != twice[at:at + len(block)]:
            sys.exit('other bytes near %d' % got)
        got += len(block)
    c.sendall(b'.')
    print('whole' if got == TCP_MB << 20 else 'only %d bytes' % got)


def tcp_give(family, address):
    s = socket.create_connection((address, 40001), timeout=60)
    for _ in range(TCP_MB):
        s.sendall(pattern)
    s.shutdown(socket.SHUT_WR)
    s.recv(1)


def udp_take(family, address):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    s.bind((address, 40002))
    s.settimeout(60)
    print('ready', flush=True)
    got, last = 0, (-1, -1)
    while True:
        data, giver = s.recvfrom(2000)
        if data == b'end':
            break
        here = struct.unpack('!II', data[:8])
        if here <= last or data != body(*here):
            sys.exit('after %s comes %s with %d bytes' % (last, here, len(data)))
        got, last = got + 1, here
    s.sendto(b'got', giver)
    total = SUPERS * (SEGMENTS + 1)
    print(got if total * 9 // 10 < got < total else '%d of %d' % (got, total))


def udp_give(family, address):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_UDP, 103, SIZE)  # UDP_SEGMENT
    s.connect((address, 40002))
    for sup in range(SUPERS):
        s.send(b''.join(body(sup, seg) for seg in range(SEGMENTS + 1)))
    # One end at a time: whatever the other refuses must find this socket, or the kernel counts it as an error.
    s.settimeout(2)
    for _ in range(30):
        try:
            s.send(b'end')
            s.recv(10)
            return
        except TimeoutError:
            pass
        except ConnectionRefusedError:
            return  # it has come, and the answer was lost


# Lines of IPv4 id and payload on stdin. A super-packet's segments count up from its id.
def ids():
    bases = collections.defaultdict(set)
    for line in sys.stdin:
        ident, payload = line.split()
        if len(payload) > 16:
            sup, seg = struct.unpack('!II', bytes.fromhex(payload[:16]))
            bases[sup].add((int(ident, 0) - seg) & 0xffff)
    odd = [sup for sup, found in bases.items() if len(found) > 1]
    print('out of step in %s' % odd if odd else '%d in step' % len(bases))


if sys.argv[1] == 'ids':
    ids()
else:
    kind, role, address = sys.argv[1:]
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    globals()[kind + '_' + role](family, address)
END

# ---- the link

choppy add --uplink none --seed 3 blue loss 2% >"$T/out" || exit
keeper=$(of blue .keeper) init=$(of blue .init)
node() { nsenter --net="/proc/$init/ns/net" -- "$@"; }
host() { "$@"; }

# The engine's namespace has no name, but the keeper a descriptor of it.
for fd in "/proc/$keeper/fd/"*; do
	[[ $(readlink "$fd") == net:* ]] && nsenter --net="$fd" ip link show gateway >"$T/out" 2>&1 && break
done
for device in node gateway; do # so that the kernel cuts and counts checksums before we look
	check "offloads off at the engine's $device" nsenter --net="$fd" ethtool -K $device tx off sg off tso off
done
for where in node host; do
	$where sysctl -qw net.ipv4.tcp_ecn=1 net.ipv4.tcp_sack=1
done
add_vlan() { # WHERE DEVICE ADDRESS
	$1 ip link add link "$2" name tagged type vlan id 7 &&
		$1 ip addr add "$3/24" dev tagged &&
		$1 ip link set tagged up
}
networks=(ipv4 ipv6)
if add_vlan node eth0 10.7.7.2 2>"$T/err" && add_vlan host ch-blue 10.7.7.1; then
	networks+=(vlan)
fi

# ---- the capture: only what came over the link, in a file for each direction

capture() { # DIRECTION WHERE DEVICE MAC-OF-THE-OTHER-END
	$2 dumpcap -q -B 64 -i "$3" -f "ether src $4" -w "$T/$1.pcapng" 2>"$T/$1.log" &
	dumpcaps+=($!)
	wait_until grep -q '^File:' "$T/$1.log"
}
dumpcaps=()
mac() { # WHERE DEVICE
	$1 ip -j link show "$2" | jq -r '.[0].address'
}
capture up host ch-blue "$(mac node eth0)"
capture down node eth0 "$(mac host ch-blue)"

# ---- transfers

# transfer DIRECTION tcp|udp ADDRESS: what the taker has to say is left in $T/taken.
transfer() {
	local taker giver
	[ "$1" = up ] && taker=host giver=node || taker=node giver=host
	: >"$T/taken"
	$taker python3 "$T/wire.py" "$2" take "$3" >"$T/taken" 2>&1 &
	wait_until grep -q ready "$T/taken" || return
	$giver python3 "$T/wire.py" "$2" give "$3" >"$T/err" 2>&1
	wait $!
}
address() { # of DIRECTION's end, FAMILY
	case $1$2 in
	up-vlan) echo 10.7.7.1 ;;
	down-vlan) echo 10.7.7.2 ;;
	up-*) of blue ".ip${2#-ip}.gateway" | sed 's,/.*,,' ;;
	down-*) of blue ".ip${2#-ip}.node" | sed 's,/.*,,' ;;
	esac
}
declare -A datagrams # that the program got
for direction in up down; do
	for over in "${networks[@]}"; do
		to=$(address $direction -$over)
		transfer $direction tcp "$to"
		equal "$direction, $over: TCP arrives whole" "$(tail -n +2 "$T/taken")" whole
		transfer $direction udp "$to"
		matches "$direction, $over: UDP arrives in order, each as sent" "$(tail -n +2 "$T/taken")" '^[0-9]+$'
		datagrams[$direction-$over]=$(tail -n 1 "$T/taken")
	done
done
choppy show --json blue >"$T/show"
# TCP makes its super-packets as large as its pace at the moment has them, so the bounds are what the
# datagrams alone bring: SUPERS * SEGMENTS over each of IPv4 and IPv6. One lost packet is one frame
# less where it came alone, and leaves up to two pieces where it came with others.
for direction in up down; do
	holds "$direction: super-packets were cut at losses" jq -e ".counters.$direction |
		.packets - .frames_in >= 2 * 60 * 30 and
		.frames_out + .dropped.loss > .frames_in and
		.frames_out < .packets - .dropped.loss and .dropped.loss > 0" "$T/show" >"$T/out"
done

# ---- what tshark says

kill -TERM "${dumpcaps[@]}" # a shell's background jobs do not hear SIGINT
wait "${dumpcaps[@]}"
strict=(-o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE)
of_capture() { # DIRECTION FILTER [FIELD...]
	tshark -n -r "$T/$1.pcapng" "${strict[@]}" -Y "$2" "${@:3}" 2>"$T/err"
}
# The kernel sends a TCP checksum of 0 as 0xffff, the same number, which tshark does not take.
for direction in up down; do
	holds "$direction: all of TCP was seen" \
		[ "$(of_capture $direction 'tcp.dstport == 40001 && tcp.len > 0' | wc -l)" -gt $((${#networks[@]} * 4300)) ]
	matches "$direction: with ECN and selective acknowledgements" "$(of_capture $direction \
		'(ip.dsfield.ecn || ipv6.tclass.ecn) && tcp.len > 0' | wc -l) $(of_capture $direction tcp.options.sack_le | wc -l)" \
		'^[1-9][0-9]* [1-9]'
	equal "$direction: nothing is malformed" "$(of_capture $direction _ws.malformed | head -n 3)" ""
	equal "$direction: no checksum is wrong" "$(of_capture $direction 'ip.checksum.status == "Bad" ||
		(tcp.checksum.status == "Bad" && tcp.checksum != 0xffff) || udp.checksum.status == "Bad" ||
		icmp.checksum.status == "Bad" || icmpv6.checksum.status == "Bad"' | head -n 3)" ""
	equal "$direction: none is left unverified" "$(of_capture $direction '(ip && ip.checksum.status != "Good") ||
		(tcp && tcp.checksum != 0xffff && tcp.checksum.status != "Good") || (udp && udp.checksum.status != "Good")' | head -n 3)" ""
	equal "$direction: every frame is a wire packet" \
		"$(of_capture $direction 'frame.len > 1518 || (!vlan && frame.len > 1514)' | head -n 3)" ""
	equal "$direction: lengths agree with the frame's" \
		"$(of_capture $direction 'ip && !vlan && ip.len + 14 != frame.len' | head -n 3)" ""
	for over in "${networks[@]}"; do
		[ $over = ipv6 ] && ip=ipv6 || ip=ip
		of_capture $direction "udp.dstport == 40002 && udp.length > 11 &&
			$ip.dst == $(address $direction -$over)" \
			-T fields -e ip.id -e udp.payload >"$T/udp"
		equal "$direction, $over: the program got what was on the wire" \
			"${datagrams[$direction-$over]}" "$(wc -l <"$T/udp")"
		[ $ip = ipv6 ] || equal "$direction, $over: IPv4 ids are in step" \
			"$(python3 "$T/wire.py" ids <"$T/udp")" "60 in step"
	done
done

# ---- what the kernels say

bad() { # WHERE: counters of packets that were not as they should be
	$1 nstat -asz | awk '/(InErrors|InErrs|InHdrErrors|InCsumErrors|InTruncatedPkts|InAddrErrors)/ && $2 > 0'
}
equal "the host's kernel found nothing wrong" "$(bad host)" ""
equal "nor did the node's" "$(bad node)" ""
choppy del blue
finish
