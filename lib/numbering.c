/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segments are found by union and find: a switch makes one of all its links. Their networks are
 * laid out one behind the other in numbers that count from 0; a pool's base is added when it is
 * known how large it must be.
 */
#include "numbering.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "util.h"

#define POOLS 0x0a800000u /* 10.128.0.0/9 */
#define POOLS_BITS 23
#define POOL_BITS_MIN 8
#define ULA_SUBNETS 0x8000u /* the upper half; the lower is of links with a gateway */

static const char *const families[2] = { "IPv4", "IPv6" };

void numbering_free(struct numbering *n)
{
	free(n->segments);
	free(n->ports);
	memset(n, 0, sizeof(*n));
}

/* ---------------------------------------------------------------- segments */

static uint32_t root_of(uint32_t *parent, uint32_t i)
{
	while (parent[i] != i)
		i = parent[i] = parent[parent[i]];
	return i;
}

/* The lower number stays the root, so that segments come in the order of the links. */
static void join(uint32_t *parent, uint32_t a, uint32_t b)
{
	a = root_of(parent, a);
	b = root_of(parent, b);
	if (a < b)
		parent[b] = a;
	else
		parent[a] = b;
}

static void join_switches(const struct topology *t, uint32_t *parent)
{
	for (uint32_t i = 0; i < t->nlinks; i++)
		parent[i] = i;
	for (uint32_t n = 0; n < t->nnodes; n++) {
		const struct topo_node *node = &t->nodes[n];

		if (node->kind != NODE_SWITCH)
			continue;
		for (uint32_t p = node->first_port; p != NO_PORT; p = t->ports[p].next)
			join(parent, port_link(node->first_port), port_link(p));
	}
}

static bool has_address(const struct topology *t, uint32_t port)
{
	return t->nodes[t->ports[port].node].kind != NODE_SWITCH;
}

/* The ports of each segment, side by side. */
static void sort_ports(struct numbering *n, const struct topology *t)
{
	uint32_t at = 0;

	for (uint32_t p = 0; p < 2 * t->nlinks; p++)
		n->segments[t->ports[p].segment].nports += has_address(t, p);
	for (uint32_t s = 0; s < n->nsegments; s++) {
		n->segments[s].first = at;
		at += n->segments[s].nports;
		n->segments[s].nports = 0;
	}
	for (uint32_t p = 0; p < 2 * t->nlinks; p++) {
		struct segment *s = &n->segments[t->ports[p].segment];

		if (has_address(t, p))
			n->ports[s->first + s->nports++] = p;
	}
}

static int find_segments(struct numbering *n, struct topology *t)
{
	CLEANUP_FREE uint32_t *parent = malloc((t->nlinks + 1) * sizeof(*parent));

	n->segments = calloc(t->nlinks + 1, sizeof(*n->segments));
	n->ports = calloc(2 * t->nlinks + 1, sizeof(*n->ports));
	if (!parent || !n->segments || !n->ports)
		return -ENOMEM;
	join_switches(t, parent);
	for (uint32_t i = 0; i < t->nlinks; i++) {
		uint32_t root = root_of(parent, i);
		uint32_t s = root == i ? n->nsegments++ : t->ports[2 * root].segment;

		t->ports[2 * i].segment = t->ports[2 * i + 1].segment = s;
	}
	sort_ports(n, t);
	return 0;
}

/* -------------------------------------------------------------------- pool */

/* Addresses that a network of so many ports takes. */
static uint32_t size_for(uint32_t nports)
{
	uint32_t size = 2;

	/* In a /31 both are hosts (RFC 3021); else the first and the last are none. */
	while (nports > 2 && size < nports + 2)
		size *= 2;
	return size;
}

static uint8_t bits_of(uint32_t size)
{
	uint8_t bits = 0;

	while ((1u << bits) < size)
		bits++;
	return bits;
}

/* Where each segment's network begins, into net[0]; how many addresses all of them take. */
static uint64_t lay_out(struct numbering *n)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < n->nsegments; i++) {
		struct segment *s = &n->segments[i];
		uint32_t size = size_for(s->nports);

		if (!s->nports)
			continue;
		at = (at + size - 1) & ~(uint64_t)(size - 1);
		s->net[0] = (struct inet){ .family = AF_INET, .len = 32 - bits_of(size) };
		s->net[0].v4.s_addr = htonl((uint32_t)at);
		at += size;
	}
	return at;
}

static int choose_pool4(struct inet *ret, const char *name, uint64_t size,
			const struct addr_used *used, struct choppy_err *err)
{
	uint8_t bits = size <= 1u << POOL_BITS_MIN ? POOL_BITS_MIN
		       : size > 1u << POOLS_BITS   ? POOLS_BITS + 1
						   : bits_of((uint32_t)size);
	uint32_t blocks = bits > POOLS_BITS ? 0 : 1u << (POOLS_BITS - bits);
	uint32_t block = blocks ? (uint32_t)(hash_name(name) % blocks) : 0;

	for (uint32_t i = 0; i < blocks; i++, block = (block + 1) % blocks) {
		struct inet a = { .family = AF_INET, .len = 32 - bits };

		a.v4.s_addr = htonl(POOLS + (block << bits));
		if (addr_used_overlap(used, &a))
			continue;
		*ret = a;
		return 0;
	}
	return err_set(err, -EADDRNOTAVAIL,
		       "no block of %llu IPv4 addresses is free in 10.128.0.0/9: give addresses",
		       (unsigned long long)size);
}

