/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * choppy complete: what may stand next on a command line, for the shells'
 * completion (completion/). The words before are read by the tables of commands, options and
 * condition fields; whether their values are right is not looked at.
 *
 * One candidate a line, with a tab and what it means if it has a meaning. `<file>` as a line stands
 * for the name of a file, `<command N>` for a program's own command line, which begins with word N
 * (`choppy` is 0).
 */
#include "out.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int complete_run(struct call *c);

static const struct opt complete_options[] = { { 0 } };

static const struct example complete_examples[] = {
	{ "choppy complete -- set blue loss g", "gemodel, and what it means" },
	{ 0 },
};

const struct command cmd_complete = {
	.name = "complete",
	.usage = "-- [WORD...]",
	.summary = "print what may stand next, for a shell's completion",
	.details = "WORDs are those behind 'choppy'; the last is the one that is being typed, "
		   "perhaps empty. A candidate a line, a tab, and what it means.",
	.tail = TAIL_AFTER_DASHES,
	.options = complete_options,
	.examples = complete_examples,
	.run = complete_run,
};

/* The word that is being typed, and where candidates go. */
struct typing {
	FILE *out;
	const char *word;
};

static bool is(const char *word, const char *name)
{
	return name && strcmp(word, name) == 0;
}

static void offer(const struct typing *t, const char *word, const char *help)
{
	if (word && strncmp(word, t->word, strlen(t->word)) == 0)
		fprintf(t->out, "%s%s%s\n", word, *help ? "\t" : "", help);
}

/* --------------------------------------------------------------- conditions */

enum rule {
	RULE_NONE,
	RULE_MATCH, /* behind `match`: its expression */
	RULE_HEAD, /* behind that */
	RULE_NUMBER, /* behind `nth` or `first` */
	RULE_BODY,
};

/* Where in a condition a word stands. */
struct place {
	bool change; /* `clear` and `off` are words */
	bool fresh; /* a profile or `clear` may stand */
	enum rule rule;
	int clause; /* the open one's first row, or -1 */
	int due; /* the row whose value is due, or -1 */
	int last; /* the row whose value was the word before, or -1 */
	uint64_t given; /* fields, in this direction or rule */
};

static const struct {
	const char *word, *help;
} rule_words[] = {
	{ "nth", "of the packets that match only those, by their number" },
	{ "first", "of the packets that match only so many, or connections" },
};

static const struct {
	const char *word, *help;
} directions[] = {
	{ "up", "what follows holds from the node to its gateway" },
	{ "down", "what follows holds from the gateway to the node" },
};

#define NWORDS(table) (sizeof(table) / sizeof((table)[0]))
#define NO_ROW (-1)

static const struct choppy_field_row *row_of(int f)
{
	return &choppy_fields()[f];
}

static bool value_like(const char *word)
{
	return isdigit((unsigned char)word[*word == '-' || *word == '+']) || *word == '.';
}

static struct place place_begin(bool change)
{
	return (struct place){
		.change = change, .fresh = true, .clause = NO_ROW, .due = NO_ROW, .last = NO_ROW
	};
}

static int clause_end(int f)
{
	do
		f++;
	while (f < CHOPPY_NFIELDS && row_of(f)->place != CHOPPY_PLACE_CLAUSE);
	return f;
}

/* Whether row @f is a word that may stand here in the open clause. */
static bool inner_fits(const struct place *p, int f)
{
	const struct choppy_field_row *row = row_of(f);

	if (row->place == CHOPPY_PLACE_INSTEAD)
		return p->due == p->clause;
	return row->place == CHOPPY_PLACE_WORD && (p->due == NO_ROW || row_of(p->due)->optional) &&
	       !(p->given & CHOPPY_FIELD_BIT(f)) && (!row->needs || (row->needs & p->given));
}

static int find_inner(const struct place *p, const char *word)
{
	int f;

	if (p->clause == NO_ROW)
		return NO_ROW;
	for (f = p->clause + 1; f < clause_end(p->clause); f++)
		if (inner_fits(p, f) && is(word, row_of(f)->word))
			return f;
	return NO_ROW;
}

static int find_opener(const char *word)
{
	int f;

	for (f = 0; f < CHOPPY_NFIELDS; f++)
		if (row_of(f)->place == CHOPPY_PLACE_CLAUSE && is(word, row_of(f)->word))
			return f;
	return NO_ROW;
}

/* Row @f's word was read. */
static void enter(struct place *p, int f)
{
	bool flag = row_of(f)->kind == CHOPPY_KIND_FLAG;

	if (p->due != NO_ROW && row_of(f)->place == CHOPPY_PLACE_INSTEAD)
		p->given &= ~CHOPPY_FIELD_BIT(p->due);
	if (row_of(f)->place == CHOPPY_PLACE_CLAUSE)
		p->clause = f;
	p->given |= CHOPPY_FIELD_BIT(f);
	p->due = flag ? NO_ROW : f;
	p->last = NO_ROW;
	p->fresh = false;
	if (p->rule)
		p->rule = RULE_BODY;
}

