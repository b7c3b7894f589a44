/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * choppy show: all that is known of one lab, now.
 */
#include "describe.h"
#include "out.h"
#include "spec.h"

static int show_run(struct call *c);

struct show_args {
	bool json;
};

static const struct opt show_options[] = {
	{ .name = "json",
	  .letter = 'j',
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct show_args, json),
	  .help = "as one JSON object, with every counter" },
	{ 0 },
};

static const struct example show_examples[] = {
	{ "choppy show blue", "addresses, way out, condition, and what came of it" },
	{ "choppy show --json blue | jq .counters.up.dropped",
	  "why packets were lost on the way up" },
	{ 0 },
};

const struct command cmd_show = {
	.name = "show",
	.usage = "NAME [OPTIONS]",
	.summary = "show a namespace's addresses, condition and counters",
	.details =
		"In JSON a value of the condition is {\"value\": N, \"unit\": U, \"text\": T}: "
		"times in ns, probabilities in ppb (1e-9), rates in bps, sizes in bytes, a limit "
		"in packets, bytes or ns; names, flags and plain numbers have no unit; "
		"\"default\": true stands with a limit that was not asked for. "
		"Counters are wire packets. All numbers are whole; \"seed_hex\" is for readers "
		"that hold numbers as doubles.",
	.min_words = 1,
	.max_words = 1,
	.names = NAMES_LABS,
	.options = show_options,
	.args_size = sizeof(struct show_args),
	.examples = show_examples,
	.run = show_run,
};

static int show_run(struct call *c)
{
	const struct show_args *a = c->args;
	struct json j = { .f = c->out };
	struct choppy_err err = { 0 };
	struct choppy_lab lab;
	int status;

	if (choppy_name_check(c->words[0], &err) < 0)
		return out_refused(c, &err);
	status = spec_if_device(c, c->words[0], 0, NULL);
	if (status)
		return status;
	if (choppy_show(c->words[0], &lab, &err) < 0)
		return out_failed(c, &err);
	if (a->json) {
		describe_json(&j, NULL, &lab);
		json_end(&j);
		return STATUS_OK;
	}
	return describe_text(c->out, &lab, false) < 0 ? out_no_memory(c) : STATUS_OK;
}
