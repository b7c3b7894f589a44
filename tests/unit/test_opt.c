/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: option tables, help, messages, and what is printed as text and JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "describe.h"
#include "json.h"
#include "opt.h"
#include "out.h"
#include "spec.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ARGS_MAX 80

/* "a|b c|d" as an argument list that ends with NULL; free() args[ARGS_MAX]. */
static int split(char *args[ARGS_MAX + 1], const char *line)
{
	char *text = strdup(line), *at = text;
	int n = 0;

	assert_non_null(text);
	args[ARGS_MAX] = text;
	while (at && *line) {
		assert_true(n < ARGS_MAX - 1);
		args[n++] = strsep(&at, "|");
	}
	args[n] = NULL;
	return n;
}

/* What a stream got; free() it. */
struct capture {
	FILE *f;
	char *text;
	size_t size;
};

static void capture(struct capture *c)
{
	c->f = open_memstream(&c->text, &c->size);
	assert_non_null(c->f);
}

static const char *captured(struct capture *c)
{
	fclose(c->f);
	return c->text;
}

/* Which row is being tested, as a comment of one line. */
static void say(const char *line)
{
	char text[256];

	snprintf(text, sizeof(text), "%s", line);
	opt_one_line(text);
	print_message("# %s\n", text);
}

/* ----------------------------------------------------------------- the parser */

struct things {
	bool loud, list;
	char word[8];
	int colour;
	uint64_t sum; /* of all --count */
};

static const char *colour(unsigned int i)
{
	static const char *const names[] = { "red", "green" };

	return i < ARRAY_SIZE(names) ? names[i] : NULL;
}

static int count(void *at, const char *value, struct opt_error *err)
{
	uint64_t n;

	if (opt_u64(&n, value) < 0)
		return opt_fail(err, "--count: not '%s'", value);
	*(uint64_t *)at += n;
	return 0;
}

static const struct opt things[] = {
	{ .name = "loud",
	  .letter = 'l',
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct things, loud),
	  .help = "x" },
	{ .name = "list", .kind = OPT_FLAG, .offset = offsetof(struct things, list), .help = "x" },
	{ .name = "word",
	  .letter = 'w',
	  OPT_TEXT_AT(struct things, word),
	  .metavar = "WORD",
	  .help = "x" },
	{ .name = "colour",
	  .kind = OPT_CHOICE,
	  .offset = offsetof(struct things, colour),
	  .metavar = "red|green",
	  .choice = colour,
	  .help = "x" },
	{ .name = "count",
	  .letter = 'c',
	  .kind = OPT_CALL,
	  .offset = offsetof(struct things, sum),
	  .repeat = true,
	  .metavar = "N",
	  .parse = count,
	  .help = "x" },
	{ 0 },
};

static const struct {
	const char *line;
	int stop_after;
	int r;
	const char *expect; /* the words, "/", the rest; or the error */
	struct things got;
} parses[] = {
	{ "", -1, 0, "/", { 0 } },
	{ "a|b", -1, 0, "a b/", { 0 } },
	{ "--loud|a", -1, 0, "a/", { .loud = true } },
	{ "a|-l|b", -1, 0, "a b/", { .loud = true } },
	{ "-l|-l", -1, 0, "/", { .loud = true } },
	{ "-lw|x", -1, 0, "/", { .loud = true, .word = "x" } },
	{ "-wx", -1, 0, "/", { .word = "x" } },
	{ "--word|x", -1, 0, "/", { .word = "x" } },
	{ "--word=x", -1, 0, "/", { .word = "x" } },
	{ "--word=x=y", -1, 0, "/", { .word = "x=y" } },
	{ "--word|-l", -1, 0, "/", { .word = "-l" } },
	{ "--word|1234567", -1, 0, "/", { .word = "1234567" } },
	{ "--colour|green", -1, 0, "/", { .colour = 1 } },
	{ "-c1|-c|2|--count=0x10", -1, 0, "/", { .sum = 19 } },
	/* `--` ends the options, and only the first one */
	{ "a|--|-l|--|b", -1, 0, "a/-l -- b", { 0 } },
	{ "--", -1, 0, "/", { 0 } },
	/* a lone dash and a negative number are words */
	{ "-|-5ms|-.5", -1, 0, "- -5ms -.5/", { 0 } },
	/* where the words are counted, the next one ends the options */
	{ "a|-l|b|-x", 1, 0, "a/b -x", { .loud = true } },
	{ "-l|b|-x", 0, 0, "/b -x", { .loud = true } },
	{ "a|--|-x", 1, 0, "a/-x", { 0 } },
	/* help is met before what is wrong behind it */
	{ "-l|--help|--nothing", -1, OPT_HELP, NULL, { 0 } },
	{ "-lh", -1, OPT_HELP, NULL, { 0 } },
	{ "--word|--help", -1, 0, "/", { .word = "--help" } },
	{ "--|--help", -1, 0, "/--help", { 0 } },
	/* wrong */
	{ "--lod", -1, -EINVAL, "there is no option '--lod'; did you mean '--loud'?", { 0 } },
	{ "--wrod=x", -1, -EINVAL, "there is no option '--wrod'; did you mean '--word'?", { 0 } },
	{ "--hlep", -1, -EINVAL, "there is no option '--hlep'; did you mean '--help'?", { 0 } },
	{ "--col|red", -1, -EINVAL, "there is no option '--col'; did you mean '--colour'?", { 0 } },
	{ "--zzz", -1, -EINVAL, "there is no option '--zzz'", { 0 } },
	{ "--zz\nz", -1, -EINVAL, "there is no option '--zz?z'", { 0 } },
	{ "-lz", -1, -EINVAL, "there is no option '-z'", { 0 } },
	{ "--loud=yes", -1, -EINVAL, "--loud takes no value", { 0 } },
	{ "--word", -1, -EINVAL, "--word needs a value: --word WORD", { 0 } },
	{ "-w", -1, -EINVAL, "--word needs a value: --word WORD", { 0 } },
	{ "--word|--|x", -1, -EINVAL, "--word needs a value: --word WORD", { 0 } },
	{ "--word=", -1, -EINVAL, "--word needs a value: --word WORD", { 0 } },
	{ "--word|12345678", -1, -EINVAL, "--word: longer than 7 characters: '12345678'", { 0 } },
	{ "--word|a|-wb", -1, -EINVAL, "--word is given twice", { 0 } },
	{ "--colour|blue", -1, -EINVAL, "--colour is red or green, not 'blue'", { 0 } },
	{ "--count|-1", -1, -EINVAL, "--count: not '-1'", { 0 } },
};

