/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every word of a condition, as people write it: super-packets are treated as their wire packets
 * one by one would be, byte for byte; what was decided can be replayed; rules do not shift each
 * other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "distribution.h"
#include "filter.h"
#include "port_mem.h"
#include "tracefile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define WORDS_MAX 64
#define ROUNDS 140
#define GAP_NS (2 * MS)

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* ------------------------------------------------------------------- a plan out of words */

struct words {
	char text[512];
	struct choppy_condition dir[CHOPPY_NDIRS];
	struct choppy_rules rules;
	struct chain_rule rule[LINK_RULES_MAX];
	struct match_insn *insns[LINK_RULES_MAX];
	const int16_t *table;
	struct trace *trace;
	struct pipe_plan plan;
};

/* Words between blanks, or between apostrophes. */
static int split(char *at, const char *word[WORDS_MAX])
{
	int n = 0;

	while (*(at += strspn(at, " "))) {
		bool quoted = *at == '\'';
		char *end = strchr(at + quoted, quoted ? '\'' : ' ');

		assert_true(n < WORDS_MAX);
		word[n++] = at + quoted;
		if (!end)
			break;
		*end = '\0';
		at = end + 1;
	}
	return n;
}

static const struct pipe_plan *make_plan(struct words *w, const char *text)
{
	const char *word[WORDS_MAX];
	struct choppy_err err = { 0 };
	const struct choppy_condition *c = &w->dir[CHOPPY_UP];

	memset(w, 0, sizeof(*w));
	snprintf(w->text, sizeof(w->text), "%s", text);
	if (choppy_condition_parse(w->dir, &w->rules, split(w->text, word), word, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	w->plan.condition = c;
	w->plan.rules = w->rule;
	if (c->set & CHOPPY_FIELD_BIT(CHOPPY_DISTRIBUTION)) {
		assert_int_equal(distribution_load(c->distribution, &w->table,
						   &w->plan.data.ndelay_table, &err),
				 0);
		w->plan.data.delay_table = w->table;
	}
	for (uint32_t i = 0; i < w->rules.n; i++) {
		struct chain_rule *r = &w->rule[w->plan.nrules++];

		r->rule = &w->rules.rule[i];
		if (filter_compile(r->rule->match, &w->insns[i], &r->ninsns, &err) < 0)
			fail_msg("%s: %s", text, err.msg);
		r->insns = w->insns[i];
	}
	return &w->plan;
}

/* The same with a trace, as if it had been read from a file. */
static void make_traced(struct words *w, const char *text, const char *trace)
{
	struct choppy_err err = { 0 };

	make_plan(w, text);
	if (trace_parse("trace", trace, strlen(trace), &w->trace, &err) < 0)
		fail_msg("%s", err.msg);
	strcpy(w->dir[CHOPPY_UP].trace, "trace");
	w->dir[CHOPPY_UP].set |= CHOPPY_FIELD_BIT(CHOPPY_TRACE);
	w->plan.trace = w->trace;
}

static void free_plan(struct words *w)
{
	if (w->trace)
		trace_free(w->trace);
	distribution_free(w->table);
	for (uint32_t i = 0; i < w->rules.n; i++)
		free(w->insns[i]);
}

/* ----------------------------------------------------------------------------- traffic */

/* ECN-capable: ECT(0) in the IP header, with its checksum mended. */
static void make_ect(struct frame *f, const struct mem_spec *s)
{
	unsigned char *ip = frame_eth(f) + (s->vlan ? 18 : 14);
	uint32_t sum;

	if (s->v6) {
		ip[1] |= 0x20;
		return;
	}
	ip[1] |= 2;
	sum = (uint32_t)(ip[10] << 8 | ip[11]) + 0xfffd; /* less 2 under the complement */
	sum = (sum & 0xffff) + (sum >> 16);
	ip[10] = (unsigned char)(sum >> 8);
	ip[11] = (unsigned char)sum;
}

static struct frame *frame_number(struct mem_port *m, uint32_t i)
{
	struct mem_spec spec = mem_traffic[i % MEM_NTRAFFIC];
	struct frame *f;

	spec.seq = i * 65536;
	f = mem_frame(m, &spec);
	if (i / MEM_NTRAFFIC % 2) {
		make_ect(f, &spec);
		frame_parse(f);
	}
	return f;
}

/* The same wire packets: as super-packets into @runs, each on its own into @packets (or NULL). */
static void feed(struct mem_port *runs, struct mem_port *packets)
{
	const struct virtio_net_hdr none = { 0 };

	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct frame *f = frame_number(runs, i);
		struct mem_port cut;

		memset(&cut, 0, sizeof(cut));
		mem_cut(&cut, &f->vnet, frame_bytes(f), f->len);
		mem_feed(runs, f, i * GAP_NS);
		for (size_t k = 0; packets && k < cut.npackets; k++)
			mem_feed(packets,
				 mem_raw(packets, &none, cut.packets[k].bytes, cut.packets[k].len),
				 i * GAP_NS);
		mem_forget(&cut);
	}
	mem_drain(runs);
	if (packets)
		mem_drain(packets);
}

static void compare(const char *words, const struct mem_port *a, const struct mem_port *b,
		    uint64_t later_ns)
{
	if (a->npackets != b->npackets)
		fail_msg("%s: %zu packets, not %zu", words, a->npackets, b->npackets);
	for (size_t i = 0; i < a->npackets; i++) {
		const struct mem_packet *p = &a->packets[i], *q = &b->packets[i];

		if (p->len != q->len || memcmp(p->bytes, q->bytes, p->len) != 0)
			fail_msg("%s: packet %zu differs", words, i);
		if (p->at_ns < q->at_ns || p->at_ns > q->at_ns + later_ns)
			fail_msg("%s: packet %zu at %llu, not %llu", words, i,
				 (unsigned long long)p->at_ns, (unsigned long long)q->at_ns);
	}
}

static const struct {
	const char *words;
	uint64_t later_ns; /* runs leave when their last packet is out */
} rows[] = {
	{ "loss 10%", 0 },
	{ "loss 10% burst 3", 0 },
	{ "loss 5% 50%", 0 },
	{ "loss gemodel 5% 30% 80% 1%", 0 },
	{ "loss state 5% 30% 20% 40% 1%", 0 },
	{ "loss every 7", 0 },
	{ "loss 10% ecn", 0 },
	{ "drop 1,3,7-9,100-120", 0 },
	{ "duplicate 5%", 0 },
	{ "duplicate 10% 50% loss 5%", 0 },
	{ "corrupt 5%", 0 },
	{ "corrupt 5% 50% fix", 0 },
	{ "corrupt 10% duplicate 10% loss 10% delay 3ms", 0 },
	{ "reorder 5% by 3", 0 },
	{ "reorder 30% by 50 within 5ms", 0 },
	{ "delay 5ms reorder 10% 30%", 0 },
	{ "delay 5ms reorder 50% gap 3", 0 },
	{ "delay 5ms 2ms reorder jitter", 0 },
	{ "delay 5ms 2ms 50%", 0 },
	{ "delay 5ms 1ms distribution normal", 0 },
	{ "slot 3ms packets 5", 0 },
	{ "slot 2ms 4ms bytes 3000b", 0 },
	{ "mtu 1300", 0 },
	{ "mtu 1000 silent", 0 },
	{ "outage", 0 },
	{ "flap 20ms/5ms", 0 },
	{ "reject", 0 },
	{ "rate 100mbit limit 60packets", MS },
	{ "rate 100mbit limit 60packets queue head", MS },
	{ "rate 50mbit limit 1000packets queue codel target 1ms interval 10ms", MS },
	{ "rate 50mbit limit 1000packets queue codel target 1ms interval 10ms ecn", MS },
	{ "rate 50mbit limit 300packets queue fq_codel flows 16 target 1ms interval 10ms", MS },
	{ "rate 50mbit limit 1000packets queue pie target 2ms tupdate 2ms ecn", MS },
	{ "rate 50mbit limit 1000packets queue red min 20kb max 100kb probability 5%", MS },
	{ "rate 100mbit burst 20kb overhead ethernet limit 5ms delay 2ms", MS },
	{ "match tcp loss 20%", 0 },
	{ "match 'tcp[tcpflags] & tcp-push != 0' loss 50%", 0 },
	{ "match 'greater 1000' loss 30% match udp delay 3ms", 0 },
	{ "match 'ip[4:2] & 1 = 0' loss 100%", 0 },
	{ "loss 5% match tcp nth 3,10-20 loss 100% match udp first 50packets duplicate 100%", 0 },
	{ "delay 1ms match tcp first 1connections delay 4ms", 0 },
};
#define NROWS (sizeof(rows) / sizeof(rows[0]))

static void test_runs_are_treated_as_their_packets(void **state)
{
	static struct words w;

	for (size_t i = 0; i < NROWS; i++) {
		struct choppy_counters ca, cb;
		struct mem_port a, b;

		make_plan(&w, rows[i].words);
		mem_open(&a, MEM_CAP, 3, 0, CHOPPY_UP);
		mem_open(&b, MEM_CAP, 3, 0, CHOPPY_UP);
		mem_plan(&a, &w.plan);
		mem_plan(&b, &w.plan);
		feed(&a, &b);
		compare(rows[i].words, &a, &b, rows[i].later_ns);
		mem_check_sum(&a);
		pipe_counters(a.pipe, &ca, NULL);
		pipe_counters(b.pipe, &cb, NULL);
		ca.frames_in = cb.frames_in = ca.frames_out = cb.frames_out = 0;
		ca.late_samples = cb.late_samples = ca.late_p50_ns = cb.late_p50_ns = 0;
		ca.late_p99_ns = cb.late_p99_ns = ca.late_max_ns = cb.late_max_ns = 0;
		ca.memory_bytes = cb.memory_bytes = 0;
		if (memcmp(&ca, &cb, sizeof(ca)) != 0)
			fail_msg("%s: counted otherwise", rows[i].words);
		if (ca.delivered == ca.packets && !ca.duplicated && !ca.corrupted &&
		    !ca.reordered && !ca.marked && a.now_ns <= (ROUNDS - 1) * GAP_NS)
			fail_msg("%s: nothing was done", rows[i].words);
		mem_close(&a);
		mem_close(&b);
		free_plan(&w);
	}
}

/* -------------------------------------------------------------------------- replay */

struct heard {
	struct verdict *v;
	size_t n, size;
};

/* By way of the text, as a file has it. */
static void hear(void *ctx, const struct verdict *v, const char *flow)
{
	struct heard *h = ctx;
	char line[VERDICT_LINE_MAX];
	struct verdict_error err;

	if (h->n == h->size) {
		h->size = 2 * h->size + 64;
		h->v = realloc(h->v, h->size * sizeof(*h->v));
		assert_non_null(h->v);
	}
	verdict_print(line, v, flow);
	line[strcspn(line, "\n")] = '\0';
	if (verdict_parse(&h->v[h->n++], NULL, line, &err) != 0)
		fail_msg("%s: column %u: %s", line, err.column, err.why);
}

static void replay(const char *words, bool by_flow)
{
	static struct words w;
	struct heard heard = { 0 };
	const struct pipe_log log = { .ctx = &heard, .verdict = hear };
	struct mem_port a, b;

	make_plan(&w, words);
	mem_open(&a, MEM_CAP, 3, 0, CHOPPY_UP);
	mem_open(&b, MEM_CAP, 4, 0, CHOPPY_UP);
	assert_int_equal(pipe_log_to(a.pipe, &log, 0, 1024), 0);
	assert_int_equal(pipe_log_to(b.pipe, &(struct pipe_log){ 0 }, 0, 1024), 0);
	mem_plan(&a, &w.plan);
	feed(&a, NULL);
	verdict_sort(heard.v, heard.n, by_flow);
	w.plan.replayed = true;
	w.plan.replay = (struct replay){ .v = heard.v, .n = heard.n, .by_flow = by_flow };
	mem_plan(&b, &w.plan);
	feed(&b, NULL);
	compare(words, &a, &b, 0);
	mem_close(&a);
	mem_close(&b);
	free_plan(&w);
	free(heard.v);
}

/* What was decided by chance, at the same times, when nothing is left to it. */
static void test_verdicts_are_replayed(void **state)
{
	for (size_t i = 0; i < NROWS; i++) {
		/* A rate's drops are replayed, but then the others wait less; slots have no
		 * verdict; and a rule's own delay is not the direction's. */
		if (rows[i].later_ns || strstr(rows[i].words, "slot") ||
		    strstr(rows[i].words, "within") || strstr(rows[i].words, "delay 3ms") ||
		    strstr(rows[i].words, "delay 4ms"))
			continue;
		replay(rows[i].words, false);
		replay(rows[i].words, true);
	}
}

/* -------------------------------------------------------------------------- streams */

/* Sequence numbers of the TCP packets that arrived. */
static size_t tcp_arrivals(const char *words, uint32_t *ret)
{
	static struct words w;
	struct mem_port m;
	size_t n = 0;

	make_plan(&w, words);
	mem_open(&m, MEM_CAP, 9, 0, CHOPPY_UP);
	mem_plan(&m, &w.plan);
	for (uint32_t i = 0; i < 2000; i++) {
		struct mem_spec spec = { .payload = 100, .udp = i % 2, .seq = i * 1000 };

		mem_feed(&m, mem_frame(&m, &spec), i * 1000);
	}
	mem_drain(&m);
	for (size_t i = 0; i < m.npackets; i++)
		if (m.packets[i].bytes[23] == 6)
			memcpy(&ret[n++], m.packets[i].bytes + 38, 4);
	mem_close(&m);
	free_plan(&w);
	return n;
}

static void test_a_rule_or_a_stage_shifts_no_other(void **state)
{
	static const char *const same[] = {
		"match tcp loss 30%",
		"match tcp loss 30% match udp loss 10% duplicate 5%",
		"loss 10% delay 2ms 1ms duplicate 1% match tcp loss 30% duplicate 0% delay 1ms",
		"match udp loss 50% match tcp loss 30%",
		"match tcp loss 30% corrupt 0% reorder 0% by 2",
	};
	uint32_t want[1000], got[1000];
	size_t n = tcp_arrivals(same[0], want);

	assert_in_range(n, 600, 800);
	for (size_t i = 1; i < sizeof(same) / sizeof(same[0]); i++) {
		if (tcp_arrivals(same[i], got) != n || memcmp(want, got, n * sizeof(got[0])) != 0)
			fail_msg("'%s' loses other packets than '%s'", same[i], same[0]);
	}
}

/* A change of rules: those that stay go on where they were, packets of those that go pass. */
static void test_rules_change_live(void **state)
{
	static struct words first, second;
	struct choppy_counters c;
	uint64_t matched[LINK_RULES_MAX];
	struct mem_port m;

	make_plan(&first, "match tcp drop 3,6 match udp rate 1mbit delay 1s");
	make_plan(&second, "match icmp loss 1% match tcp drop 3,6");
	mem_open(&m, MEM_CAP, 9, 0, CHOPPY_UP);
	mem_plan(&m, &first.plan);
	for (uint32_t i = 0; i < 10; i++) {
		struct mem_spec spec = { .payload = 1000, .udp = i % 2, .seq = i * 1000 };

		mem_feed(&m, mem_frame(&m, &spec), i * 1000);
	}
	mem_plan(&m, &second.plan);
	for (uint32_t i = 10; i < 20; i++) {
		struct mem_spec spec = { .payload = 1000, .udp = i % 2, .seq = i * 1000 };

		mem_feed(&m, mem_frame(&m, &spec), i * 1000);
	}
	mem_drain(&m);
	mem_check_sum(&m);
	pipe_counters(m.pipe, &c, matched);
	assert_int_equal(c.dropped[CHOPPY_DROP_LIST], 2);
	assert_int_equal(c.delivered, 18);
	assert_int_equal(matched[0], 0);
	assert_int_equal(matched[1], 10);
	mem_close(&m);
	free_plan(&first);
	free_plan(&second);
}

/* ----------------------------------------------------------- faults that were found once */

/* @n UDP packets of 1000 bytes, one every @gap_ns from @from_ns on. */
static void send_some(struct mem_port *m, uint32_t n, uint64_t from_ns, uint64_t gap_ns)
{
	for (uint32_t i = 0; i < n; i++) {
		struct mem_spec spec = { .payload = 1000 - 42, .udp = true, .seq = i };

		mem_feed(m, mem_frame(m, &spec), from_ns + i * gap_ns);
	}
}

static void test_a_copy_is_not_copied_again(void **state)
{
	static struct words w;
	static struct verdict v[] = {
		{ .kind = VERDICT_DUPLICATED, .packet = 1, .value = 1 },
		{ .kind = VERDICT_DUPLICATED, .packet = 1, .part = 1, .value = 1 },
		{ .kind = VERDICT_FRAGMENTED, .packet = 1, .part = 1, .value = 100 },
	};
	struct mem_port m;

	make_plan(&w, "delay 1ms");
	w.plan.replayed = true;
	w.plan.replay = (struct replay){ .v = v, .n = 3 };
	mem_open(&m, MEM_CAP, 1, 0, CHOPPY_UP);
	mem_plan(&m, &w.plan);
	send_some(&m, 2, 0, MS);
	mem_drain(&m);
	mem_check_sum(&m);
	assert_int_equal(m.npackets, 3);
	mem_close(&m);
	free_plan(&w);
}

static void test_a_copy_outlives_its_packet_in_a_replay(void **state)
{
	static struct words w;
	static struct verdict v[] = {
		{ .kind = VERDICT_DROPPED, .packet = 1, .value = CHOPPY_DROP_QUEUE },
		{ .kind = VERDICT_DUPLICATED, .packet = 1, .value = 1 },
	};
	struct mem_port m;

	make_plan(&w, "delay 1ms");
	w.plan.replayed = true;
	w.plan.replay = (struct replay){ .v = v, .n = 2 };
	mem_open(&m, MEM_CAP, 1, 0, CHOPPY_UP);
	mem_plan(&m, &w.plan);
	send_some(&m, 1, 0, MS);
	mem_drain(&m);
	assert_int_equal(m.npackets, 1);
	mem_close(&m);
	free_plan(&w);
}

static void test_a_rule_stays_behind_the_rate_in_a_replay(void **state)
{
	static struct words w;
	struct mem_port m;

	make_plan(&w, "rate 8mbit match udp loss 0%");
	w.plan.replayed = true;
	mem_open(&m, MEM_CAP, 1, 0, CHOPPY_UP);
	mem_plan(&m, &w.plan);
	send_some(&m, 3, 0, 0);
	mem_drain(&m);
	assert_int_equal(m.npackets, 3);
	assert_int_equal(m.packets[2].at_ns, 3 * MS);
	mem_close(&m);
	free_plan(&w);
}

/* Rounds that nobody saw cost nothing: an hour of a trace of 2 us. */
static void test_a_pause_in_a_trace_is_passed_over(void **state)
{
	static struct words w;
	struct mem_port m;

	make_traced(&w, "delay 0ms", "time,delay\n0us,1ms\n1us,3ms\n2us\n");
	mem_open(&m, MEM_CAP, 1, 0, CHOPPY_UP);
	mem_plan(&m, &w.plan);
	send_some(&m, 2, 3600 * 1000 * MS, 1001);
	mem_drain(&m);
	assert_int_equal(m.packets[0].at_ns, 3600 * 1000 * MS + MS);
	assert_int_equal(m.packets[1].at_ns, 3600 * 1000 * MS + 1001 + 3 * MS);
	mem_close(&m);
	free_plan(&w);
}

/* A change of something else leaves the trace, and what waits for its rate, where they are. */
static void test_a_trace_goes_on_over_a_change(void **state)
{
	static struct words first, second;
	struct mem_port m;

	make_traced(&first, "delay 0ms", "time,rate\n0s,80mbit\n10ms,8mbit\n1000s,8mbit\n");
	make_traced(&second, "delay 1ms", "time,rate\n0s,80mbit\n10ms,8mbit\n1000s,8mbit\n");
	mem_open(&m, MEM_CAP, 1, 0, CHOPPY_UP);
	mem_plan(&m, &first.plan);
	send_some(&m, 3, 20 * MS, 0);
	mem_plan(&m, &second.plan);
	mem_drain(&m);
	assert_int_equal(m.npackets, 3);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(m.packets[i].at_ns, (21 + i + 1) * MS);
	mem_close(&m);
	free_plan(&first);
	free_plan(&second);
}

static void test_chances_go_on_over_a_change(void **state)
{
	static struct words first, second;
	struct mem_port m;

	make_traced(&first, "delay 0ms", "10\n20\n50\n");
	make_traced(&second, "loss 0%", "10\n20\n50\n");
	mem_open(&m, MEM_CAP, 1, 0, CHOPPY_UP);
	mem_plan(&m, &first.plan);
	send_some(&m, 4, 15 * MS, 0);
	mem_run(&m, 30 * MS);
	mem_plan(&m, &second.plan);
	mem_drain(&m);
	assert_int_equal(m.npackets, 4);
	assert_int_equal(m.packets[0].at_ns, 20 * MS);
	assert_int_equal(m.packets[1].at_ns, 50 * MS);
	assert_int_equal(m.packets[2].at_ns, 50 * MS); /* 990 bytes each, and 1504 a chance */
	assert_int_equal(m.packets[3].at_ns, 60 * MS);
	mem_close(&m);
	free_plan(&first);
	free_plan(&second);
}

static void test_what_waits_goes_on_where_chances_stop(void **state)
{
	static struct words w;
	struct mem_port m;

	make_traced(&w, "delay 0ms", "10\n20\n");
	w.dir[CHOPPY_UP].set |= CHOPPY_FIELD_BIT(CHOPPY_TRACE_END);
	w.dir[CHOPPY_UP].trace_end = CHOPPY_TRACE_STOP;
	mem_open(&m, MEM_CAP, 1, 0, CHOPPY_UP);
	mem_plan(&m, &w.plan);
	send_some(&m, 5, 5 * MS, 0);
	send_some(&m, 1, 30 * MS, 0);
	mem_drain(&m);
	assert_int_equal(m.npackets, 6);
	assert_int_equal(m.packets[1].at_ns, 20 * MS);
	assert_int_equal(m.packets[4].at_ns, 20 * MS);
	assert_int_equal(m.packets[5].at_ns, 30 * MS);
	mem_close(&m);
	free_plan(&w);
}

/* A row that takes the rate away is a time to wake up at. */
static void test_a_row_lets_go_what_waits(void **state)
{
	static struct words w;
	struct mem_port m;

	make_traced(&w, "delay 0ms", "time,rate\n0s,8kbit\n500ms,off\n1000s\n");
	mem_open(&m, MEM_CAP, 1, 0, CHOPPY_UP);
	mem_plan(&m, &w.plan);
	send_some(&m, 3, 0, 0);
	mem_drain(&m);
	assert_int_equal(m.npackets, 3);
	assert_int_equal(m.packets[2].at_ns, 500 * MS);
	mem_close(&m);
	free_plan(&w);
}

static void test_the_queue_is_served_beside_a_late_line(void **state)
{
	static struct words first, second;
	struct mem_port m;

	make_plan(&first, "rate 8mbit match tcp delay 4s");
	make_plan(&second, "rate 8mbit");
	mem_open(&m, MEM_CAP, 1, 0, CHOPPY_UP);
	mem_plan(&m, &first.plan);
	mem_feed(&m, mem_frame(&m, &(struct mem_spec){ .payload = 1000 }), 0);
	mem_run(&m, 10 * MS);
	mem_plan(&m, &second.plan);
	send_some(&m, 2, 10 * MS, 0);
	mem_drain(&m);
	assert_int_equal(m.npackets, 3);
	assert_int_equal(m.packets[0].at_ns, 11 * MS);
	assert_int_equal(m.packets[1].at_ns, 12 * MS);
	mem_close(&m);
	free_plan(&first);
	free_plan(&second);
}

/* ARP passes unharmed, unless a rule asks for it; then it counts as any packet does. */
static void test_arp_falls_under_a_rule_that_matches_it(void **state)
{
	static const unsigned char arp[42] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6 };
	const struct virtio_net_hdr none = { 0 };
	static struct words w;
	struct choppy_counters c;
	struct mem_port m;

	for (int i = 0; i < 2; i++) {
		make_plan(&w, i ? "loss 100% match arp delay 5ms loss 0%"
				: "loss 100% match udp delay 5ms");
		mem_open(&m, MEM_CAP, 1, 0, CHOPPY_UP);
		mem_plan(&m, &w.plan);
		mem_feed(&m, mem_raw(&m, &none, arp, sizeof(arp)), 0);
		mem_drain(&m);
		mem_check_sum(&m);
		pipe_counters(m.pipe, &c, NULL);
		assert_int_equal(m.npackets, 1);
		assert_int_equal(m.packets[0].at_ns, i ? 5 * MS : 0);
		assert_int_equal(c.exempt, !i);
		assert_int_equal(c.delivered, i);
		assert_int_equal(c.waiting, 0);
		mem_close(&m);
		free_plan(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs_are_treated_as_their_packets),
		cmocka_unit_test(test_verdicts_are_replayed),
		cmocka_unit_test(test_a_rule_or_a_stage_shifts_no_other),
		cmocka_unit_test(test_rules_change_live),
		cmocka_unit_test(test_a_copy_is_not_copied_again),
		cmocka_unit_test(test_a_copy_outlives_its_packet_in_a_replay),
		cmocka_unit_test(test_a_rule_stays_behind_the_rate_in_a_replay),
		cmocka_unit_test(test_a_pause_in_a_trace_is_passed_over),
		cmocka_unit_test(test_a_trace_goes_on_over_a_change),
		cmocka_unit_test(test_chances_go_on_over_a_change),
		cmocka_unit_test(test_what_waits_goes_on_where_chances_stop),
		cmocka_unit_test(test_a_row_lets_go_what_waits),
		cmocka_unit_test(test_the_queue_is_served_beside_a_late_line),
		cmocka_unit_test(test_arp_falls_under_a_rule_that_matches_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
