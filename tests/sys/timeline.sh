#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a lab's file says is done and when, what it expects, when its nodes are ready, and commands
# with such a lab about them.
. "$(dirname "$0")/lib.sh"
fake_host
snapshot "$T/before"
mkdir "$T/pages"
echo "a page" >"$T/pages/index.html"

# ---- a test that holds, and one that does not

cat >"$T/good.yaml" <<-END
	seed: 7
	nodes:
	  web: {command: [python3, -m, http.server, "80", --bind, "::", --directory, $T/pages], ready: 80}
	  client: {command: 'echo hello; exit 3'}
	  other:
	lan: {sw: [web, client, other]}
	timeline:
	  - at 0s after ready: mark begun
	  - at 0s after begun: run other 'echo from the timeline'
	  - at 1s after ready: [cut other web, run other 'echo it is cut']
	expect:
	  - node client exits 3 within 20s
	  - node client says hello
	  - from 1s to 1500ms: node client says hello
	  - node other says 'from the timeline'
	  - run client 'curl -sS http://web/' prints 'a page' within 20s
	  - within 20s: [node web runs, ping other answers from client]
	  - at 2s after ready: tcp web:80 does not answer from other
	  - at 2s after ready: tcp web:80 answers from client
	  - from 0s to 500ms after ready: ping client answers from other
END
check "a test that holds" choppy test "$T/good.yaml" --junit "$T/good.xml"
equal "a line of TAP for each" "$(grep -c '^ok ' "$T/out") $(sed -n 2p "$T/out")" "10 1..10"
equal "JUnit" "$(python3 - "$T/good.xml" <<-END
	import sys, xml.etree.ElementTree as t
	s = t.parse(sys.argv[1]).getroot()
	print(s.get("tests"), s.get("failures"), len(s))
END
)" "10 0 10"

cat >"$T/bad.yaml" <<-END
	nodes: {a: {command: exit 1}, b: }
	links: [a -- b]
	expect:
	  - node a exits 0 within 30s
	  - tcp b:80 answers from a within 300ms
	  - at 0s: run b 'echo "1 < 2 &"; exit 4' exits 5
	  - after never
END
sed -i '$d' "$T/bad.yaml"
status "a test that does not hold" 1 choppy test "$T/bad.yaml" --junit "$T/bad.xml" --logs
matches "a status" "$(cat "$T/out")" 'reason: "the command of a ended with status 1"'
matches "no answer" "$(cat "$T/out")" 'reason: "b:80: Connection refused"'
matches "a command's last line" "$(cat "$T/out")" 'reason: "the command ended with status 4: 1 < 2 &"'
equal "special characters in XML" "$(python3 -c 'import sys, xml.etree.ElementTree as t
print(t.parse(sys.argv[1]).getroot()[2][0].get("message"))' "$T/bad.xml")" \
	"the command ended with status 4: 1 < 2 &"
matches "what commands wrote" "$(cat "$T/err")" "---- bad/a"
cat >"$T/open.yaml" <<-END
	nodes: [a, b]
	links: [a -- b]
	expect: [at 0s after never: ping a answers from b]
END
status "what is never decided" 1 choppy test "$T/open.yaml" --timeout 300ms
matches "does not hold" "$(cat "$T/out")" 'time was up before it was decided'
echo "nodes: [a]" >"$T/silent.yaml"
refused "a file that expects nothing" 2 "expects nothing" choppy test "$T/silent.yaml"
leak_check "nothing is left of the tests" "$T/before"

# ---- what dies at once

cat >"$T/dies.yaml" <<-END
	nodes: {a: {command: 'echo no; exit 7', ready: 80}, b: {command: [sleep, "1000"], ready: file $T}}
	links: [a -- b]
END
check "a command that dies" choppy up "$T/dies.yaml"
refused "is not waited for" 1 "the command of a ended with status 7 and was not ready: choppy logs dies/a" choppy wait
check "another is" choppy wait b
choppy down
sed 's/sleep,/slepp,/' "$T/dies.yaml" >"$T/none.yaml"
refused "a command that there is not" 1 "node b: command 'slepp' was not found" choppy up "$T/none.yaml"

# ---- the timeline

