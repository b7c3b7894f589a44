/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the nodes of a drawing stand: in layers, after Sugiyama, Tagawa and Toda, "Methods for
 * visual understanding of hierarchical system structures" (IEEE SMC 1981).
 *
 * Each connected part is drawn by itself. Its top is the root that was asked for; else those of its
 * nodes that are furthest from any leaf or, where there is no leaf, the one with the most links.
 * The layers are the distances from the top, so that a link joins neighbouring layers, or two nodes
 * of one. Many leaves of one node are one item of their layer: a stack. Each layer is sorted by
 * where the neighbours of its items are on average in the layer above, then by those below, some
 * times in turn. Then each item wants to stand under the middle of its neighbours above, then over
 * that of those below. Of all places that keep the order and the gaps those with the least sum of
 * squares are taken: isotonic regression, by pooling who wants to be where others are (Ayer and
 * others, "An empirical distribution function for sampling with incomplete information", Annals of
 * Mathematical Statistics 1955). At last the parts are put on shelves.
 *
 * There is no chance in it: the same graph has the same drawing everywhere.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "choppy.h"

#define NONE UINT32_MAX
#define SWEEPS 6 /* down and up again */
#define ARCS_MAX 8 /* links of one layer that pass by more nodes get no more room */
#define STACK_ASPECT 1.6 /* width of a stack to its height, about */
#define SHELF_ASPECT 1.4 /* of all parts together */

struct node {
	uint32_t item;
	uint32_t cell; /* in a stack: which */
	uint32_t leaves, stack; /* how many it has; and the item of those, or NONE */
};

struct item {
	uint32_t node; /* its first */
	uint32_t n, rows; /* nodes, and of a stack those one below another */
	int cell_w, cell_h;
	int x, w, h;
};

/* An item in its layer. */
struct rank {
	double key; /* what the layer is sorted by */
	uint32_t place, item;
};

/* Items side by side that want the same room. */
struct pool {
	double sum;
	uint32_t n;
};

struct part {
	uint32_t first, n; /* of the queue */
	int w, h, x, y;
};

struct plan {
	const struct choppy_graph *g;
	struct choppy_spot *spots;
	struct node *nodes;
	uint32_t *seen, *depth, *layer; /* distances: from a part's first node, a leaf, the top */
	uint32_t *first, *near; /* neighbours of node i: near[first[i]] to near[first[i + 1]] */
	uint32_t *queue, *tops; /* nodes part by part, by their distance from the top */
	struct item *items;
	struct rank *ranks; /* of the part at hand, layer by layer */
	uint32_t *start; /* by layer: its first rank */
	struct pool *pools;
	struct part *parts;
	uint32_t nqueue, nitems, nranks, nlayers, nparts;
};

static void plan_free(struct plan *p)
{
	free(p->nodes);
	free(p->seen);
	free(p->depth);
	free(p->layer);
	free(p->first);
	free(p->near);
	free(p->queue);
	free(p->tops);
	free(p->items);
	free(p->ranks);
	free(p->start);
	free(p->pools);
	free(p->parts);
}

static bool plan_alloc(struct plan *p)
{
	size_t n = p->g->nnodes + 2; /* ends of ranges too, and never 0 */

	p->nodes = calloc(n, sizeof(*p->nodes));
	p->seen = calloc(n, sizeof(*p->seen));
	p->depth = calloc(n, sizeof(*p->depth));
	p->layer = calloc(n, sizeof(*p->layer));
	p->first = calloc(n, sizeof(*p->first));
	p->near = calloc(2 * (size_t)p->g->nlinks + 1, sizeof(*p->near));
	p->queue = calloc(n, sizeof(*p->queue));
	p->tops = calloc(n, sizeof(*p->tops));
	p->items = calloc(n, sizeof(*p->items));
	p->ranks = calloc(n, sizeof(*p->ranks));
	p->start = calloc(n, sizeof(*p->start));
	p->pools = calloc(n, sizeof(*p->pools));
	p->parts = calloc(n, sizeof(*p->parts));
	return p->nodes && p->seen && p->depth && p->layer && p->first && p->near && p->queue &&
	       p->tops && p->items && p->ranks && p->start && p->pools && p->parts;
}

