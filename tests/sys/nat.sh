#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The uplink nat and its DNS: out by name, beside other resolvers, other labs and other
# firewalls, and back to where the host was.
. "$(dirname "$0")/lib.sh"
fake_host
outside_up
snapshot "$T/before"
forwarding() { cat "/proc/sys/net/ipv4/conf/$WAN/forwarding"; }
web() { curl -4 -sS --max-time 5 http://www.example.test/; }
export -f web
get() { choppy exec "$1" -- curl -4 -sS --max-time 5 http://www.example.test/; } # LAB
page="hello from outside"

# ---- out by name

equal "reach outside by name" "$(choppy run -- bash -c web)" "$page"
matches "with the host's address" "$(tail -n 1 "$T/http.log")" "$HOST4"
equal "DNS over UDP" "$(choppy run -- dig +short +tries=1 www.example.test)" $WEB4
equal "DNS over TCP" "$(choppy run -- dig +tcp +short +tries=1 www.example.test)" $WEB4
equal "AAAA" "$(choppy run -- dig +short +tries=1 www.example.test AAAA)" $WEB6
matches "an answer too large for UDP comes over TCP" \
	"$(choppy run -- dig +bufsize=512 +short +tries=1 big.example.test TXT)" 'ffff'
matches "a name that does not exist" \
	"$(choppy run -- dig +tries=1 no.example.test)" 'status: NXDOMAIN'
resolv=$(choppy run --addr 10.1.1.0/31 -- cat /etc/resolv.conf)
matches "resolv.conf names the gateway" "$resolv" '^nameserver 10\.1\.1\.0$'
equal "getent finds it" \
	"$(choppy run -- getent ahostsv4 www.example.test | awk 'NR == 1 { print $1 }')" $WEB4
equal "through a lossy link too" "$(choppy run --seed 3 loss 5% delay 2ms -- bash -c web)" "$page"
if [ -e "/proc/sys/net/ipv6/conf/$WAN/force_forwarding" ]; then
	equal "IPv6 is forwarded" \
		"$(choppy run -- curl -6 -sS --max-time 5 http://www.example.test/)" "$page"
else
	status "IPv6 is unreachable at once" 7 \
		choppy run -- curl -6 -sS --max-time 5 "http://[$WEB6]/"
	matches "and a line says why" "$(choppy run -v -- true 2>&1)" 'IPv6'
fi
leak_check "nothing left of eleven labs" "$T/before"

# ---- none stops at the gateway

check "none: the gateway answers" choppy run --uplink none -- ping -n -c 1 -W 2 gateway
status "none: nothing beyond" 7 \
	choppy run --uplink none -- curl -sS --max-time 5 "http://$WEB4/"
holds "none: no other address of the host either" \
	eval '! choppy run --uplink none -- ping -n -c 1 -W 1 $HOST4 >/dev/null 2>&1'
holds "none: no name" \
	eval '! choppy run --uplink none -- getent hosts www.example.test >/dev/null'
leak_check "none: nothing left" "$T/before"

# ---- what is switched on the host

equal "before: no forwarding" "$(forwarding)" 0
ip_forward=$(cat /proc/sys/net/ipv4/ip_forward)
check "add a" choppy add a
equal "forwarding on the uplink's device" "$(forwarding)" 1
equal "ip_forward is not touched" "$(cat /proc/sys/net/ipv4/ip_forward)" "$ip_forward"
equal "nor all/forwarding of IPv6" "$(cat /proc/sys/net/ipv6/conf/all/forwarding)" 0
matches "the table says whose it is" "$(nft list tables)" 'choppy'
get a >/dev/null
address=$(node4 a)
holds "conntrack knows the connection" [ "$(conntrack_of "$address")" -gt 0 ]
check "del a" choppy del a
equal "conntrack has forgotten it" "$(conntrack_of "$address")" 0
leak_check "all as before" "$T/before"

# ---- two labs, ended in both orders and by SIGKILL

end_by_del() { choppy del "$1"; }
end_by_kill() {
	local keeper
	keeper=$(of "$1" .keeper)
	kill -9 "$keeper"
	wait_until gone "$keeper"
}
for order in "a b" "b a"; do
	for end in end_by_del end_by_kill; do
		read -r first second <<<"$order"
		choppy add a && choppy add b
		equal "$end $order: both reach outside" "$(get a) $(get b)" "$page $page"
		holds "$end $order: addresses differ" [ "$(node4 a)" != "$(node4 b)" ]
		address=$(node4 "$first")
		"$end" "$first"
		wait_until [ "$(conntrack_of "$address")" -eq 0 ]
		equal "$end $order: the first leaves no connection" "$(conntrack_of "$address")" 0
		equal "$end $order: forwarding stays for the second" "$(forwarding)" 1
		equal "$end $order: the second still reaches outside" "$(get "$second")" "$page"
		"$end" "$second"
		leak_check "$end $order: all as before" "$T/before"
	done
done

# ---- forwarding that was on stays on

echo 1 >"/proc/sys/net/ipv4/conf/$WAN/forwarding"
equal "a host that forwards" "$(choppy run -- bash -c web)" "$page"
equal "still does" "$(forwarding)" 1
echo 0 >"/proc/sys/net/ipv4/conf/$WAN/forwarding"

# ---- the addresses at which clouds tell credentials (RFC 3927)

cp "$ROOT/tests/sys/talk.py" "$T/talk.py"
outside ip addr add 169.254.169.254/32 dev lo
ip route add 169.254.169.254 via 198.51.100.1
reach() { python3 "$T/talk.py" connect "$1" 80; }
equal "the host has them" "$(reach 169.254.169.254)" connected
equal "the node has not" "$(choppy run -- python3 "$T/talk.py" connect 169.254.169.254 80)" EHOSTUNREACH
equal "unless it is allowed the host's" \
	"$(choppy run --allow-host -- python3 "$T/talk.py" connect 169.254.169.254 80)" connected
ip route del 169.254.169.254

python3 -m http.server --directory "$T/www" --bind 127.0.0.1 8000 >/dev/null 2>&1 &
loopback_pid=$!
disown -a
wait_port 127.0.0.1 8000
equal "the host's loopback is closed" "$(choppy run -- getent hosts host.choppy.internal)" ""
equal "unless it is allowed, and then it has a name" \
	"$(choppy run --allow-host -- curl -4 -sS --max-time 5 http://host.choppy.internal:8000/)" "$page"
kill $loopback_pid

# ---- published ports

server='import http.server, os
class H(http.server.BaseHTTPRequestHandler):
	def do_GET(self):
		self.send_response(200); self.end_headers(); self.wfile.write(b"from the node\n")
	def log_message(self, *a): pass
	def address_string(self): return ""
s = http.server.HTTPServer.__new__(http.server.HTTPServer)
import socketserver
socketserver.TCPServer.__init__(s, ("0.0.0.0", 80), H)
s.serve_forever()'
choppy add pub --publish 8080:80
choppy exec pub -- python3 -c "$server" &
server_pid=$!
wait_until choppy exec pub -- bash -c 'exec 3<>/dev/tcp/127.0.0.1/80'
equal "a published port on 127.0.0.1" \
	"$(curl -sS --max-time 5 http://127.0.0.1:8080/)" "from the node"
equal "on the host's address, from outside" \
	"$(outside curl -sS --max-time 5 http://$HOST4:8080/)" "from the node"
refused "a port that is taken" 1 '8080' choppy add pub2 --publish 8080:80
refused "the same for run" 125 '8080' choppy run --publish 8080:80 -- true
refused "a bad port" 2 'publish' choppy run --publish 70000:80 -- true
choppy del pub
wait "$server_pid" 2>/dev/null
leak_check "published: nothing left" "$T/before"

# ---- beside a resolver that holds port 53 on every address

host_dnsmasq
snapshot "$T/before-dns"
equal "beside 0.0.0.0:53: UDP" "$(choppy run -- dig +short +tries=1 www.example.test)" $WEB4
equal "beside 0.0.0.0:53: TCP" "$(choppy run -- dig +tcp +short +tries=1 www.example.test)" $WEB4
equal "beside 0.0.0.0:53: out by name" "$(choppy run -- bash -c web)" "$page"
matches "it was asked through the host's own resolver" "$(cat "$T/host-dns.log")" 'from 127\.0\.0\.1'
equal "and is not disturbed" "$(dig +short +tries=1 www.example.test)" $WEB4
leak_check "beside 0.0.0.0:53: nothing left" "$T/before-dns"

# ---- a firewall that drops what is forwarded

iptables -P FORWARD DROP
said=$(choppy run -- true 2>&1)
matches "FORWARD drop is explained" "$said" 'FORWARD'
holds "and does not get through" eval '! choppy run -- bash -c web >/dev/null 2>&1'
choppy add fw 2>"$T/err"
rule=$(grep -oE "(iptables|nft) .*" "$T/err" | head -n 1)
matches "the line has the rule to add" "$rule" '"ch-\*"'
holds "the rule can be typed" eval "$rule"
equal "and lets it through" "$(get fw)" "$page"
choppy del fw
iptables -F FORWARD
iptables -P FORWARD ACCEPT

finish
