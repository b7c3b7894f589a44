/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of a lab's file. For each a process of the keeper's goes into the node, starts the
 * program there and waits for it: it ends with the program's status. They are killed with init,
 * which is process 1 of all of them, and with the keeper.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "err.h"
#include "internal.h"
#include "play.h"
#include "util.h"

static const struct labfile *file_of(const struct lab *lab)
{
	return lab->net.plan->file;
}

/* Who the program is: as the file says, or else as the lab. */
static int find_user(const struct lab *lab, const struct node_program *p, struct user *ret,
		     struct choppy_err *err)
{
	struct user u;
	int r;

	*ret = lab->user;
	if (!p->user)
		return 0;
	r = user_find(&u, p->user, err);
	if (r == 0 && lab->home.own)
		r = lab_own_user(&u, lab->spec->map_root, err);
	if (r == 0)
		*ret = u;
	return r;
}

int net_program_user(const struct lab *lab, uint32_t node, struct user *ret, struct choppy_err *err)
{
	return find_user(lab, &file_of(lab)->programs[node], ret, err);
}

/* Where it begins; NULL: where choppy does. */
static const char *directory(const struct labfile *f, const struct node_program *p)
{
	return p->dir ? p->dir : f->dir;
}

/* By the PATH that the program will have; of choppy's own where the file gives none. */
static const char *path_of(const struct node_program *p)
{
	const char *path = getenv("PATH");

	for (char **e = p->env; e && *e; e++)
		if (strncmp(*e, "PATH=", 5) == 0)
			path = *e + 5;
	return path ? path : "/bin:/usr/bin";
}

/* A node sees the files of the host: what is not there now will not be there then. */
static int find_command(const struct labfile *f, const struct node_program *p,
			struct choppy_err *err)
{
	const char *name = p->argv[0], *at = path_of(p), *own = directory(f, p);
	CLEANUP_FD dir = own ? open(own, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	char file[PATH_MAX];

	if (own && dir < 0)
		return err_sys(err, -errno, "open %s", own);
	if (!own)
		dir = AT_FDCWD;

	while (!strchr(name, '/') && *at) {
		size_t len = strcspn(at, ":");

		snprintf(file, sizeof(file), "%.*s/%s", (int)len, len ? at : ".", name);
		if (faccessat(dir, file, X_OK, 0) == 0)
			return 0;
		at += len + (at[len] == ':');
	}
	if (strchr(name, '/') && faccessat(dir, name, X_OK, 0) == 0)
		return 0;
	return err_set(err, -ENOENT, "command '%s' %s", name,
		       strchr(name, '/') ? strerror(errno) : "was not found in $PATH");
}

int net_program_enter(const struct lab *lab, uint32_t node, struct choppy_err *err)
{
	const int fds[NODE_FDS] = { lab->init.pidfd, lab->init.root, lab->net.ns[node] };
	const struct labfile *f = file_of(lab);
	const char *dir = directory(f, &f->programs[node]);

	/* Which is the current directory on the other side, too. */
	if (dir && chdir(dir) < 0)
		return err_sys(err, -errno, "enter %s", dir);
	return node_enter(fds, NODE_HAS_IPC, err);
}

int net_programs_check(const struct lab *lab, struct choppy_err *err)
{
	const struct labfile *f = file_of(lab);
	struct user user;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < f->t.nnodes; i++) {
		if (!f->programs[i].argv)
			continue;
		r = find_user(lab, &f->programs[i], &user, err);
		if (r == 0)
			r = find_command(f, &f->programs[i], err);
		if (r < 0)
			err_prefix(err, "node %s", f->t.nodes[i].name);
	}
	return r;
}

