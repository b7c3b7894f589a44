/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shapes of random times: the tables and their closed forms, tables out of text, and
 * the stages that draw by them, delay and slot, over a million packets each with fixed seeds.
 *
 * Bounds leave a correct program a chance of 1e-6 to fail, if its seeds were random:
 * for the greatest distance between the found and the right distribution by Massart's
 * inequality, for means by the normal quantile 4.9. What is correlated with rho^k at lag k says as
 * much about its mean as n (1 - rho) / (1 + rho) independent values.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dist.h"
#include "distribution.h"
#include "stage.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define US 1000ull
#define MS 1000000ull
#define SEC 1000000000ull
#define N 1000000u
#define Z 4.9 /* normal quantile, two-sided, of 1e-6 */
#define CAP (32767.0 / DISTRIBUTION_ONE)

/* ------------------------------------------------------------------ closed forms */

/* A distribution on a parameter z that it grows with; F is that of z. */
struct shape {
	const char *name;
	double (*value)(double z);
	double (*cdf)(double z);
	double from, to; /* of z */
	double density; /* no more than this, per deviation */
	double mean, sigma; /* of the value, with what is above CAP cut off */
};

static double identity(double z)
{
	return z;
}

static double normal_cdf(double z)
{
	return erfc(-z / M_SQRT2) / 2;
}

static double even_cdf(double z)
{
	return (z + 1) / 2;
}

static double pareto_cdf(double z)
{
	return 1 - pow(z, -3);
}

/* z is normal; the same share of a Pareto distribution is below the value's other part. */
static double mixed(double z)
{
	double pareto = pow(normal_cdf(-z), -1 / 3.0);

	return z / 4 + (pareto - 1.5) / sqrt(0.75) * 3 / 4;
}

static struct shape shapes[] = {
	{ "uniform", identity, even_cdf, -1, 1, 0.5, 0, 0 },
	{ "normal", identity, normal_cdf, -8, 8, 0.4, 0, 0 },
	{ "pareto", identity, pareto_cdf, 1, 1e6, 1.72, 0, 0 },
	{ "paretonormal", mixed, normal_cdf, -8, 8, 1.1, 0, 0 },
};

static double clamp(double x, double low, double high)
{
	return x < low ? low : x > high ? high : x;
}

/* The z at which @f, which grows, reaches @y. */
static double invert(double (*f)(double), double y, double from, double to)
{
	for (int i = 0; i < 80; i++) {
		double mid = (from + to) / 2;

		*(f(mid) < y ? &from : &to) = mid;
	}
	return from;
}

#define PARTS DISTRIBUTION_SIZE

/* Mean and deviation, once what is CAP deviations above the mean is cut off there, by as many
 * quantiles as a table has. */
static void normalise(struct shape *s)
{
	static double x[PARTS];

	for (int i = 0; i < PARTS; i++)
		x[i] = s->value(invert(s->cdf, (i + 0.5) / PARTS, s->from, s->to));
	s->mean = 0;
	s->sigma = 1;
	for (int round = 0; round < 200; round++) {
		double top = s->mean + CAP * s->sigma, sum = 0, squares = 0;

		for (int i = 0; i < PARTS; i++) {
			sum += fmin(x[i], top);
			squares += pow(fmin(x[i], top), 2);
		}
		s->mean = sum / PARTS;
		s->sigma = sqrt(squares / PARTS - s->mean * s->mean);
	}
	/* tc(8)'s uniform is as wide as the jitter, which is not its deviation. */
	if (s == shapes)
		s->sigma = 1;
}

static int make_shapes(void **state)
{
	for (size_t i = 0; i < COUNT(shapes); i++)
		normalise(&shapes[i]);
	return 0;
}

/* The share of what is @x deviations above the mean or less. */
static double shape_cdf(const struct shape *s, double x)
{
	double y = s->mean + x * s->sigma;

	if (s != shapes && x >= CAP - 1e-9)
		return 1;
	return s->cdf(clamp(s->value == identity ? y : invert(s->value, y, s->from, s->to), s->from,
			    s->to));
}

/* ------------------------------------------------------------------ tables */

static void load(const char *name, const int16_t **table, uint32_t *n)
{
	struct choppy_err err = { 0 };

	if (distribution_load(name, table, n, &err) < 0)
		fail_msg("%s", err.msg);
}

