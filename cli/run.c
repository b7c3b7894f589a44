/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * choppy run: make a namespace behind a link, run a program in it, remove it,
 * and end with the program's status.
 */
#include "describe.h"
#include "file.h"
#include "out.h"
#include "spec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int run_run(struct call *c);

static const struct opt run_options[] = {
	SPEC_OPTIONS,
	{ .name = "name",
	  .kind = OPT_CALL,
	  .offset = offsetof(struct spec_args, spec),
	  .metavar = "NAME",
	  .parse = spec_parse_name,
	  .help = "call it so, for 'choppy show' and 'choppy set' meanwhile (default: run-PID)" },
	{ .name = "user",
	  .letter = 'u',
	  OPT_TEXT_AT(struct spec_args, spec.user),
	  .metavar = "USER",
	  .help = "run COMMAND as this user" },
	{ .name = "max-lateness",
	  .kind = OPT_CALL,
	  .offset = offsetof(struct spec_args, spec),
	  .metavar = "TIME",
	  .parse = spec_parse_lateness,
	  .help = "when a packet leaves this much later than it should, the run has failed "
		  "because of this machine: exit status 75" },
	{ .name = "file",
	  .letter = 'f',
	  OPT_TEXT_AT(struct spec_args, file),
	  .metavar = "FILE",
	  .help = "make the lab of this file; COMMAND runs beside it, where the other commands of "
		  "choppy mean this lab, or on --node" },
	{ .name = "node",
	  OPT_TEXT_AT(struct spec_args, node),
	  .metavar = "NODE",
	  .help = "with --file: run COMMAND on this node" },
	{ .name = "summary",
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct spec_args, summary),
	  .help = "at the end say on standard error the seed and, a line a direction, what was "
		  "asked and what was delivered" },
	{ .name = "verbose",
	  .letter = 'v',
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct spec_args, verbose),
	  .help = "say first what is going to be made, and at the end the summary" },
	{ .name = "json",
	  .letter = 'j',
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct spec_args, json),
	  .help = "the summary as one line of JSON, the last on standard error" },
	{ 0 },
};

static const struct example run_examples[] = {
	{ "choppy run loss 30% -- ping -c 20 gateway", "lose three packets in ten, each way" },
	{ "choppy run -v delay 50ms 10ms up rate 1mbit -- ./test.sh",
	  "50 ms with 10 ms of jitter each way, a slow way up, and a summary" },
	{ "choppy run -f cluster.yaml -- ./test.sh", "with the lab of a file about it" },
	{ "choppy run --uplink none -- sh", "a shell with a link and nothing behind it" },
	{ 0 },
};

const struct command cmd_run = {
	.name = "run",
	.usage = "[OPTIONS] [CONDITION...] -- COMMAND [ARG...]",
	.summary = "run a program behind a bad link, and remove all of it after",
	.details = "The exit status is COMMAND's; 128 + N when signal N ended it, 125 when choppy "
		   "failed, 126 when COMMAND cannot be executed, 127 when there is none, 77 when "
		   "this machine cannot do it, 2 when the command line is wrong.",
	.condition = true,
	.tail = TAIL_AFTER_DASHES,
	.max_words = OPT_ANYWHERE,
	.options = run_options,
	.args_size = sizeof(struct spec_args),
	.examples = run_examples,
	.run = run_run,
};

/* How many of the first @n @words are a condition. */
static int condition_length(int n, const char *const *words)
{
	struct choppy_change change;
	const char **list;
	int count, r;

	for (; n > 0; n--) {
		if (spec_split(&list, &count, n, words) < 0)
			continue;
		r = choppy_change_parse(&change, count, list, false, NULL);
		free(list);
		if (r == 0)
			return n;
	}
	return 0;
}

/* Without `--`: show where it belongs. */
static int missing_dashes(struct call *c)
{
	const char *const *rest = (const char *const *)c->command;
	int n = condition_length(c->ncommand, rest), lead = (int)(c->command - c->argv);
	char before[512], after[512];

	if (n == c->ncommand)
		strcpy(after, "COMMAND");
	else
		out_shell_words(after, sizeof(after), c->ncommand - n, rest + n);
	out_shell_words(before, sizeof(before), lead + n, (const char *const *)c->argv);
	return out_usage(c, "'--' must stand before the program: choppy run %s%s-- %s", before,
			 lead + n ? " " : "", after);
}

/* A refusal as run's exit status: 1 could be the program's. */
static int refused(struct call *c, const struct choppy_err *err)
{
	int status = out_refused(c, err);

	return status == STATUS_FAILED ? CHOPPY_EXIT_FAILED : status;
}

/* Name and seed are settled here, so that they can be told before anything is made. */
static int settle(struct call *c, struct choppy_spec *spec)
{
	struct choppy_err err = { 0 };

	return choppy_spec_check(spec, &err) < 0 ? refused(c, &err) : 0;
}

