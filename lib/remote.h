/* SPDX-License-Identifier: GPL-2.0-or-later */
/* remote.h - the keeper's side of the engine process: start it, talk to it, end it. */
#ifndef CHOPPY_REMOTE_H
#define CHOPPY_REMOTE_H

#include "choppy.h"
#include "match.h"

struct remote {
	pid_t pid; /* 0: not started */
	int fd;
};
#define REMOTE_NONE                                                                                \
	{                                                                                          \
		.pid = 0, .fd = -1                                                                 \
	}

int remote_start(struct remote *ret, struct choppy_err *err);
/* What a link begins with. Descriptors stay the caller's but for @ports, which are closed. */
struct remote_link {
	uint32_t link;
	int ports[2]; /* the node's side, the gateway's */
	int plan; /* of compile_plan() */
	uint64_t plan_size;
	int verdicts; /* the file, or -1 */
	uint32_t nflows; /* flows to have numbers for */
	uint64_t seed;
};
int remote_add(struct remote *r, struct remote_link *link, struct choppy_err *err);
/* Swap the plan of both directions at one instant. */
int remote_set(struct remote *r, uint32_t link, int plan, uint64_t plan_size,
	       struct choppy_err *err);

/* What a link has done. */
struct remote_counters {
	struct choppy_counters dir[CHOPPY_NDIRS];
	uint64_t matched[CHOPPY_NDIRS][LINK_RULES_MAX]; /* by the rules of that direction */
	int log_error; /* negative errno that ended the file of verdicts early, or 0 */
	uint64_t log_lost, flows_missed; /* verdicts, packets */
};
int remote_counters(struct remote *r, uint32_t link, struct remote_counters *ret,
		    struct choppy_err *err);
/* Packets that have entered all links together. */
int remote_packets(struct remote *r, uint64_t *ret, struct choppy_err *err);
/* Kill it, and do not wait. */
void remote_kill(struct remote *r);
/* Wait for its end if not @reaped. */
void remote_done(struct remote *r, bool reaped);

#endif
