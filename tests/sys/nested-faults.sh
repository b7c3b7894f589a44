#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# faults.sh as one who is root of a user namespace already.
CHOPPY_AS=nested exec bash "$(dirname "$0")/faults.sh"
