/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each form has one way to be written, so what is printed is read back to the same value:
 *
 *	choice       NAME, one of the row's
 *	list         N[-N]{,N[-N]}, ascending; ranges that touch are one
 *	cycle        TIME/TIME, the second shorter than the first
 *	overhead     NAME of a framing, or bytes with a sign
 *	distribution NAME of a shape, or a file
 *	trace        NAME of a built-in trace, or a file
 *
 * A file's name has a slash or a dot in it, so that a wrong name is never taken for one; it is
 * made absolute here, since whoever reads the file may be in another directory.
 */
#include "forms.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "distribution.h"
#include "err.h"
#include "near.h"
#include "tracefile.h"
#include "util.h"

/* ------------------------------------------------------------------- names */

int name_index(const char *const *names, const char *text)
{
	int i;

	for (i = 0; names[i]; i++)
		if (strcmp(names[i], text) == 0)
			return i;
	return -1;
}

/* @text is none of @names: the one that is meant, or all of them and @more (or NULL). */
static int no_such_name(const struct choppy_field_row *row, const char *const *names,
			const char *more, const char *text, struct choppy_err *err)
{
	char list[256], shown[WORD_BYTES];
	struct text t = text_begin(list, sizeof(list));
	struct near near = near_begin(text);
	size_t n = 0, i;

	word_shown(shown, text);
	for (; names[n]; n++)
		near_try(&near, names[n]);
	if (near.best)
		return err_set(err, -EINVAL, "%s has no '%s': did you mean '%s'?", row->name, shown,
			       near.best);
	for (i = 0; i < n; i++)
		text_add(&t, "%s%s", text_or(i, n + !!more), names[i]);
	if (more)
		text_add(&t, "%s%s", text_or(n, n + 1), more);
	return err_set(err, -EINVAL, "%s has no '%s': use %s", row->name, shown, list);
}

static int choice_parse(void *ret, const struct choppy_field_row *row, const char *text,
			struct choppy_err *err)
{
	int i = name_index(row->choices, text);

	if (i < 0)
		return no_such_name(row, row->choices, NULL, text, err);
	*(uint64_t *)ret = (uint64_t)i;
	return 0;
}

static int choice_check(const struct choppy_field_row *row, const void *value,
			struct choppy_err *err)
{
	uint64_t n = *(const uint64_t *)value;

	if (n <= row->max)
		return 0;
	return err_set(err, -EINVAL, "%s is none of its names (number %llu)", row->name,
		       (unsigned long long)n);
}

static void choice_print(struct text *t, const struct choppy_field_row *row, const void *value)
{
	uint64_t n = *(const uint64_t *)value;

	text_add(t, "%s", n <= row->max ? row->choices[n] : "?");
}

const struct form choice_form = { choice_parse, choice_check, NULL, choice_print };

/* The grammar sets a flag, which has no text. */
static int flag_parse(void *ret, const struct choppy_field_row *row, const char *text,
		      struct choppy_err *err)
{
	return err_set(err, -EINVAL, "%s takes no value", row->name);
}

static int flag_check(const struct choppy_field_row *row, const void *value, struct choppy_err *err)
{
	if (*(const uint64_t *)value == 1)
		return 0;
	return err_set(err, -EINVAL, "%s is 1 where it is set", row->name);
}

static void flag_print(struct text *t, const struct choppy_field_row *row, const void *value)
{
	text_add(t, "%s", row->word);
}

const struct form flag_form = { flag_parse, flag_check, NULL, flag_print };

/* ------------------------------------------------------------------- lists */

/* Read a packet number at *@p. */
static int list_number(uint64_t *ret, const struct choppy_field_row *row, const char **p,
		       struct choppy_err *err)
{
	uint64_t n = 0;

	if (**p < '0' || **p > '9')
		return err_set(err, -EINVAL, "%s is a list of packet numbers: for example 1,3,7-9",
			       row->name);
	for (; **p >= '0' && **p <= '9'; (*p)++)
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (unsigned int)(**p - '0'), &n))
			return err_set(err, -EINVAL, "%s has a number above %llu", row->name,
				       (unsigned long long)UINT64_MAX);
	if (n == 0)
		return err_set(err, -EINVAL, "%s has packet 0: packets are counted from 1",
			       row->name);
	*ret = n;
	return 0;
}

