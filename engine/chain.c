/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of stages, and which of them are awake for a rule. A rule that has a clause for
 * a stage has a state of that stage for itself, whose random stream is keyed by the rule's
 * expression: so no rule shifts another, or the direction's own. A rule with a clause for the
 * bottleneck has a queue of its own; one with a clause for a delay, for slots or for a
 * bottleneck has its own gate, since it keeps its packets in order among themselves only.
 */
#include "chain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct stage *const stages[] = {
	&outage_stage,	&mtu_stage,	&list_stage,  &loss_stage, &duplicate_stage,
	&corrupt_stage, &reorder_stage, &delay_stage, &slot_stage,
};
_Static_assert(sizeof(stages) / sizeof(stages[0]) == CHAIN_STAGES, "the table has its size");

#define BIT(field) CHOPPY_FIELD_BIT(CHOPPY_##field)

/* What makes a bottleneck another one. */
static const uint64_t queue_fields = BIT(RATE) | BIT(RATE_BURST) | BIT(OVERHEAD) | BIT(CELL_SIZE) |
				     BIT(CELL_OVERHEAD) | BIT(LIMIT) | BIT(QUEUE) |
				     BIT(QUEUE_TARGET) | BIT(QUEUE_INTERVAL) | BIT(QUEUE_TUPDATE) |
				     BIT(QUEUE_FLOWS) | BIT(QUEUE_QUANTUM) | BIT(QUEUE_MIN) |
				     BIT(QUEUE_MAX) | BIT(QUEUE_PROBABILITY);

const uint64_t chain_loss_fields = BIT(LOSS) | BIT(LOSS_CORRELATION) | BIT(LOSS_BURST) |
				   BIT(LOSS_EVERY) | BIT(GE_P) | BIT(GE_R) | BIT(GE_BAD) |
				   BIT(GE_GOOD) | BIT(STATE_P13) | BIT(STATE_P31) | BIT(STATE_P32) |
				   BIT(STATE_P23) | BIT(STATE_P14);

/* ------------------------------------------------------------------- life */

/* What keys the streams of a rule: its packets, in words. */
static void purpose(char *buf, size_t size, const char *stage, const struct chain_rule *rule)
{
	int n = snprintf(buf, size, "%s", stage);

	if (!rule)
		return;
	n += snprintf(buf + n, size - (size_t)n, " %s", rule->rule->match);
	for (uint32_t i = 0; i < rule->rule->nth.n && (size_t)n < size; i++)
		n += snprintf(buf + n, size - (size_t)n, ",%llu-%llu",
			      (unsigned long long)rule->rule->nth.range[i].first,
			      (unsigned long long)rule->rule->nth.range[i].last);
	if ((size_t)n < size)
		snprintf(buf + n, size - (size_t)n, " %llu",
			 (unsigned long long)rule->rule->first.n);
}

static int make_states(struct chain *c, const struct rng_key *key, const struct chain_rule *rule)
{
	char text[CHOPPY_MATCH_MAX + 512];
	struct rng_key own = *key;

	own.purpose = text;
	for (size_t i = 0; i < CHAIN_STAGES; i++) {
		c->state[i] = calloc(1, stages[i]->size);
		if (!c->state[i])
			return -ENOMEM;
		purpose(text, sizeof(text), stages[i]->name, rule);
		if (stages[i]->init)
			stages[i]->init(c->state[i], &own);
	}
	return 0;
}

struct chain *chain_new(uint16_t id, const struct rng_key *key, const struct chain_rule *rule,
			int *ret_err)
{
	struct chain *c = calloc(1, sizeof(*c));

	*ret_err = -ENOMEM;
	if (!c)
		return NULL;
	c->id = id;
	c->passes = &c->gate;
	gate_init(&c->gate);
	if (make_states(c, key, rule) < 0)
		goto fail;
	if (rule) {
		c->match = match_new(rule->rule, rule->insns, rule->ninsns, ret_err);
		if (!c->match)
			goto fail;
	}
	*ret_err = 0;
	return c;
fail:
	chain_free(c);
	return NULL;
}