static void append(char *buf, size_t size, int n, const char *const *words)
{
	int i;

	for (i = 0; i < n; i++) {
		strncat(buf, i ? " " : "", size - strlen(buf) - 1);
		strncat(buf, words[i], size - strlen(buf) - 1);
	}
}

static void test_parse(void **state)
{
	const char *words[ARGS_MAX];
	char *args[ARGS_MAX + 1];
	struct opt_words w;
	struct opt_error e;
	struct things got;
	char buf[512];
	size_t i;
	int n, r;

	for (i = 0; i < ARRAY_SIZE(parses); i++) {
		say(parses[i].line);
		memset(&got, 0, sizeof(got));
		n = split(args, parses[i].line);
		w.words = words;
		r = opt_parse(things, &got, parses[i].stop_after, n, args, &w, &e);
		assert_int_equal(r, parses[i].r);
		if (r == -EINVAL)
			assert_string_equal(e.text, parses[i].expect);
		if (r == 0) {
			buf[0] = '\0';
			append(buf, sizeof(buf), w.nwords, words);
			strcat(buf, "/");
			append(buf, sizeof(buf), w.nrest, (const char *const *)w.rest);
			assert_string_equal(buf, parses[i].expect);
			assert_memory_equal(&got, &parses[i].got, sizeof(got));
		}
		free(args[ARGS_MAX]);
	}
}

static void test_seed(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t n;
	} rows[] = {
		{ "0", true, 0 },
		{ "010", true, 10 },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "0xffffffffffffffff", true, UINT64_MAX },
		{ "0XaB", true, 0xab },
		{ "18446744073709551616", false, 0 },
		{ "0x10000000000000000", false, 0 },
		{ "", false, 0 },
		{ "0x", false, 0 },
		{ "0x0x1", false, 0 },
		{ " 1", false, 0 },
		{ "+1", false, 0 },
		{ "-1", false, 0 },
		{ "1 ", false, 0 },
		{ "1e3", false, 0 },
		{ "ff", false, 0 },
	};
	struct choppy_spec spec;
	struct opt_error e;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		say(rows[i].text);
		memset(&spec, 0, sizeof(spec));
		assert_int_equal(spec_parse_seed(&spec, rows[i].text, &e),
				 rows[i].ok ? 0 : -EINVAL);
		assert_int_equal(spec.seed_given, rows[i].ok);
		assert_true(spec.seed == rows[i].n);
	}
}

static void test_publish(void **state)
{
	static const struct {
		const char *text;
		unsigned int host, node; /* 0: refused */
		const char *error; /* a part of it */
	} rows[] = {
		{ "8080:80", 8080, 80, NULL },
		{ "1:65535", 1, 65535, NULL },
		{ "8080:80/tcp", 8080, 80, NULL },
		{ "80", 0, 0, "HOSTPORT:PORT" },
		{ "0:80", 0, 0, "1 to 65535" },
		{ "80:0", 0, 0, "1 to 65535" },
		{ "70000:1", 0, 0, "1 to 65535" },
		{ "65536:1", 0, 0, "1 to 65535" },
		{ "4294967376:1", 0, 0, "1 to 65535" },
		{ "80:", 0, 0, "HOSTPORT:PORT" },
		{ ":80", 0, 0, "HOSTPORT:PORT" },
		{ "", 0, 0, "HOSTPORT:PORT" },
		{ "80: 80", 0, 0, "HOSTPORT:PORT" },
		{ "+80:80", 0, 0, "HOSTPORT:PORT" },
		{ "127.0.0.1:80:80", 0, 0, "HOSTPORT:PORT" },
		{ "8080:80/udp", 0, 0, "only TCP can be published: --publish 8080:80" },
	};
	struct choppy_spec spec;
	struct opt_error e;
	char text[32];
	size_t i;
	int r;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		say(rows[i].text);
		memset(&spec, 0, sizeof(spec));
		r = spec_parse_publish(&spec, rows[i].text, &e);
		assert_int_equal(r, rows[i].error ? -EINVAL : 0);
		assert_int_equal(spec.npublish, rows[i].error ? 0 : 1);
		assert_int_equal(spec.publish[0].host_port, rows[i].host);
		assert_int_equal(spec.publish[0].node_port, rows[i].node);
		if (rows[i].error)
			assert_non_null(strstr(e.text, rows[i].error));
	}
	memset(&spec, 0, sizeof(spec));
	for (i = 0; i < CHOPPY_MAX_PUBLISH; i++) {
		snprintf(text, sizeof(text), "%zu:80", i + 1);
		assert_int_equal(spec_parse_publish(&spec, text, &e), 0);
	}
	assert_int_equal(spec_parse_publish(&spec, "1:90", &e), -EINVAL);
	assert_non_null(strstr(e.text, "port 1 of the host is published twice"));
	assert_int_equal(spec_parse_publish(&spec, "99:90", &e), -EINVAL);
	assert_non_null(strstr(e.text, "more than 32 ports"));
	assert_int_equal(spec.npublish, CHOPPY_MAX_PUBLISH);
}

