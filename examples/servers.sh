# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Where the examples find their servers: in the PATH, where Debian keeps PostgreSQL's, and where
#
#	scripts/install-packages --unpack examples build/examples
#
# unpacks them: so they need not be installed, which would start them on this machine. PostgreSQL's go
# first: what Debian has of them in /usr/bin asks for a cluster of Debian's. (/dev/shm/servers: scratch.sh.)
for tree in ../build/examples /dev/shm/servers ''; do
	PATH=$PATH:$tree/usr/bin:$tree/usr/sbin
	for dir in "$tree"/usr/lib/postgresql/*/bin; do
		[ ! -d "$dir" ] || PATH=$dir:$PATH
	done
done

# need PACKAGES COMMAND...: or else one clear line.
need() {
	packages=$1
	shift
	for command; do
		command -v "$command" >/dev/null && continue
		echo "$0: there is no $command here: apt-get install $packages" >&2
		exit 77
	done
}
