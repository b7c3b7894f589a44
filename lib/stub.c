/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each query is an `ask` of its own: it goes to the host's name servers one after
 * the other, two rounds (glibc's RES_DFLRETRY), the next one as soon as one fails
 * (refused, SERVFAIL, NOTIMP, REFUSED) or is silent for STUB_ANSWER_NS.
 * A server that was only slow may still answer while the next one is asked, so its
 * socket stays open. An answer is passed on unchanged but for the client's id.
 *
 * Against forged answers (RFC 5452): every ask has a random id and, for every server, a fresh
 * connected socket, whose port the kernel picks at random; an answer must
 * come from the server and have the id and the question.
 *
 * What came over UDP is asked over UDP, and what came over TCP over TCP
 * (RFC 7766), on a connection of its own: a client may have several queries under
 * way and gets the answers as they come, in any order, which the RFC allows.
 */
#include "stub.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "dnsmsg.h"
#include "util.h"

#define ROUNDS 2
#define CLIENT_ASKS 16 /* most queries of one connection; then it is not read */
#define MESSAGES_A_WAKEUP 32
#define PREFIX 2 /* length before each message over TCP */

/* A message with its length before it, as TCP has it. */
struct framed {
	uint8_t *bytes;
	size_t len; /* of the whole, 0: not known yet */
	size_t at; /* read or written so far */
};

struct upstream {
	struct io io;
	struct stub_ask *ask;
	size_t sent; /* of the query, over TCP */
	uint8_t prefix[PREFIX];
	struct framed answer; /* over TCP */
};

struct stub_ask {
	TAILQ_ENTRY(stub_ask) link; /* in stub->asks, later in client->answers */
	struct stub *stub;
	struct stub_udp *udp; /* where it came in, or NULL: from @client */
	struct sockaddr_in6 from; /* or a sockaddr_in */
	socklen_t from_len;
	struct stub_client *client;
	uint16_t client_id;
	struct framed query; /* with our id */
	struct framed answer; /* for a TCP client, with its id */
	struct resolv_list servers;
	int tries;
	struct timer timer;
	struct upstream up[RESOLV_MAX];
};

struct stub_client {
	TAILQ_ENTRY(stub_client) link;
	struct io io;
	struct timer idle;
	struct stub *stub;
	unsigned nasks; /* asked and answers not yet written */
	TAILQ_HEAD(, stub_ask) answers;
	bool eof; /* it sends no more */
	uint8_t prefix[PREFIX];
	struct framed query;
};

static void ask_next(struct stub_ask *ask);
static void client_update(struct stub_client *client);

/* ------------------------------------------------------------------ messages */

static void put_prefix(uint8_t *prefix, size_t len)
{
	prefix[0] = (uint8_t)(len >> 8);
	prefix[1] = (uint8_t)len;
}

static int framed_new(struct framed *f, const uint8_t *msg, size_t len)
{
	*f = (struct framed){ .bytes = malloc(PREFIX + len) };
	if (!f->bytes)
		return -ENOMEM;
	f->len = PREFIX + len;
	put_prefix(f->bytes, len);
	memcpy(f->bytes + PREFIX, msg, len);
	return 0;
}

static void framed_free(struct framed *f)
{
	free(f->bytes);
	*f = (struct framed){ 0 };
}

/*
 * Read on in the message of a stream. 1: it is whole. 0: the stream ended.
 * Negative: errno, -EAGAIN when there is no more now, -EBADMSG for a message too short.
 */
static int framed_read(struct framed *f, uint8_t prefix[PREFIX], int fd)
{
	while (!f->len || f->at < f->len) {
		uint8_t *to = f->len ? f->bytes + f->at : prefix + f->at;
		ssize_t n = recv(fd, to, (f->len ? f->len : PREFIX) - f->at, 0);

		if (n <= 0)
			return n < 0 ? -errno : 0;
		f->at += (size_t)n;
		if (!f->len && f->at == PREFIX) {
			size_t len = (size_t)prefix[0] << 8 | prefix[1];

			if (len < DNSMSG_HEADER)
				return -EBADMSG;
			f->bytes = malloc(PREFIX + len);
			if (!f->bytes)
				return -ENOMEM;
			memcpy(f->bytes, prefix, PREFIX);
			f->len = PREFIX + len;
		}
	}
	return 1;
}

/* ---------------------------------------------------------------------- asks */

static void upstream_close(struct upstream *up)
{
	io_close(up->ask->stub->loop, &up->io);
	framed_free(&up->answer);
	up->sent = 0;
}

/* No longer waiting for a resolver. */
static void ask_retire(struct stub_ask *ask)
{
	int i;

	for (i = 0; i < RESOLV_MAX; i++)
		upstream_close(&ask->up[i]);
	timer_stop(ask->stub->loop, &ask->timer);
	TAILQ_REMOVE(&ask->stub->asks, ask, link);
	ask->stub->nasks--;
}

static void ask_free(struct stub_ask *ask)
{
	framed_free(&ask->query);
	framed_free(&ask->answer);
	free(ask);
}

/* Give the client @msg, which has our id, and forget the ask (over TCP once it is written). */
static void ask_answer(struct stub_ask *ask, uint8_t *msg, size_t len)
{
	struct stub_client *client = ask->client;

	ask_retire(ask);
	dnsmsg_set_id(msg, ask->client_id);
	if (ask->udp) {
		/* A full send buffer loses the answer, as any queue on the way may. */
		sendto(ask->udp->io.fd, msg, len, MSG_NOSIGNAL, (struct sockaddr *)&ask->from,
		       ask->from_len);
		ask_free(ask);
		return;
	}
	if (framed_new(&ask->answer, msg, len) < 0) {
		client->nasks--;
		ask_free(ask);
	} else {
		TAILQ_INSERT_TAIL(&client->answers, ask, link);
	}
	client_update(client);
}

static void ask_error(struct stub_ask *ask, enum dnsmsg_rcode rcode)
{
	uint8_t msg[DNSMSG_ERROR_MAX];
	size_t len = dnsmsg_error(msg, ask->query.bytes + PREFIX, ask->query.len - PREFIX, rcode);

	ask_answer(ask, msg, len);
}

static bool tries_left(const struct stub_ask *ask)
{
	return ask->tries < ROUNDS * ask->servers.n;
}

/* Whether @up is the server whose answer the ask waits for now. */
static bool is_current(const struct upstream *up)
{
	const struct stub_ask *ask = up->ask;

	return ask->tries && up == &ask->up[(ask->tries - 1) % ask->servers.n];
}

static void upstream_failed(struct upstream *up)
{
	upstream_close(up);
	if (is_current(up))
		ask_next(up->ask);
}

/* A message from the server. False: it says nothing, wait on. Otherwise @up may be gone. */
static bool upstream_message(struct upstream *up, uint8_t *msg, size_t len)
{
	struct stub_ask *ask = up->ask;
	enum dnsmsg_rcode rcode;

	if (!dnsmsg_answers(msg, len, ask->query.bytes + PREFIX, ask->query.len - PREFIX))
		return false;
	rcode = dnsmsg_rcode(msg);
	if (rcode != DNSMSG_SERVFAIL && rcode != DNSMSG_NOTIMP && rcode != DNSMSG_REFUSED)
		ask_answer(ask, msg, len);
	else if (tries_left(ask) || !is_current(up))
		upstream_failed(up);
	else
		ask_answer(ask, msg, len); /* the last word there is: with its reasons */
	return true;
}

static void upstream_udp_ready(struct loop *loop, struct io *io, uint32_t events)
{
	struct upstream *up = container_of(io, struct upstream, io);
	struct stub *stub = up->ask->stub;
	int i;

	for (i = 0; i < MESSAGES_A_WAKEUP; i++) {
		ssize_t n = recv(io->fd, stub->buf, sizeof(stub->buf), 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			upstream_failed(up);
			return;
		}
		if (upstream_message(up, stub->buf, (size_t)n))
			return;
	}
}

/* Send what is left of the query, then listen. */
static int upstream_tcp_send(struct upstream *up)
{
	const struct framed *q = &up->ask->query;

	while (up->sent < q->len) {
		ssize_t n = send(up->io.fd, q->bytes + up->sent, q->len - up->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -errno;
		up->sent += (size_t)n;
	}
	return io_want(up->ask->stub->loop, &up->io, up->sent < q->len ? EPOLLOUT : EPOLLIN);
}

static void upstream_tcp_ready(struct loop *loop, struct io *io, uint32_t events)
{
	struct upstream *up = container_of(io, struct upstream, io);
	struct framed answer;
	int r;

	if (up->sent < up->ask->query.len) {
		if (upstream_tcp_send(up) < 0)
			upstream_failed(up);
		return;
	}
	r = framed_read(&up->answer, up->prefix, io->fd);
	if (r == -EAGAIN)
		return;
	/* Out of the upstream's hands, which may go while its message is passed on. */
	answer = up->answer;
	up->answer = (struct framed){ 0 };
	if (r != 1 || !upstream_message(up, answer.bytes + PREFIX, answer.len - PREFIX))
		upstream_failed(up);
	framed_free(&answer);
}

/* A fresh socket, connected or about to be. */
static int upstream_open(struct upstream *up, const struct resolv_server *server, bool tcp)
{
	int type = (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int r;

	up->io = (struct io){ .fd = socket(server->sa.sa_family, type, 0),
			      .ready = tcp ? upstream_tcp_ready : upstream_udp_ready };
	if (up->io.fd < 0)
		return -errno;
	if (connect(up->io.fd, &server->sa, server->len) < 0 && errno != EINPROGRESS)
		r = -errno;
	else
		r = io_want(up->ask->stub->loop, &up->io, tcp ? EPOLLOUT : EPOLLIN);
	if (r < 0)
		upstream_close(up);
	return r;
}

static int upstream_ask(struct upstream *up, const struct resolv_server *server, bool tcp)
{
	const struct framed *q = &up->ask->query;

	if (up->io.fd >= 0 && tcp)
		return 0; /* still at it */
	if (up->io.fd < 0) {
		int r = upstream_open(up, server, tcp);

		if (r < 0 || tcp)
			return r;
	}
	if (send(up->io.fd, q->bytes + PREFIX, q->len - PREFIX, MSG_NOSIGNAL) < 0) {
		int r = -errno;

		upstream_close(up);
		return r;
	}
	return 0;
}

static void ask_next(struct stub_ask *ask)
{
	while (tries_left(ask)) {
		int i = ask->tries++ % ask->servers.n;

		if (upstream_ask(&ask->up[i], &ask->servers.server[i], !ask->udp) == 0) {
			timer_set(ask->stub->loop, &ask->timer, TIMER_ASK);
			return;
		}
	}
	ask_error(ask, DNSMSG_SERVFAIL);
}

static void ask_timeout(struct loop *loop, struct timer *timer)
{
	ask_next(container_of(timer, struct stub_ask, timer));
}

/* A new ask that owns the message of @query; NULL when memory is out. */
static struct stub_ask *ask_new(struct stub *stub, struct framed *query)
{
	struct stub_ask *ask = calloc(1, sizeof(*ask));
	int i;

	if (!ask)
		return NULL;
	ask->stub = stub;
	ask->query = *query;
	*query = (struct framed){ 0 };
	ask->client_id = dnsmsg_id(ask->query.bytes + PREFIX);
	ask->timer.fire = ask_timeout;
	for (i = 0; i < RESOLV_MAX; i++) {
		ask->up[i].ask = ask;
		ask->up[i].io.fd = -1;
	}
	TAILQ_INSERT_TAIL(&stub->asks, ask, link);
	stub->nasks++;
	return ask;
}

/* Ask the resolvers, or answer at once what is not to be asked (@rcode above 0). */
static void ask_start(struct stub_ask *ask, int rcode)
{
	struct stub *stub = ask->stub;
	uint16_t id;

	if (rcode > 0) {
		ask_error(ask, (enum dnsmsg_rcode)rcode);
		return;
	}
	/* Who waited longest is most likely in vain, and is told so. */
	if (stub->nasks > stub->max_asks)
		ask_error(TAILQ_FIRST(&stub->asks), DNSMSG_SERVFAIL);
	resolv_refresh(&stub->resolv);
	ask->servers = stub->resolv.list;
	if (getrandom(&id, sizeof(id), 0) != sizeof(id)) {
		ask_error(ask, DNSMSG_SERVFAIL);
		return;
	}
	dnsmsg_set_id(ask->query.bytes + PREFIX, id);
	ask_next(ask);
}

/* --------------------------------------------------------------- UDP clients */

static void udp_query(struct stub_udp *udp, const uint8_t *msg, size_t len,
		      const struct sockaddr_in6 *from, socklen_t from_len)
{
	int rcode = dnsmsg_query_check(msg, len);
	struct framed query;
	struct stub_ask *ask;

	if (rcode < 0 || framed_new(&query, msg, len) < 0)
		return;
	ask = ask_new(udp->stub, &query);
	if (!ask) {
		framed_free(&query);
		return;
	}
	ask->udp = udp;
	ask->from = *from;
	ask->from_len = from_len;
	ask_start(ask, rcode);
}

static void udp_ready(struct loop *loop, struct io *io, uint32_t events)
{
	struct stub_udp *udp = container_of(io, struct stub_udp, io);
	struct stub *stub = udp->stub;
	int i;

	for (i = 0; i < MESSAGES_A_WAKEUP; i++) {
		struct sockaddr_in6 from;
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(io->fd, stub->buf, sizeof(stub->buf), 0,
				     (struct sockaddr *)&from, &from_len);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n >= 0)
			udp_query(udp, stub->buf, (size_t)n, &from, from_len);
	}
}

/* --------------------------------------------------------------- TCP clients */

static void client_end(struct stub_client *client)
{
	struct stub *stub = client->stub;
	struct stub_ask *ask, *next;

	for (ask = TAILQ_FIRST(&stub->asks); ask; ask = next) {
		next = TAILQ_NEXT(ask, link);
		if (ask->client != client)
			continue;
		ask_retire(ask);
		ask_free(ask);
	}
	while ((ask = TAILQ_FIRST(&client->answers))) {
		TAILQ_REMOVE(&client->answers, ask, link);
		ask_free(ask);
	}
	framed_free(&client->query);
	timer_stop(stub->loop, &client->idle);
	io_close(stub->loop, &client->io);
	TAILQ_REMOVE(&stub->clients, client, link);
	free(client);
	room_give_back(stub->loop, &stub->room);
}

/* Wait for what the client may do now. Never ends the client: callers still use it. */
static void client_update(struct stub_client *client)
{
	bool in = !client->eof && client->nasks < CLIENT_ASKS;
	/* Nothing to write and no more to read: writable at once, and client_ready() ends it. */
	bool out = !TAILQ_EMPTY(&client->answers) || (client->eof && !client->nasks);

	io_want(client->stub->loop, &client->io, (in ? EPOLLIN : 0u) | (out ? EPOLLOUT : 0u));
}

/* 0, or negative when the connection is broken. */
static int client_write(struct stub_client *client)
{
	struct stub_ask *ask;

	while ((ask = TAILQ_FIRST(&client->answers))) {
		struct framed *f = &ask->answer;
		ssize_t n = send(client->io.fd, f->bytes + f->at, f->len - f->at, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		f->at += (size_t)n;
		if (f->at < f->len)
			return 0;
		TAILQ_REMOVE(&client->answers, ask, link);
		ask_free(ask);
		client->nasks--;
		timer_set(client->stub->loop, &client->idle, TIMER_IDLE);
	}
	return 0;
}

/* One whole message is in. */
static int client_query(struct stub_client *client)
{
	struct framed *q = &client->query;
	int rcode = dnsmsg_query_check(q->bytes + PREFIX, q->len - PREFIX);
	struct stub_ask *ask;

	if (rcode < 0)
		return rcode;
	ask = ask_new(client->stub, q);
	if (!ask)
		return -ENOMEM;
	ask->client = client;
	client->nasks++;
	timer_set(client->stub->loop, &client->idle, TIMER_IDLE);
	ask_start(ask, rcode);
	return 0;
}

/* 0, or negative when the connection is broken or talks nonsense. */
static int client_read(struct stub_client *client)
{
	while (!client->eof && client->nasks < CLIENT_ASKS) {
		int r = framed_read(&client->query, client->prefix, client->io.fd);

		if (r == -EAGAIN)
			return 0;
		if (r == 0 && client->query.at)
			return -EBADMSG; /* in the middle of a message */
		if (r == 0)
			client->eof = true;
		else if (r == 1)
			r = client_query(client);
		if (r < 0)
			return r;
	}
	return 0;
}

static void client_ready(struct loop *loop, struct io *io, uint32_t events)
{
	struct stub_client *client = container_of(io, struct stub_client, io);

	if ((events & (EPOLLERR | EPOLLHUP)) || client_write(client) < 0 ||
	    client_read(client) < 0 || (client->eof && !client->nasks)) {
		client_end(client);
		return;
	}
	client_update(client);
}

static void client_idle(struct loop *loop, struct timer *timer)
{
	struct stub_client *client = container_of(timer, struct stub_client, idle);
	bool asking = client->nasks && TAILQ_EMPTY(&client->answers);

	/* Queries under way end by themselves; answers that the client does not read never would.
	 */
	if (asking)
		timer_set(loop, timer, TIMER_IDLE);
	else
		client_end(client);
}

static void client_accepted(struct loop *loop, struct acceptor *acceptor, int fd)
{
	struct stub *stub = container_of(acceptor->room, struct stub, room);
	struct stub_client *client = calloc(1, sizeof(*client));

	if (!client) {
		close(fd);
		room_give_back(loop, &stub->room);
		return;
	}
	client->stub = stub;
	client->io = (struct io){ .fd = fd, .ready = client_ready };
	client->idle.fire = client_idle;
	TAILQ_INIT(&client->answers);
	TAILQ_INSERT_TAIL(&stub->clients, client, link);
	timer_set(loop, &client->idle, TIMER_IDLE);
	if (io_want(loop, &client->io, EPOLLIN) < 0)
		client_end(client);
}

/* ---------------------------------------------------------------------- stub */

int stub_open(struct stub *stub, struct loop *loop, const struct serve_config *config,
	      unsigned max_asks, unsigned max_clients)
{
	int i, r = 0;

	memset(stub, 0, offsetof(struct stub, buf));
	stub->loop = loop;
	stub->max_asks = max_asks;
	TAILQ_INIT(&stub->asks);
	TAILQ_INIT(&stub->clients);
	room_init(&stub->room, max_clients);
	resolv_init(&stub->resolv, config->resolv_conf);
	for (i = 0; i < SERVE_MAX_LISTEN; i++) {
		stub->udp[i].stub = stub;
		stub->udp[i].io.fd = stub->tcp[i].io.fd = -1;
	}
	for (i = 0; !r && i < config->ndns_udp; i++) {
		stub->udp[i].io = (struct io){ .fd = config->dns_udp[i], .ready = udp_ready };
		r = io_want(loop, &stub->udp[i].io, EPOLLIN);
	}
	for (i = 0; !r && i < config->ndns_tcp; i++) {
		stub->tcp[i].accepted = client_accepted;
		r = acceptor_start(loop, &stub->tcp[i], &stub->room, config->dns_tcp[i]);
	}
	return r;
}

void stub_close(struct stub *stub)
{
	struct stub_client *client;
	struct stub_ask *ask;
	int i;

	for (i = 0; i < SERVE_MAX_LISTEN; i++) {
		timer_stop(stub->loop, &stub->tcp[i].pause);
		io_close(stub->loop, &stub->tcp[i].io);
		io_close(stub->loop, &stub->udp[i].io);
	}
	TAILQ_INIT(&stub->room.acceptors);
	while ((client = TAILQ_FIRST(&stub->clients)))
		client_end(client);
	while ((ask = TAILQ_FIRST(&stub->asks))) {
		ask_retire(ask);
		ask_free(ask);
	}
}
