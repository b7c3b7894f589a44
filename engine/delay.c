/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Delay, and jitter of any shape around it (dist.h). The line behind the stages
 * lets no packet overtake another unless that is asked for, so a packet drawn early waits
 * for the one before it.
 *
 * Correlation: with this probability a packet takes over the random part of the packet before,
 * else it has a new one of its own. Whatever the shape, every packet's delay is then
 * distributed exactly as without correlation, and the delays of two packets k apart are the same
 * with probability rho^k and independent otherwise: their correlation is rho^k. (netem
 * mixes the last random number into the next one and takes the result modulo the range,
 * which keeps neither the shape nor, below seconds of jitter, the correlation.)
 *
 * What is taken over are the random bits, not the time: under a new condition they give the
 * same place in the new spread. The first packet may take over a draw made before it.
 *
 * With jitter, every packet takes two draws, also one that skips the delay, so that streams stay
 * aligned; without, none.
 */
#include "dist.h"
#include "stage.h"

#define PPB 1000000000u

struct delay {
	struct rng rng;
	struct dist dist;
	bool varies;
	uint64_t keep_ppb; /* probability to take over what the packet before had */
	uint64_t random; /* that */
};

static void delay_init(void *state, const struct rng_key *key)
{
	struct delay *d = state;

	rng_init(&d->rng, key);
	d->random = rng_next(&d->rng);
}

static void delay_set(void *state, const struct choppy_condition *c, const struct stage_data *data,
		      uint64_t now_ns)
{
	struct delay *d = state;
	uint64_t delay_ns = c->set & CHOPPY_FIELD_BIT(CHOPPY_DELAY) ? c->delay_ns : 0;
	uint64_t jitter_ns = c->set & CHOPPY_FIELD_BIT(CHOPPY_JITTER) ? c->jitter_ns : 0;

	d->varies = jitter_ns;
	d->keep_ppb = c->set & CHOPPY_FIELD_BIT(CHOPPY_DELAY_CORRELATION) ? c->delay_correlation_ppb
									  : 0;
	if (jitter_ns)
		d->dist = dist_shaped(delay_ns, jitter_ns, data->delay_table, data->ndelay_table);
	else
		d->dist = dist_even(delay_ns, delay_ns);
}

static bool delay_packet(void *state, struct wire *w)
{
	struct delay *d = state;

	if (d->varies) {
		uint64_t fresh = rng_next(&d->rng);

		if (rng_below(&d->rng, PPB) >= d->keep_ppb)
			d->random = fresh;
	}
	if (!w->hurry)
		w->at_ns += dist_at(&d->dist, d->random);
	return true;
}

const struct stage delay_stage = {
	.name = "delay",
	.fields = CHOPPY_FIELD_BIT(CHOPPY_DELAY) | CHOPPY_FIELD_BIT(CHOPPY_JITTER),
	.reason = CHOPPY_NDROPS, /* it refuses nothing */
	.delays = true,
	.behind_queue = true,
	.size = sizeof(struct delay),
	.init = delay_init,
	.set = delay_set,
	.packet = delay_packet,
};
