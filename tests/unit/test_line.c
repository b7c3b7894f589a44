/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The delay line and the gate before it: who leaves when, and behind whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../heap_pool.h"
#include "line.h"
#include "rng.h"

#include <stdlib.h>

static struct pool pool;

static int setup(void **state)
{
	heap_pool_init(&pool, 64u << 20);
	return 0;
}

static int teardown(void **state)
{
	pool_done(&pool);
	return 0;
}

/* A run of units [@first, @first + @count), due at @due_ns. */
static struct run *run_of(struct frame *f, uint32_t first, uint32_t count, uint64_t due_ns)
{
	struct run *run = run_new(&pool, f, first, count);

	assert_non_null(run);
	run->due_ns = due_ns;
	return run;
}

static struct frame *frame(void)
{
	struct frame *f = frame_get(&pool, POOL_SMALL);

	assert_non_null(f);
	return f;
}

static void test_line_sorts_by_due_time_and_keeps_equal_ones_in_order(void **state)
{
	enum { N = 20000 };
	const struct rng_key key = { .seed = 1, .purpose = "test" };
	struct frame *f = frame();
	struct line line;
	struct rng rng;
	uint64_t last_ns, now_ns = 0;
	uint32_t last = 0, taken = 0;

	rng_init(&rng, &key);
	line_init(&line);
	for (uint32_t i = 0; i < N; i++) {
		/* Mostly in order, some far out of it, and many ties. */
		uint64_t due_ns =
			i / 8 * 100 + (rng_below(&rng, 4) ? 0 : rng_below(&rng, 50) * 100);

		line_add(&line, run_of(f, i, 1, due_ns));
		if (i % 16)
			continue;
		now_ns = i / 8 * 100;
		for (struct run *r; (r = line_take(&line, now_ns)); taken++)
			run_free(&pool, r);
	}
	last_ns = now_ns;
	for (struct run *r; (r = line_take(&line, LINE_NEVER)); taken++) {
		assert_true(r->due_ns > last_ns || (r->due_ns == last_ns && r->first > last));
		last_ns = r->due_ns;
		last = r->first;
		run_free(&pool, r);
	}
	assert_int_equal(taken, N);
	assert_true(line_empty(&line));
	assert_int_equal(line_next(&line), LINE_NEVER);
	frame_put(&pool, f);
}

static void test_line_gives_nothing_before_its_time(void **state)
{
	struct frame *f = frame();
	struct line line;

	line_init(&line);
	line_add(&line, run_of(f, 0, 1, 100));
	line_add(&line, run_of(f, 1, 1, 50));
	assert_int_equal(line_next(&line), 50);
	assert_null(line_take(&line, 49));
	for (uint32_t want = 1; want != UINT32_MAX; want--) {
		struct run *r = line_take(&line, 100);

		assert_int_equal(r->first, want);
		run_free(&pool, r);
	}
	frame_put(&pool, f);
}

/* What leaves the line, as unit numbers. */
static size_t drain(struct line *line, uint32_t *unit, uint64_t *due_ns)
{
	size_t n = 0;

	for (struct run *r; (r = line_take(line, LINE_NEVER)); run_free(&pool, r))
		for (uint32_t u = 0; u < r->count; u++) {
			unit[n] = r->first + u;
			due_ns[n++] = r->due_ns;
		}
	return n;
}

static void expect(struct line *line, size_t n, const uint32_t *unit, const uint64_t *due_ns)
{
	uint32_t got[64];
	uint64_t at[64];

	assert_int_equal(drain(line, got, at), n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(got[i], unit[i]);
		assert_int_equal(at[i], due_ns[i]);
	}
}

static void test_gate_keeps_the_order(void **state)
{
	struct frame *f = frame();
	struct line line;
	struct gate gate;

	line_init(&line);
	gate_init(&gate);
	assert_true(gate_pass(&gate, &pool, &line, run_of(f, 0, 1, 100), false));
	assert_true(gate_pass(&gate, &pool, &line, run_of(f, 1, 1, 50), false));
	assert_true(gate_pass(&gate, &pool, &line, run_of(f, 2, 1, 10), true));
	assert_true(gate_pass(&gate, &pool, &line, run_of(f, 3, 1, 120), false));
	expect(&line, 4, (uint32_t[]){ 2, 0, 1, 3 }, (uint64_t[]){ 10, 100, 100, 120 });
	gate.open = true;
	assert_true(gate_pass(&gate, &pool, &line, run_of(f, 4, 1, 200), false));
	assert_true(gate_pass(&gate, &pool, &line, run_of(f, 5, 1, 150), false));
	expect(&line, 2, (uint32_t[]){ 5, 4 }, (uint64_t[]){ 150, 200 });
	frame_put(&pool, f);
}

static void test_gate_frees_a_held_unit_inside_a_run(void **state)
{
	struct frame *f = frame();
	struct line line;
	struct gate gate;

	line_init(&line);
	gate_init(&gate);
	gate_hold(&gate, run_of(f, 0, 1, 100), 3, 1000);
	gate_hold(&gate, run_of(f, 1, 1, 100), 5, 1000);
	assert_true(gate_pass(&gate, &pool, &line, run_of(f, 2, 8, 200), false));
	assert_int_equal(gate_next(&gate), LINE_NEVER);
	expect(&line, 10, (uint32_t[]){ 2, 3, 4, 0, 5, 6, 1, 7, 8, 9 },
	       (uint64_t[]){ 200, 200, 200, 200, 200, 200, 200, 200, 200, 200 });
	frame_put(&pool, f);
}

static void test_gate_frees_what_nobody_overtakes_in_time(void **state)
{
	struct frame *f = frame();
	struct line line;
	struct gate gate;

	line_init(&line);
	gate_init(&gate);
	gate_hold(&gate, run_of(f, 0, 1, 100), 3, 50);
	assert_int_equal(gate_next(&gate), 150);
	gate_expire(&gate, &line, 149);
	assert_true(line_empty(&line));
	/* A packet that comes later than that does not overtake it any more. */
	assert_true(gate_pass(&gate, &pool, &line, run_of(f, 1, 1, 151), false));
	expect(&line, 2, (uint32_t[]){ 0, 1 }, (uint64_t[]){ 150, 151 });
	frame_put(&pool, f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_sorts_by_due_time_and_keeps_equal_ones_in_order),
		cmocka_unit_test(test_line_gives_nothing_before_its_time),
		cmocka_unit_test(test_gate_keeps_the_order),
		cmocka_unit_test(test_gate_frees_a_held_unit_inside_a_run),
		cmocka_unit_test(test_gate_frees_what_nobody_overtakes_in_time),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
