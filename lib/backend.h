/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backend.h - who enforces a condition: one table of functions for the engine
 * and for the kernel's netem.
 */
#ifndef CHOPPY_BACKEND_H
#define CHOPPY_BACKEND_H

#include "choppy.h"
#include "nl.h"

/* One end of a link for the netem backend: where its egress qdisc stands. */
struct link_end {
	struct nl *nl; /* route socket in the end's namespace */
	int ifindex;
	const char *dev;
};

struct backend {
	const char *name;
	uint64_t fields; /* CHOPPY_FIELD_BIT()s that it can enforce */
	/*
	 * Whether @c can be enforced, before anything is changed: names the field and the backend
	 * that can when not. @note (>= 192 bytes, set to "" when there is none): a one-line remark
	 * where the result differs from the model.
	 */
	int (*check)(const struct choppy_condition *c, char *note, struct choppy_err *err);
};

extern const struct backend engine_backend, netem_backend;
const struct backend *backend_get(enum choppy_backend b);
/* Whether @b can enforce @c: its fields, then its own check(). */
int backend_check(const struct backend *b, const struct choppy_condition *c, char *note,
		  struct choppy_err *err);

/*
 * netem: put @c on @end's egress in one RTM_NEWQDISC, then read it back and
 * compare. @first: the device has no qdisc of ours yet (NLM_F_CREATE|NLM_F_EXCL), otherwise
 * it is changed in place (NLM_F_REPLACE is never used: no packet is lost). An empty
 * condition still leaves a netem with neutral values. The qdisc's handle is NETEM_HANDLE.
 */
#define NETEM_HANDLE 0x43480000u /* "CH":0, ours */
int netem_apply(const struct link_end *end, const struct choppy_condition *c, bool first,
		struct choppy_err *err);
/* The message alone, for tests and for netem_apply(): appended to @m. */
void netem_message(struct nl_msg *m, int ifindex, const struct choppy_condition *c, bool first);
/* Read back: what @end's egress netem enforces, and its counters (packets, delivered, loss). */
int netem_read(const struct link_end *end, struct choppy_condition *ret,
	       struct choppy_counters *counters, struct choppy_err *err);

/* The kind of the root qdisc on @end's device when it is neither ours nor the
 * kernel's default (noqueue, and for netem labs our handle); "" otherwise. */
int qdisc_foreign(const struct link_end *end, char kind[16], struct choppy_err *err);

#endif
