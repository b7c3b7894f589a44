/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan.h"

#include <errno.h>
#include <string.h>

size_t plan_unit(enum plan_kind kind)
{
	static const size_t unit[PLAN_NKINDS] = {
		[PLAN_RULES] = sizeof(struct choppy_rule),
		[PLAN_FILTER] = sizeof(struct match_insn),
		[PLAN_DELAY_TABLE] = sizeof(int16_t),
		[PLAN_SLOT_TABLE] = sizeof(int16_t),
		[PLAN_TRACE] = sizeof(struct trace),
		[PLAN_TRACE_ROWS] = sizeof(uint64_t),
		[PLAN_TRACE_CHANCES] = sizeof(uint32_t),
		[PLAN_REPLAY] = sizeof(struct verdict),
	};

	return unit[kind];
}

static uint32_t rule_count(const struct plan_head *h)
{
	return h->nitems && h->item[0].kind == PLAN_RULES ? (uint32_t)h->item[0].count : 0;
}

static const struct choppy_rule *rules_of(const struct plan_head *h)
{
	return (const void *)((const char *)h + (rule_count(h) ? h->item[0].offset : 0));
}

static bool item_sound(const struct plan_head *h, const struct plan_item *i)
{
	if (i->kind >= PLAN_NKINDS || i->dir >= CHOPPY_NDIRS || i->offset % 8 ||
	    i->offset > h->size || i->count > (h->size - i->offset) / plan_unit(i->kind))
		return false;
	return i->rule >= -1 && i->rule < (int32_t)rule_count(h);
}

static bool rules_sound(const struct plan_head *h)
{
	const struct choppy_rule *r = rules_of(h);

	for (uint32_t i = 0; i < rule_count(h); i++)
		if (!pipe_condition_sound(&r[i].condition) || r[i].nth.n > CHOPPY_LIST_MAX ||
		    !memchr(r[i].match, 0, sizeof(r[i].match)))
			return false;
	return true;
}

static bool head_sound(const struct plan_head *h, size_t size)
{
	if (size < sizeof(*h) || h->magic != PLAN_MAGIC || h->size != size ||
	    h->nitems > (size - sizeof(*h)) / sizeof(struct plan_item))
		return false;
	for (int d = 0; d < CHOPPY_NDIRS; d++)
		if (!pipe_condition_sound(&h->dir[d]))
			return false;
	if (rule_count(h) > LINK_RULES_MAX)
		return false;
	for (uint32_t i = 0; i < h->nitems; i++)
		if (!item_sound(h, &h->item[i]))
			return false;
	return rules_sound(h);
}

/* The rules of a direction, in order; @ret_place: where a rule of the plan has come to stand. */
static void place_rules(struct plan *p, const struct plan_head *h, int dir,
			int32_t ret_place[LINK_RULES_MAX])
{
	struct pipe_plan *pipe = &p->pipe[dir];

	for (uint32_t i = 0; i < rule_count(h); i++) {
		ret_place[i] = -1;
		if (!(rules_of(h)[i].dirs & CHOPPY_DIR_BIT(dir)))
			continue;
		ret_place[i] = (int32_t)pipe->nrules;
		p->rule[dir][pipe->nrules++].rule = &rules_of(h)[i];
	}
	pipe->rules = p->rule[dir];
	pipe->condition = &h->dir[dir];
}

static void take_table(struct stage_data *d, const struct plan_item *i, const void *data)
{
	if (i->kind == PLAN_DELAY_TABLE) {
		d->delay_table = i->count ? data : NULL;
		d->ndelay_table = (uint32_t)i->count;
	} else {
		d->slot_table = i->count ? data : NULL;
		d->nslot_table = (uint32_t)i->count;
	}
}

static void take_item(struct plan *p, const struct plan_item *i, struct chain_rule *rule,
		      const void *data)
{
	struct pipe_plan *pipe = &p->pipe[i->dir];

	switch ((enum plan_kind)i->kind) {
	case PLAN_FILTER:
		if (rule) {
			rule->insns = data;
			rule->ninsns = (uint32_t)i->count;
		}
		break;
	case PLAN_DELAY_TABLE:
	case PLAN_SLOT_TABLE:
		take_table(rule ? &rule->data : &pipe->data, i, data);
		break;
	case PLAN_TRACE:
		if (i->count == 1) {
			memcpy(&p->trace[i->dir], data, sizeof(struct trace));
			p->trace[i->dir].rows = NULL;
			p->trace[i->dir].chance_ms = NULL;
			pipe->trace = &p->trace[i->dir];
		}
		break;
	case PLAN_TRACE_ROWS:
		p->trace[i->dir].rows = data;
		break;
	case PLAN_TRACE_CHANCES:
		p->trace[i->dir].chance_ms = data;
		break;
	case PLAN_REPLAY:
		pipe->replay.v = data;
		pipe->replay.n = i->count;
		pipe->replayed = true;
		break;
	case PLAN_RULES: /* in place already */
	case PLAN_NKINDS:
		break;
	}
}

/* Whether a trace's rows are all there. */
static bool trace_sound(const struct plan_head *h, const struct pipe_plan *pipe, uint32_t dir)
{
	const struct trace *t = pipe->trace;
	uint64_t rows = 0, chances = 0;

	if (!t)
		return true;
	for (uint32_t i = 0; i < h->nitems; i++) {
		if (h->item[i].dir != dir)
			continue;
		rows += h->item[i].kind == PLAN_TRACE_ROWS ? h->item[i].count : 0;
		chances += h->item[i].kind == PLAN_TRACE_CHANCES ? h->item[i].count : 0;
	}
	if (!t->nrows || !t->period_ns || t->ncolumns > TRACE_COLUMNS_MAX)
		return false;
	for (uint32_t i = 0; i < t->ncolumns; i++)
		if (t->field[i] >= CHOPPY_NFIELDS)
			return false;
	return t->ncolumns ? rows == (uint64_t)t->nrows * (1 + t->ncolumns) && t->rows
			   : chances == t->nrows && t->chance_ms;
}

int plan_read(struct plan *ret, const void *data, size_t size)
{
	const struct plan_head *h = data;
	int32_t place[CHOPPY_NDIRS][LINK_RULES_MAX];

	if (!head_sound(h, size))
		return -EINVAL;
	memset(ret, 0, sizeof(*ret));
	for (int d = 0; d < CHOPPY_NDIRS; d++) {
		place_rules(ret, h, d, place[d]);
		ret->pipe[d].replay.by_flow = h->by_flow;
	}
	for (uint32_t i = 0; i < h->nitems; i++) {
		const struct plan_item *item = &h->item[i];
		int32_t at = item->rule < 0 ? -1 : place[item->dir][item->rule];

		if (item->rule < 0 || at >= 0)
			take_item(ret, item, at < 0 ? NULL : &ret->rule[item->dir][at],
				  (const char *)data + item->offset);
	}
	for (uint32_t d = 0; d < CHOPPY_NDIRS; d++)
		if (!trace_sound(h, &ret->pipe[d], d))
			return -EINVAL;
	return 0;
}
