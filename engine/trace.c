/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A round begins at its base. Every row is a change at base + the row's time; behind the last row
 * the next round begins at base + period (loop), or nothing changes any more (hold),
 * or one more change at base + period takes the trace's values away (stop). Times are sums of
 * the trace's own, so no round is late by the ones before.
 */
#include "trace.h"

#include <string.h>

static uint64_t row_ns(const struct trace *t, uint32_t row)
{
	return t->rows[(size_t)row * (1 + t->ncolumns)];
}

bool trace_is_chances(const struct trace *t)
{
	return t->ncolumns == 0;
}

uint64_t trace_fields(const struct trace *t)
{
	uint64_t fields = 0;

	for (uint32_t i = 0; i < t->ncolumns; i++)
		fields |= CHOPPY_FIELD_BIT(t->field[i]);
	return fields;
}

static void put(struct choppy_condition *c, uint32_t field, uint32_t unit, uint64_t value)
{
	const struct choppy_field_row *row = &choppy_fields()[field];
	char *to = (char *)c + row->offset;

	if (value == TRACE_KEEP)
		return;
	if (value == TRACE_OFF) {
		c->set &= ~CHOPPY_FIELD_BIT(field);
		return;
	}
	c->set |= CHOPPY_FIELD_BIT(field);
	if (row->kind == CHOPPY_KIND_AMOUNT)
		memcpy(to, &(struct choppy_amount){ .n = value, .unit = unit },
		       sizeof(struct choppy_amount));
	else
		memcpy(to, &value, sizeof(value));
}

void trace_row(const struct trace *t, uint32_t row, struct choppy_condition *c)
{
	const uint64_t *cells = t->rows + (size_t)row * (1 + t->ncolumns) + 1;

	for (uint32_t i = 0; i < t->ncolumns; i++)
		put(c, t->field[i], t->unit, cells[i]);
}

void trace_begin(struct trace_player *p, const struct trace *trace,
		 const struct choppy_condition *c, uint64_t now_ns)
{
	bool waits = c->set & CHOPPY_FIELD_BIT(CHOPPY_TRACE_START) &&
		     c->trace_start == CHOPPY_TRACE_FIRST_PACKET;

	*p = (struct trace_player){
		.trace = trace,
		.end = c->set & CHOPPY_FIELD_BIT(CHOPPY_TRACE_END) ? (uint32_t)c->trace_end
								   : CHOPPY_TRACE_LOOP,
		.base_ns = waits ? TRACE_NEVER : now_ns,
		.over = trace_is_chances(trace),
	};
}

void trace_packet(struct trace_player *p, uint64_t at_ns)
{
	if (p->base_ns == TRACE_NEVER)
		p->base_ns = at_ns;
}

uint64_t trace_next(const struct trace_player *p)
{
	if (p->over || p->base_ns == TRACE_NEVER)
		return TRACE_NEVER;
	if (p->next == p->trace->nrows)
		return p->base_ns + p->trace->period_ns;
	return p->base_ns + row_ns(p->trace, p->next);
}

void trace_apply(struct trace_player *p, struct choppy_condition *c,
		 const struct choppy_condition *without)
{
	if (p->next == p->trace->nrows) {
		*c = *without;
		p->over = true;
		return;
	}
	p->begun = true;
	trace_row(p->trace, p->next++, c);
	if (p->next < p->trace->nrows)
		return;
	if (p->end == CHOPPY_TRACE_LOOP) {
		p->base_ns += p->trace->period_ns;
		p->next = 0;
	} else if (p->end == CHOPPY_TRACE_HOLD) {
		p->over = true;
	}
}

void trace_skip(struct trace_player *p, uint64_t until_ns)
{
	uint64_t rounds;

	if (p->over || p->next || p->end != CHOPPY_TRACE_LOOP || p->base_ns > until_ns)
		return;
	rounds = (until_ns - p->base_ns) / p->trace->period_ns;
	/* The last one is played: what it leaves is in force. */
	if (rounds > 1)
		p->base_ns += (rounds - 1) * p->trace->period_ns;
}

void trace_resume(struct trace_player *p, const struct trace_player *old, const struct trace *trace,
		  struct choppy_condition *c)
{
	bool stopped = old->over && old->end == CHOPPY_TRACE_STOP;
	uint32_t rows = old->next ? old->next : trace->nrows; /* of this round, or the one before */

	*p = *old;
	p->trace = trace;
	for (uint32_t i = 0; old->begun && !stopped && i < rows; i++)
		trace_row(trace, i, c);
}