/* ----------------------------------------------------------- tables and help */

static void check_options(const struct opt *table)
{
	const struct opt *o, *p;
	char choices[128] = "";
	unsigned int i;

	assert_true(opt_help_row.name != NULL);
	for (o = table; o->name; o++) {
		assert_true(o - table < 64);
		assert_non_null(o->help);
		assert_int_equal(o->kind == OPT_FLAG, o->metavar == NULL);
		assert_int_equal(o->kind == OPT_CALL, o->parse != NULL);
		assert_int_equal(o->kind == OPT_CHOICE, o->choice != NULL);
		assert_string_not_equal(o->name, opt_help_row.name);
		assert_int_not_equal(o->letter, opt_help_row.letter);
		for (p = table; p < o; p++) {
			assert_string_not_equal(o->name, p->name);
			assert_true(!o->letter || o->letter != p->letter);
		}
		if (o->kind != OPT_CHOICE)
			continue;
		for (choices[0] = '\0', i = 0; o->choice(i); i++) {
			strcat(choices, i ? "|" : "");
			strcat(choices, o->choice(i));
		}
		assert_string_equal(o->metavar, choices);
	}
}

static void test_tables(void **state)
{
	const struct command *c;
	unsigned int i;

	check_options(cmd_global_options);
	for (i = 0; (c = cmd_row(i)); i++) {
		assert_ptr_equal(cmd_find(c->name), c);
		assert_non_null(c->summary);
		assert_non_null(c->run);
		assert_true(c->max_words == OPT_ANYWHERE || c->max_words >= c->min_words);
		check_options(c->options);
	}
	assert_true(i > 0);
	assert_null(cmd_find("nothing"));
}

/* No line wider than a terminal, none with spaces at its end. */
static void check_lines(const char *text)
{
	size_t n;

	while (*text) {
		n = strcspn(text, "\n");
		if (n > 80 || (n && text[n - 1] == ' '))
			print_message("# '%.*s'\n", (int)n, text);
		assert_true(n <= 80);
		assert_true(!n || text[n - 1] != ' ');
		assert_int_equal(text[n], '\n');
		text += n + 1;
	}
}

/* Run a command line; returns the status. Free what is captured. */
static int run(const char *line, char **out, char **err)
{
	struct capture o, e;
	char *args[ARGS_MAX + 1];
	int n = split(args, line), status;

	capture(&o);
	capture(&e);
	status = cmd_main(n, args, o.f, e.f);
	captured(&o);
	captured(&e);
	*out = o.text;
	*err = e.text;
	free(args[ARGS_MAX]);
	return status;
}

static void check_command_help(const struct command *c, const char *text)
{
	const struct choppy_field_row *row = choppy_fields();
	const char *opener = "";
	const struct example *e;
	const struct opt *o;
	char part[128];
	int i;

	check_lines(text);
	snprintf(part, sizeof(part), "Usage: choppy %s", c->name);
	assert_ptr_equal(strstr(text, part), text);
	assert_non_null(strstr(text, c->usage));
	for (o = c->options; o->name; o++) {
		snprintf(part, sizeof(part), "--%s%s%s", o->name, o->metavar ? " " : "",
			 o->metavar ? o->metavar : "");
		assert_non_null(strstr(text, part));
	}
	assert_non_null(strstr(text, "--help"));
	for (i = 0; i < CHOPPY_NFIELDS; i++) {
		switch (row[i].place) {
		case CHOPPY_PLACE_CLAUSE:
			opener = row[i].word;
			snprintf(part, sizeof(part), "\n  %s%s", opener, row[i].metavar ? " " : "");
			break;
		case CHOPPY_PLACE_INSTEAD:
			snprintf(part, sizeof(part), "\n  %s %s", opener, row[i].word);
			break;
		default:
			snprintf(part, sizeof(part), "\n    [%s",
				 row[i].word ? row[i].word : row[i].metavar);
		}
		assert_int_equal(strstr(text, part) != NULL, c->condition);
	}
	assert_int_equal(strstr(text, "\n  match EXPRESSION ") != NULL, c->condition);
	assert_int_equal(strstr(text, "\n  off ") != NULL, c->clear);
	assert_int_equal(strstr(text, " wpt-3g-fast") != NULL, c->condition);
	assert_int_equal(strstr(text, "\n  clear ") != NULL, c->clear);
	assert_non_null(c->examples);
	for (e = c->examples; e->line; e++)
		assert_non_null(strstr(text, e->line));
}

