/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bottleneck: exact times, limits, grouping, and each discipline against its paper. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../heap_pool.h"
#include "codel.h"
#include "pie.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define S 1000000000ull
#define BIT(f) CHOPPY_FIELD_BIT(CHOPPY_##f)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

typedef unsigned __int128 u128;
typedef __int128 i128;

/* --------------------------------------------------------------- the bench */

enum kind {
	OUT,
	DROPPED,
	MARKED,
};

/* What became of a packet. */
struct event {
	enum kind kind;
	uint32_t id; /* of the packet, as numbered by the test */
	uint64_t at_ns;
	enum choppy_drop reason;
	uint8_t flags;
	uint32_t place; /* of OUT: in its run, from 0 */
};

struct bench {
	struct pool pool;
	struct queue *queue;
	struct event *events;
	size_t n, room;
	bool late; /* nobody calls at the times of queue_next() */
	size_t wakes; /* calls that queue_next() asked for */
	size_t nodes; /* available at the start */
	uint32_t ids;
};

static void log_event(struct bench *b, struct event e)
{
	if (b->n == b->room) {
		b->room = b->room ? 2 * b->room : 1024;
		b->events = realloc(b->events, b->room * sizeof(e));
		assert_non_null(b->events);
	}
	b->events[b->n++] = e;
}

/* A frame's arrival time, of which the queue knows nothing, keeps the number of its first packet.
 */
static uint32_t id_of(const struct run *run, uint32_t unit)
{
	return (uint32_t)run->frame->at_ns + unit;
}

static void on_dropped(void *ctx, const struct run *run, uint32_t unit, enum choppy_drop reason,
		       uint64_t at_ns)
{
	log_event(ctx, (struct event){ DROPPED, id_of(run, unit), at_ns, reason, run->flags, 0 });
}

static void on_marked(void *ctx, const struct run *run, uint32_t unit, uint64_t at_ns)
{
	log_event(ctx, (struct event){ MARKED, id_of(run, unit), at_ns, 0, run->flags, 0 });
}

static const struct rng_key key = { .seed = 7, .link = 1, .dir = 0, .purpose = "queue" };

static void open_bench_with(struct bench *b, const struct choppy_condition *c,
			    const struct queue_chances *chances, size_t cap, size_t nodes)
{
	struct queue_events events = { b, on_dropped, on_marked };

	memset(b, 0, sizeof(*b));
	heap_pool_init(&b->pool, cap);
	assert_true(pool_have(&b->pool, POOL_NODE, nodes));
	b->nodes = b->pool.class[POOL_NODE].available;
	b->queue = queue_new(&b->pool, &key, &events);
	assert_non_null(b->queue);
	assert_int_equal(queue_set(b->queue, c, chances, 0), 0);
}

static void open_bench(struct bench *b, const struct choppy_condition *c)
{
	open_bench_with(b, c, NULL, 256u << 20, 20000);
}

static void forget(struct bench *b)
{
	b->n = b->wakes = 0;
}

static void close_bench(struct bench *b)
{
	queue_free(b->queue);
	assert_int_equal(b->pool.class[POOL_NODE].available, b->nodes);
	assert_int_equal(b->pool.class[POOL_SMALL].available % 128, 0);
	pool_done(&b->pool);
	free(b->events);
}

/* A frame of @units packets with @segment bytes behind 66 bytes of headers, the last with @last. */
static struct frame *super(struct bench *b, uint32_t units, uint32_t segment, uint32_t last)
{
	struct frame *f = frame_get(&b->pool, POOL_SMALL);

	assert_non_null(f);
	f->kind = units > 1 ? FRAME_TCP4 : FRAME_SINGLE;
	f->headers = units > 1 ? 66 : 0;
	f->segment = units > 1 ? (uint16_t)segment : 0;
	f->units = units;
	f->each = 1;
	f->len = 66 + (units - 1) * segment + last;
	f->at_ns = b->ids;
	b->ids += units;
	return f;
}

static struct frame *single(struct bench *b, uint32_t len)
{
	return super(b, 1, 0, len - 66);
}

static void log_run(struct bench *b, struct run *run, uint64_t at_ns)
{
	assert_int_equal(run->due_ns, at_ns);
	for (uint32_t i = 0; i < run->count; i++)
		log_event(b, (struct event){ OUT, id_of(run, run->first + i), at_ns, 0, run->flags,
					     i });
	run_free(&b->pool, run);
}

/* Let time run to @to_ns with a call at each hint, and see that none came too late. */
static void run_to(struct bench *b, uint64_t to_ns)
{
	uint64_t next_ns, at_ns;
	struct run *run;

	while (!b->late && (next_ns = queue_next(b->queue)) <= to_ns && next_ns != QUEUE_NEVER) {
		b->wakes++;
		while ((run = queue_serve(b->queue, next_ns, &at_ns))) {
			assert_int_equal(at_ns, next_ns);
			log_run(b, run, at_ns);
		}
		assert_true(queue_next(b->queue) > next_ns);
	}
	while ((run = queue_serve(b->queue, to_ns, &at_ns))) {
		assert_true(b->late);
		log_run(b, run, at_ns);
	}
}

static void drain(struct bench *b)
{
	run_to(b, QUEUE_NEVER - 1);
}

static void feed_flow(struct bench *b, struct frame *f, uint64_t at_ns, uint32_t flow,
		      uint8_t flags)
{
	run_to(b, at_ns);
	for (uint32_t i = 0; i < f->units; i++)
		queue_offer(b->queue, f, i, 0, flags, flow, at_ns);
	frame_put(&b->pool, f);
}

static void feed(struct bench *b, struct frame *f, uint64_t at_ns)
{
	feed_flow(b, f, at_ns, 0, 0);
}

static void set(struct bench *b, const struct choppy_condition *c, uint64_t now_ns)
{
	run_to(b, now_ns);
	assert_int_equal(queue_set(b->queue, c, NULL, now_ns), 0);
}

static struct choppy_condition at_rate(uint64_t bps)
{
	return (struct choppy_condition){ .set = BIT(RATE), .rate_bps = bps };
}

static struct choppy_condition limited(uint64_t bps, enum choppy_unit unit, uint64_t n)
{
	struct choppy_condition c = at_rate(bps);

	c.set |= BIT(LIMIT);
	c.limit.unit = unit;
	c.limit.n = n;
	return c;
}

static struct choppy_condition with_queue(struct choppy_condition c, enum choppy_queue queue)
{
	c.set |= BIT(QUEUE);
	c.queue = queue;
	return c;
}

/* ------------------------------------------------------------------ expect */

struct expected {
	enum kind kind;
	uint32_t id;
	uint64_t at_ns;
};

static void expect(const struct bench *b, const struct expected *want, size_t n)
{
	for (size_t i = 0; i < n && i < b->n; i++) {
		const struct event *e = &b->events[i];

		if (e->kind != want[i].kind || e->id != want[i].id || e->at_ns != want[i].at_ns)
			fail_msg("event %zu: %d of packet %u at %llu, expected %d of %u at %llu", i,
				 e->kind, e->id, (unsigned long long)e->at_ns, want[i].kind,
				 want[i].id, (unsigned long long)want[i].at_ns);
	}
	assert_int_equal(b->n, n);
}

#define EXPECT(b, ...)                                                                             \
	do {                                                                                       \
		const struct expected want_[] = { __VA_ARGS__ };                                   \
		expect(b, want_, ARRAY_SIZE(want_));                                               \
	} while (0)

static size_t count(const struct bench *b, enum kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		n += b->events[i].kind == kind;
	return n;
}

/* -------------------------------------------------------------------- time */

/* 8 Mbit/s: 1 byte takes 1 us. */
static void packets_start_when_the_transmitter_is_free(void **state)
{
	struct choppy_condition c = at_rate(8000000);
	struct bench b;

	open_bench(&b, &c);
	feed(&b, single(&b, 1000), 0);
	feed(&b, single(&b, 500), MS / 2); /* waits until 1 ms */
	feed(&b, single(&b, 1000), 5 * MS); /* finds it idle */
	feed(&b, single(&b, 1514), 6 * MS); /* just in time */
	drain(&b);
	EXPECT(&b, { OUT, 0, MS }, { OUT, 1, 3 * MS / 2 }, { OUT, 2, 6 * MS }, { OUT, 3, 7514000 });
	close_bench(&b);
}

/* 7 Mbit/s: 1000 bytes take 1142857 + 1/7 ns. */
static void the_part_of_a_nanosecond_is_carried_on(void **state)
{
	struct choppy_condition c = at_rate(7000000);
	struct bench b;

	open_bench(&b, &c);
	for (int i = 0; i < 7; i++)
		feed(&b, single(&b, 1000), 0);
	drain(&b);
	EXPECT(&b, { OUT, 0, 1142857 }, { OUT, 1, 2285714 }, { OUT, 2, 3428571 },
	       { OUT, 3, 4571428 }, { OUT, 4, 5714285 }, { OUT, 5, 6857142 }, { OUT, 6, 8000000 });
	close_bench(&b);
}

static void a_million_packets_keep_the_rate(void **state)
{
	static const uint64_t rates[] = { 999999937, 9999999967, 1000000000000 };

	for (size_t r = 0; r < ARRAY_SIZE(rates); r++) {
		struct choppy_condition c = at_rate(rates[r]);
		u128 bits = 0;
		uint64_t now_ns = 0;
		struct bench b;

		open_bench(&b, &c);
		for (uint32_t i = 0; i < 1000000; i++) {
			feed(&b, single(&b, 67 + i * 7919 % 9000), now_ns);
			if (i < 100) /* as many always wait */
				continue;
			now_ns = queue_next(b.queue);
			run_to(&b, now_ns);
			assert_true(b.n > 0);
			for (size_t k = 0; k < b.n; k++) {
				bits += 8 * (67 + b.events[k].id * 7919 % 9000);
				assert_true(b.events[k].at_ns == (uint64_t)(bits * S / rates[r]));
			}
			forget(&b);
		}
		close_bench(&b);
	}
}

static void slow_and_fast_rates_do_not_overflow(void **state)
{
	struct choppy_condition c = at_rate(8);
	struct bench b;

	open_bench(&b, &c);
	for (int i = 0; i < 3; i++)
		feed(&b, single(&b, 66000), 0);
	drain(&b);
	EXPECT(&b, { OUT, 0, 66000 * S }, { OUT, 1, 132000 * S }, { OUT, 2, 198000 * S });
	close_bench(&b);

	/* Cells of 1 byte with 65535 more: a packet takes 137 years, and two are never. */
	c.set |= BIT(OVERHEAD) | BIT(CELL_SIZE) | BIT(CELL_OVERHEAD);
	c.cell_size_bytes = 1;
	c.cell_overhead_bytes = 65535;
	open_bench(&b, &c);
	feed(&b, single(&b, 65536), 0);
	feed(&b, single(&b, 65536), 0);
	drain(&b);
	EXPECT(&b, { OUT, 0, 65536ull * 65536 * S });
	close_bench(&b);

	/* And what comes behind never, too. PIE asks when that would be. */
	c = with_queue(c, CHOPPY_QUEUE_PIE);
	open_bench(&b, &c);
	for (int i = 0; i < 4; i++)
		feed(&b, single(&b, 65536), i < 2 ? 0 : 65537ull * 65536 * S);
	drain(&b);
	EXPECT(&b, { OUT, 0, 65536ull * 65536 * S }, { DROPPED, 3, 65537ull * 65536 * S });
	close_bench(&b);
}

struct framing {
	uint32_t len;
	struct choppy_overhead overhead;
	uint64_t cell, cell_more;
	uint64_t wire;
};

