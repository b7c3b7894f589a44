/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * choppy test: make the lab of a file, play its timeline, and say whether what it expects holds.
 * The lab ends with this process, however that ends.
 */
#include "file.h"
#include "out.h"
#include "patience.h"
#include "spec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int test_run(struct call *c);

struct test_args {
	struct choppy_spec spec;
	char name[CHOPPY_NAME_MAX + 1];
	char junit[CHOPPY_PATH_MAX];
	uint64_t timeout_ns;
	bool logs;
};

static const struct test_args test_defaults = { .timeout_ns = 600000000000ull };

static const struct opt test_options[] = {
	{ .name = "junit",
	  OPT_TEXT_AT(struct test_args, junit),
	  .metavar = "FILE",
	  .help = "write the results as JUnit XML, too" },
	{ .name = "timeout",
	  .kind = OPT_CALL,
	  .offset = offsetof(struct test_args, timeout_ns),
	  .metavar = "TIME",
	  .parse = spec_parse_timeout,
	  .help = "what is open then does not hold (default: 10m)" },
	{ .name = "name",
	  OPT_TEXT_AT(struct test_args, name),
	  .metavar = "NAME",
	  .help = "call the lab so (default: as the file says, or as it is called)" },
	{ .name = "seed",
	  .kind = OPT_CALL,
	  .offset = offsetof(struct test_args, spec),
	  .metavar = "N",
	  .parse = spec_parse_seed,
	  .help = "decides every verdict and all that is drawn, in place of the file's seed" },
	{ .name = "uplink",
	  .kind = OPT_CHOICE,
	  .offset = offsetof(struct test_args, spec.uplink),
	  .metavar = "auto|nat|relay|none",
	  .choice = spec_uplink_choice,
	  .help = "the way out, in place of the file's" },
	{ .name = "map-root",
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct test_args, spec.map_root),
	  .help = "without root: be root in the lab" },
	{ .name = "logs",
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct test_args, logs),
	  .help = "where something does not hold, print what the commands have written" },
	{ 0 },
};

static const struct example test_examples[] = {
	{ "choppy test cluster.yaml", "its results as TAP, its exit status for a CI" },
	{ "choppy test cluster.yaml --junit results.xml --seed 7", "the same chances again" },
	{ 0 },
};

const struct command cmd_test = {
	.name = "test",
	.usage = "FILE [OPTIONS]",
	.summary = "make a lab, play its timeline, and check what it expects",
	.details =
		"The results are printed as TAP: a line each. The exit status is 0 when all that "
		"the file expects holds, and 1 when something does not.",
	.min_words = 1,
	.max_words = 1,
	.options = test_options,
	.args = &test_defaults,
	.args_size = sizeof(struct test_args),
	.examples = test_examples,
	.run = test_run,
};

/* What came of all of it. */
struct results {
	struct result {
		char *expect, *reason;
		bool decided, holds;
		uint64_t at_ns;
	} * v;
	int n, failed;
	bool no_memory;
};

static void results_free(struct results *r)
{
	for (int i = 0; i < r->n; i++) {
		free(r->v[i].expect);
		free(r->v[i].reason);
	}
	free(r->v);
	*r = (struct results){ 0 };
}

static void add_result(void *ctx, const struct choppy_result *from)
{
	struct results *r = ctx;
	struct result *v = realloc(r->v, ((size_t)r->n + 1) * sizeof(*v));

	if (!v) {
		r->no_memory = true;
		return;
	}
	r->v = v;
	v[r->n++] = (struct result){ .expect = strdup(from->expect),
				     .reason = strdup(from->reason),
				     .decided = from->decided,
				     .holds = from->decided && from->holds,
				     .at_ns = from->at_ns };
	r->failed += !v[r->n - 1].holds;
}

/* What was to be done and could not be: a fault that never came about proves nothing. */
static void add_failed_step(void *ctx, const struct choppy_step *s)
{
	char *what = NULL;

	if (!s->error)
		return;
	if (asprintf(&what, "timeline: %s%s", s->end ? "end of " : "", s->action) < 0) {
		((struct results *)ctx)->no_memory = true;
		return;
	}
	add_result(ctx, &(struct choppy_result){ .expect = what,
						 .decided = true,
						 .reason = s->error,
						 .at_ns = s->due_ns + s->late_ns });
	free(what);
}

