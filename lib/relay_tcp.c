/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection of the node begins as it would without a relay: the node's SYN is held until the far
 * end has answered.
 *
 *	node              gateway's namespace           relay                 outside
 *	SYN ------------> dropped; the tap has it ----> connect(2) ---------> SYN
 *	                                                <-------------------- SYN-ACK
 *	                  <---- the SYN, written to lo again
 *	SYN-ACK <-------- the listening socket
 *	ACK ------------>                      ------> accept(2): both are carried (pair.h)
 *
 * If the far end refuses, the node gets the reset or the ICMP error that it would have got (reply.h
 * of the engine); if it does not answer, neither does the gateway. A SYN that the node sends again
 * meanwhile changes nothing; one that comes after the answer (the SYN-ACK was lost) is
 * written to lo as well, and the kernel does the rest.
 *
 * A SYN whose checksum is wrong is dropped, as any receiver would: the link may be told to corrupt.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "edit.h"
#include "relay.h"
#include "reply.h"
#include "util.h"

#define READS_A_WAKEUP 64
#define LO_IFINDEX 1
#define TCP_FLAGS_AT 13
#define TCP_RST 0x04

enum flow_state {
	FLOW_CONNECTING, /* the SYN is held */
	FLOW_ANSWERED, /* it was passed on; the kernel shakes hands with the node */
	FLOW_CARRIED,
};

struct relay_flow {
	LIST_ENTRY(relay_flow) link;
	struct relay *relay;
	struct endpoint node, to; /* as the node sees them */
	enum flow_state state;
	struct frame *syn; /* while it is held */
	uint32_t seq; /* the SYN's */
	struct io outside; /* until it is carried */
	struct timer handshake;
	struct pair pair;
};

static struct relay_flow *find(struct relay *r, const struct endpoint *node,
			       const struct endpoint *to)
{
	struct relay_flow *f;

	LIST_FOREACH(f, &r->flows[relay_bucket(node, to)], link)
	{
		if (memcmp(&f->node, node, sizeof(*node)) == 0 &&
		    memcmp(&f->to, to, sizeof(*to)) == 0)
			return f;
	}
	return NULL;
}

static void flow_free(struct relay_flow *f)
{
	struct relay *r = f->relay;

	timer_stop(r->loop, &f->handshake);
	io_close(r->loop, &f->outside);
	if (f->syn)
		frame_put(&r->frames, f->syn);
	LIST_REMOVE(f, link);
	r->nflows--;
	free(f);
}

/* --------------------------------------------------------------- to the node */