static void framing_counts_for_the_rate(void **state)
{
	static const struct framing rows[] = {
		{ 1514, { 0, 0 }, 0, 0, 1514 },
		{ 1514, { 24, 84 }, 0, 0, 1538 }, /* ethernet: FCS, preamble, gap */
		{ 60, { 24, 84 }, 0, 0, 84 },
		{ 42, { 24, 84 }, 0, 0, 84 },
		{ 1506, { 32, 84 }, 0, 0, 1538 }, /* pppoe */
		{ 1514, { -14, 0 }, 0, 0, 1500 },
		{ 100, { -200, 0 }, 0, 0, 0 },
		{ 100, { -200, 64 }, 0, 0, 64 },
		{ 1514, { 10, 0 }, 48, 5, 32 * 53 }, /* 1524 = 31.75 cells */
		{ 1536, { 0, 0 }, 48, 5, 32 * 53 },
		{ 1537, { 0, 0 }, 48, 5, 33 * 53 },
		{ 48, { -48, 0 }, 48, 5, 0 },
		{ 66, { 0, 84 }, 48, 5, 2 * 53 }, /* the least comes first */
		{ 1000, { 0, 0 }, 1000, 0, 1000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct framing *r = &rows[i];
		struct choppy_condition c = at_rate(8000);
		struct bench b;

		c.set |= BIT(OVERHEAD);
		c.overhead = r->overhead;
		if (r->cell)
			c.set |= BIT(CELL_SIZE) | BIT(CELL_OVERHEAD);
		c.cell_size_bytes = r->cell;
		c.cell_overhead_bytes = r->cell_more;
		open_bench(&b, &c);
		feed(&b, super(&b, 1, 0, r->len - 66), 0);
		drain(&b);
		EXPECT(&b, { OUT, 0, r->wire * MS });
		close_bench(&b);
	}
}

static void cells_have_five_bytes_more_when_nothing_else_is_said(void **state)
{
	struct choppy_condition c = at_rate(8000);
	struct bench b;

	c.set |= BIT(OVERHEAD) | BIT(CELL_SIZE);
	c.cell_size_bytes = 48;
	open_bench(&b, &c);
	feed(&b, single(&b, 96), 0);
	drain(&b);
	EXPECT(&b, { OUT, 0, 106 * MS });
	close_bench(&b);
}

/* One that stands for 3 packets of 100, 100 and 101 bytes. */
static void what_cannot_be_cut_counts_all_its_packets(void **state)
{
	struct choppy_condition c = limited(8000, CHOPPY_PACKETS, 4);
	struct bench b;
	struct frame *f;

	c.set |= BIT(OVERHEAD);
	c.overhead.bytes = 10;
	open_bench(&b, &c);
	for (int i = 0; i < 3; i++) {
		f = single(&b, 301);
		f->kind = FRAME_WHOLE;
		f->each = 3;
		feed(&b, f, 0);
	}
	drain(&b);
	EXPECT(&b, { DROPPED, 2, 0 }, { OUT, 0, 331 * MS }, { OUT, 1, 662 * MS });
	close_bench(&b);
}

/* The formula in whole numbers of 1/rate ns. */
static void burst_is_a_token_bucket(void **state)
{
	static const uint64_t rates[] = { 8000, 999983, 10000000, 7777777777 };
	static const uint64_t bursts[] = { 1, 1514, 65536, 1ull << 30 };
	struct rng rng;

	rng_init(&rng, &key);
	for (size_t k = 0; k < ARRAY_SIZE(rates) * ARRAY_SIZE(bursts); k++) {
		uint64_t rate = rates[k % 4], burst = bursts[k / 4], at_ns = 0, last_ns = 0;
		struct choppy_condition c = limited(rate, CHOPPY_PACKETS, UINT64_MAX);
		i128 t = 0;
		uint64_t want[500];
		struct bench b;

		c.set |= BIT(RATE_BURST);
		c.rate_burst_bytes = burst;
		open_bench(&b, &c);
		for (int i = 0; i < 500; i++) {
			uint32_t len = 66 + (uint32_t)rng_below(&rng, 1449);
			i128 out;

			/* On average a little less than the rate, in clumps. */
			if (rng_below(&rng, 4) == 0)
				at_ns += rng_below(&rng, 2 * 4 * 800 * 8 * S / rate);
			if ((i128)at_ns * rate > t)
				t = (i128)at_ns * rate;
			t += (i128)len * 8 * S;
			out = t - (i128)burst * 8 * S;
			out = out < 0 ? 0 : out / rate;
			want[i] = out > (i128)at_ns ? (uint64_t)out : at_ns;
			assert_true(want[i] >= last_ns);
			last_ns = want[i];
			feed(&b, single(&b, len), at_ns);
		}
		drain(&b);
		assert_int_equal(b.n, 500);
		for (uint32_t i = 0; i < 500; i++) {
			assert_int_equal(b.events[i].id, i);
			assert_int_equal(b.events[i].at_ns, want[i]);
		}
		close_bench(&b);
	}
}

/* ------------------------------------------------------------------- limit */

static void limit_of_packets_counts_those_that_wait(void **state)
{
	struct choppy_condition c = limited(8000000, CHOPPY_PACKETS, 2);
	struct bench b;

	open_bench(&b, &c);
	for (int i = 0; i < 4; i++)
		feed(&b, single(&b, 1000), 0); /* 0 starts, 1 and 2 wait */
	feed(&b, single(&b, 1000), MS - 1);
	feed(&b, single(&b, 1000), MS); /* 1 has started */
	drain(&b);
	EXPECT(&b, { DROPPED, 3, 0 }, { DROPPED, 4, MS - 1 }, { OUT, 0, MS }, { OUT, 1, 2 * MS },
	       { OUT, 2, 3 * MS }, { OUT, 5, 4 * MS });
	assert_int_equal(b.events[0].reason, CHOPPY_DROP_QUEUE);
	close_bench(&b);
}

static void limit_of_bytes_counts_frames_without_overhead(void **state)
{
	struct choppy_condition c = limited(8000000, CHOPPY_BYTES, 1000);
	struct bench b;

	c.set |= BIT(OVERHEAD);
	c.overhead.bytes = 500;
	open_bench(&b, &c);
	feed(&b, single(&b, 2000), 0); /* longer than the limit, but it does not wait */
	feed(&b, single(&b, 600), 0);
	feed(&b, single(&b, 401), 0);
	feed(&b, single(&b, 400), 0);
	drain(&b);
	EXPECT(&b, { DROPPED, 2, 0 }, { OUT, 0, 2500000 }, { OUT, 1, 3600000 },
	       { OUT, 3, 4500000 });
	close_bench(&b);
}

/* 7 Mbit/s: 1000 bytes take 1142857 1/7 ns, so two take a little more than 2285714 ns. */
static void limit_of_time_is_how_long_a_packet_would_wait(void **state)
{
	struct choppy_condition c = limited(7000000, CHOPPY_NANOSECONDS, 2285714);
	struct bench b;

	open_bench(&b, &c);
	feed(&b, single(&b, 1000), 0);
	feed(&b, single(&b, 1000), 0);
	feed(&b, single(&b, 1000), 0); /* would wait a part of a ns too long */
	feed(&b, single(&b, 1000), 1);
	drain(&b);
	EXPECT(&b, { DROPPED, 2, 0 }, { OUT, 0, 1142857 }, { OUT, 1, 2285714 },
	       { OUT, 3, 3428571 });
	close_bench(&b);
}

static void without_a_limit_a_thousand_packets_wait(void **state)
{
	static const struct {
		enum choppy_queue queue;
		uint32_t n;
	} rows[] = { { CHOPPY_QUEUE_TAIL, 1000 },
		     { CHOPPY_QUEUE_HEAD, 1000 },
		     { CHOPPY_QUEUE_CODEL, 1000 },
		     { CHOPPY_QUEUE_PIE, 1000 },
		     { CHOPPY_QUEUE_FQ_CODEL, 10240 } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct choppy_condition c = with_queue(at_rate(8000), rows[i].queue);
		struct bench b;

		open_bench(&b, &c);
		for (uint32_t k = 0; k < rows[i].n + 1; k++)
			feed(&b, single(&b, 1000), 0);
		assert_int_equal(b.n, 0);
		feed(&b, single(&b, 1000), 0);
		assert_true(b.n >= 1);
		assert_int_equal(b.events[0].reason, CHOPPY_DROP_QUEUE);
		close_bench(&b);
	}
}

static void head_drops_what_waited_longest(void **state)
{
	struct choppy_condition c =
		with_queue(limited(8000000, CHOPPY_BYTES, 2000), CHOPPY_QUEUE_HEAD);
	struct bench b;

	open_bench(&b, &c);
	feed(&b, single(&b, 1000), 0); /* starts */
	feed(&b, single(&b, 500), 0);
	feed(&b, single(&b, 600), 0);
	feed(&b, single(&b, 900), 0); /* 2000 wait */
	feed(&b, single(&b, 1000), 100); /* needs 1 and 2 to go */
	feed(&b, single(&b, 2001), 200); /* would not fit into an empty queue */
	drain(&b);
	EXPECT(&b, { DROPPED, 1, 100 }, { DROPPED, 2, 100 }, { DROPPED, 5, 200 }, { OUT, 0, MS },
	       { OUT, 3, 1900000 }, { OUT, 4, 2900000 });
	close_bench(&b);
}

static void head_drops_out_of_the_middle_of_a_super_packet(void **state)
{
	struct choppy_condition c =
		with_queue(limited(8000000, CHOPPY_PACKETS, 3), CHOPPY_QUEUE_HEAD);
	struct bench b;

	open_bench(&b, &c);
	feed(&b, super(&b, 4, 934, 934), 0); /* 1000 bytes each */
	feed(&b, single(&b, 1000), 1);
	feed(&b, single(&b, 1000), 2);
	drain(&b);
	EXPECT(&b, { DROPPED, 1, 1 }, { DROPPED, 2, 2 }, { OUT, 0, MS }, { OUT, 3, 2 * MS },
	       { OUT, 4, 3 * MS }, { OUT, 5, 4 * MS });
	close_bench(&b);
}

/* ---------------------------------------------------------------- grouping */

/* 44 * 1514 bytes take 533 us. */
static void a_super_packet_costs_one_wake_up(void **state)
{
	static const enum choppy_queue queues[] = { CHOPPY_QUEUE_TAIL, CHOPPY_QUEUE_HEAD,
						    CHOPPY_QUEUE_CODEL, CHOPPY_QUEUE_FQ_CODEL,
						    CHOPPY_QUEUE_PIE };

	for (size_t i = 0; i < ARRAY_SIZE(queues); i++) {
		struct choppy_condition c = with_queue(at_rate(1000000000), queues[i]);
		struct bench b;

		open_bench(&b, &c);
		feed(&b, super(&b, 44, 1448, 1000), 1000);
		assert_int_equal(queue_next(b.queue), 1000 + (43 * 1514 + 1066) * 8);
		drain(&b);
		assert_int_equal(b.wakes, 1);
		assert_int_equal(b.n, 44);
		assert_int_equal(b.events[43].place, 43);
		close_bench(&b);
	}
}

/* 100 Mbit/s: 121.12 us each, so 8 in a ms. */
static void a_group_takes_a_chunk_at_most(void **state)
{
	struct choppy_condition c = at_rate(100000000);
	struct bench b;

	open_bench(&b, &c);
	feed(&b, super(&b, 20, 1448, 1448), 0);
	drain(&b);
	assert_int_equal(b.wakes, 3);
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(b.events[i].place, i % 8);
		assert_int_equal(b.events[i].at_ns, 121120 * (i < 8 ? 8 : i < 16 ? 16 : 20));
	}
	close_bench(&b);
}

/* 125 us each: 8 take a ms to the ns, which is allowed. At a bit less they do not. */
static void a_chunk_may_be_full_to_the_nanosecond(void **state)
{
	struct choppy_condition c = at_rate(64000000);
	struct bench b;

	open_bench(&b, &c);
	feed(&b, super(&b, 9, 934, 934), 0);
	drain(&b);
	assert_int_equal(b.events[7].place, 7);
	assert_int_equal(b.events[8].place, 0);
	close_bench(&b);

	c.rate_bps--;
	open_bench(&b, &c);
	feed(&b, super(&b, 9, 934, 934), 0);
	drain(&b);
	/* 8 take 1000000.0156 ns, and so still end within ns 1000000. */
	assert_int_equal(b.events[7].place, 7);
	close_bench(&b);

	c.rate_bps = 63999936;
	open_bench(&b, &c);
	feed(&b, super(&b, 9, 934, 934), 0);
	drain(&b);
	assert_int_equal(b.events[6].place, 6);
	assert_int_equal(b.events[7].place, 0);
	close_bench(&b);
}

static void slow_packets_leave_one_by_one(void **state)
{
	struct choppy_condition c = at_rate(8000000);
	struct bench b;

	open_bench(&b, &c);
	feed(&b, super(&b, 3, 1448, 1448), 0);
	drain(&b);
	EXPECT(&b, { OUT, 0, 1514000 }, { OUT, 1, 3028000 }, { OUT, 2, 4542000 });
	close_bench(&b);
}

static void neighbours_share_frame_rule_and_flags(void **state)
{
	struct choppy_condition c = at_rate(1000000000);
	struct bench b;
	struct frame *f;
	struct run *run;
	uint64_t at_ns;

	open_bench(&b, &c);
	f = super(&b, 6, 934, 934);
	queue_offer(b.queue, f, 0, 0, 0, 0, 0);
	queue_offer(b.queue, f, 1, 0, 0, 0, 0);
	queue_offer(b.queue, f, 2, 1, 0, 0, 0); /* another rule */
	queue_offer(b.queue, f, 3, 1, FRAME_CE, 0, 0); /* another flag */
	queue_offer(b.queue, f, 5, 1, FRAME_CE, 0, 0); /* no neighbour */
	frame_put(&b.pool, f);
	for (uint32_t i = 0; i < 4; i++) {
		static const uint32_t first[] = { 0, 2, 3, 5 }, n[] = { 2, 1, 1, 1 };
		static const uint64_t at[] = { 16000, 24000, 32000, 40000 };

		assert_int_equal(queue_next(b.queue), at[i]);
		assert_null(queue_serve(b.queue, at[i] - 1, &at_ns));
		run = queue_serve(b.queue, at[i], &at_ns);
		assert_non_null(run);
		assert_int_equal(run->first, first[i]);
		assert_int_equal(run->count, n[i]);
		assert_int_equal(run->rule, i > 0);
		assert_int_equal(run->flags, i > 1 ? FRAME_CE : 0);
		assert_int_equal(at_ns, at[i]);
		run_free(&b.pool, run);
	}
	close_bench(&b);
}

/* ------------------------------------------------------------- live change */