/* -------------------------------------------------------------------- parts */

static void find_neighbours(struct plan *p)
{
	const struct choppy_graph *g = p->g;

	for (uint32_t i = 0; i < g->nnodes; i++) {
		p->nodes[i] = (struct node){ .item = NONE, .stack = NONE };
		p->seen[i] = p->depth[i] = p->layer[i] = NONE;
	}
	for (uint32_t e = 0; e < 2 * g->nlinks; e++)
		p->first[g->ends[e / 2][e % 2] + 2]++;
	for (uint32_t i = 2; i < g->nnodes + 2; i++)
		p->first[i] += p->first[i - 1];
	/* From here on first[i + 1] goes from the beginning of i's to their end. */
	for (uint32_t e = 0; e < 2 * g->nlinks; e++)
		p->near[p->first[g->ends[e / 2][e % 2] + 1]++] = g->ends[e / 2][!(e % 2)];
}

static uint32_t degree(const struct plan *p, uint32_t node)
{
	return p->first[node + 1] - p->first[node];
}

/* A node that a leaf is joined to, which is the only one. */
static uint32_t hub(const struct plan *p, uint32_t node)
{
	return p->near[p->first[node]];
}

static bool is_leaf(const struct plan *p, uint32_t node)
{
	for (uint32_t i = p->first[node]; i < p->first[node + 1]; i++)
		if (p->near[i] != hub(p, node))
			return false;
	return degree(p, node) > 0;
}

/* Breadth first from the @n nodes in @queue. Who is reached is added; returns how many there are.
 */
static uint32_t spread(const struct plan *p, uint32_t *queue, uint32_t n, uint32_t *distance)
{
	for (uint32_t i = 0; i < n; i++)
		distance[queue[i]] = 0;
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = p->first[queue[i]]; k < p->first[queue[i] + 1]; k++) {
			if (distance[p->near[k]] != NONE)
				continue;
			distance[p->near[k]] = distance[queue[i]] + 1;
			queue[n++] = p->near[k];
		}
	}
	return n;
}

/* The top of the part of @n nodes in @queue, into p->tops. Returns how many it is. */
static uint32_t find_top(struct plan *p, const uint32_t *queue, uint32_t n)
{
	uint32_t best = queue[0], far = 0, tops = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (queue[i] == p->g->root) {
			p->tops[0] = queue[i];
			return 1;
		}
		if (is_leaf(p, queue[i]))
			p->tops[tops++] = queue[i];
		if (degree(p, queue[i]) > degree(p, best))
			best = queue[i];
	}
	if (!tops) {
		p->tops[0] = best;
		return 1;
	}
	spread(p, p->tops, tops, p->depth);
	for (uint32_t i = 0; i < n; i++)
		if (p->depth[queue[i]] > far)
			far = p->depth[queue[i]];
	tops = 0;
	for (uint32_t i = 0; i < n; i++)
		if (p->depth[queue[i]] == far)
			p->tops[tops++] = queue[i];
	return tops;
}

/* The part that @node is of: its nodes are queued by their layer. */
static struct part *find_part(struct plan *p, uint32_t node)
{
	struct part *part = &p->parts[p->nparts++];
	uint32_t *queue = p->queue + p->nqueue;

	*part = (struct part){ .first = p->nqueue, .n = 1 };
	queue[0] = node;
	part->n = spread(p, queue, 1, p->seen);
	part->n = find_top(p, queue, part->n);
	for (uint32_t i = 0; i < part->n; i++)
		queue[i] = p->tops[i];
	part->n = spread(p, queue, part->n, p->layer);
	p->nqueue += part->n;
	return part;
}

