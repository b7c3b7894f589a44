/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The JSON Schema (draft 2020-12) of lab files, from the tables of keys that read them. What is
 * said of one form is ignored by JSON Schema for values of another, so that a value of several
 * forms is one object: the types, and what holds for each. Only choices hold for every type; they
 * stand beside the other forms then, under "anyOf". A text is a number or a truth to whoever reads
 * YAML by its types: where any text will do, these are texts too.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "fields.h"
#include "json.h"
#include "labfile_read.h"
#include "util.h"
#include "value.h"

/* --------------------------------------------------------------- conditions */

#define EXAMPLE_MAX 256

/* @word as a regular expression that matches just that. */
static void add_literal(struct text *t, const char *word)
{
	for (; *word; word++)
		text_add(t, strchr("^$.*+?()[]{}|/\\", *word) ? "\\%c" : "%c", *word);
}

/* Whether the word of row @f may open a condition in a lab file, whose links are the engine's. */
static bool is_clause(int f)
{
	return fields[f].place == CHOPPY_PLACE_CLAUSE &&
	       engine_backend.fields & CHOPPY_FIELD_BIT(f);
}

/* The first word of a condition is one of a table, unless it has quotes in it. */
static void condition_pattern(struct json *j, bool ways)
{
	char buf[4096];
	struct text t = text_begin(buf, sizeof(buf));

	text_add(&t, "^\\s*($|[^\\s'\"\\\\]*['\"\\\\]|(match");
	for (int d = 0; ways && d < CHOPPY_NDIRS; d++)
		text_add(&t, "|%s", dir_words[d]);
	for (int f = 0; f < CHOPPY_NFIELDS; f++) {
		if (!is_clause(f))
			continue;
		text_add(&t, "|");
		add_literal(&t, fields[f].word);
	}
	for (const struct choppy_profile *p = choppy_profiles(); p->name; p++) {
		text_add(&t, "|");
		add_literal(&t, p->name);
	}
	text_add(&t, ")(\\s|$))");
	json_text(j, "pattern", buf);
}

/* Whether @text is a whole condition: some clauses mean nothing alone. */
static bool stands_alone(const char *text)
{
	struct choppy_condition dir[CHOPPY_NDIRS];
	struct choppy_rules rules;
	const char *words[EXAMPLE_MAX / 2 + 1];
	char buf[EXAMPLE_MAX];

	return choppy_condition_parse(dir, &rules, choppy_words_split(buf, words, text), words,
				      NULL) == 0;
}

/* Clauses with a value as one would write them, and profiles. */
static void condition_examples(struct json *j)
{
	char text[EXAMPLE_MAX];

	json_array(j, "examples");
	for (int f = 0; f < CHOPPY_NFIELDS; f++) {
		const struct choppy_field_row *row = &fields[f];
		bool flag = row->kind == CHOPPY_KIND_FLAG;

		if (!is_clause(f))
			continue;
		snprintf(text, sizeof(text), "%s%s%s", row->word, flag ? "" : " ",
			 flag ? "" : value_example(row));
		if (stands_alone(text))
			json_text(j, NULL, text);
	}
	for (const struct choppy_profile *p = choppy_profiles(); p->name; p++)
		json_text(j, NULL, p->name);
	json_array_end(j);
}

static void condition(struct json *j, const char *key, bool ways)
{
	json_object(j, key);
	condition_pattern(j, ways);
	condition_examples(j);
	json_object_end(j);
}

/* ------------------------------------------------------------------- values */

/* What it is for, and what it may be, in words. */
static void describe(struct json *j, const struct key *k)
{
	char text[512];

	snprintf(text, sizeof(text), "%s%s%s%s", k->help ? k->help : "", k->help ? " (" : "",
		 k->what, k->help ? ")" : "");
	json_text(j, "description", text);
}

static void types(struct json *j, const struct key *k, unsigned int forms)
{
	static const char *const texts[][3] = {
		[TEXT_ANY] = { "string", "number", "boolean" },
		[TEXT_NUMBER] = { "integer", "string" },
		[TEXT_CONDITION] = { "string" },
		[TEXT_WAYS] = { "string" },
	};

	const char *list[6];
	int n = 0;

	for (int i = 0; forms & FORM_TEXT && i < 3 && texts[k->text][i]; i++)
		list[n++] = texts[k->text][i];
	if (forms & FORM_LIST)
		list[n++] = "array";
	if (forms & FORM_MAP)
		list[n++] = "object";
	if (forms & FORM_NULL)
		list[n++] = "null";
	if (n == 1) {
		json_text(j, "type", list[0]);
		return;
	}
	json_array(j, "type");
	for (int i = 0; i < n; i++)
		json_text(j, NULL, list[i]);
	json_array_end(j);
}