static void a_new_rate_holds_for_what_has_not_started(void **state)
{
	struct choppy_condition c = at_rate(8000000);
	struct bench b;

	open_bench(&b, &c);
	for (int i = 0; i < 3; i++)
		feed(&b, single(&b, 1000), 0);
	c.rate_bps = 16000000;
	set(&b, &c, MS / 2); /* 0 ends at 1 ms as before */
	c.rate_bps = 800000;
	set(&b, &c, MS + 1); /* 1 started at 1 ms */
	drain(&b);
	EXPECT(&b, { OUT, 0, MS }, { OUT, 1, MS + MS / 2 }, { OUT, 2, 11 * MS + MS / 2 });
	close_bench(&b);
}

/* 1000 bytes at 7 Mbit/s leave 1/7 ns, which is no part of a ns at another rate. */
static void a_new_rate_begins_with_a_whole_nanosecond(void **state)
{
	struct choppy_condition c = at_rate(7000000);
	struct bench b;

	open_bench(&b, &c);
	for (int i = 0; i < 4; i++)
		feed(&b, single(&b, 1000), 0);
	c.rate_bps = 8000;
	set(&b, &c, 1);
	drain(&b);
	EXPECT(&b, { OUT, 0, 1142857 }, { OUT, 1, S + 1142857 }, { OUT, 2, 2 * S + 1142857 },
	       { OUT, 3, 3 * S + 1142857 });
	close_bench(&b);
}

static void a_new_framing_counts_what_waits_anew(void **state)
{
	struct choppy_condition c = limited(8000000, CHOPPY_NANOSECONDS, 4 * MS);
	struct bench b;

	open_bench(&b, &c);
	feed(&b, super(&b, 3, 934, 934), 0); /* 1 and 2 wait: 2000 bytes */
	c.set |= BIT(OVERHEAD);
	c.overhead.bytes = 500;
	set(&b, &c, 1);
	feed(&b, single(&b, 100), 1); /* would wait 1 + 3 ms - 1 ns */
	feed(&b, single(&b, 100), 2); /* behind 600 more */
	drain(&b);
	EXPECT(&b, { DROPPED, 4, 2 }, { OUT, 0, MS }, { OUT, 1, 5 * MS / 2 }, { OUT, 2, 4 * MS },
	       { OUT, 3, 4600000 });
	close_bench(&b);
}

/* The same with another discipline, which may keep what waits elsewhere. */
static void a_new_framing_and_discipline_count_what_waits_anew(void **state)
{
	for (int k = 0; k < CHOPPY_NQUEUES; k++) {
		struct choppy_condition c = limited(8000000, CHOPPY_NANOSECONDS, 4 * MS);
		struct bench b;

		open_bench(&b, &c);
		feed(&b, super(&b, 3, 934, 934), 0);
		c = with_queue(c, k);
		c.set |= BIT(OVERHEAD);
		c.overhead.bytes = 500;
		set(&b, &c, 1);
		feed(&b, single(&b, 100), 1);
		feed(&b, single(&b, 100), 1);
		assert_true(count(&b, DROPPED) > 0);
		if (b.events[0].id != 4) { /* others drop what came first */
			assert_true(k == CHOPPY_QUEUE_HEAD || k == CHOPPY_QUEUE_FQ_CODEL);
			close_bench(&b);
			continue;
		}
		c = with_queue(c, CHOPPY_QUEUE_TAIL);
		c.overhead.bytes = 900;
		set(&b, &c, 2);
		feed(&b, single(&b, 100), 2);
		drain(&b);
		EXPECT(&b, { DROPPED, 4, 1 }, { DROPPED, 5, 2 }, { OUT, 0, MS },
		       { OUT, 1, 2900000 }, { OUT, 2, 4800000 }, { OUT, 3, 5800000 });
		close_bench(&b);
	}
}

static void a_lower_limit_drops_nothing_that_waits(void **state)
{
	struct choppy_condition c = limited(8000000, CHOPPY_PACKETS, 10);
	struct bench b;

	open_bench(&b, &c);
	feed(&b, super(&b, 5, 934, 934), 0);
	c.limit.n = 2;
	set(&b, &c, 1);
	feed(&b, single(&b, 1000), 2);
	feed(&b, single(&b, 1000), 3 * MS); /* 4 waits alone */
	drain(&b);
	EXPECT(&b, { DROPPED, 5, 2 }, { OUT, 0, MS }, { OUT, 1, 2 * MS }, { OUT, 2, 3 * MS },
	       { OUT, 3, 4 * MS }, { OUT, 4, 5 * MS }, { OUT, 6, 6 * MS });
	close_bench(&b);
}

static void a_bigger_bucket_takes_the_credit_along(void **state)
{
	struct choppy_condition c = at_rate(8000000);
	struct bench b;

	/* Idle for 1 ms at 8 Mbit/s: 1000 bytes of credit, of a bucket of 1500. */
	open_bench(&b, &c);
	c.set |= BIT(RATE_BURST);
	c.rate_burst_bytes = 1500;
	set(&b, &c, MS);
	feed(&b, single(&b, 900), MS);
	feed(&b, single(&b, 300), MS);
	/* Twice the rate: the 200 bytes owed are waited for at the old one. */
	c.rate_bps = 16000000;
	set(&b, &c, MS + 1);
	feed(&b, single(&b, 200), MS + 1);
	drain(&b);
	EXPECT(&b, { OUT, 0, MS }, { OUT, 1, MS + 200000 }, { OUT, 2, MS + 300000 });
	close_bench(&b);
}

/* 1000 bytes of credit stay as many at half the rate. */
static void credit_is_counted_in_bytes(void **state)
{
	struct choppy_condition c = at_rate(8000000);
	struct bench b;

	c.set |= BIT(RATE_BURST);
	c.rate_burst_bytes = 1500;
	open_bench(&b, &c);
	feed(&b, single(&b, 1500), 0);
	c.rate_bps = 4000000;
	set(&b, &c, MS);
	feed(&b, single(&b, 1000), MS);
	feed(&b, single(&b, 500), MS);
	drain(&b);
	EXPECT(&b, { OUT, 0, 0 }, { OUT, 1, MS }, { OUT, 2, 2 * MS });
	close_bench(&b);
}

static void what_waits_keeps_its_order_through_all_disciplines(void **state)
{
	struct choppy_condition c =
		with_queue(limited(8000000, CHOPPY_PACKETS, 100000), CHOPPY_QUEUE_TAIL);
	struct rng rng;
	struct bench b;
	uint32_t n;

	rng_init(&rng, &key);
	c.set |= BIT(QUEUE_TARGET) | BIT(QUEUE_FLOWS) | BIT(QUEUE_MIN) | BIT(QUEUE_MAX);
	c.queue_flows = 1;
	c.queue_target_ns = 3600 * S;
	c.queue_min_bytes = 1 << 30;
	c.queue_max_bytes = 1u << 31;
	open_bench(&b, &c);
	for (uint64_t i = 0; i < 200; i++)
		feed_flow(&b, super(&b, 1 + (uint32_t)rng_below(&rng, 5), 934, 934), i,
			  (uint32_t)rng_next(&rng), 0);
	for (uint64_t i = 0; i < 2 * CHOPPY_NQUEUES + 1; i++) {
		c.queue = (i * 5 + 3) % CHOPPY_NQUEUES; /* each behind another */
		c.queue_flows = 1 + i * 100;
		set(&b, &c, 1000 + 2 * i);
		/* fq_codel again with another number of flows */
		c.queue_flows++;
		set(&b, &c, 1001 + 2 * i);
	}
	c.queue = CHOPPY_QUEUE_TAIL;
	set(&b, &c, 2000);
	n = b.ids;
	drain(&b);
	assert_int_equal(b.n, n);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(b.events[i].kind, OUT);
		assert_int_equal(b.events[i].id, i);
		assert_int_equal(b.events[i].at_ns, (i + 1) * MS);
	}
	close_bench(&b);
}

static void what_waits_takes_turns_from_the_change_to_fq_codel_on(void **state)
{
	static const uint32_t flows[] = { 0, 0, 0, 0, 0x80000000, 0x80000000 };
	struct choppy_condition c = at_rate(8000000);
	struct bench b;

	open_bench(&b, &c);
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++)
		feed_flow(&b, single(&b, 1514), 0, flows[i], 0);
	c = with_queue(c, CHOPPY_QUEUE_FQ_CODEL);
	set(&b, &c, 1);
	drain(&b);
	EXPECT(&b, { OUT, 0, 1514000 }, { OUT, 1, 2 * 1514000 }, { OUT, 4, 3 * 1514000 },
	       { OUT, 2, 4 * 1514000 }, { OUT, 5, 5 * 1514000 }, { OUT, 3, 6 * 1514000 });
	close_bench(&b);
}

static void an_emptied_queue_gives_all_in_order(void **state)
{
	for (int k = 0; k < CHOPPY_NQUEUES; k++) {
		struct choppy_condition c = with_queue(at_rate(1000000), k);
		struct run_list out;
		uint32_t next = 0;
		struct bench b;

		open_bench(&b, &c);
		for (uint32_t i = 0; i < 5; i++)
			feed_flow(&b, super(&b, 3, 1000, 1000), i, i * 0x50000000u, 0);
		run_list_init(&out);
		queue_empty(b.queue, &out);
		while (out.head) {
			struct run *run = run_list_take(&out);

			assert_int_equal(id_of(run, run->first), next);
			next += run->count;
			run_free(&b.pool, run);
		}
		assert_int_equal(next, 15);
		assert_int_equal(queue_next(b.queue), QUEUE_NEVER);
		feed(&b, single(&b, 1000), S); /* and it goes on */
		drain(&b);
		EXPECT(&b, { OUT, 15, S + 8 * MS });
		close_bench(&b);
	}
}

static void unsound_conditions_are_refused(void **state)
{
	static const uint32_t zero[] = { 0, 0 }, one[] = { 1 };
	struct queue_chances chances = { .at_ms = zero, .n = 2 };
	struct queue_events events = { NULL, on_dropped, on_marked };
	struct choppy_condition good = with_queue(limited(8, CHOPPY_PACKETS, 1), 0), c;
	struct pool pool;
	struct queue *q;

	heap_pool_init(&pool, 1 << 20);
	q = queue_new(&pool, &key, &events);
	assert_int_equal(queue_set(q, &good, NULL, 0), 0);
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		c = good;                                                                          \
		change;                                                                            \
		assert_int_equal(queue_set(q, &c, NULL, 0), -EINVAL);                              \
	} while (0)
	REFUSED(c.rate_bps = 0);
	REFUSED(c.rate_bps = 1000000000001);
	REFUSED(c.set = 0);
	REFUSED(c.limit.unit = CHOPPY_CONNECTIONS);
	REFUSED(c.queue = CHOPPY_NQUEUES);
	REFUSED(c.set |= BIT(CELL_SIZE));
	REFUSED(c.set |= BIT(QUEUE_FLOWS));
	REFUSED(c.set |= BIT(QUEUE_QUANTUM));
	REFUSED(c.set |= BIT(QUEUE_TUPDATE));
	REFUSED(c.set |= BIT(QUEUE_INTERVAL));
	REFUSED(c.set |= BIT(QUEUE_PROBABILITY); c.queue_probability_ppb = 1000000001);
	c.set = 0;
	assert_int_equal(queue_set(q, &c, &chances, 0), -EINVAL); /* no time in a period */
	chances.at_ms = one;
	chances.n = 1;
	assert_int_equal(queue_set(q, &c, &chances, 0), 0);
	queue_free(q);
	pool_done(&pool);
}

/* -------------------------------------------------- single packets or super */

struct arrival {
	uint64_t at_ns;
	uint32_t units, segment, last, flow;
	uint8_t flags;
};

/* In clumps, on average @load_percent of the rate. */
static size_t draw_arrivals(struct arrival *a, size_t max, struct rng *rng, uint64_t rate_bps,
			    uint32_t load_percent, uint32_t flows)
{
	uint64_t at_ns = 0, bytes;

	for (size_t i = 0; i < max; i++) {
		a[i].units = rng_below(rng, 3) ? 1 : 2 + (uint32_t)rng_below(rng, 43);
		a[i].segment = 100 + (uint32_t)rng_below(rng, 1349);
		a[i].last = 1 + (uint32_t)rng_below(rng, a[i].segment);
		a[i].flow = (uint32_t)rng_below(rng, flows) * 0x9e3779b1u;
		a[i].flags = rng_below(rng, 2) ? RUN_ECT : 0;
		a[i].at_ns = at_ns;
		bytes = a[i].units * (66ull + a[i].segment);
		if (rng_below(rng, 2)) /* the gap is for two */
			at_ns += rng_below(rng, 4 * bytes * 8 * S / rate_bps) * 100 / load_percent;
	}
	return max;
}

static void feed_arrivals(struct bench *b, const struct arrival *a, size_t n, bool whole)
{
	for (size_t i = 0; i < n; i++) {
		if (whole) {
			feed_flow(b, super(b, a[i].units, a[i].segment, a[i].last), a[i].at_ns,
				  a[i].flow, a[i].flags);
			continue;
		}
		for (uint32_t k = 0; k < a[i].units; k++) {
			uint32_t bytes = k + 1 < a[i].units ? a[i].segment : a[i].last;

			feed_flow(b, super(b, 1, 0, bytes), a[i].at_ns, a[i].flow, a[i].flags);
		}
	}
	drain(b);
}

