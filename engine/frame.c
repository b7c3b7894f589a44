/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A super-packet (virtio specification 1.2, section 5.1.6; the kernel's
 * include/linux/virtio_net.h and net/core/gso.c, udp_offload.c, tcp_offload.c) is one set of
 * headers and the payload of many wire packets. The kernel would cut it at
 * multiples of gso_size and give each piece the headers with some fields
 * stepped. A part of it, made here, has the headers that the kernel would have
 * given to the part's first wire packet, and lengths that cover the part, so cutting it
 * later yields the same wire packets, byte for byte:
 *
 *   IPv4 id + first; total length, header checksum: of the part
 *   IPv6 payload length: of the part
 *   TCP sequence + first * gso_size; FIN and PSH only with the last wire packet;
 *       CWR (and the virtio ECN bit) only with the first
 *   UDP length: of the part
 *   TCP and UDP checksum: it is partial, that is the sum over the pseudo header, which
 *       contains the length: the old length is taken out of the sum and the new one put in
 *   virtio: a part of one wire packet is no super-packet any more
 *
 * The header length in the virtio header is only a hint and not used. Where the
 * transport header begins is read from the frame's own headers and must agree
 * with csum_start: so a tunnel, whose inner packets would be cut, is left whole.
 */
#include "frame.h"

#include "bytes.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80
#define TCP_LEN 20
#define TCP_CSUM 16 /* offset of the checksum */
#define UDP_CSUM 6
#define UDP_LEN 8
#define ICMP_LEN 8
#define IP4_LEN 20
#define IP6_LEN 40
#define ECN_CE 3 /* in IPv4's second byte; IPv6 has it four bits further up in its second */

_Static_assert(offsetof(struct frame_head, bytes) == sizeof(struct virtio_net_hdr),
	       "virtio header and headers are one piece");

/* ------------------------------------------------------------------ memory */

struct frame *frame_get(struct pool *pool, enum pool_class class)
{
	struct frame *f = class < POOL_NCLASSES ? pool_get(pool, class) : NULL;

	if (!f)
		return NULL;
	memset(f, 0, sizeof(*f));
	f->refs = 1;
	f->class = (uint8_t) class;
	f->start = FRAME_ROOM;
	return f;
}

void frame_put(struct pool *pool, struct frame *f)
{
	if (!--f->refs)
		pool_put(pool, f->class, f);
}

uint32_t frame_space(enum pool_class class)
{
	return (uint32_t)(pool_class_size(class) - offsetof(struct frame, room) - FRAME_ROOM);
}

enum pool_class frame_class(uint32_t len)
{
	int class = POOL_SMALL;

	while (class < POOL_NCLASSES && len > frame_space(class))
		class ++;
	return class;
}

struct frame *frame_copy(struct pool *pool, const struct frame *f, enum pool_class class)
{
	struct frame *copy = pool_get(pool, class);

	if (!copy)
		return NULL;
	memcpy(copy, f, offsetof(struct frame, room) + f->start + f->len);
	copy->refs = 1;
	copy->class = (uint8_t) class;
	return copy;
}