static void test_built_in(void **state)
{
	static const int32_t least[] = { -8192, -30056, -6718, -14717 };
	unsigned int i;

	for (i = 0; distribution_name(i); i++) {
		const int16_t *table = (const int16_t *)shapes;
		double sum = 0, squares = 0;
		uint32_t n = 1;

		assert_string_equal(distribution_name(i), shapes[i].name);
		load(shapes[i].name, &table, &n);
		assert_int_equal(n, i ? DISTRIBUTION_SIZE : 0);
		assert_int_equal(distribution_least(table, n), least[i]);
		distribution_free(table);
		if (!i)
			assert_null(table);
		for (uint32_t k = 0; k < n; k++) {
			/* The quantile in the middle of the k-th part, to the nearest step. */
			double u = (k + 0.5) / n, x = table[k] / (double)DISTRIBUTION_ONE;
			double near = 0.6 / DISTRIBUTION_ONE;

			assert_true(table[k] < 32767 ? shape_cdf(&shapes[i], x - near) < u &&
							       shape_cdf(&shapes[i], x + near) > u
						     : shape_cdf(&shapes[i], x - near) <
							       u + 1.0 / DISTRIBUTION_SIZE);
			sum += table[k];
			squares += (double)table[k] * table[k];
		}
		if (n) {
			assert_true(fabs(sum / n) < 0.01);
			assert_true(fabs(sqrt(squares / n) / DISTRIBUTION_ONE - 1) < 1e-5);
		}
	}
	assert_int_equal(i, COUNT(shapes));
}

static void test_tables_are_what_the_script_makes(void **state)
{
	if (system("python3 -c '' 2>/dev/null") != 0)
		skip();
	assert_int_equal(system("cd '" TEST_SOURCE "' && PYTHONDONTWRITEBYTECODE=1 python3 "
				"scripts/make-distributions | cmp - lib/distribution_tables.c"),
			 0);
}

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		uint32_t n;
		int16_t v[6];
		int32_t least;
	} good[] = {
		{ "0", 1, { 0 }, 0 },
		{ "1 2\n3\t4\r\n\v5\f6", 6, { 1, 2, 3, 4, 5, 6 }, 1 },
		{ "# a table\n -32768 32767 # the ends\n#\n+5#x\n",
		  3,
		  { -32768, 32767, 5 },
		  -32768 },
		{ "-0 00000000000000000000000012 #", 2, { 0, 12 }, 0 },
		{ "3 -1 2\n#no newline", 3, { 3, -1, 2 }, -1 },
	};

	for (size_t i = 0; i < COUNT(good); i++) {
		const int16_t *table = NULL;
		struct choppy_err err = { 0 };
		uint32_t n = 0;

		if (distribution_parse("d", good[i].text, strlen(good[i].text), &table, &n, &err))
			fail_msg("%s", err.msg);
		assert_int_equal(n, good[i].n);
		assert_memory_equal(table, good[i].v, n * sizeof(*table));
		assert_int_equal(distribution_least(table, n), good[i].least);
		distribution_free(table);
	}
}

#define NUMBERS "a table has numbers from -32768 to 32767, 8192 for one standard deviation"