static void test_help(void **state)
{
	static const char *const forms[] = { "choppy|%s|--help", "choppy|%s|-h", "choppy|help|%s",
					     "choppy|%s|--help|--nothing" };
	static const char *const whole[] = { "choppy", "choppy|--help", "choppy|-h",
					     "choppy|help" };
	char line[64], *out, *err;
	const struct command *c;
	unsigned int i;
	size_t k;

	for (k = 0; k < ARRAY_SIZE(whole); k++) {
		assert_int_equal(run(whole[k], &out, &err), 0);
		assert_string_equal(err, "");
		check_lines(out);
		for (i = 0; (c = cmd_row(i)); i++)
			assert_non_null(strstr(out, c->summary));
		free(out);
		free(err);
	}
	for (i = 0; (c = cmd_row(i)); i++)
		for (k = 0; k < ARRAY_SIZE(forms); k++) {
			snprintf(line, sizeof(line), forms[k], c->name);
			say(line);
			assert_int_equal(run(line, &out, &err), 0);
			assert_string_equal(err, "");
			check_command_help(c, out);
			free(out);
			free(err);
		}
	assert_int_equal(run("choppy|profiles", &out, &err), 0);
	check_lines(out);
	free(out);
	free(err);
	assert_int_equal(run("choppy|--version", &out, &err), 0);
	assert_string_equal(out, "choppy " CHOPPY_VERSION "\n");
	free(out);
	free(err);
}

/* ---------------------------------------------------------------- messages */

static const struct {
	const char *line;
	const char *err; /* all of it, without the line break */
} refused[] = {
	{ "choppy|shwo|blue", "choppy: there is no command 'shwo'; did you mean 'show'?" },
	{ "choppy|list", "choppy: there is no command 'list'; did you mean 'ls'?" },
	{ "choppy|delete", "choppy: there is no command 'delete'; did you mean 'del'?" },
	{ "choppy|zzzzzz", "choppy: there is no command 'zzzzzz'; 'choppy help' lists them" },
	{ "choppy|a\nb", "choppy: there is no command 'a?b'; 'choppy help' lists them" },
	{ "choppy|help|rnu", "choppy help: there is no command 'rnu'; did you mean 'run'?" },
	{ "choppy|--verison", "choppy: there is no option '--verison'; did you mean '--version'?" },
	{ "choppy|loss|30%|--|ping|a b",
	  "choppy: a command is missing; did you mean: choppy run loss 30% -- ping 'a b'" },
	/* run needs `--` */
	{ "choppy|run|loss|30%|ping|-c|20|host",
	  "choppy run: '--' must stand before the program: choppy run loss 30% -- ping -c 20 "
	  "host" },
	{ "choppy|run|--seed|5|delay|50ms|10ms|ping",
	  "choppy run: '--' must stand before the program: choppy run --seed 5 delay 50ms 10ms "
	  "-- ping" },
	{ "choppy|run|loss 30%|ping|it's",
	  "choppy run: '--' must stand before the program: choppy run 'loss 30%' -- ping "
	  "'it'\\''s'" },
	{ "choppy|run|ping|--json",
	  "choppy run: '--' must stand before the program: choppy run -- ping --json" },
	{ "choppy|run|loss|30%",
	  "choppy run: '--' must stand before the program: choppy run loss 30% -- COMMAND" },
	{ "choppy|run", "choppy run: '--' must stand before the program: choppy run -- COMMAND" },
	{ "choppy|run|loss|30%|--",
	  "choppy run: there is no COMMAND after '--'; choppy run [OPTIONS] [CONDITION...] -- "
	  "COMMAND [ARG...]" },
	{ "choppy|run|--sede|1|--|x",
	  "choppy run: there is no option '--sede'; did you mean '--seed'?" },
	{ "choppy|run|loss|1%|--sede|1|--|x",
	  "choppy run: there is no option '--sede'; did you mean '--seed'?" },
	{ "choppy|run|--seed|--|x", "choppy run: --seed needs a value: --seed N" },
	{ "choppy|run|--seed|1|--seed|2|--|x", "choppy run: --seed is given twice" },
	{ "choppy|run|--backend|nettem|--|x",
	  "choppy run: --backend is engine or netem, not 'nettem'" },
	{ "choppy|run|--uplink|rely|--|x",
	  "choppy run: --uplink is auto or nat or relay or none, not 'rely'" },
	{ "choppy|run|-p|8080:80/udp|--|x",
	  "choppy run: --publish '8080:80/udp': only TCP can be published: --publish 8080:80" },
	{ "choppy|run|--dev|sixteencharacter|--|x",
	  "choppy run: --dev: longer than 15 characters: 'sixteencharacter'" },
	{ "choppy|add", "choppy add: something is missing: choppy add NAME [OPTIONS] "
			"[CONDITION...]" },
	{ "choppy|add|blue|--|ping",
	  "choppy add: takes no program after '--': choppy add NAME [OPTIONS] [CONDITION...]" },
	{ "choppy|add|blue|--user|x", "choppy add: there is no option '--user'" },
	{ "choppy|set",
	  "choppy set: something is missing: choppy set NAME [OPTIONS] CONDITION..." },
	{ "choppy|set|blue",
	  "choppy set: a condition is missing: for example choppy set blue loss 30%" },
	{ "choppy|set|blue|--from-tc|delay 5",
	  "choppy: tc line, word 2 ('5'): a time needs its unit: for tc a bare number has been "
	  "microseconds and nanoseconds, by version" },
	{ "choppy|set|blue|--from-tc|delay '5ms", "choppy set: --from-tc: a quote is not closed" },
	{ "choppy|set|blue|loss|--from-tc|delay 5ms",
	  "choppy set: --from-tc LINE is the whole condition: beside it may stand up or down, and "
	  "nothing else" },
	{ "choppy|exec", "choppy exec: something is missing: choppy exec NAME [OPTIONS] [--] "
			 "COMMAND [ARG...]" },
	{ "choppy|exec|blue",
	  "choppy exec: there is no COMMAND: choppy exec blue -- COMMAND [ARG...]" },
	{ "choppy|exec|blue|--usr|x|--|y",
	  "choppy exec: there is no option '--usr'; did you mean '--user'?" },
	{ "choppy|show|a|b", "choppy show: one word too many, 'b': choppy show [NAME] [OPTIONS]" },
	{ "choppy|ls|x|y", "choppy ls: one word too many, 'y': choppy ls [LAB] [OPTIONS]" },
	{ "choppy|del", "choppy del: something is missing: choppy del NAME..." },
	{ "choppy|gc|--dryrun",
	  "choppy gc: there is no option '--dryrun'; did you mean '--dry-run'?" },
};

