/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * play.h - the keeper's clockwork for a lab out of a file: plays the timeline, asks whether what
 * is expected holds, and when nodes are ready.
 *
 *	play.c      time: what is due next, marks
 *	player.c    the timeline
 *	expect.c    what is expected
 *	asking.c    a question that a process has to ask on a node; who is ready
 */
#ifndef CHOPPY_PLAY_H
#define CHOPPY_PLAY_H

#include "internal.h"
#include "timeline.h"

#define PLAY_NEVER UINT64_MAX
#define REASON_MAX 512
#define ASK_AGAIN_NS 100000000ull /* between two looks at what is not yet so */

/* ---- asking.c */

/* A question on its way. pid 0: none. */
struct asking {
	pid_t pid;
	int out; /* what it writes, in memory */
};
#define ASKING_NONE                                                                                \
	{                                                                                          \
		.pid = 0, .out = -1                                                                \
	}

int asking_start(struct lab *lab, const struct probe *p, struct asking *ret,
		 struct choppy_err *err);
/* It has ended with @wstatus: whether the answer is yes; else @reason has why not. */
bool asking_answer(const struct probe *p, struct asking *a, int wstatus, char reason[REASON_MAX]);
void asking_stop(struct asking *a); /* if it is on its way */

/* The last line of @text that is not empty, and its length. */
int last_line(const char *text, const char **ret);

/* A node that says when it is ready. */
struct readiness {
	bool ready, wanted;
	struct asking asking;
	uint64_t next_ns;
};

/* ---- player.c */

/* What of the timeline holds for a while, or changes steadily. */
struct running {
	uint32_t event, action;
	uint64_t fault; /* 0: a ramp that stays */
	uint64_t begin_ns, end_ns; /* CLOCK_MONOTONIC */
	uint64_t next_ns; /* of a ramp */
};

/* What has been played. */
struct step {
	uint64_t due_ns, late_ns; /* since the lab stood; after that */
	const char *action; /* the file's words */
	bool end; /* it was its end */
	char *done, *error; /* lines; NULL: none */
};

struct cursor {
	uint64_t k; /* occasions that have begun */
	struct rng rng;
};

/* ---- expect.c */

struct outcome {
	bool decided, holds;
	uint64_t at_ns; /* since the lab stood */
	char reason[REASON_MAX];
	struct asking asking;
	uint64_t next_ns;
	bool asked;
	off_t log_at; /* of log_says() */
};

/* ---- play.c */

#define MARKS_MAX 256

struct mark {
	char name[WHEN_MARK_MAX];
	uint64_t at_ns;
};

struct play {
	struct lab *lab;
	const struct timeline *timeline;
	uint64_t start_ns; /* CLOCK_MONOTONIC, as all times here that are not "since" */
	uint64_t first_packet_ns; /* PLAY_NEVER: not yet */
	uint64_t packets; /* that had passed when the lab stood */
	struct mark marks[MARKS_MAX];
	uint32_t nmarks;
	struct cursor *cursors; /* by event */
	struct running *running;
	uint32_t nrunning;
	struct step *steps;
	uint32_t nsteps;
	uint64_t nuntold; /* played beside them */
	struct outcome *outcomes; /* by expectation */
	struct readiness *ready; /* by node */
};

uint64_t play_now(void);
int play_start(struct lab *lab, struct choppy_err *err);
void play_free(struct lab *lab);

/* When something is to be done next, CLOCK_MONOTONIC; PLAY_NEVER. */
uint64_t play_due(const struct play *p);
/* Do what is due at @now_ns. */
void play_go_on(struct play *p, uint64_t now_ns);
/* Whether @pid was one that asked. */
bool play_child_ended(struct play *p, pid_t pid, int wstatus);
/* -EINVAL: nothing counts from that. -EEXIST: it is set already. */
int play_mark(struct play *p, const char *name, struct choppy_err *err);
/* What @w counts from, or PLAY_NEVER. */
uint64_t play_base(const struct play *p, const struct when *w);

/* Whether all of @n nodes are ready (0: all that say when they are); from now on it is asked. */
bool play_ready(struct play *p, const uint32_t *nodes, uint32_t n);

/* What runs on @node has been killed, or is new. */
void play_not_ready(struct play *p, uint32_t node);

uint64_t player_due(const struct play *p);
void player_go_on(struct play *p, uint64_t now_ns);
/* Whether anything of the timeline is still to come, if only a mark's. */
bool player_waits(const struct play *p);

uint64_t expect_due(const struct play *p);
void expect_go_on(struct play *p, uint64_t now_ns);
bool expect_child_ended(struct play *p, pid_t pid, int wstatus, uint64_t now_ns);

uint64_t ready_due(const struct play *p);
void ready_go_on(struct play *p, uint64_t now_ns);
bool ready_child_ended(struct play *p, pid_t pid, int wstatus, uint64_t now_ns);

#endif
