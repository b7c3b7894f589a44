/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transmitter.h - when packets start and are out: one after another at a rate, or by chances to
 * deliver; in link time, exact, and without a packet in sight.
 */
#ifndef CHOPPY_TRANSMITTER_H
#define CHOPPY_TRANSMITTER_H

#include "choppy.h"

#include <stdbool.h>

#define TRANSMITTER_NEVER UINT64_MAX

/* Chances to deliver, as a mahimahi trace has them (trace.h). The array stays its owner's. */
struct queue_chances {
	const uint32_t *at_ms; /* ascending, from the trace's start; the last is its period */
	uint32_t n; /* 0: there are none; the condition has a rate */
	enum choppy_trace_end end; /* CHOPPY_TRACE_HOLD is as LOOP: chances have no last value */
	uint64_t start_ns; /* link time of 0 ms; TRANSMITTER_NEVER: the first packet's arrival */
};

/* A point in link time: ns + rem / rate. */
struct point {
	int64_t ns;
	uint64_t rem;
};

struct transmitter {
	bool begun; /* has had a condition */
	uint64_t since_ns; /* of the present one */
	struct point free; /* when the next packet may start; long ago: there is credit */
	uint64_t out_ns; /* when the last packet is out */

	/* At a rate. */
	uint64_t rate_bps; /* 0: by chances */
	struct choppy_overhead overhead;
	uint64_t cell_size, cell_overhead;
	struct point burst; /* how long the bucket takes to fill */
	uint64_t wire; /* the length asked for last, and what it takes */
	struct point takes;

	/* By chances. */
	struct queue_chances chances;
	uint64_t next; /* number of the first chance not used; counts on from round to round */
	uint32_t left; /* bytes of the chance before it, which is at @free */
};

/*
 * A new condition, which has a rate or chances, from @now_ns on. What is being sent keeps its
 * time, or, if it would never be out, is out now. Returns whether lengths are counted in
 * another way than before.
 */
bool transmitter_set(struct transmitter *t, const struct choppy_condition *c,
		     const struct queue_chances *chances, uint64_t now_ns);

/* Its chances are gone, with the memory that they were in. */
void transmitter_forget(struct transmitter *t);

/* Bytes that @packets packets, together @len bytes long, take on the link. */
uint64_t transmitter_wire(const struct transmitter *t, uint32_t len, uint32_t packets);

/* A packet arrives, and none waits. */
void transmitter_wake(struct transmitter *t, uint64_t at_ns);

/* When the first of those that wait starts; TRANSMITTER_NEVER. */
uint64_t transmitter_start(const struct transmitter *t);

/* Whether a packet that arrives at @at_ns, and none waits, starts at once. */
bool transmitter_idle(const struct transmitter *t, uint64_t at_ns);

/* Whether a packet that has started is not out at @at_ns. */
static inline bool transmitter_sending(const struct transmitter *t, uint64_t at_ns)
{
	return t->out_ns > at_ns;
}

/* When a packet starts that has @wire bytes waiting before it; rounded up. */
uint64_t transmitter_start_behind(const struct transmitter *t, uint64_t wire);

/* When @wire bytes that wait, and what is being sent, are out; rounded up. */
uint64_t transmitter_drained(const struct transmitter *t, uint64_t wire);

/* A packet of @wire bytes starts at @at_ns. Returns when it is out. */
uint64_t transmitter_send(struct transmitter *t, uint64_t wire, uint64_t at_ns);

/*
 * At a rate: how many of @n packets of @wire bytes each, one behind the other from @p on, are out
 * by @until_ns. Moves @p behind them.
 */
uint32_t transmitter_reach(const struct transmitter *t, struct point *p, uint64_t wire, uint32_t n,
			   uint64_t until_ns);

/* Bits per second; by chances, on average. */
uint64_t transmitter_rate(const struct transmitter *t);

#endif