void frame_put_vlan(struct frame *f, uint16_t tpid, uint16_t tci)
{
	unsigned char *eth;

	if (f->start < 4 || f->len < FRAME_ETH_LEN)
		return;
	f->start -= 4;
	f->len += 4;
	eth = frame_eth(f);
	memmove(eth, eth + 4, 12);
	put16(eth + 12, tpid);
	put16(eth + 14, tci);
	if (f->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		f->vnet.csum_start += 4;
	if (f->vnet.hdr_len)
		f->vnet.hdr_len += 4;
}

/* ----------------------------------------------------------------- parsing */

/* What the headers say. */
struct headers {
	uint16_t ethertype;
	uint8_t protocol; /* above IP and its extension headers */
	bool fragment, later_fragment;
	uint32_t l3, l4;
	uint32_t end; /* where the IP packet ends by its own length field */
};

static bool parse_eth(const struct frame *f, struct headers *h)
{
	const unsigned char *eth = frame_bytes(f);
	uint32_t at = 12;

	if (f->len < FRAME_ETH_LEN)
		return false;
	h->ethertype = get16(eth + at);
	while (h->ethertype == ETH_P_8021Q || h->ethertype == ETH_P_8021AD) {
		at += 4;
		if (f->len < at + 2 || at + 2 > UINT16_MAX)
			return false;
		h->ethertype = get16(eth + at);
	}
	h->l3 = at + 2;
	return true;
}

static bool parse_ip4(const struct frame *f, struct headers *h)
{
	const unsigned char *ip = frame_bytes(f) + h->l3;
	uint32_t header;

	if (f->len < h->l3 + IP4_LEN || ip[0] >> 4 != 4)
		return false;
	header = (ip[0] & 15u) * 4;
	if (header < IP4_LEN || f->len < h->l3 + header)
		return false;
	h->fragment = get16(ip + 6) & 0x3fff; /* more fragments, or an offset */
	h->later_fragment = get16(ip + 6) & 0x1fff;
	h->protocol = ip[9];
	h->l4 = h->l3 + header;
	h->end = h->l3 + get16(ip + 2);
	return true;
}

static bool is_extension(uint8_t protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_FRAGMENT;
}

static bool parse_ip6(const struct frame *f, struct headers *h)
{
	const unsigned char *ip = frame_bytes(f) + h->l3;
	uint32_t at = h->l3 + IP6_LEN;

	if (f->len < at || ip[0] >> 4 != 6)
		return false;
	h->protocol = ip[6];
	h->end = at + get16(ip + 4);
	while (is_extension(h->protocol) && !h->later_fragment) {
		const unsigned char *ext = frame_bytes(f) + at;
		bool fragment = h->protocol == IPPROTO_FRAGMENT;

		if (f->len < at + 8)
			return false;
		if (fragment)
			h->later_fragment = get16(ext + 2) & 0xfff8;
		h->fragment |= fragment;
		at += fragment ? 8 : (ext[1] + 1u) * 8;
		h->protocol = ext[0];
		if (f->len < at)
			return false;
	}
	h->l4 = at;
	return true;
}

static bool parse_ip(const struct frame *f, struct headers *h)
{
	bool ip = h->ethertype == ETH_P_IP     ? parse_ip4(f, h)
		  : h->ethertype == ETH_P_IPV6 ? parse_ip6(f, h)
					       : false;

	return ip && h->l4 <= UINT16_MAX;
}

/* Multicast listener and neighbour discovery messages (RFC 2710, 3810, 4861). */
static bool is_exempt_icmp6(const struct frame *f, const struct headers *h)
{
	uint8_t type;

	if (h->protocol != IPPROTO_ICMPV6 || h->fragment || f->len <= h->l4)
		return false;
	type = frame_bytes(f)[h->l4];
	return (type >= 130 && type <= 137) || type == 143;
}

static bool is_exempt(const struct frame *f, const struct headers *h, bool ip)
{
	if (h->ethertype == ETH_P_ARP)
		return true;
	if (!ip)
		return false;
	return h->ethertype == ETH_P_IP ? h->protocol == IPPROTO_IGMP : is_exempt_icmp6(f, h);
}

/* Every kind that can be cut, and what its virtio and IP headers must say. */
static const struct cut_row {
	uint8_t gso_type;
	uint16_t ethertype;
	uint8_t protocol;
	uint8_t csum_offset;
	uint8_t kind;
} cut_rows[] = {
	{ VIRTIO_NET_HDR_GSO_TCPV4, ETH_P_IP, IPPROTO_TCP, TCP_CSUM, FRAME_TCP4 },
	{ VIRTIO_NET_HDR_GSO_TCPV6, ETH_P_IPV6, IPPROTO_TCP, TCP_CSUM, FRAME_TCP6 },
	{ VIRTIO_NET_HDR_GSO_UDP_L4, ETH_P_IP, IPPROTO_UDP, UDP_CSUM, FRAME_UDP4 },
	{ VIRTIO_NET_HDR_GSO_UDP_L4, ETH_P_IPV6, IPPROTO_UDP, UDP_CSUM, FRAME_UDP6 },
};

static const struct cut_row *find_cut_row(const struct frame *f, const struct headers *h)
{
	uint8_t type = f->vnet.gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;

	for (size_t i = 0; i < sizeof(cut_rows) / sizeof(cut_rows[0]); i++) {
		const struct cut_row *row = &cut_rows[i];

		if (row->gso_type == type && row->ethertype == h->ethertype &&
		    row->protocol == h->protocol)
			return row;
	}
	return NULL;
}

/* Length of the transport header; 0 when it is not known or not whole. */
static uint32_t transport_len(const struct frame *f, const struct headers *h)
{
	uint32_t end = h->end < f->len ? h->end : f->len;
	uint32_t have = end > h->l4 ? end - h->l4 : 0;
	uint32_t len = 0;

	if (h->later_fragment)
		return 0;
	if (h->protocol == IPPROTO_TCP && have >= TCP_LEN) {
		len = (frame_bytes(f)[h->l4 + 12] >> 4) * 4u;
		len = len >= TCP_LEN ? len : 0;
	} else if (h->protocol == IPPROTO_UDP) {
		len = UDP_LEN;
	} else if (h->protocol == IPPROTO_ICMP || h->protocol == IPPROTO_ICMPV6) {
		len = ICMP_LEN;
	}
	return len <= have ? len : 0;
}

/* Make it a frame that is cut, when everything about it is as it should be. */
static bool parse_cut(struct frame *f, const struct headers *h)
{
	const struct cut_row *row = find_cut_row(f, h);
	uint32_t headers, payload;

	if (!row || h->fragment || h->end != f->len)
		return false;
	if (!(f->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || f->vnet.csum_start != h->l4 ||
	    f->vnet.csum_offset != row->csum_offset || !f->vnet.gso_size)
		return false;
	headers = h->l4 + transport_len(f, h);
	if (headers == h->l4 || headers > FRAME_HEADERS_MAX || headers >= f->len)
		return false;
	if (h->protocol == IPPROTO_UDP && get16(frame_bytes(f) + h->l4 + 4) != f->len - h->l4)
		return false;
	payload = f->len - headers;
	f->kind = row->kind;
	f->headers = (uint16_t)headers;
	f->segment = f->vnet.gso_size;
	f->units = (payload + f->segment - 1) / f->segment;
	f->each = 1;
	return true;
}

/* One unit. As many wire packets as its sizes let the kernel make of it. */
static void parse_whole(struct frame *f)
{
	uint32_t headers = f->vnet.hdr_len < f->len ? f->vnet.hdr_len : f->len;
	uint32_t size = f->vnet.gso_size;

	f->kind = FRAME_WHOLE;
	f->headers = (uint16_t)headers;
	f->segment = 0;
	f->units = 1;
	f->each = size ? (f->len - headers + size - 1) / size : 1;
	if (!f->each)
		f->each = 1;
}

static void parse_single(struct frame *f, const struct headers *h)
{
	f->kind = FRAME_SINGLE;
	f->headers = f->ip ? (uint16_t)(h->l4 + transport_len(f, h)) : 0;
	f->segment = 0;
	f->units = f->each = 1;
}

static void keep_headers(struct frame *f, const struct headers *h, bool ip)
{
	f->l3 = (uint16_t)h->l3;
	f->l4 = ip ? (uint16_t)h->l4 : 0;
	f->ip = !ip ? 0 : h->ethertype == ETH_P_IP ? 4 : 6;
	f->protocol = ip ? h->protocol : 0;
	f->fragment = ip && h->fragment;
	f->later_fragment = ip && h->later_fragment;
}

void frame_parse(struct frame *f)
{
	struct headers h = { 0 };
	bool ip = parse_eth(f, &h) && parse_ip(f, &h);

	f->exempt = is_exempt(f, &h, ip);
	keep_headers(f, &h, ip);
	if (f->vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE)
		parse_single(f, &h);
	else if (!ip || !parse_cut(f, &h))
		parse_whole(f);
}

/* ----------------------------------------------------------------- lengths */

uint32_t frame_unit_len(const struct frame *f, uint32_t unit)
{
	if (f->units == 1)
		return f->len + (f->each - 1) * f->headers;
	if (unit + 1 < f->units)
		return f->headers + f->segment;
	return f->len - unit * f->segment;
}

uint64_t frame_wire_len(const struct frame *f, uint32_t first, uint32_t count)
{
	if (!count)
		return 0;
	return (uint64_t)(count - 1) * frame_unit_len(f, first) +
	       frame_unit_len(f, first + count - 1);
}

uint32_t frame_ip_end(const struct frame *f)
{
	const unsigned char *ip = frame_bytes(f) + f->l3;
	uint32_t end = f->ip == 4 ? f->l3 + get16(ip + 2) : f->l3 + IP6_LEN + get16(ip + 4);

	if (end > f->len || (f->ip == 6 && !get16(ip + 4))) /* 0: a jumbogram (RFC 2675) */
		return f->len;
	return end < f->l4 ? f->l4 : end;
}

/* ----------------------------------------------------------------- cutting */

static void set_ip4(unsigned char *ip, uint32_t header, uint32_t first, uint32_t len)
{
	put16(ip + 2, (uint16_t)len);
	put16(ip + 4, (uint16_t)(get16(ip + 4) + first));
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~sum_bytes(0, ip, header));
}

static void set_tcp(unsigned char *tcp, const struct frame *f, uint32_t first, uint32_t count)
{
	put32(tcp + 4, get32(tcp + 4) + first * f->segment);
	if (first + count < f->units)
		tcp[13] &= (unsigned char)~(TCP_FIN | TCP_PSH);
	if (first)
		tcp[13] &= (unsigned char)~TCP_CWR;
}

static void set_vnet(struct virtio_net_hdr *vnet, const struct frame *f, uint32_t first,
		     uint32_t count)
{
	vnet->hdr_len = f->headers;
	if (count == 1) {
		vnet->gso_type = VIRTIO_NET_HDR_GSO_NONE;
		vnet->gso_size = 0;
	} else if (first) {
		vnet->gso_type &= (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	}
}

static void set_ce(struct frame_head *head, const struct frame *f)
{
	unsigned char *ip = head->bytes + f->l3;
	uint16_t old = get16(ip), sum;

	ip[1] |= f->ip == 4 ? ECN_CE : ECN_CE << 4;
	if (f->ip == 4) {
		/* Not anew: a wrong checksum stays a wrong one. */
		sum = sum_exchange((uint16_t)~get16(ip + 10), old, get16(ip));
		put16(ip + 10, (uint16_t)~sum);
	}
}

/* The headers of a part; returns its payload's length. */
static uint32_t cut_part(const struct frame *f, uint32_t first, uint32_t count,
			 struct frame_head *head)
{
	uint32_t at = f->headers + first * f->segment;
	uint32_t len = first + count < f->units ? count * f->segment : f->len - at;
	uint32_t l4_len = f->headers - f->l4 + len;
	unsigned char *l3 = head->bytes + f->l3, *l4 = head->bytes + f->l4;
	bool tcp = f->protocol == IPPROTO_TCP;
	unsigned char *csum = l4 + (tcp ? TCP_CSUM : UDP_CSUM);

	set_vnet(&head->vnet, f, first, count);
	if (f->ip == 4)
		set_ip4(l3, f->l4 - f->l3, first, f->l4 - f->l3 + l4_len);
	else
		put16(l3 + 4, (uint16_t)(f->l4 - f->l3 - IP6_LEN + l4_len));
	if (tcp)
		set_tcp(l4, f, first, count);
	else
		put16(l4 + 4, (uint16_t)l4_len);
	put16(csum, sum_exchange(get16(csum), (uint16_t)(f->len - f->l4), (uint16_t)l4_len));
	return len;
}

static uint32_t ip_headers_end(const struct frame *f)
{
	return f->l3 + (f->ip == 4 ? IP4_LEN : IP6_LEN);
}

bool frame_ect(const struct frame *f)
{
	const unsigned char *ip = frame_bytes(f) + f->l3;

	if (!f->ip || ip_headers_end(f) > FRAME_HEADERS_MAX)
		return false;
	return ip[1] & (f->ip == 4 ? ECN_CE : ECN_CE << 4);
}

size_t frame_cut(const struct frame *f, uint32_t first, uint32_t count, unsigned flags,
		 struct frame_head *head, uint32_t *ret_payload, uint32_t *ret_len)
{
	bool cut = f->kind > FRAME_WHOLE;
	uint32_t headers = cut ? f->headers : ip_headers_end(f);

	memcpy(head, &f->vnet, sizeof(f->vnet));
	memcpy(head->bytes, frame_bytes(f), headers);
	*ret_payload = headers + first * f->segment;
	*ret_len = cut ? cut_part(f, first, count, head) : f->len - headers;
	if (flags & FRAME_CE)
		set_ce(head, f);
	return sizeof(head->vnet) + headers;
}
