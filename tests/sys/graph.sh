#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Lab files drawn: as text, as an SVG that an XML parser reads, and for Graphviz.
. "$(dirname "$0")/lib.sh"
fake_host
snapshot "$T/before"

cat >"$T/shop.yaml" <<-END
	nodes:
	  web: {command: 'true'}
	  db:
	  r1: router
	  r2: router
	links:
	  - web -- r1: delay 5ms
	  - r1 -- r2: {name: trunk, addr: {r1: 192.168.77.1/30}, condition: delay 30ms, r1>r2: loss 1%}
	  - db -- r2: {db>r2: rate 1mbit}
	lan: {office: ["pc[1-3]", r2]}
	uplink: {node: r1, kind: none, condition: up delay 1ms}
END

# ---- as text

choppy graph "$T/shop.yaml" | sed -E 's/10(\.[0-9]+){3}/10.x/g' >"$T/out"
cat >"$T/want" <<-'END'
	lab shop: 8 nodes, 7 links; host, [router], (switch), * runs a command

	 ~uplink none~
	       |
	     [r1]
	       |
	   .---'----.
	  web*    [r2]
	            |
	       .----'----.
	    (office)     db
	        |
	 .------+------.
	pc1    pc2    pc3

	router r1, uplink none: up: delay 1ms
	    [r1] 10.x/31         -- web* 10.x/31          delay 5ms
	    [r1] 192.168.77.1/30 -- [r2] 192.168.77.2/30  (trunk) r1>r2: delay 30ms loss 1%, r2>r1: delay 30ms

	router r2
	    [r2] 10.x/29 -- (office)
	    [r2] 10.x/31 -- db       10.x/31  db>r2: rate 1mbit

	switch office
	    (office) -- pc1 10.x/29
	    (office) -- pc2 10.x/29
	    (office) -- pc3 10.x/29
END
# What an address is depends on the name; how many spaces follow it, too.
squeeze() { sed -E '/^    .* -- /s/ +/ /g' "$1"; }
equal "as text" "$(squeeze "$T/out")" "$(squeeze "$T/want")"
equal "the same twice" "$(choppy graph "$T/shop.yaml" -f svg | sha256sum)" \
	"$(choppy graph "$T/shop.yaml" -f svg | sha256sum)"
matches "IPv6 addresses" "$(choppy graph "$T/shop.yaml" --ipv6)" '\[r1\] fd[0-9a-f:]+/127 +-- web\* fd[0-9a-f:]+/127'

echo 'star: {hub: {nodes: ["w[08-110]"], condition: delay 1ms}}
mesh: ["m[1-30]"]
nodes: ["x[1-4]", y]' >"$T/large.yaml"
choppy graph "$T/large.yaml" >"$T/out"
matches "alike hosts are one line" "$(cat "$T/out")" \
	'^    \[hub\] .* to .* -- w\[08-110\] .* to .*  delay 1ms$'
matches "and those that are alone" "$(cat "$T/out")" '^joined to nothing: x\[1-4\], y$'
equal "every link is there" "$(grep -c '^    m' "$T/out")" $((30 * 29 / 2))

# ---- as SVG

