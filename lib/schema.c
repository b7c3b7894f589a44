/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The JSON Schema (draft 2020-12) of lab files, from the tables of keys that read them. What is
 * said of one form is ignored by JSON Schema for values of another, so that a value of several
 * forms is one object: the types, and what holds for each. Only choices hold for every type; they
 * stand beside the other forms then, under "anyOf". A text is a number or a truth to whoever reads
 * YAML by its types: where any text will do, these are texts too.
 */
#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "fields.h"
#include "labfile_read.h"
#include "value.h"

/* ------------------------------------------------------------------ writer */

struct json {
	struct text *t;
	int depth;
	bool more; /* something stands before in this object or list */
};

static void quoted(struct text *t, const char *s)
{
	text_add(t, "\"");
	for (; *s; s++)
		text_add(t, strchr("\"\\", *s) ? "\\%c" : "%c", *s);
	text_add(t, "\"");
}

/* What stands before a value. @key: NULL in a list. */
static void lead(struct json *j, const char *key)
{
	text_add(j->t, "%s\n%*s", j->more ? "," : "", 2 * j->depth, "");
	j->more = true;
	if (!key)
		return;
	quoted(j->t, key);
	text_add(j->t, ": ");
}

static void begin(struct json *j, const char *key, char c)
{
	lead(j, key);
	text_add(j->t, "%c", c);
	j->depth++;
	j->more = false;
}

static void end(struct json *j, char c)
{
	j->depth--;
	text_add(j->t, "\n%*s%c", 2 * j->depth, "", c);
	j->more = true;
}

static void string(struct json *j, const char *key, const char *s)
{
	lead(j, key);
	quoted(j->t, s);
}

/* A number, or true or false. */
static void plain(struct json *j, const char *key, const char *s)
{
	lead(j, key);
	text_add(j->t, "%s", s);
}

static void number(struct json *j, const char *key, int n)
{
	lead(j, key);
	text_add(j->t, "%d", n);
}

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
	string(j, "pattern", buf);
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

	begin(j, "examples", '[');
	for (int f = 0; f < CHOPPY_NFIELDS; f++) {
		const struct choppy_field_row *row = &fields[f];
		bool flag = row->kind == CHOPPY_KIND_FLAG;

		if (!is_clause(f))
			continue;
		snprintf(text, sizeof(text), "%s%s%s", row->word, flag ? "" : " ",
			 flag ? "" : value_example(row));
		if (stands_alone(text))
			string(j, NULL, text);
	}
	for (const struct choppy_profile *p = choppy_profiles(); p->name; p++)
		string(j, NULL, p->name);
	end(j, ']');
}

static void condition(struct json *j, const char *key, bool ways)
{
	begin(j, key, '{');
	condition_pattern(j, ways);
	condition_examples(j);
	end(j, '}');
}

/* ------------------------------------------------------------------- values */

/* What it is for, and what it may be, in words. */
static void describe(struct json *j, const struct key *k)
{
	char text[512];

	snprintf(text, sizeof(text), "%s%s%s%s", k->help ? k->help : "", k->help ? " (" : "",
		 k->what, k->help ? ")" : "");
	string(j, "description", text);
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
		string(j, "type", list[0]);
		return;
	}
	begin(j, "type", '[');
	for (int i = 0; i < n; i++)
		string(j, NULL, list[i]);
	end(j, ']');
}

static void text_form(struct json *j, const struct key *k, bool named)
{
	char buf[256];
	struct text t = text_begin(buf, sizeof(buf));

	if (k->text == TEXT_NUMBER) {
		string(j, "pattern", "^[0-9]+$");
		plain(j, "minimum", "0");
		plain(j, "maximum", "18446744073709551615");
	} else if (k->text != TEXT_ANY) {
		string(j, "$ref",
		       k->text == TEXT_WAYS ? "#/$defs/uplink-condition" : "#/$defs/condition");
	} else if (k->having && !named) {
		add_literal(&t, k->having);
		string(j, "pattern", buf);
	}
}

static void value(struct json *j, const char *key, const struct key *k, bool named);

static void list_form(struct json *j, const struct key *k)
{
	if (k->item)
		value(j, "items", k->item, false);
	if (k->least)
		number(j, "minItems", k->least);
	if (k->most)
		number(j, "maxItems", k->most);
}

/* Keys that must be there, of @keys. */
static void required(struct json *j, const struct key *keys)
{
	bool any = false;

	for (const struct key *k = keys; k && k->name; k++)
		any |= k->required;
	if (!any)
		return;
	begin(j, "required", '[');
	for (const struct key *k = keys; k->name; k++)
		if (k->required)
			string(j, NULL, k->name);
	end(j, ']');
}

static void map_form(struct json *j, const struct key *keys, const struct key *each)
{
	char buf[256];
	struct text t = text_begin(buf, sizeof(buf));

	if (keys) {
		begin(j, "properties", '{');
		for (const struct key *k = keys; k->name; k++)
			value(j, k->name, k, false);
		end(j, '}');
	}
	required(j, keys);
	if (each && each->having) {
		add_literal(&t, each->having);
		begin(j, "patternProperties", '{');
		value(j, buf, each, true);
		end(j, '}');
	}
	if (each && !each->having)
		value(j, "additionalProperties", each, true);
	else
		plain(j, "additionalProperties", "false");
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
	begin(j, "enum", '[');
	for (const char *const *c = k->choices; *c; c++)
		string(j, NULL, *c);
	end(j, ']');
}

/* @named: @k describes keys that the writer names. */
static void value(struct json *j, const char *key, const struct key *k, bool named)
{
	unsigned int others = k->forms & ~(unsigned int)FORM_TEXT;

	begin(j, key, '{');
	describe(j, k);
	if (!k->choices) {
		forms_of(j, k, k->forms, named);
	} else if (!others) {
		choices(j, k);
	} else {
		begin(j, "anyOf", '[');
		begin(j, NULL, '{');
		choices(j, k);
		end(j, '}');
		begin(j, NULL, '{');
		forms_of(j, k, others, named);
		end(j, '}');
		end(j, ']');
	}
	end(j, '}');
}

int choppy_file_schema(char *buf, size_t size)
{
	struct text t = text_begin(buf, size);
	struct json j = { .t = &t, .depth = 1 };

	text_add(&t, "{");
	string(&j, "$schema", "https://json-schema.org/draft/2020-12/schema");
	string(&j, "title", "choppy lab file");
	string(&j, "type", "object");
	map_form(&j, lab_keys, NULL);
	begin(&j, "$defs", '{');
	condition(&j, "condition", false);
	condition(&j, "uplink-condition", true);
	end(&j, '}');
	text_add(&t, "\n}\n");
	return (int)t.len;
}
