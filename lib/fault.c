/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cut.h"
#include "err.h"
#include "fields.h"
#include "util.h"
#include "value.h"

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

/* -------------------------------------------------------------------- cuts */

/* All addresses of the nodes in @of: to be freed. */
static struct inet *addresses(const struct topology *t, const bool *of, uint32_t *ret_n)
{
	struct inet *all = malloc((4ul * t->nlinks + 1) * sizeof(*all));

	*ret_n = 0;
	for (uint32_t p = 0; all && p < 2 * t->nlinks; p++)
		for (int f = 0; of[t->ports[p].node] && f < 2; f++)
			if (t->ports[p].addr[f].family)
				all[(*ret_n)++] = t->ports[p].addr[f];
	return all;
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

/* From those in @from to @node. */
static int compile(const struct topology *t, const bool *from, uint32_t node,
		   struct compile_cut *ret, struct choppy_err *err)
{
	CLEANUP_FREE bool *to = calloc(t->nnodes, sizeof(*to));
	struct cut_ends ends = { .answered = ret->reject >= 0 };
	CLEANUP_FREE struct inet *all = addresses(t, from, &ends.nfrom), *own = NULL;
	int r;

	if (to) {
		to[node] = true;
		own = addresses(t, to, &ends.nto);
	}
	if (!all || !own)
		return err_sys(err, -ENOMEM, "cut the nodes");
	ends.from = all;
	ends.to = own;
	r = cut_compile(&ends, &ret->insns, &ret->ninsns, err);
	if (r < 0)
		err_prefix(err, "%s", t->nodes[node].name);
	return r;
}

/* What the node at side @side of @link does not hear. */
static int cuts_of_side(const struct faults *all, const struct topology *t, uint32_t link, int side,
			struct compile_cut *ret, uint32_t *n, struct choppy_err *err)
{
	uint32_t node = t->ports[2 * link + (uint32_t)side].node;
	int r = 0;

	for (int reject = -1; r == 0 && reject < CHOPPY_NREJECTS; reject++) {
		CLEANUP_FREE bool *from = calloc(t->nnodes, sizeof(*from));
		struct compile_cut *c = &ret[*n];

		if (!from)
			return err_sys(err, -ENOMEM, "cut the nodes");
		if (!sources(all, node, reject, from))
			continue;
		c->dir = side ? CHOPPY_UP : CHOPPY_DOWN;
		c->reject = reject;
		r = compile(t, from, node, c, err);
		*n += r == 0;
	}
	return r;
}

/* Nothing passes in direction @d. */
static int cut_off(int d, struct compile_cut *ret)
{
	*ret = (struct compile_cut){
		.insns = malloc(sizeof(cut_all)), .ninsns = 1, .dir = d, .reject = -1
	};
	if (!ret->insns)
		return -ENOMEM;
	*ret->insns = cut_all;
	return 0;
}

_Static_assert(2 * (CHOPPY_NREJECTS + 1) <= LINK_CUTS_MAX, "the cuts of both ends have room");

int faults_cuts(const struct faults *all, const struct topology *t, uint32_t link,
		struct compile_cut ret[LINK_CUTS_MAX], uint32_t *ret_n, struct choppy_err *err)
{
	int r = 0;

	*ret_n = 0;
	if (faults_link_off(all, link)) {
		for (int d = 0; r == 0 && d < CHOPPY_NDIRS; d++) {
			r = cut_off(d, &ret[d]);
			*ret_n += r == 0;
		}
		return r < 0 ? err_sys(err, r, "cut the link") : 0;
	}
	for (int side = 0; r == 0 && side < 2; side++)
		if (t->nodes[t->ports[2 * link + (uint32_t)side].node].kind != NODE_SWITCH)
			r = cuts_of_side(all, t, link, side, ret, ret_n, err);
	return r;
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
