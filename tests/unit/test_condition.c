/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The condition model: what is accepted and how it prints, what is refused and
 * with which exact words, merging, checking, and print -> parse for random states.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "choppy.h"
#include "random_change.h"
#include "value.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WORDS_MAX 4096
#define BYTES_MAX 65536
#define SEC 1000000000ull

/*
 * Split @line as a shell does or, without quotes in it, at single spaces (two in a row: an empty
 * word).
 */
static int split(const char *words[WORDS_MAX], char *buf, const char *line)
{
	char *p = buf, *word;
	int n = 0;

	if (strpbrk(line, "'\""))
		return choppy_words_split(buf, words, line);
	strcpy(buf, line);
	while ((word = strsep(&p, " ")) && (n || *word || p))
		words[n++] = word;
	return n;
}

static int parse(struct choppy_change *ret, const char *line, bool for_change,
		 struct choppy_err *err)
{
	const char *words[WORDS_MAX];
	char buf[BYTES_MAX];

	assert_true(strlen(line) < sizeof(buf));
	return choppy_change_parse(ret, split(words, buf, line), words, for_change, err);
}

static int parse_whole(struct choppy_condition dir[CHOPPY_NDIRS], struct choppy_rules *rules,
		       const char *line, struct choppy_err *err)
{
	const char *words[WORDS_MAX];
	char buf[BYTES_MAX];

	assert_true(strlen(line) < sizeof(buf));
	return choppy_condition_parse(dir, rules, split(words, buf, line), words, err);
}

/* ------------------------------------------------------------------ values */

#define BIT(f) CHOPPY_FIELD_BIT(CHOPPY_##f)

static uint64_t value_n(const struct choppy_condition *c, int field)
{
	uint64_t n;

	memcpy(&n, (const char *)c + choppy_fields()[field].offset, sizeof(n));
	return n;
}

static const struct {
	const char *words;
	enum choppy_field field;
	uint64_t n;
	const char *printed; /* the whole clause */
	enum choppy_unit unit;
} values[] = {
	{ "delay 0ns", CHOPPY_DELAY, 0, "delay 0ns", 0 },
	{ "delay 1ns", CHOPPY_DELAY, 1, "delay 1ns", 0 },
	{ "delay 1nsec", CHOPPY_DELAY, 1, "delay 1ns", 0 },
	{ "delay 2nsecs", CHOPPY_DELAY, 2, "delay 2ns", 0 },
	{ "delay 3us", CHOPPY_DELAY, 3000, "delay 3us", 0 },
	{ "delay 3usec", CHOPPY_DELAY, 3000, "delay 3us", 0 },
	{ "delay 3usecs", CHOPPY_DELAY, 3000, "delay 3us", 0 },
	{ "delay 3\u00b5s", CHOPPY_DELAY, 3000, "delay 3us", 0 },
	{ "delay 3\u03bcs", CHOPPY_DELAY, 3000, "delay 3us", 0 },
	{ "delay 50ms", CHOPPY_DELAY, 50000000, "delay 50ms", 0 },
	{ "delay 50msec", CHOPPY_DELAY, 50000000, "delay 50ms", 0 },
	{ "delay 50msecs", CHOPPY_DELAY, 50000000, "delay 50ms", 0 },
	{ "delay 50MS", CHOPPY_DELAY, 50000000, "delay 50ms", 0 },
	{ "delay 2s", CHOPPY_DELAY, 2 * SEC, "delay 2s", 0 },
	{ "delay 2sec", CHOPPY_DELAY, 2 * SEC, "delay 2s", 0 },
	{ "delay 2secs", CHOPPY_DELAY, 2 * SEC, "delay 2s", 0 },
	{ "delay 3600s", CHOPPY_DELAY, 3600 * SEC, "delay 3600s", 0 },
	{ "delay 1.5ms", CHOPPY_DELAY, 1500000, "delay 1.5ms", 0 },
	{ "delay .5ms", CHOPPY_DELAY, 500000, "delay 500us", 0 },
	{ "delay 0.05s", CHOPPY_DELAY, 50000000, "delay 50ms", 0 },
	{ "delay 1500ms", CHOPPY_DELAY, 1500000000, "delay 1.5s", 0 },
	{ "delay 0.000000001s", CHOPPY_DELAY, 1, "delay 1ns", 0 },
	{ "delay 1.2345678s", CHOPPY_DELAY, 1234567800, "delay 1234567.8us", 0 },
	{ "delay 1.000000001s", CHOPPY_DELAY, 1000000001, "delay 1000000.001us", 0 },
	{ "delay 007ms", CHOPPY_DELAY, 7000000, "delay 7ms", 0 },
	{ "delay 2.00000000000000000000000000000000ns", CHOPPY_DELAY, 2, "delay 2ns", 0 },
	{ "delay 000000000000000000000000000000001ns", CHOPPY_DELAY, 1, "delay 1ns", 0 },
	{ "loss 0%", CHOPPY_LOSS, 0, "loss 0%", 0 },
	{ "loss 0.0000001%", CHOPPY_LOSS, 1, "loss 0.0000001%", 0 },
	{ "loss 0.001%", CHOPPY_LOSS, 10000, "loss 0.001%", 0 },
	{ "loss 0.1%", CHOPPY_LOSS, 1000000, "loss 0.1%", 0 },
	{ "loss 12.3456789%", CHOPPY_LOSS, 123456789, "loss 12.3456789%", 0 },
	{ "loss 30%", CHOPPY_LOSS, 300000000, "loss 30%", 0 },
	{ "loss 100%", CHOPPY_LOSS, 1000000000, "loss 100%", 0 },
	{ "rate 8bit", CHOPPY_RATE, 8, "rate 8bit", 0 },
	{ "rate 64kbit", CHOPPY_RATE, 64000, "rate 64kbit", 0 },
	{ "rate 20mbit", CHOPPY_RATE, 20000000, "rate 20mbit", 0 },
	{ "rate 20Mbit", CHOPPY_RATE, 20000000, "rate 20mbit", 0 },
	{ "rate 2.5gbit", CHOPPY_RATE, 2500000000, "rate 2.5gbit", 0 },
	{ "rate 1tbit", CHOPPY_RATE, 1000000000000, "rate 1tbit", 0 },
	{ "rate 1000gbit", CHOPPY_RATE, 1000000000000, "rate 1tbit", 0 },
	{ "rate 1kibit", CHOPPY_RATE, 1024, "rate 1.024kbit", 0 },
	{ "rate 1mibit", CHOPPY_RATE, 1048576, "rate 1048.576kbit", 0 },
	{ "rate 1gibit", CHOPPY_RATE, 1073741824, "rate 1073741.824kbit", 0 },
	{ "rate 0.5tibit", CHOPPY_RATE, 549755813888, "rate 549755813.888kbit", 0 },
	{ "rate 1234567bit", CHOPPY_RATE, 1234567, "rate 1234.567kbit", 0 },
	{ "limit 1p", CHOPPY_LIMIT, 1, "limit 1packet", CHOPPY_PACKETS },
	{ "limit 2pkt", CHOPPY_LIMIT, 2, "limit 2packets", CHOPPY_PACKETS },
	{ "limit 2pkts", CHOPPY_LIMIT, 2, "limit 2packets", CHOPPY_PACKETS },
	{ "limit 2packet", CHOPPY_LIMIT, 2, "limit 2packets", CHOPPY_PACKETS },
	{ "limit 2.0packets", CHOPPY_LIMIT, 2, "limit 2packets", CHOPPY_PACKETS },
	{ "limit 10000000p", CHOPPY_LIMIT, 10000000, "limit 10000000packets", CHOPPY_PACKETS },
	{ "limit 1b", CHOPPY_LIMIT, 1, "limit 1byte", CHOPPY_BYTES },
	{ "limit 1byte", CHOPPY_LIMIT, 1, "limit 1byte", CHOPPY_BYTES },
	{ "limit 1000bytes", CHOPPY_LIMIT, 1000, "limit 1000bytes", CHOPPY_BYTES },
	{ "limit 64kb", CHOPPY_LIMIT, 65536, "limit 64kb", CHOPPY_BYTES },
	{ "limit 64KiB", CHOPPY_LIMIT, 65536, "limit 64kb", CHOPPY_BYTES },
	{ "limit 64k", CHOPPY_LIMIT, 65536, "limit 64kb", CHOPPY_BYTES },
	{ "limit 1536b", CHOPPY_LIMIT, 1536, "limit 1.5kb", CHOPPY_BYTES },
	{ "limit 3mb", CHOPPY_LIMIT, 3 << 20, "limit 3mb", CHOPPY_BYTES },
	{ "limit 3mib", CHOPPY_LIMIT, 3 << 20, "limit 3mb", CHOPPY_BYTES },
	{ "limit 3m", CHOPPY_LIMIT, 3 << 20, "limit 3mb", CHOPPY_BYTES },
	{ "limit 64gb", CHOPPY_LIMIT, 64ull << 30, "limit 64gb", CHOPPY_BYTES },
	{ "limit 1gib", CHOPPY_LIMIT, 1 << 30, "limit 1gb", CHOPPY_BYTES },
	{ "limit 1g", CHOPPY_LIMIT, 1 << 30, "limit 1gb", CHOPPY_BYTES },
	{ "limit 50ms", CHOPPY_LIMIT, 50000000, "limit 50ms", CHOPPY_NANOSECONDS },
	{ "limit 1.5s", CHOPPY_LIMIT, 1500000000, "limit 1.5s", CHOPPY_NANOSECONDS },
	{ "limit 1ns", CHOPPY_LIMIT, 1, "limit 1ns", CHOPPY_NANOSECONDS },
	{ "limit 3600s", CHOPPY_LIMIT, 3600 * SEC, "limit 3600s", CHOPPY_NANOSECONDS },
	{ "loss random 5%", CHOPPY_LOSS, 50000000, "loss 5%", 0 },
	{ "loss every 10", CHOPPY_LOSS_EVERY, 10, "loss every 10", 0 },
	{ "loss every 4294967295", CHOPPY_LOSS_EVERY, 4294967295, "loss every 4294967295", 0 },
	{ "loss gemodel 1%", CHOPPY_GE_P, 10000000, "loss gemodel 1%", 0 },
	{ "loss state 1%", CHOPPY_STATE_P13, 10000000, "loss state 1%", 0 },
	{ "duplicate 1%", CHOPPY_DUPLICATE, 10000000, "duplicate 1%", 0 },
	{ "corrupt 1%", CHOPPY_CORRUPT, 10000000, "corrupt 1%", 0 },
	{ "reorder 25%", CHOPPY_REORDER, 250000000, "reorder 25%", 0 },
	{ "reorder jitter", CHOPPY_REORDER_JITTER, 1, "reorder jitter", 0 },
	{ "queue tail", CHOPPY_QUEUE, CHOPPY_QUEUE_TAIL, "queue tail", 0 },
	{ "queue head", CHOPPY_QUEUE, CHOPPY_QUEUE_HEAD, "queue head", 0 },
	{ "queue codel", CHOPPY_QUEUE, CHOPPY_QUEUE_CODEL, "queue codel", 0 },
	{ "queue fq_codel", CHOPPY_QUEUE, CHOPPY_QUEUE_FQ_CODEL, "queue fq_codel", 0 },
	{ "queue pie", CHOPPY_QUEUE, CHOPPY_QUEUE_PIE, "queue pie", 0 },
	{ "queue red", CHOPPY_QUEUE, CHOPPY_QUEUE_RED, "queue red", 0 },
	{ "ecn", CHOPPY_ECN, 1, "ecn", 0 },
	{ "slot 5ms", CHOPPY_SLOT, 5000000, "slot 5ms", 0 },
	{ "outage", CHOPPY_OUTAGE, 1, "outage", 0 },
	{ "reject", CHOPPY_REJECT, CHOPPY_REJECT_UNREACHABLE, "reject unreachable", 0 },
	{ "reject unreachable", CHOPPY_REJECT, CHOPPY_REJECT_UNREACHABLE, "reject unreachable", 0 },
	{ "reject prohibited", CHOPPY_REJECT, CHOPPY_REJECT_PROHIBITED, "reject prohibited", 0 },
	{ "reject reset", CHOPPY_REJECT, CHOPPY_REJECT_RESET, "reject reset", 0 },
	{ "mtu 68", CHOPPY_MTU, 68, "mtu 68", 0 },
	{ "mtu 01400.0", CHOPPY_MTU, 1400, "mtu 1400", 0 },
};

