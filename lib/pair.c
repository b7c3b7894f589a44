/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one side sends is moved through a pipe to the other (splice(2): the kernel hands pages on
 * and copies nothing). Until the other side has taken it the first is not read: the kernel's window
 * then holds the sender back, and no more than a pipe's worth waits here. A pipe is held only while
 * something is in it, so an idle connection has none.
 *
 * Ends are passed on as they are: FIN as FIN, each way by itself; a connection that breaks on
 * one side is reset on the other. A reset overtakes what still waits here for that other side. A
 * side that was not told a FIN is reset by whatever closes it, the end of this process by a signal
 * included: what is cut short must not look complete.
 *
 * splice(2) does not go past TCP's urgent mark: it says that there is nothing, or even that this is
 * the end. There the urgent byte is passed on as one, and what is behind it is copied.
 */
#include "pair.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

#define READS_A_WAKEUP 4
#define MOST (1u << 20) /* the pipe's slots are the limit */

static const struct pipe_ends no_pipe = { -1, -1 };

static void pipe_close(struct pipe_ends *p)
{
	close_fd(&p->out);
	close_fd(&p->in);
}

static int pipe_take(struct pair_pool *pool, struct pipe_ends *ret)
{
	int fds[2];

	if (ret->out >= 0)
		return 0;
	if (pool->nspare > 0) {
		*ret = pool->spare[--pool->nspare];
		return 0;
	}
	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0)
		return -errno;
	*ret = (struct pipe_ends){ .out = fds[0], .in = fds[1] };
	return 0;
}

/* An empty one. */
static void pipe_give(struct pair_pool *pool, struct pipe_ends *p)
{
	if (p->out >= 0 && pool->nspare < PAIR_SPARE_PIPES)
		pool->spare[pool->nspare++] = *p;
	else
		pipe_close(p);
	*p = no_pipe;
}

