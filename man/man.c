/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * man FILE.scd.in: a manual page in scdoc(5)'s language, on standard output. Its text is
 * FILE's; a line that is one of these stands for what the tables know:
 *
 *	@commands@       every command: usage, what it does, options, examples
 *	@options@        the options before a command
 *	@clause WORD@    every word and value of that clause of a condition
 *	@profiles@       the profiles
 *	@reasons@        why packets are dropped
 *	@netem@          what the kernel's netem can do of a condition
 *
 * and @version@ within a line for the version. A clause or command that the table has and the pages
 * leave out is an error: so the pages are complete.
 */
#include "backend.h"
#include "cmd.h"
#include "explain.h"
#include "fields.h"
#include "value.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 512

/* One page on its way. */
struct page {
	const char *name;
	int line;
	FILE *out;
	uint64_t clauses; /* that were written, by their first row */
};

static _Noreturn void fail(const struct page *p, const char *what, const char *word)
{
	fprintf(stderr, "%s:%d:1: %s '%s'\n", p->name, p->line, what, word);
	exit(1);
}

/* ---------------------------------------------------------------- language */

/* @n characters of plain text: what means something to scdoc is made to mean itself. */
static void put(FILE *f, const char *text, size_t n)
{
	for (; n && *text; n--, text++) {
		if (strchr("\\*_`#[]|<>", *text))
			fputc('\\', f);
		fputc(*text == '\n' ? ' ' : *text, f);
	}
}

static void put_text(FILE *f, const char *text)
{
	put(f, text, strlen(text));
}

/*
 * How a thing is typed: words that stand for themselves are bold, those in
 * place of which something is typed are underlined.
 */
static void put_usage(FILE *f, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, " []|/:");
		bool other = isupper((unsigned char)*text) || isdigit((unsigned char)*text);
		const char *mark = other ? "_" : "*";

		if (n) {
			fputs(mark, f);
			put(f, text, n);
			fputs(mark, f);
			text += n;
		} else {
			put(f, text++, 1);
		}
	}
}

/* A table's text as a sentence. */
static void put_sentence(FILE *f, const char *text)
{
	size_t n = strlen(text);
	char first[2] = { (char)toupper((unsigned char)*text), '\0' };

	put_text(f, first);
	put_text(f, text + 1);
	fputs(n && text[n - 1] == '.' ? "" : ".", f);
}

/* ----------------------------------------------------------------- options */

static void option(FILE *f, const struct opt *o)
{
	char text[TEXT_MAX];

	if (o->letter)
		fprintf(f, "*-%c*, ", o->letter);
	snprintf(text, sizeof(text), "--%s%s%s", o->name, o->metavar ? " " : "",
		 o->metavar ? o->metavar : "");
	put_usage(f, text);
	fputs("\n\t", f);
	put_sentence(f, o->help);
	fputs("\n\n", f);
}

static void options(struct page *p, const char *argument)
{
	const struct opt *o;

	for (o = cmd_global_options; o->name; o++)
		option(p->out, o);
	option(p->out, &opt_help_row);
}

/* ---------------------------------------------------------------- commands */

static void command(FILE *f, const struct command *cmd)
{
	const struct example *e;
	const struct opt *o;

	fprintf(f, "## %s\n\n*choppy %s*%s", cmd->name, cmd->name, *cmd->usage ? " " : "");
	put_usage(f, cmd->usage);
	fputs("\n\n", f);
	put_sentence(f, cmd->summary);
	if (cmd->details) {
		fputc(' ', f);
		put_text(f, cmd->details);
	}
	fputs("\n\n", f);
	for (o = cmd->options; o->name; o++)
		option(f, o);
	for (e = cmd->examples; e->line; e++) {
		fputc(toupper((unsigned char)*e->what), f);
		put_text(f, e->what + 1);
		fprintf(f, ":\n\n```\n%s\n```\n\n", e->line);
	}
}

static void commands(struct page *p, const char *argument)
{
	const struct command *cmd;
	unsigned int i;

	for (i = 0; (cmd = cmd_row(i)); i++)
		command(p->out, cmd);
}

/* ----------------------------------------------------------------- clauses */

/* How row @f is typed, or called where it has no word: "loss gemodel P", "[burst PACKETS]". */
static void row_usage(char text[TEXT_MAX], int f)
{
	const struct choppy_field_row *row = &fields[f];
	bool instead = row->place == CHOPPY_PLACE_INSTEAD;
	const char *open = row->optional ? "[" : "", *close = row->optional ? "]" : "";

	snprintf(text, TEXT_MAX, "%s%s%s%s%s%s%s", instead ? fields[clause_begin(f)].word : "",
		 instead ? " " : "", row->word ? row->word : "",
		 row->word && row->metavar ? " " : "", row->metavar ? open : "",
		 row->metavar ? row->metavar : "", row->metavar ? close : "");
}

static void value_text(char text[TEXT_MAX], int f, uint64_t n, uint32_t unit)
{
	struct choppy_amount a = { n, unit, 0 };

	choppy_value_print(text, TEXT_MAX, &fields[f], &a);
}