/* -------------------------------------------------------------------- items */

static bool may_stack(const struct plan *p, uint32_t node)
{
	return p->g->stack && p->layer[node] > 0 && degree(p, node) == 1;
}

static void shape_stack(struct item *item)
{
	double aspect = STACK_ASPECT * item->cell_h / item->cell_w;
	uint32_t columns = (uint32_t)ceil(sqrt(item->n * aspect));

	columns = columns > item->n ? item->n : columns;
	item->rows = (item->n + columns - 1) / columns;
	columns = (item->n + item->rows - 1) / item->rows;
	item->w = item->cell_w * (int)columns;
	item->h = item->cell_h * (int)item->rows;
}

/* @node becomes an item, or joins the stack of its hub. */
static void add_node(struct plan *p, uint32_t node)
{
	bool stacked = may_stack(p, node) && p->nodes[hub(p, node)].leaves >= p->g->stack;
	uint32_t *at = stacked ? &p->nodes[hub(p, node)].stack : &p->nodes[node].item;
	const struct choppy_size *size = &p->g->sizes[node];
	int w = stacked ? size->stacked_w : size->w, h = stacked ? size->stacked_h : size->h;
	struct item *item;

	if (*at == NONE) {
		*at = p->nitems++;
		p->items[*at] = (struct item){ .node = node, .w = w, .h = h };
		p->ranks[p->nranks++] = (struct rank){ .item = *at };
	}
	item = &p->items[*at];
	item->cell_w = w > item->cell_w ? w : item->cell_w;
	item->cell_h = h > item->cell_h ? h : item->cell_h;
	p->nodes[node].item = *at;
	p->nodes[node].cell = item->n++;
	p->spots[node] =
		(struct choppy_spot){ .w = w, .h = h, .layer = p->layer[node], .stacked = stacked };
}

static void find_items(struct plan *p, const struct part *part)
{
	const uint32_t *queue = p->queue + part->first;

	for (uint32_t i = 0; i < part->n; i++)
		if (may_stack(p, queue[i]))
			p->nodes[hub(p, queue[i])].leaves++;
	p->nranks = p->nlayers = 0;
	for (uint32_t i = 0; i < part->n; i++) {
		if (p->layer[queue[i]] == p->nlayers)
			p->start[p->nlayers++] = p->nranks;
		add_node(p, queue[i]);
	}
	p->start[p->nlayers] = p->nranks;
	for (uint32_t i = 0; i < p->nranks; i++) {
		struct item *item = &p->items[p->ranks[i].item];

		if (p->spots[item->node].stacked)
			shape_stack(item);
	}
}

/* -------------------------------------------------------------------- order */

static uint32_t layer_size(const struct plan *p, uint32_t layer)
{
	return p->start[layer + 1] - p->start[layer];
}

static uint32_t place_of(const struct plan *p, uint32_t node)
{
	return p->spots[p->items[p->nodes[node].item].node].place;
}

static int compare_ranks(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

static void number_layer(struct plan *p, uint32_t layer)
{
	struct rank *r = p->ranks + p->start[layer];

	for (uint32_t i = 0; i < layer_size(p, layer); i++) {
		r[i].place = i;
		p->spots[p->items[r[i].item].node].place = i;
	}
}

/* By the neighbours in layer @to. Who has none there stays where it is. */
static void sort_layer(struct plan *p, uint32_t layer, uint32_t to)
{
	struct rank *r = p->ranks + p->start[layer];
	uint32_t n = layer_size(p, layer);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t node = p->items[r[i].item].node, count = 0;
		double sum = 0;

		for (uint32_t k = p->first[node]; k < p->first[node + 1]; k++) {
			if (p->layer[p->near[k]] != to)
				continue;
			sum += place_of(p, p->near[k]) + 0.5;
			count++;
		}
		r[i].key = count ? sum / count / layer_size(p, to) : (i + 0.5) / n;
	}
	qsort(r, n, sizeof(*r), compare_ranks);
	number_layer(p, layer);
}

