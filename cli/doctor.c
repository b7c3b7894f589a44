/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * choppy doctor: what this machine can do, found by trying, and what mends what
 * it cannot.
 */
#include "../lib/json.h"
#include "out.h"

#include <stdlib.h>
#include <string.h>

static int doctor_run(struct call *c);

struct doctor_args {
	bool json;
};

static const struct opt doctor_options[] = {
	{ .name = "json",
	  .letter = 'j',
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct doctor_args, json),
	  .help = "as an array of JSON objects" },
	{ 0 },
};

static const struct example doctor_examples[] = {
	{ "choppy doctor", "each step that choppy needs: does it work, and if not, why" },
	{ 0 },
};

const struct command cmd_doctor = {
	.name = "doctor",
	.usage = "[OPTIONS]",
	.summary = "try what choppy needs of this machine, and say what mends it",
	.details = "Everything is tried in a process that is thrown away; nothing changes. The "
		   "exit status is 0 when all that 'choppy run' needs works, 77 otherwise.",
	.options = doctor_options,
	.args_size = sizeof(struct doctor_args),
	.examples = doctor_examples,
	.run = doctor_run,
};

/* What the library found so far. */
struct findings {
	struct choppy_ability *list;
	size_t n;
	int missing; /* needed, and does not work */
	bool no_memory;
};

static void note_ability(void *ctx, const struct choppy_ability *a)
{
	struct findings *f = ctx;
	struct choppy_ability *list = realloc(f->list, (f->n + 1) * sizeof(*list));

	if (!list) {
		f->no_memory = true;
		return;
	}
	f->list = list;
	f->list[f->n++] = *a;
	f->missing += a->needed && !a->works;
}

static void print_json(struct call *c, const struct findings *f)
{
	struct json j = { .f = c->out };
	size_t i;

	json_array(&j, NULL);
	for (i = 0; i < f->n; i++) {
		json_object(&j, NULL);
		json_text(&j, "name", f->list[i].name);
		json_bool(&j, "needed", f->list[i].needed);
		json_bool(&j, "works", f->list[i].works);
		json_text_or_null(&j, "why", f->list[i].why);
		json_text_or_null(&j, "mend", f->list[i].mend);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_end(&j);
}

static void print_text(struct call *c, const struct findings *f)
{
	const struct choppy_ability *a;
	int width = 0, n;
	size_t i;

	for (i = 0; i < f->n; i++) {
		n = (int)strlen(f->list[i].name);
		if (n > width)
			width = n;
	}
	for (a = f->list, i = 0; i < f->n; i++, a++) {
		fprintf(c->out, "%-*s  %s%s%s%s\n", width, a->name, a->works ? "yes" : "no",
			a->works || a->needed ? "" : " (not always needed)", *a->why ? "  " : "",
			a->why);
		if (*a->mend)
			fprintf(c->out, "%*s  mend: %s\n", width, "", a->mend);
	}
	if (f->missing)
		fprintf(c->out, "\nthis machine cannot do what choppy needs: %d missing\n",
			f->missing);
	else
		fprintf(c->out, "\nall that choppy needs works\n");
	fprintf(c->out,
		"the backend of a link is the engine, the same everywhere, unless --backend "
		"netem is given\n");
}

static int doctor_run(struct call *c)
{
	const struct doctor_args *a = c->args;
	struct choppy_err err = { 0 };
	struct findings f = { 0 };
	int r = choppy_doctor(note_ability, &f, &err), status;

	if (f.no_memory) {
		status = out_no_memory(c);
	} else if (r < 0 && !f.missing) {
		status = out_failed(c, &err);
	} else {
		if (a->json)
			print_json(c, &f);
		else
			print_text(c, &f);
		status = f.missing ? CHOPPY_EXIT_CANNOT : STATUS_OK;
	}
	free(f.list);
	return status;
}
