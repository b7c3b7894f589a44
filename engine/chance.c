/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Markov chain of two answers. The chance of a yes behind a no and behind a yes are
 *
 *	correlation c:  P (1 - c)        P + c (1 - P)
 *	mean run B:     P / (B (1 - P))  1 - 1 / B
 *
 * Either way the share of yes in the long run is P; the first answer is drawn with P, so it
 * is P for every single packet too. The correlation of answers k apart is c to the k-th, and runs
 * of yes have a geometric length of mean 1 / (1 - chance behind a yes). netem's way, a moving
 * average of uniform numbers before a threshold, has neither the share nor the correlation asked
 * for. (Gilbert 1960; the two parametrisations are the same chain.)
 *
 * Chances are thresholds for 64 random bits, rounded up to the next 2^-64.
 */
#include "chance.h"

#define PPB ((unsigned __int128)1000000000u)
#define MILLION ((unsigned __int128)1000000u)

/* @num / @den as a threshold; UINT64_MAX is certain. @num below 2^64. */
static uint64_t threshold(unsigned __int128 num, unsigned __int128 den)
{
	if (num >= den)
		return UINT64_MAX;
	return (uint64_t)(((num << 64) + den - 1) / den);
}

static bool draw_below(struct rng *rng, uint64_t threshold)
{
	uint64_t bits = rng_next(rng);

	return bits < threshold || threshold == UINT64_MAX;
}

void chance_set(struct chance *c, uint64_t ppb, uint64_t correlation_ppb)
{
	c->rate = threshold(ppb, PPB);
	c->after_no = threshold(ppb * (PPB - correlation_ppb), PPB * PPB);
	c->after_yes = threshold(ppb * PPB + correlation_ppb * (PPB - ppb), PPB * PPB);
}

void chance_set_burst(struct chance *c, uint64_t ppb, uint64_t burst_ppm)
{
	c->rate = threshold(ppb, PPB);
	c->after_no = ppb < PPB ? threshold(ppb * MILLION, burst_ppm * (PPB - ppb)) : UINT64_MAX;
	c->after_yes = ppb < PPB ? threshold(burst_ppm - MILLION, burst_ppm) : UINT64_MAX;
}

bool chance_draw(struct chance *c, struct rng *rng)
{
	uint64_t t = !c->begun ? c->rate : c->last ? c->after_yes : c->after_no;

	c->begun = true;
	c->last = draw_below(rng, t);
	return c->last;
}

bool chance_once(struct rng *rng, uint64_t ppb)
{
	return draw_below(rng, threshold(ppb, PPB));
}

bool chance_ratio(struct rng *rng, uint64_t num, uint64_t den)
{
	return draw_below(rng, den ? threshold(num, den) : 0);
}
