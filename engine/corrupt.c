/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Corruption: one wrong bit, evenly anywhere from the network header to the end, with all
 * checksums as they were; or, mended, anywhere in the transport payload, with a checksum that hides
 * it. A packet without a payload has nothing to mend and stays as it is. Two draws a packet.
 */
#include "chance.h"
#include "stage.h"

struct corrupt {
	struct rng rng;
	struct chance chance;
	bool mended;
};

static void corrupt_init(void *state, const struct rng_key *key)
{
	struct corrupt *c = state;

	rng_init(&c->rng, key);
}

static void corrupt_set(void *state, const struct choppy_condition *c,
			const struct stage_data *data, uint64_t now_ns)
{
	struct corrupt *s = state;
	bool correlated = c->set & CHOPPY_FIELD_BIT(CHOPPY_CORRUPT_CORRELATION);

	chance_set(&s->chance, c->set & CHOPPY_FIELD_BIT(CHOPPY_CORRUPT) ? c->corrupt_ppb : 0,
		   correlated ? c->corrupt_correlation_ppb : 0);
	s->mended = c->set & CHOPPY_FIELD_BIT(CHOPPY_CORRUPT_FIX);
}

static bool corrupt_packet(void *state, struct wire *w)
{
	struct corrupt *s = state;
	uint32_t bits = s->mended ? w->payload_bits : w->bits;
	bool yes = chance_draw(&s->chance, &s->rng);
	uint64_t bit = rng_below(&s->rng, bits ? bits : 1);

	if (yes && bits) {
		w->flip = true;
		w->mended = s->mended;
		w->flip_bit = (uint32_t)bit;
	}
	return true;
}

const struct stage corrupt_stage = {
	.name = "corrupt",
	.fields = CHOPPY_FIELD_BIT(CHOPPY_CORRUPT) | CHOPPY_FIELD_BIT(CHOPPY_CORRUPT_CORRELATION) |
		  CHOPPY_FIELD_BIT(CHOPPY_CORRUPT_FIX),
	.reason = CHOPPY_NDROPS, /* it refuses nothing */
	.size = sizeof(struct corrupt),
	.init = corrupt_init,
	.set = corrupt_set,
	.packet = corrupt_packet,
};
