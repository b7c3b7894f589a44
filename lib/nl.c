/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel handles a netlink request inside the sender's sendmsg(2) and the
 * next part of a dump inside recvmsg(2) (net/netlink/af_netlink.c:
 * netlink_unicast_kernel(), netlink_dump()). So each answer lies in the
 * receive queue before we look for it: an empty queue means that there will be none,
 * and no call here ever has to sleep.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "err.h"
#include "nl.h"

#define RECV_FIRST 32768
#define DUMP_TRIES 10

struct nl {
	struct mnl_socket *sock;
	uint32_t port;
	uint32_t seq; /* last one used */
	char *buf;
	size_t size;
};

int nl_open(struct nl **ret, int family, struct choppy_err *err)
{
	struct nl *nl = calloc(1, sizeof(*nl));
	int one = 1, r;

	if (!nl)
		return err_sys(err, -ENOMEM, "netlink socket");
	nl->sock = mnl_socket_open2(family, SOCK_CLOEXEC);
	if (!nl->sock || mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = err_sys(err, -errno, "netlink socket of family %d", family);
		nl_close(nl);
		return r;
	}
	nl->port = mnl_socket_get_portid(nl->sock);
	/* Kernels without one of these answer all the same, with fewer words. */
	mnl_socket_setsockopt(nl->sock, NETLINK_EXT_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(nl->sock, NETLINK_CAP_ACK, &one, sizeof(one));
	if (family == NETLINK_ROUTE)
		mnl_socket_setsockopt(nl->sock, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	*ret = nl;
	return 0;
}

void nl_close(struct nl *nl)
{
	if (!nl)
		return;
	if (nl->sock)
		mnl_socket_close(nl->sock);
	free(nl->buf);
	free(nl);
}

int nl_fd(const struct nl *nl)
{
	return mnl_socket_get_fd(nl->sock);
}

/* ----------------------------------------------------------------- building */

void nl_msg_init(struct nl_msg *m)
{
	m->len = 0;
	m->cur = NULL;
	m->error = 0;
	m->n = 0;
	m->depth = 0;
}

static void fail(struct nl_msg *m, int error)
{
	if (!m->error)
		m->error = error;
}

/* @len more bytes, padded and zeroed, at the end of the current message; NULL when they do not
 * fit. The message's length grows by the padded size, which receivers accept. */
static void *extend(struct nl_msg *m, size_t len)
{
	size_t used, padded = MNL_ALIGN(len);
	char *p;

	if (m->error)
		return NULL;
	if (!m->cur) {
		fail(m, -EINVAL);
		return NULL;
	}
	used = m->len + m->cur->nlmsg_len;
	if (len > NL_MSG_MAX || padded > NL_MSG_MAX - used) {
		fail(m, -EMSGSIZE);
		return NULL;
	}
	p = m->buf + used;
	memset(p, 0, padded);
	m->cur->nlmsg_len += padded;
	return p;
}

void nl_begin(struct nl_msg *m, uint16_t type, uint16_t flags, const char *label, ...)
{
	va_list ap;

	if (m->cur)
		m->len += MNL_ALIGN(m->cur->nlmsg_len);
	if (m->depth)
		fail(m, -EINVAL);
	m->depth = 0;
	if (m->n == NL_MSG_LABELS || m->len + MNL_NLMSG_HDRLEN > NL_MSG_MAX) {
		fail(m, -EMSGSIZE);
		m->cur = NULL;
		return;
	}
	va_start(ap, label);
	vsnprintf(m->label[m->n], sizeof(m->label[m->n]), label, ap);
	va_end(ap);
	m->n++;
	m->cur = mnl_nlmsg_put_header(m->buf + m->len);
	m->cur->nlmsg_type = type;
	m->cur->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
}

void *nl_header(struct nl_msg *m, size_t size)
{
	void *p = extend(m, size);

	/* A message with an error is never sent, so the caller may scribble on it. */
	return p ? p : m->buf;
}

static struct nlattr *put_header(struct nl_msg *m, uint16_t type, size_t len)
{
	struct nlattr *a;

	if (len > UINT16_MAX - MNL_ATTR_HDRLEN) {
		fail(m, -EMSGSIZE);
		return NULL;
	}
	a = extend(m, MNL_ATTR_HDRLEN + len);
	if (a) {
		a->nla_type = type;
		a->nla_len = MNL_ATTR_HDRLEN + len;
	}
	return a;
}

void nl_put(struct nl_msg *m, uint16_t type, const void *data, size_t len)
{
	struct nlattr *a = put_header(m, type, len);

	if (a && len)
		memcpy((char *)a + MNL_ATTR_HDRLEN, data, len);
}

void nl_put_u8(struct nl_msg *m, uint16_t type, uint8_t v)
{
	nl_put(m, type, &v, sizeof(v));
}

void nl_put_u16(struct nl_msg *m, uint16_t type, uint16_t v)
{
	nl_put(m, type, &v, sizeof(v));
}

void nl_put_u32(struct nl_msg *m, uint16_t type, uint32_t v)
{
	nl_put(m, type, &v, sizeof(v));
}

void nl_put_u64(struct nl_msg *m, uint16_t type, uint64_t v)
{
	nl_put(m, type, &v, sizeof(v));
}

void nl_put_str(struct nl_msg *m, uint16_t type, const char *s)
{
	nl_put(m, type, s, strlen(s) + 1);
}

struct nlattr *nl_nest(struct nl_msg *m, uint16_t type)
{
	struct nlattr *a;

	if (m->depth == NL_MSG_NESTS) {
		fail(m, -EINVAL);
		return NULL;
	}
	a = put_header(m, type | NLA_F_NESTED, 0);
	if (a)
		m->nest[m->depth++] = (char *)a - m->buf;
	return a;
}

void nl_end(struct nl_msg *m, struct nlattr *nest)
{
	size_t len;

	if (m->error)
		return;
	if (!m->depth || m->buf + m->nest[m->depth - 1] != (char *)nest) {
		fail(m, -EINVAL);
		return;
	}
	m->depth--;
	len = m->buf + m->len + m->cur->nlmsg_len - (char *)nest;
	if (len > UINT16_MAX)
		fail(m, -EMSGSIZE);
	else
		nest->nla_len = len;
}

/* ------------------------------------------------------- sending, receiving */

/* Number the finished messages and send them. @ret_acks: how many of them ask for an ack. */
static int send_all(struct nl *nl, struct nl_msg *m, int *ret_acks)
{
	size_t off = 0, end = m->cur ? m->len + MNL_ALIGN(m->cur->nlmsg_len) : m->len;
	ssize_t r;

	*ret_acks = 0;
	while (off < end) {
		struct nlmsghdr *nlh = (struct nlmsghdr *)(m->buf + off);

		nlh->nlmsg_seq = ++nl->seq;
		*ret_acks += !!(nlh->nlmsg_flags & NLM_F_ACK);
		off += MNL_ALIGN(nlh->nlmsg_len);
	}
	do
		r = mnl_socket_sendto(nl->sock, m->buf, end);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* The next datagram from the kernel into nl->buf, which grows to hold it. Returns its length,
 * 0 when there is none. */
static ssize_t recv_one(struct nl *nl)
{
	struct sockaddr_nl from;
	socklen_t from_len;
	ssize_t n;
	char *buf;

	for (;;) {
		n = recv(nl_fd(nl), NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
		if (n >= 0 && (size_t)n > nl->size) {
			size_t size = n > RECV_FIRST ? (size_t)n : RECV_FIRST;

			buf = realloc(nl->buf, size);
			if (!buf)
				return -ENOMEM;
			nl->buf = buf;
			nl->size = size;
		}
		if (n >= 0) {
			from_len = sizeof(from);
			n = recvfrom(nl_fd(nl), nl->buf, nl->size, MSG_DONTWAIT,
				     (struct sockaddr *)&from, &from_len);
		}
		if (n >= 0 && from.nl_pid)
			continue; /* from a process, not from the kernel */
		if (n >= 0)
			return n;
		if (errno != EINTR)
			return errno == EAGAIN ? 0 : -errno;
	}
}

/* The kernel's words in the attributes at @p, or NULL. */
static const char *ext_ack_text(const void *p, size_t len)
{
	const struct nlattr *tb[NLMSGERR_ATTR_MAX + 1];
	const struct nlattr *a;

	if (nl_parse_buf(p, len, tb, NLMSGERR_ATTR_MAX) < 0)
		return NULL;
	a = tb[NLMSGERR_ATTR_MSG];
	return a && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0 ? mnl_attr_get_str(a) : NULL;
}

static int err_kernel(struct choppy_err *err, const char *label, int code, const char *text)
{
	if (!text)
		return err_sys(err, code, "%s", label);
	return err_set(err, code, "%s: %s (%s)", label, text, strerror(-code));
}

/* What an NLMSG_ERROR or NLMSG_DONE says: its code, and the words that came with it. */
static int result_of(const struct nlmsghdr *nlh, const char **text)
{
	size_t len = mnl_nlmsg_get_payload_len(nlh), skip = sizeof(int32_t);
	const char *p = mnl_nlmsg_get_payload(nlh);
	const struct nlmsgerr *e = (const struct nlmsgerr *)p;
	int32_t code = 0;

	*text = NULL;
	if (len < sizeof(code))
		return nlh->nlmsg_type == NLMSG_DONE ? 0 : -EBADMSG;
	memcpy(&code, p, sizeof(code));
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		if (len < sizeof(*e))
			return -EBADMSG;
		skip = sizeof(*e);
		if (!(nlh->nlmsg_flags & NLM_F_CAPPED) && e->msg.nlmsg_len >= sizeof(e->msg))
			skip += MNL_ALIGN(e->msg.nlmsg_len - sizeof(e->msg));
	}
	if ((nlh->nlmsg_flags & NLM_F_ACK_TLVS) && skip <= len)
		*text = ext_ack_text(p + skip, len - skip);
	return code > 0 ? -EBADMSG : code;
}

static int check_complete(const struct nl_msg *m, struct choppy_err *err)
{
	const char *label = m->n ? m->label[m->n - 1] : "netlink";

	if (m->error)
		return err_sys(err, m->error, "%s: netlink message badly made", label);
	if (m->depth || !m->n)
		return err_sys(err, -EINVAL, "%s: netlink message not finished", label);
	return 0;
}

int nl_do(struct nl *nl, struct nl_msg *m, struct choppy_err *err)
{
	uint32_t first = nl->seq + 1;
	int acks, result = 0, code, r;
	const char *text;
	ssize_t n;

	r = check_complete(m, err);
	if (r < 0)
		return r;
	r = send_all(nl, m, &acks);
	if (r < 0)
		return err_sys(err, r, "%s: sending", m->label[0]);
	while ((n = recv_one(nl)) > 0) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)nl->buf;
		int left = n;

		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			uint32_t i = nlh->nlmsg_seq - first;

			if (nlh->nlmsg_type != NLMSG_ERROR || i >= (uint32_t)m->n ||
			    nlh->nlmsg_pid != nl->port)
				continue;
			acks--;
			code = result_of(nlh, &text);
			if (code < 0 && !result)
				result = err_kernel(err, m->label[i], code, text);
		}
	}
	if (result)
		return result;
	if (n < 0)
		return err_sys(err, n, "%s: receiving the kernel's answer", m->label[0]);
	if (acks > 0)
		return err_sys(err, -EPROTO, "%s: no answer from the kernel", m->label[m->n - 1]);
	return 0;
}

