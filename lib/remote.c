/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "remote.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "engine.h"
#include "err.h"
#include "fdpass.h"
#include "sandbox.h"
#include "util.h"

int remote_start(struct remote *ret, struct choppy_err *err)
{
	const struct sandbox box = { .name = "choppy-engine", .syscalls = engine_syscalls };
	int fd;
	pid_t pid = sandbox_fork(&box, engine_main, &fd, err);

	if (pid < 0)
		return pid;
	*ret = (struct remote){ .pid = pid, .fd = fd };
	return 0;
}

static int ask(struct remote *r, const struct engine_request *req, const int *fds, int nfds,
	       struct engine_reply *ret, struct choppy_err *err)
{
	struct engine_reply reply;
	int sent = fdpass_send(r->fd, req, sizeof(*req), fds, nfds, 0);

	if (sent < 0)
		return err_sys(err, sent, "the engine does not answer");
	if (fdpass_receive(r->fd, &reply, sizeof(reply), NULL, 0) < 0)
		return err_set(err, -EPIPE, "the engine ended by itself");
	if (reply.error < 0)
		return err_set(err, reply.error, "engine: %.*s", (int)sizeof(reply.text) - 1,
			       reply.text);
	if (ret)
		*ret = reply;
	return 0;
}

int remote_add(struct remote *r, struct remote_link *link, struct choppy_err *err)
{
	struct engine_request req = { .op = ENGINE_ADD,
				      .link = link->link,
				      .nflows = link->nflows,
				      .seed = link->seed,
				      .plan_size = link->plan_size };
	const int fds[ENGINE_NFDS] = {
		[ENGINE_FD_PLAN] = link->plan,
		[ENGINE_FD_NODE] = link->ports[0],
		[ENGINE_FD_GATEWAY] = link->ports[1],
		[ENGINE_FD_VERDICTS] = link->verdicts,
	};
	int n = link->verdicts < 0 ? ENGINE_NFDS - 1 : ENGINE_NFDS;
	int result = ask(r, &req, fds, n, NULL, err);

	close_fd(&link->ports[0]);
	close_fd(&link->ports[1]);
	return result;
}

int remote_set(struct remote *r, uint32_t link, int plan, uint64_t plan_size,
	       struct choppy_err *err)
{
	struct engine_request req = { .op = ENGINE_SET, .link = link, .plan_size = plan_size };

	return ask(r, &req, &plan, 1, NULL, err);
}

int remote_counters(struct remote *r, uint32_t link, struct remote_counters *ret,
		    struct choppy_err *err)
{
	struct engine_request req = { .op = ENGINE_COUNTERS, .link = link };
	struct engine_reply reply;
	int result = ask(r, &req, NULL, 0, &reply, err);

	if (result < 0)
		return result;
	memcpy(ret->dir, reply.counters, sizeof(ret->dir));
	memcpy(ret->matched, reply.matched, sizeof(ret->matched));
	ret->log_error = reply.log_error;
	ret->log_lost = reply.log_lost;
	ret->flows_missed = reply.flows_missed;
	return 0;
}

int remote_packets(struct remote *r, uint64_t *ret, struct choppy_err *err)
{
	struct engine_request req = { .op = ENGINE_PACKETS };
	struct engine_reply reply;
	int result = ask(r, &req, NULL, 0, &reply, err);

	if (result == 0)
		*ret = reply.counters[CHOPPY_UP].packets;
	return result;
}

void remote_kill(struct remote *r)
{
	if (r->pid > 0)
		kill(r->pid, SIGKILL);
}

void remote_done(struct remote *r, bool reaped)
{
	if (r->pid > 0 && !reaped) {
		while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	r->pid = 0;
	close_fd(&r->fd);
}
