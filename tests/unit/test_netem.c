/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The netem backend without a kernel that has netem: what it sends is decoded and compared with
 * tables and with what tc(8) sends for the same words, and a kernel made of its own messages,
 * of any age, answers what it asks.
 */
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../lib/nl.h"

static int test_do(struct nl *nl, struct nl_msg *m, struct choppy_err *err);
static int test_each(struct nl *nl, struct nl_msg *m, bool dump,
		     int (*each)(const struct nlmsghdr *nlh, void *ctx), void (*restart)(void *ctx),
		     void *ctx, struct choppy_err *err);
#define nl_do test_do
#define nl_each test_each
#include "../../lib/netem_qdisc.c" /* its static functions are tested too */
#undef nl_do
#undef nl_each

#include "../../lib/condition.h"

/* Skip for want of what this machine lacks, unless nothing may be skipped. */
#define need(cond, why)                                                                            \
	do {                                                                                       \
		if (cond)                                                                          \
			break;                                                                     \
		if (getenv("CHOPPY_MUST_WORK"))                                                    \
			fail_msg("not skipped, but missing: %s", why);                             \
		print_message("# skipped: %s\n", why);                                             \
		skip();                                                                            \
	} while (0)

static bool write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	bool good = f && fputs(text, f) >= 0;

	return f && fclose(f) == 0 && good;
}

/* Without root: a user namespace, as its root, so that tc keeps the powers over its devices. */
static bool isolate(void)
{
	char map[64];

	snprintf(map, sizeof(map), "0 %d 1", (int)geteuid());
	return unshare(CLONE_NEWNET) == 0 || (unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
					      write_file("/proc/self/uid_map", map));
}

/* *state is not NULL where the tests may change the network. */
static int setup(void **state)
{
	static const bool yes = true;

	if (isolate())
		*state = (void *)&yes;
	return 0;
}

/* @text as a condition of both directions. */
static struct choppy_condition cond(const char *text)
{
	struct choppy_condition dir[CHOPPY_NDIRS] = { 0 };
	struct choppy_err err = { 0 };
	struct choppy_rules rules;
	char buf[2048];
	const char *words[256];
	int n;