/* -------------------------------------------------------------------- dumps */

struct walk {
	int (*each)(const struct nlmsghdr *nlh, void *ctx);
	void *ctx;
	int result; /* what @each ended with */
	bool interrupted, done;
	int code; /* the kernel's own result */
	char text[256];
};

static void walk_datagram(const struct nl *nl, struct walk *w, ssize_t n)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)nl->buf;
	const char *text;
	int left = n;

	for (; mnl_nlmsg_ok(nlh, left) && !w->done; nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_seq != nl->seq || nlh->nlmsg_pid != nl->port)
			continue;
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			w->interrupted = true;
		if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
			w->code = result_of(nlh, &text);
			if (text)
				snprintf(w->text, sizeof(w->text), "%s", text);
			w->done = true;
		} else if (nlh->nlmsg_type >= NLMSG_MIN_TYPE && !w->result) {
			w->result = w->each(nlh, w->ctx);
		}
	}
}

/* One pass. Every answer is read even after @each gave up: the socket refuses a new dump while
 * an old one runs. */
static int walk_once(struct nl *nl, struct nl_msg *m, struct walk *w, struct choppy_err *err)
{
	ssize_t n;
	int acks, r;

	w->interrupted = w->done = false;
	w->code = 0;
	w->text[0] = '\0';
	r = send_all(nl, m, &acks);
	if (r < 0)
		return err_sys(err, r, "%s: sending", m->label[0]);
	while (!w->done) {
		n = recv_one(nl);
		if (n == -ENOBUFS) {
			w->interrupted = true; /* answers were lost */
			continue;
		}
		if (n < 0)
			return err_sys(err, n, "%s: receiving the kernel's answer", m->label[0]);
		if (n == 0)
			break;
		walk_datagram(nl, w, n);
	}
	if (w->code < 0)
		return err_kernel(err, m->label[0], w->code, w->text[0] ? w->text : NULL);
	if (!w->done && !w->interrupted)
		return err_sys(err, -EPROTO, "%s: no answer from the kernel", m->label[0]);
	return 0;
}

