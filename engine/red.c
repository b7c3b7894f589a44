/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RED (Floyd and Jacobson, "Random early detection gateways for congestion avoidance", 1993), on
 * bytes. At each arrival the average length of the queue moves a share w = 2^-n of the
 * way to the present one,
 *
 *     avg = avg + w * (bytes - avg),    after m idle packet times    avg = (1 - w)^m * avg
 *
 * a packet time being that of a packet of 1000 bytes at the link's rate. Below min nothing is
 * dropped, from max on everything, and in between with
 *
 *     pb = probability * (avg - min) / (max - min)    spread by    pa = pb / (1 - count * pb)
 *
 * where count is the number of packets let pass since the last drop: so the distance between drops
 * is even from 1 to 1 / pb (section 7, method 2), its mean (1 + 1/pb) / 2.
 *
 * w is the rule of thumb of tc-red(8): with a burst of (2 * min + max) / (3 * 1000) packets, the
 * largest w for which the average of that many arrivals in an empty queue does not
 * exceed min: burst + 1 - min / 1000 <= (1 - (1 - w)^burst) / w. A min of less than one such packet
 * has no such w; then it is 2^-9, the paper's 0.002. Also from there: where
 * only one of min and max is given, max is 3 * min; where none is, max is a quarter of
 * the limit. An ECN-capable packet is marked in place of being dropped.
 *
 * avg has 24 bits behind the point, probabilities and powers 64.
 */
#include "discipline.h"

typedef unsigned __int128 u128;

#define PACKET 1000u
#define PROBABILITY_PPB 20000000u
#define ALWAYS_PPB 1000000000u
#define POINT 24
#define SHIFT_MAX 31
#define SHIFT_OTHERWISE 9
#define NS_PER_S 1000000000u

struct red {
	uint64_t min, max, probability_ppb; /* min and max in units of avg */
	unsigned int shift; /* w = 2^-shift */
	uint64_t avg;
	uint64_t count;
};

/* (1 - 2^-@shift)^@n, in units of 2^-64; 1 is the largest value. */
static uint64_t power(unsigned int shift, uint64_t n)
{
	uint64_t base = -(1ull << (64 - shift)), result = UINT64_MAX;

	for (; n && result; n /= 2) {
		if (n & 1)
			result = (uint64_t)((u128)result * base >> 64);
		base = (uint64_t)((u128)base * base >> 64);
	}
	return result;
}

static unsigned int shift_for(uint64_t min, uint64_t max)
{
	uint64_t burst = (2 * min + max) / (3 * PACKET);
	u128 need, have;

	if (!burst)
		burst = 1;
	if ((burst + 1) * PACKET <= min)
		return 1;
	need = (u128)((burst + 1) * PACKET - min) << 64; /* in bytes, units of 2^-64 */
	for (unsigned int shift = 1; shift < SHIFT_MAX; shift++) {
		have = (u128)(UINT64_MAX - power(shift, burst)) << shift;
		if (need / PACKET <= have)
			return shift;
	}
	return SHIFT_OTHERWISE;
}

static uint64_t limit_bytes(const struct choppy_condition *c, const struct backlog *b)
{
	u128 bytes;

	if (!(c->set & CHOPPY_FIELD_BIT(CHOPPY_LIMIT)))
		return CHOPPY_LIMIT_DEFAULT_PACKETS * PACKET;
	bytes = c->limit.n;
	if (c->limit.unit == CHOPPY_PACKETS)
		bytes *= PACKET;
	if (c->limit.unit == CHOPPY_NANOSECONDS)
		bytes = bytes * transmitter_rate(&b->transmitter) / 8 / NS_PER_S;
	return bytes >> 36 ? 1ull << 36 : (uint64_t)bytes;
}

static void red_set(void *state, struct backlog *b, const struct choppy_condition *c,
		    uint64_t now_ns)
{
	struct red *r = state;
	bool min_given = c->set & CHOPPY_FIELD_BIT(CHOPPY_QUEUE_MIN);
	bool max_given = c->set & CHOPPY_FIELD_BIT(CHOPPY_QUEUE_MAX);
	uint64_t min = c->queue_min_bytes, max = c->queue_max_bytes;

	if (!max_given)
		max = min_given ? 3 * min : limit_bytes(c, b) / 4;
	if (!min_given)
		min = max / 3;
	r->min = min << POINT;
	r->max = max << POINT;
	r->shift = shift_for(min, max);
	r->probability_ppb = PROBABILITY_PPB;
	if (c->set & CHOPPY_FIELD_BIT(CHOPPY_QUEUE_PROBABILITY))
		r->probability_ppb = c->queue_probability_ppb;
}

static void average(struct red *r, const struct backlog *b, uint64_t now_ns)
{
	uint64_t idle_ns, length = b->bytes << POINT;
	u128 packets;

	if (b->packets || transmitter_sending(&b->transmitter, now_ns)) {
		if (length >= r->avg)
			r->avg += (length - r->avg) >> r->shift;
		else
			r->avg -= (r->avg - length) >> r->shift;
		return;
	}
	idle_ns = now_ns - b->transmitter.out_ns;
	packets = (u128)idle_ns * transmitter_rate(&b->transmitter) / (PACKET * 8ull * NS_PER_S);
	r->avg = (uint64_t)((u128)r->avg * power(r->shift, (uint64_t)packets) >> 64);
}

/* Whether chance is against the packet, at the present average. */
static bool chance(struct red *r, struct rng *rng)
{
	uint64_t share, pb, draw = rng_next(rng);
	u128 rest = (u128)1 << 64;

	share = (uint64_t)(((u128)(r->avg - r->min) << 64) / (r->max - r->min));
	pb = (uint64_t)((u128)share * r->probability_ppb / ALWAYS_PPB);
	if (!pb)
		return false;
	if ((u128)(r->count + 1) * pb >> 64)
		return true;
	rest -= (u128)r->count * pb;
	return (u128)draw * rest < (u128)pb << 64;
}

static bool drop_early(struct red *r, struct rng *rng)
{
	bool drop = r->avg >= r->max || (r->avg >= r->min && chance(r, rng));

	r->count = drop || r->avg < r->min ? 0 : r->count + 1;
	return drop;
}

static void red_offer(void *state, struct backlog *b, const struct unit *u)
{
	struct red *r = state;
	uint8_t flags = 0;

	average(r, b, u->run.due_ns);
	if (drop_early(r, &b->rng)) {
		if (!backlog_mark(b, &u->run, u->run.first, u->run.due_ns)) {
			backlog_refuse(b, u, CHOPPY_DROP_AQM);
			return;
		}
		flags = FRAME_CE;
	}
	if (backlog_fits(b, u))
		backlog_add(b, &b->fifo, u, flags);
	else
		backlog_refuse(b, u, CHOPPY_DROP_QUEUE);
}

const struct discipline red_discipline = {
	.limit_packets = CHOPPY_LIMIT_DEFAULT_PACKETS,
	.size = sizeof(struct red),
	.set = red_set,
	.offer = red_offer,
	.pick = fifo_pick,
	.ahead = fifo_ahead,
};
