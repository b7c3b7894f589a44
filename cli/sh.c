/* SPDX-License-Identifier: GPL-2.0-or-later */
/* choppy sh: a shell on a node. */
#include "out.h"

#include <stdlib.h>
#include <string.h>

static int sh_run(struct call *c);

struct sh_args {
	char user[32];
};

static const struct opt sh_options[] = {
	{ .name = "user",
	  .letter = 'u',
	  OPT_TEXT_AT(struct sh_args, user),
	  .metavar = "USER",
	  .help = "as this user" },
	{ 0 },
};

static const struct example sh_examples[] = {
	{ "choppy sh web", "on the node web of the lab that has one" },
	{ "choppy sh blue", "in the namespace blue" },
	{ 0 },
};

const struct command cmd_sh = {
	.name = "sh",
	.usage = "NAME [OPTIONS]",
	.summary = "start a shell on a node",
	.details = "It is $SHELL, or /bin/sh; 'choppy exec NAME -- COMMAND' runs anything else.",
	.min_words = 1,
	.max_words = 1,
	.names = NAMES_LABS,
	.options = sh_options,
	.args_size = sizeof(struct sh_args),
	.examples = sh_examples,
	.run = sh_run,
};

static int sh_run(struct call *c)
{
	const struct sh_args *a = c->args;
	const char *shell = getenv("SHELL");
	char *const argv[] = { (char *)(shell && *shell ? shell : "/bin/sh"), NULL };
	struct choppy_err err = { 0 };
	int status;

	fflush(c->out);
	status = choppy_exec(c->words[0], argv, *a->user ? a->user : NULL, &err);
	if (err.code)
		out_failed(c, &err);
	return status;
}