static void check_refused(const char *text, size_t len, const char *msg)
{
	const int16_t *const before = (const int16_t *)shapes, *table = before;
	struct choppy_err err = { 0 };
	uint32_t n = 77;

	assert_int_equal(distribution_parse("d", text, len, &table, &n, &err), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_string_equal(err.msg, msg);
	assert_ptr_equal(table, before);
	assert_int_equal(n, 77);
	assert_int_equal(distribution_parse("d", text, len, &table, &n, NULL), -EINVAL);
}

static void test_bad(void **state)
{
	static const struct {
		const char *text, *msg;
	} bad[] = {
		{ "", "d:1:1: there is no number: " NUMBERS },
		{ " \n# nothing\n\n", "d:4:1: there is no number: " NUMBERS },
		{ "1\n2 x\n", "d:2:3: 'x' is no whole number: " NUMBERS },
		{ "1, 2", "d:1:1: '1,' is no whole number: " NUMBERS },
		{ "1\n 0x10", "d:2:2: '0x10' is no whole number: " NUMBERS },
		{ "1.5", "d:1:1: '1.5' is no whole number: " NUMBERS },
		{ "1e3", "d:1:1: '1e3' is no whole number: " NUMBERS },
		{ "-", "d:1:1: '-' is no whole number: " NUMBERS },
		{ "5 +", "d:1:3: '+' is no whole number: " NUMBERS },
		{ "--5", "d:1:1: '--5' is no whole number: " NUMBERS },
		{ "5-", "d:1:1: '5-' is no whole number: " NUMBERS },
		{ "nan", "d:1:1: 'nan' is no whole number: " NUMBERS },
		{ "; 5", "d:1:1: ';' is no whole number: " NUMBERS },
		{ "\x01\x7f", "d:1:1: '?\?' is no whole number: " NUMBERS },
		{ "32767 32768", "d:1:7: 32768 is out of range: " NUMBERS },
		{ "\n-32769", "d:2:1: -32769 is out of range: " NUMBERS },
		{ "4294967297", "d:1:1: 4294967297 is out of range: " NUMBERS },
		{ "18446744073709551617", "d:1:1: 18446744073709551617 is out of range: " NUMBERS },
		{ "1 aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee",
		  "d:1:3: 'aaaaaaaaaabbbbbbbbbbccccccccccddddddd...' is no whole "
		  "number: " NUMBERS },
		{ "\xef\xbb\xbf 5",
		  "d:1:1: a byte order mark: save the text as UTF-8 without one" },
	};
	static char many[2 * DISTRIBUTION_MAX + 2];

	for (size_t i = 0; i < COUNT(bad); i++)
		check_refused(bad[i].text, strlen(bad[i].text), bad[i].msg);
	check_refused("1\n2\0", 4, "d:2:2: a NUL byte: this is no text");
	for (size_t i = 0; i < sizeof(many); i += 2)
		memcpy(many + i, "1\n", 2);
	check_refused(many, sizeof(many),
		      "d:16385:1: one number too many: a table has 16384 at most");
}

static void check_unread(const char *path, int code, const char *msg)
{
	struct choppy_err err = { 0 };
	const int16_t *table = NULL;
	uint32_t n = 77;

	assert_int_equal(distribution_load(path, &table, &n, &err), code);
	assert_string_equal(err.msg, msg);
	assert_null(table);
	assert_int_equal(n, 77);
}

static void test_files(void **state)
{
	char path[] = "/tmp/choppy-dist-XXXXXX", msg[256];
	int fd = mkstemp(path);
	const int16_t *table;
	uint32_t n;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "5 6 #\n7", 7), 7);
	load(path, &table, &n);
	assert_int_equal(n, 3);
	assert_int_equal(table[2], 7);
	distribution_free(table);
	assert_int_equal(write(fd, "\nx", 2), 2);
	snprintf(msg, sizeof(msg), "%s:3:1: 'x' is no whole number: " NUMBERS, path);
	check_unread(path, -EINVAL, msg);
	assert_int_equal(ftruncate(fd, DISTRIBUTION_FILE_MAX + 1), 0);
	snprintf(msg, sizeof(msg), "%s has more than 1048576 bytes, the most there may be", path);
	check_unread(path, -EFBIG, msg);
	assert_int_equal(ftruncate(fd, DISTRIBUTION_FILE_MAX), 0);
	snprintf(msg, sizeof(msg), "%s:3:2: a NUL byte: this is no text", path);
	check_unread(path, -EINVAL, msg);
	close(fd);
	unlink(path);
	check_unread("Normal", -ENOENT,
		     "Normal is no file and no distribution: use uniform, normal, pareto, "
		     "paretonormal or the path of a tc distribution table");
	check_unread("/", -EISDIR, "/ is a directory: name a file in it");
	check_unread("/dev/zero", -EINVAL,
		     "/dev/zero is not a regular file: copy its text into one");
	check_unread("/dev/null/x", -ENOTDIR, "cannot read /dev/null/x: Not a directory");
}

/* ------------------------------------------------------------------ sampling */