static void test_refused(void **state)
{
	char *out, *err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		say(refused[i].line);
		assert_int_equal(run(refused[i].line, &out, &err), CHOPPY_EXIT_USAGE);
		assert_string_equal(out, "");
		assert_int_equal(err[strlen(err) - 1], '\n');
		err[strlen(err) - 1] = '\0';
		assert_string_equal(err, refused[i].err);
		free(out);
		free(err);
	}
}

/* What the library refuses of a condition is passed on whole, with the caret. */
static void test_refused_condition(void **state)
{
	struct choppy_change change;
	struct choppy_err e = { 0 };
	static const char *const words[] = { "delay", "5" };
	char *out, *err, expect[1200];

	assert_int_equal(choppy_change_parse(&change, 2, words, false, &e), -EINVAL);
	snprintf(expect, sizeof(expect), "choppy: %s\n", e.msg);
	assert_int_equal(run("choppy|run|delay 5|--|x", &out, &err), CHOPPY_EXIT_USAGE);
	assert_string_equal(out, "");
	assert_string_equal(err, expect);
	free(out);
	free(err);
	assert_int_equal(run("choppy|run|clear|--|x", &out, &err), CHOPPY_EXIT_USAGE);
	free(out);
	free(err);
	assert_int_equal(run("choppy|run|delay|-5ms|--|x", &out, &err), CHOPPY_EXIT_USAGE);
	assert_non_null(strstr(err, "-5ms"));
	free(out);
	free(err);
}

/* A device of this machine is not a lab; no machine is without lo. */
static void test_device_of_the_machine(void **state)
{
	static const struct {
		const char *line, *use;
	} rows[] = {
		{ "choppy|set|lo|loss|30%", "choppy run loss 30% -- COMMAND" },
		{ "choppy|set|lo|loss 30% delay 5ms", "choppy run loss 30% delay 5ms -- COMMAND" },
		{ "choppy|set|lo|clear", "choppy run CONDITION -- COMMAND" },
		{ "choppy|exec|lo|--|ping|a b", "choppy run CONDITION -- ping 'a b'" },
		{ "choppy|show|lo", "choppy run CONDITION -- COMMAND" },
		{ "choppy|del|lo", "choppy run CONDITION -- COMMAND" },
	};
	struct choppy_lab lab;
	char *out, *err, *use;
	size_t i;

	if (choppy_show("lo", &lab, NULL) != -ENOENT) {
		print_message("# skipped: whether there is a lab 'lo' can be asked by root only\n");
		skip();
	}
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		say(rows[i].line);
		assert_int_equal(run(rows[i].line, &out, &err), CHOPPY_EXIT_USAGE);
		assert_string_equal(out, "");
		assert_non_null(strstr(err, ": lo is a device of this machine itself; choppy never "
					    "degrades the machine"));
		use = strstr(err, "use: ");
		assert_non_null(use);
		use[strlen(use) - 1] = '\0';
		assert_string_equal(use + strlen("use: "), rows[i].use);
		free(out);
		free(err);
	}
}

