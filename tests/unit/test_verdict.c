/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verdicts: lines and back again, what is refused and why, files, and looking them up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rng.h"
#include "verdict.h"
#include "verdictfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* -------------------------------------------------------------------- lines */

static void test_header(void **state)
{
	char buf[256];
	int n = verdict_header(buf, sizeof(buf), UINT64_MAX);

	assert_string_equal(buf, "# choppy verdicts 1\n# seed 18446744073709551615\n"
				 "# link dir packet flow in-flow verdict value arrived left\n");
	assert_int_equal(n, strlen(buf));
	assert_int_equal(verdict_header(buf, 10, UINT64_MAX), n);
	assert_string_equal(buf, "# choppy ");
}

static void test_lines(void **state)
{
	static const struct {
		struct verdict v;
		const char *flow, *line;
	} rows[] = {
		{ { .packet = 17,
		    .in_flow = 5,
		    .kind = VERDICT_DROPPED,
		    .at_ns = 1002003004,
		    .due_ns = VERDICT_NO_TIME },
		  "tcp:192.0.2.1:80#1",
		  "0 up 17 tcp:192.0.2.1:80#1 5 dropped loss 1.002003004 -\n" },
		{ { .dir = CHOPPY_DOWN,
		    .packet = 21,
		    .in_flow = 1,
		    .kind = VERDICT_DELAYED,
		    .value = 10512000,
		    .at_ns = 1500000000,
		    .due_ns = 1510512000 },
		  "udp:10.1.1.0:53#2",
		  "0 down 21 udp:10.1.1.0:53#2 1 delayed 10.512ms 1.500000000 1.510512000\n" },
		{ { .link = 65535, .packet = 1, .kind = VERDICT_DUPLICATED, .value = 1 },
		  NULL,
		  "65535 up 1 - - duplicated 1 0.000000000 0.000000000\n" },
		{ { .in_flow = 1,
		    .kind = VERDICT_CORRUPTED,
		    .at_ns = VERDICT_NO_TIME,
		    .due_ns = VERDICT_NO_TIME },
		  "icmp6:[fe80::1]#3",
		  "0 up - icmp6:[fe80::1]#3 1 corrupted 0 - -\n" },
		{ { .packet = UINT64_MAX,
		    .kind = VERDICT_MENDED,
		    .value = 559999,
		    .at_ns = 1,
		    .due_ns = 999999999 },
		  NULL,
		  "0 up 18446744073709551615 - - mended 559999 0.000000001 0.999999999\n" },
		{ { .packet = 1, .kind = VERDICT_MARKED, .at_ns = UINT64_MAX - 1, .due_ns = 5 },
		  NULL,
		  "0 up 1 - - marked - 18446744073.709551614 0.000000005\n" },
		{ { .packet = 1, .kind = VERDICT_HURRIED },
		  NULL,
		  "0 up 1 - - hurried - 0.000000000 0.000000000\n" },
		{ { .packet = 1, .kind = VERDICT_OVERTAKEN, .value = 3, .value2 = 20000000 },
		  NULL,
		  "0 up 1 - - overtaken 3/20ms 0.000000000 0.000000000\n" },
		{ { .packet = 1, .kind = VERDICT_DELAYED, .value = 0 },
		  NULL,
		  "0 up 1 - - delayed 0ms 0.000000000 0.000000000\n" },
		{ { .packet = 1, .kind = VERDICT_DELAYED, .value = 1 },
		  NULL,
		  "0 up 1 - - delayed 0.000001ms 0.000000000 0.000000000\n" },
		{ { .packet = 1, .kind = VERDICT_DELAYED, .value = 1000000000000000 },
		  NULL,
		  "0 up 1 - - delayed 1000000000ms 0.000000000 0.000000000\n" },
	};
	char line[VERDICT_LINE_MAX], flow[FLOW_LABEL_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct verdict want = rows[i].v, v;
		struct verdict_error err;

		assert_int_equal(verdict_print(line, &want, rows[i].flow), strlen(rows[i].line));
		assert_string_equal(line, rows[i].line);
		line[strlen(line) - 1] = '\0';
		want.flow_hash = rows[i].flow ? flow_text_hash(rows[i].flow) : 0;
		assert_int_equal(verdict_parse(&v, flow, line, &err), 0);
		assert_memory_equal(&v, &want, sizeof(v));
		assert_string_equal(flow, rows[i].flow ? rows[i].flow : "-");
		assert_int_equal(verdict_parse(&v, NULL, line, &err), 0);
	}
}

