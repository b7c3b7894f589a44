/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A condition as a value: laying one over another clause by clause, the loss that it asks
 * for, and its words.
 */
#include <string.h>

#include "choppy.h"
#include "condition.h"
#include "value.h"

/* ------------------------------------------------------------------- merge */

uint64_t condition_clauses(uint64_t fields_set)
{
	uint64_t mask = 0;
	int f;

	for (f = 0; f < CHOPPY_NFIELDS; f = clause_end(f))
		if (fields_set & clause_mask(f))
			mask |= clause_mask(f);
	return mask;
}

void condition_remove(struct choppy_condition *c, uint64_t mask)
{
	int f;

	for (f = 0; f < CHOPPY_NFIELDS; f++)
		if (mask & CHOPPY_FIELD_BIT(f))
			memset(field_value(c, f), 0, value_size(fields[f].kind));
	c->set &= ~mask;
}

void choppy_condition_merge(struct choppy_condition *state, const struct choppy_condition *change)
{
	int f;

	condition_remove(state, condition_clauses(change->set));
	for (f = 0; f < CHOPPY_NFIELDS; f++)
		if (field_set(change, f))
			memcpy(field_value(state, f), field_const_value(change, f),
			       value_size(fields[f].kind));
	state->set |= change->set & ALL_FIELDS;
}

void choppy_change_apply(struct choppy_condition dir[CHOPPY_NDIRS],
			 const struct choppy_change *change)
{
	int d;

	for (d = 0; d < CHOPPY_NDIRS; d++) {
		condition_remove(&dir[d], change->clear[d] ? ALL_FIELDS : change->off[d]);
		choppy_condition_merge(&dir[d], &change->dir[d]);
	}
}

/* ------------------------------------------------------------------- loss */

/* Field @f as a ratio, or @otherwise when it is not set. */
static double ratio(const struct choppy_condition *c, int f, double otherwise)
{
	return field_set(c, f) ? (double)*(const uint64_t *)field_const_value(c, f) / 1e9
			       : otherwise;
}

/* The share of the time that the chain is in its bad state is p / (p + r). */
static double gilbert_elliott_loss(const struct choppy_condition *c)
{
	double p = ratio(c, CHOPPY_GE_P, 0), r = ratio(c, CHOPPY_GE_R, 1 - p);
	double bad = p > 0 ? p / (p + r) : 0;

	return bad * ratio(c, CHOPPY_GE_BAD, 1) + (1 - bad) * ratio(c, CHOPPY_GE_GOOD, 0);
}

/*
 * What flows into a state flows out of it: with the weight 1 for state 1, state 4 has p14, state 3
 * has p13 / p31 and state 2 has p32 / p23 of that. Where a way back is missing the
 * chain ends in states 2 and 3, or in one of them.
 */
static double four_states_loss(const struct choppy_condition *c)
{
	double p13 = ratio(c, CHOPPY_STATE_P13, 0), p14 = ratio(c, CHOPPY_STATE_P14, 0);
	double p31 = ratio(c, CHOPPY_STATE_P31, 1 - p13), p32 = ratio(c, CHOPPY_STATE_P32, 0);
	double p23 = ratio(c, CHOPPY_STATE_P23, 1), lost3;

	if (p13 > 0 && p32 > 0 && !(p23 > 0))
		return 0;
	if (p13 > 0 && !(p31 > 0))
		return p32 > 0 ? p23 / (p23 + p32) : 1;
	lost3 = p13 > 0 ? p13 / p31 : 0;
	return (p14 + lost3) / (1 + p14 + lost3 + (lost3 > 0 && p32 > 0 ? lost3 * p32 / p23 : 0));
}