/* The next event of @b from @i on that is OUT, or that is not. */
static const struct event *pick_event(const struct bench *b, size_t *i, bool out)
{
	while (*i < b->n && (b->events[*i].kind == OUT) != out)
		(*i)++;
	return *i < b->n ? &b->events[(*i)++] : NULL;
}

static void compare_verdicts(const struct bench *whole, const struct bench *cut)
{
	size_t i = 0, k = 0;

	for (;;) {
		const struct event *a = pick_event(whole, &i, false);
		const struct event *b = pick_event(cut, &k, false);

		assert_int_equal(!a, !b);
		if (!a)
			return;
		assert_int_equal(a->kind, b->kind);
		assert_int_equal(a->id, b->id);
		assert_int_equal(a->at_ns, b->at_ns);
		assert_int_equal(a->reason, b->reason);
		assert_int_equal(a->flags, b->flags);
	}
}

/* The same order; and each run leaves with its last packet, and is no longer than a chunk. */
static void compare_output(const struct bench *whole, const struct bench *cut)
{
	const struct event *last = NULL, *last_cut = NULL;
	size_t i = 0, k = 0;
	uint64_t chunk_ns = 0;

	for (;;) {
		const struct event *a = pick_event(whole, &i, true);
		const struct event *b = pick_event(cut, &k, true);

		assert_int_equal(!a, !b);
		if (last && (!a || !a->place))
			assert_int_equal(last->at_ns, last_cut->at_ns);
		if (!a)
			return;
		assert_int_equal(a->id, b->id);
		assert_int_equal(a->flags, b->flags);
		assert_true(a->at_ns >= b->at_ns);
		if (!a->place)
			chunk_ns = b->at_ns + QUEUE_CHUNK_NS;
		else
			assert_true(a->at_ns <= chunk_ns);
		last = a;
		last_cut = b;
	}
}

/* All of it the same, but that @late came to know of departures later. */
static void compare_all(const struct bench *late, const struct bench *b)
{
	size_t i = 0, k = 0;

	compare_verdicts(late, b);
	assert_int_equal(late->n, b->n);
	for (;;) {
		const struct event *x = pick_event(late, &i, true);
		const struct event *y = pick_event(b, &k, true);

		if (!x)
			return;
		assert_int_equal(x->id, y->id);
		assert_int_equal(x->at_ns, y->at_ns);
		assert_int_equal(x->place, y->place);
	}
}

static struct choppy_condition draw_condition(struct rng *rng, enum choppy_queue queue)
{
	static const uint64_t rates[] = { 1000000, 10000000, 100000000, 1000000000, 9999999967 };
	struct choppy_condition c = with_queue(at_rate(rates[rng_below(rng, 5)]), queue);

	c.set |= BIT(QUEUE_TARGET) | BIT(QUEUE_INTERVAL) | BIT(QUEUE_TUPDATE);
	c.queue_target_ns = 1 + rng_below(rng, 10 * MS);
	c.queue_interval_ns = 1 + rng_below(rng, 100 * MS);
	c.queue_tupdate_ns = MS / 10 + rng_below(rng, 20 * MS);
	if (rng_below(rng, 2)) {
		c.set |= BIT(LIMIT);
		c.limit.unit = (enum choppy_unit)rng_below(rng, CHOPPY_NANOSECONDS + 1);
		c.limit.n = c.limit.unit == CHOPPY_PACKETS ? 1 + rng_below(rng, 200)
			    : c.limit.unit == CHOPPY_BYTES ? 1000 + rng_below(rng, 200000)
							   : 1 + rng_below(rng, 50 * MS);
	}
	if (rng_below(rng, 2)) {
		c.set |= BIT(ECN);
		c.ecn = 1;
	}
	if (rng_below(rng, 4) == 0) {
		c.set |= BIT(RATE_BURST);
		c.rate_burst_bytes = 1 + rng_below(rng, 50000);
	}
	if (rng_below(rng, 4) == 0) {
		c.set |= BIT(OVERHEAD) | BIT(CELL_SIZE);
		c.overhead.bytes = 18;
		c.cell_size_bytes = 48;
	}
	c.set |= BIT(QUEUE_MIN) | BIT(QUEUE_MAX) | BIT(QUEUE_PROBABILITY) | BIT(QUEUE_FLOWS);
	c.queue_min_bytes = 1000 + rng_below(rng, 30000);
	c.queue_max_bytes = c.queue_min_bytes + 1 + rng_below(rng, 60000);
	c.queue_probability_ppb = rng_below(rng, 500000000);
	c.queue_flows = 1 + rng_below(rng, 64);
	return c;
}

static void packets_fare_alike_single_or_super_and_served_late(void **state)
{
	static struct arrival arrivals[300];
	size_t dropped = 0, marked = 0, grouped = 0;
	struct rng rng;

	rng_init(&rng, &key);
	for (int round = 0; round < 60 * CHOPPY_NQUEUES; round++) {
		struct choppy_condition c = draw_condition(&rng, round % CHOPPY_NQUEUES);
		uint32_t load = 50 + (uint32_t)rng_below(&rng, 200);
		uint32_t flows = 1 + (uint32_t)rng_below(&rng, 5);
		struct bench whole, cut, late;
		size_t n;

		n = draw_arrivals(arrivals, ARRAY_SIZE(arrivals), &rng, c.rate_bps, load, flows);
		open_bench(&whole, &c);
		open_bench(&cut, &c);
		open_bench(&late, &c);
		late.late = true;
		feed_arrivals(&late, arrivals, n, true);
		feed_arrivals(&whole, arrivals, n, true);
		feed_arrivals(&cut, arrivals, n, false);
		compare_verdicts(&whole, &cut);
		compare_output(&whole, &cut);
		compare_all(&late, &whole);
		assert_int_equal(count(&whole, OUT) + count(&whole, DROPPED), whole.ids);
		dropped += count(&whole, DROPPED);
		marked += count(&whole, MARKED);
		for (size_t i = 0; i < whole.n; i++)
			grouped += whole.events[i].kind == OUT && whole.events[i].place;
		close_bench(&late);
		close_bench(&whole);
		close_bench(&cut);
	}
	/* The test has tested something. */
	assert_true(dropped > 100000 && marked > 1000 && grouped > 100000);
}

/* -------------------------------------------------------------- references */

/*
 * A queue as the papers have it: an array, packet by packet, at 1 us a byte.
 */
struct ref_packet {
	uint64_t at_ns;
	uint32_t id, len;
};

#define REF_MAX 20000

struct ref {
	struct ref_packet packet[REF_MAX]; /* that wait: [head, tail) */
	size_t head, tail;
	uint64_t bytes, free_ns;
	struct expected want[2 * REF_MAX];
	size_t n;
	void *state;
	bool (*enqueue)(struct ref *r, const struct ref_packet *p);
	bool (*dequeue)(struct ref *r, uint64_t now_ns, struct ref_packet *ret);
};

static void ref_want(struct ref *r, enum kind kind, uint32_t id, uint64_t at_ns)
{
	r->want[r->n++] = (struct expected){ kind, id, at_ns };
}

static void ref_start(struct ref *r, uint64_t now_ns)
{
	struct ref_packet p;

	if (!r->dequeue(r, now_ns, &p))
		return;
	r->free_ns = now_ns + 1000 * p.len;
	ref_want(r, OUT, p.id, r->free_ns);
}

static void ref_run_to(struct ref *r, uint64_t to_ns)
{
	while (r->head < r->tail && r->free_ns <= to_ns)
		ref_start(r, r->free_ns);
}

static void ref_arrive(struct ref *r, const struct ref_packet *p)
{
	ref_run_to(r, p->at_ns);
	if (!r->enqueue(r, p))
		return;
	r->packet[r->tail++] = *p;
	r->bytes += p->len;
	if (r->free_ns <= p->at_ns)
		ref_start(r, p->at_ns);
}

static bool ref_take(struct ref *r, struct ref_packet *ret)
{
	if (r->head == r->tail)
		return false;
	*ret = r->packet[r->head++];
	r->bytes -= ret->len;
	return true;
}

static bool ref_take_any(struct ref *r, uint64_t now_ns, struct ref_packet *ret)
{
	return ref_take(r, ret);
}

static bool ref_let_in(struct ref *r, const struct ref_packet *p)
{
	return true;
}

