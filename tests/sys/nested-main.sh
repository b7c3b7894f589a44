#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# main.sh as root of a user namespace that does not own the host's network, as in many a container.
CHOPPY_AS=nested exec bash "$(dirname "$0")/main.sh"
