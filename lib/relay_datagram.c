/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP and echo requests. A mapping joins one source in the node (its address and port, or
 * echo identifier) to one socket outside, whatever the destinations: mapping and filtering are
 * independent of the endpoint (RFC 4787, 4.1 and 5), and a mapping ends when it was silent for
 * RELAY_UDP_NS or RELAY_ECHO_NS. What comes back is written with the address of
 * its sender by raw sockets, for which the gateway's kernel makes the IP header and fragments.
 *
 * Errors that come back outside (RFC 792, RFC 4443) are told to the node with the address of
 * who answered. The time to live goes down by one, as at any router, so that paths can be traced.
 * Ping sockets have an identifier of the kernel's choice (ping(7) of net/ipv4/ping.c):
 * the node's own is put back.
 */
#include <errno.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "relay.h"
#include "util.h"

#define READS_A_WAKEUP 64
#define ICMP_LEN 8
#define UDP_LEN 8
#define IP4_LEN 20
#define IP6_LEN 40
#define HEAD_ROOM 64 /* in relay->buf, before what was received: for headers */
#define QUOTE_MAX 512 /* bytes of a datagram's payload that an error quotes */
#define HOPS 64

enum kind { UDP, ECHO, TCP };

struct relay_mapping {
	LIST_ENTRY(relay_mapping) link;
	TAILQ_ENTRY(relay_mapping) age;
	struct relay *relay;
	enum kind kind;
	struct endpoint node; /* its port, or echo identifier */
	struct io io; /* outside */
	bool whole; /* sends nothing in fragments */
	struct timer silent;
};

static int family_index(const struct endpoint *e)
{
	return e->family == AF_INET6 ? RELAY_V6 : RELAY_V4;
}

static void mapping_free(struct relay_mapping *m)
{
	struct relay *r = m->relay;

	timer_stop(r->loop, &m->silent);
	io_close(r->loop, &m->io);
	LIST_REMOVE(m, link);
	TAILQ_REMOVE(&r->oldest, m, age);
	r->nmappings--;
	free(m);
}

static void mapping_used(struct relay_mapping *m)
{
	struct relay *r = m->relay;

	timer_set(r->loop, &m->silent, m->kind == UDP ? TIMER_UDP : TIMER_ECHO);
	TAILQ_REMOVE(&r->oldest, m, age);
	TAILQ_INSERT_TAIL(&r->oldest, m, age);
}

static void silent(struct loop *loop, struct timer *timer)
{
	mapping_free(container_of(timer, struct relay_mapping, silent));
}

/* --------------------------------------------------------------- to the node */

/* The sum of a pseudo header (RFC 9293, 3.1; RFC 8200, 8.1). */
static uint16_t pseudo_sum(const struct endpoint *a, const struct endpoint *b, uint8_t protocol,
			   size_t len)
{
	uint16_t sum = sum_fold((uint32_t)len + protocol);

	sum = sum_bytes(sum, a->addr, endpoint_addr_len(a));
	return sum_bytes(sum, b->addr, endpoint_addr_len(b));
}

/* @udp: room for the header, then @d->len - UDP_LEN bytes of payload. */
static void send_udp(struct relay *r, unsigned char *udp, const struct dgram *d)
{
	struct dgram raw = *d;
	uint16_t sum;

	put16(udp, d->from.port);
	put16(udp + 2, d->to.port);
	put16(udp + 4, (uint16_t)d->len);
	put16(udp + 6, 0);
	sum = sum_bytes(pseudo_sum(&d->from, &d->to, IPPROTO_UDP, d->len), udp, (uint32_t)d->len);
	put16(udp + 6, sum == 0xffff ? sum : (uint16_t)~sum); /* 0 is none (RFC 768) */
	raw.to.port = 0; /* which would be another protocol (ipv6(7)) */
	dgram_send(r->sockets.raw_udp[family_index(&d->to)], udp, &raw);
}