void chain_free(struct chain *c)
{
	if (!c)
		return;
	if (c->queue)
		queue_free(c->queue);
	match_free(c->match);
	for (size_t i = 0; i < CHAIN_STAGES; i++)
		free(c->state[i]);
	free(c);
}

int chain_reserve(struct chain *c, const struct choppy_condition *own, bool rated,
		  struct pool *pool, const struct rng_key *key, const struct queue_events *events)
{
	bool needed = rated || own->set & (c->id ? queue_fields : BIT(RATE));

	if (c->queue || !needed)
		return 0;
	c->queue = queue_new(pool, key, events);
	return c->queue ? 0 : -ENOMEM;
}

/* ---------------------------------------------------------------- setting */

static void wake(struct chain *c, const struct chain *base)
{
	bool own_time = !base;

	c->before.n = c->behind.n = 0;
	c->waits = c->joins;
	for (size_t i = 0; i < CHAIN_STAGES; i++) {
		const struct stage *s = stages[i];
		bool own = !base || c->own.set & s->fields;
		struct chain_part *part = s->behind_queue ? &c->behind : &c->before;

		if (!(s->fields & c->condition.set))
			continue;
		own_time |= own && s->behind_queue &&
			    (s != &reorder_stage || c->condition.set & BIT(REORDER_JITTER));
		c->waits |= s->delays;
		part->stage[part->n] = s;
		part->state[part->n++] = own ? c->state[i] : base->state[i];
	}
	own_time |= base && c->joins != base->joins;
	c->passes = own_time ? &c->gate : base->passes;
	c->gate.open = c->condition.set & BIT(REORDER_JITTER);
	c->chance_delay = (c->condition.set & BIT(JITTER) && c->condition.jitter_ns) ||
			  c->condition.set & (BIT(SLOT) | BIT(SLOT_DISTRIBUTION));
}

/* The queue that the packets enter from now on; what another one held is left over. */
static int set_queue(struct chain *c, const struct chain *base, const struct queue_chances *chances,
		     uint64_t now_ns, struct run_list *ret_left)
{
	bool own = !base || c->own.set & queue_fields;
	bool rated = c->condition.set & BIT(RATE) || (chances && chances->n);
	int err;

	if (own && rated && c->queue) {
		err = queue_set(c->queue, &c->condition, chances, now_ns);
		if (!err)
			c->joins = c->queue;
		return err;
	}
	if (c->queue)
		queue_leave(c->queue, ret_left);
	c->joins = own ? NULL : base->joins;
	return 0;
}

int chain_set(struct chain *c, const struct chain *base, const struct queue_chances *chances,
	      uint64_t now_ns, struct run_list *ret_left)
{
	int err;

	c->condition = base ? base->condition : c->own;
	if (base)
		choppy_condition_merge(&c->condition, &c->own);
	err = set_queue(c, base, chances, now_ns, ret_left);
	for (size_t i = 0; i < CHAIN_STAGES; i++)
		stages[i]->set(c->state[i], &c->condition, &c->data, now_ns);
	wake(c, base);
	return err;
}

uint64_t chain_hold_ns(const struct chain *c)
{
	const struct choppy_condition *k = &c->condition;
	int64_t least = 0;

	if (!(k->set & BIT(DELAY)) || k->set & BIT(REORDER))
		return 0;
	if (!(k->set & BIT(JITTER)))
		return k->delay_ns;
	if (!c->data.ndelay_table)
		return k->delay_ns - k->jitter_ns;
	for (uint32_t i = 0; i < c->data.ndelay_table; i++)
		if (c->data.delay_table[i] < least)
			least = c->data.delay_table[i];
	least = (int64_t)k->delay_ns +
		(int64_t)((__int128)least * (int64_t)k->jitter_ns / STAGE_TABLE_SCALE) - 1;
	return least > 0 ? (uint64_t)least : 0;
}
