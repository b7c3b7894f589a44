/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traces: what is read out of text and files, what is refused and with which exact
 * words, the built-in ones, and the player's times and values.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tracefile.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MS 1000000ull
#define SEC 1000000000ull
#define KEEP TRACE_KEEP
#define OFF TRACE_OFF

static struct trace *parse(const char *text)
{
	struct choppy_err err = { 0 };
	struct trace *t = NULL;

	if (trace_parse("t", text, strlen(text), &t, &err) < 0)
		fail_msg("%s\n%s", err.msg, text);
	return t;
}

/* ------------------------------------------------------------------ reading */

static void test_mahimahi(void **state)
{
	static const struct {
		const char *text;
		uint32_t n, chance[6];
	} good[] = {
		{ "1\n", 1, { 1 } },
		{ "1", 1, { 1 } },
		{ "0\n0\n3\n3\n3\n7\n", 6, { 0, 0, 3, 3, 3, 7 } },
		{ "5\r\n10\r\n", 2, { 5, 10 } },
		{ "0007\n08\n", 2, { 7, 8 } },
		{ "2592000000\n", 1, { 2592000000 } },
	};

	for (size_t i = 0; i < COUNT(good); i++) {
		struct trace *t = parse(good[i].text);

		assert_true(trace_is_chances(t));
		assert_int_equal(trace_fields(t), 0);
		assert_int_equal(t->nrows, good[i].n);
		assert_memory_equal(t->chance_ms, good[i].chance, good[i].n * sizeof(uint32_t));
		assert_int_equal(t->period_ns, good[i].chance[good[i].n - 1] * MS);
		trace_free(t);
	}
}

#define CELLS_MAX 16

static const struct {
	const char *text;
	uint64_t period_ns;
	uint32_t ncolumns, field[4], nrows;
	uint64_t cells[CELLS_MAX];
	uint32_t unit;
} good_csv[] = {
	{ "time_s,delay_ms\n0,5\n10,6\n",
	  20 * SEC,
	  1,
	  { CHOPPY_DELAY },
	  2,
	  { 0, 5 * MS, 10 * SEC, 6 * MS },
	  0 },
	{ "time_s,delay_ms\n0,5\n10,6\n12\n",
	  12 * SEC,
	  1,
	  { CHOPPY_DELAY },
	  2,
	  { 0, 5 * MS, 10 * SEC, 6 * MS },
	  0 },
	{ "time_s,delay_ms\n0,5\n10,\n", 10 * SEC, 1, { CHOPPY_DELAY }, 1, { 0, 5 * MS }, 0 },
	{ "time,delay\n0s,5ms\n.5s,6us\n",
	  SEC,
	  1,
	  { CHOPPY_DELAY },
	  2,
	  { 0, 5 * MS, SEC / 2, 6000 },
	  0 },
	{ "# made by hand\n\n Time (s) , RATE (Mbit) , loss_percent # heads\n"
	  "0 , 2.5 , 0.1 # begin\n\n\t1.25 ,, 100\n2,off,\n  # end\n3,,\n",
	  3 * SEC,
	  2,
	  { CHOPPY_RATE, CHOPPY_LOSS },
	  3,
	  { 0, 2500000, 1000000, 1250 * MS, KEEP, 1000000000, 2 * SEC, OFF, KEEP },
	  0 },
	{ "time_ms,outage,delay_us\r\n0,0,1\r\n1,1,\r\n2,0,\r\n3,off,7\r\n4\r\n",
	  4 * MS,
	  2,
	  { CHOPPY_OUTAGE, CHOPPY_DELAY },
	  4,
	  { 0, OFF, 1000, MS, 1, KEEP, 2 * MS, OFF, KEEP, 3 * MS, OFF, 7000 },
	  0 },
	{ "time_s,rate_kbit,limit_packets\n0,8,10\n1,9,11",
	  2 * SEC,
	  2,
	  { CHOPPY_RATE, CHOPPY_LIMIT },
	  2,
	  { 0, 8000, 10, SEC, 9000, 11 },
	  CHOPPY_PACKETS },
	{ "time_s,limit\n0,off\n1,10ms\n2,1s\n3",
	  3 * SEC,
	  1,
	  { CHOPPY_LIMIT },
	  3,
	  { 0, OFF, SEC, 10 * MS, 2 * SEC, SEC },
	  CHOPPY_NANOSECONDS },
	{ "time_s,limit_kb\n0,1.5\n1,2\n2",
	  2 * SEC,
	  1,
	  { CHOPPY_LIMIT },
	  2,
	  { 0, 1536, SEC, 2048 },
	  CHOPPY_BYTES },
	{ "time_s,delay_correlation_%,slot-max_ms\n0,25,3\n1,,4\n",
	  2 * SEC,
	  2,
	  { CHOPPY_DELAY_CORRELATION, CHOPPY_SLOT_MAX },
	  2,
	  { 0, 250000000, 3 * MS, SEC, KEEP, 4 * MS },
	  0 },
	{ "time_s,delay_ms\n0,1\n2592000,2\n",
	  5184000 * SEC,
	  1,
	  { CHOPPY_DELAY },
	  2,
	  { 0, MS, 2592000 * SEC, 2 * MS },
	  0 },
	{ "time_s,delay_ms,jitter_ms\n0,1,1\n1\n2,2,\n4,,\n",
	  4 * SEC,
	  2,
	  { CHOPPY_DELAY, CHOPPY_JITTER },
	  3,
	  { 0, MS, MS, SEC, KEEP, KEEP, 2 * SEC, 2 * MS, KEEP },
	  0 },
};