/* Put @r behind what @list has. */
static int list_append(struct choppy_list *list, const struct choppy_field_row *row,
		       const struct choppy_range *r, struct choppy_err *err)
{
	struct choppy_range *last = list->n ? &list->range[list->n - 1] : NULL;

	if (r->last < r->first)
		return err_set(err, -EINVAL, "%s has a range that runs backwards: write %llu-%llu",
			       row->name, (unsigned long long)r->last,
			       (unsigned long long)r->first);
	if (last && r->first <= last->last)
		return err_set(err, -EINVAL, "%s must ascend: %llu cannot stand behind %llu",
			       row->name, (unsigned long long)r->first,
			       (unsigned long long)last->last);
	if (last && r->first == last->last + 1) {
		last->last = r->last;
		return 0;
	}
	if (list->n == CHOPPY_LIST_MAX)
		return err_set(err, -EINVAL,
			       "%s has more than %d ranges: for more write verdicts into a file "
			       "and use --replay FILE",
			       row->name, CHOPPY_LIST_MAX);
	list->range[list->n++] = *r;
	return 0;
}

static int list_parse(void *ret, const struct choppy_field_row *row, const char *text,
		      struct choppy_err *err)
{
	struct choppy_list list = { 0 };
	size_t len = strlen(text);
	const char *p = text;
	int r;

	if (len && text[len - 1] == '%')
		return err_set(err, -EINVAL,
			       "%s is a list of packet numbers, such as 1,3,7-9; a share is lost "
			       "by loss, for example loss 5%%",
			       row->name);
	for (;; p++) {
		struct choppy_range range;

		r = list_number(&range.first, row, &p, err);
		if (r < 0)
			return r;
		range.last = range.first;
		if (*p == '-') {
			p++;
			r = list_number(&range.last, row, &p, err);
		}
		if (r == 0)
			r = list_append(&list, row, &range, err);
		if (r < 0)
			return r;
		if (*p != ',')
			break;
	}
	if (*p)
		return err_set(err, -EINVAL, "%s is a list of packet numbers: for example 1,3,7-9",
			       row->name);
	memcpy(ret, &list, sizeof(list));
	return 0;
}

static int list_check(const struct choppy_field_row *row, const void *value, struct choppy_err *err)
{
	const struct choppy_list *list = value;
	uint32_t i;

	if (list->n == 0 || list->n > CHOPPY_LIST_MAX)
		return err_set(err, -EINVAL, "%s has %u ranges: 1 to %d", row->name, list->n,
			       CHOPPY_LIST_MAX);
	for (i = 0; i < list->n; i++) {
		const struct choppy_range *r = &list->range[i];

		if (r->first == 0 || r->last < r->first ||
		    (i && (r->first <= r[-1].last || r->first - r[-1].last < 2)))
			return err_set(err, -EINVAL, "%s is not ascending ranges that do not touch",
				       row->name);
	}
	return 0;
}

static bool list_equal(const void *a, const void *b)
{
	const struct choppy_list *x = a, *y = b;

	return x->n == y->n && memcmp(x->range, y->range, x->n * sizeof(x->range[0])) == 0;
}

static void list_print(struct text *t, const struct choppy_field_row *row, const void *value)
{
	const struct choppy_list *list = value;
	uint32_t i;

	for (i = 0; i < list->n && i < CHOPPY_LIST_MAX; i++) {
		text_add(t, "%s%llu", i ? "," : "", (unsigned long long)list->range[i].first);
		if (list->range[i].last != list->range[i].first)
			text_add(t, "-%llu", (unsigned long long)list->range[i].last);
	}
}

const struct form list_form = { list_parse, list_check, list_equal, list_print };

/* ------------------------------------------------------------------ cycles */

/* A row for one of the two times of @row. */
static struct choppy_field_row half(const struct choppy_field_row *row)
{
	return (struct choppy_field_row){ .name = row->name,
					  .kind = CHOPPY_KIND_TIME,
					  .min = row->min,
					  .max = row->max,
					  .example = row->example };
}

static int cycle_order(const struct choppy_field_row *row, const struct choppy_cycle *c,
		       struct choppy_err *err)
{
	const struct choppy_field_row time = half(row);
	char period[48], out[48];

	if (c->out_ns < c->period_ns)
		return 0;
	choppy_value_print(period, sizeof(period), &time, &c->period_ns);
	choppy_value_print(out, sizeof(out), &time, &c->out_ns);
	return err_set(err, -EINVAL,
		       "%s %s/%s: the outage must be shorter than the period; for one without "
		       "end: outage",
		       row->name, period, out);
}

static int cycle_parse(void *ret, const struct choppy_field_row *row, const char *text,
		       struct choppy_err *err)
{
	const struct choppy_field_row time = half(row);
	const char *slash = strchr(text, '/');
	struct choppy_cycle c = { 0 };
	char period[64];
	int r;

