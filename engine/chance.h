/* SPDX-License-Identifier: GPL-2.0-or-later */
/* chance.h - yes or no, with an exact rate and an exact correlation with the answer before. */
#ifndef CHOPPY_CHANCE_H
#define CHOPPY_CHANCE_H

#include "rng.h"

#include <stdbool.h>

#define CHANCE_ALWAYS 1000000000u /* ppb */

struct chance {
	uint64_t rate; /* probability of yes for the first answer, as a threshold for 64 bits */
	uint64_t after_no, after_yes; /* likewise, for the others */
	bool begun, last;
};

/* Yes with probability @ppb; correlation @correlation_ppb with the answer before. */
void chance_set(struct chance *c, uint64_t ppb, uint64_t correlation_ppb);
/* Yes with probability @ppb, in runs of @burst_ppm millionths on average. */
void chance_set_burst(struct chance *c, uint64_t ppb, uint64_t burst_ppm);
/* The next answer. One draw. */
bool chance_draw(struct chance *c, struct rng *rng);

/* One answer that has nothing to do with others, by a probability or a ratio. One draw. */
bool chance_once(struct rng *rng, uint64_t ppb);
bool chance_ratio(struct rng *rng, uint64_t num, uint64_t den);

#endif
