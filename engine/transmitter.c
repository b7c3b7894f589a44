/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * At a rate, a packet starts when it has arrived and the one before it is out, and takes bits /
 * rate. The part of a nanosecond that a division leaves is carried on (struct point), so
 * the rate is exact over any length of time.
 *
 * With a burst of B bytes the packets are held by a token bucket of that depth. With T the time at
 * which all packets so far would be out at the bare rate, a packet of L bits moves it on to
 *
 *     T' = max(arrival, T) + L / rate        and is out at        max(arrival, T' - B / rate)
 *
 * What is kept is free = T - B / rate: the time from which a packet would have to wait. In
 * terms of it a packet starts at s = max(arrival, free), free moves on to
 * max(s - B / rate, free) + L / rate, and the packet is out at max(s, free). With B = 0
 * that is plain serialisation. A new bucket is full, and a live change takes the credit
 * along, in bytes, up to the new depth.
 *
 * Bytes on the link, for the rate: the frame and the overhead (which may be negative), at least the
 * overhead's least; with cells, as tc-netem(8) has it, that fills whole cells, and
 * each cell takes its size and its overhead. A super-packet that cannot be cut stands for several
 * packets; they are taken to be equally long.
 *
 * By chances (mahimahi's mm-link, src/frontend/link_queue.cc): at each time in the trace up to
 * CHANCE bytes of waiting packets pass. A packet counts from its IP header on and 4 bytes more,
 * those of a TUN device; it may need several chances, and what it leaves of one serves the next
 * packet, if one waits, or is lost. It is out at the chance that takes its last byte. A chance
 * serves what arrived before it, not at the same time. The trace repeats with its last
 * value as the period, or stops: then nothing leaves any more. Chances pass unused without
 * a step for each: the next one behind a time is found by division and binary search.
 *
 * A time behind FAR, 146 years from the start, is never.
 */
#include "transmitter.h"

#include <string.h>

#define NS_PER_BYTE_BPS 8000000000u /* a byte at 1 bit/s takes so many ns */
#define NS_PER_MS 1000000u
#define FAR (1ll << 62)
#define CHANCE 1504u
#define CHANCE_HEADER 4u
#define ETH_LEN 14u

typedef unsigned __int128 u128;

static bool before(struct point a, struct point b)
{
	return a.ns != b.ns ? a.ns < b.ns : a.rem < b.rem;
}

/* How long @wire bytes take. */
static struct point takes(uint64_t rate_bps, uint64_t wire)
{
	u128 x = (u128)wire * NS_PER_BYTE_BPS;
	u128 ns;

	if (!(x >> 64)) /* by far the cheaper division */
		return (struct point){ (int64_t)((uint64_t)x / rate_bps), (uint64_t)x % rate_bps };
	ns = x / rate_bps;
	return (struct point){ ns > FAR ? FAR : (int64_t)ns, (uint64_t)(x % rate_bps) };
}

static struct point add(const struct transmitter *t, struct point p, struct point d)
{
	p.rem += d.rem;
	p.ns += d.ns;
	if (p.rem >= t->rate_bps) {
		p.rem -= t->rate_bps;
		p.ns++;
	}
	if (p.ns > FAR)
		p.ns = FAR;
	return p;
}

static struct point subtract(const struct transmitter *t, struct point p, struct point d)
{
	if (p.rem < d.rem) {
		p.rem += t->rate_bps;
		p.ns--;
	}
	p.rem -= d.rem;
	p.ns -= d.ns;
	return p;
}

static uint64_t later(int64_t ns, uint64_t other_ns)
{
	if (ns >= FAR)
		return TRANSMITTER_NEVER;
	return ns > (int64_t)other_ns ? (uint64_t)ns : other_ns;
}

/* ----------------------------------------------------------------- lengths */

static uint64_t wire_of_one(const struct transmitter *t, uint32_t len)
{
	int64_t wire;

	if (!t->rate_bps)
		return (len > ETH_LEN ? len - ETH_LEN : 0) + CHANCE_HEADER;
	wire = (int64_t)len + t->overhead.bytes;
	if (wire < (int64_t)t->overhead.least)
		wire = t->overhead.least;
	if (!t->cell_size)
		return (uint64_t)wire;
	return ((uint64_t)wire + t->cell_size - 1) / t->cell_size *
	       (t->cell_size + t->cell_overhead);
}

uint64_t transmitter_wire(const struct transmitter *t, uint32_t len, uint32_t packets)
{
	uint32_t longer;

	if (packets == 1)
		return wire_of_one(t, len);
	longer = len % packets;
	return (packets - longer) * wire_of_one(t, len / packets) +
	       longer * wire_of_one(t, len / packets + 1);
}

/* ----------------------------------------------------------------- chances */

/* Link time of chance number @i. */
static uint64_t chance_ns(const struct transmitter *t, uint64_t i)
{
	const struct queue_chances *c = &t->chances;
	uint64_t round = i / c->n;

	if ((round && c->end == CHOPPY_TRACE_STOP) || c->start_ns == TRANSMITTER_NEVER)
		return TRANSMITTER_NEVER;
	return c->start_ns + (round * c->at_ms[c->n - 1] + c->at_ms[i % c->n]) * NS_PER_MS;
}

/* The first chance that is later than @at_ns. */
static uint64_t chance_after(const struct transmitter *t, uint64_t at_ns)
{
	const struct queue_chances *c = &t->chances;
	uint64_t ms, round, low = 0, high = c->n - 1;

	if (at_ns < c->start_ns)
		return 0;
	ms = (at_ns - c->start_ns) / NS_PER_MS + 1; /* from there on, in whole ms */
	round = (ms - 1) / c->at_ms[c->n - 1]; /* ends at the period: 0 < ms <= period in it */
	ms -= round * c->at_ms[c->n - 1];
	while (low < high) {
		uint64_t mid = (low + high) / 2;

		if (c->at_ms[mid] >= ms)
			high = mid;
		else
			low = mid + 1;
	}
	return round * c->n + low;
}

static void chances_send(struct transmitter *t, uint64_t wire, uint64_t at_ns)
{
	uint64_t more, end_ns = at_ns;

	if (!t->left) {
		t->left = CHANCE;
		t->next++;
	}
	if (wire > t->left) {
		wire -= t->left;
		more = (wire + CHANCE - 1) / CHANCE;
		t->next += more;
		t->left = (uint32_t)(more * CHANCE);
		end_ns = chance_ns(t, t->next - 1);
	}
	t->left -= (uint32_t)wire;
	t->free = (struct point){ end_ns > FAR ? FAR : (int64_t)end_ns, 0 };
}

static bool same_chances(const struct queue_chances *a, const struct queue_chances *b)
{
	return a->n == b->n && a->end == b->end &&
	       (a->start_ns == b->start_ns || b->start_ns == TRANSMITTER_NEVER) &&
	       (a->at_ms == b->at_ms || !memcmp(a->at_ms, b->at_ms, a->n * sizeof(*a->at_ms)));
}

/* ------------------------------------------------------------------ change */

/* The credit at the end of the old rate, as what it is worth at the new one. */
static void take_credit(struct transmitter *t, uint64_t old_bps, uint64_t now_ns)
{
	struct point now = { (int64_t)now_ns, 0 };
	struct point full = subtract(t, now, t->burst);
	u128 credit_ns;

	if (t->free.ns >= now.ns)
		return;
	if (old_bps == t->rate_bps) {
		if (before(t->free, full))
			t->free = full;
		return;
	}
	credit_ns = (u128)(now.ns - t->free.ns) * old_bps / t->rate_bps;
	t->free = credit_ns < (u128)t->burst.ns ? (struct point){ now.ns - (int64_t)credit_ns, 0 }
						: full;
}

static void set_rate(struct transmitter *t, const struct choppy_condition *c, uint64_t now_ns)
{
	uint64_t old_bps = t->rate_bps;
	bool cells = c->set & CHOPPY_FIELD_BIT(CHOPPY_CELL_SIZE);

	t->rate_bps = c->rate_bps;
	t->overhead = c->set & CHOPPY_FIELD_BIT(CHOPPY_OVERHEAD) ? c->overhead
								 : (struct choppy_overhead){ 0 };
	t->cell_size = cells ? c->cell_size_bytes : 0;
	t->cell_overhead = 5;
	if (c->set & CHOPPY_FIELD_BIT(CHOPPY_CELL_OVERHEAD))
		t->cell_overhead = c->cell_overhead_bytes;
	t->burst = (struct point){ 0, 0 };
	if (c->set & CHOPPY_FIELD_BIT(CHOPPY_RATE_BURST))
		t->burst = takes(t->rate_bps, c->rate_burst_bytes);
	t->wire = 0;
	t->takes = (struct point){ 0, 0 };
	if (old_bps != t->rate_bps)
		t->free.rem = 0; /* it was counted in the old rate; less than 1 ns */
	if (!t->begun)
		t->free = subtract(t, (struct point){ (int64_t)now_ns, 0 }, t->burst);
	else
		take_credit(t, old_bps, now_ns);
	t->chances.n = 0;
}

/* Whichever is later, @now_ns or just before what is being sent is out. */
static uint64_t sending_until(const struct transmitter *t, uint64_t now_ns)
{
	return t->free.ns > (int64_t)now_ns ? (uint64_t)t->free.ns - 1 : now_ns;
}

static void set_chances(struct transmitter *t, const struct queue_chances *chances, uint64_t now_ns)
{
	if (!t->rate_bps && same_chances(&t->chances, chances))
		return;
	t->rate_bps = 0;
	t->chances = *chances;
	t->left = 0;
	t->free.rem = 0;
	t->next = 0;
	if (chances->start_ns != TRANSMITTER_NEVER)
		t->next = chance_after(t, sending_until(t, now_ns));
}

static bool same_framing(const struct transmitter *a, const struct transmitter *b)
{
	return !a->rate_bps == !b->rate_bps && a->overhead.bytes == b->overhead.bytes &&
	       a->overhead.least == b->overhead.least && a->cell_size == b->cell_size &&
	       a->cell_overhead == b->cell_overhead;
}

bool transmitter_set(struct transmitter *t, const struct choppy_condition *c,
		     const struct queue_chances *chances, uint64_t now_ns)
{
	struct transmitter old = *t;

	if (t->free.ns >= FAR) { /* what would never have been out, is now */
		t->free = (struct point){ (int64_t)now_ns, 0 };
		t->out_ns = now_ns;
	}
	if (chances && chances->n)
		set_chances(t, chances, now_ns);
	else
		set_rate(t, c, now_ns);
	t->begun = true;
	t->since_ns = now_ns;
	return !same_framing(&old, t);
}

/* ----------------------------------------------------------------- sending */

void transmitter_wake(struct transmitter *t, uint64_t at_ns)
{
	if (t->rate_bps)
		return;
	if (t->chances.start_ns == TRANSMITTER_NEVER) {
		t->chances.start_ns = at_ns;
		t->next = chance_after(t, sending_until(t, at_ns));
	}
	if (t->free.ns > (int64_t)at_ns)
		return;
	t->left = 0;
	if (chance_ns(t, t->next) <= at_ns)
		t->next = chance_after(t, at_ns);
}

uint64_t transmitter_start(const struct transmitter *t)
{
	if (t->rate_bps || t->left)
		return later(t->free.ns, t->since_ns);
	return chance_ns(t, t->next);
}

bool transmitter_idle(const struct transmitter *t, uint64_t at_ns)
{
	return t->rate_bps && t->free.ns <= (int64_t)at_ns;
}

uint64_t transmitter_start_behind(const struct transmitter *t, uint64_t wire)
{
	struct point p = t->free;

	if (!t->rate_bps) {
		if (wire < t->left)
			return transmitter_start(t);
		return chance_ns(t, t->next + (wire - t->left) / CHANCE);
	}
	if (p.ns < (int64_t)t->since_ns)
		p = (struct point){ (int64_t)t->since_ns, 0 };
	if (wire)
		p = add(t, p, takes(t->rate_bps, wire));
	return later(p.ns + (p.rem > 0), 0);
}

uint64_t transmitter_drained(const struct transmitter *t, uint64_t wire)
{
	if (t->rate_bps)
		return transmitter_start_behind(t, wire);
	if (wire <= t->left || !wire)
		return t->out_ns;
	return chance_ns(t, t->next + (wire - t->left - 1) / CHANCE);
}

static void rate_send(struct transmitter *t, uint64_t wire, uint64_t at_ns)
{
	struct point from = { (int64_t)at_ns, 0 };

	if (wire != t->wire) {
		t->wire = wire;
		t->takes = takes(t->rate_bps, wire);
	}
	from = subtract(t, from, t->burst);
	t->free = add(t, before(t->free, from) ? from : t->free, t->takes);
}

uint64_t transmitter_send(struct transmitter *t, uint64_t wire, uint64_t at_ns)
{
	if (t->rate_bps)
		rate_send(t, wire, at_ns);
	else
		chances_send(t, wire, at_ns);
	t->out_ns = later(t->free.ns, at_ns);
	return t->out_ns;
}

uint32_t transmitter_reach(const struct transmitter *t, struct point *p, uint64_t wire, uint32_t n,
			   uint64_t until_ns)
{
	u128 each = (u128)wire * NS_PER_BYTE_BPS;
	u128 room, fit;

	if (p->ns > (int64_t)until_ns)
		return 0;
	/* Out by then: before the next ns begins. */
	room = (u128)(until_ns + 1 - (uint64_t)p->ns) * t->rate_bps - p->rem - 1;
	if (each > room)
		return 0;
	fit = !each ? n : !(room >> 64) ? (uint64_t)room / (uint64_t)each : room / each;
	if (fit < n)
		n = (uint32_t)fit;
	room = (u128)n * each + p->rem;
	p->ns += (int64_t)(!(room >> 64) ? (uint64_t)room / t->rate_bps : room / t->rate_bps);
	p->rem = (uint64_t)(!(room >> 64) ? (uint64_t)room % t->rate_bps : room % t->rate_bps);
	return n;
}

uint64_t transmitter_rate(const struct transmitter *t)
{
	const struct queue_chances *c = &t->chances;

	if (t->rate_bps)
		return t->rate_bps;
	return (uint64_t)c->n * CHANCE * 8 * 1000 / c->at_ms[c->n - 1];
}

void transmitter_forget(struct transmitter *t)
{
	t->chances = (struct queue_chances){ .n = 0 };
}
