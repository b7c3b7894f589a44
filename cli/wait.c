/* SPDX-License-Identifier: GPL-2.0-or-later */
/* choppy wait: until nodes are ready, as their file says when they are. */
#include "one.h"
#include "out.h"
#include "patience.h"
#include "spec.h"

#include <stdlib.h>
#include <string.h>

static int wait_run(struct call *c);

struct wait_args {
	char lab[CHOPPY_NAME_MAX + 1];
	uint64_t timeout_ns;
};

static const struct wait_args wait_defaults = { .timeout_ns = 60000000000ull };

static const struct opt wait_options[] = {
	{ .name = "lab",
	  .letter = 'l',
	  OPT_TEXT_AT(struct wait_args, lab),
	  .metavar = "LAB",
	  .help = "the lab that is meant, where more than one is up" },
	{ .name = "timeout",
	  .kind = OPT_CALL,
	  .offset = offsetof(struct wait_args, timeout_ns),
	  .metavar = "TIME",
	  .parse = spec_parse_timeout,
	  .help = "fail when it takes longer (default: 60s)" },
	{ 0 },
};

static const struct example wait_examples[] = {
	{ "choppy wait", "all nodes that say in their file when they are ready" },
	{ "choppy wait db1 db2 --timeout 10s", "these, ten seconds at most" },
	{ 0 },
};

const struct command cmd_wait = {
	.name = "wait",
	.usage = "[NODE...] [OPTIONS]",
	.summary = "wait until nodes are ready",
	.details =
		"A node's file says when it is: {ready: 5432} when somebody listens on that port, "
		"{ready: file PATH} when the file is there, {ready: command COMMAND} when that "
		"succeeds.",
	.max_words = OPT_ANYWHERE,
	.options = wait_options,
	.args = &wait_defaults,
	.args_size = sizeof(struct wait_args),
	.examples = wait_examples,
	.run = wait_run,
};

static void say_waiting(void *ctx, const char *what)
{
	struct call *c = ctx;

	fprintf(c->err, "choppy: not ready: %s\n", what);
}

static int wait_ready(struct call *c, const char *lab, int n, const char *const *nodes,
		      uint64_t timeout_ns)
{
	uint64_t end = patience_begin(timeout_ns);
	struct choppy_err err = { 0 };
	bool ready = false;

	for (;;) {
		bool late = patience_over(end);

		if (choppy_ready(lab, n, nodes, late ? say_waiting : NULL, c, &ready, &err) < 0)
			return out_failed(c, &err);
		if (ready || late)
			return ready ? STATUS_OK : STATUS_FAILED;
		patience_pause();
	}
}

static int wait_run(struct call *c)
{
	const struct wait_args *a = c->args;
	char *found = *a->lab ? NULL : lab_only_one(c);
	const char *lab = *a->lab ? a->lab : found;
	int status = lab ? wait_ready(c, lab, c->nwords, c->words, a->timeout_ns) : STATUS_FAILED;

	free(found);
	return status;
}
