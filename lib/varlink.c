/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "varlink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

#define READ_BYTES 65536

union fds_control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(VARLINK_FDS_MAX * sizeof(int))];
};

static void close_all(int *fds, int *n)
{
	while (*n > 0)
		close_fd(&fds[--*n]);
}

void varlink_close(struct varlink *v)
{
	close_fd(&v->fd);
	close_all(v->send, &v->nsend);
	close_all(v->got, &v->ngot);
	free(v->in);
	free(v->out);
	*v = (struct varlink)VARLINK_NONE;
}

static int room(char **buf, size_t *have, size_t want)
{
	size_t n = *have ? *have : 4096;
	char *p;

	while (n < want)
		n *= 2;
	if (n == *have)
		return 0;
	p = realloc(*buf, n);
	if (!p)
		return -ENOMEM;
	*buf = p;
	*have = n;
	return 0;
}

static void take_fds(struct varlink *v, struct msghdr *msg)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int n;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return;
	n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	for (int i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + (size_t)i * sizeof(int), sizeof(fd));
		if (v->ngot < VARLINK_FDS_MAX)
			v->got[v->ngot++] = fd;
		else
			close(fd);
	}
}

int varlink_read(struct varlink *v)
{
	union fds_control control = { 0 };
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	ssize_t n;

	if (v->in_len > VARLINK_MESSAGE_MAX)
		return -E2BIG;
	if (room(&v->in, &v->in_room, v->in_len + READ_BYTES) < 0)
		return -ENOMEM;
	iov = (struct iovec){ .iov_base = v->in + v->in_len, .iov_len = READ_BYTES };
	do {
		n = recvmsg(v->fd, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -ECONNRESET;
	take_fds(v, &msg);
	v->in_len += (size_t)n;
	return 0;
}

const char *varlink_next(struct varlink *v, size_t *ret_size)
{
	const char *end;

	if (v->in_done) {
		v->in_len -= v->in_done;
		memmove(v->in, v->in + v->in_done, v->in_len);
		v->in_done = 0;
	}
	end = v->in_len ? memchr(v->in, '\0', v->in_len) : NULL;
	if (!end)
		return NULL;
	*ret_size = (size_t)(end - v->in);
	v->in_done = *ret_size + 1;
	return v->in;
}

/* All of them, or none. */
static int copy_fds(struct varlink *v, const int *fds, int n)
{
	const int before = v->nsend;

	if (n > VARLINK_FDS_MAX - before)
		return -E2BIG;
	for (int i = 0; i < n; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 3), r = -errno;

		if (fd < 0) {
			while (v->nsend > before)
				close(v->send[--v->nsend]);
			return r;
		}
		v->send[v->nsend++] = fd;
	}
	return 0;
}

int varlink_put(struct varlink *v, const char *text, size_t size, const int *fds, int nfds)
{
	int r;

	if (v->out_at) {
		v->out_len -= v->out_at;
		memmove(v->out, v->out + v->out_at, v->out_len);
		v->out_at = 0;
	}
	if (room(&v->out, &v->out_room, v->out_len + size + 1) < 0)
		return -ENOMEM;
	r = copy_fds(v, fds, nfds);
	if (r < 0)
		return r;
	memcpy(v->out + v->out_len, text, size);
	v->out[v->out_len + size] = '\0';
	v->out_len += size + 1;
	return 0;
}

static ssize_t send_some(struct varlink *v)
{
	union fds_control control = { 0 };
	struct iovec iov = { .iov_base = v->out + v->out_at, .iov_len = v->out_len - v->out_at };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (v->nsend) {
		size_t bytes = (size_t)v->nsend * sizeof(int);
		struct cmsghdr *c;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(c), v->send, bytes);
	}
	return sendmsg(v->fd, &msg, MSG_NOSIGNAL);
}

int varlink_flush(struct varlink *v)
{
	while (v->out_at < v->out_len) {
		ssize_t n = send_some(v);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		close_all(v->send, &v->nsend);
		v->out_at += (size_t)n;
	}
	v->out_at = v->out_len = 0;
	return 0;
}

int varlink_begin(struct varlink_text *t)
{
	*t = (struct varlink_text){ .json = { .one_line = true } };
	t->json.f = open_memstream(&t->text, &t->size);
	return t->json.f ? 0 : -ENOMEM;
}

char *varlink_end(struct varlink_text *t, size_t *ret_size)
{
	if (fclose(t->json.f) == EOF) {
		free(t->text);
		return NULL;
	}
	*ret_size = t->size;
	return t->text;
}