cat >"$T/play.yaml" <<-END
	seed: 7
	nodes: {a: {command: sleep 1000, ready: file $T/is-ready}, b: {command: sleep 1000}, c: }
	lan: {sw: [a, b, c]}
	timeline:
	  - every 200ms for 100ms to 700ms: pause any a b
	  - from 100ms to 500ms: ramp a-sw loss 0% to 20%
	  - at 100ms: ramp b-sw delay 0ms to 50ms over 300ms
	  - at 50ms: [partition isolate, restart b]
	  - at 60ms: run c 'echo ran; exit 2'
	  - at 10ms after go: heal
	  - at 0s after first packet: set c-sw delay 3ms
	  - from 0s to 100ms: set c-sw rate 1mbit
END
lines=$(choppy up "$T/play.yaml")
equal "up" "$lines" "play: 4 nodes, 3 links, seed 7"
status "not ready" 1 choppy wait --timeout 50ms
matches "says what is waited for" "$(cat "$T/err")" "not ready: a: file $T/is-ready"
touch "$T/is-ready"
check "ready" choppy wait
check "and a by name" choppy wait a
refused "who does not say so" 1 "node b does not say when it is ready" choppy wait b
check "a mark" choppy mark go
refused "is set once" 1 "the mark 'go' is set already" choppy mark go
refused "is one that something counts from" 1 "nothing counts from the mark 'goo'; is it 'go'" choppy mark goo
choppy exec c -- ping -c 1 -W 0.1 -n a >/dev/null
played() { choppy timeline | grep -q "$1"; }
wait_until played "set c-sw delay 3ms"
wait_until eval '! choppy timeline | grep -q "more is to come"'
choppy timeline >"$T/played"
for what in "0.050 s .* partition isolate: partition . to" "0.050 s .* restart b" "0.060 s .* run c" \
	"0.100 s .* end of set c-sw rate" "0.200 s .* pause any a b: pause [ab]" "0.300 s .* end of pause" \
	"0.600 s .* pause any" "0.700 s .* end of pause" "0.500 s .* end of ramp a-sw" "0.400 s .* end of ramp b-sw" "heal"; do
	matches "played: $what" "$(cat "$T/played")" "$what"
done
equal "none of it failed" "$(grep -c failed "$T/played")" 0
equal "in the order of time" "$(choppy timeline --json | jq '[.[].due_ns] | . == sort')" true
equal "lateness is recorded" "$(choppy timeline --json | jq 'all(.[]; .late_ns >= 0)')" true
matches "what stays of a ramp" "$(choppy show b-sw)" 'condition +delay 50ms each way'
matches "what does not" "$(choppy show a-sw)" 'condition +no condition'
matches "nor what was for a while" "$(choppy show c-sw)" 'condition +delay 3ms each way'
equal "a command of the timeline" "$(choppy logs c)" ran
equal "nobody stands still" "$(of play '.faults | length')" 0
check "down" choppy down

# ---- the same seed, the same timeline

cat >"$T/chance.yaml" <<-END
	nodes: {a: {command: sleep 1000}, b: {command: sleep 1000}, c: {command: sleep 1000}}
	lan: {sw: [a, b, c]}
	timeline:
	  - every 20ms for 10ms to 210ms: pause any a b c
	  - every 20ms to 210ms: partition isolate
END
drawn() {
	choppy up "$T/chance.yaml" --name "$1" --seed "$2" >/dev/null
	wait_until eval "! choppy timeline $1 | grep -q 'more is to come'"
	choppy timeline "$1" --json | jq -r '.[] | "\(.due_ns) \(.done)"'
	choppy down "$1"
}
first=$(drawn one 5)
equal "the same again" "$(drawn two 5)" "$first"
holds "another with another seed" [ "$(drawn three 6)" != "$first" ]

# ---- commands with a lab about them

cat >"$T/about.yaml" <<-END
	nodes: {a: {command: sleep 1000}, b: }
	links: [a -- b]
END
equal "beside it: its name, and its commands" "$(choppy run -f "$T/about.yaml" --name x -- \
	sh -c 'echo $CHOPPY_LAB; $0 link a-b off; $0 exec b -- hostname >/dev/null && echo in' "$BUILD_DIR/choppy" | tr '\n' ' ')" \
	"x link a-b off in "
