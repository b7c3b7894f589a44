/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "remote.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "engine.h"
#include "err.h"
#include "fdpass.h"
#include "sandbox.h"
#include "util.h"

static _Noreturn void engine_child(int fd, pid_t parent)
{
	const struct sandbox box = {
		.name = "choppy-engine", .keep = &fd, .nkeep = 1, .syscalls = engine_syscalls
	};

	if (sandbox_enter(&box, parent) < 0)
		_exit(CHOPPY_EXIT_FAILED);
	_exit(engine_main(fd));
}

int remote_start(struct remote *ret, struct choppy_err *err)
{
	pid_t self = getpid(), pid;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return err_sys(err, -errno, "make a socket pair");
	pid = fork();
	if (pid == 0)
		engine_child(fds[1], self);
	close(fds[1]);
	if (pid < 0) {
		int r = -errno;

		close(fds[0]);
		return err_sys(err, r, "start the engine");
	}
	*ret = (struct remote){ .pid = pid, .fd = fds[0] };
	return 0;
}

static int ask(struct remote *r, const struct engine_request *req, const int *fds, int nfds,
	       struct engine_reply *ret, struct choppy_err *err)
{
	struct engine_reply reply;
	int sent = fdpass_send(r->fd, req, sizeof(*req), fds, nfds, 0);

	if (sent < 0)
		return err_sys(err, sent, "the engine does not answer");
	if (fdpass_receive(r->fd, &reply, sizeof(reply), NULL) < 0)
		return err_set(err, -EPIPE, "the engine ended by itself");
	if (reply.error < 0)
		return err_set(err, reply.error, "engine: %.*s", (int)sizeof(reply.text) - 1,
			       reply.text);
	if (ret)
		*ret = reply;
	return 0;
}

int remote_add(struct remote *r, uint32_t link, int ports[2], uint32_t mtu, uint64_t seed,
	       const struct choppy_condition dir[CHOPPY_NDIRS], struct choppy_err *err)
{
	struct engine_request req = { .op = ENGINE_ADD, .link = link, .mtu = mtu, .seed = seed };
	int result;

	req.dirs = CHOPPY_BOTH;
	memcpy(req.dir, dir, sizeof(req.dir));
	result = ask(r, &req, ports, 2, NULL, err);
	close_fd(&ports[0]);
	close_fd(&ports[1]);
	return result;
}

int remote_set(struct remote *r, uint32_t link, const struct choppy_condition dir[CHOPPY_NDIRS],
	       struct choppy_err *err)
{
	struct engine_request req = { .op = ENGINE_SET, .link = link, .dirs = CHOPPY_BOTH };

	memcpy(req.dir, dir, sizeof(req.dir));
	return ask(r, &req, NULL, 0, NULL, err);
}

int remote_counters(struct remote *r, uint32_t link, struct choppy_counters ret[CHOPPY_NDIRS],
		    struct choppy_err *err)
{
	struct engine_request req = { .op = ENGINE_COUNTERS, .link = link };
	struct engine_reply reply;
	int result = ask(r, &req, NULL, 0, &reply, err);

	if (result == 0)
		memcpy(ret, reply.counters, sizeof(reply.counters));
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
