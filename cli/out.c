/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define COLUMNS 80

int out_usage(struct call *c, const char *fmt, ...)
{
	char line[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	opt_one_line(line);
	fprintf(c->err, "choppy%s%s: %s\n", c->cmd ? " " : "", c->cmd ? c->cmd->name : "", line);
	return CHOPPY_EXIT_USAGE;
}

int out_failed(struct call *c, const struct choppy_err *err)
{
	size_t n = strlen(err->msg);

	fprintf(c->err, "choppy: %s%s", n ? err->msg : strerror(-err->code),
		n && err->msg[n - 1] == '\n' ? "" : "\n");
	return err->cannot ? CHOPPY_EXIT_CANNOT : STATUS_FAILED;
}

int out_refused(struct call *c, const struct choppy_err *err)
{
	int status = out_failed(c, err);

	return status == STATUS_FAILED && err->code == -EINVAL ? CHOPPY_EXIT_USAGE : status;
}

int out_no_memory(struct call *c)
{
	struct choppy_err err = { .code = -ENOMEM };

	return out_failed(c, &err);
}

void out_note(void *call, const char *line)
{
	struct call *c = call;

	fprintf(c->err, "choppy: %s\n", line);
}

void out_line(void *call, const char *line)
{
	struct call *c = call;

	fprintf(c->out, "%s\n", line);
}

void out_problem(void *call, const char *text)
{
	struct call *c = call;

	fprintf(c->err, "%s\n", text);
}

static bool plain_in_shell(const char *word)
{
	const char *p;

	for (p = word; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("%+,-./:=@_", *p))
			return false;
	return *word;
}

/* One word, quoted where a shell would take it apart. */
static size_t shell_word(char *buf, size_t size, const char *word)
{
	size_t n = 0;
	const char *p;

	if (plain_in_shell(word))
		return snprintf(buf, size, "%s", word);
#define PUT(s) (n += snprintf(n < size ? buf + n : NULL, n < size ? size - n : 0, "%s", (s)))
	PUT("'");
	for (p = word; *p; p++)
		PUT(*p == '\'' ? "'\\''" : ((char[]){ *p, '\0' }));
	PUT("'");
#undef PUT
	return n;
}

void out_shell_words(char *buf, size_t size, int n, const char *const *words)
{
	size_t at = 0;
	int i;

	buf[0] = '\0';
	for (i = 0; i < n; i++) {
		if (i && at + 1 < size)
			buf[at++] = ' ';
		at += shell_word(buf + at, size - at, words[i]);
		if (at + 1 >= size) {
			strcpy(buf + size - 4, "...");
			return;
		}
	}
}

void out_time(char *buf, size_t size, uint64_t ns)
{
	static const struct {
		double ns;
		const char *unit;
	} units[] = { { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" } };
	size_t i;

	for (i = 0; i < 3; i++)
		if ((double)ns >= units[i].ns) {
			snprintf(buf, size, "%.*f%s", (double)ns >= 10 * units[i].ns ? 0 : 1,
				 (double)ns / units[i].ns, units[i].unit);
			return;
		}
	snprintf(buf, size, "%" PRIu64 "ns", ns);
}

void out_wrapped(FILE *f, int column, const char *text)
{
	int at = column, n;

	while (*text) {
		if (*text == '\n') {
			fprintf(f, "\n%*s", text[1] == '\n' ? 0 : column, "");
			at = column;
			text++;
			continue;
		}
		n = (int)strcspn(text, " \n");
		if (at > column && at + 1 + n > COLUMNS) {
			fprintf(f, "\n%*s", column, "");
			at = column;
		}
		at += fprintf(f, "%s%.*s", at > column ? " " : "", n, text);
		text += n;
		text += strspn(text, " ");
	}
	fputc('\n', f);
}

void out_table(FILE *f, int ncols, int nrows, char *const *cells)
{
	int width, row, col, w, i;

	for (row = 0; row < nrows; row++) {
		for (col = 0; col < ncols; col++) {
			for (i = 0, width = 0; i < nrows; i++) {
				w = (int)strlen(cells[i * ncols + col]);
				if (w > width)
					width = w;
			}
			if (col == ncols - 1)
				width = 0;
			fprintf(f, "%-*s%s", width, cells[row * ncols + col],
				col < ncols - 1 ? "  " : "\n");
		}
	}
}

int out_utf8_len(const unsigned char *s)
{
	static const struct {
		unsigned char first, last; /* of the first byte */
		unsigned char low, high; /* of the second */
		int len;
	} rows[] = {
		{ 0x20, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	size_t i;
	int k;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (s[0] < rows[i].first || s[0] > rows[i].last)
			continue;
		if (rows[i].len > 1 && (s[1] < rows[i].low || s[1] > rows[i].high))
			return 0;
		for (k = 2; k < rows[i].len; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].len;
	}
	return 0;
}
