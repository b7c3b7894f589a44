/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Level-triggered epoll, so a callback may leave work for the next round, and
 * no callback needs to run dry. The owner of a descriptor may go while an
 * event of the same batch still points to it: io_close() takes those events out.
 */
#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

#define ACCEPTS_A_ROUND 64

static void read_clock(struct loop *loop)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	loop->now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int loop_open(struct loop *loop, const uint64_t period_ns[TIMER_KINDS])
{
	int i;

	*loop = (struct loop){ .epoll = epoll_create1(EPOLL_CLOEXEC) };
	if (loop->epoll < 0)
		return -errno;
	for (i = 0; i < TIMER_KINDS; i++) {
		loop->period_ns[i] = period_ns[i];
		TAILQ_INIT(&loop->timers[i]);
	}
	read_clock(loop);
	return 0;
}

void loop_close(struct loop *loop)
{
	close_fd(&loop->epoll);
}

int io_want(struct loop *loop, struct io *io, uint32_t want)
{
	struct epoll_event ev = { .events = want, .data.ptr = io };

	if (io->watched && io->want == want)
		return 0;
	if (epoll_ctl(loop->epoll, io->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, io->fd, &ev) < 0)
		return -errno;
	io->watched = true;
	io->want = want;
	return 0;
}

void io_mute(struct loop *loop, struct io *io)
{
	int i;

	if (io->watched)
		epoll_ctl(loop->epoll, EPOLL_CTL_DEL, io->fd, NULL);
	io->watched = false;
	for (i = loop->at + 1; i < loop->nevents; i++) {
		if (loop->events[i].data.ptr == io)
			loop->events[i].data.ptr = NULL;
	}
}

void io_close(struct loop *loop, struct io *io)
{
	if (io->fd < 0)
		return;
	io_mute(loop, io);
	close_fd(&io->fd);
}

void timer_stop(struct loop *loop, struct timer *timer)
{
	if (timer->set)
		TAILQ_REMOVE(&loop->timers[timer->kind], timer, link);
	timer->set = false;
}

void timer_set(struct loop *loop, struct timer *timer, enum timer_kind kind)
{
	timer_stop(loop, timer);
	timer->kind = kind;
	timer->due_ns = loop->now_ns + loop->period_ns[kind];
	timer->set = true;
	TAILQ_INSERT_TAIL(&loop->timers[kind], timer, link);
}

static int wait_ms(const struct loop *loop)
{
	uint64_t due_ns = UINT64_MAX, ms;
	int i;

	for (i = 0; i < TIMER_KINDS; i++) {
		const struct timer *first = TAILQ_FIRST(&loop->timers[i]);

		if (first && first->due_ns < due_ns)
			due_ns = first->due_ns;
	}
	if (due_ns == UINT64_MAX)
		return -1;
	if (due_ns <= loop->now_ns)
		return 0;
	ms = (due_ns - loop->now_ns + 999999) / 1000000;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

static void fire_timers(struct loop *loop)
{
	int i;

	for (i = 0; i < TIMER_KINDS; i++) {
		struct timer *t;

		/* One set again by its own callback is due later than now: this ends. */
		while ((t = TAILQ_FIRST(&loop->timers[i])) && t->due_ns <= loop->now_ns) {
			timer_stop(loop, t);
			t->fire(loop, t);
		}
	}
}

int loop_run(struct loop *loop)
{
	while (!loop->stop) {
		int n = epoll_wait(loop->epoll, loop->events, LOOP_BATCH, wait_ms(loop));

		if (n < 0 && errno != EINTR)
			return -errno;
		read_clock(loop);
		loop->nevents = n < 0 ? 0 : n;
		for (loop->at = 0; loop->at < loop->nevents; loop->at++) {
			struct io *io = loop->events[loop->at].data.ptr;

			if (io)
				io->ready(loop, io, loop->events[loop->at].events);
		}
		loop->nevents = 0;
		fire_timers(loop);
	}
	return 0;
}

void room_init(struct room *room, unsigned left)
{
	room->left = left;
	TAILQ_INIT(&room->acceptors);
}

void room_give_back(struct loop *loop, struct room *room)
{
	struct acceptor *a;

	if (room->left++)
		return;
	TAILQ_FOREACH(a, &room->acceptors, link)
	{
		if (!a->pause.set)
			io_want(loop, &a->io, EPOLLIN);
	}
}

static void pause_over(struct loop *loop, struct timer *timer)
{
	struct acceptor *a = container_of(timer, struct acceptor, pause);

	io_want(loop, &a->io, EPOLLIN);
}

/* Whether accept4(2) failed for the one connection only. */
static bool accept_again(int error)
{
	return error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM;
}

static void acceptor_ready(struct loop *loop, struct io *io, uint32_t events)
{
	struct acceptor *a = container_of(io, struct acceptor, io);
	int i, fd;

	for (i = 0; i < ACCEPTS_A_ROUND && a->room->left; i++) {
		fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0 && accept_again(errno))
			continue;
		if (fd < 0) {
			io_want(loop, io, 0);
			timer_set(loop, &a->pause, TIMER_PAUSE);
			return;
		}
		a->room->left--;
		a->accepted(loop, a, fd);
	}
	if (!a->room->left)
		io_want(loop, io, 0);
}

int acceptor_start(struct loop *loop, struct acceptor *a, struct room *room, int fd)
{
	a->io = (struct io){ .fd = fd, .ready = acceptor_ready };
	a->pause = (struct timer){ .fire = pause_over };
	a->room = room;
	TAILQ_INSERT_TAIL(&room->acceptors, a, link);
	return io_want(loop, &a->io, EPOLLIN);
}
