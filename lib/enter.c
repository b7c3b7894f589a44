/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enter.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "err.h"

int node_enter(const int fds[NODE_FDS], unsigned int has, struct choppy_err *err)
{
	const int flags = (has & NODE_HAS_USER ? CLONE_NEWUSER : 0) |
			  (has & NODE_HAS_IPC ? CLONE_NEWIPC : 0) | CLONE_NEWNS | CLONE_NEWPID;
	char cwd[PATH_MAX];

	if (!getcwd(cwd, sizeof(cwd)))
		snprintf(cwd, sizeof(cwd), "/");
	if (setns(fds[NODE_INIT], flags) < 0 || setns(fds[NODE_NET], CLONE_NEWNET) < 0 ||
	    fchdir(fds[NODE_ROOT]) < 0 || chroot(".") < 0)
		return err_sys(err, -errno, "enter the node");
	/* The mount namespace brings its own root; a directory that is not there is "/". */
	if (chdir(cwd) < 0 && chdir("/") < 0)
		return err_sys(err, -errno, "enter %s", cwd);
	return 0;
}
