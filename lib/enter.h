/* SPDX-License-Identifier: GPL-2.0-or-later */
/* enter.h - go from wherever a process is into a node. */
#ifndef CHOPPY_ENTER_H
#define CHOPPY_ENTER_H

#include "choppy.h"

/* Descriptors that lead there, in the order in which the keeper hands them out. */
enum node_fd {
	NODE_INIT, /* init's pidfd: its user, mount and PID namespaces */
	NODE_ROOT, /* init's root directory, which a mount namespace alone does not tell */
	NODE_NET, /* the node's network namespace */
	NODE_FDS,
};

/* What a node has beside mount, PID and network namespace. */
enum node_has {
	NODE_HAS_USER = 1, /* a user namespace that this process is not yet in */
	NODE_HAS_IPC = 2,
};

/*
 * Enter, and stay in the directory of the same name if there is one, else in "/". Children of this
 * process will be in the PID namespace. @has: NODE_HAS_ bits.
 */
int node_enter(const int fds[NODE_FDS], unsigned int has, struct choppy_err *err);

#endif
