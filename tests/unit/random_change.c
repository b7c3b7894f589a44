/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See random_change.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "random_change.h"
#include "value.h"

#include <string.h>

#define BIT(f) CHOPPY_FIELD_BIT(CHOPPY_##f)

/* xorshift64*, so that a failure is found again everywhere. */
uint64_t random_next(uint64_t *s)
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return *s * 2685821657736338717ull;
}

/* From @min to @max; of every size, and often round in the decimal or in the binary way. */
static uint64_t random_value(uint64_t *s, uint64_t min, uint64_t max)
{
	uint64_t n = random_next(s) >> random_next(s) % 64, round = 1;
	int k = (int)(random_next(s) % 10);

	while (k-- > 0)
		round *= n & 1 ? 10 : 4;
	n -= n % round;
	return n < min ? min : n > max ? min + n % (max - min + 1) : n;
}

static void random_list(struct choppy_list *list, uint64_t *s)
{
	uint64_t n = 1 + random_next(s) % 5, count = 1 + random_next(s) % CHOPPY_LIST_MAX;

	list->n = (uint32_t)count;
	for (uint64_t i = 0; i < count; i++) {
		list->range[i].first = n;
		list->range[i].last = n + random_next(s) % 3 * (random_next(s) % 1000);
		n = list->range[i].last + 2 + random_next(s) % 100;
	}
}

static void random_form(struct choppy_condition *c, int f, uint64_t *s)
{
	static const char *const distributions[] = { "uniform", "normal", "pareto",
						     "paretonormal" };
	static const char *const traces[] = { "leo", "leo-up", "train", "train-up" };
	const struct choppy_field_row *row = &choppy_fields()[f];
	char *at = (char *)c + row->offset;
	struct choppy_cycle cycle;
	struct choppy_overhead overhead;

	switch (row->kind) {
	case CHOPPY_KIND_LIST:
		random_list((struct choppy_list *)at, s);
		break;
	case CHOPPY_KIND_CYCLE:
		cycle.period_ns = random_value(s, row->min + 1, row->max);
		cycle.out_ns = random_value(s, row->min, cycle.period_ns - 1);
		memcpy(at, &cycle, sizeof(cycle));
		break;
	case CHOPPY_KIND_OVERHEAD:
		overhead.bytes = (int32_t)(random_next(s) % 4097) - 2048;
		overhead.least = 0;
		if (random_next(s) % 4 == 0)
			overhead = (struct choppy_overhead){ random_next(s) % 2 ? 24 : 32, 84 };
		memcpy(at, &overhead, sizeof(overhead));
		break;
	case CHOPPY_KIND_DISTRIBUTION:
		strcpy(at, distributions[random_next(s) % 4]);
		break;
	case CHOPPY_KIND_TRACE:
		strcpy(at, traces[random_next(s) % 4]);
		break;
	default:
		fail_msg("%s is of a kind that is not known", row->name);
	}
}

static void random_field(struct choppy_condition *c, int f, uint64_t *s)
{
	const struct choppy_field_row *row = &choppy_fields()[f];
	struct choppy_amount a = { 0 };

	c->set |= CHOPPY_FIELD_BIT(f);
	if (row->kind >= CHOPPY_KIND_LIST) {
		random_form(c, f, s);
		return;
	}
	if (row->kind == CHOPPY_KIND_AMOUNT)
		do
			a.unit = (uint32_t)(random_next(s) % CHOPPY_NUNITS);
		while (!(row->units & CHOPPY_UNIT_BIT(a.unit)));
	a.n = row->min == row->max ? row->min : random_value(s, row->min, value_max(row, a.unit));
	memcpy((char *)c + row->offset, &a, value_size(row->kind));
}

/* Any clauses, each with any of its words, in a form that words can say. */
void random_condition(struct choppy_condition *c, uint64_t *s)
{
	const struct choppy_field_row *rows = choppy_fields();
	bool clause = false, group = false, own = false;
	int f, instead = 0;

	memset(c, 0, sizeof(*c));
	for (f = 0; f < CHOPPY_NFIELDS; f++) {
		switch (rows[f].place) {
		case CHOPPY_PLACE_CLAUSE:
			clause = random_next(s) % 4 == 0;
			own = group = clause && random_next(s) % 2;
			instead = -1;
			break;
		case CHOPPY_PLACE_INSTEAD:
			group = clause && !own && instead < 0 && random_next(s) % 2;
			if (group)
				instead = f;
			break;
		case CHOPPY_PLACE_WORD:
			group = clause && (own || instead >= 0) && random_next(s) % 2;
			break;
		case CHOPPY_PLACE_VALUE:
			group = group && random_next(s) % 4;
			break;
		}
		if (group)
			random_field(c, f, s);
	}
}

void random_change(struct choppy_change *c, uint64_t *s)
{
	static const char *const expressions[] = { "tcp", "tcp port 80", "it's \\ \"odd\"",
						   "(udp)" };
	uint32_t i;

	memset(c, 0, sizeof(*c));
	random_condition(&c->dir[CHOPPY_UP], s);
	random_condition(&c->dir[CHOPPY_DOWN], s);
	for (i = 0; i < random_next(s) % 4; i++) {
		struct choppy_rule *rule = &c->rules.rule[c->rules.n];

		do
			random_condition(&rule->condition, s);
		while (!(rule->condition.set & ~(BIT(TRACE) | BIT(TRACE_END) | BIT(TRACE_START))) ||
		       (rule->condition.set & BIT(TRACE)));
		strcpy(rule->match, expressions[i]);
		if (random_next(s) % 2)
			random_list(&rule->nth, s);
		if (random_next(s) % 2)
			rule->first = (struct choppy_amount){
				1 + random_next(s) % 1000,
				random_next(s) % 2 ? CHOPPY_PACKETS : CHOPPY_CONNECTIONS, 0
			};
		rule->dirs = 1u + (uint32_t)(random_next(s) % 3);
		c->rules.n++;
	}
}
