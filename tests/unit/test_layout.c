/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where nodes stand in drawings: of known graphs, and what holds for all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "choppy.h"
#include "rng.h"

#include <stdlib.h>
#include <string.h>

#define NODES 16384 /* as many as a lab may have */
#define LINKS (2 * NODES)
#define STACK 5

static struct choppy_size sizes[NODES];
static uint32_t ends[LINKS][2];
static struct choppy_spot spots[NODES], again[NODES];
static int size[2];

/* A graph without nodes yet. */
static struct choppy_graph empty(void)
{
	return (struct choppy_graph){ .sizes = sizes,
				      .ends = (const uint32_t(*)[2])ends,
				      .root = UINT32_MAX,
				      .stack = STACK,
				      .gap_x = 10,
				      .gap_y = 20,
				      .arc = 3 };
}

static void join(struct choppy_graph *g, uint32_t a, uint32_t b)
{
	ends[g->nlinks][0] = a;
	ends[g->nlinks++][1] = b;
}

static uint32_t add(struct choppy_graph *g, int w, int h)
{
	sizes[g->nnodes] = (struct choppy_size){ w, h, w + 1, h + 1 };
	return g->nnodes++;
}

static bool apart(const struct choppy_spot *a, const struct choppy_spot *b)
{
	return a->x + a->w <= b->x || b->x + b->w <= a->x || a->y + a->h <= b->y ||
	       b->y + b->h <= a->y;
}

static int compare(const void *a, const void *b)
{
	const struct choppy_spot *x = a, *y = b;

	return x->y != y->y ? x->y - y->y : x->x - y->x;
}

/* Those that might overlap are near each other when sorted from above. */
static void check_apart(uint32_t n, int tallest)
{
	memcpy(again, spots, n * sizeof(*again));
	qsort(again, n, sizeof(*again), compare);
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = i + 1; k < n && again[k].y < again[i].y + tallest; k++)
			if (!apart(&again[i], &again[k]))
				fail_msg("at %d, %d and at %d, %d", again[i].x, again[i].y,
					 again[k].x, again[k].y);
}

/* Lay out, and check what holds for every graph. */
static void draw(const struct choppy_graph *g, int tallest)
{
	int size_again[2];

	assert_int_equal(choppy_layout(spots, size, g), 0);
	assert_int_equal(choppy_layout(again, size_again, g), 0);
	assert_memory_equal(spots, again, g->nnodes * sizeof(*spots));
	assert_memory_equal(size, size_again, sizeof(size));
	for (uint32_t i = 0; i < g->nnodes; i++) {
		const struct choppy_spot *s = &spots[i];

		assert_int_equal(s->w, s->stacked ? sizes[i].stacked_w : sizes[i].w);
		assert_int_equal(s->h, s->stacked ? sizes[i].stacked_h : sizes[i].h);
		assert_true(s->x >= 0 && s->x + s->w <= size[0]);
		assert_true(s->y >= 0 && s->y + s->h <= s->below && s->below <= size[1]);
	}
	for (uint32_t l = 0; l < g->nlinks; l++) {
		const struct choppy_spot *a = &spots[ends[l][0]], *b = &spots[ends[l][1]];

		assert_true(a->layer == b->layer || a->layer + 1 == b->layer ||
			    b->layer + 1 == a->layer);
		if (a->layer + 1 == b->layer)
			assert_true(a->below + g->gap_y <= b->y);
	}
	check_apart(g->nnodes, tallest);
}

static void nothing_and_one(void **state)
{
	struct choppy_graph g = empty();

	draw(&g, 0);
	assert_int_equal(size[0], 0);
	add(&g, 30, 12);
	draw(&g, 12);
	assert_int_equal(size[0], 30);
	assert_int_equal(size[1], 12);
}

/* A hub, and leaves that are few enough to stand side by side: it is in the middle above them. */
static void a_star(void **state)
{
	struct choppy_graph g = empty();
	uint32_t hub = add(&g, 20, 10);

	for (int i = 1; i < STACK; i++)
		join(&g, hub, add(&g, 40, 10));
	draw(&g, 10);
	assert_int_equal(spots[hub].layer, 0);
	for (uint32_t i = 1; i < STACK; i++) {
		assert_int_equal(spots[i].place, i - 1);
		assert_int_equal(spots[i].x, (int)(i - 1) * 50);
		assert_int_equal(spots[i].y, 30);
	}
	assert_int_equal(2 * spots[hub].x + spots[hub].w, size[0]);
}

static void many_leaves_are_stacked(void **state)
{
	struct choppy_graph g = empty();
	uint32_t hub = add(&g, 20, 10), rows = 0;

	for (int i = 0; i < 100; i++)
		join(&g, add(&g, 39, 9), hub);
	join(&g, hub, add(&g, 40, 10));
	join(&g, 101, add(&g, 40, 10));
	draw(&g, 10);
	for (uint32_t i = 1; i <= 100; i++) {
		assert_true(spots[i].stacked);
		rows += spots[i].x == spots[1].x;
	}
	assert_false(spots[101].stacked);
	/* 40 wide and 10 high each: five columns of 20 are as wide as high. */
	assert_in_range(rows, 13, 20);
}