/* "5ms to 10s", and the same in each unit that an amount may be in. */
static void range(FILE *out, int f)
{
	const struct choppy_field_row *row = &fields[f];
	bool amount = row->kind == CHOPPY_KIND_AMOUNT;
	char low[TEXT_MAX], high[TEXT_MAX];
	uint32_t unit;
	int n = 0;

	for (unit = 0; unit < CHOPPY_NUNITS; unit++) {
		if (amount ? !(row->units & CHOPPY_UNIT_BIT(unit)) : unit > 0)
			continue;
		value_text(low, f, row->min, unit);
		value_text(high, f, value_max(row, unit), unit);
		fprintf(out, "%s%s to %s", n++ ? ", or " : " From ", low, high);
	}
	fputc('.', out);
}

/* What of a kind's values the row says: nothing, its range, the range of each part. */
static const enum {
	SAYS_NOTHING,
	SAYS_RANGE,
	SAYS_CHOICES,
	SAYS_PARTS
} says[CHOPPY_NKINDS] = {
	[CHOPPY_KIND_TIME] = SAYS_RANGE,     [CHOPPY_KIND_PROBABILITY] = SAYS_RANGE,
	[CHOPPY_KIND_RATE] = SAYS_RANGE,     [CHOPPY_KIND_AMOUNT] = SAYS_RANGE,
	[CHOPPY_KIND_SIZE] = SAYS_RANGE,     [CHOPPY_KIND_COUNT] = SAYS_RANGE,
	[CHOPPY_KIND_MEAN] = SAYS_RANGE,     [CHOPPY_KIND_CYCLE] = SAYS_PARTS,
	[CHOPPY_KIND_CHOICE] = SAYS_CHOICES,
};

/* Those of the names that neither the row's help nor its usage has. */
static void choices(FILE *out, const struct choppy_field_row *row)
{
	bool told = true;
	size_t n = 0, i;

	for (; row->choices[n]; n++)
		told &= strstr(row->help, row->choices[n]) || strstr(row->metavar, row->choices[n]);
	for (i = 0; !told && i < n; i++)
		fprintf(out, "%s%s*%s*", i ? "" : " One of ", text_or(i, n), row->choices[i]);
	fputs(told ? "" : ".", out);
}

static void values(FILE *out, int f)
{
	const struct choppy_field_row *row = &fields[f];
	char low[TEXT_MAX], high[TEXT_MAX];
	struct choppy_field_row part = { .kind = CHOPPY_KIND_TIME };

	if (says[row->kind] == SAYS_RANGE)
		range(out, f);
	if (says[row->kind] == SAYS_CHOICES)
		choices(out, row);
	if (says[row->kind] == SAYS_PARTS) {
		choppy_value_print(low, sizeof(low), &part, &row->min);
		choppy_value_print(high, sizeof(high), &part, &row->max);
		fprintf(out, " Each from %s to %s.", low, high);
	}
	if (row->optional && !strstr(row->help, "left out")) {
		value_text(low, f, row->otherwise, 0);
		fprintf(out, " When left out: %s.", low);
	}
}

/* What has to be there for row @g: its clause, or its word or value where that is open. */
static const char *needed(int g, int opener, char text[TEXT_MAX])
{
	const char *clause = fields[clause_begin(g)].word;

	if (fields[g].place == CHOPPY_PLACE_CLAUSE || fields[g].place == CHOPPY_PLACE_INSTEAD)
		return clause;
	if (fields[g].place == CHOPPY_PLACE_WORD)
		return fields[g].word;
	snprintf(text, TEXT_MAX, "%s%s%s", clause_begin(g) == opener ? "" : clause,
		 clause_begin(g) == opener ? "" : " with ", fields[g].metavar);
	return text;
}

/* Without which others the row means nothing, unless the grammar says it already. */
static void needs(FILE *out, int f)
{
	char text[CHOPPY_NFIELDS][TEXT_MAX];
	const char *all[CHOPPY_NFIELDS];
	int opener = clause_begin(f), g;
	size_t n = 0, i;

	if (fields[f].place == CHOPPY_PLACE_VALUE ||
	    (fields[f].needs & CHOPPY_FIELD_BIT(opener) && f != opener))
		return;
	for (g = 0; g < CHOPPY_NFIELDS; g++) {
		if (!(fields[f].needs & CHOPPY_FIELD_BIT(g)))
			continue;
		all[n] = needed(g, opener, text[g]);
		n += !n || strcmp(all[n], all[n - 1]) != 0;
	}
	for (i = 0; i < n; i++) {
		fprintf(out, "%s%s", i ? "" : " Needs ", text_or(i, n));
		put_usage(out, all[i]);
	}
	fputs(n ? "." : "", out);
}

static void row(FILE *out, int f)
{
	char text[TEXT_MAX];

	row_usage(text, f);
	put_usage(out, text);
	fputs("\n\t", out);
	put_sentence(out, fields[f].help);
	values(out, f);
	needs(out, f);
	fputs("\n\n", out);
}

