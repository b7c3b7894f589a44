/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way of a frame: its wire packets meet the stages in the order of the
 * table below, each packet all of them up to the one that holds packets, if
 * it is awake. Packets that leave that one meet the rest. What has passed all
 * stages has a due time and stands in the delay line, first in, first out, until then.
 *
 *   in -> judging stages -> [queue -> transmitter] -> later stages -> line -> out
 *
 * Neighbours with the same fate stay together as a run, so a frame to which
 * nothing happens stays one frame. A pipe without a condition and with an empty line
 * hands every frame on in the same call.
 *
 * Link time is in the packets: a packet meets a stage at the time that the
 * stage before gave it. The queue is brought up to a packet's arrival before
 * that packet is judged, and no further, so verdicts and due times do not
 * depend on when this code gets to run.
 *
 * A frame that may have to wait gets memory before any stage sees it: small ones are
 * copied into a buffer of their size, large ones keep the receiver's buffer.
 */
#include "pipe.h"

#include <stdlib.h>
#include <string.h>

static const struct stage *const stages[] = {
	&loss_stage,
	&queue_stage,
	&delay_stage,
};
#define NSTAGES (sizeof(stages) / sizeof(stages[0]))

struct pipe {
	struct pool *pool;
	struct choppy_condition condition;
	struct choppy_counters count;
	uint64_t uncut;

	size_t nawake;
	const struct stage *awake[NSTAGES]; /* in the table's order */
	void *awake_state[NSTAGES];
	bool waits; /* one of them may make a packet wait */
	size_t holder; /* the holding stage's place in @awake, or @nawake */

	struct run_list queue; /* of the holding stage */
	struct run_list line;
	uint64_t last_at_ns; /* arrivals never go back */
	uint64_t last_due_ns; /* neither do departures */

	void *state[NSTAGES];
	struct histogram late;
};

/* -------------------------------------------------------------------- runs */

void run_list_init(struct run_list *list)
{
	list->head = NULL;
	list->tail = &list->head;
}

static void append(struct run_list *list, struct run *run)
{
	run->next = NULL;
	*list->tail = run;
	list->tail = &run->next;
}

struct run *run_list_take(struct run_list *list)
{
	struct run *run = list->head;

	list->head = run->next;
	if (!list->head)
		list->tail = &list->head;
	return run;
}

static struct run *run_new(struct pipe *p, struct frame *f, uint32_t first, uint32_t count,
			   uint64_t due_ns)
{
	struct run *run = pool_get(p->pool, POOL_NODE);

	_Static_assert(sizeof(*run) <= 64, "a run fits a POOL_NODE");
	if (!run)
		return NULL;
	f->refs++;
	*run = (struct run){ .frame = f, .first = first, .count = count, .due_ns = due_ns };
	return run;
}

static void run_free(struct pipe *p, struct run *run)
{
	frame_put(p->pool, run->frame);
	pool_put(p->pool, POOL_NODE, run);
}

/* ---------------------------------------------------------------- counting */

static void drop(struct pipe *p, const struct frame *f, uint32_t units, enum choppy_drop reason)
{
	p->count.dropped[reason] += (uint64_t)units * f->each;
	p->count.waiting -= (uint64_t)units * f->each;
}

static void count_input(struct pipe *p, const struct frame *f)
{
	p->count.packets += (uint64_t)f->units * f->each;
	p->count.waiting += (uint64_t)f->units * f->each;
	p->count.bytes += frame_wire_len(f, 0, f->units);
	p->uncut += f->kind == FRAME_WHOLE;
}

static void count_verdict(struct pipe *p, const struct stage *s, const struct wire *w, bool pass)
{
	if (s->reason == CHOPPY_DROP_LOSS) {
		p->count.judged += w->packets;
		p->count.judged_lost += pass ? 0 : w->packets;
	}
	if (!pass) {
		p->count.dropped[s->reason] += w->packets;
		p->count.waiting -= w->packets;
	}
}

