#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Parity of netem and the engine: jitter that keeps the packets' order. tests/uml/parity.py has the
# comparisons.
#
# Delays that keep the order depend on those before, so a second tells little of them: the even distribution is
# compared, and of the normal one hardly more than the order.
. "$(dirname "$0")/lib.sh"
export UML_SECONDS=150 # it takes 35 where nothing else runs
in_uml
fake_host
. "$ROOT/tests/uml/parity.sh"

condition none ""
condition again "delay 50ms"
condition inorder "delay 50ms 10ms" "delay 50ms 3ms"
condition tails "delay 50ms 10ms distribution normal" \
	"delay 50ms 10ms distribution normal reorder jitter"

measure "-n 1000 -i 4000" none
measure "-n 2000 -i 8000" again inorder tails

# 20 ms are the range of the even distribution, 80 ms that of the normal one's table.
compare inorder "ordered spread=20" again
compare tails "ordered spread=80" again
conclude
finish
