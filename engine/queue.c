/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bottleneck works on single packets: one that arrives is offered to the discipline, and each
 * time the transmitter is free the discipline picks the one that starts. A
 * packet waits until it starts; the limit counts those that wait, so one that starts at
 * once is taken in whatever the limit.
 *
 * What has started is gathered into the open group: neighbours of one frame, of the same rule
 * and flags, that start one behind the other without a pause. It is closed by the first packet that
 * is no neighbour, or with which it would take more than QUEUE_CHUNK_NS from the start of its first
 * to the end of its last packet, and leaves when its last packet is out. By chances, where packets
 * leave at single points in time, a group is what leaves at the same one. So neither starts nor
 * verdicts nor the order depend on the grouping: it only delays packets to the end of
 * their group.
 *
 * A group is not settled in advance, since what is picked next may depend on what arrives till
 * then. queue_next() only foresees how far the open group will get if nothing arrives, so that a
 * super-packet costs one wake-up and not one for each of its packets.
 */
#include "discipline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(CHOPPY_PACKETS < CHOPPY_NANOSECONDS && CHOPPY_BYTES < CHOPPY_NANOSECONDS,
	       "the units of a limit come first");

static const struct discipline *const disciplines[CHOPPY_NQUEUES] = {
	[CHOPPY_QUEUE_TAIL] = &tail_discipline,	  [CHOPPY_QUEUE_HEAD] = &head_discipline,
	[CHOPPY_QUEUE_CODEL] = &codel_discipline, [CHOPPY_QUEUE_FQ_CODEL] = &fq_codel_discipline,
	[CHOPPY_QUEUE_PIE] = &pie_discipline,	  [CHOPPY_QUEUE_RED] = &red_discipline,
};

struct queue {
	struct backlog backlog;
	const struct discipline *discipline;
	uint32_t flows;
	void *state;

	struct run *group; /* the open one; due when its last packet is out */
	uint64_t group_start_ns;
	struct run_list ready; /* the closed ones */
};

/* ----------------------------------------------------------------- backlog */

/* Whether the limit has room for @u with so much waiting. */
static bool fits(const struct backlog *b, const struct unit *u, uint64_t packets, uint64_t bytes,
		 uint64_t wire)
{
	uint64_t at_ns = u->run.due_ns, start_ns;

	if (!packets && transmitter_idle(&b->transmitter, at_ns))
		return true;
	if (b->limit.unit == CHOPPY_PACKETS)
		return packets + u->run.frame->each <= b->limit.n;
	if (b->limit.unit == CHOPPY_BYTES)
		return bytes + u->len <= b->limit.n;
	start_ns = transmitter_start_behind(&b->transmitter, wire);
	return start_ns <= at_ns || start_ns - at_ns <= b->limit.n;
}

bool backlog_fits(const struct backlog *b, const struct unit *u)
{
	return fits(b, u, b->packets, b->bytes, b->wire);
}

bool backlog_fits_alone(const struct backlog *b, const struct unit *u)
{
	return fits(b, u, 0, 0, 0);
}

static bool is_next(const struct run *run, const struct run *before)
{
	return before && before->frame == run->frame &&
	       before->first + before->count == run->first && before->rule == run->rule;
}

bool backlog_add(struct backlog *b, struct fifo *f, const struct unit *u, uint8_t flags)
{
	struct run *last = f->head ? f->last : NULL, *run;

	flags |= u->run.flags;
	if (is_next(&u->run, last) && last->flags == flags && last->due_ns == u->run.due_ns) {
		last->count++;
	} else {
		run = run_new(b->pool, u->run.frame, u->run.first, 1);
		if (!run) {
			backlog_refuse(b, u, CHOPPY_DROP_MEMORY);
			return false;
		}
		run->rule = u->run.rule;
		run->flags = flags;
		run->flow = u->run.flow;
		run->due_ns = u->run.due_ns;
		run->order = ++b->order;
		fifo_append(f, run);
	}
	b->packets += u->run.frame->each;
	b->bytes += u->len;
	f->bytes += u->len;
	b->wire += u->wire;
	return true;
}

void backlog_refuse(const struct backlog *b, const struct unit *u, enum choppy_drop reason)
{
	b->events.dropped(b->events.ctx, &u->run, u->run.first, reason, u->run.due_ns);
}

/* The first packet of @f does not wait any more. Returns its bytes on the link. */
static uint64_t count_out(struct backlog *b, struct fifo *f)
{
	const struct frame *frame = f->head->frame;
	uint32_t len = fifo_head_len(f);
	uint64_t wire = transmitter_wire(&b->transmitter, len, frame->each);

	b->packets -= frame->each;
	b->bytes -= len;
	f->bytes -= len;
	b->wire -= wire;
	return wire;
}

