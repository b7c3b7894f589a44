/* SPDX-License-Identifier: GPL-2.0-or-later */
/* when.h - moments of a lab's life in words: "at 5s", "from 10s to 20s", "every 30s for 2s". */
#ifndef CHOPPY_WHEN_H
#define CHOPPY_WHEN_H

#include "choppy.h"

enum when_kind {
	WHEN_AT, /* once */
	WHEN_FROM, /* from ... to ... */
	WHEN_EVERY, /* again and again, each for a while or for a moment */
	WHEN_WITHIN, /* at the latest; only of what is expected */
};

/* What time is counted from. */
enum when_base {
	WHEN_START, /* the lab stands, and its commands were started */
	WHEN_FIRST_PACKET,
	WHEN_MARK, /* somebody has given a moment this name */
};

#define WHEN_READY                                                                                 \
	"ready" /* the mark of the moment at which all nodes are that say when they are */
#define WHEN_MARK_MAX 64 /* with the NUL */
#define WHEN_NEVER UINT64_MAX

struct when {
	enum when_kind kind;
	enum when_base base;
	char mark[WHEN_MARK_MAX];
	uint64_t from_ns; /* of at and within: the moment */
	uint64_t to_ns; /* of from and every; WHEN_NEVER: no end */
	uint64_t every_ns, for_ns; /* for_ns 0: a moment */
};

/*
 * Read @text. @expected: of what is expected, where `within` may stand, and `every` not.
 * -EINVAL: it is none, or contradicts itself.
 */
int when_parse(struct when *ret, const char *text, bool expected, struct choppy_err *err);

/* A mark's name: letters, digits, '-' and '_'. */
bool when_mark_sound(const char *name);

/* One time of @w: nanoseconds from its base. */
struct occasion {
	uint64_t begin_ns;
	uint64_t end_ns; /* WHEN_NEVER: it has none */
};

/* The @k-th time, from 0; false: there is none. */
bool when_occasion(const struct when *w, uint64_t k, struct occasion *ret);

/* A length of time in words, as in a condition. -EINVAL. */
int when_time(uint64_t *ret_ns, const char *text, struct choppy_err *err);

#endif
