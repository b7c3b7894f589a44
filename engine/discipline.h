/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * discipline.h - what a queue's discipline is: one row of functions over a state of its own, which
 * decide about packets that arrive in the queue and that are to leave it.
 *
 * A discipline works on the backlog, which counts what waits and knows the
 * transmitter. offer() sees a packet that arrives: adds it, or drops it, or others. pick() is
 * called when a packet is about to start, with that time: it may drop packets, and tells from which
 * list the first one starts. All calls are in the order of link time.
 *
 * To add one: a file with such a row, and its place in queue.c's table.
 */
#ifndef CHOPPY_DISCIPLINE_H
#define CHOPPY_DISCIPLINE_H

#include "queue.h"
#include "transmitter.h"

#define DISCIPLINE_MTU 1514u /* "one packet" where an algorithm speaks of it: Ethernet's */

/* Runs, first in, first out. */
struct fifo {
	struct run *head, *last;
	uint64_t bytes;
};

/* What waits: admitted, not yet started. */
struct backlog {
	struct pool *pool;
	struct queue_events events;
	struct rng rng;
	struct transmitter transmitter;
	struct choppy_amount limit;
	bool ecn;
	uint64_t packets, bytes;
	uint64_t wire; /* the bytes, as the transmitter counts them */
	uint64_t order; /* of arrival, of the last run */
	struct fifo fifo; /* of the disciplines with a single one */
};

/* A packet that arrives. */
struct unit {
	struct run run; /* it alone; not in the pool */
	uint64_t wire;
	uint32_t len;
};

struct discipline {
	uint64_t limit_packets; /* when no limit is given */
	uint32_t flows; /* when their number is not given; 0: it knows none */
	size_t size, size_flow; /* bytes of state, zeroed, and more of it for each flow */

	/* The condition is about to change: what is late under the present one. May be NULL. */
	void (*settle)(void *state, const struct backlog *b, uint64_t now_ns);

	/* A new condition, also the first. @b has it already. May be NULL. */
	void (*set)(void *state, struct backlog *b, const struct choppy_condition *c,
		    uint64_t now_ns);

	void (*offer)(void *state, struct backlog *b, const struct unit *u);

	/* NULL: nothing is left. @ret_flags are added to the flags of the packet that starts. */
	struct fifo *(*pick)(void *state, struct backlog *b, uint64_t now_ns, uint8_t *ret_flags);

	/*
	 * If nothing arrives, packets start out of this run, one behind the other, at least until
	 * @ret_until_ns. NULL: that cannot be told.
	 */
	const struct run *(*ahead)(const void *state, const struct backlog *b,
				   uint64_t *ret_until_ns);

	/* Only with lists of its own: list number @i, or NULL; and where a run from elsewhere is
	 * put. */
	struct fifo *(*list)(void *state, uint32_t i);
	void (*adopt)(void *state, struct run *run);
};

extern const struct discipline tail_discipline;
extern const struct discipline head_discipline;
extern const struct discipline codel_discipline;
extern const struct discipline fq_codel_discipline;
extern const struct discipline pie_discipline;
extern const struct discipline red_discipline;

static inline uint32_t discipline_flows(const struct discipline *d,
					const struct choppy_condition *c)
{
	if (d->flows && c->set & CHOPPY_FIELD_BIT(CHOPPY_QUEUE_FLOWS))
		return (uint32_t)c->queue_flows;
	return d->flows;
}

/* For disciplines with the backlog's own list: what does not fit is dropped. */
void tail_offer(void *state, struct backlog *b, const struct unit *u);

/* And for those that drop nothing from it. */
struct fifo *fifo_pick(void *state, struct backlog *b, uint64_t now_ns, uint8_t *ret_flags);
const struct run *fifo_ahead(const void *state, const struct backlog *b, uint64_t *ret_until_ns);

static inline uint32_t fifo_head_len(const struct fifo *f)
{
	return frame_unit_len(f->head->frame, f->head->first);
}

void fifo_append(struct fifo *f, struct run *run);

/* Whether the limit has room for @u. A packet that starts at once does not wait. */
bool backlog_fits(const struct backlog *b, const struct unit *u);

/* Whether it would have if nothing waited. */
bool backlog_fits_alone(const struct backlog *b, const struct unit *u);

/* @u joins @f, with @flags more; false: there was no memory, and it is dropped. */
bool backlog_add(struct backlog *b, struct fifo *f, const struct unit *u, uint8_t flags);

/* @u does not join. */
void backlog_refuse(const struct backlog *b, const struct unit *u, enum choppy_drop reason);

/* Drop the first packet of @f. */
void backlog_drop(struct backlog *b, struct fifo *f, enum choppy_drop reason, uint64_t now_ns);

/* Whether the packet @unit of @run gets a mark in place of being dropped: then it is told. */
bool backlog_mark(const struct backlog *b, const struct run *run, uint32_t unit, uint64_t now_ns);

#endif
