/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * problems.h - what is wrong in a file, all of it: said with file:line:column, the line
 * itself and a caret.
 */
#ifndef CHOPPY_PROBLEMS_H
#define CHOPPY_PROBLEMS_H

#include <stdarg.h>
#include <stddef.h>

/* Where problems go: all of them are told, none ends the reading. */
struct problems {
	void (*tell)(void *ctx, const char *text); /* a line; then the file's, and a caret */
	void *ctx;
	int n;
};

/* A place in a file; @file outlives whoever holds it. */
struct place {
	const char *file; /* NULL: nowhere */
	int line, column; /* from 1 */
};

/* One more, in the file whose whole text is @text. */
void problems_add(struct problems *p, const char *text, size_t size, const struct place *at,
		  const char *fmt, va_list ap) __attribute__((format(printf, 5, 0)));

/* One whose place @text says itself. */
void problems_say(struct problems *p, const char *text);

#endif
