/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A value is digits, perhaps a dot and more digits, and a unit: a factor to the
 * kind's own unit (ns, ppb, bit/s, packets, bytes). It is multiplied out digit
 * by digit in integers, so the product is either exact or known not to be.
 *
 * Printing takes the first unit of the table in which the value is 1 or more
 * and has at most three decimals; the last one takes whatever is left.
 * Both ways use the same rows, so what is printed is read back to the same value.
 *
 * Units are those of tc(8) but for two of its traps: a bare number is refused, and so are
 * mbps and its kin, which tc reads as bytes per second. Counts and means have none: their unit is
 * the empty word. Kinds that are more than a number are in forms.c.
 */
#include "value.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "err.h"
#include "forms.h"
#include "util.h"

struct unit {
	const char *name;
	uint32_t base; /* enum choppy_unit, where the kind has more than one */
	uint64_t factor;
	enum {
		READ, /* only read */
		PRINT, /* and printed */
		SINGLE, /* and printed for exactly one; stands before the plural */
		TRAP, /* refused with advice */
	} use;
};

/* clang-format off */
#define TIME_UNITS(base)                                                     \
	{ "s", base, 1000000000, PRINT }, { "sec", base, 1000000000, READ }, \
	{ "secs", base, 1000000000, READ },                                  \
	{ "ms", base, 1000000, PRINT }, { "msec", base, 1000000, READ },     \
	{ "msecs", base, 1000000, READ },                                    \
	{ "us", base, 1000, PRINT }, { "usec", base, 1000, READ },           \
	{ "usecs", base, 1000, READ },                                       \
	{ "\u00b5s", base, 1000, READ }, { "\u03bcs", base, 1000, READ },    \
	{ "ns", base, 1, PRINT }, { "nsec", base, 1, READ }, { "nsecs", base, 1, READ }

static const struct unit time_units[] = { TIME_UNITS(0) };

static const struct unit probability_units[] = { { "%", 0, 10000000, PRINT } };

static const struct unit rate_units[] = {
	{ "tbit", 0, 1000000000000, PRINT },
	{ "gbit", 0, 1000000000, PRINT },
	{ "mbit", 0, 1000000, PRINT },
	{ "kbit", 0, 1000, PRINT },
	{ "bit", 0, 1, PRINT },
	{ "tibit", 0, 1ull << 40, READ },
	{ "gibit", 0, 1ull << 30, READ },
	{ "mibit", 0, 1ull << 20, READ },
	{ "kibit", 0, 1ull << 10, READ },
	{ "tbps", 0, 1000000000000, TRAP },
	{ "gbps", 0, 1000000000, TRAP },
	{ "mbps", 0, 1000000, TRAP },
	{ "kbps", 0, 1000, TRAP },
	{ "bps", 0, 1, TRAP },
};

#define BYTE_UNITS(base)                                                     \
	{ "gb", base, 1ull << 30, PRINT }, { "gib", base, 1ull << 30, READ }, \
	{ "g", base, 1ull << 30, READ },                                      \
	{ "mb", base, 1ull << 20, PRINT }, { "mib", base, 1ull << 20, READ }, \
	{ "m", base, 1ull << 20, READ },                                      \
	{ "kb", base, 1ull << 10, PRINT }, { "kib", base, 1ull << 10, READ }, \
	{ "k", base, 1ull << 10, READ },                                      \
	{ "byte", base, 1, SINGLE }, { "bytes", base, 1, PRINT }, { "b", base, 1, READ }

static const struct unit size_units[] = { BYTE_UNITS(0) };
static const struct unit count_units[] = { { "", 0, 1, PRINT } };
static const struct unit mean_units[] = { { "", 0, 1000000, PRINT } };

static const struct unit amount_units[] = {
	{ "packet", CHOPPY_PACKETS, 1, SINGLE },
	{ "packets", CHOPPY_PACKETS, 1, PRINT },
	{ "pkts", CHOPPY_PACKETS, 1, READ },
	{ "pkt", CHOPPY_PACKETS, 1, READ },
	{ "p", CHOPPY_PACKETS, 1, READ },
	{ "connection", CHOPPY_CONNECTIONS, 1, SINGLE },
	{ "connections", CHOPPY_CONNECTIONS, 1, PRINT },
	BYTE_UNITS(CHOPPY_BYTES),
	TIME_UNITS(CHOPPY_NANOSECONDS),
};

#define BARE_MAX 4

/*
 * @bare: what to write in place of a number without a unit: units to put behind
 * it, or whole values (those that begin with a digit).
 */
