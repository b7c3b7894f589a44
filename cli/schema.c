/* SPDX-License-Identifier: GPL-2.0-or-later */
/* choppy schema: what a lab file may say, for editors. */
#include "out.h"

#include <stdlib.h>

static int schema_run(struct call *c);

static const struct opt schema_options[] = {
	{ 0 },
};

static const struct example schema_examples[] = {
	{ "choppy schema > lab-schema.json", "for an editor that checks and completes lab files" },
	{ 0 },
};

const struct command cmd_schema = {
	.name = "schema",
	.usage = "",
	.summary = "print the JSON Schema of lab files",
	.details = "An editor completes and checks the keys of a lab file by it, where the first "
		   "line of that is\n# yaml-language-server: $schema=lab-schema.json\nIt knows "
		   "the form of a file; 'choppy check' also knows what names and values mean.",
	.options = schema_options,
	.examples = schema_examples,
	.run = schema_run,
};

static int schema_run(struct call *c)
{
	size_t size = (size_t)choppy_file_schema(NULL, 0) + 1;
	char *text = malloc(size);

	if (!text || choppy_file_schema(text, size) < 0) {
		free(text);
		return out_no_memory(c);
	}
	fputs(text, c->out);
	free(text);
	return STATUS_OK;
}
