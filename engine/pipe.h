/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pipe.h - one direction of a link: frames in, runs of surviving wire packets out when due. */
#ifndef CHOPPY_PIPE_H
#define CHOPPY_PIPE_H

#include "chain.h"
#include "histogram.h"
#include "run.h"
#include "trace.h"
#include "verdict.h"

#define PIPE_NEVER UINT64_MAX

struct pipe;

/* What a pipe works by. All that it points to must stay until the next pipe_set(). */
struct pipe_plan {
	const struct choppy_condition *condition;
	struct stage_data data;
	const struct trace *trace; /* of the condition, or NULL */
	const struct chain_rule *rules;
	uint32_t nrules;
	struct replay replay; /* n 0: chance decides */
	bool replayed; /* verdicts come from @replay, also when it has none */
};

/* Who hears of every verdict. */
struct pipe_log {
	void *ctx;
	void (*verdict)(void *ctx, const struct verdict *v, const char *flow);
};

/* A pipe with no condition. Memory for packets is @pool's. NULL: no memory. */
struct pipe *pipe_new(struct pool *pool, uint64_t seed, uint32_t link, enum choppy_dir dir);

/* End it and drop what it holds. */
void pipe_free(struct pipe *pipe);

/*
 * Report verdicts from now on; times are told from @start_ns. @nflows: numbers for so many flows,
 * which a replay by flow needs too; 0: none. -ENOMEM.
 */
int pipe_log_to(struct pipe *pipe, const struct pipe_log *log, uint64_t start_ns, uint32_t nflows);

/*
 * A parsed frame has arrived at @f->at_ns of link time; the caller's reference
 * is taken over. What may leave by @now_ns is appended to @out.
 */
void pipe_input(struct pipe *pipe, struct frame *f, uint64_t now_ns, struct run_list *out);

/*
 * Append to @out what is due by @now_ns. @settled_ns: no frame that arrived up to then is
 * still to come through pipe_input(); the queue works up to there.
 */
void pipe_run(struct pipe *pipe, uint64_t settled_ns, uint64_t now_ns, struct run_list *out);

/* When to call pipe_run() next; PIPE_NEVER when nothing waits. */
uint64_t pipe_next(const struct pipe *pipe);

/* How long every frame is held under the present condition, at the least. */
uint64_t pipe_hold_ns(const struct pipe *pipe);

/* What goes back to the senders (ICMP errors, TCP resets): appended to @out, to leave at once. */
void pipe_replies(struct pipe *pipe, struct run_list *out);

/*
 * Exchange the condition between two packets. What waits is kept: due times in the delay line
 * stay, the queue goes on at the new rate, or into the delay line when there is
 * no rate any more. The condition must be a sound one. On failure (-ENOMEM, -EINVAL: a filter is
 * not sound) the old one stays.
 */
int pipe_set(struct pipe *pipe, const struct pipe_plan *plan, uint64_t now_ns,
	     struct run_list *out);

/*
 * Whether the arithmetic holds for @c: the fields known, no rate of 0, jitter not above
 * delay. The model checks more, with better words.
 */
bool pipe_condition_sound(const struct choppy_condition *c);

/* The port has sent @run at @now_ns, or could not for good. Frees the run. */
void pipe_sent(struct pipe *pipe, struct run *run, uint64_t now_ns);
void pipe_refused(struct pipe *pipe, struct run *run, enum choppy_drop reason);

/* @f has arrived, and there is no memory to do anything with it. It stays the caller's. */
void pipe_starved(struct pipe *pipe, struct frame *f);

/* Frames that the port's receive side has lost. */
void pipe_missed(struct pipe *pipe, uint64_t frames);

/* Super-packets that could not be cut, so that each was judged as one unit. */
uint64_t pipe_uncut(const struct pipe *pipe);

/* Packets of flows that found no place in the table of flows. */
uint64_t pipe_flows_missed(const struct pipe *pipe);

/* @matched: packets by rule, in the plan's order. */
void pipe_counters(const struct pipe *pipe, struct choppy_counters *ret,
		   uint64_t matched[LINK_RULES_MAX]);

#endif