static void sort_layers(struct plan *p)
{
	for (uint32_t l = 0; l < p->nlayers; l++)
		number_layer(p, l);
	for (int sweep = 0; sweep < SWEEPS; sweep++) {
		for (uint32_t l = 1; l < p->nlayers; l++)
			sort_layer(p, l, l - 1);
		for (uint32_t l = p->nlayers - 1; l-- > 0;)
			sort_layer(p, l, l + 1);
	}
}

/* ---------------------------------------------------------------- positions */

/* Where the left edge of @item would be if it were alone: by its neighbours in layer @to. */
static double wanted(const struct plan *p, const struct item *item, uint32_t to)
{
	uint32_t count = 0;
	double sum = 0;

	for (uint32_t k = p->first[item->node]; k < p->first[item->node + 1]; k++) {
		const struct item *other = &p->items[p->nodes[p->near[k]].item];

		if (p->layer[p->near[k]] != to)
			continue;
		sum += other->x + other->w / 2.0;
		count++;
	}
	return count ? sum / count - item->w / 2.0 : item->x;
}

/*
 * Less what stands to the left of it at least, no item may be left of the one before: those that
 * want to be are pooled with it, and share the mean of what they want.
 */
static void place_layer(struct plan *p, uint32_t layer, uint32_t to)
{
	struct rank *r = p->ranks + p->start[layer];
	uint32_t n = layer_size(p, layer), npools = 0, i = 0;
	int left = 0;

	for (uint32_t k = 0; k < n; k++) {
		const struct item *item = &p->items[r[k].item];
		struct pool *last = &p->pools[npools++];

		*last = (struct pool){ wanted(p, item, to) - left, 1 };
		left += item->w + p->g->gap_x;
		for (; npools > 1 && last[-1].sum / last[-1].n >= last->sum / last->n; npools--) {
			last--;
			last->sum += last[1].sum;
			last->n += last[1].n;
		}
	}
	left = 0;
	for (uint32_t b = 0; b < npools; b++) {
		/* A whole number for all, so that no gap is lost by rounding. */
		int at = (int)floor(p->pools[b].sum / p->pools[b].n);

		for (uint32_t end = i + p->pools[b].n; i < end; i++) {
			p->items[r[i].item].x = at + left;
			left += p->items[r[i].item].w + p->g->gap_x;
		}
	}
}

static void place_items(struct plan *p)
{
	for (uint32_t l = 0; l < p->nlayers; l++) {
		int left = 0;

		for (uint32_t i = p->start[l]; i < p->start[l + 1]; i++) {
			p->items[p->ranks[i].item].x = left;
			left += p->items[p->ranks[i].item].w + p->g->gap_x;
		}
	}
	for (int sweep = 0; sweep < SWEEPS; sweep++) {
		for (uint32_t l = 1; l < p->nlayers; l++)
			place_layer(p, l, l - 1);
		for (uint32_t l = p->nlayers - 1; l-- > 0;)
			place_layer(p, l, l + 1);
	}
}

/* Room below layer @l for the links within it that pass by others. */
static int arc_room(const struct plan *p, uint32_t l)
{
	uint32_t most = 0;

	for (uint32_t i = p->start[l]; i < p->start[l + 1]; i++) {
		uint32_t node = p->items[p->ranks[i].item].node;

		for (uint32_t k = p->first[node]; k < p->first[node + 1]; k++) {
			uint32_t other = place_of(p, p->near[k]);

			if (p->layer[p->near[k]] == l && other > p->ranks[i].place + most)
				most = other - p->ranks[i].place;
		}
	}
	most = most ? most - 1 : 0;
	return p->g->arc * (int)(most < ARCS_MAX ? most : ARCS_MAX);
}

