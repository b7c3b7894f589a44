/* SPDX-License-Identifier: GPL-2.0-or-later */
/* remote.h - the keeper's side of the engine process: start it, talk to it, end it. */
#ifndef CHOPPY_REMOTE_H
#define CHOPPY_REMOTE_H

#include "choppy.h"

struct remote {
	pid_t pid; /* 0: not started */
	int fd;
};
#define REMOTE_NONE                                                                                \
	{                                                                                          \
		.pid = 0, .fd = -1                                                                 \
	}

int remote_start(struct remote *ret, struct choppy_err *err);
/* Hand over a link: two port descriptors (closed here), the conditions to begin with. */
int remote_add(struct remote *r, uint32_t link, int ports[2], uint32_t mtu, uint64_t seed,
	       const struct choppy_condition dir[CHOPPY_NDIRS], struct choppy_err *err);
/* Swap the conditions of both directions at one instant. */
int remote_set(struct remote *r, uint32_t link, const struct choppy_condition dir[CHOPPY_NDIRS],
	       struct choppy_err *err);
int remote_counters(struct remote *r, uint32_t link, struct choppy_counters ret[CHOPPY_NDIRS],
		    struct choppy_err *err);
/* Kill it, and do not wait. */
void remote_kill(struct remote *r);
/* Wait for its end if not @reaped. */
void remote_done(struct remote *r, bool reaped);

#endif
