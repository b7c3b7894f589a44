/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A question is asked by a child of the keeper's, which goes into the node; there its own child
 * connects, looks, or becomes the command. What that writes goes into memory, so that nobody waits
 * for a reader. Who is ready is asked again and again until it is, and then no more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "err.h"
#include "play.h"
#include "util.h"

static _Noreturn void become(const struct lab *lab, const struct probe *p, const struct user *user)
{
	char *const command[] = { "/bin/sh", "-c", p->text, NULL };
	char *const ping[] = { "ping", "-n", "-c", "1", "-W", "2", p->text, NULL };
	char **env = lab->net.plan->file->programs[p->node].env;
	int r;

	setsid();
	signals_give(&lab->signals);
	net_limits_restore(&lab->net);
	if (p->kind != PROBE_COMMAND && p->kind != PROBE_PING) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(probe_ask(p, 1));
	}
	for (char **e = env; e && *e; e++)
		putenv(*e);
	r = spawn_exec(p->kind == PROBE_PING ? ping : command, user);
	dprintf(1, "%s: %s", p->kind == PROBE_PING ? "ping" : "/bin/sh", strerror(-r));
	_exit(CHOPPY_EXIT_NOTFOUND);
}

static _Noreturn void child(const struct lab *lab, const struct probe *p, const struct user *user,
			    int out)
{
	struct choppy_err err = { 0 };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), wstatus;
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "choppy-probe");
	dup2(null, 0);
	dup2(out, 1);
	dup2(out, 2);
	if (net_program_enter(lab, p->node, &err) < 0) {
		dprintf(1, "%s", err.msg);
		_exit(CHOPPY_EXIT_FAILED);
	}
	close_range(3, ~0u, 0);
	pid = fork();
	if (pid == 0)
		become(lab, p, user);
	while (pid > 0 && waitpid(pid, &wstatus, 0) < 0 && errno == EINTR)
		;
	_exit(pid < 0 ? CHOPPY_EXIT_FAILED : spawn_status(wstatus));
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

/* The last line of @text. */
static int last_line(const char *text, const char **ret)
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
		kill(a->pid, SIGKILL);
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
