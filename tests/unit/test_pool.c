/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packet memory, the histogram and the random streams: the parts below the pipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "histogram.h"
#include "pool.h"
#include "rng.h"

#include <stdlib.h>
#include <string.h>

static size_t blocks, block_bytes;

static void *take(size_t size)
{
	blocks++;
	block_bytes += size;
	return aligned_alloc(64, size);
}

static void give(void *block, size_t size)
{
	blocks--;
	block_bytes -= size;
	free(block);
}

static void *take_nothing(size_t size)
{
	return NULL;
}

static void test_pool_takes_nothing_before_it_is_asked(void **state)
{
	struct pool p;

	blocks = 0;
	pool_init(&p, 1u << 30, take, give);
	assert_int_equal(blocks, 0);
	assert_int_equal(p.taken, 0);
	pool_done(&p);
}

static void test_pool_buffers_are_apart_aligned_and_writable(void **state)
{
	enum { N = 300 };
	void *buf[POOL_NCLASSES][N];
	struct pool p;

	pool_init(&p, 1u << 30, take, give);
	for (int c = 0; c < POOL_NCLASSES; c++)
		for (int i = 0; i < N; i++) {
			buf[c][i] = pool_get(&p, c);
			assert_non_null(buf[c][i]);
			assert_int_equal((uintptr_t)buf[c][i] % 64, 0);
			memset(buf[c][i], i & 255, pool_class_size(c));
		}
	for (int c = 0; c < POOL_NCLASSES; c++)
		for (int i = 0; i < N; i++) {
			const unsigned char *b = buf[c][i];

			assert_int_equal(b[0], i & 255);
			assert_int_equal(b[pool_class_size(c) - 1], i & 255);
			pool_put(&p, c, buf[c][i]);
		}
	assert_int_equal(p.taken, block_bytes);
	pool_done(&p);
	assert_int_equal(blocks, 0);
}

static void test_pool_gives_the_last_freed_buffer_first(void **state)
{
	struct pool p;
	void *a, *b;

	pool_init(&p, 1u << 30, take, give);
	a = pool_get(&p, POOL_SMALL);
	b = pool_get(&p, POOL_SMALL);
	pool_put(&p, POOL_SMALL, a);
	pool_put(&p, POOL_SMALL, b);
	assert_ptr_equal(pool_get(&p, POOL_SMALL), b);
	assert_ptr_equal(pool_get(&p, POOL_SMALL), a);
	pool_done(&p);
}

static void test_pool_never_takes_more_than_its_cap(void **state)
{
	size_t n = 0, cap = 3u << 20;
	struct pool p;

	blocks = block_bytes = 0;
	pool_init(&p, cap, take, give);
	while (pool_get(&p, POOL_SMALL))
		n++;
	assert_true(block_bytes <= cap);
	/* Nothing is left over but less than a block of 128 buffers. */
	assert_true(n * 2048 > cap - 129 * 2048);
	assert_false(pool_have(&p, POOL_SMALL, 1));
	assert_null(pool_get(&p, POOL_LARGE));
	pool_done(&p);
}

static void test_pool_survives_an_allocator_that_refuses(void **state)
{
	struct pool p;

	pool_init(&p, 1u << 30, take_nothing, give);
	assert_null(pool_get(&p, POOL_NODE));
	assert_false(pool_have(&p, POOL_LARGE, 1));
	assert_int_equal(p.taken, 0);
	pool_done(&p);
}

static void test_pool_have_is_a_promise(void **state)
{
	struct pool p;

	pool_init(&p, 1u << 20, take, give);
	assert_true(pool_have(&p, POOL_NODE, 3000));
	for (int i = 0; i < 3000; i++) {
		void *buf = pool_get(&p, POOL_NODE);

		assert_non_null(buf);
		memset(buf, 0, pool_class_size(POOL_NODE));
	}
	assert_false(pool_have(&p, POOL_NODE, 1u << 20));
	pool_done(&p);
}

static void test_pool_owes_no_more_than_it_has(void **state)
{
	struct pool p;

	pool_init(&p, 5u << 20, take, give); /* one block of 64 large buffers */
	for (int i = 0; i < 32; i++)
		assert_non_null(pool_get(&p, POOL_LARGE));
	for (int i = 0; i < 32; i++)
		assert_true(pool_owe(&p));
	assert_false(pool_owe(&p));
	for (int i = 0; i < 32; i++)
		assert_non_null(pool_get(&p, POOL_LARGE));
	pool_settle(&p);
	assert_false(pool_owe(&p));
	pool_done(&p);
}

/* ------------------------------------------------------------------ histogram */

