/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * init.h - process 1 of a node's PID namespace: sets the mounts up, starts the
 * program when told to, reaps, forwards signals; with it everything in the node ends.
 */
#ifndef CHOPPY_INIT_H
#define CHOPPY_INIT_H

#include "spawn.h"

struct init_config {
	int node_ns; /* the node's network namespace */
	bool own_ipc; /* System V objects and message queues end with the lab, too */
	const char *lab_dir; /* where hosts and resolv.conf are */
	const char *home; /* what is to be covered: the state of labs */
	char *const *argv; /* NULL: no program, only hold the namespaces */
	const struct user *user;
	const struct signal_state *signals;
};

/* The keeper's side. Zero pid: not started. */
struct init {
	pid_t pid;
	int pidfd; /* also enters the node: setns(2) */
	int go; /* one byte starts the program; closing it before that ends init */
	int root; /* its root directory, which a mount namespace alone does not tell */
	int report; /* what init says of its mounts, and of an execution that failed */
};
#define INIT_NONE                                                                                  \
	{                                                                                          \
		.pid = 0, .pidfd = -1, .go = -1, .report = -1                                      \
	}

/* Start process 1; it prepares itself and waits. */
int init_start(struct init *ret, const struct init_config *config, struct choppy_err *err);
/* Wait until its mounts are ready. @note: >= 192 bytes, a remark or "". */
int init_ready(struct init *init, char *note, struct choppy_err *err);
/* Start the program, or settle down without one. */
int init_go(struct init *init, struct choppy_err *err);
/*
 * When @init->report is readable: the exit status to pass on, with @err filled when the program
 * could not be executed; -1 when init was killed and has said nothing. init itself ends meanwhile.
 */
int init_status(struct init *init, const char *program, struct choppy_err *err);
/* Kill it and all in the node, wait for its end if not @reaped, close the descriptors. */
void init_stop(struct init *init, bool reaped);

#endif