static struct run *unlink_head(struct fifo *f)
{
	struct run *run = f->head;

	f->head = run->next;
	return run;
}

/* Take the first packet, which is not counted any more, out of its run. */
static void cut_head(struct backlog *b, struct fifo *f)
{
	f->head->first++;
	if (!--f->head->count)
		run_free(b->pool, unlink_head(f));
}

static void drop_head(struct backlog *b, struct fifo *f, enum choppy_drop reason, uint64_t now_ns)
{
	b->events.dropped(b->events.ctx, f->head, f->head->first, reason, now_ns);
	cut_head(b, f);
}

void backlog_drop(struct backlog *b, struct fifo *f, enum choppy_drop reason, uint64_t now_ns)
{
	count_out(b, f);
	drop_head(b, f, reason, now_ns);
}

bool backlog_mark(const struct backlog *b, const struct run *run, uint32_t unit, uint64_t now_ns)
{
	if (!b->ecn || !(run->flags & RUN_ECT))
		return false;
	if (!(run->flags & FRAME_CE))
		b->events.marked(b->events.ctx, run, unit, now_ns);
	return true;
}

/* ----------------------------------------------------------------- sending */

static void close_group(struct queue *q)
{
	if (q->group)
		run_list_add(&q->ready, q->group);
	q->group = NULL;
}

/* The packet at the head of @f, with its flags, is the first of a new group. */
static bool open_group(struct queue *q, struct fifo *f, uint8_t flags)
{
	struct run *run = f->head, *group;

	close_group(q);
	if (run->count == 1) {
		group = unlink_head(f);
	} else {
		group = run_new(q->backlog.pool, run->frame, run->first, 1);
		if (!group)
			return false;
		group->rule = run->rule;
		group->flow = run->flow;
		run->first++;
		run->count--;
	}
	group->flags = flags;
	q->group = group;
	return true;
}

/* Until when the last packet of the open group may be out. */
static uint64_t group_until(const struct queue *q)
{
	return q->backlog.transmitter.rate_bps ? q->group_start_ns + QUEUE_CHUNK_NS
					       : q->group->due_ns;
}

/* A packet of those that wait starts now, if the discipline leaves one. */
static void start_one(struct queue *q, uint64_t now_ns)
{
	struct backlog *b = &q->backlog;
	struct run *run, *group = q->group;
	struct fifo *f;
	uint64_t end_ns;
	uint8_t flags = 0;

	f = q->discipline->pick(q->state, b, now_ns, &flags);
	if (!f)
		return;
	run = f->head;
	flags |= run->flags;
	end_ns = transmitter_send(&b->transmitter, count_out(b, f), now_ns);
	if (is_next(run, group) && group->flags == flags && now_ns <= group->due_ns &&
	    end_ns <= group_until(q)) {
		group->count++;
		cut_head(b, f);
	} else if (open_group(q, f, flags)) {
		q->group_start_ns = now_ns;
	} else {
		drop_head(b, f, CHOPPY_DROP_MEMORY, now_ns);
		return;
	}
	q->group->due_ns = end_ns;
}

void queue_offer(struct queue *q, struct frame *f, uint32_t unit, uint16_t rule, uint8_t flags,
		 uint32_t flow, uint64_t at_ns)
{
	struct backlog *b = &q->backlog;
	struct unit u = {
		.run = { .frame = f,
			 .first = unit,
			 .count = 1,
			 .due_ns = at_ns,
			 .flow = flow,
			 .rule = rule,
			 .flags = flags },
		.len = frame_unit_len(f, unit),
	};
	bool first = !b->packets;

	u.wire = transmitter_wire(&b->transmitter, u.len, f->each);
	if (first)
		transmitter_wake(&b->transmitter, at_ns);
	q->discipline->offer(q->state, b, &u);
	if (first && b->packets && transmitter_idle(&b->transmitter, at_ns))
		start_one(q, at_ns);
}

struct run *queue_serve(struct queue *q, uint64_t until_ns, uint64_t *ret_at_ns)
{
	uint64_t start_ns;

	while (!q->ready.head && q->backlog.packets) {
		start_ns = transmitter_start(&q->backlog.transmitter);
		if (start_ns > until_ns)
			break;
		start_one(q, start_ns);
	}
	if (!q->ready.head && q->group && q->group->due_ns <= until_ns)
		close_group(q);
	if (!q->ready.head || q->ready.head->due_ns > until_ns)
		return NULL;
	*ret_at_ns = q->ready.head->due_ns;
	return run_list_take(&q->ready);
}

/* ------------------------------------------------------------------ seeing */

