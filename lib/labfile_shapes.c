/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Short forms for the common topologies: `lan: [a, b, c]`, or with a name, `lan: {front: [a, b]}`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "labfile_read.h"
#include "util.h"

/* One of them, by its name or without. */
struct shape_draft {
	const struct link_condition *condition;
	struct node_list list[2];
	uint32_t k;
	int sides; /* lists that have been read */
	int kind; /* of nodes that are new in the lists */
};

struct shape {
	const char *name;
	int kind; /* of new members */
	const struct key *each; /* it, by a name */
	/* What stands in place of a mapping. */
	void (*read)(struct reader *r, struct fy_node *value, void *obj);
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

static void take_side(struct reader *r, struct fy_node *value, void *obj)
{
	struct shape_draft *d = obj;

	read_nodes_of(r, value, d->kind, &d->list[d->sides++]);
}

const struct key side_item =
	ITEM(FORM_TEXT | FORM_LIST, take_side, "a list of nodes", .item = &node_item);

static void take_sides(struct reader *r, struct fy_node *value, void *obj)
{
	read_list(r, value, &side_item, obj);
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

#define SHAPE_CONDITION(of_)                                                                       \
	KEY("condition", FORM_TEXT, take_shape_condition, "the words of a condition",              \
	    .text = TEXT_CONDITION, .help = (of_))

static const struct key list_keys[] = {
	KEY("nodes", FORM_TEXT | FORM_LIST, take_members, "a list of nodes", .item = &node_item,
	    .help = "those that are joined"),
	SHAPE_CONDITION("of each link"),
	{ 0 },
};

static const struct key two_lists_keys[] = {
	KEY("left", FORM_TEXT | FORM_LIST, take_members, "a list of nodes", .item = &node_item,
	    .help = "hosts on one side"),
	KEY("right", FORM_TEXT | FORM_LIST, take_right, "a list of nodes", .item = &node_item,
	    .help = "hosts on the other"),
	SHAPE_CONDITION("of the link in the middle"),
	{ 0 },
};

static const struct key counted_keys[] = {
	KEY("k", FORM_TEXT, take_k, "the number of pods", .text = TEXT_NUMBER,
	    .help = "pods; an even number"),
	SHAPE_CONDITION("of each link"),
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
	{ "lan", NODE_HOST, &list_shape, take_members, make_lan },
	{ "star", NODE_HOST, &list_shape, take_members, make_star },
	{ "ring", NODE_ROUTER, &list_shape, take_members, make_ring },
	{ "mesh", NODE_HOST, &list_shape, take_members, make_mesh },
	{ "dumbbell", NODE_HOST, &two_lists_shape, take_sides, make_dumbbell },
	{ "fat-tree", NODE_HOST, &counted_shape, take_k, make_fat_tree },
};

static void read_shape(struct reader *r, const char *name, struct fy_node *at,
		       struct fy_node *value, void *obj)
{
	const struct shape *s = obj;
	struct shape_draft d = { .kind = s->kind };
	struct topology *t = &r->f->t;
	struct choppy_err err = { 0 };
	uint32_t first = t->nlinks;
	int before = r->problems->n;

	if (form_of(value) == FORM_MAP)
		read_map(r, value, s->each->keys, &d, NULL);
	else
		s->read(r, value, &d);
	if (r->problems->n == before && !r->failed && s->make(r, name, &d, &err) < 0)
		problem_err(r, at, &err);
	if (!r->failed && fit_links(r) && t->nlinks > first)
		/* A dumbbell's is that of the link in the middle, its first. */
		for (uint32_t i = first; i < (s->make == make_dumbbell ? first + 1 : t->nlinks);
		     i++)
			r->f->conditions[i] = d.condition;
	node_list_free(&d.list[0]);
	node_list_free(&d.list[1]);
}

const struct key list_shape = NAMED("NAME", FORM_TEXT | FORM_LIST | FORM_MAP, read_shape,
				    "a list of nodes, or {nodes: [a, b], condition: ...}",
				    .item = &node_item, .keys = list_keys);
const struct key two_lists_shape = NAMED("NAME", FORM_LIST | FORM_MAP, read_shape,
					 "two lists: [[a, b], [c, d]], or {left: ..., right: ...}",
					 .item = &side_item, .least = 2, .most = 2,
					 .keys = two_lists_keys);
const struct key counted_shape = NAMED("NAME", FORM_TEXT | FORM_MAP, read_shape,
				       "the number of pods, or {k: 4}", .text = TEXT_NUMBER,
				       .keys = counted_keys);

/* Without a name it is called as the shape itself. */
static void read_shapes(struct reader *r, struct fy_node *value, const struct shape *s)
{
	if (form_of(value) == FORM_MAP)
		read_map(r, value, NULL, (void *)s, s->each);
	else
		read_shape(r, s->name, value, value, (void *)s);
}

void take_shape(struct reader *r, struct fy_node *value, void *obj)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		if (strcmp(shapes[i].name, obj) == 0)
			read_shapes(r, value, &shapes[i]);
}
