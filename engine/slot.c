/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slots: packets leave together at certain times only, as on a medium that grants them
 * (Wi-Fi, DOCSIS). This is netem's slot (net/sched/sch_netem.c, get_slot_next()) in link time,
 * where netem takes the time at which its dequeue happens to run.
 *
 * There is one slot at a time; it stands at @begin_ns and takes packets until it is full. A
 * gap is a random time by the condition. A packet that is due at T:
 *
 *   1. if the slot is full: the next one stands a gap behind it;
 *   2. if the slot stands before T, it is missed: the next one stands a gap behind T;
 *   3. the packet leaves when the slot stands.
 *
 * The slot is full when it holds the asked packets, or the asked bytes: the packet that
 * reaches them still leaves with it. The first slot stands where slots were first asked
 * for. A change leaves the slot where it is, with what it holds.
 *
 * Packets are taken in the order of their arrival here, so in slots nobody overtakes; but a packet
 * that hurries passes by, and does not count. Every packet takes two draws, one for each gap
 * that it may need.
 */
#include "dist.h"
#include "stage.h"

#define SLOT_FIELDS (CHOPPY_FIELD_BIT(CHOPPY_SLOT) | CHOPPY_FIELD_BIT(CHOPPY_SLOT_DISTRIBUTION))

struct slot {
	struct rng rng;
	struct dist gap;
	uint64_t max_packets, max_bytes; /* UINT64_MAX: any */
	bool awake;
	uint64_t begin_ns;
	uint64_t packets, bytes; /* that it holds */
};

static void slot_init(void *state, const struct rng_key *key)
{
	struct slot *s = state;

	rng_init(&s->rng, key);
}

static uint64_t or_else(const struct choppy_condition *c, enum choppy_field field, uint64_t value,
			uint64_t otherwise)
{
	return c->set & CHOPPY_FIELD_BIT(field) ? value : otherwise;
}

static uint64_t limit(const struct choppy_condition *c, enum choppy_field field, uint64_t value)
{
	return or_else(c, field, value, 0) ? value : UINT64_MAX;
}

static void open_slot(struct slot *s, uint64_t begin_ns)
{
	s->begin_ns = begin_ns;
	s->packets = s->bytes = 0;
}

static void slot_set(void *state, const struct choppy_condition *c, const struct stage_data *data,
		     uint64_t now_ns)
{
	struct slot *s = state;
	bool was_awake = s->awake;

	s->awake = c->set & SLOT_FIELDS;
	if (!s->awake)
		return;
	if (!was_awake)
		open_slot(s, now_ns);
	s->max_packets = limit(c, CHOPPY_SLOT_PACKETS, c->slot_packets);
	s->max_bytes = limit(c, CHOPPY_SLOT_BYTES, c->slot_bytes);
	if (c->set & CHOPPY_FIELD_BIT(CHOPPY_SLOT_DISTRIBUTION))
		s->gap = dist_shaped(or_else(c, CHOPPY_SLOT_DELAY, c->slot_delay_ns, 0),
				     or_else(c, CHOPPY_SLOT_JITTER, c->slot_jitter_ns, 0),
				     data->slot_table, data->nslot_table);
	else
		s->gap = dist_even(c->slot_ns,
				   or_else(c, CHOPPY_SLOT_MAX, c->slot_max_ns, c->slot_ns));
}

static bool slot_packet(void *state, struct wire *w)
{
	struct slot *s = state;
	uint64_t behind_full = rng_next(&s->rng), behind_missed = rng_next(&s->rng);

	if (w->hurry)
		return true;
	if (s->packets >= s->max_packets || s->bytes >= s->max_bytes)
		open_slot(s, s->begin_ns + dist_at(&s->gap, behind_full));
	if (s->begin_ns < w->at_ns)
		open_slot(s, w->at_ns + dist_at(&s->gap, behind_missed));
	s->packets += w->packets;
	s->bytes += w->len;
	w->at_ns = s->begin_ns;
	return true;
}

const struct stage slot_stage = {
	.name = "slot",
	.fields = SLOT_FIELDS,
	.reason = CHOPPY_NDROPS, /* it refuses nothing */
	.delays = true,
	.behind_queue = true,
	.size = sizeof(struct slot),
	.init = slot_init,
	.set = slot_set,
	.packet = slot_packet,
};
