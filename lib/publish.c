/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection is a pair of sides, the client's and the node's. What one side sends is read
 * into a buffer that all share and written to the other at once; only what the other
 * does not take now is kept (up to one read, 64 KiB), and until that is gone the
 * first side is not read: the kernel's window then holds the sender back. So an idle
 * connection costs no memory and no pipe, which splice(2) would want two of.
 *
 * Ends are passed on as they are: FIN as FIN, each way by itself; a connection
 * that breaks on one side is reset on the other (RFC 9293, ABORT), and so is a
 * client whose connection the node refuses.
 */
#include "publish.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util.h"

#define READS_A_WAKEUP 4

enum { CLIENT, NODE, SIDES };

struct side {
	struct io io;
	uint8_t *kept; /* not yet written to this side */
	size_t kept_len, kept_at;
	bool eof; /* it sends no more, and the other side was told */
};

struct publish_pair {
	TAILQ_ENTRY(publish_pair) link;
	struct publish *publish;
	bool connecting;
	struct side side[SIDES];
};

static void pair_free(struct publish_pair *pair)
{
	struct publish *p = pair->publish;
	int i;

	for (i = 0; i < SIDES; i++) {
		io_close(p->loop, &pair->side[i].io);
		free(pair->side[i].kept);
	}
	TAILQ_REMOVE(&p->pairs, pair, link);
	free(pair);
	room_give_back(p->loop, &p->room);
}

/* Reset both sides. */
static void pair_abort(struct publish_pair *pair)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };
	int i;

	for (i = 0; i < SIDES; i++) {
		if (pair->side[i].io.fd >= 0)
			setsockopt(pair->side[i].io.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	}
	pair_free(pair);
}