/* A word that ends the clause before it. */
static void leave(struct place *p)
{
	p->clause = p->due = p->last = NO_ROW;
	p->fresh = false;
}

static bool is_choice(const struct choppy_field_row *row, const char *word)
{
	int i;

	for (i = 0; row->choices && row->choices[i]; i++)
		if (is(word, row->choices[i]))
			return true;
	return false;
}

/* Whether @word is a value; then it is taken. */
static bool take_value(struct place *p, const char *word)
{
	int f = p->due != NO_ROW ? p->due : p->last != NO_ROW ? p->last + 1 : CHOPPY_NFIELDS;
	bool there = f < CHOPPY_NFIELDS;

	if (p->due != NO_ROW)
		there = !row_of(f)->optional || value_like(word) || is_choice(row_of(f), word);
	else if (there)
		there = row_of(f)->place == CHOPPY_PLACE_VALUE && value_like(word);
	if (!there)
		return false;
	p->given |= CHOPPY_FIELD_BIT(f);
	p->due = NO_ROW;
	p->last = f;
	return true;
}

/* Words around a rule's clauses. */
static bool take_rule(struct place *p, const char *word)
{
	size_t i;

	if (p->rule == RULE_MATCH) {
		p->rule = p->change && is(word, "off") ? RULE_NONE : RULE_HEAD;
		return true;
	}
	if (p->rule == RULE_NUMBER) {
		p->rule = RULE_HEAD;
		return true;
	}
	for (i = 0; p->rule == RULE_HEAD && i < NWORDS(rule_words); i++)
		if (is(word, rule_words[i].word)) {
			p->rule = RULE_NUMBER;
			return true;
		}
	if (!is(word, "match"))
		return false;
	leave(p);
	p->rule = RULE_MATCH;
	p->given = 0;
	return true;
}

static bool take_direction(struct place *p, const char *word)
{
	size_t i;

	for (i = 0; i < NWORDS(directions); i++)
		if (is(word, directions[i].word)) {
			*p = place_begin(p->change);
			return true;
		}
	return false;
}

static void place_take(struct place *p, const char *word)
{
	int f;

	if (p->rule == RULE_MATCH || p->rule == RULE_NUMBER) {
		take_rule(p, word);
		return;
	}
	f = find_inner(p, word);
	if (f != NO_ROW)
		enter(p, f);
	else if (p->change && is(word, "off"))
		leave(p);
	else if (take_value(p, word) || take_direction(p, word) || take_rule(p, word))
		return;
	else if ((f = find_opener(word)) != NO_ROW)
		enter(p, f);
	else if (!p->change || !is(word, "clear"))
		leave(p);
}

/* Values and words of the open clause. */
static void offer_inner(const struct typing *t, const struct place *p)
{
	const struct choppy_field_row *row = p->due == NO_ROW ? NULL : row_of(p->due);
	int f, i;

	for (i = 0; row && row->choices && row->choices[i]; i++)
		offer(t, row->choices[i], row->help);
	if (row && (row->kind == CHOPPY_KIND_DISTRIBUTION || row->kind == CHOPPY_KIND_TRACE))
		fprintf(t->out, "<file>\n");
	for (f = p->clause + 1; p->clause != NO_ROW && f < clause_end(p->clause); f++)
		if (inner_fits(p, f))
			offer(t, row_of(f)->word, row_of(f)->help);
	if (p->change && ((p->due == p->clause && row && !p->rule) || p->rule == RULE_HEAD))
		offer(t, "off", "remove it");
}

static void offer_next(const struct typing *t, const struct place *p)
{
	const struct choppy_profile *profile = choppy_profiles();
	size_t i;
	int f;

	for (i = 0; p->rule == RULE_HEAD && i < NWORDS(rule_words); i++)
		offer(t, rule_words[i].word, rule_words[i].help);
	for (f = 0; f < CHOPPY_NFIELDS; f = clause_end(f))
		if (!(p->given & CHOPPY_FIELD_BIT(f)) && (!p->rule || f != CHOPPY_TRACE))
			offer(t, row_of(f)->word, row_of(f)->help);
	if (p->rule != RULE_HEAD) {
		offer(t, "match", "what follows holds for some packets only");
		for (i = 0; i < NWORDS(directions); i++)
			offer(t, directions[i].word, directions[i].help);
	}
	if (p->fresh && p->change)
		offer(t, "clear", "remove all that is set");
	for (; p->fresh && profile->name; profile++)
		offer(t, profile->name, profile->help);
}

static void offer_condition(const struct typing *t, bool change, int n, const char *const *words)
{
	struct place p = place_begin(change);
	int i;

	for (i = 0; i < n; i++)
		place_take(&p, words[i]);
	if (p.rule == RULE_MATCH && change)
		offer(t, "off", "remove all rules");
	if (p.rule == RULE_MATCH || p.rule == RULE_NUMBER)
		return;
	offer_inner(t, &p);
	if (p.due == NO_ROW || row_of(p.due)->optional)
		offer_next(t, &p);
}

/* -------------------------------------------------------------------- names */

