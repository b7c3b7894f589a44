/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A question is asked by a child of the keeper's, which goes into the node; there its own child
 * connects, looks, or becomes the command. It takes what that writes, of which the end is kept, so
 * that nobody waits for a reader and nothing grows; and when the question is over it kills all of
 * the command's session. Who is ready is asked again and again until it is, and then no more.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "err.h"
#include "play.h"
#include "util.h"

#define OUTPUT_MAX (1 << 20) /* bytes of output that are looked at: the last of them */
#define READ_BYTES 65536

static _Noreturn void become(const struct lab *lab, const struct probe *p, const struct user *user)
{
	char *const command[] = { "/bin/sh", "-c", p->text, NULL };
	char *const ping[] = { "ping", "-n", "-c", "1", "-W", "2", p->text, NULL };
	char **env = lab->net.plan->file->programs[p->node].env;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	signals_give(&lab->signals);
	net_limits_restore(&lab->net);
	if (p->kind != PROBE_COMMAND && p->kind != PROBE_PING)
		_exit(probe_ask(p, 1));
	for (char **e = env; e && *e; e++)
		putenv(*e);
	r = spawn_exec(p->kind == PROBE_PING ? ping : command, user);
	dprintf(1, "%s: %s", p->kind == PROBE_PING ? "ping" : "/bin/sh", strerror(-r));
	_exit(CHOPPY_EXIT_NOTFOUND);
}

/* The end of what was written. */
struct tail {
	char *text;
	size_t len;
};

/* False: that was all, for now. */
static bool take_output(int from, struct tail *t)
{
	ssize_t n;

	if (t->len > OUTPUT_MAX) {
		memmove(t->text, t->text + t->len - OUTPUT_MAX / 2, OUTPUT_MAX / 2);
		t->len = OUTPUT_MAX / 2;
	}
	n = read(from, t->text + t->len, READ_BYTES);
	t->len += n > 0 ? (size_t)n : 0;
	return n > 0;
}

/* Until @pid has ended, or SIGTERM says that nobody asks any more. */
static int wait_for_it(pid_t pid, int from, struct tail *t)
{
	struct signalfd_siginfo si;
	siginfo_t ended = { 0 };
	struct pollfd p[2];
	sigset_t set;
	int wstatus;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	p[0] = (struct pollfd){ .fd = from, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = signalfd(-1, &set, SFD_CLOEXEC), .events = POLLIN };
	/* It stays a zombie until the others are killed: its number is nobody else's so long. */
	while (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       !ended.si_pid) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents && !take_output(from, t))
			p[0].fd = -1; /* all of them have closed it */
		if (!p[1].revents || read(p[1].fd, &si, sizeof(si)) != sizeof(si) ||
		    si.ssi_signo != SIGTERM)
			continue;
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL); /* it may not have a session of its own yet */
	}
	while (take_output(from, t))
		;
	kill(-pid, SIGKILL); /* what it has left behind */
	return waitpid(pid, &wstatus, 0) < 0 ? CHOPPY_EXIT_FAILED : spawn_status(wstatus);
}

static _Noreturn void child(const struct lab *lab, const struct probe *p, const struct user *user,
			    int out)
{
	struct tail tail = { .text = malloc(OUTPUT_MAX + READ_BYTES) };
	struct choppy_err err = { 0 };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), io[2], status;
	pid_t pid = -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "choppy-probe");
	dup2(null, 0);
	if (net_program_enter(lab, p->node, &err) < 0)
		dprintf(out, "%s", err.msg);
	else if (tail.text && pipe2(io, O_CLOEXEC | O_NONBLOCK) == 0)
		pid = fork();
	if (pid < 0)
		_exit(CHOPPY_EXIT_FAILED);
	if (pid == 0) {
		fcntl(io[1], F_SETFL, 0); /* for the program it is a pipe as any */
		dup2(io[1], 1);
		dup2(io[1], 2);
		close_range(3, ~0u, 0);
		become(lab, p, user);
	}
	close(io[1]);
	status = wait_for_it(pid, io[0], &tail);
	if (write(out, tail.text, tail.len) < 0)
		_exit(CHOPPY_EXIT_FAILED);
	_exit(status);
}

