#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# relay.sh as root of a user namespace that does not own the host's network.
CHOPPY_AS=nested exec bash "$(dirname "$0")/relay.sh"
