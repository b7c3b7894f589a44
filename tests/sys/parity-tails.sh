#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Parity of netem and the engine: distributions of delay with long tails, compared without the packets'
# order. tests/uml/parity.py has the comparisons.
. "$(dirname "$0")/lib.sh"
export UML_SECONDS=150 # it takes 45 where nothing else runs
in_uml
fake_host
. "$ROOT/tests/uml/parity.sh"

condition none ""
condition flat "delay 50ms"
for d in pareto paretonormal; do
	condition "$d" "delay 50ms 10ms distribution $d reorder jitter" \
		"delay 50ms 5ms distribution $d reorder jitter"
done

measure "-n 1000 -i 4000" none
measure "-n 3000 -i 8000" flat pareto paretonormal

compare pareto "spread" flat
compare paretonormal "spread" flat
conclude
finish