void socket_reset_on_close(int fd, bool on)
{
	const struct linger now = { .l_onoff = on, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void socket_abort(int fd)
{
	socket_reset_on_close(fd, true);
	close(fd);
}

int socket_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static void end(struct pair *pair, bool reset)
{
	struct pair_pool *pool = pair->pool;

	for (int i = 0; i < 2; i++) {
		struct side *s = &pair->side[i];

		if (s->kept)
			pipe_close(&s->pipe);
		else
			pipe_give(pool, &s->pipe);
		io_mute(pool->loop, &s->io);
		if (reset)
			socket_abort(s->io.fd);
		else
			close(s->io.fd);
		s->io.fd = -1;
	}
	TAILQ_REMOVE(&pool->pairs, pair, link);
	pair->gone(pair);
}

static int flush(struct pair_pool *pool, struct side *to)
{
	while (to->kept) {
		ssize_t n = splice(to->pipe.out, NULL, to->io.fd, NULL, to->kept,
				   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		to->kept -= (size_t)n;
	}
	pipe_give(pool, &to->pipe);
	return 0;
}

/* Bytes carried, 0 at the end of @from's, or a negative errno; -EAGAIN: not now. */
static ssize_t carry_by_pipe(struct pair_pool *pool, struct side *from, struct side *to)
{
	ssize_t n = splice(from->io.fd, NULL, to->pipe.in, NULL, MOST,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	int r = n < 0 ? -errno : 0;

	to->kept = n > 0 ? (size_t)n : 0;
	if (r == 0)
		r = flush(pool, to);
	else
		pipe_give(pool, &to->pipe);
	return r < 0 ? r : n;
}

static ssize_t carry_by_copy(struct pair_pool *pool, struct side *from, struct side *to)
{
	ssize_t n = recv(from->io.fd, pool->buf, sizeof(pool->buf), MSG_PEEK), sent;

	if (n <= 0)
		return n < 0 ? -errno : 0;
	sent = send(to->io.fd, pool->buf, (size_t)n, MSG_NOSIGNAL);
	to->full = sent < n;
	if (sent <= 0)
		return sent < 0 ? -errno : -EAGAIN;
	return recv(from->io.fd, pool->buf, (size_t)sent, 0) == sent ? sent : -EIO;
}

/* What stands before the next byte may be a mark. As carry_by_copy(). */
static ssize_t carry_past_mark(struct pair_pool *pool, struct side *from, struct side *to)
{
	char urgent;

	if (recv(from->io.fd, &urgent, 1, MSG_OOB | MSG_PEEK) == 1 &&
	    send(to->io.fd, &urgent, 1, MSG_OOB | MSG_NOSIGNAL) == 1)
		recv(from->io.fd, &urgent, 1, MSG_OOB);
	return carry_by_copy(pool, from, to);
}

/*
 * Carry what @from has to @to. @readable: the kernel says that there is something. Negative: the
 * connection is broken.
 */
static int pump(struct pair_pool *pool, struct side *from, struct side *to, bool readable)
{
	int r = flush(pool, to);

	to->full = false;
	for (int i = 0; !r && i < READS_A_WAKEUP && !to->kept && !to->full && !from->eof; i++) {
		ssize_t n = pipe_take(pool, &to->pipe) == 0 ? carry_by_pipe(pool, from, to)
							    : carry_by_copy(pool, from, to);

		if (n == 0 || (n == -EAGAIN && i == 0 && readable))
			n = carry_past_mark(pool, from, to);
		if (n < 0)
			return n == -EAGAIN ? 0 : (int)n;
		if (n == 0) {
			from->eof = true;
			socket_reset_on_close(to->io.fd, false);
			shutdown(to->io.fd, SHUT_WR);
		}
	}
	return r;
}

static int side_update(struct pair *pair, int i)
{
	struct side *s = &pair->side[i], *other = &pair->side[!i];
	uint32_t want = 0;

	if (!pair->connecting && !s->eof && !other->kept && !other->full)
		want |= EPOLLIN | EPOLLPRI;
	if (s->kept || s->full || (pair->connecting && i == 1))
		want |= EPOLLOUT;
	return io_want(pair->pool->loop, &s->io, want);
}

static int update(struct pair *pair)
{
	int r = side_update(pair, 0);

	return r < 0 ? r : side_update(pair, 1);
}

static void event(struct pair *pair, int i, uint32_t events)
{
	struct side *s = &pair->side[i], *other = &pair->side[!i];
	struct pair_pool *pool = pair->pool;

	if ((events & EPOLLERR) && socket_error(s->io.fd) < 0) {
		end(pair, true);
		return;
	}
	if (i == 1)
		pair->connecting = false;
	if (!pair->connecting && (pump(pool, s, other, events & (EPOLLIN | EPOLLPRI)) < 0 ||
				  pump(pool, other, s, false) < 0)) {
		end(pair, true);
		return;
	}
	/*
	 * A hang-up with nothing wanted: both ways are closed and the rest waits for the other
	 * side. It would be told over and over; the update after the other side's next event
	 * listens again.
	 */
	if (s->eof && other->eof && !s->kept && !other->kept)
		end(pair, false);
	else if (update(pair) < 0)
		end(pair, true);
	else if ((events & EPOLLHUP) && !s->io.want)
		io_mute(pool->loop, &s->io);
}

static void ready0(struct loop *loop, struct io *io, uint32_t events)
{
	event(container_of(io, struct pair, side[0].io), 0, events);
}

static void ready1(struct loop *loop, struct io *io, uint32_t events)
{
	event(container_of(io, struct pair, side[1].io), 1, events);
}

void pair_pool_open(struct pair_pool *pool, struct loop *loop)
{
	pool->loop = loop;
	pool->nspare = 0;
	TAILQ_INIT(&pool->pairs);
}

void pair_pool_close(struct pair_pool *pool)
{
	struct pair *pair;

	while ((pair = TAILQ_FIRST(&pool->pairs)))
		end(pair, true);
	while (pool->nspare > 0)
		pipe_close(&pool->spare[--pool->nspare]);
}

void pair_start(struct pair_pool *pool, struct pair *pair, const int fds[2], bool connecting)
{
	const int on = 1;

	pair->pool = pool;
	pair->connecting = connecting;
	for (int i = 0; i < 2; i++) {
		pair->side[i] = (struct side){ .io = { .fd = fds[i], .ready = i ? ready1 : ready0 },
					       .pipe = no_pipe };
		/* What was written at once leaves at once: Nagle has had its say at the sender. */
		setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		socket_reset_on_close(fds[i], true);
	}
	TAILQ_INSERT_TAIL(&pool->pairs, pair, link);
	if (update(pair) < 0)
		end(pair, true);
}