static void test_split(void **state)
{
	static const struct {
		const char *line, *words;
	} rows[] = {
		{ "loss 30%||  delay\t5ms |up|a b c", "loss/30%/delay/5ms/up/a/b/c" },
		{ "", "" },
		{ "|", "" },
		/* quotes as in a shell */
		{ "match 'tcp port 80' loss 10%", "match/tcp port 80/loss/10%" },
		{ "match \"tcp port 80\" loss 10%", "match/tcp port 80/loss/10%" },
		{ "a'b c'\"d e\"f \\'g\\ h 'it'\\''s'", "ab cd ef/'g h/it's" },
		{ "\"a\\\"b\\c\" ''", "a\"b\\c/" },
		/* what stands behind these is taken as it is */
		{ "match|tcp port 80|loss 10%", "match/tcp port 80/loss/10%" },
		{ "loss 1% match|tcp 'x|loss 10%", "loss/1%/match/tcp 'x/loss/10%" },
		{ "match||loss", "match//loss" },
		{ "trace|/a b.csv|then loop", "trace//a b.csv/then/loop" },
	};
	static const char *const open[] = { "loss 30%", "a 'b", "c" };
	const char **list;
	char *args[ARGS_MAX + 1];
	char buf[128];
	int i, n, words;

	for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
		say(rows[k].line);
		words = split(args, rows[k].line);
		assert_int_equal(spec_split(&list, &n, words, (const char *const *)args), 0);
		assert_null(list[n]);
		for (i = 0, buf[0] = '\0'; i < n; i++) {
			strcat(buf, i ? "/" : "");
			strcat(buf, list[i]);
		}
		assert_string_equal(buf, rows[k].words);
		free(list);
		free(args[ARGS_MAX]);
	}
	assert_int_equal(spec_split(&list, &n, 3, open), -EINVAL);
	assert_int_equal(n, 1);
}

static void test_shell_words(void **state)
{
	static const char *const words[] = { "ls", "a b", "", "$x", "it's", "30%" };
	char buf[128], small[12];

	out_shell_words(buf, sizeof(buf), 6, words);
	assert_string_equal(buf, "ls 'a b' '' '$x' 'it'\\''s' 30%");
	out_shell_words(small, sizeof(small), 6, words);
	assert_string_equal(small, "ls 'a b'...");
}

static void test_time(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} rows[] = {
		{ 0, "0ns" },		{ 999, "999ns" },
		{ 1000, "1.0us" },	{ 9940, "9.9us" },
		{ 12300, "12us" },	{ 1500000, "1.5ms" },
		{ 2000000000, "2.0s" }, { 86400000000000, "86400s" },
	};
	char buf[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		out_time(buf, sizeof(buf), rows[i].ns);
		assert_string_equal(buf, rows[i].text);
	}
}

static void test_table(void **state)
{
	char *cells[] = { "NAME", "LAST", "a", "x y", "longer", "z" };
	struct capture c;

	capture(&c);
	out_table(c.f, 2, 3, cells);
	assert_string_equal(captured(&c), "NAME    LAST\na       x y\nlonger  z\n");
	free(c.text);
}

/* -------------------------------------------------------------------- JSON */

static void test_json_text(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "", "\"\"" },
		{ "a\"b\\c/", "\"a\\\"b\\\\c/\"" },
		{ "\n\t\x01\x1f\x7f", "\"\\u000a\\u0009\\u0001\\u001f\x7f\"" },
		/* UTF-8 passes: two, three, four bytes, the last code point */
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf",
		  "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\"" },
		/* not UTF-8: alone, cut off, overlong, surrogate, beyond the last */
		{ "\xff!", "\"\xef\xbf\xbd!\"" },
		{ "\x80", "\"\xef\xbf\xbd\"" },
		{ "\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xc3", "\"\xef\xbf\xbd\"" },
		{ "\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xe0\x9f\xbf", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	};
	struct capture c;
	struct json j;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		capture(&c);
		j = (struct json){ .f = c.f };
		json_text(&j, NULL, rows[i].in);
		assert_string_equal(captured(&c), rows[i].out);
		free(c.text);
	}
}

static void write_document(struct json *j)
{
	json_object(j, NULL);
	json_u64(j, "most", UINT64_MAX);
	json_i64(j, "least", INT64_MIN);
	json_bool(j, "yes", true);
	json_text_or_null(j, "none", "");
	json_array(j, "empty");
	json_array_end(j);
	json_array(j, "two");
	json_u64(j, NULL, 1);
	json_object(j, NULL);
	json_object_end(j);
	json_array_end(j);
	json_text(j, "k\"", "v");
	json_object_end(j);
	json_end(j);
}

static void test_json_document(void **state)
{
	struct capture c;
	struct json j;

	capture(&c);
	j = (struct json){ .f = c.f, .one_line = true };
	write_document(&j);
	assert_string_equal(captured(&c),
			    "{\"most\": 18446744073709551615, \"least\": -9223372036854775808, "
			    "\"yes\": true, \"none\": null, \"empty\": [], \"two\": [1, {}], "
			    "\"k\\\"\": \"v\"}\n");
	free(c.text);
	capture(&c);
	j = (struct json){ .f = c.f };
	write_document(&j);
	assert_string_equal(captured(&c), "{\n"
					  "  \"most\": 18446744073709551615,\n"
					  "  \"least\": -9223372036854775808,\n"
					  "  \"yes\": true,\n"
					  "  \"none\": null,\n"
					  "  \"empty\": [],\n"
					  "  \"two\": [\n"
					  "    1,\n"
					  "    {}\n"
					  "  ],\n"
					  "  \"k\\\"\": \"v\"\n"
					  "}\n");
	free(c.text);
}

/* ----------------------------------------------------------------- the state */

/* The condition and the rules of @lab's way up, or of both. */
static void parse_condition(struct choppy_lab *lab, const char *line)
{
	char *args[ARGS_MAX + 1];
	int n = split(args, line);

	assert_int_equal(
		choppy_condition_parse(lab->dir, &lab->rules, n, (const char *const *)args, NULL),
		0);
	free(args[ARGS_MAX]);
}

