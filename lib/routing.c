/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A breadth-first search from each node finds the first hop to every other; of equally short ways
 * the one whose links were named first wins. Hosts end a way, routers and switches continue it.
 *
 * The networks behind a hop are then merged: of a sorted list of networks the whole becomes one
 * route when all have the same hop, otherwise its halves, by the first bit in which they differ,
 * are looked at in the same way. What lies between the networks is nobody's, so it may be covered;
 * what the node is joined to itself is the longer prefix, and stays. A chain of a thousand routers
 * needs some ten routes in each, not a thousand.
 */
#include "routing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

struct hop {
	uint32_t out, gate; /* ports: of the node, of its neighbour */
};

/* A network, or one address of it, and the way there. */
struct target {
	struct inet net;
	struct hop hop;
};

struct routing {
	const struct topology *t;
	const struct numbering *n;
	uint32_t uplink;
	struct hop *hop; /* by node */
	uint32_t *distance; /* by node; UINT32_MAX: not reached */
	uint32_t *queue;
	uint32_t *joined, *seen; /* by segment: the last node that is joined to it, that saw it */
	struct target *targets;
	uint32_t ntargets;
	bool ascending; /* the targets, by address: as the segments are, but for given networks */
	struct route *routes;
	int nroutes, room;
};

struct routing *routing_open(const struct topology *t, const struct numbering *n, uint32_t uplink)
{
	struct routing *r = calloc(1, sizeof(*r));
	size_t nodes = t->nnodes + 1, segments = n->nsegments + 1, ports = 2 * t->nlinks + 1;

	if (!r)
		return NULL;
	r->t = t;
	r->n = n;
	r->uplink = uplink;
	r->hop = calloc(nodes, sizeof(*r->hop));
	r->distance = calloc(nodes, sizeof(*r->distance));
	r->queue = calloc(nodes, sizeof(*r->queue));
	r->joined = malloc(segments * sizeof(*r->joined));
	r->seen = malloc(segments * sizeof(*r->seen));
	r->targets = calloc(ports, sizeof(*r->targets));
	if (!r->hop || !r->distance || !r->queue || !r->joined || !r->seen || !r->targets) {
		routing_close(r);
		return NULL;
	}
	memset(r->joined, 0xff, segments * sizeof(*r->joined));
	return r;
}

void routing_close(struct routing *r)
{
	if (!r)
		return;
	free(r->hop);
	free(r->distance);
	free(r->queue);
	free(r->joined);
	free(r->seen);
	free(r->targets);
	free(r->routes);
	free(r);
}

uint32_t routing_distance(const struct routing *r, uint32_t node)
{
	return r->distance[node];
}

/* ------------------------------------------------------------------ search */

/* Everybody in the segment of @port, which belongs to @node, is one further than it. */
static uint32_t look_around(struct routing *r, uint32_t source, uint32_t node, uint32_t port,
			    uint32_t tail)
{
	const struct segment *s = &r->n->segments[r->t->ports[port].segment];

	for (uint32_t k = 0; k < s->nports; k++) {
		uint32_t there = r->n->ports[s->first + k], other = r->t->ports[there].node;

		if (r->distance[other] != UINT32_MAX)
			continue;
		r->distance[other] = r->distance[node] + 1;
		r->hop[other] = node == source ? (struct hop){ .out = port, .gate = there }
					       : r->hop[node];
		r->queue[tail++] = other;
	}
	return tail;
}

static void search(struct routing *r, uint32_t source)
{
	uint32_t head = 0, tail = 0;

	memset(r->distance, 0xff, r->t->nnodes * sizeof(*r->distance));
	memset(r->seen, 0xff, r->n->nsegments * sizeof(*r->seen));
	r->distance[source] = 0;
	r->queue[tail++] = source;
	while (head < tail) {
		uint32_t node = r->queue[head++];

		if (node != source && r->t->nodes[node].kind != NODE_ROUTER)
			continue;
		for (uint32_t p = r->t->nodes[node].first_port; p != NO_PORT;
		     p = r->t->ports[p].next) {
			uint32_t s = r->t->ports[p].segment;

			if (r->seen[s] == source)
				continue;
			r->seen[s] = source;
			tail = look_around(r, source, node, p, tail);
		}
	}
}

/* ----------------------------------------------------------------- targets */

static bool same_hop(const struct hop *a, const struct hop *b)
{
	return a->out == b->out && a->gate == b->gate;
}

static int by_address(const void *a, const void *b)
{
	const struct inet *x = &((const struct target *)a)->net;
	const struct inet *y = &((const struct target *)b)->net;

	return memcmp(x->bytes, y->bytes, sizeof(x->bytes));
}

static void add_target(struct routing *r, const struct inet *net, const struct hop *hop)
{
	struct target *t = &r->targets[r->ntargets++];

	*t = (struct target){ .net = *net, .hop = *hop };
	if (r->ntargets > 1 && by_address(t - 1, t) > 0)
		r->ascending = false;
}

