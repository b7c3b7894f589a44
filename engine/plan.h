/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan.h - all that a link is to do, as one piece of memory that the keeper makes and the
 * engine maps: the conditions of both directions, their rules, and what was read and compiled for
 * them.
 */
#ifndef CHOPPY_PLAN_H
#define CHOPPY_PLAN_H

#include "pipe.h"

#define PLAN_MAGIC 0x434c5031u /* a new number for a new layout */

enum plan_kind {
	PLAN_RULES, /* struct choppy_rule, of the link; the first item, if there are any */
	PLAN_FILTER, /* struct match_insn, of a rule */
	PLAN_DELAY_TABLE, /* int16_t, of the direction or a rule */
	PLAN_SLOT_TABLE, /* likewise */
	PLAN_TRACE, /* one struct trace, whose pointers are not used; of the direction */
	PLAN_TRACE_ROWS, /* uint64_t */
	PLAN_TRACE_CHANCES, /* uint32_t */
	PLAN_REPLAY, /* struct verdict, sorted; of the direction; may be empty */
	PLAN_NKINDS,
};

struct plan_item {
	uint32_t kind;
	uint32_t dir; /* enum choppy_dir */
	int32_t rule; /* index in the rules; -1: the direction's own */
	uint32_t zero;
	uint64_t offset, count; /* from the head; in things of the kind */
};

/* Item behind item behind the head, then the data, each aligned to 8 bytes. */
struct plan_head {
	uint32_t magic, nitems;
	uint64_t size; /* of all */
	uint32_t by_flow; /* a replay's verdicts are found by flow */
	uint32_t zero;
	struct choppy_condition dir[CHOPPY_NDIRS];
	struct plan_item item[];
};

/* Bytes of one thing of a kind. */
size_t plan_unit(enum plan_kind kind);

/* A plan as pipes take it. Points into the memory that it was read from. */
struct plan {
	struct pipe_plan pipe[CHOPPY_NDIRS];
	struct chain_rule rule[CHOPPY_NDIRS][LINK_RULES_MAX];
	struct trace trace[CHOPPY_NDIRS];
};

/* Take @data apart. 0, or -EINVAL where anything points outside or does not belong together. */
int plan_read(struct plan *ret, const void *data, size_t size);

#endif
