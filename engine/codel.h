/* SPDX-License-Identifier: GPL-2.0-or-later */
/* codel.h - CoDel's control of one list of packets. */
#ifndef CHOPPY_CODEL_H
#define CHOPPY_CODEL_H

#include "discipline.h"

struct codel_params {
	uint64_t target_ns, interval_ns;
};

struct codel {
	uint64_t first_above_ns; /* 0: the delay is below the target */
	uint64_t drop_next_ns;
	uint32_t count, last_count;
	bool dropping;
};

void codel_params(struct codel_params *ret, const struct choppy_condition *c);

/* Drop from the head of @f what is to be dropped. Whether a packet is left to start. */
bool codel_pick(struct codel *v, const struct codel_params *p, struct backlog *b, struct fifo *f,
		uint64_t now_ns, uint8_t *ret_flags);

/* Until when it drops nothing, if it looks at a packet at @now_ns for the next time. */
uint64_t codel_spares_until(const struct codel *v, const struct codel_params *p, uint64_t now_ns);

/* @interval_ns / sqrt(@count), rounded down. */
uint64_t codel_step(uint64_t interval_ns, uint32_t count);

#endif