static int by_kind_and_time(const void *a, const void *b)
{
	const struct expected *x = a, *y = b;

	if ((x->kind == OUT) != (y->kind == OUT))
		return x->kind == OUT ? 1 : -1;
	if (x->at_ns != y->at_ns)
		return x->at_ns < y->at_ns ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* The events of @b are those that @r wants; packets that leave later are in another order there. */
static void expect_ref(const struct bench *b, struct ref *r)
{
	struct expected *have = calloc(b->n, sizeof(*have));

	assert_int_equal(b->n, r->n);
	for (size_t i = 0; i < b->n; i++)
		have[i] =
			(struct expected){ b->events[i].kind, b->events[i].id, b->events[i].at_ns };
	qsort(have, b->n, sizeof(*have), by_kind_and_time);
	qsort(r->want, r->n, sizeof(*have), by_kind_and_time);
	for (size_t i = 0; i < b->n; i++) {
		assert_int_equal(have[i].kind, r->want[i].kind);
		assert_int_equal(have[i].id, r->want[i].id);
		assert_int_equal(have[i].at_ns, r->want[i].at_ns);
	}
	free(have);
}

/* Loads of 60% to 160% in turn, each for a while, and pauses between. */
static struct ref_packet draw_ref_packet(struct rng *rng, uint32_t id, uint32_t scale,
					 uint64_t *at_ns)
{
	struct ref_packet p = { .id = id, .len = (100 + (uint32_t)rng_below(rng, 1415)) * scale };
	uint32_t phase = id / 500 % 5;

	*at_ns += rng_below(rng, 2 * 807 * 1000) * scale * 100 / (60 + 25 * phase);
	if (rng_below(rng, 2000) == 0)
		*at_ns += rng_below(rng, 20 * S);
	p.at_ns = *at_ns;
	return p;
}

static void compare_with_ref(const struct choppy_condition *c, struct ref *r, uint32_t scale)
{
	uint64_t at_ns = 0;
	struct rng rng;
	struct bench b;

	rng_init(&rng, &(struct rng_key){ .seed = 3, .purpose = "arrivals" });
	open_bench(&b, c);
	for (uint32_t i = 0; i < REF_MAX; i++) {
		struct ref_packet p = draw_ref_packet(&rng, i, scale, &at_ns);

		feed(&b, single(&b, p.len), p.at_ns);
		ref_arrive(r, &p);
	}
	drain(&b);
	ref_run_to(r, UINT64_MAX);
	expect_ref(&b, r);
	close_bench(&b);
}

static void fifo_is_as_written_down_plainly(void **state)
{
	struct choppy_condition c = limited(8000000, CHOPPY_PACKETS, 1 << 30);
	struct ref *r = calloc(1, sizeof(*r));

	r->enqueue = ref_let_in;
	r->dequeue = ref_take_any;
	compare_with_ref(&c, r, 1);
	free(r);
}

/* ------------------------------------------------------------------- CoDel */

/*
 * 60 packets of 1000 bytes at once, 10 ms each at 800 kbit/s; target 5 ms, interval 100 ms.
 *
 * Packet 1 starts at 10 ms, having waited 10: first above, so from 110 ms on drops are allowed.
 * At 110 packet 11 would start: dropped, count 1, the next at 110 + 100 = 210. 12 starts.
 * At 210 packet 22: dropped, count 2, next at 210 + 100 / sqrt(2) = 280.71. 23 starts.
 * At 280 packet 30 may start; at 290 packet 31: dropped, next at 280.71 + 57.74 = 338.45. 32
 * starts. At 340 packet 37: dropped, next at 338.45 + 50 = 388.45. 38 starts. At 390 packet 43:
 * dropped, next at 388.45 + 44.72 = 433.17. 44 starts. At 440 packet 49: dropped, next at 433.17
 * + 40.82 = 473.99. 50 starts. At 480 packet 54: dropped, next at 473.99 + 37.80 = 511.79. 55
 * starts. At 510 packet 58 has 1000 bytes behind it, less than an MTU: the drops end.
 */
static void codel_drops_as_the_rfc_does_by_hand(void **state)
{
	static const struct expected drops[] = {
		{ DROPPED, 11, 110 * MS }, { DROPPED, 22, 210 * MS }, { DROPPED, 31, 290 * MS },
		{ DROPPED, 37, 340 * MS }, { DROPPED, 43, 390 * MS }, { DROPPED, 49, 440 * MS },
		{ DROPPED, 54, 480 * MS },
	};
	struct choppy_condition c = with_queue(at_rate(800000), CHOPPY_QUEUE_CODEL);
	uint32_t next = 0, n = 0;
	struct bench b;

	open_bench(&b, &c);
	for (int i = 0; i < 60; i++)
		feed(&b, single(&b, 1000), 0);
	drain(&b);
	for (size_t i = 0; i < b.n; i++) {
		const struct event *e = &b.events[i];

		if (e->kind == DROPPED) {
			assert_true(n < ARRAY_SIZE(drops));
			assert_int_equal(e->id, drops[n].id);
			assert_int_equal(e->at_ns, drops[n].at_ns);
			assert_int_equal(e->reason, CHOPPY_DROP_AQM);
			n++;
		} else {
			/* In order, one every 10 ms without a pause. */
			assert_int_equal(e->at_ns, (++next) * 10 * MS);
		}
	}
	assert_int_equal(n, 7);
	assert_int_equal(next, 53);
	close_bench(&b);
}

static void codel_steps_are_exact_roots(void **state)
{
	static const uint64_t intervals[] = { 1, 2, 100, 100000000, 3600 * S };

	for (size_t i = 0; i < ARRAY_SIZE(intervals); i++) {
		u128 square = (u128)intervals[i] * intervals[i];

		for (uint64_t n = 1; n <= UINT32_MAX; n += 1 + n / 7) {
			u128 root = codel_step(intervals[i], (uint32_t)n);

			assert_true(root * root * n <= square);
			assert_true((root + 1) * (root + 1) * n > square);
		}
		assert_int_equal(codel_step(intervals[i], 4), intervals[i] / 2);
	}
	assert_int_equal(codel_step(100 * MS, 2), 70710678);
	assert_int_equal(codel_step(100 * MS, 3), 57735026);
}

/* Three of a frame always wait, 30 ms each: never above the target of 35 ms. */
static void each_packet_of_a_frame_has_an_arrival_of_its_own(void **state)
{
	struct choppy_condition c = with_queue(at_rate(800000), CHOPPY_QUEUE_CODEL);
	struct bench b;
	struct frame *f;

	c.set |= BIT(QUEUE_TARGET);
	c.queue_target_ns = 35 * MS;
	open_bench(&b, &c);
	f = super(&b, 60, 934, 934);
	for (uint32_t i = 0; i < 60; i++) {
		uint64_t at_ns = i < 4 ? 0 : (i - 3) * 10 * MS;

		run_to(&b, at_ns);
		queue_offer(b.queue, f, i, 0, 0, 0, at_ns);
	}
	frame_put(&b.pool, f);
	drain(&b);
	assert_int_equal(count(&b, OUT), 60);
	close_bench(&b);
}

struct ref_codel {
	double target, interval;
	double first_above, drop_next;
	long count, last_count;
	bool dropping;
};

/* dodequeue() of RFC 8289: the packet, and whether it is ok to drop it. */
static bool ref_codel_take(struct ref *r, uint64_t now_ns, struct ref_packet *ret, bool *ok)
{
	struct ref_codel *v = r->state;
	double now = (double)now_ns;

	*ok = false;
	if (!ref_take(r, ret)) {
		v->first_above = 0;
		return false;
	}
	if (now - (double)ret->at_ns < v->target || r->bytes <= 1514)
		v->first_above = 0;
	else if (v->first_above == 0)
		v->first_above = now + v->interval;
	else
		*ok = now >= v->first_above;
	return true;
}

static bool ref_codel_dequeue(struct ref *r, uint64_t now_ns, struct ref_packet *ret)
{
	struct ref_codel *v = r->state;
	double now = (double)now_ns;
	bool ok, got = ref_codel_take(r, now_ns, ret, &ok);

	if (v->dropping) {
		if (!ok)
			v->dropping = false;
		while (v->dropping && now >= v->drop_next) {
			ref_want(r, DROPPED, ret->id, now_ns);
			v->count++;
			got = ref_codel_take(r, now_ns, ret, &ok);
			if (!ok)
				v->dropping = false;
			else
				v->drop_next += floor(v->interval / sqrt((double)v->count));
		}
	} else if (ok) {
		long delta = v->count - v->last_count;

		ref_want(r, DROPPED, ret->id, now_ns);
		got = ref_codel_take(r, now_ns, ret, &ok);
		v->dropping = true;
		v->count = delta > 1 && now - v->drop_next < 16 * v->interval ? delta : 1;
		v->drop_next = now + floor(v->interval / sqrt((double)v->count));
		v->last_count = v->count;
	}
	return got;
}

static void codel_is_the_pseudo_code_of_the_rfc(void **state)
{
	static const struct {
		uint64_t target_ns, interval_ns;
	} rows[] = {
		{ 0, 0 }, { 5 * MS, 20 * MS }, { 1, 30 * MS }, { 20 * MS, 10 * MS }, { 1, 1 }
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct choppy_condition c =
			with_queue(limited(8000000, CHOPPY_PACKETS, 1 << 30), CHOPPY_QUEUE_CODEL);
		struct ref_codel v = { .target = 5e6, .interval = 1e8 };
		struct ref *r = calloc(1, sizeof(*r));

		if (rows[i].target_ns) {
			c.set |= BIT(QUEUE_TARGET) | BIT(QUEUE_INTERVAL);
			c.queue_target_ns = rows[i].target_ns;
			c.queue_interval_ns = rows[i].interval_ns;
			v.target = (double)rows[i].target_ns;
			v.interval = (double)rows[i].interval_ns;
		}
		r->state = &v;
		r->enqueue = ref_let_in;
		r->dequeue = ref_codel_dequeue;
		compare_with_ref(&c, r, 1);
		/* It has dropped, and come back to what it had dropped before. */
		assert_true(r->n > REF_MAX - 10 && v.count > 0);
		free(r);
	}
}

/* --------------------------------------------------------------------- PIE */

static uint64_t share(double x)
{
	return (uint64_t)(x * (double)PIE_ONE);
}

static void assert_near(uint64_t have, double want)
{
	assert_true(fabs((double)have / (double)PIE_ONE - want) < 1e-12);
}

/*
 * Target 15 ms; p = 0.125 * (delay - 0.015) + 1.25 * (delay - old), delays in s.
 *
 * From 0, delay 85 ms, old 0: p = 0.00875 + 0.10625 = 0.115, / 2048 below 10^-6.
 * Delay 95 ms, old 85: p = 0.01 + 0.0125 = 0.0225, / 128 below 10^-4.
 * From 0.005, delay 35 ms, old 95: p = 0.0025 - 0.075 = -0.0725, / 8 below 10^-2: 0 at least.
 * From 0.05, delay 25 ms, old 15: p = 0.00125 + 0.0125 = 0.01375, / 2 below 10^-1.
 * From 0.1, delay 115 ms, old 25: p = 0.0125 + 0.1125 = 0.125, but 2% at most: 0.12.
 * From 0.3, delay 0, old 115 ms: p = -0.001875 - 0.14375 = -0.145625.
 * Then delay 0, old 0: p = -0.001875; and of the 0.1525 that makes, 63/64 are left.
 * From 0.995, delay 1 s, old 1 s: p = 0.123125, 2% at most, and 1 altogether.
 */
static void pie_moves_its_probability_as_worked_by_hand(void **state)
{
	struct pie p = { .target_ns = 15 * MS, .tupdate_ns = 15 * MS };

	pie_update(&p, 85 * MS);
	assert_near(p.probability, 0.115 / 2048);
	pie_update(&p, 95 * MS);
	assert_near(p.probability, 0.115 / 2048 + 0.0225 / 128);
	p.probability = share(0.005);
	pie_update(&p, 35 * MS);
	assert_int_equal(p.probability, 0);
	p.probability = share(0.05);
	p.old_ns = 15 * MS;
	pie_update(&p, 25 * MS);
	assert_near(p.probability, 0.05 + 0.01375 / 2);
	p.probability = share(0.1) + 1;
	pie_update(&p, 115 * MS);
	assert_near(p.probability, 0.12);
	p.probability = share(0.3);
	pie_update(&p, 0);
	assert_near(p.probability, 0.154375);
	pie_update(&p, 0);
	assert_near(p.probability, 0.1525 * 63 / 64);
	p.probability = share(0.995);
	p.old_ns = S;
	pie_update(&p, S);
	assert_int_equal(p.probability, PIE_ONE);
}

struct ref_pie {
	double target, tupdate; /* s */
	double p, old, sum, burst;
	uint64_t tupdate_ns, next_ns;
	struct rng rng;
};

static void ref_pie_update(struct ref_pie *v, double delay)
{
	double p = 0.125 * (delay - v->target) + 1.25 * (delay - v->old);

	if (v->p < 0.000001)
		p /= 2048;
	else if (v->p < 0.00001)
		p /= 512;
	else if (v->p < 0.0001)
		p /= 128;
	else if (v->p < 0.001)
		p /= 32;
	else if (v->p < 0.01)
		p /= 8;
	else if (v->p < 0.1)
		p /= 2;
	else if (p > 0.02)
		p = 0.02;
	v->p += p;
	if (v->p < 0)
		v->p = 0;
	if (v->p > 1)
		v->p = 1;
	if (delay == 0 && v->old == 0)
		v->p -= v->p / 64;
	if (v->p < 1e-18) /* less than what is counted there */
		v->p = 0;
	v->old = delay;
	v->burst -= v->tupdate;
	if (v->burst < 1e-9)
		v->burst = 0;
}

static double ref_delay(const struct ref *r, uint64_t at_ns)
{
	uint64_t drained_ns = r->free_ns + 1000 * r->bytes;

	return drained_ns > at_ns ? (double)(drained_ns - at_ns) / 1e9 : 0;
}

/* Every single update. */
static void ref_pie_settle(struct ref *r, uint64_t now_ns)
{
	struct ref_pie *v = r->state;

	for (; v->next_ns <= now_ns; v->next_ns += v->tupdate_ns)
		ref_pie_update(v, ref_delay(r, v->next_ns));
}

static bool ref_pie_drop_early(struct ref *r)
{
	struct ref_pie *v = r->state;

	if ((v->old < v->target / 2 && v->p < 0.2) || r->bytes <= 2 * 1514)
		return false;
	if (v->p == 0)
		v->sum = 0;
	v->sum += v->p;
	if (v->sum < 0.85)
		return false;
	if (v->sum >= 8.5)
		return true;
	return (double)rng_next(&v->rng) / 18446744073709551616.0 < v->p;
}

static bool ref_pie_enqueue(struct ref *r, const struct ref_packet *p)
{
	struct ref_pie *v = r->state;

	ref_pie_settle(r, p->at_ns);
	if (v->p == 0 && ref_delay(r, p->at_ns) < v->target / 2 && v->old < v->target / 2)
		v->burst = 0.15;
	if (v->burst == 0 && ref_pie_drop_early(r)) {
		v->sum = 0;
		ref_want(r, DROPPED, p->id, p->at_ns);
		return false;
	}
	return true;
}

static bool ref_pie_dequeue(struct ref *r, uint64_t now_ns, struct ref_packet *ret)
{
	ref_pie_settle(r, now_ns);
	return ref_take(r, ret);
}

static void pie_is_the_pseudo_code_of_the_rfc(void **state)
{
	static const struct {
		uint64_t target_ns, tupdate_ns;
		uint32_t scale; /* of the packets */
	} rows[] = { { 0, 0, 1 },
		     { 15 * MS, 5 * MS, 1 },
		     { 5 * MS, 30 * MS, 1 },
		     { 100 * MS, MS, 1 },
		     { 5 * MS, MS, 40 } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct choppy_condition c =
			with_queue(limited(8000000, CHOPPY_PACKETS, 1 << 30), CHOPPY_QUEUE_PIE);
		struct ref_pie v = { .target = 0.015, .tupdate = 0.015, .tupdate_ns = 15 * MS };
		struct ref *r = calloc(1, sizeof(*r));
		size_t dropped = 0;

		if (rows[i].target_ns) {
			c.set |= BIT(QUEUE_TARGET) | BIT(QUEUE_TUPDATE);
			c.queue_target_ns = rows[i].target_ns;
			c.queue_tupdate_ns = rows[i].tupdate_ns;
			v.target = (double)rows[i].target_ns / 1e9;
			v.tupdate = (double)rows[i].tupdate_ns / 1e9;
			v.tupdate_ns = rows[i].tupdate_ns;
		}
		v.next_ns = v.tupdate_ns;
		rng_init(&v.rng, &key);
		r->state = &v;
		r->enqueue = ref_pie_enqueue;
		r->dequeue = ref_pie_dequeue;
		compare_with_ref(&c, r, rows[i].scale);
		for (size_t k = 0; k < r->n; k++)
			dropped += r->want[k].kind == DROPPED;
		assert_true(dropped > 500);
		free(r);
	}
}

/* A thousand million updates in each pause: one by one they would take a day. */
static void pie_passes_over_a_long_pause(void **state)
{
	struct choppy_condition c = with_queue(at_rate(8000000), CHOPPY_QUEUE_PIE);
	struct bench b;

	c.set |= BIT(QUEUE_TUPDATE);
	c.queue_tupdate_ns = 1000;
	open_bench(&b, &c);
	for (uint64_t i = 1; i < 100; i++)
		feed(&b, single(&b, 1000), i * 1000000 * S);
	drain(&b);
	assert_int_equal(count(&b, OUT), 99);
	close_bench(&b);
}

/* One packet an hour and a half, and as many updates as there are: 1 stays 1 for most of them. */
static void pie_passes_over_a_slow_packet(void **state)
{
	struct choppy_condition c = with_queue(at_rate(8), CHOPPY_QUEUE_PIE);
	struct bench b;

	open_bench(&b, &c);
	for (uint64_t i = 0; i < 3000; i++)
		feed(&b, single(&b, 6000), i * S);
	drain(&b);
	/* One is sent, and one waits, which is more than two MTU: all others are dropped. */
	assert_int_equal(count(&b, OUT), 2);
	assert_int_equal(b.events[b.n - 1].id, 1);
	assert_int_equal(b.events[b.n - 1].at_ns, 12000 * S);
	close_bench(&b);
}

/*
 * Delays of 15 s for 300 ms bring the probability to 1. With the delays of the fast link for all of
 * that time it would not have got there.
 */
static void pie_remembers_the_time_before_a_change(void **state)
{
	struct choppy_condition c = with_queue(at_rate(80000), CHOPPY_QUEUE_PIE);
	struct bench b;

	open_bench(&b, &c);
	for (int i = 0; i < 100; i++)
		feed(&b, single(&b, 1514), 0);
	c.rate_bps = 1000000000;
	set(&b, &c, 300 * MS);
	forget(&b);
	for (int i = 0; i < 50; i++)
		feed(&b, single(&b, 1514), 300 * MS);
	assert_int_equal(count(&b, DROPPED), 50);
	close_bench(&b);
}

/* ---------------------------------------------------------------- FQ-CoDel */

#define FLOW_A 0u
#define FLOW_B 0x80000000u
#define FLOW_C 0x40000000u

static struct choppy_condition fq(struct choppy_condition c)
{
	return with_queue(c, CHOPPY_QUEUE_FQ_CODEL);
}

static void fq_codel_shares_evenly_and_spares_the_sparse(void **state)
{
	struct choppy_condition c = fq(limited(8000000, CHOPPY_PACKETS, 1 << 30));
	uint8_t *flow = calloc(1, 100000);
	uint64_t *at = calloc(100000, sizeof(*at));
	uint64_t bytes[3] = { 0 };
	struct bench b;

	c.set |= BIT(QUEUE_TARGET); /* turns only */
	c.queue_target_ns = 3600 * S;
	open_bench(&b, &c);
	for (uint64_t i = 0; i < 1000; i++) {
		uint64_t sparse_ns = i * 10 * MS + 5 * MS;

		/* A in super-packets, B in single ones of another size, each all that it can. */
		memset(flow + b.ids, 1, 50);
		if (i < 200)
			feed_flow(&b, super(&b, 44, 1448, 1448), i * 10 * MS, FLOW_A, 0);
		for (int k = 0; k < 12; k++) {
			flow[b.ids] = 2;
			feed_flow(&b, single(&b, 1000), i * 10 * MS, FLOW_B, 0);
		}
		flow[b.ids] = 3;
		at[b.ids] = sparse_ns;
		feed_flow(&b, single(&b, 100), sparse_ns, FLOW_C, 0);
	}
	run_to(&b, 10 * S);
	for (size_t i = 0; i < b.n; i++) {
		const struct event *e = &b.events[i];

		assert_int_equal(e->kind, OUT);
		bytes[flow[e->id] - 1] += flow[e->id] == 1 ? 1514 : flow[e->id] == 2 ? 1000 : 100;
		if (flow[e->id] == 3)
			/* It waits for what is being sent, no longer. */
			assert_true(e->at_ns - at[e->id] <= (1514 + 100) * 1000);
		if (e->at_ns > 50 * MS)
			/* A quantum and a packet is what they may be apart. */
			assert_true(llabs((long long)(bytes[0] - bytes[1])) < 50000 + 3028);
	}
	assert_true(bytes[0] > 4900000 && bytes[1] > 4900000);
	free(flow);
	free(at);
	close_bench(&b);
}

/* 1 starts, 90 of C and 10 of B wait: a full queue; the packet more takes half of C's. */
static void fq_codel_drops_half_of_the_fattest(void **state)
{
	struct choppy_condition c = fq(limited(8000, CHOPPY_PACKETS, 100));
	struct bench b;

	open_bench(&b, &c);
	for (int i = 0; i < 91; i++)
		feed_flow(&b, single(&b, 1000), 0, FLOW_C, 0);
	for (int i = 0; i < 10; i++)
		feed_flow(&b, single(&b, 1000), 0, FLOW_B, 0);
	assert_int_equal(b.n, 0);
	feed_flow(&b, single(&b, 1000), 1, FLOW_B, 0);
	assert_int_equal(b.n, 45);
	for (uint32_t i = 0; i < 45; i++) {
		assert_int_equal(b.events[i].kind, DROPPED);
		assert_int_equal(b.events[i].id, 1 + i);
		assert_int_equal(b.events[i].reason, CHOPPY_DROP_QUEUE);
		assert_int_equal(b.events[i].at_ns, 1);
	}
	close_bench(&b);

	/* 64 at most. */
	c.limit.n = 200;
	open_bench(&b, &c);
	for (int i = 0; i < 201; i++)
		feed_flow(&b, single(&b, 1000), 0, FLOW_C, 0);
	feed_flow(&b, single(&b, 1000), 1, FLOW_B, 0);
	assert_int_equal(b.n, 64);
	close_bench(&b);

	/* The packet that arrives counts: 11000 bytes, so 6 packets go. */
	c.limit.n = 10;
	open_bench(&b, &c);
	for (int i = 0; i < 11; i++)
		feed_flow(&b, single(&b, 1000), 0, FLOW_C, 0);
	feed_flow(&b, single(&b, 1000), 1, FLOW_C, 0);
	EXPECT(&b, { DROPPED, 1, 1 }, { DROPPED, 2, 1 }, { DROPPED, 3, 1 }, { DROPPED, 4, 1 },
	       { DROPPED, 5, 1 }, { DROPPED, 6, 1 });
	close_bench(&b);
}

/* Quantum 1000: A has 3, B 2 packets of 1000. A is first, each then in turn. */
static void fq_codel_takes_turns_by_hand(void **state)
{
	struct choppy_condition c = fq(at_rate(8000000));
	struct bench b;

	c.set |= BIT(QUEUE_QUANTUM);
	c.queue_quantum_bytes = 1000;
	open_bench(&b, &c);
	for (int i = 0; i < 3; i++)
		feed_flow(&b, single(&b, 1000), 0, FLOW_A, 0); /* 0 starts */
	feed_flow(&b, single(&b, 1000), 0, FLOW_B, 0);
	feed_flow(&b, single(&b, 1000), 0, FLOW_B, 0);
	feed_flow(&b, single(&b, 100), 1500000, FLOW_C, 0); /* while 3 is sent: new, so next */
	drain(&b);
	EXPECT(&b, { OUT, 0, MS }, { OUT, 3, 2 * MS }, { OUT, 5, 2100000 }, { OUT, 1, 3100000 },
	       { OUT, 4, 4100000 }, { OUT, 2, 5100000 });
	close_bench(&b);
}

/*
 * FQ-CoDel once more, plainly: flows are numbers below 8, each an array; lists are arrays of flow
 * numbers from which entries are shifted out.
 */
#define REF_FLOWS 8

struct ref_fq {
	struct ref *parent;
	struct ref *flow[REF_FLOWS]; /* each with a struct ref_codel */
	long deficit[REF_FLOWS];
	bool listed[REF_FLOWS];
	uint32_t fresh[REF_FLOWS + 1], old[REF_FLOWS + 1];
	uint32_t nfresh, nold;
	long quantum;
};

static uint32_t ref_fq_flow(uint32_t id)
{
	return id * 2654435761u >> 28 & (REF_FLOWS - 1) & (id % 5);
}

static void shift_out(uint32_t *list, uint32_t *n)
{
	memmove(list, list + 1, --*n * sizeof(*list));
}

static bool ref_fq_enqueue(struct ref *r, const struct ref_packet *p)
{
	struct ref_fq *q = r->state;
	uint32_t f = ref_fq_flow(p->id);

	/* The transmitter has asked since it has been idle. */
	if (!r->bytes && r->free_ns <= p->at_ns) {
		struct ref_packet unused;

		assert_false(r->dequeue(r, r->free_ns, &unused));
	}
	q->flow[f]->packet[q->flow[f]->tail++] = *p;
	if (!q->listed[f]) {
		q->listed[f] = true;
		q->deficit[f] = q->quantum;
		q->fresh[q->nfresh++] = f;
	}
	return true;
}

static bool ref_fq_dequeue(struct ref *r, uint64_t now_ns, struct ref_packet *ret)
{
	struct ref_fq *q = r->state;

	while (q->nfresh || q->nold) {
		bool fresh = q->nfresh, got;
		uint32_t *list = fresh ? q->fresh : q->old, *n = fresh ? &q->nfresh : &q->nold;
		uint32_t f = list[0];
		struct ref *flow = q->flow[f];
		size_t wanted;

		if (q->deficit[f] <= 0) {
			q->deficit[f] += q->quantum;
			shift_out(list, n);
			q->old[q->nold++] = f;
			continue;
		}
		flow->bytes = r->bytes; /* CoDel sees those of all */
		flow->n = 0;
		wanted = flow->head;
		got = ref_codel_dequeue(flow, now_ns, ret);
		r->bytes = flow->bytes;
		r->head += flow->head - wanted;
		for (size_t i = 0; i < flow->n; i++)
			r->want[r->n++] = flow->want[i];
		if (got) {
			q->deficit[f] -= ret->len;
			return true;
		}
		((struct ref_codel *)flow->state)->dropping = false;
		shift_out(list, n);
		if (fresh && q->nold)
			q->old[q->nold++] = f;
		else
			q->listed[f] = false;
	}
	return false;
}

static void fq_codel_is_the_rfc_written_down_plainly(void **state)
{
	static const long quanta[] = { 1514, 1, 300, 10000 };

	for (size_t k = 0; k < ARRAY_SIZE(quanta); k++) {
		struct choppy_condition c = fq(limited(8000000, CHOPPY_PACKETS, 1 << 30));
		struct ref_codel v[REF_FLOWS];
		struct ref_fq q = { .quantum = quanta[k] };
		struct ref *r = calloc(1, sizeof(*r));
		uint64_t at_ns = 0;
		size_t dropped = 0;
		struct rng rng;
		struct bench b;

		c.set |= BIT(QUEUE_QUANTUM) | BIT(QUEUE_FLOWS);
		c.queue_quantum_bytes = (uint64_t)quanta[k];
		c.queue_flows = REF_FLOWS;
		r->state = &q;
		r->enqueue = ref_fq_enqueue;
		r->dequeue = ref_fq_dequeue;
		for (int i = 0; i < REF_FLOWS; i++) {
			v[i] = (struct ref_codel){ .target = 5e6, .interval = 1e8 };
			q.flow[i] = calloc(1, sizeof(*r));
			q.flow[i]->state = &v[i];
		}
		rng_init(&rng, &(struct rng_key){ .seed = 4, .purpose = "arrivals" });
		open_bench(&b, &c);
		for (uint32_t i = 0; i < REF_MAX; i++) {
			struct ref_packet p = draw_ref_packet(&rng, i, 1, &at_ns);

			feed_flow(&b, single(&b, p.len), p.at_ns, ref_fq_flow(i) << 29, 0);
			ref_arrive(r, &p);
		}
		drain(&b);
		ref_run_to(r, UINT64_MAX);
		expect_ref(&b, r);
		for (size_t i = 0; i < r->n; i++)
			dropped += r->want[i].kind == DROPPED;
		assert_true(dropped > 100);
		close_bench(&b);
		for (int i = 0; i < REF_FLOWS; i++)
			free(q.flow[i]);
		free(r);
	}
}

/* --------------------------------------------------------------------- RED */

static struct choppy_condition red(uint64_t min, uint64_t max, uint64_t ppb)
{
	struct choppy_condition c =
		with_queue(limited(8000000, CHOPPY_PACKETS, 1 << 30), CHOPPY_QUEUE_RED);

	c.set |= BIT(QUEUE_MIN) | BIT(QUEUE_MAX) | BIT(QUEUE_PROBABILITY);
	c.queue_min_bytes = min;
	c.queue_max_bytes = max;
	c.queue_probability_ppb = ppb;
	return c;
}

/* The least and most hits of @n tries at @p each that happen but once in a million. */
static void binomial_bounds(double n, double p, double *ret_least, double *ret_most)
{
	double sum = 0;

	*ret_least = -1;
	for (double k = 0; k <= n; k++) {
		sum += exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) +
			   (n - k) * log1p(-p));
		if (*ret_least < 0 && sum > 5e-7)
			*ret_least = k;
		if (sum > 1 - 5e-7) {
			*ret_most = k;
			return;
		}
	}
	*ret_most = n;
}

