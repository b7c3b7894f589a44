#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# QUIC, by the real thing: kdig asks Knot DNS over QUIC (RFC 9250) through the uplinks, on a good link and
# on a bad one. Knot DNS of Debian 12 serves QUIC on AF_XDP sockets only, which suits the veth of the
# outside; its package would start a service, so the server is unpacked and not installed.
. "$(dirname "$0")/lib.sh"

knotd=$BUILD_DIR/quic/usr/sbin/knotd
# In the real host, before there is a fake one, which has no way to the packages.
if [ -z "${CHOPPY_FAKE_HOST-}" ] && [ ! -x "$knotd" ]; then
	"$ROOT/scripts/install-packages" --unpack quic "$BUILD_DIR/quic" >/dev/null 2>&1
fi
fake_host
# give_up REASON: nothing can be said here.
give_up() {
	skip "QUIC" "$1"
	finish
}
[ -x "$knotd" ] || give_up "Knot DNS could not be fetched"
outside_up
user_home $USER_ID
chmod 1777 "$T"

K=$T/knot
mkdir "$K"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$K/key.pem" -out "$K/cert.pem" \
	-subj /CN=quic.test -days 30 2>"$T/openssl.log" || give_up "no certificate"
cat >"$K/zone" <<-END
	\$ORIGIN quic.test.
	@ 3600 SOA ns admin 1 3600 600 86400 300
	@ NS ns
	ns A $WEB4
	www TXT "over quic"
END
cat >"$K/conf" <<-END
	server:
	    rundir: "$K"
	    user: root:root
	    cert-file: "$K/cert.pem"
	    key-file: "$K/key.pem"
	xdp:
	    listen: host0@5354
	    quic: on
	    quic-port: 853
	log:
	  - target: stderr
	    any: info
	database:
	    storage: "$K"
	zone:
	  - domain: quic.test
	    file: "$K/zone"
END
outside "$knotd" -c "$K/conf" >"$T/knotd.log" 2>&1 &
disown -a
serves() { grep -q 'loaded, serial none' "$T/knotd.log"; }
wait_until serves || give_up "Knot DNS does not serve: $(tail -1 "$T/knotd.log")"

# Timeouts are wide: only answers count.
ask=(kdig +quic +timeout=20 +retry=0 @198.51.100.1 -p 853 www.quic.test TXT)
answered() { # WHAT COMMAND...
	local what=$1 out
	shift
	out=$("$@" "${ask[@]}" 2>&1)
	matches "$what: the answer" "$out" '"over quic"'
	matches "$what: by QUIC" "$out" 'QUIC session \(QUICv1\)'
}
me() {
	setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --inh-caps=-all -- \
		env XDG_RUNTIME_DIR=/run/user/$USER_ID HOME=/ "$@"
}

answered "the host itself" env
answered "nat" choppy run --
answered "relay, with root" choppy run --uplink relay --
answered "relay, without" me choppy run --
# Of delay: this client does not repeat what is lost.
answered "a slow link, without" me choppy run --seed 5 delay 50ms 10ms --
choppy add q --uplink relay
choppy exec q -- "${ask[@]}" >/dev/null 2>&1
# A handshake takes two of the client's and one of the server's at least (RFC 9001, 4).
choppy show q --json >"$T/q.json"
holds "its packets cross the link" jq -e '.counters.up.packets >= 3 and .counters.down.packets >= 2' "$T/q.json"
choppy del q

finish
