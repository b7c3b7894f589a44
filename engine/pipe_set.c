/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conditions from outside and from a trace. All memory that a new plan needs is taken before
 * anything changes. Rules that stay keep their chains, and with them their random streams and
 * counts; packets of those that go are left to the direction's own condition.
 */
#include "pipe_inner.h"

#include <errno.h>
#include <string.h>

static bool has(const struct choppy_condition *c, enum choppy_field field)
{
	return c->set & CHOPPY_FIELD_BIT(field);
}

bool pipe_condition_sound(const struct choppy_condition *c)
{
	uint64_t delay_ns = has(c, CHOPPY_DELAY) ? c->delay_ns : 0;
	const struct choppy_field_row *row = choppy_fields();

	if (c->set >> CHOPPY_NFIELDS)
		return false;
	for (int i = 0; i < CHOPPY_NFIELDS; i++) {
		uint64_t value;

		if (!has(c, (enum choppy_field)i))
			continue;
		if (row[i].kind == CHOPPY_KIND_LIST) {
			if (c->drop.n > CHOPPY_LIST_MAX)
				return false;
			continue;
		}
		if (row[i].kind == CHOPPY_KIND_AMOUNT && c->limit.unit >= CHOPPY_CONNECTIONS)
			return false;
		memcpy(&value, (const char *)c + row[i].offset, sizeof(value));
		if (row[i].kind == CHOPPY_KIND_RATE && !value)
			return false;
		/* Amounts and rates below their least mean something all the same. */
		if (row[i].kind > CHOPPY_KIND_AMOUNT && row[i].kind <= CHOPPY_KIND_CHOICE &&
		    value < row[i].min)
			return false;
		if (row[i].kind <= CHOPPY_KIND_CHOICE && value > row[i].max)
			return false;
	}
	if (has(c, CHOPPY_SLOT_MAX) && c->slot_max_ns < c->slot_ns)
		return false;
	if (has(c, CHOPPY_FLAP) && (!c->flap.out_ns || c->flap.out_ns >= c->flap.period_ns))
		return false;
	return has(c, CHOPPY_DISTRIBUTION) || !has(c, CHOPPY_JITTER) || c->jitter_ns <= delay_ns;
}

uint64_t pipe_hold_ns(const struct pipe *p)
{
	if (p->nrules || p->trace.trace || p->replayed)
		return 0;
	return chain_hold_ns(p->base);
}

/* Whether the loss that is asked for is another one. All its fields are numbers. */
static bool loss_differs(const struct choppy_condition *a, const struct choppy_condition *b)
{
	const struct choppy_field_row *row = choppy_fields();

	for (int i = 0; i < CHOPPY_NFIELDS; i++) {
		const size_t at = row[i].offset;
		enum choppy_field f = (enum choppy_field)i;

		if (!(chain_loss_fields & CHOPPY_FIELD_BIT(i)))
			continue;
		if (has(a, f) != has(b, f) ||
		    (has(a, f) &&
		     memcmp((const char *)a + at, (const char *)b + at, sizeof(uint64_t)) != 0))
			return true;
	}
	return false;
}

/* What stood in a queue that is there no more goes on at once. */
static void go_on(struct pipe *p, struct run_list *left, uint64_t now_ns)
{
	while (left->head) {
		struct run *run = run_list_take(left);

		pipe_leave(p, pipe_chain_of(p, run->rule), run->frame, run->first, run->count,
			   run->flags, now_ns);
		run_free(p->pool, run);
	}
}

/* A replay paces and delays; what is dropped or marked is in the file. @queue: with a
 * queue of its own, which has no end. */