	assert_true(strlen(text) < sizeof(buf));
	n = choppy_words_split(buf, words, text);
	if (n > 0 && choppy_condition_parse(dir, &rules, n, words, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return dir[0];
}

/* The words that a line of tc means. */
static const char *translated(const char *line, struct choppy_err *err)
{
	static char ret[CHOPPY_CONDITION_TEXT_MAX];
	char buf[2048];
	const char *words[256];
	int n = choppy_words_split(buf, words, line);

	return choppy_tc_words(ret, sizeof(ret), n, words, err) < 0 ? NULL : ret;
}

/* ----------------------------------------------------------------- decoding */

#define ATTRS 20
#define SEED 0x1122334455667788ull

/* An RTM_NEWQDISC of netem, taken apart without any of the code under test. */
struct decoded {
	struct nlmsghdr nlh;
	struct tcmsg tcm;
	char kind[16];
	struct tc_netem_qopt qopt;
	struct {
		bool there;
		size_t len;
		const unsigned char *data;
	} attr[ATTRS];
	int unknown; /* attributes that have no place here */
};

static void decode_attrs(const unsigned char *p, const unsigned char *end, struct decoded *d,
			 bool options)
{
	while (end - p >= 4) {
		unsigned int len = p[0] | p[1] << 8, type = (p[2] | p[3] << 8) & NLA_TYPE_MASK;
		const unsigned char *data = p + 4;

		assert_true(len >= 4 && len <= (size_t)(end - p));
		if (options && type < ATTRS) {
			assert_false(d->attr[type].there);
			d->attr[type].there = true;
			d->attr[type].len = len - 4;
			d->attr[type].data = data;
		} else if (!options && type == TCA_KIND && len - 4 <= sizeof(d->kind)) {
			memcpy(d->kind, data, len - 4);
		} else if (!options && type == TCA_OPTIONS) {
			assert_true(len - 4 >= sizeof(d->qopt));
			memcpy(&d->qopt, data, sizeof(d->qopt));
			decode_attrs(data + sizeof(d->qopt), p + len, d, true);
		} else {
			d->unknown++;
		}
		p += (len + 3) & ~3u;
	}
}

static void decode(const void *msg, size_t len, struct decoded *d)
{
	const unsigned char *p = msg;

	memset(d, 0, sizeof(*d));
	assert_true(len >= sizeof(d->nlh) + sizeof(d->tcm));
	memcpy(&d->nlh, p, sizeof(d->nlh));
	assert_int_equal(d->nlh.nlmsg_len, len);
	memcpy(&d->tcm, p + sizeof(d->nlh), sizeof(d->tcm));
	decode_attrs(p + sizeof(d->nlh) + sizeof(d->tcm), p + len, d, false);
}

/* Message @m for @c, decoded; @m has to live as long as @d. */
static void decode_ours(const struct choppy_condition *c, const struct netem_held *held, bool first,
			struct nl_msg *m, struct decoded *d)
{
	struct choppy_err err = { 0 };
	struct netem_tables t;
	struct netem_values v;

	if (netem_values_of(&v, &t, held, c, SEED, &err) < 0)
		fail_msg("%s", err.msg);
	nl_msg_init(m);
	netem_message(m, 1, &v, &t, first);
	netem_tables_free(&t);
	assert_int_equal(m->error, 0);
	assert_int_equal(m->n, 1);
	decode(m->cur, m->cur->nlmsg_len, d);
}

static const struct netem_held fresh;

static uint64_t attr_u64(const struct decoded *d, int type)
{
	uint64_t v;

	assert_true(d->attr[type].there);
	assert_int_equal(d->attr[type].len, sizeof(v));
	memcpy(&v, d->attr[type].data, sizeof(v));
	return v;
}

/* ------------------------------------------------------------------- message */

#define NONE 0x7fffffff
#define HOLD UINT32_MAX, 1ull << 60

struct message_row {
	const char *words;
	struct tc_netem_qopt want;
	uint32_t want_rate;
	uint64_t want_rate64; /* 0: absent */
};

/* What is not tc's: the limit that follows, ns below a tick, order that is kept, ties of shares. */
static const struct message_row rows[] = {
	{ "", { .limit = NONE }, 0, 0 },
	{ "delay 50ms", { .latency = 781250, .limit = NONE }, 0, 0 },
	{ "delay 63ns", { .limit = NONE }, 0, 0 },
	{ "delay 1500ns", { .latency = 23, .limit = NONE }, 0, 0 },
	{ "delay 300s", { .latency = UINT32_MAX, .limit = NONE }, 0, 0 },
	{ "delay 50ms 10ms", { .latency = 781250, .jitter = 156250, .limit = NONE }, HOLD },
	{ "delay 50ms 0ms", { .latency = 781250, .limit = NONE }, 0, 0 },
	{ "delay 50ms 10ms reorder jitter",
	  { .latency = 781250, .jitter = 156250, .limit = NONE },
	  0,
	  0 },
	{ "delay 50ms 10ms netem-raw",
	  { .latency = 781250, .jitter = 156250, .limit = NONE },
	  0,
	  0 },
	{ "loss 100%", { .loss = UINT32_MAX, .limit = NONE }, 0, 0 },
	{ "loss 50%", { .loss = 0x80000000, .limit = NONE }, 0, 0 },
	{ "loss 30%", { .loss = 1288490188, .limit = NONE }, 0, 0 },
	{ "loss 0.0000001%", { .loss = 4, .limit = NONE }, 0, 0 },
	{ "loss 0%", { .limit = NONE }, 0, 0 },
	{ "duplicate 50%", { .duplicate = 0x80000000, .limit = NONE }, 0, 0 },
	{ "delay 1ms reorder 25%", { .latency = 15625, .limit = NONE, .gap = 1 }, 0, 0 },
	{ "delay 1ms reorder 25% gap 5", { .latency = 15625, .limit = NONE, .gap = 5 }, 0, 0 },
	{ "delay 1ms reorder 0%", { .latency = 15625, .limit = NONE }, 0, 0 },
	{ "rate 8bit", { .limit = 1001 }, 1, 0 },
	{ "rate 34359738360bit", { .limit = 1001 }, UINT32_MAX, 0 },
	{ "rate 34359738368bit", { .limit = 1001 }, UINT32_MAX, 4294967296 },
	{ "rate 1mbit limit 7packets", { .limit = 8 }, 125000, 0 },
	{ "rate 1mbit queue tail", { .limit = 1001 }, 125000, 0 },
	/* 125000 byte/s for 150 ms are 18750 bytes: 552 packets of 34, one sent, ten queued */
	{ "delay 100ms 50ms rate 1mbit limit 10packets",
	  { .latency = 1562500, .jitter = 781250, .limit = 563 },
	  125000,
	  0 },
	{ "delay 3600s rate 100gbit limit 10packets",
	  { .latency = UINT32_MAX, .limit = NONE },
	  UINT32_MAX,
	  12500000000 },
	{ "delay 100ms rate 1mbit inflight 33", { .latency = 1562500, .limit = 33 }, 125000, 0 },
	{ "inflight 4294967295", { .limit = UINT32_MAX }, 0, 0 },
};

/* Attributes that must always be there, since the kernel keeps old values without them. */
static const struct {
	int type;
	size_t len;
} kept[] = {
	{ TCA_NETEM_CORR, sizeof(struct tc_netem_corr) },
	{ TCA_NETEM_REORDER, sizeof(struct tc_netem_reorder) },
	{ TCA_NETEM_CORRUPT, sizeof(struct tc_netem_corrupt) },
	{ TCA_NETEM_ECN, sizeof(uint32_t) },
	{ TCA_NETEM_SLOT, sizeof(struct tc_netem_slot) },
	{ TCA_NETEM_RATE, sizeof(struct tc_netem_rate) },
	{ TCA_NETEM_LATENCY64, sizeof(int64_t) },
	{ TCA_NETEM_JITTER64, sizeof(int64_t) },
	{ NETEM_PRNG_SEED, sizeof(uint64_t) },
};

static void test_message_table(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct message_row *r = &rows[i];
		struct choppy_condition c = cond(r->words);
		struct tc_netem_rate rate = { .rate = r->want_rate };
		struct decoded d;
		struct nl_msg m;

		print_message("# '%s'\n", r->words);
		decode_ours(&c, &fresh, true, &m, &d);
		assert_memory_equal(&d.qopt, &r->want, sizeof(d.qopt));
		assert_int_equal(attr_u64(&d, TCA_NETEM_LATENCY64), c.delay_ns);
		assert_int_equal(attr_u64(&d, TCA_NETEM_JITTER64), c.jitter_ns);
		assert_int_equal(attr_u64(&d, NETEM_PRNG_SEED), SEED);
		assert_memory_equal(d.attr[TCA_NETEM_RATE].data, &rate, sizeof(rate));
		assert_int_equal(d.attr[TCA_NETEM_RATE64].there, r->want_rate64 != 0);
		if (r->want_rate64)
			assert_int_equal(attr_u64(&d, TCA_NETEM_RATE64), r->want_rate64);
		for (size_t k = 0; k < sizeof(kept) / sizeof(kept[0]); k++)
			assert_int_equal(d.attr[kept[k].type].len, kept[k].len);
		assert_false(d.attr[TCA_NETEM_DELAY_DIST].there || d.attr[TCA_NETEM_LOSS].there);
		assert_int_equal(d.unknown, 0);
		assert_string_equal(d.kind, "netem");
	}
}

static void test_message_head(void **state)
{
	struct choppy_condition c = cond("");
	struct decoded d;
	struct nl_msg m;

	decode_ours(&c, &fresh, true, &m, &d);
	assert_int_equal(d.nlh.nlmsg_type, RTM_NEWQDISC);
	assert_int_equal(d.nlh.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
	assert_int_equal(d.tcm.tcm_handle, NETEM_HANDLE);
	assert_int_equal(d.tcm.tcm_parent, TC_H_ROOT);
	assert_int_equal(d.tcm.tcm_ifindex, 1);
	decode_ours(&c, &fresh, false, &m, &d); /* changed in place: neither made nor replaced */
	assert_int_equal(d.nlh.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
}

/* The mean run and the share of losses of what `burst` becomes are as asked. */
static void test_burst(void **state)
{
	static const struct {
		const char *words;
		double share, burst;
	} bursts[] = {
		{ "loss 2% burst 5", .02, 5 },
		{ "loss 50% burst 1", .5, 1 },
		{ "loss 0.1% burst 22.5", .001, 22.5 },
		{ "loss 80% burst 4", .8, 4 },
	};

	for (size_t i = 0; i < sizeof(bursts) / sizeof(bursts[0]); i++) {
		struct choppy_condition c = cond(bursts[i].words);
		struct netem_tables t;
		struct netem_values v;
		double p, r;

		assert_int_equal(netem_values_of(&v, &t, &fresh, &c, 1, NULL), 0);
		assert_int_equal(v.model, NETEM_MODEL_GE);
		p = v.ge.p / (double)UINT32_MAX;
		r = v.ge.r / (double)UINT32_MAX;
		assert_true(fabs(1 / r - bursts[i].burst) < 1e-6 * bursts[i].burst);
		assert_true(fabs(p / (p + r) - bursts[i].share) < 1e-7);
		assert_int_equal(v.ge.h, 0);
		assert_int_equal(v.ge.k1, 0);
		assert_int_equal(v.qopt.loss, 0);
	}
}

/* A table reaches further than its deviation, and the line has to hold what it draws. */
static void test_limit_of_a_table(void **state)
{
	struct choppy_condition c = cond("delay 400ms 100ms distribution pareto rate 1mbit "
					 "limit 100packets");
	struct netem_tables t;
	struct netem_values v;
	uint64_t most = 0;

	assert_int_equal(netem_values_of(&v, &t, &fresh, &c, 1, NULL), 0);
	for (uint32_t i = 0; i < t.delay.n; i++)
		if (t.delay.entry[i] > (int)most)
			most = (uint64_t)t.delay.entry[i];
	assert_true(most > 3 * 8192);
	most = 400000000 + (100000000 * most + 8191) / 8192; /* ns, 125000 bytes a second */
	assert_int_equal(v.qopt.limit,
			 100 + 1 + (most * 125000 + 34 * 1000000000ull - 1) / (34 * 1000000000ull));
	netem_tables_free(&t);
	/* 27 bytes of each packet count: 18750 bytes are 695 of them. */
	c = cond("delay 100ms 50ms rate 1mbit overhead -7bytes limit 10packets");
	assert_int_equal(netem_values_of(&v, &t, &fresh, &c, 1, NULL), 0);
	assert_int_equal(v.qopt.limit, 706);
	netem_tables_free(&t);
}

/* ------------------------------------------------------------------- tables */

static void assert_ramp(const struct decoded *d, int type, int from)
{
	const int16_t *entry = (const int16_t *)d->attr[type].data;
	size_t n = d->attr[type].len / sizeof(*entry);
	long sum = 0;

	assert_int_equal(n, 8193);
	assert_int_equal(entry[0], from);
	assert_int_equal(entry[n - 1], 8192);
	for (size_t i = 1; i < n; i++) {
		assert_int_equal(entry[i] - entry[i - 1], (8192 - from) / 8192);
		sum += entry[i];
	}
	assert_int_equal(sum + entry[0], (long)n * (8192 + from) / 2);
}

static struct tc_netem_slot slot_of(const struct decoded *d)
{
	struct tc_netem_slot s;

	memcpy(&s, d->attr[TCA_NETEM_SLOT].data, sizeof(s));
	return s;
}

/* A netem that has got a table needs one for the even distribution too; a new one needs none. */
static void test_tables(void **state)
{
	static const struct netem_held both = { .delay = true, .slot = true };
	struct choppy_condition c;
	struct decoded d;
	struct nl_msg m;

	c = cond("delay 50ms 10ms distribution normal");
	decode_ours(&c, &fresh, true, &m, &d);
	assert_int_equal(d.attr[TCA_NETEM_DELAY_DIST].len, 2 * 4096);
	assert_false(d.attr[TCA_NETEM_SLOT_DIST].there);
	c = cond("delay 50ms 10ms distribution uniform");
	decode_ours(&c, &fresh, true, &m, &d);
	assert_false(d.attr[TCA_NETEM_DELAY_DIST].there);
	decode_ours(&c, &both, false, &m, &d);
	assert_ramp(&d, TCA_NETEM_DELAY_DIST, -8192);
	c = cond("delay 50ms");
	decode_ours(&c, &both, false, &m, &d);
	assert_false(d.attr[TCA_NETEM_DELAY_DIST].there);

	c = cond("slot distribution pareto 20ms 2ms packets 3");
	decode_ours(&c, &fresh, true, &m, &d);
	assert_int_equal(d.attr[TCA_NETEM_SLOT_DIST].len, 2 * 4096);
	assert_int_equal(slot_of(&d).dist_delay, 20000000);
	assert_int_equal(slot_of(&d).dist_jitter, 2000000);
	c = cond("slot distribution uniform 20ms 2ms");
	decode_ours(&c, &fresh, true, &m, &d);
	assert_false(d.attr[TCA_NETEM_SLOT_DIST].there);
	assert_int_equal(slot_of(&d).min_delay, 18000000);
	assert_int_equal(slot_of(&d).max_delay, 22000000);
	/* The kernel takes a deviation of 0 for no slots. */
	c = cond("slot distribution pareto 20ms 0ms");
	decode_ours(&c, &fresh, true, &m, &d);
	assert_int_equal(slot_of(&d).min_delay, 20000000);
	assert_int_equal(slot_of(&d).max_delay, 20000000);
	c = cond("slot 10ms 15ms bytes 9000bytes");
	decode_ours(&c, &both, false, &m, &d);
	assert_ramp(&d, TCA_NETEM_SLOT_DIST, 0);
	assert_int_equal(slot_of(&d).dist_delay, 10000000);
	assert_int_equal(slot_of(&d).dist_jitter, 5000000);
	assert_int_equal(slot_of(&d).max_bytes, 9000);
	c = cond("loss 1%");
	decode_ours(&c, &both, false, &m, &d);
	assert_false(d.attr[TCA_NETEM_SLOT_DIST].there);
}

/* ------------------------------------------------------------------------- tc */

/* Every word of tc-netem(8), alone and together. */
static const char *const tc_lines[] = {
	"",
	"limit 7",
	"delay 50ms",
	"latency 50msec",
	"delay 3us",
	"delay 274s",
	"delay 50ms 10ms",
	"delay 50ms 10ms 25%",
	"delay 333us 77us 0.5",
	"delay 50ms 10ms distribution normal",
	"delay 50ms 10ms distribution pareto",
	"delay 50ms 10ms 25% distribution paretonormal",
	"delay 50ms 10ms distribution experimental",
	"loss 30%",
	"loss 10",
	"drop 0.1%",
	"loss random 0.0000001%",
	"loss 33.3333333% 25%",
	"loss 100%",
	"loss state 1%",
	"loss state 1% 20%",
	"loss state 1% 20% 3%",
	"loss state 1% 20% 3% 40%",
	"loss state 1% 20% 3% 40% 5%",
	"loss gemodel 1%",
	"loss gemodel 1% 10%",
	"loss gemodel 1% 10% 70%",
	"loss gemodel 1% 10% 70% 0.1%",
	"loss 1% ecn",
	"loss gemodel 2% ecn",
	"duplicate 1%",
	"corrupt 0.1%",
	"corrupt 0.1% 25%",
	"delay 10ms reorder 25%",
	"delay 10ms reorder 25% 50%",
	"delay 10ms reorder 25% 50% gap 5",
	"gap 3 delay 10ms reorder 2%",
	"rate 1mbit",
	"rate 8bit",
	"rate 125kbps",
	"rate 1.5Mbit",
	"rate 1mibit",
	"rate 1000000",
	"rate 4294967295bps",
	"rate 4294967296bps",
	"rate 100gbit",
	"rate 1mbit 20",
	"rate 1mbit -14",
	"rate 1mbit 20 48",
	"rate 1mbit 20 48 5",
	"rate 1mbit 0 0 0",
	"slot 800us",
	"slot 800us 1ms",
	"slot 800us 1ms packets 42",
	"slot 800us 1ms bytes 5000",
	"slot 20ms packets 42 bytes 5000",
	"slot distribution normal 20ms 2ms",
	"slot distribution pareto 20ms 2ms packets 3 bytes 9000",
	"delay 100ms 20ms loss 1% 5% rate 20mbit limit 64 duplicate 1%",
	/* all at once */
	("delay 5ms 1ms 10% distribution normal loss gemodel 1% 10% duplicate 1% corrupt 2% 3% "
	 "reorder 4% 5% gap 6 rate 40gbit 1 2 3 slot 1ms 2ms packets 3 bytes 4000 ecn limit 5"),
};

/* The bytes of the RTM_NEWQDISC in a trace written with `strace -e write=all`. */
static size_t traced_message(const char *path, unsigned char *buf, size_t size)
{
	FILE *f = fopen(path, "re");
	char line[512];
	size_t n = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		unsigned int off;
		int pos;

		if (sscanf(line, " | %5x%n", &off, &pos) != 1) {
			if (n >= 6 && buf[4] == RTM_NEWQDISC)
				break;
			n = 0;
			continue;
		}
		/* sixteen bytes in hex, in two groups, then the same as text */
		for (int i = 0; i < 16 && n < size; i++) {
			char *at = line + pos + 2 + 3 * i + i / 8;
			unsigned int byte;

			if (at + 2 > line + strlen(line) || sscanf(at, "%2x", &byte) != 1 ||
			    at[0] == ' ')
				break;
			buf[n++] = byte;
		}
	}
	fclose(f);
	return n >= 6 && buf[4] == RTM_NEWQDISC ? n : 0;
}

/* tc fails here or not, as the kernel has netem or not; the message was sent in any case. */
static size_t run_tc(const char *words, unsigned char *buf, size_t size)
{
	char path[] = "/tmp/test_netem.XXXXXX", cmd[2048];
	int fd = mkstemp(path), status;
	size_t n;

	assert_true(fd >= 0);
	close(fd);
	snprintf(cmd, sizeof(cmd),
		 "strace -o %s -e trace=sendmsg,sendto -e write=all "
		 "tc qdisc add dev lo root handle 4348: netem %s >/dev/null 2>&1",
		 path, words);
	status = system(cmd);
	assert_true(WIFEXITED(status));
	n = traced_message(path, buf, size);
	unlink(path);
	if (status == 0)
		assert_int_equal(system("tc qdisc del dev lo root"), 0);
	return n;
}

/* What only we send: neutral, or the same time in finer units. */
static const int only_ours[] = {
	TCA_NETEM_CORR,	     TCA_NETEM_REORDER,	 TCA_NETEM_CORRUPT, TCA_NETEM_ECN,   TCA_NETEM_SLOT,
	TCA_NETEM_LATENCY64, TCA_NETEM_JITTER64, TCA_NETEM_RATE,    NETEM_PRNG_SEED,
};

static void compare_attr(const struct decoded *ours, const struct decoded *tc, int type)
{
	static const unsigned char zero[64];
	bool listed = false;

	if (tc->attr[type].there) {
		assert_true(ours->attr[type].there);
		assert_int_equal(ours->attr[type].len, tc->attr[type].len);
		assert_memory_equal(ours->attr[type].data, tc->attr[type].data, tc->attr[type].len);
		return;
	}
	if (!ours->attr[type].there)
		return;
	for (size_t i = 0; i < sizeof(only_ours) / sizeof(only_ours[0]); i++)
		listed |= only_ours[i] == type;
	assert_true(listed);
	if (type == TCA_NETEM_LATENCY64)
		assert_int_equal(attr_u64(ours, type) / 64, tc->qopt.latency);
	else if (type == TCA_NETEM_JITTER64)
		assert_int_equal(attr_u64(ours, type) / 64, tc->qopt.jitter);
	else if (type != NETEM_PRNG_SEED)
		assert_memory_equal(ours->attr[type].data, zero, ours->attr[type].len);
}

static void compare(const struct decoded *ours, const struct decoded *tc)
{
	struct tc_netem_qopt qopt = tc->qopt;

	/* newer versions of tc give times as the 64-bit attributes only */
	if (tc->attr[TCA_NETEM_LATENCY64].there)
		qopt.latency = ours->qopt.latency;
	if (tc->attr[TCA_NETEM_JITTER64].there)
		qopt.jitter = ours->qopt.jitter;
	assert_memory_equal(&ours->qopt, &qopt, sizeof(qopt));
	assert_int_equal(ours->nlh.nlmsg_type, tc->nlh.nlmsg_type);
	assert_int_equal(ours->nlh.nlmsg_flags, tc->nlh.nlmsg_flags);
	assert_memory_equal(&ours->tcm, &tc->tcm, sizeof(tc->tcm));
	assert_string_equal(ours->kind, tc->kind);
	assert_int_equal(tc->unknown, 0);
	for (int type = 0; type < ATTRS; type++)
		compare_attr(ours, tc, type);
}

#define MESSAGE_MAX 100000

/* A line of tc gives, translated, the message of tc; and printed as one, again. */
static void test_against_tc(void **state)
{
	unsigned char *buf = malloc(MESSAGE_MAX);

	need(*state, "a network namespace of its own");
	need(system("command -v tc >/dev/null") == 0, "tc (package iproute2)");
	need(system("strace -o /dev/null true 2>/dev/null") == 0, "strace that may trace");
	for (size_t i = 0; i < sizeof(tc_lines) / sizeof(tc_lines[0]); i++) {
		struct choppy_err err = { 0 };
		const char *words = translated(tc_lines[i], &err);
		char printed[CHOPPY_TC_TEXT_MAX];
		struct choppy_condition c;
		struct decoded ours, tc;
		struct nl_msg m;
		size_t n;

		print_message("# netem %s\n", tc_lines[i]);
		if (!words)
			fail_msg("%s", err.msg);
		print_message("# = %s\n", words);
		c = cond(words);
		decode_ours(&c, &fresh, true, &m, &ours);
		n = run_tc(tc_lines[i], buf, MESSAGE_MAX);
		assert_int_not_equal(n, 0);
		decode(buf, n, &tc);
		compare(&ours, &tc);
		if (choppy_condition_tc(printed, sizeof(printed), &c, &err) < 0)
			fail_msg("%s", err.msg);
		print_message("# = netem %s\n", printed);
		n = run_tc(printed, buf, MESSAGE_MAX);
		assert_int_not_equal(n, 0);
		decode(buf, n, &tc);
		compare(&ours, &tc);
	}
	free(buf);
}

static void test_lines_refused(void **state)
{
	static const struct {
		const char *line, *error;
	} refused[] = {
		{ "delay", "at its end: a time is due here" },
		{ "delay 100", "word 2 ('100'): a time needs its unit" },
		{ "delay 100parsec", "word 2 ('100parsec'): a time has the unit" },
		{ "delay 100ms 10", "word 3 ('10'): a time needs its unit" },
		{ "loss", "at its end: a decimal percentage is due" },
		{ "loss random", "at its end: a decimal percentage is due" },
		{ "loss state", "at its end: a decimal percentage is due" },
		{ "loss gilbert 1%", "word 2 ('gilbert'): a decimal percentage is due" },
		{ "loss 1% loss 2%", "word 3 ('loss'): this is given twice" },
		{ "latency 1ms delay 2ms", "word 3 ('delay'): this is given twice" },
		{ "limit", "at its end: a whole decimal number is due" },
		{ "limit 10k", "word 2 ('10k'): a whole decimal number is due" },
		{ "limit -1", "word 2 ('-1'): a whole decimal number is due" },
		{ "gap 5", "gap needs a reorder" },
		{ "delay 1ms reorder 5% gap x", "word 6 ('x'): a whole decimal number is due" },
		{ "distribution normal", "distribution needs a delay" },
		{ "delay 10ms 1ms distribution nosuch", "word 5 ('nosuch'): tc has no table" },
		{ "delay 10ms 1ms distribution ../x",
		  "word 5 ('../x'): the name of a distribution" },
		{ "rate", "at its end: a rate is due" },
		{ "rate 50%", "word 2 ('50%'): a rate in percent" },
		{ "rate 1parsec", "word 2 ('1parsec'): a rate has the unit" },
		{ "rate 1.0000000000000000001gbit", "too many digits" },
		{ "rate 1.5bit", "no whole number of bits" },
		{ "rate 1mbit 0 0 5", "word 5 ('5'): an overhead of cells needs" },
		{ "slot", "at its end: a time is due" },
		{ "slot distribution normal 5ms", "at its end: a time is due" },
		{ "slot 5ms packets", "at its end: a whole decimal number is due" },
		{ "delay 1ms seed 5", "word 3 ('seed'): a lab has one seed" },
		{ "corupt 1%", "word 1 ('corupt'): this is no word of netem" },
		{ "tc qdisc add dev x root netem delay", "at its end: a time is due" },
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct choppy_err err = { 0 };

		print_message("# %s\n", refused[i].line);
		assert_null(translated(refused[i].line, &err));
		assert_int_equal(err.code, -EINVAL);
		print_message("# %s\n", err.msg);
		assert_non_null(strstr(err.msg, refused[i].error));
	}
}

/* -------------------------------------------------------------------- check */

struct check_row {
	const char *words;
	const char *error; /* part of it; NULL: fine */
	const char *note; /* part of it; "": none at all */
};

static const struct check_row check_rows[] = {
	{ "", NULL, "" },
	{ "delay 50ms", NULL, "" },
	{ "loss 1%", NULL, "" },
	{ "delay 50ms 1ms", NULL, "order is kept by a rate of 2^63 bit/s" },
	{ "delay 50ms 1ms netem-raw", NULL, "jitter reorders" },
	{ "delay 50ms 1ms reorder jitter", NULL, "" },
	{ "delay 50ms 1ms rate 8kbit", NULL, "holds the rate up too; the limit also counts" },
	{ "loss 1% rate 8kbit", NULL, "loss and queue are counted as one" },
	{ "loss 1% inflight 5", NULL, "loss and by inflight are counted as one" },
	{ "loss 0% rate 8kbit", NULL, "" },
	{ "delay 10ms 0ms corrupt 0%", NULL, "" },
	{ "corrupt 1%", NULL, "headers" },
	{ "rate 1001bit", "rate 1.001kbit: netem holds whole bytes a second only", NULL },
	{ "rate 8kbit limit 5kb", "limit 5kb: netem can limit a queue by packets only", NULL },
	{ "rate 8kbit limit 5ms", "limit 5ms: netem can limit a queue by packets only", NULL },
	{ "rate 8kbit queue head", "queue head: netem drops at the tail only", NULL },
	{ "rate 8kbit overhead ethernet", "netem has no least size", NULL },
	{ "delay 3s 2147483648ns", "jitter 2147483.648us: netem ends at", NULL },
	{ "delay 3s 2147483647ns", NULL, "order" },
	{ "slot distribution normal 60s 2147483648ns", "slot-jitter 2147483.648us", NULL },
	{ "slot distribution uniform 3s 2s", "slot-jitter 2s: netem's slots differ by", NULL },
	{ "slot 1s 4s", "slot-max 4s: netem's slots differ by", NULL },
	{ "slot 0ms", "slot 0ns: netem takes this for no slots", NULL },
	{ "delay 0ms reorder 5%", "reorder 5%: reordered packets skip the delay, which is 0",
	  NULL },
	{ "delay 5ms reorder 0% gap 5", "reorder 0% with a gap", NULL },
	{ "delay 5ms 1ms reorder jitter rate 1mbit", "reorder jitter: netem with a rate", NULL },
	{ "loss 20% 75%", "loss-correlation 75%: netem's correlation keeps neither", NULL },
	{ "duplicate 20% 75%", "duplicate-correlation 75%: netem's", NULL },
	{ "corrupt 20% 75%", "corrupt-correlation 75%: netem's", NULL },
	{ "delay 5ms reorder 20% 75%", "reorder-correlation 75%: netem's", NULL },
	{ "delay 5ms 1ms 75%", "delay-correlation 75%: netem's", NULL },
	{ "loss 20% 75% netem-raw", NULL, "not what they say" },
};

static void test_check(void **state)
{
	for (size_t i = 0; i < sizeof(check_rows) / sizeof(check_rows[0]); i++) {
		const struct check_row *r = &check_rows[i];
		struct choppy_condition c = cond(r->words);
		struct choppy_err err = { 0 };
		char note[BACKEND_NOTE_MAX];
		int ret;

		print_message("# '%s'\n", r->words);
		ret = backend_check(&netem_backend, &c, note, &err);
		print_message("# %s%s\n", ret < 0 ? err.msg : "", note);
		assert_int_equal(ret, r->error ? -EOPNOTSUPP : 0);
		if (r->error) {
			assert_non_null(strstr(err.msg, r->error));
			assert_non_null(strstr(err.msg, "--backend engine"));
			assert_string_equal(note, "");
		} else if (r->note[0]) {
			assert_non_null(strstr(note, r->note));
		} else {
			assert_string_equal(note, "");
		}
	}
}

/* Every field that a backend has no place for is refused by its name, with who has one. */
static void test_fields_of_the_other_are_refused(void **state)
{
	char note[BACKEND_NOTE_MAX], line[128];
	struct choppy_err err;
	int engine_only = 0, netem_only = 0;

	for (int f = 0; f < CHOPPY_NFIELDS; f++) {
		struct choppy_condition c = { .set = CHOPPY_FIELD_BIT(f) };

		assert_true((netem_backend.fields | engine_backend.fields) & c.set);
		if (!(netem_backend.fields & c.set)) {
			engine_only++;
			assert_int_equal(backend_check(&netem_backend, &c, note, &err),
					 -EOPNOTSUPP);
			snprintf(line, sizeof(line),
				 "netem cannot do %s; the engine can (--backend engine)",
				 fields[f].name);
			assert_string_equal(err.msg, line);
		}
		if (!(engine_backend.fields & c.set)) {
			netem_only++;
			assert_int_equal(backend_check(&engine_backend, &c, note, &err),
					 -EOPNOTSUPP);
			snprintf(line, sizeof(line),
				 "engine cannot do %s; netem can (--backend netem)",
				 fields[f].name);
			assert_string_equal(err.msg, line);
		}
	}
	assert_int_equal(netem_only, 2);
	assert_int_equal(engine_only, 22);
}

/* The remark on all that can be remarked is whole. */
static void test_note_fits(void **state)
{
	struct choppy_condition c =
		cond("delay 5ms 1ms 1% loss 1% corrupt 1% rate 8kbit ecn netem-raw");
	char note[BACKEND_NOTE_MAX];

	assert_int_equal(backend_check(&netem_backend, &c, note, NULL), 0);
	assert_string_equal(note + strlen(note) - 16, "counted as drops");
}

/* ------------------------------------------------------------------- kernels */

/*
 * A kernel that has one qdisc. It keeps what it is sent, and tells it with what it knows of: what
 * is younger is passed over, as nla_parse() does.
 */
static struct {
	bool on;
	unsigned int without; /* bits of attributes */
	int refuses; /* any message, with this error */
	const char *words; /* and these */
	int refuse_after; /* so many messages are taken first */
	struct nl_msg last;
	int n; /* messages that were taken */
	int spoil; /* attribute whose first byte is read back wrong, or 0 */
} kernel;

static void kernel_boot(unsigned int without)
{
	memset(&kernel, 0, sizeof(kernel));
	kernel.on = true;
	kernel.without = without;
}

#define WITHOUT(attr) (1u << (attr))
#define WITHOUT_64 (WITHOUT(TCA_NETEM_LATENCY64) | WITHOUT(TCA_NETEM_JITTER64))

static int test_do(struct nl *nl, struct nl_msg *m, struct choppy_err *err)
{
	if (!kernel.on)
		return nl_do(nl, m, err);
	if (kernel.refuses && kernel.refuse_after-- <= 0)
		return err_set(err, kernel.refuses, "netem: %s", kernel.words);
	memcpy(&kernel.last, m, sizeof(*m));
	kernel.last.cur = (struct nlmsghdr *)(kernel.last.buf + ((char *)m->cur - m->buf));
	kernel.n++;
	return 0;
}

/* Make the attributes of @msg that the kernel does not know ones that nobody knows. */
static void forget(struct nlmsghdr *msg)
{
	const struct nlattr *tb[TCA_MAX + 1];
	struct nlattr *a;
	char *p, *end;

	nl_parse(msg, sizeof(struct tcmsg), tb, TCA_MAX);
	p = mnl_attr_get_payload(tb[TCA_OPTIONS]);
	end = p + mnl_attr_get_payload_len(tb[TCA_OPTIONS]);
	for (p += sizeof(struct tc_netem_qopt); p < end; p += MNL_ALIGN(a->nla_len)) {
		a = (struct nlattr *)p;
		if (kernel.spoil && (a->nla_type & NLA_TYPE_MASK) == kernel.spoil)
			p[sizeof(*a)] ^= 1;
		if (WITHOUT(a->nla_type & NLA_TYPE_MASK) & kernel.without)
			a->nla_type = 99;
	}
}

static int test_each(struct nl *nl, struct nl_msg *m, bool dump,
		     int (*each)(const struct nlmsghdr *nlh, void *ctx), void (*restart)(void *ctx),
		     void *ctx, struct choppy_err *err)
{
	struct nl_msg answer;

	if (!kernel.on)
		return nl_each(nl, m, dump, each, restart, ctx, err);
	if (!kernel.n)
		return 0;
	memcpy(&answer, &kernel.last, sizeof(answer));
	answer.cur = (struct nlmsghdr *)(answer.buf + ((char *)kernel.last.cur - kernel.last.buf));
	forget(answer.cur);
	return each(answer.cur, ctx);
}

/* What comes of @words in a kernel: 0 with what is told as rounded, or the error. */
static int apply(struct netem_end *e, const char *words, char *said)
{
	struct link_end end = { .ifindex = 1, .dev = "eth0" };
	struct choppy_condition c = cond(words);
	struct choppy_err err = { 0 };
	int r = netem_apply(&end, e, &c, SEED, &err);

	strcpy(said, r < 0 ? err.msg : e->rounded);
	print_message("# '%s': %d '%s'\n", words, r, said);
	return r;
}

static void test_kernels(void **state)
{
	static const struct {
		const char *words;
		unsigned int without;
		int result;
		const char *said; /* part of it, "": nothing */
		bool seed;
	} old[] = {
		{ "delay 50ms 10ms loss 1%", 0, 0, "", true },
		{ "delay 50ms 10ms loss 1%", WITHOUT(NETEM_PRNG_SEED), 0, "", false },
		{ "delay 1ms 64us", WITHOUT_64, 0, "", true }, /* whole ticks */
		{ "delay 100us", WITHOUT_64, 0, "netem: delay 100us is 99.968us in this kernel",
		  true },
		{ "delay 100us 10us", WITHOUT_64, 0,
		  "delay 100us is 99.968us in this kernel; jitter 10us is 9.984us in this kernel",
		  true },
		{ "delay 300s", WITHOUT_64, -EOPNOTSUPP,
		  "eth0: delay 300s: netem of this kernel (before Linux 4.16) ends at "
		  "274877906.88us",
		  false },
		{ "slot 5ms", WITHOUT(TCA_NETEM_SLOT), -EOPNOTSUPP,
		  "does not take SLOT (Linux 4.16 has it)", false },
		{ "loss 1%", WITHOUT(TCA_NETEM_SLOT), 0, "", true },
		{ "rate 100gbit", WITHOUT(TCA_NETEM_RATE64), -EOPNOTSUPP,
		  "does not take RATE64 (Linux 3.14 has it)", false },
		{ "rate 10gbit", WITHOUT(TCA_NETEM_RATE64), 0, "", true },
		{ "loss 1% ecn", WITHOUT(TCA_NETEM_ECN), -EIO, "netem's ECN is not what was sent",
		  false },
		{ "loss gemodel 1%", WITHOUT(TCA_NETEM_LOSS), -EIO,
		  "netem's LOSS is not what was sent", false },
	};
	char said[1024];

	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++) {
		struct netem_end e = { 0 };

		kernel_boot(old[i].without);
		assert_int_equal(apply(&e, old[i].words, said), old[i].result);
		assert_true(e.made); /* it is in force, whatever was read back */
		if (old[i].result == 0)
			assert_int_equal(netem_has_seed(&e), old[i].seed);
		if (*old[i].said)
			assert_non_null(strstr(said, old[i].said));
		else
			assert_string_equal(said, "");
	}
	kernel.on = false;
}

static void test_kernel_refuses(void **state)
{
	struct netem_end e = { 0 };
	char said[1024];

	kernel_boot(0);
	kernel.refuses = -EINVAL;
	kernel.words = "cannot mix duplicating netems with other netems in tree";
	assert_int_equal(apply(&e, "duplicate 1%", said), -EINVAL);
	assert_non_null(strstr(said, "in tree; some kernels of 2025 refuse duplicate"));
	kernel.words = "Invalid argument";
	assert_int_equal(apply(&e, "delay 1ms", said), -EINVAL);
	assert_string_equal(said, "eth0: netem: Invalid argument");
	assert_false(e.made);
	kernel.on = false;
}

/* Live changes: the first makes the qdisc, a table stays, the loss counts from its last change. */
static void test_kernel_changes(void **state)
{
	struct link_end end = { .ifindex = 1, .dev = "eth0" };
	struct netem_reading reading;
	struct choppy_condition c = cond("delay 5ms 1ms");
	struct netem_end e = { 0 };
	struct decoded d;
	char said[1024];

	kernel_boot(0);
	assert_int_equal(apply(&e, "delay 5ms 1ms distribution normal", said), 0);
	assert_true(kernel.last.cur->nlmsg_flags & NLM_F_CREATE);
	assert_true(e.held.delay && !e.held.slot);
	assert_int_equal(apply(&e, "delay 5ms", said), 0);
	assert_false(kernel.last.cur->nlmsg_flags & NLM_F_CREATE);
	assert_int_equal(apply(&e, "delay 5ms 1ms", said), 0);
	decode(kernel.last.cur, kernel.last.cur->nlmsg_len, &d);
	assert_ramp(&d, TCA_NETEM_DELAY_DIST, -8192);

	assert_int_equal(netem_read(&end, &e, &c, &reading, NULL), 0);
	assert_null(reading.changed);
	kernel.spoil = TCA_NETEM_LATENCY64;
	assert_int_equal(netem_read(&end, &e, &c, &reading, NULL), 0);
	assert_string_equal(reading.changed, "LATENCY64");
	/* Who has changed it may have given it tables. */
	assert_int_equal(apply(&e, "delay 6ms", said), -EIO);
	assert_true(e.held.delay && e.held.slot);
	assert_string_equal(said,
			    "eth0: netem's LATENCY64 is not what was sent, as the kernel reads "
			    "it back");
	assert_int_equal(e.sent.latency_ns, 5000000);
	kernel.on = false;
}

/* ---------------------------------------------------------------- read back */

static const char everything[] = "delay 50ms 10ms 5% distribution normal loss 1% 6% duplicate 2% "
				 "7% corrupt 3% 8% reorder 4% 9% "
				 "gap 3 rate 40gbit overhead 4bytes cells 48bytes 5bytes slot 1ms "
				 "2ms packets 3 bytes 4000bytes ecn "
				 "inflight 77 netem-raw";

static void message_of(struct nl_msg *m, struct netem_values *v, const char *words)
{
	struct choppy_condition c = cond(words);
	struct netem_tables t;

	assert_int_equal(netem_values_of(v, &t, &fresh, &c, SEED, NULL), 0);
	nl_msg_init(m);
	netem_message(m, 1, v, &t, true);
	netem_tables_free(&t);
}

/* Every byte of every value, made different in turn, is named; and what is not, equals. */
static void test_read_back(void **state)
{
	struct netem_values v;
	struct nl_msg m;

	message_of(&m, &v, everything);
	for (unsigned int i = 0; i < netem_nparts; i++) {
		const struct netem_part *part = &netem_parts[i];

		for (unsigned int byte = 0; byte < part->size; byte++) {
			const struct nlattr *tb[TCA_MAX + 1], *o[NETEM_ATTR_MAX + 1];
			struct root_qdisc q = { 0 };
			char *p;

			nl_parse(m.cur, sizeof(struct tcmsg), tb, TCA_MAX);
			p = mnl_attr_get_payload(tb[TCA_OPTIONS]);
			nl_parse_buf(p + sizeof(v.qopt),
				     mnl_attr_get_payload_len(tb[TCA_OPTIONS]) - sizeof(v.qopt), o,
				     NETEM_ATTR_MAX);
			p = part->type ? mnl_attr_get_payload(o[part->type])
				       : p + part->offset - offsetof(struct netem_values, qopt);
			assert_int_equal(each_root(m.cur, &q), 0);
			assert_int_equal(q.handle, NETEM_HANDLE);
			assert_string_equal(q.kind, "netem");
			assert_null(netem_difference(&v, &q.v));
			p[byte] ^= 1;
			memset(&q, 0, sizeof(q));
			assert_int_equal(each_root(m.cur, &q), 0);
			assert_non_null(netem_difference(&v, &q.v));
			assert_string_equal(netem_difference(&v, &q.v), part->name);
			p[byte] ^= 1;
		}
	}
}

static void test_read_back_models(void **state)
{
	static const char *const words[] = { "loss gemodel 1% 2% 3% 4%",
					     "loss state 1% 2% 3% 4% 5%", "loss 1%" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct netem_values v, other;
		struct root_qdisc q = { 0 };
		struct nl_msg m;

		message_of(&m, &v, words[i]);
		assert_int_equal(each_root(m.cur, &q), 0);
		assert_null(netem_difference(&v, &q.v));
		for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++) {
			message_of(&m, &other, words[k]);
			assert_int_equal(netem_difference(&other, &q.v) == NULL, i == k);
		}
		q.v.ge.k1++;
		q.v.gi.p23++;
		assert_int_equal(netem_difference(&v, &q.v) != NULL, i < 2);
	}
}

