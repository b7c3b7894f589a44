/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line has nine columns with one space between two, so that grep, sort, cut and awk can do
 * their work on it; what is not known or has no meaning is "-":
 *
 *   LINK DIR PACKET FLOW IN-FLOW VERDICT VALUE ARRIVED LEFT
 *   0 up 17 tcp:192.0.2.1:80#1 5 dropped loss 1.002003004 -
 *   0 down 21 udp:10.1.1.0:53#2 1 delayed 10.512ms 1.500000000 1.510512000
 *
 * PACKET is a number, or, of a copy or a fragment made of it, the number and which: 17+1.
 * VALUE is a reason (dropped), a number (duplicated: copies; corrupted, mended: bit; fragmented:
 * MTU), a time (delayed), both (overtaken: 3/20ms), or nothing (marked, hurried). Times are written
 * in ms and, since the link's start, in seconds, exact to the nanosecond.
 */
#include "verdict.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S_NS 1000000000ull
#define MS_NS 1000000ull
/* What the engine can reckon with: 11 days. */
#define DELAY_MAX_NS 1000000000000000ull
#define BITS_MAX (8u * 70000)

enum form { FORM_NONE, FORM_REASON, FORM_NUMBER, FORM_TIME, FORM_BOTH };

static const struct kind {
	const char *name;
	enum form form;
	uint64_t min, max; /* of the number */
	const char *is; /* the value, in words */
} kinds[] = {
	[VERDICT_DROPPED] = { "dropped", FORM_REASON, 0, 0, NULL },
	[VERDICT_DUPLICATED] = { "duplicated", FORM_NUMBER, 1, 1000, "number of copies" },
	[VERDICT_CORRUPTED] = { "corrupted", FORM_NUMBER, 0, BITS_MAX - 1, "number of a bit" },
	[VERDICT_MENDED] = { "mended", FORM_NUMBER, 0, BITS_MAX - 1, "number of a bit" },
	[VERDICT_MARKED] = { "marked", FORM_NONE, 0, 0, NULL },
	[VERDICT_DELAYED] = { "delayed", FORM_TIME, 0, 0, NULL },
	[VERDICT_HURRIED] = { "hurried", FORM_NONE, 0, 0, NULL },
	[VERDICT_OVERTAKEN] = { "overtaken", FORM_BOTH, 1, 1000000, "number of packets" },
	[VERDICT_FRAGMENTED] = { "fragmented", FORM_NUMBER, 68, 65535, "MTU" },
};
_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == VERDICT_NKINDS, "a row for every kind");
_Static_assert(sizeof(struct verdict) == 64, "as small as said");

static const char *const dirs[] = { [CHOPPY_UP] = "up", [CHOPPY_DOWN] = "down" };

/* A time may be written in any of these; it is printed in the one named first. */
static const struct unit {
	const char *name;
	uint64_t ns;
} units[] = { { "ms", MS_NS }, { "us", 1000 }, { "ns", 1 }, { "s", S_NS } };
#define NUNITS (sizeof(units) / sizeof(units[0]))

enum column { LINK, DIR, PACKET, FLOW, IN_FLOW, VERDICT, VALUE, ARRIVED, LEFT, NCOLUMNS };

const char *verdict_name(enum verdict_kind kind)
{
	return kind < VERDICT_NKINDS ? kinds[kind].name : "unknown";
}

/* ------------------------------------------------------------------ printing */

int verdict_header(char *buf, size_t size, uint64_t seed)
{
	return snprintf(buf, size,
			VERDICT_FIRST_LINE "\n# seed %llu\n# link dir packet flow in-flow verdict "
					   "value arrived left\n",
			(unsigned long long)seed);
}

static int print_ms(char *p, uint64_t ns)
{
	int n = sprintf(p, "%llu.%06llu", (unsigned long long)(ns / MS_NS),
			(unsigned long long)(ns % MS_NS));

	while (p[n - 1] == '0')
		n--;
	if (p[n - 1] == '.')
		n--;
	return n + sprintf(p + n, "ms");
}