/* What is going to be made; its address is known only when it stands. */
static void announce(struct call *c, const struct choppy_spec *spec)
{
	fprintf(c->err, "choppy: %s: seed %" PRIu64 ", ", spec->name, spec->seed);
	describe_condition(c->err, spec->dir, &spec->rules);
	fprintf(c->err, ", %s, uplink %s\n", choppy_backend_name(spec->backend),
		choppy_uplink_name(spec->uplink));
}

/* What it takes to do it again, then a line a direction. */
static void summary(struct call *c, const struct choppy_lab *lab)
{
	static const char *const labels[CHOPPY_NDIRS] = {
		[CHOPPY_UP] = "up:   ",
		[CHOPPY_DOWN] = "down: ",
	};
	int d;

	fprintf(c->err, "lab:  %s, %s, seed %" PRIu64 "\n", lab->name,
		*lab->addr4[1] ? lab->addr4[1] : lab->addr6[1], lab->seed);
	for (d = 0; d < CHOPPY_NDIRS; d++) {
		fputs(labels[d], c->err);
		describe_summary(c->err, lab, (enum choppy_dir)d);
		fputc('\n', c->err);
	}
}

static void summary_json(struct call *c, const struct choppy_lab *lab, int status)
{
	struct json j = { .f = c->err, .one_line = true };

	json_object(&j, NULL);
	json_i64(&j, "status", status);
	lab_json_write(&j, "lab", lab);
	json_object_end(&j);
	json_end(&j);
}

static int plan(struct call *c, const struct choppy_spec *spec)
{
	struct choppy_err err = { 0 };

	return choppy_plan(spec, false, out_line, c, &err) < 0 ? refused(c, &err) : STATUS_OK;
}

/* An option that is of a lab with one node, or NULL. */
static const char *not_of_file(const struct spec_args *a)
{
	const struct choppy_spec *s = &a->spec;

	return *s->addr		    ? "addr"
	       : *s->dev	    ? "dev"
	       : s->npublish	    ? "publish"
	       : *s->verdicts	    ? "verdicts"
	       : *s->replay	    ? "replay"
	       : s->replay_by_flow  ? "replay-by-flow"
	       : s->max_lateness_ns ? "max-lateness"
	       : s->super_packets   ? "super-packets"
	       : a->json	    ? "json"
	       : a->summary	    ? "summary"
	       : a->verbose	    ? "verbose"
				    : NULL;
}

/* The lab of a file. */
static int run_file(struct call *c)
{
	struct spec_args *a = c->args;
	struct choppy_err err = { 0 };
	struct choppy_file *f;
	int status;

	if (not_of_file(a))
		return out_usage(c, "--%s is of a lab with one node: it does not go with --file",
				 not_of_file(a));
	if (c->nwords)
		return out_usage(c, "the links of %s have the conditions of that file, not '%s'",
				 a->file, c->words[0]);
	status = file_read_for(c, a->file, a->spec.name, &f);
	if (status)
		return status == STATUS_FAILED ? CHOPPY_EXIT_FAILED : status;
	a->spec.name[0] = '\0';
	if (a->dry_run) {
		status = choppy_up_plan(f, &a->spec, out_line, c, &err) < 0 ? refused(c, &err)
									    : STATUS_OK;
		choppy_file_free(f);
		return status;
	}
	fflush(c->out);
	status = choppy_run_file(f, &a->spec, *a->node ? a->node : NULL, c->command, &err);
	if (err.code)
		out_failed(c, &err);
	choppy_file_free(f);
	return status;
}

static int run_run(struct call *c)
{
	struct spec_args *a = c->args;
	struct choppy_err err = { 0 };
	struct choppy_lab lab = { 0 };
	int status;

	if (!c->dashes)
		return missing_dashes(c);
	if (c->ncommand == 0)
		return out_usage(c, "there is no COMMAND after '--'; choppy run %s", c->cmd->usage);
	a->spec.note = out_note;
	a->spec.note_ctx = c;
	if (*a->file)
		return run_file(c);
	if (*a->node)
		return out_usage(c, "--node is one of a lab's file: --file FILE");
	status = spec_take_condition(c, c->nwords, c->words, &a->spec);
	if (!status)
		status = settle(c, &a->spec);
	if (status)
		return status;
	if (a->dry_run)
		return plan(c, &a->spec);
	if (a->verbose)
		announce(c, &a->spec);
	fflush(c->out);
	status = choppy_run(&a->spec, c->command, a->verbose || a->summary || a->json ? &lab : NULL,
			    &err);
	if (err.code)
		out_failed(c, &err);
	if (lab.name[0] && a->json)
		summary_json(c, &lab, status);
	else if (lab.name[0] && (a->verbose || a->summary))
		summary(c, &lab);
	return status;
}