static void without_chance(struct choppy_condition *c, bool queue)
{
	static const uint64_t kept =
		CHOPPY_FIELD_BIT(CHOPPY_DELAY) | CHOPPY_FIELD_BIT(CHOPPY_REORDER_JITTER) |
		CHOPPY_FIELD_BIT(CHOPPY_RATE) | CHOPPY_FIELD_BIT(CHOPPY_RATE_BURST) |
		CHOPPY_FIELD_BIT(CHOPPY_OVERHEAD) | CHOPPY_FIELD_BIT(CHOPPY_CELL_SIZE) |
		CHOPPY_FIELD_BIT(CHOPPY_CELL_OVERHEAD) | CHOPPY_FIELD_BIT(CHOPPY_TRACE) |
		CHOPPY_FIELD_BIT(CHOPPY_TRACE_END) | CHOPPY_FIELD_BIT(CHOPPY_TRACE_START);

	c->set &= kept;
	if (!queue)
		return;
	c->set |= CHOPPY_FIELD_BIT(CHOPPY_LIMIT);
	c->limit = (struct choppy_amount){ .n = UINT64_MAX >> 1, .unit = CHOPPY_PACKETS };
}

/* Every chain anew, the base first: its condition has changed. */
int pipe_set_chains(struct pipe *p, uint64_t now_ns)
{
	struct run_list left;
	struct choppy_condition before = p->base->condition;
	int err, r;

	if (p->replayed)
		without_chance(&p->base->own, true); /* also what a trace's row has brought */
	run_list_init(&left);
	err = chain_set(p->base, NULL, &p->chances, now_ns, &left);
	p->waits = p->base->waits || p->replayed;
	for (uint32_t i = 0; i < p->nrules; i++) {
		r = chain_set(p->rule[i], p->base, NULL, now_ns, &left);
		err = err ? err : r;
		p->waits |= p->rule[i]->waits;
	}
	if (loss_differs(&before, &p->base->condition))
		p->count.judged = p->count.judged_lost = 0;
	go_on(p, &left, now_ns);
	return err;
}

/* The chain that this rule has already, or a new one. */
static struct chain *find_or_make(struct pipe *p, const struct chain_rule *rule, int *ret_err)
{
	for (uint32_t i = 0; i < p->nrules; i++)
		if (match_is(p->rule[i]->match, rule->rule))
			return p->rule[i];
	do
		p->next_id++;
	while (!p->next_id || pipe_chain_of(p, p->next_id) != p->base);
	return chain_new(p->next_id, &p->key, rule, ret_err);
}

static bool among(struct chain *const *list, uint32_t n, const struct chain *c)
{
	for (uint32_t i = 0; i < n; i++)
		if (list[i] == c)
			return true;
	return false;
}

/* All the memory that the plan needs, before anything is changed. */
static int prepare(struct pipe *p, const struct pipe_plan *plan, struct chain **rule)
{
	const struct queue_events events = pipe_queue_events(p);
	const struct trace *t = plan->trace;
	bool rated = t && !t->ncolumns;
	uint32_t n;
	int err = 0;

	for (uint32_t i = 0; t && i < t->ncolumns; i++)
		rated |= t->field[i] == CHOPPY_RATE;
	err = chain_reserve(p->base, plan->condition, rated, p->pool, &p->key, &events);
	for (n = 0; !err && n < plan->nrules; n++) {
		rule[n] = find_or_make(p, &plan->rules[n], &err);
		if (rule[n])
			err = chain_reserve(rule[n], &plan->rules[n].rule->condition, false,
					    p->pool, &p->key, &events);
	}
	for (; err && n--;)
		if (rule[n] && !among(p->rule, p->nrules, rule[n]))
			chain_free(rule[n]);
	return err;
}

/* Chains whose rule is gone: their packets go on under the direction's own condition. */
static void retire(struct pipe *p, struct chain *const *rule, uint32_t nrules, uint64_t now_ns)
{
	struct chain *old[LINK_RULES_MAX];
	struct run_list left;
	uint32_t n = p->nrules;

	run_list_init(&left);
	memcpy(old, p->rule, sizeof(old));
	memcpy(p->rule, rule, nrules * sizeof(*rule));
	p->nrules = nrules;
	for (uint32_t i = 0; i < n; i++) {
		if (among(rule, nrules, old[i]))
			continue;
		if (old[i]->queue)
			queue_empty(old[i]->queue, &left);
		gate_expire(&old[i]->gate, &p->line, LINE_NEVER - 1);
		chain_free(old[i]);
	}
	go_on(p, &left, now_ns);
}