/* The kernel makes the checksum of ICMPv6. */
static void send_icmp(struct relay *r, unsigned char *icmp, const struct dgram *d)
{
	put16(icmp + 2, 0);
	if (d->to.family == AF_INET)
		put16(icmp + 2, (uint16_t)~sum_bytes(0, icmp, (uint32_t)d->len));
	dgram_send(r->sockets.icmp[family_index(&d->to)], icmp, d);
}

/* An IP header as the node had written it, for an error to quote. */
static size_t put_ip(unsigned char *ip, const struct endpoint *from, const struct endpoint *to,
		     uint8_t protocol, size_t len)
{
	if (to->family == AF_INET6) {
		put32(ip, 6u << 28);
		put16(ip + 4, (uint16_t)len);
		ip[6] = protocol;
		ip[7] = HOPS;
		memcpy(ip + 8, from->addr, 16);
		memcpy(ip + 24, to->addr, 16);
		return IP6_LEN;
	}
	memset(ip, 0, IP4_LEN);
	ip[0] = 0x45;
	put16(ip + 2, (uint16_t)(IP4_LEN + len));
	ip[8] = HOPS;
	ip[9] = protocol;
	memcpy(ip + 12, from->addr, 4);
	memcpy(ip + 16, to->addr, 4);
	put16(ip + 10, (uint16_t)~sum_bytes(0, ip, IP4_LEN));
	return IP4_LEN;
}

/* What the node had sent: @l4 with its header, @len of it. */
struct quoted {
	enum kind kind;
	struct endpoint node, to;
	const unsigned char *l4;
	size_t len; /* of the original */
};

struct icmp_error {
	struct endpoint from; /* family 0: the gateway */
	uint8_t type, code;
	uint32_t info;
};

static void send_error(struct relay *r, const struct icmp_error *e, const struct quoted *q)
{
	static const uint8_t protocols[][2] = { [UDP] = { IPPROTO_UDP, IPPROTO_UDP },
						[ECHO] = { IPPROTO_ICMP, IPPROTO_ICMPV6 },
						[TCP] = { IPPROTO_TCP, IPPROTO_TCP } };
	unsigned char buf[ICMP_LEN + IP6_LEN + QUOTE_MAX] = { 0 };
	struct dgram d = { .from = e->from, .to = q->node };
	size_t quote = q->len < QUOTE_MAX ? q->len : QUOTE_MAX, at = ICMP_LEN;

	d.to.port = 0;
	buf[0] = e->type;
	buf[1] = e->code;
	put32(buf + 4, e->info);
	at += put_ip(buf + at, &q->node, &q->to, protocols[q->kind][family_index(&q->to)], q->len);
	memcpy(buf + at, q->l4, quote);
	d.len = at + quote;
	send_icmp(r, buf, &d);
}

enum what { NO_ROUTE, UNREACHABLE, PROHIBITED, EXCEEDED };

static struct icmp_error own_error(uint16_t family, enum what what)
{
	static const uint8_t v4[][2] = { [NO_ROUTE] = { 3, 0 },
					 [UNREACHABLE] = { 3, 1 },
					 [PROHIBITED] = { 3, 13 },
					 [EXCEEDED] = { 11, 0 } },
			     v6[][2] = { [NO_ROUTE] = { 1, 0 },
					 [UNREACHABLE] = { 1, 3 },
					 [PROHIBITED] = { 1, 1 },
					 [EXCEEDED] = { 3, 0 } };
	const uint8_t *e = family == AF_INET6 ? v6[what] : v4[what];

	return (struct icmp_error){ .type = e[0], .code = e[1] };
}

void relay_tcp_exceeded(struct relay *r, const struct endpoint *node, const struct endpoint *to,
			const unsigned char *tcp, size_t len)
{
	const struct quoted q = { .kind = TCP, .node = *node, .to = *to, .l4 = tcp, .len = len };
	struct icmp_error e = own_error(to->family, EXCEEDED);

	send_error(r, &e, &q);
}

