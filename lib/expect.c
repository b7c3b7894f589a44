/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is expected `at` a moment is asked once; `within` a time again and again until it holds;
 * `from` one moment `to` another again and again, and it must hold each time. What a node's command
 * does the keeper knows; the rest a process asks on the node (asking.c).
 *
 * When the command of a node has failed before the node was ready, all that counts from `ready` is
 * decided: it does not hold. Unless the timeline starts commands again, which may help.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "play.h"
#include "util.h"

#define LOG_BYTES (1 << 20) /* read at a time, beside the length of what is looked for */
#define ANSWER_NS 60000000000ull /* that one question may take */

static void decide(struct play *p, uint32_t i, bool holds, uint64_t now_ns)
{
	struct outcome *o = &p->outcomes[i];

	asking_stop(&o->asking);
	o->decided = true;
	o->holds = holds;
	o->at_ns = now_ns - p->start_ns;
	if (holds)
		o->reason[0] = '\0';
}

/* What the answer means for the expectation. */
static void answered(struct play *p, uint32_t i, bool yes, uint64_t now_ns)
{
	const struct when *w = &p->timeline->expects[i].when;
	struct outcome *o = &p->outcomes[i];

	o->asked = true;
	o->next_ns = now_ns + ASK_AGAIN_NS;
	if (w->kind == WHEN_AT || (w->kind == WHEN_WITHIN && yes) || (w->kind == WHEN_FROM && !yes))
		decide(p, i, yes, now_ns);
}

/* ------------------------------------------------------- what is known here */

static int open_log(const struct lab *lab, const char *node)
{
	char path[sizeof(STATE_LOGS) + NODE_NAME_MAX + 2];

	snprintf(path, sizeof(path), STATE_LOGS "/%s", node);
	return openat(lab->state.dir, path, O_RDONLY | O_CLOEXEC);
}

/*
 * Whether @text is in the log. It is read once: @at is how far it has been looked at in vain, or
 * where the text stands.
 */
static bool log_says(const struct lab *lab, const char *node, const char *text, off_t *at)
{
	size_t len = strlen(text), size = LOG_BYTES + len;
	CLEANUP_FREE char *buf = malloc(size);
	CLEANUP_FD fd = open_log(lab, node);
	ssize_t n;

	while (buf && fd >= 0 && (n = pread(fd, buf, size, *at)) >= (ssize_t)len) {
		const char *found = memmem(buf, (size_t)n, text, len);

		*at += found ? found - buf : n - (ssize_t)len + 1; /* it may begin at the end */
		if (found)
			return true;
	}
	return false;
}

/* And the last line that it has written. */
static void say_ended(const struct lab *lab, const char *node, int status, char reason[REASON_MAX])
{
	CLEANUP_FD fd = open_log(lab, node);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	char end[REASON_MAX];
	ssize_t n = size <= 0 ? 0
			      : pread(fd, end, sizeof(end) - 1,
				      size < REASON_MAX ? 0 : size - REASON_MAX + 1);
	const char *line;

	end[n > 0 ? n : 0] = '\0';
	n = last_line(end, &line);
	snprintf(reason, REASON_MAX, "the command of %s ended with status %d%s%.*s", node, status,
		 n ? ": " : "", (int)n, line);
}

/* An exit is final: with another status it will not hold any more. */
static void look(struct play *p, uint32_t i, uint64_t now_ns)
{
	const struct probe *probe = &p->timeline->expects[i].probe;
	const struct net_program *program = net_program_of(p->lab, probe->node);
	const char *node = p->lab->net.plan->file->t.nodes[probe->node].name;
	struct outcome *o = &p->outcomes[i];
	int status = program && !program->pid ? spawn_status(program->wstatus) : -1;

	if (!program && probe->kind != PROBE_SAYS) {
		snprintf(o->reason, sizeof(o->reason), "%s has no command", node);
		decide(p, i, false, now_ns);
	} else if (probe->kind == PROBE_SAYS) {
		snprintf(o->reason, sizeof(o->reason), "%s has not written that", node);
		answered(p, i, log_says(p->lab, node, probe->text, &o->log_at), now_ns);
	} else if (status < 0) {
		snprintf(o->reason, sizeof(o->reason), "the command of %s runs", node);
		answered(p, i, probe->kind == PROBE_RUNS, now_ns);
	} else {
		say_ended(p->lab, node, status, o->reason);
		answered(p, i, probe->kind == PROBE_EXITED && status == probe->status, now_ns);
		if (probe->kind == PROBE_EXITED && !o->decided && status != probe->status)
			decide(p, i, false, now_ns);
	}
}

