/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * choppy set: change the condition of a lab while it lives. Only the clauses
 * named change, each as a whole; `clear` removes all.
 */
#include "describe.h"
#include "out.h"
#include "spec.h"

static int set_run(struct call *c);

struct set_args {
	int backend; /* enum choppy_backend, or -1 */
	bool json;
};

static const struct set_args set_defaults = { .backend = -1 };

static const struct opt set_options[] = {
	{ .name = "backend",
	  .kind = OPT_CHOICE,
	  .offset = offsetof(struct set_args, backend),
	  .metavar = "engine|netem",
	  .choice = spec_backend_choice,
	  .help = "refuse unless this is the backend: a link that lives cannot change it" },
	{ .name = "json",
	  .letter = 'j',
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct set_args, json),
	  .help = "print the state after the change as JSON" },
	{ 0 },
};

static const struct example set_examples[] = {
	{ "choppy set blue loss 30%", "lose three packets in ten, each way; keep the rest" },
	{ "choppy set blue up delay 100ms down clear", "each direction its own" },
	{ "choppy set blue loss off", "no loss any more; keep the rest" },
	{ "choppy set blue match 'tcp port 80' outage", "cut off web servers only" },
	{ "choppy set blue clear", "a good link again" },
	{ 0 },
};

const struct command cmd_set = {
	.name = "set",
	.usage = "NAME [OPTIONS] CONDITION...",
	.summary = "change the condition of a namespace's link",
	.details = "All of the change takes effect between two packets, or nothing does. Packets "
		   "on the way are not lost.",
	.condition = true,
	.clear = true,
	.min_words = 2,
	.max_words = OPT_ANYWHERE,
	.names = NAMES_LABS,
	.options = set_options,
	.args = &set_defaults,
	.args_size = sizeof(struct set_args),
	.examples = set_examples,
	.run = set_run,
};

static void report(struct call *c, const struct choppy_lab *lab, bool as_json)
{
	struct json j = { .f = c->out };

	if (as_json) {
		describe_json(&j, NULL, lab);
		json_end(&j);
		return;
	}
	fprintf(c->out, "%s: ", lab->name);
	describe_condition(c->out, lab->dir, &lab->rules);
	fputc('\n', c->out);
}

static int set_run(struct call *c)
{
	const struct set_args *a = c->args;
	const char *name = c->words[0];
	struct choppy_change change = { 0 };
	struct choppy_err err = { 0 };
	struct choppy_lab lab;
	int r;

	if (choppy_name_check(name, &err) < 0)
		return out_refused(c, &err);
	r = spec_if_device(c, name, c->nwords - 1, c->words + 1);
	if (!r)
		r = spec_condition(c, c->nwords - 1, c->words + 1, true, &change);
	if (r)
		return r;
	r = choppy_set(name, &change, a->backend, &lab, &err);
	if (r < 0)
		return out_failed(c, &err);
	report(c, &lab, a->json);
	return STATUS_OK;
}
