/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node's processes are those in its network namespace and in the lab's PID namespace; init is
 * none of them. The list of processes is read again until nobody new is on it, since each may have
 * made another before the signal came. Who a process is is looked at when its pidfd is there
 * already: a number may be somebody else's a moment later.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "err.h"
#include "internal.h"
#include "util.h"

#define PASSES_MAX 1000 /* somebody who forks faster than this is not caught */

struct hunt {
	struct stat net, pid; /* the namespaces */
	pid_t init;
	int sig;
	pid_t *sent; /* who has got it */
	size_t n, room;
};

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool has_got(const struct hunt *h, pid_t pid)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->sent[i] == pid)
			return true;
	return false;
}

static int note(struct hunt *h, pid_t pid)
{
	if (h->n == h->room) {
		size_t room = h->room ? 2 * h->room : 64;
		void *p = realloc(h->sent, room * sizeof(*h->sent));

		if (!p)
			return -ENOMEM;
		h->sent = p;
		h->room = room;
	}
	h->sent[h->n++] = pid;
	return 0;
}

static bool is_there(int proc, pid_t pid, const char *what, const struct stat *ns)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "%d/ns/%s", (int)pid, what);
	return fstatat(proc, path, &st, 0) == 0 && same(&st, ns);
}

/* 1: it is one, and new. */
static int look_at(struct hunt *h, int proc, pid_t pid)
{
	CLEANUP_FD fd = -1;
	int r;

	if (pid == h->init || has_got(h, pid))
		return 0;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0 || !is_there(proc, pid, "net", &h->net) || !is_there(proc, pid, "pid", &h->pid))
		return 0;
	r = note(h, pid);
	if (r < 0)
		return r;
	if (syscall(SYS_pidfd_send_signal, fd, h->sig, NULL, 0) < 0 && errno != ESRCH)
		return -errno;
	return 1;
}

/* How many new ones there were. */
static int pass(struct hunt *h, DIR *dir)
{
	struct dirent *d;
	int found = 0;

	rewinddir(dir);
	while ((d = readdir(dir))) {
		int r = isdigit((unsigned char)d->d_name[0])
				? look_at(h, dirfd(dir), (pid_t)atoi(d->d_name))
				: 0;

		if (r < 0)
			return r;
		found += r;
	}
	return found;
}

int net_node_signal(const struct lab *lab, uint32_t node, int sig, struct choppy_err *err)
{
	const char *name = lab->net.plan->file->t.nodes[node].name;
	struct hunt h = { .init = lab->init.pid, .sig = sig };
	DIR *dir = opendir("/proc");
	char path[64];
	int r = 1;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)lab->init.pid);
	if (!dir || fstat(lab->net.ns[node], &h.net) < 0 || stat(path, &h.pid) < 0)
		r = -errno;
	for (int i = 0; r > 0 && i < PASSES_MAX; i++)
		r = pass(&h, dir);
	if (dir)
		closedir(dir);
	free(h.sent);
	if (r > 0)
		return err_set(err, -EAGAIN, "the programs of %s start new ones all the time",
			       name);
	return r < 0 ? err_sys(err, r, "signal the programs of %s", name) : 0;
}
