/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Log-linear buckets, as HdrHistogram has them: values below 32 have a bucket
 * each, and every power of two above is cut into 32 equal steps. So a step is
 * never wider than 1/32 of the values in it.
 */
#include "histogram.h"

#define SUB (1u << HISTOGRAM_SUB_BITS)

static unsigned bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < SUB)
		return (unsigned)value;
	shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
	return ((shift + 1) << HISTOGRAM_SUB_BITS) + (unsigned)((value >> shift) & (SUB - 1));
}

static uint64_t bucket_end(unsigned bucket)
{
	unsigned shift = bucket >> HISTOGRAM_SUB_BITS;
	uint64_t low;

	if (!shift)
		return bucket;
	shift--;
	low = (uint64_t)(SUB + (bucket & (SUB - 1))) << shift;
	return low + ((1ull << shift) - 1);
}

void histogram_add(struct histogram *h, uint64_t value)
{
	h->count[bucket_of(value)]++;
	h->n++;
	if (value > h->max)
		h->max = value;
}

uint64_t histogram_quantile(const struct histogram *h, uint32_t ppm)
{
	uint64_t want = (uint64_t)(((unsigned __int128)h->n * ppm + 999999) / 1000000);
	uint64_t seen = 0;

	if (!h->n)
		return 0;
	if (!want)
		want = 1;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->count[i];
		if (seen >= want)
			return bucket_end(i) < h->max ? bucket_end(i) : h->max;
	}
	return h->max;
}
