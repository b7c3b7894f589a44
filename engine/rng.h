/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rng.h - seeded random streams, one for each purpose, none shifted by another. */
#ifndef CHOPPY_RNG_H
#define CHOPPY_RNG_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

/* What a stream belongs to. Equal keys give equal streams on every machine. */
struct rng_key {
	uint64_t seed; /* of the lab */
	uint32_t link; /* index in the lab */
	uint32_t dir; /* enum choppy_dir */
	const char *purpose; /* the stage's name */
};

void rng_init(struct rng *rng, const struct rng_key *key);

/* The next 64 bits. */
uint64_t rng_next(struct rng *rng);

/* A number in [0, @n), @n not 0: the high half of a 64 by 64 bit product. */
uint64_t rng_below(struct rng *rng, uint64_t n);

#endif
