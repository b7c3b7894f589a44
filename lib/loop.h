/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop.h - one thread's wait for many file descriptors and time limits. */
#ifndef CHOPPY_LOOP_H
#define CHOPPY_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/queue.h>

#ifndef container_of
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#endif

struct loop;

/* Embedded in whatever owns the descriptor; @ready gets its EPOLL bits and may be called in vain.
 */
struct io {
	int fd; /* -1: none */
	uint32_t want;
	bool watched;
	void (*ready)(struct loop *loop, struct io *io, uint32_t events);
};

/* Periods that are the same for all timers of a kind make each kind a queue in order of time. */
enum timer_kind {
	TIMER_ASK, /* a resolver has not answered */
	TIMER_IDLE, /* a DNS client has been silent on its connection */
	TIMER_PAUSE, /* the machine had no descriptor or memory left for a connection */
	TIMER_HANDSHAKE, /* a connection whose other end has answered has not come to life */
	TIMER_UDP, /* a source of datagrams has been silent */
	TIMER_ECHO, /* one of echo requests */
	TIMER_KINDS,
};

struct timer {
	TAILQ_ENTRY(timer) link;
	uint64_t due_ns;
	bool set;
	enum timer_kind kind;
	void (*fire)(struct loop *loop, struct timer *timer);
};
TAILQ_HEAD(timer_queue, timer);

#define LOOP_BATCH 64

struct loop {
	int epoll;
	bool stop;
	uint64_t now_ns; /* CLOCK_MONOTONIC, read once a wake-up */
	uint64_t period_ns[TIMER_KINDS];
	struct timer_queue timers[TIMER_KINDS];
	struct epoll_event events[LOOP_BATCH];
	int nevents, at; /* the batch being worked on */
};

int loop_open(struct loop *loop, const uint64_t period_ns[TIMER_KINDS]);
void loop_close(struct loop *loop);

/* Work until loop->stop. 0 or a negative errno. */
int loop_run(struct loop *loop);

/* Wait for the EPOLL bits @want (level-triggered; errors and hang-ups always come). */
int io_want(struct loop *loop, struct io *io, uint32_t want);

/* Hear nothing more, not even of errors, until the next io_want(). */
void io_mute(struct loop *loop, struct io *io);

/* Close the descriptor. @io->ready is not called again, so its owner may be freed. */
void io_close(struct loop *loop, struct io *io);

/* Start @timer, anew when it is running. */
void timer_set(struct loop *loop, struct timer *timer, enum timer_kind kind);
void timer_stop(struct loop *loop, struct timer *timer);

/* Connections that may still be taken, shared by the acceptors on its list. */
struct acceptor;
struct room {
	unsigned left;
	TAILQ_HEAD(, acceptor) acceptors;
};

/* A listening socket. @accepted owns the new descriptor, and one place in @room. */
struct acceptor {
	struct io io;
	struct timer pause;
	struct room *room;
	TAILQ_ENTRY(acceptor) link;
	void (*accepted)(struct loop *loop, struct acceptor *acceptor, int fd);
};

void room_init(struct room *room, unsigned left);
void room_give_back(struct loop *loop, struct room *room);

/* @fd listens and does not block; it is the acceptor's from here on. */
int acceptor_start(struct loop *loop, struct acceptor *acceptor, struct room *room, int fd);

#endif
