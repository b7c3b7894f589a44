/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pie.h - PIE's control of one queue's drop probability. */
#ifndef CHOPPY_PIE_H
#define CHOPPY_PIE_H

#include <stdint.h>

#define PIE_ONE (1ull << 60) /* probability 1 */

struct pie {
	uint64_t target_ns, tupdate_ns;
	uint64_t next_ns; /* update */
	uint64_t old_ns; /* delay at the last one */
	uint64_t burst_ns; /* allowance */
	uint64_t probability, sum;
};

/* The update of the probability, with the present delay. */
void pie_update(struct pie *p, uint64_t delay_ns);

#endif