/* The longest line that there can be has its place. */
static void test_longest(void **state)
{
	struct verdict v = { .link = UINT16_MAX,
			     .dir = CHOPPY_DOWN,
			     .kind = VERDICT_OVERTAKEN,
			     .packet = UINT64_MAX,
			     .in_flow = UINT64_MAX,
			     .value = UINT64_MAX,
			     .value2 = UINT64_MAX,
			     .at_ns = UINT64_MAX - 1,
			     .due_ns = UINT64_MAX - 1 };
	char line[VERDICT_LINE_MAX], flow[2 * FLOW_LABEL_MAX];

	memset(flow, 'x', sizeof(flow));
	flow[sizeof(flow) - 1] = '\0';
	assert_in_range(verdict_print(line, &v, flow), 200, VERDICT_LINE_MAX - 1);
}

static uint64_t some(struct rng *rng, uint64_t max)
{
	/* Of every length. */
	uint64_t n = rng_next(rng) >> rng_below(rng, 64);

	return max == UINT64_MAX ? n : n % (max + 1);
}

static struct verdict random_verdict(struct rng *rng)
{
	static const uint64_t max[VERDICT_NKINDS] = {
		[VERDICT_DROPPED] = CHOPPY_NDROPS - 1, [VERDICT_DUPLICATED] = 999,
		[VERDICT_CORRUPTED] = 559999,	       [VERDICT_MENDED] = 559999,
		[VERDICT_DELAYED] = 1000000000000000,  [VERDICT_OVERTAKEN] = 999999,
	};
	struct verdict v = {
		.link = (uint16_t)rng_next(rng),
		.dir = (uint8_t)rng_below(rng, CHOPPY_NDIRS),
		.kind = (uint8_t)rng_below(rng, VERDICT_NKINDS),
		.packet = some(rng, UINT64_MAX),
		.in_flow = rng_below(rng, 2) ? some(rng, UINT64_MAX) : 0,
		.at_ns = rng_below(rng, 9) ? some(rng, UINT64_MAX - 1) : VERDICT_NO_TIME,
		.due_ns = rng_below(rng, 2) ? some(rng, UINT64_MAX - 1) : VERDICT_NO_TIME,
	};

	v.value = some(rng, max[v.kind]);
	if (v.kind == VERDICT_DUPLICATED || v.kind == VERDICT_OVERTAKEN)
		v.value++;
	if (v.kind == VERDICT_OVERTAKEN)
		v.value2 = some(rng, 1000000000000000);
	if (v.kind == VERDICT_FRAGMENTED)
		v.value = 68 + v.value % (65536 - 68);
	if (!v.packet && !v.in_flow)
		v.packet = 1;
	if (v.packet)
		v.part = (uint8_t)some(rng, UINT8_MAX);
	return v;
}

static void test_round_trip(void **state)
{
	struct rng_key key = { .seed = 5, .purpose = "verdict" };
	struct rng rng;

	rng_init(&rng, &key);
	for (unsigned i = 0; i < 100000; i++) {
		struct verdict v = random_verdict(&rng), again;
		char flow[FLOW_LABEL_MAX], line[VERDICT_LINE_MAX], text[VERDICT_LINE_MAX];
		struct verdict_error err;
		int n;

		snprintf(flow, sizeof(flow), "udp:10.1.%u.%u:%u#%u", (unsigned)rng_below(&rng, 256),
			 (unsigned)rng_below(&rng, 256), 1 + (unsigned)rng_below(&rng, 65535),
			 1 + (unsigned)rng_below(&rng, 1000));
		v.flow_hash = v.in_flow ? flow_text_hash(flow) : 0;
		n = verdict_print(line, &v, v.in_flow ? flow : NULL);
		assert_int_equal(line[n - 1], '\n');
		line[n - 1] = '\0';
		if (verdict_parse(&again, flow, line, &err) != 0)
			fail_msg("%s: %u: %s", line, err.column, err.why);
		assert_memory_equal(&v, &again, sizeof(v));
		verdict_print(text, &again, flow);
		assert_memory_equal(line, text, n - 1);
	}
}

