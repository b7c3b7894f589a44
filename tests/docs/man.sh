#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The manual pages as a reader sees them: tests/docs/man.sh PAGE...
set -u

point() { # NAME GOT WANTED
	if [ "$2" = "$3" ]; then
		echo "ok - $1"
	else
		echo "not ok - $1"
		printf '%s\n' "got    '$2'" "wanted '$3'" | sed 's/^/# /'
	fi
}

# What is said about a page, but for the empty paragraphs that scdoc makes everywhere.
lint() {
	mandoc -T lint -W warning "$1" 2>&1 | grep -v 'skipping paragraph macro: PP'
}

if [ $# -eq 0 ] || ! command -v mandoc >/dev/null; then
	echo "ok - pages # SKIP no scdoc, or no mandoc"
	echo "1..1"
	exit
fi
for page in "$@"; do
	name=${page##*/}
	shown=$(mandoc -T utf8 -O width=100 "$page" | col -b)
	point "$name: no warning" "$(lint "$page")" ""
	point "$name: its name" "$(grep -A 1 '^NAME$' <<<"$shown" | sed -n 's/ - .*//; s/^ *//; 2p')" \
		"${name%.*}"
	point "$name: no marks are left" "$(grep -nE '@[a-z]+[ @]|```|\(null\)|[a-z]\*' <<<"$shown")" ""
done
echo "1..$(($# * 3))"
