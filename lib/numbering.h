/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * numbering.h - addresses for a topology: one network for each segment, that is for
 * all that hear each other's broadcasts.
 */
#ifndef CHOPPY_NUMBERING_H
#define CHOPPY_NUMBERING_H

#include "addr.h"
#include "topology.h"

struct segment {
	struct inet net[2]; /* IPv4 and IPv6 networks; host bits 0 */
	uint32_t first; /* its ports are numbering.ports[first] and so on: those with addresses */
	uint32_t nports;
};

struct numbering {
	struct segment *segments;
	uint32_t nsegments;
	uint32_t *ports; /* by segment, in the order of the links */
	struct inet pool[2]; /* out of which the networks are taken */
};

void numbering_free(struct numbering *n);

/*
 * Give every port of a host or router an address, and every port its segment.
 *
 * Networks follow each other in the order of the links, aligned to their size: a /31 for two, else
 * with room for a network and a broadcast address. The pool is the first free block behind the one
 * of 10.128.0.0/9 that @name's hash selects; IPv6 is the same numbers behind a prefix of a ULA /48
 * (RFC 4193) likewise: 10.130.0.1/24 is fdxx:xxxx:xxxx::a82:1/120. So the same lab has the same
 * addresses wherever they are free.
 *
 * A given IPv4 address (topo_port.given[0] with its prefix) is kept, and the ports of its segment
 * that have none get the next free ones of its network.
 * -EINVAL: addresses of one segment are of two networks. -EADDRINUSE: an address is given twice, or
 * networks overlap. -EADDRNOTAVAIL: no block is free, or a given network is full.
 */
int numbering_make(struct numbering *ret, struct topology *t, const char *name,
		   const struct addr_used *used, struct choppy_err *err);

#endif