/* What a hand may write, and a program would not. */
static void test_by_hand(void **state)
{
	static const struct {
		const char *line;
		uint64_t value, value2, at_ns;
	} rows[] = {
		{ "0 up 1 - - delayed 10ms - -", 10000000, 0, VERDICT_NO_TIME },
		{ "0 up 1 - - delayed 10.000000ms - -", 10000000, 0, VERDICT_NO_TIME },
		{ "0 up 1 - - delayed 0010ms - -", 10000000, 0, VERDICT_NO_TIME },
		{ "0 up 1 - - delayed 1.5s - -", 1500000000, 0, VERDICT_NO_TIME },
		{ "0 up 1 - - delayed 250us - -", 250000, 0, VERDICT_NO_TIME },
		{ "0 up 1 - - delayed 7ns - -", 7, 0, VERDICT_NO_TIME },
		{ "0 up 1 - - delayed 7.000ns - -", 7, 0, VERDICT_NO_TIME },
		{ "0 up 1 - - overtaken 2/1s - -", 2, 1000000000, VERDICT_NO_TIME },
		{ "0 up 1 - - dropped send 3 -", CHOPPY_DROP_SEND, 0, 3000000000 },
		{ "0 up 1 - - dropped queue 3.25 9", CHOPPY_DROP_QUEUE, 0, 3250000000 },
	};
	struct verdict_error err;
	struct verdict v;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (verdict_parse(&v, NULL, rows[i].line, &err) != 0)
			fail_msg("%s: %u: %s", rows[i].line, err.column, err.why);
		assert_true(v.value == rows[i].value && v.value2 == rows[i].value2);
		assert_true(v.at_ns == rows[i].at_ns);
	}
	assert_int_equal(verdict_parse(&v, NULL, "", &err), 1);
	assert_int_equal(verdict_parse(&v, NULL, "#", &err), 1);
	assert_int_equal(verdict_parse(&v, NULL, "# 0 up 1 - - marked - - -", &err), 1);
}

#define NINE "link dir packet flow in-flow verdict value arrived left"
#define REASONS "loss, list, outage, reject, mtu, queue, aqm, replay, memory, receive, send"
#define KINDS                                                                                      \
	"dropped, duplicated, corrupted, mended, marked, delayed, hurried, overtaken, "            \
	"fragmented"
#define SPACES "one space stands between two columns, and none before the first"
#define TIME "time to the nanosecond: for example 10.512ms"
#define AT "time in seconds, to the nanosecond: for example 1.002003004, or -"
#define OVERTAKEN "number of packets and time within which: for example 3/20ms"
#define FLOW "flow: for example tcp:192.0.2.1:80#1, or -"
#define LONG_LABEL                                                                                 \
	"tcp:[1111:2222:3333:4444:5555:6666:7777:8888]:65535#111111111111111111111111111111"

