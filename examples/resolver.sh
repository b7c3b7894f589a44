#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the nodes of resolver.yaml do.
#
#	resolver.sh serve			a name server that knows one name
#	resolver.sh ask SECONDS TRIES		for that name
. ./servers.sh

serve() {
	need dnsmasq-base dnsmasq
	exec dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --no-resolv --no-hosts \
		--host-record=www.shop.test,192.0.2.80 --log-queries --log-facility=-
}

ask() {
	need bind9-dnsutils dig
	exec dig -4 @dns www.shop.test +short +time="$1" +tries="$2"
}

"$@"
