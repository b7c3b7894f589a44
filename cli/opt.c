/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line's parser. It is written out instead of calling
 * getopt_long(3) because the tables are typed, because a wrong option is
 * answered with the nearest right one in our own words, and because getopt
 * accepts abbreviations, which break scripts when an option is added.
 */
#include "opt.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEAR_MAX 32 /* longer words are not compared */

const struct opt opt_help_row = {
	.name = "help",
	.letter = 'h',
	.kind = OPT_FLAG,
	.help = "print this help and exit",
};

/* One walk over a command line. */
struct parser {
	const struct opt *table;
	char *args;
	int argc;
	char **argv;
	int at; /* the argument being read */
	uint64_t seen; /* rows of the table that were given */
	struct opt_error *err;
};

void opt_one_line(char *s)
{
	for (; *s; s++)
		if (iscntrl((unsigned char)*s))
			*s = '?';
}

int opt_fail(struct opt_error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	opt_one_line(err->text);
	return -EINVAL;
}

int opt_u64(uint64_t *ret, const char *s)
{
	bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	const char *digits = hex ? s + 2 : s;
	char *end;
	uint64_t v;

	/* strtoull() would take spaces, signs and a second 0x */
	if (!(hex ? isxdigit((unsigned char)digits[0]) : isdigit((unsigned char)digits[0])) ||
	    (hex && (digits[1] == 'x' || digits[1] == 'X')))
		return -EINVAL;
	errno = 0;
	v = strtoull(digits, &end, hex ? 16 : 10);
	if (errno || *end)
		return -EINVAL;
	*ret = v;
	return 0;
}

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	if (b < a)
		a = b;
	return c < a ? c : a;
}

/* Slips between two words: insertions, deletions, replacements, neighbours exchanged
 * (optimal string alignment). */
static unsigned int slips(const char *a, const char *b)
{
	unsigned int d[NEAR_MAX + 1][NEAR_MAX + 1];
	size_t la = strlen(a), lb = strlen(b), i, j;

	if (la > NEAR_MAX || lb > NEAR_MAX)
		return NEAR_MAX;
	for (i = 0; i <= la; i++)
		d[i][0] = i;
	for (j = 0; j <= lb; j++)
		d[0][j] = j;
	for (i = 1; i <= la; i++)
		for (j = 1; j <= lb; j++) {
			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1,
				       d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	return d[la][lb];
}

/* Whether the shorter of two words, of two letters at least, begins the other. */
static bool begins(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), n = la < lb ? la : lb;

	return n >= 2 && strncmp(a, b, n) == 0;
}

const char *opt_near(const char *word, const char *(*name)(const void *ctx, unsigned int i),
		     const void *ctx)
{
	unsigned int best = strlen(word) < 4 ? 2 : 3; /* one more than is near */
	const char *ret = NULL, *n;
	unsigned int i, d;

	for (i = 0; (n = name(ctx, i)); i++) {
		d = slips(word, n);
		if (d < best && d < strlen(word)) {
			best = d;
			ret = n;
		}
	}
	for (i = 0; !ret && (n = name(ctx, i)); i++)
		if (begins(word, n))
			ret = n;
	return ret;
}

bool opt_is_option(const char *arg)
{
	/* "-5ms" is a value, though a wrong one: the condition's parser says why */
	return arg[0] == '-' && arg[1] && !isdigit((unsigned char)arg[1]) && arg[1] != '.';
}

/* Names of a table's rows for opt_near(), --help last. */
static const char *row_name(const void *ctx, unsigned int i)
{
	const struct opt *table = ctx;
	unsigned int n = 0;

	while (n < i && table[n].name)
		n++;
	if (table[n].name)
		return table[n].name;
	return n == i ? opt_help_row.name : NULL;
}

static const struct opt *find_long(const struct opt *table, const char *name, size_t len)
{
	for (; table->name; table++)
		if (strlen(table->name) == len && memcmp(table->name, name, len) == 0)
			return table;
	if (len == strlen(opt_help_row.name) && memcmp(opt_help_row.name, name, len) == 0)
		return &opt_help_row;
	return NULL;
}

static const struct opt *find_letter(const struct opt *table, char letter)
{
	for (; table->name; table++)
		if (table->letter == letter)
			return table;
	return letter == opt_help_row.letter ? &opt_help_row : NULL;
}

static int store_flag(const struct opt *o, void *at, const char *value, struct opt_error *err)
{
	*(bool *)at = true;
	return 0;
}

