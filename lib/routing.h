/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * routing.h - the routes of each node of a numbered topology: the fewest links to
 * every address, in as few routes as say so.
 */
#ifndef CHOPPY_ROUTING_H
#define CHOPPY_ROUTING_H

#include "numbering.h"

#define NO_NODE UINT32_MAX

struct route {
	struct inet dst; /* len 0: the default route */
	struct inet via; /* the next router's address, or that of the end itself */
	uint32_t port; /* by which it is reached */
};

struct routing;

/* @t and @n must outlive it. @uplink: the node with the way out, or NO_NODE. NULL: no memory. */
struct routing *routing_open(const struct topology *t, const struct numbering *n, uint32_t uplink);
void routing_close(struct routing *r);

/*
 * The routes of @node, both families, valid until the next call; their number, or -ENOMEM. Networks
 * that the node has a port in have none: the kernel knows them by its address.
 */
int routing_of(struct routing *r, uint32_t node, const struct route **ret);

/* The way to @node that the last call found, in links, or UINT32_MAX. */
uint32_t routing_distance(const struct routing *r, uint32_t node);

#endif
