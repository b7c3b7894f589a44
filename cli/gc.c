/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * choppy gc: undo what a keeper left that was killed together with its
 * undertaker.
 */
#include "out.h"

#include <signal.h>

static int gc_run(struct call *c);

struct gc_args {
	bool dry_run;
};

static const struct opt gc_options[] = {
	{ .name = "dry-run",
	  .letter = 'n',
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct gc_args, dry_run),
	  .help = "print what would be undone, and change nothing" },
	{ 0 },
};

static const struct example gc_examples[] = {
	{ "choppy gc --dry-run", "what is there to undo" },
	{ 0 },
};

const struct command cmd_gc = {
	.name = "gc",
	.usage = "[OPTIONS]",
	.summary = "undo what killed processes of choppy left behind",
	.details = "Seldom needed: choppy takes everything away by itself, even when it is killed, "
		   "unless all its processes are killed at once. What belongs to something that "
		   "lives is never touched. Prints a line for each step; nothing when nothing was "
		   "left.",
	.options = gc_options,
	.args_size = sizeof(struct gc_args),
	.examples = gc_examples,
	.run = gc_run,
};

static int gc_run(struct call *c)
{
	const struct gc_args *a = c->args;
	struct choppy_err err = { 0 };

	/* a reader that goes away must not end the work half-way; main() reports it */
	signal(SIGPIPE, SIG_IGN);
	return choppy_gc(a->dry_run, out_line, c, &err) < 0 ? out_failed(c, &err) : STATUS_OK;
}
