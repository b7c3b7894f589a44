/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client is taken at once and the node asked then: a client whose connection the node refuses
 * is reset.
 */
#include "publish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util.h"

struct publish_pair {
	struct pair pair;
	struct publish *publish;
};

static void pair_gone(struct pair *pair)
{
	struct publish_pair *p = container_of(pair, struct publish_pair, pair);

	room_give_back(pair->pool->loop, &p->publish->room);
	free(p);
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

static void port_accepted(struct loop *loop, struct acceptor *acceptor, int fd)
{
	struct publish_port *port = container_of(acceptor, struct publish_port, acceptor);
	struct publish *p = port->publish;
	struct publish_pair *pair = calloc(1, sizeof(*pair));
	int node = pair ? connect_node(p, port->node_port) : -ENOMEM;
	const int on = 1;

	if (node < 0) {
		free(pair);
		socket_abort(fd);
		room_give_back(loop, &p->room);
		return;
	}
	/* Of clients only: probes to the node would be packets on the link that nobody sent. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	*pair = (struct publish_pair){ .pair.gone = pair_gone, .publish = p };
	pair_start(&p->pool, &pair->pair, (const int[]){ fd, node }, true);
}

int publish_open(struct publish *p, struct loop *loop, const struct serve_config *config,
		 unsigned max_pairs)
{
	int i, r = 0;

	memset(p, 0, sizeof(*p));
	p->loop = loop;
	p->node4 = config->node4;
	p->node6 = config->node6;
	pair_pool_open(&p->pool, loop);
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
	int i;

	for (i = 0; i < p->nports; i++) {
		timer_stop(p->loop, &p->ports[i].acceptor.pause);
		io_close(p->loop, &p->ports[i].acceptor.io);
	}
	TAILQ_INIT(&p->room.acceptors);
	pair_pool_close(&p->pool);
}
