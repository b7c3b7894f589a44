/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One direction of a link on a virtual clock: verdicts, times, counters, live change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "port_mem.h"

#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define SECOND 1000000000ull
#define BIT(f) CHOPPY_FIELD_BIT(f)
#define HEADERS 54u /* of the TCP frames here */

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

static struct mem_port port_a, port_b;

static int teardown(void **state)
{
	mem_close(&port_a);
	if (port_b.pipe)
		mem_close(&port_b);
	port_b.pipe = NULL;
	return 0;
}

static struct mem_port *open_with(struct mem_port *m, uint64_t seed,
				  const struct choppy_condition *c)
{
	mem_open(m, MEM_CAP, seed, 0, CHOPPY_UP);
	mem_set(m, c);
	return m;
}

static struct choppy_counters counters(struct mem_port *m)
{
	struct choppy_counters c;

	mem_check_sum(m);
	pipe_counters(m->pipe, &c, NULL);
	return c;
}

/* A single packet of @len bytes in all, number @i. */
static struct frame *single(struct mem_port *m, uint32_t len, uint32_t i)
{
	struct mem_spec spec = { .payload = len - HEADERS, .seq = i * 10000 };

	return mem_frame(m, &spec);
}

/* A super-packet of @n segments of 1000 bytes payload. */
static struct frame *super(struct mem_port *m, uint32_t n, uint32_t i)
{
	struct mem_spec spec = { .payload = n * 1000, .segment = 1000, .seq = i * 100000, .id = 1 };

	return mem_frame(m, &spec);
}

static uint32_t seq_of(const struct mem_packet *p)
{
	return (uint32_t)p->bytes[38] << 24 | (uint32_t)p->bytes[39] << 16 |
	       (uint32_t)p->bytes[40] << 8 | p->bytes[41];
}

/* ------------------------------------------------------------------ no condition */

static void test_pipe_without_condition_passes_at_once(void **state)
{
	struct choppy_condition none = { 0 };
	struct mem_port *m = open_with(&port_a, 1, &none);
	struct frame *f = super(m, 44, 0);
	struct choppy_counters c;

	mem_feed(m, f, 5);
	assert_int_equal(m->nframes, 1);
	assert_ptr_equal(m->last_frame, f); /* not copied */
	assert_true(pipe_next(m->pipe) == PIPE_NEVER);
	c = counters(m);
	assert_int_equal(c.packets, 44);
	assert_int_equal(c.bytes, 44 * (1000 + HEADERS));
	assert_int_equal(c.delivered, 44);
	assert_int_equal(c.delivered_bytes, c.bytes);
	assert_int_equal(c.frames_in, 1);
	assert_int_equal(c.frames_out, 1);
	assert_int_equal(c.judged, 0);
	assert_int_equal(c.late_samples, 1); /* due when it arrived */
}

/* ----------------------------------------------------------------------------- loss */

static void test_loss_count_is_within_its_binomial_bounds(void **state)
{
	/* Bounds: n p -+ 4 sqrt(n p (1 - p)); the seeds are fixed, so this never flickers. */
	static const struct {
		uint64_t ppb, low, high;
	} rows[] = {
		{ 0, 0, 0 },
		{ 10000, 0, 11 },
		{ 10000000, 1826, 2174 },
		{ 300000000, 59180, 60820 },
		{ 999000000, 199743, 199857 },
		{ 1000000000, 200000, 200000 },
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct choppy_condition cond = { .set = BIT(CHOPPY_LOSS), .loss_ppb = rows[r].ppb };
		struct mem_port *m = open_with(&port_a, 42, &cond);
		struct choppy_counters c;

		for (uint32_t i = 0; i < 5000; i++) {
			mem_feed(m, super(m, 40, i), i);
			mem_forget(m);
		}
		c = counters(m);
		assert_int_equal(c.judged, 200000);
		assert_int_equal(c.judged_lost, c.dropped[CHOPPY_DROP_LOSS]);
		assert_int_equal(c.delivered + c.judged_lost, 200000);
		assert_in_range(c.judged_lost, rows[r].low, rows[r].high);
		if (r + 1 < sizeof(rows) / sizeof(rows[0]))
			mem_close(m);
	}
}

/* Which of 1000 packets survive, as a string. */
static void verdicts(char *ret, uint64_t seed, uint32_t link, enum choppy_dir dir,
		     uint32_t per_frame)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_LOSS), .loss_ppb = 300000000 };
	struct mem_port m;

	mem_open(&m, MEM_CAP, seed, link, dir);
	mem_set(&m, &cond);
	memset(ret, '0', 1000);
	for (uint32_t i = 0; i < 1000; i += per_frame) {
		struct mem_spec spec = { .payload = per_frame * 1000,
					 .segment = per_frame > 1 ? 1000 : 0,
					 .seq = i * 1000 };

		mem_feed(&m, mem_frame(&m, &spec), i);
	}
	for (size_t i = 0; i < m.npackets; i++)
		ret[seq_of(&m.packets[i]) / 1000] = '1';
	mem_close(&m);
}

