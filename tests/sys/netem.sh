#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The netem backend on a kernel that has netem: the walkthrough, live changes, refusals, leaks.
. "$(dirname "$0")/lib.sh"
in_uml
fake_host

matches "netem stands in this kernel" "$(choppy doctor 2>&1)" '^netem \(--backend netem\) +yes'
check "run loss 30%" choppy run --uplink none --backend netem loss 30% -- true
finish