double choppy_condition_loss(const struct choppy_condition *c)
{
	if (field_set(c, CHOPPY_LOSS))
		return ratio(c, CHOPPY_LOSS, 0);
	if (field_set(c, CHOPPY_LOSS_EVERY))
		return c->loss_every ? 1 / (double)c->loss_every : 0;
	if (field_set(c, CHOPPY_GE_P))
		return gilbert_elliott_loss(c);
	if (field_set(c, CHOPPY_STATE_P13))
		return four_states_loss(c);
	return -1;
}

/* ---------------------------------------------------------------- printing */

static bool is_text(enum choppy_kind kind)
{
	return kind == CHOPPY_KIND_DISTRIBUTION || kind == CHOPPY_KIND_TRACE;
}

static void print_value(struct text *t, int f, const struct choppy_condition *c)
{
	char value[CHOPPY_VALUE_TEXT_MAX];

	choppy_value_print(value, sizeof(value), &fields[f], field_const_value(c, f));
	if (is_text(fields[f].kind))
		text_add_word(t, value);
	else
		text_add(t, "%s", value);
}

static void print_word(struct text *t, const char *word)
{
	text_add(t, "%s%s", t->len ? " " : "", word);
}

/*
 * Row @f of a clause, of which the row before it is set or not. What the rows before it do not lead
 * to (no parse makes such a state, and the check refuses it) is shown by its name.
 */
static void print_row(struct text *t, const struct choppy_condition *c, int f, bool open)
{
	const struct choppy_field_row *row = &fields[f];

	if (row->place == CHOPPY_PLACE_INSTEAD &&
	    !(c->set & clause_mask(f) & (CHOPPY_FIELD_BIT(f) - 1)))
		print_word(t, fields[clause_begin(f)].word);
	if (!open)
		print_word(t, row->name);
	else if (row->word)
		print_word(t, row->word);
	if (row->kind == CHOPPY_KIND_FLAG)
		return;
	text_add(t, " ");
	print_value(t, f, c);
}

void condition_print_fields(struct text *t, const struct choppy_condition *c, uint64_t mask)
{
	bool open = false; /* the clause's word is there */
	int f;

	for (f = 0; f < CHOPPY_NFIELDS; f++) {
		bool set = field_set(c, f) && (mask & CHOPPY_FIELD_BIT(f));

		if (fields[f].place == CHOPPY_PLACE_CLAUSE)
			open = set;
		if (fields[f].place == CHOPPY_PLACE_INSTEAD)
			open |= set;
		if (!set)
			continue;
		print_row(t, c, f,
			  fields[f].place == CHOPPY_PLACE_VALUE ? field_set(c, f - 1) : open);
	}
}

int choppy_condition_print(char *buf, size_t size, const struct choppy_condition *c)
{
	struct text t = text_begin(buf, size);

	condition_print_fields(&t, c, ALL_FIELDS);
	return (int)t.len;
}

/* Whole clauses that are the same in both directions, as field bits. */
static uint64_t common_fields(const struct choppy_condition dir[CHOPPY_NDIRS])
{
	const struct choppy_condition *a = &dir[CHOPPY_UP], *b = &dir[CHOPPY_DOWN];
	uint64_t common = 0;
	int f;

	for (f = 0; f < CHOPPY_NFIELDS; f = clause_end(f))
		if (fields_equal(a, b, clause_mask(f)))
			common |= clause_mask(f) & a->set;
	return common;
}

int choppy_condition_print_both(char *buf, size_t size,
				const struct choppy_condition dir[CHOPPY_NDIRS])
{
	const uint64_t common = common_fields(dir);
	struct text t = text_begin(buf, size);
	int d;

	if (common) {
		condition_print_fields(&t, &dir[CHOPPY_UP], common);
		text_add(&t, " each way");
	}
	for (d = 0; d < CHOPPY_NDIRS; d++) {
		if (!(dir[d].set & ~common))
			continue;
		text_add(&t, "%s%s", t.len ? ", " : "", dir_words[d]);
		condition_print_fields(&t, &dir[d], ~common);
	}
	if (!t.len)
		text_add(&t, "no condition");
	return (int)t.len;
}
