/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "compile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "distribution.h"
#include "err.h"
#include "filter.h"
#include "plan.h"
#include "tracefile.h"
#include "util.h"
#include "verdictfile.h"

/* The rules; filter, two tables of each rule and direction; a trace in two parts, and verdicts. */
#define ITEMS_MAX (1 + CHOPPY_NDIRS * ((LINK_RULES_MAX + 1) * 3 + 3))

/* A plan in the making: the items, and their data one behind another. */
struct draft {
	const struct compile_input *in;
	struct plan_item item[ITEMS_MAX];
	uint32_t nitems;
	unsigned char *data;
	size_t len, size;
	struct choppy_err *err;
};

static bool has(const struct choppy_condition *c, enum choppy_field field)
{
	return c->set & CHOPPY_FIELD_BIT(field);
}

/* @count things of @kind at @from. Offsets count from the data's begin until all is there. */
static int add(struct draft *d, enum plan_kind kind, enum choppy_dir dir, int rule,
	       const void *from, size_t count)
{
	size_t bytes = count * plan_unit(kind), padded = (bytes + 7) & ~(size_t)7;

	if (d->len + padded > d->size) {
		size_t size = 2 * d->size + padded;
		unsigned char *data = realloc(d->data, size);

		if (!data)
			return err_sys(d->err, -ENOMEM, "make the engine's plan");
		d->data = data;
		d->size = size;
	}
	if (bytes)
		memcpy(d->data + d->len, from, bytes);
	memset(d->data + d->len + bytes, 0, padded - bytes);
	d->item[d->nitems++] = (struct plan_item){
		.kind = kind, .dir = dir, .rule = rule, .offset = d->len, .count = count
	};
	d->len += padded;
	return 0;
}

static int add_table(struct draft *d, enum plan_kind kind, enum choppy_dir dir, int rule,
		     const char *name)
{
	const int16_t *table = NULL;
	uint32_t n = 0;
	int r = distribution_load(name, &table, &n, d->err);

	if (r < 0)
		return r;
	r = n ? add(d, kind, dir, rule, table, n) : 0;
	distribution_free(table);
	return r;
}

static int add_tables(struct draft *d, enum choppy_dir dir, int rule,
		      const struct choppy_condition *c)
{
	int r = 0;

	if (has(c, CHOPPY_DISTRIBUTION))
		r = add_table(d, PLAN_DELAY_TABLE, dir, rule, c->distribution);
	if (r == 0 && has(c, CHOPPY_SLOT_DISTRIBUTION))
		r = add_table(d, PLAN_SLOT_TABLE, dir, rule, c->slot_distribution);
	return r;
}

/* Rule @rule of the plan; @cut: that it is, or NULL. */
static int add_rule(struct draft *d, int rule, const struct choppy_rule *r,
		    const struct compile_cut *cut)
{
	CLEANUP_FREE struct match_insn *compiled = NULL;
	const struct match_insn *insns;
	uint32_t n = cut ? cut->ninsns : 0;
	int err = cut ? 0 : filter_compile(r->match, &compiled, &n, d->err);

	insns = cut ? cut->insns : compiled;
	for (int dir = 0; err == 0 && dir < CHOPPY_NDIRS; dir++) {
		if (!(r->dirs & CHOPPY_DIR_BIT(dir)))
			continue;
		err = add(d, PLAN_FILTER, dir, rule, insns, n);
		if (err == 0)
			err = add_tables(d, dir, rule, &r->condition);
	}
	return err;
}

/* A cut as a rule. The engine knows rules by their match, so that another cut is another rule. */
static void rule_of_cut(struct choppy_rule *ret, const struct compile_cut *cut)
{
	struct choppy_condition *c = &ret->condition;

	*ret = (struct choppy_rule){ .dirs = CHOPPY_DIR_BIT(cut->dir) };
	snprintf(ret->match, sizeof(ret->match), "cut %016" PRIx64 " %d",
		 hash_bytes(cut->insns, cut->ninsns * sizeof(*cut->insns)), cut->reject);
	c->set = CHOPPY_FIELD_BIT(CHOPPY_OUTAGE);
	c->outage = 1;
	if (cut->reject < 0)
		return;
	c->set |= CHOPPY_FIELD_BIT(CHOPPY_REJECT);
	c->reject = (uint64_t)cut->reject;
}

