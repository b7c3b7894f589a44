/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Short forms for the common topologies: `lan: [a, b, c]`, or with a name, `lan: {front: [a, b]}`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "labfile_read.h"
#include "near.h"
#include "util.h"

/* One of them, by its name or without. */
struct shape_draft {
	const struct link_condition *condition;
	struct node_list list[2];
	uint32_t k;
	int kind; /* of nodes that are new in the lists */
};

struct shape {
	const char *name;
	int kind; /* of new members */
	bool two; /* takes left and right */
	bool counted; /* takes k */
	const char *what;
	int (*make)(struct reader *r, const char *name, struct shape_draft *d,
		    struct choppy_err *err);
};

static void take_members(struct reader *r, struct fy_node *value, void *obj)
{
	struct shape_draft *d = obj;

	read_nodes_of(r, value, d->kind, &d->list[0]);
}

static void take_right(struct reader *r, struct fy_node *value, void *obj)
{
	struct shape_draft *d = obj;

	read_nodes_of(r, value, d->kind, &d->list[1]);
}

static void take_k(struct reader *r, struct fy_node *value, void *obj)
{
	uint64_t k;

	if (read_number(r, value, &k))
		((struct shape_draft *)obj)->k = k > UINT32_MAX ? UINT32_MAX : (uint32_t)k;
}

static void take_shape_condition(struct reader *r, struct fy_node *value, void *obj)
{
	((struct shape_draft *)obj)->condition = read_condition(r, value, false);
}

#define SHAPE_CONDITION                                                                            \
	KEY("condition", FORM_TEXT, take_shape_condition, "the words of a condition")

static const struct key one_list_keys[] = {
	KEY("nodes", FORM_TEXT | FORM_LIST, take_members, "a list of nodes"),
	SHAPE_CONDITION,
	{ 0 },
};

static const struct key two_lists_keys[] = {
	KEY("left", FORM_TEXT | FORM_LIST, take_members, "a list of nodes"),
	KEY("right", FORM_TEXT | FORM_LIST, take_right, "a list of nodes"),
	SHAPE_CONDITION,
	{ 0 },
};

static const struct key counted_keys[] = {
	KEY("k", FORM_TEXT, take_k, "the number of pods"),
	SHAPE_CONDITION,
	{ 0 },
};

/* The node in the middle: of this name, which may be there already. */
static int hub(struct reader *r, const char *name, enum node_kind kind, uint32_t *ret,
	       struct choppy_err *err)
{
	if (topology_find_node(&r->f->t, name, ret, NULL) == 0)
		return 0;
	return topology_add_node(&r->f->t, name, kind, ret, err);
}

static int make_lan(struct reader *r, const char *name, struct shape_draft *d,
		    struct choppy_err *err)
{
	uint32_t node;
	int e = hub(r, name, NODE_SWITCH, &node, err);

	return e < 0 ? e : shape_star(&r->f->t, node, &d->list[0], err);
}

static int make_star(struct reader *r, const char *name, struct shape_draft *d,
		     struct choppy_err *err)
{
	uint32_t node;
	int e = hub(r, name, NODE_ROUTER, &node, err);

	return e < 0 ? e : shape_star(&r->f->t, node, &d->list[0], err);
}

static int make_ring(struct reader *r, const char *name, struct shape_draft *d,
		     struct choppy_err *err)
{
	return shape_ring(&r->f->t, &d->list[0], err);
}

static int make_mesh(struct reader *r, const char *name, struct shape_draft *d,
		     struct choppy_err *err)
{
	return shape_mesh(&r->f->t, &d->list[0], err);
}

static int make_dumbbell(struct reader *r, const char *name, struct shape_draft *d,
			 struct choppy_err *err)
{
	static const char *const sides[] = { "left", "right" };
	uint32_t hubs[2];
	char side[128];
	int e = 0;

	for (int i = 0; e == 0 && i < 2; i++) {
		snprintf(side, sizeof(side), "%s-%s", name, sides[i]);
		e = hub(r, side, NODE_ROUTER, &hubs[i], err);
	}
	return e < 0 ? e : shape_dumbbell(&r->f->t, hubs, d->list, err);
}

static int make_fat_tree(struct reader *r, const char *name, struct shape_draft *d,
			 struct choppy_err *err)
{
	char prefix[NODE_NAME_MAX + 2] = "";

