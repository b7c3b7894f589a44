#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# kill.sh as an ordinary user: labs in a user namespace, the uplink relay.
CHOPPY_AS=user exec bash "$(dirname "$0")/kill.sh"
