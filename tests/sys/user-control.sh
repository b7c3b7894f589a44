#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# control.sh as an ordinary user.
CHOPPY_AS=user exec bash "$(dirname "$0")/control.sh"
