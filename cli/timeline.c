/* SPDX-License-Identifier: GPL-2.0-or-later */
/* choppy timeline: what has been played of a lab's timeline, and how late. */
#include "../lib/json.h"
#include "one.h"
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int timeline_run(struct call *c);

struct timeline_args {
	bool json;
};

static const struct opt timeline_options[] = {
	{ .name = "json",
	  .letter = 'j',
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct timeline_args, json),
	  .help = "print an array of steps as JSON; times in ns" },
	{ 0 },
};

static const struct example timeline_examples[] = {
	{ "choppy timeline", "of the one lab that is up" },
	{ 0 },
};

const struct command cmd_timeline = {
	.name = "timeline",
	.usage = "[LAB]",
	.summary = "print what has been played of a lab's timeline",
	.details = "Each line has the moment at which a step was due, how much later it was done, "
		   "and the words of the file; an end is a step of its own.",
	.max_words = 1,
	.names = NAMES_LABS,
	.options = timeline_options,
	.args_size = sizeof(struct timeline_args),
	.examples = timeline_examples,
	.run = timeline_run,
};

static void print_step(void *ctx, const struct choppy_step *s)
{
	struct call *c = ctx;

	fprintf(c->out, "%10.3f s  %+9.3f ms  %s%s%s%s%s%s\n", (double)s->due_ns / 1e9,
		(double)s->late_ns / 1e6, s->end ? "end of " : "", s->action,
		*s->done && strcmp(s->done, s->action) != 0 ? ": " : "",
		strcmp(s->done, s->action) != 0 ? s->done : "", s->error ? ": failed: " : "",
		s->error ? s->error : "");
}

static void write_step(void *ctx, const struct choppy_step *s)
{
	struct json *j = ctx;

	json_object(j, NULL);
	json_u64(j, "due_ns", s->due_ns);
	json_u64(j, "late_ns", s->late_ns);
	json_text(j, "action", s->action);
	json_bool(j, "end", s->end);
	json_text(j, "done", s->done);
	json_text_or_null(j, "error", s->error);
	json_object_end(j);
}

static int timeline_run(struct call *c)
{
	const struct timeline_args *a = c->args;
	char *found = c->nwords ? NULL : lab_only_one(c);
	const char *lab = c->nwords ? c->words[0] : found;
	struct json j = { .f = c->out };
	struct choppy_err err = { 0 };
	uint64_t untold = 0;
	bool waiting;
	int r;

	if (!lab)
		return STATUS_FAILED;
	if (a->json)
		json_array(&j, NULL);
	r = choppy_timeline(lab, a->json ? write_step : print_step, a->json ? (void *)&j : c,
			    &untold, &waiting, &err);
	if (r == 0 && a->json) {
		json_array_end(&j);
		json_end(&j);
	} else if (r == 0) {
		if (untold)
			fprintf(c->out, "and %" PRIu64 " steps that were not kept\n", untold);
		if (waiting)
			fprintf(c->out, "more is to come\n");
	}
	free(found);
	return r < 0 ? out_failed(c, &err) : STATUS_OK;
}