static const struct kind {
	size_t size;
	const char *example; /* NULL: the first of the row's choices */
	const struct unit *units;
	size_t nunits;
	const char *bare[BARE_MAX];
	const struct form *form; /* more than a number */
} kinds[] = {
#define UNITS(units) units, ARRAY_SIZE(units)
#define FORM(form) NULL, 0, { NULL }, form
	[CHOPPY_KIND_TIME] = { sizeof(uint64_t), "50ms", UNITS(time_units),
			       { "ms", "us", "s" }, NULL },
	[CHOPPY_KIND_PROBABILITY] = { sizeof(uint64_t), "30%", UNITS(probability_units),
				      { "%" }, NULL },
	[CHOPPY_KIND_RATE] = { sizeof(uint64_t), "10mbit", UNITS(rate_units),
			       { "mbit", "kbit", "gbit" }, NULL },
	[CHOPPY_KIND_AMOUNT] = { sizeof(struct choppy_amount), "64kb", UNITS(amount_units),
				 { "packets", "connections", "64kb", "50ms" }, NULL },
	[CHOPPY_KIND_SIZE] = { sizeof(uint64_t), "64kb", UNITS(size_units),
			       { "bytes", "kb" }, NULL },
	[CHOPPY_KIND_COUNT] = { sizeof(uint64_t), "5", UNITS(count_units), { NULL }, NULL },
	[CHOPPY_KIND_MEAN] = { sizeof(uint64_t), "5", UNITS(mean_units), { NULL }, NULL },
	[CHOPPY_KIND_FLAG] = { sizeof(uint64_t), "", FORM(&flag_form) },
	[CHOPPY_KIND_CHOICE] = { sizeof(uint64_t), NULL, FORM(&choice_form) },
	[CHOPPY_KIND_LIST] = { sizeof(struct choppy_list), "1,3,7-9", FORM(&list_form) },
	[CHOPPY_KIND_CYCLE] = { sizeof(struct choppy_cycle), "5s/500ms", FORM(&cycle_form) },
	[CHOPPY_KIND_OVERHEAD] = { sizeof(struct choppy_overhead), "ethernet",
				   FORM(&overhead_form) },
	[CHOPPY_KIND_DISTRIBUTION] = { CHOPPY_PATH_MAX, "normal", FORM(&distribution_form) },
	[CHOPPY_KIND_TRACE] = { CHOPPY_PATH_MAX, "./FILE", FORM(&trace_form) },
#undef FORM
#undef UNITS
};
/* clang-format on */
static_assert(ARRAY_SIZE(kinds) == CHOPPY_NKINDS, "a row for every kind");

/* An amount's range depends on what it is counted in. */
static const uint64_t amount_max[] = {
	[CHOPPY_PACKETS] = 10000000,
	[CHOPPY_BYTES] = 64ull << 30,
	[CHOPPY_NANOSECONDS] = 3600ull * 1000000000,
	[CHOPPY_CONNECTIONS] = 1000,
};
static_assert(ARRAY_SIZE(amount_max) == CHOPPY_NUNITS, "a maximum for every unit");

/* -------------------------------------------------------------------- text */

void text_add(struct text *t, const char *fmt, ...)
{
	size_t at = t->len < t->size ? t->len : t->size;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->size ? t->buf + at : NULL, t->size - at, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n;
}

struct text text_begin(char *buf, size_t size)
{
	if (size)
		buf[0] = '\0';
	return (struct text){ buf, size, 0 };
}

const char *text_or(size_t i, size_t n)
{
	return i == 0 ? "" : i + 1 == n ? " or " : ", ";
}

