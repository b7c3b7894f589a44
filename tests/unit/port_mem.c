/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See port_mem.h. The segmenter works on the kernel's header structures and counts checksums anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../heap_pool.h"
#include "port_mem.h"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* Headers lie at odd addresses. */
struct ip4_at {
	struct iphdr h;
} __attribute__((packed));
struct ip6_at {
	struct ip6_hdr h;
} __attribute__((packed));
struct tcp_at {
	struct tcphdr h;
} __attribute__((packed));
struct udp_at {
	struct udphdr h;
} __attribute__((packed));

const struct mem_spec mem_traffic[MEM_NTRAFFIC] = {
	{ .payload = 44000, .segment = 1000, .flags = 0x19, .id = 100 },
	{ .payload = 500 },
	{ .payload = 63500, .segment = 1448, .tcp_options = 12, .flags = 0x98, .ecn = true },
	{ .payload = 20001, .segment = 1400, .udp = true },
	{ .payload = 30000, .segment = 1428, .v6 = true, .flags = 0x18 },
	{ .payload = 1400, .udp = true, .v6 = true },
	{ .payload = 9000, .segment = 700, .udp = true, .v6 = true },
	{ .payload = 3000, .segment = 1000, .vlan = true, .ip_options = 8 },
};

static void put16(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
}

static uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* -------------------------------------------------------------- life, clock */

void mem_open(struct mem_port *m, size_t cap, uint64_t seed, uint32_t link, enum choppy_dir dir)
{
	memset(m, 0, sizeof(*m));
	heap_pool_init(&m->pool, cap);
	run_list_init(&m->out);
	m->pipe = pipe_new(&m->pool, seed, link, dir);
	assert_non_null(m->pipe);
}

void mem_forget(struct mem_port *m)
{
	for (size_t i = 0; i < m->npackets; i++)
		free(m->packets[i].bytes);
	free(m->packets);
	m->packets = NULL;
	m->npackets = m->nframes = 0;
}

void mem_close(struct mem_port *m)
{
	mem_forget(m);
	pipe_free(m->pipe);
	pool_done(&m->pool);
}

static void send_run(struct mem_port *m, struct run *run)
{
	struct frame *f = run->frame;
	struct frame_head head;
	uint32_t payload, len;
	size_t n;

	m->nframes++;
	m->last_frame = f;
	if (run->count == f->units && !(run->flags & FRAME_CE)) {
		mem_cut(m, &f->vnet, frame_bytes(f), f->len);
	} else {
		unsigned char *bytes;

		n = frame_cut(f, run->first, run->count, run->flags & FRAME_CE, &head, &payload,
			      &len) -
		    sizeof(head.vnet);
		bytes = malloc(n + len);
		memcpy(bytes, head.bytes, n);
		memcpy(bytes + n, frame_bytes(f) + payload, len);
		mem_cut(m, &head.vnet, bytes, (uint32_t)(n + len));
		free(bytes);
	}
	pipe_sent(m->pipe, run, m->now_ns);
}

static void send_all(struct mem_port *m)
{
	while (m->out.head)
		send_run(m, run_list_take(&m->out));
	pool_settle(&m->pool);
}

void mem_run(struct mem_port *m, uint64_t to_ns)
{
	for (;;) {
		uint64_t next_ns = pipe_next(m->pipe);

		if (next_ns > to_ns || next_ns == PIPE_NEVER)
			break;
		assert_true(next_ns >= m->now_ns);
		m->now_ns = next_ns;
		pipe_run(m->pipe, next_ns, next_ns, &m->out);
		send_all(m);
		assert_true(pipe_next(m->pipe) > next_ns);
	}
	m->now_ns = to_ns;
}

void mem_drain(struct mem_port *m)
{
	uint64_t next_ns;

	while ((next_ns = pipe_next(m->pipe)) != PIPE_NEVER)
		mem_run(m, next_ns);
}

void mem_feed(struct mem_port *m, struct frame *f, uint64_t at_ns)
{
	if (at_ns > m->now_ns)
		mem_run(m, at_ns);
	f->at_ns = at_ns;
	pipe_input(m->pipe, f, m->now_ns, &m->out);
	send_all(m);
}

void mem_set(struct mem_port *m, const struct choppy_condition *c)
{
	const struct pipe_plan plan = { .condition = c };

	mem_plan(m, &plan);
}