int asking_start(struct lab *lab, const struct probe *p, struct asking *ret, struct choppy_err *err)
{
	CLEANUP_FD out = memfd_create("choppy-answer", MFD_CLOEXEC);
	struct user user;
	pid_t pid;
	int r;

	if (out < 0)
		return err_sys(err, -errno, "ask on a node");
	r = net_program_user(lab, p->node, &user, err);
	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		child(lab, p, &user, out);
	if (pid < 0)
		return err_sys(err, -errno, "ask on a node");
	*ret = (struct asking){ .pid = pid, .out = out };
	out = -1;
	return 0;
}

/* All that was written, as a text to be freed. */
static char *output(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *text = size < 0 ? NULL : malloc((size_t)size + 1);
	ssize_t n = text ? pread(fd, text, (size_t)size, 0) : -1;

	if (n < 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

int last_line(const char *text, const char **ret)
{
	size_t end = strlen(text), begin;

	while (end && strchr("\r\n ", text[end - 1]))
		end--;
	for (begin = end; begin && text[begin - 1] != '\n';)
		begin--;
	*ret = text + begin;
	return (int)(end - begin);
}

static bool judge(const struct probe *p, int status, const char *text, char reason[REASON_MAX])
{
	bool yes = p->kind == PROBE_COMMAND && !p->prints ? status == p->status : status == 0;
	const char *line;
	int n = last_line(text, &line);

	if (p->kind == PROBE_PING && p->negated)
		yes = status == 1; /* ping(8): no answer; 2 is another error */
	if (p->prints)
		yes = strstr(text, p->prints);
	if (yes)
		return true;
	if (p->kind == PROBE_COMMAND)
		snprintf(reason, REASON_MAX, "the command ended with status %d%s%.*s", status,
			 n ? ": " : "", n, line);
	else if (n)
		snprintf(reason, REASON_MAX, "%.*s", n, line);
	else
		snprintf(reason, REASON_MAX, "no");
	return false;
}

bool asking_answer(const struct probe *p, struct asking *a, int wstatus, char reason[REASON_MAX])
{
	CLEANUP_FREE char *text = output(a->out);
	bool yes = judge(p, spawn_status(wstatus), text ? text : "", reason);

	close_fd(&a->out);
	a->pid = 0;
	return yes;
}

void asking_stop(struct asking *a)
{
	if (a->pid > 0) {
		kill(a->pid, SIGTERM);
		while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	a->pid = 0;
	close_fd(&a->out);
}

/* ------------------------------------------------------------------- ready */

static const struct probe *ready_probe(const struct play *p, uint32_t node)
{
	return p->lab->net.plan->file->programs[node].ready;
}

static uint32_t nnodes(const struct play *p)
{
	return p->lab->net.plan->file->t.nnodes;
}

bool play_ready(struct play *p, const uint32_t *nodes, uint32_t n)
{
	bool all = true;

	for (uint32_t i = 0; i < (n ? n : nnodes(p)); i++) {
		struct readiness *r = &p->ready[n ? nodes[i] : i];

		if (!ready_probe(p, n ? nodes[i] : i))
			continue;
		r->wanted = true;
		all &= r->ready;
	}
	return all;
}

void play_not_ready(struct play *p, uint32_t node)
{
	asking_stop(&p->ready[node].asking);
	p->ready[node].ready = false;
	p->ready[node].next_ns = 0;
}

uint64_t ready_due(const struct play *p)
{
	uint64_t due = PLAY_NEVER;

	for (uint32_t i = 0; i < nnodes(p); i++) {
		const struct readiness *r = &p->ready[i];

		if (r->wanted && !r->ready && !r->asking.pid && r->next_ns < due)
			due = r->next_ns;
	}
	return due;
}

void ready_go_on(struct play *p, uint64_t now_ns)
{
	for (uint32_t i = 0; i < nnodes(p); i++) {
		struct readiness *r = &p->ready[i];

		if (!r->wanted || r->ready || r->asking.pid || r->next_ns > now_ns)
			continue;
		r->next_ns = now_ns + ASK_AGAIN_NS;
		asking_start(p->lab, ready_probe(p, i), &r->asking, NULL);
	}
}

bool ready_child_ended(struct play *p, pid_t pid, int wstatus, uint64_t now_ns)
{
	char reason[REASON_MAX];

	for (uint32_t i = 0; i < nnodes(p); i++) {
		struct readiness *r = &p->ready[i];

		if (r->asking.pid != pid)
			continue;
		r->ready = asking_answer(ready_probe(p, i), &r->asking, wstatus, reason);
		r->next_ns = now_ns + ASK_AGAIN_NS;
		if (play_ready(p, NULL, 0))
			play_mark(p, WHEN_READY, NULL);
		return true;
	}
	return false;
}
