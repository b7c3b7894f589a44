#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The netem lines of tc(8): what they leave by way of tc and by way of choppy. tests/uml/words.py has them.
. "$(dirname "$0")/lib.sh"
UML_SECONDS=150 UML_MODULES='drivers/net/dummy' in_uml
fake_host

choppy add blue --uplink none --backend netem >/dev/null
python3 "$ROOT/tests/uml/words.py" blue "$BUILD_DIR/tests/uml_words" >"$T/points"
holds "it runs to its end" [ $? -le 1 ]
cat "$T/points" >&9
check "del" choppy del blue
finish