/* When the last of those packets of @run is out that will join the open group. */
static uint64_t foresee(const struct queue *q, const struct run *run)
{
	const struct transmitter *t = &q->backlog.transmitter;
	const struct frame *f = run->frame;
	struct point p = t->free;
	bool to_the_end = run->first + run->count == f->units;
	uint32_t alike = run->count - to_the_end;
	uint64_t until_ns = group_until(q), wire;

	if (alike) {
		wire = transmitter_wire(t, frame_unit_len(f, run->first), f->each);
		if (transmitter_reach(t, &p, wire, alike, until_ns) < alike)
			return (uint64_t)p.ns;
	}
	if (to_the_end) {
		wire = transmitter_wire(t, frame_unit_len(f, f->units - 1), f->each);
		transmitter_reach(t, &p, wire, 1, until_ns);
	}
	return (uint64_t)p.ns;
}

uint64_t queue_next(const struct queue *q)
{
	const struct backlog *b = &q->backlog;
	const struct run *run;
	uint64_t start_ns, sure_until_ns, end_ns;

	if (q->ready.head)
		return q->ready.head->due_ns;
	start_ns = b->packets ? transmitter_start(&b->transmitter) : QUEUE_NEVER;
	if (!q->group || start_ns < q->group->due_ns)
		return start_ns;
	if (start_ns > q->group->due_ns || !b->transmitter.rate_bps)
		return q->group->due_ns;
	run = q->discipline->ahead(q->state, b, &sure_until_ns);
	if (!run || !is_next(run, q->group) || run->flags != q->group->flags)
		return start_ns;
	end_ns = foresee(q, run);
	if (sure_until_ns < start_ns)
		sure_until_ns = start_ns;
	return end_ns < sure_until_ns ? end_ns : sure_until_ns;
}

/* ------------------------------------------------------------------ change */

/* List number @i of what waits, or NULL. */
static struct fifo *list(struct queue *q, uint32_t i)
{
	if (q->discipline->list)
		return q->discipline->list(q->state, i);
	return i ? NULL : &q->backlog.fifo;
}

/* Both lists in one, in the order of arrival. */
static void merge(struct fifo *into, struct fifo *from)
{
	struct fifo a = *into, b = *from;

	*into = *from = (struct fifo){ 0 };
	while (a.head || b.head) {
		bool first = !b.head || (a.head && a.head->order < b.head->order);

		fifo_append(into, unlink_head(first ? &a : &b));
	}
	into->bytes = a.bytes + b.bytes;
}

/* All that waits into the backlog's own list. */
static void gather(struct queue *q)
{
	uint32_t n = q->flows;

	if (!q->discipline || !q->discipline->list)
		return;
	while (n > 1) {
		uint32_t half = (n + 1) / 2;

		for (uint32_t i = half; i < n; i++)
			merge(list(q, i - half), list(q, i));
		n = half;
	}
	merge(&q->backlog.fifo, list(q, 0));
}

/* And from there to where the discipline wants it. */
static void spread(struct queue *q)
{
	struct fifo *f = &q->backlog.fifo;

	if (!q->discipline->adopt)
		return;
	while (f->head)
		q->discipline->adopt(q->state, unlink_head(f));
	f->bytes = 0;
}

/* Bytes of what waits are counted in another way now. */
static void recount(struct queue *q)
{
	struct backlog *b = &q->backlog;
	struct fifo *f;

	b->wire = 0;
	for (uint32_t i = 0; (f = list(q, i)); i++)
		for (const struct run *run = f->head; run; run = run->next)
			for (uint32_t k = 0; k < run->count; k++)
				b->wire += transmitter_wire(
					&b->transmitter, frame_unit_len(run->frame, run->first + k),
					run->frame->each);
}

static int set_discipline(struct queue *q, const struct choppy_condition *c, bool *ret_changed)
{
	bool given = c->set & CHOPPY_FIELD_BIT(CHOPPY_QUEUE);
	const struct discipline *d = disciplines[given ? c->queue : CHOPPY_QUEUE_TAIL];
	uint32_t flows = discipline_flows(d, c);
	void *state;

	*ret_changed = d != q->discipline || flows != q->flows;
	if (!*ret_changed)
		return 0;
	state = calloc(1, d->size + flows * d->size_flow + 1);
	if (!state)
		return -ENOMEM;
	gather(q);
	free(q->state);
	q->state = state;
	q->discipline = d;
	q->flows = flows;
	return 0;
}

static void set_limit(struct queue *q, const struct choppy_condition *c)
{
	struct backlog *b = &q->backlog;

	b->limit =
		(struct choppy_amount){ .unit = CHOPPY_PACKETS, .n = q->discipline->limit_packets };
	if (c->set & CHOPPY_FIELD_BIT(CHOPPY_LIMIT))
		b->limit = c->limit;
	b->ecn = c->set & CHOPPY_FIELD_BIT(CHOPPY_ECN) && c->ecn;
}