/* Letters of two bytes that take one column everywhere: Latin, Greek, Cyrillic. */
static bool narrow_letter(const unsigned char *s)
{
	unsigned int c;

	if (s[0] < 0xc2 || s[0] > 0xdf || (s[1] & 0xc0) != 0x80)
		return false;
	c = (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
	return (c >= 0xa1 && c <= 0x2ff && c != 0xad) || (c >= 0x370 && c <= 0x482) ||
	       (c >= 0x48a && c <= 0x52f);
}

/* Bytes of the character at @s: a lead byte with what follows it, or one stray byte. */
static size_t char_bytes(const unsigned char *s)
{
	size_t n = 1;

	if (s[0] >= 0xc0)
		while (n < 4 && (s[n] & 0xc0) == 0x80)
			n++;
	return n;
}

unsigned int word_shown(char ret[WORD_BYTES], const char *word)
{
	const unsigned char *s = (const unsigned char *)(*word ? word : "\"\"");
	unsigned int columns = 0;
	size_t cut = 0, len = 0;

	while (*s) {
		if (columns == WORD_COLUMNS - 3)
			cut = len;
		if (columns == WORD_COLUMNS) {
			memcpy(ret + cut, "...", sizeof("..."));
			return WORD_COLUMNS;
		}
		if (narrow_letter(s)) {
			ret[len++] = (char)s[0];
			ret[len++] = (char)s[1];
		} else {
			ret[len++] = *s >= 0x20 && *s < 0x7f ? (char)*s : '?';
		}
		s += char_bytes(s);
		columns++;
	}
	ret[len] = '\0';
	return columns;
}

/* ------------------------------------------------------------------ values */

size_t value_size(enum choppy_kind kind)
{
	return kinds[kind].size;
}

const char *value_example(const struct choppy_field_row *row)
{
	if (row->example)
		return row->example;
	return kinds[row->kind].example ? kinds[row->kind].example : row->choices[0];
}

/* All numbers as an amount; those of kinds with one unit are in unit 0. */
static struct choppy_amount load(enum choppy_kind kind, const void *value)
{
	struct choppy_amount a = { 0 };

	memcpy(&a, value, kinds[kind].size);
	return a;
}

bool value_equal(enum choppy_kind kind, const void *a, const void *b)
{
	struct choppy_amount x, y;

	if (kinds[kind].form && kinds[kind].form->equal)
		return kinds[kind].form->equal(a, b);
	if (kind != CHOPPY_KIND_AMOUNT)
		return memcmp(a, b, kinds[kind].size) == 0;
	x = load(kind, a);
	y = load(kind, b);
	return x.n == y.n && x.unit == y.unit;
}

/* Print @n / @factor when it has at most @decimals decimals. */
static bool print_number(struct text *t, uint64_t n, uint64_t factor, int decimals)
{
	uint64_t rest = n % factor;
	char digits[16];
	int k = 0;

	while (rest && k < decimals) {
		rest *= 10;
		digits[k++] = (char)('0' + rest / factor);
		rest %= factor;
	}
	if (rest)
		return false;
	text_add(t, "%llu", (unsigned long long)(n / factor));
	if (k)
		text_add(t, ".%.*s", k, digits);
	return true;
}

/* The last unit of a kind is 1, or has a power of ten below this as factor. */
#define DECIMALS_SHORT 3
#define DECIMALS_ALL 9

static void print_with_unit(struct text *t, const struct kind *k, struct choppy_amount a)
{
	const struct unit *last = NULL, *u;
	size_t before = t->len;

	for (u = k->units; u < k->units + k->nunits; u++) {
		if (u->base != a.unit || !(u->use == PRINT || (u->use == SINGLE && a.n == 1)))
			continue;
		last = u;
		if (a.n >= u->factor && print_number(t, a.n, u->factor, DECIMALS_SHORT))
			break;
	}
	if (t->len == before && last)
		print_number(t, a.n, last->factor, DECIMALS_ALL);
	if (last)
		text_add(t, "%s", last->name);
	else
		text_add(t, "%llu of unit %u", (unsigned long long)a.n, a.unit);
}

int choppy_value_print(char *buf, size_t size, const struct choppy_field_row *row,
		       const void *value)
{
	const struct kind *k = &kinds[row->kind];
	struct text t = text_begin(buf, size);

	if (k->form)
		k->form->print(&t, row, value);
	else
		print_with_unit(&t, k, load(row->kind, value));
	return (int)t.len;
}

/* ------------------------------------------------------------------- range */

uint64_t value_max(const struct choppy_field_row *row, uint32_t unit)
{
	if (row->kind == CHOPPY_KIND_AMOUNT && unit < CHOPPY_NUNITS && amount_max[unit] < row->max)
		return amount_max[unit];
	return row->max;
}

static bool in_range(const struct choppy_field_row *row, const struct choppy_amount *a)
{
	return a->n >= row->min && a->n <= value_max(row, a->unit);
}

static int range_error(const struct choppy_field_row *row, const char *shown, uint32_t unit,
		       struct choppy_err *err)
{
	struct choppy_amount low = { row->min, unit, 0 }, high = { value_max(row, unit), unit, 0 };
	char from[48], to[48];

	choppy_value_print(from, sizeof(from), row, &low);
	choppy_value_print(to, sizeof(to), row, &high);
	return err_set(err, -EINVAL, "%s %s is out of range: %s to %s", row->name, shown, from, to);
}

/* Whether @row may be counted in @unit. */
static bool takes_unit(const struct choppy_field_row *row, uint32_t unit)
{
	return row->kind != CHOPPY_KIND_AMOUNT ||
	       (unit < CHOPPY_NUNITS && (row->units & CHOPPY_UNIT_BIT(unit)));
}

int value_check(const struct choppy_field_row *row, const void *value, struct choppy_err *err)
{
	const struct kind *k = &kinds[row->kind];
	struct choppy_amount a;
	char shown[64];

	if (k->form)
		return k->form->check(row, value, err);
	a = load(row->kind, value);
	if (!takes_unit(row, a.unit))
		return err_set(err, -EINVAL, "%s is in a unit that is not known (number %u)",
			       row->name, a.unit);
	if (in_range(row, &a))
		return 0;
	choppy_value_print(shown, sizeof(shown), row, value);
	return range_error(row, shown, a.unit, err);
}

/* ----------------------------------------------------------------- parsing */

/* A number as written: digits [ "." digits ], then the unit. */
struct number {
	const char *whole, *decimals, *unit;
	size_t nwhole, ndecimals;
};

static size_t count_digits(const char *s)
{
	return strspn(s, "0123456789");
}

bool value_begins(const struct choppy_field_row *row, const char *text)
{
	return value_like(text) || (row->choices && name_index(row->choices, text) >= 0);
}

bool value_like(const char *s)
{
	bool sign = *s == '-' || *s == '+';

	return s[sign] && strchr("0123456789.", s[sign]);
}

/* What is wrong with a value that is no number, in words; NULL when it is one. */
static const char *not_a_number(const struct choppy_field_row *row, const char *s)
{
	size_t n = count_digits(s);

	if (!value_like(s))
		return *kinds[row->kind].units->name ? "needs a number with its unit"
						     : "needs a number";
	if (s[0] == '-')
		return "cannot be negative";
	if (s[0] == '+')
		return "takes no sign";
	if (n == 1 && s[0] == '0' && tolower((unsigned char)s[1]) == 'x')
		return "takes decimal digits, not hexadecimal";
	if (s[n] == ',')
		return "takes a dot before its decimals, not a comma";
	if (s[n] == '.') {
		size_t d = count_digits(s + n + 1);

		if (!d)
			return "needs a digit after the dot";
		n += 1 + d;
		if (s[n] == '.')
			return "takes one dot at most";
	}
	if (tolower((unsigned char)s[n]) == 'e' && s[n + 1] && strchr("+-0123456789", s[n + 1]))
		return "takes no exponent";
	return NULL;
}

/* Only for what not_a_number() let pass. */
static struct number split_number(const char *s)
{
	struct number x = { .whole = s, .nwhole = count_digits(s) };

	x.unit = x.decimals = s + x.nwhole;
	if (*x.unit == '.') {
		x.ndecimals = count_digits(++x.decimals);
		x.unit = x.decimals + x.ndecimals;
	}
	return x;
}

enum scaled { SCALED_EXACT, SCALED_FINER, SCALED_OVER };

/*
 * @x times @factor. The decimals are multiplied as on paper, last digit first:
 * what stays behind the dot must be all zeros, the carry is the whole part. No
 * intermediate exceeds ten factors (below 2^44).
 */
static enum scaled scale(uint64_t *ret, const struct number *x, uint64_t factor)
{
	uint64_t n = 0, carry = 0;
	bool finer = false;
	size_t i;

	for (i = x->ndecimals; i-- > 0;) {
		carry += (uint64_t)(x->decimals[i] - '0') * factor;
		finer |= carry % 10 != 0;
		carry /= 10;
	}
	for (i = 0; i < x->nwhole; i++)
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (unsigned int)(x->whole[i] - '0'), &n))
			return SCALED_OVER;
	if (__builtin_mul_overflow(n, factor, &n) || __builtin_add_overflow(n, carry, &n))
		return SCALED_OVER;
	*ret = n;
	return finer ? SCALED_FINER : SCALED_EXACT;
}

