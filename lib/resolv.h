/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resolv.h - which name servers the host asks, as its resolv.conf(5) says at this moment. */
#ifndef CHOPPY_RESOLV_H
#define CHOPPY_RESOLV_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/stat.h>

#define RESOLV_MAX 3 /* name servers that glibc reads (MAXNS) */

struct resolv_server {
	union {
		struct sockaddr sa;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
	};
	socklen_t len;
};

struct resolv_list {
	struct resolv_server server[RESOLV_MAX];
	int n; /* at least 1 once read */
};

struct resolv {
	const char *path;
	struct resolv_list list;
	struct stat seen; /* of the file when it was read */
	bool settled; /* @seen identifies what was read */
};

void resolv_init(struct resolv *resolv, const char *path);

/* Read the file if it has changed. A file that cannot be read is as an empty one: 127.0.0.1. */
void resolv_refresh(struct resolv *resolv);

/*
 * The server of one line of the file, without its newline, with port 53.
 * False: the line names none.
 */
bool resolv_parse_line(struct resolv_server *ret, const char *line);

#endif