static void test_loss_one_seed_is_one_sequence(void **state)
{
	static char base[1000], other[1000];

	mem_open(&port_a, MEM_CAP, 1, 0, CHOPPY_UP);
	verdicts(base, 7, 0, CHOPPY_UP, 1);
	verdicts(other, 7, 0, CHOPPY_UP, 1);
	assert_memory_equal(base, other, 1000);
	verdicts(other, 7, 0, CHOPPY_UP, 50); /* super-packets do not shift it */
	assert_memory_equal(base, other, 1000);
	verdicts(other, 8, 0, CHOPPY_UP, 1);
	assert_memory_not_equal(base, other, 1000);
	verdicts(other, 7, 1, CHOPPY_UP, 1);
	assert_memory_not_equal(base, other, 1000);
	verdicts(other, 7, 0, CHOPPY_DOWN, 1);
	assert_memory_not_equal(base, other, 1000);
}

static void test_loss_of_one_in_44_leaves_two_frames(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_LOSS), .loss_ppb = 20000000 };

	for (uint64_t seed = 1;; seed++) {
		struct mem_port *m = open_with(&port_a, seed, &cond);
		struct choppy_counters c;

		mem_feed(m, super(m, 44, 0), 0);
		c = counters(m);
		/* A seed that loses exactly one, not the first nor the last. */
		if (c.judged_lost == 1 && m->nframes == 2) {
			assert_int_equal(m->npackets, 43);
			assert_int_equal(c.frames_out, 2);
			assert_int_equal(c.delivered, 43);
			return;
		}
		assert_true(c.judged_lost != 1 || m->nframes == 1);
		mem_close(m);
		assert_true(seed < 1000);
	}
}

static void test_judged_restarts_with_a_new_loss_only(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_LOSS), .loss_ppb = 1000000000 };
	struct mem_port *m = open_with(&port_a, 1, &cond);

	mem_feed(m, super(m, 10, 0), 0);
	cond.set |= BIT(CHOPPY_DELAY);
	cond.delay_ns = 1;
	mem_set(m, &cond);
	assert_int_equal(counters(m).judged, 10);
	cond.loss_ppb = 0;
	mem_set(m, &cond);
	assert_int_equal(counters(m).judged, 0);
	assert_int_equal(counters(m).judged_lost, 0);
	assert_int_equal(counters(m).dropped[CHOPPY_DROP_LOSS], 10);
}

static void test_loss_stream_goes_on_over_a_change(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_LOSS), .loss_ppb = 300000000 };
	struct choppy_condition more = { .set = BIT(CHOPPY_LOSS) | BIT(CHOPPY_DELAY),
					 .loss_ppb = 300000000,
					 .delay_ns = 1000 };
	struct mem_port *a = open_with(&port_a, 5, &cond), *b = open_with(&port_b, 5, &cond);

	for (uint32_t i = 0; i < 500; i++) {
		if (i == 250)
			mem_set(b, &more);
		mem_feed(a, single(a, 100, i), i);
		mem_feed(b, single(b, 100, i), i);
	}
	mem_drain(b);
	assert_int_equal(a->npackets, b->npackets);
	for (size_t i = 0; i < a->npackets; i++)
		assert_int_equal(seq_of(&a->packets[i]), seq_of(&b->packets[i]));
}

/* ------------------------------------------- super-packets against single packets */

/* The same wire packets, at the same times: once as super-packets, once each on its own. */
static void feed_both(struct mem_port *runs, struct mem_port *packets, uint32_t rounds,
		      uint64_t gap_ns)
{
	for (uint32_t i = 0; i < rounds; i++) {
		struct mem_spec spec = mem_traffic[i % MEM_NTRAFFIC];
		struct mem_port cut;
		struct frame *f;

		spec.seq = i * 65536;
		f = mem_frame(runs, &spec);
		memset(&cut, 0, sizeof(cut));
		mem_cut(&cut, &f->vnet, frame_bytes(f), f->len);
		mem_feed(runs, f, i * gap_ns);
		for (size_t k = 0; k < cut.npackets; k++) {
			struct virtio_net_hdr none = { 0 };

			mem_feed(packets,
				 mem_raw(packets, &none, cut.packets[k].bytes, cut.packets[k].len),
				 i * gap_ns);
		}
		mem_forget(&cut);
	}
	mem_drain(runs);
	mem_drain(packets);
}

static void compare(struct mem_port *a, struct mem_port *b, uint64_t later_ns)
{
	assert_int_equal(a->npackets, b->npackets);
	for (size_t i = 0; i < a->npackets; i++) {
		assert_int_equal(a->packets[i].len, b->packets[i].len);
		assert_memory_equal(a->packets[i].bytes, b->packets[i].bytes, a->packets[i].len);
		assert_in_range(a->packets[i].at_ns, b->packets[i].at_ns,
				b->packets[i].at_ns + later_ns);
	}
}

