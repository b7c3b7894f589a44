/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way of a frame: its rule is found, and its wire packets meet the stages of that rule's
 * chain, each packet all of them up to the queue. What leaves the queue meets the stages behind
 * it, passes the gate that keeps the order, and stands in the delay line until it is due.
 *
 *   in -> rule -> judging stages (judge.c) -> [queue] -> delaying stages -> gate -> line -> out
 *
 * Neighbours with the same fate stay together as a run, so a frame to which
 * nothing happens stays one frame. What is changed (a wrong bit, fragments) becomes a frame of its
 * own; what is only marked is a run with a flag, and gets the mark with its headers when it leaves.
 *
 * Link time is in the packets: a packet meets a stage at the time that the
 * stage before gave it. The queues, and a trace that changes the condition, are brought up to a
 * packet's arrival before that packet is judged, and no further, so verdicts and due times do not
 * depend on when this code gets to run.
 *
 * A frame that may have to wait gets memory before any stage sees it: small ones are
 * copied into a buffer of their size, large ones keep the receiver's buffer.
 *
 * In a replay no stage before the queue is asked: the packet's verdicts of the file are
 * applied, the queue only paces, and the delay is the file's or else the condition's, without
 * jitter.
 */
#include "pipe_inner.h"

#include <errno.h>
#include <stdlib.h>

/* Whose chain a run is under. A rule that was removed meanwhile leaves its packets to the base. */
struct chain *pipe_chain_of(const struct pipe *p, uint16_t id)
{
	for (uint32_t i = 0; id && i < p->nrules; i++)
		if (p->rule[i]->id == id)
			return p->rule[i];
	return p->base;
}

/* ------------------------------------------------------- behind the queue */

/* Put units into the line by way of the chain's gate. */
static void place(struct pipe *p, struct chain *c, struct frame *f, uint32_t first, uint32_t count,
		  uint8_t flags, const struct wire *w)
{
	struct run *run;

	if (!count)
		return;
	run = run_new(p->pool, f, first, count);
	if (!run) {
		pipe_drop_units(p, f, first, count, flags, CHOPPY_DROP_MEMORY);
		return;
	}
	run->due_ns = w->at_ns;
	run->rule = c->id;
	run->flags = flags;
	if (w->hurry || w->behind)
		p->count.reordered += (uint64_t)count * f->each;
	if (w->behind) {
		gate_hold(c->passes, run, w->behind, w->within_ns);
	} else if (!gate_pass(c->passes, p->pool, &p->line, run, w->hurry)) {
		pipe_drop_units(p, f, run->first, run->count, flags, CHOPPY_DROP_MEMORY);
		run_free(p->pool, run);
	}
}

/* What the file says of a packet's time; whether it says how long the delay is. */
static bool replay_time(struct pipe *p, const struct chain *c, const struct frame *f, uint32_t unit,
			uint8_t flags, struct wire *w)
{
	bool drawn = false;
	const struct verdict *v;
	uint64_t delay_ns =
		c->condition.set & CHOPPY_FIELD_BIT(CHOPPY_DELAY) ? c->condition.delay_ns : 0;
	size_t n = pipe_look_up(&p->replay_behind, f, unit, flags, &v);

	for (; n; n--, v++) {
		if (v->kind == VERDICT_DELAYED) {
			delay_ns = v->value;
			drawn = true;
		} else if (v->kind == VERDICT_HURRIED) {
			w->hurry = true;
			delay_ns = 0;
		} else if (v->kind == VERDICT_OVERTAKEN) {
			w->behind = (uint32_t)v->value;
			w->within_ns = v->value2;
		}
	}
	w->at_ns += delay_ns;
	return drawn;
}

static void judge_behind(struct pipe *p, const struct chain *c, const struct frame *f,
			 uint32_t unit, uint8_t flags, struct wire *w)
{
	uint64_t at_ns = w->at_ns;
	bool drawn = c->chance_delay;

	if (p->replayed) {
		drawn = replay_time(p, c, f, unit, flags, w);
	} else {
		for (size_t i = 0; i < c->behind.n; i++)
			c->behind.stage[i]->packet(c->behind.state[i], w);
	}
	if (w->hurry)
		pipe_tell(p, f, unit, flags,
			  (struct verdict){ .kind = VERDICT_HURRIED, .due_ns = w->at_ns });
	else if (drawn)
		pipe_tell(p, f, unit, flags,
			  (struct verdict){ .kind = VERDICT_DELAYED,
					    .value = w->at_ns - at_ns,
					    .due_ns = w->at_ns });
	if (w->behind)
		pipe_tell(p, f, unit, flags,
			  (struct verdict){ .kind = VERDICT_OVERTAKEN,
					    .value = w->behind,
					    .value2 = w->within_ns });
}