/* Bytes taken, 0 when none can be now, or a negative errno. */
static ssize_t side_write(const struct side *to, const uint8_t *bytes, size_t len)
{
	ssize_t n = send(to->io.fd, bytes, len, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	return n;
}

static int flush_kept(struct side *to)
{
	ssize_t n;

	if (!to->kept)
		return 0;
	n = side_write(to, to->kept + to->kept_at, to->kept_len - to->kept_at);
	if (n < 0)
		return (int)n;
	to->kept_at += (size_t)n;
	if (to->kept_at == to->kept_len) {
		free(to->kept);
		to->kept = NULL;
	}
	return 0;
}

static int deliver(struct side *to, const uint8_t *bytes, size_t len)
{
	ssize_t n = side_write(to, bytes, len);

	if (n < 0)
		return (int)n;
	if ((size_t)n == len)
		return 0;
	to->kept_at = 0;
	to->kept_len = len - (size_t)n;
	to->kept = malloc(to->kept_len);
	if (!to->kept)
		return -ENOMEM;
	memcpy(to->kept, bytes + n, to->kept_len);
	return 0;
}

/* Carry what @from has to @to. Negative: the connection is broken. */
static int pump(struct publish *p, struct side *from, struct side *to)
{
	int i, r = flush_kept(to);

	for (i = 0; !r && i < READS_A_WAKEUP && !to->kept && !from->eof; i++) {
		ssize_t n = recv(from->io.fd, p->buf, sizeof(p->buf), 0);

		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (n > 0) {
			r = deliver(to, p->buf, (size_t)n);
			continue;
		}
		from->eof = true;
		shutdown(to->io.fd, SHUT_WR);
	}
	return r;
}

static int side_update(struct publish_pair *pair, int i)
{
	struct side *s = &pair->side[i], *other = &pair->side[!i];
	uint32_t want = 0;

	if (!pair->connecting && !s->eof && !other->kept)
		want |= EPOLLIN;
	if (s->kept || (pair->connecting && i == NODE))
		want |= EPOLLOUT;
	return io_want(pair->publish->loop, &s->io, want);
}

static int pair_update(struct publish_pair *pair)
{
	int r = side_update(pair, CLIENT);

	return r < 0 ? r : side_update(pair, NODE);
}

static int socket_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static void pair_event(struct publish_pair *pair, int i, uint32_t events)
{
	struct side *s = &pair->side[i], *other = &pair->side[!i];
	struct publish *p = pair->publish;

	if ((events & EPOLLERR) && socket_error(s->io.fd) < 0) {
		pair_abort(pair);
		return;
	}
	if (i == NODE)
		pair->connecting = false;
	if (!pair->connecting && (pump(p, s, other) < 0 || pump(p, other, s) < 0)) {
		pair_abort(pair);
		return;
	}
	/*
	 * A hang-up with nothing wanted: both ways are closed and the rest waits for the other
	 * side. It would be told over and over; the update after the other side's next event
	 * listens again.
	 */
	if (s->eof && other->eof)
		pair_free(pair);
	else if (pair_update(pair) < 0)
		pair_abort(pair);
	else if ((events & EPOLLHUP) && !s->io.want)
		io_mute(p->loop, &s->io);
}

static void client_ready(struct loop *loop, struct io *io, uint32_t events)
{
	pair_event(container_of(io, struct publish_pair, side[CLIENT].io), CLIENT, events);
}

static void node_ready(struct loop *loop, struct io *io, uint32_t events)
{
	pair_event(container_of(io, struct publish_pair, side[NODE].io), NODE, events);
}

static int connect_node(const struct publish *p, uint16_t port)
{
	const bool v4 = p->node4.sin_family == AF_INET;
	struct sockaddr_in in4 = p->node4;
	struct sockaddr_in6 in6 = p->node6;
	int fd, r;

	fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	in4.sin_port = in6.sin6_port = htons(port);
	r = v4 ? connect(fd, (struct sockaddr *)&in4, sizeof(in4))
	       : connect(fd, (struct sockaddr *)&in6, sizeof(in6));
	if (r < 0 && errno != EINPROGRESS) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* What was written at once leaves at once: Nagle has had its say at the sender. */
static void set_nodelay(int fd)
{
	const int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void port_accepted(struct loop *loop, struct acceptor *acceptor, int fd)
{
	struct publish_port *port = container_of(acceptor, struct publish_port, acceptor);
	struct publish *p = port->publish;
	struct publish_pair *pair = calloc(1, sizeof(*pair));
	const int on = 1;

	if (!pair) {
		close(fd);
		room_give_back(loop, &p->room);
		return;
	}
	pair->publish = p;
	pair->connecting = true;
	pair->side[CLIENT].io = (struct io){ .fd = fd, .ready = client_ready };
	pair->side[NODE].io =
		(struct io){ .fd = connect_node(p, port->node_port), .ready = node_ready };
	TAILQ_INSERT_TAIL(&p->pairs, pair, link);
	if (pair->side[NODE].io.fd < 0) {
		pair_abort(pair);
		return;
	}
	set_nodelay(fd);
	set_nodelay(pair->side[NODE].io.fd);
	/* Of clients only: probes to the node would be packets on the link that nobody sent. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (pair_update(pair) < 0)
		pair_abort(pair);
}

int publish_open(struct publish *p, struct loop *loop, const struct serve_config *config,
		 unsigned max_pairs)
{
	int i, r = 0;

	memset(p, 0, offsetof(struct publish, buf));
	p->loop = loop;
	p->node4 = config->node4;
	p->node6 = config->node6;
	TAILQ_INIT(&p->pairs);
	room_init(&p->room, max_pairs);
	for (i = 0; !r && i < config->npublish; i++) {
		struct publish_port *port = &p->ports[i];

		port->publish = p;
		port->node_port = config->publish[i].node_port;
		port->acceptor.accepted = port_accepted;
		r = acceptor_start(loop, &port->acceptor, &p->room, config->publish[i].fd);
		p->nports++;
	}
	return r;
}

void publish_close(struct publish *p)
{
	struct publish_pair *pair;
	int i;

	for (i = 0; i < p->nports; i++) {
		timer_stop(p->loop, &p->ports[i].acceptor.pause);
		io_close(p->loop, &p->ports[i].acceptor.io);
	}
	TAILQ_INIT(&p->room.acceptors);
	while ((pair = TAILQ_FIRST(&p->pairs)))
		pair_free(pair);
}
