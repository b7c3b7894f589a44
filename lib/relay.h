/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * relay.h - the uplink relay: the node's connections, datagrams and echo requests, taken by sockets
 * of the gateway's namespace and carried on by sockets of the host's, in one process without
 * any privilege.
 */
#ifndef CHOPPY_RELAY_H
#define CHOPPY_RELAY_H

#include "dgram.h"
#include "pair.h"
#include "pool.h"
#include "serve.h"

#define RELAY_PORT 1u /* where connections and datagrams of the node are taken */
#define RELAY_MARK 1u /* of what the relay sends in the gateway's namespace */
#define RELAY_FLOWS 16384 /* most connections, and most UDP or echo mappings, at once */
#define RELAY_UDP_NS 300000000000ull /* RFC 4787, REQ-5 */
#define RELAY_ECHO_NS 60000000000ull /* RFC 5508, REQ-1 */
/* The kernel sends a SYN-ACK anew for some 63 s (tcp_synack_retries). */
#define RELAY_HANDSHAKE_NS 130000000000ull

enum { RELAY_V4, RELAY_V6, RELAY_FAMILIES };
#define RELAY_BUCKETS 4096

struct relay_flow; /* a TCP connection, relay_tcp.c */
struct relay_mapping; /* a source of datagrams, relay_datagram.c */

struct relay_io {
	struct io io;
	struct relay *relay;
	int family;
};

struct relay {
	struct loop *loop;
	struct relay_sockets sockets;
	struct relay_policy policy;
	struct pool frames;
	struct pair_pool pairs;
	unsigned max_flows, nflows, max_mappings, nmappings;
	struct acceptor tcp[RELAY_FAMILIES];
	struct room accepts;
	struct relay_io tap, udp[RELAY_FAMILIES], icmp[RELAY_FAMILIES];
	LIST_HEAD(, relay_flow) flows[RELAY_BUCKETS];
	LIST_HEAD(, relay_mapping) mappings[RELAY_BUCKETS];
	TAILQ_HEAD(, relay_mapping) oldest; /* least recently used first */
	int keeper; /* where remarks go */
	bool told[SERVE_NREMARKS];
	uint8_t buf[65536 + 128];
};

/* Serve with at most @max_flows connections and @max_mappings. The sockets are the relay's. */
int relay_open(struct relay *relay, struct loop *loop, const struct serve_config *config,
	       unsigned max_flows, unsigned max_mappings);
void relay_close(struct relay *relay);

/* What becomes of something that the node sent to @to, which is changed where @to stands for
 * another address. */
enum relay_verdict { RELAY_PASS, RELAY_PROHIBIT, RELAY_IGNORE };
enum relay_verdict relay_judge(const struct relay_policy *policy, struct endpoint *to);
/* The address by which the node knows @from, who answered. */
void relay_disguise(const struct relay_policy *policy, struct endpoint *from);

/* Tell the keeper, once. */
void relay_remark(struct relay *relay, enum serve_remark what);

/* Where an endpoint, or two, is looked for. */
unsigned relay_bucket(const struct endpoint *a, const struct endpoint *b);

int relay_tcp_open(struct relay *relay);
void relay_tcp_close(struct relay *relay);
int relay_datagram_open(struct relay *relay);
void relay_datagram_close(struct relay *relay);

/* Tell @node that the time to live of its TCP packet @tcp for @to ended at the gateway. */
void relay_tcp_exceeded(struct relay *r, const struct endpoint *node, const struct endpoint *to,
			const unsigned char *tcp, size_t len);

#endif