static void clause(struct page *p, const char *word)
{
	char text[TEXT_MAX];
	struct text t;
	int f, begin = 0, n = 0;

	while (begin < CHOPPY_NFIELDS && strcmp(fields[begin].word, word) != 0)
		begin = clause_end(begin);
	if (begin == CHOPPY_NFIELDS)
		fail(p, "there is no clause", word);
	if (p->clauses & CHOPPY_FIELD_BIT(begin))
		fail(p, "twice the clause", word);
	p->clauses |= CHOPPY_FIELD_BIT(begin);
	for (f = begin; clause_end(begin) > begin + 1 && f < clause_end(begin); f++) {
		if (f != begin && fields[f].place != CHOPPY_PLACE_INSTEAD)
			continue;
		fputs(n++ ? "++\n" : "", p->out);
		t = text_begin(text, sizeof(text));
		explain_usage(&t, f);
		put_usage(p->out, text);
	}
	fputs(n ? "\n\n" : "", p->out);
	for (f = begin; f < clause_end(begin); f++)
		row(p->out, f);
}

/* ---------------------------------------------------------------- profiles */

static void profiles(struct page *p, const char *argument)
{
	const struct choppy_profile *profile;

	for (profile = choppy_profiles(); profile->name; profile++) {
		fprintf(p->out, "*%s*\n\t", profile->name);
		put_usage(p->out, profile->words);
		fputs("++\n", p->out);
		put_sentence(p->out, profile->help);
		fputs(" By ", p->out);
		put_text(p->out, profile->source);
		fputs(".\n\n", p->out);
	}
}

static void reasons(struct page *p, const char *argument)
{
	int i;

	for (i = 0; i < CHOPPY_NDROPS; i++)
		fprintf(p->out, "%s*%s*", text_or((size_t)i, CHOPPY_NDROPS),
			choppy_drop_name((enum choppy_drop)i));
	fputs(".\n", p->out);
}

/* The fields, as they stand behind the clause's word. */
static void netem(struct page *p, const char *argument)
{
	char text[TEXT_MAX];
	int f, n = 0;

	for (f = 0; f < CHOPPY_NFIELDS; f++) {
		if (!(netem_backend.fields & CHOPPY_FIELD_BIT(f)))
			continue;
		row_usage(text, f);
		fputs(fields[f].place == CHOPPY_PLACE_VALUE ? " " : n++ ? ", " : "", p->out);
		put_usage(p->out, text);
	}
	fputs(".\n", p->out);
}

/* -------------------------------------------------------------------- page */

static const struct placeholder {
	const char *name;
	void (*write)(struct page *p, const char *argument);
} placeholders[] = {
	{ "commands", commands }, { "options", options }, { "clause", clause },
	{ "profiles", profiles }, { "reasons", reasons }, { "netem", netem },
};

/* @line is "@NAME ARGUMENT@". */
static void placeholder(struct page *p, char *line)
{
	char *name = line + 1, *argument;
	size_t i;

	line[strlen(line) - 1] = '\0';
	argument = name + strcspn(name, " ");
	if (*argument)
		*argument++ = '\0';
	for (i = 0; i < sizeof(placeholders) / sizeof(placeholders[0]); i++)
		if (strcmp(placeholders[i].name, name) == 0) {
			placeholders[i].write(p, argument);
			return;
		}
	fail(p, "there is no placeholder", name);
}

static void line(struct page *p, char *text)
{
	static const char version[] = "@version@";
	size_t n = strlen(text);
	char *at = strstr(text, version);

	if (at)
		fprintf(p->out, "%.*s%s%s\n", (int)(at - text), text, CHOPPY_VERSION,
			at + strlen(version));
	else if (n > 2 && text[0] == '@' && text[n - 1] == '@')
		placeholder(p, text);
	else
		fprintf(p->out, "%s\n", text);
}

/* A page that describes one clause describes all. */
static void check(struct page *p)
{
	int f;

	for (f = 0; p->clauses && f < CHOPPY_NFIELDS; f = clause_end(f))
		if (!(p->clauses & CHOPPY_FIELD_BIT(f)))
			fail(p, "the page leaves out the clause", fields[f].word);
}

int main(int argc, char **argv)
{
	struct page p = { .name = argc > 1 ? argv[1] : "", .out = stdout };
	char *text = NULL;
	size_t size = 0;
	ssize_t n;
	FILE *in;

	in = argc == 2 ? fopen(argv[1], "r") : NULL;
	if (!in) {
		fprintf(stderr, "%s: cannot be read; usage: man FILE.scd.in\n", p.name);
		return 1;
	}
	while ((n = getline(&text, &size, in)) > 0) {
		p.line++;
		if (text[n - 1] == '\n')
			text[n - 1] = '\0';
		line(&p, text);
	}
	check(&p);
	free(text);
	fclose(in);
	if (fflush(stdout) || ferror(stdout)) {
		perror("man: standard output");
		return 1;
	}
	return 0;
}
