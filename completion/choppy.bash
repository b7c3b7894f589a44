# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of choppy in bash. All of it is known by choppy itself: choppy complete --help.

_choppy() {
	local line
	COMPREPLY=()
	while IFS= read -r line; do
		case $line in
		'<file>') compopt -o default ;;
		'<command '*)
			line=${line#<command }
			line=${line%>}
			if declare -F _command_offset >/dev/null; then
				_command_offset "$line"
			elif [ "$line" -eq "$COMP_CWORD" ]; then
				mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
			else
				compopt -o default
			fi
			return
			;;
		*) COMPREPLY+=("${line%%$'\t'*}") ;;
		esac
	done < <("${COMP_WORDS[0]}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}

complete -F _choppy choppy
