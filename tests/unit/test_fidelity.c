/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was asked and what came out, condition by condition: a million packets each through a pipe
 * on a virtual clock, against the closed form. Seeds are fixed, so a row never flickers; bounds are
 * those that a right engine exceeds once in a million seeds.
 *
 * Counts of independent events are held against the binomial distribution itself. A chain's two
 * chances (behind a hit, behind none) are two such counts, and together they are its share, its
 * correlation and its run lengths. Where only a sum over a hidden chain is seen, the bound is five
 * deviations of its asymptotic variance, worked out from the chain. Quantiles are held
 * against the distribution function by Kolmogorov's bound.
 *
 * The rows print the table of docs/fidelity.md; the test fails when that file has another one.
 * CHOPPY_FIDELITY=FILE writes it there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../heap_pool.h"
#include "distribution.h"
#include "port_mem.h"
#include "tracefile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define SECOND 1000000000ull
#define RARE 1e-6
#define KOLMOGOROV 2.694 /* 2 exp(-2 x^2) = RARE */

#if defined(__SANITIZE_ADDRESS__)
#define N 50000u
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define N 50000u
#endif
#endif
#ifndef N
#define N 1000000u
#endif

/* ------------------------------------------------------------ one condition's run */

/* What became of packet i (from 0). */
struct fate {
	uint64_t due_ns[2]; /* of its first two arrivals */
	uint32_t place; /* of its first arrival, among all arrivals */
	uint8_t arrivals;
	uint8_t marked;
};

struct trial {
	uint32_t n;
	uint64_t gap_ns;
	uint32_t len; /* of each frame */
	struct fate *fate;
	uint32_t arrived;
	uint64_t last_due_ns;
	struct choppy_counters count;
	struct pool pool;
	struct pipe *pipe;
};

static void collect(struct trial *t, struct run_list *out, uint64_t now_ns)
{
	while (out->head) {
		struct run *run = run_list_take(out);

		for (uint32_t u = 0; u < run->count; u++) {
			struct fate *f = &t->fate[run->frame->number - 1 + u];

			if (!f->arrivals)
				f->place = t->arrived;
			if (f->arrivals < 2)
				f->due_ns[f->arrivals] = run->due_ns;
			f->arrivals++;
			f->marked |= run->flags & FRAME_CE;
			t->arrived++;
		}
		if (run->due_ns > t->last_due_ns)
			t->last_due_ns = run->due_ns;
		pipe_sent(t->pipe, run, now_ns);
	}
	pool_settle(&t->pool);
}

/* An IPv4 UDP packet of @len bytes with ECT(0) set when @ect. */
static struct frame *packet(struct trial *t, bool ect)
{
	struct frame *f = frame_get(&t->pool, POOL_SMALL);
	unsigned char *eth;

