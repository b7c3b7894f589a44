/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backend.h - who enforces a condition: one table of functions for the engine
 * and for the kernel's netem.
 */
#ifndef CHOPPY_BACKEND_H
#define CHOPPY_BACKEND_H

#include "choppy.h"
#include "netem.h"
#include "nl.h"

/* One end of a link for the netem backend: where its egress qdisc stands. */
struct link_end {
	struct nl *nl; /* route socket in the end's namespace */
	int ifindex;
	const char *dev;
};

#define BACKEND_NOTE_MAX 512

struct backend {
	const char *name;
	uint64_t fields; /* CHOPPY_FIELD_BIT()s that it can enforce */
	/*
	 * Whether @c can be enforced, before anything is changed: names the field and the backend
	 * that can when not. @note (BACKEND_NOTE_MAX bytes, set to "" when there is none): a
	 * one-line remark where the result differs from the model.
	 */
	int (*check)(const struct choppy_condition *c, char *note, struct choppy_err *err);
};

extern const struct backend engine_backend, netem_backend;
const struct backend *backend_get(enum choppy_backend b);
/* Whether @b can enforce @c: its fields, then its own check(). */
int backend_check(const struct backend *b, const struct choppy_condition *c, char *note,
		  struct choppy_err *err);

#define NETEM_HANDLE 0x43480000u /* "CH":0, ours */

/* What is known of one end's netem beside its condition. Zeroed: there is none yet. */
struct netem_end {
	bool made;
	struct netem_held held;
	struct netem_values sent; /* last, and as read back */
	char rounded[BACKEND_NOTE_MAX]; /* what this kernel holds otherwise than asked, or "" */
	uint64_t judged, lost; /* counts at the time when the loss was last set */
	/*
	 * netem has one count of drops: those until the last change of the condition by reason,
	 * the count at that time, and the reason of those since then.
	 */
	uint64_t dropped[CHOPPY_NDROPS], drops;
	enum choppy_drop reason;
};

/* A change that is ready to be sent. */
struct netem_change {
	struct netem_values v;
	struct netem_tables tables;
};

/*
 * netem: all that can be refused before anything is sent: somebody else's qdisc in its place,
 * tables that cannot be read. @ret is for netem_commit(), or netem_change_free().
 */
int netem_prepare(const struct link_end *end, struct netem_end *e, const struct choppy_condition *c,
		  uint64_t seed, struct netem_change *ret, struct choppy_err *err);
void netem_change_free(struct netem_change *change);

/*
 * Put @c on @end's egress in one RTM_NEWQDISC, then read it back and compare; frees @change.
 * The first time the device gets a qdisc (NLM_F_CREATE|NLM_F_EXCL), later it is changed in place
 * (NLM_F_REPLACE is never used: no packet is lost). An empty condition still leaves a
 * netem with neutral values. On failure what was sent may be in force: @e says then whether there
 * is a netem and which tables it has, and has the old values otherwise.
 */
int netem_commit(const struct link_end *end, struct netem_end *e, const struct choppy_condition *c,
		 struct netem_change *change, struct choppy_err *err);
/* Both. */
int netem_apply(const struct link_end *end, struct netem_end *e, const struct choppy_condition *c,
		uint64_t seed, struct choppy_err *err);
/* The message alone: appended to @m. */
void netem_message(struct nl_msg *m, int ifindex, const struct netem_values *v,
		   const struct netem_tables *t, bool first);

/* What an end's netem is at the moment. */
struct netem_reading {
	struct netem_values v;
	const char *changed; /* a value that somebody else has changed, or NULL */
	struct choppy_counters counters; /* packets, delivered, dropped; with Linux 7.2 all */
};

/* @c: the condition in force. -ENOENT: the netem is not there any more. */
int netem_read(const struct link_end *end, const struct netem_end *e,
	       const struct choppy_condition *c, struct netem_reading *ret, struct choppy_err *err);
/* Whether this kernel's netem takes a seed, known once a condition has been applied. */
bool netem_has_seed(const struct netem_end *e);

/* The kind of the root qdisc on @end's device when it is neither ours nor the
 * kernel's default (noqueue, and for netem labs our handle); "" otherwise. */
int qdisc_foreign(const struct link_end *end, char kind[16], struct choppy_err *err);

#endif