static void test_csv(void **state)
{
	for (size_t i = 0; i < COUNT(good_csv); i++) {
		struct trace *t = parse(good_csv[i].text);
		uint64_t fields = 0;

		assert_false(trace_is_chances(t));
		assert_int_equal(t->ncolumns, good_csv[i].ncolumns);
		assert_int_equal(t->nrows, good_csv[i].nrows);
		assert_int_equal(t->period_ns, good_csv[i].period_ns);
		assert_int_equal(t->unit, good_csv[i].unit);
		for (uint32_t k = 0; k < t->ncolumns; k++) {
			assert_int_equal(t->field[k], good_csv[i].field[k]);
			fields |= CHOPPY_FIELD_BIT(t->field[k]);
		}
		assert_int_equal(trace_fields(t), fields);
		for (uint32_t k = 0; k < t->nrows * (1 + t->ncolumns); k++)
			assert_int_equal(t->rows[k], good_csv[i].cells[k]);
		trace_free(t);
	}
}

/* Columns of every kind that is one number, in the units of the command line. */
static void test_csv_kinds(void **state)
{
	struct trace *t = parse("time_s,mtu,loss-burst,rate_burst_kb,slot_bytes\n"
				"0,1500,2.5,64,1b\n1,1400,3,1,1kb\n");

	assert_int_equal(t->rows[1], 1500);
	assert_int_equal(t->rows[2], 2500000);
	assert_int_equal(t->rows[3], 65536);
	assert_int_equal(t->rows[4], 1);
	assert_int_equal(t->rows[6], 1400);
	assert_int_equal(t->rows[9], 1024);
	trace_free(t);
}

#define HEADS                                                                                      \
	"use time, delay, jitter, loss, rate, limit, outage or another field, with its unit "      \
	"as in time_s"
#define A_HEAD "a head like time_s,rate_mbit,delay_ms"
#define ONE_NUMBER "a mahimahi trace has one whole number of milliseconds a line and nothing else"

