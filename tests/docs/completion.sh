#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Completion in the three shells: tests/docs/completion.sh PROGRAM
#
# What may stand where is looked at in bash; of the others, that they ask and understand the answer.
set -u
PATH=$(dirname "$(realpath "$1")"):$PATH
cd "$(dirname "$0")/../.." || exit 1

points=0
point() { # NAME GOT WANTED
	points=$((points + 1))
	if [ "$2" = "$3" ]; then
		echo "ok - $1"
	else
		echo "not ok - $1"
		printf '%s\n' "got    '$2'" "wanted '$3'" | sed 's/^/# /'
	fi
}

# All candidates where "x" stands in place of the last word.
bash_all() {
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	files=
	_choppy 2>&1
	[ -z "$files" ] || COMPREPLY+=("$files")
	all="${COMPREPLY[*]}"
}

same() { # "WORDS" "CANDIDATES": WORDS are split at spaces, a last space is an empty word
	local words
	read -ra words <<<"$1"
	[ "${1% }" = "$1" ] || words+=("")
	bash_all choppy "${words[@]}"
	point "bash: choppy $1" "$all" "$2"
}

has() { # "WORDS" CANDIDATE yes|no
	local words there=no
	read -ra words <<<"$1"
	[ "${1% }" = "$1" ] || words+=("")
	bash_all choppy "${words[@]}"
	case " $all " in *" $2 "*) there=yes ;; esac
	point "bash: choppy $1: $2: $3" "$there" "$3"
}

compopt() {
	files="<files>"
}

. completion/choppy.bash

same "pr" "profiles"
same "--v" "--version"
same "run --back" "--backend"
same "run --backend " "engine netem"
same "run --backend = n" "netem"
same "run --backend netem lo" "loss"
same "run -p 1:1 lo" "loss"
same "run -p lo" ""
has "run -" "--" yes
has "set x -" "--" no
same "help profi" "profiles"
same "profiles wpt-3g-" "wpt-3g-slow wpt-3g-fast"
same "profiles lte " ""
same "add " ""
same "graph " "<files>"
same "graph lab.yaml --format s" "svg"
same "graph lab.yaml --format svg " ""

same "set x loss g" "gemodel"
same "set x loss o" "off"
same "add x loss o" ""
same "run loss " "every gemodel state"
same "run loss 2% b" "burst"
same "run loss 2% 25% b" "burst"
same "run loss 2% burst " ""
has "run loss 2% burst 5 " "burst" no
has "run loss gemodel 1% 10% " "burst" no
same "run delay 50ms dis" ""
same "run delay 50ms 10ms dis" "distribution"
same "run delay 50ms 10ms distribution " "<files>"
same "run queue c" "codel"
same "run queue codel ta" "target"
same "run reorder j" "jitter"
same "run reject p" "prohibited"
has "run reject " "loss" yes
has "run reject reset " "loss" yes
same "run overhead 18bytes c" "cells corrupt"
same "run overhead 18bytes cells 48bytes 5bytes ra" "rate"
same "run slot d" "distribution"
same "run slot 5ms p" "packets"
same "run trace ./x th" "then"
same "run trace ./x then " "loop hold stop"
has "run loss 1% " "loss" no
has "run loss 1% up " "loss" yes
has "run ecn " "loss" yes

has "run " "lte" yes
has "run up " "lte" yes
has "run loss 1% " "lte" no
has "set x " "clear" yes
has "run " "clear" no
has "set x lte " "clear" no

same "run match " ""
same "set x match " "off"
same "run match tcp nth 1 f" "first flap"
same "set x match tcp o" "off overhead outage"
has "run match tcp " "up" no
has "run match tcp " "loss" yes
has "run match tcp " "trace" no
has "run match tcp loss " "off" no
has "run loss 1% match tcp " "loss" yes
has "run match tcp loss 1% " "up" yes
has "run match tcp loss 1% " "lte" no

same "run loss 1% -- choppy_no" ""
has "run loss 1% -- bas" "bash" yes
has "exec x bas" "bash" yes

point "bash: no syntax error" "$(bash -n completion/choppy.bash 2>&1)" ""

if command -v zsh >/dev/null; then
	zsh_all() {
		# shellcheck disable=SC2016
		zsh -fc '_describe() { print -rl -- $found }; _files() { print "<files>" }
			_normal() { print -r -- "$CURRENT $words" }
			ask() { local words=("$@") CURRENT=$#; . completion/_choppy }; ask "$@"' zsh "$@" 2>&1
	}
	point "zsh: word and meaning" "$(zsh_all choppy profiles chrome-3)" \
		"chrome-3g:a mobile phone network of the third generation"
	point "zsh: files" "$(zsh_all choppy run trace x)" "<files>"
	point "zsh: a program" "$(zsh_all choppy run loss 1% -- echo x)" "2 echo x"
	point "zsh: no syntax error" "$(zsh -n completion/_choppy 2>&1)" ""
else
	points=$((points + 1))
	echo "ok - zsh # SKIP no zsh"
fi

if command -v fish >/dev/null; then
	fish_all() {
		fish --no-config -c "source completion/choppy.fish; complete -C '$1'" 2>&1
	}
	point "fish: word and meaning" "$(fish_all 'choppy profiles chrome-3')" \
		"chrome-3g	a mobile phone network of the third generation"
	point "fish: files" "$(fish_all 'choppy run trace completion/_')" "completion/_choppy"
	point "fish: a program" "$(fish_all 'choppy run -- ls completion/_')" "completion/_choppy"
	point "fish: no syntax error" "$(fish --no-execute completion/choppy.fish 2>&1)" ""
else
	points=$((points + 1))
	echo "ok - fish # SKIP no fish"
fi

echo "1..$points"
