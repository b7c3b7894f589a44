/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pair.h - two TCP connections whose bytes and ends are carried from each to the other. */
#ifndef CHOPPY_PAIR_H
#define CHOPPY_PAIR_H

#include "loop.h"

#define PAIR_FDS 2 /* and a pipe each way while bytes wait, where two more can be had */
#define PAIR_SPARE_PIPES 16

struct pipe_ends {
	int out, in; /* read from @out what was written to @in */
};

/* What all pairs of a process share. */
struct pair_pool {
	struct loop *loop;
	TAILQ_HEAD(, pair) pairs;
	struct pipe_ends spare[PAIR_SPARE_PIPES];
	int nspare;
	uint8_t buf[65536];
};

struct side {
	struct io io;
	struct pipe_ends pipe; /* -1: none is needed now */
	size_t kept; /* bytes in @pipe, not yet written to this side */
	bool full; /* it took less than there was, and there was no pipe for the rest */
	bool eof; /* it sends no more, and the other side was told */
};

/* The owner embeds it; @gone is told when both sockets are closed, and may free it. */
struct pair {
	TAILQ_ENTRY(pair) link;
	struct pair_pool *pool;
	bool connecting; /* side 1 is */
	struct side side[2];
	void (*gone)(struct pair *pair);
};

void pair_pool_open(struct pair_pool *pool, struct loop *loop);
/* End all pairs. */
void pair_pool_close(struct pair_pool *pool);

/*
 * Carry from now on. The sockets, non-blocking, are the pair's; @connecting: fds[1] is about to be
 * connected, and where that fails fds[0] is reset. @pair->gone may be called before this returns.
 */
void pair_start(struct pair_pool *pool, struct pair *pair, const int fds[2], bool connecting);

/* Whether closing @fd, by whatever, resets the connection and forgets what was not sent yet. */
void socket_reset_on_close(int fd, bool on);
/* Close @fd so that its peer sees a reset (RFC 9293, ABORT). */
void socket_abort(int fd);
/* The error that the kernel holds for @fd: 0 or a negative errno. */
int socket_error(int fd);

#endif