static const struct {
	const char *text, *msg;
} bad[] = {
	/* nothing */
	{ "", "t:1:1: there is nothing: a trace is a mahimahi trace, or CSV with " A_HEAD },
	{ "\n\n # only words\n",
	  "t:4:1: there is nothing: a trace is a mahimahi trace, or CSV with " A_HEAD },
	{ "\xef\xbb\xbftime_s,delay_ms\n0,1\n1\n",
	  "t:1:1: a byte order mark: save the text as UTF-8 without one" },

	/* mahimahi */
	{ "0\n", "t:1:1: the last number is the period: it must be above 0" },
	{ "0\n0\n0\n", "t:3:1: the last number is the period: it must be above 0" },
	{ "1\n\n2\n", "t:2:1: an empty line: a mahimahi trace has none, remove it" },
	{ "\n1\n", "t:1:1: an empty line: a mahimahi trace has none, remove it" },
	{ "1\n2\n\n", "t:3:1: an empty line: a mahimahi trace has none, remove it" },
	{ "1\n2 \n", "t:2:1: " ONE_NUMBER },
	{ " 1\n", "t:1:1: " ONE_NUMBER },
	{ "# chances\n1\n", "t:1:1: " ONE_NUMBER },
	{ "1\n2 3\n", "t:2:1: " ONE_NUMBER },
	{ "-1\n", "t:1:1: " ONE_NUMBER },
	{ "1.5\n", "t:1:1: " ONE_NUMBER },
	{ "1\n2ms\n", "t:2:1: " ONE_NUMBER },
	{ "1\n1000,5\n", "t:2:1: " ONE_NUMBER },
	{ "5\n7\n6\n", "t:3:1: 6 is less than 7 before it: chances are in order" },
	{ "2592000001\n", "t:1:1: more than 2592000000 ms, the most there may be" },
	{ "1\n99999999999999999999999999\n",
	  "t:2:1: more than 2592000000 ms, the most there may be" },

	/* the head */
	{ "0,10,20\n1,10,20\n", "t:1:1: the first line names the columns: " A_HEAD },
	{ "\"time_s\",\"delay_ms\"\n0,1\n", "t:1:1: the first line names the columns: " A_HEAD },
	{ "time_s\n0\n1\n",
	  "t:1:7: there is only a time: add a column, as in time_s,rate_mbit,delay_ms" },
	{ "delay_ms,time_s\n1,0\n", "t:1:1: the first column is the time, in " A_HEAD },
	{ "time_s,lag_ms\n", "t:1:8: there is no column 'lag_ms': " HEADS },
	{ "time_s;delay_ms\n0;1\n", "t:1:1: there is no column 'time_s;delay_ms': " HEADS },
	{ "time_s,,delay_ms\n", "t:1:8: there is no column '\"\"': " HEADS },
	{ "time_s,delay_ms,\n", "t:1:17: there is no column '\"\"': " HEADS },
	{ "hello\n", "t:1:1: there is no column 'hello': " HEADS },
	{ "time_s,delay_lightyears\n",
	  "t:1:8: delay has no unit 'lightyears': use s, ms, us or ns" },
	{ "time_s,delay_5ms\n", "t:1:8: there is no column 'delay_5ms': " HEADS },
	{ "time_s,delay (parsec)\n", "t:1:8: delay has no unit 'parsec': use s, ms, us or ns" },
	{ "time_s, rate_mbps\n",
	  "t:1:9: tc reads mbps as bytes per second, most people mean bits: write 1mbit or 8mbit" },
	{ "time_s,loss_ms\n", "t:1:8: loss has no unit 'ms': use %" },
	{ "time_s,outage_ms\n", "t:1:8: outage has no unit: call the column outage" },
	{ "time_s,mtu_bytes\n", "t:1:8: mtu has no unit: call the column mtu" },
	{ "time_s,queue\n", "t:1:8: queue is no number that a trace could change" },
	{ "time_s,drop\n", "t:1:8: drop is no number that a trace could change" },
	{ "time_s,flap_ms\n", "t:1:8: flap is no number that a trace could change" },
	{ "time_s,trace\n", "t:1:8: trace is no number that a trace could change" },
	{ "time_s,delay_ms,Delay_us\n", "t:1:17: delay has a column already" },
	{ "time_s,delay_ms,time_ms\n", "t:1:17: time has a column already" },
	{ "time_s,delay_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
	  "t:1:8: a cell of 66 characters: none has more than 63" },
	{ "time,delay_s,jitter_s,delay-correlation,loss,loss-correlation,loss-burst,loss-every,"
	  "gemodel-p,gemodel-r,gemodel-1-h,gemodel-1-k,duplicate,corrupt,reorder,rate,outage,mtu\n",
	  "t:1:167: one column too many: there are 16 beside the time at most" },

	/* rows */
	{ "time_s,delay_ms\n", "t:2:1: there is no row behind the head" },
	{ "time_s,delay_ms\n0,1\n",
	  "t:3:1: one row alone has no end: add a last row with nothing but a time" },
	{ "time_s,delay_ms\n1,1\n2\n", "t:2:1: the first row's time is 1s: it must be 0" },
	{ "time_s,delay_ms\n0,1\n0,2\n",
	  "t:3:1: 0ns is not later than 0ns in the row before: times ascend" },
	{ "time_s,delay_ms\n0,1\n5,2\n4.5,3\n",
	  "t:4:1: 4.5s is not later than 5s in the row before: times ascend" },
	{ "time_s,delay_ms\n0,1\n5,2\n5\n",
	  "t:4:1: 5s is not later than 5s in the row before: times ascend" },
	{ "time_s,delay_ms\n0,1\n2592001,2\n",
	  "t:3:1: time 2592001s is out of range: 0ns to 2592000s" },
	{ "time_s,delay_ms\n0,1\n-1,2\n", "t:3:1: time cannot be negative: for example 50ms" },
	{ "time_s,delay_ms\n0,1\n,2\n", "t:3:1: time is empty: every row needs one" },
	{ "time_s,delay_ms\n0,1\noff,2\n",
	  "t:3:1: time off: the head gives the unit (s), here a bare number is due" },
	{ "time,delay\n0,1ms\n", "t:2:1: time needs its unit: 0ms, 0us or 0s" },
	{ "time_s,delay\n0,1\n", "t:2:3: delay needs its unit: 1ms, 1us or 1s" },
	{ "time_s,delay_ms\n0,\n1,2\n",
	  "t:2:3: delay is empty: the first row needs a value, or off" },
	{ "time_s,delay_ms,jitter_ms\n0,1,1\n1,2\n",
	  "t:3:4: 2 of 3 cells: the head has the others" },
	{ "time_s,delay_ms,jitter_ms\n0\n1,2,2\n", "t:2:2: 1 of 3 cells: the head has the others" },
	{ "time_s,delay_ms\n0,1,\n", "t:2:5: one cell too many: the head has 2 columns" },
	{ "time_s,delay_ms\n0,1,2\n", "t:2:5: one cell too many: the head has 2 columns" },
	{ "time_s,delay_ms\n0, 5ms\n",
	  "t:2:4: delay 5ms: the head gives the unit (ms), here a bare number is due" },
	{ "time_s,loss_percent\n0,5%\n",
	  "t:2:3: loss 5%: the head gives the unit (%), here a bare number is due" },
	{ "time_s,delay_ms\n0,fast\n",
	  "t:2:3: delay fast: the head gives the unit (ms), here a bare number is due" },
	{ "time_s,delay_ms\n0,1.\n", "t:2:3: delay needs a digit after the dot: for example 50ms" },
	{ "time_s,delay_ms\n0,1e3\n", "t:2:3: delay takes no exponent: for example 50ms" },
	{ "time_s,delay_us\n0,1.0005\n",
	  "t:2:3: delay 1.0005us is finer than 1ns, the smallest step" },
	{ "time_s,delay_s\n0,3601\n", "t:2:3: delay 3601s is out of range: 0ns to 3600s" },
	{ "time_s,loss_%\n0,100.1\n", "t:2:3: loss 100.1% is out of range: 0% to 100%" },
	{ "time_s,rate_bit\n0,0\n", "t:2:3: rate 0bit is out of range: 8bit to 1tbit" },
	{ "time_s,rate\n0,5mbps\n",
	  "t:2:3: tc reads mbps as bytes per second, most people mean bits: write 5mbit or "
	  "40mbit" },
	{ "time_s,outage\n0,2\n", "t:2:3: outage is 0 or 1" },
	{ "time_s,outage\n0,yes\n", "t:2:3: outage is 0 or 1" },
	{ "time_s,rate_mbit,limit\n0,1,10ms\n1,1,10p\n",
	  "t:3:5: limit 10p: the cells above count something else; a column has one unit" },
	{ "time_s,delay_ms\n0,\"1\"\n",
	  "t:2:3: delay \"1\": the head gives the unit (ms), here a bare number is due" },
};

