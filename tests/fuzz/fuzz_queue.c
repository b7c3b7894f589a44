/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_queue.c - arbitrary conditions, chances, arrivals and changes through a queue. Every
 * packet must come out, be dropped, or be taken out once and no more, in time and in its frame's
 * order where nothing reorders; no memory may leak. Input: bytes, read as operations.
 */
#include "../heap_pool.h"
#include "fuzz.h"
#include "queue.h"

#include <stdlib.h>
#include <string.h>

#define BIT(f) CHOPPY_FIELD_BIT(CHOPPY_##f)
#define CHANCES_MAX 16
#define OPERATIONS_MAX 3000

struct input {
	const uint8_t *data;
	size_t size;
};

struct state {
	struct input in;
	struct pool pool;
	struct queue *queue;
	struct choppy_condition condition;
	uint32_t at_ms[2][CHANCES_MAX]; /* in turn, as the queue may still look at the other */
	struct queue_chances chances;
	uint64_t now_ns;
	uint64_t offered, out, dropped, marked;
};

static uint64_t read_bytes(struct state *s, size_t n)
{
	uint64_t v = 0;

	while (n-- && s->in.size) {
		v = v << 8 | *s->in.data++;
		s->in.size--;
	}
	return v;
}

static uint64_t read_below(struct state *s, uint64_t n)
{
	return read_bytes(s, n > 65536 ? 5 : n > 256 ? 2 : 1) % n;
}

static void on_dropped(void *ctx, const struct run *run, uint32_t unit, enum choppy_drop reason,
		       uint64_t at_ns)
{
	struct state *s = ctx;

	CHECK(unit < run->frame->units && unit >= run->first && unit < run->first + run->count);
	CHECK(reason == CHOPPY_DROP_QUEUE || reason == CHOPPY_DROP_AQM ||
	      reason == CHOPPY_DROP_MEMORY);
	CHECK(at_ns <= s->now_ns);
	s->dropped++;
}

static void on_marked(void *ctx, const struct run *run, uint32_t unit, uint64_t at_ns)
{
	struct state *s = ctx;

	CHECK(unit < run->frame->units && run->flags & RUN_ECT && !(run->flags & FRAME_CE));
	CHECK(s->condition.set & BIT(ECN));
	s->marked++;
}

static void take_out(struct state *s, struct run *run)
{
	CHECK(run->count && run->first + run->count <= run->frame->units);
	s->out += run->count;
	run_free(&s->pool, run);
}

/* To @to_ns, by the hints or not. */
static void run_to(struct state *s, uint64_t to_ns, bool hints)
{
	struct run *run;
	uint64_t at_ns, last_ns = 0;

	while (hints && queue_next(s->queue) <= to_ns) {
		if (queue_next(s->queue) == QUEUE_NEVER)
			break;
		CHECK(queue_next(s->queue) >= s->now_ns);
		s->now_ns = queue_next(s->queue);
		while ((run = queue_serve(s->queue, s->now_ns, &at_ns))) {
			CHECK(at_ns == s->now_ns);
			take_out(s, run);
		}
		CHECK(queue_next(s->queue) > s->now_ns);
	}
	s->now_ns = to_ns;
	while ((run = queue_serve(s->queue, to_ns, &at_ns))) {
		CHECK(!hints && at_ns <= to_ns && at_ns >= last_ns);
		last_ns = at_ns;
		take_out(s, run);
	}
	CHECK(queue_next(s->queue) > to_ns);
}

static void read_condition(struct state *s)
{
	struct choppy_condition *c = &s->condition;
	uint64_t bits = BIT(RATE_BURST) | BIT(OVERHEAD) | BIT(CELL_SIZE) | BIT(CELL_OVERHEAD) |
			BIT(LIMIT) | BIT(QUEUE) | BIT(QUEUE_TARGET) | BIT(QUEUE_INTERVAL) |
			BIT(QUEUE_TUPDATE) | BIT(QUEUE_FLOWS) | BIT(QUEUE_QUANTUM) |
			BIT(QUEUE_MIN) | BIT(QUEUE_MAX) | BIT(QUEUE_PROBABILITY) | BIT(ECN);

	memset(c, 0, sizeof(*c));
	c->set = BIT(RATE) | (read_bytes(s, 8) & bits);
	c->rate_bps = 8 + read_below(s, 1000000000000 - 8);
	c->rate_burst_bytes = 1 + read_below(s, 1 << 30);
	c->overhead.bytes = (int32_t)read_below(s, 2000) - 1000;
	c->overhead.least = (uint32_t)read_below(s, 300);
	c->cell_size_bytes = 1 + read_below(s, 65535);
	c->cell_overhead_bytes = read_below(s, 65536);
	c->limit.unit = (uint32_t)read_below(s, CHOPPY_NANOSECONDS + 1);
	c->limit.n = 1 + read_below(s, c->limit.unit == CHOPPY_PACKETS ? 256 : 65536 * 256);
	c->queue = read_below(s, CHOPPY_NQUEUES);
	c->queue_target_ns = 1 + read_below(s, 1000000000);
	c->queue_interval_ns = 1 + read_below(s, 1000000000);
	c->queue_tupdate_ns = 1000000 + read_below(s, 1000000000);
	c->queue_flows = 1 + read_below(s, 256);
	c->queue_quantum_bytes = 1 + read_below(s, 65536);
	c->queue_min_bytes = 1 + read_below(s, 65536);
	c->queue_max_bytes = 2 + read_below(s, 65536);
	c->queue_probability_ppb = read_below(s, 1000000001);
	c->ecn = 1;
}

