/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The manual pages and the README against the tables: nothing is left out, what they name is there,
 * and every command line that they show is one. test_man FILE...: the two pages with the
 * tables' part in them, then what else shows command lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "spec.h"
#include "value.h"
#include "verdict.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define FILES_MAX 8
#define LINE_MAX 1024

enum { COMMANDS, CONDITIONS, NPAGES };

static char *text[FILES_MAX];
static int ntexts;

static char *load(const char *path)
{
	FILE *f = fopen(path, "r"), *to;
	size_t size;
	char *ret;
	int c;

	to = f ? open_memstream(&ret, &size) : NULL;
	if (!to) {
		perror(path);
		exit(2);
	}
	while ((c = fgetc(f)) != EOF)
		fputc(c, to);
	fclose(f);
	fclose(to);
	return ret;
}

/* Copy the line at *@p, which moves on to the next. False: there is none. */
static bool take_line(char line[LINE_MAX], const char **p)
{
	size_t n = strcspn(*p, "\n");

	if (!**p)
		return false;
	assert_true(n < LINE_MAX);
	memcpy(line, *p, n);
	line[n] = '\0';
	*p += n + ((*p)[n] == '\n');
	return true;
}

/* ----------------------------------------------------------------- complete */

/* @word as the page has it: marked, and with what scdoc would take for a mark escaped. */
static bool has_word(const char *page, const char *mark, const char *word)
{
	char marked[128];
	size_t n = 0;

	n += (size_t)sprintf(marked, "%s", mark);
	for (; *word; word++)
		n += (size_t)sprintf(marked + n, "%s%c", *word == '_' ? "\\" : "", *word);
	sprintf(marked + n, "%s", mark);
	return strstr(page, marked) != NULL;
}

static void test_every_word_is_there(void **state)
{
	const struct choppy_field_row *row = choppy_fields();
	static const char *const others[] = { "up",  "down",  "clear",	 "off",	  "match",
					      "nth", "first", "uniform", "normal" };
	const char *page = text[CONDITIONS];
	size_t i;
	int f, k;

	for (f = 0; f < CHOPPY_NFIELDS; f++) {
		print_message("# %s\n", row[f].name);
		assert_true(!row[f].word || has_word(page, "*", row[f].word));
		assert_true(row[f].word || has_word(page, "_", row[f].metavar));
		for (k = 0; row[f].choices && row[f].choices[k]; k++)
			assert_true(strstr(page, row[f].choices[k]) ||
				    has_word(page, "*", row[f].choices[k]));
	}
	for (i = 0; i < ARRAY_SIZE(others) - 2; i++)
		assert_true(has_word(page, "*", others[i]));
	for (; i < ARRAY_SIZE(others); i++)
		assert_non_null(strstr(page, others[i]));
	for (i = 0; choppy_profiles()[i].name; i++)
		assert_true(has_word(page, "*", choppy_profiles()[i].name));
}

static void check_options(const struct opt *table)
{
	char name[64];

	for (; table->name; table++) {
		print_message("# --%s\n", table->name);
		snprintf(name, sizeof(name), "--%s", table->name);
		assert_true(has_word(text[COMMANDS], "*", name));
		if (!table->letter)
			continue;
		snprintf(name, sizeof(name), "-%c", table->letter);
		assert_true(has_word(text[COMMANDS], "*", name));
	}
}

static void test_every_command_and_option_is_there(void **state)
{
	const struct command *cmd;
	char head[64];
	unsigned int i;

	check_options(cmd_global_options);
	for (i = 0; (cmd = cmd_row(i)); i++) {
		print_message("# %s\n", cmd->name);
		snprintf(head, sizeof(head), "\n## %s\n", cmd->name);
		assert_non_null(strstr(text[COMMANDS], head));
		check_options(cmd->options);
	}
}

static bool is_option(const struct opt *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return true;
	return strcmp(opt_help_row.name, name) == 0;
}

/* What the text says of an option, and not only the tables. */
static void test_every_option_named_is_one(void **state)
{
	const struct command *cmd;
	unsigned int c, n = 0;
	char name[64];
	const char *p;
	int i;

	for (i = 0; i < NPAGES; i++)
		for (p = text[i]; (p = strstr(p, "*--")); p++) {
			bool found;

			snprintf(name, sizeof(name), "%.*s", (int)strcspn(p + 3, "* \n"), p + 3);
			if (!*name)
				continue;
			found = is_option(cmd_global_options, name);
			for (c = 0; (cmd = cmd_row(c)); c++)
				found |= is_option(cmd->options, name);
			print_message("# --%s\n", name);
			assert_true(found);
			n++;
		}
	assert_true(n > 10);
}

