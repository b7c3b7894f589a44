#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Parity of netem and the engine: delays and their distributions. tests/uml/parity.py has the
# comparisons.
#
# The distributions are compared without the packets' order, where every packet is a draw of its own;
# parity-tails.sh has those with long tails, parity-order.sh those that keep the order.
. "$(dirname "$0")/lib.sh"
export UML_SECONDS=150 # it takes 40 where nothing else runs
in_uml
fake_host
. "$ROOT/tests/uml/parity.sh"

condition none ""
condition short "delay 20ms" "delay 22ms"
condition flat "delay 50ms"
condition even "delay 50ms 10ms reorder jitter" "delay 50ms 5ms reorder jitter"
condition normal "delay 50ms 10ms distribution normal reorder jitter" \
	"delay 50ms 5ms distribution normal reorder jitter"

measure "-n 1000 -i 4000" none short
measure "-n 3000 -i 8000" flat even normal

compare short "constant" none
compare even "spread" flat
compare normal "spread" flat
conclude
finish