static void test_runs_and_packets_are_treated_alike(void **state)
{
	static const struct {
		struct choppy_condition cond;
		uint64_t later_ns; /* chunks leave when their last packet is out */
	} rows[] = {
		{ { 0 }, 0 },
		{ { .set = BIT(CHOPPY_LOSS), .loss_ppb = 100000000 }, 0 },
		{ { .set = BIT(CHOPPY_DELAY), .delay_ns = 5 * MS }, 0 },
		{ { .set = BIT(CHOPPY_DELAY) | BIT(CHOPPY_JITTER) | BIT(CHOPPY_LOSS),
		    .delay_ns = 5 * MS,
		    .jitter_ns = 5 * MS,
		    .loss_ppb = 20000000 },
		  0 },
		{ { .set = BIT(CHOPPY_RATE) | BIT(CHOPPY_LIMIT),
		    .rate_bps = 99999989,
		    .limit = { .n = 60, .unit = CHOPPY_PACKETS } },
		  MS },
		{ { .set = BIT(CHOPPY_RATE) | BIT(CHOPPY_LIMIT) | BIT(CHOPPY_LOSS) |
			   BIT(CHOPPY_DELAY),
		    .rate_bps = 100000007,
		    .limit = { .n = 40000, .unit = CHOPPY_BYTES },
		    .loss_ppb = 50000000,
		    .delay_ns = 3 * MS },
		  MS },
		{ { .set = BIT(CHOPPY_RATE) | BIT(CHOPPY_LIMIT),
		    .rate_bps = 1000003,
		    .limit = { .n = 300 * MS, .unit = CHOPPY_NANOSECONDS } },
		  MS },
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct mem_port *a = open_with(&port_a, 3, &rows[r].cond);
		struct mem_port *b = open_with(&port_b, 3, &rows[r].cond);
		struct choppy_counters ca, cb;

		feed_both(a, b, 70, 2 * MS);
		compare(a, b, rows[r].later_ns);
		ca = counters(a);
		cb = counters(b);
		assert_int_equal(ca.packets, cb.packets);
		assert_int_equal(ca.bytes, cb.bytes);
		assert_int_equal(ca.delivered_bytes, cb.delivered_bytes);
		assert_memory_equal(ca.dropped, cb.dropped, sizeof(ca.dropped));
		if (r) /* something was done */
			assert_true(ca.delivered < ca.packets || a->now_ns > 70 * 2 * MS);
		if (r + 1 < sizeof(rows) / sizeof(rows[0])) {
			mem_close(a);
			mem_close(b);
		}
	}
}

/* ---------------------------------------------------------------------------- delay */

static void test_delay_is_exact_and_keeps_frames_whole(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_DELAY), .delay_ns = 10 * MS };
	struct mem_port *m = open_with(&port_a, 1, &cond);

	mem_feed(m, super(m, 44, 0), 1000);
	mem_feed(m, single(m, 100, 1), 2000);
	assert_int_equal(m->nframes, 0);
	assert_true(pipe_next(m->pipe) == 10 * MS + 1000);
	assert_int_equal(counters(m).waiting, 45);
	mem_drain(m);
	assert_int_equal(m->nframes, 2);
	for (int i = 0; i < 44; i++)
		assert_int_equal(m->packets[i].at_ns, 10 * MS + 1000);
	assert_int_equal(m->packets[44].at_ns, 10 * MS + 2000);
	assert_int_equal(counters(m).late_samples, 2);
	assert_int_equal(counters(m).late_max_ns, 0);
}

static void test_delay_counts_from_the_stamp_and_lateness_does_not_add_up(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_DELAY), .delay_ns = 10 * MS };
	struct mem_port *m = open_with(&port_a, 1, &cond);

	m->now_ns = 3 * MS; /* read 3 ms after it came */
	mem_feed(m, single(m, 100, 0), 0);
	assert_true(pipe_next(m->pipe) == 10 * MS);
	m->now_ns = 12 * MS; /* and woken 2 ms late */
	pipe_run(m->pipe, m->now_ns, m->now_ns, &m->out);
	pipe_sent(m->pipe, run_list_take(&m->out), m->now_ns);
	assert_int_equal(counters(m).late_max_ns, 2 * MS);
}