/* Whether both play the same to the same end, from wherever they were read. */
static bool same_trace(const struct trace *a, const struct trace *b,
		       const struct choppy_condition *x, const struct choppy_condition *y)
{
	static const uint64_t words = CHOPPY_FIELD_BIT(CHOPPY_TRACE) |
				      CHOPPY_FIELD_BIT(CHOPPY_TRACE_END) |
				      CHOPPY_FIELD_BIT(CHOPPY_TRACE_START);

	if (!a || !b || (x->set & words) != (y->set & words) || x->trace_end != y->trace_end ||
	    x->trace_start != y->trace_start || a->ncolumns != b->ncolumns ||
	    a->nrows != b->nrows || a->period_ns != b->period_ns || a->unit != b->unit ||
	    memcmp(a->field, b->field, sizeof(a->field)) != 0)
		return false;
	if (trace_is_chances(a))
		return !memcmp(a->chance_ms, b->chance_ms, a->nrows * sizeof(*a->chance_ms));
	return !memcmp(a->rows, b->rows, (size_t)a->nrows * (1 + a->ncolumns) * sizeof(*a->rows));
}

static void begin_chances(struct pipe *p, const struct trace *t, uint64_t now_ns)
{
	bool waits = has(&p->condition, CHOPPY_TRACE_START) &&
		     p->condition.trace_start == CHOPPY_TRACE_FIRST_PACKET;
	bool stops = has(&p->condition, CHOPPY_TRACE_END) &&
		     p->condition.trace_end == CHOPPY_TRACE_STOP;

	p->chances = (struct queue_chances){
		.at_ms = t->chance_ms,
		.n = t->nrows,
		.end = CHOPPY_TRACE_LOOP, /* its end is the pipe's to see */
		.start_ns = waits ? QUEUE_NEVER : now_ns,
	};
	p->chances_period_ns = t->period_ns;
	p->chances_wait = waits && stops;
	p->chances_end_ns = stops && !waits ? now_ns + t->period_ns : PIPE_NEVER;
}

/* The plan's trace from @now_ns on; the one that plays already goes on. */
static void begin_trace(struct pipe *p, const struct trace *t, bool same, uint64_t now_ns)
{
	struct trace_player before = p->trace;

	if (t && trace_is_chances(t) && same) {
		p->chances.at_ms = t->chance_ms;
		return;
	}
	p->chances = (struct queue_chances){ .n = 0 };
	p->chances_end_ns = PIPE_NEVER;
	p->chances_wait = false;
	p->trace = (struct trace_player){ .over = true };
	if (t && trace_is_chances(t))
		begin_chances(p, t, now_ns);
	else if (t && same)
		trace_resume(&p->trace, &before, t, &p->base->own);
	else if (t)
		trace_begin(&p->trace, t, &p->condition, now_ns);
	/* A row for this very moment is in force with the rest. */
	if (trace_next(&p->trace) <= now_ns)
		trace_apply(&p->trace, &p->base->own, &p->condition);
}

int pipe_set(struct pipe *p, const struct pipe_plan *plan, uint64_t now_ns, struct run_list *out)
{
	struct chain *rule[LINK_RULES_MAX] = { NULL };
	int err = prepare(p, plan, rule);
	bool same;

	if (err)
		return err;
	pipe_run(p, now_ns, now_ns, out);
	retire(p, rule, plan->nrules, now_ns);
	same = same_trace(p->played, plan->trace, &p->condition, plan->condition);
	p->condition = *plan->condition;
	p->replayed = plan->replayed;
	p->replay = p->replay_behind = plan->replay;
	if (p->replayed)
		without_chance(&p->condition, true);
	p->base->own = p->condition;
	p->base->data = plan->data;
	for (uint32_t i = 0; i < plan->nrules; i++) {
		rule[i]->own = plan->rules[i].rule->condition;
		rule[i]->data = plan->rules[i].data;
		if (p->replayed)
			without_chance(&rule[i]->own, has(&rule[i]->own, CHOPPY_RATE));
	}
	begin_trace(p, plan->trace, same, now_ns);
	p->played = plan->trace;
	err = pipe_set_chains(p, now_ns);
	pipe_take_due(p, now_ns, out);
	return err;
}