/* Until all is decided, or time is up. */
static int collect(const char *lab, uint64_t timeout_ns, struct results *r, struct choppy_err *err)
{
	uint64_t end = patience_begin(timeout_ns);
	bool decided = false;

	for (;;) {
		int e;

		results_free(r);
		e = choppy_expectations(lab, add_result, r, &decided, err);
		if (e < 0)
			return e;
		if (decided || patience_over(end))
			return choppy_timeline(lab, add_failed_step, r, NULL, &(bool){ false },
					       err);
		patience_pause();
	}
}

static const char *why(const struct result *r)
{
	return r->decided ? r->reason : "time was up before it was decided";
}

/* Of TAP, where a '#' begins a directive. */
static void print_escaped(FILE *f, const char *text, const char *special)
{
	for (; *text; text++) {
		if (strchr(special, *text))
			fputc('\\', f);
		fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, f);
	}
}

static void print_tap(FILE *f, const struct results *r)
{
	fprintf(f, "TAP version 13\n1..%d\n", r->n);
	for (int i = 0; i < r->n; i++) {
		fprintf(f, "%sok %d - ", r->v[i].holds ? "" : "not ", i + 1);
		print_escaped(f, r->v[i].expect, "\\#");
		fprintf(f, "\n");
		if (r->v[i].holds)
			continue;
		fprintf(f, "  ---\n  reason: \"");
		print_escaped(f, why(&r->v[i]), "\\\"");
		fprintf(f, "\"\n  ...\n");
	}
}

/* Of XML 1.0, in which most control characters cannot be at all. */
static void print_xml(FILE *f, const char *text)
{
	static const char *const entities[] = {
		['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;"
	};

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < sizeof(entities) / sizeof(entities[0]) && entities[c])
			fputs(entities[c], f);
		else
			fputc(c < 0x20 ? ' ' : c, f);
	}
}

static void write_junit(FILE *f, const char *lab, const struct results *r)
{
	fprintf(f,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"%s\" "
		"tests=\"%d\" failures=\"%d\">\n",
		lab, r->n, r->failed);
	for (int i = 0; i < r->n; i++) {
		fprintf(f, "  <testcase classname=\"%s\" name=\"", lab);
		print_xml(f, r->v[i].expect);
		fprintf(f, "\" time=\"%.3f\">", (double)r->v[i].at_ns / 1e9);
		if (!r->v[i].holds) {
			fprintf(f, "<failure message=\"");
			print_xml(f, why(&r->v[i]));
			fprintf(f, "\"/>");
		}
		fprintf(f, "</testcase>\n");
	}
	fprintf(f, "</testsuite>\n");
}

/* Opened before anything is made: else it would be told when the test is over. */
static int open_junit(struct call *c, const char *path, FILE **ret)
{
	*ret = *path ? fopen(path, "we") : NULL;
	if (!*path || *ret)
		return STATUS_OK;
	fprintf(c->err, "choppy: %s cannot be written: %m\n", path);
	return STATUS_FAILED;
}

static int judge(struct call *c, struct choppy_file *f, const struct choppy_lab *lab, FILE *junit)
{
	const struct test_args *a = c->args;
	struct results r = { 0 };
	struct choppy_err err = { 0 };
	int status = STATUS_FAILED;

	if (collect(lab->name, a->timeout_ns, &r, &err) < 0) {
		results_free(&r);
		return out_failed(c, &err);
	}
	print_tap(c->out, &r);
	if (r.failed == 0 && !r.no_memory)
		status = STATUS_OK;
	else if (a->logs)
		file_print_logs(c, f, lab->name);
	if (junit)
		write_junit(junit, lab->name, &r);
	results_free(&r);
	return status;
}

static int test_run(struct call *c)
{
	struct test_args *a = c->args;
	struct choppy_file *f = NULL;
	struct choppy_err err = { 0 };
	struct choppy_lab lab;
	FILE *junit = NULL;
	int status = file_read_for(c, c->words[0], a->name, &f);

	if (status)
		return status;
	if (!choppy_file_expects(f)) {
		status = out_usage(c, "%s expects nothing: say what under 'expect'", c->words[0]);
	} else if (open_junit(c, a->junit, &junit)) {
		status = STATUS_FAILED;
	} else {
		a->spec.leashed = true;
		a->spec.note = out_note;
		a->spec.note_ctx = c;
		status = choppy_up(f, &a->spec, &lab, &err) < 0 ? out_failed(c, &err)
								: judge(c, f, &lab, junit);
		if (!err.code && choppy_del(lab.name, &err) < 0 && status == STATUS_OK)
			status = out_failed(c, &err);
	}
	if (junit && fclose(junit) == EOF) {
		fprintf(c->err, "choppy: %s cannot be written: %m\n", a->junit);
		status = STATUS_FAILED;
	}
	choppy_file_free(f);
	return status;
}