/*
 * Every packet finds 19 of 1000 bytes waiting, so the average is 19000, half way from 9000 to
 * 29000, and pb half of 5%: 1 in 40. The distance from one drop to the next is then even from 1
 * to 40.
 */
static void red_drops_at_even_distances(void **state)
{
	struct choppy_condition c = red(9000, 29000, 50000000);
	double least, most, n = 0, sum = 0;
	uint32_t seen[41] = { 0 }, since = 0, waiting = 0;
	uint64_t now_ns = 0;
	struct bench b;

	open_bench(&b, &c);
	for (uint32_t i = 0; i < 600000; i++) {
		forget(&b);
		feed(&b, single(&b, 1000), now_ns);
		since++;
		if (!b.n) {
			if (++waiting > 20) { /* one of them is being sent */
				now_ns = queue_next(b.queue);
				run_to(&b, now_ns);
				waiting--;
			}
			continue;
		}
		assert_int_equal(b.events[0].reason, CHOPPY_DROP_AQM);
		if (i > 1000) {
			assert_in_range(since, 1, 40);
			seen[since]++;
			n++;
			sum += since;
		}
		since = 0;
	}
	binomial_bounds(n, 1.0 / 40, &least, &most);
	for (int i = 1; i <= 40; i++)
		assert_true(seen[i] >= least && seen[i] <= most);
	/* So the share is 2 / 41, give or take five standard deviations of the mean. */
	assert_true(fabs(sum / n - 20.5) < 5 * sqrt((40 * 40 - 1) / 12.0 / n));
	close_bench(&b);
}