static void tell_errno(struct relay *r, int error, const struct quoted *q)
{
	static const struct {
		int error;
		enum what what;
	} answers[] = {
		{ ENETUNREACH, NO_ROUTE },     { EADDRNOTAVAIL, NO_ROUTE },
		{ EHOSTUNREACH, UNREACHABLE }, { EACCES, PROHIBITED },
		{ EPERM, PROHIBITED },	       { EINVAL, PROHIBITED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct icmp_error e = own_error(q->to.family, answers[i].what);

		if (answers[i].error == error)
			send_error(r, &e, q);
	}
}

/* ------------------------------------------------------------- from outside */

static void on_error(struct relay_mapping *m, const struct dgram_error *e, unsigned char *payload)
{
	struct relay *r = m->relay;
	struct quoted q = {
		.kind = m->kind, .node = m->node, .to = e->to, .l4 = payload, .len = e->len
	};
	struct icmp_error answer = {
		.from = e->offender, .type = e->type, .code = e->code, .info = e->info
	};

	if (!e->type || !e->to.family)
		return;
	relay_disguise(&r->policy, &q.to);
	relay_disguise(&r->policy, &answer.from);
	answer.from.port = 0;
	if (m->kind == ECHO) {
		if (e->len >= ICMP_LEN)
			put16(payload + 4, m->node.port);
	} else {
		q.l4 = payload - UDP_LEN;
		q.len += UDP_LEN;
		put16(payload - 8, m->node.port);
		put16(payload - 6, q.to.port);
		put16(payload - 4, (uint16_t)q.len);
		put16(payload - 2, 0);
	}
	send_error(r, &answer, &q);
}

static void on_answer(struct relay_mapping *m, struct dgram *d, unsigned char *payload)
{
	struct relay *r = m->relay;

	relay_disguise(&r->policy, &d->from);
	d->to = m->node;
	d->ttl = 0;
	if (m->kind == UDP) {
		d->len += UDP_LEN;
		if (d->len <= UINT16_MAX)
			send_udp(r, payload - UDP_LEN, d);
		return;
	}
	if (d->len < ICMP_LEN)
		return;
	put16(payload + 4, m->node.port);
	d->to.port = 0;
	send_icmp(r, payload, d);
}

static void outside_ready(struct loop *loop, struct io *io, uint32_t events)
{
	struct relay_mapping *m = container_of(io, struct relay_mapping, io);
	struct relay *r = m->relay;
	unsigned char *payload = r->buf + HEAD_ROOM;
	const size_t room = sizeof(r->buf) - HEAD_ROOM;
	struct dgram_error e;
	struct dgram d;
	int result;

	for (int i = 0; i < READS_A_WAKEUP && (events & EPOLLERR); i++) {
		if (dgram_receive_error(io->fd, payload, room, &e) < 0)
			break;
		on_error(m, &e, payload);
	}
	for (int i = 0; i < READS_A_WAKEUP; i++) {
		result = dgram_receive(io->fd, payload, room, &d);
		if (result == -EAGAIN)
			return;
		if (result < 0 || !d.from.family)
			continue; /* an error that the queue tells */
		mapping_used(m);
		on_answer(m, &d, payload);
	}
}

/* --------------------------------------------------------------- from the node */

/*
 * What came in one packet may not be cut up on the way: the node's kernel had it so (DF of IPv4),
 * or does not know better (IPv6). What came in fragments goes on in fragments.
 */
static void set_fragments(struct relay_mapping *m, bool fragments)
{
	const bool v6 = m->node.family == AF_INET6;
	const int how = fragments ? (v6 ? IPV6_PMTUDISC_WANT : IP_PMTUDISC_WANT)
				  : (v6 ? IPV6_PMTUDISC_DO : IP_PMTUDISC_DO);

	if (m->whole == !fragments)
		return;
	setsockopt(m->io.fd, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &how,
		   sizeof(how));
	m->whole = !fragments;
}

static int open_outside(enum kind kind, uint16_t family)
{
	int protocol = kind == UDP ? 0 : family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol), r;

	if (fd < 0)
		return -errno;
	r = dgram_prepare_outside(fd, family);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static struct relay_mapping *mapping_find(struct relay *r, enum kind kind,
					  const struct endpoint *node)
{
	struct relay_mapping *m;

	LIST_FOREACH(m, &r->mappings[relay_bucket(node, NULL)], link)
	{
		if (m->kind == kind && memcmp(&m->node, node, sizeof(*node)) == 0)
			return m;
	}
	return NULL;
}

/* The source's mapping, made if there is none; NULL when it cannot be. */
static struct relay_mapping *mapping_get(struct relay *r, enum kind kind,
					 const struct endpoint *node)
{
	struct relay_mapping *m = mapping_find(r, kind, node);
	int fd;

	if (m)
		return m;
	if (r->nmappings == r->max_mappings)
		mapping_free(TAILQ_FIRST(&r->oldest));
	m = calloc(1, sizeof(*m));
	fd = m ? open_outside(kind, node->family) : -ENOMEM;
	if (fd < 0) {
		if (fd == -EACCES)
			relay_remark(r, SERVE_NO_PING);
		free(m);
		return NULL;
	}
	*m = (struct relay_mapping){ .relay = r,
				     .kind = kind,
				     .node = *node,
				     .io = { .fd = fd, .ready = outside_ready },
				     .silent = { .fire = silent } };
	LIST_INSERT_HEAD(&r->mappings[relay_bucket(node, NULL)], m, link);
	TAILQ_INSERT_TAIL(&r->oldest, m, age);
	r->nmappings++;
	if (io_want(r->loop, &m->io, EPOLLIN) == 0)
		return m;
	mapping_free(m);
	return NULL;
}

/* It is longer than what the host knows of the path: the kernel has put the length into the queue,
 * and the datagram's port and bytes it leaves out. */
static void tell_too_big(struct relay *r, struct relay_mapping *m, const struct quoted *q)
{
	struct icmp_error answer = { .type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED };
	struct dgram_error e = { 0 };
	unsigned char payload[64];

	if (q->to.family == AF_INET6)
		answer = (struct icmp_error){ .type = ICMPV6_PKT_TOOBIG };
	while (!answer.info && dgram_receive_error(m->io.fd, payload, sizeof(payload), &e) == 0)
		answer.info = e.type ? 0 : e.info;
	if (answer.info)
		send_error(r, &answer, q);
}

/*
 * Carry @q, whose own payload is the last @len bytes of what it quotes, with the time to live that
 * it came with.
 */
static void carry(struct relay *r, const struct quoted *q, const struct dgram *d, size_t len)
{
	struct dgram out = { .to = q->to, .tos = d->tos, .len = len };
	enum relay_verdict verdict = relay_judge(&r->policy, &out.to);
	struct relay_mapping *m;
	struct icmp_error e;
	int result = -EINTR;

	if (verdict == RELAY_IGNORE)
		return;
	if (verdict == RELAY_PROHIBIT || d->ttl == 1) {
		e = own_error(q->to.family, verdict == RELAY_PROHIBIT ? PROHIBITED : EXCEEDED);
		send_error(r, &e, q);
		return;
	}
	m = mapping_get(r, q->kind, &q->node);
	if (!m)
		return;
	mapping_used(m);
	out.ttl = d->ttl ? d->ttl - 1 : HOPS;
	set_fragments(m, d->fragments);
	/* The first attempt may tell an error of an earlier one. */
	for (int i = 0; i < 2 && result < 0 && result != -EAGAIN && result != -EMSGSIZE; i++)
		result = dgram_send(m->io.fd, q->l4 + (q->len - len), &out);
	if (result == -EMSGSIZE)
		tell_too_big(r, m, q);
	else if (result < 0)
		tell_errno(r, -result, q);
}

static void udp_ready(struct loop *loop, struct io *io, uint32_t events)
{
	struct relay *r = container_of(io, struct relay_io, io)->relay;
	unsigned char *payload = r->buf + HEAD_ROOM;
	struct dgram d;

	for (int i = 0; i < READS_A_WAKEUP; i++) {
		int result = dgram_receive(io->fd, payload, sizeof(r->buf) - HEAD_ROOM, &d);
		struct quoted q = { .kind = UDP, .l4 = payload - UDP_LEN };

		if (result == -EAGAIN)
			return;
		if (result < 0 || !d.from.family || d.from.family != d.to.family)
			continue;
		q.node = d.from;
		q.to = d.to;
		q.len = d.len + UDP_LEN;
		put16(payload - 8, d.from.port);
		put16(payload - 6, d.to.port);
		put16(payload - 4, (uint16_t)q.len);
		put16(payload - 2, 0);
		carry(r, &q, &d, d.len);
	}
}

/* Of IPv4 the socket gives the whole packet; returns where its payload begins, or NULL. */
static unsigned char *strip_ip4(unsigned char *ip, struct dgram *d)
{
	size_t header = d->len ? (size_t)(ip[0] & 15) * 4 : 0;

	if (d->len < IP4_LEN || header < IP4_LEN || header > d->len)
		return NULL;
	/* A raw socket gets them unchecked, and the link may be told to corrupt. */
	if (sum_bytes(0, ip + header, (uint32_t)(d->len - header)) != 0xffff)
		return NULL;
	d->to = (struct endpoint){ .family = AF_INET };
	memcpy(d->to.addr, ip + 16, 4);
	d->tos = ip[1];
	d->ttl = ip[8];
	d->len -= header;
	return ip + header;
}

static void echo_ready(struct loop *loop, struct io *io, uint32_t events)
{
	const struct relay_io *rio = container_of(io, struct relay_io, io);
	const uint8_t request = rio->family == RELAY_V4 ? ICMP_ECHO : ICMPV6_ECHO_REQUEST;
	struct relay *r = rio->relay;
	struct dgram d;

	for (int i = 0; i < READS_A_WAKEUP; i++) {
		unsigned char *icmp = r->buf + HEAD_ROOM;
		int result = dgram_receive(io->fd, icmp, sizeof(r->buf) - HEAD_ROOM, &d);
		struct quoted q = { .kind = ECHO };

		if (result == -EAGAIN)
			return;
		if (result == 0 && rio->family == RELAY_V4)
			icmp = strip_ip4(icmp, &d);
		if (result < 0 || !icmp || !d.to.family || d.from.family != d.to.family ||
		    d.len < ICMP_LEN || icmp[0] != request || icmp[1] != 0)
			continue;
		q.node = d.from;
		q.node.port = get16(icmp + 4);
		q.to = d.to;
		q.to.port = 0;
		q.l4 = icmp;
		q.len = d.len;
		carry(r, &q, &d, d.len);
	}
}

/* ------------------------------------------------------------------- shell */

static int watch(struct relay *r, struct relay_io *io, int fd, int family,
		 void (*ready)(struct loop *loop, struct io *io, uint32_t events))
{
	*io = (struct relay_io){ .io = { .fd = fd, .ready = ready }, .relay = r, .family = family };
	return fd < 0 ? 0 : io_want(r->loop, &io->io, EPOLLIN);
}

int relay_datagram_open(struct relay *r)
{
	int result = 0;

	for (int i = 0; result >= 0 && i < RELAY_FAMILIES; i++) {
		result = watch(r, &r->udp[i], r->sockets.udp[i], i, udp_ready);
		if (result >= 0)
			result = watch(r, &r->icmp[i], r->sockets.icmp[i], i, echo_ready);
	}
	return result;
}

void relay_datagram_close(struct relay *r)
{
	while (!TAILQ_EMPTY(&r->oldest))
		mapping_free(TAILQ_FIRST(&r->oldest));
	for (int i = 0; i < RELAY_FAMILIES; i++) {
		if (r->udp[i].relay)
			io_close(r->loop, &r->udp[i].io);
		if (r->icmp[i].relay)
			io_close(r->loop, &r->icmp[i].io);
	}
}
