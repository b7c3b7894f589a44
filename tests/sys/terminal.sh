#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# choppy on a terminal: an interactive shell, Ctrl-C, Ctrl-Z and fg, job control inside.
. "$(dirname "$0")/lib.sh"
fake_host
snapshot "$T/before"
export T TERM=dumb PS1='here$ ' HISTFILE=/dev/null

# dialogue NAME WANT SCRIPT: expect(1) runs SCRIPT on a terminal of its own and ends with WANT.
# A shell is spoken to at its prompt only: what is typed while it changes the terminal's modes may be cut.
dialogue() {
	local got
	timeout --kill-after=5 40 expect -f - >"$T/dialogue" 2>&1 <<-END
		set timeout 20
		proc must {what} {
			expect {
				-re \$what {}
				timeout { puts "\ntimeout before: \$what"; exit 99 }
				eof { puts "\nended before: \$what"; exit 98 }
			}
		}
		proc ends {} {
			expect {
				eof {}
				timeout { puts "\ndid not end"; exit 99 }
			}
			set s [wait]
			if {[lindex \$s 4] eq "CHILDKILLED"} {
				exit [expr {[lindex \$s 5] eq "SIGINT" ? 130 : 97}]
			}
			exit [lindex \$s 3]
		}
		$3
	END
	got=$?
	cat "$T/dialogue" >&2
	if [ "$got" -eq "$2" ]; then
		ok "$1"
	else
		not_ok "$1" "status $got, not $2: $(tail -c 400 "$T/dialogue" | tr -d '\r')"
	fi
	leak_check "$1: nothing left" "$T/before"
}

dialogue "an interactive shell" 4 '
	spawn choppy run --uplink none -- bash --norc -i
	must {\$ $}
	send "echo in-\$((40+2)); ip -o link show eth0 | wc -l\r"
	must {in-42}
	must {\n1\r.*\$ $}
	send "exit 4\r"
	ends'

dialogue "the shell has no complaint about job control" 0 '
	spawn choppy run --uplink none -- bash --norc -i
	expect {
		-re {no job control|cannot set terminal} { exit 90 }
		-re {\$ $} {}
		timeout { exit 99 }
	}
	send "exit 0\r"
	ends'

# It speaks when it is continued: by then fg has given it the terminal.
echo 'trap "echo goes on" CONT; echo running; sleep 1000 & while :; do wait; done' >"$T/job"
dialogue "job control inside" 0 '
	spawn choppy run --uplink none -- bash --norc -i
	must {\$ $}
	send "sh $env(T)/job\r"
	must {running}
	send "\032"
	must {Stopped.*\$ $}
	send "fg\r"
	must {goes on}
	send "\003"
	must {\$ $}
	send "exit 0\r"
	ends'

dialogue "Ctrl-C ends the program" 130 '
	spawn choppy run --uplink none -- sh -c "echo ready; exec sleep 1000"
	must ready
	send "\003"
	ends'

echo 'trap "exit 6" INT; sleep 1000 & echo ready; wait; exit 1' >"$T/trap"
dialogue "Ctrl-C is left to the program" 6 '
	spawn choppy run --uplink none -- sh $env(T)/trap
	must ready
	send "\003"
	ends'

dialogue "Ctrl-Z stops it, fg goes on" 0 '
	spawn bash --norc -i
	must {\$ $}
	send "choppy run --uplink none -- sh -c \"echo rea\"dy\"; read x; echo got-\\\$x\"\r"
	must {\nready\r}
	send "\032"
	must {Stopped.*\$ $}
	# Its reader may be stopped a moment later, and would take what is typed meanwhile.
	set n 0
	while {[catch {exec sh -c {for p in /proc/[0-9]*; do
		[ "$(cat $p/comm)" = sh ] && grep -qz "[r]ead x" $p/cmdline &&
			grep -q "^State:.[RSD]" $p/status && exit 1; done 2>/dev/null; exit 0}}] && [incr n] < 500} {
		after 20
	}
	send "jobs; echo shell-\$((1+1))\r"
	must {\nshell-2\r.*\$ $}
	send "fg\r"
	must {choppy run}
	send "word\r"
	must {\ngot-word\r.*\$ $}
	send "exit 0\r"
	ends'

dialogue "in the background it does not touch the terminal" 0 '
	spawn bash --norc -i
	must {\$ $}
	send "choppy run --uplink none -- sh -c \"exit 3\" & wait \$!; echo status-\$?\r"
	must {\nstatus-3\r.*\$ $}
	send "exit 0\r"
	ends'

dialogue "a terminal that goes away" 0 '
	spawn choppy run --uplink none -- sh -c "echo ready; exec sleep 1000"
	must ready
	close
	wait
	exit 0'

finish
