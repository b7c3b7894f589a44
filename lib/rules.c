/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules: conditions for some packets only. A direction's rules are a list of their own, in which
 * the order decides; struct choppy_rules keeps both lists in one, each rule with the directions it
 * holds for. So a change is made on the two lists, which are woven together again.
 */
#include <errno.h>
#include <string.h>

#include "condition.h"
#include "err.h"

/* clang-format off */
const struct choppy_field_row rule_nth_row = {
	.name = "nth", .word = "nth", .kind = CHOPPY_KIND_LIST, .min = 1, .metavar = "LIST",
	.help = "of these only those, by their number",
};

const struct choppy_field_row rule_first_row = {
	.name = "first", .word = "first", .kind = CHOPPY_KIND_AMOUNT, .min = 1, .max = UINT64_MAX,
	.units = CHOPPY_UNIT_BIT(CHOPPY_PACKETS) | CHOPPY_UNIT_BIT(CHOPPY_CONNECTIONS),
	.metavar = "AMOUNT", .example = "5packets", .help = "of these only so many packets or connections",
};
/* clang-format on */

const char rule_no_trace[] = "a trace is a direction's, not a rule's: put it before the match";

bool rule_same(const struct choppy_rule *a, const struct choppy_rule *b)
{
	return strcmp(a->match, b->match) == 0 && value_equal(CHOPPY_KIND_LIST, &a->nth, &b->nth) &&
	       a->first.n == b->first.n && (!a->first.n || a->first.unit == b->first.unit);
}

/* ------------------------------------------------------------------- lists */

static int find(const struct rule_list *list, const struct choppy_rule *rule, uint32_t from)
{
	uint32_t i;

	for (i = from; i < list->n; i++)
		if (rule_same(list->rule[i], rule))
			return (int)i;
	return -1;
}

void rule_list_lay(struct rule_list *list, const struct choppy_rule *rule)
{
	int i = find(list, rule, 0);

	list->rule[i < 0 ? (int)list->n++ : i] = rule;
}

static void take_away(struct rule_list *list, uint32_t i)
{
	list->n--;
	memmove(&list->rule[i], &list->rule[i + 1], (list->n - i) * sizeof(list->rule[0]));
}

/* Whether @a and @b are one rule that does the same in both directions. */
static bool joins(const struct choppy_rule *a, const struct choppy_rule *b)
{
	return rule_same(a, b) && a->off == b->off &&
	       fields_equal(&a->condition, &b->condition, ALL_FIELDS);
}

/* Whether @rule will meet its other half in @list. */
static bool joins_later(const struct choppy_rule *rule, const struct rule_list *list, uint32_t from)
{
	int i = find(list, rule, from);

	return i >= 0 && joins(rule, list->rule[i]);
}

static int emit(struct choppy_rules *ret, const struct choppy_rule *rule, uint32_t dirs,
		struct choppy_err *err)
{
	if (ret->n == CHOPPY_RULES_MAX)
		return err_set(err, -E2BIG, "a link has at most %d rules", CHOPPY_RULES_MAX);
	ret->rule[ret->n] = *rule;
	ret->rule[ret->n++].dirs = dirs;
	return 0;
}

int rules_weave(struct choppy_rules *ret, const struct rule_list list[CHOPPY_NDIRS],
		struct choppy_err *err)
{
	const struct rule_list *up = &list[CHOPPY_UP], *down = &list[CHOPPY_DOWN];
	struct choppy_rules woven = { 0 };
	uint32_t i = 0, j = 0;
	int r = 0;

	while (r == 0 && (i < up->n || j < down->n)) {
		const struct choppy_rule *a = i < up->n ? up->rule[i] : NULL;
		const struct choppy_rule *b = j < down->n ? down->rule[j] : NULL;

		if (a && b && joins(a, b)) {
			r = emit(&woven, a, CHOPPY_BOTH, err);
			i++, j++;
		} else if (!b || (a && !joins_later(a, down, j))) {
			r = emit(&woven, a, CHOPPY_DIR_BIT(CHOPPY_UP), err);
			i++;
		} else {
			r = emit(&woven, b, CHOPPY_DIR_BIT(CHOPPY_DOWN), err);
			j++;
		}
	}
	if (r == 0)
		*ret = woven;
	return r;
}

/* ------------------------------------------------------------------- merge */

static int not_there(const struct choppy_rule *rule, int d, struct choppy_err *err)
{
	char head[512];
	struct text t = text_begin(head, sizeof(head));

	rule_print_head(&t, rule);
	return err_set(err, -ENOENT, "%s: there is no rule %s to remove", dir_words[d], head);
}

int choppy_rules_merge(struct choppy_rules *state, const struct choppy_change *change,
		       struct choppy_err *err)
{
	struct rule_list list[CHOPPY_NDIRS] = { 0 };
	uint32_t i;
	int d, at;

	for (d = 0; d < CHOPPY_NDIRS; d++) {
		bool keep = !change->clear[d] && !change->rules_off[d];

		for (i = 0; keep && i < state->n; i++)
			if (state->rule[i].dirs & CHOPPY_DIR_BIT(d))
				rule_list_lay(&list[d], &state->rule[i]);
		for (i = 0; i < change->rules.n; i++) {
			const struct choppy_rule *rule = &change->rules.rule[i];

			if (!(rule->dirs & CHOPPY_DIR_BIT(d)))
				continue;
			if (!rule->off) {
				rule_list_lay(&list[d], rule);
				continue;
			}
			at = find(&list[d], rule, 0);
			if (at < 0)
				return not_there(rule, d, err);
			take_away(&list[d], (uint32_t)at);
		}
	}
	return rules_weave(state, list, err);
}

