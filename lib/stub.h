/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stub.h - a DNS stub: passes queries to the host's resolvers, and their answers back. */
#ifndef CHOPPY_STUB_H
#define CHOPPY_STUB_H

#include "loop.h"
#include "resolv.h"
#include "serve.h"

#define STUB_ASKS 256 /* most queries waiting for a resolver; one more ends the oldest */
#define STUB_CLIENTS 64 /* most TCP connections; further ones wait in the backlog */
#define STUB_FDS_PER_ASK RESOLV_MAX

/* RFC 7766, 6.2.3, has a server close an idle connection after seconds, not minutes. */
#define STUB_IDLE_NS 10000000000ull
/* Patience with one server: both rounds with a single one end before glibc's own 5 s in the node.
 */
#define STUB_ANSWER_NS 2000000000ull

struct stub_ask;
struct stub_client;

struct stub_udp {
	struct io io;
	struct stub *stub;
};

struct stub {
	struct loop *loop;
	struct resolv resolv;
	unsigned max_asks, nasks;
	TAILQ_HEAD(, stub_ask) asks; /* waiting for a resolver, oldest first */
	struct room room;
	TAILQ_HEAD(, stub_client) clients;
	struct stub_udp udp[SERVE_MAX_LISTEN];
	struct acceptor tcp[SERVE_MAX_LISTEN];
	uint8_t buf[65536];
};

/*
 * Serve the DNS sockets of @config with at most @max_asks queries and
 * @max_clients connections at once. The sockets are the stub's from here on.
 */
int stub_open(struct stub *stub, struct loop *loop, const struct serve_config *config,
	      unsigned max_asks, unsigned max_clients);
void stub_close(struct stub *stub);

#endif
