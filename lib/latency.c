/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packet from a node of group g to one of group h takes three links,
 *
 *	node --up(g)--> router g --core(g, h)--> router h --down(h)--> node
 *
 * and two within a group: up(g), down(g). So of the cell (g, g) one half is down(g) and the rest,
 * which has the odd nanosecond, is up(g); core(g, h) is the cell (g, h) less up(g) and down(h).
 * Sums are exact, whatever the numbers.
 *
 * A cell that is not given is as the one of the way back. Of a round trip each way gets half; an
 * odd nanosecond goes to the way from the group that comes first. Within a group no node comes
 * first, so there it is refused. A group of one node needs no cell of its own: it is 0 then.
 */
#include "latency.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "fields.h"
#include "near.h"
#include "value.h"

#define HOUR_NS (3600ull * 1000000000)

static const struct choppy_field_row one_way_row = { .name = "delay",
						     .kind = CHOPPY_KIND_TIME,
						     .max = HOUR_NS };
static const struct choppy_field_row rtt_row = { .name = "round trip",
						 .kind = CHOPPY_KIND_TIME,
						 .max = 2 * HOUR_NS };

void latency_init(struct latency *l)
{
	*l = (struct latency){ 0 };
	memset(l->ns, 0xff, sizeof(l->ns));
}

uint32_t latency_group(const struct latency *l, const char *name, struct choppy_err *err)
{
	struct near near = near_begin(name);
	char shown[WORD_BYTES];

	for (uint32_t g = 0; g < l->n; g++) {
		if (strcmp(l->name[g], name) == 0)
			return g;
		near_try(&near, l->name[g]);
	}
	word_shown(shown, name);
	if (near.best && near.distance < strlen(name))
		err_set(err, -ENOENT, "there is no group '%s'; is it '%s'?", shown, near.best);
	else
		err_set(err, -ENOENT, "there is no group '%s'", shown);
	return NO_GROUP;
}

int latency_value(uint64_t *ret, const struct latency *l, const char *text, struct choppy_err *err)
{
	return value_parse(ret, l->rtt ? &rtt_row : &one_way_row, text, err);
}

/* ------------------------------------------------------------------- cells */

static bool given(const struct latency *l, uint32_t from, uint32_t to)
{
	return l->ns[from][to] != LATENCY_NONE;
}

/* How long it takes one way, or LATENCY_NONE. */
static uint64_t one_way(const struct latency *l, uint32_t from, uint32_t to)
{
	uint64_t cell = given(l, from, to) ? l->ns[from][to] : l->ns[to][from];

	if (cell == LATENCY_NONE)
		return from == to && l->nodes[from] == 1 ? 0 : LATENCY_NONE;
	if (l->rtt)
		return cell / 2 + (from < to ? cell % 2 : 0);
	return cell;
}

/* Where that stands. */
static const void *place_of(const struct latency *l, uint32_t from, uint32_t to)
{
	if (given(l, from, to))
		return l->at[from][to];
	if (given(l, to, from))
		return l->at[to][from];
	return l->row_at[from] ? l->row_at[from] : l->row_at[to];
}

/* ------------------------------------------------------------------ checks */

struct check {
	const struct latency *l;
	struct latency_links *links;
	void (*tell)(void *ctx, const void *at, const char *text);
	void *ctx;
	int wrong;
};

static void tell(struct check *c, const void *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void tell(struct check *c, const void *at, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->tell(c->ctx, at, text);
	c->wrong++;
}

static const char *shown(char buf[48], uint64_t ns)
{
	choppy_value_print(buf, 48, &one_way_row, &ns);
	return buf;
}

/* Whether the matrix has anything of @group, beside what is within it; of two a pair is told. */
static bool mentioned(const struct latency *l, uint32_t group)
{
	for (uint32_t g = 0; g < l->n; g++)
		if (g != group && (given(l, group, g) || given(l, g, group)))
			return true;
	return l->n <= 2;
}

static void check_inside(struct check *c, uint32_t g)
{
	const struct latency *l = c->l;

	if (!mentioned(l, g))
		tell(c, l->row_at[g], "the matrix does not say how far group %s is from others",
		     l->name[g]);
	if (one_way(l, g, g) == LATENCY_NONE)
		tell(c, l->row_at[g],
		     "the delay within group %s is missing, and it has %u nodes: from %s to %s",
		     l->name[g], l->nodes[g], l->name[g], l->name[g]);
	else if (l->rtt && given(l, g, g) && l->ns[g][g] % 2)
		tell(c, l->at[g][g],
		     "a round trip within a group takes as long each way, and %lluns is odd",
		     (unsigned long long)l->ns[g][g]);
}

static void check_between(struct check *c, uint32_t a, uint32_t b)
{
	const struct latency *l = c->l;

	if (one_way(l, a, b) == LATENCY_NONE && mentioned(l, a) && mentioned(l, b))
		tell(c, place_of(l, a, b),
		     "the delay between %s and %s is missing: from %s to %s, or back", l->name[a],
		     l->name[b], l->name[a], l->name[b]);
}

static void set_inside(struct check *c, uint32_t g)
{
	uint64_t whole = one_way(c->l, g, g);

	if (whole == LATENCY_NONE)
		whole = 0;
	c->links->down[g] = whole / 2;
	c->links->up[g] = whole - whole / 2;
	c->links->core[g][g] = 0;
}

static void set_core(struct check *c, uint32_t from, uint32_t to)
{
	const struct latency *l = c->l;
	struct latency_links *links = c->links;
	uint64_t cell = one_way(l, from, to);
	uint64_t least = links->up[from] + links->down[to];
	char whole[48], up[48], down[48], sum[48];

	if (cell >= least) { /* also of none, which has been told */
		links->core[from][to] = cell - least;
		return;
	}
	tell(c, place_of(l, from, to),
	     "from %s to %s %s is too short: %s of it is within %s, and %s within %s: "
	     "at least %s%s",
	     l->name[from], l->name[to], shown(whole, cell), shown(up, links->up[from]),
	     l->name[from], shown(down, links->down[to]), l->name[to], shown(sum, least),
	     l->rtt ? " one way" : "");
}

/* Twice too short in one place is told once. */
static void set_cores(struct check *c, uint32_t a, uint32_t b)
{
	int before = c->wrong;

	set_core(c, a, b);
	if (c->wrong == before || (given(c->l, a, b) && given(c->l, b, a)))
		set_core(c, b, a);
}

static void each_pair(struct check *c, void (*each)(struct check *c, uint32_t a, uint32_t b))
{
	for (uint32_t a = 0; a < c->l->n; a++)
		for (uint32_t b = a + 1; b < c->l->n; b++)
			each(c, a, b);
}

int latency_links(struct latency_links *ret, const struct latency *l,
		  void (*tell_one)(void *ctx, const void *at, const char *text), void *ctx)
{
	struct check c = { .l = l, .links = ret, .tell = tell_one, .ctx = ctx };

	for (uint32_t g = 0; g < l->n; g++)
		check_inside(&c, g);
	each_pair(&c, check_between);
	for (uint32_t g = 0; g < l->n; g++)
		set_inside(&c, g);
	each_pair(&c, set_cores);
	return c.wrong ? -EINVAL : 0;
}
