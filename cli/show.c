/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * choppy show: all that is known of one lab, now.
 */
#include "describe.h"
#include "one.h"
#include "out.h"
#include "spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int show_run(struct call *c);

struct show_args {
	bool json, tc;
};

static const struct opt show_options[] = {
	{ .name = "json",
	  .letter = 'j',
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct show_args, json),
	  .help = "as one JSON object, with every counter" },
	{ .name = "tc",
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct show_args, tc),
	  .help = "the condition as two command lines of tc(8): with the backend netem what the "
		  "kernel holds, with the engine what would be nearest in netem" },
	{ 0 },
};

static const struct example show_examples[] = {
	{ "choppy show blue", "addresses, way out, condition, and what came of it" },
	{ "choppy show --tc blue", "the same link for somebody who has tc and netem only" },
	{ "choppy show --json blue | jq .counters.up.dropped",
	  "why packets were lost on the way up" },
	{ 0 },
};

const struct command cmd_show = {
	.name = "show",
	.usage = "[NAME] [OPTIONS]",
	.summary = "show a namespace's addresses, condition and counters",
	.details =
		"NAME may also be a link of a lab out of a file, as LINK or LAB/LINK: then "
		"condition and counters are that link's. Without one it is the only lab out of a "
		"file that is up, or the one in $CHOPPY_LAB. "
		"In JSON a value of the condition is {\"value\": N, \"unit\": U, \"text\": T}: "
		"times in ns, probabilities in ppb (1e-9), rates in bps, sizes in bytes, a limit "
		"in packets, bytes or ns; names, flags and plain numbers have no unit; "
		"\"default\": true stands with a limit that was not asked for. "
		"Counters are wire packets; null: netem of this kernel does not tell. All numbers "
		"are whole; \"seed_hex\" is for readers "
		"that hold numbers as doubles. With the backend netem \"tc\" has what the kernel "
		"holds, and \"seeded\" is false where its netem takes no seed.",
	.max_words = 1,
	.names = NAMES_LABS,
	.options = show_options,
	.args_size = sizeof(struct show_args),
	.examples = show_examples,
	.run = show_run,
};

/* The directory of table @name into @dir, "" for one of tc's own. 0, or why tc cannot find it. */
static const char *table_dir(char dir[CHOPPY_PATH_MAX], const char *name)
{
	size_t len = strlen(name);

	dir[0] = '\0';
	if (*name != '/')
		return NULL;
	if (len < 6 || strcmp(name + len - 5, ".dist") != 0)
		return "tc reads tables only from files that end in .dist: rename it";
	snprintf(dir, CHOPPY_PATH_MAX, "%.*s", (int)(strrchr(name, '/') - name), name);
	if (!*dir)
		strcpy(dir, "/");
	return NULL;
}

/* Where tc finds all tables of @c: in one directory, or not at all. */
static const char *tables_dir(char dir[CHOPPY_PATH_MAX], const struct choppy_condition *c)
{
	const char *const names[] = {
		c->set & CHOPPY_FIELD_BIT(CHOPPY_DISTRIBUTION) ? c->distribution : "uniform",
		c->set & CHOPPY_FIELD_BIT(CHOPPY_SLOT_DISTRIBUTION) ? c->slot_distribution
								    : "uniform",
	};
	char other[CHOPPY_PATH_MAX];
	const char *why;
	int i, n = 0;

	dir[0] = '\0';
	for (i = 0; i < 2; i++) {
		if (strcmp(names[i], "uniform") == 0) /* needs none */
			continue;
		why = table_dir(other, names[i]);
		if (why)
			return why;
		if (n++ && strcmp(dir, other) != 0)
			return "tc finds tables in one directory only: put both files into one";
		strcpy(dir, other);
	}
	return NULL;
}

static void print_tc(FILE *f, const struct choppy_lab *lab, enum choppy_dir d, const char *dir,
		     const char *words)
{
	char quoted[4 * CHOPPY_PATH_MAX];

	if (*dir) {
		out_shell_words(quoted, sizeof(quoted), 1, &dir);
		fprintf(f, "TC_LIB_DIR=%s ", quoted);
	}
	if (d == CHOPPY_UP && lab->permanent)
		fprintf(f, "tc -n %s ", lab->name);
	else if (d == CHOPPY_UP)
		fprintf(f, "nsenter -t %d -n tc ", (int)lab->init);
	else
		fprintf(f, "tc ");
	fprintf(f, "qdisc replace dev %s root handle 4348: netem %s\n",
		d == CHOPPY_UP ? lab->dev : lab->host_dev, words);
}

static int show_tc(struct call *c, const struct choppy_lab *lab)
{
	char words[CHOPPY_NDIRS][CHOPPY_TC_TEXT_MAX], dir[CHOPPY_NDIRS][CHOPPY_PATH_MAX];
	struct choppy_err err = { 0 };
	const char *why;
	int d;

	if (lab->rules.n) {
		fprintf(c->err, "choppy show: rules: netem has none, so tc cannot say them\n");
		return STATUS_FAILED;
	}
	for (d = 0; d < CHOPPY_NDIRS; d++) {
		why = tables_dir(dir[d], &lab->dir[d]);
		if (why) {
			fprintf(c->err, "choppy show: %s\n", why);
			return STATUS_FAILED;
		}
		snprintf(words[d], sizeof(words[d]), "%s", lab->tc[d]);
		if (!*words[d] &&
		    choppy_condition_tc(words[d], sizeof(words[d]), &lab->dir[d], &err) < 0)
			return out_failed(c, &err);
	}
	for (d = 0; d < CHOPPY_NDIRS; d++)
		print_tc(c->out, lab, d, dir[d], words[d]);
	return STATUS_OK;
}

/* A lab, or a link of the one that is up. */
static int show(const char *name, struct choppy_lab *lab, struct choppy_err *err)
{
	char whole[CHOPPY_NAME_MAX + CHOPPY_LINK_NAME_MAX + 2], *of;
	int r = choppy_show(name, lab, err);
	const char *link;

	if (r != -ENOENT || strchr(name, '/'))
		return r;
	of = lab_of_part(name, &link);
	if (of) {
		snprintf(whole, sizeof(whole), "%s/%s", of, link);
		r = choppy_show(whole, lab, err);
	}
	free(of);
	return r;
}

static int show_name(struct call *c, const char *name)
{
	const struct show_args *a = c->args;
	struct choppy_err err = { 0 };
	struct choppy_lab lab;
	int status;

	if (!strchr(name, '/') && choppy_name_check(name, &err) < 0)
		return out_refused(c, &err);
	status = spec_if_device(c, name, 0, NULL);
	if (status)
		return status;
	if (show(name, &lab, &err) < 0)
		return out_failed(c, &err);
	if (a->tc)
		return show_tc(c, &lab);
	if (a->json) {
		describe_json_alone(c->out, &lab);
		return STATUS_OK;
	}
	return describe_text(c->out, &lab, false) < 0 ? out_no_memory(c) : STATUS_OK;
}

static int show_run(struct call *c)
{
	char *only = c->nwords ? NULL : lab_only_one(c);
	int status = STATUS_FAILED;

	if (c->nwords || only)
		status = show_name(c, c->nwords ? c->words[0] : only);
	free(only);
	return status;
}