static void test_bad_lines(void **state)
{
	static const struct {
		const char *line;
		unsigned column;
		const char *why;
	} rows[] = {
		{ " ", 1, SPACES },
		{ "0", 2, "the line has 1 of 9 columns: " NINE },
		{ "0 up", 5, "the line has 2 of 9 columns: " NINE },
		{ "0 up ", 6, "the line has 2 of 9 columns: " NINE },
		{ "0 up 1 - - marked - -", 22, "the line has 8 of 9 columns: " NINE },
		{ "0 up 1 - - marked - - ", 23, "the line has 8 of 9 columns: " NINE },
		{ " 0 up 1 - - marked - - -", 1, SPACES },
		{ "0  up 1 - - marked - - -", 3, SPACES },
		{ "0 up 1 - - marked  - - -", 19, SPACES },
		{ "0 up 1 - - marked - - - ", 24, "more than 9 columns" },
		{ "0 up 1 - - marked - - - -", 24, "more than 9 columns" },
		{ "0\tup 1 - - marked - - - -", 1, "'0?up' is no number of a link: 0 to 65535" },
		{ "-1 up 1 - - marked - - -", 1, "'-1' is no number of a link: 0 to 65535" },
		{ "- up 1 - - marked - - -", 1, "'-' is no number of a link: 0 to 65535" },
		{ "65536 up 1 - - marked - - -", 1, "'65536' is no number of a link: 0 to 65535" },
		{ "0 left 1 - - marked - - -", 3, "'left' is no direction: up or down" },
		{ "0 u 1 - - marked - - -", 3, "'u' is no direction: up or down" },
		{ "0 upp 1 - - marked - - -", 3, "'upp' is no direction: up or down" },
		{ "0 up 0 - - marked - - -", 6, "'0' is no packet number: from 1, or -" },
		{ "0 up 1.5 - - marked - - -", 6, "'1.5' is no packet number: from 1, or -" },
		{ "0 up 0x10 - - marked - - -", 6, "'0x10' is no packet number: from 1, or -" },
		{ "0 up 18446744073709551616 - - marked - - -", 6,
		  "'18446744073709551616' is no packet number: from 1, or -" },
		{ "0 up - - - marked - - -", 6, "neither a packet number nor a flow" },
		{ "0 up 1 tcp:192.0.2.1:80 1 marked - - -", 8, "'tcp:192.0.2.1:80' is no " FLOW },
		{ "0 up 1 tcp:[2001:DB8::1]:80#1 1 marked - - -", 8,
		  "'tcp:[2001:DB8::1]:80#1' is no " FLOW },
		{ "0 up 1 " LONG_LABEL " 1 marked - - -", 8,
		  "'tcp:[1111:2222:3333:4444:5555:6666:77...' is no " FLOW },
		{ "0 up 1 tcp:192.0.2.1:80#1 - marked - - -", 8,
		  "a flow, and no number within it" },
		{ "0 up 1 - 3 marked - - -", 8, "a number within a flow, and no flow" },
		{ "0 up 1 tcp:192.0.2.1:80#1 0 marked - - -", 27,
		  "'0' is no number within the flow: from 1, or -" },
		{ "0 up 1 - x marked - - -", 10, "'x' is no number within the flow: from 1, or -" },
		{ "0 up 1 - - lost - - -", 12, "'lost' is no verdict: " KINDS },
		{ "0 up 1 - - drop loss - -", 12, "'drop' is no verdict: " KINDS },
		{ "0 up 1 - - dropped - - -", 20, "'-' is no reason to drop: " REASONS },
		{ "0 up 1 - - dropped los - -", 20, "'los' is no reason to drop: " REASONS },
		{ "0 up 1 - - duplicated 0 - -", 23, "'0' is no number of copies: 1 to 1000" },
		{ "0 up 1 - - duplicated 1001 - -", 23,
		  "'1001' is no number of copies: 1 to 1000" },
		{ "0 up 1 - - duplicated - - -", 23, "'-' is no number of copies: 1 to 1000" },
		{ "0 up 1 - - corrupted 560000 - -", 22,
		  "'560000' is no number of a bit: 0 to 559999" },
		{ "0 up 1 - - mended x - -", 19, "'x' is no number of a bit: 0 to 559999" },
		{ "0 up 1 - - marked 1 - -", 19, "'1' is no value of marked, which has none: -" },
		{ "0 up 1 - - hurried 1ms - -", 20,
		  "'1ms' is no value of hurried, which has none: -" },
		{ "0 up 1 - - delayed 10 - -", 20, "'10' is no " TIME },
		{ "0 up 1 - - delayed ms - -", 20, "'ms' is no " TIME },
		{ "0 up 1 - - delayed 1.ms - -", 20, "'1.ms' is no " TIME },
		{ "0 up 1 - - delayed .5ms - -", 20, "'.5ms' is no " TIME },
		{ "0 up 1 - - delayed 1.2.3ms - -", 20, "'1.2.3ms' is no " TIME },
		{ "0 up 1 - - delayed 0.0000001ms - -", 20, "'0.0000001ms' is no " TIME },
		{ "0 up 1 - - delayed 0.5ns - -", 20, "'0.5ns' is no " TIME },
		{ "0 up 1 - - delayed -1ms - -", 20, "'-1ms' is no " TIME },
		{ "0 up 1 - - delayed 1min - -", 20, "'1min' is no " TIME },
		{ "0 up 1 - - delayed 1000000.000000001s - -", 20,
		  "'1000000.000000001s' is no " TIME },
		{ "0 up 1 - - delayed 18446744073709551617ns - -", 20,
		  "'18446744073709551617ns' is no " TIME },
		{ "0 up 1 - - delayed 18446744074s - -", 20, "'18446744074s' is no " TIME },
		{ "0 up 1 - - overtaken 3 - -", 22, "'3' is no " OVERTAKEN },
		{ "0 up 1 - - overtaken 3/ - -", 22, "'3/' is no " OVERTAKEN },
		{ "0 up 1 - - overtaken /3ms - -", 22,
		  "'/3ms' is no number of packets: 1 to 1000000" },
		{ "0 up 1 - - overtaken 0/3ms - -", 22,
		  "'0/3ms' is no number of packets: 1 to 1000000" },
		{ "0 up 1 - - marked - x -", 21, "'x' is no " AT },
		{ "0 up 1 - - marked - 1.0000000001 -", 21, "'1.0000000001' is no " AT },
		{ "0 up 1 - - marked - 1. -", 21, "'1.' is no " AT },
		{ "0 up 1 - - marked - 18446744073.709551615 -", 21,
		  "'18446744073.709551615' is no " AT },
		{ "0 up 1 - - marked - 1 2s", 23, "'2s' is no " AT },
		{ "0 up 1 - - marked - 1 2\r", 23, "'2?' is no " AT },
		{ "0 up 1 - - marked - 1 \xc3\xa4", 23, "'\?\?' is no " AT },
	};
	struct verdict v, before;
	struct verdict_error err;

	memset(&before, 0xa5, sizeof(before));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		v = before;
		if (verdict_parse(&v, NULL, rows[i].line, &err) != -EINVAL)
			fail_msg("'%s' is accepted", rows[i].line);
		if (err.column != rows[i].column || strcmp(err.why, rows[i].why) != 0)
			fail_msg("'%s': %u: %s", rows[i].line, err.column, err.why);
		assert_memory_equal(&v, &before, sizeof(v));
	}
}