static void test_jitter_keeps_order_range_and_mean(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_DELAY) | BIT(CHOPPY_JITTER),
					 .delay_ns = 10 * MS,
					 .jitter_ns = 4 * MS };
	struct mem_port *m = open_with(&port_a, 9, &cond);
	uint64_t sum = 0, least = UINT64_MAX, most = 0;
	enum { N = 10000 };

	/* 20 ms apart: no packet has to wait for the one before. */
	for (uint32_t i = 0; i < N; i++)
		mem_feed(m, single(m, 100, i), i * 20 * MS);
	mem_drain(m);
	assert_int_equal(m->npackets, N);
	for (uint32_t i = 0; i < N; i++) {
		uint64_t d = m->packets[i].at_ns - i * 20 * MS;

		sum += d;
		least = d < least ? d : least;
		most = d > most ? d : most;
	}
	assert_in_range(least, 6 * MS, 6 * MS + MS / 100);
	assert_in_range(most, 14 * MS - MS / 100, 14 * MS);
	/* sigma of the mean: 8 ms / sqrt(12 N) = 23 us; 4 of them */
	assert_in_range(sum / N, 10 * MS - 93000, 10 * MS + 93000);
	mem_forget(m);

	/* Close together: order is kept, and nobody leaves early. */
	for (uint32_t i = 0; i < 1000; i++)
		mem_feed(m, single(m, 100, i), N * 20 * MS + i * 1000);
	mem_drain(m);
	assert_int_equal(m->npackets, 1000);
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(seq_of(&m->packets[i]), i * 10000);
		assert_true(m->packets[i].at_ns >= N * 20 * MS + i * 1000 + 6 * MS);
		assert_true(m->packets[i].at_ns <= N * 20 * MS + i * 1000 + 14 * MS);
	}
	/* Waiting for the one before is not lateness. */
	assert_int_equal(counters(m).late_max_ns, 0);
}

/* ----------------------------------------------------------------------------- rate */

static void test_rate_is_exact_over_hours(void **state)
{
	static const uint64_t rates[] = { 7, 1000, 56001, 999999937, 99999999977 };

	for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
		struct choppy_condition cond = { .set = BIT(CHOPPY_RATE) | BIT(CHOPPY_LIMIT),
						 .rate_bps = rates[r],
						 .limit = { .n = 1000000 } };
		struct mem_port *m = open_with(&port_a, 1, &cond);
		unsigned __int128 bits = 0;

		for (uint32_t i = 0; i < 4000; i++) {
			uint32_t len = 60 + i * 7 % 1000;

			mem_feed(m, single(m, len, i), 0);
			bits += len * 8;
		}
		mem_drain(m);
		assert_int_equal(m->npackets, 4000);
		assert_true(m->packets[3999].at_ns == (uint64_t)(bits * SECOND / rates[r]));
		if (r + 1 < sizeof(rates) / sizeof(rates[0]))
			mem_close(m);
	}
}

static void test_rate_after_idle_starts_at_arrival(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_RATE), .rate_bps = 8000000 };
	struct mem_port *m = open_with(&port_a, 1, &cond);

	mem_feed(m, single(m, 1000, 0), 5 * MS); /* 1 byte a microsecond */
	mem_feed(m, single(m, 1000, 1), 5 * MS + 400000);
	mem_feed(m, single(m, 500, 2), 50 * MS);
	mem_drain(m);
	assert_int_equal(m->packets[0].at_ns, 6 * MS);
	assert_int_equal(m->packets[1].at_ns, 7 * MS);
	assert_int_equal(m->packets[2].at_ns, 50 * MS + 500000);
}

static void test_rate_releases_chunks_of_at_most_1_ms(void **state)
{
	/* 1054 bytes take 105.4 us: 9 in a millisecond. */
	struct choppy_condition cond = { .set = BIT(CHOPPY_RATE), .rate_bps = 80000000 };
	struct mem_port *m = open_with(&port_a, 1, &cond);

	mem_feed(m, super(m, 44, 0), 0);
	mem_drain(m);
	assert_int_equal(m->npackets, 44);
	assert_int_equal(m->nframes, 5);
	for (uint32_t i = 0; i < 44; i++) {
		uint32_t last = i / 9 * 9 + 8 < 43 ? i / 9 * 9 + 8 : 43;

		assert_int_equal(m->packets[i].at_ns, (last + 1) * 105400);
	}
}

/* The limit's packets leave the queue one by one, although they leave the link in chunks. */
static void test_limit_counts_packets_that_wait(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_RATE) | BIT(CHOPPY_LIMIT),
					 .rate_bps = 8432000, /* 1054 bytes a millisecond */
					 .limit = { .n = 10, .unit = CHOPPY_PACKETS } };
	struct mem_port *m = open_with(&port_a, 1, &cond);

	mem_feed(m, super(m, 44, 0), 0);
	assert_int_equal(counters(m).dropped[CHOPPY_DROP_QUEUE], 33); /* 1 on the wire, 10 wait */
	mem_feed(m, super(m, 1, 1), 1 * MS - 1);
	assert_int_equal(counters(m).dropped[CHOPPY_DROP_QUEUE], 34);
	mem_feed(m, super(m, 1, 2), 1 * MS); /* the second has just started */
	assert_int_equal(counters(m).dropped[CHOPPY_DROP_QUEUE], 34);
	mem_feed(m, super(m, 5, 3), 4 * MS); /* three more have started */
	assert_int_equal(counters(m).dropped[CHOPPY_DROP_QUEUE], 36);
	mem_drain(m);
	assert_int_equal(m->npackets, 15);
	assert_int_equal(m->packets[14].at_ns, 15 * MS);
	assert_int_equal(seq_of(&m->packets[11]), 200000);
}