	assert_non_null(f);
	f->len = t->len;
	eth = frame_eth(f);
	memset(eth, 0, t->len);
	memcpy(eth + 12, "\x08\x00\x45", 3);
	eth[15] = ect ? 2 : 0;
	eth[16] = (unsigned char)((t->len - 14) >> 8);
	eth[17] = (unsigned char)(t->len - 14);
	memcpy(eth + 22, "\x40\x11", 2);
	memcpy(eth + 26, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
	eth[38] = (unsigned char)((t->len - 34) >> 8);
	eth[39] = (unsigned char)(t->len - 34);
	frame_parse(f);
	return f;
}

static void set_words(struct trial *t, const char *words, struct run_list *out)
{
	static struct choppy_condition dir[CHOPPY_NDIRS];
	static struct choppy_rules rules;
	static struct trace *trace;
	struct choppy_err err = { 0 };
	struct pipe_plan plan = { .condition = &dir[CHOPPY_UP] };
	const int16_t *table;
	char text[512], *word[64], *save;
	int n = 0;

	snprintf(text, sizeof(text), "%s", words);
	for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
		word[n++] = w;
	if (choppy_condition_parse(dir, &rules, n, (const char *const *)word, &err) < 0)
		fail_msg("%s: %s", words, err.msg);
	if (dir[0].set & CHOPPY_FIELD_BIT(CHOPPY_DISTRIBUTION)) {
		assert_int_equal(distribution_load(dir[0].distribution, &table,
						   &plan.data.ndelay_table, &err),
				 0);
		plan.data.delay_table = table;
	}
	if (dir[0].set & CHOPPY_FIELD_BIT(CHOPPY_TRACE)) {
		assert_int_equal(trace_load(dir[0].trace, &trace, &err), 0);
		plan.trace = trace;
	}
	assert_int_equal(pipe_set(t->pipe, &plan, 0, out), 0);
}

/* @n packets of @len bytes, one every @gap_ns, through a pipe with these words. */
static void run_trial(struct trial *t, const char *words, uint32_t n, uint64_t gap_ns, uint32_t len)
{
	struct run_list out;
	uint64_t now_ns = 0;

	*t = (struct trial){ .n = n, .gap_ns = gap_ns, .len = len };
	t->fate = calloc(n, sizeof(*t->fate));
	assert_non_null(t->fate);
	heap_pool_init(&t->pool, 1u << 30);
	run_list_init(&out);
	t->pipe = pipe_new(&t->pool, 1, 0, CHOPPY_UP);
	assert_non_null(t->pipe);
	set_words(t, words, &out);
	for (uint32_t i = 0; i < n; i++) {
		struct frame *f = packet(t, strstr(words, "ecn"));

		now_ns = i * gap_ns;
		pipe_run(t->pipe, now_ns, now_ns, &out);
		f->at_ns = now_ns;
		pipe_input(t->pipe, f, now_ns, &out);
		collect(t, &out, now_ns);
	}
	for (uint64_t next; (next = pipe_next(t->pipe)) != PIPE_NEVER;) {
		now_ns = next > now_ns ? next : now_ns;
		pipe_run(t->pipe, now_ns, now_ns, &out);
		collect(t, &out, now_ns);
	}
	pipe_counters(t->pipe, &t->count, NULL);
	assert_int_equal(t->count.waiting, 0);
}

static void end_trial(struct trial *t)
{
	pipe_free(t->pipe);
	pool_done(&t->pool);
	free(t->fate);
}

/* -------------------------------------------------------------- closed forms */

static double log_choose(double n, double k)
{
	return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1);
}

/* P(X <= k) or P(X >= k) of a binomial count, whichever is the tail that @k stands in. */
static double binomial_tail(uint64_t k, uint64_t n, double p)
{
	bool upper = (double)k > p * (double)n;
	double sum = 0, term;

	if (p <= 0 || p >= 1)
		return k == (p >= 1 ? n : 0) ? 1 : 0;
	for (uint64_t i = k; i <= n; i += upper ? 1 : UINT64_MAX) {
		term = exp(log_choose((double)n, (double)i) + (double)i * log(p) +
			   (double)(n - i) * log1p(-p));
		sum += term;
		if (term < sum * 1e-12 || (!upper && i == 0))
			break;
	}
	return sum;
}

static double normal_cdf(double x)
{
	return 0.5 * erfc(-x / sqrt(2));
}

/*
 * Shape 3, cut at the quantile at which a table's largest number is reached, then made to have mean
 * 0 and deviation 1 (lib/distribution.h).
 */
static double pareto_cdf(double x)
{
	const double cut = pow(1 - 0.980713, -1 / 3.0), mean = 1.5 - 0.5 / (cut * cut);
	const double sigma = sqrt(3 - 2 / cut - mean * mean);
	double v = x * sigma + mean;

	return v <= 1 ? 0 : v >= 0.999 * cut ? 1 : 1 - pow(v, -3);
}