int nl_each(struct nl *nl, struct nl_msg *m, bool dump,
	    int (*each)(const struct nlmsghdr *nlh, void *ctx), void (*restart)(void *ctx),
	    void *ctx, struct choppy_err *err)
{
	struct walk w = { .each = each, .ctx = ctx };
	int r = check_complete(m, err);

	if (r < 0)
		return r;
	if (dump) {
		m->cur->nlmsg_flags &= ~NLM_F_ACK;
		m->cur->nlmsg_flags |= NLM_F_DUMP;
	}
	if (err)
		err->code = 0;
	for (int i = 0; i < DUMP_TRIES; i++) {
		if (i && restart)
			restart(ctx);
		r = walk_once(nl, m, &w, err);
		if (r < 0)
			return r;
		if (w.result < 0) /* the callback may have said more itself */
			return err && err->code == w.result
				       ? w.result
				       : err_sys(err, w.result, "%s", m->label[0]);
		if (!w.interrupted)
			return 0;
	}
	return err_set(err, -EAGAIN, "%s: kept changing while it was read, %d times", m->label[0],
		       DUMP_TRIES);
}

/* ------------------------------------------------------------------ parsing */

int nl_parse_buf(const void *attrs, size_t len, const struct nlattr **tb, uint16_t max)
{
	const struct nlattr *a = attrs;
	int left = len;

	memset(tb, 0, ((size_t)max + 1) * sizeof(tb[0]));
	if (len > INT32_MAX)
		return -EBADMSG;
	while (left >= (int)MNL_ATTR_HDRLEN && mnl_attr_ok(a, left)) {
		if (mnl_attr_get_type(a) <= max)
			tb[mnl_attr_get_type(a)] = a;
		left -= MNL_ALIGN(a->nla_len);
		a = mnl_attr_next(a);
	}
	/* The last one may come without its padding, which leaves less than nothing. */
	return left > 0 ? -EBADMSG : 0;
}

int nl_parse(const struct nlmsghdr *nlh, size_t hdr_size, const struct nlattr **tb, uint16_t max)
{
	size_t skip = MNL_ALIGN(hdr_size), len = mnl_nlmsg_get_payload_len(nlh);

	if (skip > len) {
		memset(tb, 0, ((size_t)max + 1) * sizeof(tb[0]));
		return -EBADMSG;
	}
	return nl_parse_buf((const char *)mnl_nlmsg_get_payload(nlh) + skip, len - skip, tb, max);
}

int nl_parse_nested(const struct nlattr *nest, const struct nlattr **tb, uint16_t max)
{
	return nl_parse_buf(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), tb, max);
}
