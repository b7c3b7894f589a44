/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Independent loss: one draw for each wire packet, lost when it falls below the asked share. */
#include "stage.h"

#define PPB 1000000000u

struct loss {
	struct rng rng;
	uint64_t ppb;
};

static void loss_init(void *state, const struct rng_key *key)
{
	struct loss *l = state;

	rng_init(&l->rng, key);
}

static void loss_set(void *state, const struct choppy_condition *c, uint64_t now_ns)
{
	struct loss *l = state;

	l->ppb = c->set & CHOPPY_FIELD_BIT(CHOPPY_LOSS) ? c->loss_ppb : 0;
}

static bool loss_packet(void *state, struct wire *w)
{
	struct loss *l = state;

	return rng_below(&l->rng, PPB) >= l->ppb;
}

const struct stage loss_stage = {
	.name = "loss",
	.fields = CHOPPY_FIELD_BIT(CHOPPY_LOSS),
	.reason = CHOPPY_DROP_LOSS,
	.size = sizeof(struct loss),
	.init = loss_init,
	.set = loss_set,
	.packet = loss_packet,
};