static void test_limit_counts_inside_a_chunk(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_RATE) | BIT(CHOPPY_LIMIT),
					 .rate_bps = 84320000, /* 1054 bytes in 100 us */
					 .limit = { .n = 8, .unit = CHOPPY_PACKETS } };
	struct mem_port *m = open_with(&port_a, 1, &cond);

	mem_feed(m, super(m, 9, 0), 0); /* one chunk: 1 on the wire, 8 wait */
	assert_int_equal(counters(m).dropped[CHOPPY_DROP_QUEUE], 0);
	mem_feed(m, super(m, 1, 1), 99999);
	assert_int_equal(counters(m).dropped[CHOPPY_DROP_QUEUE], 1);
	mem_feed(m, super(m, 3, 2), 250000); /* 2 have started */
	assert_int_equal(counters(m).dropped[CHOPPY_DROP_QUEUE], 2);
	mem_drain(m);
	assert_int_equal(m->npackets, 11);
	assert_int_equal(m->packets[10].at_ns, 1100000);
}

static void test_limit_counts_bytes(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_RATE) | BIT(CHOPPY_LIMIT),
					 .rate_bps = 8000000,
					 .limit = { .n = 2500, .unit = CHOPPY_BYTES } };
	struct mem_port *m = open_with(&port_a, 1, &cond);

	mem_feed(m, single(m, 3000, 0), 0); /* idle: never waits */
	mem_feed(m, single(m, 1000, 1), 0);
	mem_feed(m, single(m, 1000, 2), 0);
	mem_feed(m, single(m, 501, 3), 0); /* one byte too many */
	mem_feed(m, single(m, 500, 4), 0);
	mem_feed(m, single(m, 60, 5), 0);
	assert_int_equal(counters(m).dropped[CHOPPY_DROP_QUEUE], 2);
	mem_feed(m, single(m, 1000, 6), 3 * MS); /* 1 has started */
	assert_int_equal(counters(m).dropped[CHOPPY_DROP_QUEUE], 2);
	mem_feed(m, single(m, 60, 7), 3 * MS);
	assert_int_equal(counters(m).dropped[CHOPPY_DROP_QUEUE], 3);
	mem_drain(m);
	assert_int_equal(m->npackets, 5);
}

static void test_limit_counts_time(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_RATE) | BIT(CHOPPY_LIMIT),
					 .rate_bps = 8000000, /* 1 byte a microsecond */
					 .limit = { .n = 2 * MS, .unit = CHOPPY_NANOSECONDS } };
	struct mem_port *m = open_with(&port_a, 1, &cond);

	mem_feed(m, single(m, 1000, 0), 0); /* starts at 0 */
	mem_feed(m, single(m, 1000, 1), 0); /* would start at 1 ms */
	mem_feed(m, single(m, 1001, 2), 0); /* at 2 ms */
	mem_feed(m, single(m, 60, 3), 0); /* at 3.001 ms: too late */
	assert_int_equal(counters(m).dropped[CHOPPY_DROP_QUEUE], 1);
	mem_feed(m, single(m, 60, 4), 1 * MS);
	assert_int_equal(counters(m).dropped[CHOPPY_DROP_QUEUE], 2);
	mem_feed(m, single(m, 60, 5), 1 * MS + 1000);
	assert_int_equal(counters(m).dropped[CHOPPY_DROP_QUEUE], 2);
	mem_drain(m);
	assert_int_equal(m->npackets, 4);
	assert_int_equal(m->packets[3].at_ns, 3061000);
}

static void test_limit_of_nothing_still_passes_an_idle_link(void **state)
{
	static const enum choppy_unit units[] = { CHOPPY_PACKETS, CHOPPY_BYTES,
						  CHOPPY_NANOSECONDS };

	for (int u = 0; u < 3; u++) {
		struct choppy_condition cond = { .set = BIT(CHOPPY_RATE) | BIT(CHOPPY_LIMIT),
						 .rate_bps = 8000000,
						 .limit = { .n = 0, .unit = units[u] } };
		struct mem_port *m = open_with(&port_a, 1, &cond);

		mem_feed(m, super(m, 3, 0), 0);
		mem_feed(m, super(m, 1, 1), 2 * MS);
		mem_drain(m);
		assert_int_equal(counters(m).dropped[CHOPPY_DROP_QUEUE], 2);
		assert_int_equal(m->npackets, 2);
		if (u < 2)
			mem_close(m);
	}
}

static void test_limit_default_is_1000_packets(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_RATE), .rate_bps = 1000 };
	struct mem_port *m = open_with(&port_a, 1, &cond);

	for (uint32_t i = 0; i < 1010; i++)
		mem_feed(m, single(m, 100, i), 0);
	assert_int_equal(counters(m).dropped[CHOPPY_DROP_QUEUE], 9);
	assert_int_equal(counters(m).waiting, 1001);
}