static int choose_pool6(struct inet *ret, const char *name, const struct addr_used *used,
			struct choppy_err *err)
{
	uint64_t id = hash_name(name);

	for (uint32_t i = 0; i < ULA_SUBNETS; i++) {
		struct inet a = { .family = AF_INET6, .len = 64 };

		a.bytes[0] = 0xfd;
		for (int b = 0; b < 5; b++)
			a.bytes[1 + b] = (uint8_t)(id >> (8 * b));
		a.bytes[6] = (uint8_t)((ULA_SUBNETS + i) >> 8);
		a.bytes[7] = (uint8_t)i;
		if (addr_used_overlap(used, &a))
			continue;
		*ret = a;
		return 0;
	}
	return err_set(err, -EADDRNOTAVAIL, "no IPv6 prefix is free for '%s'", name);
}

/* The IPv6 network or address of the same number. */
static struct inet six(const struct inet *pool, const struct inet *four)
{
	struct inet a = *pool;

	a.len = 128 - 32 + four->len;
	memcpy(a.bytes + 12, four->bytes, 4);
	return a;
}

static void number(struct numbering *n, struct topology *t)
{
	for (uint32_t i = 0; i < n->nsegments; i++) {
		struct segment *s = &n->segments[i];

		if (!s->nports)
			continue;
		s->net[0].v4.s_addr |= n->pool[0].v4.s_addr;
		s->net[1] = six(&n->pool[1], &s->net[0]);
		for (uint32_t k = 0; k < s->nports; k++) {
			struct topo_port *p = &t->ports[n->ports[s->first + k]];
			struct inet a = inet_plus(&s->net[0], k + (s->net[0].len < 31));

			if (!p->addr[1].family)
				p->addr[1] = six(&n->pool[1], &a);
			if (!p->addr[0].family)
				p->addr[0] = a;
		}
	}
}

/* ------------------------------------------------------------------- given */

static const char *port_name(const struct topology *t, uint32_t port)
{
	return t->nodes[t->ports[port].node].name;
}

static int check_given(const struct topology *t, uint32_t port, const struct inet *a,
		       const struct inet *net, struct choppy_err *err)
{
	const struct inet bare = inet_masked(a);
	unsigned int bits = (unsigned int)inet_size(a) * 8;
	char text[64], other[64];

	inet_print(text, sizeof(text), a, true);
	if (a->len < 8 || a->len >= bits || !inet_usable(a) || inet_is_broadcast(a) ||
	    (a->len < bits - 1 && memcmp(a->bytes, bare.bytes, inet_size(a)) == 0))
		return err_set(err, -EINVAL, "%s cannot have the address %s: it is no host's",
			       port_name(t, port), text);
	if (bare.len == net->len && memcmp(bare.bytes, net->bytes, inet_size(a)) == 0)
		return 0;
	inet_print(other, sizeof(other), net, true);
	return err_set(err, -EINVAL, "%s has the address %s, and is joined to the network %s",
		       port_name(t, port), text, other);
}

static bool same_address(const struct inet *a, const struct inet *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, inet_size(a)) == 0;
}

/* Which of the segment's first @n ports has address @a; NO_PORT: none. */
static uint32_t who_has(const struct numbering *n, const struct topology *t,
			const struct segment *s, int f, const struct inet *a, uint32_t count)
{
	for (uint32_t k = 0; k < count; k++) {
		uint32_t port = n->ports[s->first + k];

		if (same_address(&t->ports[port].addr[f], a))
			return port;
	}
	return NO_PORT;
}

/* The ports of a segment that has given addresses and lacks some. */
static int fill_segment(const struct numbering *n, struct topology *t, const struct segment *s,
			int f, struct choppy_err *err)
{
	const struct inet *net = &s->net[f];
	struct inet next = inet_plus(net, net->len < inet_size(net) * 8 - 1);
	char text[64];

	for (uint32_t k = 0; k < s->nports; k++) {
		struct topo_port *p = &t->ports[n->ports[s->first + k]];

		if (p->addr[f].family)
			continue;
		while (who_has(n, t, s, f, &next, s->nports) != NO_PORT)
			next = inet_plus(&next, 1);
		if (!inet_overlap(&next, net) || inet_is_broadcast(&next)) {
			inet_print(text, sizeof(text), net, true);
			return err_set(err, -EADDRNOTAVAIL, "network %s has no address left for %s",
				       text, port_name(t, n->ports[s->first + k]));
		}
		p->addr[f] = next;
	}
	return 0;
}

