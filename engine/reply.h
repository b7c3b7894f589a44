/* SPDX-License-Identifier: GPL-2.0-or-later */
/* reply.h - what a router or host would answer to the sender of a wire packet that is refused. */
#ifndef CHOPPY_REPLY_H
#define CHOPPY_REPLY_H

#include "frame.h"

enum reply {
	REPLY_NONE,
	REPLY_UNREACHABLE, /* ICMP 3/1 host unreachable, ICMPv6 1/3 address unreachable */
	REPLY_PROHIBITED, /* ICMP 3/13, ICMPv6 1/1: communication administratively prohibited */
	REPLY_RESET, /* TCP: RST; others: port unreachable, ICMP 3/3, ICMPv6 1/4 */
	REPLY_NO_ROUTE, /* ICMP 3/0 network unreachable, ICMPv6 1/0 no route */
	REPLY_NO_PROTOCOL, /* ICMP 3/2 protocol unreachable, ICMPv6 4/1 unrecognized next header */
	REPLY_TOO_BIG, /* ICMP 3/4 fragmentation needed and DF set, ICMPv6 2/0 */
};

/*
 * The answer to unit @unit of @f, as if from its destination: a FRAME_SINGLE with one reference,
 * exempt, stamped as @f, checksums finished, addressed to the sender with the same VLAN
 * tags. @mtu: only for REPLY_TOO_BIG. NULL: none may be sent (RFC 1122 3.2.2, RFC 4443 2.4,
 * RFC 9293 3.10.7.1; no reset to a part of a segment, or to what is not cut), or the pool is
 * exhausted.
 */
struct frame *reply_make(struct pool *pool, const struct frame *f, uint32_t unit, enum reply kind,
			 uint32_t mtu);

#endif