/* A struct cut short, in every length, is refused or read, but never overrun. */
static void test_read_back_truncated(void **state)
{
	struct netem_values v;
	struct root_qdisc q;
	struct nl_msg m;

	message_of(&m, &v, "delay 50ms 10ms loss gemodel 1% rate 40gbit slot 1ms");
	for (size_t len = MNL_NLMSG_HDRLEN; len < m.cur->nlmsg_len; len++) {
		struct nlmsghdr *copy = malloc(len);

		memset(&q, 0, sizeof(q));
		memcpy(copy, m.cur, len);
		copy->nlmsg_len = len;
		if (each_root(copy, &q) == 0 && q.kind[0] && len < m.cur->nlmsg_len - 64)
			assert_int_equal(q.v.qopt.limit, 0);
		free(copy);
	}
}

/* An attribute that is shorter than its type is as good as absent. */
static void test_read_back_short_attribute(void **state)
{
	const struct tc_netem_qopt qopt = { .latency = 10, .jitter = 3 };
	struct { /* alone in memory, so that a sanitizer sees an overrun */
		struct nlattr options;
		struct tc_netem_qopt qopt;
		struct nlattr latency;
		uint32_t half;
	} *msg = malloc(sizeof(*msg));
	struct root_qdisc q = { 0 };

	msg->options = (struct nlattr){ .nla_len = sizeof(*msg), .nla_type = TCA_OPTIONS };
	msg->qopt = qopt;
	msg->latency = (struct nlattr){ .nla_len = 8, .nla_type = TCA_NETEM_LATENCY64 };
	msg->half = 1;
	assert_int_equal(parse_options(&q, &msg->options), 0);
	assert_int_equal(q.v.latency_ns, 640);
	assert_int_equal(q.v.jitter_ns, 192);
	msg->options.nla_len = 4 + sizeof(qopt) - 1;
	assert_int_equal(parse_options(&q, &msg->options), -EBADMSG);
	free(msg);
}

