/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The JSON writer (RFC 8259). Numbers are written as whole numbers only: units
 * are chosen so that nothing needs a fraction.
 */
#include "json.h"

#include <inttypes.h>

int json_utf8_len(const unsigned char *s)
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

static void text(struct json *j, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	int n;

	fputc('"', j->f);
	while (*p) {
		n = json_utf8_len(p);
		if (*p == '"' || *p == '\\')
			fprintf(j->f, "\\%c", *p);
		else if (n)
			fwrite(p, 1, n, j->f);
		else if (*p < 0x20)
			fprintf(j->f, "\\u%04x", *p);
		else
			fputs("\xef\xbf\xbd", j->f);
		p += n ? n : 1;
	}
	fputc('"', j->f);
}

/* Comma, line break, indentation and key before a value. */
static void lead(struct json *j, const char *key)
{
	if (j->more)
		fputc(',', j->f);
	if (j->depth && !j->one_line)
		fprintf(j->f, "\n%*s", 2 * j->depth, "");
	else if (j->more)
		fputc(' ', j->f);
	j->more = true;
	if (key) {
		text(j, key);
		fputs(": ", j->f);
	}
}

static void begin(struct json *j, const char *key, char c)
{
	lead(j, key);
	fputc(c, j->f);
	j->depth++;
	j->more = false;
}

static void finish(struct json *j, char c)
{
	j->depth--;
	if (j->more && !j->one_line)
		fprintf(j->f, "\n%*s", 2 * j->depth, "");
	fputc(c, j->f);
	j->more = true;
}

void json_object(struct json *j, const char *key)
{
	begin(j, key, '{');
}

void json_object_end(struct json *j)
{
	finish(j, '}');
}

void json_array(struct json *j, const char *key)
{
	begin(j, key, '[');
}

void json_array_end(struct json *j)
{
	finish(j, ']');
}

void json_text(struct json *j, const char *key, const char *s)
{
	lead(j, key);
	text(j, s);
}

void json_text_or_null(struct json *j, const char *key, const char *s)
{
	if (s && *s) {
		json_text(j, key, s);
		return;
	}
	lead(j, key);
	fputs("null", j->f);
}

void json_u64(struct json *j, const char *key, uint64_t n)
{
	lead(j, key);
	fprintf(j->f, "%" PRIu64, n);
}

void json_i64(struct json *j, const char *key, int64_t n)
{
	lead(j, key);
	fprintf(j->f, "%" PRId64, n);
}

void json_bool(struct json *j, const char *key, bool b)
{
	lead(j, key);
	fputs(b ? "true" : "false", j->f);
}

void json_end(struct json *j)
{
	fputc('\n', j->f);
}