static int open_log(const struct lab *lab, const char *node, struct choppy_err *err)
{
	char name[NODE_NAME_MAX + sizeof(STATE_LOGS) + 1];
	int fd;

	if (mkdirat(lab->state.dir, STATE_LOGS, 0700) < 0 && errno != EEXIST)
		return err_sys(err, -errno, "make the directory of the logs");
	snprintf(name, sizeof(name), STATE_LOGS "/%s", node);
	fd = openat(lab->state.dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	return fd < 0 ? err_sys(err, -errno, "write the log of %s", node) : fd;
}

/* In the node. Returns the exit status. */
static int run(const struct lab *lab, const struct node_program *p, char *const argv[],
	       const struct user *user, int begun)
{
	int wstatus, r;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == 1) /* whoever waits for it has been killed already */
			_exit(CHOPPY_EXIT_FAILED);
		setsid();
		signals_give(&lab->signals);
		net_limits_restore(&lab->net);
		for (char **e = p->env; e && *e; e++)
			putenv(*e);
		r = spawn_exec(argv, user);
		dprintf(2, "choppy: %s: %s\n", argv[0], strerror(-r));
		_exit(r == -ENOENT ? CHOPPY_EXIT_NOTFOUND : CHOPPY_EXIT_NOEXEC);
	}
	close_fd(&begun);
	while (pid > 0 && waitpid(pid, &wstatus, 0) < 0 && errno == EINTR)
		;
	return pid < 0 ? CHOPPY_EXIT_FAILED : spawn_status(wstatus);
}

/* @begun: closed when the program runs. */
static _Noreturn void child(const struct lab *lab, uint32_t node, char *const argv[],
			    const struct user *user, int log, int begun)
{
	const char *name = file_of(lab)->t.nodes[node].name;
	struct choppy_err err = { 0 };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "choppy-program");
	dup2(null, 0);
	dup2(log, 1);
	dup2(log, 2);
	if (net_program_enter(lab, node, &err) < 0) {
		dprintf(2, "choppy: %s\n", err.msg);
		_exit(CHOPPY_EXIT_FAILED);
	}
	/* A name of its own, where that can be; and nothing of the keeper's stays open. */
	if (unshare(CLONE_NEWUTS) == 0)
		(void)!sethostname(name, strlen(name));
	begun = dup3(begun, 3, O_CLOEXEC) < 0 ? -1 : 3;
	close_range(4, ~0u, 0);
	_exit(run(lab, &file_of(lab)->programs[node], argv, user, begun));
}

/* @slot: of lab->net.programs. @ret_begun: ends when the program runs. */
static int start(struct lab *lab, struct net_program *slot, char *const argv[], int *ret_begun,
		 struct choppy_err *err)
{
	const char *name = file_of(lab)->t.nodes[slot->node].name;
	CLEANUP_FD log = open_log(lab, name, err);
	struct user user;
	int r, begun[2];
	pid_t pid;

	if (log < 0)
		return log;
	r = find_user(lab, &file_of(lab)->programs[slot->node], &user, err);
	if (r < 0)
		return r;
	if (pipe2(begun, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "make a pipe");
	pid = fork();
	if (pid == 0)
		child(lab, slot->node, argv, &user, log, begun[1]);
	close(begun[1]);
	if (pid < 0) {
		close(begun[0]);
		return err_sys(err, -errno, "start a process on node %s", name);
	}
	slot->pid = pid;
	*ret_begun = begun[0];
	return 0;
}

/* The same while the lab lives: then it runs, or stands still with its node. */
static int start_now(struct lab *lab, struct net_program *slot, char *const argv[],
		     struct choppy_err *err)
{
	CLEANUP_FD begun = -1;
	char byte;
	int r = start(lab, slot, argv, &begun, err);

	if (r < 0)
		return r;
	while (read(begun, &byte, 1) < 0 && errno == EINTR)
		;
	return faults_node(&lab->net.faults, VERB_PAUSE, slot->node)
		       ? net_node_signal(lab, slot->node, SIGSTOP, err)
		       : 0;
}

/* A new one, or one beside a node's own that has ended; NULL: no memory. */
static struct net_program *new_slot(struct net *net, uint32_t node, bool own)
{
	for (uint32_t i = 0; !own && i < net->nprograms; i++) {
		if (net->programs[i].own || net->programs[i].pid)
			continue;
		net->programs[i].node = node;
		return &net->programs[i];
	}
	if (net->nprograms == net->room_programs) {
		uint32_t room = net->room_programs ? 2 * net->room_programs : 16;
		void *p = realloc(net->programs, room * sizeof(*net->programs));

		if (!p)
			return NULL;
		net->programs = p;
		net->room_programs = room;
	}
	net->programs[net->nprograms] = (struct net_program){ .node = node, .own = own };
	return &net->programs[net->nprograms++];
}

int net_programs_make(struct lab *lab, struct choppy_err *err)
{
	const struct labfile *f = file_of(lab);
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < f->t.nnodes; i++) {
		struct net_program *slot;
		CLEANUP_FD begun = -1; /* nobody waits for it here */

		if (!f->programs[i].argv)
			continue;
		slot = new_slot(&lab->net, i, true);
		r = slot ? start(lab, slot, f->programs[i].argv, &begun, err)
			 : err_sys(err, -ENOMEM, "start the programs");
	}
	return r;
}

