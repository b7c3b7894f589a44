/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "timeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "util.h"

static void event_free(struct event *e)
{
	for (uint32_t i = 0; i < e->nactions; i++) {
		action_free(&e->actions[i]);
		free(e->words[i]);
	}
	free(e->actions);
	free(e->words);
}

void timeline_free(struct timeline *t)
{
	for (uint32_t i = 0; i < t->nevents; i++)
		event_free(&t->events[i]);
	for (uint32_t i = 0; i < t->nexpects; i++) {
		probe_free(&t->expects[i].probe);
		free(t->expects[i].text);
	}
	free(t->events);
	free(t->expects);
	*t = (struct timeline){ 0 };
}

/* @array with room for one more behind its @n. */
static int grow(void *array, uint32_t n, size_t size)
{
	void *p = realloc(*(void **)array, (n + 1) * size);

	if (!p)
		return -ENOMEM;
	*(void **)array = p;
	return 0;
}

int timeline_add_event(struct timeline *t, const struct event *e)
{
	int r = grow(&t->events, t->nevents, sizeof(*e));

	if (r == 0)
		t->events[t->nevents++] = *e;
	return r;
}

int timeline_add_expectation(struct timeline *t, const struct expectation *x)
{
	int r = grow(&t->expects, t->nexpects, sizeof(*x));

	if (r == 0)
		t->expects[t->nexpects++] = *x;
	return r;
}

int event_add(struct event *e, const struct action *a, const char *words)
{
	char *copy = strdup(words);
	int r = copy ? grow(&e->actions, e->nactions, sizeof(*a)) : -ENOMEM;

	if (r == 0)
		r = grow(&e->words, e->nactions, sizeof(*e->words));
	if (r < 0) {
		free(copy);
		return r;
	}
	e->actions[e->nactions] = *a;
	e->words[e->nactions++] = copy;
	return 0;
}

static bool lasts(const struct when *w)
{
	return w->kind == WHEN_FROM || w->for_ns;
}

int event_check(const struct when *w, const struct action *a, struct choppy_err *err)
{
	const char *name = verbs[a->verb].name;

	if (a->verb == VERB_RAMP && lasts(w) == (a->ramp.over_ns > 0))
		return err_set(err, -EINVAL,
			       lasts(w) ? "it takes as long as the line says: leave 'over' out"
					: "how long does it take? ramp ... over 10s");
	if (!lasts(w))
		return 0;
	if (!verb_ends(a->verb) || (a->verb == VERB_LINK && a->on))
		return err_set(err, -EINVAL, "%s%s has no end: write at, or every without for",
			       name, a->verb == VERB_LINK ? " on" : "");
	return 0;
}

static bool share_nodes(const struct action *a, const struct action *b)
{
	for (uint32_t i = 0; a->ngroups && b->ngroups && i < a->groups[0].n; i++)
		for (uint32_t k = 0; k < b->groups[0].n; k++)
			if (a->groups[0].v[i] == b->groups[0].v[k] && !a->any && !b->any)
				return true;
	return false;
}

static bool opposite(const struct action *a, const struct action *b)
{
	if (a->verb == VERB_LINK && b->verb == VERB_LINK)
		return a->on != b->on && a->uplink == b->uplink &&
		       (a->uplink || a->ways[0].link == b->ways[0].link);
	if ((a->verb == VERB_PAUSE && b->verb == VERB_RESUME) ||
	    (a->verb == VERB_KILL && b->verb == VERB_START) ||
	    (a->verb == VERB_RESTART && b->verb == VERB_KILL))
		return share_nodes(a, b);
	return false;
}

static bool same_moment(const struct when *a, const struct when *b)
{
	return a->kind == b->kind && a->base == b->base && strcmp(a->mark, b->mark) == 0 &&
	       a->from_ns == b->from_ns && a->every_ns == b->every_ns;
}

/* @f: an event before @e, or itself. */
static int contradict(const struct event *e, const struct event *f, struct choppy_err *err)
{
	for (uint32_t i = 0; i < e->nactions; i++)
		for (uint32_t k = 0; k < (e == f ? i : f->nactions); k++)
			if (opposite(&e->actions[i], &f->actions[k]) ||
			    opposite(&f->actions[k], &e->actions[i]))
				return err_set(err, -EINVAL,
					       "'%s' contradicts '%s' at the same moment",
					       e->words[i], f->words[k]);
	return 0;
}

/* What is done after a mark cannot set it, nor one that it waits for: nobody ever would. */
static int waits_for_itself(const struct timeline *t, const struct event *e, struct choppy_err *err)
{
	for (uint32_t i = 0; i < e->nactions; i++)
		if (e->actions[i].verb == VERB_MARK &&
		    timeline_waits_for(t, &e->when, e->actions[i].text))
			return err_set(err, -EINVAL, "the mark '%s' waits for itself",
				       e->actions[i].text);
	return 0;
}

int timeline_contradicts(const struct timeline *t, const struct event *e, struct choppy_err *err)
{
	int r = waits_for_itself(t, e, err);

	if (r == 0)
		r = contradict(e, e, err);
	for (uint32_t i = 0; r == 0 && i < t->nevents; i++)
		if (same_moment(&e->when, &t->events[i].when))
			r = contradict(e, &t->events[i], err);
	return r;
}

bool timeline_counts_from(const struct timeline *t, const char *mark)
{
	for (uint32_t i = 0; i < t->nevents; i++)
		if (t->events[i].when.base == WHEN_MARK &&
		    strcmp(t->events[i].when.mark, mark) == 0)
			return true;
	for (uint32_t i = 0; i < t->nexpects; i++)
		if (t->expects[i].when.base == WHEN_MARK &&
		    strcmp(t->expects[i].when.mark, mark) == 0)
			return true;
	return false;
}

/* When the timeline sets @mark; NULL: it does not. */
static const struct when *set_when(const struct timeline *t, const char *mark)
{
	for (uint32_t i = 0; i < t->nevents; i++)
		for (uint32_t k = 0; k < t->events[i].nactions; k++)
			if (t->events[i].actions[k].verb == VERB_MARK &&
			    strcmp(t->events[i].actions[k].text, mark) == 0)
				return &t->events[i].when;
	return NULL;
}

bool timeline_waits_for(const struct timeline *t, const struct when *w, const char *mark)
{
	/* As many steps as there are events: marks may wait for each other in a circle. */
	for (uint32_t n = 0; w && w->base == WHEN_MARK && n <= t->nevents; n++) {
		if (strcmp(w->mark, mark) == 0)
			return true;
		w = set_when(t, w->mark);
	}
	return false;
}
