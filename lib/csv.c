/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "csv.h"

#include <ctype.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct span trim(struct span s)
{
	while (s.p < s.end && is_blank(*s.p))
		s.p++;
	while (s.end > s.p && is_blank(s.end[-1]))
		s.end--;
	return s;
}

struct span csv_line(const struct textfile *t, const char **p)
{
	const char *end = t->text + t->len;
	struct span s = { *p, memchr(*p, '\n', (size_t)(end - *p)) };

	if (!s.end)
		s.end = end;
	*p = s.end < end ? s.end + 1 : end;
	return s;
}

static struct span without_comment(struct span s)
{
	const char *hash = memchr(s.p, '#', (size_t)(s.end - s.p));

	if (hash)
		s.end = hash;
	return trim(s);
}

bool csv_row(const struct textfile *t, const char **p, struct span *ret)
{
	while (*p < t->text + t->len) {
		*ret = without_comment(csv_line(t, p));
		if (ret->p < ret->end)
			return true;
	}
	return false;
}

struct span csv_cell(struct span *row, bool *more)
{
	const char *comma = memchr(row->p, ',', (size_t)(row->end - row->p));
	struct span s = { row->p, comma ? comma : row->end };

	*more = comma;
	row->p = comma ? comma + 1 : row->end;
	return trim(s);
}

bool csv_copy(char ret[CELL_MAX], struct span cell)
{
	size_t n = (size_t)(cell.end - cell.p);

	if (n >= CELL_MAX)
		return false;
	memcpy(ret, cell.p, n);
	ret[n] = '\0';
	return true;
}

/* ------------------------------------------------------------------- units */

/* A unit of digits would be more digits of each number. */
static bool is_unit(const char *s)
{
	return !isdigit((unsigned char)*s) && *s != '.';
}

const char *csv_cut_unit(char *head)
{
	size_t n = strlen(head);
	bool bracket = n && head[n - 1] == ')';
	char *cut = bracket ? strchr(head, '(') : strrchr(head, '_'), *unit;

	if (!cut || !is_unit(cut + 1))
		return NULL;
	unit = cut + 1;
	if (bracket)
		head[n - 1] = '\0';
	while (bracket && cut > head && is_blank(cut[-1]))
		cut--;
	*cut = '\0';
	return unit;
}

bool csv_add_unit(char text[2 * CELL_MAX], const char *unit)
{
	size_t n = strlen(text);

	if (!*unit)
		return true;
	if (!n || (!isdigit((unsigned char)text[n - 1]) && text[n - 1] != '.'))
		return false;
	memcpy(text + n, unit, strlen(unit) + 1);
	return true;
}