static void fill_spot(struct plan *p, uint32_t node, int y, int below)
{
	const struct node *n = &p->nodes[node];
	const struct item *item = &p->items[n->item];
	struct choppy_spot *spot = &p->spots[node];

	spot->x = item->x;
	spot->y = spot->top = y;
	spot->below = below;
	if (!spot->stacked)
		return;
	spot->x += item->cell_w * (int)(n->cell / item->rows);
	spot->y += item->cell_h * (int)(n->cell % item->rows);
	spot->place = place_of(p, node);
}

/* The spots of a part, from 0. */
static void fill_spots(struct plan *p, struct part *part)
{
	const uint32_t *node = p->queue + part->first, *end = node + part->n;
	int left = p->items[p->ranks[0].item].x, right = left, y = 0;

	for (uint32_t i = 0; i < p->nranks; i++) {
		const struct item *item = &p->items[p->ranks[i].item];

		left = item->x < left ? item->x : left;
		right = item->x + item->w > right ? item->x + item->w : right;
	}
	part->w = right - left;
	for (uint32_t l = 0; l < p->nlayers; l++) {
		int h = 0;

		for (uint32_t i = p->start[l]; i < p->start[l + 1]; i++) {
			struct item *item = &p->items[p->ranks[i].item];

			item->x -= left;
			h = item->h > h ? item->h : h;
		}
		for (; node < end && p->layer[*node] == l; node++)
			fill_spot(p, *node, y, y + h);
		y += h + arc_room(p, l);
		part->h = y;
		y += p->g->gap_y;
	}
}

/* ------------------------------------------------------------------ shelves */

static void put_on_shelves(struct plan *p, int ret_size[2])
{
	double area = 0;
	int limit = 0, x = 0, y = 0, h = 0;

	for (uint32_t i = 0; i < p->nparts; i++) {
		struct part *part = &p->parts[i];

		area += (double)(part->w + p->g->gap_x) * (part->h + p->g->gap_y);
		limit = part->w > limit ? part->w : limit;
	}
	limit = sqrt(area) * SHELF_ASPECT > limit ? (int)(sqrt(area) * SHELF_ASPECT) : limit;
	ret_size[0] = ret_size[1] = 0;
	for (uint32_t i = 0; i < p->nparts; i++) {
		struct part *part = &p->parts[i];

		if (x + part->w > limit) {
			x = 0;
			y += h + p->g->gap_y;
			h = 0;
		}
		part->x = x;
		part->y = y;
		x += part->w + p->g->gap_x;
		h = part->h > h ? part->h : h;
		ret_size[0] = part->x + part->w > ret_size[0] ? part->x + part->w : ret_size[0];
		ret_size[1] = part->y + h > ret_size[1] ? part->y + h : ret_size[1];
	}
	for (uint32_t i = 0; i < p->nparts; i++) {
		const struct part *part = &p->parts[i];

		for (uint32_t k = part->first; k < part->first + part->n; k++) {
			struct choppy_spot *spot = &p->spots[p->queue[k]];

			spot->x += part->x;
			spot->y += part->y;
			spot->top += part->y;
			spot->below += part->y;
		}
	}
}

int choppy_layout(struct choppy_spot *ret, int ret_size[2], const struct choppy_graph *g)
{
	struct plan p = { .g = g, .spots = ret };

	if (!plan_alloc(&p)) {
		plan_free(&p);
		return -ENOMEM;
	}
	find_neighbours(&p);
	for (uint32_t i = 0; i < g->nnodes; i++) {
		struct part *part;

		if (p.seen[i] != NONE)
			continue;
		part = find_part(&p, i);
		find_items(&p, part);
		sort_layers(&p);
		place_items(&p);
		fill_spots(&p, part);
	}
	put_on_shelves(&p, ret_size);
	plan_free(&p);
	return 0;
}