/* --------------------------------------------------------------------- live change */

static void test_set_delay_keeps_what_is_in_the_line(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_DELAY), .delay_ns = 10 * MS };
	struct choppy_condition none = { 0 };
	struct mem_port *m = open_with(&port_a, 1, &cond);

	mem_feed(m, single(m, 100, 0), 0);
	mem_run(m, MS);
	cond.delay_ns = 2 * MS;
	mem_set(m, &cond);
	mem_feed(m, single(m, 100, 1), MS); /* due at 3 ms, but order is kept */
	mem_set(m, &none);
	mem_feed(m, single(m, 100, 2), 2 * MS);
	assert_int_equal(m->npackets, 0);
	mem_feed(m, single(m, 100, 3), 11 * MS); /* the line is empty again */
	assert_int_equal(m->npackets, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(seq_of(&m->packets[i]), i * 10000);
	assert_int_equal(m->packets[0].at_ns, 10 * MS);
	assert_int_equal(m->packets[1].at_ns, 10 * MS);
	assert_int_equal(m->packets[2].at_ns, 10 * MS);
	assert_int_equal(m->packets[3].at_ns, 11 * MS);
}

static void test_set_rate_paces_the_queue_anew(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_RATE), .rate_bps = 8000 };
	struct mem_port *m = open_with(&port_a, 1, &cond);

	for (uint32_t i = 0; i < 5; i++)
		mem_feed(m, single(m, 1000, i), 0); /* a second each */
	mem_run(m, 1500 * MS); /* the second is on the wire */
	cond.rate_bps = 80000;
	mem_set(m, &cond);
	mem_drain(m);
	assert_int_equal(m->npackets, 5);
	assert_int_equal(m->packets[1].at_ns, 2000 * MS);
	assert_int_equal(m->packets[2].at_ns, 2100 * MS);
	assert_int_equal(m->packets[4].at_ns, 2300 * MS);
}

static void test_set_rate_slower_paces_the_queue_anew(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_RATE), .rate_bps = 80000000 };
	struct mem_port *m = open_with(&port_a, 1, &cond);

	mem_feed(m, super(m, 44, 0), 0); /* the first packet is out after 105400 ns */
	cond.rate_bps = 8432000;
	mem_set(m, &cond);
	mem_drain(m);
	assert_int_equal(m->npackets, 44);
	assert_int_equal(m->packets[0].at_ns, 105400);
	assert_int_equal(m->packets[1].at_ns, 105400 + MS);
	assert_int_equal(m->packets[43].at_ns, 105400 + 43 * MS);
}

static void test_set_rate_away_empties_the_queue_at_once(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_RATE), .rate_bps = 8000 };
	/* The new loss is before the queue, the new delay behind it. */
	struct choppy_condition delay = { .set = BIT(CHOPPY_DELAY) | BIT(CHOPPY_LOSS),
					  .delay_ns = 5 * MS,
					  .loss_ppb = 1000000000 };
	struct mem_port *m = open_with(&port_a, 1, &cond);

	for (uint32_t i = 0; i < 5; i++)
		mem_feed(m, single(m, 1000, i), 0);
	mem_run(m, 998 * MS);
	mem_set(m, &delay);
	assert_int_equal(counters(m).waiting, 5);
	mem_drain(m);
	assert_int_equal(m->npackets, 5);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(seq_of(&m->packets[i]), i * 10000);
		assert_int_equal(m->packets[i].at_ns, 1003 * MS);
	}
}

static void test_set_rate_back_finds_an_idle_link(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_RATE) | BIT(CHOPPY_LIMIT),
					 .rate_bps = 8000,
					 .limit = { .n = 5 } };
	struct choppy_condition none = { 0 };
	struct mem_port *m = open_with(&port_a, 1, &cond);

	for (int round = 0; round < 3; round++) {
		uint64_t at_ns = 10000 * MS * (uint64_t)round;

		for (uint32_t i = 0; i < 6; i++)
			mem_feed(m, single(m, 1000, i), at_ns);
		assert_int_equal(counters(m).dropped[CHOPPY_DROP_QUEUE], 0);
		mem_set(m, &none);
		mem_drain(m);
		assert_int_equal(m->packets[m->npackets - 1].at_ns, at_ns);
		mem_run(m, at_ns + 5000 * MS);
		mem_set(m, &cond);
	}
	assert_int_equal(m->npackets, 18);
}

