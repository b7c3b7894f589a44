/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * choppy ls: the labs that live, a line each; nothing when there are none. Or the nodes of one.
 */
#include "describe.h"
#include "nodes.h"
#include "out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int ls_run(struct call *c);

struct ls_args {
	bool json;
};

static const struct opt ls_options[] = {
	{ .name = "json",
	  .letter = 'j',
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct ls_args, json),
	  .help = "an array: of labs what 'choppy show --json' prints of each" },
	{ 0 },
};

static const struct example ls_examples[] = {
	{ "choppy ls", "name, address, uplink, backend and condition of each" },
	{ "choppy ls shop", "the nodes of a lab out of a file, and what runs on them" },
	{ 0 },
};

const struct command cmd_ls = {
	.name = "ls",
	.usage = "[LAB] [OPTIONS]",
	.summary = "list the namespaces that choppy keeps, or the nodes of a lab",
	.max_words = 1,
	.names = NAMES_LABS,
	.options = ls_options,
	.args_size = sizeof(struct ls_args),
	.examples = ls_examples,
	.run = ls_run,
};

static const char *const titles[] = { "NAME", "ADDRESS", "UPLINK", "BACKEND", "CONDITION" };
#define NCOLS ((int)(sizeof(titles) / sizeof(titles[0])))

/* One row of cells, each to be freed. */
static int cells_of(char **cells, const struct choppy_lab *lab)
{
	const char *const row[] = {
		lab->name,
		*lab->addr4[1] ? lab->addr4[1] : lab->addr6[1],
		choppy_uplink_name(lab->uplink),
		choppy_backend_name(lab->backend),
	};
	size_t size;
	FILE *f;
	int i;

	for (i = 0; i < NCOLS - 1; i++) {
		cells[i] = strdup(row[i]);
		if (!cells[i])
			return -ENOMEM;
	}
	f = open_memstream(&cells[i], &size);
	if (!f)
		return -ENOMEM;
	describe_condition(f, lab->dir, &lab->rules);
	return fclose(f) == EOF ? -ENOMEM : 0;
}

static int print_text(struct call *c, const struct choppy_lab *labs, int n)
{
	char **cells = calloc((size_t)(n + 1) * NCOLS, sizeof(*cells));
	int i, r = cells ? 0 : -ENOMEM;

	for (i = 0; !r && i < NCOLS; i++) {
		cells[i] = strdup(titles[i]);
		if (!cells[i])
			r = -ENOMEM;
	}
	for (i = 0; !r && i < n; i++)
		r = cells_of(cells + (i + 1) * NCOLS, &labs[i]);
	if (!r && n)
		out_table(c->out, NCOLS, n + 1, cells);
	for (i = 0; cells && i < (n + 1) * NCOLS; i++)
		free(cells[i]);
	free(cells);
	return r < 0 ? out_no_memory(c) : STATUS_OK;
}

static void print_json(struct call *c, const struct choppy_lab *labs, int n)
{
	struct json j = { .f = c->out };
	int i;

	json_array(&j, NULL);
	for (i = 0; i < n; i++)
		lab_json_write(&j, NULL, &labs[i]);
	json_array_end(&j);
	json_end(&j);
}

/* Ask each lab; returns the status. One that ended meanwhile is not there any more. */
static int ask(struct call *c, char **names, size_t n, struct choppy_lab *labs, int *ret_n)
{
	struct choppy_err err;
	int status = STATUS_OK, r;
	size_t i;

	for (i = 0; i < n; i++) {
		memset(&err, 0, sizeof(err));
		r = choppy_show(names[i], &labs[*ret_n], &err);
		if (r == 0)
			(*ret_n)++;
		else if (r != -ENOENT)
			status = out_failed(c, &err);
	}
	return status;
}

static int ls_run(struct call *c)
{
	const struct ls_args *a = c->args;
	struct choppy_err err = { 0 };
	struct choppy_lab *labs;
	int n_labs = 0, status;
	char **names;
	size_t n, i;

	if (c->nwords)
		return nodes_print(c, c->words[0], a->json);
	if (choppy_list(&names, &n, &err) < 0)
		return out_failed(c, &err);
	labs = calloc(n + 1, sizeof(*labs));
	if (labs) {
		status = ask(c, names, n, labs, &n_labs);
		if (a->json)
			print_json(c, labs, n_labs);
		else if (print_text(c, labs, n_labs))
			status = STATUS_FAILED;
	} else {
		status = out_no_memory(c);
	}
	for (i = 0; i < n; i++)
		free(names[i]);
	free(names);
	free(labs);
	return status;
}