/* Rounded to the nearest nanosecond, halves away from the mean; never below 0. */
static void test_rounding(void **state)
{
	static const int16_t t[] = { -32768, -8192, -4096, -1, 0, 1, 4096, 8192, 32767 };
	static const struct {
		uint64_t mean, sigma, at[COUNT(t)];
	} rows[] = {
		{ 100, 0, { 100, 100, 100, 100, 100, 100, 100, 100, 100 } },
		{ 100, 1, { 96, 99, 99, 100, 100, 100, 101, 101, 104 } },
		{ 100, 3, { 88, 97, 98, 100, 100, 100, 102, 103, 112 } },
		{ 1, 3, { 0, 0, 0, 1, 1, 1, 3, 4, 13 } },
		{ 5000000,
		  4096,
		  { 4983616, 4995904, 4997952, 4999999, 5000000, 5000001, 5002048, 5004096,
		    5016384 } },
		{ 14400000000000,
		  3600000000000,
		  { 0, 10800000000000, 12600000000000, 14399560546875, 14400000000000,
		    14400439453125, 16200000000000, 18000000000000, 28799560546875 } },
		/* 64 bits do not hold these products. */
		{ 1ull << 62,
		  1ull << 61,
		  { 0, 1ull << 61, 3ull << 60, (1ull << 62) - (1ull << 48), 1ull << 62,
		    (1ull << 62) + (1ull << 48), 5ull << 60, 3ull << 61,
		    (1ull << 62) + (32767ull << 48) } },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct dist d = dist_shaped(rows[i].mean, rows[i].sigma, t, COUNT(t));

		for (size_t k = 0; k < COUNT(t); k++) {
			uint64_t first = (uint64_t)(((unsigned __int128)k << 64) / COUNT(t)) + 1;

			assert_int_equal(dist_at(&d, first), rows[i].at[k]);
		}
		assert_int_equal(dist_at(&d, 0), rows[i].at[0]);
		assert_int_equal(dist_at(&d, UINT64_MAX), rows[i].at[COUNT(t) - 1]);
	}
}

static void test_even_has_both_ends(void **state)
{
	struct dist d = dist_shaped(10, 3, NULL, 0), one = dist_even(5, 5);

	assert_int_equal(dist_at(&d, 0), 7);
	assert_int_equal(dist_at(&d, UINT64_MAX / 7 * 3 + 9), 10);
	assert_int_equal(dist_at(&d, UINT64_MAX), 13);
	assert_int_equal(dist_at(&one, 0), 5);
	assert_int_equal(dist_at(&one, UINT64_MAX), 5);
}

/* ------------------------------------------------------------------ delay */

static void *new_stage(const struct stage *s, uint64_t seed)
{
	struct rng_key key = { .seed = seed, .purpose = s->name };
	void *state = calloc(1, s->size);

	assert_non_null(state);
	s->init(state, &key);
	return state;
}

static uint64_t pass(const struct stage *s, void *state, uint64_t at_ns, uint32_t len, bool hurry)
{
	struct wire w = { .at_ns = at_ns, .len = len, .packets = 1, .hurry = hurry };

	assert_true(s->packet(state, &w));
	return w.at_ns;
}

static struct choppy_condition delay_condition(uint64_t delay_ns, uint64_t jitter_ns,
					       uint64_t rho_ppb)
{
	return (struct choppy_condition){
		.set = CHOPPY_FIELD_BIT(CHOPPY_DELAY) | CHOPPY_FIELD_BIT(CHOPPY_JITTER) |
		       CHOPPY_FIELD_BIT(CHOPPY_DELAY_CORRELATION),
		.delay_ns = delay_ns,
		.jitter_ns = jitter_ns,
		.delay_correlation_ppb = rho_ppb,
	};
}

#define DIGIT 12

/* By three digits of 12 bits: -8 to 8 in steps of 2^-32, finer than a nanosecond of 2 s. */
static void sort(double *x)
{
	uint64_t *a = malloc(2 * N * sizeof(*a)), *b = a + N, *from = a, *to = b;

	assert_non_null(a);
	for (size_t i = 0; i < N; i++) {
		assert_true(x[i] >= -8 && x[i] < 8);
		a[i] = (uint64_t)((x[i] + 8) * 0x1p32 + 0.5);
	}
	for (int shift = 0; shift < 3 * DIGIT; shift += DIGIT) {
		size_t at[(1 << DIGIT) + 1] = { 0 };
		uint64_t *swap = from;

		for (size_t i = 0; i < N; i++)
			at[(from[i] >> shift) % (1 << DIGIT) + 1]++;
		for (size_t i = 1; i < COUNT(at); i++)
			at[i] += at[i - 1];
		for (size_t i = 0; i < N; i++)
			to[at[(from[i] >> shift) % (1 << DIGIT)]++] = from[i];
		from = to;
		to = swap;
	}
	for (size_t i = 0; i < N; i++)
		x[i] = (double)from[i] / 0x1p32 - 8;
	free(a);
}