static int print_value(char *p, const struct verdict *v)
{
	int n = 0;

	switch (kinds[v->kind].form) {
	case FORM_NONE:
		return sprintf(p, "-");
	case FORM_REASON:
		return sprintf(p, "%s", choppy_drop_name((enum choppy_drop)v->value));
	case FORM_NUMBER:
		return sprintf(p, "%llu", (unsigned long long)v->value);
	case FORM_TIME:
		return print_ms(p, v->value);
	case FORM_BOTH:
		n = sprintf(p, "%llu/", (unsigned long long)v->value);
		return n + print_ms(p + n, v->value2);
	}
	return n;
}

static int print_at(char *p, uint64_t ns)
{
	if (ns == VERDICT_NO_TIME)
		return sprintf(p, " -");
	return sprintf(p, " %llu.%09llu", (unsigned long long)(ns / S_NS),
		       (unsigned long long)(ns % S_NS));
}

static int print_count(char *p, uint64_t n)
{
	return n ? sprintf(p, "%llu ", (unsigned long long)n) : sprintf(p, "- ");
}

int verdict_print(char buf[VERDICT_LINE_MAX], const struct verdict *v, const char *flow)
{
	char *p = buf;

	p += sprintf(p, "%u %s ", v->link, dirs[v->dir]);
	if (v->packet && v->part)
		p += sprintf(p, "%llu+%u ", (unsigned long long)v->packet, (unsigned)v->part);
	else
		p += print_count(p, v->packet);
	p += sprintf(p, "%.*s ", FLOW_LABEL_MAX - 1, flow ? flow : "-");
	p += print_count(p, v->in_flow);
	p += sprintf(p, "%s ", kinds[v->kind].name);
	p += print_value(p, v);
	p += print_at(p, v->at_ns);
	p += print_at(p, v->due_ns);
	p += sprintf(p, "\n");
	return (int)(p - buf);
}

/* ------------------------------------------------------------------- reading */

/* A column of the line. */
struct word {
	const char *at;
	size_t len;
};

struct reader {
	const char *line;
	struct word word[NCOLUMNS];
	struct verdict_error *err;
};