static void test_histogram_is_exact_below_64(void **state)
{
	struct histogram *h = calloc(1, sizeof(*h));

	assert_int_equal(histogram_quantile(h, 500000), 0);
	for (uint64_t i = 1; i <= 60; i++)
		histogram_add(h, i);
	assert_int_equal(histogram_quantile(h, 0), 1);
	assert_int_equal(histogram_quantile(h, 500000), 30);
	assert_int_equal(histogram_quantile(h, 1000000), 60);
	assert_int_equal(h->max, 60);
	free(h);
}

static void test_histogram_step_is_within_one_32nd_over_all_64_bits(void **state)
{
	static const uint64_t offsets[] = { 0, 1, 12345, 999999999 };

	for (int bit = 5; bit < 64; bit++)
		for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
			struct histogram *h = calloc(1, sizeof(*h));
			uint64_t v = (1ull << bit) + offsets[i] % (1ull << bit);
			uint64_t q;

			histogram_add(h, v);
			histogram_add(h, UINT64_MAX);
			q = histogram_quantile(h, 500000);
			assert_true(q >= v);
			assert_true(q - v <= v / 32);
			assert_true(histogram_quantile(h, 1000000) == UINT64_MAX);
			free(h);
		}
}

static void test_histogram_quantiles_of_many(void **state)
{
	struct histogram *h = calloc(1, sizeof(*h));

	for (uint64_t i = 1; i <= 100000; i++)
		histogram_add(h, i * 1000);
	assert_in_range(histogram_quantile(h, 500000), 50000000, 50000000 / 32 * 33);
	assert_in_range(histogram_quantile(h, 990000), 99000000, 100000000);
	assert_int_equal(histogram_quantile(h, 1000000), 100000000);
	free(h);
}

/* ------------------------------------------------------------------- streams */

static uint64_t first_of(uint64_t seed, uint32_t link, uint32_t dir, const char *purpose)
{
	struct rng_key key = { .seed = seed, .link = link, .dir = dir, .purpose = purpose };
	struct rng r;

	rng_init(&r, &key);
	return rng_next(&r);
}

/* The sequences are a promise: the same on every machine and in every release. */
static void test_rng_sequence_is_what_it_was(void **state)
{
	static const uint64_t want[] = { 0x61e4ef0aa033bbedu, 0xe83000a4412d9f1au,
					 0xd6fa5c068ca7cdf8u, 0xb4bc782e5d7239d6u };
	struct rng_key key = { .seed = 42, .link = 3, .dir = 1, .purpose = "loss" };
	struct rng r;

	rng_init(&r, &key);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_true(rng_next(&r) == want[i]);
}

/* State and results of the generator's reference implementation. */
static void test_rng_is_xoshiro256starstar(void **state)
{
	static const uint64_t want[] = { 11520, 0, 1509978240, 1215971899390074240 };
	struct rng r = { .s = { 1, 2, 3, 4 } };

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_true(rng_next(&r) == want[i]);
}

static void test_rng_every_part_of_the_key_counts(void **state)
{
	uint64_t base = first_of(1, 0, 0, "loss");

	assert_true(base == first_of(1, 0, 0, "loss"));
	assert_true(base != first_of(2, 0, 0, "loss"));
	assert_true(base != first_of(1, 1, 0, "loss"));
	assert_true(base != first_of(1, 0, 1, "loss"));
	assert_true(base != first_of(1, 0, 0, "delay"));
	assert_true(first_of(0, 1, 0, "loss") != first_of(0, 0, 1, "loss"));
}

static void test_rng_below_covers_its_range_evenly(void **state)
{
	struct rng_key key = { .seed = 7, .purpose = "test" };
	unsigned count[10] = { 0 };
	struct rng r;

	rng_init(&r, &key);
	for (int i = 0; i < 100000; i++)
		count[rng_below(&r, 10)]++;
	for (int i = 0; i < 10; i++)
		assert_in_range(count[i], 10000 - 5 * 95, 10000 + 5 * 95); /* 5 sigma */
	assert_true(rng_below(&r, 1) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool_takes_nothing_before_it_is_asked),
		cmocka_unit_test(test_pool_buffers_are_apart_aligned_and_writable),
		cmocka_unit_test(test_pool_gives_the_last_freed_buffer_first),
		cmocka_unit_test(test_pool_never_takes_more_than_its_cap),
		cmocka_unit_test(test_pool_survives_an_allocator_that_refuses),
		cmocka_unit_test(test_pool_have_is_a_promise),
		cmocka_unit_test(test_pool_owes_no_more_than_it_has),
		cmocka_unit_test(test_histogram_is_exact_below_64),
		cmocka_unit_test(test_histogram_step_is_within_one_32nd_over_all_64_bits),
		cmocka_unit_test(test_histogram_quantiles_of_many),
		cmocka_unit_test(test_rng_sequence_is_what_it_was),
		cmocka_unit_test(test_rng_is_xoshiro256starstar),
		cmocka_unit_test(test_rng_every_part_of_the_key_counts),
		cmocka_unit_test(test_rng_below_covers_its_range_evenly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