static void red_drops_nothing_below_min_and_all_above_max(void **state)
{
	struct choppy_condition c = red(40000, 50000, 1);
	struct bench b;

	open_bench(&b, &c);
	for (int i = 0; i < 41; i++)
		feed(&b, single(&b, 1000), 0); /* 40 wait */
	for (uint64_t i = 1; i < 1000; i++) /* one comes, one goes */
		feed(&b, single(&b, 1000), i * MS);
	assert_int_equal(count(&b, DROPPED), 0);
	/* 60 more are let in as the average lags behind; then it is above until they are gone. */
	forget(&b);
	for (int i = 0; i < 1000; i++)
		feed(&b, single(&b, 1000), 1000 * MS);
	assert_in_range(count(&b, DROPPED), 900, 999);
	for (size_t i = count(&b, OUT); i < b.n; i++) /* not one between */
		assert_int_equal(b.events[i].id, b.ids - (uint32_t)(b.n - i));
	close_bench(&b);
}

struct ref_red {
	double min, max, maxp, w;
	double avg, count;
	struct rng rng;
};

static bool ref_red_enqueue(struct ref *r, const struct ref_packet *p)
{
	struct ref_red *v = r->state;
	double pb, draw;
	bool drop = false;

	if (r->head == r->tail && r->free_ns <= p->at_ns)
		v->avg *= pow(1 - v->w, floor((double)(p->at_ns - r->free_ns) / 1e6));
	else
		v->avg += v->w * ((double)r->bytes - v->avg);
	if (v->avg >= v->max) {
		drop = true;
	} else if (v->avg >= v->min) {
		pb = v->maxp * (v->avg - v->min) / (v->max - v->min);
		draw = (double)rng_next(&v->rng) / 18446744073709551616.0;
		drop = v->count * pb >= 1 || draw < pb / (1 - v->count * pb);
	}
	v->count = drop || v->avg < v->min ? 0 : v->count + 1;
	if (drop)
		ref_want(r, DROPPED, p->id, p->at_ns);
	return !drop;
}

/* tc-red(8)'s rule. */
static double ref_red_weight(double min, double max)
{
	double burst = floor((2 * min + max) / 3000), w = 0.5;

	for (int i = 1; i < 31; i++, w /= 2)
		if (burst + 1 - min / 1000 <= (1 - pow(1 - w, burst)) / w)
			return w;
	return 1.0 / 512;
}