static void check_refused(const char *text, size_t len, const char *msg)
{
	struct trace *const before = (struct trace *)&bad, *t = before;
	struct choppy_err err = { 0 };

	assert_int_equal(trace_parse("t", text, len, &t, &err), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_string_equal(err.msg, msg);
	assert_ptr_equal(t, before);
	assert_int_equal(trace_parse("t", text, len, &t, NULL), -EINVAL);
}

static void test_bad(void **state)
{
	static const char nul[] = "time_s,delay_ms\n0,1\0\n";

	for (size_t i = 0; i < COUNT(bad); i++)
		check_refused(bad[i].text, strlen(bad[i].text), bad[i].msg);
	check_refused(nul, sizeof(nul) - 1, "t:2:4: a NUL byte: this is no text");
}

/* @n times "@first" counted up, behind @head. */
static char *many(const char *head, uint32_t n, const char *format, size_t *ret_len)
{
	char *text = malloc(strlen(head) + (size_t)n * 16), *p = text;

	p += sprintf(p, "%s", head);
	for (uint32_t i = 0; i < n; i++)
		p += sprintf(p, format, i);
	*ret_len = (size_t)(p - text);
	return text;
}

static void test_most_rows(void **state)
{
	struct choppy_err err = { 0 };
	struct trace *t = NULL;
	size_t len;
	char *text = many("time_ms,delay_ms\n", TRACE_ROWS_MAX, "%u,1\n", &len);

	assert_int_equal(trace_parse("t", text, len, &t, &err), 0);
	assert_int_equal(t->nrows, TRACE_ROWS_MAX);
	assert_int_equal(t->period_ns, TRACE_ROWS_MAX * MS);
	trace_free(t);
	len += (size_t)sprintf(text + len, "%u\n", 2 * TRACE_ROWS_MAX);
	assert_int_equal(trace_parse("t", text, len, &t, &err), 0);
	assert_int_equal(t->nrows, TRACE_ROWS_MAX);
	assert_int_equal(t->period_ns, 2 * TRACE_ROWS_MAX * MS);
	trace_free(t);
	len += (size_t)sprintf(text + len, "%u\n", 3 * TRACE_ROWS_MAX);
	check_refused(text, len, "t:1000003:1: one row too many: a trace has 1000000 at most");
	free(text);
	text = many("time_ms,delay_ms\n", TRACE_ROWS_MAX + 1, "%u,1\n", &len);
	check_refused(text, len, "t:1000003:1: one row too many: a trace has 1000000 at most");
	free(text);
}

static void test_most_chances(void **state)
{
	struct choppy_err err = { 0 };
	struct trace *t = NULL;
	size_t len;
	char *text = many("", TRACE_CHANCES_MAX, "%u\n", &len);

	assert_int_equal(trace_parse("t", text, len, &t, &err), 0);
	assert_int_equal(t->nrows, TRACE_CHANCES_MAX);
	assert_int_equal(t->period_ns, (TRACE_CHANCES_MAX - 1) * MS);
	trace_free(t);
	len += (size_t)sprintf(text + len, "%u\n", TRACE_CHANCES_MAX);
	check_refused(text, len,
		      "t:10000001:1: one line too many: a mahimahi trace has 10000000 at most");
	free(text);
}

/* ------------------------------------------------------------------ files */

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void check_unread(const char *path, int code, const char *msg)
{
	struct choppy_err err = { 0 };
	struct trace *t = NULL;

	assert_int_equal(trace_load(path, &t, &err), code);
	assert_int_equal(err.code, code);
	assert_string_equal(err.msg, msg);
	assert_null(t);
}

static void test_files(void **state)
{
	char dir[] = "/tmp/choppy-trace-XXXXXX", msg[512];
	struct choppy_err err = { 0 };
	struct trace *t = NULL;
	int cwd = open(".", O_RDONLY | O_DIRECTORY);

	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	write_file("good", "3\n4\n");
	write_file("bad", "time_s,delay_ms\n0,x\n");
	write_file("leo", "3\n");
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(symlink("loop", "loop"), 0);
	assert_int_equal(trace_load("good", &t, &err), 0);
	assert_int_equal(t->nrows, 2);
	trace_free(t);
	assert_int_equal(trace_load("./leo", &t, &err), 0);
	assert_true(trace_is_chances(t));
	trace_free(t);
	assert_int_equal(trace_load("leo", &t, &err), 0);
	assert_false(trace_is_chances(t));
	trace_free(t);
	t = NULL;
	check_unread("bad", -EINVAL,
		     "bad:2:3: delay x: the head gives the unit (ms), here a bare number is due");
	check_unread("none", -ENOENT,
		     "none is no file and no trace: use leo, train or the path of a mahimahi or "
		     "CSV trace");
	snprintf(msg, sizeof(msg), "%s is a directory: name a file in it", dir);
	check_unread(dir, -EISDIR, msg);
	check_unread("fifo", -EINVAL, "fifo is not a regular file: copy its text into one");
	check_unread("loop", -ELOOP, "cannot read loop: Too many levels of symbolic links");
	assert_int_equal(truncate("good", (off_t)TRACE_FILE_MAX + 1), 0);
	check_unread("good", -EFBIG, "good has more than 134217728 bytes, the most there may be");
	assert_int_equal(unlink("good") | unlink("bad") | unlink("leo") | unlink("fifo") |
				 unlink("loop"),
			 0);
	assert_int_equal(fchdir(cwd), 0);
	close(cwd);
	assert_int_equal(rmdir(dir), 0);
}

/* ------------------------------------------------------------------ built-in */

static void test_built_in(void **state)
{
	static const uint64_t periods[] = { 120 * SEC, 120 * SEC, 180 * SEC, 180 * SEC };
	static const uint32_t rows[] = { 24, 24, 18, 18 };
	unsigned int i, n = 0;

	for (i = 0; trace_builtin_name(i); i++) {
		const char *name = trace_builtin_name(i);
		struct choppy_condition c = { 0 };
		struct choppy_err err = { 0 };
		struct trace *t = NULL;

		assert_int_equal(trace_load(name, &t, &err), 0);
		assert_int_equal(t->nrows, rows[i]);
		assert_int_equal(t->period_ns, periods[i]);
		for (uint32_t row = 0; row < t->nrows; row++) {
			trace_row(t, row, &c);
			assert_true(c.jitter_ns <= c.delay_ns);
			assert_int_equal(choppy_condition_check(&c, NULL, &err), 0);
		}
		trace_free(t);
		n++;
	}
	assert_int_equal(n, COUNT(periods));
	assert_null(trace_builtin_text("none"));
	assert_null(trace_builtin_text("./leo"));
}

static void test_examples(void **state)
{
	struct choppy_condition c = { 0 };
	struct choppy_err err = { 0 };
	struct trace *t = NULL;

	assert_int_equal(trace_load(TEST_SOURCE "/examples/steps.trace", &t, &err), 0);
	/* 6 Mbit/s, then 1.2 Mbit/s, for half a second each. */
	assert_int_equal(t->nrows, 250 + 50);
	assert_int_equal(t->period_ns, SEC);
	assert_int_equal(t->chance_ms[249], 500);
	trace_free(t);
	assert_int_equal(trace_load(TEST_SOURCE "/examples/elevator.csv", &t, &err), 0);
	assert_int_equal(t->nrows, 7);
	assert_int_equal(t->period_ns, 25 * SEC);
	for (uint32_t row = 0; row < t->nrows; row++) {
		trace_row(t, row, &c);
		assert_int_equal(choppy_condition_check(&c, NULL, &err), 0);
	}
	trace_free(t);
}

/* The facts that the built-in trace is said to be made by. */
static void test_leo_loses_one_to_two_percent(void **state)
{
	struct choppy_condition c = { 0 };
	struct choppy_err err = { 0 };
	struct trace *t = NULL;
	uint64_t lost = 0; /* ppb times ms */
	bool out;

	assert_int_equal(trace_load("leo", &t, &err), 0);
	for (uint32_t row = 0; row < t->nrows; row++) {
		uint64_t from = t->rows[row * (1 + t->ncolumns)];
		uint64_t to = row + 1 < t->nrows ? t->rows[(row + 1) * (1 + t->ncolumns)]
						 : t->period_ns;

		trace_row(t, row, &c);
		out = c.set & CHOPPY_FIELD_BIT(CHOPPY_OUTAGE);
		lost += (to - from) / MS * (out ? SEC : c.loss_ppb);
		/* the last one ends with the trace */
		assert_true(!out || from % (15 * SEC) == 0 || from == 119700 * MS);
	}
	/* In 15 s: 80 ms all, 220 ms half, 14.7 s 0.4%. */
	assert_int_equal(lost, 8 * (80 * 1000000000ull + 220 * 500000000ull + 14700 * 4000000ull));
	trace_free(t);
}

/* ------------------------------------------------------------------ player */

/* Row times 0, 10 and 25 ms, end 40 ms; delay 1, 2, 3 ms; limit 5, as before, off. */
static const uint64_t cells[] = {
	0, MS, 5, 10 * MS, 2 * MS, KEEP, 25 * MS, 3 * MS, OFF,
};
static const struct trace rows3 = {
	.ncolumns = 2,
	.field = { CHOPPY_DELAY, CHOPPY_LIMIT },
	.unit = CHOPPY_BYTES,
	.nrows = 3,
	.period_ns = 40 * MS,
	.rows = cells,
};

static void check_row(const struct choppy_condition *c, uint64_t delay_ns, bool limit)
{
	uint64_t set = CHOPPY_FIELD_BIT(CHOPPY_DELAY) | CHOPPY_FIELD_BIT(CHOPPY_RATE) |
		       CHOPPY_FIELD_BIT(CHOPPY_TRACE);

	assert_int_equal(c->set, set | (limit ? CHOPPY_FIELD_BIT(CHOPPY_LIMIT) : 0));
	assert_int_equal(c->delay_ns, delay_ns);
	assert_int_equal(c->rate_bps, 1000000);
	if (limit) {
		assert_int_equal(c->limit.n, 5);
		assert_int_equal(c->limit.unit, CHOPPY_BYTES);
		assert_int_equal(c->limit.zero, 0);
	}
}

static struct choppy_condition beside(void)
{
	return (struct choppy_condition){
		.set = CHOPPY_FIELD_BIT(CHOPPY_DELAY) | CHOPPY_FIELD_BIT(CHOPPY_RATE) |
		       CHOPPY_FIELD_BIT(CHOPPY_TRACE),
		.delay_ns = 7,
		.rate_bps = 1000000,
		.limit = { 99, CHOPPY_PACKETS, 0 },
	};
}

/* Play one round that begins at @base_ns: each change at its time. */
static void check_round(struct trace_player *p, struct choppy_condition *c,
			const struct choppy_condition *without, uint64_t base_ns)
{
	assert_int_equal(trace_next(p), base_ns);
	trace_apply(p, c, without);
	check_row(c, MS, true);
	assert_int_equal(trace_next(p), base_ns + 10 * MS);
	trace_apply(p, c, without);
	check_row(c, 2 * MS, true);
	assert_int_equal(trace_next(p), base_ns + 25 * MS);
	trace_apply(p, c, without);
	check_row(c, 3 * MS, false);
}

static void test_loop(void **state)
{
	const struct choppy_condition without = beside();
	struct choppy_condition c = without;
	struct trace_player p;

	trace_begin(&p, &rows3, &c, 1000);
	for (uint64_t k = 0; k < 100000; k++)
		check_round(&p, &c, &without, 1000 + k * 40 * MS);
	trace_packet(&p, 5);
	assert_int_equal(trace_next(&p), 1000 + 100000 * 40 * MS);
}

static void test_hold(void **state)
{
	struct choppy_condition without = beside(), c;
	struct trace_player p;

	without.set |= CHOPPY_FIELD_BIT(CHOPPY_TRACE_END);
	without.trace_end = CHOPPY_TRACE_HOLD;
	trace_begin(&p, &rows3, &without, 3 * SEC);
	without.set &= ~CHOPPY_FIELD_BIT(CHOPPY_TRACE_END);
	c = without;
	check_round(&p, &c, &without, 3 * SEC);
	assert_int_equal(trace_next(&p), TRACE_NEVER);
	trace_packet(&p, 4 * SEC);
	assert_int_equal(trace_next(&p), TRACE_NEVER);
}

static void test_stop(void **state)
{
	struct choppy_condition without = beside(), c;
	struct trace_player p;

	without.set |= CHOPPY_FIELD_BIT(CHOPPY_TRACE_END);
	without.trace_end = CHOPPY_TRACE_STOP;
	trace_begin(&p, &rows3, &without, 3 * SEC);
	without.set &= ~CHOPPY_FIELD_BIT(CHOPPY_TRACE_END);
	c = without;
	check_round(&p, &c, &without, 3 * SEC);
	assert_int_equal(trace_next(&p), 3 * SEC + 40 * MS);
	trace_apply(&p, &c, &without);
	assert_memory_equal(&c, &without, sizeof(c));
	assert_int_equal(trace_next(&p), TRACE_NEVER);
}

static void test_first_packet(void **state)
{
	struct choppy_condition without = beside(), c;
	struct trace_player p;

	without.set |= CHOPPY_FIELD_BIT(CHOPPY_TRACE_START);
	without.trace_start = CHOPPY_TRACE_FIRST_PACKET;
	trace_begin(&p, &rows3, &without, 3 * SEC);
	without.set &= ~CHOPPY_FIELD_BIT(CHOPPY_TRACE_START);
	c = without;
	assert_int_equal(trace_next(&p), TRACE_NEVER);
	trace_packet(&p, 5 * SEC + 1);
	check_round(&p, &c, &without, 5 * SEC + 1);
	trace_packet(&p, 6 * SEC);
	check_round(&p, &c, &without, 5 * SEC + 1 + 40 * MS);
}

/* Values of these fields without their bits mean nothing. */
static void test_begin_needs_the_bits(void **state)
{
	struct choppy_condition c = beside();
	struct trace_player p;

	c.trace_end = CHOPPY_TRACE_STOP;
	c.trace_start = CHOPPY_TRACE_FIRST_PACKET;
	trace_begin(&p, &rows3, &c, 9);
	assert_int_equal(trace_next(&p), 9);
	assert_int_equal(p.end, CHOPPY_TRACE_LOOP);
}

static void test_chances_are_not_played(void **state)
{
	struct choppy_condition c = beside();
	struct trace *t = parse("1\n");
	struct trace_player p;

	trace_begin(&p, t, &c, 0);
	assert_int_equal(trace_next(&p), TRACE_NEVER);
	trace_packet(&p, 0);
	assert_int_equal(trace_next(&p), TRACE_NEVER);
	trace_free(t);
}

static void test_row_0_at_0_of_a_file(void **state)
{
	struct choppy_condition c = beside(), without = c;
	struct trace *t = parse("time_s,outage\n0,1\n1,0\n3\n");
	struct trace_player p;

	trace_begin(&p, t, &c, 0);
	for (uint64_t k = 0; k < 3; k++) {
		assert_int_equal(trace_next(&p), 3 * k * SEC);
		trace_apply(&p, &c, &without);
		assert_true(c.set & CHOPPY_FIELD_BIT(CHOPPY_OUTAGE));
		assert_int_equal(c.outage, 1);
		assert_int_equal(trace_next(&p), (3 * k + 1) * SEC);
		trace_apply(&p, &c, &without);
		assert_false(c.set & CHOPPY_FIELD_BIT(CHOPPY_OUTAGE));
	}
	trace_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mahimahi),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_csv_kinds),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_most_rows),
		cmocka_unit_test(test_most_chances),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_built_in),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_leo_loses_one_to_two_percent),
		cmocka_unit_test(test_loop),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_first_packet),
		cmocka_unit_test(test_begin_needs_the_bits),
		cmocka_unit_test(test_chances_are_not_played),
		cmocka_unit_test(test_row_0_at_0_of_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
