/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moments in words and all the times they stand for; what can be done at them, and what contradicts
 * what; questions in words. Then all of it in a file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "labfile.h"
#include "rng.h"
#include "timeline.h"
#include "util.h"
#include "value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define SEC (1000 * MS)
#define YEAR (365ull * 24 * 3600 * SEC)
#define NEVER WHEN_NEVER

static struct rng seeded(uint64_t seed)
{
	const struct rng_key key = { .seed = seed, .purpose = "timeline" };
	struct rng rng;

	rng_init(&rng, &key);
	return rng;
}

static void says(const char *what, int r, const struct choppy_err *err, int code, const char *text)
{
	if (r == 0)
		fail_msg("%s: accepted", what);
	if (r != code || err->code != code || !strstr(err->msg, text))
		fail_msg("%s: %d, not %d: %s", what, r, code, err->msg);
	assert_null(strchr(err->msg, '\n'));
}

/* ----------------------------------------------------------------- moments */

static void test_moments_are_read(void **state)
{
	static const struct {
		const char *text;
		struct when when;
		bool expected, both; /* of what is expected; of either */
	} rows[] = {
		{ "at 5s", { .kind = WHEN_AT, .from_ns = 5 * SEC, .to_ns = NEVER }, false, true },
		{ "at 0s", { .kind = WHEN_AT, .to_ns = NEVER }, false, true },
		{ "\tat  1.5ms\t",
		  { .kind = WHEN_AT, .from_ns = 1500000, .to_ns = NEVER },
		  false,
		  true },
		{ "at 31536000s",
		  { .kind = WHEN_AT, .from_ns = YEAR, .to_ns = NEVER },
		  false,
		  true },
		{ "from 10s to 20s",
		  { .kind = WHEN_FROM, .from_ns = 10 * SEC, .to_ns = 20 * SEC },
		  false,
		  true },
		{ "from 0s to 1ns", { .kind = WHEN_FROM, .to_ns = 1 }, false, true },
		{ "every 30s",
		  { .kind = WHEN_EVERY, .from_ns = 30 * SEC, .to_ns = NEVER, .every_ns = 30 * SEC },
		  false,
		  false },
		{ "every 30s for 2s",
		  { .kind = WHEN_EVERY,
		    .from_ns = 30 * SEC,
		    .to_ns = NEVER,
		    .every_ns = 30 * SEC,
		    .for_ns = 2 * SEC },
		  false,
		  false },
		{ "every 30s from 0s",
		  { .kind = WHEN_EVERY, .to_ns = NEVER, .every_ns = 30 * SEC },
		  false,
		  false },
		{ "every 30s to 31s",
		  { .kind = WHEN_EVERY,
		    .from_ns = 30 * SEC,
		    .to_ns = 31 * SEC,
		    .every_ns = 30 * SEC },
		  false,
		  false },
		{ "every 30s for 29s from 5s to 100s after go",
		  { .kind = WHEN_EVERY,
		    .base = WHEN_MARK,
		    .mark = "go",
		    .from_ns = 5 * SEC,
		    .to_ns = 100 * SEC,
		    .every_ns = 30 * SEC,
		    .for_ns = 29 * SEC },
		  false,
		  false },
		{ "within 10s",
		  { .kind = WHEN_WITHIN, .from_ns = 10 * SEC, .to_ns = NEVER },
		  true,
		  false },
		{ "within 10s after ready",
		  { .kind = WHEN_WITHIN,
		    .base = WHEN_MARK,
		    .mark = "ready",
		    .from_ns = 10 * SEC,
		    .to_ns = NEVER },
		  true,
		  false },
		{ "at 5s after first packet",
		  { .kind = WHEN_AT,
		    .base = WHEN_FIRST_PACKET,
		    .from_ns = 5 * SEC,
		    .to_ns = NEVER },
		  false,
		  true },
		{ "at 5s after first",
		  { .kind = WHEN_AT,
		    .base = WHEN_MARK,
		    .mark = "first",
		    .from_ns = 5 * SEC,
		    .to_ns = NEVER },
		  false,
		  true },
		{ "from 0s to 5s after a-B_9",
		  { .kind = WHEN_FROM, .base = WHEN_MARK, .mark = "a-B_9", .to_ns = 5 * SEC },
		  false,
		  true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (int expected = 0; expected < 2; expected++) {
			struct choppy_err err = { 0 };
			struct when w;

			if (!rows[i].both && expected != rows[i].expected)
				continue;
			memset(&w, 0xa5, sizeof(w));
			if (when_parse(&w, rows[i].text, expected, &err) < 0)
				fail_msg("%s: %s", rows[i].text, err.msg);
			assert_int_equal(err.code, 0);
			if (memcmp(&w, &rows[i].when, sizeof(w)) != 0)
				fail_msg("%s is read as something else", rows[i].text);
		}
	}
}

#define MARK63 "a23456789012345678901234567890123456789012345678901234567890123"

static void test_what_is_no_moment_is_told(void **state)
{
	static const struct {
		const char *text;
		bool expected;
		const char *says;
	} rows[] = {
		{ "", false, "when? at 5s, from 10s to 20s, or every 30s for 2s" },
		{ " ", true, "when? at 5s, within 10s, or from 10s to 20s" },
		{ "5s", false, "when? at 5s" },
		{ "At 5s", false, "when? at 5s" },
		{ "within 5s", false, "when? at 5s, from" },
		{ "every 5s", true, "when? at 5s, within" },
		{ "at", false, "a time is missing behind 'at': at 5s" },
		{ "within", true, "a time is missing behind 'within': within 5s" },
		{ "at 5", false, "time" },
		{ "at -5s", false, "time" },
		{ "at soon", false, "time" },
		{ "at 31536001s", false, "time" },
		{ "at 5s 6s", false, "'6s' does not belong here" },
		{ "from", false, "a time is missing behind 'from'" },
		{ "from 5s", false, "the end is missing: from 10s to 20s; or write at" },
		{ "from 5s until 6s", false, "the end is missing" },
		{ "from 5s to", false, "a time is missing behind 'to'" },
		{ "from 5s to 5s", false, "it ends before it begins" },
		{ "from 6s to 5s", true, "it ends before it begins" },
		{ "every", false, "a time is missing behind 'every'" },
		{ "every 0s", false, "every 0s is always: write from" },
		{ "every 2s for", false, "a time is missing behind 'for'" },
		{ "every 2s for 2s", false, "the next begins before the one before has ended" },
		{ "every 2s for 3s", false, "the next begins before the one before has ended" },
		{ "every 2s for 0s", false, "for 0s is no time: leave it out" },
		{ "every 2s to 2s", false, "it ends before it begins" },
		{ "every 2s from 5s to 5s", false, "it ends before it begins" },
		{ "every 2s from 5s for 1s", false, "'for' does not belong here" },
		{ "at 5s after", false, "after what? A mark's name" },
		{ "at 5s after a.b", false, "after what?" },
		{ "at 5s after " MARK63 "4", false, "after what?" },
		{ "at 5s after first packet of all", false, "'of' does not belong here" },
		{ "at 5s after go on", false, "'on' does not belong here" },
		{ "after go", false, "when? at 5s" },
		{ "at 5s a\nb", false, "'a?b' does not belong here" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct choppy_err err = { 0 };
		struct when w, before;
		int r;

		memset(&w, 0xa5, sizeof(w));
		before = w;
		r = when_parse(&w, rows[i].text, rows[i].expected, &err);
		says(rows[i].text, r, &err, -EINVAL, rows[i].says);
		assert_memory_equal(&w, &before, sizeof(w));
		assert_int_equal(when_parse(&w, rows[i].text, rows[i].expected, NULL), -EINVAL);
	}
}

static void test_names_of_marks(void **state)
{
	static const char *const good[] = { "a", "9", "-", "_", "ready", "a-b_C", MARK63 };
	static const char *const bad[] = { "", " ", "a b", "a.b", "a:", "\xc3\xa4", MARK63 "4" };
	struct when w;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(when_mark_sound(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(when_mark_sound(bad[i]));
	assert_int_equal(when_parse(&w, "at 5s after " MARK63, false, NULL), 0);
	assert_string_equal(w.mark, MARK63);
}

/* --------------------------------------------------------------- occasions */

static void test_once_is_once(void **state)
{
	struct occasion o;
	struct when w;

	assert_int_equal(when_parse(&w, "at 5s", false, NULL), 0);
	assert_true(when_occasion(&w, 0, &o));
	assert_true(o.begin_ns == 5 * SEC && o.end_ns == NEVER);
	assert_false(when_occasion(&w, 1, &o));
	assert_false(when_occasion(&w, UINT64_MAX, &o));
	assert_int_equal(when_parse(&w, "from 5s to 7s", false, NULL), 0);
	assert_true(when_occasion(&w, 0, &o));
	assert_true(o.begin_ns == 5 * SEC && o.end_ns == 7 * SEC);
	assert_false(when_occasion(&w, 1, &o));
}

static void test_again_and_again(void **state)
{
	static const struct {
		const char *text;
		uint64_t times; /* NEVER: without end */
		struct occasion first, second, last; /* in seconds */
	} rows[] = {
		{ "every 30s", NEVER, { 30, NEVER }, { 60, NEVER }, { 0 } },
		{ "every 30s for 2s", NEVER, { 30, 32 }, { 60, 62 }, { 0 } },
		{ "every 30s for 2s from 0s", NEVER, { 0, 2 }, { 30, 32 }, { 0 } },
		{ "every 30s to 60s", 1, { 30, NEVER }, { 0 }, { 30, NEVER } },
		{ "every 30s to 61s", 2, { 30, NEVER }, { 60, NEVER }, { 60, NEVER } },
		{ "every 30s for 5s to 61s", 2, { 30, 35 }, { 60, 61 }, { 60, 61 } },
		{ "every 30s for 5s to 65s", 2, { 30, 35 }, { 60, 65 }, { 60, 65 } },
		{ "every 10s for 5s from 1s to 100s", 10, { 1, 6 }, { 11, 16 }, { 91, 96 } },
		{ "every 10s for 9s from 5s to 6s", 1, { 5, 6 }, { 0 }, { 5, 6 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const uint64_t k[3] = { 0, 1, rows[i].times - 1 };
		const struct occasion *want[3] = { &rows[i].first, &rows[i].second, &rows[i].last };
		struct occasion o;
		struct when w;

		assert_int_equal(when_parse(&w, rows[i].text, false, NULL), 0);
		for (int n = 0; n < 3; n++) {
			if (k[n] >= rows[i].times || (n == 2 && rows[i].times == NEVER))
				continue;
			assert_true(when_occasion(&w, k[n], &o));
			assert_true(o.begin_ns == want[n]->begin_ns * SEC);
			assert_true(want[n]->end_ns == NEVER ? o.end_ns == NEVER
							     : o.end_ns == want[n]->end_ns * SEC);
		}
		if (rows[i].times != NEVER)
			assert_false(when_occasion(&w, rows[i].times, &o));
	}
}

/* What has no room in 64 bits, five hundred years from now, is no time any more, and none before.
 */
static void test_times_do_not_wrap(void **state)
{
	struct occasion o = { 1, 2 };
	struct when w;
	uint64_t last = (UINT64_MAX - YEAR) / YEAR;

	assert_int_equal(when_parse(&w, "every 31536000s for 31535999s", false, NULL), 0);
	assert_true(when_occasion(&w, last - 1, &o));
	assert_true(o.begin_ns == last * YEAR && o.end_ns == o.begin_ns + YEAR - SEC);
	for (uint64_t k = last + 1; k < last + 100; k++)
		assert_false(when_occasion(&w, k, &o));
	assert_false(when_occasion(&w, UINT64_MAX, &o));
	assert_false(when_occasion(&w, UINT64_MAX / 2 + 1, &o));
}

/* Counted one by one: every occasion begins before the end and is over by it. */
static void test_occasions_by_counting(void **state)
{
	struct rng rng = seeded(1);

	for (int round = 0; round < 3000; round++) {
		struct when w = { .kind = WHEN_EVERY, .every_ns = 1 + rng_below(&rng, 20) };
		uint64_t at, k = 0;
		struct occasion o;

		w.for_ns = rng_below(&rng, w.every_ns);
		w.from_ns = rng_below(&rng, 50);
		w.to_ns = w.from_ns + 1 + rng_below(&rng, 200);
		for (at = w.from_ns; at < w.to_ns; at += w.every_ns, k++) {
			assert_true(when_occasion(&w, k, &o));
			assert_true(o.begin_ns == at);
			if (!w.for_ns)
				assert_true(o.end_ns == NEVER);
			else
				assert_true(o.end_ns > at && o.end_ns <= w.to_ns &&
					    o.end_ns - at <= w.for_ns &&
					    (o.end_ns - at == w.for_ns || o.end_ns == w.to_ns));
		}
		assert_false(when_occasion(&w, k, &o));
	}
}

/* ------------------------------------------------------------------ events */

static void make_lab(struct topology *t)
{
	static const char *const hosts[] = { "a", "b", "db" };
	uint32_t n, l, s;

	memset(t, 0, sizeof(*t));
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
		assert_int_equal(topology_add_node(t, hosts[i], NODE_HOST, &n, NULL), 0);
	assert_int_equal(topology_add_node(t, "s", NODE_SWITCH, &s, NULL), 0);
	assert_int_equal(topology_add_link(t, NULL, 0, s, &l, NULL), 0);
	assert_int_equal(topology_add_link(t, NULL, 1, s, &l, NULL), 0);
	assert_int_equal(topology_add_link(t, NULL, 2, s, &l, NULL), 0);
}

static void parse_action(struct action *ret, const struct topology *t, const char *line)
{
	struct choppy_err err = { 0 };
	const char *words[64];
	char buf[256];
	int n = choppy_words_split(buf, words, line);

	if (action_parse(ret, t, n, words, &err) < 0)
		fail_msg("%s: %s", line, err.msg);
}

static void parse_when(struct when *ret, const char *text)
{
	struct choppy_err err = { 0 };

	if (when_parse(ret, text, false, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
}

static void test_what_can_be_done_for_a_while(void **state)
{
	static const struct {
		const char *when, *action, *says; /* NULL: it can */
	} rows[] = {
		{ "at 5s", "cut a b", NULL },
		{ "from 5s to 6s", "cut a b", NULL },
		{ "every 5s for 1s", "cut a b", NULL },
		{ "every 5s", "cut a b", NULL },
		{ "from 5s to 6s", "set a loss 1%", NULL },
		{ "from 5s to 6s", "partition halves", NULL },
		{ "from 5s to 6s", "pause a", NULL },
		{ "from 5s to 6s", "kill a", NULL },
		{ "from 5s to 6s", "link a-s off", NULL },
		{ "from 5s to 6s", "link a-s on",
		  "link on has no end: write at, or every without for" },
		{ "every 5s for 1s", "link uplink on", "link on has no end" },
		{ "every 5s", "link a-s on", NULL },
		{ "from 5s to 6s", "heal", "heal has no end: write at" },
		{ "every 5s for 1s", "heal", "heal has no end: write at" },
		{ "every 5s", "heal", NULL },
		{ "from 5s to 6s", "resume a", "resume has no end" },
		{ "from 5s to 6s", "start a", "start has no end" },
		{ "from 5s to 6s", "restart a", "restart has no end" },
		{ "from 5s to 6s", "run a ls", "run has no end" },
		{ "from 5s to 6s", "mark x", "mark has no end" },
		{ "at 5s", "mark x", NULL },
		{ "at 5s", "ramp a loss 1% to 2%", "how long does it take? ramp ... over 10s" },
		{ "every 5s", "ramp a loss 1% to 2%", "how long does it take?" },
		{ "at 5s", "ramp a loss 1% to 2% over 1s", NULL },
		{ "every 5s", "ramp a loss 1% to 2% over 1s", NULL },
		{ "from 5s to 6s", "ramp a loss 1% to 2%", NULL },
		{ "every 5s for 1s", "ramp a loss 1% to 2%", NULL },
		{ "from 5s to 6s", "ramp a loss 1% to 2% over 1s",
		  "it takes as long as the line says: leave 'over' out" },
		{ "every 5s for 1s", "ramp a loss 1% to 2% over 1s", "leave 'over' out" },
	};
	struct topology t;

	make_lab(&t);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct choppy_err err = { 0 };
		struct action a;
		struct when w;
		char both[128];
		int r;

		parse_when(&w, rows[i].when);
		parse_action(&a, &t, rows[i].action);
		r = event_check(&w, &a, &err);
		snprintf(both, sizeof(both), "%s: %s", rows[i].when, rows[i].action);
		if (rows[i].says)
			says(both, r, &err, -EINVAL, rows[i].says);
		else if (r < 0)
			fail_msg("%s: %s", both, err.msg);
		action_free(&a);
	}
	topology_free(&t);
}

#define EVENTS 3 /* of a row below */

/* "at 5s: cut a b; heal": the next event, and what is said of it. */
static int add_line(struct timeline *tl, const struct topology *t, const char *line,
		    struct choppy_err *err)
{
	char copy[256], *save, *colon = strchr(line, ':');
	struct event e = { 0 };
	int r;

	snprintf(copy, sizeof(copy), "%.*s", (int)(colon - line), line);
	parse_when(&e.when, copy);
	snprintf(copy, sizeof(copy), "%s", colon + 1);
	for (char *one = strtok_r(copy, ";", &save); one; one = strtok_r(NULL, ";", &save)) {
		struct action a;

		one += strspn(one, " ");
		parse_action(&a, t, one);
		assert_int_equal(event_add(&e, &a, one), 0);
	}
	r = timeline_contradicts(tl, &e, err);
	assert_int_equal(timeline_add_event(tl, &e), 0);
	return r;
}

static void test_contradictions(void **state)
{
	static const struct {
		const char *line[EVENTS];
		const char *says; /* of the last; NULL: all is well */
	} rows[] = {
		{ { "at 5s: link a-s off", "at 5s: link a-s on" },
		  "'link a-s on' contradicts 'link a-s off' at the same moment" },
		{ { "at 5s: link a-s on", "at 5s: link a-s off" }, "contradicts 'link a-s on'" },
		{ { "at 5s: link a-s off", "at 6s: link a-s on" }, NULL },
		{ { "at 5s: link a-s off", "at 5s: link b-s on" }, NULL },
		{ { "at 5s: link a-s off", "at 5s: link a-s off" }, NULL },
		{ { "at 5s: link uplink off", "at 5s: link uplink on" }, "contradicts" },
		{ { "at 5s: link uplink off", "at 5s: link a-s on" }, NULL },
		{ { "at 5s: link a-s off", "at 5s: link uplink on" }, NULL },
		{ { "at 5s: pause a b", "at 5s: resume b db" },
		  "'resume b db' contradicts 'pause a b'" },
		{ { "at 5s: resume a", "at 5s: pause a" }, "contradicts" },
		{ { "at 5s: pause a", "at 5s: resume b" }, NULL },
		{ { "at 5s: pause any a b", "at 5s: resume a" }, NULL },
		{ { "at 5s: pause a", "at 5s: resume any a b" }, NULL },
		{ { "at 5s: kill a", "at 5s: start a" }, "contradicts" },
		{ { "at 5s: start a", "at 5s: kill a" }, "contradicts" },
		{ { "at 5s: kill a", "at 5s: restart a" }, "contradicts" },
		{ { "at 5s: restart a", "at 5s: kill a" }, "contradicts" },
		{ { "at 5s: kill a", "at 5s: resume a" }, NULL },
		{ { "at 5s: heal", "at 5s: cut a b" }, NULL },
		{ { "at 5s: kill a", "at 6s: start a", "at 5s: cut a b; start a" },
		  "'start a' contradicts 'kill a'" },
		{ { "at 5s after x: kill a", "at 5s: start a" }, NULL },
		{ { "at 5s after x: kill a", "at 5s after y: start a" }, NULL },
		{ { "at 5s after x: kill a", "at 5s after x: start a" }, "contradicts" },
		{ { "at 5s after first packet: kill a", "at 5s: start a" }, NULL },
		{ { "every 5s: kill a", "every 5s: start a" }, "contradicts" },
		{ { "every 5s: kill a", "every 6s: start a" }, NULL },
		{ { "every 5s: kill a", "every 5s from 6s: start a" }, NULL },
		{ { "every 5s: kill a", "at 5s: start a" }, NULL },
		{ { "at 5s: kill a; start a" }, "'start a' contradicts 'kill a'" },
		{ { "at 5s: link a-s on; cut a b; link a-s off" }, "contradicts 'link a-s on'" },
		{ { "at 5s: kill a; start b" }, NULL },
		{ { "at 5s after go: mark go" }, "the mark 'go' waits for itself" },
		{ { "at 5s after go: heal; mark go" }, "the mark 'go' waits for itself" },
		{ { "at 5s after go: mark on" }, NULL },
		{ { "at 5s after go: mark on", "at 5s after on: mark go" },
		  "the mark 'go' waits for itself" },
		{ { "at 5s after x: mark y", "at 5s after y: mark z", "at 5s after z: mark x" },
		  "the mark 'x' waits for itself" },
		{ { "at 5s after x: mark y", "at 5s after y: mark z", "at 5s after y: mark v" },
		  NULL },
		{ { "at 5s: mark go" }, NULL },
	};
	struct topology t;

	make_lab(&t);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct timeline tl = { 0 };

		for (int k = 0; k < EVENTS && rows[i].line[k]; k++) {
			bool last = k + 1 == EVENTS || !rows[i].line[k + 1];
			struct choppy_err err = { 0 };
			int r = add_line(&tl, &t, rows[i].line[k], &err);

			if (last && rows[i].says)
				says(rows[i].line[k], r, &err, -EINVAL, rows[i].says);
			else if (r < 0)
				fail_msg("%s: %s", rows[i].line[k], err.msg);
		}
		timeline_free(&tl);
		assert_null(tl.events);
	}
	topology_free(&t);
}

static void test_what_counts_from_a_mark(void **state)
{
	struct expectation x = { 0 };
	struct timeline tl = { 0 };
	struct topology t;

	make_lab(&t);
	assert_false(timeline_counts_from(&tl, "go"));
	assert_int_equal(add_line(&tl, &t, "at 5s: mark go", NULL), 0);
	assert_int_equal(add_line(&tl, &t, "at 5s after first packet: heal", NULL), 0);
	assert_false(timeline_counts_from(&tl, "go"));
	assert_int_equal(add_line(&tl, &t, "at 5s after go: heal", NULL), 0);
	assert_true(timeline_counts_from(&tl, "go"));
	assert_false(timeline_counts_from(&tl, "ready"));
	assert_int_equal(when_parse(&x.when, "within 5s after ready", true, NULL), 0);
	assert_int_equal(timeline_add_expectation(&tl, &x), 0);
	assert_true(timeline_counts_from(&tl, "ready"));
	timeline_free(&tl);
	topology_free(&t);
}

/* --------------------------------------------------------------- questions */

static void print_probe(char *buf, size_t size, const struct topology *t, const struct probe *p)
{
	static const char *const kinds[PROBE_NKINDS] = { "exited",	"runs",	       "says",
							 "tcp",		"ping",	       "command",
							 "listens-tcp", "listens-udp", "file" };
	struct text s = text_begin(buf, size);

	text_add(&s, "%s%s %s %u %d", p->negated ? "not " : "", kinds[p->kind],
		 t->nodes[p->node].name, p->port, p->status);
	if (p->text)
		text_add(&s, " '%s'", p->text);
	if (p->prints)
		text_add(&s, " prints '%s'", p->prints);
}

static void test_questions_are_read(void **state)
{
	static const struct {
		const char *text, *read, *within;
	} rows[] = {
		{ "node a exits 0", "exited a 0 0", NULL },
		{ "node a exits 255 within 5s", "exited a 0 255", "5s" },
		{ "node a runs", "runs a 0 0", NULL },
		{ "node a says 'it is \"up\"' within 1s", "says a 0 0 'it is \"up\"'", "1s" },
		{ "node a says within within 2s", "says a 0 0 'within'", "2s" },
		{ "tcp db:5432 answers from a", "tcp a 5432 0 'db'", NULL },
		{ "tcp db:1 does not answer from b within 3s", "not tcp b 1 0 'db'", "3s" },
		{ "tcp 192.0.2.1:65535 answers from a", "tcp a 65535 0 '192.0.2.1'", NULL },
		{ "tcp example.com:80 answers from a", "tcp a 80 0 'example.com'", NULL },
		{ "tcp [fd00::1]:80 answers from a", "tcp a 80 0 'fd00::1'", NULL },
		{ "ping db answers from a", "ping a 0 0 'db'", NULL },
		{ "ping fd00::1 does not answer from a", "not ping a 0 0 'fd00::1'", NULL },
		{ "run a 'test -e /x' exits 1", "command a 0 1 'test -e /x'", NULL },
		{ "run a 'cat x' prints 'a b' within 9ms", "command a 0 0 'cat x' prints 'a b'",
		  "9ms" },
		{ "run a true prints ''", "command a 0 0 'true' prints ''", NULL },
	};
	struct topology t;

	make_lab(&t);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct choppy_err err = { 0 };
		char text[256], *within = NULL;
		struct probe p;

		if (probe_parse(&p, &t, rows[i].text, &within, &err) < 0)
			fail_msg("%s: %s", rows[i].text, err.msg);
		assert_int_equal(err.code, 0);
		print_probe(text, sizeof(text), &t, &p);
		if (strcmp(text, rows[i].read) != 0 || !within != !rows[i].within ||
		    (within && strcmp(within, rows[i].within) != 0))
			fail_msg("%s: %s within %s", rows[i].text, text, within ? within : "-");
		assert_int_equal(probe_needs_process(&p), p.kind != PROBE_EXITED &&
								  p.kind != PROBE_RUNS &&
								  p.kind != PROBE_SAYS);
		probe_free(&p);
		free(within);
	}
	topology_free(&t);
}

static void test_what_is_no_question_is_told(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *says;
	} rows[] = {
		{ "", -EINVAL,
		  "what is expected begins with node, tcp, ping or run, not 'nothing'" },
		{ "udp a:5", -EINVAL, "begins with node, tcp, ping or run, not 'udp'" },
		{ "node 'a", -EINVAL, "a quote is not closed" },
		{ "node", -EINVAL, "the name of a node is missing at the end" },
		{ "node a", -EINVAL, "a node exits STATUS, runs, or says TEXT, not 'nothing'" },
		{ "node x runs", -ENOENT, "there is no node 'x'" },
		{ "node s runs", -EINVAL, "s is a switch: nothing runs on it" },
		{ "node a walks", -EINVAL, "a node exits STATUS, runs, or says TEXT, not 'walks'" },
		{ "node a exits", -EINVAL, "an exit status is missing at the end" },
		{ "node a exits well", -EINVAL,
		  "'well' is not an exit status: a number from 0 to 255" },
		{ "node a exits 256", -EINVAL, "'256' is not an exit status" },
		{ "node a exits -1", -EINVAL, "'-1' is not an exit status" },
		{ "node a exits +1", -EINVAL, "'+1' is not an exit status" },
		{ "node a exits ' 1'", -EINVAL, "' 1' is not an exit status" },
		{ "node a exits ''", -EINVAL, "'\"\"' is not an exit status" },
		{ "node a exits 99999999999999999999", -EINVAL, "is not an exit status" },
		{ "node a says", -EINVAL, "a text is missing at the end" },
		{ "node a runs fast", -EINVAL, "'fast' does not belong here" },
		{ "node a runs within", -EINVAL, "a time is missing at the end" },
		{ "node a runs within 5s 6s", -EINVAL, "'6s' does not belong here" },
		{ "tcp", -EINVAL, "HOST:PORT is missing at the end" },
		{ "tcp db answers from a", -EINVAL, "a port is missing: db:80" },
		{ "tcp db: answers from a", -EINVAL,
		  "'\"\"' is not a port: a number from 1 to 65535" },
		{ "tcp db:0 answers from a", -EINVAL, "'0' is not a port" },
		{ "tcp db:65536 answers from a", -EINVAL, "'65536' is not a port" },
		{ "tcp db:+80 answers from a", -EINVAL, "'+80' is not a port" },
		{ "tcp 'db: 80' answers from a", -EINVAL, "' 80' is not a port" },
		{ "tcp d:80 answers from a", -ENOENT, "there is no node 'd'" },
		{ "tcp s:80 answers from a", -EINVAL, "s is a switch: nothing runs on it" },
		{ "tcp fd00::1:80 answers from a", -EINVAL,
		  "an IPv6 address stands in brackets here: [fd00::1]:80" },
		{ "tcp fd00::1 answers from a", -EINVAL,
		  "an IPv6 address stands in brackets here" },
		{ "tcp [fd00::1 answers from a", -EINVAL,
		  "an IPv6 address stands in brackets here" },
		{ "tcp :80 answers from a", -ENOENT, "there is no node '\"\"'" },
		{ "tcp db:80", -EINVAL, "it answers, or does not answer, not 'nothing'" },
		{ "tcp db:80 listens", -EINVAL, "it answers, or does not answer, not 'listens'" },
		{ "tcp db:80 does", -EINVAL, "it answers, or does not answer, not 'nothing'" },
		{ "tcp db:80 does answer from a", -EINVAL,
		  "it answers, or does not answer, not 'answer'" },
		{ "tcp db:80 does answers from a", -EINVAL,
		  "it answers, or does not answer, not 'answers'" },
		{ "tcp db:80 does not answers from a", -EINVAL,
		  "it answers, or does not answer, not 'answers'" },
		{ "tcp db:80 does not reply from a", -EINVAL, "not 'reply'" },
		{ "tcp db:80 answers", -EINVAL,
		  "from which node? answers from NODE, not 'nothing'" },
		{ "tcp db:80 answers a", -EINVAL, "from which node? answers from NODE, not 'a'" },
		{ "tcp db:80 answers from", -EINVAL, "the name of a node is missing" },
		{ "tcp db:80 answers from s", -EINVAL, "s is a switch" },
		{ "ping", -EINVAL, "a node is missing at the end" },
		{ "ping dc answers from a", -ENOENT, "there is no node 'dc'; is it 'db'?" },
		{ "ping s answers from a", -EINVAL, "s is a switch: nothing runs on it" },
		{ "ping db does not answers from a", -EINVAL, "not 'answers'" },
		{ "run", -EINVAL, "the name of a node is missing" },
		{ "run a", -EINVAL, "a command is missing at the end" },
		{ "run s ls exits 0", -EINVAL, "s is a switch" },
		{ "run a ls", -EINVAL, "the command exits STATUS, or prints TEXT, not 'nothing'" },
		{ "run a ls -l exits 0", -EINVAL, "not '-l'" },
		{ "run a ls prints", -EINVAL, "a text is missing at the end" },
		{ "node a 'a\nb'", -EINVAL, "not 'a?b'" },
		{ "node a exits '5\n'", -EINVAL, "'5?' is not an exit status" },
		{ "node a runs 'a\nb'", -EINVAL, "'a?b' does not belong here" },
		{ "tcp 'a\nb' answers from a", -EINVAL, "a port is missing: a?b:80" },
		{ "run a ls exits 0 prints x", -EINVAL, "'prints' does not belong here" },
	};
	struct topology t;

	make_lab(&t);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct choppy_err err = { 0 };
		struct probe p, before;
		char *within = (char *)"kept";
		int r;

		memset(&p, 0xa5, sizeof(p));
		before = p;
		r = probe_parse(&p, &t, rows[i].text, &within, &err);
		says(rows[i].text, r, &err, rows[i].code, rows[i].says);
		assert_memory_equal(&p, &before, sizeof(p));
		assert_string_equal(within, "kept");
		assert_int_equal(probe_parse(&p, &t, rows[i].text, &within, NULL), rows[i].code);
	}
	topology_free(&t);
}

static void test_when_a_node_is_ready(void **state)
{
	static const struct {
		const char *text, *read, *printed, *says;
	} rows[] = {
		{ "5432", "listens-tcp b 5432 0", "tcp port 5432", NULL },
		{ "tcp 1", "listens-tcp b 1 0", "tcp port 1", NULL },
		{ "udp   53", "listens-udp b 53 0", "udp port 53", NULL },
		{ "file /run/x y", "file b 0 0 '/run/x y'", "file /run/x y", NULL },
		{ "command test -e 'a b'", "command b 0 0 'test -e 'a b''", "command test -e 'a b'",
		  NULL },
		{ "", NULL, NULL, "'\"\"' is not a port: a number from 1 to 65535" },
		{ "0", NULL, NULL, "'0' is not a port" },
		{ "65536", NULL, NULL, "'65536' is not a port" },
		{ "tcp", NULL, NULL, "'\"\"' is not a port" },
		{ "tcp x", NULL, NULL, "'x' is not a port" },
		{ "tcp +5", NULL, NULL, "'+5' is not a port" },
		{ "udp 53 ", NULL, NULL, "'53 ' is not a port" },
		{ "file", NULL, NULL, "a path is missing behind 'file'" },
		{ "file  ", NULL, NULL, "a path is missing behind 'file'" },
		{ "command", NULL, NULL, "a command is missing behind 'command'" },
		{ "http 80", NULL, NULL,
		  "'http 80' says not when it is ready: a port, tcp PORT, udp PORT, file PATH, or "
		  "command COMMAND" },
		{ "tcpx 5", NULL, NULL, "'tcpx 5' says not when it is ready" },
		{ "80\nx", NULL, NULL, "'80?x' says not when it is ready" },
		{ "+80", NULL, NULL, "'+80' says not when it is ready" },
	};
	struct topology t;

	make_lab(&t);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct choppy_err err = { 0 };
		struct probe p, before;
		char text[256];
		int r;

		memset(&p, 0xa5, sizeof(p));
		before = p;
		r = probe_parse_ready(&p, 1, rows[i].text, &err);
		if (rows[i].says) {
			says(rows[i].text, r, &err, -EINVAL, rows[i].says);
			assert_memory_equal(&p, &before, sizeof(p));
			continue;
		}
		if (r < 0)
			fail_msg("%s: %s", rows[i].text, err.msg);
		print_probe(text, sizeof(text), &t, &p);
		assert_string_equal(text, rows[i].read);
		probe_print_ready(&p, text, sizeof(text));
		assert_string_equal(text, rows[i].printed);
		probe_print_ready(&p, text, 5);
		assert_int_equal(strlen(text), 4);
		assert_true(probe_needs_process(&p));
		probe_free(&p);
	}
	topology_free(&t);
}

/* ----------------------------------------------------------------- in files */

struct told {
	char text[4096];
};

static void tell(void *ctx, const char *text)
{
	struct told *t = ctx;
	size_t n = strlen(t->text);

	snprintf(t->text + n, sizeof(t->text) - n, "%s\n", text);
}

#define LAB                                                                                        \
	"nodes:\n"                                                                                 \
	"  a: {command: sleep 5, ready: 5432}\n"                                                   \
	"  b: {command: sleep 5, ready: file /x}\n"                                                \
	"links: [a -- b]\n"

static void test_a_timeline_in_a_file(void **state)
{
	static const char text[] = LAB "timeline:\n"
				       "  - at 5s: cut a b\n"
				       "  - every 30s for 2s: [pause any a b, 'set a-b loss 5%']\n"
				       "  - at 1s after ready:\n"
				       "      - run a \"echo 'x y'\"\n"
				       "expect:\n"
				       "  - node a exits 0 within 5s\n"
				       "  - node b runs\n"
				       "  - at 7s: ping b answers from a\n"
				       "  - from 1s to 2s: [node a runs, node b runs]\n";
	struct told told = { 0 };
	struct problems p = { .tell = tell, .ctx = &told };
	struct choppy_err err = { 0 };
	struct labfile *f = NULL;
	const struct timeline *t;

	if (labfile_parse(&f, text, strlen(text), &p, &err) < 0)
		fail_msg("%s: %s", err.msg, told.text);
	t = &f->timeline;
	assert_int_equal(t->nevents, 3);
	assert_int_equal(t->events[0].nactions, 1);
	assert_int_equal(t->events[0].when.from_ns, 5 * SEC);
	assert_int_equal(t->events[0].actions[0].verb, VERB_CUT);
	assert_string_equal(t->events[0].words[0], "cut a b");
	assert_int_equal(t->events[1].nactions, 2);
	assert_int_equal(t->events[1].when.for_ns, 2 * SEC);
	assert_true(t->events[1].actions[0].any);
	assert_string_equal(t->events[1].words[1], "set a-b loss 5%");
	assert_string_equal(t->events[2].when.mark, WHEN_READY);
	assert_string_equal(t->events[2].actions[0].text, "echo 'x y'");
	assert_int_equal(t->nexpects, 5);
	assert_int_equal(t->expects[0].when.kind, WHEN_WITHIN);
	assert_int_equal(t->expects[0].when.from_ns, 5 * SEC);
	assert_string_equal(t->expects[0].text, "node a exits 0 within 5s");
	assert_int_equal(t->expects[1].when.from_ns, 60 * SEC);
	assert_int_equal(t->expects[2].when.kind, WHEN_AT);
	assert_string_equal(t->expects[2].text, "at 7s: ping b answers from a");
	assert_int_equal(t->expects[4].when.to_ns, 2 * SEC);
	assert_int_equal(t->expects[4].probe.node, 1);
	assert_string_equal(t->expects[4].text, "from 1s to 2s: node b runs");
	assert_int_equal(f->programs[0].ready->port, 5432);
	assert_string_equal(f->programs[1].ready->text, "/x");
	labfile_free(f);
}

/* All of it at once, each where it stands. */
static void test_what_is_wrong_in_a_file_is_told_at_its_place(void **state)
{
	static const char text[] = LAB "timeline:\n"
				       "  - at 5s: cut a x\n"
				       "  - at 5: heal\n"
				       "  - at 6s: [heal, 'run a \"x']\n"
				       "  - from 1s to 2s: heal\n"
				       "  - at 7s: link a-b on\n"
				       "  - at 7s: link a-b off\n"
				       "  - every 9s for 0s: pause a\n"
				       "expect:\n"
				       "  - node a exist 0\n"
				       "  - every 5s: node a runs\n"
				       "  - at 5s: node a runs within 5s\n"
				       "  - node a runs within 5\n";
	static const char *const wanted[] = {
		"6:12: there is no node 'x'",
		"7:5: ",
		"8:20: a quote is not closed",
		"9:20: heal has no end",
		"11:5: 'link a-b off' contradicts 'link a-b on' at the same moment",
		"12:5: for 0s is no time",
		"14:5: a node exits STATUS, runs, or says TEXT, not 'exist'",
		"15:5: when? at 5s, within 10s, or from 10s to 20s",
		"says when already: leave within out",
		"17:5: ",
	};
	struct told told = { 0 };
	struct problems p = { .tell = tell, .ctx = &told };
	struct choppy_err err = { 0 };
	struct labfile *f = NULL;

	assert_int_equal(labfile_parse(&f, text, strlen(text), &p, &err), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (!strstr(told.text, wanted[i]))
			fail_msg("'%s' is not in\n%s", wanted[i], told.text);
	assert_int_equal(p.n, ARRAY_SIZE(wanted));
	assert_null(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moments_are_read),
		cmocka_unit_test(test_what_is_no_moment_is_told),
		cmocka_unit_test(test_names_of_marks),
		cmocka_unit_test(test_once_is_once),
		cmocka_unit_test(test_again_and_again),
		cmocka_unit_test(test_times_do_not_wrap),
		cmocka_unit_test(test_occasions_by_counting),
		cmocka_unit_test(test_what_can_be_done_for_a_while),
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_what_counts_from_a_mark),
		cmocka_unit_test(test_questions_are_read),
		cmocka_unit_test(test_what_is_no_question_is_told),
		cmocka_unit_test(test_when_a_node_is_ready),
		cmocka_unit_test(test_a_timeline_in_a_file),
		cmocka_unit_test(test_what_is_wrong_in_a_file_is_told_at_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
