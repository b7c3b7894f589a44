/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The timeline is played in the order of the moments at which its steps are due, ends before
 * begins, then in the file's order: so a keeper that was held up does all that it has missed, in
 * the same order, and says how late. What chance decides is drawn from a stream of each line's own:
 * the same seed gives the same, whatever else happens.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "play.h"
#include "util.h"

#define RAMP_NS 100000000ull /* between two steps of a ramp */
#define TURN_NS 20000000ull /* of steps that are late, before somebody else has his turn */
#define STEPS_MAX 10000 /* that are kept to be told: the first of them, and those that failed */

/* The next begin of an event, or PLAY_NEVER. */
static uint64_t next_begin(const struct play *p, uint32_t event, struct occasion *ret)
{
	const struct when *w = &p->timeline->events[event].when;
	uint64_t base = play_base(p, w);

	if (base == PLAY_NEVER || !when_occasion(w, p->cursors[event].k, ret))
		return PLAY_NEVER;
	ret->begin_ns += base;
	if (ret->end_ns != WHEN_NEVER)
		ret->end_ns += base;
	return ret->begin_ns;
}

static uint64_t next_of_running(const struct running *r)
{
	return r->next_ns < r->end_ns ? r->next_ns : r->end_ns;
}

/* What is due first: a running one (@ret_running), or else an event. */
struct next {
	uint64_t due_ns;
	bool is_running;
	uint32_t index;
	struct occasion occasion;
};

/* Of two that are due at once the file's order decides. */
static bool stands_before(const struct running *a, const struct running *b)
{
	return a->event != b->event ? a->event < b->event : a->action < b->action;
}

static struct next find_next(const struct play *p)
{
	struct next next = { .due_ns = PLAY_NEVER };

	for (uint32_t i = 0; i < p->nrunning; i++) {
		uint64_t due = next_of_running(&p->running[i]);

		if (due < next.due_ns || (due == next.due_ns && next.is_running &&
					  stands_before(&p->running[i], &p->running[next.index])))
			next = (struct next){ .due_ns = due, .is_running = true, .index = i };
	}
	for (uint32_t i = 0; i < p->timeline->nevents; i++) {
		struct occasion o;
		uint64_t due = next_begin(p, i, &o);

		if (due < next.due_ns)
			next = (struct next){ .due_ns = due, .index = i, .occasion = o };
	}
	return next;
}

uint64_t player_due(const struct play *p)
{
	return find_next(p).due_ns;
}

bool player_waits(const struct play *p)
{
	struct occasion o;

	for (uint32_t i = 0; i < p->timeline->nevents; i++)
		if (when_occasion(&p->timeline->events[i].when, p->cursors[i].k, &o))
			return true;
	return p->nrunning > 0;
}

/* ------------------------------------------------------------------- steps */

static void record(struct play *p, const struct step *s)
{
	bool kept = p->nsteps < STEPS_MAX || (s->error && p->nsteps < 2 * STEPS_MAX);
	void *steps = kept ? realloc(p->steps, (p->nsteps + 1) * sizeof(*p->steps)) : NULL;

	if (!steps) {
		p->nuntold++;
		free(s->done);
		free(s->error);
		return;
	}
	p->steps = steps;
	p->steps[p->nsteps++] = *s;
}

static int keep_running(struct play *p, const struct running *r)
{
	void *running = realloc(p->running, (p->nrunning + 1) * sizeof(*p->running));

	if (!running)
		return -ENOMEM;
	p->running = running;
	p->running[p->nrunning++] = *r;
	return 0;
}

/* What stays has no fault; a ramp that stays is set anew with each of its steps. */
static int begin(struct play *p, uint32_t event, uint32_t i, const struct occasion *o, FILE *done,
		 struct choppy_err *err)
{
	const struct action *a = &p->timeline->events[event].actions[i];
	bool lasting = o->end_ns == WHEN_NEVER, ramp = a->verb == VERB_RAMP;
	struct running r = { .event = event,
			     .action = i,
			     .begin_ns = o->begin_ns,
			     .end_ns = lasting && ramp ? o->begin_ns + a->ramp.over_ns : o->end_ns,
			     .next_ns = ramp ? o->begin_ns + RAMP_NS : PLAY_NEVER };
	int result = act_do(p->lab, a, &p->cursors[event].rng, lasting, &r.fault, done, err);

	if (result < 0 || (lasting && !ramp))
		return result;
	return keep_running(p, &r) < 0 ? err_sys(err, -ENOMEM, "play the timeline") : 0;
}

static void play_event(struct play *p, const struct next *n, uint64_t now_ns)
{
	const struct event *e = &p->timeline->events[n->index];

	p->cursors[n->index].k++;
	for (uint32_t i = 0; i < e->nactions; i++) {
		struct choppy_err err = { 0 };
		struct step s = { .due_ns = n->due_ns - p->start_ns,
				  .late_ns = now_ns - n->due_ns,
				  .action = e->words[i] };
		FILE *f = open_memstream(&s.done, &(size_t){ 0 });

		if (f && begin(p, n->index, i, &n->occasion, f, &err) < 0)
			s.error = strdup(err.msg);
		if (f)
			fclose(f);
		record(p, &s);
	}
}

static void step_ramp(struct play *p, struct running *r)
{
	const struct action *a = &p->timeline->events[r->event].actions[r->action];

	act_ramp(p->lab, a, r->fault, r->next_ns - r->begin_ns, r->end_ns - r->begin_ns, NULL);
	r->next_ns += RAMP_NS;
}

static void end_running(struct play *p, uint32_t i, uint64_t now_ns)
{
	const struct running r = p->running[i];
	const struct event *e = &p->timeline->events[r.event];
	struct choppy_err err = { 0 };
	struct step s = { .due_ns = r.end_ns - p->start_ns,
			  .late_ns = now_ns - r.end_ns,
			  .action = e->words[r.action],
			  .end = true };
	uint64_t length = r.end_ns - r.begin_ns;
	int result;

	p->running[i] = p->running[--p->nrunning];
	result = r.fault ? act_end(p->lab, r.fault, &err)
			 : act_ramp(p->lab, &e->actions[r.action], 0, length, length, &err);
	if (result < 0)
		s.error = strdup(err.msg);
	record(p, &s);
}

void player_go_on(struct play *p, uint64_t now_ns)
{
	uint64_t begun_ns = play_now();

	for (struct next n = find_next(p); n.due_ns <= now_ns; n = find_next(p)) {
		if (!n.is_running)
			play_event(p, &n, now_ns);
		else if (p->running[n.index].end_ns <= n.due_ns)
			end_running(p, n.index, now_ns);
		else
			step_ramp(p, &p->running[n.index]);
		/* Whoever asks for too much gets it late; others are answered all the same. */
		if (play_now() - begun_ns > TURN_NS)
			break;
	}
}