status "its status" 5 choppy run -f "$T/about.yaml" -- sh -c 'exit 5'
status "on a node" 6 choppy run -f "$T/about.yaml" --node b -- sh -c 'ping -n -c 1 -W 5 a >/dev/null && exit 6'
check "a dry run" choppy run -f "$T/about.yaml" --dry-run -- touch "$T/made"
equal "makes nothing" "$(ls "$T/made" 2>/dev/null; choppy ls | wc -l)" 0
refused "an option of a lab with one node" 2 "max-lateness is of a lab with one node" \
	choppy run -f "$T/about.yaml" --max-lateness 1ms -- true
refused "no such file" 125 "No such file" choppy run -f "$T/none-such.yaml" -- true
refused "no such node" 125 "no node 'c'" choppy run -f "$T/about.yaml" --node c -- true
refused "a condition beside a file" 2 "have the conditions of that file" choppy run -f "$T/about.yaml" loss 1% -- true
status "no such command" 127 choppy run -f "$T/about.yaml" -- no-such-command
leak_check "nothing is left" "$T/before"
no_process() { ! grep -qs '^choppy' /proc/[0-9]*/comm; }
for victim in run test; do
	if [ $victim = run ]; then
		choppy run -f "$T/about.yaml" -- sleep 1000 2>/dev/null &
	else
		choppy test "$T/open.yaml" >/dev/null 2>&1 &
	fi
	pid=$!
	wait_until eval '[ "$(choppy ls | wc -l)" -eq 2 ]'
	# With a wrapper the command itself is a child.
	[ "$(cat /proc/$pid/comm)" = choppy ] || pid=$(pgrep -P $pid -x choppy)
	kill -9 $pid
	wait_until eval '[ "$(choppy ls | wc -l)" -lt 2 ]'
	wait_until no_process
	leak_check "nothing is left of a $victim that was killed" "$T/before"
done

# ---- what must not hold up the keeper

cat >"$T/odd.yaml" <<-END
	nodes:
	  a: {command: [unshare, -rn, sleep, "1000"]}
	  b: {command: 'rm -f $T/b-is-ready; until [ -e $T/go ]; do sleep 0.02; done; touch $T/b-is-ready; exec sleep 1000',
	      ready: file $T/b-is-ready}
	  c[1-20]:
	lan: {sw: ["c[1-20]", a, b]}
	timeline:
	  - at 20ms: [restart b, restart b]
	  - every 1ms from 50ms to 500ms: partition halves
END
touch "$T/go"
choppy up "$T/odd.yaml" >/dev/null
check "a timeline that asks for too much" choppy ls odd
check "a program that has left its node is killed all the same" choppy kill a
equal "it is gone" "$(choppy ls odd | awk '$1 == "a" { print $4, $5, $6, $7 }')" "ended with status 137"
check "ready" choppy wait b
rm "$T/go" "$T/b-is-ready"
check "restarted, it is not" choppy restart b
status "before it is again" 1 choppy wait b --timeout 300ms
choppy pause b >/dev/null
touch "$T/go"
choppy restart b >/dev/null
equal "what is started on a node that is paused stands still" \
	"$(for p in /proc/[0-9]*; do tr '\0' ' ' <"$p/cmdline" 2>/dev/null | grep -q "^/bin/sh -c rm -f $T/b-is-ready" &&
		sed 's/.*) \(.\).*/\1/' "$p/stat"; done | sort -u | tr -d 'D\n')" T # D: vfork(2), whose child is T
check "down" choppy down

cat >"$T/left.yaml" <<-END
	nodes: [a, b]
	links: [a -- b]
	timeline:
	  - at 0s: kill a
	  - at 10ms: start b
	expect:
	  - run a 'sleep 4321 & yes & true' exits 0 within 5s
	  - run a 'sleep 4321 & wait' exits 0 within 300ms
	  - tcp nowhere.test:80 does not answer from a within 300ms
END
status "nothing to start" 2 choppy test "$T/left.yaml"
matches "is told at its place" "$(cat "$T/err")" "left.yaml:5:14: node b has no command that could be started"
sed -i '/start b/d' "$T/left.yaml"
status "questions that leave programs" 1 choppy test "$T/left.yaml"
equal "one holds, two do not" "$(grep -cE '^ok' "$T/out") $(grep -cE '^not ok' "$T/out")" "1 2"
equal "none of them is left" "$(grep -lzx "[4]321" /proc/[0-9]*/cmdline 2>/dev/null | wc -l)" 0
cat >"$T/undone.yaml" <<-END
	nodes: {a: {command: sleep 1000}, b: }
	links: [a -- b]
	timeline: [at 0s: start a]
	expect: [at 100ms: node a runs]