static int fail(struct reader *r, const char *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct reader *r, const char *at, const char *fmt, ...)
{
	va_list ap;

	r->err->column = (unsigned)(at - r->line) + 1;
	va_start(ap, fmt);
	vsnprintf(r->err->why, sizeof(r->err->why), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* "'WORD' is no WHAT", with the word fit to be shown. */
static int fail_word(struct reader *r, const struct word *w, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail_word(struct reader *r, const struct word *w, const char *fmt, ...)
{
	char what[160], shown[41];
	size_t n = w->len < sizeof(shown) - 1 ? w->len : sizeof(shown) - 1;
	va_list ap;

	for (size_t i = 0; i < n; i++)
		shown[i] = (char)(w->at[i] >= 0x20 && w->at[i] < 0x7f ? w->at[i] : '?');
	shown[n] = '\0';
	if (n < w->len)
		memcpy(shown + n - 3, "...", 3);
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return fail(r, w->at, "'%s' is no %s", shown, what);
}

static bool is(const struct word *w, const char *text)
{
	return w->len == strlen(text) && memcmp(w->at, text, w->len) == 0;
}

static int split(struct reader *r)
{
	const char *p = r->line;

	for (int i = 0; i < NCOLUMNS; i++) {
		struct word *w = &r->word[i];

		w->at = p;
		w->len = strcspn(p, " ");
		p += w->len;
		if (!w->len && *p)
			return fail(r, p,
				    "one space stands between two columns, and none before "
				    "the first");
		if (!w->len || (!*p && i + 1 < NCOLUMNS))
			return fail(r, p,
				    "the line has %d of %d columns: link dir packet flow in-flow "
				    "verdict value arrived left",
				    w->len ? i + 1 : i, NCOLUMNS);
		if (*p && i + 1 < NCOLUMNS)
			p++;
	}
	return *p ? fail(r, p, "more than %d columns", NCOLUMNS) : 0;
}

/* Decimal digits from @p up to @end, all of them. */
static bool read_number(const char *p, const char *end, uint64_t *ret)
{
	uint64_t n = 0;

	if (p == end)
		return false;
	for (; p < end; p++)
		if (*p < '0' || *p > '9' || __builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (unsigned)(*p - '0'), &n))
			return false;
	*ret = n;
	return true;
}

/* A number with decimals, times @factor, a power of ten. Nothing may be left behind the dot. */
static bool read_decimal(const char *p, const char *end, uint64_t factor, uint64_t *ret)
{
	const char *dot = memchr(p, '.', (size_t)(end - p));
	uint64_t n;

	if (!read_number(p, dot ? dot : end, &n) || __builtin_mul_overflow(n, factor, &n))
		return false;
	if (dot && dot + 1 == end)
		return false;
	for (p = dot ? dot + 1 : end; p < end; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		factor /= 10;
		if (digit > 9 || (digit && !factor) ||
		    __builtin_add_overflow(n, digit * factor, &n))
			return false;
	}
	*ret = n;
	return true;
}

/* A number with a unit. */
static bool read_time(const char *p, const char *end, uint64_t *ret)
{
	const char *unit = p;

	while (unit < end && ((*unit >= '0' && *unit <= '9') || *unit == '.'))
		unit++;
	for (size_t i = 0; i < NUNITS; i++)
		if (strlen(units[i].name) == (size_t)(end - unit) &&
		    memcmp(units[i].name, unit, (size_t)(end - unit)) == 0)
			return read_decimal(p, unit, units[i].ns, ret) && *ret <= DELAY_MAX_NS;
	return false;
}

static int read_reason(struct reader *r, struct verdict *v)
{
	const struct word *w = &r->word[VALUE];
	char list[128];
	size_t n = 0;

	for (int i = 0; i < CHOPPY_NDROPS; i++) {
		const char *name = choppy_drop_name((enum choppy_drop)i);

		v->value = (uint64_t)i;
		if (is(w, name))
			return 0;
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "", name);
	}
	return fail_word(r, w, "reason to drop: %s", list);
}

static int read_count(struct reader *r, const struct kind *k, const char *end, uint64_t *ret)
{
	const struct word *w = &r->word[VALUE];

	if (read_number(w->at, end, ret) && *ret >= k->min && *ret <= k->max)
		return 0;
	return fail_word(r, w, "%s: %llu to %llu", k->is, (unsigned long long)k->min,
			 (unsigned long long)k->max);
}

static int read_overtaken(struct reader *r, const struct kind *k, struct verdict *v)
{
	const struct word *w = &r->word[VALUE];
	const char *slash = memchr(w->at, '/', w->len), *end = w->at + w->len;

	if (!slash || !read_time(slash + 1, end, &v->value2))
		return fail_word(r, w, "%s and time within which: for example 3/20ms", k->is);
	return read_count(r, k, slash, &v->value);
}

static int read_value(struct reader *r, struct verdict *v)
{
	const struct kind *k = &kinds[v->kind];
	const struct word *w = &r->word[VALUE];

	switch (k->form) {
	case FORM_NONE:
		return is(w, "-") ? 0 : fail_word(r, w, "value of %s, which has none: -", k->name);
	case FORM_REASON:
		return read_reason(r, v);
	case FORM_NUMBER:
		return read_count(r, k, w->at + w->len, &v->value);
	case FORM_TIME:
		if (read_time(w->at, w->at + w->len, &v->value))
			return 0;
		return fail_word(r, w, "time to the nanosecond: for example 10.512ms");
	case FORM_BOTH:
		return read_overtaken(r, k, v);
	}
	return 0;
}

static int read_verdict(struct reader *r, struct verdict *v)
{
	const struct word *w = &r->word[VERDICT];
	char list[128];
	size_t n = 0;

	for (int i = 0; i < VERDICT_NKINDS; i++) {
		v->kind = (uint8_t)i;
		if (is(w, kinds[i].name))
			return read_value(r, v);
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "",
				      kinds[i].name);
	}
	return fail_word(r, w, "verdict: %s", list);
}

