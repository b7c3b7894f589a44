/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target for condition words: the input, split at NULs and spaces (a NUL pair is an
 * empty word), is parsed with and without `clear`. What is accepted must survive
 * printing and parsing again; what is refused must leave the output alone and
 * have a caret under a word.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "choppy.h"

#define WORDS_MAX 64
#define BYTES_MAX 4096

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	}
	return n;
}

static void check_same(const struct choppy_condition *a, const struct choppy_condition *b)
{
	CHECK(a->set == b->set);
	CHECK(a->delay_ns == b->delay_ns && a->jitter_ns == b->jitter_ns);
	CHECK(a->loss_ppb == b->loss_ppb && a->rate_bps == b->rate_bps);
	CHECK(a->limit.n == b->limit.n && a->limit.unit == b->limit.unit);
}

static void check_round_trip(const struct choppy_condition *c)
{
	const char *words[WORDS_MAX];
	struct choppy_change again;
	struct choppy_err err;
	char text[512];
	int n = choppy_condition_print(text, sizeof(text), c);

	CHECK(n >= 0 && (size_t)n == strlen(text));
	n = split(words, text, text + n);
	CHECK(choppy_change_parse(&again, n, words, false, &err) == 0);
	check_same(c, &again.dir[CHOPPY_UP]);
	check_same(c, &again.dir[CHOPPY_DOWN]);
}

static void check_accepted(const struct choppy_change *c)
{
	char text[1024], part[16];
	struct choppy_err err;
	int d, n;

	for (d = 0; d < CHOPPY_NDIRS; d++) {
		check_round_trip(&c->dir[d]);
		if (choppy_condition_check(&c->dir[d], "up", &err) < 0)
			CHECK(!strchr(err.msg, '\n') && strncmp(err.msg, "up: ", 4) == 0);
	}
	n = choppy_condition_print_both(text, sizeof(text), c->dir);
	CHECK(n > 0 && (size_t)n == strlen(text));
	CHECK(choppy_condition_print_both(part, sizeof(part), c->dir) == n);
	CHECK(strncmp(part, text, sizeof(part) - 1) == 0);
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
