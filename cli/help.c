/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * choppy help: everything it says comes from the tables of commands, options
 * and condition fields.
 */
#include "cmd.h"
#include "out.h"

#include <string.h>

#define LABEL_MAX 28 /* longer labels stand on a line of their own */

static int help_run(struct call *c);

static const struct opt help_options[] = { { 0 } };

static const struct example help_examples[] = {
	{ "choppy help run", "what 'choppy run --help' prints" },
	{ 0 },
};

const struct command cmd_help = {
	.name = "help",
	.usage = "[COMMAND]",
	.summary = "explain choppy, or one of its commands",
	.max_words = 1,
	.names = NAMES_COMMANDS,
	.options = help_options,
	.examples = help_examples,
	.run = help_run,
};

/* "  LABEL   text", the text wrapped at its column. */
static void labelled(FILE *f, int width, const char *label, const char *text)
{
	if ((int)strlen(label) > width)
		fprintf(f, "  %s\n%*s", label, width + 4, "");
	else
		fprintf(f, "  %-*s  ", width, label);
	out_wrapped(f, width + 4, text);
}

static void option_label(char *buf, size_t size, const struct opt *o)
{
	char letter[8] = "    ";

	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	snprintf(buf, size, "%s--%s%s%s", letter, o->name, o->metavar ? " " : "",
		 o->metavar ? o->metavar : "");
}

static void print_options(FILE *f, const struct opt *table)
{
	char label[128];
	const struct opt *o;
	int width = 0, n;

	for (o = table; o->name; o++) {
		option_label(label, sizeof(label), o);
		n = (int)strlen(label);
		if (n > width && n <= LABEL_MAX)
			width = n;
	}
	option_label(label, sizeof(label), &opt_help_row);
	if (width < (int)strlen(label))
		width = (int)strlen(label);
	fprintf(f, "\nOptions:\n");
	for (o = table; o->name; o++) {
		option_label(label, sizeof(label), o);
		labelled(f, width, label, o->help);
	}
	option_label(label, sizeof(label), &opt_help_row);
	labelled(f, width, label, opt_help_row.help);
}

#define CONDITION_WIDTH 21

/* A row as it is typed: "delay TIME", "loss gemodel P", "  [burst PACKETS]". */
static void field_label(char *buf, size_t size, const struct choppy_field_row *row,
			const char *opener)
{
	bool inner = row->place == CHOPPY_PLACE_VALUE || row->place == CHOPPY_PLACE_WORD;
	bool optional = row->optional;
	char name[64];

	snprintf(name, sizeof(name), "%s%s%s%s%s", row->word ? row->word : "",
		 row->word && row->metavar ? " " : "", optional ? "[" : "",
		 row->metavar ? row->metavar : "", optional ? "]" : "");
	if (inner)
		snprintf(buf, size, "  [%s]", name);
	else
		snprintf(buf, size, "%s%s%s", row->place == CHOPPY_PLACE_INSTEAD ? opener : "",
			 row->place == CHOPPY_PLACE_INSTEAD ? " " : "", name);
}

static void print_fields(FILE *f)
{
	const struct choppy_field_row *row = choppy_fields();
	const char *opener = "";
	char label[96];
	int i;

	for (i = 0; i < CHOPPY_NFIELDS; i++, row++) {
		if (row->place == CHOPPY_PLACE_CLAUSE)
			opener = row->word;
		field_label(label, sizeof(label), row, opener);
		labelled(f, CONDITION_WIDTH, label, row->help);
	}
}

static void print_profile_names(FILE *f)
{
	const struct choppy_profile *p = choppy_profiles();
	char text[1024] = "Profiles, which may come first in the place of these words:";
	size_t n = strlen(text);

	for (; p->name && n < sizeof(text); p++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s", p->name);
	fputs("  ", f);
	out_wrapped(f, 2, text);
}

static void print_condition(FILE *f, bool change)
{
	fprintf(f, "\nCondition, in words:\n");
	print_fields(f);
	labelled(f, CONDITION_WIDTH, "match EXPRESSION",
		 "what follows, up to the next match or direction, holds only for packets that "
		 "the expression (pcap-filter(7), one argument) matches; the first such rule "
		 "decides");
	labelled(f, CONDITION_WIDTH, "  [nth LIST]", "of these only those, by their number");
	labelled(f, CONDITION_WIDTH, "  [first AMOUNT]",
		 "of these only so many packets or connections");
	labelled(f, CONDITION_WIDTH, "up, down",
		 "direction of the words that follow: from the node to its gateway, or from "
		 "the gateway to the node; words before the first of them hold each way");
	if (change) {
		labelled(f, CONDITION_WIDTH, "clear",
			 "remove what is set (in the direction it stands in)");
		labelled(f, CONDITION_WIDTH, "off",
			 "behind the word of what it removes: loss off, match off for all rules, "
			 "match EXPRESSION off for one");
	}
	fputs("  ", f);
	out_wrapped(f, 2,
		    "Times, rates and sizes need their unit: 50ms, 1mbit, 64kb. A word is given "
		    "with all that belongs to it, and replaces all of that. A condition may also "
		    "be one quoted argument.");
	print_profile_names(f);
}

static void print_examples(FILE *f, const struct example *e)
{
	fprintf(f, "\nExamples:\n");
	for (; e->line; e++) {
		fprintf(f, "  %s\n      ", e->line);
		out_wrapped(f, 6, e->what);
	}
}

static void print_command(FILE *f, const struct command *cmd)
{
	fprintf(f, "Usage: choppy %s%s%s\n\n", cmd->name, *cmd->usage ? " " : "", cmd->usage);
	/* the table's summary is a fragment; here it is a sentence */
	fprintf(f, "%c%s.\n", cmd->summary[0] - 'a' + 'A', cmd->summary + 1);
	if (cmd->details) {
		fputc('\n', f);
		out_wrapped(f, 0, cmd->details);
	}
	print_options(f, cmd->options);
	if (cmd->condition)
		print_condition(f, cmd->clear);
	if (cmd->examples)
		print_examples(f, cmd->examples);
}

static void print_choppy(FILE *f)
{
	const struct command *cmd;
	unsigned int i;

	fprintf(f, "Usage: choppy COMMAND [OPTIONS] ...\n\n"
		   "Run programs in network namespaces behind links as bad as you ask.\n\n"
		   "  choppy run loss 30%% -- ping -c 20 gateway\n\n"
		   "Commands:\n");
	for (i = 0; (cmd = cmd_row(i)); i++)
		labelled(f, 8, cmd->name, cmd->summary);
	print_options(f, cmd_global_options);
	fprintf(f, "\n");
	out_wrapped(f, 0,
		    "'choppy COMMAND --help' explains a command. Exit status: 0 done, 1 failed, "
		    "2 the command line is wrong, 77 this machine cannot do it; of run and exec, "
		    "the program's own, 128 + N when signal N ended it, 125 when choppy failed, "
		    "126 when the program cannot be executed, 127 when there is none.");
}

void help_print(FILE *f, const struct command *cmd)
{
	if (cmd)
		print_command(f, cmd);
	else
		print_choppy(f);
}

static int help_run(struct call *c)
{
	const struct command *cmd = NULL;

	if (c->nwords) {
		cmd = cmd_find(c->words[0]);
		if (!cmd)
			return cmd_unknown(c, 1, (char **)c->words);
	}
	help_print(c->out, cmd);
	return STATUS_OK;
}
