/* SPDX-License-Identifier: GPL-2.0-or-later */
/* choppy check: say all that is wrong in a lab file, or what it makes. */
#include "out.h"

#include <inttypes.h>

static int check_run(struct call *c);

static const struct opt check_options[] = {
	{ 0 },
};

static const struct example check_examples[] = {
	{ "choppy check lab.yaml", "what is wrong in it, all at once" },
	{ 0 },
};

const struct command cmd_check = {
	.name = "check",
	.usage = "FILE",
	.summary = "say all that is wrong in a lab file",
	.details =
		"Each problem has its file, line and column, and the line itself. Nothing is made. "
		"The exit status is 1 when there is any.",
	.names = NAMES_FILES,
	.min_words = 1,
	.max_words = 1,
	.options = check_options,
	.examples = check_examples,
	.run = check_run,
};

static int check_run(struct call *c)
{
	struct choppy_file *f;
	struct choppy_err err = { 0 };
	uint32_t nodes, links;

	if (choppy_file_read(&f, c->words[0], out_problem, c, &err) < 0)
		return out_failed(c, &err);
	choppy_file_size(f, &nodes, &links);
	fprintf(c->out, "%s: lab %s, %" PRIu32 " node%s, %" PRIu32 " link%s\n", c->words[0],
		choppy_file_name(f), nodes, nodes == 1 ? "" : "s", links, links == 1 ? "" : "s");
	choppy_file_free(f);
	return STATUS_OK;
}
