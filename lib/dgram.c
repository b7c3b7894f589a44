/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses, time to live and traffic class travel in control messages (ip(7), ipv6(7)). Errors
 * come from the socket's error queue: the payload of the datagram that they are about, its
 * destination as the message's name, and a struct sock_extended_err.
 */
#include "dgram.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/ip.h>
#include <string.h>

#include "util.h"

#define CONTROL_MAX 512

#ifndef IPV6_RECVORIGDSTADDR
#define IPV6_RECVORIGDSTADDR 74
#define IPV6_ORIGDSTADDR IPV6_RECVORIGDSTADDR
#endif

#ifndef IP_RECVFRAGSIZE
#define IP_RECVFRAGSIZE 25
#endif
#ifndef IPV6_RECVFRAGSIZE
#define IPV6_RECVFRAGSIZE 77
#endif

union control {
	struct cmsghdr align;
	char buf[CONTROL_MAX];
};

socklen_t endpoint_to(struct sockaddr_storage *ret, const struct endpoint *e)
{
	memset(ret, 0, sizeof(*ret));
	if (e->family == AF_INET6) {
		struct sockaddr_in6 *sa = (struct sockaddr_in6 *)ret;

		sa->sin6_family = AF_INET6;
		sa->sin6_port = htons(e->port);
		memcpy(&sa->sin6_addr, e->addr, 16);
		return sizeof(*sa);
	}
	((struct sockaddr_in *)ret)->sin_family = AF_INET;
	((struct sockaddr_in *)ret)->sin_port = htons(e->port);
	memcpy(&((struct sockaddr_in *)ret)->sin_addr, e->addr, 4);
	return sizeof(struct sockaddr_in);
}

struct endpoint endpoint_of(const void *sa)
{
	const struct sockaddr_in6 *in6 = sa;
	const struct sockaddr_in *in4 = sa;
	struct endpoint e = { .family = ((const struct sockaddr *)sa)->sa_family };

	if (e.family == AF_INET) {
		e.port = ntohs(in4->sin_port);
		memcpy(e.addr, &in4->sin_addr, 4);
	} else if (e.family == AF_INET6) {
		e.port = ntohs(in6->sin6_port);
		memcpy(e.addr, &in6->sin6_addr, 16);
	} else {
		e.family = 0;
	}
	return e;
}

struct option {
	int level, name;
};

static int switch_on(int fd, const struct option *o, size_t n)
{
	const int on = 1;

	for (size_t i = 0; i < n; i++)
		if (setsockopt(fd, o[i].level, o[i].name, &on, sizeof(on)) < 0)
			return -errno;
	return 0;
}

int dgram_prepare(int fd, int family, bool original)
{
	static const struct option v4[] = { { SOL_IP, IP_RECVTTL },
					    { SOL_IP, IP_RECVTOS },
					    { SOL_IP, IP_RECVFRAGSIZE } },
				   v6[] = { { SOL_IPV6, IPV6_RECVHOPLIMIT },
					    { SOL_IPV6, IPV6_RECVTCLASS },
					    { SOL_IPV6, IPV6_RECVFRAGSIZE },
					    { SOL_IPV6, IPV6_RECVPKTINFO } },
				   original4 = { SOL_IP, IP_RECVORIGDSTADDR },
				   original6 = { SOL_IPV6, IPV6_RECVORIGDSTADDR };
	int r = family == AF_INET6 ? switch_on(fd, v6, ARRAY_SIZE(v6))
				   : switch_on(fd, v4, ARRAY_SIZE(v4));

	if (r < 0 || !original)
		return r;
	return switch_on(fd, family == AF_INET6 ? &original6 : &original4, 1);
}

int dgram_prepare_outside(int fd, int family)
{
	static const struct option v4[] = { { SOL_IP, IP_RECVERR }, { SOL_IP, IP_RECVTOS } },
				   v6[] = { { SOL_IPV6, IPV6_V6ONLY },
					    { SOL_IPV6, IPV6_RECVERR },
					    { SOL_IPV6, IPV6_RECVTCLASS } };

	return family == AF_INET6 ? switch_on(fd, v6, ARRAY_SIZE(v6))
				  : switch_on(fd, v4, ARRAY_SIZE(v4));
}

static int int_of(const struct cmsghdr *c)
{
	int v = 0;

	/* IP_TOS comes as one byte. */
	memcpy(&v, CMSG_DATA(c), c->cmsg_len >= CMSG_LEN(sizeof(v)) ? sizeof(v) : 1);
	return v;
}

