/* SPDX-License-Identifier: GPL-2.0-or-later */
/* line.h - what has passed the link and waits for its time to leave, and the order in which it
 * does. */
#ifndef CHOPPY_LINE_H
#define CHOPPY_LINE_H

#include "run.h"

#include <stdbool.h>

#define LINE_NEVER UINT64_MAX

/* Runs by due time; those with equal ones in the order in which they were added. */
struct line {
	struct run_list fifo; /* due times never fall along it */
	uint64_t fifo_due_ns; /* of its last */
	struct run *heap; /* all others */
	uint64_t order; /* of the next run */
};

void line_init(struct line *line);
void line_add(struct line *line, struct run *run);
/* The first, when it is due by @now_ns; NULL: none is. */
struct run *line_take(struct line *line, uint64_t now_ns);
/* When the first is due; LINE_NEVER: there is none. */
uint64_t line_next(const struct line *line);

static inline bool line_empty(const struct line *line)
{
	return !line->fifo.head && !line->heap;
}

/*
 * A gate before the line: lets packets leave in the order in which they came, whatever
 * their own due times, but for those that hurry by and those that are held until
 * others have overtaken them.
 */
struct gate {
	bool open; /* every packet at its own time */
	uint64_t last_due_ns;
	struct run_list held; /* of one unit each; run->order more are to overtake it */
};

void gate_init(struct gate *gate);

/*
 * The units of @run pass, in order: put into @line with their due time, and behind
 * each those held that it has freed. @hurry: past all others. Runs are cut where one is freed
 * within them. False: no memory for such a cut; the rest is still in @run, which stays the
 * caller's.
 */
bool gate_pass(struct gate *gate, struct pool *pool, struct line *line, struct run *run,
	       bool hurry);

/* Hold @run, of one unit, until @behind units have passed, @within_ns beyond its due time at most.
 */
void gate_hold(struct gate *gate, struct run *run, uint32_t behind, uint64_t within_ns);

/* Free those whose time has run out by @until_ns. */
void gate_expire(struct gate *gate, struct line *line, uint64_t until_ns);
uint64_t gate_next(const struct gate *gate);

#endif