/* Write a frame to a device of the gateway's namespace. What does not get through is lost. */
static void write_frame(struct relay *r, struct frame *f, int ifindex)
{
	static const struct virtio_net_hdr none;
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(f->ip == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP),
				  .sll_ifindex = ifindex };
	struct iovec iov[] = { { (void *)&none, sizeof(none) }, { frame_eth(f), f->len } };
	struct msghdr msg = { .msg_name = &to,
			      .msg_namelen = sizeof(to),
			      .msg_iov = iov,
			      .msg_iovlen = ARRAY_SIZE(iov) };

	sendmsg(r->sockets.tap, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* To the gateway's kernel, as if it came over the loopback device, whose address is zero. */
static void pass_on(struct relay *r, struct frame *syn)
{
	memset(frame_eth(syn), 0, (size_t)(2 * ETH_ALEN));
	write_frame(r, syn, LO_IFINDEX);
}

static void answer(struct relay *r, const struct frame *syn, enum reply kind)
{
	struct frame *reply = reply_make(&r->frames, syn, 0, kind, 0);

	if (!reply)
		return;
	write_frame(r, reply, r->policy.tap_ifindex);
	frame_put(&r->frames, reply);
}

/* What the node would have got in place of an answer. */
static void refuse(struct relay *r, const struct frame *syn, int error)
{
	static const struct {
		int error;
		enum reply kind;
	} answers[] = {
		{ ECONNREFUSED, REPLY_RESET },	    { ECONNRESET, REPLY_RESET },
		{ ENETUNREACH, REPLY_NO_ROUTE },    { EHOSTUNREACH, REPLY_UNREACHABLE },
		{ EHOSTDOWN, REPLY_UNREACHABLE },   { EADDRNOTAVAIL, REPLY_NO_ROUTE },
		{ EAFNOSUPPORT, REPLY_NO_ROUTE },   { EACCES, REPLY_PROHIBITED },
		{ EPERM, REPLY_PROHIBITED },	    { EINVAL, REPLY_PROHIBITED },
		{ ENOPROTOOPT, REPLY_NO_PROTOCOL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		if (answers[i].error == error)
			answer(r, syn, answers[i].kind);
}

/* ---------------------------------------------------------------- the outside */

static void handshake_over(struct loop *loop, struct timer *timer)
{
	struct relay_flow *f = container_of(timer, struct relay_flow, handshake);
	int fd = f->outside.fd;

	io_mute(loop, &f->outside);
	f->outside.fd = -1;
	socket_abort(fd);
	flow_free(f);
}

static void answered(struct relay_flow *f)
{
	struct relay *r = f->relay;

	io_mute(r->loop, &f->outside); /* until the node has shaken hands, too */
	f->state = FLOW_ANSWERED;
	timer_set(r->loop, &f->handshake, TIMER_HANDSHAKE);
	pass_on(r, f->syn);
	frame_put(&r->frames, f->syn);
	f->syn = NULL;
}

static void outside_ready(struct loop *loop, struct io *io, uint32_t events)
{
	struct relay_flow *f = container_of(io, struct relay_flow, outside);
	int error = -socket_error(io->fd);

	if (!error && !(events & EPOLLOUT))
		return;
	if (!error) {
		answered(f);
		return;
	}
	refuse(f->relay, f->syn, error);
	flow_free(f);
}

/* A socket that is connected to @to or about to be; a negative errno. */
static int connect_outside(const struct endpoint *to)
{
	const int on = 1;
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to(&sa, to);
	int fd = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	if (to->family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	socket_reset_on_close(fd, true); /* until the node's end was passed on */
	if (connect(fd, (struct sockaddr *)&sa, len) == 0 || errno == EINPROGRESS)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

/* --------------------------------------------------------------- from the node */

static void begin(struct relay *r, struct frame *syn, const struct endpoint *node,
		  const struct endpoint *to, const struct endpoint *target)
{
	struct relay_flow *f;
	int fd;

	if (r->nflows == r->max_flows) {
		relay_remark(r, SERVE_FULL); /* the node asks again */
		return;
	}
	fd = connect_outside(target);
	if (fd < 0) {
		refuse(r, syn, -fd);
		return;
	}
	f = calloc(1, sizeof(*f));
	if (!f) {
		close(fd);
		return;
	}
	*f = (struct relay_flow){ .relay = r,
				  .node = *node,
				  .to = *to,
				  .syn = syn,
				  .seq = get32(frame_bytes(syn) + syn->l4 + 4),
				  .outside = { .fd = fd, .ready = outside_ready },
				  .handshake = { .fire = handshake_over } };
	syn->refs++;
	LIST_INSERT_HEAD(&r->flows[relay_bucket(node, to)], f, link);
	r->nflows++;
	if (io_want(r->loop, &f->outside, EPOLLOUT) < 0)
		flow_free(f);
}

static void on_syn(struct relay *r, struct frame *syn, const struct endpoint *node,
		   const struct endpoint *to)
{
	struct relay_flow *f = find(r, node, to);
	struct endpoint target = *to;

	if (f && f->state != FLOW_CONNECTING) {
		f->seq = get32(frame_bytes(syn) + syn->l4 + 4);
		pass_on(r, syn);
		return;
	}
	if (f) {
		/* The newest one: its time stamps, and perhaps another attempt. */
		frame_put(&r->frames, f->syn);
		f->syn = syn;
		f->seq = get32(frame_bytes(syn) + syn->l4 + 4);
		syn->refs++;
		return;
	}
	switch (relay_judge(&r->policy, &target)) {
	case RELAY_PASS:
		begin(r, syn, node, to, &target);
		break;
	case RELAY_PROHIBIT:
		answer(r, syn, REPLY_PROHIBITED);
		break;
	case RELAY_IGNORE:
		break;
	}
}

/* The node has given up, and says so to the SYN-ACK: a connection that is carried is the kernel's.
 */
static void on_rst(struct relay *r, const struct frame *rst, const struct endpoint *node,
		   const struct endpoint *to)
{
	struct relay_flow *f = find(r, node, to);

	if (f && f->state == FLOW_ANSWERED && get32(frame_bytes(rst) + rst->l4 + 4) == f->seq + 1)
		handshake_over(r->loop, &f->handshake);
}

/* Whether the checksums of an unfragmented TCP packet are right, or the kernel's to make. */
static bool checks(const struct frame *f)
{
	const unsigned char *ip = frame_bytes(f) + f->l3, *tcp = frame_bytes(f) + f->l4;
	uint32_t len = frame_ip_end(f) - f->l4;
	uint16_t sum = sum_fold(len + IPPROTO_TCP);

	if (f->ip == 4 && sum_bytes(0, ip, f->l4 - f->l3) != 0xffff)
		return false;
	if (f->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		return true;
	sum = f->ip == 4 ? sum_bytes(sum, ip + 12, 8) : sum_bytes(sum, ip + 8, 32);
	return sum_bytes(sum, tcp, len) == 0xffff;
}

static void ends_of(const struct frame *f, struct endpoint *node, struct endpoint *to)
{
	const unsigned char *ip = frame_bytes(f) + f->l3, *tcp = frame_bytes(f) + f->l4;
	uint32_t len = f->ip == 4 ? 4 : 16, at = f->ip == 4 ? 12 : 8;

	*node = *to = (struct endpoint){ .family = f->ip == 4 ? AF_INET : AF_INET6 };
	memcpy(node->addr, ip + at, len);
	memcpy(to->addr, ip + at + len, len);
	node->port = get16(tcp);
	to->port = get16(tcp + 2);
}

/* That it has left. */
static uint8_t hops(const struct frame *f)
{
	return frame_bytes(f)[f->l3 + (f->ip == 4 ? 8 : 7)];
}

static void on_frame(struct relay *r, struct frame *f)
{
	struct endpoint node, to;
	struct frame *whole;

	frame_parse(f);
	if (!f->ip || f->protocol != IPPROTO_TCP || f->fragment || f->kind != FRAME_SINGLE ||
	    f->headers == f->l4 || !checks(f))
		return;
	ends_of(f, &node, &to);
	if (frame_bytes(f)[f->l4 + TCP_FLAGS_AT] & TCP_RST) {
		on_rst(r, f, &node, &to);
		return;
	}
	if (hops(f) <= 1) {
		relay_tcp_exceeded(r, &node, &to, frame_bytes(f) + f->l4, frame_ip_end(f) - f->l4);
		return;
	}
	whole = frame_extract(&r->frames, f, 0); /* with its checksum */
	if (!whole)
		return;
	on_syn(r, whole, &node, &to);
	frame_put(&r->frames, whole);
}

static void tap_ready(struct loop *loop, struct io *io, uint32_t events)
{
	struct relay *r = container_of(io, struct relay_io, io)->relay;

	for (int i = 0; i < READS_A_WAKEUP; i++) {
		struct frame *f = frame_get(&r->frames, POOL_SMALL);
		ssize_t n = -1;

		if (f) {
			struct iovec iov[] = { { &f->vnet, sizeof(f->vnet) },
					       { frame_eth(f), frame_space(POOL_SMALL) } };
			struct msghdr msg = { .msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov) };

			n = recvmsg(io->fd, &msg, MSG_DONTWAIT);
			if (n >= (ssize_t)sizeof(f->vnet) && !(msg.msg_flags & MSG_TRUNC)) {
				f->len = (uint32_t)n - (uint32_t)sizeof(f->vnet);
				on_frame(r, f);
			}
			frame_put(&r->frames, f);
		}
		if (n < 0)
			return;
	}
}

static void carried_gone(struct pair *pair)
{
	flow_free(container_of(pair, struct relay_flow, pair));
}

static void accepted(struct loop *loop, struct acceptor *acceptor, int fd)
{
	struct relay *r = container_of(acceptor->room, struct relay, accepts);
	struct sockaddr_storage peer, own;
	socklen_t peer_len = sizeof(peer), own_len = sizeof(own);
	struct endpoint node, to;
	struct relay_flow *f;
	int outside;

	room_give_back(loop, &r->accepts); /* flows are counted from the SYN on */
	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&own, &own_len) < 0) {
		socket_abort(fd);
		return;
	}
	node = endpoint_of(&peer);
	to = endpoint_of(&own);
	f = find(r, &node, &to);
	if (!f || f->state != FLOW_ANSWERED) {
		socket_abort(fd);
		return;
	}
	timer_stop(loop, &f->handshake);
	outside = f->outside.fd;
	io_mute(loop, &f->outside);
	f->outside.fd = -1;
	f->state = FLOW_CARRIED;
	f->pair.gone = carried_gone;
	pair_start(&r->pairs, &f->pair, (const int[]){ fd, outside }, false);
}

int relay_tcp_open(struct relay *r)
{
	int result;

	r->tap =
		(struct relay_io){ .io = { .fd = r->sockets.tap, .ready = tap_ready }, .relay = r };
	result = io_want(r->loop, &r->tap.io, EPOLLIN);
	room_init(&r->accepts, r->max_flows);
	for (int i = 0; result >= 0 && i < RELAY_FAMILIES; i++) {
		if (r->sockets.tcp[i] < 0)
			continue;
		r->tcp[i].accepted = accepted;
		result = acceptor_start(r->loop, &r->tcp[i], &r->accepts, r->sockets.tcp[i]);
	}
	return result;
}

void relay_tcp_close(struct relay *r)
{
	for (int i = 0; i < RELAY_FAMILIES; i++) {
		if (!r->tcp[i].accepted)
			continue;
		timer_stop(r->loop, &r->tcp[i].pause);
		io_close(r->loop, &r->tcp[i].io);
	}
	for (unsigned i = 0; i < RELAY_BUCKETS; i++) {
		struct relay_flow *f = LIST_FIRST(&r->flows[i]), *next;

		for (; f; f = next) {
			next = LIST_NEXT(f, link);
			if (f->state != FLOW_CARRIED)
				flow_free(f);
		}
	}
	io_close(r->loop, &r->tap.io);
}
