/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.h - what is on disk while labs live: a home with a lock, a directory for each
 * lab in it, and the lab's journal of host changes to be undone.
 */
#ifndef CHOPPY_STATE_H
#define CHOPPY_STATE_H

#include "addr.h"
#include "choppy.h"

#define STATE_DIR "/run/choppy" /* of those who have root's powers */
#define STATE_LOGS "log" /* a directory beside the lab's journal: what programs write */
#define HOME_DIR_MAX 60 /* so that a lab's control socket has a name (unix(7)) */

/*
 * Where the labs of one user are kept: /run/choppy with root's powers; without, a directory of the
 * user's own: $XDG_RUNTIME_DIR/choppy, /run/user/UID/choppy, or else /tmp/choppy-UID.
 */
struct home {
	bool own; /* without root's powers: labs live in a user namespace */
	char dir[HOME_DIR_MAX];
	int fd; /* of @dir; -1: there is none (yet) */
};
#define HOME_INIT                                                                                  \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/*
 * Find this process's home, and open it if it is there. To be asked before the process enters a
 * user namespace. What belongs to somebody else is refused.
 */
int home_find(struct home *ret, struct choppy_err *err);
/*
 * Go on to another home of the same user, where labs lie that were made with another environment
 * (before a login, say). *@place: 0 at first. False: there is none; @home is closed.
 */
bool home_next(struct home *home, int *place);
/* Open it; make it first where there is none. */
int home_make(struct home *home, struct choppy_err *err);
void home_close(struct home *home);
#define CLEANUP_HOME __attribute__((cleanup(home_close))) struct home

/* A lab's place on disk. */
struct state {
	char name[CHOPPY_NAME_MAX + 1];
	struct home *home;
	int dir; /* labs/NAME in it; -1: not made */
	int journal; /* open and locked while the keeper lives */
};
#define STATE_INIT                                                                                 \
	{                                                                                          \
		.dir = -1, .journal = -1                                                           \
	}

/*
 * The lock over names, addresses and shared flags of all labs. The last lab to go takes
 * the home with it: who waited for the lock meanwhile gets a new directory in @home.
 * Close the descriptor to release it.
 */
int state_lock(struct home *home, struct choppy_err *err);
/* Under the lock: remove the home when no lab is left in it. */
void state_prune(struct home *home);

/* Call @each for the name of every lab directory. Stops at a negative result. */
int state_each(struct home *home, int (*each)(struct home *home, const char *name, void *ctx),
	       void *ctx);

/* Under the lock: add what every lab on disk has reserved to @used. */
int state_reservations(struct home *home, struct addr_used *used);

/*
 * Under the lock: make the directory and journal of lab @name with the addresses
 * that it reserves (family 0: none). -EEXIST: the name is taken by a living lab.
 */
int state_create(struct state *st, struct home *home, const char *name, const struct inet *addr4,
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

/* Under the lock: remove the lab's directory. state_prune() is the caller's to do. */
void state_remove(struct state *st);
/* Close the lab's descriptors; the files stay. */
void state_close(struct state *st);

/* Whether the keeper of lab @name lives; fills its pid. */
bool state_alive(const struct home *home, const char *name, pid_t *ret_keeper);

/*
 * Under the lock: undo what lab @name's dead keeper left and remove its directory.
 * @keeper: only when the journal is of that process, which is known to be dead (the
 * undertaker's case); 0: only when nobody holds the journal.
 * @line (may be NULL) is told each step; with @dry_run nothing is changed.
 * Returns 1 when there was something to undo, 0 when not.
 */
int state_reap(struct home *home, const char *name, pid_t keeper, bool dry_run,
	       void (*line)(void *ctx, const char *what), void *ctx, struct choppy_err *err);

/* Under the lock: state_reap() for every lab that nobody keeps. The home stays. */
void state_reap_dead(struct home *home);

/*
 * The undertaker: forked before the first host change; when the keeper's end of
 * the pipe closes it plays the journal. Returns its pid; @ret_fd is the end to
 * hold (close-on-exec).
 */
pid_t undertaker_start(const struct home *home, const char *name, int *ret_fd,
		       struct choppy_err *err);

#endif
