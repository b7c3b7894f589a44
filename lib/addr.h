/* SPDX-License-Identifier: GPL-2.0-or-later */
/* addr.h - addresses and networks; those of a lab's link, given or chosen clear of the host's. */
#ifndef CHOPPY_ADDR_H
#define CHOPPY_ADDR_H

#include "link.h"

/* Whether two networks share addresses. */
bool inet_overlap(const struct inet *a, const struct inet *b);
/* The address @n further on, which there is. */
struct inet inet_plus(const struct inet *a, unsigned int n);
/* With the bits behind the prefix 0. */
struct inet inet_masked(const struct inet *a);
/* Whether it may be a host's: not loopback, multicast and the like. */
bool inet_usable(const struct inet *a);
bool inet_is_broadcast(const struct inet *a);

/* The two ends of a link. */
struct addr_pair {
	struct inet gateway, node;
};

/*
 * Who already uses which addresses: routes of all tables (default routes and
 * other very wide ones apart), name servers, and other labs' reservations.
 */
struct addr_used {
	struct inet *v;
	size_t n, size;
};
void addr_used_free(struct addr_used *u);
int addr_used_add(struct addr_used *u, const struct inet *a);
/* One of @u that shares addresses with network @a, or NULL. */
const struct inet *addr_used_overlap(const struct addr_used *u, const struct inet *a);
/* Add the routes of @nl's namespace. */
int addr_used_routes(struct addr_used *u, struct nl *nl, struct choppy_err *err);
/* Add the name servers of a resolv.conf(5); a missing file has none. */
int addr_used_resolvers(struct addr_used *u, const char *path);

/*
 * Choose for lab @name: the first free /31 of the /24 that the name's hash
 * selects in 10.64.0.0/10, and a /127 of a ULA prefix (RFC 4193) likewise. When the
 * /24 is full the next ones follow. -EADDRNOTAVAIL when nothing is free.
 */
int addr_choose4(struct addr_pair *ret, const char *name, const struct addr_used *u,
		 struct choppy_err *err);
int addr_choose6(struct addr_pair *ret, const char *name, const struct addr_used *u,
		 struct choppy_err *err);

/*
 * The two ends out of a given prefix: an address with host bits is the node's,
 * otherwise the network's lower usable address is the gateway's and the next the node's.
 * Refused (-EINVAL): a /32 or /128, multicast, loopback and the like.
 */
int addr_from_text(struct addr_pair *ret, const char *text, struct choppy_err *err);
/* -EADDRINUSE, naming what is in the way, when @p overlaps with @u. */
int addr_check_free(const struct addr_pair *p, const struct addr_used *u, struct choppy_err *err);

#endif