static struct net_program *own_program(const struct lab *lab, uint32_t node)
{
	for (uint32_t i = 0; i < lab->net.nprograms; i++)
		if (lab->net.programs[i].own && lab->net.programs[i].node == node)
			return &lab->net.programs[i];
	return NULL;
}

const struct net_program *net_program_of(const struct lab *lab, uint32_t node)
{
	return own_program(lab, node);
}

int net_program_start(struct lab *lab, uint32_t node, struct choppy_err *err)
{
	const char *name = file_of(lab)->t.nodes[node].name;
	struct net_program *p = own_program(lab, node);

	if (!p)
		return err_set(err, -ENOENT, "node %s has no command in its file", name);
	if (p->pid)
		return err_set(err, -EBUSY, "the command of %s runs already", name);
	if (lab->net.play)
		play_not_ready(lab->net.play, node);
	return start_now(lab, p, file_of(lab)->programs[node].argv, err);
}

int net_program_run(struct lab *lab, uint32_t node, const char *command, struct choppy_err *err)
{
	char *const argv[] = { "/bin/sh", "-c", (char *)command, NULL };
	struct net_program *slot = new_slot(&lab->net, node, false);

	return slot ? start_now(lab, slot, argv, err) : err_sys(err, -ENOMEM, "start %s", command);
}

static void wait_for(pid_t pid, int *wstatus)
{
	while (waitpid(pid, wstatus, 0) < 0 && errno == EINTR)
		;
}

/*
 * Who waits for a program is killed, too: one that is only about to start, or that has gone into
 * another network namespace, dies of that (PR_SET_PDEATHSIG), and nobody waits for it in vain.
 */
int net_program_kill(struct lab *lab, uint32_t node, struct choppy_err *err)
{
	int r = net_node_signal(lab, node, SIGKILL, err);

	if (lab->net.play)
		play_not_ready(lab->net.play, node);
	for (uint32_t i = 0; r == 0 && i < lab->net.nprograms; i++) {
		struct net_program *p = &lab->net.programs[i];

		if (p->node != node || !p->pid)
			continue;
		kill(p->pid, SIGKILL);
		wait_for(p->pid, &p->wstatus);
		p->pid = 0;
	}
	return r;
}

void net_programs_undo(struct lab *lab)
{
	play_free(lab);
	for (uint32_t i = 0; i < lab->net.nprograms; i++)
		if (lab->net.programs[i].pid > 0)
			kill(lab->net.programs[i].pid, SIGKILL);
	for (uint32_t i = 0; i < lab->net.nprograms; i++)
		if (lab->net.programs[i].pid > 0)
			wait_for(lab->net.programs[i].pid, NULL);
	free(lab->net.programs);
	lab->net.programs = NULL;
	lab->net.nprograms = lab->net.room_programs = 0;
}

bool net_program_ended(struct lab *lab, pid_t pid, int wstatus)
{
	for (uint32_t i = 0; i < lab->net.nprograms; i++) {
		struct net_program *p = &lab->net.programs[i];

		if (p->pid != pid)
			continue;
		p->pid = 0;
		p->wstatus = wstatus;
		lab_note(lab, false, "the command of %s ended with status %d: choppy logs %s/%s",
			 file_of(lab)->t.nodes[p->node].name, spawn_status(wstatus),
			 lab->spec->name, file_of(lab)->t.nodes[p->node].name);
		return true;
	}
	return false;
}