static void red_is_the_paper_written_down_plainly(void **state)
{
	static const uint64_t rows[][3] = {
		{ 5000, 15000, 20000000 },     { 30000, 90000, 100000000 },
		{ 1, 50000, 500000000 },       { 200000, 200001, 20000000 },
		{ 20000, 400000, 1000000000 }, { 1000000, 3000000, 20000000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct choppy_condition c = red(rows[i][0], rows[i][1], rows[i][2]);
		struct ref_red v = { .min = (double)rows[i][0],
				     .max = (double)rows[i][1],
				     .maxp = (double)rows[i][2] / 1e9 };
		struct ref *r = calloc(1, sizeof(*r));

		v.w = ref_red_weight(v.min, v.max);
		rng_init(&v.rng, &key);
		r->state = &v;
		r->enqueue = ref_red_enqueue;
		r->dequeue = ref_take_any;
		compare_with_ref(&c, r, 1);
		free(r);
	}
}

/* min and max are as in tc-red(8) where they are left out. */
static void red_defaults_are_those_of_tc(void **state)
{
	struct choppy_condition given = red(250000 / 3, 250000, 20000000);
	struct choppy_condition none = given;
	struct bench a, b;

	given.set &= ~BIT(LIMIT);
	none.set = BIT(RATE) | BIT(QUEUE); /* 1000 packets of 1000 bytes are the limit */
	open_bench(&a, &given);
	open_bench(&b, &none);
	for (uint64_t i = 0; i < 20000; i++) {
		feed(&a, single(&a, 1000), i * 900000);
		feed(&b, single(&b, 1000), i * 900000);
	}
	assert_true(count(&a, DROPPED) > 100);
	assert_int_equal(a.n, b.n);
	for (size_t i = 0; i < a.n; i++) {
		assert_int_equal(a.events[i].kind, b.events[i].kind);
		assert_int_equal(a.events[i].id, b.events[i].id);
		assert_int_equal(a.events[i].at_ns, b.events[i].at_ns);
	}
	close_bench(&a);
	close_bench(&b);
}

/* --------------------------------------------------------------------- ECN */

static struct choppy_condition ecn(struct choppy_condition c)
{
	c.set |= BIT(ECN);
	c.ecn = 1;
	return c;
}

/* As by hand above, but nothing goes: at 210 it is packet 21's turn, and so on. */
static void codel_marks_where_it_would_drop(void **state)
{
	static const uint32_t ids[] = { 11, 21, 29, 34, 39, 44, 48, 52, 55 };
	struct choppy_condition c = ecn(with_queue(at_rate(800000), CHOPPY_QUEUE_CODEL));
	uint32_t n = 0;
	struct bench b;

	open_bench(&b, &c);
	for (int i = 0; i < 60; i++)
		feed_flow(&b, single(&b, 1000), 0, 0, RUN_ECT);
	drain(&b);
	assert_int_equal(count(&b, OUT), 60);
	for (size_t i = 0; i < b.n; i++) {
		const struct event *e = &b.events[i];
		bool marked = n && e->id == ids[n - 1];

		if (e->kind == MARKED) {
			assert_true(n < ARRAY_SIZE(ids));
			assert_int_equal(e->id, ids[n]);
			assert_int_equal(e->at_ns, 10 * MS * e->id);
			n++;
		} else {
			assert_int_equal(e->flags, RUN_ECT | (marked ? FRAME_CE : 0));
		}
	}
	assert_int_equal(n, ARRAY_SIZE(ids));
	close_bench(&b);
}

static void only_aqm_marks_and_only_ecn_capable_packets(void **state)
{
	for (int k = 0; k < 3 * CHOPPY_NQUEUES; k++) {
		enum choppy_queue queue = k / 3;
		bool aqm = queue > CHOPPY_QUEUE_HEAD, on = k % 3 > 0, full = k % 3 > 1;
		struct choppy_condition c = limited(8000000, CHOPPY_PACKETS, full ? 10 : 1 << 30);
		size_t marked = 0, early = 0, by_limit = 0, ce = 0;
		struct bench b;

		c.set |= BIT(QUEUE_MIN) | BIT(QUEUE_MAX) | BIT(QUEUE_TARGET);
		c.queue_min_bytes = full ? 2000 : 20000;
		c.queue_max_bytes = 60000;
		c.queue_target_ns = full ? MS : 15 * MS;
		c = on ? ecn(with_queue(c, queue)) : with_queue(c, queue);
		open_bench(&b, &c);
		for (uint64_t i = 0; i < 20000; i++)
			feed_flow(&b, single(&b, 1000), i * 990000 / 10 * (full ? 7 : 10), 0,
				  i % 2 ? RUN_ECT : 0);
		drain(&b);
		for (size_t i = 0; i < b.n; i++) {
			const struct event *e = &b.events[i];

			if (e->kind == MARKED)
				assert_int_equal(e->id % 2, 1);
			marked += e->kind == MARKED;
			by_limit += e->kind == DROPPED && e->reason == CHOPPY_DROP_QUEUE;
			ce += e->kind == OUT && e->flags & FRAME_CE;
			if (e->kind != DROPPED || e->reason != CHOPPY_DROP_AQM)
				continue;
			early++;
			if (on && queue != CHOPPY_QUEUE_PIE)
				assert_int_equal(e->id % 2, 0);
		}
		/* PIE drops them where its probability is above 10%. */
		assert_int_equal(marked > 0, aqm && on && !(full && queue == CHOPPY_QUEUE_PIE));
		assert_int_equal(early > 0, aqm);
		assert_int_equal(by_limit > 0, full);
		/* Where the full queue drops the oldest, marked ones may be among them. */
		assert_true(ce <= marked);
		if (!full)
			assert_int_equal(ce, marked);
		close_bench(&b);
	}
}

/* ----------------------------------------------------------------- chances */

static void set_chances(struct bench *b, const struct queue_chances *chances, uint64_t now_ns)
{
	struct choppy_condition c = { 0 };

	run_to(b, now_ns);
	assert_int_equal(queue_set(b->queue, &c, chances, now_ns), 0);
}

/* Chances at 5, 5, 10 ms, then 15, 15, 20 and so on. A packet counts 10 bytes less. */
static void chances_serve_by_hand(void **state)
{
	static const uint32_t at_ms[] = { 5, 5, 10 };
	const struct queue_chances chances = { .at_ms = at_ms, .n = 3 };
	struct choppy_condition c = limited(0, CHOPPY_PACKETS, 100);
	struct bench b;

	c.set = BIT(LIMIT);
	open_bench_with(&b, &c, &chances, 256u << 20, 5000);
	feed(&b, single(&b, 1514), MS); /* 1504: all of the first */
	feed(&b, single(&b, 762), MS); /* 752: half of the second */
	feed(&b, single(&b, 762), 2 * MS); /* the other half */
	feed(&b, single(&b, 100), 5 * MS); /* not before: next at 10 */
	feed(&b, single(&b, 3019), 12 * MS); /* 3009: two and one byte more, at 20 */
	feed(&b, single(&b, 1513), 13 * MS); /* 1503: just what is left there */
	feed(&b, single(&b, 100), 13 * MS); /* so at 25 */
	feed(&b, single(&b, 100), 25 * MS);
	drain(&b);
	EXPECT(&b, { OUT, 0, 5 * MS }, { OUT, 1, 5 * MS }, { OUT, 2, 5 * MS }, { OUT, 3, 10 * MS },
	       { OUT, 4, 20 * MS }, { OUT, 5, 20 * MS }, { OUT, 6, 25 * MS }, { OUT, 7, 30 * MS });
	close_bench(&b);
}

/* Packets of 1504 bytes that come before a chance each wait for one more. */
static void limits_hold_with_chances(void **state)
{
	static const uint32_t at_ms[] = { 10 };
	const struct queue_chances chances = { .at_ms = at_ms, .n = 1 };
	struct choppy_condition c = { .set = BIT(LIMIT) };
	struct bench b;

	c.limit.unit = CHOPPY_NANOSECONDS;
	c.limit.n = 15 * MS;
	open_bench_with(&b, &c, &chances, 256u << 20, 5000);
	feed(&b, single(&b, 1514), 5 * MS);
	feed(&b, single(&b, 1514), 5 * MS); /* at 20 */
	feed(&b, single(&b, 1514), 5 * MS); /* at 30: too long */
	feed(&b, single(&b, 1514), 15 * MS);
	feed(&b, single(&b, 1514), 15 * MS);
	drain(&b);
	EXPECT(&b, { DROPPED, 2, 5 * MS }, { OUT, 0, 10 * MS }, { DROPPED, 4, 15 * MS },
	       { OUT, 1, 20 * MS }, { OUT, 3, 30 * MS });
	close_bench(&b);

	c.limit.unit = CHOPPY_PACKETS;
	c.limit.n = 1;
	open_bench_with(&b, &c, &chances, 256u << 20, 5000);
	feed(&b, single(&b, 1514), 5 * MS);
	feed(&b, single(&b, 1514), 6 * MS); /* there is no packet being sent */
	drain(&b);
	EXPECT(&b, { DROPPED, 1, 6 * MS }, { OUT, 0, 10 * MS });
	close_bench(&b);
}

static void chances_that_stop_let_nothing_more_leave(void **state)
{
	static const uint32_t at_ms[] = { 1, 2, 3 };
	struct queue_chances chances = { .at_ms = at_ms, .n = 3, .end = CHOPPY_TRACE_STOP };
	struct choppy_condition c = limited(0, CHOPPY_PACKETS, 3);
	struct bench b;

	c.set = BIT(LIMIT);
	open_bench_with(&b, &c, &chances, 256u << 20, 5000);
	feed(&b, super(&b, 3, 1448, 1448), 1500000); /* at 2, 3 and never */
	feed(&b, single(&b, 100), 4 * MS);
	feed(&b, single(&b, 100), 4 * MS);
	feed(&b, single(&b, 100), 4 * MS);
	run_to(&b, 1000 * S);
	EXPECT(&b, { OUT, 0, 2 * MS }, { OUT, 1, 3 * MS }, { DROPPED, 5, 4 * MS });
	forget(&b);
	/* With a rate they do; and by another trace. */
	c = at_rate(8000);
	set(&b, &c, 1000 * S);
	run_to(&b, 1001514 * MS);
	chances.end = CHOPPY_TRACE_LOOP;
	chances.start_ns = TRANSMITTER_NEVER; /* from now on, as one waits */
	set_chances(&b, &chances, 1001520 * MS);
	drain(&b);
	EXPECT(&b, { OUT, 2, 1001514 * MS }, { OUT, 3, 1001614 * MS }, { OUT, 4, 1001614 * MS });
	close_bench(&b);
}

static void what_would_never_be_out_is_out_with_the_next_condition(void **state)
{
	static const uint32_t at_ms[] = { 1 };
	struct queue_chances chances = { .at_ms = at_ms, .n = 1, .end = CHOPPY_TRACE_STOP };
	struct choppy_condition c = { 0 };
	struct bench b;

	open_bench_with(&b, &c, &chances, 256u << 20, 5000);
	feed(&b, single(&b, 3000), 0); /* needs two chances, there is one */
	feed(&b, single(&b, 1000), 0);
	run_to(&b, S);
	assert_int_equal(b.n, 0);
	c = at_rate(8000000);
	set(&b, &c, S);
	drain(&b);
	EXPECT(&b, { OUT, 0, S }, { OUT, 1, S + MS });
	close_bench(&b);
}

/* mm-link's loop, chance by chance and byte by byte. */
static size_t mahimahi(const struct queue_chances *c, uint64_t start_ns, const struct ref_packet *p,
		       size_t n, struct expected *ret)
{
	uint64_t base_ms = 0;
	size_t out = 0, taken = 0, next = 0;
	uint32_t in_transit = 0;

	while (out < n) {
		uint64_t t_ns = start_ns + (base_ms + c->at_ms[next]) * MS;
		uint32_t left = 1504;

		if (++next == c->n) {
			next = 0;
			base_ms += c->at_ms[c->n - 1];
		}
		while (left) {
			uint32_t now;

			if (!in_transit) {
				if (taken == n || p[taken].at_ns >= t_ns)
					break;
				in_transit = p[taken++].len - 14 + 4;
			}
			now = in_transit < left ? in_transit : left;
			in_transit -= now;
			left -= now;
			if (!in_transit)
				ret[out] = (struct expected){ OUT, p[out].id, t_ns }, out++;
		}
		if (!next && c->end == CHOPPY_TRACE_STOP)
			break;
	}
	return out;
}

static void chances_are_those_of_mahimahi(void **state)
{
	static struct ref_packet packets[400];
	static struct expected want[400];
	static uint32_t at_ms[60];
	struct rng rng;

	rng_init(&rng, &key);
	for (int round = 0; round < 500; round++) {
		struct queue_chances c = { .at_ms = at_ms, .n = 1 + (uint32_t)rng_below(&rng, 60) };
		struct choppy_condition condition = limited(0, CHOPPY_PACKETS, 1 << 30);
		uint64_t at_ns = 0, gap_ns = 1 + rng_below(&rng, 20 * MS), start_ns;
		uint32_t ms = 0, step = 1 + (uint32_t)rng_below(&rng, 30);
		size_t n;
		struct bench b;

		for (uint32_t i = 0; i < c.n; i++)
			at_ms[i] = ms += (uint32_t)rng_below(&rng, step);
		at_ms[c.n - 1]++;
		c.end = rng_below(&rng, 4) ? CHOPPY_TRACE_LOOP : CHOPPY_TRACE_STOP;
		c.start_ns = rng_below(&rng, 2) ? rng_below(&rng, 100 * MS) : TRANSMITTER_NEVER;
		for (uint32_t i = 0; i < 400; i++) {
			at_ns += rng_below(&rng, 3) ? rng_below(&rng, gap_ns) : 0;
			if (rng_below(&rng, 3) == 0)
				at_ns = at_ns / MS * MS + MS; /* at the ms of a chance */
			packets[i].at_ns = at_ns;
			packets[i].id = i;
			packets[i].len = 66 + (uint32_t)rng_below(&rng, i % 7 ? 1449 : 9000);
		}
		start_ns = c.start_ns == TRANSMITTER_NEVER ? packets[0].at_ns : c.start_ns;
		n = mahimahi(&c, start_ns, packets, 400, want);
		condition.set = BIT(LIMIT);
		open_bench_with(&b, &condition, &c, 256u << 20, 5000);
		for (int i = 0; i < 400; i++)
			feed(&b, single(&b, packets[i].len), packets[i].at_ns);
		drain(&b);
		expect(&b, want, n);
		close_bench(&b);
	}
}

/* 10^15 chances pass unused. */
static void unused_chances_cost_nothing(void **state)
{
	static const uint32_t at_ms[] = { 0, 0, 1 };
	const struct queue_chances chances = { .at_ms = at_ms, .n = 3 };
	struct choppy_condition c = { 0 };
	struct bench b;

	open_bench_with(&b, &c, &chances, 256u << 20, 5000);
	for (uint64_t i = 1; i < 1000; i++)
		feed(&b, single(&b, 1514), i * 1000000 * S + 1);
	drain(&b);
	assert_int_equal(b.n, 999);
	for (uint64_t i = 1; i < 1000; i++)
		assert_int_equal(b.events[i - 1].at_ns, i * 1000000 * S + MS);
	close_bench(&b);
}

/* All disciplines; super-packets leave chance by chance. */
static void disciplines_work_with_chances(void **state)
{
	static struct arrival arrivals[300];
	static uint32_t at_ms[50];
	struct rng rng;

	rng_init(&rng, &key);
	for (int round = 0; round < 20 * CHOPPY_NQUEUES; round++) {
		struct choppy_condition c = draw_condition(&rng, round % CHOPPY_NQUEUES);
		struct queue_chances chances = { .at_ms = at_ms, .n = 50 };
		struct bench whole, cut;
		uint32_t ms = 0;
		size_t n;

		for (uint32_t i = 0; i < 50; i++)
			at_ms[i] = ms += (uint32_t)rng_below(&rng, 4);
		at_ms[49]++;
		n = draw_arrivals(arrivals, ARRAY_SIZE(arrivals), &rng, 8000000, 120, 3);
		open_bench_with(&whole, &c, &chances, 256u << 20, 20000);
		open_bench_with(&cut, &c, &chances, 256u << 20, 20000);
		feed_arrivals(&whole, arrivals, n, true);
		feed_arrivals(&cut, arrivals, n, false);
		compare_verdicts(&whole, &cut);
		compare_output(&whole, &cut);
		for (size_t i = 0, k = 0;;) {
			const struct event *a = pick_event(&whole, &i, true);
			const struct event *b = pick_event(&cut, &k, true);

			if (!a)
				break;
			assert_int_equal(a->at_ns, b->at_ns); /* no chunk delays them */
		}
		close_bench(&whole);
		close_bench(&cut);
	}
}

/* ------------------------------------------------------------------ memory */

#define NODES 1023
#define NODE_BLOCK (64 + 64 * NODES)
#define SMALL_BLOCK (64 + 2048 * 128)

/* Every second packet of a frame, so that each needs a run of its own. */
static void without_memory_packets_are_dropped_and_counted(void **state)
{
	struct choppy_condition c = limited(8000000, CHOPPY_PACKETS, 1 << 30);
	struct bench b;
	struct frame *f;

	open_bench_with(&b, &c, NULL, NODE_BLOCK + SMALL_BLOCK, NODES);
	f = super(&b, 5000, 10, 10);
	for (uint32_t i = 0; i < 2 * NODES; i += 2)
		queue_offer(b.queue, f, i, 0, 0, 0, 0);
	assert_int_equal(b.n, 0);
	queue_offer(b.queue, f, 2 * NODES, 0, 0, 0, 0);
	queue_offer(b.queue, f, 2 * NODES - 1, 0, 0, 0, 0); /* joins the last */
	frame_put(&b.pool, f);
	EXPECT(&b, { DROPPED, 2 * NODES, 0 });
	assert_int_equal(b.events[0].reason, CHOPPY_DROP_MEMORY);
	forget(&b);
	drain(&b);
	assert_int_equal(b.n, NODES + 1);
	close_bench(&b);
}

static void without_memory_to_split_a_run_its_first_packet_is_dropped(void **state)
{
	struct choppy_condition c = at_rate(8000000);
	void *held[NODES];
	size_t n = 0;
	struct bench b;
	struct frame *f;

	open_bench_with(&b, &c, NULL, NODE_BLOCK + SMALL_BLOCK, NODES);
	f = super(&b, 4, 934, 934);
	queue_offer(b.queue, f, 0, 0, 0, 0, 0);
	queue_offer(b.queue, f, 2, 0, 0, 0, 0);
	queue_offer(b.queue, f, 3, 0, 0, 0, 0);
	frame_put(&b.pool, f);
	while ((held[n] = pool_get(&b.pool, POOL_NODE)))
		n++;
	drain(&b);
	EXPECT(&b, { DROPPED, 2, MS }, { OUT, 0, MS }, { OUT, 3, 3 * MS });
	assert_int_equal(b.events[0].reason, CHOPPY_DROP_MEMORY);
	while (n)
		pool_put(&b.pool, POOL_NODE, held[--n]);
	close_bench(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_start_when_the_transmitter_is_free),
		cmocka_unit_test(the_part_of_a_nanosecond_is_carried_on),
		cmocka_unit_test(a_million_packets_keep_the_rate),
		cmocka_unit_test(slow_and_fast_rates_do_not_overflow),
		cmocka_unit_test(framing_counts_for_the_rate),
		cmocka_unit_test(cells_have_five_bytes_more_when_nothing_else_is_said),
		cmocka_unit_test(what_cannot_be_cut_counts_all_its_packets),
		cmocka_unit_test(burst_is_a_token_bucket),
		cmocka_unit_test(limit_of_packets_counts_those_that_wait),
		cmocka_unit_test(limit_of_bytes_counts_frames_without_overhead),
		cmocka_unit_test(limit_of_time_is_how_long_a_packet_would_wait),
		cmocka_unit_test(without_a_limit_a_thousand_packets_wait),
		cmocka_unit_test(head_drops_what_waited_longest),
		cmocka_unit_test(head_drops_out_of_the_middle_of_a_super_packet),
		cmocka_unit_test(a_super_packet_costs_one_wake_up),
		cmocka_unit_test(a_group_takes_a_chunk_at_most),
		cmocka_unit_test(a_chunk_may_be_full_to_the_nanosecond),
		cmocka_unit_test(slow_packets_leave_one_by_one),
		cmocka_unit_test(neighbours_share_frame_rule_and_flags),
		cmocka_unit_test(a_new_rate_holds_for_what_has_not_started),
		cmocka_unit_test(a_new_rate_begins_with_a_whole_nanosecond),
		cmocka_unit_test(a_new_framing_counts_what_waits_anew),
		cmocka_unit_test(a_new_framing_and_discipline_count_what_waits_anew),
		cmocka_unit_test(a_lower_limit_drops_nothing_that_waits),
		cmocka_unit_test(a_bigger_bucket_takes_the_credit_along),
		cmocka_unit_test(credit_is_counted_in_bytes),
		cmocka_unit_test(what_waits_keeps_its_order_through_all_disciplines),
		cmocka_unit_test(what_waits_takes_turns_from_the_change_to_fq_codel_on),
		cmocka_unit_test(an_emptied_queue_gives_all_in_order),
		cmocka_unit_test(unsound_conditions_are_refused),
		cmocka_unit_test(packets_fare_alike_single_or_super_and_served_late),
		cmocka_unit_test(fifo_is_as_written_down_plainly),
		cmocka_unit_test(codel_drops_as_the_rfc_does_by_hand),
		cmocka_unit_test(each_packet_of_a_frame_has_an_arrival_of_its_own),
		cmocka_unit_test(codel_steps_are_exact_roots),
		cmocka_unit_test(codel_is_the_pseudo_code_of_the_rfc),
		cmocka_unit_test(pie_moves_its_probability_as_worked_by_hand),
		cmocka_unit_test(pie_is_the_pseudo_code_of_the_rfc),
		cmocka_unit_test(pie_passes_over_a_long_pause),
		cmocka_unit_test(pie_passes_over_a_slow_packet),
		cmocka_unit_test(pie_remembers_the_time_before_a_change),
		cmocka_unit_test(fq_codel_shares_evenly_and_spares_the_sparse),
		cmocka_unit_test(fq_codel_drops_half_of_the_fattest),
		cmocka_unit_test(fq_codel_takes_turns_by_hand),
		cmocka_unit_test(fq_codel_is_the_rfc_written_down_plainly),
		cmocka_unit_test(red_drops_at_even_distances),
		cmocka_unit_test(red_drops_nothing_below_min_and_all_above_max),
		cmocka_unit_test(red_is_the_paper_written_down_plainly),
		cmocka_unit_test(red_defaults_are_those_of_tc),
		cmocka_unit_test(codel_marks_where_it_would_drop),
		cmocka_unit_test(only_aqm_marks_and_only_ecn_capable_packets),
		cmocka_unit_test(chances_serve_by_hand),
		cmocka_unit_test(limits_hold_with_chances),
		cmocka_unit_test(chances_that_stop_let_nothing_more_leave),
		cmocka_unit_test(what_would_never_be_out_is_out_with_the_next_condition),
		cmocka_unit_test(chances_are_those_of_mahimahi),
		cmocka_unit_test(unused_chances_cost_nothing),
		cmocka_unit_test(disciplines_work_with_chances),
		cmocka_unit_test(without_memory_packets_are_dropped_and_counted),
		cmocka_unit_test(without_memory_to_split_a_run_its_first_packet_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