static const struct {
	const char *asked;
	struct choppy_counters n;
	const char *line;
} summaries[] = {
	{ "", { 0 }, "no condition asked; no packet passed" },
	{ "loss|30%", { 0 }, "loss 30% asked; no packet passed: the condition was never tried" },
	{ "",
	  { .packets = 20, .delivered = 19, .waiting = 1 },
	  "no condition asked; 20 packets in, 19 delivered, 1 on the way" },
	{ "loss|30%",
	  { .packets = 5210,
	    .judged = 5210,
	    .judged_lost = 1516,
	    .delivered = 3694,
	    .dropped = { [CHOPPY_DROP_LOSS] = 1516 },
	    .late_samples = 3694,
	    .late_p50_ns = 12000,
	    .late_p99_ns = 80000 },
	  "loss 30% asked, 29.1% of 5210 lost, 95% interval 27.9-30.4 (asked is inside); 5210 "
	  "packets in, 3694 delivered; 1516 dropped: loss 1516; late p50 12us p99 80us" },
	{ "loss|35%",
	  { .packets = 5210, .judged = 5210, .judged_lost = 1516, .delivered = 3694 },
	  "loss 35% asked, 29.1% of 5210 lost, 95% interval 27.9-30.4 (asked is outside); 5210 "
	  "packets in, 3694 delivered" },
	{ "loss|0.01%",
	  { .packets = 1000000, .judged = 1000000, .judged_lost = 100, .delivered = 999900 },
	  "loss 0.01% asked, 0.0100% of 1000000 lost, 95% interval 0.0081-0.0122 (asked is "
	  "inside); 1000000 packets in, 999900 delivered" },
	{ "loss|100%",
	  { .packets = 4, .judged = 4, .judged_lost = 4 },
	  "loss 100% asked, 100.0% of 4 lost, 95% interval 39.8-100.0 (asked is inside); 4 packets "
	  "in, 0 delivered" },
	{ "rate|1mbit",
	  { .packets = 9,
	    .delivered = 1,
	    .dropped = { [CHOPPY_DROP_LOSS] = 1,
			 [CHOPPY_DROP_QUEUE] = 2,
			 [CHOPPY_DROP_RECEIVE] = 3,
			 [CHOPPY_DROP_SEND] = 2 } },
	  "rate 1mbit asked; 9 packets in, 1 delivered; 3 dropped: loss 1, queue 2; LOST BY CHOPPY "
	  "ITSELF: receive 3, send 2" },
	{ "loss|1%",
	  { .packets = 9, .delivered = 9 },
	  "loss 1% asked, loss not measured; 9 packets in, 9 delivered" },
	/* losses that are not independent have no interval */
	{ "loss|2%|burst|5",
	  { .packets = 1000, .judged = 1000, .judged_lost = 30, .delivered = 970 },
	  "loss 2% burst 5 asked, 3.0% of 1000 lost (asked in the long run: 2.0%; no interval: not "
	  "each packet on its own); 1000 packets in, 970 delivered" },
	{ "loss|2%|25%",
	  { .packets = 1000, .judged = 1000, .judged_lost = 30, .delivered = 970 },
	  "loss 2% 25% asked, 3.0% of 1000 lost (asked in the long run: 2.0%; no interval: not "
	  "each packet on its own); 1000 packets in, 970 delivered" },
	{ "loss|every|8",
	  { .packets = 1000, .judged = 1000, .judged_lost = 125, .delivered = 875 },
	  "loss every 8 asked, 12.5% of 1000 lost (asked in the long run: 12.5%; no interval: not "
	  "each packet on its own); 1000 packets in, 875 delivered" },
	{ "delay|9ms|duplicate|1%|corrupt|0.5%|reorder|25%",
	  { .packets = 1000,
	    .delivered = 1000,
	    .duplicated = 9,
	    .corrupted = 4,
	    .reordered = 240,
	    .marked = 3,
	    .replies = 2,
	    .fragments = 1 },
	  "delay 9ms duplicate 1% corrupt 0.5% reorder 25% asked; 1000 packets in, 1000 delivered; "
	  "9 "
	  "duplicated (asked 1%), 4 corrupted (asked 0.5%), 240 reordered (asked 25%), 3 marked, 2 "
	  "replies, 1 fragments" },
	/* rules */
	{ "match|tcp port 80|loss|10%|match|tcp port 5432|outage",
	  { .packets = 50, .judged = 34, .judged_lost = 3, .delivered = 47 },
	  "match 'tcp port 80' loss 10% match 'tcp port 5432' outage asked, 8.8% of 34 lost (rules "
	  "ask for losses of their own); 50 packets in, 47 delivered; match 'tcp port 80': 34 "
	  "packets; match 'tcp port 5432': no packet matched" },
	{ "loss|1%|down|match|udp|outage",
	  { .packets = 50, .delivered = 50 },
	  "loss 1% asked, loss not measured; 50 packets in, 50 delivered" },
	{ "match|udp|outage",
	  { 0 },
	  "match udp outage asked; no packet passed: the condition was never tried" },
};

static void test_summary(void **state)
{
	struct capture c;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(summaries); i++) {
		struct choppy_lab lab = { 0 };

		parse_condition(&lab, summaries[i].asked);
		lab.counters[CHOPPY_UP] = summaries[i].n;
		lab.matched[CHOPPY_UP][0] = summaries[i].n.judged;
		capture(&c);
		describe_summary(c.f, &lab, CHOPPY_UP);
		assert_string_equal(captured(&c), summaries[i].line);
		free(c.text);
	}
}

