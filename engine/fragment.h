/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fragment.h - whether a wire packet fits an MTU, and IPv4 fragments of one that does not. */
#ifndef CHOPPY_FRAGMENT_H
#define CHOPPY_FRAGMENT_H

#include "frame.h"

enum fit {
	FITS,
	TOO_BIG, /* IPv6, DF set, no IP, or a FRAME_WHOLE */
	MAY_FRAGMENT, /* IPv4 without DF */
};

/*
 * Whether unit @unit of @f fits @mtu, which counts as a device's: from the IP header on, or
 * from whatever stands behind Ethernet header and VLAN tags. Of a FRAME_WHOLE the wire packets
 * count, by the sizes in its virtio header.
 */
enum fit frame_fits(const struct frame *f, uint32_t unit, uint32_t mtu);

/*
 * Cut unit @unit of @f, for which frame_fits() says MAY_FRAGMENT, into at most @max
 * fragments (RFC 791) in @ret, in order, each a FRAME_SINGLE with one reference, stamped as
 * @f. Returns how many. On failure nothing is made: -EMSGSIZE: it may not be fragmented, or
 * @mtu leaves no room behind its header; -EINVAL: its length field is wrong; -E2BIG: more than
 * @max; -ENOMEM: the pool is exhausted.
 */
int fragment_make(struct pool *pool, const struct frame *f, uint32_t unit, uint32_t mtu,
		  struct frame **ret, unsigned max);

#endif