/* ------------------------------------------------------------------ stages */

/* Some units on their way through the stages from @from up to, but without, @to. */
struct walk {
	struct frame *frame;
	uint32_t first, count;
	uint64_t at_ns;
	size_t from, to;
	bool into_queue;
	uint64_t now_ns;
	struct run_list *out;
};

/* The units [@first, @first + @count) have passed the walk's stages, at @at_ns. */
static void place(struct pipe *p, const struct walk *w, uint32_t first, uint32_t count,
		  uint64_t at_ns)
{
	struct run *run;

	if (!count)
		return;
	run = run_new(p, w->frame, first, count, at_ns);
	if (!run) {
		drop(p, w->frame, count, CHOPPY_DROP_MEMORY);
		return;
	}
	if (w->into_queue) {
		append(&p->queue, run);
		return;
	}
	if (run->due_ns < p->last_due_ns)
		run->due_ns = p->last_due_ns;
	p->last_due_ns = run->due_ns;
	append(run->due_ns <= w->now_ns && !p->line.head ? w->out : &p->line, run);
}

static bool judge(struct pipe *p, const struct walk *w, struct wire *wire)
{
	for (size_t i = w->from; i < w->to; i++) {
		bool pass = p->awake[i]->packet(p->awake_state[i], wire);

		count_verdict(p, p->awake[i], wire, pass);
		if (!pass)
			return false;
	}
	return true;
}

/* Judge each unit; place neighbours with the same fate as one run. */
static void walk(struct pipe *p, const struct walk *w)
{
	uint32_t first = w->first, end = w->first + w->count;
	uint64_t at_ns = w->at_ns;

	if (w->from == w->to) {
		place(p, w, w->first, w->count, w->at_ns);
		return;
	}
	for (uint32_t i = w->first; i < end; i++) {
		struct wire wire = {
			.at_ns = w->at_ns,
			.len = frame_unit_len(w->frame, i),
			.packets = w->frame->each,
		};
		bool pass = judge(p, w, &wire);

		if (pass && wire.at_ns == at_ns)
			continue;
		place(p, w, first, i - first, at_ns);
		first = pass ? i : i + 1;
		at_ns = wire.at_ns;
	}
	place(p, w, first, end - first, at_ns);
}

/* From the queue into the line: @n units of its first run, which leave it at @at_ns. */
static void leave_queue(struct pipe *p, uint32_t n, uint64_t at_ns, uint64_t now_ns,
			struct run_list *out)
{
	struct run *run = p->queue.head;
	struct walk w = {
		.frame = run->frame,
		.first = run->first,
		.count = n,
		.at_ns = at_ns,
		.from = p->holder + 1,
		.to = p->nawake,
		.now_ns = now_ns,
		.out = out,
	};

	if (n == run->count) {
		run_list_take(&p->queue);
		walk(p, &w);
		run_free(p, run);
		return;
	}
	run->first += n;
	run->count -= n;
	walk(p, &w);
}

/* Let the queue work up to link time @until_ns. */
static void serve(struct pipe *p, uint64_t until_ns, uint64_t now_ns, struct run_list *out)
{
	while (p->queue.head) {
		const struct run *run = p->queue.head;
		const struct frame *f = run->frame;
		struct wire_row row = {
			.at_ns = run->due_ns,
			.count = run->count,
			.len = frame_unit_len(f, run->first),
			.last_len = frame_unit_len(f, run->first + run->count - 1),
			.packets = f->each,
		};
		uint64_t at_ns = 0;
		uint32_t n = p->awake[p->holder]->serve(p->awake_state[p->holder], until_ns, &row,
							&at_ns);

		if (!n)
			break;
		leave_queue(p, n, at_ns, now_ns, out);
	}
}

/* ------------------------------------------------------------------- input */

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
	drop(p, f, f->units, CHOPPY_DROP_MEMORY);
	frame_put(p->pool, f);
	return NULL;
}

