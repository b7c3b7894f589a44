/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target for traces: what is accepted keeps all that trace.h promises, each value is in its
 * field's range, and the player's changes come in order, round after round; what is refused
 * leaves the output alone and says where.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "tracefile.h"
#include "value.h"

static void check_chances(const struct trace *t)
{
	uint32_t i;

	CHECK(t->nrows >= 1 && t->nrows <= TRACE_CHANCES_MAX && trace_fields(t) == 0);
	for (i = 1; i < t->nrows; i++)
		CHECK(t->chance_ms[i] >= t->chance_ms[i - 1]);
	CHECK(t->period_ns == t->chance_ms[t->nrows - 1] * 1000000ull && t->period_ns);
}

static void check_cell(const struct trace *t, uint32_t column, uint64_t value, bool first)
{
	const struct choppy_field_row *row = &choppy_fields()[t->field[column]];
	struct choppy_amount a = { value, row->kind == CHOPPY_KIND_AMOUNT ? t->unit : 0, 0 };

	CHECK(value != TRACE_KEEP || !first);
	if (value != TRACE_KEEP && value != TRACE_OFF)
		CHECK(value_check(row, &a, NULL) == 0);
}

static void check_rows(const struct trace *t)
{
	const uint64_t *row = t->rows;
	uint32_t i, k;

	CHECK(t->nrows >= 1 && t->nrows <= TRACE_ROWS_MAX && t->ncolumns <= TRACE_COLUMNS_MAX);
	CHECK((uint32_t)__builtin_popcountll(trace_fields(t)) == t->ncolumns);
	CHECK(row[0] == 0 && t->period_ns <= 2 * TRACE_TIME_MAX_NS);
	for (i = 0; i < t->nrows; i++, row += 1 + t->ncolumns) {
		CHECK(row[0] < (i + 1 < t->nrows ? row[1 + t->ncolumns] : t->period_ns));
		for (k = 0; k < t->ncolumns; k++)
			check_cell(t, k, row[1 + k], i == 0);
	}
}

/* Two rounds are the same, a period apart. */
static void check_loop(const struct trace *t)
{
	static const struct choppy_condition none;
	struct choppy_condition *c = calloc(2 * (size_t)t->nrows, sizeof(*c)), now = none;
	struct trace_player p;
	uint64_t at = 5;
	uint32_t i;

	CHECK(c);
	trace_begin(&p, t, &none, at);
	for (i = 0; i < 2 * t->nrows; i++) {
		CHECK(trace_next(&p) >= at + (i > 0));
		at = trace_next(&p);
		trace_apply(&p, &now, &none);
		CHECK(!(now.set & ~trace_fields(t)));
		c[i] = now;
		if (i >= t->nrows)
			CHECK(c[i].set == c[i - t->nrows].set);
	}
	CHECK(trace_next(&p) == 5 + 2 * t->period_ns);
	free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trace *t = (struct trace *)&size;
	struct choppy_err err;

	if (trace_parse("f", (const char *)data, size, &t, &err) == 0) {
		if (trace_is_chances(t)) {
			check_chances(t);
		} else {
			check_rows(t);
			check_loop(t);
		}
		trace_free(t);
	} else {
		CHECK(t == (struct trace *)&size);
		check_refused_file(&err, size);
	}
	return 0;
}
