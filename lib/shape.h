/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shape.h - the common topologies, by one call each: the links are added behind those there are. */
#ifndef CHOPPY_SHAPE_H
#define CHOPPY_SHAPE_H

#include "topology.h"

/* Nodes by their numbers. */
struct node_list {
	uint32_t *v;
	uint32_t n, room;
};
int node_list_add(struct node_list *l, uint32_t node);
void node_list_free(struct node_list *l);

/* A link from each leaf to @hub. */
int shape_star(struct topology *t, uint32_t hub, const struct node_list *leaves,
	       struct choppy_err *err);
/* Each to the next, the last to the first: three at least. */
int shape_ring(struct topology *t, const struct node_list *nodes, struct choppy_err *err);
/* Each to each. */
int shape_mesh(struct topology *t, const struct node_list *nodes, struct choppy_err *err);
/* Two hubs with a link between them, the first that is made, and a star around each. */
int shape_dumbbell(struct topology *t, const uint32_t hubs[2], const struct node_list leaves[2],
		   struct choppy_err *err);
/*
 * Al-Fares, Loukissas and Vahdat, "A scalable, commodity data center network architecture"
 * (SIGCOMM 2008): of @k pods with k/2 edge and k/2 aggregation routers each, k*k/4 core routers,
 * and k*k*k/4 hosts. Names begin with @prefix: core1, agg1-1, edge1-1 (pod, number), h1 and so on.
 * -EINVAL: @k is not even, or not within 2 and FAT_TREE_MAX.
 */
#define FAT_TREE_MAX 32
int shape_fat_tree(struct topology *t, const char *prefix, uint32_t k, struct choppy_err *err);

#endif
