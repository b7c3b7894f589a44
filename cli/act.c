/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done to a lab of many nodes while it lives: a command for each verb of the library's
 * table, with the same words as in a timeline.
 */
#include "act.h"
#include "one.h"
#include "out.h"

#include <stdlib.h>
#include <string.h>

static int act_run(struct call *c);

struct act_args {
	char lab[CHOPPY_NAME_MAX + 1];
};

static const struct opt act_options[] = {
	{ .name = "lab",
	  .letter = 'l',
	  OPT_TEXT_AT(struct act_args, lab),
	  .metavar = "LAB",
	  .help = "the lab that is meant, where more than one is up" },
	{ 0 },
};

static const struct example examples[ACT_NVERBS][4] = {
	[ACT_CUT] = { { "choppy cut db1 db2", "no packet of theirs reaches the other" },
		      { "choppy cut db1 to 'db2 db3'", "one way only: db1 still hears both" },
		      { "choppy cut web 'db[1-3]' reject", "with an answer, as a firewall's" } },
	[ACT_PARTITION] = { { "choppy partition 'a b | c d e'", "two parts, and nothing between" },
			    { "choppy partition isolate of db[1-3]", "one of three, by chance" },
			    { "choppy partition ring",
			      "each hears a majority, and no two the same" } },
	[ACT_HEAL] = { { "choppy heal", "everybody hears everybody again" } },
	[ACT_LINK] = { { "choppy link trunk off", "nothing passes, not even ARP" },
		       { "choppy link uplink off", "the way out" } },
	[ACT_PAUSE] = { { "choppy pause db1", "its connections stay, and nobody answers" } },
	[ACT_RESUME] = { { "choppy resume db1", "where it stood" } },
	[ACT_KILL] = { { "choppy kill any db[1-3]", "one of three, by chance" } },
	[ACT_START] = { { "choppy start db1", "after a kill" } },
	[ACT_RESTART] = { { "choppy restart db1", "what a crash is" } },
	[ACT_MARK] = { { "choppy mark ready", "what the timeline has 'after ready' begins" } },
};

#define NODES                                                                                      \
	"NODES are names and patterns as w[1-3]; more than one are in quotes, or behind each "     \
	"other "                                                                                   \
	"where nothing else follows. "
#define REJECT                                                                                     \
	"What is cut vanishes; with reject it is answered: unreachable, prohibited or reset. "

/* clang-format off */
#define DETAILS_SET NULL
#define DETAILS_CUT NODES "Packets are known by the addresses of both, wherever they pass; others go " \
	"on. With to it is one way: the first are no longer heard. " REJECT
#define DETAILS_PARTITION                                                                          \
	"SIDES are groups of nodes with bars between: 'a b | c d'; who is in none hears all. "      \
	"SHAPE is halves; isolate, with or without the name of a node; bridge: two halves, and one " \
	"node that hears both; or ring: each hears a majority, no two the same. Shapes are of all " \
	"hosts, or of NODES, in an order that the lab's seed decides. It takes the place of the "   \
	"partition before. " REJECT
#define DETAILS_HEAL "Conditions of links stay, and so do programs that are paused."
#define DETAILS_LINK                                                                               \
	"A link is called as in its file, or A-B; uplink is that with the way out. Nothing passes, " \
	"not even ARP."
#define DETAILS_PAUSE NODES "With any it is one of them, by chance. Each program on the node gets " \
	"SIGSTOP: its connections stay, and nobody answers."
#define DETAILS_RESUME NODES
#define DETAILS_KILL NODES "With any it is one of them, by chance."
#define DETAILS_START NODES
#define DETAILS_RESTART NODES "With any it is one of them, by chance."
#define DETAILS_RAMP NULL
#define DETAILS_RUN NULL
#define DETAILS_MARK "A timeline's lines may count from it: 'at 5s after NAME'."
/* clang-format on */

const struct command act_commands[ACT_NVERBS] = {
#define ROW(id, name_, usage_, help_)                                                              \
	[ACT_##id] = {                                                                             \
		.name = (name_),                                                                   \
		.usage = (usage_),                                                                 \
		.summary = (help_),                                                                \
		.details = DETAILS_##id,                                                           \
		.max_words = OPT_ANYWHERE,                                                         \
		.names = NAMES_OTHER,                                                              \
		.options = act_options,                                                            \
		.args_size = sizeof(struct act_args),                                              \
		.examples = examples[ACT_##id],                                                    \
		.run = act_run,                                                                    \
	},
	CHOPPY_VERBS(ROW)
#undef ROW
};

int act_on(struct call *c, const char *lab, int n, const char *const *words)
{
	struct choppy_err err = { 0 };

	return choppy_act(lab, n, words, out_line, c, &err) < 0 ? out_failed(c, &err) : STATUS_OK;
}

static int act_run(struct call *c)
{
	const struct act_args *a = c->args;
	char *found = *a->lab ? NULL : lab_only_one(c);
	const char *lab = *a->lab ? a->lab : found, **words;
	int status = STATUS_FAILED;

	if (!lab)
		return status;
	words = malloc(((size_t)c->nwords + 1) * sizeof(*words));
	if (words) {
		words[0] = c->cmd->name;
		memcpy(words + 1, c->words, (size_t)c->nwords * sizeof(*words));
		status = act_on(c, lab, c->nwords + 1, words);
	} else {
		status = out_no_memory(c);
	}
	free(words);
	free(found);
	return status;
}