static bool same_time(const struct wire *a, const struct wire *b)
{
	return a->at_ns == b->at_ns && a->hurry == b->hurry && !a->behind && !b->behind;
}

/* Units that have passed or left the queue at @at_ns. */
void pipe_leave(struct pipe *p, struct chain *c, struct frame *f, uint32_t first, uint32_t count,
		uint8_t flags, uint64_t at_ns)
{
	struct wire group = { .at_ns = at_ns };
	uint32_t end = first + count;

	if (!c->behind.n && !p->replayed) {
		place(p, c, f, first, count, flags, &group);
		return;
	}
	for (uint32_t i = first; i < end; i++) {
		struct wire w = {
			.at_ns = at_ns,
			.len = frame_unit_len(f, i),
			.packets = f->each,
		};

		judge_behind(p, c, f, i, flags, &w);
		if (i > first && same_time(&w, &group))
			continue;
		place(p, c, f, first, i - first, flags, &group);
		first = i;
		group = w;
	}
	place(p, c, f, first, end - first, flags, &group);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The queue whose next event is the earliest, and when that is. */
static struct queue *next_queue(const struct pipe *p, uint64_t *ret_ns)
{
	struct queue *first = p->base->queue;

	*ret_ns = first ? queue_next(first) : PIPE_NEVER;
	for (uint32_t i = 0; i < p->nrules; i++) {
		struct queue *q = p->rule[i]->queue;
		uint64_t ns = q ? queue_next(q) : PIPE_NEVER;

		if (ns < *ret_ns) {
			*ret_ns = ns;
			first = q;
		}
	}
	return first;
}

/* Let one queue work up to link time @until_ns. */
static void serve_queue(struct pipe *p, struct queue *q, uint64_t until_ns)
{
	struct run *run;
	uint64_t at_ns;

	while ((run = queue_serve(q, until_ns, &at_ns))) {
		pipe_leave(p, pipe_chain_of(p, run->rule), run->frame, run->first, run->count,
			   run->flags, at_ns);
		run_free(p->pool, run);
	}
}

/* All of them, in the order of what happens in them. */
static void serve_queues(struct pipe *p, uint64_t until_ns)
{
	uint64_t next_ns;
	struct queue *q;

	while ((q = next_queue(p, &next_ns)) && next_ns <= until_ns)
		serve_queue(p, q, next_ns);
	if (p->base->queue)
		serve_queue(p, p->base->queue, until_ns);
	for (uint32_t i = 0; i < p->nrules; i++)
		if (p->rule[i]->queue)
			serve_queue(p, p->rule[i]->queue, until_ns);
}

static bool queues_empty(const struct pipe *p)
{
	uint64_t next_ns;

	next_queue(p, &next_ns);
	return next_ns == PIPE_NEVER;
}

/* When the trace changes anything next: a row, or the end of its chances. */
static uint64_t next_change(const struct pipe *p)
{
	return earlier(trace_next(&p->trace), p->chances_end_ns);
}

/*
 * Change what is to change at link time @change_ns, up to @until_ns. Where no queue holds anything
 * nobody sees what was in force in between: rows are only laid over each other, and whole rounds
 * left out.
 */
static void change(struct pipe *p, uint64_t change_ns, uint64_t until_ns)
{
	if (p->chances_end_ns <= change_ns) {
		p->chances_end_ns = PIPE_NEVER;
		p->chances.n = 0;
	} else if (queues_empty(p)) {
		trace_skip(&p->trace, until_ns);
		do {
			change_ns = trace_next(&p->trace);
			trace_apply(&p->trace, &p->base->own, &p->condition);
		} while (trace_next(&p->trace) <= until_ns);
	} else {
		trace_apply(&p->trace, &p->base->own, &p->condition);
	}
	pipe_set_chains(p, change_ns);
}

/* The same, with the changes that the trace makes on the way. */
static void serve(struct pipe *p, uint64_t until_ns)
{
	uint64_t change_ns;

	while ((change_ns = next_change(p)) <= until_ns) {
		serve_queues(p, change_ns);
		change(p, change_ns, until_ns);
	}
	serve_queues(p, until_ns);
}

/* A packet arrives: a trace that waits for one begins. */
static void begin_with(struct pipe *p, uint64_t at_ns)
{
	trace_packet(&p->trace, at_ns);
	if (!p->chances_wait)
		return;
	p->chances_wait = false;
	p->chances_end_ns = at_ns + p->chances_period_ns;
}

/* ------------------------------------------------------------------- input */

/* The first rule that matches the unit; the base where none does. */
static struct chain *find_chain(struct pipe *p, const struct frame *f, uint32_t unit)
{
	for (uint32_t i = 0; i < p->nrules; i++)
		if (match_unit(p->rule[i]->match, f, unit))
			return p->rule[i];
	return p->base;
}

/* Whether one look decides for all units of the frame, as far as rules are asked. */
static bool same_chain(const struct pipe *p, const struct frame *f)
{
	for (uint32_t i = 0; i < p->nrules; i++)
		if (!match_same(p->rule[i]->match, f))
			return false;
	return true;
}

static struct chain *find_chain_of_all(struct pipe *p, const struct frame *f)
{
	for (uint32_t i = 0; i < p->nrules; i++)
		if (match_frame(p->rule[i]->match, f))
			return p->rule[i];
	return p->base;
}

static void input_exempt(struct pipe *p, struct frame *f, struct run_list *out)
{
	struct run *run = run_new(p->pool, f, 0, f->units);

	p->count.exempt += f->each * (uint64_t)f->units;
	if (run) {
		run->due_ns = f->at_ns;
		run_list_add(out, run);
	} else {
		p->count.dropped[CHOPPY_DROP_MEMORY] += f->each * (uint64_t)f->units;
	}
}

/*
 * The frame in memory that it may keep while it waits: a copy in a smaller
 * buffer, or itself. NULL when there is none. Takes the reference over.
 */
static struct frame *keep(struct pipe *p, struct frame *f)
{
	enum pool_class class = frame_class(f->len);
	struct frame *copy;

	if (!pool_have(p->pool, POOL_NODE, f->units))
		goto none;
	if (class >= f->class) {
		if (f->class != POOL_LARGE || pool_owe(p->pool))
			return f;
		goto none;
	}
	copy = frame_copy(p->pool, f, class);
	if (!copy)
		goto none;
	frame_put(p->pool, f);
	return copy;
none:
	pipe_drop_units(p, f, 0, f->units, 0, CHOPPY_DROP_MEMORY);
	frame_put(p->pool, f);
	return NULL;
}

/* Neighbours under the same rule go through its chain together. */
static void input_by_rules(struct pipe *p, struct frame *f)
{
	struct chain *chain = find_chain(p, f, 0);
	uint32_t first = 0;

	for (uint32_t i = 1; i < f->units; i++) {
		struct chain *next = find_chain(p, f, i);

		if (next == chain)
			continue;
		pipe_walk(p, chain, f, first, i - first, 0);
		first = i;
		chain = next;
	}
	pipe_walk(p, chain, f, first, f->units - first, 0);
}

static void input(struct pipe *p, struct frame *f, struct chain *all)
{
	pipe_count_input(p, f);
	if (p->waits || !line_empty(&p->line)) {
		f = keep(p, f);
		if (!f)
			return;
	}
	if (all)
		pipe_walk(p, all, f, 0, f->units, 0);
	else
		input_by_rules(p, f);
	serve(p, f->at_ns);
	frame_put(p->pool, f);
}

void pipe_take_due(struct pipe *p, uint64_t now_ns, struct run_list *out)
{
	struct run *run;

	while ((run = line_take(&p->line, now_ns)))
		run_list_add(out, run);
}

void pipe_input(struct pipe *p, struct frame *f, uint64_t now_ns, struct run_list *out)
{
	struct chain *all = p->base;

	p->count.frames_in++;
	if (f->at_ns < p->last_at_ns)
		f->at_ns = p->last_at_ns;
	p->last_at_ns = f->at_ns;
	if (p->nrules && f->units == 1)
		all = find_chain(p, f, 0);
	else if (p->nrules)
		all = same_chain(p, f) ? find_chain_of_all(p, f) : NULL;
	if (f->exempt && all == p->base) {
		input_exempt(p, f, out);
		frame_put(p->pool, f);
		return;
	}
	f->exempt = false; /* a rule has it in its hands */
	begin_with(p, f->at_ns);
	serve(p, f->at_ns);
	input(p, f, all);
	pipe_take_due(p, now_ns, out);
}

void pipe_replies(struct pipe *p, struct run_list *out)
{
	while (p->back.head)
		run_list_add(out, run_list_take(&p->back));
}

static void expire(struct pipe *p, uint64_t until_ns)
{
	gate_expire(&p->base->gate, &p->line, until_ns);
	for (uint32_t i = 0; i < p->nrules; i++)
		gate_expire(&p->rule[i]->gate, &p->line, until_ns);
}

void pipe_run(struct pipe *p, uint64_t settled_ns, uint64_t now_ns, struct run_list *out)
{
	serve(p, settled_ns);
	expire(p, settled_ns);
	pipe_take_due(p, now_ns, out);
}

/*
 * Whether what leaves a queue can only stand behind what is in the line already, which then is
 * all that has to be waited for.
 */
static bool line_comes_first(const struct pipe *p)
{
	return p->line.fifo.head && !p->nrules && !p->replayed && p->trace.over &&
	       !p->base->gate.open && p->base->gate.last_due_ns >= p->line.fifo_due_ns &&
	       !(p->base->condition.set & CHOPPY_FIELD_BIT(CHOPPY_REORDER));
}

uint64_t pipe_next(const struct pipe *p)
{
	uint64_t next_ns = earlier(line_next(&p->line), gate_next(&p->base->gate)), queue_ns;

	for (uint32_t i = 0; i < p->nrules; i++)
		next_ns = earlier(next_ns, gate_next(&p->rule[i]->gate));
	if (line_comes_first(p))
		return next_ns;
	next_queue(p, &queue_ns);
	/* The trace may let go what waits. */
	if (queue_ns != PIPE_NEVER)
		queue_ns = earlier(queue_ns, next_change(p));
	return earlier(next_ns, queue_ns);
}

void pipe_sent(struct pipe *p, struct run *run, uint64_t now_ns)
{
	const struct frame *f = run->frame;
	uint64_t packets = (uint64_t)run->count * f->each;

	p->count.frames_out++;
	if (!f->exempt) {
		p->count.delivered += packets;
		p->count.delivered_bytes += frame_wire_len(f, run->first, run->count);
		p->count.waiting -= packets;
		histogram_add(&p->late, now_ns > run->due_ns ? now_ns - run->due_ns : 0);
	}
	run_free(p->pool, run);
}

void pipe_refused(struct pipe *p, struct run *run, enum choppy_drop reason)
{
	if (run->frame->exempt)
		p->count.dropped[reason] += (uint64_t)run->count * run->frame->each;
	else
		pipe_drop_units(p, run->frame, run->first, run->count, run->flags, reason);
	run_free(p->pool, run);
}

void pipe_starved(struct pipe *p, struct frame *f)
{
	p->count.frames_in++;
	pipe_count_input(p, f);
	pipe_drop_units(p, f, 0, f->units, 0, CHOPPY_DROP_MEMORY);
}

void pipe_missed(struct pipe *p, uint64_t frames)
{
	p->count.dropped[CHOPPY_DROP_RECEIVE] += frames;
}

/* -------------------------------------------------------------------- life */

struct pipe *pipe_new(struct pool *pool, uint64_t seed, uint32_t link, enum choppy_dir dir)
{
	struct pipe *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return NULL;
	p->pool = pool;
	p->key = (struct rng_key){ .seed = seed, .link = link, .dir = dir, .purpose = "queue" };
	line_init(&p->line);
	run_list_init(&p->back);
	p->trace.over = true;
	p->chances_end_ns = PIPE_NEVER;
	p->base = chain_new(0, &p->key, NULL, &err);
	if (!p->base) {
		free(p);
		return NULL;
	}
	return p;
}

int pipe_log_to(struct pipe *p, const struct pipe_log *log, uint64_t start_ns, uint32_t nflows)
{
	if (nflows && !p->flows) {
		p->flows = flow_table_new(nflows);
		if (!p->flows)
			return -ENOMEM;
	}
	p->log = *log;
	p->start_ns = start_ns;
	return 0;
}

void pipe_free(struct pipe *p)
{
	struct run *run;

	if (!p)
		return;
	expire(p, LINE_NEVER - 1);
	while ((run = line_take(&p->line, LINE_NEVER)))
		run_free(p->pool, run);
	while (p->back.head)
		run_free(p->pool, run_list_take(&p->back));
	for (uint32_t i = 0; i < p->nrules; i++)
		chain_free(p->rule[i]);
	chain_free(p->base);
	flow_table_free(p->flows);
	free(p);
}

void pipe_counters(const struct pipe *p, struct choppy_counters *ret,
		   uint64_t matched[LINK_RULES_MAX])
{
	*ret = p->count;
	ret->late_samples = p->late.n;
	ret->late_p50_ns = histogram_quantile(&p->late, 500000);
	ret->late_p99_ns = histogram_quantile(&p->late, 990000);
	ret->late_max_ns = p->late.max;
	ret->memory_bytes = p->pool->taken;
	for (uint32_t i = 0; matched && i < LINK_RULES_MAX; i++)
		matched[i] = i < p->nrules ? match_count(p->rule[i]->match) : 0;
}

uint64_t pipe_uncut(const struct pipe *p)
{
	return p->uncut;
}

uint64_t pipe_flows_missed(const struct pipe *p)
{
	return p->flows ? flow_table_missed(p->flows) : 0;
}