static struct choppy_counters counters_of(const struct root_qdisc *q, const char *words)
{
	struct choppy_condition c = cond(words);
	const struct netem_end e = { .judged = 5, .lost = 3, .reason = drop_reason(&c) };
	struct choppy_counters k;

	fill_counters(&k, q, &e, &c);
	return k;
}

static void test_counters(void **state)
{
	struct root_qdisc q = {
		.packets = 90, .bytes = 9000, .drops = 10, .waiting = 5, .requeues = 2
	};
	struct choppy_counters k = counters_of(&q, "loss 1%");

	assert_int_equal(k.packets, 105);
	assert_int_equal(k.delivered, 90);
	assert_int_equal(k.waiting, 5);
	assert_int_equal(k.reordered, 2);
	assert_int_equal(k.dropped[CHOPPY_DROP_LOSS], 10);
	assert_int_equal(k.judged, 100); /* since the loss was set */
	assert_int_equal(k.judged_lost, 7);
	assert_true(k.corrupted == CHOPPY_UNKNOWN && k.duplicated == CHOPPY_UNKNOWN);
	assert_true(k.marked == CHOPPY_UNKNOWN);
	q.drops = 2; /* made anew by somebody: it counts from nothing */
	k = counters_of(&q, "loss 1%");
	assert_int_equal(k.judged, 97);
	assert_int_equal(k.judged_lost, 2);
	q.drops = 10;
	k = counters_of(&q, "rate 8kbit");
	assert_int_equal(k.dropped[CHOPPY_DROP_QUEUE], 10);
	assert_int_equal(k.dropped[CHOPPY_DROP_LOSS], 0);
	assert_int_equal(k.judged, 0);
	k = counters_of(&q, "loss gemodel 1% rate 8kbit");
	assert_int_equal(k.dropped[CHOPPY_DROP_LOSS], 10);
	assert_int_equal(k.judged, 0);
	q.has_xstats = true;
	q.xstats = (struct netem_xstats){
		.dropped = 6, .corrupted = 1, .duplicated = 2, .reordered = 3, .ecn_marked = 4
	};
	k = counters_of(&q, "loss 1% rate 8kbit");
	assert_int_equal(k.dropped[CHOPPY_DROP_LOSS], 6);
	assert_int_equal(k.dropped[CHOPPY_DROP_QUEUE], 4);
	assert_int_equal(k.corrupted, 1);
	assert_int_equal(k.duplicated, 2);
	assert_int_equal(k.reordered, 3);
	assert_int_equal(k.marked, 4);
}

