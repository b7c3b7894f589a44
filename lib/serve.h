/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serve.h - the host's side of a lab in user space: the DNS stub on the gateway
 * address and the forwarder of published ports, in one unprivileged process.
 */
#ifndef CHOPPY_SERVE_H
#define CHOPPY_SERVE_H

#include "choppy.h"

#define SERVE_MAX_LISTEN 4

/* What the process serves. Sockets are open and bound (TCP ones listening), O_NONBLOCK, made by
 * the keeper in the host's namespace; the process owns them after the fork. */
struct serve_config {
	int dns_udp[SERVE_MAX_LISTEN], ndns_udp;
	int dns_tcp[SERVE_MAX_LISTEN], ndns_tcp;
	const char
		*resolv_conf; /* the host's, "/etc/resolv.conf"; read again when its stat changes */
	struct {
		int fd; /* listening TCP socket */
		uint16_t node_port; /* connect to the node's address, this port */
	} publish[CHOPPY_MAX_PUBLISH * 2];
	int npublish;
	struct sockaddr_in node4; /* the node's address; family 0: none */
	struct sockaddr_in6 node6;
	int stop_fd; /* readable or closed at the other end: end */
};

/* Serve until @stop_fd ends. Returns the process's exit status. Called in a forked child that
 * has already dropped its privileges (lib/sandbox.h). */
int serve_main(const struct serve_config *config);

/* The system calls that serve_main() makes, __NR_ numbers ended by -1, for struct sandbox. */
extern const int serve_syscalls[];

#endif
