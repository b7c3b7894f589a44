/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * latency: a matrix of delays between groups of nodes. Each group becomes a router and a star of
 * its nodes, the routers a full mesh, and latency.c says which link has which delay. As a shape,
 * it may have a name, `latency: {wan: {groups: ...}}`: a mapping without any key of the table
 * below has names for keys.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "condition.h"
#include "err.h"
#include "labfile_read.h"
#include "latency.h"
#include "latencyfile.h"
#include "tracefile.h"
#include "util.h"

struct latency_draft {
	struct latency l;
	struct latency_links links;
	struct node_list nodes[LATENCY_GROUPS_MAX]; /* by group, as is what follows */
	struct fy_node *group_at[LATENCY_GROUPS_MAX];
	uint32_t router[LATENCY_GROUPS_MAX];
	uint32_t *group_of; /* by node, or NO_GROUP */
	bool has_groups;
	struct fy_node *cells_at; /* the value of `matrix` or `file`; NULL: none yet */
	struct textfile csv; /* of `file`; its name is owned, too */
	const struct link_condition *condition; /* what holds beside the delays */
	struct link_condition *conditions; /* the lab's; one block: most of it is never touched */
	uint32_t nconditions; /* used */
	struct reader *r;
};

static void draft_free(struct latency_draft *d)
{
	for (uint32_t g = 0; g < d->l.n; g++)
		node_list_free(&d->nodes[g]);
	free(d->group_of);
	free((char *)d->csv.name);
	free((char *)d->csv.text);
	free(d);
}

static struct latency_draft *draft_new(struct reader *r)
{
	struct latency_draft *d = calloc(1, sizeof(*d));
	size_t size = (r->f->t.nnodes + 1) * sizeof(*d->group_of);

	if (d)
		d->group_of = malloc(size);
	if (!d || !d->group_of) {
		free(d);
		out_of_memory(r);
		return NULL;
	}
	memset(d->group_of, 0xff, size);
	latency_init(&d->l);
	d->r = r;
	return d;
}

/* ------------------------------------------------------------------ groups */

/* A node is in one group, and once. */
static void claim_nodes(struct latency_draft *d, uint32_t g)
{
	const struct node_list *list = &d->nodes[g];
	uint32_t twice = 0, first = 0, other = 0;

	for (uint32_t i = 0; i < list->n; i++) {
		uint32_t *group = &d->group_of[list->v[i]];

		if (*group == NO_GROUP) {
			*group = g;
		} else if (twice++ == 0) {
			first = list->v[i];
			other = *group;
		}
	}
	d->l.nodes[g] = list->n;
	if (twice)
		problem(d->r, d->group_at[g], "node %s is in group %s already%s",
			d->r->f->t.nodes[first].name, d->l.name[other],
			twice > 1 ? ", and others of these are in a group, too" : "");
}

static void take_group(struct reader *r, const char *name, struct fy_node *at,
		       struct fy_node *value, void *obj)
{
	struct latency_draft *d = obj;
	int before = r->problems->n;
	uint32_t g = d->l.n;

	d->l.name[g] = name;
	d->group_at[g] = at;
	d->l.n++;
	if (!*name)
		problem(r, at, "this takes the name of a group");
	read_nodes_of(r, value, -1, &d->nodes[g]);
	if (r->problems->n == before && !d->nodes[g].n)
		problem(r, at, "group %s has no node: it takes a list of them", name);
	claim_nodes(d, g);
}

static const struct key group_each =
	NAMED("GROUP", FORM_TEXT | FORM_LIST, take_group, "a list of nodes", .item = &node_item);

static void take_groups(struct reader *r, struct fy_node *value, void *obj)
{
	int n = fy_node_mapping_item_count(value);
	struct latency_draft *d = obj;

	d->has_groups = true;
	if (n < 1 || n > LATENCY_GROUPS_MAX)
		problem(r, value, "a matrix has 1 to %d groups, not %d", LATENCY_GROUPS_MAX, n);
	else
		read_map(r, value, NULL, obj, &group_each);
}

/* ------------------------------------------------------------------- cells */

static const char *const truths[] = { "false", "true", NULL };

static void take_rtt(struct reader *r, struct fy_node *value, void *obj)
{
	((struct latency_draft *)obj)->l.rtt = read_choice(r, value, truths, "truth value") == 1;
}

/* False: there are cells already, which is told. */
static bool begin_cells(struct latency_draft *d, struct fy_node *value)
{
	if (d->cells_at)
		problem(d->r, value, "the delays are in a file already: leave 'file' or this out");
	else
		d->cells_at = value;
	return d->cells_at == value;
}