END
status "a step that failed is a failure" 1 choppy test "$T/undone.yaml"
matches "and told" "$(cat "$T/out")" 'not ok 2 - timeline: start a'

# ---- a keeper that is killed in the middle of it

cat >"$T/middle.yaml" <<-END
	nodes: {a: {command: sleep 1000}, b: {ready: command sleep 1000}}
	links: [a -- b]
	timeline:
	  - at 0s: [pause a, cut a b, "run b 'sleep 1000'"]
	  - from 10ms to 1000s: ramp a-b delay 1ms to 2ms
	expect:
	  - run b 'sleep 1000' exits 0 within 1000s
	  - from 0s to 1000s: ping a does not answer from b
END
for victims in keeper "keeper and undertaker"; do
	check "up" choppy up "$T/middle.yaml"
	choppy wait --timeout 0ms 2>/dev/null
	wait_until eval 'choppy timeline | grep -q ramp'
	wait_until eval '[ "$(grep -lx choppy-probe /proc/[0-9]*/comm 2>/dev/null | wc -l)" -ge 2 ]'
	pids=$(of middle .keeper)
	[ "$victims" = keeper ] || pids="$pids $(grep -lx choppy-undo /proc/[0-9]*/comm | cut -d/ -f3)"
	# shellcheck disable=SC2086 # several
	kill -9 $pids
	wait_until no_process
	[ "$victims" = keeper ] || choppy gc >/dev/null
	leak_check "nothing is left when $victims were killed" "$T/before"
done

# ---- what is shown is what can be had

python3 - "$ROOT" "$T" <<-'END'
	import re, sys
	root, to = sys.argv[1:]
	blocks = re.findall(r"```\n(.*?)```", open(root + "/man/choppy.1.scd.in").read(), re.S)
	parts = [b for b in blocks if re.match("(name|timeline|expect):", b)]
	open(to + "/man.yaml", "w").write("".join(parts))
	shown = re.search(r"cat cluster.yaml\n(.*?)    \$", open(root + "/README.md").read(), re.S).group(1)
	open(to + "/readme.yaml", "w").write(re.sub("^    ", "", shown, flags=re.M))
	print(len(parts))
END
check "the lab file of the manual" choppy check "$T/man.yaml"
check "that of the README" choppy check "$T/readme.yaml"

# ---- what is wrong in a file, all at once

cat >"$T/wrong.yaml" <<-END
	nodes: {a: {ready: sometimes}, b: }
	links: [a -- b]
	timeline:
	  - at 5: cut a b
	  - from 20s to 10s: cut a b
	  - every 2s for 5s: pause a
	  - at 5s: ct a b
	  - from 1s to 2s: heal
	  - at 5s: ramp a-b loss 0% to 20%
	  - at 5s: link a-b off
	  - at 5s: link a-b on
	  - at 1s after x: mark x
	  - sometimes: heal
	  - at 3s: {}
	expect:
	  - nod a exits 0
	  - node a exits 256
	  - tcp b answers from a
	  - at 5s: node a runs within 3s
	  - ping b from a
END
choppy check "$T/wrong.yaml" >"$T/out" 2>"$T/err"
for what in "1:20: 'sometimes' says not when it is ready" "4:5: .*needs its unit" "5:5: it ends before it begins" \
	"6:5: the next begins before the one before has ended" "7:12: 'ct' is nothing .* is it 'cut'" "8:20: heal has no end" \
	"9:12: how long does it take" "11:5: 'link a-b on' contradicts 'link a-b off'" "12:5: the mark 'x' waits for itself" \
	"13:5: when\?" "14:5: 'at 3s' takes what is done" "16:5: what is expected begins with" "17:5: '256' is not an exit status" \
	"18:5: a port is missing" "19:12: 'at 5s' says when already" "20:5: it answers, or does not answer"; do
	matches "each is told: $what" "$(cat "$T/err")" "wrong.yaml:$what"
done
equal "and no more" "$(tail -n 1 "$T/err" | grep -o '[0-9]* problems')" "17 problems"

finish
