/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server.h - the keeper's side of a process that serves sockets (serve.h): it is forked where its
 * own sockets are to be, gives up everything, and is then given the sockets, wherever those were
 * made.
 */
#ifndef CHOPPY_SERVER_H
#define CHOPPY_SERVER_H

#include "serve.h"

struct server {
	pid_t pid; /* 0: not started */
	int fd; /* closing it ends the process */
};
#define SERVER_NONE                                                                                \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/*
 * Fork it, in the namespaces of this moment. @name: of the process, at most 15 characters.
 * @relay: it will have a relay and nothing else: then it sees no file.
 */
int server_start(struct server *ret, const char *name, bool relay, struct choppy_err *err);

/*
 * Give it @config's sockets, which are closed here and become -1, and have it serve them. To be
 * called once.
 */
int server_give(struct server *s, struct serve_config *config, struct choppy_err *err);

/* Kill it; server_stop() waits for its end. */
void server_kill(const struct server *s);
/* Kill it, and wait for its end if not @reaped. */
void server_stop(struct server *s, bool reaped);

#endif