cat >"$T/svg.py" <<-'END'
	"""What is in an SVG: its nodes by class, links and labels; whether any overlap."""
	import sys
	import xml.etree.ElementTree as tree

	SVG = "{http://www.w3.org/2000/svg}"
	root = tree.parse(sys.argv[1]).getroot()
	assert root.tag == SVG + "svg", root.tag


	def box(shape):
	    at = {k: v for k, v in shape.attrib.items()}
	    if shape.tag == SVG + "rect":
	        x, y, w, h = (int(at[k]) for k in ("x", "y", "width", "height"))
	        return x, y, x + w, y + h
	    if shape.tag == SVG + "ellipse":
	        x, y, w, h = (int(at[k]) for k in ("cx", "cy", "rx", "ry"))
	        return x - w, y - h, x + w, y + h
	    points = [tuple(map(int, p.split(","))) for p in at["points"].split()]
	    xs, ys = zip(*points)
	    return min(xs), min(ys), max(xs), max(ys)


	nodes = {}
	kinds = []
	for g in root.iter(SVG + "g"):
	    kind = g.get("class").split()
	    if kind[0] == "node":
	        shape = next(s for s in g if s.get("class") == "shape")
	        nodes[g.find(SVG + "text").text] = box(shape)
	        kinds.append(kind[1])
	x, y, w, h = map(int, root.get("viewBox").split())
	boxes = list(nodes.values())
	boxes += [box(r) for r in root.findall(SVG + "rect") if r.get("class") == "label"]
	apart = True
	for i, (left, top, right, bottom) in enumerate(boxes):
	    apart &= x <= left and y <= top and right <= x + w and bottom <= y + h
	    for other in boxes[:i]:
	        apart &= left >= other[2] or other[0] >= right or top >= other[3] or other[1] >= bottom
	links = sum(g.get("class") == "link" for g in root.iter(SVG + "g"))
	print(" ".join(f"{k}:{kinds.count(k)}" for k in sorted(set(kinds))), f"links:{links}",
	      "apart" if apart else "overlap")
	for text in root.findall(SVG + "text"):
	    spans = text.findall(SVG + "tspan")
	    words = " ".join(s.text for s in spans)
	    at = int(spans[0].get("x")), int(spans[0].get("y"))

	    def near(node):
	        left, top, right, bottom = nodes[node]
	        return (at[0] - (left + right) / 2) ** 2 + (at[1] - (top + bottom) / 2) ** 2

	    end = ""
	    if ">" in words.split(":")[0]:
	        a, b = words.split(":")[0].split(">")
	        end = " at " + (a if near(a) < near(b) else b)
	    print(words + end)
END
check "SVG" choppy graph "$T/shop.yaml" --format svg
cp "$T/out" "$T/shop.svg"
check "an XML parser reads it" python3 "$T/svg.py" "$T/shop.svg"
equal "its nodes, links and labels, each at its end" "$(sort "$T/out" | tr '\n' ';')" \
	"db>r2: rate 1mbit at db;delay 5ms;host:5 router:2 switch:1 uplink:1 links:8 apart;r1>r2: delay 30ms loss 1% at r1;r2>r1: delay 30ms at r2;up: delay 1ms;"
choppy graph "$T/large.yaml" -f svg >"$T/large.svg"
equal "a large one" "$(python3 "$T/svg.py" "$T/large.svg" | head -n 1)" \
	"host:138 router:1 links:538 apart"
for shape in 'fat-tree: 4' 'ring: ["r[1-9]"]' 'dumbbell: [["a[1-3]"], ["b[1-30]"]]' 'nodes: [a]' \
	'lan: {s: ["a[1-5]"], t: ["b[1-5]", a1]}' \
	"{nodes: {r: router, 'h[1-8]': }, links: {'r -- h[1-8]': {'r>h[1-8]': loss 1%}}}"; do
	echo "$shape" >"$T/shape.yaml"
	matches "$shape" "$(choppy graph "$T/shape.yaml" -f svg >"$T/shape.svg" &&
		python3 "$T/svg.py" "$T/shape.svg")" ' apart$'
done

# ---- for Graphviz