/* A number from 1, or "-" for 0. */
static bool read_ordinal(const struct word *w, uint64_t *ret)
{
	*ret = 0;
	return is(w, "-") || (read_number(w->at, w->at + w->len, ret) && *ret);
}

/* The same, with the part of it behind a plus. */
static bool read_packet(const struct word *w, struct verdict *v)
{
	const char *plus = memchr(w->at, '+', w->len), *end = w->at + w->len;
	struct word number = { w->at, plus ? (size_t)(plus - w->at) : w->len };
	uint64_t part = 0;

	if (!read_ordinal(&number, &v->packet))
		return false;
	if (plus && (!v->packet || !read_number(plus + 1, end, &part) || !part || part > UINT8_MAX))
		return false;
	v->part = (uint8_t)part;
	return true;
}

static int read_flow(struct reader *r, struct verdict *v, char flow[FLOW_LABEL_MAX])
{
	const struct word *w = &r->word[FLOW];
	bool none = is(w, "-");

	snprintf(flow, FLOW_LABEL_MAX, "%.*s", (int)w->len, w->at);
	if (!none && (w->len >= FLOW_LABEL_MAX || !flow_label_sound(flow)))
		return fail_word(r, w, "flow: for example tcp:192.0.2.1:80#1, or -");
	if (!read_ordinal(&r->word[IN_FLOW], &v->in_flow))
		return fail_word(r, &r->word[IN_FLOW], "number within the flow: from 1, or -");
	if (none != !v->in_flow)
		return fail(r, w->at,
			    none ? "a number within a flow, and no flow"
				 : "a flow, and no number within it");
	v->flow_hash = none ? 0 : flow_text_hash(flow);
	return 0;
}

static int read_which(struct reader *r, struct verdict *v, char flow[FLOW_LABEL_MAX])
{
	const struct word *link = &r->word[LINK], *dir = &r->word[DIR], *packet = &r->word[PACKET];
	uint64_t n;
	int e;

	if (!read_number(link->at, link->at + link->len, &n) || n > UINT16_MAX)
		return fail_word(r, link, "number of a link: 0 to %u", UINT16_MAX);
	v->link = (uint16_t)n;
	if (!is(dir, dirs[CHOPPY_UP]) && !is(dir, dirs[CHOPPY_DOWN]))
		return fail_word(r, dir, "direction: up or down");
	v->dir = is(dir, dirs[CHOPPY_UP]) ? CHOPPY_UP : CHOPPY_DOWN;
	if (!read_packet(packet, v))
		return fail_word(r, packet, "packet number: from 1, or -");
	e = read_flow(r, v, flow);
	if (e < 0)
		return e;
	if (!v->packet && !v->in_flow)
		return fail(r, packet->at, "neither a packet number nor a flow");
	return 0;
}

static int read_at(struct reader *r, enum column column, uint64_t *ret)
{
	const struct word *w = &r->word[column];

	*ret = VERDICT_NO_TIME;
	if (is(w, "-"))
		return 0;
	if (read_decimal(w->at, w->at + w->len, S_NS, ret) && *ret != VERDICT_NO_TIME)
		return 0;
	return fail_word(r, w, "time in seconds, to the nanosecond: for example 1.002003004, or -");
}

int verdict_parse(struct verdict *ret, char ret_flow[FLOW_LABEL_MAX], const char *line,
		  struct verdict_error *err)
{
	struct reader r = { .line = line, .err = err };
	struct verdict v = { 0 };
	char flow[FLOW_LABEL_MAX];
	int e;

	if (!*line || *line == '#')
		return 1;
	if ((e = split(&r)) < 0 || (e = read_which(&r, &v, flow)) < 0 ||
	    (e = read_verdict(&r, &v)) < 0 || (e = read_at(&r, ARRIVED, &v.at_ns)) < 0 ||
	    (e = read_at(&r, LEFT, &v.due_ns)) < 0)
		return e;
	*ret = v;
	if (ret_flow)
		strcpy(ret_flow, flow);
	return 0;
}

