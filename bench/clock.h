/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clock.h - the time, for what measures. */
#ifndef CHOPPY_BENCH_CLOCK_H
#define CHOPPY_BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#endif
