/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The exact interval: against values computed independently (binomial tails summed with
 * 60 digits), against the tails themselves for small counts, and its symmetries.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "choppy.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void assert_near(double got, double want, double relative)
{
	if (!(fabs(got - want) <= relative * fabs(want)))
		fail_msg("got %.15g, want %.15g", got, want);
}

static void test_known_values(void **state)
{
	static const struct {
		uint64_t hits, n;
		double low, high;
	} rows[] = {
		{ 0, 10, 0, 0.308497107818761 },
		{ 1, 10, 0.00252857854446178, 0.445016117028195 },
		{ 5, 10, 0.187086028447399, 0.812913971552602 },
		{ 9, 10, 0.554983882971805, 0.997471421455538 },
		{ 10, 10, 0.691502892181239, 1 },
		{ 0, 1, 0, 0.975 },
		{ 1, 1, 0.025, 1 },
		{ 1, 2, 0.0125791170934251, 0.987420882906575 },
		{ 1515, 5210, 0.27847976596245, 0.303328904188149 },
		{ 1999, 4000, 0.484135086997566, 0.515365278515829 },
		{ 2000, 4000, 0.484384902305223, 0.515615097694777 },
		{ 1000000, 4000000, 0.249575711420029, 0.250424650509503 },
		{ 1000000000, 1000000000000, 0.000999938052438537, 0.00100006195045002 },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		double r[2];

		choppy_interval(rows[i].hits, rows[i].n, r);
		assert_near(r[0], rows[i].low, 1e-12);
		assert_near(r[1], rows[i].high, 1e-12);
	}
}

/* The part of binomial(n, p) from @from to @to. */
static double binomial(uint64_t from, uint64_t to, uint64_t n, double p)
{
	double sum = 0;
	uint64_t i;

	for (i = from; i <= to; i++)
		sum += exp(lgamma((double)n + 1) - lgamma((double)i + 1) -
			   lgamma((double)(n - i) + 1) + (double)i * log(p) +
			   (double)(n - i) * log1p(-p));
	return sum;
}

static void test_tails_are_two_and_a_half_percent(void **state)
{
	uint64_t n, k;
	double r[2];

	for (n = 1; n <= 60; n++) {
		for (k = 0; k <= n; k++) {
			choppy_interval(k, n, r);
			assert_true(r[0] <= (double)k / (double)n);
			assert_true(r[1] >= (double)k / (double)n);
			if (k > 0)
				assert_near(binomial(k, n, n, r[0]), 0.025, 1e-10);
			if (k < n)
				assert_near(binomial(0, k, n, r[1]), 0.025, 1e-10);
		}
	}
}

static void test_symmetric(void **state)
{
	static const uint64_t n = 12345;
	double a[2], b[2];
	uint64_t k;

	for (k = 0; k <= n; k += 5) {
		choppy_interval(k, n, a);
		choppy_interval(n - k, n, b);
		assert_near(a[0], 1 - b[1], 1e-9);
		assert_near(a[1], 1 - b[0], 1e-9);
	}
}

/* Wide counts: the interval is the normal one but for a share that shrinks with the count. */
static void test_large_counts(void **state)
{
	static const struct {
		uint64_t hits, n;
	} rows[] = {
		{ 300000000, 1000000000 },	 { 300000000000, 1000000000000 },
		{ 500000000000, 1000000000000 }, { 999000000000, 1000000000000 },
		{ 10000000, 1000000000000 },
	};
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		double n = (double)rows[i].n, p = (double)rows[i].hits / n;
		double half = 1.959963984540054 * sqrt(p * (1 - p) / n), r[2];

		choppy_interval(rows[i].hits, rows[i].n, r);
		assert_near(p - r[0], half, 2e-3);
		assert_near(r[1] - p, half, 2e-3);
	}
}

/* Few hits among very many: that of Poisson counts, from chi-squared tables. */
static void test_rare_hits_of_very_many(void **state)
{
	double r[2];

	choppy_interval(0, 1000000000000, r);
	assert_true(r[0] == 0);
	assert_near(r[1] * 1e12, 3.688879, 1e-6);
	choppy_interval(1, 1000000000000, r);
	assert_near(r[0] * 1e12, 0.025318, 1e-5);
	assert_near(r[1] * 1e12, 5.571643, 1e-6);
	choppy_interval(3, 1000000000000, r);
	assert_near(r[0] * 1e12, 0.618672, 1e-6);
	assert_near(r[1] * 1e12, 8.767273, 2e-6);
	choppy_interval(1000000000000, 1000000000000, r);
	assert_true(r[1] == 1);
	assert_near((1 - r[0]) * 1e12, 3.688879, 1e-3);
}

static void test_nothing_known(void **state)
{
	double r[2] = { -1, -1 };

	choppy_interval(0, 0, r);
	assert_true(r[0] == 0 && r[1] == 1);
}

static void test_ordered_and_inside(void **state)
{
	uint64_t n, k;
	double r[2], old[2];

	for (n = 1; n < 3000; n = n * 3 + 1) {
		old[0] = old[1] = -1;
		for (k = 0; k <= n; k++) {
			choppy_interval(k, n, r);
			assert_true(r[0] >= 0 && r[0] < r[1] && r[1] <= 1);
			assert_true(r[0] > old[0] && r[1] > old[1]);
			old[0] = r[0];
			old[1] = r[1];
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_values),
		cmocka_unit_test(test_tails_are_two_and_a_half_percent),
		cmocka_unit_test(test_symmetric),
		cmocka_unit_test(test_large_counts),
		cmocka_unit_test(test_rare_hits_of_very_many),
		cmocka_unit_test(test_nothing_known),
		cmocka_unit_test(test_ordered_and_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