/* ------------------------------------------------------------------- check */

static int check_head(const struct choppy_rule *rule, struct choppy_err *err)
{
	if (!memchr(rule->match, '\0', sizeof(rule->match)) || !rule->match[0])
		return err_set(err, -EINVAL, "a rule has no expression");
	if (!rule->dirs || (rule->dirs & ~CHOPPY_BOTH))
		return err_set(err, -EINVAL, "a rule is for no direction");
	if (rule->nth.n && value_check(&rule_nth_row, &rule->nth, err) < 0)
		return -EINVAL;
	if (rule->first.n && value_check(&rule_first_row, &rule->first, err) < 0)
		return -EINVAL;
	if (!(rule->condition.set & ALL_FIELDS))
		return err_set(err, -EINVAL, "match '%s' has no condition", rule->match);
	if (rule->condition.set & CHOPPY_FIELD_BIT(CHOPPY_TRACE))
		return err_set(err, -EINVAL, "match '%s': %s", rule->match, rule_no_trace);
	return 0;
}

static int check_rule(const struct choppy_rule *rule,
		      const struct choppy_condition dir[CHOPPY_NDIRS], struct choppy_err *err)
{
	char shown[WORD_BYTES];
	int d, r = check_head(rule, err);

	for (d = 0; r == 0 && d < CHOPPY_NDIRS; d++) {
		struct choppy_condition c = dir[d];

		if (!(rule->dirs & CHOPPY_DIR_BIT(d)))
			continue;
		choppy_condition_merge(&c, &rule->condition);
		r = condition_check(&c, NULL, err);
		if (r == 0)
			continue;
		word_shown(shown, rule->match);
		err_prefix(err, "%s: match '%s'", dir_words[d], shown);
	}
	return r;
}

int choppy_rules_check(const struct choppy_rules *rules,
		       const struct choppy_condition dir[CHOPPY_NDIRS], struct choppy_err *err)
{
	uint32_t i, j;

	if (rules->n > CHOPPY_RULES_MAX)
		return err_set(err, -EINVAL, "a link has at most %d rules", CHOPPY_RULES_MAX);
	for (i = 0; i < rules->n; i++) {
		int r = check_rule(&rules->rule[i], dir, err);

		if (r < 0)
			return r;
		for (j = 0; j < i; j++)
			if ((rules->rule[i].dirs & rules->rule[j].dirs) &&
			    rule_same(&rules->rule[i], &rules->rule[j]))
				return err_set(err, -EINVAL, "match '%s' is there twice",
					       rules->rule[i].match);
	}
	return 0;
}

/* ---------------------------------------------------------------- printing */

void rule_print_head(struct text *t, const struct choppy_rule *rule)
{
	char value[CHOPPY_VALUE_TEXT_MAX];

	text_add(t, "%smatch ", t->len ? " " : "");
	text_add_word(t, rule->match);
	if (rule->nth.n) {
		choppy_value_print(value, sizeof(value), &rule_nth_row, &rule->nth);
		text_add(t, " nth %s", value);
	}
	if (rule->first.n) {
		choppy_value_print(value, sizeof(value), &rule_first_row, &rule->first);
		text_add(t, " first %s", value);
	}
}

int choppy_rules_print(char *buf, size_t size, const struct choppy_rules *rules,
		       enum choppy_dir dir)
{
	struct text t = text_begin(buf, size);
	uint32_t i;

	for (i = 0; i < rules->n; i++) {
		const struct choppy_rule *rule = &rules->rule[i];

		if (!(rule->dirs & CHOPPY_DIR_BIT(dir)))
			continue;
		rule_print_head(&t, rule);
		condition_print_fields(&t, &rule->condition, ALL_FIELDS);
	}
	return (int)t.len;
}

/* ----------------------------------------------------------------- changes */

static void print_change_of(struct text *t, const struct choppy_change *change, int d)
{
	int f;

	if (change->clear[d])
		text_add(t, " clear");
	for (f = 0; f < CHOPPY_NFIELDS; f = clause_end(f))
		if (change->off[d] & clause_mask(f))
			text_add(t, " %s off", fields[f].word);
	condition_print_fields(t, &change->dir[d], ALL_FIELDS);
	if (change->rules_off[d])
		text_add(t, " match off");
	for (uint32_t i = 0; i < change->rules.n; i++) {
		const struct choppy_rule *rule = &change->rules.rule[i];

		if (!(rule->dirs & CHOPPY_DIR_BIT(d)))
			continue;
		rule_print_head(t, rule);
		if (rule->off)
			text_add(t, " off");
		else
			condition_print_fields(t, &rule->condition, ALL_FIELDS);
	}
}

int choppy_change_print(char *buf, size_t size, const struct choppy_change *change)
{
	struct text t = text_begin(buf, size);
	int d;

	for (d = 0; d < CHOPPY_NDIRS; d++) {
		size_t before = t.len;

		text_add(&t, "%s%s", t.len ? " " : "", dir_words[d]);
		print_change_of(&t, change, d);
		if (t.len == before + strlen(dir_words[d]) + (before > 0)) {
			/* A direction without a change is not said. */
			t.len = before;
			if (size > before)
				buf[before] = '\0';
		}
	}
	return (int)t.len;
}
