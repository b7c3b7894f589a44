/* SPDX-License-Identifier: GPL-2.0-or-later */
/* trace.h - values of a condition over time: a trace in memory, and its player in link time. */
#ifndef CHOPPY_TRACE_H
#define CHOPPY_TRACE_H

#include "choppy.h"

#define TRACE_COLUMNS_MAX 16
#define TRACE_NEVER UINT64_MAX

/* What a cell may hold in place of a value. Neither stands in the time's column. */
#define TRACE_KEEP UINT64_MAX /* what was in force stays; not in the first row */
#define TRACE_OFF (UINT64_MAX - 1) /* the field is not set */

/*
 * Rows of values, or chances to deliver. Rows: @nrows times (1 + @ncolumns) numbers, the first the
 * row's time in ns from the trace's start (ascending, the first row's is 0), the others in the
 * unit of the column's field. The period is the time of the end: the last row's begin is before
 * it. Chances: ascending, the last one is the period.
 */
struct trace {
	uint32_t ncolumns; /* 0: a mahimahi trace */
	uint32_t field[TRACE_COLUMNS_MAX]; /* enum choppy_field; one number each */
	uint32_t unit; /* enum choppy_unit of a CHOPPY_LIMIT column */
	uint32_t nrows;
	uint64_t period_ns;
	const uint64_t *rows;
	const uint32_t *chance_ms; /* @nrows of them */
};

/* Whether it is chances to deliver and no rows: for the queue (queue.h), and not for the player. */
bool trace_is_chances(const struct trace *t);
/* CHOPPY_FIELD_BIT()s of the fields that it sets. */
uint64_t trace_fields(const struct trace *t);
/*
 * Lay row @row over @c. The rows 0 up to N, one after another over the same condition, make what
 * is in force from row N on, in every round.
 */
void trace_row(const struct trace *t, uint32_t row, struct choppy_condition *c);

/* Plays rows. A plain value; it has nothing to do when the trace is chances. */
struct trace_player {
	const struct trace *trace;
	uint32_t end; /* enum choppy_trace_end */
	uint32_t next; /* row; the trace's @nrows: its end */
	uint64_t base_ns; /* link time of this round's begin; TRACE_NEVER: waits for a packet */
	bool over;
	bool begun; /* a row was applied */
};

/* Begin @trace as @c asks, which has its `then` and `from`: at @now_ns, or with a packet. */
void trace_begin(struct trace_player *p, const struct trace *trace,
		 const struct choppy_condition *c, uint64_t now_ns);
/* A packet has arrived: a trace that waits for it begins at @at_ns, before it is judged. */
void trace_packet(struct trace_player *p, uint64_t at_ns);
/* Link time of the next change; TRACE_NEVER: there is none. */
uint64_t trace_next(const struct trace_player *p);
/*
 * Leave out the whole rounds of a loop that are over by @until_ns: each makes the same of a
 * condition.
 */
void trace_skip(struct trace_player *p, uint64_t until_ns);

/*
 * Go on in the place of @old, which plays the same rows of another memory (@trace): lay over @c
 * what is in force.
 */
void trace_resume(struct trace_player *p, const struct trace_player *old, const struct trace *trace,
		  struct choppy_condition *c);

/*
 * Make the change that trace_next() told: lay the row's values over @c, which holds what is in
 * force. @without: the condition without the trace, which holds again when it stops.
 */
void trace_apply(struct trace_player *p, struct choppy_condition *c,
		 const struct choppy_condition *without);

#endif