static void input_exempt(struct pipe *p, struct frame *f, struct run_list *out)
{
	struct run *run = run_new(p, f, 0, f->units, f->at_ns);

	p->count.exempt += f->each * (uint64_t)f->units;
	if (run)
		append(out, run);
	else
		p->count.dropped[CHOPPY_DROP_MEMORY] += f->each * (uint64_t)f->units;
	frame_put(p->pool, f);
}

void pipe_input(struct pipe *p, struct frame *f, uint64_t now_ns, struct run_list *out)
{
	struct walk w = { .now_ns = now_ns, .out = out };

	p->count.frames_in++;
	if (f->at_ns < p->last_at_ns)
		f->at_ns = p->last_at_ns;
	p->last_at_ns = f->at_ns;
	if (f->exempt) {
		input_exempt(p, f, out);
		return;
	}
	count_input(p, f);
	serve(p, f->at_ns, now_ns, out);
	if (p->waits || p->line.head) {
		f = keep(p, f);
		if (!f)
			return;
	}
	w.frame = f;
	w.count = f->units;
	w.at_ns = f->at_ns;
	w.into_queue = p->holder < p->nawake;
	w.to = w.into_queue ? p->holder + 1 : p->nawake;
	walk(p, &w);
	serve(p, f->at_ns, now_ns, out);
	frame_put(p->pool, f);
}

void pipe_run(struct pipe *p, uint64_t settled_ns, uint64_t now_ns, struct run_list *out)
{
	serve(p, settled_ns, now_ns, out);
	while (p->line.head && p->line.head->due_ns <= now_ns)
		append(out, run_list_take(&p->line));
}

/*
 * The queue needs no wake-up of its own while the line is not empty: what
 * leaves the queue can only stand behind.
 */
uint64_t pipe_next(const struct pipe *p)
{
	if (p->line.head)
		return p->line.head->due_ns;
	if (p->queue.head)
		return p->awake[p->holder]->next(p->awake_state[p->holder]);
	return PIPE_NEVER;
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
	run_free(p, run);
}

void pipe_refused(struct pipe *p, struct run *run, enum choppy_drop reason)
{
	uint64_t packets = (uint64_t)run->count * run->frame->each;

	p->count.dropped[reason] += packets;
	if (!run->frame->exempt)
		p->count.waiting -= packets;
	run_free(p, run);
}

void pipe_starved(struct pipe *p, const struct frame *f)
{
	p->count.frames_in++;
	count_input(p, f);
	drop(p, f, f->units, CHOPPY_DROP_MEMORY);
}

void pipe_missed(struct pipe *p, uint64_t frames)
{
	p->count.dropped[CHOPPY_DROP_RECEIVE] += frames;
}

/* --------------------------------------------------------------- condition */

static bool has(const struct choppy_condition *c, enum choppy_field field)
{
	return c->set & CHOPPY_FIELD_BIT(field);
}

bool pipe_condition_sound(const struct choppy_condition *c)
{
	uint64_t delay_ns = has(c, CHOPPY_DELAY) ? c->delay_ns : 0;

	if (c->set >> CHOPPY_NFIELDS)
		return false;
	if (has(c, CHOPPY_RATE) && (!c->rate_bps || c->rate_bps > UINT64_MAX / 16))
		return false;
	if (has(c, CHOPPY_LIMIT) && c->limit.unit >= CHOPPY_NUNITS)
		return false;
	if (has(c, CHOPPY_LOSS) && c->loss_ppb > 1000000000)
		return false;
	return delay_ns <= INT64_MAX / 2 && (!has(c, CHOPPY_JITTER) || c->jitter_ns <= delay_ns);
}

uint64_t pipe_hold_ns(const struct pipe *p)
{
	const struct choppy_condition *c = &p->condition;

	if (!has(c, CHOPPY_DELAY))
		return 0;
	return c->delay_ns - (has(c, CHOPPY_JITTER) ? c->jitter_ns : 0);
}

