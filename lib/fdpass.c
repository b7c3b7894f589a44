/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union fdpass_control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(FDPASS_SEND_MAX * sizeof(int))];
};

int fdpass_send(int fd, const void *data, size_t size, const int *fds, int n, int flags)
{
	union fdpass_control control = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n) {
		struct cmsghdr *c;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)n * sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL | flags) < 0 ? -errno : 0;
}

int fdpass_receive(int fd, void *data, size_t size, int fds[FDPASS_MAX])
{
	union fdpass_control control = { 0 };
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	const struct cmsghdr *c;
	ssize_t n;

	do {
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&msg);
	if (fds && c && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(FDPASS_MAX * sizeof(int)))
		memcpy(fds, CMSG_DATA(c), FDPASS_MAX * sizeof(int));
	return n == (ssize_t)size ? 0 : n == 0 ? -ECONNRESET : -EPROTO;
}
