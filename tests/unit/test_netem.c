/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The netem backend without a kernel that has netem: what it sends is decoded and compared with
 * tables and with what tc(8) sends for the same words, and its own messages are fed
 * back as the kernel's answers.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../lib/netem.c" /* its static functions are tested too */

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

#define MS 1000000ull
#define US 1000ull
#define SEC 1000000000ull

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

static struct choppy_condition cond(uint64_t delay, uint64_t jitter, uint64_t loss, uint64_t rate,
				    uint64_t limit)
{
	struct choppy_condition c = { .delay_ns = delay,
				      .jitter_ns = jitter,
				      .loss_ppb = loss,
				      .rate_bps = rate,
				      .limit = { .n = limit, .unit = CHOPPY_PACKETS } };

	c.set = (delay ? CHOPPY_FIELD_BIT(CHOPPY_DELAY) : 0) |
		(jitter ? CHOPPY_FIELD_BIT(CHOPPY_JITTER) : 0) |
		(loss ? CHOPPY_FIELD_BIT(CHOPPY_LOSS) : 0) |
		(rate ? CHOPPY_FIELD_BIT(CHOPPY_RATE) : 0) |
		(limit ? CHOPPY_FIELD_BIT(CHOPPY_LIMIT) : 0);
	return c;
}

/* ----------------------------------------------------------------- decoding */

/* An RTM_NEWQDISC of netem, taken apart without any of the code under test. */
struct decoded {
	struct nlmsghdr nlh;
	struct tcmsg tcm;
	char kind[16];
	struct tc_netem_qopt qopt;
	struct {
		bool there;
		size_t len;
		unsigned char data[64];
	} attr[TCA_NETEM_MAX + 1];
	int unknown; /* attributes that have no place here */
};