/* -------------------------------------------------------------------- replay */

static struct verdict verdict(uint16_t link, uint8_t dir, uint8_t kind, uint64_t packet,
			      uint64_t flow_hash, uint64_t in_flow)
{
	return (struct verdict){ .link = link,
				 .dir = dir,
				 .kind = kind,
				 .packet = packet,
				 .flow_hash = flow_hash,
				 .in_flow = in_flow };
}

static void shuffle(struct verdict *v, size_t n, struct rng *rng)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = rng_below(rng, i);
		struct verdict t = v[i - 1];

		v[i - 1] = v[k];
		v[k] = t;
	}
}

/* Packets 3, 6, 9, ... of two links, each with one to three verdicts; asked about in order. */
static size_t find(struct replay *r, uint64_t packet, uint64_t flow_hash, uint64_t in_flow,
		   const struct verdict **ret)
{
	const struct verdict key = { .packet = packet, .flow_hash = flow_hash, .in_flow = in_flow };

	return replay_find(r, &key, ret);
}

static void check_replay(struct verdict *v, size_t n, bool by_flow)
{
	struct replay r;
	const struct verdict *found;

	verdict_sort(v, n, by_flow);
	for (unsigned link = 0; link < 3; link++)
		for (unsigned dir = 0; dir < CHOPPY_NDIRS; dir++) {
			replay_begin(&r, v, n, link, dir, by_flow);
			assert_int_equal(r.n, link < 2 ? 66 : 0);
			for (uint64_t p = 1; p <= 105; p++) {
				size_t want = link < 2 && p % 3 == 0 && p < 100 ? 1 + p / 3 % 3 : 0;

				/* Twice: to ask changes nothing. */
				for (int twice = 0; twice < 2; twice++)
					assert_int_equal(
						find(&r, p, 1000 + p % 7, p / 7 + 1, &found), want);
				for (size_t i = 0; i < want; i++) {
					assert_int_equal(found[i].packet, p);
					assert_int_equal(found[i].link, link);
					assert_int_equal(found[i].dir, dir);
					assert_int_equal(found[i].kind, 2 * i);
				}
			}
		}
}

