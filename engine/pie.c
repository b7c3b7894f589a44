/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PIE (RFC 8033). Every update interval the drop probability moves by
 *
 *     p = 1/8 Hz * (delay - target) + 10/8 Hz * (delay - delay at the last update)
 *
 * scaled down while the probability is small (section 4.2), at most up by 2% once it is 10%
 * (section 5.5), and decays by 1/64 where the delay is zero twice. A packet that arrives is
 * dropped with that probability, unless the delay was below half the target and the probability is
 * below 20%, or no more than two packets of 1514 bytes wait (4.1), or less than 150 ms
 * have passed since congestion began (4.4). Drops are spread (5.4): none until the probabilities
 * since the last one sum up to 0.85, always one from 8.5 on. ECN-capable packets are
 * marked in place of being dropped up to a probability of 10% (5.1), dropped above it.
 *
 * The delay needs no estimate of the departure rate and no time stamps (5.2): it is how long the
 * transmitter needs for what it sends and what waits now. From one arrival to the next that falls
 * by 1 ns per ns down to zero, whatever starts meanwhile, so the updates due since the last arrival
 * are made up for at the next one, each with the delay of its own time. Where they would change
 * nothing but the last delay, they are skipped by a division: the probability is 0 and stays so, or
 * it is 1 and stays so. What is left is bounded by the time that 0 to 1 or 1 to 0 takes, so an hour
 * without packets costs as many steps as a minute.
 *
 * Whether PIE is active at all (5.3) is not distinguished: a queue without delay has
 * probability 0. Probabilities are whole numbers in units of 2^-60.
 */
#include "pie.h"

#include "discipline.h"

typedef __int128 i128;

#define ONE PIE_ONE
#define SPARE_BITS 4 /* above it */
#define PERCENT(n) (ONE / 100 * (n))
#define TARGET_NS 15000000u
#define TUPDATE_NS 15000000u
#define MAX_BURST_NS 150000000u
#define BETA 10 /* in units of alpha */
#define PER_ALPHA 8000000000ll /* 1 / (1/8 Hz * 1 ns) */
#define LARGEST_SCALE 2048
#define MAX_STEP PERCENT(2)

/* Below this probability an update counts one scale-th. */
static const struct scale_row {
	uint64_t below;
	int64_t scale;
} scales[] = {
	{ ONE / 1000000, 2048 }, { ONE / 100000, 512 }, { ONE / 10000, 128 },
	{ ONE / 1000, 32 },	 { ONE / 100, 8 },	{ ONE / 10, 2 },
};

static int64_t scale_of(uint64_t probability)
{
	for (size_t i = 0; i < sizeof(scales) / sizeof(scales[0]); i++)
		if (probability < scales[i].below)
			return scales[i].scale;
	return 1;
}

static uint64_t delay_at(uint64_t drained_ns, uint64_t at_ns)
{
	return drained_ns > at_ns ? drained_ns - at_ns : 0;
}

/* ----------------------------------------------------------------- updates */

static void decay(struct pie *p)
{
	p->probability -= (p->probability + 63) / 64; /* rounded up, or it would never be 0 */
}

void pie_update(struct pie *p, uint64_t delay_ns)
{
	const i128 most = (i128)PER_ALPHA * LARGEST_SCALE * 2; /* more than enough for 0 to 1 */
	i128 delta = (i128)delay_ns - p->target_ns + BETA * ((i128)delay_ns - p->old_ns);

	delta = delta > most ? most : delta < -most ? -most : delta;
	delta = delta * (i128)ONE / (PER_ALPHA * scale_of(p->probability));
	if (p->probability >= ONE / 10 && delta > (i128)MAX_STEP)
		delta = MAX_STEP;
	delta += p->probability;
	p->probability = delta < 0 ? 0 : delta > (i128)ONE ? ONE : (uint64_t)delta;
	if (!delay_ns && !p->old_ns)
		decay(p);
	p->old_ns = delay_ns;
}