cat >"$T/dot.py" <<-'END'
	"""Read the part of DOT that is used here: a graph of quoted names with attributes."""
	import re
	import sys

	text = open(sys.argv[1], encoding="utf-8").read()
	token = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[A-Za-z0-9]+|--|[][{}=,;])')
	tokens, at = [], 0
	while text[at:].strip():
	    m = token.match(text, at)
	    assert m, text[at:at + 60]
	    tokens.append(m.group(1))
	    at = m.end()
	quoted = r'"(?:[^"\\]|\\.)*"'
	assert tokens[0] == "graph" and re.fullmatch(quoted, tokens[1]) and tokens[2] == "{"
	assert tokens[-1] == "}"
	nodes, links, labels = set(), [], []


	def plain(word):
	    return re.sub(r"\\(.)", lambda m: "\n" if m.group(1) == "n" else m.group(1), word[1:-1])


	statements, now = [], []
	for t in tokens[3:-1]:
	    if t == ";":
	        statements.append(now)
	        now = []
	    else:
	        now.append(t)
	assert not now
	for s in statements:
	    if s[0] in ("node", "edge"):
	        continue
	    if s[1] == "--":
	        assert s[0] in nodes and s[2] in nodes, s
	        links.append((s[0], s[2]))
	    else:
	        nodes.add(s[0])
	    attributes = s[s.index("[") + 1:-1]
	    assert s[-1] == "]"
	    for i in range(0, len(attributes), 4):
	        assert attributes[i + 1] == "=" and (attributes[i + 3:i + 4] or [","]) == [","], s
	        if attributes[i].endswith("label"):
	            labels.append(attributes[i][:-5] + ": " + plain(attributes[i + 2]))
	print(f"nodes:{len(nodes)} links:{len(links)}")
	for label in labels:
	    print(label.replace("\n", " | "))
END
check "DOT" choppy graph "$T/shop.yaml" --format dot
cp "$T/out" "$T/shop.dot"
check "it has DOT's grammar" python3 "$T/dot.py" "$T/shop.dot"
equal "its nodes and links" "$(head -n 1 "$T/out")" "nodes:9 links:8"
matches "a direction at its end, below the address" "$(cat "$T/out")" \
	'^tail: 192.168.77.1/30 \| r1>r2: delay 30ms loss 1%$'

# ---- what means something to a format

trace="$T/a\"b<c>&d'\\n é.csv"
printf 'time,rate\n0s,1mbit\n1s,2mbit\n' >"$trace"
cat >"$T/odd.yaml" <<-END
	nodes: [a, b]
	links:
	  - a -- b: match 'tcp[13] & 2 != 0 and ip[2:2] > 99 and ip[8] < 5' loss 1%
	  - b -- a: {a>b: 'trace "$(sed 's/[\\"]/\\&/g' <<<"$trace" | sed "s/'/''/g")"'}
END
words="match 'tcp[13] & 2 != 0 and ip[2:2] > 99 and ip[8] < 5' loss 1%"
check "odd words, as SVG" choppy graph "$T/odd.yaml" -f svg
cp "$T/out" "$T/odd.svg"
check "are XML" python3 "$T/svg.py" "$T/odd.svg"
equal "and come through" "$(grep match "$T/out")" "$words"
matches "in the tooltip whole" "$(python3 -c 'import sys, xml.etree.ElementTree as t
for e in t.parse(sys.argv[1]).getroot().iter("{http://www.w3.org/2000/svg}title"): print(e.text)' \
	"$T/odd.svg")" "a\"b<c>&d'.*\\\\n é.csv"
check "as DOT" choppy graph "$T/odd.yaml" -f dot
cp "$T/out" "$T/odd.dot"
check "are DOT" python3 "$T/dot.py" "$T/odd.dot"
equal "and come through here" "$(grep match "$T/out")" ": $words"
matches "with their file" "$(cat "$T/out")" "a\"b<c>&d'.*\\\\n é.csv"

# ---- what is wrong

cat >"$T/bad.yaml" <<-END
	nodes: {a: hots, b: }
	links: [a -- x]
END
for f in bad.yaml none.yaml; do
	choppy check "$T/$f" >"$T/check.out" 2>"$T/check.err"
	was=$?
	choppy graph "$T/$f" >"$T/out" 2>"$T/err"
	equal "$f: status, and nothing drawn" "$? $(cat "$T/out")" "$was "
	equal "$f: as choppy check says it" "$(cat "$T/err")" "$(cat "$T/check.err")"
done
refused "no such format" 2 "text, svg or dot|svg" choppy graph "$T/shop.yaml" --format png
leak_check "nothing was made" "$T/before"

finish
