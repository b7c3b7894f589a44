/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "shape.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "err.h"

int node_list_add(struct node_list *l, uint32_t node)
{
	if (l->n == l->room) {
		uint32_t room = l->room ? 2 * l->room : 16;
		uint32_t *v = realloc(l->v, room * sizeof(*v));

		if (!v)
			return -ENOMEM;
		l->v = v;
		l->room = room;
	}
	l->v[l->n++] = node;
	return 0;
}

void node_list_free(struct node_list *l)
{
	free(l->v);
	*l = (struct node_list){ 0 };
}

static int join(struct topology *t, uint32_t a, uint32_t b, struct choppy_err *err)
{
	uint32_t link;

	return topology_add_link(t, NULL, a, b, &link, err);
}

int shape_star(struct topology *t, uint32_t hub, const struct node_list *leaves,
	       struct choppy_err *err)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < leaves->n; i++)
		r = join(t, leaves->v[i], hub, err);
	return r;
}

int shape_ring(struct topology *t, const struct node_list *nodes, struct choppy_err *err)
{
	int r = 0;

	if (nodes->n < 3)
		return err_set(err, -EINVAL, "a ring has three nodes or more, not %u", nodes->n);
	for (uint32_t i = 0; r == 0 && i < nodes->n; i++)
		r = join(t, nodes->v[i], nodes->v[(i + 1) % nodes->n], err);
	return r;
}

int shape_mesh(struct topology *t, const struct node_list *nodes, struct choppy_err *err)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < nodes->n; i++)
		for (uint32_t j = i + 1; r == 0 && j < nodes->n; j++)
			r = join(t, nodes->v[i], nodes->v[j], err);
	return r;
}

int shape_dumbbell(struct topology *t, const uint32_t hubs[2], const struct node_list leaves[2],
		   struct choppy_err *err)
{
	int r = join(t, hubs[0], hubs[1], err);

	for (int i = 0; r == 0 && i < 2; i++)
		r = shape_star(t, hubs[i], &leaves[i], err);
	return r;
}

/* ---------------------------------------------------------------- fat tree */

struct fat_tree {
	struct topology *t;
	const char *prefix;
	uint32_t k, half;
	uint32_t core; /* the first of its k*k/4 */
	struct choppy_err *err;
};

static int grow(struct fat_tree *f, enum node_kind kind, uint32_t *ret, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int grow(struct fat_tree *f, enum node_kind kind, uint32_t *ret, const char *fmt, ...)
{
	char name[128];
	int n = snprintf(name, sizeof(name), "%s", f->prefix);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name + n, sizeof(name) - (size_t)n, fmt, ap);
	va_end(ap);
	return topology_add_node(f->t, name, kind, ret, f->err);
}

/* Aggregation router @i of pod @pod is joined to the i-th group of the core. */
static int grow_pod(struct fat_tree *f, uint32_t pod)
{
	uint32_t agg[FAT_TREE_MAX / 2], edge, host;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < f->half; i++) {
		r = grow(f, NODE_ROUTER, &agg[i], "agg%u-%u", pod + 1, i + 1);
		for (uint32_t c = 0; r == 0 && c < f->half; c++)
			r = join(f->t, agg[i], f->core + i * f->half + c, f->err);
	}
	for (uint32_t e = 0; r == 0 && e < f->half; e++) {
		r = grow(f, NODE_ROUTER, &edge, "edge%u-%u", pod + 1, e + 1);
		for (uint32_t i = 0; r == 0 && i < f->half; i++)
			r = join(f->t, edge, agg[i], f->err);
		for (uint32_t h = 0; r == 0 && h < f->half; h++) {
			r = grow(f, NODE_HOST, &host, "h%u", (pod * f->half + e) * f->half + h + 1);
			if (r == 0)
				r = join(f->t, host, edge, f->err);
		}
	}
	return r;
}

int shape_fat_tree(struct topology *t, const char *prefix, uint32_t k, struct choppy_err *err)
{
	struct fat_tree f = { .t = t, .prefix = prefix, .k = k, .half = k / 2, .err = err };
	uint32_t core;
	int r = 0;

	if (k < 2 || k > FAT_TREE_MAX || k % 2)
		return err_set(err, -EINVAL,
			       "a fat tree has an even number of pods, from 2 to %d, not %u",
			       FAT_TREE_MAX, k);
	f.core = t->nnodes;
	for (uint32_t i = 0; r == 0 && i < f.half * f.half; i++)
		r = grow(&f, NODE_ROUTER, &core, "core%u", i + 1);
	for (uint32_t pod = 0; r == 0 && pod < k; pod++)
		r = grow_pod(&f, pod);
	return r;
}