/* A drop keeps the reason of the condition that it happened under. */
static void test_drops_keep_their_reason(void **state)
{
	static const struct {
		const char *words; /* applied when the kernel has counted @drops */
		uint64_t drops, loss, queue; /* shown then */
	} steps[] = {
		{ "loss 1%", 0, 0, 0 },
		{ "rate 8kbit", 5, 5, 0 },
		{ "inflight 3", 12, 5, 7 },
		{ "loss 1% inflight 3", 20, 5, 15 },
		{ "", 30, 15, 15 },
		/* deleted and made anew by somebody: the kernel counts from nothing */
		{ "rate 8kbit", 4, 19, 15 },
	};
	struct root_qdisc q = { 0 };
	struct netem_end e = { 0 };

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct choppy_condition c = cond(steps[i].words);
		struct choppy_counters k;
		struct netem_tables t;
		struct netem_values v;

		assert_int_equal(netem_values_of(&v, &t, &fresh, &c, 1, NULL), 0);
		q.drops = steps[i].drops;
		remember(&e, &v, &q, &c, i == 0);
		fill_counters(&k, &q, &e, &c);
		assert_int_equal(k.dropped[CHOPPY_DROP_LOSS], steps[i].loss);
		assert_int_equal(k.dropped[CHOPPY_DROP_QUEUE], steps[i].queue);
		netem_tables_free(&t);
	}
}

