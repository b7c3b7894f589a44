/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * choppy add: make a named namespace behind a link, which stays until
 * `choppy del`.
 */
#include "describe.h"
#include "out.h"
#include "spec.h"

#include <string.h>

static int add_run(struct call *c);

static const struct opt add_options[] = {
	SPEC_OPTIONS,
	{ .name = "json",
	  .letter = 'j',
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct spec_args, json),
	  .help = "print what was made as JSON" },
	{ 0 },
};

static const struct example add_examples[] = {
	{ "choppy add blue", "a namespace with a link, a way out, and no condition yet" },
	{ "choppy add blue --addr 10.1.1.1/31 up loss 30%",
	  "with an address of your choice, losing packets on the way up only" },
	{ 0 },
};

const struct command cmd_add = {
	.name = "add",
	.usage = "NAME [OPTIONS] [CONDITION...]",
	.summary = "make a namespace that stays, behind a link",
	.details = "Programs get into it by 'choppy exec NAME -- COMMAND'; 'ip netns' sees it too. "
		   "'choppy set' changes its condition, 'choppy del' removes it.",
	.condition = true,
	.min_words = 1,
	.max_words = OPT_ANYWHERE,
	.options = add_options,
	.args_size = sizeof(struct spec_args),
	.examples = add_examples,
	.run = add_run,
};

/* Say what is wrong with the request before anything is made: that is the caller's mistake. */
static int check(struct call *c, const struct choppy_spec *spec)
{
	struct choppy_spec copy = *spec;
	struct choppy_err err = { 0 };

	copy.note = NULL;
	return choppy_spec_check(&copy, &err) < 0 ? out_refused(c, &err) : 0;
}

static int report(struct call *c, const struct choppy_lab *lab, bool as_json)
{
	if (as_json) {
		describe_json_alone(c->out, lab);
		return STATUS_OK;
	}
	if (describe_text(c->out, lab, true) < 0)
		return out_no_memory(c);
	fprintf(c->out, "choppy exec %s -- COMMAND\n", lab->name);
	return STATUS_OK;
}

static int add_run(struct call *c)
{
	struct spec_args *a = c->args;
	struct choppy_err err = { 0 };
	struct choppy_lab lab = { 0 };
	int r;

	if (choppy_name_check(c->words[0], &err) < 0)
		return out_refused(c, &err);
	strcpy(a->spec.name, c->words[0]);
	r = spec_take_condition(c, c->nwords - 1, c->words + 1, &a->spec);
	if (!r)
		r = check(c, &a->spec);
	if (r)
		return r;
	a->spec.note = out_note;
	a->spec.note_ctx = c;
	fflush(c->out);
	if (a->dry_run)
		r = choppy_plan(&a->spec, true, out_line, c, &err);
	else
		r = choppy_add(&a->spec, &lab, &err);
	if (r < 0)
		return out_failed(c, &err);
	return a->dry_run ? STATUS_OK : report(c, &lab, a->json);
}
