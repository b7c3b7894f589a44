/* SPDX-License-Identifier: GPL-2.0-or-later */
/* histogram.h - counts of times over the whole 64-bit range, to within one part in 32. */
#ifndef CHOPPY_HISTOGRAM_H
#define CHOPPY_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 5 /* 32 steps in every power of two */
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
	uint64_t n, max;
	uint64_t count[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value);

/*
 * The smallest value that at least @ppm millionths of the samples do not exceed,
 * rounded up to the end of its step (and never above the largest sample); 0 when empty.
 */
uint64_t histogram_quantile(const struct histogram *h, uint32_t ppm);

#endif
