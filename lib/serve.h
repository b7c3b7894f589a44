/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serve.h - the host's side of a lab in user space: the DNS stub on the gateway
 * address and the forwarder of published ports, in one unprivileged process.
 */
#ifndef CHOPPY_SERVE_H
#define CHOPPY_SERVE_H

#include "choppy.h"

#define SERVE_MAX_LISTEN 4

/* What a server tells its keeper, once each, in one byte over the socket that it got its sockets
 * from. */
enum serve_remark {
	SERVE_NO_PING, /* an echo request found no permission for ping sockets */
	SERVE_FULL, /* there was no room for another connection */
	SERVE_NREMARKS,
};

/*
 * What the relay works with, of the gateway's namespace: [0] IPv4, [1] IPv6, -1: none. All but @tap
 * may speak for any address (IP_TRANSPARENT).
 */
struct relay_sockets {
	int tcp[2]; /* listening */
	int udp[2]; /* tell where datagrams were sent to */
	int icmp[2]; /* raw: echo requests, whatever address they are for */
	int raw_udp[2]; /* raw: for sending only */
	int tap; /* a packet socket: SYNs and RSTs of the node, and a way back to it */
};

/* Addresses as in struct in_addr and in6_addr; all zero: none. */
struct relay_policy {
	uint8_t gateway4[4], gateway6[16]; /* the gateway's own: not the relay's business */
	uint8_t host4[4], host6[16]; /* stand for the host's loopback */
	bool allow_host; /* they lead there, and link-local addresses lead outside */
	int tap_ifindex; /* the gateway's device */
};

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
	bool has_relay;
	struct relay_sockets relay;
	struct relay_policy policy;
	int stop_fd; /* readable or closed at the other end: end */
};

/* Serve until @stop_fd ends. Returns the process's exit status. Called in a forked child that
 * has already dropped its privileges (lib/sandbox.h). */
int serve_main(const struct serve_config *config);

/* The system calls that serve_main() makes, __NR_ numbers ended by -1, for struct sandbox. */
extern const int serve_syscalls[];
/* Those of a process with a relay and nothing else. */
extern const int relay_syscalls[];

#endif
