/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Duplication: a packet is followed by a copy, which the further stages see as a packet of its own.
 */
#include "chance.h"
#include "stage.h"

struct duplicate {
	struct rng rng;
	struct chance chance;
};

static void duplicate_init(void *state, const struct rng_key *key)
{
	struct duplicate *d = state;

	rng_init(&d->rng, key);
}

static void duplicate_set(void *state, const struct choppy_condition *c,
			  const struct stage_data *data, uint64_t now_ns)
{
	struct duplicate *d = state;
	bool correlated = c->set & CHOPPY_FIELD_BIT(CHOPPY_DUPLICATE_CORRELATION);

	chance_set(&d->chance, c->set & CHOPPY_FIELD_BIT(CHOPPY_DUPLICATE) ? c->duplicate_ppb : 0,
		   correlated ? c->duplicate_correlation_ppb : 0);
}

static bool duplicate_packet(void *state, struct wire *w)
{
	struct duplicate *d = state;

	w->copies += chance_draw(&d->chance, &d->rng);
	return true;
}

const struct stage duplicate_stage = {
	.name = "duplicate",
	.fields = CHOPPY_FIELD_BIT(CHOPPY_DUPLICATE) |
		  CHOPPY_FIELD_BIT(CHOPPY_DUPLICATE_CORRELATION),
	.reason = CHOPPY_NDROPS, /* it refuses nothing */
	.size = sizeof(struct duplicate),
	.init = duplicate_init,
	.set = duplicate_set,
	.packet = duplicate_packet,
};