/* What the arithmetic bears. The model's rows have the same bounds, with better words. */
static const struct bound {
	enum choppy_field field;
	size_t offset; /* of a uint64_t */
	uint64_t min, max;
} bounds[] = {
#define BOUND(f, member, min, max)                                                                 \
	{                                                                                          \
		f, offsetof(struct choppy_condition, member), min, max                             \
	}
	BOUND(CHOPPY_RATE, rate_bps, 1, 1000000000000),
	BOUND(CHOPPY_RATE_BURST, rate_burst_bytes, 0, 1 << 30),
	BOUND(CHOPPY_CELL_SIZE, cell_size_bytes, 1, UINT16_MAX),
	BOUND(CHOPPY_CELL_OVERHEAD, cell_overhead_bytes, 0, UINT16_MAX),
	BOUND(CHOPPY_QUEUE, queue, 0, CHOPPY_NQUEUES - 1),
	BOUND(CHOPPY_QUEUE_TARGET, queue_target_ns, 0, 1ull << 42),
	BOUND(CHOPPY_QUEUE_INTERVAL, queue_interval_ns, 1, 1ull << 42),
	BOUND(CHOPPY_QUEUE_TUPDATE, queue_tupdate_ns, 1, 1ull << 42),
	BOUND(CHOPPY_QUEUE_FLOWS, queue_flows, 1, 65536),
	BOUND(CHOPPY_QUEUE_QUANTUM, queue_quantum_bytes, 1, 1 << 20),
	BOUND(CHOPPY_QUEUE_MIN, queue_min_bytes, 0, 1ull << 36),
	BOUND(CHOPPY_QUEUE_MAX, queue_max_bytes, 0, 1ull << 36),
	BOUND(CHOPPY_QUEUE_PROBABILITY, queue_probability_ppb, 0, 1000000000),
};

static bool sound(const struct choppy_condition *c, const struct queue_chances *chances)
{
	bool by_chances = chances && chances->n;
	uint64_t v;

	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		memcpy(&v, (const char *)c + bounds[i].offset, sizeof(v));
		if (c->set & CHOPPY_FIELD_BIT(bounds[i].field) &&
		    (v < bounds[i].min || v > bounds[i].max))
			return false;
	}
	if (c->set & CHOPPY_FIELD_BIT(CHOPPY_LIMIT) && c->limit.unit > CHOPPY_NANOSECONDS)
		return false;
	return by_chances ? chances->at_ms[chances->n - 1] > 0
			  : c->set & CHOPPY_FIELD_BIT(CHOPPY_RATE);
}

int queue_set(struct queue *q, const struct choppy_condition *c,
	      const struct queue_chances *chances, uint64_t now_ns)
{
	struct backlog *b = &q->backlog;
	bool changed, reframed;
	int r;

	if (!sound(c, chances))
		return -EINVAL;
	if (q->discipline && q->discipline->settle)
		q->discipline->settle(q->state, b, now_ns);
	r = set_discipline(q, c, &changed);
	if (r < 0)
		return r;
	if (q->group && q->group->due_ns == QUEUE_NEVER)
		q->group->due_ns = now_ns; /* see transmitter_set() */
	reframed = transmitter_set(&b->transmitter, c, chances, now_ns);
	if (b->packets)
		transmitter_wake(&b->transmitter, now_ns);
	set_limit(q, c);
	if (q->discipline->set)
		q->discipline->set(q->state, b, c, now_ns);
	if (changed)
		spread(q);
	if (reframed)
		recount(q);
	return 0;
}

void queue_empty(struct queue *q, struct run_list *out)
{
	struct backlog *b = &q->backlog;

	close_group(q);
	while (q->ready.head)
		run_list_add(out, run_list_take(&q->ready));
	gather(q);
	while (b->fifo.head)
		run_list_add(out, unlink_head(&b->fifo));
	b->fifo.bytes = b->packets = b->bytes = b->wire = 0;
}

void queue_leave(struct queue *q, struct run_list *out)
{
	queue_empty(q, out);
	transmitter_forget(&q->backlog.transmitter);
}

/* -------------------------------------------------------------------- life */

struct queue *queue_new(struct pool *pool, const struct rng_key *key,
			const struct queue_events *events)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->backlog.pool = pool;
	q->backlog.events = *events;
	rng_init(&q->backlog.rng, key);
	run_list_init(&q->ready);
	return q;
}

void queue_free(struct queue *q)
{
	struct run_list out;

	if (!q)
		return;
	run_list_init(&out);
	queue_empty(q, &out);
	while (out.head)
		run_free(q->backlog.pool, run_list_take(&out));
	free(q->state);
	free(q);
}