void mem_plan(struct mem_port *m, const struct pipe_plan *plan)
{
	assert_true(pipe_condition_sound(plan->condition));
	assert_int_equal(pipe_set(m->pipe, plan, m->now_ns, &m->out), 0);
	send_all(m);
}

void mem_check_sum(struct mem_port *m)
{
	struct choppy_counters c;
	uint64_t sum;

	pipe_counters(m->pipe, &c, NULL);
	sum = c.delivered + c.waiting;
	for (int i = 0; i < CHOPPY_NDROPS; i++)
		if (i != CHOPPY_DROP_RECEIVE)
			sum += c.dropped[i];
	assert_int_equal(c.packets, sum);
}

/* --------------------------------------------------------------- checksums */

static uint32_t sum_bytes(const unsigned char *p, uint32_t len, uint32_t sum)
{
	for (uint32_t i = 0; i < len; i++) {
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static uint32_t pseudo_sum(const unsigned char *l3, uint8_t protocol, uint32_t len)
{
	uint32_t sum = protocol + len;

	if (l3[0] >> 4 == 4)
		return sum_bytes(l3 + 12, 8, sum);
	return sum_bytes(l3 + 8, 32, sum);
}

void mem_ip4_sum(unsigned char *ip)
{
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~sum_bytes(ip, (ip[0] & 15u) * 4, 0));
}

bool mem_sums_right(const unsigned char *bytes, uint32_t len)
{
	uint32_t l3 = 14, l4, end;
	const unsigned char *ip;
	uint8_t protocol;

	while (bytes[l3 - 2] == 0x81 && bytes[l3 - 1] == 0)
		l3 += 4;
	ip = bytes + l3;
	if (ip[0] >> 4 == 4) {
		l4 = l3 + (ip[0] & 15u) * 4;
		end = l3 + get16(ip + 2);
		protocol = ip[9];
		if (sum_bytes(ip, l4 - l3, 0) != 0xffff)
			return false;
	} else {
		l4 = l3 + 40;
		end = l4 + get16(ip + 4);
		for (protocol = ip[6]; protocol == IPPROTO_DSTOPTS; l4 += 8 + bytes[l4 + 1] * 8u)
			protocol = bytes[l4];
	}
	if (end > len || l4 > end)
		return false;
	if (protocol == IPPROTO_UDP && get16(bytes + l4 + 6) == 0)
		return true;
	return sum_bytes(bytes + l4, end - l4,
			 protocol == IPPROTO_ICMP ? 0 : pseudo_sum(ip, protocol, end - l4)) ==
	       0xffff;
}

/* ------------------------------------------------------------------- making */

static uint32_t make_l3(const struct mem_spec *s, unsigned char *p, uint32_t l4_len)
{
	uint8_t protocol = s->udp ? IPPROTO_UDP : IPPROTO_TCP;

	if (s->v6) {
		struct ip6_at *ip = (void *)p;

		ip->h.ip6_flow = htonl(0x60000000 | (uint32_t)s->tos << 20);
		ip->h.ip6_plen = htons((uint16_t)(s->ip_options + l4_len));
		ip->h.ip6_nxt = s->ip_options ? IPPROTO_DSTOPTS : protocol;
		ip->h.ip6_hlim = 64;
		memset(&ip->h.ip6_src, 0x11, 16);
		memset(&ip->h.ip6_dst, 0x22, 16);
		if (s->ip_options) {
			p[40] = protocol;
			p[41] = (unsigned char)(s->ip_options / 8 - 1);
			memset(p + 42, 0, s->ip_options - 2u);
		}
		return 40u + s->ip_options;
	} else {
		struct ip4_at *ip = (void *)p;
		uint32_t header = 20u + s->ip_options;

		memset(p, 1, header); /* options: no operation */
		ip->h.version = 4;
		ip->h.ihl = header / 4;
		ip->h.tos = s->tos;
		ip->h.tot_len = htons((uint16_t)(header + l4_len));
		ip->h.id = htons(s->id);
		ip->h.frag_off = htons(s->may_fragment ? 0 : 0x4000);
		ip->h.ttl = 64;
		ip->h.protocol = protocol;
		ip->h.saddr = htonl(0x0a000001);
		ip->h.daddr = htonl(0x0a000002);
		ip->h.check = 0;
		ip->h.check = htons((uint16_t)~sum_bytes(p, header, 0));
		return header;
	}
}

static uint32_t make_l4(const struct mem_spec *s, unsigned char *p)
{
	if (s->udp) {
		struct udp_at *udp = (void *)p;

		udp->h.source = htons(1000);
		udp->h.dest = htons(2000);
		udp->h.len = htons((uint16_t)(8 + s->payload));
		return 8;
	} else {
		struct tcp_at *tcp = (void *)p;

		memset(p, 1, 20u + s->tcp_options); /* options: no operation */
		tcp->h.source = htons(1000);
		tcp->h.dest = htons(2000);
		tcp->h.seq = htonl(s->seq);
		tcp->h.doff = (5u + s->tcp_options / 4u) & 15u;
		p[13] = s->flags;
		return 20u + s->tcp_options;
	}
}

static uint8_t gso_type(const struct mem_spec *s)
{
	uint8_t type = s->udp  ? VIRTIO_NET_HDR_GSO_UDP_L4
		       : s->v6 ? VIRTIO_NET_HDR_GSO_TCPV6
			       : VIRTIO_NET_HDR_GSO_TCPV4;

	if (!s->segment)
		return VIRTIO_NET_HDR_GSO_NONE;
	return s->ecn ? type | VIRTIO_NET_HDR_GSO_ECN : type;
}

struct frame *mem_frame(struct mem_port *m, const struct mem_spec *s)
{
	static unsigned char bytes[70000];
	uint32_t l3 = s->vlan ? 18 : 14;
	uint32_t l4_header = s->udp ? 8 : 20u + s->tcp_options;
	uint32_t l4_len = l4_header + s->payload;
	unsigned char *l4, *csum;
	struct virtio_net_hdr vnet = { 0 };

	memset(bytes, 0xaa, 12);
	if (s->vlan)
		memcpy(bytes + 12, "\x81\x00\x00\x07", 4);
	memcpy(bytes + l3 - 2, s->v6 ? "\x86\xdd" : "\x08\x00", 2);
	l4 = bytes + l3 + make_l3(s, bytes + l3, l4_len);
	make_l4(s, l4);
	csum = l4 + (s->udp ? 6 : 16);
	memset(csum, 0, 2);
	for (uint32_t i = 0; i < s->payload; i++)
		l4[l4_header + i] = (unsigned char)((s->seq + i) * 31 + ((s->seq + i) >> 8));
	vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	vnet.gso_type = gso_type(s);
	vnet.gso_size = s->segment;
	vnet.hdr_len = (uint16_t)(l4 + l4_header - bytes);
	vnet.csum_start = (uint16_t)(l4 - bytes);
	vnet.csum_offset = s->udp ? 6 : 16;
	put16(csum, pseudo_sum(bytes + l3, s->udp ? IPPROTO_UDP : IPPROTO_TCP, l4_len));
	return mem_raw(m, &vnet, bytes, (uint32_t)(l4 - bytes) + l4_len);
}

struct frame *mem_raw(struct mem_port *m, const struct virtio_net_hdr *vnet,
		      const unsigned char *bytes, uint32_t len)
{
	struct frame *f = frame_get(&m->pool, POOL_LARGE);

	assert_non_null(f);
	assert_true(len <= frame_space(POOL_LARGE));
	f->vnet = *vnet;
	f->len = len;
	memcpy(frame_eth(f), bytes, len);
	frame_parse(f);
	return f;
}

/* ------------------------------------------------------------------ cutting */

static void add_packet(struct mem_port *m, const unsigned char *headers, uint32_t headers_len,
		       const unsigned char *payload, uint32_t payload_len)
{
	struct mem_packet *p;

	if (!(m->npackets & (m->npackets + 1)) || !m->packets)
		m->packets = realloc(m->packets, (2 * m->npackets + 2) * sizeof(*p));
	p = &m->packets[m->npackets++];
	p->at_ns = m->now_ns;
	p->len = headers_len + payload_len;
	p->bytes = malloc(p->len);
	memcpy(p->bytes, headers, headers_len);
	if (payload_len)
		memcpy(p->bytes + headers_len, payload, payload_len);
}

/* Fill in the checksum as a device would: over all from csum_start, over what stands there. */
static void finish_checksum(const struct virtio_net_hdr *v, unsigned char *bytes, uint32_t len)
{
	uint16_t sum = (uint16_t)~sum_bytes(bytes + v->csum_start, len - v->csum_start, 0);

	put16(bytes + v->csum_start + v->csum_offset, sum ? sum : 0xffff);
}

/* Where headers end and which they are, read afresh. */
struct found {
	uint32_t l3, l4, end;
	bool v6, udp;
};

static struct found find(const struct virtio_net_hdr *v, const unsigned char *bytes)
{
	struct found h = { .l3 = 14, .l4 = v->csum_start };

	if (bytes[12] == 0x81)
		h.l3 = 18;
	h.v6 = bytes[h.l3] >> 4 == 6;
	h.udp = v->csum_offset == 6;
	h.end = h.l4 + (h.udp ? 8 : ((const struct tcp_at *)(bytes + h.l4))->h.doff * 4u);
	return h;
}

/* The headers of segment @i, of @n bytes payload. */
static void step_headers(unsigned char *p, const struct found *h, uint32_t i, uint32_t segment,
			 uint32_t n, bool last)
{
	uint32_t l4_len = h->end - h->l4 + n;

	if (h->v6) {
		((struct ip6_at *)(p + h->l3))->h.ip6_plen =
			htons((uint16_t)(h->l4 - h->l3 - 40 + l4_len));
	} else {
		struct ip4_at *ip = (void *)(p + h->l3);

		ip->h.tot_len = htons((uint16_t)(h->l4 - h->l3 + l4_len));
		ip->h.id = htons((uint16_t)(ntohs(ip->h.id) + i));
		ip->h.check = 0;
		ip->h.check = htons((uint16_t)~sum_bytes(p + h->l3, ip->h.ihl * 4u, 0));
	}
	if (h->udp) {
		((struct udp_at *)(p + h->l4))->h.len = htons((uint16_t)l4_len);
	} else {
		struct tcp_at *tcp = (void *)(p + h->l4);

		tcp->h.seq = htonl(ntohl(tcp->h.seq) + i * segment);
		if (!last)
			tcp->h.fin = tcp->h.psh = 0;
		if (i)
			p[h->l4 + 13] &= 0x7f; /* CWR */
	}
}

/*
 * What the kernel relies on: lengths and IPv4 checksum of the frame as it is, and in
 * the transport checksum's place the pseudo header's sum.
 */
static void check_headers(const struct found *h, const unsigned char *bytes, uint32_t len)
{
	uint8_t protocol = h->udp ? IPPROTO_UDP : IPPROTO_TCP;
	uint32_t want = pseudo_sum(bytes + h->l3, protocol, len - h->l4);
	uint32_t have = get16(bytes + h->l4 + (h->udp ? 6 : 16));

	assert_int_equal(have % 0xffff, want % 0xffff);
	if (h->v6) {
		assert_int_equal(get16(bytes + h->l3 + 4), len - h->l3 - 40);
	} else {
		assert_int_equal(get16(bytes + h->l3 + 2), len - h->l3);
		assert_int_equal(sum_bytes(bytes + h->l3, h->l4 - h->l3, 0), 0xffff);
	}
	if (h->udp)
		assert_int_equal(get16(bytes + h->l4 + 4), len - h->l4);
}

void mem_cut(struct mem_port *m, const struct virtio_net_hdr *v, const unsigned char *bytes,
	     uint32_t len)
{
	bool known = v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM &&
		     v->csum_start + v->csum_offset + 2u <= len;
	struct found h;

	if (!known) {
		add_packet(m, bytes, len, NULL, 0);
		return;
	}
	h = find(v, bytes);
	if (h.end > len) {
		add_packet(m, bytes, len, NULL, 0);
		return;
	}
	check_headers(&h, bytes, len);
	for (uint32_t i = 0, at = h.end; i == 0 || at < len; i++) {
		uint32_t n = v->gso_size && len - at > v->gso_size ? v->gso_size : len - at;
		struct mem_packet *p;
		uint32_t l4_len = h.end - h.l4 + n;
		unsigned char *csum;

		add_packet(m, bytes, h.end, bytes + at, n);
		at += n;
		p = &m->packets[m->npackets - 1];
		step_headers(p->bytes, &h, i, v->gso_size, n, at == len);
		csum = p->bytes + h.l4 + v->csum_offset;
		put16(csum, pseudo_sum(p->bytes + h.l3, h.udp ? IPPROTO_UDP : IPPROTO_TCP, l4_len));
		finish_checksum(v, p->bytes, p->len);
	}
}
