#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# examples.sh as an ordinary user.
# Waits: as that does.
CHOPPY_AS=user exec bash "$(dirname "$0")/examples.sh"
