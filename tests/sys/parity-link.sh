#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Parity of netem and the engine: copies, wrong bits, rates, slots and another order.
# tests/uml/parity.py has the comparisons.
. "$(dirname "$0")/lib.sh"
export UML_SECONDS=150 # it takes 40 where nothing else runs
in_uml
fake_host
. "$ROOT/tests/uml/parity.sh"

condition dup "duplicate 10%" "duplicate 6%"
condition bad "corrupt 10%" "corrupt 6%"
condition rate "rate 1mbit" "rate 1050kbit"
condition cells "rate 1mbit overhead 20bytes cells 48bytes 5bytes" \
	"rate 1mbit overhead 70bytes cells 48bytes 5bytes"
condition limit "rate 100kbit limit 20packets" "rate 100kbit limit 24packets"
condition slot "slot 20ms packets 3" "slot 20ms packets 4"
condition even "delay 20ms"
condition flat "delay 20ms"
condition gap "delay 20ms reorder 25% gap 5" "delay 20ms reorder 50% gap 2"
condition skip "delay 20ms reorder 25%" "delay 20ms reorder 12%"
condition jitter "delay 20ms 10ms reorder jitter" "delay 20ms 5ms reorder jitter"

for id in dup bad; do
	measure "-n 10000 -i 1 -b 64 -w 256 -q 100" $id
done
measure "-n 300 -i 5000 -b 10 -s 972" rate cells slot even # sent much faster than it may leave
measure "-n 60 -i 1 -b 60 -s 972" limit
measure "-n 2000 -i 6000" flat gap skip jitter

compare dup "duplicated"
compare bad "corrupt"
compare rate "pace"
compare cells "pace"
compare limit "fits=81"
compare slot "slots=20" even
compare gap "early=30 overtaken" flat
compare skip "early=30 overtaken" flat
compare jitter "spread overtaken" flat
conclude
finish