static void test_every_verdict_is_there(void **state)
{
	int i;

	for (i = 0; i < VERDICT_NKINDS; i++) {
		print_message("# %s\n", verdict_name((enum verdict_kind)i));
		assert_true(has_word(text[COMMANDS], "*", verdict_name((enum verdict_kind)i)));
	}
}

/* ------------------------------------------------------------------ values */

/* Rows of the table in VALUES, and the kind whose values they show. */
static const struct {
	const char *name;
	struct choppy_field_row row;
} shown[] = {
	{ "_TIME_", { .name = "x", .kind = CHOPPY_KIND_TIME, .max = UINT64_MAX } },
	{ "_PERCENT_", { .name = "x", .kind = CHOPPY_KIND_PROBABILITY, .max = UINT64_MAX } },
	{ "_RATE_", { .name = "x", .kind = CHOPPY_KIND_RATE, .max = UINT64_MAX } },
	{ "_SIZE_", { .name = "x", .kind = CHOPPY_KIND_SIZE, .max = UINT64_MAX } },
	{ "_AMOUNT_",
	  { .name = "x", .kind = CHOPPY_KIND_AMOUNT, .max = UINT64_MAX, .units = UINT32_MAX } },
	{ "_LIST_", { .name = "x", .kind = CHOPPY_KIND_LIST, .min = 1 } },
	{ "_N_", { .name = "x", .kind = CHOPPY_KIND_COUNT, .max = UINT64_MAX } },
};

/* The values in bold in @line are values of @row; returns how many. */
static int check_values(const struct choppy_field_row *row, const char *line)
{
	struct choppy_err err = { 0 };
	struct choppy_list value;
	char word[64];
	int n = 0;
	size_t len;

	while ((line = strchr(line, '*'))) {
		len = strcspn(++line, "*");
		snprintf(word, sizeof(word), "%.*s", (int)len, line);
		if (value_parse(&value, row, word, &err) < 0) {
			print_message("# %s\n", err.msg);
			fail();
		}
		line += len + 1;
		n++;
	}
	return n;
}

static void test_every_value_shown_is_one(void **state)
{
	const char *p = strstr(text[CONDITIONS], "\n# VALUES\n");
	int row = -1, n[ARRAY_SIZE(shown)] = { 0 };
	char line[LINE_MAX];
	size_t i;

	assert_non_null(p);
	p++;
	assert_true(take_line(line, &p));
	while (take_line(line, &p) && strncmp(line, "# ", 2) != 0) {
		for (i = 0; i < ARRAY_SIZE(shown); i++)
			if (strstr(line, shown[i].name))
				row = (int)i;
		if (row >= 0)
			n[row] += check_values(&shown[row].row, line);
	}
	for (i = 0; i < ARRAY_SIZE(shown); i++)
		assert_true(n[i] > 0);
}

/* ---------------------------------------------------------------- examples */

/* Files that the page shows, with their name as a comment in the first line. */
static void write_files(const char *page)
{
	char line[LINE_MAX], before[LINE_MAX] = "";
	FILE *f = NULL;

	while (take_line(line, &page)) {
		if (f && strcmp(line, "```") == 0) {
			fclose(f);
			f = NULL;
		} else if (!f && strcmp(before, "```") == 0 && strncmp(line, "# ", 2) == 0 &&
			   strchr(line, '.') && !strchr(line + 2, ' ')) {
			f = fopen(line + 2, "w");
			assert_non_null(f);
		}
		if (f)
			fprintf(f, "%s\n", line);
		strcpy(before, line);
	}
}

static void remove_all(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)))
		if (e->d_type == DT_REG)
			assert_int_equal(unlinkat(dirfd(d), e->d_name, 0), 0);
	closedir(d);
	assert_int_equal(rmdir(dir), 0);
}

static int check_condition(const struct command *cmd, void *args, int n, const char *const *words,
			   struct choppy_err *err)
{
	struct spec_args *a = args;
	struct choppy_change change;
	const char **list;
	int count, r;

	assert_int_equal(spec_split(&list, &count, n, words), 0);
	if (cmd->clear) {
		r = choppy_change_parse(&change, count, list, true, err);
	} else {
		r = choppy_condition_parse(a->spec.dir, &a->spec.rules, count, list, err);
		if (r == 0)
			r = choppy_spec_check(&a->spec, err);
	}
	free(list);
	return r;
}

/* The netem line that stands in place of a condition, or NULL. */
static const char *tc_line(int argc, char **argv)
{
	for (int i = 0; i + 1 < argc; i++)
		if (strcmp(argv[i], "--from-tc") == 0)
			return argv[i + 1];
	return NULL;
}

