#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Parity of netem and the engine: which packets are lost or marked. tests/uml/parity.py has the
# comparisons. There are as many packets as show 8% for 10%, or bursts of 2 for 3.
. "$(dirname "$0")/lib.sh"
export UML_SECONDS=150 # it takes 40 where nothing else runs
in_uml
fake_host
. "$ROOT/tests/uml/parity.sh"

condition none ""
condition ten "loss 10%" "loss 8%"
condition one "loss 1%" "loss 2%"
condition ge2 "loss gemodel 2% 30%" "loss gemodel 3.3% 50%"
condition ge4 "loss gemodel 2% 30% 80% 1%" "loss gemodel 4% 30% 80% 1%"
condition state "loss state 2% 40% 10% 60% 1%" "loss state 4% 40% 10% 60% 1%"
condition ecn "loss 10% ecn" "loss 6% ecn"

# With few packets on their way, whatever is lost was lost by the condition.
window="-i 1 -b 64 -w 256 -q 100"
measure "-n 2000 $window" none
measure "-n 40000 $window" ten
measure "-n 20000 $window" one
for id in ge2 ge4 state; do
	measure "-n 30000 $window" $id
done
measure "-n 10000 $window -t 2" ecn # ECT(0)

compare none ""
compare ten "lost markov"
compare one "lost markov"
compare ge2 "markov"
compare ge4 "chain"
compare state "chain"
compare ecn "marked"
conclude
finish
