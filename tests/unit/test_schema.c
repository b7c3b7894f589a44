/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables of a lab file's keys: the schema has every row of them, and what reads files goes by
 * them. Rows are walked, not listed: a new one is tested as soon as it is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "labfile_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 1024 /* of a path, in characters */

static struct fy_document *schema(char **ret_text)
{
	int n = choppy_file_schema(NULL, 0);
	struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_JSON_FORCE };
	struct fy_document *doc;

	assert_true(n > 0);
	*ret_text = malloc((size_t)n + 1);
	assert_non_null(*ret_text);
	assert_int_equal(choppy_file_schema(*ret_text, (size_t)n + 1), n);
	assert_int_equal(strlen(*ret_text), n);
	doc = fy_document_build_from_string(&cfg, *ret_text, (size_t)n);
	if (!doc)
		fail_msg("the schema is not JSON");
	return doc;
}

static struct fy_node *member(struct fy_node *map, const char *name)
{
	return map ? fy_node_mapping_lookup_value_by_simple_key(map, name, strlen(name)) : NULL;
}

static bool says(struct fy_node *map, const char *name, const char *what)
{
	struct fy_node *n = member(map, name);

	return n && fy_node_is_scalar(n) && strstr(fy_node_get_scalar0(n), what);
}

static void row_is_there(const struct key *k, struct fy_node *at, const char *path);

/* The part of @at that is about a mapping: of choices beside it there is another. */
static struct fy_node *map_part(struct fy_node *at)
{
	struct fy_node *any = member(at, "anyOf");

	return any ? fy_node_sequence_get_by_index(any, 1) : at;
}

static void map_is_there(const struct key *keys, const struct key *each, struct fy_node *at,
			 const char *path)
{
	char in[DEPTH];

	at = map_part(at);
	for (const struct key *k = keys; k && k->name; k++) {
		snprintf(in, sizeof(in), "%s.%s", path, k->name);
		row_is_there(k, member(member(at, "properties"), k->name), in);
	}
	if (!each || each->having)
		assert_true(says(at, "additionalProperties", "false"));
	if (!each)
		return;
	snprintf(in, sizeof(in), "%s.%s", path, each->name);
	row_is_there(each,
		     each->having ? member(member(at, "patternProperties"), each->having)
				  : member(at, "additionalProperties"),
		     in);
}

static void row_is_there(const struct key *k, struct fy_node *at, const char *path)
{
	char in[DEPTH];

	if (!at)
		fail_msg("%s is not in the schema", path);
	if (!says(at, "description", k->what))
		fail_msg("%s: not described", path);
	if (k->name && !k->named && !(k->help && says(at, "description", k->help)))
		fail_msg("%s: the row has no .help", path);
	for (const char *const *c = k->choices; c && *c; c++) {
		struct fy_node *any = member(at, "anyOf");
		char *text = fy_emit_node_to_string(
			member(any ? fy_node_sequence_get_by_index(any, 0) : at, "enum"),
			FYECF_MODE_JSON_ONELINE);

		assert_true(text && strstr(text, *c));
		free(text);
	}
	if (k->forms & FORM_LIST) {
		if (!k->item)
			fail_msg("%s: the row has no .item", path);
		snprintf(in, sizeof(in), "%s[]", path);
		row_is_there(k->item, member(at, "items"), in);
	}
	if (k->forms & FORM_MAP) {
		if (!k->keys && !k->each)
			fail_msg("%s: the row has neither .keys nor .each", path);
		map_is_there(k->keys, k->each, at, path);
	}
}

static void every_key_is_in_the_schema(void **state)
{
	char *text;
	struct fy_document *doc = schema(&text);

	map_is_there(lab_keys, NULL, fy_document_root(doc), "lab");
	fy_document_destroy(doc);
	free(text);
}