static double uniform_cdf(double x)
{
	return x <= -1 ? 0 : x >= 1 ? 1 : (x + 1) / 2;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Kolmogorov's distance of @v (sorted here) from @cdf, below @end, at which the rest stands. */
static double distance(double *v, size_t n, double (*cdf)(double), double end)
{
	double most = 0;

	qsort(v, n, sizeof(*v), by_value);
	for (size_t i = 0; i < n && v[i] < end;) {
		size_t j = i;
		double f = cdf(v[i]);

		while (j < n && v[j] == v[i])
			j++;
		most = fmax(most,
			    fmax(fabs(f - (double)i / (double)n), fabs((double)j / (double)n - f)));
		i = j;
	}
	return most;
}

/* --------------------------------------------------------------------- the table */

static FILE *table;

static void line(const char *asked, const char *what, const char *want, const char *got,
		 const char *bound, bool ok)
{
	fprintf(table, "| `%s` | %s | %s | %s | %s |\n", asked, what, want, got, bound);
	if (!ok)
		fail_msg("%s: %s: wanted %s, got %s, bound %s", asked, what, want, got, bound);
}

static void line_share(const char *asked, const char *what, uint64_t hits, uint64_t n, double p)
{
	char want[64], got[64];
	double tail = binomial_tail(hits, n, p);

	snprintf(want, sizeof(want), "%.6g%%", 100 * p);
	snprintf(got, sizeof(got), "%.4f%% of %llu", 100 * (double)hits / (double)n,
		 (unsigned long long)n);
	line(asked, what, want, got, "binomial", tail > RARE / 2);
}

static void line_near(const char *asked, const char *what, double want_value, double got_value,
		      double bound)
{
	char want[64], got[64], most[64];

	snprintf(want, sizeof(want), "%.6g", want_value);
	snprintf(got, sizeof(got), "%.6g", got_value);
	snprintf(most, sizeof(most), "± %.2g", bound);
	line(asked, what, want, got, most, fabs(want_value - got_value) <= bound);
}

static void line_count(const char *asked, const char *what, uint64_t want_value, uint64_t got_value)
{
	char want[64], got[64];

	snprintf(want, sizeof(want), "%llu", (unsigned long long)want_value);
	snprintf(got, sizeof(got), "%llu", (unsigned long long)got_value);
	line(asked, what, want, got, "exact", want_value == got_value);
}

/* ------------------------------------------------------------------------ loss */

static bool lost(const struct trial *t, uint32_t i)
{
	return !t->fate[i].arrivals;
}

static bool twice(const struct trial *t, uint32_t i)
{
	return t->fate[i].arrivals == 2;
}

static double autocorrelation(const struct trial *t, bool (*hit)(const struct trial *, uint32_t),
			      uint32_t lag)
{
	double mean = 0, var = 0, cov = 0;

	for (uint32_t i = 0; i < t->n; i++)
		mean += hit(t, i);
	mean /= t->n;
	for (uint32_t i = 0; i < t->n; i++)
		var += (hit(t, i) - mean) * (hit(t, i) - mean);
	for (uint32_t i = lag; i < t->n; i++)
		cov += (hit(t, i) - mean) * (hit(t, i - lag) - mean);
	return cov / var;
}

/* A two-state chain, seen: its two chances, and what they come to. */
static void chain_rows(const char *asked, const struct trial *t,
		       bool (*hit)(const struct trial *, uint32_t), double after_no,
		       double after_yes)
{
	uint64_t seen[2] = { 0 }, hits[2] = { 0 }, all = 0, runs = 0;
	double share = after_no / (1 - after_yes + after_no);
	double c = after_yes - after_no;

	for (uint32_t i = 0; i < t->n; i++) {
		bool now = hit(t, i), before = i && hit(t, i - 1);

		all += now;
		runs += now && !before;
		seen[before] += i > 0;
		hits[before] += i > 0 && now;
	}
	line_share(asked, "chance behind none", hits[0], seen[0], after_no);
	line_share(asked, "chance behind one", hits[1], seen[1], after_yes);
	line_near(asked, "share in the long run", share, (double)all / t->n,
		  5 * sqrt(share * (1 - share) * (1 + c) / (1 - c) / t->n));
	line_near(asked, "mean run", 1 / (1 - after_yes), (double)all / (double)runs,
		  5 * sqrt(after_yes) / (1 - after_yes) / sqrt((double)runs));
	line_near(asked, "correlation with the one before", c, autocorrelation(t, hit, 1),
		  5 / sqrt(share * (1 - share) * t->n) * 0.5 + 5 / sqrt(t->n));
	line_near(asked, "correlation five apart", pow(c, 5), autocorrelation(t, hit, 5),
		  5 / sqrt(share * (1 - share) * t->n) * 0.5 + 5 / sqrt(t->n));
}

static void test_loss_independent(void **state)
{
	static const struct {
		const char *words;
		double p;
	} rows[] = {
		{ "loss 0.01%", 0.0001 }, { "loss 1%", 0.01 }, { "loss 30%", 0.3 },
		{ "loss 99.9%", 0.999 },  { "loss 100%", 1 },  { "loss 0%", 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct trial t;

		run_trial(&t, rows[i].words, N, 1000, 100);
		line_share(rows[i].words, "lost", t.count.dropped[CHOPPY_DROP_LOSS], N, rows[i].p);
		end_trial(&t);
	}
}

static void test_loss_correlated(void **state)
{
	static const struct {
		const char *words;
		double after_no, after_yes;
	} rows[] = {
		{ "loss 20% 75%", 0.2 * 0.25, 0.2 + 0.75 * 0.8 },
		{ "loss 5% 25%", 0.05 * 0.75, 0.05 + 0.25 * 0.95 },
		{ "loss 2% burst 5", 0.02 / (5 * 0.98), 0.8 },
		{ "loss 10% burst 2.5", 0.1 / (2.5 * 0.9), 0.6 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct trial t;

		run_trial(&t, rows[i].words, N, 1000, 100);
		chain_rows(rows[i].words, &t, lost, rows[i].after_no, rows[i].after_yes);
		end_trial(&t);
	}
}

static void test_loss_gemodel(void **state)
{
	static const struct {
		const char *words;
		double p, r, bad, good;
	} rows[] = {
		{ "loss gemodel 1% 10% 70% 0.1%", 0.01, 0.1, 0.7, 0.001 },
		{ "loss gemodel 2% 20%", 0.02, 0.2, 1, 0 },
		{ "loss gemodel 5%", 0.05, 0.95, 1, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double pi = rows[i].p / (rows[i].p + rows[i].r), lambda = 1 - rows[i].p - rows[i].r;
		double share = pi * rows[i].bad + (1 - pi) * rows[i].good;
		double spread =
			(rows[i].bad - rows[i].good) * (rows[i].bad - rows[i].good) * pi * (1 - pi);
		double var = share * (1 - share);
		struct trial t;

		run_trial(&t, rows[i].words, N, 1000, 100);
		line_near(rows[i].words, "share in the long run", share,
			  (double)t.count.dropped[CHOPPY_DROP_LOSS] / N,
			  5 * sqrt((var + 2 * spread * lambda / (1 - lambda)) / N));
		line_near(rows[i].words, "correlation with the one before", spread * lambda / var,
			  autocorrelation(&t, lost, 1), 5 / sqrt(var * N) * 0.5 + 5 / sqrt(N));
		line_near(rows[i].words, "correlation five apart", spread * pow(lambda, 5) / var,
			  autocorrelation(&t, lost, 5), 5 / sqrt(var * N) * 0.5 + 5 / sqrt(N));
		end_trial(&t);
	}
}

/* Powers of the chain, from its stationary state: share, and correlation at @lag. */
static void four_states(const double p[4][4], const double pi[4], double *share, double *corr,
			double *sum)
{
	double v[4] = { 0, 0, pi[2], pi[3] };

	*share = pi[2] + pi[3];
	*sum = 0;
	for (int lag = 1; lag < 2000; lag++) {
		double w[4] = { 0 }, c;

		for (int i = 0; i < 4; i++)
			for (int j = 0; j < 4; j++)
				w[j] += v[i] * p[i][j];
		memcpy(v, w, sizeof(v));
		c = v[2] + v[3] - *share * *share;
		if (lag == 1)
			*corr = c / (*share * (1 - *share));
		*sum += c;
	}
}

static void test_loss_state(void **state)
{
	static const char words[] = "loss state 2% 30% 20% 40% 1%";
	const double p[4][4] = {
		{ 0.97, 0, 0.02, 0.01 }, { 0, 0.6, 0.4, 0 }, { 0.3, 0.2, 0.5, 0 }, { 1, 0, 0, 0 }
	};
	double pi[4] = { 1, 0, 0, 0 }, share, corr = 0, sum;
	struct trial t;

	for (int i = 0; i < 100000; i++) {
		double w[4] = { 0 };

		for (int a = 0; a < 4; a++)
			for (int b = 0; b < 4; b++)
				w[b] += pi[a] * p[a][b];
		memcpy(pi, w, sizeof(pi));
	}
	four_states(p, pi, &share, &corr, &sum);
	run_trial(&t, words, N, 1000, 100);
	line_near(words, "share in the long run", share,
		  (double)t.count.dropped[CHOPPY_DROP_LOSS] / N,
		  5 * sqrt((share * (1 - share) + 2 * sum) / N));
	line_near(words, "correlation with the one before", corr, autocorrelation(&t, lost, 1),
		  5 / sqrt(share * (1 - share) * N) * 0.5 + 5 / sqrt(N));
	end_trial(&t);
}

static void test_loss_without_chance(void **state)
{
	struct trial t;

	run_trial(&t, "loss every 10", N, 1000, 100);
	line_count("loss every 10", "lost", N / 10, t.count.dropped[CHOPPY_DROP_LOSS]);
	assert_true(lost(&t, 9) && lost(&t, 19) && !lost(&t, 0));
	end_trial(&t);
	run_trial(&t, "drop 1,3,7-9", N, 1000, 100);
	line_count("drop 1,3,7-9", "lost", 5, t.count.dropped[CHOPPY_DROP_LIST]);
	assert_true(lost(&t, 0) && lost(&t, 2) && lost(&t, 6) && lost(&t, 7) && lost(&t, 8));
	end_trial(&t);
	run_trial(&t, "flap 1s/100ms", 100000, MS, 100);
	line_count("flap 1s/100ms", "lost of 100 s at 1000 a second", 10000,
		   t.count.dropped[CHOPPY_DROP_OUTAGE]);
	end_trial(&t);
	run_trial(&t, "loss 10% ecn", N, 1000, 100);
	line_share("loss 10% ecn", "marked", t.count.marked, N, 0.1);
	assert_int_equal(t.count.dropped[CHOPPY_DROP_LOSS], 0);
	end_trial(&t);
}

/* ------------------------------------------------- duplication, corruption, order */

static void test_duplicate(void **state)
{
	struct trial t;

	run_trial(&t, "duplicate 2%", N, 1000, 100);
	line_share("duplicate 2%", "arrived twice", t.count.duplicated, N, 0.02);
	end_trial(&t);
	run_trial(&t, "duplicate 5% 50%", N, 1000, 100);
	chain_rows("duplicate 5% 50%", &t, twice, 0.05 * 0.5, 0.05 + 0.5 * 0.95);
	end_trial(&t);
}

static void test_corrupt(void **state)
{
	struct trial t;

	run_trial(&t, "corrupt 1%", N, 1000, 100);
	line_share("corrupt 1%", "with a wrong bit", t.count.corrupted, N, 0.01);
	end_trial(&t);
	run_trial(&t, "corrupt 1% fix", N, 1000, 100);
	line_share("corrupt 1% fix", "with a wrong bit", t.count.corrupted, N, 0.01);
	end_trial(&t);
}

static void test_reorder(void **state)
{
	uint32_t exact = 0, held = 0;
	struct trial t;

	run_trial(&t, "delay 10ms reorder 25% gap 5", N, MS, 100);
	line_count("delay 10ms reorder 25% gap 5", "arrived", N, t.count.delivered);
	/* Of every five packets at the least four are delayed: 1 / (4 + 1 / 0.25) go at once. */
	line_near("delay 10ms reorder 25% gap 5", "went at once", 0.125,
		  (double)t.count.reordered / N, 5 * sqrt(0.125 * 0.875 / N));
	end_trial(&t);
	run_trial(&t, "reorder 1% by 3", N, MS, 100);
	line_share("reorder 1% by 3", "overtaken", t.count.reordered, N, 0.01);
	for (uint32_t i = 0; i + 4 < N; i++) {
		if (t.fate[i].place < t.fate[i + 1].place)
			continue;
		held++;
		exact += t.fate[i].place > t.fate[i + 3].place &&
			 t.fate[i].place < t.fate[i + 4].place;
	}
	/* Two that are held within three of each other disturb each other's count. */
	line_near("reorder 1% by 3", "of them by exactly 3", 1, (double)exact / held, 0.05);
	end_trial(&t);
}

/* ------------------------------------------------------------------------ delay */

static double *jitters(const struct trial *t, double delay_ns, double sigma_ns)
{
	double *v = malloc(t->n * sizeof(*v));

	assert_non_null(v);
	for (uint32_t i = 0; i < t->n; i++)
		v[i] = ((double)t->fate[i].due_ns[0] - (double)(i * t->gap_ns) - delay_ns) /
		       sigma_ns;
	return v;
}

static double series_correlation(const double *v, uint32_t n, uint32_t lag)
{
	double mean = 0, var = 0, cov = 0;

	for (uint32_t i = 0; i < n; i++)
		mean += v[i];
	mean /= n;
	for (uint32_t i = 0; i < n; i++)
		var += (v[i] - mean) * (v[i] - mean);
	for (uint32_t i = lag; i < n; i++)
		cov += (v[i] - mean) * (v[i - lag] - mean);
	return cov / var;
}

static void test_delay_distributions(void **state)
{
	static const struct {
		const char *words;
		double delay_ns, sigma_ns;
		double (*cdf)(double);
		double correlation;
		double step; /* of the table */
		double end; /* of its numbers, or 0: none is reached */
	} rows[] = {
		{ "delay 50ms 10ms reorder jitter", 50e6, 10e6, uniform_cdf, 0, 1e-7, 0 },
		{ "delay 50ms 10ms 25% reorder jitter", 50e6, 10e6, uniform_cdf, 0.25, 1e-7, 0 },
		{ "delay 50us 10us 75% reorder jitter", 50e3, 10e3, uniform_cdf, 0.75, 1e-4, 0 },
		{ "delay 10s 2s 75% reorder jitter", 10e9, 2e9, uniform_cdf, 0.75, 1e-7, 0 },
		{ "delay 50ms 10ms distribution normal reorder jitter", 50e6, 10e6, normal_cdf, 0,
		  1.0 / 4096, 0 },
		{ "delay 50ms 10ms 50% distribution normal reorder jitter", 50e6, 10e6, normal_cdf,
		  0.5, 1.0 / 4096, 0 },
		{ "delay 50ms 10ms distribution pareto reorder jitter", 50e6, 10e6, pareto_cdf, 0,
		  1.0 / 4096, 3.999 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double c = rows[i].correlation, spread = (1 + c) / (1 - c), *v;
		struct trial t;

		run_trial(&t, rows[i].words, N, MS, 100);
		v = jitters(&t, rows[i].delay_ns, rows[i].sigma_ns);
		line_near(rows[i].words, "correlation with the one before", c,
			  series_correlation(v, N, 1), 5 / sqrt(N) * 2);
		line_near(rows[i].words, "correlation five apart", pow(c, 5),
			  series_correlation(v, N, 5), 5 / sqrt(N) * 2);
		/* Repeated values count as one: the sample is so much smaller. */
		line_near(rows[i].words, "distance from the distribution", 0,
			  distance(v, N, rows[i].cdf, rows[i].end ? rows[i].end : INFINITY),
			  KOLMOGOROV * sqrt(spread) / sqrt(N) + rows[i].step);
		free(v);
		end_trial(&t);
	}
}

static void test_delay_constant(void **state)
{
	uint64_t wrong = 0;
	struct trial t;

	run_trial(&t, "delay 50ms", N, 1000, 100);
	for (uint32_t i = 0; i < N; i++)
		wrong += t.fate[i].due_ns[0] != i * t.gap_ns + 50 * MS;
	line_count("delay 50ms", "packets not exactly 50 ms later", 0, wrong);
	end_trial(&t);
	run_trial(&t, "delay 50ms 10ms", N, 1000, 100);
	wrong = 0;
	for (uint32_t i = 1; i < N; i++)
		wrong += t.fate[i].place < t.fate[i - 1].place;
	line_count("delay 50ms 10ms", "packets out of order", 0, wrong);
	end_trial(&t);
}

/* ------------------------------------------------------------------------- rate */

static void test_rate(void **state)
{
	static const struct {
		const char *words;
		double bps;
		uint32_t len, wire; /* of a packet: as Linux sees it, as the rate counts it */
	} rows[] = {
		{ "rate 10mbit limit 100000packets", 10e6, 1000, 1000 },
		{ "rate 1gbit limit 1s", 1e9, 1514, 1514 },
		{ "rate 10mbit overhead ethernet limit 1s", 10e6, 60, 84 },
		{ "rate 10mbit overhead 38bytes limit 1s", 10e6, 1000, 1038 },
		{ "rate 8mbit overhead 18bytes cells limit 1s", 8e6, 1000, 22 * 53 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t n = 100000;
		uint64_t gap_ns = (uint64_t)(rows[i].wire * 8e9 / rows[i].bps) * 99 / 100;
		struct trial t;
		double bits;

		run_trial(&t, rows[i].words, n, gap_ns, rows[i].len);
		bits = 8.0 * rows[i].wire * (double)t.count.delivered;
		line_near(rows[i].words, "bit/s on the wire", rows[i].bps,
			  bits / (double)t.last_due_ns * 1e9, rows[i].bps * 1e-8);
		end_trial(&t);
	}
}

/* ------------------------------------------------------------------------ queues */

/* A packet of 1000 bytes takes 0.8 ms of 10 Mbit/s; they come so that 5 of 4 fit. */
#define SERVED_NS 800000u
#define OFFERED_NS 640000u

/* Mean time in the link of those that arrived behind the first tenth. */
static double mean_delay_ns(const struct trial *t)
{
	double sum = 0;
	uint32_t n = 0;

	for (uint32_t i = t->n / 10; i < t->n; i++) {
		if (!t->fate[i].arrivals)
			continue;
		sum += (double)t->fate[i].due_ns[0] - (double)i * (double)t->gap_ns;
		n++;
	}
	return sum / n;
}

static void overload(struct trial *t, const char *words)
{
	double share;

	run_trial(t, words, N, OFFERED_NS, 1000);
	share = (double)t->count.delivered / N;
	/* What fills the queue at the beginning is all that is not in the ratio. */
	line_near(words, "share that fits", (double)OFFERED_NS / SERVED_NS, share, 2000.0 / N);
}

static void test_queues_under_overload(void **state)
{
	static const struct {
		const char *words;
		double delay_ns, bound_ns; /* of the mean */
	} rows[] = {
		/* a full queue before each packet, and its own time; the last place is free part of
		   it */
		{ "rate 10mbit limit 100packets", 100.5 * SERVED_NS, 0.6 * SERVED_NS },
		{ "rate 10mbit limit 100kb", 102.9 * SERVED_NS, 1.1 * SERVED_NS },
		{ "rate 10mbit limit 50ms", 50e6 + 0.5 * SERVED_NS, 0.6 * SERVED_NS },
		/* with head drop every arrival moves the queue on, not every departure */
		{ "rate 10mbit limit 100packets queue head", 100.0 * OFFERED_NS + SERVED_NS,
		  0.6 * SERVED_NS },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct trial t;

		overload(&t, rows[i].words);
		line_near(rows[i].words, "mean delay, ns", rows[i].delay_ns, mean_delay_ns(&t),
			  rows[i].bound_ns);
		end_trial(&t);
	}
}

/* Where a queue is kept short by drops it is the drops that make the rates equal. */
static void test_managed_queues_under_overload(void **state)
{
	static const char *const rows[] = {
		"rate 10mbit limit 10000packets queue codel",
		"rate 10mbit limit 10000packets queue fq_codel",
		"rate 10mbit limit 10000packets queue pie",
		"rate 10mbit limit 100kb queue red min 20kb max 60kb probability 50%",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct trial t;

		run_trial(&t, rows[i], N, OFFERED_NS, 1000);
		line_near(rows[i], "share that fits", (double)OFFERED_NS / SERVED_NS,
			  (double)t.count.delivered / N, 10000.0 / N);
		assert_true(t.count.dropped[CHOPPY_DROP_AQM] > 0);
		end_trial(&t);
	}
}

/* PIE settles where its drops hold the delay at the target. */
static void test_pie_holds_its_target(void **state)
{
	static const char words[] = "rate 10mbit limit 10000packets queue pie target 20ms";
	struct trial t;

	run_trial(&t, words, N, OFFERED_NS, 1000);
	line_near(words, "mean delay, ns", 20e6, mean_delay_ns(&t), 1e6);
	line_near(words, "share dropped by it", 0.2, (double)t.count.dropped[CHOPPY_DROP_AQM] / N,
		  10000.0 / N);
	end_trial(&t);
}

/* -------------------------------------------------------------- traces and slots */

static void test_mahimahi(void **state)
{
	static const char words[] = "trace " TEST_SOURCE "/examples/steps.trace limit 1000packets";
	struct trace *trace;
	struct choppy_err err;
	uint64_t chances = 0, wrong = 0, n = 100000, at = 0;
	struct trial t;

	assert_int_equal(trace_load(TEST_SOURCE "/examples/steps.trace", &trace, &err), 0);
	/* Full-sized packets that come faster than any chance: one leaves at each, in order. */
	run_trial(&t, words, (uint32_t)n, 100000, 1514);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t due_ns;

		if (!t.fate[i].arrivals)
			continue;
		due_ns = (chances / trace->nrows * trace->chance_ms[trace->nrows - 1] +
			  trace->chance_ms[chances % trace->nrows]) *
			 MS;
		at += due_ns <= i * t.gap_ns; /* it had passed before the packet came */
		wrong += t.fate[i].due_ns[0] != due_ns;
		chances++;
	}
	line_count("trace steps.trace", "packets that left at another time than mahimahi's", 0,
		   wrong + at);
	trace_free(trace);
	end_trial(&t);
}

static void test_slots(void **state)
{
	static const char words[] = "slot 10ms packets 4";
	uint64_t most = 0, in_slot = 0, odd = 0;
	struct trial t;

	run_trial(&t, words, N, 5 * MS, 100);
	for (uint32_t i = 1; i < N; i++) {
		bool same = t.fate[i].due_ns[0] == t.fate[i - 1].due_ns[0];

		in_slot = same ? in_slot + 1 : 1;
		most = in_slot > most ? in_slot : most;
		odd += !same && t.fate[i].due_ns[0] - t.fate[i - 1].due_ns[0] < 10 * MS;
	}
	line_count(words, "slots less than 10 ms apart", 0, odd);
	assert_in_range(most, 2, 4);
	end_trial(&t);
}

/* ------------------------------------------------------------------------- document */

static char *document;
static size_t document_size;

static int setup(void **state)
{
	table = open_memstream(&document, &document_size);
	return table ? 0 : -1;
}

static void test_document_is_up_to_date(void **state)
{
	const char *to = getenv("CHOPPY_FIDELITY"), *from = getenv("CHOPPY_FIDELITY_DOC");
	char *text = NULL;
	size_t size = 0;
	FILE *f;

	fflush(table);
	if (to) {
		f = fopen(to, "we");
		assert_non_null(f);
		fputs(document, f);
		fclose(f);
	}
	if (!from || N != 1000000u)
		return;
	f = fopen(from, "re");
	assert_non_null(f);
	assert_true(getdelim(&text, &size, '\0', f) > 0);
	fclose(f);
	if (!strstr(text, document))
		fail_msg("%s has another table: make fidelity writes it anew", from);
	free(text);
}

static int teardown(void **state)
{
	fclose(table);
	free(document);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loss_independent),
		cmocka_unit_test(test_loss_correlated),
		cmocka_unit_test(test_loss_gemodel),
		cmocka_unit_test(test_loss_state),
		cmocka_unit_test(test_loss_without_chance),
		cmocka_unit_test(test_duplicate),
		cmocka_unit_test(test_corrupt),
		cmocka_unit_test(test_reorder),
		cmocka_unit_test(test_delay_constant),
		cmocka_unit_test(test_delay_distributions),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_queues_under_overload),
		cmocka_unit_test(test_managed_queues_under_overload),
		cmocka_unit_test(test_pie_holds_its_target),
		cmocka_unit_test(test_mahimahi),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_document_is_up_to_date),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
