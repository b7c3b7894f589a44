/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "err.h"
#include "util.h"
#include "value.h"

#define FIRST_BYTES 65536u

static int read_all(struct textfile *ret, int fd, size_t max, struct choppy_err *err)
{
	size_t size = max < FIRST_BYTES ? max : FIRST_BYTES, len = 0;
	CLEANUP_FREE char *buf = NULL;
	ssize_t n = 1;

	/* One byte more than may be there tells that there is too much. */
	for (;; size = size > max / 2 ? max : 2 * size) {
		char *more = realloc(buf, size + 1);

		if (!more)
			return err_sys(err, -ENOMEM, "cannot read %s", ret->name);
		buf = more;
		while (len <= size && (n = read(fd, buf + len, size + 1 - len)) > 0)
			len += (size_t)n;
		if (n < 0)
			return err_sys(err, -errno, "cannot read %s", ret->name);
		if (n == 0)
			break;
		if (size == max)
			return err_set(err, -EFBIG,
				       "%s has more than %zu bytes, the most there may be",
				       ret->name, max);
	}
	ret->text = buf;
	ret->len = len;
	buf = NULL;
	return 0;
}

int textfile_read(struct textfile *ret, const char *path, size_t max, struct choppy_err *err)
{
	/* Without O_NONBLOCK the open of a FIFO would wait for its other end. */
	CLEANUP_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct textfile t = { .name = path };
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, -errno, "cannot read %s", path);
	if (S_ISDIR(st.st_mode))
		return err_set(err, -EISDIR, "%s is a directory: name a file in it", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s is not a regular file: copy its text into one",
			       path);
	r = read_all(&t, fd, max, err);
	if (r == 0)
		*ret = t;
	return r;
}

int textfile_check(const struct textfile *t, struct choppy_err *err)
{
	const char *nul = t->len ? memchr(t->text, '\0', t->len) : NULL;

	if (nul)
		return textfile_wrong(err, t, nul, "a NUL byte: this is no text");
	if (t->len >= 3 && memcmp(t->text, "\xef\xbb\xbf", 3) == 0)
		return textfile_wrong(err, t, t->text,
				      "a byte order mark: save the text as UTF-8 without one");
	return 0;
}

static struct place place_of(const struct textfile *t, const char *at)
{
	struct place place = { .file = t->name, .line = 1 };
	const char *begin = t->text;

	for (const char *p = t->text; p < at; p++) {
		if (*p == '\n') {
			place.line++;
			begin = p + 1;
		}
	}
	place.column = (int)(at - begin) + 1;
	return place;
}

int textfile_wrong(struct choppy_err *err, const struct textfile *t, const char *at,
		   const char *fmt, ...)
{
	const struct place place = place_of(t, at);
	char what[sizeof(err->msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(err, -EINVAL, "%s:%d:%d: %s", place.file, place.line, place.column, what);
}

void textfile_problem(const struct textfile *t, const char *at, struct problems *problems,
		      const char *fmt, ...)
{
	const struct place place = place_of(t, at);
	va_list ap;

	va_start(ap, fmt);
	problems_add(problems, t->text, t->len, &place, fmt, ap);
	va_end(ap);
}