static int store_text(const struct opt *o, void *at, const char *value, struct opt_error *err)
{
	if (!*value)
		return opt_fail(err, "--%s needs a value: --%s %s", o->name, o->name, o->metavar);
	if (strlen(value) >= o->size)
		return opt_fail(err, "--%s: longer than %zu characters: '%s'", o->name, o->size - 1,
				value);
	strcpy(at, value);
	return 0;
}

static int store_choice(const struct opt *o, void *at, const char *value, struct opt_error *err)
{
	char all[256] = "";
	const char *name;
	unsigned int i;
	size_t n = 0;

	for (i = 0; (name = o->choice(i)); i++) {
		if (strcmp(name, value) == 0) {
			*(int *)at = (int)i;
			return 0;
		}
		if (n < sizeof(all))
			n += snprintf(all + n, sizeof(all) - n, "%s%s", i ? " or " : "", name);
	}
	return opt_fail(err, "--%s is %s, not '%s'", o->name, all, value);
}

static int store_call(const struct opt *o, void *at, const char *value, struct opt_error *err)
{
	return o->parse(at, value, err);
}

static int (*const store[OPT_NKINDS])(const struct opt *, void *, const char *,
				      struct opt_error *) = {
	[OPT_FLAG] = store_flag,
	[OPT_TEXT] = store_text,
	[OPT_CHOICE] = store_choice,
	[OPT_CALL] = store_call,
};

/* Take one option. @value: what stands with it (--name=value, -nvalue), or NULL. */
static int take(struct parser *p, const struct opt *o, const char *value)
{
	uint64_t bit;

	if (o == &opt_help_row)
		return OPT_HELP;
	bit = 1ull << (o - p->table);
	if (o->metavar && !o->repeat && (p->seen & bit))
		return opt_fail(p->err, "--%s is given twice", o->name);
	p->seen |= bit;
	if (o->metavar && !value) {
		if (p->at + 1 >= p->argc || strcmp(p->argv[p->at + 1], "--") == 0)
			return opt_fail(p->err, "--%s needs a value: --%s %s", o->name, o->name,
					o->metavar);
		value = p->argv[++p->at];
	}
	return store[o->kind](o, p->args + o->offset, value, p->err);
}

static int take_long(struct parser *p, const char *arg)
{
	size_t len = strcspn(arg, "=");
	const struct opt *o = find_long(p->table, arg, len);
	char word[64];
	const char *near;

	if (!o) {
		snprintf(word, sizeof(word), "%.*s", (int)len, arg);
		near = opt_near(word, row_name, p->table);
		return opt_fail(p->err, "there is no option '--%s'%s%s%s", word,
				near ? "; did you mean '--" : "", near ? near : "",
				near ? "'?" : "");
	}
	if (arg[len] && !o->metavar)
		return opt_fail(p->err, "--%s takes no value", o->name);
	return take(p, o, arg[len] ? arg + len + 1 : NULL);
}

/* One argument of letters: flags together, the last may take a value (-vp 80:80). */
static int take_letters(struct parser *p, const char *arg)
{
	const struct opt *o;
	int r;

	for (; *arg; arg++) {
		o = find_letter(p->table, *arg);
		if (!o)
			return opt_fail(p->err, "there is no option '-%c'", *arg);
		if (o->metavar)
			return take(p, o, arg[1] ? arg + 1 : NULL);
		r = take(p, o, NULL);
		if (r)
			return r;
	}
	return 0;
}

int opt_parse(const struct opt *table, void *args, int stop_after, int argc, char **argv,
	      struct opt_words *ret, struct opt_error *err)
{
	struct parser p = { .table = table, .args = args, .argc = argc, .argv = argv, .err = err };
	const char *arg;
	int r;

	ret->nwords = 0;
	ret->dashes = false;
	for (; p.at < argc; p.at++) {
		arg = argv[p.at];
		if (strcmp(arg, "--") == 0) {
			ret->dashes = true;
			p.at++;
			break;
		}
		if (opt_is_option(arg)) {
			r = arg[1] == '-' ? take_long(&p, arg + 2) : take_letters(&p, arg + 1);
			if (r)
				return r;
			continue;
		}
		if (ret->nwords == stop_after)
			break;
		ret->words[ret->nwords++] = arg;
	}
	ret->rest = argv + p.at;
	ret->nrest = argc - p.at;
	return OPT_OK;
}