static void test_set_smaller_limit_drops_nothing_that_waits(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_RATE) | BIT(CHOPPY_LIMIT),
					 .rate_bps = 8432000,
					 .limit = { .n = 100, .unit = CHOPPY_PACKETS } };
	struct mem_port *m = open_with(&port_a, 1, &cond);

	mem_feed(m, super(m, 44, 0), 0);
	cond.limit.n = 5;
	mem_set(m, &cond);
	mem_feed(m, super(m, 1, 1), 0);
	mem_feed(m, super(m, 1, 2), 37 * MS); /* 6 wait */
	mem_feed(m, super(m, 1, 3), 39 * MS); /* 4 wait */
	mem_drain(m);
	assert_int_equal(m->npackets, 45);
	assert_int_equal(counters(m).dropped[CHOPPY_DROP_QUEUE], 2);
	assert_int_equal(seq_of(&m->packets[44]), 300000);
}

static void test_set_loss_and_jitter_touch_nothing_that_waits(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_RATE) | BIT(CHOPPY_DELAY),
					 .rate_bps = 8432000,
					 .delay_ns = 20 * MS };
	struct mem_port *m = open_with(&port_a, 1, &cond);

	mem_feed(m, super(m, 40, 0), 0);
	mem_run(m, 10 * MS);
	cond.set |= BIT(CHOPPY_LOSS) | BIT(CHOPPY_JITTER);
	cond.loss_ppb = 1000000000;
	cond.jitter_ns = 20 * MS;
	mem_set(m, &cond);
	mem_drain(m);
	assert_int_equal(m->npackets, 40);
	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(seq_of(&m->packets[i]), i * 1000);
	assert_int_equal(m->packets[9].at_ns, 30 * MS);
}

static void test_set_refuses_what_has_no_meaning(void **state)
{
	static const struct choppy_condition bad[] = {
		{ .set = BIT(CHOPPY_RATE) },
		{ .set = BIT(CHOPPY_RATE), .rate_bps = UINT64_MAX },
		{ .set = BIT(CHOPPY_LOSS), .loss_ppb = 1000000001 },
		{ .set = BIT(CHOPPY_JITTER), .jitter_ns = 1 },
		{ .set = BIT(CHOPPY_DELAY) | BIT(CHOPPY_JITTER), .delay_ns = 1, .jitter_ns = 2 },
		{ .set = BIT(CHOPPY_DELAY), .delay_ns = UINT64_MAX },
		{ .set = BIT(CHOPPY_RATE) | BIT(CHOPPY_LIMIT),
		  .rate_bps = 1,
		  .limit = { .unit = CHOPPY_NUNITS } },
		{ .set = 1ull << CHOPPY_NFIELDS },
	};

	mem_open(&port_a, MEM_CAP, 1, 0, CHOPPY_UP);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(pipe_condition_sound(&bad[i]));
}

/* ------------------------------------------------------------------ what is not cut */

static void test_whole_frames_pass_whole_and_are_counted(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_DELAY) | BIT(CHOPPY_RATE),
					 .delay_ns = MS,
					 .rate_bps = 8000000 };
	struct mem_port *m = open_with(&port_a, 1, &cond);
	struct frame *f = super(m, 10, 0);
	unsigned char bytes[20000];
	uint32_t len = f->len;

	memcpy(bytes, frame_bytes(f), len);
	f->vnet.gso_type = 0x40;
	f->vnet.flags = 0;
	frame_parse(f);
	assert_int_equal(f->kind, FRAME_WHOLE);
	mem_feed(m, f, 0);
	mem_drain(m);
	assert_int_equal(m->nframes, 1);
	assert_int_equal(m->packets[0].len, len);
	assert_memory_equal(m->packets[0].bytes, bytes, len);
	assert_int_equal(m->packets[0].at_ns, MS + 10 * (1000 + HEADERS) * 1000);
	assert_int_equal(counters(m).packets, 10);
	assert_int_equal(counters(m).delivered, 10);
	assert_int_equal(pipe_uncut(m->pipe), 1);
}

static void test_exempt_frames_bypass_everything(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_DELAY) | BIT(CHOPPY_LOSS) |
						BIT(CHOPPY_RATE),
					 .delay_ns = SECOND,
					 .loss_ppb = 1000000000,
					 .rate_bps = 1 };
	struct mem_port *m = open_with(&port_a, 1, &cond);
	struct virtio_net_hdr none = { 0 };
	unsigned char arp[60] = { [12] = 0x08, [13] = 0x06 };
	struct choppy_counters c;

	mem_feed(m, mem_raw(m, &none, arp, sizeof(arp)), 0);
	assert_int_equal(m->npackets, 1);
	c = counters(m);
	assert_int_equal(c.exempt, 1);
	assert_int_equal(c.packets, 0);
	assert_int_equal(c.judged, 0);
	assert_int_equal(c.frames_in, 1);
	assert_int_equal(c.frames_out, 1);
}

/* ---------------------------------------------------------------------------- memory */

