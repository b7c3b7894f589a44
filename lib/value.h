/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * value.h - read and print one value of a condition (a time, a probability, a
 * rate, a list, a name), exactly, by a table of kinds and their units.
 */
#ifndef CHOPPY_VALUE_H
#define CHOPPY_VALUE_H

#include "choppy.h"

/* Text that grows in a caller's buffer and, as snprintf(3), counts what it would need. */
struct text {
	char *buf;
	size_t size;
	size_t len;
};

/* A text that starts empty, also for a buffer of no bytes. */
struct text text_begin(char *buf, size_t size);

void text_add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* @word as choppy_words_split() reads it back: quoted where it has to be. */
void text_add_word(struct text *t, const char *word);

/* Before item @i of @n in a list in words: "", ", " or " or ". */
const char *text_or(size_t i, size_t n);

#define WORD_COLUMNS 40 /* longer words are cut, with "..." at the end */
#define WORD_BYTES (2 * WORD_COLUMNS + 1)

/*
 * Make @word fit for a message: every character takes one column, whatever
 * cannot is a '?', the empty word is "". Returns the columns taken.
 */
unsigned int word_shown(char ret[WORD_BYTES], const char *word);

/*
 * Read @text as a value for @row, into @ret (of the kind's type).
 * -EINVAL: it is not one, or outside the row's range.
 */
int value_parse(void *ret, const struct choppy_field_row *row, const char *text,
		struct choppy_err *err);

/* Whether @text begins as a value does (right or wrong), not as a word. */
bool value_like(const char *text);

/* Whether @text is to be read as a value of @row that may also be left out. */
bool value_begins(const struct choppy_field_row *row, const char *text);

/* Whether @value is in @row's range: 0, or -EINVAL with the range in words. */
int value_check(const struct choppy_field_row *row, const void *value, struct choppy_err *err);

/* Largest value of @row in @unit (enum choppy_unit; without meaning but for amounts). */
uint64_t value_max(const struct choppy_field_row *row, uint32_t unit);

size_t value_size(enum choppy_kind kind);
bool value_equal(enum choppy_kind kind, const void *a, const void *b);

/* A value of @row as somebody would write it: "50ms". */
const char *value_example(const struct choppy_field_row *row);

#endif
