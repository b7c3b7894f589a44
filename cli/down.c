/* SPDX-License-Identifier: GPL-2.0-or-later */
/* choppy down: end a lab that `choppy up` has made. */
#include "one.h"
#include "out.h"

#include <stdlib.h>
#include <string.h>

static int down_run(struct call *c);

static const struct opt down_options[] = { { 0 } };

static const struct example down_examples[] = {
	{ "choppy down", "the one lab that is up" },
	{ "choppy down shop", "the lab of that name" },
	{ 0 },
};

const struct command cmd_down = {
	.name = "down",
	.usage = "[NAME]",
	.summary = "end a lab that 'choppy up' has made",
	.details = "Without NAME it is the one that is up; where there are more, none is ended.",
	.max_words = 1,
	.names = NAMES_LABS,
	.options = down_options,
	.examples = down_examples,
	.run = down_run,
};

static int down_run(struct call *c)
{
	char *found = c->nwords ? NULL : lab_only_one(c);
	const char *name = c->nwords ? c->words[0] : found;
	struct choppy_err err = { 0 };
	int status;

	if (!name)
		return STATUS_FAILED;
	status = choppy_del(name, &err) < 0 ? out_failed(c, &err) : STATUS_OK;
	free(found);
	return status;
}
