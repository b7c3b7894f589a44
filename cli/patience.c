/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patience.h"

#include <time.h>

#define LOOK_NS 20000000

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t patience_begin(uint64_t timeout_ns)
{
	return now_ns() + timeout_ns;
}

bool patience_over(uint64_t end_ns)
{
	return now_ns() >= end_ns;
}

void patience_pause(void)
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };

	nanosleep(&pause, NULL);
}
