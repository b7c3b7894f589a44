/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A queue with tail drop before a transmitter of fixed rate.
 *
 * The transmitter sends one wire packet after another: a packet starts when it has arrived
 * and the one before it is out, and takes bits / rate. The part of a nanosecond that a
 * division leaves is carried on, so the rate is exact over any length of time. A
 * packet waits until it starts; one that finds the transmitter idle never
 * waits, whatever the limit.
 *
 * Waking up for each packet of a super-packet would cost a frame each. So
 * neighbours leave in chunks that take at most CHUNK_NS on the wire (one
 * packet at least), when the last of them is out. A chunk is settled when its first packet
 * starts; for the limit, its other packets wait until their own start.
 * Packets that are behind the chunk are paced by whatever rate is in force when
 * their turn comes.
 */
#include "stage.h"

#include <string.h>

#define CHUNK_NS 1000000u
#define NS_PER_S 1000000000u

/* A point in link time: ns + rem / rate. */
struct point {
	uint64_t ns;
	uint64_t rem;
};

struct queue {
	uint64_t rate_bps;
	struct choppy_amount limit;

	/* What waits: admitted, not yet started. */
	uint64_t packets, bytes;

	/* Of that, what is not yet settled in a chunk, and the one of it that starts at
	 * once because it found the transmitter idle. */
	uint64_t behind, behind_bytes;
	struct wire starting;

	/* The last chunk: @left packets of it have not started, the next one does at @next. */
	uint32_t left, len, last_len, each;
	struct point next;
	struct point free; /* when all of it is out */
};

static struct point after(const struct queue *q, struct point p, uint64_t bytes)
{
	uint64_t x = bytes * 8 * NS_PER_S + p.rem;

	p.ns += x / q->rate_bps;
	p.rem = x % q->rate_bps;
	return p;
}

/* Start what starts up to link time @now_ns. */
static void advance(struct queue *q, uint64_t now_ns)
{
	while (q->left && q->next.ns <= now_ns) {
		uint32_t len = q->left == 1 ? q->last_len : q->len;

		q->packets -= q->each;
		q->bytes -= len;
		q->left--;
		q->next = after(q, q->next, len);
	}
}

static void queue_set(void *state, const struct choppy_condition *c, uint64_t now_ns)
{
	struct queue *q = state;

	if (!(c->set & CHOPPY_FIELD_BIT(CHOPPY_RATE))) {
		memset(q, 0, sizeof(*q));
		return;
	}
	if (q->rate_bps) {
		advance(q, now_ns);
		/* The rest of the chunk keeps its time: at most CHUNK_NS of the old rate. */
		if (q->rate_bps != c->rate_bps)
			advance(q, q->free.ns);
	}
	if (q->rate_bps != c->rate_bps)
		q->free.rem = 0; /* it was counted in the old rate; less than 1 ns */
	q->rate_bps = c->rate_bps;
	q->limit = c->limit;
	if (!(c->set & CHOPPY_FIELD_BIT(CHOPPY_LIMIT))) {
		q->limit.unit = CHOPPY_PACKETS;
		q->limit.n = CHOPPY_LIMIT_DEFAULT_PACKETS;
	}
}

static bool fits_packets(const struct queue *q, const struct wire *w)
{
	return q->packets - q->starting.packets + w->packets <= q->limit.n;
}

static bool fits_bytes(const struct queue *q, const struct wire *w)
{
	return q->bytes - q->starting.len + w->len <= q->limit.n;
}

/* Its start is when the chunk and all behind it are out; compared in units of 1/rate ns. */
static bool fits_time(const struct queue *q, const struct wire *w)
{
	unsigned __int128 wait = (unsigned __int128)q->behind_bytes * 8 * NS_PER_S;

	if (q->free.ns >= w->at_ns)
		wait += (unsigned __int128)(q->free.ns - w->at_ns) * q->rate_bps + q->free.rem;
	return wait <= (unsigned __int128)q->limit.n * q->rate_bps;
}

static bool (*const fits[CHOPPY_NUNITS])(const struct queue *q, const struct wire *w) = {
	[CHOPPY_PACKETS] = fits_packets,
	[CHOPPY_BYTES] = fits_bytes,
	[CHOPPY_NANOSECONDS] = fits_time,
};

static bool queue_packet(void *state, struct wire *w)
{
	struct queue *q = state;

	advance(q, w->at_ns);
	if (!q->behind && !q->left && q->free.ns <= w->at_ns)
		q->starting = *w;
	else if (!fits[q->limit.unit](q, w))
		return false;
	q->packets += w->packets;
	q->bytes += w->len;
	q->behind++;
	q->behind_bytes += w->len;
	return true;
}

static uint32_t queue_serve(void *state, uint64_t until_ns, const struct wire_row *head,
			    uint64_t *ret_at_ns)
{
	struct queue *q = state;
	struct point start = q->free;
	uint32_t n = 0;

	advance(q, until_ns);
	if (start.ns < head->at_ns)
		start = (struct point){ .ns = head->at_ns };
	if (q->left || start.ns > until_ns)
		return 0;

	q->next = q->free = start;
	q->len = head->len;
	q->each = head->packets;
	do {
		q->last_len = n + 1 == head->count ? head->last_len : head->len;
		q->free = after(q, q->free, q->last_len);
		q->behind--;
		q->behind_bytes -= q->last_len;
		n++;
		if (n == head->count)
			break;
	} while (after(q, q->free, n + 1 == head->count ? head->last_len : head->len).ns -
			 start.ns <=
		 CHUNK_NS);
	q->left = n;
	memset(&q->starting, 0, sizeof(q->starting));
	advance(q, until_ns);
	*ret_at_ns = q->free.ns;
	return n;
}

static uint64_t queue_next(const void *state)
{
	const struct queue *q = state;

	return q->free.ns;
}

const struct stage queue_stage = {
	.name = "queue",
	.fields = CHOPPY_FIELD_BIT(CHOPPY_RATE),
	.reason = CHOPPY_DROP_QUEUE,
	.size = sizeof(struct queue),
	.set = queue_set,
	.packet = queue_packet,
	.serve = queue_serve,
	.next = queue_next,
};
