/* SPDX-License-Identifier: GPL-2.0-or-later */
/* textfile.h - read a file of text as a whole, and tell where in it something is wrong. */
#ifndef CHOPPY_TEXTFILE_H
#define CHOPPY_TEXTFILE_H

#include "choppy.h"
#include "problems.h"

struct textfile {
	const char *name; /* for messages */
	const char *text; /* not ended by a NUL */
	size_t len;
};

/*
 * Read the regular file @path, of @max bytes at most. The text is the caller's to free(3); the
 * name is @path.
 */
int textfile_read(struct textfile *ret, const char *path, size_t max, struct choppy_err *err);

/* Refuse what no text has: NUL bytes, a byte order mark. */
int textfile_check(const struct textfile *t, struct choppy_err *err);

/*
 * Fill @err with "NAME:LINE:COLUMN: " and the text; both count from 1, columns in bytes. @at is
 * in @t or at its end. Returns -EINVAL.
 */
int textfile_wrong(struct choppy_err *err, const struct textfile *t, const char *at,
		   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The same as one of @problems. */
void textfile_problem(const struct textfile *t, const char *at, struct problems *problems,
		      const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
