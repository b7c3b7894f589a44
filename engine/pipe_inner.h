/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pipe_inner.h - a pipe as its own files see it: pipe.c, judge.c, report.c, pipe_set.c. */
#ifndef CHOPPY_PIPE_INNER_H
#define CHOPPY_PIPE_INNER_H

#include "pipe.h"

struct pipe {
	struct pool *pool;
	struct rng_key key;
	struct choppy_counters count;
	uint64_t uncut;
	uint64_t packets; /* wire packets seen, as verdicts number them */

	struct chain *base;
	uint32_t nrules;
	struct chain *rule[LINK_RULES_MAX]; /* in the order in which they are tried */
	uint16_t next_id;
	bool waits; /* some chain may hold a packet */

	struct choppy_condition condition; /* of the direction, without its trace */
	const struct trace *played; /* of the plan in force, or NULL */
	struct trace_player trace;
	struct queue_chances chances;
	uint64_t chances_end_ns; /* when they are over; PIPE_NEVER: not */
	uint64_t chances_period_ns;
	bool chances_wait; /* for the first packet, to know when that is */

	bool replayed;
	struct replay replay, replay_behind; /* before and behind the queue */

	struct line line;
	struct run_list back; /* to the senders */
	uint64_t last_at_ns; /* arrivals never go back */

	struct pipe_log log;
	uint64_t start_ns;
	struct flow_table *flows;
	struct histogram late;
};

/* Whose chain a run is under. A rule that was removed meanwhile leaves its packets to the base. */
struct chain *pipe_chain_of(const struct pipe *p, uint16_t id);

/* ---- report.c: counts, and verdicts for those who hear them */

/* @packets more are in the link: arrived, or made here. */
void pipe_count_packets(struct pipe *p, uint64_t packets);
void pipe_count_input(struct pipe *p, struct frame *f);
/* @v: what became of the packet, with which values, and when it left, if it did. */
void pipe_tell(const struct pipe *p, const struct frame *f, uint32_t unit, uint8_t flags,
	       struct verdict v);
void pipe_drop_unit(struct pipe *p, const struct frame *f, uint32_t unit, uint8_t flags,
		    enum choppy_drop reason);
void pipe_drop_units(struct pipe *p, const struct frame *f, uint32_t first, uint32_t count,
		     uint8_t flags, enum choppy_drop reason);
/* The file's verdicts about a packet. */
size_t pipe_look_up(struct replay *r, const struct frame *f, uint32_t unit, uint8_t flags,
		    const struct verdict **ret);
struct queue_events pipe_queue_events(struct pipe *p);

/* ---- judge.c: what befalls packets up to the queue */

/* Judge units of a frame from stage @from of their chain on. */
void pipe_walk(struct pipe *p, struct chain *c, struct frame *f, uint32_t first, uint32_t count,
	       size_t from);

/* ---- pipe.c: behind the queue */

/* Units that have passed or left the queue at @at_ns. */
void pipe_leave(struct pipe *p, struct chain *c, struct frame *f, uint32_t first, uint32_t count,
		uint8_t flags, uint64_t at_ns);
/* Append what is due by @now_ns to @out. */
void pipe_take_due(struct pipe *p, uint64_t now_ns, struct run_list *out);

/* ---- pipe_set.c: conditions */

/* Every chain anew, the base first: its condition has changed. -ENOMEM: some queue is as it was. */
int pipe_set_chains(struct pipe *p, uint64_t now_ns);

#endif