static void fill_lab(struct choppy_lab *lab)
{
	memset(lab, 0, sizeof(*lab));
	strcpy(lab->name, "blue");
	lab->permanent = true;
	strcpy(lab->dev, "eth0");
	strcpy(lab->addr4[0], "10.1.1.0/31");
	strcpy(lab->addr4[1], "10.1.1.1/31");
	lab->keeper = 12;
	lab->seed = UINT64_MAX;
	lab->seeded = true;
	lab->npublish = 1;
	lab->publish[0] = (struct choppy_publish){ 8080, 80 };
	parse_condition(lab, "up|loss|30%|rate|1mbit|match|tcp port 80|nth|1,3-5|first|2packets|"
			     "loss|every|4|down|match|udp|outage");
	lab->matched[CHOPPY_UP][0] = 6;
	lab->counters[CHOPPY_UP].packets = 7;
	lab->counters[CHOPPY_UP].judged = 4;
	lab->counters[CHOPPY_UP].judged_lost = 1;
	lab->counters[CHOPPY_UP].dropped[CHOPPY_DROP_QUEUE] = 3;
	strcpy(lab->notes[0], "a \"note\"");
	lab->nnotes = 1;
}

static void test_describe(void **state)
{
	static const char *const in_json[] = {
		"\"name\": \"blue\"",
		"\"ipv6\": {\"node\": null, \"gateway\": null}",
		"\"keeper\": 12, \"init\": null",
		"\"seed\": 18446744073709551615, \"seed_hex\": \"0xffffffffffffffff\"",
		"\"publish\": [{\"host_port\": 8080, \"node_port\": 80}]",
		"\"loss\": {\"value\": 300000000, \"unit\": \"ppb\", \"text\": \"30%\"}",
		"\"rate\": {\"value\": 1000000, \"unit\": \"bps\", \"text\": \"1mbit\"}",
		"\"limit\": {\"value\": 1000, \"unit\": \"packets\", \"text\": \"1000packets\", "
		"\"default\": true}}, \"down\": {}}",
		"\"rules\": [{\"match\": \"tcp port 80\", \"nth\": [[1, 1], [3, 5]], \"first\": "
		"{\"value\": 2, \"unit\": \"packets\"}, \"condition\": {\"loss-every\": "
		"{\"value\": "
		"4, \"text\": \"4\"}}, \"matched\": {\"up\": 6}}, {\"match\": \"udp\", "
		"\"condition\": "
		"{\"outage\": {\"value\": true, \"text\": \"outage\"}}, \"matched\": {\"down\": "
		"0}}]",
		"\"dropped\": {\"loss\": 0, \"list\": 0, \"outage\": 0, \"reject\": 0, \"mtu\": 0, "
		"\"queue\": 3, \"aqm\": 0, \"replay\": 0, \"memory\": 0, \"receive\": 0, \"send\": "
		"0}",
		"\"measured_loss\": {\"value\": 250000000, \"interval95\": [6309463, 805879550]",
		"\"notes\": [\"a \\\"note\\\"\"]",
	};
	static const char *const in_text[] = {
		"blue\n",
		"\n  address     10.1.1.1/31 (node), 10.1.1.0/31 (gateway)\n  device ",
		"\n  published   8080 on the host to 80 in the node\n",
		"\n  queue       limit 1000packets up (default)\n",
		"\n  notes       a \"note\"\n",
		"\n  condition   up loss 30% rate 1mbit\n"
		"  rules       match 'tcp port 80' nth 1,3-5 first 2packets loss every 4: packets "
		"up "
		"6\n              match udp outage: packets down 0\n",
		"\n  up          loss 30% rate 1mbit match 'tcp port 80' nth 1,3-5 first 2packets "
		"loss "
		"every 4 asked, 25.0% of 4 lost",
		("\n  down        match udp outage asked; no packet passed: the condition was "
		 "never "
		 "tried\n"),
	};
	struct choppy_lab lab;
	struct capture c;
	struct json j;
	size_t i;

	fill_lab(&lab);
	capture(&c);
	j = (struct json){ .f = c.f, .one_line = true };
	lab_json_write(&j, NULL, &lab);
	captured(&c);
	for (i = 0; i < ARRAY_SIZE(in_json); i++) {
		if (!strstr(c.text, in_json[i]))
			print_message("# %s\n# has no %s\n", c.text, in_json[i]);
		assert_non_null(strstr(c.text, in_json[i]));
	}
	free(c.text);
	capture(&c);
	assert_int_equal(describe_text(c.f, &lab, false), 0);
	captured(&c);
	for (i = 0; i < ARRAY_SIZE(in_text); i++) {
		if (!strstr(c.text, in_text[i]))
			print_message("# %s\n# has no %s\n", c.text, in_text[i]);
		assert_non_null(strstr(c.text, in_text[i]));
	}
	assert_null(strstr(c.text, "foreign"));
	free(c.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_seed),
		cmocka_unit_test(test_publish),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_condition),
		cmocka_unit_test(test_device_of_the_machine),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_shell_words),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_json_text),
		cmocka_unit_test(test_json_document),
		cmocka_unit_test(test_summary),
		cmocka_unit_test(test_describe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
