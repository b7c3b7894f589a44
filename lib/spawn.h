/* SPDX-License-Identifier: GPL-2.0-or-later */
/* spawn.h - execute a program as a shell would expect it of env(1): user, signals, status. */
#ifndef CHOPPY_SPAWN_H
#define CHOPPY_SPAWN_H

#include <signal.h>
#include <sys/types.h>

#include "choppy.h"

/* A user to become; looked up before anything is made. */
struct user {
	bool set;
	bool drop; /* give up all capabilities, for good (userns.h) */
	uid_t uid;
	gid_t gid;
	char name[32], home[256], shell[128];
};
int user_find(struct user *ret, const char *name, struct choppy_err *err);

/* Signal state to hand on to a program: as this process got it. */
struct signal_state {
	sigset_t mask;
	bool pipe_ignored;
};
/* Note the state, then block what the caller wants to read from a signalfd. */
void signals_take(struct signal_state *ret, const sigset_t *block);
/* Give the noted state back, with default actions: to a child, or to the caller in the end. */
void signals_give(const struct signal_state *s);
/* Forget those that came too late to be passed on: they were for the program, which has ended. */
void signals_drop(void);

/*
 * In a child: become @u, execute @argv, to be killed when the parent ends. Returns only on
 * failure, a negative errno.
 */
int spawn_exec(char *const argv[], const struct user *u);

/* The exit status that a shell shows for a wait(2) status: code, or 128 + signal. */
int spawn_status(int wstatus);

/* After a failed execution: fill @err for @name and return 126 or 127. */
int spawn_failed(int code, const char *name, struct choppy_err *err);

/* The signals that choppy passes on to the program. */
void signals_forwarded(sigset_t *set);
/*
 * Whether the program does not get this one by itself: the terminal's signals (SI_KERNEL) reach
 * its whole foreground group, but a hang-up only the session's leader, which choppy may be.
 */
bool signal_wants_forwarding(int sig, int si_code);

#endif
