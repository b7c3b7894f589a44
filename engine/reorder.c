/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reordering: a chosen packet skips the delay and so overtakes all that wait for theirs, as netem
 * has it (net/sched/sch_netem.c: with a gap of N it may do so only when N - 1 packets
 * have been delayed since the last one); or, with `by`, it is the one that is overtaken. One draw.
 */
#include "chance.h"
#include "stage.h"

#define WITHIN_NS 100000000u /* where it is not said */

struct reorder {
	struct rng rng;
	struct chance chance;
	uint64_t gap, delayed;
	uint32_t by;
	uint64_t within_ns;
};

static void reorder_init(void *state, const struct rng_key *key)
{
	struct reorder *r = state;

	rng_init(&r->rng, key);
}

static bool has(const struct choppy_condition *c, enum choppy_field field)
{
	return c->set & CHOPPY_FIELD_BIT(field);
}

static void reorder_set(void *state, const struct choppy_condition *c,
			const struct stage_data *data, uint64_t now_ns)
{
	struct reorder *r = state;

	chance_set(&r->chance, has(c, CHOPPY_REORDER) ? c->reorder_ppb : 0,
		   has(c, CHOPPY_REORDER_CORRELATION) ? c->reorder_correlation_ppb : 0);
	r->gap = has(c, CHOPPY_REORDER_GAP) ? c->reorder_gap : 1;
	r->by = has(c, CHOPPY_REORDER_BY) ? (uint32_t)c->reorder_by : 0;
	r->within_ns = has(c, CHOPPY_REORDER_WITHIN) ? c->reorder_within_ns : WITHIN_NS;
}

static bool reorder_packet(void *state, struct wire *w)
{
	struct reorder *r = state;
	bool yes = chance_draw(&r->chance, &r->rng);

	if (yes && r->by) {
		w->behind = r->by;
		w->within_ns = r->within_ns;
	} else if (yes && r->delayed >= r->gap - 1) {
		w->hurry = true;
		r->delayed = 0;
	} else {
		r->delayed++;
	}
	return true;
}

const struct stage reorder_stage = {
	.name = "reorder",
	.fields = CHOPPY_FIELD_BIT(CHOPPY_REORDER) | CHOPPY_FIELD_BIT(CHOPPY_REORDER_CORRELATION) |
		  CHOPPY_FIELD_BIT(CHOPPY_REORDER_GAP) | CHOPPY_FIELD_BIT(CHOPPY_REORDER_BY) |
		  CHOPPY_FIELD_BIT(CHOPPY_REORDER_WITHIN) | CHOPPY_FIELD_BIT(CHOPPY_REORDER_JITTER),
	.reason = CHOPPY_NDROPS, /* it refuses nothing */
	.delays = true,
	.behind_queue = true,
	.size = sizeof(struct reorder),
	.init = reorder_init,
	.set = reorder_set,
	.packet = reorder_packet,
};