/*
 * Greatest distance of the found distribution's graph, its steps' risers included, from @s: where a
 * table or the nanosecond makes a step of what is around it, the right share may be anywhere in
 * it. Sorts @x.
 */
static double distance(const struct shape *s, double *x)
{
	double worst = 0;

	sort(x);
	for (size_t i = 0, k; i < N; i = k) {
		double f;

		for (k = i + 1; k < N && x[k] == x[i];)
			k++;
		f = shape_cdf(s, x[i]);
		worst = fmax(worst, fabs(f - (i + k) / 2.0 / N) - (k - i) / 2.0 / N);
	}
	return worst;
}

struct moments {
	double mean, square, fourth; /* of what is divided by the jitter */
};

static struct moments expected(const int16_t *table, uint32_t n)
{
	struct moments m = { 0, 1 / 3.0, 1 / 5.0 };

	if (!n)
		return m;
	m = (struct moments){ 0 };
	for (uint32_t i = 0; i < n; i++) {
		double x = table[i] / (double)DISTRIBUTION_ONE;

		m.mean += x / n;
		m.square += x * x / n;
		m.fourth += x * x * x * x / n;
	}
	return m;
}

static void check_correlation(const double *x, const struct moments *m, double rho)
{
	static const int lags[] = { 1, 2, 5 };

	for (size_t i = 0; i < COUNT(lags); i++) {
		int lag = lags[i];
		double sum = 0, more = 1 + 2 * (lag + rho / (1 - rho)), bound;

		if (rho == 0)
			more = 1;
		for (size_t k = 0; k + lag < N; k++)
			sum += x[k] * x[k + lag];
		/* The products' variance is at most the fourth moment, times what they share. */
		bound = Z * sqrt((rho > 0 ? m->fourth : m->square * m->square) * more / N);
		assert_true(fabs(sum / (N - lag) - pow(rho, lag) * m->square) < bound);
	}
}

static void check_delay(const struct shape *s, uint64_t jitter_ns, uint64_t rho_ppb, double *x)
{
	struct choppy_condition c = delay_condition(4 * jitter_ns, jitter_ns, rho_ppb);
	double rho = rho_ppb / 1e9, n = N * (1 - rho) / (1 + rho), sum = 0, squares = 0;
	void *state = new_stage(&delay_stage, 1);
	struct stage_data data = { 0 };
	struct moments m;

	load(s->name, &data.delay_table, &data.ndelay_table);
	m = expected(data.delay_table, data.ndelay_table);
	delay_stage.set(state, &c, &data, 0);
	for (size_t i = 0; i < N; i++) {
		uint64_t at = pass(&delay_stage, state, i, 1000, false) - i;

		x[i] = ((double)at - 4.0 * (double)jitter_ns) / (double)jitter_ns;
		sum += x[i];
		squares += x[i] * x[i];
	}
	free(state);
	/* Rounding to a nanosecond shifts nothing on average but a pareto's step at its end. */
	assert_true(fabs(sum / N) < Z * sqrt(m.square / n) + 0.5 / (double)jitter_ns);
	assert_true(fabs(squares / N - m.square) <
		    Z * sqrt((m.fourth - m.square * m.square) / n) + 1.0 / (double)jitter_ns);
	check_correlation(x, &m, rho);
	assert_true(distance(s, x) < sqrt(log(2e6) / 2 / n) + s->density / DISTRIBUTION_ONE);
}

static void test_delay_distribution_and_correlation(void **state)
{
	static const uint64_t jitters[] = { US, MS, 2 * SEC }, rhos[] = { 0, 250000000, 750000000 };
	double *x = malloc(N * sizeof(*x));

	assert_non_null(x);
	for (size_t i = 0; i < COUNT(shapes); i++)
		for (size_t k = 0; k < COUNT(jitters); k++)
			for (size_t l = 0; l < COUNT(rhos); l++)
				check_delay(&shapes[i], jitters[k], rhos[l], x);
	free(x);
}

