/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Time is that of CLOCK_MONOTONIC, read once for all that is done at a wake-up of the keeper's.
 * What counts from a mark or from the first packet is not due before that has come. The first
 * packet is looked for by the engine's count, again and again; its time is that of the look that
 * has found it.
 */
#include "play.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "err.h"
#include "near.h"
#include "util.h"

#define LOOK_NS 10000000ull /* for the first packet */

uint64_t play_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t play_base(const struct play *p, const struct when *w)
{
	if (w->base == WHEN_START)
		return p->start_ns;
	if (w->base == WHEN_FIRST_PACKET)
		return p->first_packet_ns;
	for (uint32_t i = 0; i < p->nmarks; i++)
		if (strcmp(p->marks[i].name, w->mark) == 0)
			return p->marks[i].at_ns;
	return PLAY_NEVER;
}

static bool wants_first_packet(const struct play *p)
{
	const struct timeline *t = p->timeline;

	for (uint32_t i = 0; i < t->nevents; i++)
		if (t->events[i].when.base == WHEN_FIRST_PACKET)
			return true;
	for (uint32_t i = 0; i < t->nexpects; i++)
		if (t->expects[i].when.base == WHEN_FIRST_PACKET)
			return true;
	return false;
}

int play_mark(struct play *p, const char *name, struct choppy_err *err)
{
	const struct timeline *t = p->timeline;
	struct near near = near_begin(name);

	if (!timeline_counts_from(t, name)) {
		for (uint32_t i = 0; i < t->nevents; i++)
			if (t->events[i].when.base == WHEN_MARK)
				near_try(&near, t->events[i].when.mark);
		return err_set(err, -EINVAL, "nothing counts from the mark '%s'%s%s%s", name,
			       near.best ? "; is it '" : "", near.best ? near.best : "",
			       near.best ? "'?" : "");
	}
	for (uint32_t i = 0; i < p->nmarks; i++)
		if (strcmp(p->marks[i].name, name) == 0)
			return err_set(err, -EEXIST, "the mark '%s' is set already", name);
	if (p->nmarks == MARKS_MAX)
		return err_set(err, -E2BIG, "a lab has at most %d marks", MARKS_MAX);
	memcpy(p->marks[p->nmarks].name, name, strlen(name) + 1);
	p->marks[p->nmarks++].at_ns = play_now();
	return 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t play_due(const struct play *p)
{
	uint64_t due = least(player_due(p), least(expect_due(p), ready_due(p)));

	if (p->first_packet_ns == PLAY_NEVER && wants_first_packet(p))
		due = least(due, play_now() + LOOK_NS);
	return due;
}

static void look_for_first_packet(struct play *p, uint64_t now_ns)
{
	uint64_t n;

	if (p->first_packet_ns == PLAY_NEVER && wants_first_packet(p) &&
	    remote_packets(&p->lab->remote, &n, NULL) == 0 && n > p->packets)
		p->first_packet_ns = now_ns;
}

void play_go_on(struct play *p, uint64_t now_ns)
{
	look_for_first_packet(p, now_ns);
	ready_go_on(p, now_ns);
	player_go_on(p, now_ns);
	expect_go_on(p, now_ns);
}

bool play_child_ended(struct play *p, pid_t pid, int wstatus)
{
	uint64_t now_ns = play_now();

	return expect_child_ended(p, pid, wstatus, now_ns) ||
	       ready_child_ended(p, pid, wstatus, now_ns);
}

static int make(struct play *p)
{
	const struct labfile *f = p->lab->net.plan->file;

	p->cursors = calloc(p->timeline->nevents + 1, sizeof(*p->cursors));
	p->outcomes = calloc(p->timeline->nexpects + 1, sizeof(*p->outcomes));
	p->ready = calloc(f->t.nnodes + 1, sizeof(*p->ready));
	if (!p->cursors || !p->outcomes || !p->ready)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->timeline->nevents; i++) {
		const struct rng_key key = { .seed = p->lab->spec->seed,
					     .link = i,
					     .purpose = "timeline" };

		rng_init(&p->cursors[i].rng, &key);
	}
	for (uint32_t i = 0; i < p->timeline->nexpects; i++)
		p->outcomes[i].asking = (struct asking)ASKING_NONE;
	for (uint32_t i = 0; i < f->t.nnodes; i++)
		p->ready[i].asking = (struct asking)ASKING_NONE;
	return 0;
}

int play_start(struct lab *lab, struct choppy_err *err)
{
	struct play *p = calloc(1, sizeof(*p));

	if (!p)
		return err_sys(err, -ENOMEM, "play the timeline");
	p->lab = lab;
	p->timeline = &lab->net.plan->file->timeline;
	lab->net.play = p;
	if (make(p) < 0)
		return err_sys(err, -ENOMEM, "play the timeline");
	p->start_ns = play_now();
	p->first_packet_ns = PLAY_NEVER;
	/* That all are ready is looked for when something waits for it. */
	if (timeline_counts_from(p->timeline, WHEN_READY) && play_ready(p, NULL, 0))
		play_mark(p, WHEN_READY, NULL);
	return 0;
}

void play_free(struct lab *lab)
{
	struct play *p = lab->net.play;

	if (!p)
		return;
	for (uint32_t i = 0; p->outcomes && i < p->timeline->nexpects; i++)
		asking_stop(&p->outcomes[i].asking);
	for (uint32_t i = 0; p->ready && i < lab->net.plan->file->t.nnodes; i++)
		asking_stop(&p->ready[i].asking);
	for (uint32_t i = 0; i < p->nsteps; i++) {
		free(p->steps[i].done);
		free(p->steps[i].error);
	}
	free(p->cursors);
	free(p->outcomes);
	free(p->ready);
	free(p->running);
	free(p->steps);
	free(p);
	lab->net.play = NULL;
}
