/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of a lab's file. For each a process of the keeper's goes into the node, starts the
 * program there and waits for it: it ends with the program's status. They are killed with init,
 * which is process 1 of all of them, and with the keeper.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "err.h"
#include "internal.h"
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

int net_programs_check(const struct lab *lab, struct choppy_err *err)
{
	const struct labfile *f = file_of(lab);
	struct user user;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < f->t.nnodes; i++) {
		if (!f->programs[i].argv)
			continue;
		r = find_user(lab, &f->programs[i], &user, err);
		if (r < 0)
			err_prefix(err, "node %s", f->t.nodes[i].name);
	}
	return r;
}

static int open_log(const struct lab *lab, const char *node, struct choppy_err *err)
{
	char name[NODE_NAME_MAX + sizeof(STATE_LOGS) + 1];

	snprintf(name, sizeof(name), STATE_LOGS "/%s", node);
	return state_file(&lab->state, name, err);
}

/* In the node. Returns the exit status. */
static int run(const struct lab *lab, const struct node_program *p, const struct user *user)
{
	int wstatus, r;
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		signals_give(&lab->signals);
		net_limits_restore(&lab->net);
		for (char **e = p->env; e && *e; e++)
			putenv(*e);
		r = spawn_exec(p->argv, user);
		dprintf(2, "choppy: %s: %s\n", p->argv[0], strerror(-r));
		_exit(r == -ENOENT ? CHOPPY_EXIT_NOTFOUND : CHOPPY_EXIT_NOEXEC);
	}
	while (pid > 0 && waitpid(pid, &wstatus, 0) < 0 && errno == EINTR)
		;
	return pid < 0 ? CHOPPY_EXIT_FAILED : spawn_status(wstatus);
}

static _Noreturn void child(const struct lab *lab, uint32_t node, const struct user *user, int log)
{
	const int fds[NODE_FDS] = { lab->init.pidfd, lab->init.root, lab->net.ns[node] };
	const char *name = file_of(lab)->t.nodes[node].name;
	struct choppy_err err = { 0 };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "choppy-program");
	dup2(null, 0);
	dup2(log, 1);
	dup2(log, 2);
	if (node_enter(fds, false, &err) < 0) {
		dprintf(2, "choppy: %s\n", err.msg);
		_exit(CHOPPY_EXIT_FAILED);
	}
	/* A name of its own, where that can be; and nothing of the keeper's stays open. */
	if (unshare(CLONE_NEWUTS) == 0)
		(void)!sethostname(name, strlen(name));
	close_range(3, ~0u, 0);
	_exit(run(lab, &file_of(lab)->programs[node], user));
}

static int start(struct lab *lab, uint32_t node, struct choppy_err *err)
{
	const char *name = file_of(lab)->t.nodes[node].name;
	CLEANUP_FD log = open_log(lab, name, err);
	struct user user;
	pid_t pid;
	int r;

	if (log < 0)
		return log;
	r = find_user(lab, &file_of(lab)->programs[node], &user, err);
	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		child(lab, node, &user, log);
	if (pid < 0)
		return err_sys(err, -errno, "start a process on node %s", name);
	lab->net.programs[lab->net.nprograms++] = (struct net_program){ .pid = pid, .node = node };
	return 0;
}

int net_programs_make(struct lab *lab, struct choppy_err *err)
{
	const struct labfile *f = file_of(lab);
	int r = 0;

	lab->net.programs = calloc(f->t.nnodes, sizeof(*lab->net.programs));
	if (!lab->net.programs)
		return err_sys(err, -ENOMEM, "start the programs");
	if (mkdirat(lab->state.dir, STATE_LOGS, 0700) < 0)
		return err_sys(err, -errno, "make the directory of the logs");
	for (uint32_t i = 0; r == 0 && i < f->t.nnodes; i++)
		if (f->programs[i].argv)
			r = start(lab, i, err);
	return r;
}

void net_programs_undo(struct lab *lab)
{
	for (uint32_t i = 0; i < lab->net.nprograms; i++)
		if (lab->net.programs[i].pid > 0)
			kill(lab->net.programs[i].pid, SIGKILL);
	for (uint32_t i = 0; i < lab->net.nprograms; i++)
		while (lab->net.programs[i].pid > 0 &&
		       waitpid(lab->net.programs[i].pid, NULL, 0) < 0 && errno == EINTR)
			;
	free(lab->net.programs);
	lab->net.programs = NULL;
	lab->net.nprograms = 0;
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
