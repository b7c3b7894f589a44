/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Outages: nothing passes, always or at the end of each period since the flapping was set. With
 * `reject` the sender is told; without outage or flap that means every packet.
 */
#include "reply.h"
#include "stage.h"

struct outage {
	bool always, reject;
	uint8_t reply; /* enum reply */
	struct choppy_cycle flap; /* period 0: none */
	uint64_t begin_ns;
};

static const uint8_t replies[CHOPPY_NREJECTS] = {
	[CHOPPY_REJECT_UNREACHABLE] = REPLY_UNREACHABLE,
	[CHOPPY_REJECT_PROHIBITED] = REPLY_PROHIBITED,
	[CHOPPY_REJECT_RESET] = REPLY_RESET,
};

static void outage_set(void *state, const struct choppy_condition *c, const struct stage_data *data,
		       uint64_t now_ns)
{
	struct outage *o = state;
	struct choppy_cycle flap = { 0 };

	if (c->set & CHOPPY_FIELD_BIT(CHOPPY_FLAP))
		flap = c->flap;
	if (flap.period_ns != o->flap.period_ns || flap.out_ns != o->flap.out_ns)
		o->begin_ns = now_ns;
	o->flap = flap;
	o->reject = c->set & CHOPPY_FIELD_BIT(CHOPPY_REJECT);
	o->reply = o->reject ? replies[c->reject] : REPLY_NONE;
	o->always = c->set & CHOPPY_FIELD_BIT(CHOPPY_OUTAGE) || (o->reject && !flap.period_ns);
}

static bool is_out(const struct outage *o, uint64_t at_ns)
{
	if (o->always)
		return true;
	if (!o->flap.period_ns || at_ns < o->begin_ns)
		return false;
	return (at_ns - o->begin_ns) % o->flap.period_ns >= o->flap.period_ns - o->flap.out_ns;
}

static bool outage_packet(void *state, struct wire *w)
{
	struct outage *o = state;

	if (!is_out(o, w->at_ns))
		return true;
	w->reply = o->reply;
	if (o->reject)
		w->reason = CHOPPY_DROP_REJECT;
	return false;
}

const struct stage outage_stage = {
	.name = "outage",
	.fields = CHOPPY_FIELD_BIT(CHOPPY_OUTAGE) | CHOPPY_FIELD_BIT(CHOPPY_FLAP) |
		  CHOPPY_FIELD_BIT(CHOPPY_REJECT),
	.reason = CHOPPY_DROP_OUTAGE,
	.size = sizeof(struct outage),
	.set = outage_set,
	.packet = outage_packet,
};
