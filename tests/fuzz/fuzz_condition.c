/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target for condition words: the input, split at NULs and spaces (a NUL pair is an
 * empty word, a 0x1f a space in a word), is parsed as a condition, as a change and as a whole
 * condition. What is accepted must survive printing and parsing again; what is refused must leave
 * the output alone and have a caret under a word.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "choppy.h"
#include "fuzz.h"

#define WORDS_MAX 4096
#define BYTES_MAX 4096
#define TEXT_MAX (1 << 18)

/* Split @buf in place at spaces and NULs, up to @end. */
static int split(const char *words[WORDS_MAX], char *buf, char *end)
{
	int n = 0;
	char *p;

	for (p = buf; p < end && n < WORDS_MAX; p += strlen(p) + 1) {
		char *space = strchr(p, ' ');

		if (space)
			*space = '\0';
		words[n++] = p;
		for (space = p; *space; space++)
			if (*space == 0x1f)
				*space = ' ';
	}
	return n;
}

/* Parse what was printed. */
static void parse_text(struct choppy_change *ret, const char *text, bool for_change)
{
	static const char *words[TEXT_MAX / 2 + 1];
	static char buf[TEXT_MAX];
	struct choppy_err err;
	int n;

	CHECK(strlen(text) < sizeof(buf));
	n = choppy_words_split(buf, words, text);
	CHECK(n >= 0);
	CHECK(choppy_change_parse(ret, n, words, for_change, &err) == 0);
}

static void check_round_trip(const struct choppy_condition *c)
{
	char text[CHOPPY_CONDITION_TEXT_MAX];
	struct choppy_change again;
	int n = choppy_condition_print(text, sizeof(text), c);

	CHECK(n >= 0 && (size_t)n == strlen(text));
	parse_text(&again, text, false);
	CHECK(memcmp(&again.dir[CHOPPY_UP], c, sizeof(*c)) == 0);
	CHECK(memcmp(&again.dir[CHOPPY_DOWN], c, sizeof(*c)) == 0);
}

/* The rules of a direction are read back in the same order. */
static void check_rules(const struct choppy_rules *rules, enum choppy_dir d)
{
	static char text[TEXT_MAX], text_again[TEXT_MAX];
	struct choppy_change again;
	int n = choppy_rules_print(text, sizeof(text), rules, d);
	uint32_t i;

	CHECK(n >= 0 && (size_t)n == strlen(text));
	CHECK(rules->n <= CHOPPY_RULES_MAX);
	for (i = 0; i < rules->n; i++)
		if (rules->rule[i].off)
			return;
	parse_text(&again, text, false);
	choppy_rules_print(text_again, sizeof(text_again), &again.rules, d);
	CHECK(strcmp(text, text_again) == 0);
}

/* A change with all that it takes away. */
static void check_change(const struct choppy_change *c)
{
	static char text[TEXT_MAX], text_again[TEXT_MAX];
	static struct choppy_change again;
	int n = choppy_change_print(text, sizeof(text), c);

	CHECK(n >= 0 && (size_t)n == strlen(text));
	parse_text(&again, text, true);
	CHECK(memcmp(again.dir, c->dir, sizeof(c->dir)) == 0);
	CHECK(memcmp(again.off, c->off, sizeof(c->off)) == 0);
	CHECK(memcmp(again.clear, c->clear, sizeof(c->clear)) == 0);
	CHECK(memcmp(again.rules_off, c->rules_off, sizeof(c->rules_off)) == 0);
	CHECK(again.rules.n == c->rules.n);
	choppy_change_print(text_again, sizeof(text_again), &again);
	CHECK(strcmp(text, text_again) == 0);
}

static void check_accepted(const struct choppy_change *c)
{
	char text[CHOPPY_CONDITION_TEXT_MAX], part[16];
	struct choppy_condition dir[CHOPPY_NDIRS] = { 0 };
	struct choppy_rules rules = { 0 };
	struct choppy_err err;
	int d, n, r;

	for (d = 0; d < CHOPPY_NDIRS; d++) {
		double loss = choppy_condition_loss(&c->dir[d]);

		check_round_trip(&c->dir[d]);
		check_rules(&c->rules, (enum choppy_dir)d);
		CHECK(loss == -1 || (loss >= 0 && loss <= 1));
		CHECK(!(c->off[d] & c->dir[d].set));
		if (choppy_condition_check(&c->dir[d], "up", &err) < 0)
			CHECK(!strchr(err.msg, '\n') && strncmp(err.msg, "up: ", 4) == 0);
	}
	check_change(c);
	n = choppy_condition_print_both(text, sizeof(text), c->dir);
	CHECK(n > 0 && (size_t)n == strlen(text));
	CHECK(choppy_condition_print_both(part, sizeof(part), c->dir) == n);
	CHECK(strncmp(part, text, sizeof(part) - 1) == 0);
	choppy_change_apply(dir, c);
	CHECK(memcmp(dir, c->dir, sizeof(dir)) == 0);
	r = choppy_rules_merge(&rules, c, &err);
	CHECK(r == 0 || r == -ENOENT);
	if (choppy_rules_check(&c->rules, c->dir, &err) < 0)
		CHECK(!strchr(err.msg, '\n'));
}

/* Three lines without control characters; the caret is not behind the end of the words. */
static void check_refused(const struct choppy_err *err)
{
	const char *words = strchr(err->msg, '\n'), *caret, *p;
	size_t width = 0;

	CHECK(err->code == -EINVAL && words && words > err->msg);
	caret = strchr(++words, '\n');
	CHECK(caret && !strchr(++caret, '\n'));
	CHECK(strlen(err->msg) < sizeof(err->msg) - 1);
	for (p = err->msg; *p; p++)
		CHECK((unsigned char)*p >= 0x20 || *p == '\n');
	for (p = words; *p != '\n'; p++)
		width += ((unsigned char)*p & 0xc0) != 0x80;
	CHECK(strspn(caret, " ") >= 2 && strlen(caret) <= width && width <= 2 + 88 + 8);
	caret += strspn(caret, " ");
	CHECK(*caret == '^' && strspn(caret + 1, "~") == strlen(caret + 1));
}

/* What is accepted as a whole passes the checks. */
static void check_whole(int n, const char *const *words)
{
	struct choppy_condition dir[CHOPPY_NDIRS];
	struct choppy_rules rules;
	struct choppy_err err;

	if (choppy_condition_parse(dir, &rules, n, words, &err) < 0) {
		check_refused(&err);
		return;
	}
	CHECK(choppy_condition_check(&dir[CHOPPY_UP], NULL, &err) == 0);
	CHECK(choppy_condition_check(&dir[CHOPPY_DOWN], NULL, &err) == 0);
	CHECK(choppy_rules_check(&rules, dir, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *words[WORDS_MAX];
	struct choppy_change change, before;
	struct choppy_err err;
	char buf[BYTES_MAX + 1];
	int n, allow;

	if (size > BYTES_MAX)
		return 0;
	memcpy(buf, data, size);
	buf[size] = '\0';
	n = split(words, buf, buf + size);
	memset(&before, 0xa5, sizeof(before));
	check_whole(n, words);
	for (allow = 0; allow < 2; allow++) {
		change = before;
		if (choppy_change_parse(&change, n, words, allow, &err) == 0) {
			check_accepted(&change);
		} else {
			check_refused(&err);
			CHECK(memcmp(&change, &before, sizeof(change)) == 0);
			CHECK(choppy_change_parse(&change, n, words, allow, NULL) == -EINVAL);
		}
	}
	return 0;
}
