/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interval of Clopper and Pearson (Biometrika 26, 1934): the ratios under
 * which the seen count, or one further out, is no rarer than 2.5% on either
 * side. Its ends are quantiles of beta distributions:
 *
 *	lower: I_x(k, n - k + 1) = 0.025	upper: I_x(k + 1, n - k) = 0.975
 *
 * Each end is found as a root, by Newton's steps inside a shrinking bracket, by
 * halving where a step would leave it. I_x is the density times a continued
 * fraction (DLMF 8.17.22), by Lentz's method in Thompson and Barnett's form; two
 * standard deviations from the mean some 100 turns do for any n.
 *
 * The density itself must not be had from differences of lgamma(), which lose all
 * digits for n = 1e12: it is written with the remainders of Stirling's formula
 * and deviances (Loader 2000, "Fast and accurate computation of binomial
 * probabilities"). Checked against sums in 60 digits, the 2.5% are within 1e-6 of a
 * probability for n up to 1e12, where 1 - x holds the fewest digits of x.
 */
#include <float.h>
#include <math.h>

#include "choppy.h"

#define TAIL 0.025 /* on each side */
#define TURNS_MAX 10000000 /* far above any count's need: only against never ending */
#define TWO_PI 6.283185307179586476925286766559

/* log(n!) less Stirling's formula for it, for n > 0. */
static double stirling_rest(double n)
{
	const double nn = n * n;
	int sign;

	if (n < 16)
		return lgamma_r(n + 1, &sign) - (n + 0.5) * log(n) + n - 0.5 * log(TWO_PI);
	return (1 / 12.0 -
		(1 / 360.0 - (1 / 1260.0 - (1 / 1680.0 - 1 / 1188.0 / nn) / nn) / nn) / nn) /
	       n;
}

/* x log(x / m) + m - x for x, m > 0, without cancellation where they are close. */
static double deviance(double x, double m)
{
	double v = (x - m) / (x + m), term, sum;
	int j;

	if (fabs(v) > 0.1)
		return x * log(x / m) + m - x;
	sum = (x - m) * v;
	term = 2 * x * v;
	for (j = 3; j < 25; j += 2) { /* each term is below 1% of the one before */
		term *= v * v;
		sum += term / j;
	}
	return sum;
}

/* x^a (1-x)^b / B(a, b), which is x (1-x) times the density of beta(a, b) at x. */
static double weight(double x, double a, double b)
{
	const double n = a + b;
	double lg = stirling_rest(n) - stirling_rest(a) - stirling_rest(b) - deviance(a, n * x) -
		    deviance(b, n * (1 - x));

	return exp(lg) * sqrt(a * (b / n) / TWO_PI);
}

/* One turn of Lentz's method with numerator @e: the factor to the fraction's value. */
static double turn(double e, double *c, double *d)
{
	const double tiny = DBL_MIN / DBL_EPSILON;

	*d = 1 + e * *d;
	*d = 1 / (fabs(*d) < tiny ? tiny : *d);
	*c = 1 + e / *c;
	*c = fabs(*c) < tiny ? tiny : *c;
	return *d * *c;
}

/* What weight / a must be multiplied by for I_x(a, b), x below the mean. */
static double fraction(double x, double a, double b)
{
	double c = 1, d = 1 / (1 - (a + b) * x / (a + 1)), f = d, last;
	int m;

	for (m = 1; m < TURNS_MAX; m++) {
		f *= turn(m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), &c, &d);
		last = turn(-(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), &c, &d);
		f *= last;
		if (fabs(last - 1) <= 4 * DBL_EPSILON)
			break;
	}
	return f;
}

/* I_x(a, b), the part of beta(a, b) below @x. @w: weight(x, a, b). */
static double part_below(double x, double a, double b, double w)
{
	/* The fraction is quick below the mean only. */
	bool mirror = x > a / (a + b);
	double y = mirror ? 1 - x : x, p = mirror ? b : a, q = mirror ? a : b, part;

	part = w / p * fraction(y, p, q);
	return mirror ? 1 - part : part;
}

/* The x under which @part of beta(a, b) lies. */
static double quantile(double part, double a, double b)
{
	const double mean = a / (a + b), sd = sqrt(mean * (b / (a + b)) / (a + b));
	double low = 0, high = 1, x, next, step, w, error;
	int i;

	/* Near the end of a normal one; at the mean itself the fraction is slow. */
	x = mean + (part < 0.5 ? -2 : 2) * sd;
	if (x <= 0 || x >= 1)
		x = mean;
	for (i = 0; i < 2000; i++) { /* halving alone ends after some 1100 */
		w = weight(x, a, b);
		error = part_below(x, a, b, w) - part;
		if (error > 0)
			high = x;
		else
			low = x;
		step = error * x * (1 - x) / w;
		next = x - step;
		if (fabs(step) <= 4 * DBL_EPSILON * x)
			return next;
		if (!(next > low && next < high))
			next = low + (high - low) / 2;
		if (next <= low || next >= high)
			return next;
		x = next;
	}
	return x;
}

/* Both ends for 0 < @k <= @n - @k, where x is small enough to be held exactly. */
static void ends(double k, double n, double ret[2])
{
	ret[0] = quantile(TAIL, k, n - k + 1);
	ret[1] = quantile(1 - TAIL, k + 1, n - k);
}

void choppy_interval(uint64_t hits, uint64_t n, double ret[2])
{
	const bool mirror = hits > n / 2;
	const uint64_t k = mirror ? n - hits : hits;
	double e[2];

	ret[0] = 0;
	ret[1] = 1;
	if (n == 0 || hits > n)
		return;
	if (k == 0) { /* (1 - x)^n = 0.025 */
		e[0] = 0;
		e[1] = -expm1(log(TAIL) / (double)n);
	} else {
		ends((double)k, (double)n, e);
	}
	ret[0] = mirror ? 1 - e[1] : e[0];
	ret[1] = mirror ? 1 - e[0] : e[1];
}
