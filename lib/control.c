/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One request and one reply, both whole structs, over a SOCK_SEQPACKET socket in
 * the lab's directory (which only its owner may enter). The version is checked, since
 * a keeper may be older than the command that speaks to it.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "err.h"
#include "fdpass.h"
#include "internal.h"
#include "util.h"

#define CONTROL_VERSION 3u
#define CLIENT_PATIENCE_S 10 /* a keeper that is stopped does not hang its clients for ever */

struct control_request {
	uint32_t version, op;
	int32_t backend; /* enum choppy_backend, or -1 */
	uint32_t zero;
	char node[NODE_NAME_MAX + 1];
	struct choppy_change change;
};

struct control_reply {
	uint32_t version, zero;
	struct choppy_err err; /* code 0: done */
	struct choppy_lab lab;
};

static_assert(HOME_DIR_MAX + sizeof("/labs/") + CHOPPY_NAME_MAX + sizeof("/control") <=
		      sizeof(((struct sockaddr_un *)0)->sun_path),
	      "a control socket has a name");

static void socket_address(struct sockaddr_un *sa, const struct home *home, const char *name)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	snprintf(sa->sun_path, sizeof(sa->sun_path), "%s/labs/%s/control", home->dir, name);
}

int control_listen(struct lab *lab, struct choppy_err *err)
{
	struct sockaddr_un sa;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(err, -errno, "make the control socket");
	socket_address(&sa, &lab->home, lab->state.name);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 16) < 0) {
		int r = -errno;

		close(fd);
		return err_sys(err, r, "bind %s", sa.sun_path);
	}
	lab->control = fd;
	return 0;
}

static int apply(struct lab *lab, const struct control_request *req, struct choppy_err *err)
{
	if (req->backend >= 0 && req->backend != (int32_t)lab->spec->backend)
		return err_set(
			err, -EBUSY,
			"%s is enforced by %s: the backend of a living link cannot be changed; "
			"delete it and add it with --backend %s",
			lab->state.name, choppy_backend_name(lab->spec->backend),
			req->backend < CHOPPY_NBACKENDS
				? choppy_backend_name((enum choppy_backend)req->backend)
				: "?");
	return lab_change(lab, &req->change, err);
}

static int find(const struct lab *lab, const char *node, int *ret_ns, struct choppy_err *err)
{
	int ns;

	if (!*node)
		return 0;
	if (!lab->net.plan)
		return err_set(err, -ENOENT, "there is no node '%s'", node);
	ns = net_find(lab, node, err);
	if (ns < 0)
		return ns;
	*ret_ns = ns;
	return 0;
}

int control_answer(struct lab *lab, int fd)
{
	struct control_request req;
	struct control_reply reply = { .version = CONTROL_VERSION };
	ssize_t n = recv(fd, &req, sizeof(req), MSG_DONTWAIT);
	int node[NODE_FDS] = { lab->init.pidfd, lab->init.root, lab->node_ns };
	bool enter;
	int r = 0;

	if (n != (ssize_t)sizeof(req) || req.version != CONTROL_VERSION || req.op >= CONTROL_NOPS)
		r = err_set(&reply.err, -EPROTO,
			    "%s is kept by another version of choppy: use that one, or delete it",
			    lab->state.name);
	else if (req.op == CONTROL_SET)
		r = apply(lab, &req, &reply.err);
	else if (req.op == CONTROL_ENTER && memchr(req.node, '\0', sizeof(req.node)))
		r = find(lab, req.node, &node[NODE_NET], &reply.err);
	if (r == 0)
		lab_describe(lab, &reply.lab, &reply.err);
	enter = r == 0 && req.op == CONTROL_ENTER;
	if (fdpass_send(fd, &reply, sizeof(reply), node, enter ? NODE_FDS : 0, MSG_DONTWAIT) < 0 ||
	    r < 0)
		return 0;
	return req.op == CONTROL_DEL;
}

int control_call(const struct home *home, const char *name, const struct control_ask *ask,
		 struct choppy_lab *ret, int *ret_fds, struct choppy_err *err)
{
	const struct timeval patience = { .tv_sec = CLIENT_PATIENCE_S };
	struct control_request req = { .version = CONTROL_VERSION,
				       .op = ask->op,
				       .backend = ask->backend };
	struct control_reply reply;
	CLEANUP_FD fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;
	char end;
	int r;

	if (ask->change)
		req.change = *ask->change;
	if (ask->node && strlen(ask->node) > NODE_NAME_MAX)
		return err_set(err, -ENOENT, "there is no node '%s'", ask->node);
	snprintf(req.node, sizeof(req.node), "%s", ask->node ? ask->node : "");
	if (fd < 0)
		return err_sys(err, -errno, "make a socket");
	socket_address(&sa, home, name);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    send(fd, &req, sizeof(req), MSG_NOSIGNAL) < 0)
		return err_sys(err, -errno, "the keeper of %s does not answer", name);
	r = fdpass_receive(fd, &reply, sizeof(reply), ret_fds, ret_fds ? NODE_FDS : 0);
	if (r == 0 && reply.version != CONTROL_VERSION)
		r = -EPROTO;
	if (r < 0)
		return r == -EPROTO
			       ? err_set(err, r, "%s is kept by another version of choppy", name)
			       : err_sys(err, r, "the keeper of %s does not answer", name);
	if (reply.err.code < 0) {
		if (err)
			*err = reply.err;
		return reply.err.code;
	}
	/* The keeper lets go of the connection when everything is undone. */
	if (ask->op == CONTROL_DEL && recv(fd, &end, 1, 0) < 0)
		return err_sys(err, -errno, "%s is not gone yet", name);
	if (ret)
		*ret = reply.lab;
	return 0;
}