static void take_file(struct reader *r, struct fy_node *value, void *obj)
{
	struct latency_draft *d = obj;
	struct choppy_err err = { 0 };
	char *path;

	if (!begin_cells(d, value))
		return;
	if (!r->path) {
		problem(r, value, "'file' takes the name of a file");
		return;
	}
	path = file_beside(r->path, yaml_text(value));
	if (!path) {
		out_of_memory(r);
		return;
	}
	if (textfile_read(&d->csv, path, LATENCY_FILE_MAX, &err) < 0) {
		problem_err(r, value, &err);
		free(path);
		return;
	}
	if (d->l.n) /* else it is told that there are none */
		latency_read(&d->l, &d->csv, r->problems);
}

/* The group that a key of the matrix names, or NO_GROUP: told, also where there is none at all. */
static uint32_t group_at(struct latency_draft *d, const char *name, struct fy_node *at)
{
	struct choppy_err err = { 0 };
	uint32_t g = latency_group(&d->l, name, &err);

	if (g == NO_GROUP && d->l.n)
		problem_err(d->r, at, &err);
	return g;
}

/* A row of the matrix. */
struct row {
	struct latency_draft *d;
	uint32_t from;
};

static void take_cell(struct reader *r, const char *name, struct fy_node *key,
		      struct fy_node *value, void *obj)
{
	struct row *row = obj;
	struct latency *l = &row->d->l;
	struct choppy_err err = { 0 };
	uint32_t to = group_at(row->d, name, key);

	if (to == NO_GROUP || row->from == NO_GROUP)
		return;
	l->at[row->from][to] = value;
	if (latency_value(&l->ns[row->from][to], l, yaml_text(value), &err) < 0)
		problem_err(r, value, &err);
}

static const struct key cell_each = NAMED("GROUP", FORM_TEXT, take_cell, "a delay: 40ms");

static void take_row(struct reader *r, const char *name, struct fy_node *at, struct fy_node *value,
		     void *obj)
{
	struct row row = { .d = obj };

	row.from = group_at(row.d, name, at);
	if (row.from != NO_GROUP)
		row.d->l.row_at[row.from] = at;
	read_map(r, value, NULL, &row, &cell_each);
}

static const struct key row_each =
	NAMED("GROUP", FORM_MAP, take_row, "a row: {GROUP: DELAY}", .each = &cell_each);

static void take_matrix(struct reader *r, struct fy_node *value, void *obj)
{
	if (begin_cells(obj, value))
		read_map(r, value, NULL, obj, &row_each);
}

/* --------------------------------------------------------------- condition */

static bool trace_says(const char *name, uint64_t mask)
{
	struct trace *t;
	bool says;

	if (!*name || trace_load(name, &t, NULL) < 0)
		return false;
	says = trace_fields(t) & mask;
	trace_free(t);
	return says;
}

/* Links have one delay, and that is the matrix's. */
static bool says_delay(const struct link_condition *c)
{
	const uint64_t mask = condition_clauses(CHOPPY_FIELD_BIT(CHOPPY_DELAY));
	bool says = false;

	for (int i = 0; i < CHOPPY_NDIRS; i++)
		says |= (c->dir[i].set & mask) || trace_says(c->dir[i].trace, mask);
	for (uint32_t i = 0; i < c->rules.n; i++)
		says |= (c->rules.rule[i].condition.set & mask) != 0;
	return says;
}

static void take_condition(struct reader *r, struct fy_node *value, void *obj)
{
	struct latency_draft *d = obj;

	d->condition = read_condition(r, value, false);
	if (d->condition && says_delay(d->condition))
		problem(r, value, "this says a delay, and that is the matrix's to say");
}

/* Of one more link, or links. */
static const struct link_condition *condition_of(struct latency_draft *d, uint64_t there,
						 uint64_t back)
{
	const uint64_t delay[CHOPPY_NDIRS] = { there, back };
	const struct link_condition *rest = d->condition;
	struct link_condition *c = &d->conditions[d->nconditions++];

	if (rest)
		memcpy(c->dir, rest->dir, sizeof(c->dir));
	if (rest && rest->rules.n)
		c->rules = rest->rules;
	for (int i = 0; i < CHOPPY_NDIRS; i++) {
		c->dir[i].delay_ns = delay[i];
		if (delay[i])
			c->dir[i].set |= CHOPPY_FIELD_BIT(CHOPPY_DELAY);
	}
	return c;
}

/* ------------------------------------------------------------------ making */

static void tell_cell(void *ctx, const void *at, const char *text)
{
	struct latency_draft *d = ctx;

	if (d->csv.text)
		textfile_problem(&d->csv, at ? at : d->csv.text, d->r->problems, "%s", text);
	else
		problem(d->r, at ? (struct fy_node *)at : d->cells_at, "%s", text);
}

/* Called as the group, or NAME-GROUP where there is something of that name. */
static void make_router(struct latency_draft *d, const char *name, uint32_t g)
{
	char own[2 * NODE_NAME_MAX + 2];
	struct choppy_err err = { 0 };
	struct topology *t = &d->r->f->t;
	int e = topology_add_node(t, d->l.name[g], NODE_ROUTER, &d->router[g], &err);

	if (e == -EEXIST) {
		snprintf(own, sizeof(own), "%s-%s", name, d->l.name[g]);
		e = topology_add_node(t, own, NODE_ROUTER, &d->router[g], &err);
	}
	if (e < 0)
		problem_err(d->r, d->group_at[g], &err);
}