/* ------------------------------------------------------------------- for real */

/* With netem in the kernel: made, changed, read back. Without: told so, with the way out. */
static void test_apply(void **state)
{
	struct choppy_condition c = cond(everything);
	struct netem_reading reading;
	struct netem_end e = { 0 }, other = { 0 };
	struct choppy_err err = { 0 };
	struct link_end end = { .ifindex = 1, .dev = "lo" };
	int r;

	need(*state, "a network namespace of its own");
	assert_int_equal(nl_open(&end.nl, NETLINK_ROUTE, &err), 0);
	r = netem_apply(&end, &e, &c, SEED, &err);
	if (r == -ENOENT) {
		assert_true(err.cannot);
		assert_string_equal(
			err.msg,
			"lo: this kernel has no netem (Specified qdisc kind is unknown (No such "
			"file "
			"or directory)): load it with 'modprobe sch_netem', or use the engine "
			"(--backend engine), which needs nothing");
		assert_int_equal(netem_read(&end, &e, &c, &reading, &err), -ENOENT);
		assert_string_equal(err.msg, "lo has no netem of choppy any more; its qdisc is "
					     "the kernel's own now: choppy set puts one there");
	} else {
		assert_int_equal(r, 0);
		assert_int_equal(netem_read(&end, &e, &c, &reading, &err), 0);
		assert_null(reading.changed);
		assert_int_equal(netem_apply(&end, &other, &c, SEED, &err), -EEXIST);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			c = cond(rows[i].words);
			assert_int_equal(netem_apply(&end, &e, &c, SEED, &err), 0);
			assert_int_equal(netem_read(&end, &e, &c, &reading, &err), 0);
			assert_null(reading.changed);
			assert_memory_equal(&reading.v.qopt, &rows[i].want, sizeof(rows[i].want));
		}
	}
	nl_close(end.nl);
}