	if (!slash || strchr(slash + 1, '/'))
		return err_set(err, -EINVAL,
			       "%s is PERIOD/OUT, two times with a slash: for example 5s/500ms",
			       row->name);
	if ((size_t)(slash - text) >= sizeof(period))
		return err_set(err, -EINVAL, "%s has too long a number: for example 5s/500ms",
			       row->name);
	memcpy(period, text, slash - text);
	period[slash - text] = '\0';
	r = value_parse(&c.period_ns, &time, period, err);
	if (r == 0)
		r = value_parse(&c.out_ns, &time, slash + 1, err);
	if (r == 0)
		r = cycle_order(row, &c, err);
	if (r == 0)
		memcpy(ret, &c, sizeof(c));
	return r;
}

static int cycle_check(const struct choppy_field_row *row, const void *value,
		       struct choppy_err *err)
{
	const struct choppy_field_row time = half(row);
	const struct choppy_cycle *c = value;
	int r = value_check(&time, &c->period_ns, err);

	if (r == 0)
		r = value_check(&time, &c->out_ns, err);
	return r < 0 ? r : cycle_order(row, c, err);
}

static void cycle_print(struct text *t, const struct choppy_field_row *row, const void *value)
{
	const struct choppy_field_row time = half(row);
	const struct choppy_cycle *c = value;
	char period[48], out[48];

	choppy_value_print(period, sizeof(period), &time, &c->period_ns);
	choppy_value_print(out, sizeof(out), &time, &c->out_ns);
	text_add(t, "%s/%s", period, out);
}

const struct form cycle_form = { cycle_parse, cycle_check, NULL, cycle_print };

/* ---------------------------------------------------------------- framings */

#define OVERHEAD_MOST 2048

/*
 * What an Ethernet line carries beside the frame that Linux shows (IEEE 802.3): preamble and start
 * 8, check sequence 4, gap 12; the shortest frame, with its check sequence, is 64. PPPoE (RFC 2516)
 * puts 6 and PPP 2 more before the packet.
 */
static const char *const framing_names[] = { "ethernet", "pppoe", NULL };
static const struct choppy_overhead framings[] = {
	{ 8 + 4 + 12, 8 + 64 + 12 },
	{ 8 + 4 + 12 + 6 + 2, 8 + 64 + 12 },
};

/* Bytes with their sign. */
static int bytes_parse(struct choppy_overhead *ret, const struct choppy_field_row *row,
		       const char *text, struct choppy_err *err)
{
	const struct choppy_field_row size = {
		.name = row->name, .kind = CHOPPY_KIND_SIZE, .max = UINT32_MAX, .example = "38bytes"
	};
	const bool negative = text[0] == '-';
	char shown[WORD_BYTES];
	uint64_t n;
	int r;

	word_shown(shown, text);
	if (!text[negative + strspn(text + negative, "0123456789")])
		return err_set(err, -EINVAL, "%s needs its unit: %sbytes", row->name, shown);
	r = value_parse(&n, &size, text + negative, err);
	if (r < 0)
		return r;
	if (n > OVERHEAD_MOST)
		return err_set(err, -EINVAL, "%s %s is out of range: -%dbytes to %dbytes",
			       row->name, shown, OVERHEAD_MOST, OVERHEAD_MOST);
	ret->bytes = negative ? -(int32_t)n : (int32_t)n;
	return 0;
}

static int overhead_parse(void *ret, const struct choppy_field_row *row, const char *text,
			  struct choppy_err *err)
{
	struct choppy_overhead o = { 0 };
	int i = name_index(framing_names, text), r;

	if (i >= 0) {
		o = framings[i];
	} else if (!value_like(text)) {
		return no_such_name(row, framing_names, "bytes, such as 38bytes or -14bytes", text,
				    err);
	} else {
		r = bytes_parse(&o, row, text, err);
		if (r < 0)
			return r;
	}
	memcpy(ret, &o, sizeof(o));
	return 0;
}

static int framing_of(const struct choppy_overhead *o)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(framings); i++)
		if (o->bytes == framings[i].bytes && o->least == framings[i].least)
			return (int)i;
	return -1;
}

static int overhead_check(const struct choppy_field_row *row, const void *value,
			  struct choppy_err *err)
{
	const struct choppy_overhead *o = value;

	if (framing_of(o) >= 0 ||
	    (o->least == 0 && o->bytes >= -OVERHEAD_MOST && o->bytes <= OVERHEAD_MOST))
		return 0;
	return err_set(err, -EINVAL,
		       "%s %d bytes, at least %u, is none: ethernet, pppoe, or %d to %d bytes",
		       row->name, o->bytes, o->least, -OVERHEAD_MOST, OVERHEAD_MOST);
}