static int make_star(struct latency_draft *d, uint32_t g, struct choppy_err *err)
{
	const struct link_condition *c = condition_of(d, d->links.up[g], d->links.down[g]);
	struct labfile *f = d->r->f;
	uint32_t first = f->t.nlinks;
	int e = shape_star(&f->t, d->router[g], &d->nodes[g], err);

	if (e == 0 && fit_links(d->r))
		for (uint32_t i = first; i < f->t.nlinks; i++)
			f->conditions[i] = c;
	return e;
}

static int make_core(struct latency_draft *d, uint32_t a, uint32_t b, struct choppy_err *err)
{
	const struct link_condition *c = condition_of(d, d->links.core[a][b], d->links.core[b][a]);
	struct labfile *f = d->r->f;
	uint32_t link;
	int e = topology_add_link(&f->t, NULL, d->router[a], d->router[b], &link, err);

	if (e == 0 && fit_links(d->r))
		f->conditions[link] = c;
	return e;
}

/* A condition for each star and for each two routers. */
static bool make_room(struct latency_draft *d)
{
	d->conditions = calloc(d->l.n * (d->l.n + 1) / 2, sizeof(*d->conditions));
	if (!d->conditions)
		out_of_memory(d->r);
	return d->conditions && own_condition(d->r, d->conditions);
}

static void make(struct latency_draft *d, struct fy_node *at, const char *name)
{
	struct reader *r = d->r;
	int before = r->problems->n, e = 0;
	struct choppy_err err = { 0 };

	if (latency_links(&d->links, &d->l, tell_cell, d) < 0 || !make_room(d))
		return;
	for (uint32_t g = 0; g < d->l.n; g++)
		make_router(d, name, g);
	if (r->problems->n > before)
		return;
	for (uint32_t g = 0; e == 0 && !r->failed && g < d->l.n; g++)
		e = make_star(d, g, &err);
	for (uint32_t a = 0; e == 0 && a < d->l.n; a++)
		for (uint32_t b = a + 1; e == 0 && !r->failed && b < d->l.n; b++)
			e = make_core(d, a, b, &err);
	if (e < 0)
		problem_err(r, at, &err);
}

/* ----------------------------------------------------------------- reading */

const struct key latency_keys[] = {
	KEY("groups", FORM_MAP, take_groups, "groups of nodes: {eu: [\"eu[1-5]\"], us: [us1]}",
	    .each = &group_each, .help = "which nodes are in which group"),
	KEY("rtt", FORM_TEXT, take_rtt, "true or false", .choices = truths,
	    .help = "cells are round trips, of which each way takes half"),
	KEY("file", FORM_TEXT, take_file, "the name of a CSV file",
	    .help = "with the delays, in place of matrix"),
	KEY("matrix", FORM_MAP, take_matrix, "delays: {eu: {eu: 0.5ms, us: 40ms}, us: ...}",
	    .each = &row_each, .help = "the delay from each row's group to each column's"),
	KEY("condition", FORM_TEXT, take_condition, "the words of a condition",
	    .text = TEXT_CONDITION, .help = "what holds beside the delays"),
	{ 0 },
};

/* @at: of its name, or the mapping itself. */
static void read_matrix(struct reader *r, const char *name, struct fy_node *at,
			struct fy_node *value, void *obj)
{
	int before = r->problems->n;
	struct latency_draft *d = draft_new(r);

	if (!d)
		return;
	read_map(r, value, latency_keys, d, NULL);
	if (!d->has_groups)
		problem(r, at, "between whom? groups: {eu: [\"eu[1-5]\"], us: [us1]}");
	if (!d->cells_at)
		problem(r, at, "which delays? 'matrix' has them, or a 'file'");
	if (r->problems->n == before && !r->failed)
		make(d, at, name);
	draft_free(d);
}

const struct key latency_each = NAMED("NAME", FORM_MAP, read_matrix,
				      "a matrix: {groups: ..., matrix: ...}", .keys = latency_keys);

static bool is_matrix(struct fy_node *map)
{
	struct fy_node_pair *pair;
	void *iter = NULL;

	while ((pair = fy_node_mapping_iterate(map, &iter)))
		for (const struct key *k = latency_keys; k->name; k++)
			if (yaml_text(fy_node_pair_key(pair)) &&
			    strcmp(yaml_text(fy_node_pair_key(pair)), k->name) == 0)
				return true;
	return false;
}

void take_latency(struct reader *r, struct fy_node *value, void *obj)
{
	if (is_matrix(value))
		read_matrix(r, "latency", value, value, obj);
	else
		read_map(r, value, NULL, obj, &latency_each);
}
