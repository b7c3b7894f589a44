/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cut becomes a filter of packets: from the addresses of some nodes to those of another. The
 * addresses of a thousand nodes are few prefixes: of the sorted addresses of all nodes those that
 * are meant become one prefix where nobody else's lie between, otherwise its halves are looked at
 * in the same way.
 */
#include "fault.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "fields.h"
#include "util.h"
#include "value.h"

/*
 * Neighbour discovery (RFC 4861) goes on, as ARP does: a cut is one of IP. Where who is cut off is
 * told so, the answer bears the address of whom it could not reach, and passes.
 */
#define ANSWERS                                                                                    \
	"icmp[0] = 3 or (icmp6 and ip6[40] = 1) or tcp[13] & 4 != 0 or (ip6[6] = 6 and ip6[53] & " \
	"4 != 0)"
#define ND "(icmp6 and ip6[40] >= 133 and ip6[40] <= 137)"

/* -------------------------------------------------------------------- list */

uint64_t faults_add(struct faults *all, const struct fault *f)
{
	struct fault *copy = malloc(sizeof(*copy));

	if (!copy)
		return 0;
	*copy = *f;
	copy->next = NULL;
	copy->id = ++all->next_id;
	if (!all->first)
		all->end = &all->first;
	*all->end = copy;
	all->end = &copy->next;
	return copy->id;
}

struct fault *faults_find(const struct faults *all, uint64_t id)
{
	struct fault *f = all->first;

	while (f && f->id != id)
		f = f->next;
	return f;
}

struct fault *faults_take(struct faults *all, uint64_t id)
{
	struct fault **at = &all->first, *f;

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	f = *at;
	if (!f)
		return NULL;
	*at = f->next;
	if (!f->next)
		all->end = at;
	f->next = NULL;
	return f;
}

void fault_free(struct fault *f)
{
	if (!f)
		return;
	cuts_free(f->cuts, f->ncuts);
	free(f->ways);
	free(f->change);
	node_list_free(&f->nodes);
	free(f);
}

void faults_free(struct faults *all)
{
	while (all->first)
		fault_free(faults_take(all, all->first->id));
}

static bool has_node(const struct node_list *l, uint32_t node)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->v[i] == node)
			return true;
	return false;
}

static const struct way *way_of(const struct fault *f, uint32_t link)
{
	for (uint32_t i = 0; i < f->nways; i++)
		if (f->ways[i].link == link)
			return &f->ways[i];
	return NULL;
}

bool faults_link_off(const struct faults *all, uint32_t link)
{
	for (const struct fault *f = all->first; f; f = f->next)
		if (f->verb == VERB_LINK && way_of(f, link))
			return true;
	return false;
}

bool faults_uplink_off(const struct faults *all)
{
	for (const struct fault *f = all->first; f; f = f->next)
		if (f->verb == VERB_LINK && f->uplink)
			return true;
	return false;
}

uint32_t faults_node(const struct faults *all, enum verb verb, uint32_t node)
{
	uint32_t n = 0;

	for (const struct fault *f = all->first; f; f = f->next)
		n += f->verb == verb && has_node(&f->nodes, node);
	return n;
}

/* -------------------------------------------------------------- conditions */

static void keep_direction(struct choppy_change *c, int d, bool keep)
{
	if (keep)
		return;
	memset(&c->dir[d], 0, sizeof(c->dir[d]));
	c->off[d] = 0;
	c->clear[d] = c->rules_off[d] = false;
}

void way_change(const struct way *way, const struct choppy_change *change,
		struct choppy_change *ret)
{
	*ret = *change;
	for (int d = 0; way->turned && d < CHOPPY_NDIRS; d++) {
		ret->dir[d] = change->dir[!d];
		ret->off[d] = change->off[!d];
		ret->clear[d] = change->clear[!d];
		ret->rules_off[d] = change->rules_off[!d];
	}
	ret->rules.n = 0;
	for (uint32_t i = 0; i < change->rules.n; i++) {
		struct choppy_rule rule = change->rules.rule[i];

		if (way->turned)
			rule.dirs = (rule.dirs & 1) << 1 | rule.dirs >> 1;
		rule.dirs &= way->dirs;
		if (rule.dirs)
			ret->rules.rule[ret->rules.n++] = rule;
	}
	for (int d = 0; d < CHOPPY_NDIRS; d++)
		keep_direction(ret, d, way->dirs & CHOPPY_DIR_BIT(d));
}

int faults_lay(const struct faults *all, uint32_t link, struct link_condition *c,
	       struct choppy_err *err)
{
	struct choppy_change change;
	int r = 0;

