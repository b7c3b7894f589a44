#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Labs of many nodes, out of files: addresses, names and routes between them, conditions on their links,
# what runs on them, the way out; what is wrong with a file is told before anything is made.
. "$(dirname "$0")/lib.sh"
fake_host
outside_up
page="hello from outside"
snapshot "$T/before"

cat >"$T/shop.yaml" <<-END
	seed: 7
	nodes:
	  web: {command: [python3, -m, http.server, "80", --directory, $T/www], env: {A: b}}
	  db: {command: 'hostname; echo "\$A"; exec sleep 1000', env: {A: it is set}}
	  once: {command: exit 3}
	  r1: router
	  r2: router
	links:
	  - web -- r1: delay 5ms
	  - r1 -- r2: {name: trunk, addr: {r1: 192.168.77.1/30}, r1>r2: delay 30ms}
	  - db -- r2
	  - once -- r2: loss 100%
	lan: {office: ["pc[1-3]", r2]}
	uplink: {node: r1, condition: delay 1ms}
END

# ---- what the file says

equal "check" "$(choppy check "$T/shop.yaml")" "$T/shop.yaml: lab shop, 9 nodes, 8 links"
equal "up" "$(choppy up "$T/shop.yaml")" "shop: 9 nodes, 8 links, seed 7"
matches "show" "$(choppy show shop)" 'nodes +9, joined by 8 links'
equal "the only lab needs no name" "$(choppy show | head -n 1)" "$(choppy show shop | head -n 1)"
refused "a node is no link" 1 "r1 is a node, not a link; its links: web-r1, trunk" choppy show r1
equal "as JSON" "$(of shop '"\(.nodes) \(.links)"')" "9 8"
refused "twice" 1 "shop is running already" choppy up "$T/shop.yaml"
for v in 4 6; do
	check "IPv$v across a switch and two routers" choppy exec pc1 -- ping -$v -n -c 2 -i 0.05 -W 5 web
	check "IPv$v between two of the switch" choppy exec pc1 -- ping -$v -n -c 1 -W 5 pc3
done
equal "an address of the file" "$(choppy exec r1 -- ip -4 -o addr show to 192.168.77.0/30 |
	awk '{ print $4 }') $(choppy exec r2 -- ip -4 -o addr show to 192.168.77.0/30 | awk '{ print $4 }')" \
	"192.168.77.1/30 192.168.77.2/30"
equal "a host needs one route" "$(choppy exec pc1 -- ip -4 route show default | wc -l)" 1
equal "a host passes nothing on" "$(choppy exec pc1 -- cat /proc/sys/net/ipv4/ip_forward)" 0
status "a link that loses all" 1 choppy exec pc1 -- ping -n -c 2 -i 0.05 -W 0.3 once
# 5 ms each way, and 30 ms one way; what the machine adds only makes it more.
least=$(choppy exec db -- ping -n -c 5 -i 0.05 -W 5 web | sed -n 's,.*min/avg/max/mdev = \([0-9]*\).*,\1,p')
holds "the delays add up: $least ms" [ "$least" -ge 40 ]
wait_until eval 'choppy ls shop | grep -q "ended with status 3"'
equal "the nodes, and what runs on them" "$(choppy ls shop | awk '{ print $1, $2, $4, $5, $6, $7 }' | head -n 4 | tr -s ' ' | tr '\n' ';')" \
	"NODE KIND COMMAND ;web host running ;db host running ;once host ended with status 3;"
equal "as JSON" "$(choppy ls shop --json | jq -r '.[] | select(.name == "r1") | "\(.kind) \(.ipv4 != null) \(.command)"')" \
	"router true null"
refused "of a lab that is not there" 1 "there is no lab 'shap'" choppy ls shap
equal "the name of the host is the node's" "$(choppy exec pc1 -- hostname) $(choppy exec shop/db -- hostname)" "pc1 db"
ipcs -m >"$T/ipcs"
check "shared memory of System V" choppy exec web -- ipcmk -M 56
equal "is the lab's" "$(choppy exec db -- ipcs -m | grep -c ' 56 ') $(diff "$T/ipcs" <(ipcs -m) && echo same)" "1 same"
equal "a shell" "$(SHELL=/bin/sh choppy sh db <<<'hostname -I | wc -w')" 2
equal "a name for each node" "$(choppy exec shop/db -- getent hosts web db pc2 | wc -l)" 3

# ---- what runs

equal "a page of a node" "$(choppy exec pc2 -- curl -sS http://web/)" "$page"
wait_until eval '[ "$(choppy logs db | wc -l)" -eq 2 ]'
equal "logs: the node's own name, and its environment" "$(choppy logs db | tr '\n' ' ')" "db it is set "
matches "logs of a lab's node" "$(choppy logs shop/web; choppy exec pc1 -- curl -sS http://web/x >/dev/null; choppy logs web)" '404'
matches "what ended is told" "$(choppy show shop)" 'the command of once ended with status 3: choppy logs shop/once'
refused "no command, no log" 1 "nothing runs on pc1" choppy logs pc1