static void overhead_print(struct text *t, const struct choppy_field_row *row, const void *value)
{
	const struct choppy_overhead *o = value;
	int i = framing_of(o);

	if (i >= 0)
		text_add(t, "%s", framing_names[i]);
	else
		text_add(t, "%d%s", o->bytes, o->bytes == 1 || o->bytes == -1 ? "byte" : "bytes");
}

const struct form overhead_form = { overhead_parse, overhead_check, NULL, overhead_print };

/* ------------------------------------------------------------------- files */

#define NAMES_MAX 16

typedef const char *name_function(unsigned int i);

/* All names that @name tells, NULL behind the last. */
static void take_names(const char *names[NAMES_MAX], name_function *name)
{
	unsigned int i = 0;

	while (i + 1 < NAMES_MAX && (names[i] = name(i)))
		i++;
	names[i] = NULL;
}

/* @text as the absolute path of a file that can be read. */
static int file_parse(char ret[CHOPPY_PATH_MAX], const struct choppy_field_row *row,
		      const char *text, struct choppy_err *err)
{
	char path[PATH_MAX], shown[WORD_BYTES];
	struct stat st;

	word_shown(shown, text);
	if (!realpath(text, path) || access(path, R_OK) < 0 || stat(path, &st) < 0) {
		err_sys(err, -errno, "%s: the file '%s' cannot be read", row->name, shown);
		if (err)
			err->code = -EINVAL;
		return -EINVAL;
	}
	if (S_ISDIR(st.st_mode))
		return err_set(err, -EINVAL, "%s: '%s' is a directory, not a file", row->name,
			       shown);
	if (strlen(path) >= CHOPPY_PATH_MAX)
		return err_set(err, -EINVAL,
			       "%s: the file's whole path has %zu characters, at most %d are "
			       "possible",
			       row->name, strlen(path), CHOPPY_PATH_MAX - 1);
	memcpy(ret, path, strlen(path) + 1);
	return 0;
}

static int named_parse(void *ret, const struct choppy_field_row *row, name_function *name,
		       const char *text, struct choppy_err *err)
{
	char value[CHOPPY_PATH_MAX] = "";
	const char *names[NAMES_MAX];
	int i, r;

	take_names(names, name);
	i = name_index(names, text);
	if (i >= 0) {
		strcpy(value, names[i]);
	} else if (strpbrk(text, "/.")) {
		r = file_parse(value, row, text, err);
		if (r < 0)
			return r;
	} else {
		return no_such_name(row, names, "a file, such as ./FILE", text, err);
	}
	memset(ret, 0, CHOPPY_PATH_MAX);
	strcpy(ret, value);
	return 0;
}

static int named_check(const struct choppy_field_row *row, name_function *name, const char *value,
		       struct choppy_err *err)
{
	const char *names[NAMES_MAX];

	take_names(names, name);
	if (!memchr(value, '\0', CHOPPY_PATH_MAX))
		return err_set(err, -EINVAL, "%s is not a text", row->name);
	if (value[0] == '/' || name_index(names, value) >= 0)
		return 0;
	return err_set(err, -EINVAL, "%s is neither a name that is known nor an absolute path",
		       row->name);
}

static bool named_equal(const void *a, const void *b)
{
	return strncmp(a, b, CHOPPY_PATH_MAX) == 0;
}

static void named_print(struct text *t, const struct choppy_field_row *row, const void *value)
{
	text_add(t, "%.*s", CHOPPY_PATH_MAX, (const char *)value);
}

static int parse_distribution(void *ret, const struct choppy_field_row *row, const char *text,
			      struct choppy_err *err)
{
	return named_parse(ret, row, distribution_name, text, err);
}

static int check_distribution(const struct choppy_field_row *row, const void *value,
			      struct choppy_err *err)
{
	return named_check(row, distribution_name, value, err);
}

const struct form distribution_form = { parse_distribution, check_distribution, named_equal,
					named_print };

static int parse_trace(void *ret, const struct choppy_field_row *row, const char *text,
		       struct choppy_err *err)
{
	return named_parse(ret, row, trace_builtin_name, text, err);
}

static int check_trace(const struct choppy_field_row *row, const void *value,
		       struct choppy_err *err)
{
	return named_check(row, trace_builtin_name, value, err);
}

const struct form trace_form = { parse_trace, check_trace, named_equal, named_print };
