/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "problems.h"

#include <stdio.h>
#include <string.h>

#define EXCERPT_MAX 160

/* The line of the file, cut where it is very long. */
static void excerpt(const char *text, size_t size, const struct place *at, char *buf, size_t room)
{
	const char *p = text, *end = text + size, *stop;
	int width = EXCERPT_MAX;

	for (int line = 1; p && line < at->line; line++) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : NULL;
	}
	buf[0] = '\0';
	if (!at->line || !p || p == end || at->column > EXCERPT_MAX)
		return;
	stop = memchr(p, '\n', (size_t)(end - p));
	if ((stop ? stop : end) - p < width)
		width = (int)((stop ? stop : end) - p);
	snprintf(buf, room, "\n  %.*s\n  %*s^", width, p, at->column - 1, "");
	for (char *c = buf + 1; *c; c++)
		if (*c != '\n' && ((unsigned char)*c < ' ' || *c == 0x7f))
			*c = ' ';
}

void problems_say(struct problems *p, const char *text)
{
	p->n++;
	p->tell(p->ctx, text);
}

void problems_add(struct problems *p, const char *text, size_t size, const struct place *at,
		  const char *fmt, va_list ap)
{
	char told[2048], shown[2 * EXCERPT_MAX + 32];
	int n = 0;

	excerpt(text, size, at, shown, sizeof(shown));
	n = at->line ? snprintf(told, sizeof(told), "%s:%d:%d: ", at->file, at->line, at->column)
		     : snprintf(told, sizeof(told), "%s: ", at->file);
	n += vsnprintf(told + n, sizeof(told) - (size_t)n, fmt, ap);
	if (n < (int)sizeof(told))
		snprintf(told + n, sizeof(told) - (size_t)n, "%s", shown);
	problems_say(p, told);
}
