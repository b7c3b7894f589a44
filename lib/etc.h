/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * etc.h - what a node sees of its own: /etc/hosts and /etc/resolv.conf bound
 * over the machine's, fresh /proc and /sys, and no side door to the host's
 * name services.
 */
#ifndef CHOPPY_ETC_H
#define CHOPPY_ETC_H

#include "addr.h"
#include "state.h"

#define ETC_NOTE_MAX 192

#define ETC_HOST_NAME "host.choppy.internal"

/* The names that a node knows by itself: of both ends, and, family not 0, of the host. */
struct choppy_file;
struct etc_names {
	const struct addr_pair *v4, *v6;
	const struct inet *host4, *host6;
	const struct choppy_file *nodes; /* of a lab out of a file; NULL: the lab is the node */
	bool nodes6; /* with their IPv6 addresses */
};

/* Write the two files into the lab's directory. @dns: whether the gateway answers DNS. */
int etc_write(const struct state *st, const struct etc_names *names, bool dns,
	      struct choppy_err *err);

/*
 * In a process with a mount namespace of its own, in the node's network (and a new
 * PID) namespace: detach from the host's mounts, mount /proc and /sys, bind the
 * files of the lab directory @dir (a path), cover @home, where labs are kept. @note, ETC_NOTE_MAX
 * bytes, gets a one-line remark when something is left out ("" otherwise).
 */
int etc_mount(const char *dir, const char *home, char *note, struct choppy_err *err);

#endif