static void test_full_correlation_is_one_delay(void **state)
{
	struct choppy_condition c = delay_condition(MS, MS, 1000000000);
	void *s = new_stage(&delay_stage, 3);
	struct stage_data data = { 0 };
	uint64_t first;

	delay_stage.set(s, &c, &data, 0);
	first = pass(&delay_stage, s, 0, 60, false);
	for (uint64_t i = 1; i < 10000; i++)
		assert_int_equal(pass(&delay_stage, s, i, 60, false), i + first);
	/* Twice the spread: the same place in it. */
	c = delay_condition(2 * MS, 2 * MS, 1000000000);
	delay_stage.set(s, &c, &data, 10000);
	assert_in_range(pass(&delay_stage, s, 0, 60, false), 2 * first - 1, 2 * first + 1);
	free(s);
}

static void test_no_jitter_is_the_delay(void **state)
{
	struct choppy_condition c = delay_condition(7 * MS, 0, 0);
	void *s = new_stage(&delay_stage, 3), *before = malloc(delay_stage.size);
	struct stage_data data = { 0 };

	c.set = CHOPPY_FIELD_BIT(CHOPPY_DELAY);
	c.jitter_ns = 5; /* means nothing without its bit */
	c.delay_correlation_ppb = 1000000000;
	delay_stage.set(s, &c, &data, 0);
	memcpy(before, s, delay_stage.size);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(pass(&delay_stage, s, i, 60, false), i + 7 * MS);
	assert_memory_equal(before, s, delay_stage.size); /* no draw */
	free(before);
	free(s);
}

/* Neither a packet that hurries, nor correlation, nor a change shifts what others draw. */
static void test_delay_streams_stay_aligned(void **state)
{
	struct choppy_condition c = delay_condition(MS, MS, 0),
				held = delay_condition(MS, MS, 300000000);
	void *a = new_stage(&delay_stage, 5), *b = new_stage(&delay_stage, 5),
	     *d = new_stage(&delay_stage, 5);
	struct stage_data data = { 0 };
	uint64_t same = 0;

	delay_stage.set(a, &c, &data, 0);
	delay_stage.set(b, &c, &data, 0);
	delay_stage.set(d, &held, &data, 0);
	for (uint64_t i = 0; i < 10000; i++) {
		uint64_t at = pass(&delay_stage, a, i, 60, false);
		bool hurry = i % 3 == 0;

		delay_stage.set(b, &c, &data, i);
		assert_int_equal(pass(&delay_stage, b, i, 60, hurry), hurry ? i : at);
		same += pass(&delay_stage, d, i, 60, false) == at;
	}
	/* 30% of the packets took over another's. 4.9 deviations. */
	assert_in_range(same, 7000 - 225, 7000 + 225);
	free(a);
	free(b);
	free(d);
}

/* ------------------------------------------------------------------ slot */

/*
 * Netem's slots as its dequeue function has them, played event by event: packets come to
 * the queue when they are due, a timer calls dequeue when the head may leave. The gap is
 * constant, so that it does not matter how often one is drawn.
 */
struct netem {
	uint64_t gap, max_packets, max_bytes; /* 0: any */
	uint64_t slot_next, packets, bytes; /* in the slot */
};

static void netem_next(struct netem *q, uint64_t now)
{
	q->slot_next = now + q->gap;
	q->packets = q->bytes = 0;
}

static void netem_play(struct netem *q, const uint64_t *due, const uint32_t *len, uint64_t *out,
		       size_t n)
{
	size_t head = 0, tail = 0;
	uint64_t timer = UINT64_MAX;

	while (head < n) {
		uint64_t now = tail < n && due[tail] <= timer ? due[tail] : timer;

		while (tail < n && due[tail] <= now)
			tail++;
		for (timer = UINT64_MAX; head < tail; head++) {
			if (q->slot_next < due[head])
				netem_next(q, now);
			if (q->slot_next > now) {
				timer = q->slot_next;
				break;
			}
			out[head] = now;
			q->packets++;
			q->bytes += len[head];
			if ((q->max_packets && q->packets >= q->max_packets) ||
			    (q->max_bytes && q->bytes >= q->max_bytes))
				netem_next(q, now);
		}
	}
}