	for (const struct fault *f = all->first; r == 0 && f; f = f->next) {
		const struct way *way = f->change ? way_of(f, link) : NULL;

		if (!way)
			continue;
		way_change(way, f->change, &change);
		choppy_change_apply(c->dir, &change);
		r = choppy_rules_merge(&c->rules, &change, err);
	}
	return r;
}

/* ----------------------------------------------------------------- filters */

/* An address of some node, and whether it is one of those that are meant. */
struct owned {
	unsigned char bytes[16];
	bool meant;
};

struct cover {
	char *text;
	size_t len;
	FILE *f;
	int family;
	const char *side; /* "src" or "dst" */
	bool some;
};

static size_t width(int family)
{
	return family == AF_INET ? 4 : 16;
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(((struct owned *)a)->bytes));
}

static int collect(const struct topology *t, const bool *meant, int family, struct owned **ret,
		   uint32_t *ret_n)
{
	struct owned *all = calloc(2ul * t->nlinks + 1, sizeof(*all));
	uint32_t n = 0;

	if (!all)
		return -ENOMEM;
	for (uint32_t p = 0; p < 2 * t->nlinks; p++) {
		const struct inet *a = &t->ports[p].addr[family == AF_INET6];

		if (!a->family)
			continue;
		memcpy(all[n].bytes, a->bytes, width(family));
		all[n++].meant = meant[t->ports[p].node];
	}
	qsort(all, n, sizeof(*all), by_bytes);
	*ret = all;
	*ret_n = n;
	return 0;
}

/* Leading bits that @a and @b have in common, at most those of the family. */
static unsigned int common_bits(const struct owned *a, const struct owned *b, int family)
{
	unsigned int bits = 0, most = 8 * (unsigned int)width(family);

	while (bits < most && !((a->bytes[bits / 8] ^ b->bytes[bits / 8]) & (0x80u >> bits % 8)))
		bits++;
	return bits;
}

static void put_prefix(struct cover *c, const struct owned *a, unsigned int bits)
{
	unsigned char net[16] = { 0 };
	char text[INET6_ADDRSTRLEN];

	for (unsigned int i = 0; i < bits; i++)
		net[i / 8] |= a->bytes[i / 8] & (0x80u >> i % 8);
	inet_ntop(c->family, net, text, sizeof(text));
	fprintf(c->f, "%s%s %s net %s/%u", c->some ? " or " : "",
		c->family == AF_INET ? "ip" : "ip6", c->side, text, bits);
	c->some = true;
}

/* The prefixes of those meant among the @n sorted ones at @a. */
static void cover(struct cover *c, const struct owned *a, uint32_t n)
{
	uint32_t meant = 0, half = 0;
	unsigned int bits;

	for (uint32_t i = 0; i < n; i++)
		meant += a[i].meant;
	if (!meant)
		return;
	bits = common_bits(&a[0], &a[n - 1], c->family);
	if (meant == n) {
		put_prefix(c, &a[0], bits);
		return;
	}
	while (half < n && !(a[half].bytes[bits / 8] & (0x80u >> bits % 8)))
		half++;
	cover(c, a, half);
	cover(c, a + half, n - half);
}

static int add_cover(struct cover *c, const struct topology *t, const bool *meant, const char *side)
{
	static const int families[] = { AF_INET, AF_INET6 };
	int r = 0;

	c->side = side;
	c->some = false;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++) {
		struct owned *all;
		uint32_t n;

		c->family = families[i];
		r = collect(t, meant, c->family, &all, &n);
		if (r < 0)
			break;
		cover(c, all, n);
		free(all);
	}
	return r;
}

/* From those in @from to @node; NULL: no memory. */
static char *expression(const struct topology *t, const bool *from, uint32_t node, bool answered)
{
	CLEANUP_FREE bool *to = calloc(t->nnodes, sizeof(*to));
	struct cover c = { 0 };
	int r;

	c.f = to ? open_memstream(&c.text, &c.len) : NULL;
	if (!c.f)
		return NULL;
	to[node] = true;
	fputs("not " ND " and (", c.f);
	r = add_cover(&c, t, from, "src");
	fputs(") and (ether multicast or ", c.f);
	if (r == 0)
		r = add_cover(&c, t, to, "dst");
	fputs(answered ? ") and not (" ANSWERS ")" : ")", c.f);
	if (fclose(c.f) == EOF || r < 0) {
		free(c.text);
		return NULL;
	}
	return c.text;
}