static void read_control(const struct cmsghdr *c, struct dgram *d)
{
	struct in6_pktinfo info;

	if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_ORIGDSTADDR) {
		d->to = endpoint_of(CMSG_DATA(c));
	} else if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_ORIGDSTADDR) {
		d->to = endpoint_of(CMSG_DATA(c));
	} else if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_PKTINFO && !d->to.family) {
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		d->to.family = AF_INET6;
		memcpy(d->to.addr, &info.ipi6_addr, 16);
	} else if ((c->cmsg_level == SOL_IP && c->cmsg_type == IP_TTL) ||
		   (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)) {
		d->ttl = (uint8_t)int_of(c);
	} else if ((c->cmsg_level == SOL_IP && c->cmsg_type == IP_TOS) ||
		   (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_TCLASS)) {
		d->tos = (uint8_t)int_of(c);
	} else if ((c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVFRAGSIZE) ||
		   (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVFRAGSIZE)) {
		d->fragments = true;
	}
}

/* A message with room for everything beside it. */
struct message {
	struct sockaddr_storage name;
	struct iovec iov;
	struct msghdr hdr;
	union control control;
};

static ssize_t receive(int fd, void *buf, size_t size, int flags, struct message *m)
{
	ssize_t n;

	memset(&m->name, 0, sizeof(m->name));
	m->iov = (struct iovec){ .iov_base = buf, .iov_len = size };
	m->hdr = (struct msghdr){ .msg_name = &m->name,
				  .msg_namelen = sizeof(m->name),
				  .msg_iov = &m->iov,
				  .msg_iovlen = 1,
				  .msg_control = &m->control,
				  .msg_controllen = sizeof(m->control) };
	do {
		n = recvmsg(fd, &m->hdr, flags | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int dgram_receive(int fd, void *buf, size_t size, struct dgram *ret)
{
	struct message m;
	ssize_t n = receive(fd, buf, size, 0, &m);

	if (n < 0)
		return (int)n;
	if (m.hdr.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	*ret = (struct dgram){ .from = endpoint_of(&m.name), .len = (size_t)n };
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m.hdr); c; c = CMSG_NXTHDR(&m.hdr, c))
		read_control(c, ret);
	return 0;
}

static void read_error(const struct cmsghdr *c, struct dgram_error *e)
{
	struct sock_extended_err ee;

	if (!(c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) &&
	    !(c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR))
		return;
	memcpy(&ee, CMSG_DATA(c), sizeof(ee));
	if (ee.ee_origin == SO_EE_ORIGIN_ICMP || ee.ee_origin == SO_EE_ORIGIN_ICMP6) {
		e->type = ee.ee_type;
		e->code = ee.ee_code;
		e->offender = endpoint_of(SO_EE_OFFENDER(
			(const struct sock_extended_err *)(const void *)CMSG_DATA(c)));
	}
	if (ee.ee_errno == EMSGSIZE)
		e->info = ee.ee_info;
}

int dgram_receive_error(int fd, void *buf, size_t size, struct dgram_error *ret)
{
	struct message m;
	ssize_t n = receive(fd, buf, size, MSG_ERRQUEUE, &m);

	if (n < 0)
		return (int)n;
	*ret = (struct dgram_error){ .to = endpoint_of(&m.name), .len = (size_t)n };
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m.hdr); c; c = CMSG_NXTHDR(&m.hdr, c))
		read_error(c, ret);
	return 0;
}

static void put(struct msghdr *msg, union control *control, int level, int type, const void *data,
		size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)(control->buf + msg->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	msg->msg_control = control;
	msg->msg_controllen += CMSG_SPACE(len);
}

static void put_int(struct msghdr *msg, union control *control, int level, int type, int value)
{
	put(msg, control, level, type, &value, sizeof(value));
}

int dgram_send(int fd, const void *buf, const struct dgram *d)
{
	const bool v6 = d->to.family == AF_INET6;
	const int level = v6 ? SOL_IPV6 : SOL_IP;
	union control control = { 0 };
	struct sockaddr_storage to;
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = d->len };
	struct msghdr msg = { .msg_name = &to,
			      .msg_namelen = endpoint_to(&to, &d->to),
			      .msg_iov = &iov,
			      .msg_iovlen = 1 };

	if (d->ttl)
		put_int(&msg, &control, level, v6 ? IPV6_HOPLIMIT : IP_TTL, d->ttl);
	if (d->tos)
		put_int(&msg, &control, level, v6 ? IPV6_TCLASS : IP_TOS, d->tos);
	if (d->from.family && v6) {
		struct in6_pktinfo info = { 0 };

		memcpy(&info.ipi6_addr, d->from.addr, 16);
		put(&msg, &control, SOL_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	} else if (d->from.family) {
		struct in_pktinfo info = { 0 };

		memcpy(&info.ipi_spec_dst, d->from.addr, 4);
		put(&msg, &control, SOL_IP, IP_PKTINFO, &info, sizeof(info));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}