static struct choppy_condition slot_condition(uint64_t least, uint64_t most, uint64_t packets,
					      uint64_t bytes)
{
	return (struct choppy_condition){
		.set = CHOPPY_FIELD_BIT(CHOPPY_SLOT) |
		       (most != least ? CHOPPY_FIELD_BIT(CHOPPY_SLOT_MAX) : 0) |
		       (packets ? CHOPPY_FIELD_BIT(CHOPPY_SLOT_PACKETS) : 0) |
		       (bytes ? CHOPPY_FIELD_BIT(CHOPPY_SLOT_BYTES) : 0),
		.slot_ns = least,
		.slot_max_ns = most,
		.slot_packets = packets,
		.slot_bytes = bytes,
	};
}

#define PACKETS 20000

static void test_slot_is_netems(void **state)
{
	static const uint64_t gaps[] = { 0, 1, 700, 5 * US, MS }, packets[] = { 0, 1, 2, 7 },
			      bytes[] = { 0, 1, 1000, 9000 }, spacing[] = { 1, 900, 4 * US, MS };
	static uint64_t due[PACKETS], out[PACKETS];
	static uint32_t len[PACKETS];
	struct stage_data data = { 0 };

	for (int i = 0; i < 5 * 4 * 4 * 4; i++) {
		uint64_t gap = gaps[i % 5], max_packets = packets[i / 5 % 4],
			 max_bytes = bytes[i / 20 % 4], step = spacing[i / 80];
		struct choppy_condition c = slot_condition(gap, gap, max_packets, max_bytes);
		struct netem q = { gap, max_packets, max_bytes, 50, 0, 0 };
		void *s = new_stage(&slot_stage, (uint64_t)i);
		uint64_t at = 50;
		struct rng rng;

		rng_init(&rng, &(struct rng_key){ .seed = (uint64_t)i, .purpose = "arrivals" });
		for (size_t k = 0; k < PACKETS; k++) {
			/* Pauses and bunches. */
			at += rng_below(&rng, 8) ? rng_below(&rng, 2 * step)
						 : rng_below(&rng, 20 * step);
			at += rng_below(&rng, 3) ? 0 : 1;
			due[k] = at;
			len[k] = 60 + (uint32_t)rng_below(&rng, 1455);
		}
		netem_play(&q, due, len, out, PACKETS);
		slot_stage.set(s, &c, &data, 50);
		for (size_t k = 0; k < PACKETS; k++)
			assert_int_equal(pass(&slot_stage, s, due[k], len[k], false), out[k]);
		free(s);
	}
}

/* A backlog leaves in full slots, whose gaps have the asked distribution. */
static void check_gaps(const struct shape *shape, const struct choppy_condition *c,
		       const struct stage_data *data, double middle, double width, double *x)
{
	void *s = new_stage(&slot_stage, 9);
	uint64_t last = 0, now;
	double bound;

	slot_stage.set(s, c, data, 0);
	assert_int_equal(pass(&slot_stage, s, 0, 60, false), 0);
	assert_int_equal(pass(&slot_stage, s, 0, 60, false), 0);
	for (size_t i = 0; i < N; i++) {
		now = pass(&slot_stage, s, 0, 60, false);
		assert_int_equal(pass(&slot_stage, s, 0, 60, false), now);
		x[i] = ((double)(now - last) - middle) / width;
		last = now;
	}
	free(s);
	bound = sqrt(log(2e6) / 2 / N) + shape->density / DISTRIBUTION_ONE;
	assert_true(distance(shape, x) < bound);
}

static void test_slot_gaps(void **state)
{
	struct choppy_condition c = slot_condition(3 * MS, 5 * MS, 2, 0);
	double *x = malloc(N * sizeof(*x));
	struct stage_data data = { 0 };

	assert_non_null(x);
	check_gaps(&shapes[0], &c, &data, 4e6, 1e6, x);
	c.set = CHOPPY_FIELD_BIT(CHOPPY_SLOT_DISTRIBUTION) | CHOPPY_FIELD_BIT(CHOPPY_SLOT_DELAY) |
		CHOPPY_FIELD_BIT(CHOPPY_SLOT_JITTER) | CHOPPY_FIELD_BIT(CHOPPY_SLOT_PACKETS);
	c.slot_delay_ns = 8 * MS;
	c.slot_jitter_ns = 2 * MS;
	for (size_t i = 0; i < COUNT(shapes); i++) {
		load(shapes[i].name, &data.slot_table, &data.nslot_table);
		check_gaps(&shapes[i], &c, &data, 8e6, 2e6, x);
	}
	free(x);
}

