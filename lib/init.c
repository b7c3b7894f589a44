/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signals: the program stands in the process group that choppy was started in, so
 * the terminal's own signals (Ctrl-C, Ctrl-Z) reach it directly; init, in the same
 * group, blocks all and drops those. What the keeper forwards comes from a process
 * and is passed on. The kernel kills init when the keeper dies (PR_SET_PDEATHSIG),
 * and everything in the PID namespace when init ends.
 */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "err.h"
#include "etc.h"
#include "ns.h"
#include "util.h"

/* Descriptors of choppy itself lie below this: it opens few, the lowest free first. */
#define OWN_FDS 256

struct ready_report {
	struct choppy_err err; /* code 0: ready */
	char note[192];
};

/* Ours are close-on-exec; what the user handed on is not, and goes on to the program. */
static void close_own(int keep1, int keep2)
{
	for (int fd = 3; fd < OWN_FDS; fd++) {
		int flags = fd == keep1 || fd == keep2 ? -1 : fcntl(fd, F_GETFD);

		if (flags >= 0 && (flags & FD_CLOEXEC))
			close(fd);
	}
}

static void stdio_null(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

/* What init says when it is over, before the kernel has taken the namespaces down. */
struct end_report {
	int code; /* negative errno: the program could not be executed */
	int status; /* exit status of the program */
};

/* The program's process is there beforehand; the byte on @go only lets it execute. */
static void start_program(const struct init_config *c, int go, int report, pid_t *ret)
{
	struct end_report end = { 0 };
	char byte;

	*ret = fork();
	if (*ret != 0)
		return;
	if (read(go, &byte, 1) != 1)
		_exit(CHOPPY_EXIT_FAILED);
	signals_give(c->signals);
	end.code = spawn_exec(c->argv, c->user);
	if (write(report, &end, sizeof(end)) < 0)
		_exit(CHOPPY_EXIT_FAILED);
	_exit(CHOPPY_EXIT_NOTFOUND);
}

/* Reap all; returns the program's exit status once it ended, -1 before. */
static int reap(pid_t program)
{
	int wstatus, status = -1;
	pid_t pid;

	while ((pid = waitpid(-1, &wstatus, WNOHANG)) > 0) {
		if (pid == program)
			status = spawn_status(wstatus);
	}
	return status;
}

static void serve(pid_t program, int report)
{
	struct end_report end = { 0 };
	sigset_t all, forwarded;
	siginfo_t si;

	sigfillset(&all);
	signals_forwarded(&forwarded);
	for (;;) {
		int sig = sigwaitinfo(&all, &si);

		if (sig == SIGCHLD) {
			end.status = reap(program);
			if (end.status < 0)
				continue;
			if (write(report, &end, sizeof(end)) < 0)
				_exit(CHOPPY_EXIT_FAILED);
			_exit(end.status);
		} else if (sig > 0 && program > 0 && sigismember(&forwarded, sig) &&
			   si.si_code != SI_KERNEL) {
			kill(program, sig);
		}
	}
}

static _Noreturn void init_main(const struct init_config *c, int go, int report)
{
	struct ready_report ready = { 0 };
	pid_t program = 0;
	sigset_t all;
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "choppy-init");
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (netns_enter(c->node_ns, &ready.err) == 0)
		etc_mount(c->lab_dir, c->home, ready.note, &ready.err);
	close_own(go, report);
	if (write(report, &ready, sizeof(ready)) != sizeof(ready))
		_exit(CHOPPY_EXIT_FAILED);
	/* The end of file on @go is also how a keeper that died before the prctl is seen. */
	if (c->argv)
		start_program(c, go, report, &program);
	else if (read(go, &byte, 1) != 1)
		_exit(CHOPPY_EXIT_FAILED);
	close(go);
	stdio_null();
	serve(program, report);
	_exit(CHOPPY_EXIT_FAILED);
}

int init_start(struct init *ret, const struct init_config *config, struct choppy_err *err)
{
	int go[2], report[2], pidfd = -1;
	pid_t pid;

	if (pipe2(go, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "make a pipe");
	if (pipe2(report, O_CLOEXEC) < 0) {
		int r = -errno;

		close(go[0]);
		close(go[1]);
		return err_sys(err, r, "make a pipe");
	}
	pid = (pid_t)syscall(SYS_clone,
			     CLONE_NEWPID | CLONE_NEWNS | (config->own_ipc ? CLONE_NEWIPC : 0) |
				     CLONE_PIDFD | SIGCHLD,
			     NULL, &pidfd, NULL, NULL);
	if (pid == 0) {
		close(go[1]);
		init_main(config, go[0], report[1]);
	}
	close(go[0]);
	close(report[1]);
	if (pid < 0) {
		int r = -errno;

		close(go[1]);
		close(report[0]);
		return err_sys(err, r, "create a PID and a mount namespace");
	}
	*ret = (struct init){
		.pid = pid, .pidfd = pidfd, .go = go[1], .root = -1, .report = report[0]
	};
	return 0;
}

int init_ready(struct init *init, char *note, struct choppy_err *err)
{
	struct ready_report ready;
	char path[32];
	ssize_t n;

	do {
		n = read(init->report, &ready, sizeof(ready));
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(ready))
		return err_set(err, -EIO, "the node's init ended before it was ready");
	if (ready.err.code < 0) {
		if (err)
			*err = ready.err;
		return ready.err.code;
	}
	snprintf(note, 192, "%s", ready.note);
	snprintf(path, sizeof(path), "/proc/%d/root", init->pid);
	init->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (init->root < 0)
		return err_sys(err, -errno, "open %s", path);
	return 0;
}

int init_go(struct init *init, struct choppy_err *err)
{
	ssize_t n = write(init->go, "g", 1);

	close_fd(&init->go);
	return n == 1 ? 0 : err_set(err, -EIO, "the node's init ended before the program started");
}

int init_status(struct init *init, const char *program, struct choppy_err *err)
{
	struct end_report end;

	if (read(init->report, &end, sizeof(end)) != sizeof(end))
		return -1;
	return end.code < 0 ? spawn_failed(end.code, program, err) : end.status;
}

void init_stop(struct init *init, bool reaped)
{
	if (init->pid > 0 && !reaped) {
		kill(init->pid, SIGKILL);
		while (waitpid(init->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	init->pid = 0;
	close_fd(&init->pidfd);
	close_fd(&init->go);
	close_fd(&init->root);
	close_fd(&init->report);
}