static void test_replay(void **state)
{
	struct rng_key key = { .seed = 6, .purpose = "verdict" };
	struct verdict v[4 * 66];
	struct rng rng;
	size_t n = 0;

	rng_init(&rng, &key);
	for (unsigned i = 0; i < 4; i++)
		for (uint64_t p = 3; p < 100; p += 3)
			for (uint8_t k = 0; k < 1 + p / 3 % 3; k++)
				v[n++] = verdict(i / 2, i % 2, (uint8_t)(2 * k), p, 1000 + p % 7,
						 p / 7 + 1);
	assert_int_equal(n, ARRAY_SIZE(v));
	for (unsigned round = 0; round < 10; round++) {
		shuffle(v, n, &rng);
		check_replay(v, n, round % 2);
	}
	verdict_sort(NULL, 0, true);
}

/* By number, packets may be left out; by flow, a packet without a flow has no verdict. */
static void test_replay_jumps(void **state)
{
	struct verdict v[] = { verdict(0, 0, 1, 5, 0, 0), verdict(0, 0, 1, 7, 9, 1),
			       verdict(0, 0, 1, 8, 9, 2) };
	const struct verdict *found = NULL;
	struct replay r;

	replay_begin(&r, v, 3, 0, CHOPPY_UP, false);
	assert_int_equal(find(&r, 6, 0, 0, &found), 0);
	assert_int_equal(find(&r, 8, 0, 0, &found), 1);
	assert_ptr_equal(found, &v[2]);
	assert_int_equal(find(&r, UINT64_MAX, 0, 0, &found), 0);
	verdict_sort(v, 3, true);
	replay_begin(&r, v, 3, 0, CHOPPY_UP, true);
	assert_int_equal(find(&r, 5, 0, 0, &found), 0);
	assert_int_equal(find(&r, 1, 9, 2, &found), 1);
	assert_int_equal(found->packet, 8);
	assert_int_equal(find(&r, 1, 9, 1, &found), 1);
	assert_int_equal(found->packet, 7);
	assert_int_equal(find(&r, 1, 8, 1, &found), 0);
}

static void test_contradicts(void **state)
{
	for (uint8_t a = 0; a < VERDICT_NKINDS; a++)
		for (uint8_t b = 0; b < VERDICT_NKINDS; b++)
			for (uint64_t reason = 0; reason < CHOPPY_NDROPS; reason++) {
				struct verdict x = { .kind = a }, y = { .kind = b };
				bool early = reason <= CHOPPY_DROP_REJECT ||
					     reason == CHOPPY_DROP_REPLAY;
				bool fix = a != b &&
					   (a == VERDICT_CORRUPTED || a == VERDICT_MENDED) &&
					   (b == VERDICT_CORRUPTED || b == VERDICT_MENDED);

				if (a == VERDICT_DROPPED)
					x.value = reason;
				if (b == VERDICT_DROPPED)
					y.value = reason;
				assert_int_equal(verdict_contradicts(&x, &y),
						 a == b || fix || ((!a || !b) && early));
			}
}

/* --------------------------------------------------------------------- files */

struct file {
	char path[64];
};

static int setup_file(void **state)
{
	struct file *file = calloc(1, sizeof(*file));
	int fd;

	strcpy(file->path, "/tmp/test_verdict.XXXXXX");
	fd = mkstemp(file->path);
	close(fd);
	*state = file;
	return fd < 0;
}

static int teardown_file(void **state)
{
	unlink(((struct file *)*state)->path);
	free(*state);
	return 0;
}

