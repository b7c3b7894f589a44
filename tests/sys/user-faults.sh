#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# faults.sh as an ordinary user.
# Waits: as that does.
CHOPPY_AS=user exec bash "$(dirname "$0")/faults.sh"
