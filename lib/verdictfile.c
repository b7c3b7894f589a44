/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "verdictfile.h"

#include "err.h"
#include "util.h"
#include "value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LINE_ROOM 1024 /* a verdict needs a quarter of it; the rest is for remarks */

struct load {
	const char *path;
	bool by_flow;
	uint32_t line;
	struct verdict *v;
	size_t n, room;
	struct choppy_err *err;
};

static int check_first(const struct load *l, const char *line)
{
	static const char first[] = VERDICT_FIRST_LINE;
	size_t n = sizeof(first) - 2; /* up to the version */
	char shown[WORD_BYTES];

	if (strcmp(line, first) == 0)
		return 0;
	if (strncmp(line, first, n) != 0)
		return err_set(l->err, -EINVAL,
			       "%s:1:1: not a file of verdicts, whose first line is '%s'", l->path,
			       first);
	word_shown(shown, line + n);
	return err_set(l->err, -EINVAL,
		       "%s:1:%zu: verdicts of version '%s': this is choppy %s, "
		       "which reads version %s",
		       l->path, n + 1, shown, CHOPPY_VERSION, &first[n]);
}

/* Where column @i of a line that was parsed begins. */
static size_t column_of(const char *line, int i)
{
	const char *p = line;

	while (i--)
		p = strchr(p, ' ') + 1;
	return (size_t)(p - line) + 1;
}

static int check_found(const struct load *l, const struct verdict *v, const char *line)
{
	if (l->by_flow && !v->in_flow)
		return err_set(l->err, -EINVAL,
			       "%s:%u:%zu: no flow, and a replay by flow finds packets by it",
			       l->path, l->line, column_of(line, 3));
	if (!l->by_flow && !v->packet)
		return err_set(
			l->err, -EINVAL,
			"%s:%u:%zu: no packet number, and only a replay by flow does without",
			l->path, l->line, column_of(line, 2));
	return 0;
}

static int add(struct load *l, const struct verdict *v)
{
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct verdict *more = reallocarray(l->v, room, sizeof(*more));

		if (!more)
			return err_set(l->err, -ENOMEM, "%s: no memory for more than %zu verdicts",
				       l->path, l->n);
		l->v = more;
		l->room = room;
	}
	l->v[l->n++] = *v;
	return 0;
}

/* @line has @len bytes, its newline apart. */
static int read_line(struct load *l, const char *line, size_t len)
{
	struct verdict_error why;
	struct verdict v;
	int r;

	l->line++;
	if (strlen(line) != len)
		return err_set(l->err, -EINVAL, "%s:%u:%zu: a NUL byte: this is no text", l->path,
			       l->line, strlen(line) + 1);
	if (l->line == 1)
		return check_first(l, line);
	r = verdict_parse(&v, NULL, line, &why);
	if (r < 0)
		return err_set(l->err, r, "%s:%u:%u: %s", l->path, l->line, why.column, why.why);
	if (r > 0)
		return 0;
	r = check_found(l, &v, line);
	if (r < 0)
		return r;
	v.line = l->line;
	return add(l, &v);
}

/* The next line, without its newline; its length, or -1 at the end. */
static ssize_t next_line(FILE *file, char line[LINE_ROOM])
{
	size_t n = 0;
	int c;

	while ((c = getc_unlocked(file)) != EOF && c != '\n' && n < LINE_ROOM - 1)
		line[n++] = (char)c;
	if (c != EOF && c != '\n')
		ungetc(c, file);
	line[n] = '\0';
	return c == EOF && !n ? -1 : (ssize_t)n;
}

static int read_lines(struct load *l, FILE *file)
{
	char line[LINE_ROOM];
	size_t bytes = 0;
	ssize_t len;
	int r = 0;

	while (r == 0 && (len = next_line(file, line)) >= 0) {
		bytes += (size_t)len + 1;
		if (len == LINE_ROOM - 1)
			return err_set(l->err, -EINVAL,
				       "%s:%u:%d: the line goes on: %d bytes at most", l->path,
				       l->line + 1, LINE_ROOM - 1, LINE_ROOM - 2);
		if (bytes > VERDICTS_FILE_MAX)
			return err_set(l->err, -EFBIG, "%s:%u: more than %u MB of verdicts",
				       l->path, l->line + 1, VERDICTS_FILE_MAX >> 20);
		r = read_line(l, line, (size_t)len);
	}
	if (r == 0 && ferror(file))
		return err_sys(l->err, -errno, "%s", l->path);
	return r == 0 && !l->line ? check_first(l, "") : r;
}

static int contradiction(const struct load *l, const struct verdict *a, const struct verdict *b)
{
	if (a->kind == b->kind)
		return err_set(l->err, -EINVAL, "%s:%u:1: the packet is %s on line %u already",
			       l->path, b->line, verdict_name(b->kind), a->line);
	return err_set(l->err, -EINVAL, "%s:%u:1: the packet is %s, but on line %u it is %s",
		       l->path, b->line, verdict_name(b->kind), a->line, verdict_name(a->kind));
}

/* Verdicts of one packet stand together, and there are no more of them than kinds. */
static int check_contradictions(const struct load *l)
{
	for (size_t i = 0; i < l->n; i++)
		for (size_t k = i + 1; k < l->n; k++) {
			if (!verdict_same_packet(&l->v[i], &l->v[k], l->by_flow))
				break;
			if (verdict_contradicts(&l->v[i], &l->v[k]))
				return contradiction(l, &l->v[i], &l->v[k]);
		}
	return 0;
}

int verdicts_load(const char *path, bool by_flow, struct verdict **ret, size_t *n,
		  struct choppy_err *err)
{
	struct load l = { .path = path, .by_flow = by_flow, .err = err };
	FILE *file = fopen(path, "re");
	int r;

	if (!file)
		return err_sys(err, -errno, "%s", path);
	r = read_lines(&l, file);
	fclose(file);
	if (r == 0) {
		verdict_sort(l.v, l.n, by_flow);
		r = check_contradictions(&l);
	}
	if (r < 0) {
		free(l.v);
		return r;
	}
	*ret = l.v;
	*n = l.n;
	return 0;
}
