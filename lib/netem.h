/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netem.h - a condition in the terms of the kernel's netem: what one message says to it, and
 * what it says of itself.
 */
#ifndef CHOPPY_NETEM_H
#define CHOPPY_NETEM_H

#include <linux/pkt_sched.h>

#include "choppy.h"

#define NETEM_PRNG_SEED 14 /* TCA_NETEM_PRNG_SEED of Linux 6.6 */
#define NETEM_ATTR_MAX NETEM_PRNG_SEED
#define NETEM_TICK_NS 64 /* PSCHED_SHIFT */

/* Which struct of the attribute LOSS is there; no struct: qopt.loss alone. */
enum netem_model { NETEM_MODEL_RANDOM = 0, NETEM_MODEL_GI = 1, NETEM_MODEL_GE = 2 };

/* All that a netem has but its distribution tables, which no kernel tells. */
struct netem_values {
	struct tc_netem_qopt qopt; /* times in ticks */
	int64_t latency_ns, jitter_ns;
	struct tc_netem_corr corr;
	struct tc_netem_reorder reorder;
	struct tc_netem_corrupt corrupt;
	struct tc_netem_rate rate; /* .rate: byte/s, UINT32_MAX where @rate64 has it */
	uint64_t rate64; /* byte/s, 0 below 2^32 */
	uint32_t ecn;
	struct tc_netem_slot slot;
	enum netem_model model;
	struct tc_netem_gimodel gi;
	struct tc_netem_gemodel ge;
	uint64_t seed;
};

/* A table, or n 0 for none. */
struct netem_table {
	const int16_t *entry;
	uint32_t n;
};

/* Shapes of the delay and of the time between slots. */
struct netem_tables {
	struct netem_table delay, slot;
};

/*
 * The tables that a netem has got so far: it cannot forget one, so where the kernel's own even
 * distribution is wanted later, it needs a table of that too.
 */
struct netem_held {
	bool delay, slot;
};

/*
 * @c in netem's terms. @c has passed netem's check. @seed: of this direction and change.
 * The tables are to be given to netem_tables_free(), also on failure.
 */
int netem_values_of(struct netem_values *ret, struct netem_tables *ret_tables,
		    const struct netem_held *held, const struct choppy_condition *c, uint64_t seed,
		    struct choppy_err *err);
void netem_tables_free(struct netem_tables *t);

/*
 * A value of a netem by its place. @type: its attribute, 0 for a member of the struct
 * tc_netem_qopt that the attributes stand behind. The struct LOSS is not among them.
 */
struct netem_part {
	const char *name; /* as linux/pkt_sched.h has it */
	uint16_t type;
	uint16_t offset, size; /* in struct netem_values */
	bool sparse; /* sent only when it is not zero */
	const char *since; /* Linux that has it, where that may be younger than this process's */
};
extern const struct netem_part netem_parts[];
extern const unsigned int netem_nparts;

/* The name of the first part in which @a and @b differ, or NULL. */
const char *netem_difference(const struct netem_values *a, const struct netem_values *b);

/* @ppb as netem has it: the nearest fraction of UINT32_MAX, a tie to the even one, as tc(8). */
uint32_t netem_fraction(uint64_t ppb);

/*
 * netem_tc.c: the words of tc(8).
 *
 * Print @v as what stands behind `netem` on tc's command line, every value exactly; @c has the
 * names of the tables. Returns the length as snprintf(3) does.
 */
int netem_tc_print(char *buf, size_t size, const struct netem_values *v,
		   const struct choppy_condition *c);

#endif
