/* SPDX-License-Identifier: GPL-2.0-or-later */
/* condition.h - conditions and rules as values, for the modules of the model. */
#ifndef CHOPPY_CONDITION_H
#define CHOPPY_CONDITION_H

#include "choppy.h"
#include "fields.h"
#include "value.h"

/*
 * choppy_change_parse() without `clear` and `off`, of words that were printed, maybe elsewhere:
 * files are taken by their names, and not looked for.
 */
int condition_read_back(struct choppy_change *ret, int n, const char *const *words,
			struct choppy_err *err);

/* All bits of every clause of which @fields_set has one. */
uint64_t condition_clauses(uint64_t fields_set);

/* Take the fields in @mask away. */
void condition_remove(struct choppy_condition *c, uint64_t mask);

/* Add the words of the fields in @mask, with a space before them when @t has text. */
void condition_print_fields(struct text *t, const struct choppy_condition *c, uint64_t mask);

/* As choppy_condition_check(); @ret_field (may be NULL): on failure, the row at fault. */
int condition_check(const struct choppy_condition *c, int *ret_field, struct choppy_err *err);

/* Whether two rules have the same match, nth and first, and so are one rule. */
bool rule_same(const struct choppy_rule *a, const struct choppy_rule *b);

/* `match 'tcp port 80' nth 3 first 5packets` */
void rule_print_head(struct text *t, const struct choppy_rule *rule);

/* The rules of one direction, in order; they stay where they are. */
struct rule_list {
	uint32_t n;
	const struct choppy_rule *rule[2 * CHOPPY_RULES_MAX];
};

/* Put @rule in the place of the one that is the same, else behind all. */
void rule_list_lay(struct rule_list *list, const struct choppy_rule *rule);

/*
 * Make one list of both directions' again: each direction's order stays, what is equal in both
 * is one rule. -E2BIG: more than CHOPPY_RULES_MAX.
 */
int rules_weave(struct choppy_rules *ret, const struct rule_list list[CHOPPY_NDIRS],
		struct choppy_err *err);

/* Why a rule has no trace. */
extern const char rule_no_trace[];

/* Rows for the numbers of a rule's packets. */
extern const struct choppy_field_row rule_nth_row, rule_first_row;

#endif
