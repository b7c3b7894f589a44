/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * choppy del: end labs and wait until they are gone. One that fails does not
 * keep the others.
 */
#include "out.h"
#include "spec.h"

static int del_run(struct call *c);

static const struct opt del_options[] = { { 0 } };

static const struct example del_examples[] = {
	{ "choppy del blue", "end blue: its programs, its link, its way out" },
	{ 0 },
};

const struct command cmd_del = {
	.name = "del",
	.usage = "NAME...",
	.summary = "end namespaces and everything that belongs to them",
	.details = "Programs that still run inside are ended.",
	.min_words = 1,
	.max_words = OPT_ANYWHERE,
	.names = NAMES_LABS,
	.options = del_options,
	.examples = del_examples,
	.run = del_run,
};

static int del_one(struct call *c, const char *name)
{
	struct choppy_err err = { 0 };
	int r = choppy_name_check(name, &err);

	if (r < 0)
		return out_refused(c, &err);
	r = spec_if_device(c, name, 0, NULL);
	if (r)
		return r;
	return choppy_del(name, &err) < 0 ? out_failed(c, &err) : STATUS_OK;
}

static int del_run(struct call *c)
{
	int status = STATUS_OK, r, i;

	for (i = 0; i < c->nwords; i++) {
		r = del_one(c, c->words[i]);
		if (r && !status)
			status = r;
	}
	return status;
}