static void test_slot_counts_wire_packets(void **state)
{
	struct choppy_condition c = slot_condition(100, 100, 10, 0);
	struct wire w = { .at_ns = 0, .len = 9000, .packets = 6 };
	void *s = new_stage(&slot_stage, 1);
	struct stage_data data = { 0 };

	slot_stage.set(s, &c, &data, 0);
	assert_true(slot_stage.packet(s, &w) && w.at_ns == 0);
	assert_true(slot_stage.packet(s, &w) && w.at_ns == 0); /* 12: reaches the 10 and goes */
	assert_true(slot_stage.packet(s, &w) && w.at_ns == 100);
	free(s);
}

static void test_slot_hurry_passes_by(void **state)
{
	struct choppy_condition c = slot_condition(100, 200, 2, 0);
	uint64_t first, last = 0;
	struct stage_data data = { 0 };
	void *s = new_stage(&slot_stage, 1);

	slot_stage.set(s, &c, &data, 0);
	for (uint64_t i = 0; i < 1000; i++) {
		assert_int_equal(pass(&slot_stage, s, 0, 60, true), 0);
		first = pass(&slot_stage, s, 0, 60, false);
		assert_true(i ? first >= last + 100 && first <= last + 200 : first == 0);
		assert_int_equal(pass(&slot_stage, s, 0, 60, true), 0);
		last = pass(&slot_stage, s, 0, 60, false);
		assert_int_equal(last, first);
	}
	free(s);
}

/* Neither the slot that stands, nor what is in it, nor the stream begins anew with a change. */
static void test_slot_set_goes_on(void **state)
{
	struct choppy_condition c = slot_condition(1000, 9000, 5, 0), none = { 0 };
	void *a = new_stage(&slot_stage, 4), *b = new_stage(&slot_stage, 4);
	struct stage_data data = { 0 };

	slot_stage.set(a, &c, &data, 7);
	slot_stage.set(b, &c, &data, 7);
	for (uint64_t i = 0; i < 1000; i++) {
		slot_stage.set(b, &c, &data, 500 * i);
		assert_int_equal(pass(&slot_stage, a, 500 * i, 60, false),
				 pass(&slot_stage, b, 500 * i, 60, false));
	}
	/* A lower limit holds for the slot that stands. */
	c = slot_condition(1000, 1000, 3, 0);
	slot_stage.set(a, &none, &data, SEC);
	slot_stage.set(a, &c, &data, SEC);
	assert_int_equal(pass(&slot_stage, a, SEC, 60, false), SEC);
	assert_int_equal(pass(&slot_stage, a, SEC, 60, false), SEC);
	c.slot_packets = 2;
	slot_stage.set(a, &c, &data, SEC);
	assert_int_equal(pass(&slot_stage, a, SEC, 60, false), SEC + 1000);
	/* Slept and woken: the first slot stands at once. */
	slot_stage.set(a, &none, &data, 2 * SEC);
	slot_stage.set(a, &c, &data, 3 * SEC);
	assert_int_equal(pass(&slot_stage, a, 3 * SEC, 60, false), 3 * SEC);
	assert_int_equal(pass(&slot_stage, a, 3 * SEC + 1, 60, false), 3 * SEC + 1001);
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_built_in),
		cmocka_unit_test(test_tables_are_what_the_script_makes),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_rounding),
		cmocka_unit_test(test_even_has_both_ends),
		cmocka_unit_test(test_delay_distribution_and_correlation),
		cmocka_unit_test(test_full_correlation_is_one_delay),
		cmocka_unit_test(test_no_jitter_is_the_delay),
		cmocka_unit_test(test_delay_streams_stay_aligned),
		cmocka_unit_test(test_slot_is_netems),
		cmocka_unit_test(test_slot_gaps),
		cmocka_unit_test(test_slot_counts_wire_packets),
		cmocka_unit_test(test_slot_hurry_passes_by),
		cmocka_unit_test(test_slot_set_goes_on),
	};

	return cmocka_run_group_tests(tests, make_shapes, NULL);
}