static void write_file(const struct file *file, const void *bytes, size_t n)
{
	FILE *f = fopen(file->path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

#define FIRST "# choppy verdicts 1\n"

static void test_file(void **state)
{
	static const char text[] = FIRST
		"# seed 42\n"
		"0 down 9 udp:10.1.1.0:53#2 1 delayed 10.512ms 1.5 1.510512\n"
		"\n"
		"# by hand:\n"
		"0 up 17 tcp:192.0.2.1:80#1 5 dropped loss 1.002003004 -\n"
		"0 up 3 tcp:192.0.2.1:80#2 1 marked - - -\n"
		"0 up 3 tcp:192.0.2.1:80#2 1 dropped queue - -"; /* no newline */
	static const struct {
		uint64_t packet;
		unsigned line, kind;
	} want[] = { { 3, 8, VERDICT_DROPPED },
		     { 3, 7, VERDICT_MARKED },
		     { 17, 6, VERDICT_DROPPED },
		     { 9, 3, VERDICT_DELAYED } };
	struct choppy_err err;
	struct verdict *v;
	struct replay r;
	const struct verdict *found;
	size_t n;

	write_file(*state, text, sizeof(text) - 1);
	assert_int_equal(verdicts_load(((struct file *)*state)->path, false, &v, &n, &err), 0);
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(v[i].packet, want[i].packet);
		assert_int_equal(v[i].line, want[i].line);
		assert_int_equal(v[i].kind, want[i].kind);
	}
	free(v);
	assert_int_equal(verdicts_load(((struct file *)*state)->path, true, &v, &n, &err), 0);
	replay_begin(&r, v, n, 0, CHOPPY_UP, true);
	assert_int_equal(find(&r, 0, flow_text_hash("tcp:192.0.2.1:80#1"), 5, &found), 1);
	assert_int_equal(found->packet, 17);
	free(v);
}

static void test_file_empty(void **state)
{
	struct choppy_err err;
	struct verdict *v = (void *)1;
	size_t n = 1;

	write_file(*state, FIRST, sizeof(FIRST) - 1);
	assert_int_equal(verdicts_load(((struct file *)*state)->path, false, &v, &n, &err), 0);
	assert_int_equal(n, 0);
	free(v);
}

/* What is written is read: many lines, through a growing array, in any order. */
static void test_file_big(void **state)
{
	char header[256], line[VERDICT_LINE_MAX];
	FILE *f = fopen(((struct file *)*state)->path, "w");
	struct choppy_err err;
	struct verdict *v;
	size_t n;

	verdict_header(header, sizeof(header), 1);
	fputs(header, f);
	for (uint64_t i = 0; i < 10007; i++) {
		struct verdict x = { .packet = 1 + i * 5003 % 10007, .kind = VERDICT_HURRIED };

		verdict_print(line, &x, NULL);
		fputs(line, f);
	}
	fclose(f);
	assert_int_equal(verdicts_load(((struct file *)*state)->path, false, &v, &n, &err), 0);
	assert_int_equal(n, 10007);
	for (uint64_t i = 0; i < n; i++) {
		assert_int_equal(v[i].packet, i + 1);
		assert_int_equal((v[i].line - 4) * 5003ull % 10007, i);
	}
	free(v);
}

static void test_bad_files(void **state)
{
	static const struct {
		bool by_flow;
		const char *text, *message; /* behind the file's name */
	} rows[] = {
		{ false, "",
		  ":1:1: not a file of verdicts, whose first line is '# choppy verdicts 1'" },
		{ false, "\n",
		  ":1:1: not a file of verdicts, whose first line is '# choppy verdicts 1'" },
		{ false, "0 up 1 - - marked - - -\n",
		  ":1:1: not a file of verdicts, whose first line is '# choppy verdicts 1'" },
		{ false, "# choppy verdicts 2\n",
		  ":1:19: verdicts of version '2': this is choppy " CHOPPY_VERSION
		  ", which reads version 1" },
		{ false, "# choppy verdicts 1 \n",
		  ":1:19: verdicts of version '1 ': this is choppy " CHOPPY_VERSION
		  ", which reads version 1" },
		{ false, FIRST "#\n0 left 1 - - marked - - -\n",
		  ":3:3: 'left' is no direction: up or down" },
		{ false, FIRST "0 up 1 - - marked - - -\n0 up 2 - - marked - - -\r\n",
		  ":3:23: '-?' is no " AT },
		{ false, FIRST "0 up - tcp:192.0.2.1:80#1 1 marked - - -\n",
		  ":2:6: no packet number, and only a replay by flow does without" },
		{ true, FIRST "0 up 12 - - marked - - -\n",
		  ":2:9: no flow, and a replay by flow finds packets by it" },
		{ false,
		  FIRST "0 up 5 - - marked - - -\n0 up 4 - - marked - - -\n"
			"0 up 5 - - marked - - -\n",
		  ":4:1: the packet is marked on line 2 already" },
		{ false, FIRST "0 up 5 - - delayed 1ms - -\n0 up 5 - - dropped loss - -\n",
		  ":2:1: the packet is delayed, but on line 3 it is dropped" },
		{ false, FIRST "0 up 5 - - dropped queue - -\n0 up 5 - - dropped aqm - -\n",
		  ":3:1: the packet is dropped on line 2 already" },
		{ false,
		  FIRST "0 up 5 - - mended 1 - -\n0 up 5 - - marked - - -\n"
			"0 up 5 - - corrupted 1 - -\n",
		  ":2:1: the packet is mended, but on line 4 it is corrupted" },
		{ true,
		  FIRST "0 up 5 tcp:192.0.2.1:80#1 1 marked - - -\n"
			"0 up 6 tcp:192.0.2.1:80#1 1 marked - - -\n",
		  ":3:1: the packet is marked on line 2 already" },
	};
	const struct file *file = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct verdict *v = (void *)1;
		struct choppy_err err;
		size_t n = 77;

		write_file(file, rows[i].text, strlen(rows[i].text));
		if (verdicts_load(file->path, rows[i].by_flow, &v, &n, &err) != -EINVAL)
			fail_msg("row %zu is accepted", i);
		assert_memory_equal(err.msg, file->path, strlen(file->path));
		assert_string_equal(err.msg + strlen(file->path), rows[i].message);
		assert_ptr_equal(v, (void *)1);
		assert_int_equal(n, 77);
	}
}