/* The way out is at the top; without it what is furthest from the hosts. */
static void the_top(void **state)
{
	struct choppy_graph g = empty();
	uint32_t left = add(&g, 10, 10), right = add(&g, 10, 10);

	join(&g, left, right);
	for (int i = 0; i < 3; i++) {
		join(&g, left, add(&g, 10, 10));
		join(&g, right, add(&g, 10, 10));
	}
	draw(&g, 10);
	assert_int_equal(spots[left].layer, 0);
	assert_int_equal(spots[right].layer, 0);
	assert_int_equal(spots[2].layer, 1);
	g.root = right;
	draw(&g, 10);
	assert_int_equal(spots[left].layer, 1);
	assert_int_equal(spots[2].layer, 2);
	g.root = 2;
	draw(&g, 10);
	assert_int_equal(spots[3].layer, 3);
}

/* Two hubs with two leaves each, which come in turn: sorted, no link crosses another. */
static void links_do_not_cross(void **state)
{
	struct choppy_graph g = empty();
	uint32_t top = add(&g, 10, 10), hub[2] = { add(&g, 10, 10), add(&g, 10, 10) };

	join(&g, top, hub[0]);
	join(&g, top, hub[1]);
	for (int i = 0; i < 4; i++)
		join(&g, hub[i % 2], add(&g, 10, 10));
	draw(&g, 10);
	for (uint32_t i = 3; i < 7; i++)
		assert_int_equal(spots[i].place / 2, spots[hub[(i - 3) % 2]].place);
}

/* A ring has room for the link that closes it; in a mesh the links within a layer need more. */
static void room_for_arcs(void **state)
{
	struct choppy_graph g = empty();

	for (int i = 0; i < 5; i++)
		add(&g, 10, 10);
	for (uint32_t i = 0; i < 5; i++)
		join(&g, i, (i + 1) % 5);
	draw(&g, 10);
	assert_int_equal(spots[3].layer, 2);
	assert_int_equal(size[1], 10 + 20 + 10 + 20 + 10);
	for (uint32_t i = 0; i < 5; i++)
		join(&g, i, (i + 2) % 5);
	draw(&g, 10);
	/* Below the second and last layer of four: the outer two pass by two others. */
	assert_int_equal(size[1], 10 + 20 + 10 + 2 * 3);
}

static void parts_are_on_shelves(void **state)
{
	struct choppy_graph g = empty();

	for (int i = 0; i < 100; i++)
		add(&g, 10, 10);
	draw(&g, 10);
	assert_in_range(size[0], 100, 500);
	assert_in_range(size[1], 100, 500);
}

static void random_graphs(void **state)
{
	struct rng_key key = { .seed = 1, .purpose = "drawings" };
	struct rng rng;

	rng_init(&rng, &key);
	for (int round = 0; round < 200; round++) {
		struct choppy_graph g = empty();
		uint32_t nodes = 1 + (uint32_t)(rng_next(&rng) % 60);
		uint32_t links = (uint32_t)(rng_next(&rng) % (2 * nodes));

		for (uint32_t i = 0; i < nodes; i++)
			add(&g, 1 + (int)(rng_next(&rng) % 90), 1 + (int)(rng_next(&rng) % 30));
		for (uint32_t i = 0; i < links; i++) {
			uint32_t a = (uint32_t)(rng_next(&rng) % nodes);
			/* Low numbers are hubs. */
			uint32_t b = (uint32_t)(rng_next(&rng) % (1 + rng_next(&rng) % nodes));

			if (a != b)
				join(&g, a, b);
		}
		if (rng_next(&rng) % 2)
			g.root = (uint32_t)(rng_next(&rng) % nodes);
		g.stack = rng_next(&rng) % 2 ? STACK : 0;
		draw(&g, 31);
		if (g.root != UINT32_MAX)
			assert_int_equal(spots[g.root].layer, 0);
	}
}

/* As many nodes as there can be, twice as many links. */
static void the_largest(void **state)
{
	struct choppy_graph g = empty();

	for (uint32_t i = 0; i < NODES; i++)
		add(&g, 60 + (int)(i % 7), 20);
	for (uint32_t i = 1; i < NODES; i++) {
		join(&g, i, i / 3);
		if (i > 1000 && i % 2)
			join(&g, i, i - 1);
	}
	draw(&g, 21);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_and_one),
		cmocka_unit_test(a_star),
		cmocka_unit_test(many_leaves_are_stacked),
		cmocka_unit_test(the_top),
		cmocka_unit_test(links_do_not_cross),
		cmocka_unit_test(room_for_arcs),
		cmocka_unit_test(parts_are_on_shelves),
		cmocka_unit_test(random_graphs),
		cmocka_unit_test(the_largest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