static void text_form(struct json *j, const struct key *k, bool named)
{
	char buf[256];
	struct text t = text_begin(buf, sizeof(buf));

	if (k->text == TEXT_NUMBER) {
		json_text(j, "pattern", "^[0-9]+$");
		json_u64(j, "minimum", 0);
		json_u64(j, "maximum", UINT64_MAX);
	} else if (k->text != TEXT_ANY) {
		json_text(j, "$ref",
			  k->text == TEXT_WAYS ? "#/$defs/uplink-condition" : "#/$defs/condition");
	} else if (k->having && !named) {
		add_literal(&t, k->having);
		json_text(j, "pattern", buf);
	}
}

static void value(struct json *j, const char *key, const struct key *k, bool named);

static void list_form(struct json *j, const struct key *k)
{
	if (k->item)
		value(j, "items", k->item, false);
	if (k->least)
		json_u64(j, "minItems", (uint64_t)k->least);
	if (k->most)
		json_u64(j, "maxItems", (uint64_t)k->most);
}

/* Keys that must be there, of @keys. */
static void required(struct json *j, const struct key *keys)
{
	bool any = false;

	for (const struct key *k = keys; k && k->name; k++)
		any |= k->required;
	if (!any)
		return;
	json_array(j, "required");
	for (const struct key *k = keys; k->name; k++)
		if (k->required)
			json_text(j, NULL, k->name);
	json_array_end(j);
}

static void map_form(struct json *j, const struct key *keys, const struct key *each)
{
	char buf[256];
	struct text t = text_begin(buf, sizeof(buf));

	if (keys) {
		json_object(j, "properties");
		for (const struct key *k = keys; k->name; k++)
			value(j, k->name, k, false);
		json_object_end(j);
	}
	required(j, keys);
	if (each && each->having) {
		add_literal(&t, each->having);
		json_object(j, "patternProperties");
		value(j, buf, each, true);
		json_object_end(j);
	}
	if (each && !each->having)
		value(j, "additionalProperties", each, true);
	else
		json_bool(j, "additionalProperties", false);
}

/* What holds for the @forms of @k; choices are elsewhere. */
static void forms_of(struct json *j, const struct key *k, unsigned int forms, bool named)
{
	types(j, k, forms);
	if (forms & FORM_TEXT)
		text_form(j, k, named);
	if (forms & FORM_LIST)
		list_form(j, k);
	if (forms & FORM_MAP)
		map_form(j, k->keys, k->each);
}

static void choices(struct json *j, const struct key *k)
{
	json_array(j, "enum");
	for (const char *const *c = k->choices; *c; c++)
		json_text(j, NULL, *c);
	json_array_end(j);
}

/* @named: @k describes keys that the writer names. */
static void value(struct json *j, const char *key, const struct key *k, bool named)
{
	unsigned int others = k->forms & ~(unsigned int)FORM_TEXT;

	json_object(j, key);
	describe(j, k);
	if (!k->choices) {
		forms_of(j, k, k->forms, named);
	} else if (!others) {
		choices(j, k);
	} else {
		json_array(j, "anyOf");
		json_object(j, NULL);
		choices(j, k);
		json_object_end(j);
		json_object(j, NULL);
		forms_of(j, k, others, named);
		json_object_end(j);
		json_array_end(j);
	}
	json_object_end(j);
}

int choppy_file_schema(char *buf, size_t size)
{
	CLEANUP_FREE char *text = NULL;
	struct json j = { 0 };
	size_t len;

	j.f = open_memstream(&text, &len);
	if (!j.f)
		return -ENOMEM;
	json_object(&j, NULL);
	json_text(&j, "$schema", "https://json-schema.org/draft/2020-12/schema");
	json_text(&j, "title", "choppy lab file");
	json_text(&j, "type", "object");
	map_form(&j, lab_keys, NULL);
	json_object(&j, "$defs");
	condition(&j, "condition", false);
	condition(&j, "uplink-condition", true);
	json_object_end(&j);
	json_object_end(&j);
	json_end(&j);
	return fclose(j.f) == EOF ? -ENOMEM : snprintf(buf, size, "%s", text);
}