/* -------------------------------------------------------------------- replay */

#define ORDER(a, b) ((a) < (b) ? -1 : (a) > (b))

static int compare_packets(const struct verdict *a, const struct verdict *b, bool by_flow)
{
	int c = ORDER(a->link, b->link);

	if (!c)
		c = ORDER(a->dir, b->dir);
	if (!c && !by_flow)
		c = ORDER(a->packet, b->packet);
	if (!c && by_flow)
		c = ORDER(a->flow_hash, b->flow_hash);
	if (!c && by_flow)
		c = ORDER(a->in_flow, b->in_flow);
	return c ? c : ORDER(a->part, b->part);
}

static int compare(const struct verdict *a, const struct verdict *b, bool by_flow)
{
	int c = compare_packets(a, b, by_flow);

	if (!c)
		c = ORDER(a->kind, b->kind);
	return c ? c : ORDER(a->line, b->line);
}

static int compare_by_number(const void *a, const void *b)
{
	return compare(a, b, false);
}

static int compare_by_flow(const void *a, const void *b)
{
	return compare(a, b, true);
}

void verdict_sort(struct verdict *v, size_t n, bool by_flow)
{
	if (n)
		qsort(v, n, sizeof(*v), by_flow ? compare_by_flow : compare_by_number);
}

bool verdict_same_packet(const struct verdict *a, const struct verdict *b, bool by_flow)
{
	return compare_packets(a, b, by_flow) == 0;
}

/* Dropped before anything else could befall it: beyond the queue much may have happened before. */
static bool dropped_first(const struct verdict *v)
{
	return v->kind == VERDICT_DROPPED &&
	       (v->value == CHOPPY_DROP_LOSS || v->value == CHOPPY_DROP_LIST ||
		v->value == CHOPPY_DROP_OUTAGE || v->value == CHOPPY_DROP_REJECT ||
		v->value == CHOPPY_DROP_REPLAY);
}

bool verdict_contradicts(const struct verdict *a, const struct verdict *b)
{
	uint32_t both = 1u << a->kind | 1u << b->kind;

	return a->kind == b->kind || dropped_first(a) || dropped_first(b) ||
	       both == (1u << VERDICT_CORRUPTED | 1u << VERDICT_MENDED);
}

/* The first of @n that is not before @key. */
static size_t lower_bound(const struct verdict *v, size_t n, const struct verdict *key,
			  bool by_flow)
{
	size_t low = 0;

	while (low < n) {
		size_t middle = low + (n - low) / 2;

		if (compare_packets(&v[middle], key, by_flow) < 0)
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

void replay_begin(struct replay *r, const struct verdict *v, size_t n, uint32_t link,
		  enum choppy_dir dir, bool by_flow)
{
	struct verdict key = { .link = (uint16_t)link, .dir = (uint8_t)dir };
	size_t from = lower_bound(v, n, &key, by_flow);

	*r = (struct replay){ .v = v + from, .by_flow = by_flow };
	while (from + r->n < n && v[from + r->n].link == link && v[from + r->n].dir == dir)
		r->n++;
}

size_t replay_find(struct replay *r, const struct verdict *key, const struct verdict **ret)
{
	struct verdict k = *key;
	size_t at, n = 0;

	if (!r->n)
		return 0;
	k.link = r->v->link;
	k.dir = r->v->dir;
	if (r->by_flow) {
		at = k.in_flow ? lower_bound(r->v, r->n, &k, true) : r->n;
	} else {
		if (r->next && compare_packets(&r->v[r->next - 1], &k, false) >= 0)
			r->next = lower_bound(r->v, r->next, &k, false);
		while (r->next < r->n && compare_packets(&r->v[r->next], &k, false) < 0)
			r->next++;
		at = r->next;
	}
	while (at + n < r->n && compare_packets(&r->v[at + n], &k, r->by_flow) == 0)
		n++;
	if (n)
		*ret = &r->v[at];
	return n;
}
