/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue.h - a bottleneck: a queue with one discipline before a transmitter of a
 * given rate, or of given opportunities; all in link time.
 *
 * The owner brings wire packets in the order of their arrival: first queue_serve() until it has
 * nothing more up to the arrival, then queue_offer() for all packets of the frame. What leaves
 * comes out of queue_serve() as runs, as long as the pacing allows: QUEUE_CHUNK_NS of link time or
 * one packet. Where that is kept, and also around queue_set(), starts, verdicts and the time at
 * which a run leaves do not depend on when and how often queue_serve() is called.
 */
#ifndef CHOPPY_QUEUE_H
#define CHOPPY_QUEUE_H

#include "rng.h"
#include "run.h"
#include "transmitter.h"

#define QUEUE_CHUNK_NS 1000000u
#define QUEUE_NEVER UINT64_MAX

struct queue;

/* The owner hears of every unit that is dropped or marked in the queue. */
struct queue_events {
	void *ctx;
	void (*dropped)(void *ctx, const struct run *run, uint32_t unit, enum choppy_drop reason,
			uint64_t at_ns);
	void (*marked)(void *ctx, const struct run *run, uint32_t unit, uint64_t at_ns);
};

/* A queue, of no use before queue_set(). @key: of its random stream. NULL: no memory. */
struct queue *queue_new(struct pool *pool, const struct rng_key *key,
			const struct queue_events *events);
void queue_free(struct queue *q); /* drops what waits, without a word */

/*
 * A new condition from @now_ns on (served up to then), with a rate or @chances (n > 0; then the
 * rate does not count). What waits stays, in order, at the new rate; what is being sent keeps its
 * time; a change of discipline moves what waits over. All memory that the queue will ever need but
 * for runs, out of its pool, is taken here. -ENOMEM, or -EINVAL for values that the arithmetic
 * does not bear, leave all as it was. For chances that go on, give the same ones again: the
 * same array and start, or TRANSMITTER_NEVER for it.
 */
int queue_set(struct queue *q, const struct choppy_condition *c,
	      const struct queue_chances *chances, uint64_t now_ns);

/*
 * Unit @unit of @f arrives at @at_ns. Taken in (perhaps with a mark, or at the price of another
 * packet), or dropped with the reason told to events->dropped(). @rule and @flags: of the run,
 * RUN_ECT where it may be marked.
 * @flow: hash of its flow, for fq_codel.
 */
void queue_offer(struct queue *q, struct frame *f, uint32_t unit, uint16_t rule, uint8_t flags,
		 uint32_t flow, uint64_t at_ns);

/*
 * The next run that has left the transmitter by @until_ns, with @ret_at_ns the time when its last
 * packet was out; the caller frees it. NULL: none yet.
 */
struct run *queue_serve(struct queue *q, uint64_t until_ns, uint64_t *ret_at_ns);

/* When queue_serve() may have something, if nothing arrives before. QUEUE_NEVER: it is empty. */
uint64_t queue_next(const struct queue *q);

/* Take out everything that waits or is being sent, in order: the queue is empty after that. */
void queue_empty(struct queue *q, struct run_list *out);
/*
 * The same for a queue that nothing enters until the next queue_set(): it lets go of the chances
 * that it had, and of the memory that they are in.
 */
void queue_leave(struct queue *q, struct run_list *out);

#endif
