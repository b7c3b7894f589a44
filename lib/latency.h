/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * latency.h - a matrix of delays between groups of nodes, as delays of links: between
 * each node and the router of its group, and between the routers.
 */
#ifndef CHOPPY_LATENCY_H
#define CHOPPY_LATENCY_H

#include "choppy.h"

#define LATENCY_GROUPS_MAX 64
#define LATENCY_NONE UINT64_MAX /* a cell that is not given */
#define NO_GROUP UINT32_MAX

struct latency {
	uint32_t n;
	bool rtt; /* cells are round trips */
	const char *name[LATENCY_GROUPS_MAX];
	uint32_t nodes[LATENCY_GROUPS_MAX]; /* how many of the group */
	uint64_t ns[LATENCY_GROUPS_MAX][LATENCY_GROUPS_MAX]; /* from the row to the column */
	/* Where cells and rows stand in their file, for whoever tells; NULL: nowhere. */
	const void *at[LATENCY_GROUPS_MAX][LATENCY_GROUPS_MAX], *row_at[LATENCY_GROUPS_MAX];
};

/* Delays of links, one way, in nanoseconds. */
struct latency_links {
	uint64_t up[LATENCY_GROUPS_MAX]; /* from a node to its router */
	uint64_t down[LATENCY_GROUPS_MAX]; /* from the router to a node */
	uint64_t core[LATENCY_GROUPS_MAX][LATENCY_GROUPS_MAX]; /* from router to router */
};

/* No group, and no cell. */
void latency_init(struct latency *l);

/* The number of the group called @name, or NO_GROUP and, in @err, which it may be. */
uint32_t latency_group(const struct latency *l, const char *name, struct choppy_err *err);

/* The text of a cell: a time with its unit, of a round trip where cells are that. */
int latency_value(uint64_t *ret, const struct latency *l, const char *text, struct choppy_err *err);

/*
 * -EINVAL: each reason has been told, with the place of the cell, the row, or NULL for the matrix
 * as a whole; @ret is then without meaning.
 */
int latency_links(struct latency_links *ret, const struct latency *l,
		  void (*tell)(void *ctx, const void *at, const char *text), void *ctx);

#endif