	if (strlen(name) > NODE_NAME_MAX)
		return err_set(err, -ENAMETOOLONG, "'%s' is too long a name", name);
	if (strcmp(name, "fat-tree") != 0)
		snprintf(prefix, sizeof(prefix), "%s-", name);
	return shape_fat_tree(&r->f->t, prefix, d->k, err);
}

static const struct shape shapes[] = {
	{ "lan", NODE_HOST, false, false, "nodes: [a, b, c], or {NAME: [a, b, c]}", make_lan },
	{ "star", NODE_HOST, false, false, "nodes: [a, b, c], or {HUB: [a, b, c]}", make_star },
	{ "ring", NODE_ROUTER, false, false, "nodes: [a, b, c], or {NAME: [a, b, c]}", make_ring },
	{ "mesh", NODE_HOST, false, false, "nodes: [a, b, c], or {NAME: [a, b, c]}", make_mesh },
	{ "dumbbell", NODE_HOST, true, false,
	  "two lists: [[a, b], [c, d]], or {NAME: {left: [a, b], right: [c, d]}}", make_dumbbell },
	{ "fat-tree", NODE_HOST, false, true, "the number of pods, or {NAME: {k: 4}}",
	  make_fat_tree },
};

static void read_two_lists(struct reader *r, struct fy_node *value, struct shape_draft *d,
			   const struct shape *s)
{
	if (fy_node_sequence_item_count(value) != 2) {
		problem(r, value, "a %s takes two lists: [[a, b], [c, d]]", s->name);
		return;
	}
	for (int i = 0; i < 2; i++)
		read_nodes_of(r, yaml_value(fy_node_sequence_get_by_index(value, i)), s->kind,
			      &d->list[i]);
}

/* The value of a shape that has its name: what is in it. */
static void read_shape_value(struct reader *r, struct fy_node *at, struct fy_node *value,
			     const struct shape *s, struct shape_draft *d)
{
	const struct key *keys = s->two	      ? two_lists_keys
				 : s->counted ? counted_keys
					      : one_list_keys;
	unsigned int form = value ? form_of(value) : FORM_NULL;

	if (form == FORM_MAP)
		read_map(r, value, keys, d, NULL);
	else if (form == FORM_LIST && s->two)
		read_two_lists(r, value, d, s);
	else if (form == FORM_TEXT && s->counted)
		take_k(r, value, d);
	else if ((form == FORM_LIST || form == FORM_TEXT) && !s->two && !s->counted)
		read_nodes_of(r, value, s->kind, &d->list[0]);
	else
		problem(r, at, "'%s' takes %s", s->name, s->what);
}

static void read_shape(struct reader *r, struct fy_node *at, const char *name,
		       struct fy_node *value, const struct shape *s)
{
	struct shape_draft d = { .kind = s->kind };
	struct topology *t = &r->f->t;
	struct choppy_err err = { 0 };
	uint32_t first = t->nlinks;
	int before = r->problems->n;

	read_shape_value(r, at, value, s, &d);
	if (r->problems->n == before && !r->failed && s->make(r, name, &d, &err) < 0)
		problem_err(r, at, &err);
	if (!r->failed && fit_links(r) && t->nlinks > first)
		/* A dumbbell's is that of the link in the middle, its first. */
		for (uint32_t i = first; i < (s->two ? first + 1 : t->nlinks); i++)
			r->f->conditions[i] = d.condition;
	node_list_free(&d.list[0]);
	node_list_free(&d.list[1]);
}

/* Without a name it is called as the shape itself. */
static void read_shapes(struct reader *r, struct fy_node *value, const struct shape *s)
{
	struct fy_node_pair *pair;
	void *iter = NULL;

	if (form_of(value) != FORM_MAP) {
		read_shape(r, value, s->name, value, s);
		return;
	}
	while (!r->failed && (pair = fy_node_mapping_iterate(value, &iter))) {
		const char *name = yaml_text(fy_node_pair_key(pair));

		if (name)
			read_shape(r, fy_node_pair_key(pair), name,
				   yaml_value(fy_node_pair_value(pair)), s);
		else
			problem(r, fy_node_pair_key(pair), "this takes a name");
	}
}

void take_shape(struct reader *r, struct fy_node *value, void *obj)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		if (strcmp(shapes[i].name, obj) == 0)
			read_shapes(r, value, &shapes[i]);
}