# ---- the way out

for n in r1 pc1 db; do
	equal "$n reaches outside, by name" "$(choppy exec $n -- curl -4 -sS --max-time 10 http://www.example.test/)" "$page"
done

# ---- where commands run

mkdir -p "$T/beside/deeper"
for dir in "$T/beside" "$T/beside/deeper"; do
	printf '#!/bin/sh\necho "hello from $PWD"\n' >"$dir/hello"
	chmod 755 "$dir/hello"
done
cat >"$T/beside/beside.yaml" <<-END
	include: deeper/more.yaml
	nodes: {here: {command: [./hello], ready: file hello}}
	lan: [here, there, bare]
	expect:
	  - node here says 'hello from $T/beside'
	  - node there says 'hello from $T/beside/deeper'
	  - run there ./hello prints 'hello from $T/beside/deeper'
	  - run bare ./hello prints 'hello from $T/beside'
	  - within 60s after ready: node here exits 0
END
echo "nodes: {there: {command: ./hello, ready: command ./hello}}" >"$T/beside/deeper/more.yaml"
check "commands and questions begin where their file is" choppy test "$T/beside/beside.yaml"

# ---- what is expected

cat >"$T/never.yaml" <<-END
	nodes:
	  server: {command: 'echo no server here >&2; exit 77', ready: 80}
	  c[1-3]: {command: exit 4}
	lan: [server, "c[1-3]"]
	timeline:
	  - at 1s after ready: mark later
	expect:
	  - within 5s after ready: tcp server:80 answers from c[1-2]
	  - at 1s after later: node server runs
	  - node c[1-3] exits 4
END
status "a command that failed before its node was ready is waited for no more" 1 \
	choppy test "$T/never.yaml" --timeout 20s
result=$(cat "$T/out")
equal "what counts from that does not hold" "$(grep -c '^not ok .* after' <<<"$result")" 3
equal "and says why" \
	"$(grep -cF 'the command of server ended with status 77: no server here' <<<"$result")" 3
equal "each node of a pattern" "$(grep '^ok' <<<"$result" | cut -d ' ' -f 3- | tr '\n' ' ')" \
	"- node c1 exits 4 - node c2 exits 4 - node c3 exits 4 "
sed 's/exits 4/exit 4/; s/c\[1-2\]/c[1-4]/' "$T/never.yaml" >"$T/bad.yaml"
choppy check "$T/bad.yaml" >"$T/out" 2>"$T/err"
equal "what is wrong with a pattern is told once" "$(grep -c '^/' "$T/err")" 2
matches "a node of it that is not there" "$(cat "$T/err")" "bad.yaml:8:28: there is no node 'c4'"

# ---- names

refused "no such node" 125 "no lab 'nobody', and no node of any lab" choppy exec nobody -- true
refused "nor in that lab" 125 "there is no node 'wep'; is it 'web'?" choppy exec shop/wep -- true
check "a second lab of that file" choppy up "$T/shop.yaml" --name second --uplink none
refused "then a node alone is not enough" 125 "web is a node of .* and of .*: say which" choppy exec web -- true
check "with its lab it is" choppy exec second/web -- true
check "they do not disturb each other" choppy exec second/pc1 -- ping -n -c 1 -W 5 web
status "and do not reach each other" 1 choppy exec second/pc1 -- ping -n -c 1 -W 0.5 \
	"$(choppy exec shop/pc1 -- getent ahostsv4 web | awk 'NR == 1 { print $1 }')"
refused "which is to go down?" 1 "2 labs that are up" choppy down
check "down, by name" choppy down second
check "down, the one that is left" choppy down
refused "none is left" 1 "no lab is up" choppy down
leak_check "nothing is left" "$T/before"

# ---- names as long as they may be

long=$(printf 'n%.0s' {1..63})
echo "links: [a -- $long]
nodes: [a, $long]" >"$T/long.yaml"
check "a node of 63 letters" choppy up "$T/long.yaml"
check "is entered by its name" choppy exec "$long" -- ping -n -c 1 -W 5 a
refused "one letter more" 125 "and no node of any lab is called so" choppy exec "${long}n" -- true
choppy down

# ---- shapes

cat >"$T/shapes.yaml" <<-END
	fat-tree: 4
	ring: {r: ["x[1-5]"]}
	dumbbell: {neck: {left: [l1, l2], right: [e1, e2], condition: delay 1ms}}
	mesh: [m1, m2, m3]