/* What stands in the examples an editor offers. */
static void every_example_is_a_condition(void **state)
{
	char *text;
	struct fy_document *doc = schema(&text);
	struct fy_node *defs = member(fy_document_root(doc), "$defs");
	struct fy_node *list = member(member(defs, "condition"), "examples"), *item;
	void *iter = NULL;
	int n = 0;

	while (list && (item = fy_node_sequence_iterate(list, &iter))) {
		struct choppy_condition dir[CHOPPY_NDIRS];
		struct choppy_rules rules;
		struct choppy_err err = { 0 };
		const char *words[16];
		char buf[256];
		int k = choppy_words_split(buf, words, fy_node_get_scalar0(item));

		if (choppy_condition_parse(dir, &rules, k, words, &err) < 0)
			fail_msg("%s", err.msg);
		n++;
	}
	assert_true(n > 30);
	for (const struct choppy_profile *p = choppy_profiles(); p->name; p++)
		assert_true(says(member(defs, "condition"), "pattern", p->name));
	fy_document_destroy(doc);
	free(text);
}

/* ------------------------------------------------------------------ reading */

struct told {
	char text[4096];
};

static void tell(void *ctx, const char *text)
{
	struct told *t = ctx;
	size_t n = strlen(t->text);

	snprintf(t->text + n, sizeof(t->text) - n, "%s\n", text);
}

/* What is said of a lab in which @key stands at the place between @open and @close. */
static void refused(const char *open, const char *close, const char *key, const char *value,
		    const char *want)
{
	char text[2 * DEPTH];
	struct told told = { 0 };
	struct problems p = { .tell = tell, .ctx = &told };
	struct labfile *f = NULL;

	snprintf(text, sizeof(text), "{%s%s\"%s\": %s%s}", open, *open ? " " : "", key, value,
		 close);
	if (labfile_parse(&f, text, strlen(text), &p, NULL) == 0)
		fail_msg("%s is accepted", text);
	if (!strstr(told.text, want))
		fail_msg("%s: not '%s' but\n%s", text, want, told.text);
}

/* A value of each form that no key takes for another. */
static const struct {
	enum form form;
	const char *value;
} samples[] = {
	{ FORM_TEXT, "\"x\"" },
	{ FORM_LIST, "[]" },
	{ FORM_MAP, "{}" },
	{ FORM_NULL, "null" },
};

static void map_reads(const struct key *keys, const struct key *each, const char *open,
		      const char *close);

/* @name: as what the row's key stands there. */
static void row_reads(const struct key *k, const char *name, const char *open, const char *close)
{
	char want[256], in[DEPTH], out[DEPTH];

	snprintf(want, sizeof(want), "'%s' takes %s", name, k->what);
	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++)
		if (!(k->forms & samples[i].form))
			refused(open, close, name, samples[i].value, want);
	if (k->forms & FORM_LIST && k->least)
		refused(open, close, name, "[]", want);
	if (k->forms & FORM_TEXT && k->text == TEXT_NUMBER)
		refused(open, close, name, "\"x\"", "'x' is not a number");
	if (k->forms & FORM_TEXT && k->choices)
		refused(open, close, name, "\"x\"", "'x' is no ");
	if (k->forms & FORM_MAP) {
		snprintf(in, sizeof(in), "%s \"%s\": {", open, name);
		snprintf(out, sizeof(out), "}%s", close);
		map_reads(k->keys, k->each, in, out);
	}
	if (k->forms & FORM_LIST && !(k->item->forms & FORM_NULL) && !k->least)
		refused(open, close, name, "[null]", k->item->what);
	if (k->forms & FORM_LIST && k->item->forms & FORM_MAP) {
		snprintf(in, sizeof(in), "%s \"%s\": [{", open, name);
		snprintf(out, sizeof(out), "}]%s", close);
		map_reads(k->item->keys, k->item->each, in, out);
	}
}

static void map_reads(const struct key *keys, const struct key *each, const char *open,
		      const char *close)
{
	char want[256];

	if (!each || (keys && each->having))
		refused(open, close, "zzzz", "null", "there is no key 'zzzz' here");
	for (const struct key *k = keys; k && k->name; k++) {
		snprintf(want, sizeof(want), "'%s' is missing here: %s", k->name, k->what);
		if (k->required)
			refused(open, close, "zzzz", "null", want);
		row_reads(k, k->name, open, close);
	}
	if (each)
		row_reads(each, each->having ? each->name : "A", open, close);
}

static void what_reads_goes_by_the_tables(void **state)
{
	map_reads(lab_keys, NULL, "", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_in_the_schema),
		cmocka_unit_test(every_example_is_a_condition),
		cmocka_unit_test(what_reads_goes_by_the_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
