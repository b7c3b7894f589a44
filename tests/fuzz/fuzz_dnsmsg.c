/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a query and as its reply. The input is split at its first byte's place; beyond
 * memory errors it checks what callers rely on: an error message fits, is a
 * response and answers the query it was made from.
 */
#include <stdlib.h>
#include <string.h>

#include "dnsmsg.h"
#include "fuzz.h"

static void check(const uint8_t *msg, size_t len)
{
	uint8_t error[DNSMSG_ERROR_MAX];
	int r = dnsmsg_query_check(msg, len);
	size_t n = dnsmsg_error(error, msg, len, DNSMSG_SERVFAIL);

	CHECK(n <= sizeof(error) && (n == 0) == (len < DNSMSG_HEADER));
	if (r < 0)
		return;
	CHECK(dnsmsg_answers(error, n, msg, len) && !dnsmsg_answers(msg, len, msg, len));
	CHECK(dnsmsg_rcode(error) == DNSMSG_SERVFAIL && dnsmsg_id(error) == dnsmsg_id(msg));
	CHECK(dnsmsg_query_check(error, n) < 0);
	if (r == 0)
		CHECK(dnsmsg_same_question(msg, len, error, n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t split;
	uint8_t *a, *b;

	if (!size)
		return 0;
	split = data[0] < size ? data[0] : size - 1;
	/* Copies of the exact size, so that a read past the end is seen. */
	a = malloc(split ? split : 1);
	b = malloc(size - 1 - split ? size - 1 - split : 1);
	if (a && b) {
		memcpy(a, data + 1, split);
		memcpy(b, data + 1 + split, size - 1 - split);
		check(a, split);
		check(b, size - 1 - split);
		dnsmsg_answers(a, split, b, size - 1 - split);
		dnsmsg_same_question(a, split, b, size - 1 - split);
	}
	free(a);
	free(b);
	return 0;
}
