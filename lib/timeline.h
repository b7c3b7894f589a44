/* SPDX-License-Identifier: GPL-2.0-or-later */
/* timeline.h - what is done to a lab and when, and what is expected of it. */
#ifndef CHOPPY_TIMELINE_H
#define CHOPPY_TIMELINE_H

#include "action.h"
#include "probe.h"
#include "when.h"

/* One line of a timeline: what is done at its moments. */
struct event {
	struct when when;
	struct action *actions;
	char **words; /* of each, as written */
	uint32_t nactions;
};

struct expectation {
	struct when when;
	struct probe probe;
	char *text; /* as written, the moment in front */
};

struct timeline {
	struct event *events;
	uint32_t nevents;
	struct expectation *expects;
	uint32_t nexpects;
};

void timeline_free(struct timeline *t);

/* Put what is there behind the others; taken over. -ENOMEM: it is still the caller's. */
int timeline_add_event(struct timeline *t, const struct event *e);
int timeline_add_expectation(struct timeline *t, const struct expectation *x);
int event_add(struct event *e, const struct action *a, const char *words);

/* Whether @a can be done at the moments of @w, as long as they last. */
int event_check(const struct when *w, const struct action *a, struct choppy_err *err);

/*
 * Whether @e contradicts itself or one of the events before it: the opposite of what that does, at
 * the same moment, to the same. -EINVAL.
 */
int timeline_contradicts(const struct timeline *t, const struct event *e, struct choppy_err *err);

/* Whether anything in it counts from @mark. */
bool timeline_counts_from(const struct timeline *t, const char *mark);
/* Whether @w counts from @mark, if by way of marks that the timeline sets after that. */
bool timeline_waits_for(const struct timeline *t, const struct when *w, const char *mark);

#endif
