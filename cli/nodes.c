/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nodes.h"
#include "../lib/json.h"
#include "out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const titles[] = { "NODE", "KIND", "ADDRESS", "COMMAND" };
#define NCOLS ((int)(sizeof(titles) / sizeof(titles[0])))

struct table {
	char **cells;
	int n; /* rows */
	bool failed;
};

static void add_row(struct table *t, const char *const row[])
{
	char **cells = realloc(t->cells, (size_t)(t->n + 1) * NCOLS * sizeof(*cells));

	if (!cells) {
		t->failed = true;
		return;
	}
	t->cells = cells;
	for (int i = 0; i < NCOLS; i++) {
		cells[t->n * NCOLS + i] = strdup(row[i]);
		t->failed |= !cells[t->n * NCOLS + i];
	}
	t->n++;
}

static void add_node(void *ctx, const struct choppy_node *n)
{
	char command[64] = "";

	if (strcmp(n->command, "ended") == 0)
		snprintf(command, sizeof(command), "ended with status %" PRIu64, n->status);
	else if (*n->command)
		snprintf(command, sizeof(command), "%s%s", n->paused ? "paused" : n->command,
			 n->ready ? ", ready" : "");
	else if (n->paused)
		snprintf(command, sizeof(command), "paused");
	add_row(ctx, (const char *const[]){ n->name, n->kind, *n->addr4 ? n->addr4 : n->addr6,
					    command });
}

static void write_node(void *ctx, const struct choppy_node *n)
{
	struct json *j = ctx;

	json_object(j, NULL);
	json_text(j, "name", n->name);
	json_text(j, "kind", n->kind);
	json_text_or_null(j, "ipv4", n->addr4);
	json_text_or_null(j, "ipv6", n->addr6);
	json_text_or_null(j, "command", n->command);
	json_u64(j, "status", n->status);
	json_bool(j, "paused", n->paused);
	json_bool(j, "ready", n->ready);
	json_object_end(j);
}

static int print_json(struct call *c, const char *lab)
{
	struct json j = { .f = c->out };
	struct choppy_err err = { 0 };

	json_array(&j, NULL);
	if (choppy_nodes(lab, write_node, &j, &err) < 0)
		return out_failed(c, &err);
	json_array_end(&j);
	json_end(&j);
	return STATUS_OK;
}

int nodes_print(struct call *c, const char *lab, bool as_json)
{
	struct choppy_err err = { 0 };
	struct table t = { 0 };
	int status = STATUS_OK;

	if (as_json)
		return print_json(c, lab);
	add_row(&t, titles);
	if (choppy_nodes(lab, add_node, &t, &err) < 0)
		status = out_failed(c, &err);
	else if (t.failed)
		status = out_no_memory(c);
	else
		out_table(c->out, NCOLS, t.n, t.cells);
	for (int i = 0; i < t.n * NCOLS; i++)
		free(t.cells[i]);
	free(t.cells);
	return status;
}