/* Who is cut off from @node with the answer @reject; false: nobody. */
static bool sources(const struct faults *all, uint32_t node, int reject, bool *from)
{
	bool some = false;

	for (const struct fault *f = all->first; f; f = f->next) {
		for (uint32_t i = 0; i < f->ncuts; i++) {
			const struct cut *c = &f->cuts[i];

			if (c->reject != reject || !has_node(&c->to, node))
				continue;
			for (uint32_t k = 0; k < c->from.n; k++) {
				from[c->from.v[k]] |= c->from.v[k] != node;
				some |= c->from.v[k] != node;
			}
		}
	}
	return some;
}

/* What the node at side @side of @link does not hear. */
static int cuts_of_side(const struct faults *all, const struct topology *t, uint32_t link, int side,
			struct compile_cut *ret, uint32_t *n)
{
	uint32_t node = t->ports[2 * link + (uint32_t)side].node;

	for (int reject = -1; reject < CHOPPY_NREJECTS; reject++) {
		CLEANUP_FREE bool *from = calloc(t->nnodes, sizeof(*from));
		struct compile_cut *c = &ret[*n];

		if (!from)
			return -ENOMEM;
		if (!sources(all, node, reject, from))
			continue;
		c->dir = side ? CHOPPY_UP : CHOPPY_DOWN;
		c->reject = reject;
		c->expression = expression(t, from, node, reject >= 0);
		if (!c->expression)
			return -ENOMEM;
		++*n;
	}
	return 0;
}

_Static_assert(2 * (CHOPPY_NREJECTS + 1) <= LINK_CUTS_MAX, "the cuts of both ends have room");

int faults_cuts(const struct faults *all, const struct topology *t, uint32_t link,
		struct compile_cut ret[LINK_CUTS_MAX], uint32_t *ret_n, struct choppy_err *err)
{
	int r = 0;

	*ret_n = 0;
	if (faults_link_off(all, link)) {
		for (int d = 0; d < CHOPPY_NDIRS; d++)
			ret[(*ret_n)++] = (struct compile_cut){ .dir = d,
								.expression = strdup(""),
								.reject = -1 };
		return ret[0].expression && ret[1].expression
			       ? 0
			       : err_sys(err, -ENOMEM, "cut the link");
	}
	for (int side = 0; r == 0 && side < 2; side++)
		if (t->nodes[t->ports[2 * link + (uint32_t)side].node].kind != NODE_SWITCH)
			r = cuts_of_side(all, t, link, side, ret, ret_n);
	return r < 0 ? err_sys(err, r, "cut the nodes") : 0;
}

int fault_links(const struct fault *f, const struct topology *t,
		int (*each)(uint32_t link, void *ctx), void *ctx)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < f->nways; i++)
		r = each(f->ways[i].link, ctx);
	for (uint32_t i = 0; r == 0 && i < f->ncuts; i++)
		for (uint32_t k = 0; r == 0 && k < f->cuts[i].to.n; k++)
			for (uint32_t p = t->nodes[f->cuts[i].to.v[k]].first_port;
			     r == 0 && p != NO_PORT; p = t->ports[p].next)
				r = each(port_link(p), ctx);
	return r;
}

/* ---------------------------------------------------------------- in words */

static void print_nodes(struct text *t, const struct node_list *l, const struct topology *of)
{
	for (uint32_t i = 0; i < l->n; i++)
		text_add(t, "%s%s", i ? " " : "", of->nodes[l->v[i]].name);
}

static void print_ways(struct text *t, const struct fault *f, const struct topology *of)
{
	for (uint32_t i = 0; i < f->nways; i++)
		text_add(t, "%s%s", i ? " " : "", of->links[f->ways[i].link].name);
	if (f->uplink)
		text_add(t, "uplink");
}

int fault_print(char *buf, size_t size, const struct fault *f, const struct topology *of)
{
	struct text t = text_begin(buf, size);

	text_add(&t, "%s ", verbs[f->verb].name);
	for (uint32_t i = 0; i < f->ncuts; i++) {
		text_add(&t, "%s", i ? ", " : "");
		print_nodes(&t, &f->cuts[i].from, of);
		text_add(&t, " to ");
		print_nodes(&t, &f->cuts[i].to, of);
		if (f->cuts[i].reject >= 0)
			text_add(&t, " reject %s",
				 fields[CHOPPY_REJECT].choices[f->cuts[i].reject]);
	}
	print_ways(&t, f, of);
	print_nodes(&t, &f->nodes, of);
	if (f->verb == VERB_LINK)
		text_add(&t, " off");
	return (int)t.len;
}