/* How many of the next updates leave the probability as it is, up to @now_ns. */
static uint64_t without_effect(const struct pie *p, uint64_t drained_ns, uint64_t now_ns)
{
	uint64_t delay_ns = delay_at(drained_ns, p->next_ns);
	uint64_t due = (now_ns - p->next_ns) / p->tupdate_ns + 1;
	uint64_t least_ns = p->target_ns + BETA * p->tupdate_ns, n;

	if (!p->probability && delay_ns <= p->target_ns && delay_ns <= p->old_ns)
		return due;
	if (p->probability < ONE || delay_ns < least_ns || p->old_ns != delay_ns + p->tupdate_ns)
		return 0;
	n = (delay_ns - least_ns) / p->tupdate_ns + 1;
	return n < due ? n : due;
}

/* Make the updates due up to @now_ns. */
static void pie_settle(void *state, const struct backlog *b, uint64_t now_ns)
{
	struct pie *p = state;
	uint64_t drained_ns, n;

	if (p->next_ns > now_ns)
		return;
	drained_ns = transmitter_drained(&b->transmitter, b->wire);
	while (p->next_ns <= now_ns) {
		n = without_effect(p, drained_ns, now_ns);
		if (n) {
			p->next_ns += n * p->tupdate_ns;
			p->old_ns = delay_at(drained_ns, p->next_ns - p->tupdate_ns);
		} else {
			n = 1;
			pie_update(p, delay_at(drained_ns, p->next_ns));
			p->next_ns += p->tupdate_ns;
		}
		p->burst_ns -= p->burst_ns < n * p->tupdate_ns ? p->burst_ns : n * p->tupdate_ns;
	}
}

static void pie_set(void *state, struct backlog *b, const struct choppy_condition *c,
		    uint64_t now_ns)
{
	struct pie *p = state;
	uint64_t tupdate_ns = TUPDATE_NS;

	if (c->set & CHOPPY_FIELD_BIT(CHOPPY_QUEUE_TUPDATE))
		tupdate_ns = c->queue_tupdate_ns;
	if (tupdate_ns != p->tupdate_ns)
		p->next_ns = now_ns + tupdate_ns;
	p->tupdate_ns = tupdate_ns;
	p->target_ns = TARGET_NS;
	if (c->set & CHOPPY_FIELD_BIT(CHOPPY_QUEUE_TARGET))
		p->target_ns = c->queue_target_ns;
}

/* ---------------------------------------------------------------- arriving */

/* Whether chance is against the packet. */
static bool drop_early(struct pie *p, struct backlog *b)
{
	if (p->old_ns < p->target_ns / 2 && p->probability < ONE / 5)
		return false;
	if (b->bytes <= 2 * DISCIPLINE_MTU)
		return false;
	p->sum = p->probability ? p->sum + p->probability : 0;
	if (p->sum < PERCENT(85))
		return false;
	if (p->sum < PERCENT(850) && rng_next(&b->rng) >> SPARE_BITS >= p->probability)
		return false;
	p->sum = 0;
	return true;
}

static void pie_offer(void *state, struct backlog *b, const struct unit *u)
{
	struct pie *p = state;
	uint64_t now_ns = u->run.due_ns, delay_ns;
	uint8_t flags = 0;

	pie_settle(p, b, now_ns);
	if (!backlog_fits(b, u)) {
		p->sum = 0;
		backlog_refuse(b, u, CHOPPY_DROP_QUEUE);
		return;
	}
	delay_ns = delay_at(transmitter_drained(&b->transmitter, b->wire), now_ns);
	if (!p->probability && delay_ns < p->target_ns / 2 && p->old_ns < p->target_ns / 2)
		p->burst_ns = MAX_BURST_NS;
	if (!p->burst_ns && drop_early(p, b)) {
		if (p->probability > ONE / 10 || !backlog_mark(b, &u->run, u->run.first, now_ns)) {
			backlog_refuse(b, u, CHOPPY_DROP_AQM);
			return;
		}
		flags = FRAME_CE;
	}
	backlog_add(b, &b->fifo, u, flags);
}

const struct discipline pie_discipline = {
	.limit_packets = CHOPPY_LIMIT_DEFAULT_PACKETS,
	.size = sizeof(struct pie),
	.settle = pie_settle,
	.set = pie_set,
	.offer = pie_offer,
	.pick = fifo_pick,
	.ahead = fifo_ahead,
};
