/* SPDX-License-Identifier: GPL-2.0-or-later */
/* choppy logs: what the command of a node has written. */
#include "out.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int logs_run(struct call *c);

static const struct opt logs_options[] = { { 0 } };

static const struct example logs_examples[] = {
	{ "choppy logs web", "of the node web, whatever the lab" },
	{ "choppy logs shop/web", "of the node web of the lab shop" },
	{ 0 },
};

const struct command cmd_logs = {
	.name = "logs",
	.usage = "NODE",
	.summary = "print what the command of a node has written",
	.min_words = 1,
	.max_words = 1,
	.names = NAMES_LABS,
	.options = logs_options,
	.examples = logs_examples,
	.run = logs_run,
};

static int logs_run(struct call *c)
{
	struct choppy_err err = { 0 };
	int fd = choppy_log_open(c->words[0], &err);
	char buf[65536];
	ssize_t n;

	if (fd < 0)
		return out_failed(c, &err);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, (size_t)n, c->out);
	if (n < 0)
		fprintf(c->err, "choppy: read the log of %s: %s\n", c->words[0], strerror(errno));
	close(fd);
	return n < 0 ? STATUS_FAILED : STATUS_OK;
}