/* Cuts first, then the rules; filters behind all of them. */
static int add_rules(struct draft *d)
{
	uint32_t ncuts = d->in->ncuts, n = ncuts + d->in->rules->n;
	struct choppy_rule *all = n ? calloc(n, sizeof(*all)) : NULL;
	int r = 0;

	if (n && !all)
		return err_sys(d->err, -ENOMEM, "make the engine's plan");
	for (uint32_t i = 0; i < n; i++) {
		if (i < ncuts)
			rule_of_cut(&all[i], &d->in->cuts[i]);
		else
			all[i] = d->in->rules->rule[i - ncuts];
	}
	if (n)
		r = add(d, PLAN_RULES, 0, -1, all, n);
	for (uint32_t i = 0; r == 0 && i < n; i++)
		r = add_rule(d, (int)i, &all[i], i < ncuts ? &d->in->cuts[i] : NULL);
	free(all);
	return r;
}

/* Every state that the trace will bring about must hold. */
static int check_trace(struct draft *d, const struct choppy_condition *c, const struct trace *t)
{
	const uint64_t fixed = CHOPPY_FIELD_BIT(CHOPPY_QUEUE_FLOWS);
	struct choppy_condition then = *c;

	if (trace_fields(t) & fixed)
		return err_set(d->err, -EINVAL, "%s: a trace cannot change the number of flows",
			       c->trace);
	for (uint32_t row = 0; t->ncolumns && row < t->nrows; row++) {
		int r;

		trace_row(t, row, &then);
		r = choppy_condition_check(&then, NULL, d->err);
		if (r < 0) {
			err_prefix(d->err, "%s, row %u", c->trace, row + 1);
			return r;
		}
	}
	if (!t->ncolumns && has(c, CHOPPY_TRACE_END) && c->trace_end == CHOPPY_TRACE_HOLD)
		return err_set(
			d->err, -EINVAL,
			"%s says when packets leave and has no value to hold: then loop, or then "
			"stop",
			c->trace);
	if (!t->ncolumns && has(c, CHOPPY_RATE))
		return err_set(d->err, -EINVAL,
			       "%s says when packets leave, and so does rate: leave one out",
			       c->trace);
	return 0;
}

/* Chances are the direction's bottleneck, and no rule can have a queue at another. */
static int check_rules_of_chances(struct draft *d, enum choppy_dir dir)
{
	static const uint64_t bottleneck =
		CHOPPY_FIELD_BIT(CHOPPY_RATE) | CHOPPY_FIELD_BIT(CHOPPY_OVERHEAD) |
		CHOPPY_FIELD_BIT(CHOPPY_LIMIT) | CHOPPY_FIELD_BIT(CHOPPY_QUEUE);

	for (uint32_t i = 0; i < d->in->rules->n; i++) {
		const struct choppy_rule *r = &d->in->rules->rule[i];

		if (r->dirs & CHOPPY_DIR_BIT(dir) && r->condition.set & bottleneck)
			return err_set(
				d->err, -EINVAL,
				"match '%s': %s is the bottleneck of all packets: a rule has "
				"no rate and no queue of its own beside it",
				r->match, d->in->dir[dir].trace);
	}
	return 0;
}

