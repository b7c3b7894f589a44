/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dist.h - a random time by its shape: evenly from a least to a most, or a mean and a
 * deviation by a table, as tc(8) has them.
 *
 * A table's entry t, each as likely as the others, stands for mean + sigma * t / 8192,
 * rounded to the nearest nanosecond, halves away from the mean. An even spread takes each
 * nanosecond with the same chance, both ends included. The time is a function of 64
 * random bits, which the caller may keep to get it again, also for another mean and sigma.
 */
#ifndef CHOPPY_DIST_H
#define CHOPPY_DIST_H

#include <stdint.h>

#define DIST_ONE 8192 /* a table's entry for one sigma */

struct dist {
	uint64_t base_ns; /* the least, or the mean */
	uint64_t span; /* how many values an even spread takes, or sigma in ns */
	const int16_t *table; /* NULL: even */
	uint32_t n;
};

static inline struct dist dist_even(uint64_t least_ns, uint64_t most_ns)
{
	return (struct dist){ .base_ns = least_ns, .span = most_ns - least_ns + 1 };
}

/* @n 0: even, @sigma_ns to either side. The model sees to it that nothing is below 0. */
static inline struct dist dist_shaped(uint64_t mean_ns, uint64_t sigma_ns, const int16_t *table,
				      uint32_t n)
{
	if (!n)
		return dist_even(mean_ns > sigma_ns ? mean_ns - sigma_ns : 0, mean_ns + sigma_ns);
	return (struct dist){ .base_ns = mean_ns, .span = sigma_ns, .table = table, .n = n };
}

/* A number below @n, as rng_below(). */
static inline uint64_t dist_part(uint64_t random, uint64_t n)
{
	return (uint64_t)(((unsigned __int128)random * n) >> 64);
}

static inline uint64_t dist_at(const struct dist *d, uint64_t random)
{
	unsigned __int128 far;
	uint64_t off_ns;
	int32_t t;

	if (!d->n)
		return d->base_ns + dist_part(random, d->span);
	t = d->table[dist_part(random, d->n)];
	far = (unsigned __int128)d->span * (uint32_t)(t < 0 ? -t : t);
	off_ns = (uint64_t)((far + DIST_ONE / 2) / DIST_ONE);
	if (t >= 0)
		return d->base_ns + off_ns;
	return d->base_ns > off_ns ? d->base_ns - off_ns : 0;
}

#endif
