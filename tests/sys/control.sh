#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The keeper's socket speaks Varlink: driven by a few lines of Python, and by nc; clients at once, wrong
# messages, and who may ask.
. "$(dirname "$0")/lib.sh"
fake_host
snapshot "$T/before"
echo 'lan: [a, b, c]' >"$T/net.yaml"
choppy up "$T/net.yaml" --seed 7 >/dev/null
choppy add --uplink none --seed 8 blue loss 5% >/dev/null
home=$(choppy gc --dry-run >/dev/null; for d in /run/choppy /run/user/*/choppy; do [ -S "$d/labs/net/control" ] && echo "$d"; done)
socket=$home/labs/net/control

# ---- thirty lines of Python

cat >"$T/client.py" <<-'END'
	import json, socket, sys

	class Lab:
	    def __init__(self, path):
	        self.socket = socket.socket(socket.AF_UNIX)
	        self.socket.connect(path)
	        self.left = b""

	    def send(self, method, more={}, **parameters):
	        message = {"method": method, "parameters": parameters, **more}
	        self.socket.sendall(json.dumps(message).encode() + b"\0")

	    def receive(self):
	        while b"\0" not in self.left:
	            data = self.socket.recv(65536)
	            if not data:
	                raise EOFError
	            self.left += data
	        message, _, self.left = self.left.partition(b"\0")
	        return json.loads(message)

	    def call(self, method, **parameters):
	        self.send("org.choppy.Lab." + method, **parameters)
	        reply = self.receive()
	        if "error" in reply:
	            raise RuntimeError(reply["error"], reply["parameters"])
	        return reply["parameters"]
END
python() {
	python3 - "$socket" <<-END 2>&1
		import sys
		sys.path.insert(0, "$T")
		from client import *
		lab = Lab(sys.argv[1])
		$1
	END
}
equal "show" "$(python 'print(lab.call("Show")["lab"]["nodes"], lab.call("Show", link="a-lan")["lab"]["ends"])')" "4 ['a', 'lan']"
equal "act" "$(python 'print(lab.call("Act", action=["cut", "a", "b"])["done"])')" "['cut a to b, b to a']"
equal "what it did is in force" "$(of net '.faults[0]')" "cut a to b, b to a"
equal "a failure" "$(python 'try: lab.call("Act", action=["cut", "a", "x"])
except RuntimeError as e: print(e)')" \
	"('org.choppy.Lab.Failed', {'errno': 2, 'cannot': False, 'message': \"there is no node 'x'\"})"
equal "the service tells of itself" "$(python 'lab.send("org.varlink.service.GetInfo"); p = lab.receive()["parameters"]
print(p["product"], p["interfaces"])')" "choppy ['org.varlink.service', 'org.choppy.Lab']"
equal "and of its interface" "$(python 'lab.send("org.varlink.service.GetInterfaceDescription", interface="org.choppy.Lab")
sys.stdout.write(lab.receive()["parameters"]["description"])' | cksum)" "$(cksum <"$ROOT/lib/org.choppy.Lab.varlink")"
equal "every method of it is there" "$(python 'import re
for m in re.findall(r"^method (\w+)", open("'"$ROOT"'/lib/org.choppy.Lab.varlink").read(), re.M):
    if m == "Down": continue
    lab.send("org.choppy.Lab." + m)
    r = lab.receive()
    if "MethodNotFound" in r.get("error", ""): print(m)')" ""
for row in 'org.choppy.Lab.Nothing|{}|org.varlink.service.MethodNotFound' \
	'org.varlink.service.GetInterfaceDescription|{"interface": "x"}|org.varlink.service.InterfaceNotFound' \
	'org.choppy.Lab.Act|{"action": "cut"}|org.varlink.service.InvalidParameter' \
	'org.choppy.Lab.Show|{"link": 5}|org.varlink.service.InvalidParameter' \
	'org.choppy.Lab.Set|{}|org.varlink.service.InvalidParameter'; do
	IFS='|' read -r method parameters error <<<"$row"
	equal "$method with $parameters" "$(python "lab.send('$method', **$parameters); print(lab.receive()['error'])")" "$error"
done
equal "several requests in one write" "$(python 'm = b"".join(json.dumps({"method": "org.choppy.Lab.Show"}).encode() + b"\0" for i in range(20))
lab.socket.sendall(m)
print(sum("parameters" in lab.receive() for i in range(20)))')" 20
equal "a request byte by byte" "$(python 'for b in json.dumps({"method": "org.varlink.service.GetInfo"}).encode() + b"\0": lab.socket.send(bytes([b]))
print("parameters" in lab.receive())')" True
equal "oneway: no reply" "$(python 'lab.send("org.choppy.Lab.Act", {"oneway": True}, action=["heal"])
lab.send("org.varlink.service.GetInfo")
print("product" in lab.receive()["parameters"])')" True
equal "and it was done" "$(of net '.faults | length')" 0
for what in '{"method": "x"' 'no JSON' '[]' '{"method": 5}' '""'; do
	equal "not a message: $what" "$(python "lab.socket.sendall(b'''$what''' + b'\0')
try: print(lab.receive())
except EOFError: print('closed')")" closed
done
equal "descriptors into a node" "$(python 'import array, os
lab.send("org.choppy.Lab.Enter", node="b")
data, control, _, _ = lab.socket.recvmsg(1 << 20, socket.CMSG_SPACE(16))
fds = array.array("i", control[0][2])
print(len(fds), os.readlink("/proc/self/fd/%d" % fds[2]))')" "3 $(choppy exec b -- readlink /proc/self/ns/net)"

# ---- nc

equal "nc" "$(printf '{"method": "org.choppy.Lab.Show", "parameters": {}}\0' | nc -N -U "$socket" | tr -d '\0' | jq -r .parameters.lab.name)" net
socket=$home/labs/blue/control
equal "a lab of one node: set" "$(python 'print(lab.call("Set", condition="up delay 5ms loss off")["lab"]["condition"]["words"])')" \
	"up delay 5ms down loss 5% "
equal "has no actions" "$(python 'try: lab.call("Act", action=["heal"])
except RuntimeError as e: print(e.args[1]["errno"])')" 95
equal "a backend that is another" "$(python 'try: lab.call("Set", condition="clear", backend="netem")
except RuntimeError as e: print(e.args[1]["errno"])')" 16

# ---- many at once

socket=$home/labs/net/control
cat >"$T/many.py" <<-END
	import sys, threading
	sys.path.insert(0, "$T")
	from client import *
	ok = []
	def work(i):
	    lab = Lab(sys.argv[1])
	    for k in range(20):
	        lab.call("Act", action=["set", "abc"[i % 3] + "-lan", "delay", "%dms" % (1 + k)])
	        ok.append(lab.call("Show", link="a-lan")["lab"]["name"])
	threads = [threading.Thread(target=work, args=(i,)) for i in range(12)]
	for t in threads: t.start()
	for t in threads: t.join()
	print(len(ok))
END
equal "twelve clients, each with twenty changes" "$(python3 "$T/many.py" "$socket")" 240
matches "the last of them is in force" "$(choppy show a-lan)" 'condition +delay 20ms each way'
cat >"$T/deaf.py" <<-END
	import sys
	sys.path.insert(0, "$T")
	from client import *
	deaf = [Lab(sys.argv[1]) for i in range(4)]
	for d in deaf:
	    d.socket.setblocking(False)
	    try:
	        for k in range(4000): d.send("org.choppy.Lab.Show")
	    except BlockingIOError: pass
	print(Lab(sys.argv[1]).call("Show")["lab"]["name"])
END
equal "who does not read holds up nobody" "$(timeout 20 python3 "$T/deaf.py" "$socket")" net

# ---- whose it is

as_root && status "another user may not ask" 1 setpriv --reuid 65534 --clear-groups /usr/bin/python3 \
	-c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' "$socket"

equal "down: the connection closes when nothing is left" "$(python 'lab.call("Down")
try: lab.receive()
except EOFError: print("closed")')" closed
refused "then it is gone" 1 "no lab 'net'" choppy show net
choppy del blue
leak_check "nothing is left" "$T/before"

finish
