/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Delay, and jitter as a uniform spread around it: one draw for each wire
 * packet. The delay line behind the stages lets no packet overtake another, so
 * a packet drawn early waits for the one before it.
 */
#include "stage.h"

struct delay {
	struct rng rng;
	uint64_t least_ns; /* delay - jitter */
	uint64_t spread; /* values that the jitter can take: 2 * jitter + 1, or 0 without it */
};

static void delay_init(void *state, const struct rng_key *key)
{
	struct delay *d = state;

	rng_init(&d->rng, key);
}

static void delay_set(void *state, const struct choppy_condition *c, uint64_t now_ns)
{
	struct delay *d = state;
	uint64_t delay_ns = c->set & CHOPPY_FIELD_BIT(CHOPPY_DELAY) ? c->delay_ns : 0;
	uint64_t jitter_ns = c->set & CHOPPY_FIELD_BIT(CHOPPY_JITTER) ? c->jitter_ns : 0;

	d->least_ns = delay_ns - jitter_ns;
	d->spread = jitter_ns ? 2 * jitter_ns + 1 : 0;
}

static bool delay_packet(void *state, struct wire *w)
{
	struct delay *d = state;

	w->at_ns += d->least_ns;
	if (d->spread)
		w->at_ns += rng_below(&d->rng, d->spread);
	return true;
}

const struct stage delay_stage = {
	.name = "delay",
	.fields = CHOPPY_FIELD_BIT(CHOPPY_DELAY) | CHOPPY_FIELD_BIT(CHOPPY_JITTER),
	.reason = CHOPPY_NDROPS, /* it refuses nothing */
	.delays = true,
	.size = sizeof(struct delay),
	.init = delay_init,
	.set = delay_set,
	.packet = delay_packet,
};
