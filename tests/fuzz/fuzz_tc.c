/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target for netem lines of tc(8). What is refused has a line that says why. What is accepted
 * and in range is a condition that netem can take; printed as a line of tc and translated again it
 * is the same netem.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "choppy.h"
#include "fuzz.h"

#define BYTES_MAX 2048

/* @line of tc as a condition; false: it is not one, or out of range. */
static bool condition_of(struct choppy_condition *ret, const char *line)
{
	static char words_buf[BYTES_MAX + 1], text[CHOPPY_CONDITION_TEXT_MAX],
		text_buf[CHOPPY_CONDITION_TEXT_MAX];
	static const char *words[CHOPPY_CONDITION_TEXT_MAX];
	struct choppy_condition dir[CHOPPY_NDIRS];
	struct choppy_rules rules;
	struct choppy_err err = { 0 };
	int n = choppy_words_split(words_buf, words, line), r;

	if (n < 0)
		return false;
	r = choppy_tc_words(text, sizeof(text), n, words, &err);
	CHECK(r < (int)sizeof(text));
	if (r < 0) {
		CHECK(err.code == r && *err.msg && !strchr(err.msg, '\n'));
		return false;
	}
	CHECK((size_t)r == strlen(text));
	n = choppy_words_split(text_buf, words, text);
	CHECK(n > 0);
	r = choppy_condition_parse(dir, &rules, n, words, &err);
	if (r < 0)
		CHECK(*err.msg);
	else
		*ret = dir[CHOPPY_UP];
	return r == 0;
}

/*
 * Whether a share has more than the seven decimals that a condition can: what tc takes for
 * "100% - P" is a 2^32th beside any of them.
 */
static bool finer(const char *text)
{
	for (const char *p = strchr(text, '.'); p; p = strchr(p + 1, '.'))
		if (strspn(p + 1, "0123456789") > 7)
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char line[BYTES_MAX + 1], first[CHOPPY_TC_TEXT_MAX], second[CHOPPY_TC_TEXT_MAX];
	struct choppy_err err = { 0 };
	struct choppy_condition c;
	int n;

	if (size > BYTES_MAX)
		return 0;
	memcpy(line, data, size);
	line[size] = '\0';
	if (!condition_of(&c, line))
		return 0;
	n = choppy_condition_tc(first, sizeof(first), &c, &err);
	if (n < 0) {
		CHECK(*err.msg);
		return 0;
	}
	CHECK((size_t)n == strlen(first));
	if (finer(first))
		return 0;
	CHECK(condition_of(&c, first));
	CHECK(choppy_condition_tc(second, sizeof(second), &c, &err) == n);
	CHECK(strcmp(first, second) == 0);
	return 0;
}
