/* SPDX-License-Identifier: GPL-2.0-or-later */
/* choppy down: end a lab that `choppy up` has made. */
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

/* The name of the one lab out of a file, to be freed; NULL: said. */
static char *only_one(struct call *c)
{
	struct choppy_err err = { 0 };
	struct choppy_lab lab;
	char **names, *one = NULL;
	size_t n, found = 0;

	if (choppy_list(&names, &n, &err) < 0) {
		out_failed(c, &err);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		if (choppy_show(names[i], &lab, NULL) == 0 && lab.nodes && !found++)
			one = strdup(names[i]);
		free(names[i]);
	}
	free(names);
	if (found == 1)
		return one;
	fprintf(c->err,
		found ? "choppy: there are %zu labs that are up: which one?\n"
		      : "choppy: no lab is up\n",
		found);
	free(one);
	return NULL;
}

static int down_run(struct call *c)
{
	char *found = c->nwords ? NULL : only_one(c);
	const char *name = c->nwords ? c->words[0] : found;
	struct choppy_err err = { 0 };
	int status;

	if (!name)
		return STATUS_FAILED;
	status = choppy_del(name, &err) < 0 ? out_failed(c, &err) : STATUS_OK;
	free(found);
	return status;
}
