/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * choppy exec: run a program in a lab that is there, and end with the program's
 * status.
 */
#include "out.h"
#include "spec.h"

#include <string.h>

static int exec_run(struct call *c);

struct exec_args {
	char user[32];
};

static const struct opt exec_options[] = {
	{ .name = "user",
	  .letter = 'u',
	  OPT_TEXT_AT(struct exec_args, user),
	  .metavar = "USER",
	  .help = "run COMMAND as this user" },
	{ 0 },
};

static const struct example exec_examples[] = {
	{ "choppy exec blue -- ping -c 3 gateway", "the far end of the link is called gateway" },
	{ "choppy exec blue --user nobody -- curl http://example.com/", "as another user" },
	{ 0 },
};

const struct command cmd_exec = {
	.name = "exec",
	.usage = "NAME [OPTIONS] [--] COMMAND [ARG...]",
	.summary = "run a program in a namespace that is there",
	.details = "The exit status is COMMAND's; 128 + N when signal N ended it, 125 when choppy "
		   "failed, 126 when COMMAND cannot be executed, 127 when there is none, 77 when "
		   "this machine cannot do it, 2 when the command line is wrong.",
	.tail = TAIL_AFTER_NAME,
	.min_words = 1,
	.max_words = 1,
	.names = NAMES_LABS,
	.options = exec_options,
	.args_size = sizeof(struct exec_args),
	.examples = exec_examples,
	.run = exec_run,
};

/* A lab's name, and behind a '/' that of a node. */
static int check_name(const char *name, struct choppy_err *err)
{
	const char *slash = strchr(name, '/');
	char lab[CHOPPY_NAME_MAX + 2];

	snprintf(lab, CHOPPY_NAME_MAX + 1, "%.*s", slash ? (int)(slash - name) : CHOPPY_NAME_MAX,
		 name);
	/* A node's name may be longer than a lab's. */
	return (slash && strlen(slash) > 1) || strlen(name) > CHOPPY_NAME_MAX
		       ? choppy_name_check(lab, err)
		       : choppy_name_check(name, err);
}

static int exec_run(struct call *c)
{
	const struct exec_args *a = c->args;
	const char *name = c->words[0];
	struct choppy_err err = { 0 };
	int status;

	if (check_name(name, &err) < 0)
		return out_refused(c, &err);
	if (c->ncommand == 0)
		return out_usage(c, "there is no COMMAND: choppy exec %s -- COMMAND [ARG...]",
				 name);
	status = spec_if_device(c, name, 0, NULL);
	if (status)
		return status;
	fflush(c->out);
	status = choppy_exec(name, c->command, *a->user ? a->user : NULL, &err);
	if (err.code)
		out_failed(c, &err);
	return status;
}
