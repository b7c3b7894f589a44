/* SPDX-License-Identifier: GPL-2.0-or-later */
/* choppy up: make the lab of a file, which stays until `choppy down`. */
#include "describe.h"
#include "file.h"
#include "out.h"
#include "spec.h"

#include <inttypes.h>
#include <string.h>

static int up_run(struct call *c);

struct up_args {
	struct choppy_spec spec;
	char name[CHOPPY_NAME_MAX + 1];
	bool dry_run, json;
};

static const struct opt up_options[] = {
	{ .name = "name",
	  OPT_TEXT_AT(struct up_args, name),
	  .metavar = "NAME",
	  .help = "call the lab so (default: as the file says, or as it is called)" },
	{ .name = "seed",
	  .kind = OPT_CALL,
	  .offset = offsetof(struct up_args, spec),
	  .metavar = "N",
	  .parse = spec_parse_seed,
	  .help = "decides every verdict, in place of the file's seed" },
	{ .name = "uplink",
	  .kind = OPT_CHOICE,
	  .offset = offsetof(struct up_args, spec.uplink),
	  .metavar = "auto|nat|relay|none",
	  .choice = spec_uplink_choice,
	  .help = "the way out of the node that has one by the file, in place of the file's" },
	{ .name = "allow-host",
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct up_args, spec.allow_host),
	  .help = "let nodes reach services on the host's loopback, as host.choppy.internal" },
	{ .name = "map-root",
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct up_args, spec.map_root),
	  .help = "without root: be root in the lab" },
	{ .name = "dry-run",
	  .letter = 'n',
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct up_args, dry_run),
	  .help = "print the steps, a line each, and change nothing" },
	{ .name = "json",
	  .letter = 'j',
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct up_args, json),
	  .help = "print what was made as JSON" },
	{ 0 },
};

static const struct example up_examples[] = {
	{ "choppy up lab.yaml", "all its nodes and links, and the commands that run on them" },
	{ "choppy up lab.yaml --name second --seed 7", "once more, beside the first" },
	{ 0 },
};

const struct command cmd_up = {
	.name = "up",
	.usage = "FILE [OPTIONS]",
	.summary = "make the nodes and links of a lab file",
	.details = "The lab stays until 'choppy down'. Programs get into a node by 'choppy exec "
		   "NODE -- "
		   "COMMAND'; 'choppy logs NODE' shows what its own command writes.",
	.names = NAMES_FILES,
	.min_words = 1,
	.max_words = 1,
	.options = up_options,
	.args_size = sizeof(struct up_args),
	.examples = up_examples,
	.run = up_run,
};

static void report(struct call *c, const struct choppy_lab *lab, bool as_json)
{
	if (as_json) {
		describe_json_alone(c->out, lab);
		return;
	}
	fprintf(c->out, "%s: %" PRIu32 " node%s, %" PRIu32 " link%s, seed %" PRIu64 "\n", lab->name,
		lab->nodes, lab->nodes == 1 ? "" : "s", lab->links, lab->links == 1 ? "" : "s",
		lab->seed);
}

static int up(struct call *c, struct choppy_file *f)
{
	struct up_args *a = c->args;
	struct choppy_err err = { 0 };
	struct choppy_lab lab;

	a->spec.note = out_note;
	a->spec.note_ctx = c;
	if (a->dry_run)
		return choppy_up_plan(f, &a->spec, out_line, c, &err) < 0 ? out_refused(c, &err)
									  : STATUS_OK;
	if (choppy_up(f, &a->spec, &lab, &err) < 0)
		return out_refused(c, &err);
	report(c, &lab, a->json);
	return STATUS_OK;
}

static int up_run(struct call *c)
{
	const struct up_args *a = c->args;
	struct choppy_file *f;
	int status = file_read_for(c, c->words[0], a->name, &f);

	if (status)
		return status;
	status = up(c, f);
	choppy_file_free(f);
	return status;
}