/* 1 when addresses of the family are given in the segment. */
static int take_given(const struct numbering *n, struct topology *t, struct segment *s, int f,
		      struct choppy_err *err)
{
	bool any = false;

	for (uint32_t k = 0; k < s->nports; k++) {
		uint32_t port = n->ports[s->first + k], before;
		const struct inet *a = &t->ports[port].addr[f];
		int r;

		if (!a->family)
			continue;
		if (!any)
			s->net[f] = inet_masked(a);
		any = true;
		r = check_given(t, port, a, &s->net[f], err);
		before = who_has(n, t, s, f, a, k);
		if (r == 0 && before != NO_PORT)
			r = err_set(err, -EADDRINUSE, "%s has the %s address of %s",
				    port_name(t, port), families[f], port_name(t, before));
		if (r < 0)
			return r;
	}
	return any;
}

struct given {
	struct addr_used nets; /* of all that others have or somebody gave */
	struct addr_used given; /* the latter */
	bool *segment[2]; /* whose network of that family is given */
};

static int refuse_overlap(const struct inet *a, const struct inet *b, struct choppy_err *err)
{
	char one[64], two[64];

	inet_print(one, sizeof(one), a, true);
	inet_print(two, sizeof(two), b, true);
	return err_set(err, -EADDRINUSE,
		       "network %s is given where %s is: join them by a switch, or give another",
		       one, two);
}

static int collect_given(struct numbering *n, struct topology *t, struct given *g,
			 struct choppy_err *err)
{
	for (uint32_t i = 0; i < 2 * n->nsegments; i++) {
		struct segment *s = &n->segments[i / 2];
		const struct inet *in_the_way;
		int f = (int)i % 2, r = take_given(n, t, s, f, err);

		if (r < 0)
			return r;
		g->segment[f][i / 2] = r;
		if (!r)
			continue;
		/* What the host has is hidden from the lab then, as asked. */
		in_the_way = addr_used_overlap(&g->given, &s->net[f]);
		if (in_the_way)
			return refuse_overlap(&s->net[f], in_the_way, err);
		r = addr_used_add(&g->nets, &s->net[f]);
		if (r == 0)
			r = addr_used_add(&g->given, &s->net[f]);
		if (r < 0)
			return err_sys(err, r, "number the lab");
	}
	return 0;
}

static int fill_given(struct numbering *n, struct topology *t, const struct given *g,
		      struct choppy_err *err)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < 2 * n->nsegments; i++)
		if (g->segment[i % 2][i / 2])
			r = fill_segment(n, t, &n->segments[i / 2], (int)i % 2, err);
	return r;
}

/* -------------------------------------------------------------------- make */

/* The networks that are given stand beside the pool's numbers, which they replace. */
static void keep_given(struct numbering *n, const struct segment *given, const struct given *g)
{
	for (uint32_t i = 0; i < n->nsegments; i++)
		for (int f = 0; f < 2; f++)
			if (g->segment[f][i])
				n->segments[i].net[f] = given[i].net[f];
}

static int make(struct numbering *n, struct topology *t, const char *name, struct given *g,
		struct choppy_err *err)
{
	CLEANUP_FREE struct segment *given = NULL;
	uint64_t size;
	int r = collect_given(n, t, g, err);

	if (r == 0)
		r = fill_given(n, t, g, err);
	if (r < 0)
		return r;
	given = malloc((n->nsegments + 1) * sizeof(*given));
	if (!given)
		return err_sys(err, -ENOMEM, "number the lab");
	memcpy(given, n->segments, n->nsegments * sizeof(*given));
	size = lay_out(n);
	r = choose_pool4(&n->pool[0], name, size, &g->nets, err);
	if (r == 0)
		r = choose_pool6(&n->pool[1], name, &g->nets, err);
	if (r < 0)
		return r;
	number(n, t);
	keep_given(n, given, g);
	return 0;
}

static void begin_with_given(struct topology *t)
{
	for (uint32_t p = 0; p < 2 * t->nlinks; p++)
		memcpy(t->ports[p].addr, t->ports[p].given, sizeof(t->ports[p].addr));
}

int numbering_make(struct numbering *ret, struct topology *t, const char *name,
		   const struct addr_used *used, struct choppy_err *err)
{
	struct numbering n = { 0 };
	struct given g = { 0 };
	int r = find_segments(&n, t);

	begin_with_given(t);
	for (int f = 0; r == 0 && f < 2; f++) {
		g.segment[f] = calloc(n.nsegments + 1, sizeof(bool));
		r = g.segment[f] ? 0 : -ENOMEM;
	}
	for (size_t i = 0; r == 0 && i < used->n; i++)
		r = addr_used_add(&g.nets, &used->v[i]);
	if (r < 0)
		err_sys(err, r, "number the lab");
	else
		r = make(&n, t, name, &g, err);
	free(g.segment[0]);
	free(g.segment[1]);
	addr_used_free(&g.nets);
	addr_used_free(&g.given);
	if (r < 0)
		numbering_free(&n);
	else
		*ret = n;
	return r;
}
