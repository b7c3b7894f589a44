/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox.h - what a helper process of the keeper gives up before it works: its
 * session, other file descriptors, capabilities, privileges to come, system calls.
 */
#ifndef CHOPPY_SANDBOX_H
#define CHOPPY_SANDBOX_H

#include "choppy.h"

struct sandbox {
	const char *name; /* process name, at most 15 characters */
	const int *keep; /* file descriptors that stay open; @nkeep of them; not 0 to 2: those
			    become /dev/null unless kept */
	int nkeep;
	bool empty_root; /* it sees no file, in a mount namespace of its own */
	bool inet_only; /* socket(2) makes sockets of IPv4 and IPv6 only, where @syscalls has it */
	const int
		*syscalls; /* seccomp allow-list of __NR_ numbers ended by -1, or NULL: no filter */
};

/*
 * In a freshly forked child: die with the parent (@parent, checked), own
 * session, all signals default and unblocked, only @keep open, user nobody when root, no
 * capability, no_new_privs, not dumpable, then the filter. 0 or a negative errno.
 */
int sandbox_enter(const struct sandbox *box, pid_t parent);

/*
 * Fork such a process with a SOCK_SEQPACKET socket to the keeper, all that it keeps of its
 * descriptors: it enters @box (whose @keep is filled here) and ends with the status of
 * @main. The pid, with the keeper's end in @ret_fd, or a negative errno.
 */
pid_t sandbox_fork(const struct sandbox *box, int (*main)(int fd), int *ret_fd,
		   struct choppy_err *err);

#endif