static void decode_attrs(const unsigned char *p, const unsigned char *end, struct decoded *d,
			 bool options)
{
	while (end - p >= 4) {
		unsigned int len = p[0] | p[1] << 8, type = (p[2] | p[3] << 8) & NLA_TYPE_MASK;
		const unsigned char *data = p + 4;

		assert_true(len >= 4 && len <= (size_t)(end - p));
		if (options && type <= TCA_NETEM_MAX && len - 4 <= sizeof(d->attr[0].data)) {
			assert_false(d->attr[type].there);
			d->attr[type].there = true;
			d->attr[type].len = len - 4;
			memcpy(d->attr[type].data, data, len - 4);
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

static void decode_ours(const struct choppy_condition *c, bool first, struct decoded *d)
{
	struct nl_msg m;

	nl_msg_init(&m);
	netem_message(&m, 1, c, first);
	assert_int_equal(m.error, 0);
	assert_int_equal(m.n, 1);
	decode(m.cur, m.cur->nlmsg_len, d);
}

static uint64_t attr_u64(const struct decoded *d, int type)
{
	uint64_t v;

	assert_true(d->attr[type].there);
	assert_int_equal(d->attr[type].len, sizeof(v));
	memcpy(&v, d->attr[type].data, sizeof(v));
	return v;
}

/* ------------------------------------------------------------------- message */

struct message_row {
	const char *name;
	uint64_t delay, jitter, loss, rate, limit;
	struct tc_netem_qopt want;
	uint32_t want_rate;
	uint64_t want_rate64; /* 0: absent */
};

#define NONE 0x7fffffff

static const struct message_row rows[] = {
	{ "nothing", 0, 0, 0, 0, 0, { .limit = NONE }, 0, 0 },
	{ "50 ms", 50 * MS, 0, 0, 0, 0, { .latency = 781250, .limit = NONE }, 0, 0 },
	{ "less than a tick", 63, 0, 0, 0, 0, { .limit = NONE }, 0, 0 },
	{ "1.5 us", 1500, 0, 0, 0, 0, { .latency = 23, .limit = NONE }, 0, 0 },
	{ "more than 32 bits of ticks",
	  300 * SEC,
	  0,
	  0,
	  0,
	  0,
	  { .latency = UINT32_MAX, .limit = NONE },
	  0,
	  0 },
	{ "jitter",
	  50 * MS,
	  10 * MS,
	  0,
	  0,
	  0,
	  { .latency = 781250, .jitter = 156250, .limit = NONE },
	  0,
	  0 },
	{ "all lost", 0, 0, 1000000000, 0, 0, { .loss = UINT32_MAX, .limit = NONE }, 0, 0 },
	{ "half, a tie to even",
	  0,
	  0,
	  500000000,
	  0,
	  0,
	  { .loss = 0x80000000, .limit = NONE },
	  0,
	  0 },
	{ "30%, a tie to even",
	  0,
	  0,
	  300000000,
	  0,
	  0,
	  { .loss = 1288490188, .limit = NONE },
	  0,
	  0 },
	{ "1 ppb", 0, 0, 1, 0, 0, { .loss = 4, .limit = NONE }, 0, 0 },
	{ "1 byte/s", 0, 0, 0, 8, 0, { .limit = 1001 }, 1, 0 },
	{ "last rate of 32 bits", 0, 0, 0, 34359738360, 0, { .limit = 1001 }, UINT32_MAX, 0 },
	{ "first rate of 64 bits",
	  0,
	  0,
	  0,
	  34359738368,
	  0,
	  { .limit = 1001 },
	  UINT32_MAX,
	  4294967296 },
	{ "limit", 0, 0, 0, 1000000, 7, { .limit = 8 }, 125000, 0 },
	/* 125000 byte/s for 150 ms are 18750 bytes: 552 packets of 34, one sent, ten queued */
	{ "limit and line",
	  100 * MS,
	  50 * MS,
	  0,
	  1000000,
	  10,
	  { .latency = 1562500, .jitter = 781250, .limit = 563 },
	  125000,
	  0 },
	{ "a line of more than any memory",
	  3600 * SEC,
	  0,
	  0,
	  100000000000,
	  10,
	  { .latency = UINT32_MAX, .limit = NONE },
	  UINT32_MAX,
	  12500000000 },
	{ "limit without a rate means nothing", 0, 0, 0, 0, 7, { .limit = NONE }, 0, 0 },
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
};

static void assert_kept_are_neutral(const struct decoded *d)
{
	static const unsigned char zero[64];

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		assert_true(d->attr[kept[i].type].there);
		assert_int_equal(d->attr[kept[i].type].len, kept[i].len);
		assert_memory_equal(d->attr[kept[i].type].data, zero, kept[i].len);
	}
}

static void test_message_table(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct message_row *r = &rows[i];
		struct choppy_condition c = cond(r->delay, r->jitter, r->loss, r->rate, r->limit);
		struct tc_netem_rate rate = { .rate = r->want_rate };
		struct decoded d;

		print_message("# %s\n", r->name);
		decode_ours(&c, true, &d);
		assert_memory_equal(&d.qopt, &r->want, sizeof(d.qopt));
		assert_int_equal(attr_u64(&d, TCA_NETEM_LATENCY64), r->delay);
		assert_int_equal(attr_u64(&d, TCA_NETEM_JITTER64), r->jitter);
		assert_true(d.attr[TCA_NETEM_RATE].there);
		assert_memory_equal(d.attr[TCA_NETEM_RATE].data, &rate, sizeof(rate));
		assert_int_equal(d.attr[TCA_NETEM_RATE64].there, r->want_rate64 != 0);
		if (r->want_rate64)
			assert_int_equal(attr_u64(&d, TCA_NETEM_RATE64), r->want_rate64);
		assert_kept_are_neutral(&d);
		assert_false(d.attr[TCA_NETEM_DELAY_DIST].there || d.attr[TCA_NETEM_LOSS].there);
		assert_int_equal(d.unknown, 0);
		assert_string_equal(d.kind, "netem");
	}
}

static void test_message_head(void **state)
{
	struct choppy_condition c = cond(0, 0, 0, 0, 0);
	struct decoded d;

	decode_ours(&c, true, &d);
	assert_int_equal(d.nlh.nlmsg_type, RTM_NEWQDISC);
	assert_int_equal(d.nlh.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
	assert_int_equal(d.tcm.tcm_handle, NETEM_HANDLE);
	assert_int_equal(d.tcm.tcm_parent, TC_H_ROOT);
	assert_int_equal(d.tcm.tcm_ifindex, 1);
	decode_ours(&c, false, &d); /* changed in place: neither made nor replaced */
	assert_int_equal(d.nlh.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
}

/* Every loss that can be asked comes back as asked. */
static void test_loss_round_trip(void **state)
{
	for (uint64_t ppb = 0; ppb <= 1000000000; ppb += ppb < 1000 ? 1 : 997)
		assert_int_equal(ppb_of_fraction(fraction_of_ppb(ppb)), ppb);
	assert_int_equal(ppb_of_fraction(fraction_of_ppb(1000000000)), 1000000000);
}

/* ------------------------------------------------------------------------- tc */

struct tc_row {
	const char *verb, *words;
	uint64_t delay, jitter, loss, rate, limit;
};

static const struct tc_row tc_rows[] = {
	{ "add", "", 0, 0, 0, 0, 0 },
	{ "add", "delay 50ms", 50 * MS, 0, 0, 0, 0 },
	{ "add", "delay 1us", US, 0, 0, 0, 0 },
	{ "add", "delay 3us", 3 * US, 0, 0, 0, 0 },
	{ "add", "delay 274s", 274 * SEC, 0, 0, 0, 0 },
	{ "add", "delay 50ms 10ms", 50 * MS, 10 * MS, 0, 0, 0 },
	{ "add", "delay 333us 77us", 333 * US, 77 * US, 0, 0, 0 },
	{ "add", "loss 30%", 0, 0, 300000000, 0, 0 },
	{ "add", "loss 10%", 0, 0, 100000000, 0, 0 },
	{ "add", "loss 0.1%", 0, 0, 1000000, 0, 0 },
	{ "add", "loss 0.0000001%", 0, 0, 1, 0, 0 },
	{ "add", "loss 33.3333333%", 0, 0, 333333333, 0, 0 },
	{ "add", "loss 100%", 0, 0, 1000000000, 0, 0 },
	{ "add", "rate 1mbit", 0, 0, 0, 1000000, 0 },
	{ "add", "rate 8bit", 0, 0, 0, 8, 0 },
	{ "add", "rate 4294967295bps", 0, 0, 0, 34359738360, 0 },
	{ "add", "rate 4294967296bps", 0, 0, 0, 34359738368, 0 },
	{ "add", "rate 100gbit", 0, 0, 0, 100000000000, 0 },
	{ "add", "rate 1mbit", 0, 0, 0, 1000000, 20 },
	{ "add", "delay 100ms rate 10mbit", 100 * MS, 0, 0, 10000000, 50 },
	{ "add", "delay 100ms 20ms loss 1% rate 20mbit", 100 * MS, 20 * MS, 10000000, 20000000,
	  64 },
	{ "add", "delay 5ms 1ms loss 0.1% rate 40gbit", 5 * MS, MS, 1000000, 40000000000, 1 },
	{ "change", "delay 50ms loss 2%", 50 * MS, 0, 20000000, 0, 0 },
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
static size_t run_tc(const struct tc_row *row, uint32_t limit, unsigned char *buf, size_t size)
{
	char path[] = "/tmp/test_netem.XXXXXX", cmd[512];
	int fd = mkstemp(path), status;
	size_t n;

	assert_true(fd >= 0);
	close(fd);
	snprintf(cmd, sizeof(cmd),
		 "strace -o %s -e trace=sendmsg,sendto -e write=all "
		 "tc qdisc %s dev lo root handle 4348: netem limit %u %s >/dev/null 2>&1",
		 path, row->verb, limit, row->words);
	status = system(cmd);
	assert_true(WIFEXITED(status));
	n = traced_message(path, buf, size);
	unlink(path);
	if (status == 0 && strcmp(row->verb, "add") == 0)
		assert_int_equal(system("tc qdisc del dev lo root"), 0);
	return n;
}

/* What only we send: neutral, or the same time in finer units. */
static const int only_ours[] = {
	TCA_NETEM_CORR, TCA_NETEM_REORDER,   TCA_NETEM_CORRUPT,	 TCA_NETEM_ECN,
	TCA_NETEM_SLOT, TCA_NETEM_LATENCY64, TCA_NETEM_JITTER64, TCA_NETEM_RATE,
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
	else
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
	for (int type = 0; type <= TCA_NETEM_MAX; type++)
		compare_attr(ours, tc, type);
}

static void test_against_tc(void **state)
{
	need(*state, "a network namespace of its own");
	need(system("command -v tc >/dev/null") == 0, "tc (package iproute2)");
	need(system("strace -o /dev/null true 2>/dev/null") == 0, "strace that may trace");
	for (size_t i = 0; i < sizeof(tc_rows) / sizeof(tc_rows[0]); i++) {
		const struct tc_row *r = &tc_rows[i];
		struct choppy_condition c = cond(r->delay, r->jitter, r->loss, r->rate, r->limit);
		struct decoded ours, tc;
		unsigned char buf[1024];
		size_t n;

		print_message("# tc qdisc %s netem %s\n", r->verb, r->words);
		decode_ours(&c, strcmp(r->verb, "add") == 0, &ours);
		n = run_tc(r, ours.qopt.limit, buf, sizeof(buf));
		assert_int_not_equal(n, 0);
		decode(buf, n, &tc);
		compare(&ours, &tc);
	}
}

/* -------------------------------------------------------------------- check */

struct check_row {
	uint64_t delay, jitter, loss, rate, limit;
	int unit;
	const char *error; /* part of it; NULL: fine */
	const char *note; /* part of it; "": none at all */
};

static const struct check_row check_rows[] = {
	{ 0, 0, 0, 0, 0, 0, NULL, "" },
	{ 50 * MS, 0, 0, 0, 0, 0, NULL, "" },
	{ 50 * MS, MS, 0, 0, 0, 0, NULL, "jitter reorders" },
	{ 50 * MS, MS, 0, 8000, 0, 0, NULL, "delay line" },
	{ 0, 0, 1, 0, 0, 0, NULL, "super-packet" },
	{ 50 * MS, MS, 1, 8000, 0, 0, NULL, "loss and queue are counted as one" },
	{ 0, 0, 0, 1001, 0, 0, "rate 1001bit: netem holds whole bytes", NULL },
	{ 0, 0, 0, 8000, 5, CHOPPY_BYTES, "limit ", NULL },
	{ 0, 0, 0, 8000, 5, CHOPPY_NANOSECONDS, "limit ", NULL },
	{ 0, 0, 0, 8000, 0x80000000, CHOPPY_PACKETS, "limit: netem holds at most", NULL },
	{ 3 * SEC, 2147483648, 0, 0, 0, 0, "jitter ", NULL },
	{ 3 * SEC, 2147483647, 0, 0, 0, 0, NULL, "jitter reorders" },
};

static void test_check(void **state)
{
	for (size_t i = 0; i < sizeof(check_rows) / sizeof(check_rows[0]); i++) {
		const struct check_row *r = &check_rows[i];
		struct choppy_condition c = cond(r->delay, r->jitter, r->loss, r->rate, r->limit);
		struct choppy_err err = { 0 };
		char note[192] = "untouched";
		int ret;

		c.limit.unit = r->unit;
		print_message("# row %zu\n", i);
		ret = netem_backend.check(&c, note, &err);
		assert_int_equal(ret, r->error ? -EOPNOTSUPP : 0);
		if (r->error) {
			assert_non_null(strstr(err.msg, r->error));
			assert_non_null(strstr(err.msg, "--backend engine"));
			assert_string_equal(note, "untouched");
		} else if (r->note[0]) {
			assert_non_null(strstr(note, r->note));
		} else {
			assert_string_equal(note, "");
		}
	}
}

/* Every field that netem has no place for is refused by its name. */
static void test_fields_of_the_engine_are_refused(void **state)
{
	static const struct {
		uint64_t set;
		const char *error;
	} refusals[] = {
		{ CHOPPY_FIELD_BIT(CHOPPY_DELAY_CORRELATION), "delay-correlation" },
		{ CHOPPY_FIELD_BIT(CHOPPY_DISTRIBUTION), "distribution" },
		{ CHOPPY_FIELD_BIT(CHOPPY_LOSS_CORRELATION), "loss-correlation" },
		{ CHOPPY_FIELD_BIT(CHOPPY_LOSS_BURST), "loss-burst" },
		{ CHOPPY_FIELD_BIT(CHOPPY_GE_P), "gemodel-p" },
		{ CHOPPY_FIELD_BIT(CHOPPY_DROP), "drop" },
		{ CHOPPY_FIELD_BIT(CHOPPY_REORDER), "reorder" },
		{ CHOPPY_FIELD_BIT(CHOPPY_RATE_BURST), "rate-burst" },
		{ CHOPPY_FIELD_BIT(CHOPPY_QUEUE), "queue" },
		{ CHOPPY_FIELD_BIT(CHOPPY_ECN), "ecn" },
		{ CHOPPY_FIELD_BIT(CHOPPY_OUTAGE), "outage" },
		{ CHOPPY_FIELD_BIT(CHOPPY_MTU_SILENT), "mtu-silent" },
	};
	const uint64_t mine = CHOPPY_FIELD_BIT(CHOPPY_DELAY) | CHOPPY_FIELD_BIT(CHOPPY_JITTER) |
			      CHOPPY_FIELD_BIT(CHOPPY_LOSS) | CHOPPY_FIELD_BIT(CHOPPY_RATE) |
			      CHOPPY_FIELD_BIT(CHOPPY_LIMIT);
	char note[192], line[128];
	struct choppy_err err;

	assert_true(netem_backend.fields == mine);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct choppy_condition c = { .set = refusals[i].set };

		assert_int_equal(backend_check(&netem_backend, &c, note, &err), -EOPNOTSUPP);
		snprintf(line, sizeof(line),
			 "netem cannot do %s; the engine can (--backend engine)",
			 refusals[i].error);
		assert_string_equal(err.msg, line);
		assert_int_equal(backend_check(&engine_backend, &c, note, &err), 0);
	}
}

/* The longest remark is whole. */
static void test_note_fits(void **state)
{
	struct choppy_condition c = cond(MS, MS, 1, 8000, 5);
	char note[192];

	assert_int_equal(netem_backend.check(&c, note, NULL), 0);
	assert_string_equal(note + strlen(note) - 6, "as one");
}

/* ---------------------------------------------------------------- read back */

static void read_back(struct nl_msg *m, const struct choppy_condition *c, struct root_qdisc *q)
{
	memset(q, 0, sizeof(*q));
	nl_msg_init(m);
	netem_message(m, 1, c, true);
	assert_int_equal(each_root(m->cur, q), 0);
}

static void test_read_back_equals(void **state)
{
	for (size_t i = 0; i < sizeof(tc_rows) / sizeof(tc_rows[0]); i++) {
		const struct tc_row *r = &tc_rows[i];
		struct choppy_condition c = cond(r->delay, r->jitter, r->loss, r->rate, r->limit);
		struct choppy_condition got;
		struct netem_values v;
		struct root_qdisc q;
		struct nl_msg m;

		read_back(&m, &c, &q);
		values_of(&v, &c);
		assert_int_equal(q.handle, NETEM_HANDLE);
		assert_string_equal(q.kind, "netem");
		assert_null(find_difference(&v, &q));
		condition_of(&got, &q.v);
		assert_memory_equal(&got, &c, sizeof(c));
	}
}

/* Every value and every attribute, made different in turn, is named. */
static void test_read_back_differs(void **state)
{
	static const struct {
		const char *name;
		int type; /* attribute, or 0: at @offset of the struct */
		size_t offset;
	} parts[] = {
		{ "latency", 0, offsetof(struct tc_netem_qopt, latency) },
		{ "jitter", 0, offsetof(struct tc_netem_qopt, jitter) },
		{ "limit", 0, offsetof(struct tc_netem_qopt, limit) },
		{ "loss", 0, offsetof(struct tc_netem_qopt, loss) },
		{ "gap", 0, offsetof(struct tc_netem_qopt, gap) },
		{ "duplicate", 0, offsetof(struct tc_netem_qopt, duplicate) },
		{ "LATENCY64", TCA_NETEM_LATENCY64, 0 },
		{ "JITTER64", TCA_NETEM_JITTER64, 0 },
		{ "RATE", TCA_NETEM_RATE, 0 },
		{ "RATE", TCA_NETEM_RATE, offsetof(struct tc_netem_rate, packet_overhead) },
		{ "RATE", TCA_NETEM_RATE, offsetof(struct tc_netem_rate, cell_size) },
		{ "RATE", TCA_NETEM_RATE, offsetof(struct tc_netem_rate, cell_overhead) },
		{ "CORR", TCA_NETEM_CORR, 8 },
		{ "REORDER", TCA_NETEM_REORDER, 0 },
		{ "CORRUPT", TCA_NETEM_CORRUPT, 4 },
		{ "ECN", TCA_NETEM_ECN, 0 },
		{ "SLOT", TCA_NETEM_SLOT, 39 },
	};
	struct choppy_condition c = cond(50 * MS, 10 * MS, 1000, 8000, 10);

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const struct nlattr *tb[TCA_MAX + 1], *o[TCA_NETEM_MAX + 1];
		struct root_qdisc q = { 0 };
		struct netem_values v;
		struct nl_msg m;
		char *p;

		nl_msg_init(&m);
		netem_message(&m, 1, &c, true);
		nl_parse(m.cur, sizeof(struct tcmsg), tb, TCA_MAX);
		p = mnl_attr_get_payload(tb[TCA_OPTIONS]);
		nl_parse_buf(p + sizeof(v.qopt),
			     mnl_attr_get_payload_len(tb[TCA_OPTIONS]) - sizeof(v.qopt), o,
			     TCA_NETEM_MAX);
		if (parts[i].type)
			p = mnl_attr_get_payload(o[parts[i].type]);
		p[parts[i].offset] ^= 1;
		assert_int_equal(each_root(m.cur, &q), 0);
		values_of(&v, &c);
		assert_non_null(find_difference(&v, &q));
		assert_string_equal(find_difference(&v, &q), parts[i].name);
	}
}

/* A struct cut short, in every length, is refused or read, but never overrun. */
static void test_read_back_truncated(void **state)
{
	struct choppy_condition c = cond(50 * MS, 10 * MS, 1000, 8000, 10);
	struct root_qdisc q;
	struct nl_msg m;

	nl_msg_init(&m);
	netem_message(&m, 1, &c, true);
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

static void test_counters(void **state)
{
	struct root_qdisc q = { .packets = 90, .bytes = 9000, .drops = 10, .waiting = 5 };
	struct choppy_condition loss = cond(0, 0, 1000, 0, 0), rate = cond(0, 0, 0, 8000, 0);
	struct choppy_condition both = cond(0, 0, 1000, 8000, 0);
	struct choppy_counters k;

	fill_counters(&k, &q, &loss);
	assert_int_equal(k.packets, 105);
	assert_int_equal(k.delivered, 90);
	assert_int_equal(k.waiting, 5);
	assert_int_equal(k.dropped[CHOPPY_DROP_LOSS], 10);
	assert_int_equal(k.judged, 105);
	assert_int_equal(k.judged_lost, 10);
	fill_counters(&k, &q, &rate);
	assert_int_equal(k.dropped[CHOPPY_DROP_QUEUE], 10);
	assert_int_equal(k.dropped[CHOPPY_DROP_LOSS], 0);
	assert_int_equal(k.judged, 0);
	fill_counters(&k, &q, &both);
	assert_int_equal(k.dropped[CHOPPY_DROP_LOSS], 10);
	assert_int_equal(k.judged, 0);
}

/* ------------------------------------------------------------------- kernel */

/* With netem in the kernel: made, changed, read back. Without: told so, with the way out. */
static void test_apply(void **state)
{
	struct choppy_condition c = cond(50 * MS, 10 * MS, 300000000, 20000000, 77), got;
	struct choppy_counters counters;
	struct choppy_err err = { 0 };
	struct link_end end = { .ifindex = 1, .dev = "lo" };
	int r;

	need(*state, "a network namespace of its own");
	assert_int_equal(nl_open(&end.nl, NETLINK_ROUTE, &err), 0);
	r = netem_apply(&end, &c, true, &err);
	if (r < 0) {
		assert_int_equal(r, -ENOENT);
		assert_true(err.cannot);
		assert_string_equal(
			err.msg,
			"this kernel has no netem (Specified qdisc kind is unknown (No such file "
			"or directory)): load it with 'modprobe sch_netem', or use the engine "
			"(--backend engine), which needs nothing");
		assert_int_equal(netem_read(&end, &got, NULL, &err), -ENOENT);
		assert_string_equal(err.msg, "lo has no netem of choppy any more; its qdisc is "
					     "the kernel's own now");
	} else {
		assert_int_equal(netem_read(&end, &got, &counters, &err), 0);
		assert_memory_equal(&got, &c, sizeof(c));
		assert_int_equal(netem_apply(&end, &c, true, &err), -EEXIST);
		c = cond(MS, 0, 0, 0, 0);
		assert_int_equal(netem_apply(&end, &c, false, &err), 0);
		assert_int_equal(netem_read(&end, &got, &counters, &err), 0);
		assert_memory_equal(&got, &c, sizeof(c));
	}
	nl_close(end.nl);
}

static void test_foreign(void **state)
{
	struct link_end end = { .ifindex = 1, .dev = "lo" };
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
	assert_int_equal(netem_read(&end, NULL, NULL, &err), -ENOENT);
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
		cmocka_unit_test(test_loss_round_trip),
		cmocka_unit_test(test_against_tc),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_fields_of_the_engine_are_refused),
		cmocka_unit_test(test_note_fits),
		cmocka_unit_test(test_read_back_equals),
		cmocka_unit_test(test_read_back_differs),
		cmocka_unit_test(test_read_back_truncated),
		cmocka_unit_test(test_read_back_short_attribute),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_foreign),
	};

	return cmocka_run_group_tests_name("netem", tests, setup, NULL);
}