static void ask(struct play *p, uint32_t i, uint64_t now_ns)
{
	const struct probe *probe = &p->timeline->expects[i].probe;
	struct outcome *o = &p->outcomes[i];
	struct choppy_err err = { 0 };

	if (!probe_needs_process(probe)) {
		look(p, i, now_ns);
		return;
	}
	if (asking_start(p->lab, probe, &o->asking, &err) == 0)
		return;
	snprintf(o->reason, sizeof(o->reason), "%.*s", REASON_MAX - 1, err.msg);
	answered(p, i, false, now_ns);
}

/* ------------------------------------------------------------- in vain */

/* The status of the node's command, when that has failed before the node was ready; else 0. */
static int failed_unready(const struct play *p, uint32_t node)
{
	const struct net_program *program = net_program_of(p->lab, node);
	const struct readiness *r = &p->ready[node];
	int status = program && !program->pid ? spawn_status(program->wstatus) : 0;

	/* Whoever was killed may be meant to come back. */
	return r->wanted && !r->ready && !r->asking.pid && status < 128 ? status : 0;
}

static bool starts_again(const struct timeline *t)
{
	for (uint32_t i = 0; i < t->nevents; i++)
		for (uint32_t k = 0; k < t->events[i].nactions; k++)
			if (t->events[i].actions[k].verb == VERB_START ||
			    t->events[i].actions[k].verb == VERB_RESTART)
				return true;
	return false;
}

static void give_up(struct play *p, uint32_t node, int status, uint64_t now_ns)
{
	for (uint32_t i = 0; i < p->timeline->nexpects; i++) {
		const struct when *w = &p->timeline->expects[i].when;
		struct outcome *o = &p->outcomes[i];

		if (o->decided || play_base(p, w) != PLAY_NEVER ||
		    !timeline_waits_for(p->timeline, w, WHEN_READY))
			continue;
		say_ended(p->lab, p->lab->net.plan->file->t.nodes[node].name, status, o->reason);
		decide(p, i, false, now_ns);
	}
}

static void give_up_unready(struct play *p, uint64_t now_ns)
{
	uint32_t n = starts_again(p->timeline) ? 0 : p->lab->net.plan->file->t.nnodes;

	for (uint32_t i = 0; i < n; i++) {
		int status = failed_unready(p, i);

		if (status)
			give_up(p, i, status, now_ns);
	}
}

/* -------------------------------------------------------------------- time */

/* From when it is asked, and when it is decided at the latest. */
static bool span(const struct play *p, uint32_t i, uint64_t *begin, uint64_t *end)
{
	const struct when *w = &p->timeline->expects[i].when;
	uint64_t base = play_base(p, w);

	if (base == PLAY_NEVER || p->outcomes[i].decided)
		return false;
	*begin = base + (w->kind == WHEN_WITHIN ? 0 : w->from_ns);
	*end = w->kind == WHEN_AT     ? *begin + ANSWER_NS
	       : w->kind == WHEN_FROM ? base + w->to_ns
				      : base + w->from_ns;
	return true;
}

static uint64_t due_of(const struct play *p, uint32_t i)
{
	const struct outcome *o = &p->outcomes[i];
	uint64_t begin, end;

	if (!span(p, i, &begin, &end))
		return PLAY_NEVER;
	if (o->next_ns > begin)
		begin = o->next_ns;
	return o->asking.pid || end < begin ? end : begin;
}

uint64_t expect_due(const struct play *p)
{
	uint64_t due = PLAY_NEVER;

	for (uint32_t i = 0; i < p->timeline->nexpects; i++)
		if (due_of(p, i) < due)
			due = due_of(p, i);
	return due;
}

static void run_out(struct play *p, uint32_t i, uint64_t now_ns)
{
	const struct when *w = &p->timeline->expects[i].when;
	struct outcome *o = &p->outcomes[i];

	if (w->kind == WHEN_FROM) {
		if (!o->asked)
			snprintf(o->reason, sizeof(o->reason), "no answer came in that time");
		decide(p, i, o->asked, now_ns);
		return;
	}
	if (!o->reason[0])
		snprintf(o->reason, sizeof(o->reason), "no answer came in that time");
	decide(p, i, false, now_ns);
}

void expect_go_on(struct play *p, uint64_t now_ns)
{
	give_up_unready(p, now_ns);
	for (uint32_t i = 0; i < p->timeline->nexpects; i++) {
		uint64_t begin, end;

		if (due_of(p, i) > now_ns || !span(p, i, &begin, &end))
			continue;
		if (end <= now_ns)
			run_out(p, i, now_ns);
		else
			ask(p, i, now_ns);
	}
}

bool expect_child_ended(struct play *p, pid_t pid, int wstatus, uint64_t now_ns)
{
	for (uint32_t i = 0; i < p->timeline->nexpects; i++) {
		struct outcome *o = &p->outcomes[i];

		if (o->asking.pid != pid)
			continue;
		answered(p, i,
			 asking_answer(&p->timeline->expects[i].probe, &o->asking, wstatus,
				       o->reason),
			 now_ns);
		return true;
	}
	return false;
}