/* Ends of one segment may be reached in different ways: a host that has other links too. */
static void add_segment(struct routing *r, const struct segment *s, int f)
{
	const struct hop *first = NULL;
	bool one_way = true;

	for (uint32_t k = 0; k < s->nports; k++) {
		uint32_t node = r->t->ports[r->n->ports[s->first + k]].node;

		if (r->distance[node] == UINT32_MAX)
			continue;
		if (!first)
			first = &r->hop[node];
		one_way &= same_hop(first, &r->hop[node]);
	}
	if (first && one_way)
		add_target(r, &s->net[f], first);
	for (uint32_t k = 0; k < s->nports && !one_way; k++) {
		const struct topo_port *p = &r->t->ports[r->n->ports[s->first + k]];
		struct inet alone = p->addr[f];

		alone.len = (uint8_t)(inet_size(&alone) * 8);
		if (r->distance[p->node] != UINT32_MAX)
			add_target(r, &alone, &r->hop[p->node]);
	}
}

static void find_targets(struct routing *r, uint32_t source, int f)
{
	r->ntargets = 0;
	r->ascending = true;
	for (uint32_t p = r->t->nodes[source].first_port; p != NO_PORT; p = r->t->ports[p].next)
		r->joined[r->t->ports[p].segment] = source;
	for (uint32_t s = 0; s < r->n->nsegments; s++)
		if (r->joined[s] != source && r->n->segments[s].nports)
			add_segment(r, &r->n->segments[s], f);
}

/* ------------------------------------------------------------------- merge */

static int add_route(struct routing *r, const struct inet *dst, const struct hop *hop, int f)
{
	if (r->nroutes == r->room) {
		int room = r->room ? 2 * r->room : 64;
		struct route *v = realloc(r->routes, (size_t)room * sizeof(*v));

		if (!v)
			return -ENOMEM;
		r->routes = v;
		r->room = room;
	}
	r->routes[r->nroutes++] = (struct route){ .dst = *dst,
						  .via = r->t->ports[hop->gate].addr[f],
						  .port = hop->out };
	return 0;
}

static bool bit_of(const struct inet *a, unsigned int bit)
{
	return a->bytes[bit / 8] & (0x80 >> (bit % 8));
}

/* The first bit in which two networks differ. */
static unsigned int common_bits(const struct inet *a, const struct inet *b)
{
	unsigned int len = a->len < b->len ? a->len : b->len, bit = 0;

	while (bit < len && bit_of(a, bit) == bit_of(b, bit))
		bit++;
	return bit;
}

/*
 * The sorted targets from @from up to @to, which is not one of them. Those of @otherwise, the
 * default route's hop, need no route, but they are in between.
 */
static int merge(struct routing *r, uint32_t from, uint32_t to, int f, const struct hop *otherwise)
{
	const struct target *first = &r->targets[from], *last = &r->targets[to - 1];
	unsigned int common = common_bits(&first->net, &last->net);
	uint32_t middle = from;
	struct inet dst = first->net;
	bool one_way = true;
	int ret;

	for (uint32_t i = from; i < to && one_way; i++)
		one_way = same_hop(&first->hop, &r->targets[i].hop);
	if (one_way && otherwise && same_hop(&first->hop, otherwise))
		return 0;
	if (one_way) {
		if (to - from > 1)
			dst.len = (uint8_t)common;
		dst = inet_masked(&dst);
		return add_route(r, &dst, &first->hop, f);
	}
	while (middle < to && !bit_of(&r->targets[middle].net, common))
		middle++;
	ret = merge(r, from, middle, f, otherwise);
	return ret < 0 ? ret : merge(r, middle, to, f, otherwise);
}

/* By which hop the default route goes, or NULL. */
static const struct hop *default_hop(const struct routing *r, uint32_t source)
{
	if (r->uplink != NO_NODE)
		return source != r->uplink && r->distance[r->uplink] != UINT32_MAX
			       ? &r->hop[r->uplink]
			       : NULL;
	if (r->t->nodes[source].kind == NODE_ROUTER || !r->ntargets)
		return NULL;
	for (uint32_t i = 1; i < r->ntargets; i++)
		if (!same_hop(&r->targets[i].hop, &r->targets[0].hop))
			return NULL;
	return &r->targets[0].hop;
}

static int routes_of(struct routing *r, uint32_t source, int f)
{
	const struct inet any = { .family = f ? AF_INET6 : AF_INET };
	const struct hop *found;
	struct hop otherwise;
	int ret = 0;

	find_targets(r, source, f);
	found = default_hop(r, source);
	if (found) {
		otherwise = *found; /* sorting moves it */
		found = &otherwise;
		ret = add_route(r, &any, found, f);
	}
	if (ret < 0 || !r->ntargets)
		return ret;
	if (!r->ascending)
		qsort(r->targets, r->ntargets, sizeof(*r->targets), by_address);
	return merge(r, 0, r->ntargets, f, found);
}

int routing_of(struct routing *r, uint32_t node, const struct route **ret)
{
	int e;

	r->nroutes = 0;
	search(r, node);
	e = routes_of(r, node, 0);
	if (e == 0)
		e = routes_of(r, node, 1);
	if (e < 0)
		return e;
	*ret = r->routes;
	return r->nroutes;
}