static void test_exhausted_pool_is_a_counted_drop(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_DELAY), .delay_ns = SECOND };
	struct choppy_counters c;
	uint32_t n = 0;

	mem_open(&port_a, 10u << 20, 1, 0, CHOPPY_UP);
	mem_set(&port_a, &cond);
	/* The receiver has one buffer; large frames keep theirs until no other can replace it. */
	while (!counters(&port_a).dropped[CHOPPY_DROP_MEMORY]) {
		mem_feed(&port_a, super(&port_a, 44, n), n);
		assert_true(++n < 1000);
	}
	c = counters(&port_a);
	assert_int_equal(c.dropped[CHOPPY_DROP_MEMORY], 44);
	assert_int_equal(c.waiting, (n - 1) * 44);
	assert_true(c.memory_bytes <= 10u << 20);
	mem_drain(&port_a);
	assert_int_equal(port_a.npackets, (n - 1) * 44);
	/* And it recovers. */
	mem_feed(&port_a, super(&port_a, 44, n), 2 * SECOND);
	mem_drain(&port_a);
	assert_int_equal(counters(&port_a).delivered, n * 44);
}

static void test_exhausted_pool_of_small_frames(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_RATE) | BIT(CHOPPY_LIMIT),
					 .rate_bps = 1000,
					 .limit = { .n = 1000000 } };
	uint32_t n = 0;

	mem_open(&port_a, 6u << 20, 1, 0, CHOPPY_UP);
	mem_set(&port_a, &cond);
	while (!counters(&port_a).dropped[CHOPPY_DROP_MEMORY]) {
		mem_feed(&port_a, single(&port_a, 1000, n), 0);
		assert_true(++n < 10000);
	}
	assert_true(n > 500);
	mem_drain(&port_a);
	assert_int_equal(port_a.npackets, n - 1);
}

static void test_starved_and_missed_and_refused_are_told_apart(void **state)
{
	struct choppy_condition none = { 0 };
	struct mem_port *m = open_with(&port_a, 1, &none);
	struct frame *f = super(m, 5, 0);
	struct choppy_counters c;

	pipe_starved(m->pipe, f);
	pipe_missed(m->pipe, 3);
	pipe_input(m->pipe, f, 0, &m->out);
	pipe_refused(m->pipe, run_list_take(&m->out), CHOPPY_DROP_SEND);
	c = counters(m);
	assert_int_equal(c.packets, 10);
	assert_int_equal(c.dropped[CHOPPY_DROP_MEMORY], 5);
	assert_int_equal(c.dropped[CHOPPY_DROP_RECEIVE], 3);
	assert_int_equal(c.dropped[CHOPPY_DROP_SEND], 5);
	assert_int_equal(c.delivered, 0);
	assert_int_equal(c.waiting, 0);
}

static void test_arrivals_never_go_back(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_DELAY), .delay_ns = MS };
	struct mem_port *m = open_with(&port_a, 1, &cond);

	mem_feed(m, single(m, 100, 0), 5000);
	mem_feed(m, single(m, 100, 1), 4000); /* stamped on another processor */
	mem_drain(m);
	assert_int_equal(m->packets[1].at_ns, 5000 + MS);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pipe_without_condition_passes_at_once),
		TEST(test_loss_count_is_within_its_binomial_bounds),
		TEST(test_loss_one_seed_is_one_sequence),
		TEST(test_loss_of_one_in_44_leaves_two_frames),
		TEST(test_judged_restarts_with_a_new_loss_only),
		TEST(test_loss_stream_goes_on_over_a_change),
		TEST(test_runs_and_packets_are_treated_alike),
		TEST(test_delay_is_exact_and_keeps_frames_whole),
		TEST(test_delay_counts_from_the_stamp_and_lateness_does_not_add_up),
		TEST(test_jitter_keeps_order_range_and_mean),
		TEST(test_rate_is_exact_over_hours),
		TEST(test_rate_after_idle_starts_at_arrival),
		TEST(test_rate_releases_chunks_of_at_most_1_ms),
		TEST(test_limit_counts_packets_that_wait),
		TEST(test_limit_counts_inside_a_chunk),
		TEST(test_limit_counts_bytes),
		TEST(test_limit_counts_time),
		TEST(test_limit_of_nothing_still_passes_an_idle_link),
		TEST(test_limit_default_is_1000_packets),
		TEST(test_set_delay_keeps_what_is_in_the_line),
		TEST(test_set_rate_paces_the_queue_anew),
		TEST(test_set_rate_slower_paces_the_queue_anew),
		TEST(test_set_rate_away_empties_the_queue_at_once),
		TEST(test_set_rate_back_finds_an_idle_link),
		TEST(test_set_smaller_limit_drops_nothing_that_waits),
		TEST(test_set_loss_and_jitter_touch_nothing_that_waits),
		TEST(test_set_refuses_what_has_no_meaning),
		TEST(test_whole_frames_pass_whole_and_are_counted),
		TEST(test_exempt_frames_bypass_everything),
		TEST(test_exhausted_pool_is_a_counted_drop),
		TEST(test_exhausted_pool_of_small_frames),
		TEST(test_starved_and_missed_and_refused_are_told_apart),
		TEST(test_arrivals_never_go_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