/* The second and later fields of a clause, with the opener's share of the set bits. */
static const struct {
	const char *words;
	enum choppy_field field;
	uint64_t n;
	uint64_t others;
} further_values[] = {
	{ "delay 50ms 10ms 25%", CHOPPY_DELAY_CORRELATION, 250000000, BIT(DELAY) | BIT(JITTER) },
	{ "loss 2% 25%", CHOPPY_LOSS_CORRELATION, 250000000, BIT(LOSS) },
	{ "loss 2% burst 5", CHOPPY_LOSS_BURST, 5000000, BIT(LOSS) },
	{ "loss 2% burst 2.5", CHOPPY_LOSS_BURST, 2500000, BIT(LOSS) },
	{ "loss 2% burst 1.000001", CHOPPY_LOSS_BURST, 1000001, BIT(LOSS) },
	{ "loss 2% burst 1000000", CHOPPY_LOSS_BURST, 1000000000000, BIT(LOSS) },
	{ "loss gemodel 1% 10%", CHOPPY_GE_R, 100000000, BIT(GE_P) },
	{ "loss gemodel 1% 10% 70%", CHOPPY_GE_BAD, 700000000, BIT(GE_P) | BIT(GE_R) },
	{ "loss gemodel 1% 10% 70% 0.1%", CHOPPY_GE_GOOD, 1000000,
	  BIT(GE_P) | BIT(GE_R) | BIT(GE_BAD) },
	{ "loss state 1% 2% 3% 4% 5%", CHOPPY_STATE_P14, 50000000,
	  BIT(STATE_P13) | BIT(STATE_P31) | BIT(STATE_P32) | BIT(STATE_P23) },
	{ "duplicate 1% 25%", CHOPPY_DUPLICATE_CORRELATION, 250000000, BIT(DUPLICATE) },
	{ "corrupt 1% 25%", CHOPPY_CORRUPT_CORRELATION, 250000000, BIT(CORRUPT) },
	{ "corrupt 1% fix", CHOPPY_CORRUPT_FIX, 1, BIT(CORRUPT) },
	{ "reorder 25% 50%", CHOPPY_REORDER_CORRELATION, 500000000, BIT(REORDER) },
	{ "reorder 25% gap 5", CHOPPY_REORDER_GAP, 5, BIT(REORDER) },
	{ "reorder 1% by 3", CHOPPY_REORDER_BY, 3, BIT(REORDER) },
	{ "reorder 1% by 3 within 50ms", CHOPPY_REORDER_WITHIN, 50000000,
	  BIT(REORDER) | BIT(REORDER_BY) },
	{ "rate 10mbit burst 64kb", CHOPPY_RATE_BURST, 65536, BIT(RATE) },
	{ "rate 10mbit burst 1byte", CHOPPY_RATE_BURST, 1, BIT(RATE) },
	{ "overhead 18bytes cells 53bytes", CHOPPY_CELL_SIZE, 53, BIT(OVERHEAD) },
	{ "overhead 18bytes cells 48bytes 5bytes", CHOPPY_CELL_OVERHEAD, 5,
	  BIT(OVERHEAD) | BIT(CELL_SIZE) },
	{ "queue codel target 5ms", CHOPPY_QUEUE_TARGET, 5000000, BIT(QUEUE) },
	{ "queue codel interval 100ms", CHOPPY_QUEUE_INTERVAL, 100000000, BIT(QUEUE) },
	{ "queue pie tupdate 15ms", CHOPPY_QUEUE_TUPDATE, 15000000, BIT(QUEUE) },
	{ "queue fq_codel flows 1024", CHOPPY_QUEUE_FLOWS, 1024, BIT(QUEUE) },
	{ "queue fq_codel quantum 1514bytes", CHOPPY_QUEUE_QUANTUM, 1514, BIT(QUEUE) },
	{ "queue red min 30kb", CHOPPY_QUEUE_MIN, 30720, BIT(QUEUE) },
	{ "queue red max 90kb", CHOPPY_QUEUE_MAX, 92160, BIT(QUEUE) },
	{ "queue red probability 2%", CHOPPY_QUEUE_PROBABILITY, 20000000, BIT(QUEUE) },
	{ "slot 5ms 10ms", CHOPPY_SLOT_MAX, 10000000, BIT(SLOT) },
	{ "slot distribution pareto 10ms", CHOPPY_SLOT_DELAY, 10000000, BIT(SLOT_DISTRIBUTION) },
	{ "slot distribution pareto 10ms 2ms", CHOPPY_SLOT_JITTER, 2000000,
	  BIT(SLOT_DISTRIBUTION) | BIT(SLOT_DELAY) },
	{ "slot 5ms packets 10", CHOPPY_SLOT_PACKETS, 10, BIT(SLOT) },
	{ "slot 5ms bytes 10kb", CHOPPY_SLOT_BYTES, 10240, BIT(SLOT) },
	{ "trace leo then hold", CHOPPY_TRACE_END, CHOPPY_TRACE_HOLD, BIT(TRACE) },
	{ "trace leo then loop", CHOPPY_TRACE_END, CHOPPY_TRACE_LOOP, BIT(TRACE) },
	{ "trace leo then stop", CHOPPY_TRACE_END, CHOPPY_TRACE_STOP, BIT(TRACE) },
	{ "trace leo from now", CHOPPY_TRACE_START, CHOPPY_TRACE_AT_ONCE, BIT(TRACE) },
	{ "trace leo from first-packet", CHOPPY_TRACE_START, CHOPPY_TRACE_FIRST_PACKET,
	  BIT(TRACE) },
	{ "mtu 1400 silent", CHOPPY_MTU_SILENT, 1, BIT(MTU) },
};

static void test_values_are_exact(void **state)
{
	size_t i;

	for (i = 0; i < COUNT(values); i++) {
		struct choppy_change c;
		struct choppy_err err;
		char text[128];
		int d, n;

		if (parse(&c, values[i].words, false, &err) < 0)
			fail_msg("%s: %s", values[i].words, err.msg);
		for (d = 0; d < CHOPPY_NDIRS; d++) {
			assert_int_equal(c.dir[d].set, CHOPPY_FIELD_BIT(values[i].field));
			assert_int_equal(value_n(&c.dir[d], values[i].field), values[i].n);
			assert_int_equal(c.dir[d].limit.unit, values[i].unit);
			assert_false(c.clear[d]);
		}
		n = choppy_condition_print(text, sizeof(text), &c.dir[0]);
		assert_string_equal(text, values[i].printed);
		assert_int_equal(n, strlen(text));
	}
}

static void test_further_values_are_exact(void **state)
{
	size_t i;

	for (i = 0; i < COUNT(further_values); i++) {
		struct choppy_change c;
		struct choppy_err err;
		char text[128];

		if (parse(&c, further_values[i].words, false, &err) < 0)
			fail_msg("%s: %s", further_values[i].words, err.msg);
		assert_true(c.dir[0].set ==
			    (further_values[i].others | CHOPPY_FIELD_BIT(further_values[i].field)));
		assert_int_equal(value_n(&c.dir[0], further_values[i].field), further_values[i].n);
		choppy_condition_print(text, sizeof(text), &c.dir[0]);
		assert_string_equal(text, further_values[i].words);
	}
}

/* Values that are more than a number. */
static void test_forms(void **state)
{
	static const struct {
		const char *words, *printed;
		struct choppy_list drop;
		struct choppy_cycle flap;
		struct choppy_overhead overhead;
		const char *distribution, *trace;
	} rows[] = {
		{ .words = "drop 1", .drop = { 1, 0, { { 1, 1 } } } },
		{ .words = "drop 1,3,7-9", .drop = { 3, 0, { { 1, 1 }, { 3, 3 }, { 7, 9 } } } },
		{ .words = "drop 1,2,3-3,4-6,8",
		  .printed = "drop 1-6,8",
		  .drop = { 2, 0, { { 1, 6 }, { 8, 8 } } } },
		{ .words = "drop 007-18446744073709551615",
		  .printed = "drop 7-18446744073709551615",
		  .drop = { 1, 0, { { 7, UINT64_MAX } } } },
		{ .words = "flap 5s/500ms", .flap = { 5 * SEC, SEC / 2 } },
		{ .words = "flap 3600s/1us", .flap = { 3600 * SEC, 1000 } },
		{ .words = "flap 0.5S/5000usec",
		  .printed = "flap 500ms/5ms",
		  .flap = { SEC / 2, 5000000 } },
		{ .words = "overhead ethernet", .overhead = { 24, 84 } },
		{ .words = "overhead pppoe", .overhead = { 32, 84 } },
		{ .words = "overhead 38bytes", .overhead = { 38, 0 } },
		{ .words = "overhead -14b",
		  .printed = "overhead -14bytes",
		  .overhead = { -14, 0 } },
		{ .words = "overhead -1byte", .overhead = { -1, 0 } },
		{ .words = "overhead 0bytes", .overhead = { 0, 0 } },
		{ .words = "overhead 2kb",
		  .printed = "overhead 2048bytes",
		  .overhead = { 2048, 0 } },
		{ .words = "overhead -2kb",
		  .printed = "overhead -2048bytes",
		  .overhead = { -2048, 0 } },
		{ .words = "overhead ethernet cells",
		  .printed = "overhead ethernet cells 48bytes",
		  .overhead = { 24, 84 } },
		{ .words = "delay 9ms 2ms distribution normal", .distribution = "normal" },
		{ .words = "delay 9ms 2ms distribution uniform", .distribution = "uniform" },
		{ .words = "delay 9ms 2ms 5% distribution pareto", .distribution = "pareto" },
		{ .words = "delay 9ms distribution paretonormal", .distribution = "paretonormal" },
		{ .words = "trace leo", .trace = "leo" },
		{ .words = "trace train-up from first-packet then stop",
		  .printed = "trace train-up then stop from first-packet",
		  .trace = "train-up" },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		struct choppy_change c;
		struct choppy_err err;
		char text[128];

		if (parse(&c, rows[i].words, false, &err) < 0)
			fail_msg("%s: %s", rows[i].words, err.msg);
		assert_memory_equal(&c.dir[0].drop, &rows[i].drop, sizeof(rows[i].drop));
		assert_memory_equal(&c.dir[0].flap, &rows[i].flap, sizeof(rows[i].flap));
		assert_memory_equal(&c.dir[0].overhead, &rows[i].overhead,
				    sizeof(rows[i].overhead));
		assert_string_equal(c.dir[0].distribution,
				    rows[i].distribution ? rows[i].distribution : "");
		assert_string_equal(c.dir[0].trace, rows[i].trace ? rows[i].trace : "");
		choppy_condition_print(text, sizeof(text), &c.dir[0]);
		assert_string_equal(text, rows[i].printed ? rows[i].printed : rows[i].words);
	}
}