static void test_foreign(void **state)
{
	struct link_end end = { .ifindex = 1, .dev = "lo" };
	struct choppy_condition c = cond("");
	struct netem_reading reading;
	struct netem_end e = { 0 };
	struct choppy_err err = { 0 };
	char kind[16] = "x";

	need(*state, "a network namespace of its own");
	need(system("command -v tc >/dev/null") == 0, "tc (package iproute2)");
	assert_int_equal(nl_open(&end.nl, NETLINK_ROUTE, &err), 0);
	assert_int_equal(system("tc qdisc del dev lo root 2>/dev/null; ip link set lo up"), 0);
	assert_int_equal(qdisc_foreign(&end, kind, &err), 0); /* noqueue */
	assert_string_equal(kind, "");
	need(system("tc qdisc add dev lo root tbf rate 1mbit burst 10k latency 50ms") == 0,
	     "a qdisc to put there (tbf)");
	assert_int_equal(qdisc_foreign(&end, kind, &err), 0);
	assert_string_equal(kind, "tbf");
	assert_int_equal(netem_read(&end, &e, &c, &reading, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "its qdisc is tbf now"));
	assert_int_equal(system("tc qdisc del dev lo root"), 0);
	assert_int_equal(qdisc_foreign(&end, kind, &err), 0);
	assert_string_equal(kind, "");
	end.ifindex = 77777;
	assert_int_equal(qdisc_foreign(&end, kind, &err), -ENODEV);
	nl_close(end.nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message_table),
		cmocka_unit_test(test_message_head),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_limit_of_a_table),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_against_tc),
		cmocka_unit_test(test_lines_refused),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_fields_of_the_other_are_refused),
		cmocka_unit_test(test_note_fits),
		cmocka_unit_test(test_kernels),
		cmocka_unit_test(test_kernel_refuses),
		cmocka_unit_test(test_kernel_changes),
		cmocka_unit_test(test_read_back),
		cmocka_unit_test(test_read_back_models),
		cmocka_unit_test(test_read_back_truncated),
		cmocka_unit_test(test_read_back_short_attribute),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_drops_keep_their_reason),
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_foreign),
	};

	return cmocka_run_group_tests_name("netem", tests, setup, NULL);
}