static int add_trace(struct draft *d, enum choppy_dir dir)
{
	const struct choppy_condition *c = &d->in->dir[dir];
	struct trace *t = NULL;
	int r;

	if (!has(c, CHOPPY_TRACE))
		return 0;
	r = trace_load(c->trace, &t, d->err);
	if (r < 0)
		return r;
	r = check_trace(d, c, t);
	if (r == 0 && !t->ncolumns)
		r = check_rules_of_chances(d, dir);
	if (r == 0)
		r = add(d, PLAN_TRACE, dir, -1, t, 1);
	if (r == 0 && t->ncolumns)
		r = add(d, PLAN_TRACE_ROWS, dir, -1, t->rows, (size_t)t->nrows * (1 + t->ncolumns));
	else if (r == 0)
		r = add(d, PLAN_TRACE_CHANCES, dir, -1, t->chance_ms, t->nrows);
	trace_free(t);
	return r;
}

static int add_replay(struct draft *d)
{
	struct verdict *v = NULL, *one;
	size_t n = 0, m;
	int r;

	if (!d->in->replay[0])
		return 0;
	r = verdicts_load(d->in->replay, d->in->replay_by_flow, &v, &n, d->err);
	if (r < 0)
		return r;
	one = malloc((n ? n : 1) * sizeof(*one));
	if (!one)
		r = err_sys(d->err, -ENOMEM, "read %s", d->in->replay);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (v[i].link)
			r = err_set(d->err, -EINVAL,
				    "%s:%u:1: there is no link %u: this lab has one, 0",
				    d->in->replay, (unsigned)v[i].line, (unsigned)v[i].link);
	for (int dir = 0; r == 0 && dir < CHOPPY_NDIRS; dir++) {
		m = 0;
		for (size_t i = 0; i < n; i++)
			if (v[i].dir == dir)
				one[m++] = v[i];
		verdict_sort(one, m, d->in->replay_by_flow);
		r = add(d, PLAN_REPLAY, dir, -1, one, m);
	}
	free(one);
	free(v);
	return r;
}

static int write_all(int fd, const void *data, size_t len)
{
	const unsigned char *at = data;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* Head, items and data, in memory that nobody can change or cut any more. */
static int seal(struct draft *d, int *ret_fd, uint64_t *ret_size)
{
	size_t items = d->nitems * sizeof(d->item[0]), front = sizeof(struct plan_head) + items;
	struct plan_head *h = calloc(1, sizeof(*h));
	CLEANUP_FD fd = memfd_create("choppy-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r = -ENOMEM;

	_Static_assert(sizeof(struct plan_head) % 8 == 0 && sizeof(struct plan_item) % 8 == 0,
		       "data behind them is aligned");
	if (h && fd >= 0) {
		h->magic = PLAN_MAGIC;
		h->nitems = d->nitems;
		h->size = front + d->len;
		h->by_flow = d->in->replay_by_flow;
		memcpy(h->dir, d->in->dir, sizeof(h->dir));
		for (uint32_t i = 0; i < d->nitems; i++)
			d->item[i].offset += front;
		/* A limit of file sizes counts for this memory too; it shall be an error, not a
		 * death. */
		void (*before)(int) = signal(SIGXFSZ, SIG_IGN);

		r = write_all(fd, h, sizeof(*h));
		if (r == 0)
			r = write_all(fd, d->item, items);
		if (r == 0)
			r = write_all(fd, d->data, d->len);
		if (r == 0 &&
		    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
			r = -errno;
		signal(SIGXFSZ, before);
		*ret_size = h->size;
	}
	free(h);
	if (r < 0)
		return err_sys(d->err, r, "make the engine's plan");
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int compile_plan(const struct compile_input *in, int *ret_fd, uint64_t *ret_size,
		 struct choppy_err *err)
{
	struct draft d = { .in = in, .err = err };
	int r;

	r = add_rules(&d);
	for (int dir = 0; r == 0 && dir < CHOPPY_NDIRS; dir++) {
		r = add_tables(&d, dir, -1, &in->dir[dir]);
		if (r == 0)
			r = add_trace(&d, dir);
	}
	if (r == 0)
		r = add_replay(&d);
	if (r == 0 && ret_fd)
		r = seal(&d, ret_fd, ret_size);
	free(d.data);
	return r;
}
