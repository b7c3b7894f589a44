#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the nodes of postgres.yaml do.
#
#	postgres.sh primary		a new server, with a table of lines
#	postgres.sh standby		a copy of it, which then follows it
#	postgres.sh follows		whether this standby gets what is written
#	postgres.sh write LINE		into the table of this node
#	postgres.sh has LINE		whether it is in the table of this node
. ./servers.sh
need postgresql-15 initdb postgres pg_basebackup pg_isready psql
export PGUSER=choppy PGDATABASE=template1 PGCONNECT_TIMEOUT=5 LC_ALL=C
data=/dev/shm/data

serve() {
	exec postgres -D $data -c listen_addresses='*' -c unix_socket_directories= -c log_checkpoints=off
}

# What nobody needs here is dropped: all of it will go over the link.
primary() {
	initdb -D $data --username=$PGUSER --auth=trust --encoding=UTF8 --no-locale --wal-segsize=1 --no-sync \
		>/dev/null || exit
	echo 'host all,replication all all trust' >>$data/pg_hba.conf
	postgres --single -D $data -c log_checkpoints=off template1 >/dev/null <<-END || exit
		UPDATE pg_database SET datistemplate = false
		DROP DATABASE template0
		DROP DATABASE postgres
		CREATE TABLE lines (line text)
	END
	serve
}

standby() {
	until pg_isready --quiet --host primary || [ $? -gt 2 ]; do
		sleep 0.2
	done
	pg_basebackup --host primary -D $data --write-recovery-conf --wal-method=fetch --compress=server-zstd:19 \
		--checkpoint=fast --no-sync --verbose || exit
	serve
}

sql() {
	psql --host "$(hostname)" --no-psqlrc --quiet --tuples-only --no-align -c "$1"
}

follows() {
	[ "$(sql 'SELECT status FROM pg_stat_wal_receiver')" = streaming ]
}

write() {
	sql "INSERT INTO lines VALUES ('$1')"
}

has() {
	[ "$(sql "SELECT line FROM lines WHERE line = '$1'")" = "$1" ]
}

"$@"
