/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * choppy profiles: the named conditions, what they do in each direction, and
 * whose numbers they are.
 */
#include "../lib/json.h"
#include "out.h"

#include <string.h>

static int profiles_run(struct call *c);

struct profiles_args {
	bool json;
};

static const struct opt profiles_options[] = {
	{ .name = "json",
	  .letter = 'j',
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct profiles_args, json),
	  .help = "as an array of JSON objects; with NAME as one object" },
	{ 0 },
};

static const struct example profiles_examples[] = {
	{ "choppy profiles", "all of them" },
	{ "choppy profiles lte", "what is lte, and by whom" },
	{ "choppy run lte loss 1% -- ping -c 20 gateway", "a profile, and a loss of your own" },
	{ 0 },
};

const struct command cmd_profiles = {
	.name = "profiles",
	.usage = "[NAME] [OPTIONS]",
	.summary = "list the profiles: conditions that have a name",
	.details = "A profile's name is the first word of a condition, or the first behind 'up' or "
		   "'down'; what stands behind it replaces its clauses. All values are one way.",
	.names = NAMES_PROFILES,
	.max_words = 1,
	.options = profiles_options,
	.args_size = sizeof(struct profiles_args),
	.examples = profiles_examples,
	.run = profiles_run,
};

static const char *profile_name(const void *ctx, unsigned int i)
{
	return choppy_profiles()[i].name;
}

static const struct choppy_profile *find(const char *name)
{
	const struct choppy_profile *p = choppy_profiles();

	while (p->name && strcmp(p->name, name) != 0)
		p++;
	return p->name ? p : NULL;
}

/* What @p does in each direction. */
static int directions(char text[CHOPPY_NDIRS][CHOPPY_CONDITION_TEXT_MAX],
		      const struct choppy_profile *p, struct choppy_err *err)
{
	struct choppy_condition dir[CHOPPY_NDIRS];
	int d, r = choppy_condition_parse(dir, NULL, 1, (const char *[]){ p->name }, err);

	for (d = 0; r == 0 && d < CHOPPY_NDIRS; d++)
		choppy_condition_print(text[d], CHOPPY_CONDITION_TEXT_MAX, &dir[d]);
	return r;
}

static void print_text(FILE *f, const struct choppy_profile *p,
		       char text[CHOPPY_NDIRS][CHOPPY_CONDITION_TEXT_MAX])
{
	static const char *const labels[CHOPPY_NDIRS] = {
		[CHOPPY_UP] = "up", [CHOPPY_DOWN] = "down"
	};
	bool same = strcmp(text[CHOPPY_UP], text[CHOPPY_DOWN]) == 0;
	int d;

	fprintf(f, "%s\n    ", p->name);
	out_wrapped(f, 4, p->help);
	for (d = 0; d < (same ? 1 : CHOPPY_NDIRS); d++) {
		fprintf(f, "    %-8s  ", same ? "each way" : labels[d]);
		out_wrapped(f, 14, *text[d] ? text[d] : "no condition");
	}
	fprintf(f, "    %-8s  ", "by");
	out_wrapped(f, 14, p->source);
}

static void print_json(struct json *j, const struct choppy_profile *p,
		       char text[CHOPPY_NDIRS][CHOPPY_CONDITION_TEXT_MAX])
{
	json_object(j, NULL);
	json_text(j, "name", p->name);
	json_text(j, "words", p->words);
	json_text(j, "up", text[CHOPPY_UP]);
	json_text(j, "down", text[CHOPPY_DOWN]);
	json_text(j, "help", p->help);
	json_text(j, "source", p->source);
	json_object_end(j);
}

/* @n profiles from @p on. */
static int print(struct call *c, const struct choppy_profile *p, int n, struct json *j)
{
	char text[CHOPPY_NDIRS][CHOPPY_CONDITION_TEXT_MAX];
	struct choppy_err err = { 0 };

	for (; n > 0; n--, p++) {
		if (directions(text, p, &err) < 0)
			return out_failed(c, &err);
		if (j)
			print_json(j, p, text);
		else
			print_text(c->out, p, text);
	}
	return STATUS_OK;
}

static int print_all(struct call *c, struct json *j)
{
	int n = 0, status;

	while (choppy_profiles()[n].name)
		n++;
	if (j)
		json_array(j, NULL);
	status = print(c, choppy_profiles(), n, j);
	if (j)
		json_array_end(j);
	return status;
}

static int profiles_run(struct call *c)
{
	const struct profiles_args *a = c->args;
	const struct choppy_profile *p;
	struct json j = { .f = c->out };
	const char *near;
	int status;

	if (c->nwords) {
		p = find(c->words[0]);
		near = p ? NULL : opt_near(c->words[0], profile_name, NULL);
		if (near)
			return out_usage(c, "there is no profile '%s'; did you mean '%s'?",
					 c->words[0], near);
		if (!p)
			return out_usage(c,
					 "there is no profile '%s'; 'choppy profiles' lists them",
					 c->words[0]);
		status = print(c, p, 1, a->json ? &j : NULL);
	} else {
		status = print_all(c, a->json ? &j : NULL);
	}
	if (a->json)
		json_end(&j);
	return status;
}
