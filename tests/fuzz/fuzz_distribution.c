/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target for distribution tables: what is accepted is 1 to 16384 numbers as strtol(3) reads
 * them, which, written out, read back to the same; what is refused leaves the output alone and
 * says where.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "distribution.h"
#include "fuzz.h"

static void check_accepted(const int16_t *table, uint32_t n)
{
	int32_t least = distribution_least(table, n);
	char *text = malloc((size_t)n * 8), *p = text;
	struct choppy_err err;
	const int16_t *again;
	uint32_t i, nagain;

	CHECK(n >= 1 && n <= DISTRIBUTION_MAX && text);
	for (i = 0; i < n; i++) {
		CHECK(table[i] >= least);
		p += sprintf(p, "%d\n", table[i]);
	}
	CHECK(distribution_parse("f", text, (size_t)(p - text), &again, &nagain, &err) == 0);
	CHECK(nagain == n && memcmp(again, table, n * sizeof(*table)) == 0);
	distribution_free(again);
	free(text);
}

/* The comments blanked, there are these numbers and nothing else. */
static void check_numbers(const int16_t *table, uint32_t n, const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *p = text;
	bool comment = false;
	size_t i;

	CHECK(text);
	for (i = 0; i < size; i++) {
		comment = data[i] == '#' || (comment && data[i] != '\n');
		text[i] = comment ? ' ' : (char)data[i];
	}
	text[size] = '\0';
	for (i = 0; i < n; i++)
		CHECK(strtol(p, &p, 10) == table[i]);
	CHECK(p[strspn(p, " \t\r\n\v\f")] == '\0');
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const int16_t *table = (const int16_t *)&data;
	struct choppy_err err;
	uint32_t n = 77;

	if (distribution_parse("f", (const char *)data, size, &table, &n, &err) == 0) {
		check_accepted(table, n);
		check_numbers(table, n, data, size);
		distribution_free(table);
	} else {
		CHECK(table == (const int16_t *)&data && n == 77);
		check_refused_file(&err, size);
	}
	return 0;
}
