/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CoDel (RFC 8289, the pseudo-code of its section 5), with the time a packet starts as the time of
 * its dequeueing, so that the delay it looks at is exactly how long the packet waited.
 *
 * When the delay has been above the target for an interval, the packet at the head is
 * dropped, and while it stays there the next drops follow after interval / sqrt(number of
 * the drop). A delay below the target, or no more than one MTU of 1514 bytes behind the packet,
 * ends it. Drops begin again where they ended if that was less than 16 intervals ago.
 *
 * The square root is that of a whole number, exact: interval / sqrt(n), rounded down, is the
 * root of interval^2 / n. An ECN-capable packet is marked in place of being dropped, and
 * starts (section 3 of RFC 8289 leaves that open; the kernel's codel_impl.h does it in this way).
 */
#include "codel.h"

typedef unsigned __int128 u128;

#define TARGET_NS 5000000u
#define INTERVAL_NS 100000000u
#define RESUME 16 /* intervals */

void codel_params(struct codel_params *ret, const struct choppy_condition *c)
{
	ret->target_ns = TARGET_NS;
	ret->interval_ns = INTERVAL_NS;
	if (c->set & CHOPPY_FIELD_BIT(CHOPPY_QUEUE_TARGET))
		ret->target_ns = c->queue_target_ns;
	if (c->set & CHOPPY_FIELD_BIT(CHOPPY_QUEUE_INTERVAL))
		ret->interval_ns = c->queue_interval_ns;
}

/* Newton's method from above, which falls until it is there. */
uint64_t codel_step(uint64_t interval_ns, uint32_t count)
{
	u128 square = (u128)interval_ns * interval_ns / count;
	u128 root = interval_ns, better = interval_ns;

	if (count == 1)
		return interval_ns;
	do {
		root = better;
		better = root ? (root + square / root) / 2 : 0;
	} while (better < root);
	return (uint64_t)root;
}

/* Whether the packet at the head has waited too long, for too long. */
static bool ok_to_drop(struct codel *v, const struct codel_params *p, const struct backlog *b,
		       const struct fifo *f, uint64_t now_ns)
{
	if (!f->head || now_ns - f->head->due_ns < p->target_ns ||
	    b->bytes - fifo_head_len(f) <= DISCIPLINE_MTU) {
		v->first_above_ns = 0;
		return false;
	}
	if (!v->first_above_ns) {
		v->first_above_ns = now_ns + p->interval_ns;
		return false;
	}
	return now_ns >= v->first_above_ns;
}

/* Drop the packet at the head, or mark it. True: it is still there. */
static bool mark_or_drop(struct backlog *b, struct fifo *f, uint64_t now_ns, uint8_t *ret_flags)
{
	if (backlog_mark(b, f->head, f->head->first, now_ns)) {
		*ret_flags |= FRAME_CE;
		return true;
	}
	backlog_drop(b, f, CHOPPY_DROP_AQM, now_ns);
	return false;
}

static void go_on_dropping(struct codel *v, const struct codel_params *p, struct backlog *b,
			   struct fifo *f, uint64_t now_ns, uint8_t *ret_flags)
{
	while (v->dropping && now_ns >= v->drop_next_ns) {
		bool marked = mark_or_drop(b, f, now_ns, ret_flags);

		if (v->count < UINT32_MAX)
			v->count++;
		if (marked || ok_to_drop(v, p, b, f, now_ns))
			v->drop_next_ns += codel_step(p->interval_ns, v->count);
		else
			v->dropping = false;
		if (marked)
			return;
	}
}

static void begin_dropping(struct codel *v, const struct codel_params *p, struct backlog *b,
			   struct fifo *f, uint64_t now_ns, uint8_t *ret_flags)
{
	uint32_t delta = v->count - v->last_count;

	if (!mark_or_drop(b, f, now_ns, ret_flags))
		ok_to_drop(v, p, b, f, now_ns);
	v->dropping = true;
	v->count = 1;
	if (delta > 1 && (int64_t)(now_ns - v->drop_next_ns) < (int64_t)(RESUME * p->interval_ns))
		v->count = delta;
	v->drop_next_ns = now_ns + codel_step(p->interval_ns, v->count);
	v->last_count = v->count;
}

bool codel_pick(struct codel *v, const struct codel_params *p, struct backlog *b, struct fifo *f,
		uint64_t now_ns, uint8_t *ret_flags)
{
	bool ok = ok_to_drop(v, p, b, f, now_ns);

	if (v->dropping && !ok)
		v->dropping = false;
	else if (v->dropping)
		go_on_dropping(v, p, b, f, now_ns, ret_flags);
	else if (ok)
		begin_dropping(v, p, b, f, now_ns, ret_flags);
	return f->head;
}

uint64_t codel_spares_until(const struct codel *v, const struct codel_params *p, uint64_t now_ns)
{
	if (v->dropping)
		return v->drop_next_ns;
	return v->first_above_ns ? v->first_above_ns : now_ns + p->interval_ns;
}

/* -------------------------------------------------------------- discipline */

struct codel_state {
	struct codel_params params;
	struct codel codel;
};

static void codel_set(void *state, struct backlog *b, const struct choppy_condition *c,
		      uint64_t now_ns)
{
	struct codel_state *s = state;

	codel_params(&s->params, c);
}

static struct fifo *codel_pick_own(void *state, struct backlog *b, uint64_t now_ns,
				   uint8_t *ret_flags)
{
	struct codel_state *s = state;

	return codel_pick(&s->codel, &s->params, b, &b->fifo, now_ns, ret_flags) ? &b->fifo : NULL;
}

static const struct run *codel_ahead(const void *state, const struct backlog *b,
				     uint64_t *ret_until_ns)
{
	const struct codel_state *s = state;

	*ret_until_ns =
		codel_spares_until(&s->codel, &s->params, transmitter_start(&b->transmitter));
	return b->fifo.head;
}

const struct discipline codel_discipline = {
	.limit_packets = CHOPPY_LIMIT_DEFAULT_PACKETS,
	.size = sizeof(struct codel_state),
	.set = codel_set,
	.offer = tail_offer,
	.pick = codel_pick_own,
	.ahead = codel_ahead,
};
