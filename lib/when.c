/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 *	when  = ( "at" TIME | "from" TIME "to" TIME | "within" TIME
 *	        | "every" TIME [ "for" TIME ] [ "from" TIME ] [ "to" TIME ] )
 *	        [ "after" ( "first packet" | MARK ) ]
 *
 * Every 30s for 2s is first at 30s, and so is every 30s from 30s.
 */
#include "when.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "util.h"
#include "value.h"

#define TIME_MAX_NS (365ull * 24 * 3600 * 1000000000)

int when_time(uint64_t *ret_ns, const char *text, struct choppy_err *err)
{
	static const struct choppy_field_row row = {
		.name = "time", .kind = CHOPPY_KIND_TIME, .max = TIME_MAX_NS, .metavar = "TIME"
	};

	return value_parse(ret_ns, &row, text, err);
}

bool when_mark_sound(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("-_", name[i]))
			return false;
	return n > 0 && n < WHEN_MARK_MAX;
}

struct parser {
	char **v;
	int n, at;
	struct choppy_err *err;
};

static bool take(struct parser *p, const char *word)
{
	bool is = p->at < p->n && strcmp(p->v[p->at], word) == 0;

	p->at += is;
	return is;
}

static int take_time(struct parser *p, const char *behind, uint64_t *ret)
{
	if (p->at == p->n)
		return err_set(p->err, -EINVAL, "a time is missing behind '%s': %s 5s", behind,
			       behind);
	return when_time(ret, p->v[p->at++], p->err);
}

/* [ WORD TIME ] */
static int take_optional(struct parser *p, const char *word, uint64_t *ret)
{
	return take(p, word) ? take_time(p, word, ret) : 0;
}

static int parse_at(struct parser *p, struct when *w)
{
	w->to_ns = WHEN_NEVER;
	return take_time(p, "at", &w->from_ns);
}

static int parse_within(struct parser *p, struct when *w)
{
	w->to_ns = WHEN_NEVER;
	return take_time(p, "within", &w->from_ns);
}

static int parse_from(struct parser *p, struct when *w)
{
	int r = take_time(p, "from", &w->from_ns);

	if (r == 0 && !take(p, "to"))
		r = err_set(p->err, -EINVAL, "the end is missing: from 10s to 20s; or write at");
	if (r == 0)
		r = take_time(p, "to", &w->to_ns);
	if (r == 0 && w->to_ns <= w->from_ns)
		r = err_set(p->err, -EINVAL, "it ends before it begins");
	return r;
}

static int parse_every(struct parser *p, struct when *w)
{
	int r = take_time(p, "every", &w->every_ns);

	w->to_ns = WHEN_NEVER;
	w->from_ns = w->every_ns;
	if (r == 0 && take(p, "for")) {
		r = take_time(p, "for", &w->for_ns);
		if (r == 0 && !w->for_ns)
			r = err_set(p->err, -EINVAL, "for 0s is no time: leave it out");
	}
	if (r == 0)
		r = take_optional(p, "from", &w->from_ns);
	if (r == 0)
		r = take_optional(p, "to", &w->to_ns);
	if (r < 0)
		return r;
	if (!w->every_ns)
		return err_set(p->err, -EINVAL, "every 0s is always: write from");
	if (w->for_ns >= w->every_ns)
		return err_set(p->err, -EINVAL, "the next begins before the one before has ended");
	if (w->to_ns <= w->from_ns)
		return err_set(p->err, -EINVAL, "it ends before it begins");
	return 0;
}

static int parse_after(struct parser *p, struct when *w)
{
	if (!take(p, "after"))
		return 0;
	if (p->at + 1 < p->n && strcmp(p->v[p->at], "first") == 0 &&
	    strcmp(p->v[p->at + 1], "packet") == 0) {
		w->base = WHEN_FIRST_PACKET;
		p->at += 2;
		return 0;
	}
	if (p->at == p->n || !when_mark_sound(p->v[p->at]))
		return err_set(p->err, -EINVAL,
			       "after what? A mark's name (letters, digits, '-', '_'), "
			       "'" WHEN_READY "', or 'first packet'");
	w->base = WHEN_MARK;
	snprintf(w->mark, sizeof(w->mark), "%s", p->v[p->at++]);
	return 0;
}

static const struct {
	const char *word;
	enum when_kind kind;
	int (*parse)(struct parser *p, struct when *w);
	bool of_timeline, of_expected;
} kinds[] = {
	{ "at", WHEN_AT, parse_at, true, true },
	{ "from", WHEN_FROM, parse_from, true, true },
	{ "every", WHEN_EVERY, parse_every, true, false },
	{ "within", WHEN_WITHIN, parse_within, false, true },
};

static int too_many(struct parser *p)
{
	char shown[WORD_BYTES];

	word_shown(shown, p->v[p->at]);
	return err_set(p->err, -EINVAL, "'%s' does not belong here", shown);
}

static int parse(struct parser *p, bool expected, struct when *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		int r;

		if (!(expected ? kinds[i].of_expected : kinds[i].of_timeline) ||
		    !take(p, kinds[i].word))
			continue;
		w->kind = kinds[i].kind;
		r = kinds[i].parse(p, w);
		if (r == 0)
			r = parse_after(p, w);
		return r == 0 && p->at < p->n ? too_many(p) : r;
	}
	return err_set(p->err, -EINVAL,
		       expected ? "when? at 5s, within 10s, or from 10s to 20s"
				: "when? at 5s, from 10s to 20s, or every 30s for 2s");
}

int when_parse(struct when *ret, const char *text, bool expected, struct choppy_err *err)
{
	CLEANUP_FREE char *copy = strdup(text);
	CLEANUP_FREE char **v = calloc(strlen(text) / 2 + 2, sizeof(*v));
	struct parser p = { .v = v, .err = err };
	struct when w = { .base = WHEN_START };
	char *save = NULL;
	int r;

	if (!copy || !v)
		return err_sys(err, -ENOMEM, "read a time");
	for (char *t = strtok_r(copy, " \t", &save); t; t = strtok_r(NULL, " \t", &save))
		v[p.n++] = t;
	r = parse(&p, expected, &w);
	if (r == 0)
		*ret = w;
	return r;
}

bool when_occasion(const struct when *w, uint64_t k, struct occasion *ret)
{
	uint64_t begin;

	if (k && w->kind != WHEN_EVERY)
		return false;
	if (__builtin_mul_overflow(k, w->every_ns, &begin) ||
	    __builtin_add_overflow(begin, w->from_ns, &begin))
		return false;
	if (w->kind == WHEN_EVERY && begin >= w->to_ns)
		return false;
	*ret = (struct occasion){ .begin_ns = begin, .end_ns = WHEN_NEVER };
	if (w->kind == WHEN_FROM)
		ret->end_ns = w->to_ns;
	else if (w->kind == WHEN_EVERY && w->for_ns)
		ret->end_ns = begin + w->for_ns < w->to_ns ? begin + w->for_ns : w->to_ns;
	return true;
}