static void change(struct state *s)
{
	uint32_t *at_ms = s->chances.at_ms == s->at_ms[0] ? s->at_ms[1] : s->at_ms[0], ms = 0;
	bool chances = read_below(s, 3) == 0;

	read_condition(s);
	if (chances) {
		s->chances.n = 1 + (uint32_t)read_below(s, CHANCES_MAX);
		for (uint32_t i = 0; i < s->chances.n; i++)
			at_ms[i] = ms += (uint32_t)read_below(s, 20);
		at_ms[s->chances.n - 1]++;
		s->chances.at_ms = at_ms;
		s->chances.end = (enum choppy_trace_end)read_below(s, CHOPPY_NTRACE_ENDS);
		s->chances.start_ns = read_below(s, 2) ? s->now_ns : TRANSMITTER_NEVER;
	}
	CHECK(queue_set(s->queue, &s->condition, chances ? &s->chances : NULL, s->now_ns) == 0);
}

static struct frame *make_frame(struct state *s)
{
	struct frame *f = frame_get(&s->pool, POOL_SMALL);

	if (!f)
		return NULL;
	f->units = read_below(s, 2) ? 1 : 2 + (uint32_t)read_below(s, 60);
	f->each = 1;
	if (f->units > 1) {
		f->kind = FRAME_TCP4;
		f->headers = 66;
		f->segment = 1 + (uint16_t)read_below(s, 1448);
		f->len = 66 + (f->units - 1) * f->segment + 1 + (uint32_t)read_below(s, f->segment);
	} else {
		f->len = (uint32_t)read_below(s, 65536);
		if (read_below(s, 4) == 0) {
			f->kind = FRAME_WHOLE;
			f->each = 1 + (uint32_t)read_below(s, 100);
			f->headers = (uint16_t)read_below(s, 100);
		}
	}
	return f;
}

/* Its packets, perhaps not all of them, or with rules of their own. */
static void arrive(struct state *s)
{
	uint32_t flow = (uint32_t)read_below(s, 8) << 29;
	uint8_t flags = (uint8_t)read_below(s, 4);
	uint32_t skip = (uint32_t)read_below(s, 5);
	struct frame *f = make_frame(s);

	for (uint32_t i = 0; f && i < f->units; i++) {
		if (skip && i % 7 == skip)
			continue;
		queue_offer(s->queue, f, i, skip == 4 ? i / 5 : 0, flags, flow, s->now_ns);
		s->offered++;
	}
	if (f)
		frame_put(&s->pool, f);
}

static void empty(struct state *s)
{
	struct run_list out;

	run_list_init(&out);
	queue_empty(s->queue, &out);
	while (out.head)
		take_out(s, run_list_take(&out));
	CHECK(queue_next(s->queue) == QUEUE_NEVER);
	CHECK(s->out + s->dropped == s->offered);
}

static void operate(struct state *s)
{
	static const uint64_t steps[] = { 1, 1000, 1000000, 100000000, 3600000000000 };
	uint64_t op = read_below(s, 16);

	if (op == 0)
		change(s);
	else if (op == 1)
		empty(s);
	else if (op < 7)
		run_to(s, s->now_ns + read_below(s, 256) * steps[op - 2], read_below(s, 8));
	else
		arrive(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rng_key key = { .seed = 1, .purpose = "queue" };
	struct state s = { .in = { data, size } };
	const struct queue_events events = { &s, on_dropped, on_marked };

	heap_pool_init(&s.pool, 1u << 20);
	CHECK(pool_have(&s.pool, POOL_NODE, 1) && pool_have(&s.pool, POOL_SMALL, 1));
	s.queue = queue_new(&s.pool, &key, &events);
	CHECK(s.queue);
	change(&s);
	for (int i = 0; i < OPERATIONS_MAX && s.in.size; i++)
		operate(&s);
	run_to(&s, s.now_ns + 1000000000, true);
	empty(&s);
	CHECK(s.pool.class[POOL_NODE].available % 1023 == 0);
	CHECK(s.pool.class[POOL_SMALL].available % 128 == 0);
	arrive(&s); /* and what waits at the end is freed */
	queue_free(s.queue);
	CHECK(s.pool.class[POOL_NODE].available % 1023 == 0);
	pool_done(&s.pool);
	return 0;
}
