/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages by hand: what a forwarder may pass, what counts as an answer, what it says itself. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dnsmsg.h"
#include "util.h"

#define HEADER(id, f1, f2, qd, an, ns, ar)                                                         \
	(id) >> 8, (id)&0xff, (f1), (f2), 0, (qd), 0, (an), 0, (ns), 0, (ar)
#define NAME 1, 'a', 4, 't', 'e', 's', 't', 0
#define NAME_UPPER 1, 'A', 4, 'T', 'e', 'S', 't', 0
#define NAME_OTHER 1, 'b', 4, 't', 'e', 's', 't', 0
#define TYPE_A 0, 1, 0, 1
#define TYPE_AAAA 0, 28, 0, 1
#define OPT 0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0

static const uint8_t query[] = { HEADER(0x1234, 1, 0x10, 1, 0, 0, 0), NAME, TYPE_A };
static const uint8_t query_opt[] = { HEADER(0x1234, 1, 0, 1, 0, 0, 1), NAME, TYPE_A, OPT };

struct message {
	const char *what;
	int want;
	size_t len;
	uint8_t bytes[40];
};

#define MESSAGE(what, want, ...)                                                                   \
	{                                                                                          \
		what, want, sizeof((uint8_t[]){ __VA_ARGS__ }),                                    \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

static void test_query_check(void **state)
{
	static const struct message table[] = {
		MESSAGE("plain", 0, HEADER(1, 1, 0, 1, 0, 0, 0), NAME, TYPE_A),
		MESSAGE("root", 0, HEADER(1, 1, 0, 1, 0, 0, 0), 0, TYPE_A),
		MESSAGE("with OPT", 0, HEADER(1, 1, 0, 1, 0, 0, 1), NAME, TYPE_A, OPT),
		MESSAGE("short", -EBADMSG, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0),
		MESSAGE("response", -EBADMSG, HEADER(1, 0x81, 0, 1, 0, 0, 0), NAME, TYPE_A),
		MESSAGE("notify", DNSMSG_NOTIMP, HEADER(1, 4 << 3, 0, 1, 0, 0, 0), NAME, TYPE_A),
		MESSAGE("no question", DNSMSG_FORMERR, HEADER(1, 1, 0, 0, 0, 0, 0)),
		MESSAGE("two questions", DNSMSG_FORMERR, HEADER(1, 1, 0, 2, 0, 0, 0), NAME, TYPE_A,
			NAME, TYPE_A),
		MESSAGE("cut name", DNSMSG_FORMERR, HEADER(1, 1, 0, 1, 0, 0, 0), 4, 't', 'e'),
		MESSAGE("cut type", DNSMSG_FORMERR, HEADER(1, 1, 0, 1, 0, 0, 0), NAME, 0, 1, 0),
		MESSAGE("pointer", DNSMSG_FORMERR, HEADER(1, 1, 0, 1, 0, 0, 0), 0xc0, 12, TYPE_A),
		MESSAGE("label type", DNSMSG_FORMERR, HEADER(1, 1, 0, 1, 0, 0, 0), 0x41, 'a', 0,
			TYPE_A),
		MESSAGE("AXFR", DNSMSG_NOTIMP, HEADER(1, 0, 0, 1, 0, 0, 0), NAME, 0, 252, 0, 1),
		MESSAGE("IXFR", DNSMSG_NOTIMP, HEADER(1, 0, 0, 1, 0, 0, 0), NAME, 0, 251, 0, 1),
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		int r = dnsmsg_query_check(table[i].bytes, table[i].len);

		if (r != table[i].want)
			fail_msg("%s: %d, not %d", table[i].what, r, table[i].want);
	}
}

/* A name has 255 bytes at most, its length bytes included. */
static void test_long_names(void **state)
{
	uint8_t msg[400] = { HEADER(1, 1, 0, 1, 0, 0, 0) };
	int i;

	for (i = 0; i < 4; i++) {
		msg[12 + i * 63] = 62;
		memset(msg + 13 + i * 63, 'x', 62);
	}
	/* 4 × 63 = 252 bytes; one label of one byte and the end make 255. */
	memcpy(msg + 264, (uint8_t[]){ 1, 'x', 0, TYPE_A }, 7);
	assert_int_equal(dnsmsg_query_check(msg, 271), 0);
	memcpy(msg + 264, (uint8_t[]){ 2, 'x', 'x', 0, TYPE_A }, 8);
	assert_int_equal(dnsmsg_query_check(msg, 272), DNSMSG_FORMERR);
}

static void test_id(void **state)
{
	uint8_t msg[sizeof(query)];

	memcpy(msg, query, sizeof(msg));
	assert_int_equal(dnsmsg_id(msg), 0x1234);
	dnsmsg_set_id(msg, 0xfe01);
	assert_int_equal(dnsmsg_id(msg), 0xfe01);
	assert_memory_equal(msg + 2, query + 2, sizeof(msg) - 2);
}

static void test_answers(void **state)
{
	static const struct message table[] = {
		MESSAGE("the answer", 1, HEADER(0x1234, 0x81, 0x80, 1, 0, 0, 0), NAME, TYPE_A),
		MESSAGE("other case", 1, HEADER(0x1234, 0x81, 0x80, 1, 0, 0, 0), NAME_UPPER,
			TYPE_A),
		MESSAGE("refused, no question", 1, HEADER(0x1234, 0x81, 5, 0, 0, 0, 0)),
		MESSAGE("answer, no question", 0, HEADER(0x1234, 0x81, 0, 0, 0, 0, 0)),
		MESSAGE("denial, no question", 0, HEADER(0x1234, 0x81, 3, 0, 0, 0, 0)),
		MESSAGE("wrong id", 0, HEADER(0x1235, 0x81, 0x80, 1, 0, 0, 0), NAME, TYPE_A),
		MESSAGE("not a response", 0, HEADER(0x1234, 1, 0x80, 1, 0, 0, 0), NAME, TYPE_A),
		MESSAGE("wrong opcode", 0, HEADER(0x1234, 0xa1, 0x80, 1, 0, 0, 0), NAME, TYPE_A),
		MESSAGE("wrong name", 0, HEADER(0x1234, 0x81, 0, 1, 0, 0, 0), NAME_OTHER, TYPE_A),
		MESSAGE("wrong type", 0, HEADER(0x1234, 0x81, 0, 1, 0, 0, 0), NAME, TYPE_AAAA),
		MESSAGE("cut", 0, HEADER(0x1234, 0x81, 0, 1, 0, 0, 0), NAME, 0, 1, 0),
		MESSAGE("short", 0, 0x12, 0x34, 0x81),
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		int r = dnsmsg_answers(table[i].bytes, table[i].len, query, sizeof(query));

		if (r != table[i].want)
			fail_msg("%s: %d, not %d", table[i].what, r, table[i].want);
	}
}

static void test_error(void **state)
{
	static const uint8_t plain[] = { HEADER(0x1234, 0x81, 0x92, 1, 0, 0, 0), NAME, TYPE_A };
	static const uint8_t opt[] = { HEADER(0x1234, 0x81, 0x82, 1, 0, 0, 1),
				       NAME,
				       TYPE_A,
				       0,
				       0,
				       41,
				       0x04,
				       0xd0,
				       0,
				       0,
				       0,
				       0,
				       0,
				       0 };
	static const uint8_t broken[] = { HEADER(0x1234, 1, 0, 1, 0, 0, 0), 9, 'a' };
	static const uint8_t bare[] = { HEADER(0x1234, 0x81, 0x81, 0, 0, 0, 0) };
	uint8_t msg[DNSMSG_ERROR_MAX];

	assert_int_equal(dnsmsg_error(msg, query, sizeof(query), DNSMSG_SERVFAIL), sizeof(plain));
	assert_memory_equal(msg, plain, sizeof(plain));
	assert_int_equal(dnsmsg_error(msg, query_opt, sizeof(query_opt), DNSMSG_SERVFAIL),
			 sizeof(opt));
	assert_memory_equal(msg, opt, sizeof(opt));
	assert_int_equal(dnsmsg_error(msg, broken, sizeof(broken), DNSMSG_FORMERR), sizeof(bare));
	assert_memory_equal(msg, bare, sizeof(bare));
	assert_int_equal(dnsmsg_error(msg, query, 11, DNSMSG_SERVFAIL), 0);
}

/* An OPT that is not where records say it is, is none. */
static void test_error_broken_opt(void **state)
{
	uint8_t msg[DNSMSG_ERROR_MAX];
	size_t len;

	for (len = sizeof(query); len < sizeof(query_opt); len++)
		assert_int_equal(dnsmsg_error(msg, query_opt, len, DNSMSG_SERVFAIL), sizeof(query));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query_check), cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_id),	    cmocka_unit_test(test_answers),
		cmocka_unit_test(test_error),	    cmocka_unit_test(test_error_broken_opt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
