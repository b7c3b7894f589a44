/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loss by one of four models, one call for each wire packet:
 *
 *   share, with a correlation or a mean run: the chain of chance.c
 *   every n-th packet: no chance in it
 *   gemodel (Gilbert 1960, Elliott 1963; in the order of net/sched/sch_netem.c): the state changes,
 *       then the packet is lost with the share of the state it found; two draws. It begins in
 *       either state with that state's share in the long run, p / (p + r) for bad.
 *   state (Salsano et al., "Definition of a general and intuitive loss model for packet networks
 *       and its implementation in the Netem module in the Linux kernel", 2012): the state changes,
 *       and packets that find it in 3 (a burst) or 4 (alone) are lost; one draw. It begins in 1.
 *
 * With ecn an ECN-capable packet is marked in place of its loss.
 */
#include "chance.h"
#include "stage.h"

#include <string.h>

#define PPB 1000000000u

enum model { MODEL_NONE, MODEL_CHANCE, MODEL_EVERY, MODEL_GE, MODEL_STATE };

/* What is asked for: equal ones let the model go on where it was. */
struct asked {
	enum model model;
	bool burst;
	uint64_t value[5];
};

struct loss {
	struct rng rng;
	struct asked asked;
	bool ecn;
	struct chance chance;
	uint64_t count; /* of the packets since the last one that every n-th took */
	unsigned state; /* 0: not begun; GE: 1 good, 2 bad; the four states are 1 to 4 */
};

static void loss_init(void *state, const struct rng_key *key)
{
	struct loss *l = state;

	rng_init(&l->rng, key);
}

static bool has(const struct choppy_condition *c, enum choppy_field field)
{
	return c->set & CHOPPY_FIELD_BIT(field);
}

static uint64_t or_else(const struct choppy_condition *c, enum choppy_field field, uint64_t value,
			uint64_t otherwise)
{
	return has(c, field) ? value : otherwise;
}

static struct asked ask(const struct choppy_condition *c)
{
	uint64_t p = c->ge_p_ppb, p13 = c->state_p13_ppb;

	if (has(c, CHOPPY_GE_P))
		return (struct asked){ MODEL_GE,
				       false,
				       { p, or_else(c, CHOPPY_GE_R, c->ge_r_ppb, PPB - p),
					 or_else(c, CHOPPY_GE_BAD, c->ge_bad_ppb, PPB),
					 or_else(c, CHOPPY_GE_GOOD, c->ge_good_ppb, 0) } };
	if (has(c, CHOPPY_STATE_P13))
		return (struct asked){ MODEL_STATE,
				       false,
				       { p13,
					 or_else(c, CHOPPY_STATE_P31, c->state_p31_ppb, PPB - p13),
					 or_else(c, CHOPPY_STATE_P32, c->state_p32_ppb, 0),
					 or_else(c, CHOPPY_STATE_P23, c->state_p23_ppb, PPB),
					 or_else(c, CHOPPY_STATE_P14, c->state_p14_ppb, 0) } };
	if (has(c, CHOPPY_LOSS_EVERY))
		return (struct asked){ MODEL_EVERY, false, { c->loss_every } };
	if (has(c, CHOPPY_LOSS_BURST))
		return (struct asked){ MODEL_CHANCE, true, { c->loss_ppb, c->loss_burst_ppm } };
	if (has(c, CHOPPY_LOSS))
		return (struct asked){ MODEL_CHANCE,
				       false,
				       { c->loss_ppb, or_else(c, CHOPPY_LOSS_CORRELATION,
							      c->loss_correlation_ppb, 0) } };
	return (struct asked){ MODEL_NONE, false, { 0 } };
}

static void loss_set(void *state, const struct choppy_condition *c, const struct stage_data *data,
		     uint64_t now_ns)
{
	struct loss *l = state;
	struct asked asked = ask(c);

	l->ecn = has(c, CHOPPY_ECN);
	if (asked.model == l->asked.model && asked.burst == l->asked.burst &&
	    !memcmp(asked.value, l->asked.value, sizeof(asked.value)))
		return;
	l->asked = asked;
	l->count = 0;
	l->state = 0;
	memset(&l->chance, 0, sizeof(l->chance));
	if (asked.burst)
		chance_set_burst(&l->chance, asked.value[0], asked.value[1]);
	else
		chance_set(&l->chance, asked.value[0], asked.value[1]);
}

static bool lost_by_chance(struct loss *l)
{
	return chance_draw(&l->chance, &l->rng);
}

static bool lost_every(struct loss *l)
{
	if (++l->count < l->asked.value[0])
		return false;
	l->count = 0;
	return true;
}

static bool lost_by_ge(struct loss *l)
{
	const uint64_t *v = l->asked.value; /* p, r, share lost in bad, in good */
	bool bad;

	if (!l->state)
		l->state = chance_ratio(&l->rng, v[0], v[0] + v[1]) ? 2 : 1;
	bad = l->state == 2;
	if (chance_once(&l->rng, bad ? v[1] : v[0]))
		l->state = bad ? 1 : 2;
	return chance_once(&l->rng, bad ? v[2] : v[3]);
}

static bool lost_by_state(struct loss *l)
{
	const uint64_t *v = l->asked.value; /* p13, p31, p32, p23, p14 */
	/* For each state: the states it may go to, by falling ranges of the draw; else it stays. */
	const struct {
		unsigned to[2];
		uint64_t share[2];
	} go[5] = {
		[1] = { { 4, 3 }, { v[4], v[0] } },
		[2] = { { 3, 0 }, { v[3], 0 } },
		[3] = { { 2, 1 }, { v[2], v[1] } },
		[4] = { { 1, 0 }, { PPB, 0 } },
	};
	uint64_t draw = rng_below(&l->rng, PPB);
	unsigned from = l->state ? l->state : 1;

	l->state = from;
	if (draw < go[from].share[0])
		l->state = go[from].to[0];
	else if (draw - go[from].share[0] < go[from].share[1])
		l->state = go[from].to[1];
	return l->state == 3 || l->state == 4;
}

static bool (*const lost[])(struct loss *l) = {
	[MODEL_CHANCE] = lost_by_chance,
	[MODEL_EVERY] = lost_every,
	[MODEL_GE] = lost_by_ge,
	[MODEL_STATE] = lost_by_state,
};

static bool loss_packet(void *state, struct wire *w)
{
	struct loss *l = state;

	if (!l->asked.model || !lost[l->asked.model](l))
		return true;
	w->mark = l->ecn && w->ect;
	return w->mark;
}

const struct stage loss_stage = {
	.name = "loss",
	.fields = CHOPPY_FIELD_BIT(CHOPPY_LOSS) | CHOPPY_FIELD_BIT(CHOPPY_LOSS_CORRELATION) |
		  CHOPPY_FIELD_BIT(CHOPPY_LOSS_BURST) | CHOPPY_FIELD_BIT(CHOPPY_LOSS_EVERY) |
		  CHOPPY_FIELD_BIT(CHOPPY_GE_P) | CHOPPY_FIELD_BIT(CHOPPY_GE_R) |
		  CHOPPY_FIELD_BIT(CHOPPY_GE_BAD) | CHOPPY_FIELD_BIT(CHOPPY_GE_GOOD) |
		  CHOPPY_FIELD_BIT(CHOPPY_STATE_P13) | CHOPPY_FIELD_BIT(CHOPPY_STATE_P31) |
		  CHOPPY_FIELD_BIT(CHOPPY_STATE_P32) | CHOPPY_FIELD_BIT(CHOPPY_STATE_P23) |
		  CHOPPY_FIELD_BIT(CHOPPY_STATE_P14) | CHOPPY_FIELD_BIT(CHOPPY_ECN),
	.reason = CHOPPY_DROP_LOSS,
	.size = sizeof(struct loss),
	.init = loss_init,
	.set = loss_set,
	.packet = loss_packet,
};