/* Both directions, and both links, may have a packet of the same number. */
static void test_file_apart(void **state)
{
	static const char text[] = FIRST "0 up 5 - - marked - - -\n0 down 5 - - marked - - -\n"
					 "1 up 5 - - marked - - -\n";
	struct choppy_err err;
	struct verdict *v;
	size_t n;

	write_file(*state, text, sizeof(text) - 1);
	assert_int_equal(verdicts_load(((struct file *)*state)->path, false, &v, &n, &err), 0);
	assert_int_equal(n, 3);
	free(v);
}

static void check_refused(const char *path, int code, const char *message)
{
	struct verdict *v = NULL;
	struct choppy_err err;
	size_t n;

	assert_int_equal(verdicts_load(path, false, &v, &n, &err), code);
	assert_int_equal(err.code, code);
	assert_string_equal(err.msg + strlen(path), message);
}

static void test_unreadable(void **state)
{
	check_refused("/nonexistent", -ENOENT, ": No such file or directory");
	check_refused("/", -EISDIR, ": Is a directory");
}

static void test_odd_bytes(void **state)
{
	struct file *file = *state;
	struct verdict *v;
	char text[2048];
	size_t n;

	memcpy(text, FIRST "0 up\0", 26);
	write_file(file, text, 25);
	check_refused(file->path, -EINVAL, ":2:5: a NUL byte: this is no text");
	memset(text, '#', sizeof(text));
	memcpy(text, FIRST, sizeof(FIRST) - 1);
	text[sizeof(FIRST) - 1 + 1022] = '\n';
	write_file(file, text, sizeof(FIRST) + 1022);
	assert_int_equal(verdicts_load(file->path, false, &v, &n, NULL), 0);
	free(v);
	check_refused("/dev/null", -EINVAL,
		      ":1:1: not a file of verdicts, whose first line is '# choppy verdicts 1'");
	check_refused("/dev/zero", -EINVAL, ":1:1023: the line goes on: 1022 bytes at most");
	text[sizeof(FIRST) - 1 + 1022] = '#';
	text[sizeof(FIRST) - 1 + 1023] = '\n';
	write_file(file, text, sizeof(FIRST) + 1023);
	check_refused(file->path, -EINVAL, ":2:1023: the line goes on: 1022 bytes at most");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_replay_jumps),
		cmocka_unit_test(test_contradicts),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test_setup_teardown(test_file, setup_file, teardown_file),
		cmocka_unit_test_setup_teardown(test_file_empty, setup_file, teardown_file),
		cmocka_unit_test_setup_teardown(test_file_big, setup_file, teardown_file),
		cmocka_unit_test_setup_teardown(test_file_apart, setup_file, teardown_file),
		cmocka_unit_test_setup_teardown(test_bad_files, setup_file, teardown_file),
		cmocka_unit_test_setup_teardown(test_odd_bytes, setup_file, teardown_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