END
equal "shapes" "$(choppy up "$T/shapes.yaml" --seed 1)" "shapes: 50 nodes, 61 links, seed 1"
for pair in "h1 h16" "x1 x3" "l1 e2" "m1 m3" "m3 m2"; do
	# shellcheck disable=SC2086 # two names
	set -- $pair
	check "$1 to $2" choppy exec "$1" -- ping -n -c 1 -W 5 "$2"
done
refused "a lab without uplink has no condition of its own" 1 "shapes has no uplink" choppy set shapes loss 5%
matches "nor a device to show" "$(choppy show shapes | grep -c device)" '^0$'
# engine_ns PID: the engine's namespace, which that keeper holds, as our descriptor 7.
engine_ns() {
	local fd
	for fd in "/proc/$1/fd/"*; do
		case $(readlink "$fd") in
		net:*) nsenter --net="$fd" ip link show l0a >/dev/null 2>&1 && exec 7<"$fd" && return ;;
		esac
	done
	return 1
}
ports() {
	nsenter --net=/proc/self/fd/7 grep -c ' 3 ' /proc/net/packet
}
holds "the engine's namespace" engine_ns "$(of shapes .keeper)"
equal "two ports a link" "$(ports)" 122
check "down again" choppy down
equal "the ports of many links are closed by then" "$(ports)" 0
exec 7<&-
refused "nor can it have an uplink by option" 2 "no node of shapes has an uplink" \
	choppy up "$T/shapes.yaml" --uplink relay
leak_check "nothing is left of the shapes" "$T/before"

# ---- many

echo 'star: {hub: ["h[1-400]"]}' >"$T/wide-star.yaml"
check "a star of 400" choppy up "$T/wide-star.yaml"
for pair in "h1 h400" "h399 h2"; do
	# shellcheck disable=SC2086 # two names
	set -- $pair
	check "the first packet passes in it: $1 to $2" choppy exec "$1" -- ping -n -4 -c 1 -W 5 "$2"
done
check "down with it" choppy down
echo 'lan: ["h[1-1000]"]' >"$T/wide-lan.yaml"
check "1000 on a switch" choppy up "$T/wide-lan.yaml"
check "the first packet passes there: h1 to h1000" choppy exec h1 -- ping -n -4 -c 1 -W 5 h1000
equal "what is said of multicast groups is said again after a second, as ever" \
	"$(choppy exec h7 -- cat /proc/sys/net/ipv6/conf/eth0/mldv2_unsolicited_report_interval)" 1000
check "down with them" choppy down
leak_check "nothing is left of them" "$T/before"

# ---- what is refused, before anything is made

cat >"$T/bad.yaml" <<-END
	nodes: {a: hots, b: , 'c[1-2]': }
	links:
	  - a -- x
	  - b -- c[1-2]: los 5%
	uplnk: a
END
choppy up "$T/bad.yaml" >"$T/out" 2>"$T/err"
equal "a file with mistakes: status" $? 2
for what in "bad.yaml:1:12: 'hots' is no kind of node" "bad.yaml:3:5: there is no node 'x'" \
	"bad.yaml:4:18: " "bad.yaml:5:1: there is no key 'uplnk' here; is it 'uplink'"; do
	matches "each is told: $what" "$(cat "$T/err")" "$what"
done
status "check says so, too" 1 choppy check "$T/bad.yaml"
echo "nodes: [any, a]" >"$T/word.yaml"
status "a word of actions is no name" 1 choppy check "$T/word.yaml"
matches "and told" "$(cat "$T/err")" "word.yaml:1:9: 'any' cannot be the name of a node"
refused "no such file" 1 "No such file" choppy up "$T/none.yaml"
echo "lan: ['h[1-2000]']" >"$T/wide.yaml"
choppy up "$T/wide.yaml" >"$T/out" 2>"$T/err"
matches "a switch that is too wide" "$(cat "$T/err")" 'use two switches, and join them'
echo "lan: ['h[1-600]']" >"$T/many.yaml"
refused "too few descriptors" 77 'RLIMIT_NOFILE allows 200' bash -c "ulimit -Sn 100; ulimit -Hn 200; choppy up '$T/many.yaml'"
echo "nodes: {a: {command: 'true', user: nobody}}" >"$T/user.yaml"
as_root || refused "another user" 77 'node a: .* use sudo' choppy up "$T/user.yaml"
leak_check "nothing was made" "$T/before"

# ---- killed

check "up once more" choppy up "$T/shop.yaml"
kill -9 "$(of shop .keeper)"
no_process() { ! grep -qs '^choppy' /proc/[0-9]*/comm; }
check "all of it ends with its keeper" wait_until no_process
leak_check "nothing is left of it" "$T/before"

finish
