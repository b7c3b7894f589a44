/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A table in a file is whole numbers with white space between them; `#` begins a
 * comment that ends with the line.
 */
#include "distribution.h"

#include <errno.h>
#include <string.h>

#include "err.h"
#include "textfile.h"
#include "util.h"
#include "value.h"

static const struct {
	const char *name;
	const int16_t *table;
	uint32_t n;
} built_in[] = {
	{ "uniform", NULL, 0 },
	{ "normal", distribution_normal, DISTRIBUTION_SIZE },
	{ "pareto", distribution_pareto, DISTRIBUTION_SIZE },
	{ "paretonormal", distribution_paretonormal, DISTRIBUTION_SIZE },
};

#define WHAT_IT_HAS "a table has numbers from -32768 to 32767, 8192 for one standard deviation"

const char *distribution_name(unsigned int i)
{
	return i < ARRAY_SIZE(built_in) ? built_in[i].name : NULL;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The beginning of the next number at or behind @p; @end if there is none. */
static const char *skip(const char *p, const char *end)
{
	while (p < end && (is_space(*p) || *p == '#')) {
		if (*p == '#')
			while (p + 1 < end && p[1] != '\n')
				p++;
		p++;
	}
	return p;
}

static int parse_entry(int16_t *ret, const struct textfile *t, const char *p, size_t len,
		       struct choppy_err *err)
{
	char word[4 * WORD_COLUMNS + 1], shown[WORD_BYTES];
	size_t i, n = len < sizeof(word) - 1 ? len : sizeof(word) - 1;
	bool sign = *p == '-' || *p == '+';
	int32_t value = 0;

	memcpy(word, p, n);
	word[n] = '\0';
	word_shown(shown, word);
	for (i = sign; i < len && p[i] >= '0' && p[i] <= '9'; i++)
		if (value <= INT16_MAX + 1)
			value = 10 * value + (p[i] - '0');
	if (i < len || len == sign)
		return textfile_wrong(err, t, p, "'%s' is no whole number: " WHAT_IT_HAS, shown);
	if (*p == '-')
		value = -value;
	if (value < INT16_MIN || value > INT16_MAX)
		return textfile_wrong(err, t, p, "%s is out of range: " WHAT_IT_HAS, shown);
	*ret = (int16_t)value;
	return 0;
}

static int parse_table(int16_t *table, uint32_t *ret_n, const struct textfile *t,
		       struct choppy_err *err)
{
	const char *p = t->text, *end = t->text + t->len, *word;
	uint32_t n = 0;
	int r;

	while ((word = skip(p, end)) < end) {
		for (p = word; p < end && !is_space(*p) && *p != '#';)
			p++;
		if (n == DISTRIBUTION_MAX)
			return textfile_wrong(err, t, word,
					      "one number too many: a table has %u at most",
					      DISTRIBUTION_MAX);
		r = parse_entry(&table[n++], t, word, (size_t)(p - word), err);
		if (r < 0)
			return r;
	}
	if (!n)
		return textfile_wrong(err, t, end, "there is no number: " WHAT_IT_HAS);
	*ret_n = n;
	return 0;
}

int distribution_parse(const char *name, const char *text, size_t len, const int16_t **ret_table,
		       uint32_t *ret_n, struct choppy_err *err)
{
	const struct textfile t = { name, text, len };
	CLEANUP_FREE int16_t *table = NULL;
	int16_t *fitting;
	uint32_t n = 0;
	int r;

	r = textfile_check(&t, err);
	if (r < 0)
		return r;
	table = malloc(DISTRIBUTION_MAX * sizeof(*table));
	if (!table)
		return err_sys(err, -ENOMEM, "cannot read %s", name);
	r = parse_table(table, &n, &t, err);
	if (r < 0)
		return r;
	fitting = realloc(table, n * sizeof(*table));
	*ret_table = fitting ? fitting : table;
	*ret_n = n;
	table = NULL;
	return 0;
}

int distribution_load(const char *name, const int16_t **ret_table, uint32_t *ret_n,
		      struct choppy_err *err)
{
	struct textfile t;
	size_t i;
	int r;

	for (i = 0; i < ARRAY_SIZE(built_in); i++) {
		if (strcmp(name, built_in[i].name) == 0) {
			*ret_table = built_in[i].table;
			*ret_n = built_in[i].n;
			return 0;
		}
	}
	r = textfile_read(&t, name, DISTRIBUTION_FILE_MAX, err);
	if (r == -ENOENT)
		return err_set(err, r,
			       "%s is no file and no distribution: use uniform, normal, pareto, "
			       "paretonormal or the path of a tc distribution table",
			       name);
	if (r < 0)
		return r;
	r = distribution_parse(name, t.text, t.len, ret_table, ret_n, err);
	free((char *)t.text);
	return r;
}

void distribution_free(const int16_t *table)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(built_in); i++)
		if (table == built_in[i].table)
			return;
	free((int16_t *)table);
}

int32_t distribution_least(const int16_t *table, uint32_t n)
{
	int32_t least = n ? table[0] : -DISTRIBUTION_ONE;
	uint32_t i;

	for (i = 1; i < n; i++)
		if (table[i] < least)
			least = table[i];
	return least;
}