/* A path is made absolute, and printed so that it is read back whatever is in it. */
static void test_files(void **state)
{
	char dir[] = "/tmp/choppy it's a \"test\" XXXXXX", path[128], line[512];
	const char *words[] = { "trace", "./trace", "then", "loop" };
	struct choppy_change c, again;
	struct choppy_err err;
	FILE *f;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	f = fopen("trace", "w");
	assert_non_null(f);
	fclose(f);
	snprintf(path, sizeof(path), "%s/trace", dir);
	if (choppy_change_parse(&c, 4, words, false, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(c.dir[0].trace, path);
	choppy_condition_print(line, sizeof(line), &c.dir[0]);
	assert_int_equal(chdir("/"), 0);
	if (parse(&again, line, false, &err) < 0)
		fail_msg("%s: %s", line, err.msg);
	assert_memory_equal(&again, &c, sizeof(c));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(parse(&again, line, false, &err), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_non_null(strstr(err.msg, "cannot be read: No such file or directory\n"));
}

/* How far a table out of a file reaches below its mean is known from the file. */
static void test_tail_of_a_file(void **state)
{
	char path[] = "/tmp/choppy-test-XXXXXX", line[128];
	struct choppy_condition dir[CHOPPY_NDIRS];
	struct choppy_err err;
	FILE *f = fdopen(mkstemp(path), "w");

	assert_non_null(f);
	fprintf(f, "# two deviations down, one up\n-16384 0 8192 8192\n");
	fclose(f);
	snprintf(line, sizeof(line), "delay 10ms 5ms distribution %s", path);
	if (parse_whole(dir, NULL, line, &err) < 0)
		fail_msg("%s", err.msg);
	snprintf(line, sizeof(line), "delay 10ms 5001us distribution %s", path);
	assert_int_equal(parse_whole(dir, NULL, line, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "reaches 2.00 times as far below, and packets cannot leave "
					"before they arrive; at most 5ms\n"));
	assert_non_null(strstr(err.msg, "\n             ^~~~~~")); /* the jitter */
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "1 2 x\n");
	fclose(f);
	assert_int_equal(parse_whole(dir, NULL, line, &err), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	snprintf(line, sizeof(line), "%s:1:5: ", path);
	assert_int_equal(strncmp(err.msg, line, strlen(line)), 0);
	assert_int_equal(unlink(path), 0);
}

/* ----------------------------------------------------------------- grammar */

static const struct {
	const char *words, *printed;
	bool clear_up, clear_down;
} accepted[] = {
	{ "", "no condition", false, false },
	{ "loss 30%", "loss 30% each way", false, false },
	{ "delay 50ms 10ms loss 30%", "delay 50ms 10ms loss 30% each way", false, false },
	{ "loss 30% delay 50ms 10ms", "delay 50ms 10ms loss 30% each way", false, false },
	{ "delay 5ms 0ms", "delay 5ms 0ns each way", false, false },
	{ "up loss 30%", "up loss 30%", false, false },
	{ "down delay 5ms", "down delay 5ms", false, false },
	{ "up loss 30% down delay 5ms", "up loss 30%, down delay 5ms", false, false },
	{ "down delay 5ms up loss 30%", "up loss 30%, down delay 5ms", false, false },
	{ "up loss 3% down loss 3%", "loss 3% each way", false, false },
	{ "up loss 1% down loss 2% up delay 3ms", "up delay 3ms loss 1%, down loss 2%", false,
	  false },
	{ "loss 10% up loss 30%", "up loss 30%, down loss 10%", false, false },
	{ "loss 30% up rate 1mbit limit 5p", "loss 30% each way, up rate 1mbit limit 5packets",
	  false, false },
	{ "delay 5ms 1ms up delay 5ms 2ms", "up delay 5ms 2ms, down delay 5ms 1ms", false, false },
	{ "delay 5ms 1ms up delay 7ms", "up delay 7ms, down delay 5ms 1ms", false, false },
	{ "rate 1mbit up limit 5p down limit 5b",
	  "rate 1mbit each way, up limit 5packets, down limit 5bytes", false, false },
	{ "clear", "no condition", true, true },
	{ "clear loss 10%", "loss 10% each way", true, true },
	{ "up clear", "no condition", true, false },
	{ "up clear loss 10% down delay 1ms", "up loss 10%, down delay 1ms", true, false },
	{ "loss 30% down clear", "up loss 30%", false, true },
	{ "delay 50ms 10ms loss 30% up rate 1mbit down clear",
	  "up delay 50ms 10ms loss 30% rate 1mbit", false, true },
	{ "clear loss 10% up clear", "down loss 10%", true, true },
	{ "clear up clear down clear", "no condition", true, true },
	/* words of a clause in any order, the opener's value first */
	{ "rate 1mbit queue pie tupdate 5ms target 1ms",
	  "rate 1mbit queue pie target 1ms tupdate 5ms "
	  "each way",
	  false, false },
	{ "reorder 1% within 5ms by 3", "reorder 1% by 3 within 5ms each way", false, false },
	{ "delay 5ms distribution normal loss 1%", "delay 5ms distribution normal loss 1% each way",
	  false, false },
	{ "reject loss 1%", "loss 1% reject unreachable each way", false, false },
	{ "rate 1mbit overhead 5b cells limit 3p",
	  "rate 1mbit overhead 5bytes cells 48bytes limit "
	  "3packets each way",
	  false, false },
	{ "outage up mtu 1400 silent", "outage each way, up mtu 1400 silent", false, false },
	/* a clause replaces all of another */
	{ "loss 2% burst 5 up loss 3%", "up loss 3%, down loss 2% burst 5", false, false },
	{ "loss 2% burst 5 up loss every 3", "up loss every 3, down loss 2% burst 5", false,
	  false },
	/* profiles */
	{ "3g", "delay 100ms each way, up rate 330kbit, down rate 780kbit", false, false },
	{ "up 3g", "up delay 100ms rate 330kbit", false, false },
	{ "down 3g loss 1%", "down delay 100ms loss 1% rate 780kbit", false, false },
	{ "3g rate 5mbit", "delay 100ms rate 5mbit each way", false, false },
	{ "3g up rate 5mbit", "delay 100ms each way, up rate 5mbit, down rate 780kbit", false,
	  false },
	{ "geo delay 5ms", "delay 5ms loss 0.5% rate 25mbit each way", false, false },
	{ "geo down wifi-bad",
	  "up delay 300ms 20ms loss 0.5% rate 25mbit, down delay 40ms 15ms loss "
	  "2% rate 20mbit",
	  false, false },
	{ "loss 5% up 100-loss", "up loss 100%, down loss 5%", false, false },
	{ "clear geo", "delay 300ms 20ms loss 0.5% rate 25mbit each way", true, true },
	{ "leo", "up trace leo-up, down trace leo", false, false },
};

static void test_grammar(void **state)
{
	size_t i;

	for (i = 0; i < COUNT(accepted); i++) {
		struct choppy_change c;
		struct choppy_err err;
		char text[256];
		int n;

		if (parse(&c, accepted[i].words, true, &err) < 0)
			fail_msg("%s: %s", accepted[i].words, err.msg);
		n = choppy_condition_print_both(text, sizeof(text), c.dir);
		assert_string_equal(text, accepted[i].printed);
		assert_int_equal(n, strlen(text));
		assert_int_equal(c.clear[CHOPPY_UP], accepted[i].clear_up);
		assert_int_equal(c.clear[CHOPPY_DOWN], accepted[i].clear_down);
	}
}

/* ----------------------------------------------------------------- refused */

#define CLAUSES                                                                                    \
	"use delay, loss, drop, duplicate, corrupt, reorder, rate, overhead, limit, queue, ecn, "  \
	"slot, trace, outage, flap, reject, mtu, inflight, netem-raw, match, up"
#define USE CLAUSES " or down"
#define USE_FIRST CLAUSES ", down or a profile (choppy profiles)"
#define USE_OR_CLEAR CLAUSES ", down, clear or a profile (choppy profiles)"

enum how { WORDS, CHANGE, WHOLE };

static const struct {
	const char *words;
	const char *line;
	const char *context; /* NULL: the words as they are */
	const char *caret; /* behind the two spaces */
	enum how how;
} refused[] = {
	/* no unit */
	{ "loss 30", "loss needs its unit: 30%", NULL, "     ^~", WORDS },
	{ "loss 0.3", "loss needs its unit: 0.3%", NULL, "     ^~~", WORDS },
	{ "loss 300", "loss needs its unit: 30%", NULL, "     ^~~", WORDS },
	{ "loss 30 %", "loss needs its unit: 30%", NULL, "     ^~", WORDS },
	{ "delay 100", "delay needs its unit: 100ms, 100us or 100s", NULL, "      ^~~", WORDS },
	{ "delay 5000", "delay needs its unit: 5000ms or 5000us", NULL, "      ^~~~", WORDS },
	{ "delay 0.0000001", "delay needs its unit: 0.0000001s", NULL, "      ^~~~~~~~~", WORDS },
	{ "delay 5ms 1", "jitter needs its unit: 1ms, 1us or 1s", NULL, "          ^", WORDS },
	{ "rate 20", "rate needs its unit: 20mbit, 20kbit or 20gbit", NULL, "     ^~", WORDS },
	{ "limit 1000", "limit needs its unit: 1000packets, 64kb or 50ms", NULL, "      ^~~~",
	  WORDS },
	{ "limit 1.5", "limit needs its unit: 64kb or 50ms", NULL, "      ^~~", WORDS },
	/* a unit that is none */
	{ "delay 5min", "delay has no unit 'min': use s, ms, us or ns", NULL, "      ^~~~", WORDS },
	{ "delay 5%", "delay has no unit '%': use s, ms, us or ns", NULL, "      ^~", WORDS },
	{ "loss 30ms", "loss has no unit 'ms': use %", NULL, "     ^~~~", WORDS },
	{ "loss 30%%", "loss has no unit '%%': use %", NULL, "     ^~~~", WORDS },
	{ "rate 20mb", "rate has no unit 'mb': use tbit, gbit, mbit, kbit or bit", NULL,
	  "     ^~~~", WORDS },
	{ "limit 5x", "limit has no unit 'x': use packets, gb, mb, kb, bytes, s, ms, us or ns",
	  NULL, "      ^~", WORDS },
	/* the bit and byte trap */
	{ "rate 20mbps",
	  "tc reads mbps as bytes per second, most people mean bits: write 20mbit or 160mbit", NULL,
	  "     ^~~~~~", WORDS },
	{ "rate 0.5Gbps",
	  "tc reads gbps as bytes per second, most people mean bits: write 500mbit or 4gbit", NULL,
	  "     ^~~~~~~", WORDS },
	{ "rate 64kbps",
	  "tc reads kbps as bytes per second, most people mean bits: write 64kbit or 512kbit", NULL,
	  "     ^~~~~~", WORDS },
	{ "rate 1bps", "tc reads bps as bytes per second, most people mean bits: write 8bit", NULL,
	  "     ^~~~", WORDS },
	{ "rate 200gbps", "tc reads gbps as bytes per second, most people mean bits: write 200gbit",
	  NULL, "     ^~~~~~~", WORDS },
	{ "rate 2tbps", "rate 2tbps is out of range: 8bit to 1tbit", NULL, "     ^~~~~", WORDS },
	/* out of range, finer than the step */
	{ "loss 101%", "loss 101% is out of range: 0% to 100%", NULL, "     ^~~~", WORDS },
	{ "loss 100.0000001%", "loss 100.0000001% is out of range: 0% to 100%", NULL,
	  "     ^~~~~~~~~~~~", WORDS },
	{ "delay 3601s", "delay 3601s is out of range: 0ns to 3600s", NULL, "      ^~~~~", WORDS },
	{ "delay 18446744073709551616ns",
	  "delay 18446744073709551616ns is out of range: 0ns to 3600s", NULL,
	  "      ^~~~~~~~~~~~~~~~~~~~~~", WORDS },
	{ "delay 18446744074s", "delay 18446744074s is out of range: 0ns to 3600s", NULL,
	  "      ^~~~~~~~~~~~", WORDS },
	{ "rate 7bit", "rate 7bit is out of range: 8bit to 1tbit", NULL, "     ^~~~", WORDS },
	{ "rate 0bit", "rate 0bit is out of range: 8bit to 1tbit", NULL, "     ^~~~", WORDS },
	{ "rate 1tibit", "rate 1tibit is out of range: 8bit to 1tbit", NULL, "     ^~~~~~", WORDS },
	{ "limit 0packets", "limit 0packets is out of range: 1packet to 10000000packets", NULL,
	  "      ^~~~~~~~", WORDS },
	{ "limit 65gb", "limit 65gb is out of range: 1byte to 64gb", NULL, "      ^~~~", WORDS },
	{ "limit 3601s", "limit 3601s is out of range: 1ns to 3600s", NULL, "      ^~~~~", WORDS },
	{ "delay 1.5ns", "delay 1.5ns is finer than 1ns, the smallest step", NULL, "      ^~~~~",
	  WORDS },
	{ "loss 0.00000001%", "loss 0.00000001% is finer than 0.0000001%, the smallest step", NULL,
	  "     ^~~~~~~~~~~", WORDS },
	{ "rate 10.5bit", "rate 10.5bit is finer than 1bit, the smallest step", NULL,
	  "     ^~~~~~~", WORDS },
	{ "limit 1.5p", "limit 1.5p is finer than 1packet, the smallest step", NULL, "      ^~~~",
	  WORDS },
	{ "limit 1.0001kb", "limit 1.0001kb is finer than 1byte, the smallest step", NULL,
	  "      ^~~~~~~~", WORDS },
	/* not a plain decimal */
	{ "loss -5%", "loss cannot be negative: for example 30%", NULL, "     ^~~", WORDS },
	{ "delay 5ms -1ms", "jitter cannot be negative: for example 50ms", NULL, "          ^~~~",
	  WORDS },
	{ "delay +1ms", "delay takes no sign: for example 50ms", NULL, "      ^~~~", WORDS },
	{ "delay 1e3ms", "delay takes no exponent: for example 50ms", NULL, "      ^~~~~", WORDS },
	{ "delay 1E-3s", "delay takes no exponent: for example 50ms", NULL, "      ^~~~~", WORDS },
	{ "delay 0x10ms", "delay takes decimal digits, not hexadecimal: for example 50ms", NULL,
	  "      ^~~~~~", WORDS },
	{ "loss 0,5%", "loss takes a dot before its decimals, not a comma: for example 30%", NULL,
	  "     ^~~~", WORDS },
	{ "loss 1.2.3%", "loss takes one dot at most: for example 30%", NULL, "     ^~~~~~",
	  WORDS },
	{ "loss .", "loss needs a digit after the dot: for example 30%", NULL, "     ^", WORDS },
	{ "loss 5.%", "loss needs a digit after the dot: for example 30%", NULL, "     ^~~",
	  WORDS },
	{ "loss nan", "loss needs a number with its unit: for example 30%", NULL, "     ^~~",
	  WORDS },
	{ "loss inf%", "loss needs a number with its unit: for example 30%", NULL, "     ^~~~",
	  WORDS },
	{ "loss %", "loss needs a number with its unit: for example 30%", NULL, "     ^", WORDS },
	{ "loss -", "loss needs a number with its unit: for example 30%", NULL, "     ^", WORDS },
	{ "rate up", "rate needs a number with its unit: for example 10mbit", NULL, "     ^~",
	  WORDS },
	{ "limit x", "limit needs a number with its unit: for example 64kb", NULL, "      ^",
	  WORDS },
	{ "loss ", "loss needs a number with its unit: for example 30%", "loss \"\"", "     ^~",
	  WORDS },
	/* too few, too many */
	{ "loss", "loss needs a value: for example loss 30%", NULL, "^~~~", WORDS },
	{ "loss 1% delay", "delay needs a value: for example delay 50ms", NULL, "        ^~~~~",
	  WORDS },
	{ "30%", "'30%' has no word before it: for example loss 30%", NULL, "^~~", WORDS },
	{ "loss 5% up 30%", "'30%' has no word before it: for example loss 30%", NULL,
	  "           ^~~", WORDS },
	{ "loss 10% loss 30%", "loss is given twice", NULL, "         ^~~~", WORDS },
	{ "loss 10% up loss 30% delay 1ms loss 2%", "loss is given twice for up", NULL,
	  "                               ^~~~", WORDS },
	{ "up loss 1% down loss 2% up loss 3%", "loss is given twice for up", NULL,
	  "                           ^~~~", WORDS },
	{ "down rate 1mbit rate 1mbit", "rate is given twice for down", NULL,
	  "                ^~~~", WORDS },
	{ "up", "up needs a condition after it: for example up loss 30%", NULL, "^~", WORDS },
	{ "loss 1% down", "down needs a condition after it: for example down loss 30%", NULL,
	  "        ^~~~", WORDS },
	{ "up down loss 1%", "up needs a condition after it: for example up loss 30%", NULL, "^~",
	  WORDS },
	/* clear */
	{ "clear", "clear has nothing to remove here: nothing is set yet", NULL, "^~~~~", WORDS },
	{ "clear clear", "clear is given twice", NULL, "      ^~~~~", CHANGE },
	{ "up clear clear", "clear is given twice for up", NULL, "         ^~~~~", CHANGE },
	{ "loss 1% clear", "clear would remove what stands before it: put it first", NULL,
	  "        ^~~~~", CHANGE },
	{ "up loss 1% down delay 5ms up clear",
	  "clear would remove what stands before it: put it first", NULL,
	  "                             ^~~~~", CHANGE },
	/* unknown words */
	{ "foo", "there is no 'foo': " USE_FIRST, NULL, "^~~", WORDS },
	{ "foo", "there is no 'foo': " USE_OR_CLEAR, NULL, "^~~", CHANGE },
	{ "lsos 3%", "there is no 'lsos': did you mean 'loss'?", NULL, "^~~~", WORDS },
	{ "los 3%", "there is no 'los': did you mean 'loss'?", NULL, "^~~", WORDS },
	{ "LOSS 3%", "there is no 'LOSS': did you mean 'loss'?", NULL, "^~~~", WORDS },
	{ "dealy 3ms", "there is no 'dealy': did you mean 'delay'?", NULL, "^~~~~", WORDS },
	{ "rates 3mbit", "there is no 'rates': did you mean 'rate'?", NULL, "^~~~~", WORDS },
	{ "dwon loss 3%", "there is no 'dwon': did you mean 'down'?", NULL, "^~~~", WORDS },
	{ "pu loss 3%", "there is no 'pu': did you mean 'up'?", NULL, "^~", WORDS },
	{ "xy loss 3%", "there is no 'xy': " USE_FIRST, NULL, "^~", WORDS },
	{ "ip loss 3%", "there is no 'ip': did you mean 'up'?", NULL, "^~", WORDS },
	{ "claer", "there is no 'claer': did you mean 'clear'?", NULL, "^~~~~", CHANGE },
	{ "claer", "there is no 'claer': " USE_FIRST, NULL, "^~~~~", WORDS },
	{ "latency 3ms", "there is no 'latency': did you mean 'delay'?", NULL, "^~~~~~~", WORDS },
	{ "bandwidth 3mbit", "there is no 'bandwidth': did you mean 'rate'?", NULL, "^~~~~~~~~",
	  WORDS },
	{ "loss 3% -v", "there is no '-v': " USE, NULL, "        ^~", WORDS },
	{ "loss 3%  delay 1ms", "an empty word: leave it out", "loss 3% \"\" delay 1ms",
	  "        ^~", WORDS },
	/* what cannot be shown as it is */
	{ "loss a\x01\x7f\t\x1b[1m", "loss needs a number with its unit: for example 30%",
	  "loss a????[1m", "     ^~~~~~~~", WORDS },
	{ "caf\u00e9 5%", "there is no 'caf\u00e9': " USE_FIRST, "caf\u00e9 5%", "^~~~", WORDS },
	{ "\u00b5\u00b5 \u65e5", "there is no '\u00b5\u00b5': " USE_FIRST, "\u00b5\u00b5 ?", "^~",
	  WORDS },
	{ "\xff\xfe\u0301\u00ad loss",
	  "there is no '???"
	  "?': " USE_FIRST,
	  "???? loss", "^~~~", WORDS },
	{ "loss 1% aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	  "there is no 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa': " USE, NULL,
	  "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", WORDS },
	{ "loss 1% aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
	  "there is no 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...': " USE,
	  "loss 1% aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...",
	  "        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", WORDS },
	/* a window around the word of a line that is too long */
	{ "xx delay 1ms up delay 2ms down delay 3ms up loss 4% down loss 5% up rate 6mbit down "
	  "rate 7mbit",
	  "there is no 'xx': " USE_FIRST,
	  "xx delay 1ms up delay 2ms down delay 3ms up loss 4% down loss 5% up rate 6mbit down "
	  "rate ...",
	  "^~", WORDS },
	{ "delay 1ms up delay 2ms down delay 3ms up loss 4% down loss 5% up rate 6mbit down rate "
	  "7mbit yy",
	  "there is no 'yy': " USE,
	  "... 1ms up delay 2ms down delay 3ms up loss 4% down loss 5% up rate 6mbit down rate "
	  "7mbit "
	  "yy",
	  "                                                                                        "
	  "  ^~",
	  WORDS },
	{ "delay 1ms 1ms loss 2% rate 3mbit limit 9packets up delay 4ms 2ms zz loss 5% rate "
	  "6mbit limit 1gb down delay 7ms 3ms loss 8%",
	  "there is no 'zz': " USE,
	  "... 2% rate 3mbit limit 9packets up delay 4ms 2ms zz loss 5% rate 6mbit limit 1gb down "
	  "delay ...",
	  "                                                  ^~", WORDS },
	/* values in a form of their own */
	{ "mtu 1400bytes", "mtu is a plain number, without a unit: 1400", NULL, "    ^~~~~~~~~",
	  WORDS },
	{ "mtu 1400.5", "mtu 1400.5 is finer than 1, the smallest step", NULL, "    ^~~~~~",
	  WORDS },
	{ "mtu 67", "mtu 67 is out of range: 68 to 65535", NULL, "    ^~", WORDS },
	{ "mtu 65536", "mtu 65536 is out of range: 68 to 65535", NULL, "    ^~~~~", WORDS },
	{ "mtu x", "mtu needs a number: for example 1400", NULL, "    ^", WORDS },
	{ "mtu -5", "mtu cannot be negative: for example 1400", NULL, "    ^~", WORDS },
	{ "loss every 0", "loss-every 0 is out of range: 1 to 4294967295", NULL, "           ^",
	  WORDS },
	{ "loss every 4294967296", "loss-every 4294967296 is out of range: 1 to 4294967295", NULL,
	  "           ^~~~~~~~~~", WORDS },
	{ "loss every 10%", "loss-every is a plain number, without a unit: 10", NULL,
	  "           ^~~", WORDS },
	{ "loss 2% burst 0.9", "loss-burst 0.9 is out of range: 1 to 1000000", NULL,
	  "              ^~~", WORDS },
	{ "loss 2% burst 1000001", "loss-burst 1000001 is out of range: 1 to 1000000", NULL,
	  "              ^~~~~~~", WORDS },
	{ "loss 2% burst 5packets", "loss-burst is a plain number, without a unit: 5", NULL,
	  "              ^~~~~~~~", WORDS },
	{ "loss 2% burst 1.0000001",
	  "loss-burst 1.0000001 is finer than 0.000001, the smallest step", NULL,
	  "              ^~~~~~~~~", WORDS },
	{ "loss 2% burst x", "loss-burst needs a number: for example 5", NULL, "              ^",
	  WORDS },
	{ "drop 5%",
	  "drop is a list of packet numbers, such as 1,3,7-9; a share is lost by loss, for example "
	  "loss 5%",
	  NULL, "     ^~", WORDS },
	{ "drop", "drop needs a value: for example drop 1,3,7-9", NULL, "^~~~", WORDS },
	{ "drop all", "drop is a list of packet numbers: for example 1,3,7-9", NULL, "     ^~~",
	  WORDS },
	{ "drop 0", "drop has packet 0: packets are counted from 1", NULL, "     ^", WORDS },
	{ "drop 1,0", "drop has packet 0: packets are counted from 1", NULL, "     ^~~", WORDS },
	{ "drop 3,1", "drop must ascend: 1 cannot stand behind 3", NULL, "     ^~~", WORDS },
	{ "drop 1,1", "drop must ascend: 1 cannot stand behind 1", NULL, "     ^~~", WORDS },
	{ "drop 2-5,5", "drop must ascend: 5 cannot stand behind 5", NULL, "     ^~~~~", WORDS },
	{ "drop 9-7", "drop has a range that runs backwards: write 7-9", NULL, "     ^~~", WORDS },
	{ "drop 1-", "drop is a list of packet numbers: for example 1,3,7-9", NULL, "     ^~",
	  WORDS },
	{ "drop 1,", "drop is a list of packet numbers: for example 1,3,7-9", NULL, "     ^~",
	  WORDS },
	{ "drop ,1", "drop is a list of packet numbers: for example 1,3,7-9", NULL, "     ^~",
	  WORDS },
	{ "drop 1-2-3", "drop is a list of packet numbers: for example 1,3,7-9", NULL, "     ^~~~~",
	  WORDS },
	{ "drop 1;2", "drop is a list of packet numbers: for example 1,3,7-9", NULL, "     ^~~",
	  WORDS },
	{ "drop 1.5", "drop is a list of packet numbers: for example 1,3,7-9", NULL, "     ^~~",
	  WORDS },
	{ "drop 18446744073709551616", "drop has a number above 18446744073709551615", NULL,
	  "     ^~~~~~~~~~~~~~~~~~~~", WORDS },
	{ "drop "
	  "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33,35,37,39,41,43,45,47,49,51,53,55,57,59,61,"
	  "63,65",
	  "drop has more than 32 ranges: for more write verdicts into a file and use --replay FILE",
	  "drop 1,3,5,7,9,11,13,15,17,19,21,23,25,27,...",
	  "     ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", WORDS },
	{ "flap", "flap needs a value: for example flap 5s/500ms", NULL, "^~~~", WORDS },
	{ "flap 5s", "flap is PERIOD/OUT, two times with a slash: for example 5s/500ms", NULL,
	  "     ^~", WORDS },
	{ "flap 5s/", "flap needs a number with its unit: for example 5s/500ms", NULL, "     ^~~",
	  WORDS },
	{ "flap /5s", "flap needs a number with its unit: for example 5s/500ms", NULL, "     ^~~",
	  WORDS },
	{ "flap 5s/1s/2s", "flap is PERIOD/OUT, two times with a slash: for example 5s/500ms", NULL,
	  "     ^~~~~~~~", WORDS },
	{ "flap 5/1", "flap needs its unit: 5ms, 5us or 5s", NULL, "     ^~~", WORDS },
	{ "flap 5s/500", "flap needs its unit: 500ms, 500us or 500s", NULL, "     ^~~~~~", WORDS },
	{ "flap 5s/5s",
	  "flap 5s/5s: the outage must be shorter than the period; for one without end: outage",
	  NULL, "     ^~~~~", WORDS },
	{ "flap 5s/6s",
	  "flap 5s/6s: the outage must be shorter than the period; for one without end: outage",
	  NULL, "     ^~~~~", WORDS },
	{ "flap 5s/0s", "flap 0s is out of range: 1us to 3600s", NULL, "     ^~~~~", WORDS },
	{ "flap 3601s/1s", "flap 3601s is out of range: 1us to 3600s", NULL, "     ^~~~~~~~",
	  WORDS },
	{ "flap 5s/100ns", "flap 100ns is out of range: 1us to 3600s", NULL, "     ^~~~~~~~",
	  WORDS },
	{ "rate 1mbit overhead", "overhead needs a value: for example overhead ethernet", NULL,
	  "           ^~~~~~~~", WORDS },
	{ "rate 1mbit overhead ethernt", "overhead has no 'ethernt': did you mean 'ethernet'?",
	  NULL, "                    ^~~~~~~", WORDS },
	{ "rate 1mbit overhead wlan",
	  "overhead has no 'wlan': use ethernet, pppoe or bytes, such as 38bytes or -14bytes", NULL,
	  "                    ^~~~", WORDS },
	{ "rate 1mbit overhead 38", "overhead needs its unit: 38bytes", NULL,
	  "                    ^~", WORDS },
	{ "rate 1mbit overhead -14", "overhead needs its unit: -14bytes", NULL,
	  "                    ^~~", WORDS },
	{ "rate 1mbit overhead 2049bytes",
	  "overhead 2049bytes is out of range: -2048bytes to 2048bytes", NULL,
	  "                    ^~~~~~~~~", WORDS },
	{ "rate 1mbit overhead -2049bytes",
	  "overhead -2049bytes is out of range: -2048bytes to 2048bytes", NULL,
	  "                    ^~~~~~~~~~", WORDS },
	{ "rate 1mbit overhead --5bytes",
	  "overhead has no '--5bytes': use ethernet, pppoe or bytes, such as 38bytes or -14bytes",
	  NULL, "                    ^~~~~~~~", WORDS },
	{ "rate 1mbit overhead +5bytes", "overhead takes no sign: for example 38bytes", NULL,
	  "                    ^~~~~~~", WORDS },
	{ "rate 1mbit overhead 18bytes cells 0bytes",
	  "cell-size 0bytes is out of range: 1byte to 65535bytes", NULL,
	  "                                  ^~~~~~", WORDS },
	{ "rate 1mbit overhead 18bytes cells 48", "cell-size needs its unit: 48bytes or 48kb", NULL,
	  "                                  ^~", WORDS },
	{ "rate 1mbit overhead 18bytes cells 48bytes 65536bytes",
	  "cell-overhead 65536bytes is out of range: 0bytes to 65535bytes", NULL,
	  "                                          ^~~~~~~~~~", WORDS },
	{ "rate 1mbit burst 64", "rate-burst needs its unit: 64bytes or 64kb", NULL,
	  "                 ^~", WORDS },
	{ "rate 1mbit burst 64ms", "rate-burst has no unit 'ms': use gb, mb, kb or bytes", NULL,
	  "                 ^~~~", WORDS },
	{ "rate 1mbit burst 0b", "rate-burst 0b is out of range: 1byte to 1gb", NULL,
	  "                 ^~", WORDS },
	{ "rate 1mbit burst 2gb", "rate-burst 2gb is out of range: 1byte to 1gb", NULL,
	  "                 ^~~", WORDS },
	{ "limit 5connections",
	  "limit has no unit 'connections': use packets, gb, mb, kb, bytes, s, ms, us or ns", NULL,
	  "      ^~~~~~~~~~~~", WORDS },
	{ "queue", "queue needs a value: for example queue codel", NULL, "^~~~~", WORDS },
	{ "queue codle", "queue has no 'codle': did you mean 'codel'?", NULL, "      ^~~~~",
	  WORDS },
	{ "queue fifo", "queue has no 'fifo': use tail, head, codel, fq_codel, pie or red", NULL,
	  "      ^~~~", WORDS },
	{ "queue 5", "queue has no '5': use tail, head, codel, fq_codel, pie or red", NULL,
	  "      ^", WORDS },
	{ "reject rset", "there is no 'rset': did you mean 'reset'?", NULL, "       ^~~~", WORDS },
	{ "reject 5", "reject has no '5': use unreachable, prohibited or reset", NULL, "       ^",
	  WORDS },
	{ "delay 5ms 1ms distribution",
	  "distribution needs a value: for example distribution normal", NULL,
	  "              ^~~~~~~~~~~~", WORDS },
	{ "delay 5ms 1ms distribution nromal",
	  "distribution has no 'nromal': did you mean 'normal'?", NULL,
	  "                           ^~~~~~", WORDS },
	{ "delay 5ms 1ms distribution gauss",
	  "distribution has no 'gauss': use uniform, normal, pareto, paretonormal or a file, such "
	  "as ./FILE",
	  NULL, "                           ^~~~~", WORDS },
	{ "delay 5ms 1ms distribution ./no-such-file",
	  "distribution: the file './no-such-file' cannot be read: No such file or directory", NULL,
	  "                           ^~~~~~~~~~~~~~", WORDS },
	{ "delay 5ms 1ms distribution /", "distribution: '/' is a directory, not a file", NULL,
	  "                           ^", WORDS },
	{ "trace", "trace needs a value: for example trace ./FILE", NULL, "^~~~~", WORDS },
	{ "trace leoo", "trace has no 'leoo': did you mean 'leo'?", NULL, "      ^~~~", WORDS },
	{ "trace somewhere",
	  "trace has no 'somewhere': use leo, leo-up, train, train-up or a file, such as ./FILE",
	  NULL, "      ^~~~~~~~~", WORDS },
	{ "trace /no/such/file then loop",
	  "trace: the file '/no/such/file' cannot be read: No such file or directory", NULL,
	  "      ^~~~~~~~~~~~~", WORDS },
	{ "trace leo then", "then needs a value: for example then loop", NULL, "          ^~~~",
	  WORDS },
	{ "trace leo then stay", "trace-end has no 'stay': did you mean 'stop'?", NULL,
	  "               ^~~~", WORDS },
	{ "trace leo from later", "trace-start has no 'later': use now or first-packet", NULL,
	  "               ^~~~~", WORDS },
	{ "slot distribution normal 10", "slot-delay needs its unit: 10ms, 10us or 10s", NULL,
	  "                         ^~", WORDS },
	{ "slot 5ms 1", "slot-max needs its unit: 1ms, 1us or 1s", NULL, "         ^", WORDS },
	{ "slot 5ms bytes 5packets", "slot-bytes has no unit 'packets': use gb, mb, kb or bytes",
	  NULL, "               ^~~~~~~~", WORDS },
	/* inner words */
	{ "loss 5% every 10", "every stands in place of loss's own value: loss every N", NULL,
	  "        ^~~~~", WORDS },
	{ "loss every 10 burst 5 gemodel 1%",
	  "gemodel stands in place of loss's own value: loss gemodel P [R] [1-H] [1-K]", NULL,
	  "                      ^~~~~~~", WORDS },
	{ "loss gemodel", "gemodel needs a value: for example loss gemodel 1%", NULL,
	  "     ^~~~~~~", WORDS },
	{ "loss gemodel 1% 2% 3% 4% 5%",
	  "'5%' is one value too many: loss gemodel P [R] [1-H] [1-K]", NULL,
	  "                         ^~", WORDS },
	{ "loss state 1% 2% 3% 4% 5% 6%",
	  "'6%' is one value too many: loss state P13 [P31] [P32] [P23] [P14]", NULL,
	  "                          ^~", WORDS },
	{ "loss gemodl 1%", "loss has no 'gemodl': did you mean 'gemodel'?", NULL, "     ^~~~~~",
	  WORDS },
	{ "loss evry 10", "loss has no 'evry': did you mean 'every'?", NULL, "     ^~~~", WORDS },
	{ "loss 2% brust 5", "there is no 'brust': did you mean 'burst'?", NULL, "        ^~~~~",
	  WORDS },
	{ "loss 2% burst 5 burst 6", "burst is given twice", NULL, "                ^~~~~", WORDS },
	{ "loss 2% burst", "burst needs a value: for example burst 5", NULL, "        ^~~~~",
	  WORDS },
	{ "loss 2% 25% 30%",
	  "'30%' is one value too many: loss PERCENT [CORRELATION] [burst PACKETS]", NULL,
	  "            ^~~", WORDS },
	{ "delay 10ms distribution normal 5ms",
	  "'5ms' is one value too many: delay TIME [JITTER] [CORRELATION] [distribution NAME]",
	  NULL, "                               ^~~", WORDS },
	{ "burst 5", "burst belongs behind loss or rate", NULL, "^~~~~", WORDS },
	{ "every 10", "every belongs behind loss: loss every N", NULL, "^~~~~", WORDS },
	{ "gemodel 1%", "gemodel belongs behind loss: loss gemodel P [R] [1-H] [1-K]", NULL,
	  "^~~~~~~", WORDS },
	{ "distribution normal", "distribution belongs behind delay or slot", NULL, "^~~~~~~~~~~~",
	  WORDS },
	{ "fix", "fix belongs behind corrupt: corrupt PERCENT [CORRELATION] [fix]", NULL, "^~~",
	  WORDS },
	{ "reorder 5% gap 5 gap 6", "gap is given twice", NULL, "                 ^~~", WORDS },
	{ "reorder 5% gap 5packets", "reorder-gap is a plain number, without a unit: 5", NULL,
	  "               ^~~~~~~~", WORDS },
	{ "delay 10ms burst 5", "burst belongs behind loss or rate", NULL, "           ^~~~~",
	  WORDS },
	{ "rate 1mbit target 5ms",
	  "target belongs behind queue: queue DISCIPLINE [target TIME] [interval TIME] [tupdate "
	  "TIME] [flows N] [quantum SIZE] [min SIZE] [max SIZE] [probability PERCENT]",
	  NULL, "           ^~~~~~", WORDS },
	{ "rate 1mbit queue codel traget 5ms", "there is no 'traget': did you mean 'target'?", NULL,
	  "                       ^~~~~~", WORDS },
	{ "rate 1mbit queue red min 5kb min 6kb", "min is given twice", NULL,
	  "                             ^~~", WORDS },
	{ "corrupt 1% fix fix", "fix is given twice", NULL, "               ^~~", WORDS },
	{ "corrupt fix", "corrupt needs a number with its unit: for example 30%", NULL,
	  "        ^~~", WORDS },
	{ "ecn 5%", "'5%' is one value too many: ecn takes none", NULL, "    ^~", WORDS },
	{ "ecn ecn", "ecn is given twice", NULL, "    ^~~", WORDS },
	{ "outage 5s", "'5s' is one value too many: outage takes none", NULL, "       ^~", WORDS },
	{ "outage outage", "outage is given twice", NULL, "       ^~~~~~", WORDS },
	{ "mtu 1400 silnet", "there is no 'silnet': did you mean 'silent'?", NULL,
	  "         ^~~~~~", WORDS },
	{ "mtu silent", "mtu needs a number: for example 1400", NULL, "    ^~~~~~", WORDS },
	{ "slot 1ms 2ms 3ms",
	  "'3ms' is one value too many: slot MIN [MAX] [packets N] [bytes SIZE]", NULL,
	  "             ^~~", WORDS },
	{ "slot 1ms packtes 5", "there is no 'packtes': did you mean 'packets'?", NULL,
	  "         ^~~~~~~", WORDS },
	{ "trace leo loop", "loop is a value of trace-end: then loop", NULL, "          ^~~~",
	  WORDS },
	{ "codel", "codel is a value of queue: queue codel", NULL, "^~~~~", WORDS },
	{ "prohibited", "prohibited is a value of reject: reject prohibited", NULL, "^~~~~~~~~~",
	  WORDS },
	{ "gap 5",
	  "gap belongs behind reorder: reorder PERCENT [CORRELATION] [gap N] [by N] [within TIME]",
	  NULL, "^~~", WORDS },
	/* words of others */
	{ "drop-rate 5%",
	  "there is no 'drop-rate': use delay, loss, drop, duplicate, corrupt, reorder, rate, "
	  "overhead, limit, queue, ecn, slot, trace, outage, flap, reject, mtu, inflight, "
	  "netem-raw, match, up, down or "
	  "a profile (choppy profiles)",
	  NULL, "^~~~~~~~~", WORDS },
	{ "jitter 5ms",
	  "jitter is a further value of delay: delay TIME [JITTER] [CORRELATION] [distribution "
	  "NAME]",
	  NULL, "^~~~~~", WORDS },
	{ "gemodel-r 5%", "gemodel-r is a further value of loss: loss gemodel P [R] [1-H] [1-K]",
	  NULL, "^~~~~~~~~", WORDS },
	{ "delay-correlation 5%",
	  "delay-correlation is a further value of delay: delay TIME [JITTER] [CORRELATION] "
	  "[distribution NAME]",
	  NULL, "^~~~~~~~~~~~~~~~~", WORDS },
	{ "correlation 25%",
	  "a correlation has no word, it is a further value: for example loss 2% 25%", NULL,
	  "^~~~~~~~~~~", WORDS },
	{ "profile 3g", "a profile is its name alone: for example 3g", NULL, "^~~~~~~", WORDS },
	{ "seed 5", "the seed is no part of a condition but an option: --seed N", NULL, "^~~~",
	  WORDS },
	{ "inflight", "inflight needs a value: for example inflight 1000", NULL, "^~~~~~~~",
	  WORDS },
	{ "latency 5ms", "there is no 'latency': did you mean 'delay'?", NULL, "^~~~~~~", WORDS },
	{ "bandwidth 5mbit", "there is no 'bandwidth': did you mean 'rate'?", NULL, "^~~~~~~~~",
	  WORDS },
	{ "dup 5%", "there is no 'dup': did you mean 'duplicate'?", NULL, "^~~", WORDS },
	{ "gimodel 1%", "there is no 'gimodel': did you mean 'loss state'?", NULL, "^~~~~~~",
	  WORDS },
	{ "partition", "there is no 'partition': did you mean 'outage'?", NULL, "^~~~~~~~~",
	  WORDS },
	{ "filter tcp", "there is no 'filter': did you mean 'match'?", NULL, "^~~~~~", WORDS },
	{ "nth 3", "nth stands right behind a rule's expression: for example match udp nth 3", NULL,
	  "^~~", WORDS },
	{ "first 5packets",
	  "first stands right behind a rule's expression: for example match udp first 5packets",
	  NULL, "^~~~~", WORDS },
	/* off */
	{ "off", "off stands behind the word of what it removes: for example loss off", NULL, "^~~",
	  WORDS },
	{ "loss off", "off has nothing to remove here: leave loss out", NULL, "     ^~~", WORDS },
	{ "match tcp off", "match ... off has nothing to remove here: no rule is set yet", NULL,
	  "          ^~~", WORDS },
	{ "match off", "match off has nothing to remove here: no rule is set yet", NULL, "^~~~~",
	  WORDS },
	{ "off", "off stands behind the word of what it removes: for example loss off", NULL, "^~~",
	  CHANGE },
	{ "loss off loss 5%", "loss is given twice", NULL, "         ^~~~", CHANGE },
	{ "loss 5% loss off", "loss is given twice", NULL, "        ^~~~", CHANGE },
	{ "loss off off", "off stands behind the word of what it removes: for example loss off",
	  NULL, "         ^~~", CHANGE },
	{ "up loss off loss off", "loss is given twice for up", NULL, "            ^~~~", CHANGE },
	{ "match tcp loss off",
	  "a rule is given as a whole: leave loss out, or remove the rule: match EXPRESSION off",
	  NULL, "               ^~~", CHANGE },
	{ "match tcp off loss 5%",
	  "the rule before is removed and takes no condition: put loss before match", NULL,
	  "              ^~~~", CHANGE },
	{ "match tcp off off",
	  "off stands behind the word of what it removes: for example loss off", NULL,
	  "              ^~~", CHANGE },
	{ "match off match off", "match off is given twice", NULL, "          ^~~~~", CHANGE },
	{ "match tcp outage match off", "match off would remove the rules before it: put it first",
	  NULL, "                 ^~~~~", CHANGE },
	{ "match tcp outage clear", "clear would remove what stands before it: put it first", NULL,
	  "                 ^~~~~", CHANGE },
	{ "loss off clear", "clear would remove what stands before it: put it first", NULL,
	  "         ^~~~~", CHANGE },
	{ "3g clear", "clear would remove what stands before it: put it first", NULL, "   ^~~~~",
	  CHANGE },
	{ "match tcp off match tcp off", "this rule is given twice", NULL, "              ^~~~~",
	  CHANGE },
	{ "loss off 5%", "'5%' is one value too many: loss PERCENT [CORRELATION] [burst PACKETS]",
	  NULL, "         ^~", CHANGE },
	/* rules */
	{ "match", "match needs an expression: for example match 'tcp port 80' loss 30%", NULL,
	  "^~~~~", WORDS },
	{ "match loss 5%", "match needs an expression: for example match 'tcp port 80' loss 30%",
	  NULL, "      ^~~~", WORDS },
	{ "match up loss 5%", "match needs an expression: for example match 'tcp port 80' loss 30%",
	  NULL, "      ^~", WORDS },
	{ "match match tcp", "match needs an expression: for example match 'tcp port 80' loss 30%",
	  NULL, "      ^~~~~", WORDS },
	{ "match nth 3 loss 5%",
	  "match needs an expression: for example match 'tcp port 80' loss 30%", NULL, "      ^~~",
	  WORDS },
	{ "match '' loss 5%", "match needs an expression: for example match 'tcp port 80' loss 30%",
	  "match \"\" loss 5%", "      ^~", WORDS },
	{ "match '  ' loss 5%",
	  "match needs an expression: for example match 'tcp port 80' loss 30%", NULL, "      ^~~~",
	  WORDS },
	{ "match tcp",
	  "match needs a condition after its expression: for example match tcp loss 30%", NULL,
	  "^~~~~", WORDS },
	{ "match tcp up loss 5%",
	  "match needs a condition after its expression: for example match tcp loss 30%", NULL,
	  "^~~~~", WORDS },
	{ "match tcp match udp loss 5%",
	  "match needs a condition after its expression: for example match tcp loss 30%", NULL,
	  "^~~~~", WORDS },
	{ "match tcp port 80 loss 10%",
	  "an expression of several words is one argument: match 'tcp port 80'", NULL,
	  "          ^~~~", WORDS },
	{ "match tcp and port 80",
	  "an expression of several words is one argument: match 'tcp and port 80'", NULL,
	  "          ^~~", WORDS },
	{ "match tcp 30%", "'30%' has no word before it: for example loss 30%", NULL,
	  "          ^~~", WORDS },
	{ "match tcp nth", "nth needs a value: for example nth 1,3,7-9", NULL, "          ^~~",
	  WORDS },
	{ "match tcp nth 5% loss 10%",
	  "nth is a list of packet numbers, such as 1,3,7-9; a share is lost by loss, for example "
	  "loss 5%",
	  NULL, "              ^~", WORDS },
	{ "match tcp nth 0 loss 10%", "nth has packet 0: packets are counted from 1", NULL,
	  "              ^", WORDS },
	{ "match tcp nth 3 nth 4 loss 10%",
	  "nth stands right behind a rule's expression: for example match udp nth 3", NULL,
	  "                ^~~", WORDS },
	{ "match tcp first", "first needs a value: for example first 5packets", NULL,
	  "          ^~~~~", WORDS },
	{ "match tcp first 5 loss 10%", "first needs its unit: 5packets or 5connections", NULL,
	  "                ^", WORDS },
	{ "match tcp first 0packets loss 10%",
	  "first 0packets is out of range: 1packet to 10000000packets", NULL,
	  "                ^~~~~~~~", WORDS },
	{ "match tcp first 5ms loss 10%", "first has no unit 'ms': use packets or connections",
	  NULL, "                ^~~", WORDS },
	{ "match tcp first 5kb loss 10%", "first has no unit 'kb': use packets or connections",
	  NULL, "                ^~~", WORDS },
	{ "match tcp first 10000001packets loss 10%",
	  "first 10000001packets is out of range: 1packet to 10000000packets", NULL,
	  "                ^~~~~~~~~~~~~~~", WORDS },
	{ "match tcp first 1001connections loss 10%",
	  "first 1001connections is out of range: 1connection to 1000connections", NULL,
	  "                ^~~~~~~~~~~~~~~", WORDS },
	{ "match tcp first 5packets nth 3 loss 10%",
	  "nth stands right behind a rule's expression: for example match udp nth 3", NULL,
	  "                         ^~~", WORDS },
	{ "match tcp loss 5% loss 6%", "loss is given twice in this rule", NULL,
	  "                  ^~~~", WORDS },
	{ "match tcp loss 5% match tcp loss 6%", "this rule is given twice", NULL,
	  "                  ^~~~~", WORDS },
	{ "match tcp nth 3 loss 5% match udp loss 1% match tcp nth 3 outage",
	  "this rule is given twice", NULL, "                                          ^~~~~",
	  WORDS },
	{ "up match tcp outage up match tcp outage", "this rule is given twice for up", NULL,
	  "                       ^~~~~", WORDS },
	{ "match tcp loss 5% 3g",
	  "3g is a profile, which comes first: what stands behind it replaces its clauses", NULL,
	  "                  ^~", WORDS },
	{ "match tcp loss 5% los 3%", "there is no 'los': did you mean 'loss'?", NULL,
	  "                  ^~~", WORDS },
	{ "match tcp lsos 5%", "there is no 'lsos': did you mean 'loss'?", NULL, "          ^~~~",
	  WORDS },
	{ "match tcp trace leo", "a trace is a direction's, not a rule's: put it before the match",
	  NULL, "          ^~~~~", WORDS },
	{ "match tcp 3g",
	  "3g is a profile, which comes first: what stands behind it replaces its clauses", NULL,
	  "          ^~", WORDS },
	{ "match 'tcp port 80' loss 10", "loss needs its unit: 10%", NULL,
	  "                         ^~", WORDS },
	/* profiles */
	{ "3g 3g", "3g is a profile, which comes first: what stands behind it replaces its clauses",
	  NULL, "   ^~", WORDS },
	{ "loss 1% 3g",
	  "3g is a profile, which comes first: what stands behind it replaces its clauses", NULL,
	  "        ^~", WORDS },
	{ "3g wpt-3g",
	  "wpt-3g is a profile, which comes first: what stands behind it replaces its clauses",
	  NULL, "   ^~~~~~", WORDS },
	{ "3g loss 1% loss 2%", "loss is given twice", NULL, "           ^~~~", WORDS },
	{ "up up", "up needs a condition after it: for example up loss 30%", NULL, "^~", WORDS },
	{ "3G", "there is no '3G': did you mean '3g'?", NULL, "^~", WORDS },
	{ "4g", "there is no '4g': did you mean 'wpt-4g'?", NULL, "^~", WORDS },
	{ "wpt3g", "there is no 'wpt3g': did you mean 'wpt-3g'?", NULL, "^~~~~", WORDS },
	{ "wpt-3h", "there is no 'wpt-3h': did you mean 'wpt-3g'?", NULL, "^~~~~~", WORDS },
	{ "up lt", "there is no 'lt': did you mean 'lte'?", NULL, "   ^~", WORDS },
	{ "match tcp outage 3g",
	  "3g is a profile, which comes first: what stands behind it replaces its clauses", NULL,
	  "                 ^~", WORDS },
	/* a whole condition */
	{ "loss 90% burst 2",
	  "loss 90% cannot come in runs of 2 packets, with one that passes between them: at most "
	  "loss 66.6666666%, or at least burst 9",
	  NULL, "         ^~~~~", WHOLE },
	{ "loss 100% burst 2", "loss 100% is one run without end: leave burst 2 out", NULL,
	  "          ^~~~~", WHOLE },
	{ "loss 50.0000001% burst 1",
	  "loss 50.0000001% cannot come in runs of 1 packets, with one that passes between them: "
	  "at most loss 50%, or at least burst 1.000001",
	  NULL, "                 ^~~~~", WHOLE },
	{ "loss 2% 25% burst 5",
	  "a correlation and burst both say how losses follow each other: give one of them", NULL,
	  "            ^~~~~", WHOLE },
	{ "loss state 60% 30% 0% 100% 50%",
	  "state-p13 60% and state-p14 50% are more than 100%: both go from good (1)", NULL,
	  "                           ^~~", WHOLE },
	{ "loss state 10% 60% 50%",
	  "state-p31 60% and state-p32 50% are more than 100%: both go from lost in a burst (3)",
	  NULL, "                   ^~~", WHOLE },
	{ "delay 10ms 11ms",
	  "jitter 11ms is above delay 10ms: packets cannot leave before they arrive; at most 10ms",
	  NULL, "           ^~~~", WHOLE },
	{ "delay 10ms 11ms distribution uniform",
	  "jitter 11ms is above delay 10ms: packets cannot leave before they arrive; at most 10ms",
	  NULL, "           ^~~~", WHOLE },
	{ "delay 10ms 5ms distribution normal",
	  "jitter 5ms is too wide for delay 10ms: the distribution normal reaches 3.67 times as "
	  "far below, and packets cannot leave before they arrive; at most 2725.578us",
	  NULL, "           ^~~", WHOLE },
	{ "delay 10ms 13ms distribution pareto",
	  "jitter 13ms is too wide for delay 10ms: the distribution pareto reaches 0.82 times as "
	  "far below, and packets cannot leave before they arrive; at most 12194.105us",
	  NULL, "           ^~~~", WHOLE },
	{ "delay 10ms 6ms distribution paretonormal",
	  "jitter 6ms is too wide for delay 10ms: the distribution paretonormal reaches 1.80 times "
	  "as far below, and packets cannot leave before they arrive; at most 5566.351us",
	  NULL, "           ^~~", WHOLE },
	{ "jitter 5ms",
	  "jitter is a further value of delay: delay TIME [JITTER] [CORRELATION] [distribution "
	  "NAME]",
	  NULL, "^~~~~~", WHOLE },
	{ "delay 10ms distribution normal",
	  "a distribution shapes a jitter: for example delay 50ms 10ms distribution normal", NULL,
	  "           ^~~~~~~~~~~~", WHOLE },
	{ "reorder 5%",
	  "reordered packets skip the delay, and there is nothing to skip: add e.g. delay 10ms, or "
	  "say by how many packets they are overtaken: reorder 1% by 3",
	  NULL, "^~~~~~~", WHOLE },
	{ "reorder 5% gap 5",
	  "reordered packets skip the delay, and there is nothing to skip: add e.g. delay 10ms, or "
	  "say by how many packets they are overtaken: reorder 1% by 3",
	  NULL, "^~~~~~~", WHOLE },
	{ "delay 10ms reorder 5% by 3 gap 5",
	  "gap picks packets that skip the delay, by makes packets be overtaken: give one of them",
	  NULL, "                           ^~~", WHOLE },
	{ "delay 10ms reorder 5% within 5ms",
	  "within is how long a packet waits to be overtaken: for example reorder 1% by 3 within "
	  "50ms",
	  NULL, "                      ^~~~~~", WHOLE },
	{ "reorder jitter",
	  "reorder jitter lets a jitter change the order: for example delay 50ms 10ms reorder "
	  "jitter",
	  NULL, "        ^~~~~~", WHOLE },
	{ "delay 10ms reorder jitter",
	  "reorder jitter lets a jitter change the order: for example delay 50ms 10ms reorder "
	  "jitter",
	  NULL, "                   ^~~~~~", WHOLE },
	{ "delay 5ms 1ms reorder jitter gap 3",
	  "a gap needs the share: for example reorder 25% gap 5", NULL,
	  "                             ^~~", WHOLE },
	{ "overhead ethernet", "overhead counts for a rate: add e.g. rate 10mbit", NULL, "^~~~~~~~",
	  WHOLE },
	{ "limit 5packets",
	  "limit is the length of the queue before a rate; without a rate there is no queue: add "
	  "e.g. rate 10mbit",
	  NULL, "^~~~~", WHOLE },
	{ "queue codel",
	  "a queue stands before a rate; without a rate there is none: add e.g. rate 10mbit", NULL,
	  "^~~~~", WHOLE },
	{ "rate 1mbit queue tail target 5ms",
	  "target is a word of codel, fq_codel and pie, not of tail", NULL,
	  "                      ^~~~~~", WHOLE },
	{ "rate 1mbit queue pie interval 5ms",
	  "interval is a word of codel and fq_codel, not of pie", NULL,
	  "                     ^~~~~~~~", WHOLE },
	{ "rate 1mbit queue codel tupdate 5ms", "tupdate is a word of pie, not of codel", NULL,
	  "                       ^~~~~~~", WHOLE },
	{ "rate 1mbit queue codel flows 5", "flows is a word of fq_codel, not of codel", NULL,
	  "                       ^~~~~", WHOLE },
	{ "rate 1mbit queue pie quantum 1kb", "quantum is a word of fq_codel, not of pie", NULL,
	  "                     ^~~~~~~", WHOLE },
	{ "rate 1mbit queue fq_codel min 1kb", "min is a word of red, not of fq_codel", NULL,
	  "                          ^~~", WHOLE },
	{ "rate 1mbit queue head probability 5%", "probability is a word of red, not of head", NULL,
	  "                      ^~~~~~~~~~~", WHOLE },
	{ "rate 1mbit queue red",
	  "red drops between two lengths, min and max: for example queue red min 30kb max 90kb",
	  NULL, "           ^~~~~", WHOLE },
	{ "rate 1mbit queue red min 5kb",
	  "red drops between two lengths, min and max: for example queue red min 30kb max 90kb",
	  NULL, "           ^~~~~", WHOLE },
	{ "rate 1mbit queue red min 5kb max 5kb", "red's max 5kb must be above its min 5kb", NULL,
	  "                             ^~~", WHOLE },
	{ "rate 1mbit limit 8kb queue red min 5kb max 9kb",
	  "red's max 9kb is above limit 8kb, which ends the queue", NULL,
	  "                                       ^~~", WHOLE },
	{ "ecn", "ecn marks where a loss or a queue would drop: add e.g. loss 1% or queue codel",
	  NULL, "^~~", WHOLE },
	{ "rate 1mbit ecn",
	  "ecn marks where a loss or a queue would drop: add e.g. loss 1% or queue codel", NULL,
	  "           ^~~", WHOLE },
	{ "rate 1mbit queue tail ecn",
	  "ecn marks where a loss or a queue's management would drop; queue tail has none: use "
	  "e.g. queue codel, or add loss 1%",
	  NULL, "                      ^~~", WHOLE },
	{ "rate 1mbit queue head ecn up delay 5ms",
	  "ecn marks where a loss or a queue's management would drop; queue head has none: use "
	  "e.g. queue codel, or add loss 1%",
	  NULL, "                      ^~~", WHOLE },
	{ "slot 5ms 4ms", "slot-max 4ms is below slot 5ms: write slot 4ms 5ms", NULL,
	  "         ^~~", WHOLE },
	{ "slot distribution normal",
	  "a slot distribution has a mean and a deviation: for example slot distribution normal "
	  "10ms 2ms",
	  NULL, "     ^~~~~~~~~~~~", WHOLE },
	{ "slot distribution normal 5ms",
	  "a slot distribution has a mean and a deviation: for example slot distribution normal "
	  "10ms 2ms",
	  NULL, "     ^~~~~~~~~~~~", WHOLE },
	{ "slot distribution normal 5ms 2ms",
	  "slot-jitter 2ms is too wide for slot-delay 5ms: the distribution normal reaches 3.67 "
	  "times as far below, and no time between slots can be negative; at most 1362.789us",
	  NULL, "                             ^~~", WHOLE },
	{ "slot distribution uniform 5ms 6ms",
	  "slot-jitter 6ms is above slot-delay 5ms: no time between slots can be negative; at most "
	  "5ms",
	  NULL, "                              ^~~", WHOLE },
	{ "up geo delay 5ms 6ms",
	  "jitter 6ms is above delay 5ms: packets cannot leave before they arrive; at most 5ms",
	  NULL, "                 ^~~", WHOLE },
	{ "geo up delay 5ms 6ms",
	  "jitter 6ms is above delay 5ms: packets cannot leave before they arrive; at most 5ms",
	  NULL, "                 ^~~", WHOLE },
	{ "geo down jitter 5ms",
	  "jitter is a further value of delay: delay TIME [JITTER] [CORRELATION] [distribution "
	  "NAME]",
	  NULL, "         ^~~~~~", WHOLE },
	{ "match tcp delay 5ms 6ms",
	  "jitter 6ms is above delay 5ms: packets cannot leave before they arrive; at most 5ms",
	  NULL, "                    ^~~", WHOLE },
	{ "delay 5ms 4ms match tcp reorder 5% by 3 gap 4",
	  "gap picks packets that skip the delay, by makes packets be overtaken: give one of them",
	  NULL, "                                        ^~~", WHOLE },
	{ "match tcp limit 5packets",
	  "limit is the length of the queue before a rate; without a rate there is no queue: add "
	  "e.g. rate 10mbit",
	  NULL, "          ^~~~~", WHOLE },
	{ "rate 1mbit match tcp limit 5packets up match udp ecn",
	  "ecn marks where a loss or a queue would drop: add e.g. loss 1% or queue codel", NULL,
	  "                                                 ^~~", WHOLE },
	{ "delay 5ms match tcp reorder 5% match udp delay 1ms 2ms",
	  "jitter 2ms is above delay 1ms: packets cannot leave before they arrive; at most 1ms",
	  NULL, "                                                   ^~~", WHOLE },
	{ "clear", "clear has nothing to remove here: nothing is set yet", NULL, "^~~~~", WHOLE },
};

static int refuse(struct choppy_change *c, size_t i, struct choppy_err *err)
{
	if (refused[i].how == WHOLE)
		return parse_whole(c->dir, &c->rules, refused[i].words, err);
	return parse(c, refused[i].words, refused[i].how == CHANGE, err);
}

static void test_refused_with_the_reason_and_a_caret(void **state)
{
	size_t i;

	for (i = 0; i < COUNT(refused); i++) {
		struct choppy_change c, before;
		struct choppy_err err = { 0 };
		char want[1024];

		memset(&before, 0x5a, sizeof(before));
		c = before;
		assert_int_equal(refuse(&c, i, &err), -EINVAL);
		snprintf(want, sizeof(want), "%s\n  %s\n  %s", refused[i].line,
			 refused[i].context ? refused[i].context : refused[i].words,
			 refused[i].caret);
		assert_string_equal(err.msg, want);
		assert_int_equal(err.code, -EINVAL);
		assert_false(err.cannot);
		assert_memory_equal(&c, &before, sizeof(c));
		assert_int_equal(refuse(&c, i, NULL), -EINVAL);
	}
}

static void test_a_hundred_thousand_words(void **state)
{
	enum { N = 100000 };
	const char **words = calloc(N, sizeof(*words));
	struct choppy_change c;
	struct choppy_err err;
	int i;

	assert_non_null(words);
	for (i = 0; i < N; i++)
		words[i] = i % 2 ? "1ms" : "delay";
	assert_int_equal(choppy_change_parse(&c, N, words, false, &err), -EINVAL);
	assert_int_equal(strncmp(err.msg, "delay is given twice\n  delay 1ms delay ", 38), 0);
	free(words);
}

/* ------------------------------------------------------------ merge, check */

static void test_merge_replaces_whole_clauses(void **state)
{
	static const struct {
		const char *before, *change, *after;
	} rows[] = {
		{ "delay 50ms 10ms loss 30%", "loss 5% rate 1mbit limit 7kb",
		  "delay 50ms 10ms loss 5% rate 1mbit limit 7kb" },
		{ "delay 50ms 10ms 25% distribution normal", "delay 20ms", "delay 20ms" },
		{ "loss 2% burst 5", "loss gemodel 1% 10%", "loss gemodel 1% 10%" },
		{ "loss gemodel 1% 10% 70% 1%", "loss gemodel 3%", "loss gemodel 3%" },
		{ "loss every 3", "loss 1%", "loss 1%" },
		{ "rate 1mbit burst 5kb queue red min 5kb max 9kb", "queue codel",
		  "rate 1mbit burst 5kb queue codel" },
		{ "mtu 1400 silent outage", "mtu 1300", "outage mtu 1300" },
		{ "trace leo then hold", "trace train", "trace train" },
		{ "loss 1%", "", "loss 1%" },
		/* off */
		{ "delay 50ms 10ms loss 2% burst 5", "loss off", "delay 50ms 10ms" },
		{ "delay 50ms 10ms loss 2%", "loss off delay off rate 5mbit", "rate 5mbit" },
		{ "delay 50ms", "loss off", "delay 50ms" },
		{ "outage reject", "outage off reject off", "" },
		{ "loss 2%", "loss off up loss 3%", "loss 3%" },
		{ "loss 2%", "loss 3% up loss off", "" },
		{ "loss 2%", "3g up loss off", "delay 100ms rate 330kbit" },
		/* clear */
		{ "loss 2% delay 5ms", "clear outage", "outage" },
		{ "loss 2% delay 5ms", "loss 1% up clear", "" },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		struct choppy_change before, change, after;
		struct choppy_err err;
		char text[128];

		assert_int_equal(parse(&before, rows[i].before, false, NULL), 0);
		if (parse(&change, rows[i].change, true, &err) < 0)
			fail_msg("%s: %s", rows[i].change, err.msg);
		assert_int_equal(change.off[CHOPPY_UP] & change.dir[CHOPPY_UP].set, 0);
		change.dir[0].slot_packets = 12345; /* its bit is not set: without meaning */
		choppy_change_apply(before.dir, &change);
		choppy_condition_print(text, sizeof(text), &before.dir[CHOPPY_UP]);
		assert_string_equal(text, rows[i].after);
		/* Nothing of what was replaced stays in the value. */
		assert_int_equal(parse(&after, rows[i].after, false, NULL), 0);
		assert_memory_equal(&before.dir[CHOPPY_UP], &after.dir[CHOPPY_UP],
				    sizeof(after.dir[0]));
	}
}

static void rules_text(char *buf, size_t size, const struct choppy_rules *rules)
{
	int n = choppy_rules_print(buf, size, rules, CHOPPY_UP);

	n += snprintf(buf + n, size - n, "%s", " / ");
	choppy_rules_print(buf + n, size - n, rules, CHOPPY_DOWN);
}

static void test_rules_merge(void **state)
{
	static const struct {
		const char *before, *change, *after;
		int n, r;
	} rows[] = {
		{ "", "match tcp outage", "match tcp outage / match tcp outage", 1, 0 },
		{ "", "up match tcp outage down match tcp outage",
		  "match tcp outage / match tcp outage", 1, 0 },
		{ "match tcp outage", "match udp loss 1%",
		  "match tcp outage match udp loss 1% / match tcp outage match udp loss 1%", 2, 0 },
		/* replaced where it stands */
		{ "match tcp outage match udp loss 1%", "match tcp loss 2%",
		  "match tcp loss 2% match udp loss 1% / match tcp loss 2% match udp loss 1%", 2,
		  0 },
		{ "match tcp outage match udp loss 1%", "up match tcp loss 2%",
		  "match tcp loss 2% match udp loss 1% / match tcp outage match udp loss 1%", 3,
		  0 },
		{ "up match tcp outage", "match tcp loss 1%",
		  "match tcp loss 1% / match tcp loss 1%", 1, 0 },
		/* nth and first are part of what a rule is */
		{ "match tcp outage",
		  "match tcp nth 3 outage match tcp first 5packets outage "
		  "match tcp first 5connections outage",
		  "match tcp outage match tcp nth 3 outage match tcp first 5packets outage match "
		  "tcp first 5connections outage / match tcp outage match tcp nth 3 outage match "
		  "tcp first 5packets outage match tcp first 5connections outage",
		  4, 0 },
		{ "match tcp nth 3 outage", "match tcp nth 3 off", " / ", 0, 0 },
		{ "match tcp nth 3 outage", "match tcp nth 4 off", NULL, 0, -ENOENT },
		{ "match tcp nth 3 outage", "match tcp off", NULL, 0, -ENOENT },
		/* off */
		{ "match tcp outage match udp outage", "match tcp off",
		  "match udp outage / match udp outage", 1, 0 },
		{ "match tcp outage match udp outage", "up match tcp off",
		  "match udp outage / match tcp outage match udp outage", 2, 0 },
		{ "up match tcp outage", "down match tcp off", NULL, 0, -ENOENT },
		{ "match tcp outage match udp outage", "match off", " / ", 0, 0 },
		{ "match tcp outage match udp outage", "up match off",
		  " / match tcp outage match udp outage", 2, 0 },
		{ "match tcp outage", "match off match udp loss 1%",
		  "match udp loss 1% / match udp loss 1%", 1, 0 },
		{ "match tcp outage", "match udp loss 1% up match off",
		  " / match tcp outage match udp loss 1%", 2, 0 },
		{ "match tcp outage", "match tcp loss 1% up match tcp off", " / match tcp loss 1%",
		  1, 0 },
		/* clear */
		{ "match tcp outage", "clear", " / ", 0, 0 },
		{ "match tcp outage", "up clear", " / match tcp outage", 1, 0 },
		{ "match tcp outage", "match udp outage up clear",
		  " / match tcp outage match udp outage", 2, 0 },
		/* each direction keeps its own order */
		{ "up match tcp outage match udp outage down match udp outage match tcp outage", "",
		  "match tcp outage match udp outage / match udp outage match tcp outage", 3, 0 },
		{ "up match a outage match b outage match c outage down match c outage", "",
		  "match a outage match b outage match c outage / match c outage", 3, 0 },
		{ "up match a outage down match b outage match c outage match a outage", "",
		  "match a outage / match b outage match c outage match a outage", 3, 0 },
		{ "match a outage match b outage match c outage match d outage match e outage "
		  "match "
		  "f outage match g outage match h outage match i outage match j outage match k "
		  "outage match l outage match m outage match n outage match o outage match p "
		  "outage",
		  "match q outage", NULL, 0, -E2BIG },
		{ "match a outage match b outage match c outage match d outage match e outage "
		  "match "
		  "f outage match g outage match h outage match i outage match j outage match k "
		  "outage match l outage match m outage match n outage match o outage match p "
		  "outage",
		  "up match p loss 1%", NULL, 0, -E2BIG },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		struct choppy_change before, change, copy;
		struct choppy_err err = { 0 };
		char text[2048];

		if (parse(&before, rows[i].before, false, &err) < 0)
			fail_msg("%s: %s", rows[i].before, err.msg);
		if (parse(&change, rows[i].change, true, &err) < 0)
			fail_msg("%s: %s", rows[i].change, err.msg);
		copy = before;
		assert_int_equal(choppy_rules_merge(&before.rules, &change, &err), rows[i].r);
		if (rows[i].r) {
			assert_int_equal(err.code, rows[i].r);
			assert_memory_equal(&copy.rules, &before.rules, sizeof(copy.rules));
			continue;
		}
		rules_text(text, sizeof(text), &before.rules);
		assert_string_equal(text, rows[i].after);
		assert_int_equal(before.rules.n, rows[i].n);
	}
}

static void test_rules_merge_says_what_is_not_there(void **state)
{
	struct choppy_rules rules = { 0 };
	struct choppy_change change;
	struct choppy_err err;

	assert_int_equal(parse(&change, "match 'tcp port 80' nth 3 off", true, NULL), 0);
	assert_int_equal(choppy_rules_merge(&rules, &change, &err), -ENOENT);
	assert_string_equal(err.msg, "up: there is no rule match 'tcp port 80' nth 3 to remove");
}

static void test_rules_check(void **state)
{
	static const struct {
		const char *base, *rules, *line;
	} rows[] = {
		{ "delay 5ms", "match tcp reorder 5%", NULL },
		{ "", "match tcp reorder 5% by 3", NULL },
		{ "", "match tcp reorder 5%",
		  "up: match 'tcp': reordered packets skip the delay, and there is nothing to "
		  "skip: "
		  "add e.g. delay 10ms, or say by how many packets they are overtaken: reorder 1% "
		  "by 3" },
		{ "up delay 5ms", "match 'tcp port 80' reorder 5%",
		  "down: match 'tcp port 80': reordered packets skip the delay, and there is "
		  "nothing to skip: add e.g. delay 10ms, or say by how many packets they are "
		  "overtaken: reorder 1% by 3" },
		{ "up delay 5ms", "up match tcp reorder 5%", NULL },
		{ "loss 1%", "match tcp loss 90% burst 2",
		  "up: match 'tcp': loss 90% cannot come in runs of 2 packets, with one that "
		  "passes "
		  "between them: at most loss 66.6666666%, or at least burst 9" },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		struct choppy_change base, rules;
		struct choppy_err err = { 0 };

		assert_int_equal(parse(&base, rows[i].base, false, NULL), 0);
		assert_int_equal(parse(&rules, rows[i].rules, false, NULL), 0);
		assert_int_equal(choppy_rules_check(&rules.rules, base.dir, &err),
				 rows[i].line ? -EINVAL : 0);
		if (rows[i].line)
			assert_string_equal(err.msg, rows[i].line);
	}
}

/* A place's own rules are laid over those for both, and are found in the text again. */
static void test_rules_grammar(void **state)
{
	static const struct {
		const char *words, *printed;
	} rows[] = {
		{ "match 'tcp port 80' loss 10%",
		  "match 'tcp port 80' loss 10% / match 'tcp port 80' loss 10%" },
		{ "loss 1% match tcp delay 5ms 1ms loss 2% burst 5 match udp outage",
		  "match tcp delay 5ms 1ms loss 2% burst 5 match udp outage / match tcp delay 5ms "
		  "1ms loss 2% burst 5 match udp outage" },
		{ "match tcp nth 1,2-4 first 7connections outage",
		  "match tcp nth 1-4 first 7connections outage / match tcp nth 1-4 first "
		  "7connections outage" },
		{ "up match tcp outage down match udp outage", "match tcp outage / match udp "
							       "outage" },
		{ "match tcp loss 1% up match tcp loss 2%",
		  "match tcp loss 2% / match tcp loss 1%" },
		{ "match tcp loss 1% down match udp loss 2% match tcp outage",
		  "match tcp loss 1% / match tcp outage match udp loss 2%" },
		{ "up match tcp loss 1% up delay 5ms", "match tcp loss 1% / " },
		{ "3g match tcp loss 1%", "match tcp loss 1% / match tcp loss 1%" },
		{ "match \"host 10.0.0.1 and (it's)\" outage",
		  "match 'host 10.0.0.1 and (it'\\''s)' outage / match 'host 10.0.0.1 and "
		  "(it'\\''s)' outage" },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		struct choppy_change c, again;
		struct choppy_err err;
		char text[1024], line[1100], *slash;

		if (parse(&c, rows[i].words, false, &err) < 0)
			fail_msg("%s: %s", rows[i].words, err.msg);
		rules_text(text, sizeof(text), &c.rules);
		assert_string_equal(text, rows[i].printed);
		slash = strstr(text, " / ");
		snprintf(line, sizeof(line), "%s%.*s %s%s", slash == text ? "" : "up ",
			 (int)(slash - text), text, slash[3] ? "down " : "", slash + 3);
		if (choppy_change_parse(&again, 0, NULL, false, &err) < 0 ||
		    parse(&again, slash[3] ? line : (line[slash - text + 3] = '\0', line), false,
			  &err) < 0)
			fail_msg("%s: %s", line, err.msg);
		assert_memory_equal(&again.rules, &c.rules, sizeof(c.rules));
	}
}

static void test_seventeenth_rule(void **state)
{
	struct choppy_change c;
	struct choppy_err err;
	char line[1024] = "";
	int i;

	for (i = 0; i < 16; i++)
		snprintf(line + strlen(line), sizeof(line) - strlen(line),
			 "match 'port %d' outage ", i);
	assert_int_equal(parse(&c, line, false, NULL), 0);
	assert_int_equal(c.rules.n, 16);
	strcat(line, "match udp outage");
	assert_int_equal(parse(&c, line, false, &err), -EINVAL);
	assert_int_equal(strncmp(err.msg, "a link has at most 16 rules\n", 28), 0);
}

static void test_long_and_odd_expressions(void **state)
{
	char expression[CHOPPY_MATCH_MAX + 1];
	const char *words[] = { "match", expression, "outage" };
	struct choppy_change c;
	struct choppy_err err;

	memset(expression, 'x', sizeof(expression));
	expression[CHOPPY_MATCH_MAX - 1] = '\0';
	assert_int_equal(choppy_change_parse(&c, 3, words, false, &err), 0);
	assert_string_equal(c.rules.rule[0].match, expression);
	expression[CHOPPY_MATCH_MAX - 1] = 'x';
	expression[CHOPPY_MATCH_MAX] = '\0';
	assert_int_equal(choppy_change_parse(&c, 3, words, false, &err), -EINVAL);
	assert_int_equal(strncmp(err.msg,
				 "the expression has 256 characters, at most 255 are possible\n",
				 60),
			 0);
	words[1] = "tcp\nor udp";
	assert_int_equal(choppy_change_parse(&c, 3, words, false, &err), -EINVAL);
	assert_string_equal(err.msg, "the expression has a control character: leave it out\n"
				     "  match 'tcp?or udp' outage\n"
				     "        ^~~~~~~~~~~~");
}

/* What the losses come to in the long run. */
static void test_long_run_loss(void **state)
{
	static const struct {
		const char *words;
		double loss;
	} rows[] = {
		{ "delay 5ms", -1 },
		{ "drop 1-5", -1 },
		{ "loss 0%", 0 },
		{ "loss 2%", 0.02 },
		{ "loss 2% 25%", 0.02 },
		{ "loss 2% burst 5", 0.02 },
		{ "loss every 8", 0.125 },
		/* p / (p + r), with r = 1 - p */
		{ "loss gemodel 1%", 0.01 },
		{ "loss gemodel 1% 9%", 0.1 },
		{ "loss gemodel 1% 9% 70%", 0.07 },
		{ "loss gemodel 1% 9% 70% 10%", 0.16 },
		{ "loss gemodel 0% 0% 70% 10%", 0.1 },
		{ "loss gemodel 1% 0% 70% 10%", 0.7 },
		/* by the balance of the chain, computed by hand */
		{ "loss state 1%", 0.01 },
		{ "loss state 10% 40%", 0.2 },
		{ "loss state 10% 40% 20% 50%", 0.25 / 1.35 },
		{ "loss state 10% 40% 20% 50% 5%", 0.3 / 1.4 },
		{ "loss state 0% 100% 0% 100% 5%", 0.05 / 1.05 },
		{ "loss state 0%", 0 },
		{ "loss state 10% 0%", 1 },
		{ "loss state 10% 0% 20% 60%", 0.75 },
		{ "loss state 10% 40% 20% 0%", 0 },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		struct choppy_change c;
		double got;

		assert_int_equal(parse(&c, rows[i].words, false, NULL), 0);
		got = choppy_condition_loss(&c.dir[CHOPPY_UP]);
		if (got < rows[i].loss - 1e-12 || got > rows[i].loss + 1e-12)
			fail_msg("%s: %.15f, not %.15f", rows[i].words, got, rows[i].loss);
	}
}

/* The same as the chain itself has it, walked for a million packets. */
static void test_long_run_loss_of_a_walk(void **state)
{
	const double p13 = 0.1, p31 = 0.4, p32 = 0.2, p23 = 0.5, p14 = 0.05;
	uint64_t seed = 4711;
	int at = 1, lost = 0, i;

	for (i = 0; i < 1000000; i++) {
		double u = (double)(random_next(&seed) >> 11) / 9007199254740992.0;

		if (at == 1)
			at = u < p14 ? 4 : u < p14 + p13 ? 3 : 1;
		else if (at == 2)
			at = u < p23 ? 3 : 2;
		else if (at == 3)
			at = u < p32 ? 2 : u < p32 + p31 ? 1 : 3;
		else
			at = 1;
		lost += at == 3 || at == 4;
	}
	/* 0.3 / 1.4 is 0.2143 */
	assert_in_range(lost, 212000, 216600);
}

static void test_check(void **state)
{
	static const struct {
		struct choppy_condition c;
		const char *line; /* NULL: right */
	} rows[] = {
		{ { .set = 0 }, NULL },
		{ { .set = 0, .loss_ppb = UINT64_MAX, .jitter_ns = 1 }, NULL },
		{ { .set = BIT(DELAY) | BIT(JITTER), .delay_ns = 5, .jitter_ns = 5 }, NULL },
		{ { .set = BIT(LOSS), .loss_ppb = 1000000000 }, NULL },
		{ { .set = BIT(RATE) | BIT(LIMIT), .rate_bps = 8, .limit = { 1, 0, 0 } }, NULL },
		{ { .set = BIT(LOSS), .loss_ppb = 1000000001 },
		  "loss 100.0000001% is out of range: 0% to 100%" },
		{ { .set = BIT(DELAY), .delay_ns = 3600 * SEC + 1 },
		  "delay 3600000000.001us is out of range: 0ns to 3600s" },
		{ { .set = BIT(RATE) }, "rate 0bit is out of range: 8bit to 1tbit" },
		{ { .set = BIT(RATE) | BIT(LIMIT), .rate_bps = 8 },
		  "limit 0packets is out of range: 1packet to 10000000packets" },
		{ { .set = BIT(RATE) | BIT(LIMIT), .rate_bps = 8, .limit = { 1, 3, 0 } },
		  "limit is in a unit that is not known (number 3)" },
		{ { .set = BIT(LIMIT), .limit = { 1, 0, 0 } },
		  "limit is the length of the queue before a rate; without a rate there is no "
		  "queue: add e.g. rate 10mbit" },
		{ { .set = BIT(JITTER), .jitter_ns = 0 },
		  "jitter spreads a delay; without a delay there is nothing to spread: add e.g. "
		  "delay 50ms" },
		{ { .set = BIT(DELAY) | BIT(JITTER), .delay_ns = 5000000, .jitter_ns = 5000001 },
		  "jitter 5000.001us is above delay 5ms: packets cannot leave before they "
		  "arrive; at most 5ms" },
		{ { .set = 1ull << 63 },
		  "a field is set that is not known (bits 0x8000000000000000)" },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		struct choppy_err err = { 0 };
		char with_dir[512];

		if (!rows[i].line) {
			assert_int_equal(choppy_condition_check(&rows[i].c, "up", &err), 0);
			continue;
		}
		assert_int_equal(choppy_condition_check(&rows[i].c, NULL, NULL), -EINVAL);
		assert_int_equal(choppy_condition_check(&rows[i].c, NULL, &err), -EINVAL);
		assert_string_equal(err.msg, rows[i].line);
		assert_int_equal(choppy_condition_check(&rows[i].c, "down", &err), -EINVAL);
		snprintf(with_dir, sizeof(with_dir), "down: %s", rows[i].line);
		assert_string_equal(err.msg, with_dir);
		assert_int_equal(err.code, -EINVAL);
	}
}

/* ------------------------------------------------------------- round trips */

/* "up ... down ..." of both directions with their rules. */
static void print_change(char *buf, size_t size, const struct choppy_change *c)
{
	int d, n = 0, k;

	buf[0] = '\0';
	for (d = 0; d < CHOPPY_NDIRS; d++) {
		char words[CHOPPY_CONDITION_TEXT_MAX], rules[BYTES_MAX / 2];

		k = choppy_condition_print(words, sizeof(words), &c->dir[d]);
		assert_int_equal(k, strlen(words));
		k = choppy_rules_print(rules, sizeof(rules), &c->rules, (enum choppy_dir)d);
		assert_int_equal(k, strlen(rules));
		if (*words || *rules)
			n += snprintf(buf + n, size - n, "%s%s %s %s", n ? " " : "",
				      d == CHOPPY_UP ? "up" : "down", words, rules);
		assert_true((size_t)n < size);
	}
}

static int split_again(const char **words, char *buf, const char *text)
{
	int n = choppy_words_split(buf, words, text);

	assert_true(n >= 0 && n < WORDS_MAX);
	return n;
}

static void test_print_and_parse_agree(void **state)
{
	static char text[BYTES_MAX], buf[BYTES_MAX];
	static const char *words[WORDS_MAX];
	uint64_t seed = 20240229;
	uint64_t seen = 0;
	int i, d;

	for (i = 0; i < 20000; i++) {
		struct choppy_change c, again;
		struct choppy_err err;

		random_change(&c, &seed);
		print_change(text, sizeof(text), &c);
		if (choppy_change_parse(&again, split_again(words, buf, text), words, false, &err) <
		    0)
			fail_msg("%s: %s", text, err.msg);
		for (d = 0; d < CHOPPY_NDIRS; d++)
			assert_memory_equal(&again.dir[d], &c.dir[d], sizeof(c.dir[d]));
		/* The order of rules of different directions is the weaver's. */
		assert_int_equal(choppy_rules_merge(&again.rules, &c, NULL), 0);
		print_change(buf, sizeof(buf), &again);
		assert_string_equal(buf, text);
		seen |= c.dir[0].set;
		/* No crash, and one line, whatever is wrong with it. */
		if (choppy_condition_check(&c.dir[0], NULL, &err) < 0)
			assert_null(strchr(err.msg, '\n'));
	}
	assert_true(seen == CHOPPY_FIELD_BIT(CHOPPY_NFIELDS) - 1);
}

/* The largest condition fits what callers hold for it. */
static void test_longest_text(void **state)
{
	struct choppy_condition dir[CHOPPY_NDIRS] = { 0 };
	char text[CHOPPY_CONDITION_TEXT_MAX];
	const struct choppy_field_row *rows = choppy_fields();
	int d, f, n;

	for (d = 0; d < CHOPPY_NDIRS; d++) {
		struct choppy_condition *c = &dir[d];

		c->set = CHOPPY_FIELD_BIT(CHOPPY_NFIELDS) - 1;
		for (f = 0; f < CHOPPY_NFIELDS; f++) {
			char *at = (char *)c + rows[f].offset;

			if (rows[f].kind == CHOPPY_KIND_DISTRIBUTION ||
			    rows[f].kind == CHOPPY_KIND_TRACE)
				memset(at, '\'', CHOPPY_PATH_MAX - 1);
			else if (rows[f].kind == CHOPPY_KIND_TIME ||
				 rows[f].kind == CHOPPY_KIND_PROBABILITY)
				memcpy(at, &(uint64_t){ UINT64_MAX - 7 - d }, 8);
		}
		c->drop.n = CHOPPY_LIST_MAX;
		for (f = 0; f < CHOPPY_LIST_MAX; f++)
			c->drop.range[f] = (struct choppy_range){ UINT64_MAX - 1 - d, UINT64_MAX };
	}
	n = choppy_condition_print_both(text, sizeof(text), dir);
	assert_int_equal(n, strlen(text));
	assert_true(n > 8000 && n < CHOPPY_CONDITION_TEXT_MAX);
}

static void test_words_split(void **state)
{
	static const struct {
		const char *text;
		int n;
		const char *words; /* each in brackets */
	} rows[] = {
		{ "", 0, "" },
		{ "  \t\n", 0, "" },
		{ "a", 1, "[a]" },
		{ " a  b\tc\n", 3, "[a][b][c]" },
		{ "'a b' \"c d\"", 2, "[a b][c d]" },
		{ "a'b c'd", 1, "[ab cd]" },
		{ "'' \"\"", 2, "[][]" },
		{ "it\\'s 'it'\\''s'", 2, "[it's][it's]" },
		{ "a\\ b \"\\\"\\\\\\x\" '\\'", 3, "[a b][\"\\\\x][\\]" },
		{ "'a", -EINVAL, NULL },
		{ "a \"b c", -EINVAL, NULL },
		{ "a\\", -EINVAL, NULL },
		{ "\"a\\\"", -EINVAL, NULL },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		const char *words[64];
		char buf[64], got[64] = "";
		int n = choppy_words_split(buf, words, rows[i].text), k;

		assert_int_equal(n, rows[i].n);
		for (k = 0; k < n; k++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "[%s]", words[k]);
		if (n >= 0)
			assert_string_equal(got, rows[i].words);
	}
}

static void test_profiles(void **state)
{
	const struct choppy_profile *p, *q;
	struct choppy_condition dir[CHOPPY_NDIRS];
	struct choppy_rules rules;
	struct choppy_err err;
	int f;

	for (p = choppy_profiles(); p->name; p++) {
		struct choppy_change c;

		assert_true(p->words && *p->help && *p->source);
		if (parse_whole(dir, &rules, p->words, &err) < 0)
			fail_msg("%s: %s", p->name, err.msg);
		assert_true(dir[CHOPPY_UP].set && dir[CHOPPY_DOWN].set && !rules.n);
		if (parse(&c, p->name, false, &err) < 0)
			fail_msg("%s: %s", p->name, err.msg);
		assert_memory_equal(c.dir, dir, sizeof(dir));
		for (q = choppy_profiles(); q < p; q++)
			assert_string_not_equal(q->name, p->name);
		for (f = 0; f < CHOPPY_NFIELDS; f++)
			if (choppy_fields()[f].word)
				assert_string_not_equal(choppy_fields()[f].word, p->name);
	}
	assert_true(p - choppy_profiles() > 25);
}

/* Some numbers of each source, by hand. */
static void test_profile_numbers(void **state)
{
	static const struct {
		const char *name;
		uint64_t up_bps, down_bps, up_ms, down_ms;
	} rows[] = {
		{ "3g", 330000, 780000, 100, 100 },
		{ "edge", 200000, 240000, 440, 400 },
		{ "dsl", 256000, 2000000, 5, 5 },
		{ "very-bad", 1000000, 1000000, 500, 500 },
		{ "wpt-3g", 768000, 1600000, 150, 150 },
		{ "wpt-lte", 12000000, 12000000, 35, 35 },
		{ "wpt-dial-up", 30000, 49000, 60, 60 },
		{ "chrome-slow-4g", 750000, 1600000, 75, 75 },
		{ "chrome-fast-4g", 1500000, 9000000, 30, 30 },
		{ "atc-3g-good", 420000, 850000, 100, 90 },
	};
	struct choppy_change c;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		assert_int_equal(parse(&c, rows[i].name, false, NULL), 0);
		assert_int_equal(c.dir[CHOPPY_UP].rate_bps, rows[i].up_bps);
		assert_int_equal(c.dir[CHOPPY_DOWN].rate_bps, rows[i].down_bps);
		assert_int_equal(c.dir[CHOPPY_UP].delay_ns, rows[i].up_ms * 1000000);
		assert_int_equal(c.dir[CHOPPY_DOWN].delay_ns, rows[i].down_ms * 1000000);
	}
}

static void test_print_into_any_size(void **state)
{
	static const char whole[] = "delay 50ms 10ms loss 30%";
	struct choppy_change c;
	char buf[64];
	size_t size;

	assert_int_equal(parse(&c, whole, false, NULL), 0);
	assert_int_equal(choppy_condition_print(NULL, 0, &c.dir[0]), strlen(whole));
	for (size = 1; size < sizeof(buf); size++) {
		memset(buf, 'x', sizeof(buf));
		assert_int_equal(choppy_condition_print(buf, size, &c.dir[0]), strlen(whole));
		assert_int_equal(strncmp(buf, whole, size - 1), 0);
		assert_true(memchr(buf, '\0', size));
		if (size < strlen(whole) + 1)
			assert_int_equal(buf[size], 'x');
	}
	memset(&c, 0, sizeof(c));
	strcpy(buf, "old");
	assert_int_equal(choppy_condition_print(buf, sizeof(buf), &c.dir[0]), 0);
	assert_string_equal(buf, "");
}

static void test_a_value_without_its_clause_is_shown_by_name(void **state)
{
	struct choppy_condition c = { .set = BIT(JITTER) | BIT(LOSS), .jitter_ns = 7 };
	char text[64];

	choppy_condition_print(text, sizeof(text), &c);
	assert_string_equal(text, "jitter 7ns loss 0%");
}

/* ------------------------------------------------------------------ tables */

static void test_field_table(void **state)
{
	const struct choppy_field_row *rows = choppy_fields();
	int f, g;

	assert_int_equal(rows[0].place, CHOPPY_PLACE_CLAUSE);
	for (f = 0; f < CHOPPY_NFIELDS; f++) {
		bool number = rows[f].kind <= CHOPPY_KIND_MEAN;

		assert_true(rows[f].name && rows[f].help);
		assert_int_equal(!rows[f].metavar, rows[f].kind == CHOPPY_KIND_FLAG);
		assert_int_equal(!rows[f].word, rows[f].place == CHOPPY_PLACE_VALUE);
		assert_int_equal(!rows[f].choices, rows[f].kind != CHOPPY_KIND_CHOICE);
		assert_int_equal(!rows[f].units, rows[f].kind != CHOPPY_KIND_AMOUNT);
		assert_true(!number || rows[f].min < rows[f].max);
		assert_int_equal(!rows[f].needs, !rows[f].why_needs);
		assert_true(rows[f].offset + value_size(rows[f].kind) <=
			    sizeof(struct choppy_condition));
		for (g = 0; rows[f].choices && rows[f].choices[g]; g++)
			;
		assert_true(!rows[f].choices || (uint64_t)g == rows[f].max + 1);
		for (g = 0; g < f; g++) {
			assert_string_not_equal(rows[f].name, rows[g].name);
			assert_int_not_equal(rows[f].offset, rows[g].offset);
		}
		/* Examples are right. */
		if (rows[f].kind != CHOPPY_KIND_FLAG && rows[f].kind != CHOPPY_KIND_TRACE) {
			char value[CHOPPY_PATH_MAX + sizeof(struct choppy_list)];
			struct choppy_err err;

			if (value_parse(value, &rows[f], value_example(&rows[f]), &err) < 0)
				fail_msg("%s", err.msg);
		}
	}
}

static void test_names(void **state)
{
	assert_string_equal(choppy_drop_name(CHOPPY_DROP_LOSS), "loss");
	assert_string_equal(choppy_drop_name(CHOPPY_DROP_QUEUE), "queue");
	assert_string_equal(choppy_drop_name(CHOPPY_DROP_MEMORY), "memory");
	assert_string_equal(choppy_drop_name(CHOPPY_DROP_RECEIVE), "receive");
	assert_string_equal(choppy_drop_name(CHOPPY_DROP_SEND), "send");
	assert_string_equal(choppy_drop_name(CHOPPY_NDROPS), "unknown");
	assert_string_equal(choppy_backend_name(CHOPPY_ENGINE), "engine");
	assert_string_equal(choppy_backend_name(CHOPPY_NETEM), "netem");
	assert_string_equal(choppy_uplink_name(CHOPPY_UPLINK_NAT), "nat");
	assert_string_equal(choppy_uplink_name(CHOPPY_UPLINK_NONE), "none");
}

/* What a whole condition lacks is pointed at, in the clause that is in force for the direction. */
static void test_whole_condition(void **state)
{
	static const struct {
		const char *words, *caret;
	} bad[] = {
		{ "limit 10packets", "  ^~~~~" },
		{ "loss 1% limit 10packets", "          ^~~~~" },
		{ "delay 1ms 2ms", "            ^~~" },
		{ "delay 50ms 10ms up delay 5ms 6ms", "                               ^~~" },
		{ "rate 1mbit up limit 5ms down delay 1ms 3ms",
		  "                                         ^~~" },
	};
	struct choppy_condition dir[CHOPPY_NDIRS];
	struct choppy_err err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char copy[128], *words[16], *save = NULL, *nl;
		int n = 0;

		snprintf(copy, sizeof(copy), "%s", bad[i].words);
		for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
			words[n++] = w;
		assert_int_equal(
			choppy_condition_parse(dir, NULL, n, (const char *const *)words, &err),
			-EINVAL);
		nl = strrchr(err.msg, '\n');
		assert_non_null(nl);
		assert_string_equal(nl + 1, bad[i].caret);
	}
	{
		const char *const good[] = { "rate", "1mbit", "up", "limit", "5ms" };

		assert_int_equal(choppy_condition_parse(dir, NULL, 5, good, &err), 0);
		assert_true(dir[CHOPPY_UP].set & CHOPPY_FIELD_BIT(CHOPPY_LIMIT));
		assert_false(dir[CHOPPY_DOWN].set & CHOPPY_FIELD_BIT(CHOPPY_LIMIT));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_exact),
		cmocka_unit_test(test_further_values_are_exact),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_tail_of_a_file),
		cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_refused_with_the_reason_and_a_caret),
		cmocka_unit_test(test_a_hundred_thousand_words),
		cmocka_unit_test(test_merge_replaces_whole_clauses),
		cmocka_unit_test(test_rules_merge),
		cmocka_unit_test(test_rules_merge_says_what_is_not_there),
		cmocka_unit_test(test_rules_check),
		cmocka_unit_test(test_rules_grammar),
		cmocka_unit_test(test_seventeenth_rule),
		cmocka_unit_test(test_long_and_odd_expressions),
		cmocka_unit_test(test_long_run_loss),
		cmocka_unit_test(test_long_run_loss_of_a_walk),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_print_and_parse_agree),
		cmocka_unit_test(test_longest_text),
		cmocka_unit_test(test_words_split),
		cmocka_unit_test(test_profiles),
		cmocka_unit_test(test_profile_numbers),
		cmocka_unit_test(test_print_into_any_size),
		cmocka_unit_test(test_a_value_without_its_clause_is_shown_by_name),
		cmocka_unit_test(test_field_table),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_whole_condition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