static void offer_labs(const struct typing *t)
{
	char **names;
	size_t n, i;

	if (choppy_list(&names, &n, NULL) < 0)
		return;
	for (i = 0; i < n; i++) {
		offer(t, names[i], "");
		free(names[i]);
	}
	free(names);
}

static void offer_profiles(const struct typing *t)
{
	const struct choppy_profile *p;

	for (p = choppy_profiles(); p->name; p++)
		offer(t, p->name, p->help);
}

static void offer_commands(const struct typing *t)
{
	const struct command *cmd;
	unsigned int i;

	for (i = 0; (cmd = cmd_row(i)); i++)
		offer(t, cmd->name, cmd->summary);
}

static void offer_files(const struct typing *t)
{
	fprintf(t->out, "<file>\n");
}

static void (*const offer_names[NAMES_NKINDS])(const struct typing *t) = {
	[NAMES_LABS] = offer_labs,
	[NAMES_PROFILES] = offer_profiles,
	[NAMES_COMMANDS] = offer_commands,
	[NAMES_FILES] = offer_files,
};

/* ------------------------------------------------------------------ options */

static void offer_options(const struct typing *t, const struct opt *table)
{
	char name[64];

	for (;; table++) {
		const struct opt *o = table->name ? table : &opt_help_row;

		snprintf(name, sizeof(name), "--%s", o->name);
		offer(t, name, o->help);
		if (!table->name)
			return;
	}
}

/* The option of @table that ends argument @arg and whose value is still to come, or NULL. */
static const struct opt *waits_for_value(const struct opt *table, const char *arg)
{
	for (; table->name; table++) {
		if (!table->metavar)
			continue;
		if (arg[1] == '-' ? is(arg + 2, table->name)
				  : table->letter && arg[strlen(arg) - 1] == table->letter)
			return table;
	}
	return NULL;
}

static void offer_value(const struct typing *t, const struct opt *o)
{
	const char *name;
	unsigned int i;

	for (i = 0; o->kind == OPT_CHOICE && (name = o->choice(i)); i++)
		offer(t, name, o->help);
	if (is("FILE", o->metavar))
		fprintf(t->out, "<file>\n");
}

/* ----------------------------------------------------------------- commands */

/* What a command's words are so far. */
struct line {
	const struct opt *option; /* its value is due, or NULL */
	const char **words; /* those that are no options */
	int nwords;
	int program; /* the argument that begins a program's command line, or 0 */
};

static void read_line(struct line *l, const struct command *cmd, int n, char **argv)
{
	int i;

	for (i = 0; i < n && !l->program; i++) {
		if (is(argv[i], "=") && l->option)
			continue; /* bash takes --option=value apart */
		if (l->option)
			l->option = NULL;
		else if (is(argv[i], "--"))
			l->program = i + 1;
		else if (opt_is_option(argv[i]))
			l->option = waits_for_value(cmd->options, argv[i]);
		else if (cmd->tail == TAIL_AFTER_NAME && l->nwords == cmd->min_words)
			l->program = i;
		else
			l->words[l->nwords++] = argv[i];
	}
	if (!l->program && cmd->tail == TAIL_AFTER_NAME && l->nwords == cmd->min_words &&
	    !l->option && !opt_is_option(argv[n]))
		l->program = n;
}

static void offer_words(const struct typing *t, const struct command *cmd, const struct line *l)
{
	int condition_at = cmd->condition && cmd->min_words > 0;

	if (opt_is_option(t->word) || is(t->word, "-")) {
		offer_options(t, cmd->options);
		if (cmd->tail != TAIL_NONE)
			offer(t, "--", "a program's command line follows");
	} else if (cmd->condition && l->nwords >= condition_at) {
		offer_condition(t, cmd->clear, l->nwords - condition_at, l->words + condition_at);
	} else if (offer_names[cmd->names] &&
		   (cmd->max_words == OPT_ANYWHERE || l->nwords < cmd->max_words)) {
		offer_names[cmd->names](t);
	}
}

/* @argv: what stands behind the command's name; the last one is being typed. */
static int offer_for(struct call *c, const struct command *cmd, int argc, char **argv)
{
	struct typing t = { .out = c->out, .word = argv[argc - 1] };
	struct line l = { .words = calloc((size_t)argc, sizeof(*l.words)) };

	if (!l.words)
		return out_no_memory(c);
	if (is(t.word, "="))
		t.word = "";
	read_line(&l, cmd, argc - 1, argv);
	if (l.program)
		fprintf(c->out, "<command %d>\n", l.program + 2);
	else if (l.option)
		offer_value(&t, l.option);
	else
		offer_words(&t, cmd, &l);
	free(l.words);
	return STATUS_OK;
}

static int complete_run(struct call *c)
{
	const struct command *cmd = c->ncommand > 1 ? cmd_find(c->command[0]) : NULL;
	struct typing t = { .out = c->out, .word = c->ncommand ? c->command[0] : "" };

	if (cmd)
		return offer_for(c, cmd, c->ncommand - 1, c->command + 1);
	if (c->ncommand > 1)
		return STATUS_OK;
	if (*t.word == '-')
		offer_options(&t, cmd_global_options);
	else
		offer_commands(&t);
	return STATUS_OK;
}
