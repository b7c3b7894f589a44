/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.h - what is on disk while labs live: /run/choppy/lock, a directory for each
 * lab under /run/choppy/labs, and its journal of host changes to be undone.
 */
#ifndef CHOPPY_STATE_H
#define CHOPPY_STATE_H

#include "addr.h"
#include "choppy.h"

#define STATE_DIR "/run/choppy"

/* A lab's place on disk. */
struct state {
	char name[CHOPPY_NAME_MAX + 1];
	int root; /* /run/choppy */
	int dir; /* /run/choppy/labs/NAME; -1: not made */
	int journal; /* open and locked while the keeper lives */
};
#define STATE_INIT                                                                                 \
	{                                                                                          \
		.root = -1, .dir = -1, .journal = -1                                               \
	}

/*
 * Open /run/choppy; with @make it is made. The descriptor or a negative errno (-ENOENT,
 * without words, when there is none and none is made).
 */
int state_root(bool make, struct choppy_err *err);

/*
 * The lock over names, addresses and shared flags of all labs. The last lab to go takes
 * /run/choppy with it: who waited for the lock meanwhile gets a new directory in @root.
 * Close the descriptor to release it.
 */
int state_lock(int *root, struct choppy_err *err);
/* Under the lock: remove /run/choppy when no lab is left in it. */
void state_prune(int root);

/* Call @each for the name of every lab directory. Stops at a negative result. */
int state_each(int root, int (*each)(int root, const char *name, void *ctx), void *ctx);

/* Under the lock: add what every lab on disk has reserved to @used. */
int state_reservations(int root, struct addr_used *used);

/*
 * Under the lock: make the directory and journal of lab @name with the addresses
 * that it reserves (family 0: none). -EEXIST: the name is taken by a living lab.
 */
int state_create(struct state *st, int root, const char *name, const struct inet *addr4,
		 const struct inet *addr6, struct choppy_err *err);

/* Open file @name in the lab's directory for writing, emptied. */
int state_file(const struct state *st, const char *name, struct choppy_err *err);

/*
 * Journal: note, before a change is made, how to undo it. @kind is a row of the table
 * in state.c. Nothing may be changed when this fails.
 */
int journal_add(struct state *st, struct choppy_err *err, const char *kind, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Under the lock: undo the entries of @kind (NULL: of every kind), newest first. */
int journal_undo(struct state *st, const char *kind, struct choppy_err *err);

/* There turned out to be nothing to undo for the entries of @kind. */
void journal_forget(struct state *st, const char *kind);

/* Under the lock: remove the lab's directory, and /run/choppy with the last one. */
void state_remove(struct state *st);
/* Close the lab's descriptors; the files stay. */
void state_close(struct state *st);

/* Whether the keeper of lab @name lives; fills its pid. */
bool state_alive(int root, const char *name, pid_t *ret_keeper);

/*
 * Under the lock: undo what lab @name's dead keeper left and remove its directory.
 * @keeper: only when the journal is of that process, which is known to be dead (the
 * undertaker's case); 0: only when nobody holds the journal.
 * @line (may be NULL) is told each step; with @dry_run nothing is changed.
 * Returns 1 when there was something to undo, 0 when not.
 */
int state_reap(int root, const char *name, pid_t keeper, bool dry_run,
	       void (*line)(void *ctx, const char *what), void *ctx, struct choppy_err *err);

/* Under the lock: state_reap() for every lab that nobody keeps. */
void state_reap_dead(int root);

/*
 * The undertaker: forked before the first host change; when the keeper's end of
 * the pipe closes it plays the journal. Returns its pid; @ret_fd is the end to
 * hold (close-on-exec).
 */
pid_t undertaker_start(const char *name, int *ret_fd, struct choppy_err *err);

#endif