static void wake(struct pipe *p, const struct choppy_condition *c)
{
	size_t n = 0, holder = NSTAGES;

	p->waits = false;
	for (size_t i = 0; i < NSTAGES; i++) {
		if (!(stages[i]->fields & c->set))
			continue;
		if (stages[i]->serve)
			holder = n;
		p->waits |= stages[i]->delays || stages[i]->serve;
		p->awake[n] = stages[i];
		p->awake_state[n] = p->state[i];
		n++;
	}
	p->nawake = n;
	p->holder = holder < n ? holder : n;
}

/* The holding stage sleeps: what stood in its queue goes on at once. */
static void empty_queue(struct pipe *p, size_t later, uint64_t now_ns, struct run_list *out)
{
	struct run_list queue = p->queue;
	struct run *next;

	run_list_init(&p->queue);
	for (struct run *run = queue.head; run; run = next) {
		struct walk w = {
			.frame = run->frame,
			.first = run->first,
			.count = run->count,
			.at_ns = now_ns,
			.from = later,
			.to = p->nawake,
			.now_ns = now_ns,
			.out = out,
		};

		next = run->next;
		walk(p, &w);
		run_free(p, run);
	}
}

/* Place in @awake of the first stage that stands behind the holding one in the table. */
static size_t first_later(const struct pipe *p)
{
	size_t i = 0, n = 0;

	for (; i < NSTAGES && !stages[i]->serve; i++)
		n += n < p->nawake && p->awake[n] == stages[i];
	return n;
}

void pipe_set(struct pipe *p, const struct choppy_condition *c, uint64_t now_ns,
	      struct run_list *out)
{
	bool loss_changed = has(c, CHOPPY_LOSS) != has(&p->condition, CHOPPY_LOSS) ||
			    (has(c, CHOPPY_LOSS) && c->loss_ppb != p->condition.loss_ppb);

	pipe_run(p, now_ns, now_ns, out);
	for (size_t i = 0; i < NSTAGES; i++)
		stages[i]->set(p->state[i], c, now_ns);
	wake(p, c);
	p->condition = *c;
	if (loss_changed)
		p->count.judged = p->count.judged_lost = 0;
	if (p->queue.head && p->holder == p->nawake)
		empty_queue(p, first_later(p), now_ns, out);
}

/* -------------------------------------------------------------------- life */

struct pipe *pipe_new(struct pool *pool, uint64_t seed, uint32_t link, enum choppy_dir dir)
{
	struct pipe *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->pool = pool;
	run_list_init(&p->queue);
	run_list_init(&p->line);
	for (size_t i = 0; i < NSTAGES; i++) {
		struct rng_key key = {
			.seed = seed,
			.link = link,
			.dir = dir,
			.purpose = stages[i]->name,
		};

		p->state[i] = calloc(1, stages[i]->size);
		if (!p->state[i]) {
			pipe_free(p);
			return NULL;
		}
		if (stages[i]->init)
			stages[i]->init(p->state[i], &key);
	}
	return p;
}

void pipe_free(struct pipe *p)
{
	if (!p)
		return;
	while (p->queue.head)
		run_free(p, run_list_take(&p->queue));
	while (p->line.head)
		run_free(p, run_list_take(&p->line));
	for (size_t i = 0; i < NSTAGES; i++)
		free(p->state[i]);
	free(p);
}

void pipe_counters(const struct pipe *p, struct choppy_counters *ret)
{
	*ret = p->count;
	ret->late_samples = p->late.n;
	ret->late_p50_ns = histogram_quantile(&p->late, 500000);
	ret->late_p99_ns = histogram_quantile(&p->late, 990000);
	ret->late_max_ns = p->late.max;
	ret->memory_bytes = p->pool->taken;
}

uint64_t pipe_uncut(const struct pipe *p)
{
	return p->uncut;
}