static const struct unit *find_unit(const struct choppy_field_row *row, const char *name)
{
	const struct kind *k = &kinds[row->kind];
	const struct unit *u;

	for (u = k->units; u < k->units + k->nunits; u++)
		if (strcasecmp(u->name, name) == 0 && takes_unit(row, u->base))
			return u;
	return NULL;
}

/* Whether the digits of @x with @unit behind them would be a right value. */
static bool would_fit(const struct choppy_field_row *row, const struct number *x, const char *unit)
{
	const struct unit *u = find_unit(row, unit);
	struct choppy_amount a = { 0 };

	if (!u || scale(&a.n, x, u->factor) != SCALED_EXACT)
		return false;
	a.unit = u->base;
	return in_range(row, &a);
}

static int unit_missing(const struct choppy_field_row *row, const struct number *x,
			const char *shown, struct choppy_err *err)
{
	const struct kind *k = &kinds[row->kind];
	const char *fits[BARE_MAX];
	char list[3 * WORD_BYTES + 64];
	struct text t = { list, sizeof(list), 0 };
	size_t i, n = 0;

	for (i = 0; i < BARE_MAX && k->bare[i]; i++) {
		const char *unit = k->bare[i] + count_digits(k->bare[i]);

		if (unit > k->bare[i] ? find_unit(row, unit) != NULL : would_fit(row, x, unit))
			fits[n++] = k->bare[i];
	}
	for (i = 0; i < n; i++)
		text_add(&t, "%s%s%s", text_or(i, n),
			 isdigit((unsigned char)fits[i][0]) ? "" : shown, fits[i]);
	if (!n)
		text_add(&t, "%s", value_example(row));
	return err_set(err, -EINVAL, "%s needs its unit: %s", row->name, list);
}

