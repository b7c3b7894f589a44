/* SPDX-License-Identifier: GPL-2.0-or-later */
/* publish.h - takes TCP connections on ports of the host and carries them to the node. */
#ifndef CHOPPY_PUBLISH_H
#define CHOPPY_PUBLISH_H

#include "pair.h"
#include "serve.h"

#define PUBLISH_PAIRS 4096 /* most connections at once; further ones wait in the backlog */

struct publish;

struct publish_port {
	struct acceptor acceptor;
	struct publish *publish;
	uint16_t node_port;
};

struct publish {
	struct loop *loop;
	struct sockaddr_in node4;
	struct sockaddr_in6 node6;
	struct room room;
	struct pair_pool pool;
	struct publish_port ports[CHOPPY_MAX_PUBLISH * 2];
	int nports;
};

/* Serve the published ports of @config, at most @max_pairs connections. The sockets are taken. */
int publish_open(struct publish *publish, struct loop *loop, const struct serve_config *config,
		 unsigned max_pairs);
void publish_close(struct publish *publish);

#endif
