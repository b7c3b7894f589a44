#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Parity of netem and the engine: delays and their distributions. tests/uml/parity.py has the
# comparisons.
#
# Delays that keep the packets' order depend on those before, so a second tells little of them.
# The distributions are compared without the order, where every packet is a draw of its own; with it
# the even one once more, and of the normal one hardly more than the order.
. "$(dirname "$0")/lib.sh"
export UML_SECONDS=150 # it takes 40 where nothing else runs
in_uml
fake_host
. "$ROOT/tests/uml/parity.sh"

condition none ""
condition short "delay 20ms" "delay 22ms"
condition flat "delay 50ms"
condition even "delay 50ms 10ms reorder jitter" "delay 50ms 5ms reorder jitter"
own=(even)
for d in normal pareto paretonormal; do
	condition "$d" "delay 50ms 10ms distribution $d reorder jitter" \
		"delay 50ms 5ms distribution $d reorder jitter"
	own+=("$d")
done
condition again "delay 50ms"
condition inorder "delay 50ms 10ms" "delay 50ms 3ms"
condition tails "delay 50ms 10ms distribution normal" \
	"delay 50ms 10ms distribution normal reorder jitter"

measure "-n 1000 -i 4000" none short
measure "-n 3000 -i 8000" flat "${own[@]}"
measure "-n 2000 -i 8000" again inorder tails

compare short "constant" none
for id in "${own[@]}"; do
	compare "$id" "spread" flat
done
# 20 ms are the range of the even distribution, 80 ms that of the normal one's table.
compare inorder "ordered spread=20" again
compare tails "ordered spread=80" again
conclude
finish