static int check_tc(const char *line, struct choppy_err *err)
{
	char words[CHOPPY_CONDITION_TEXT_MAX], buf[LINE_MAX];
	const char *tc[LINE_MAX], *whole = words;
	struct choppy_change change;
	const char **list;
	int n, r = choppy_words_split(buf, tc, line);

	r = choppy_tc_words(words, sizeof(words), r, tc, err);
	if (r < 0)
		return r;
	assert_int_equal(spec_split(&list, &n, 1, &whole), 0);
	r = choppy_change_parse(&change, n, list, true, err);
	free(list);
	return r;
}

/* @argv behind the command's name. */
static int check_command(const struct command *cmd, int argc, char **argv, struct choppy_err *err)
{
	const char *words[LINE_MAX];
	struct opt_words w = { .words = words };
	void *args = calloc(1, cmd->args_size + 1);
	struct opt_error e = { "" };
	int names = cmd->min_words > 0, stop, r;

	assert_non_null(args);
	if (cmd->args)
		memcpy(args, cmd->args, cmd->args_size);
	stop = cmd->tail == TAIL_AFTER_NAME ? cmd->min_words : OPT_ANYWHERE;
	r = opt_parse(cmd->options, args, stop, argc, argv, &w, &e);
	snprintf(err->msg, sizeof(err->msg), "%s", e.text);
	if (r == OPT_OK && (w.nwords < cmd->min_words || (cmd->tail == TAIL_NONE && w.nrest) ||
			    (cmd->max_words != OPT_ANYWHERE && w.nwords > cmd->max_words) ||
			    (cmd->tail == TAIL_AFTER_DASHES && !w.dashes)))
		r = -EINVAL;
	if (r == OPT_OK && tc_line(argc, argv))
		r = check_tc(tc_line(argc, argv), err);
	else if (r == OPT_OK && cmd->condition)
		r = check_condition(cmd, args, w.nwords - names, words + names, err);
	free(args);
	return r == OPT_HELP ? 0 : r;
}

/*
 * The command line in @line as one shows it: in a literal block, or "    # choppy ...   a remark";
 * NULL: there is none.
 */
static char *command_line(char *line, bool literal)
{
	static const char *const ends[] = { "  ", " | ", " > " };
	char *p = line;
	bool quoted = false;

	if (!literal && strncmp(p, "    # ", 6) == 0)
		p += 6;
	else if (!literal)
		return NULL;
	if (strncmp(p, "choppy ", 7) != 0)
		return NULL;
	for (char *end = p; *end; end++) {
		quoted ^= *end == '\'';
		for (size_t i = 0; !quoted && i < ARRAY_SIZE(ends); i++)
			if (strncmp(end, ends[i], strlen(ends[i])) == 0) {
				*end = '\0';
				return p;
			}
	}
	return p;
}

static int check_line(const char *line)
{
	const char *words[LINE_MAX];
	struct choppy_err err = { 0 };
	const struct command *cmd;
	char buf[LINE_MAX];
	int n = choppy_words_split(buf, words, line), r = -EINVAL;

	cmd = n >= 2 ? cmd_find(words[1]) : NULL;
	if (cmd)
		r = check_command(cmd, n - 2, (char **)words + 2, &err);
	else if (n >= 2 && opt_is_option(words[1]))
		r = 0;
	err.msg[strcspn(err.msg, "\n")] = '\0';
	if (r < 0)
		print_message("# not a command line: %s: %s\n", line, err.msg);
	return r;
}

/* How many of @page's command lines are none. */
static int check_examples(const char *page)
{
	char line[LINE_MAX], *command;
	int n = 0, wrong = 0;
	bool literal = false;

	while (take_line(line, &page)) {
		literal ^= strcmp(line + strspn(line, "\t"), "```") == 0;
		command = command_line(line, literal);
		if (!command)
			continue;
		n++;
		wrong += check_line(command) < 0;
	}
	print_message("# %d command lines\n", n);
	assert_true(n > 5); /* not none because of how they are looked for */
	return wrong;
}

static void test_every_example_is_a_command_line(void **state)
{
	char dir[] = "/tmp/choppy-test-XXXXXX";
	int i, wrong = 0;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	write_files(text[CONDITIONS]);
	for (i = 0; i < ntexts; i++)
		wrong += check_examples(text[i]);
	assert_int_equal(chdir("/"), 0);
	remove_all(dir);
	assert_int_equal(wrong, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_word_is_there),
		cmocka_unit_test(test_every_command_and_option_is_there),
		cmocka_unit_test(test_every_option_named_is_one),
		cmocka_unit_test(test_every_verdict_is_there),
		cmocka_unit_test(test_every_value_shown_is_one),
		cmocka_unit_test(test_every_example_is_a_command_line),
	};

	for (; ntexts + 1 < argc && ntexts < FILES_MAX; ntexts++)
		text[ntexts] = load(argv[ntexts + 1]);
	if (ntexts < NPAGES)
		return 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
