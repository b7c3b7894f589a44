/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * choppy set: change the condition of a lab while it lives. Only the clauses
 * named change, each as a whole; `clear` removes all.
 */
#include "act.h"
#include "describe.h"
#include "one.h"
#include "out.h"
#include "spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int set_run(struct call *c);

struct set_args {
	int backend; /* enum choppy_backend, or -1 */
	char from_tc[1024];
	bool json;
};

static const struct set_args set_defaults = { .backend = -1 };

static const struct opt set_options[] = {
	{ .name = "backend",
	  .kind = OPT_CHOICE,
	  .offset = offsetof(struct set_args, backend),
	  .metavar = "engine|netem",
	  .choice = spec_backend_choice,
	  .help = "refuse unless this is the backend: a link that lives cannot change it" },
	{ .name = "from-tc",
	  OPT_TEXT_AT(struct set_args, from_tc),
	  .metavar = "LINE",
	  .help = "in place of a condition, a netem line of tc(8) with tc's meaning, for a lab "
		  "with the "
		  "backend netem; behind up or down for that direction only" },
	{ .name = "json",
	  .letter = 'j',
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct set_args, json),
	  .help = "print the state after the change as JSON" },
	{ 0 },
};

static const struct example set_examples[] = {
	{ "choppy set blue loss 30%", "lose three packets in ten, each way; keep the rest" },
	{ "choppy set blue up delay 100ms down clear", "each direction its own" },
	{ "choppy set blue loss off", "no loss any more; keep the rest" },
	{ "choppy set blue match 'tcp port 80' outage", "cut off web servers only" },
	{ "choppy set blue clear", "a good link again" },
	{ "choppy set trunk delay 80ms", "a link of the lab that is up" },
	{ "choppy set web up loss 2%", "all links of a node, what it sends" },
	{ "choppy set blue down --from-tc 'delay 100ms 10ms loss 1%'",
	  "a line of tc-netem(8), for what the node receives" },
	{ 0 },
};

const struct command cmd_set = {
	.name = "set",
	.usage = "NAME [OPTIONS] CONDITION...",
	.summary = "change the condition of a namespace's link, or of links of a lab",
	.details =
		"NAME is a lab with one node, or a link or a node of a lab out of a file, also "
		"as LAB/LINK: a link is called as in the file, or A-B; 'A>B' is that direction of "
		"the links between two nodes; of a node it is all links, and up is what it sends. "
		"All of the change takes effect between two packets (with the backend netem at "
		"each end of the link by itself), or nothing does. Packets "
		"on the way are not lost. A line given with --from-tc is the whole condition: its "
		"limit is that of packets in flight, 1000 when it has none.",
	.condition = true,
	.clear = true,
	.min_words = 1,
	.max_words = OPT_ANYWHERE,
	.names = NAMES_LABS,
	.options = set_options,
	.args = &set_defaults,
	.args_size = sizeof(struct set_args),
	.examples = set_examples,
	.run = set_run,
};

static void report(struct call *c, const struct choppy_lab *lab, bool as_json)
{
	if (as_json) {
		describe_json_alone(c->out, lab);
		return;
	}
	fprintf(c->out, "%s: ", lab->name);
	describe_condition(c->out, lab->dir, &lab->rules);
	fputc('\n', c->out);
}

/*
 * The words that a line of tc means, into @text, and the change that they are, for the direction
 * that @words names or both.
 */
static int from_tc(struct call *c, const char *line, int n, const char *const *words,
		   char text[CHOPPY_CONDITION_TEXT_MAX], struct choppy_change *ret)
{
	char whole[CHOPPY_CONDITION_TEXT_MAX + 32];
	char buf[sizeof(((struct set_args *)0)->from_tc)];
	const char *tc[sizeof(buf) / 2 + 1];
	struct choppy_err err = { 0 };
	const char *arg = whole;
	int ntc;

	if (n > 1 || (n == 1 && strcmp(words[0], "up") != 0 && strcmp(words[0], "down") != 0))
		return out_usage(c,
				 "--from-tc LINE is the whole condition: beside it may stand up or "
				 "down, and nothing else");
	ntc = choppy_words_split(buf, tc, line);
	if (ntc < 0)
		return out_usage(c, "--from-tc: a quote is not closed");
	if (choppy_tc_words(text, CHOPPY_CONDITION_TEXT_MAX, ntc, tc, &err) < 0)
		return out_refused(c, &err);
	snprintf(whole, sizeof(whole), "%s%sclear %s", n ? words[0] : "", n ? " " : "", text);
	return spec_condition(c, 1, &arg, true, ret);
}

/* A node, a link or a direction of one in place of a lab. @err: why @name is no lab. */
static int set_part(struct call *c, const char *name, struct choppy_err *err)
{
	const char *part, **list, **words = NULL;
	char *lab = lab_of_part(name, &part);
	int n, status = STATUS_FAILED;

	if (!lab)
		return out_failed(c, err);
	if (spec_split(&list, &n, c->nwords - 1, c->words + 1) < 0) {
		free(lab);
		return out_usage(c, "a quote is not closed");
	}
	words = malloc(((size_t)n + 2) * sizeof(*words));
	if (words) {
		words[0] = "set";
		words[1] = part;
		memcpy(words + 2, list, (size_t)n * sizeof(*words));
		status = act_on(c, lab, n + 2, words);
	}
	free(words);
	free(list);
	free(lab);
	return words ? status : out_no_memory(c);
}

static int set_run(struct call *c)
{
	const struct set_args *a = c->args;
	const char *name = c->words[0];
	char tc_means[CHOPPY_CONDITION_TEXT_MAX] = "";
	struct choppy_change change = { 0 };
	struct choppy_err err = { 0 };
	struct choppy_lab lab;
	int r;

	if (strpbrk(name, "/>"))
		return set_part(c, name, &err);
	if (choppy_name_check(name, &err) < 0)
		return out_refused(c, &err);
	r = spec_if_device(c, name, c->nwords - 1, c->words + 1);
	if (!r && !*a->from_tc && c->nwords < 2)
		r = out_usage(c, "a condition is missing: for example choppy set %s loss 30%%",
			      name);
	if (!r)
		r = *a->from_tc
			    ? from_tc(c, a->from_tc, c->nwords - 1, c->words + 1, tc_means, &change)
			    : spec_condition(c, c->nwords - 1, c->words + 1, true, &change);
	if (r)
		return r;
	r = choppy_set(name, &change, a->backend, &lab, &err);
	/* What is refused may be a word that nobody has typed. */
	if (r < 0 && *tc_means)
		fprintf(c->err, "choppy: the line of tc means: %s\n", tc_means);
	if (r == -ENOENT && !*a->from_tc)
		return set_part(c, name, &err);
	if (r < 0)
		return out_failed(c, &err);
	for (uint32_t i = (uint32_t)lab.nnotes - lab.nnotes_now; i < (uint32_t)lab.nnotes; i++)
		out_note(c, lab.notes[i]);
	report(c, &lab, a->json);
	return STATUS_OK;
}