static int unit_unknown(const struct choppy_field_row *row, const struct number *x,
			struct choppy_err *err)
{
	const struct kind *k = &kinds[row->kind];
	char list[128], shown[WORD_BYTES];
	struct text t = text_begin(list, sizeof(list));
	size_t n = 0, at = 0;
	const struct unit *u;

	if (!*k->units->name)
		return err_set(err, -EINVAL, "%s is a plain number, without a unit: %.*s",
			       row->name,
			       x->unit - x->whole < WORD_COLUMNS ? (int)(x->unit - x->whole)
								 : WORD_COLUMNS,
			       x->whole);
	for (u = k->units; u < k->units + k->nunits; u++)
		n += u->use == PRINT && takes_unit(row, u->base);
	for (u = k->units; u < k->units + k->nunits; u++)
		if (u->use == PRINT && takes_unit(row, u->base))
			text_add(&t, "%s%s", text_or(at++, n), u->name);
	word_shown(shown, x->unit);
	return err_set(err, -EINVAL, "%s has no unit '%s': use %s", row->name, shown, list);
}

/* mbps: @n is the value read as bits. Offer each reading that is in range. */
static int unit_trap(const struct choppy_field_row *row, const struct unit *u, uint64_t n,
		     struct choppy_err *err)
{
	const struct choppy_amount read[] = { { n, 0, 0 }, { n * 8, 0, 0 } };
	char list[96] = "", one[40];
	struct text t = { list, sizeof(list), 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(read); i++) {
		choppy_value_print(one, sizeof(one), row, &read[i]);
		if (in_range(row, &read[i]))
			text_add(&t, "%s%s", t.len ? " or " : "", one);
	}
	return err_set(err, -EINVAL,
		       "tc reads %s as bytes per second, most people mean bits: write %s", u->name,
		       t.len ? list : kinds[row->kind].example);
}

static int parse_unit(struct choppy_amount *ret, const struct choppy_field_row *row,
		      const struct unit *u, const struct number *x, const char *shown,
		      struct choppy_err *err)
{
	struct choppy_amount a = { .unit = u->base }, step = { 1, u->base, 0 };
	enum scaled scaled = scale(&a.n, x, u->factor);
	char text[32];

	if (scaled == SCALED_FINER) {
		choppy_value_print(text, sizeof(text), row, &step);
		return err_set(err, -EINVAL, "%s %s is finer than %s, the smallest step", row->name,
			       shown, text);
	}
	/* Out of range as bits is so as bytes but for the lowest end, where bytes may be right. */
	if (scaled == SCALED_OVER || a.n > value_max(row, u->base))
		return range_error(row, shown, u->base, err);
	if (u->use == TRAP && a.n)
		return unit_trap(row, u, a.n, err);
	if (!in_range(row, &a))
		return range_error(row, shown, u->base, err);
	*ret = a;
	return 0;
}

int value_parse(void *ret, const struct choppy_field_row *row, const char *text,
		struct choppy_err *err)
{
	const struct kind *k = &kinds[row->kind];
	const char *why;
	struct choppy_amount a;
	char shown[WORD_BYTES];
	const struct unit *u;
	struct number x;
	int r;

	if (k->form)
		return k->form->parse(ret, row, text, err);
	why = not_a_number(row, text);
	if (why)
		return err_set(err, -EINVAL, "%s %s: for example %s", row->name, why,
			       value_example(row));
	x = split_number(text);
	word_shown(shown, text);
	u = find_unit(row, x.unit);
	if (!u)
		return *x.unit ? unit_unknown(row, &x, err) : unit_missing(row, &x, shown, err);
	r = parse_unit(&a, row, u, &x, shown, err);
	if (r < 0)
		return r;
	memcpy(ret, &a, k->size);
	return 0;
}
