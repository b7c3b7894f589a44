/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An ICMP error (RFC 792, RFC 1812 section 4.3.2; RFC 4443 section 3) is a type, a code, four
 * bytes of which "packet too big" uses two (RFC 1191, low half) or all, and as much of the
 * packet as the error may hold: 576 bytes of IPv4, 1280 of IPv6. None is sent about an ICMP
 * error, a later fragment, or what was sent to or from an address that is not one host's
 * (RFC 1122 section 3.2.2, RFC 4443 section 2.4). RFC 4443 would have "packet too big" sent for
 * a multicast packet; here it is not, as there is no address to send it from.
 *
 * A reset is what a closed port answers (RFC 9293 section 3.10.7.1): to a segment with ACK one
 * that begins at the number acknowledged; to one without, sequence 0 and an
 * acknowledgement of all that the segment occupies; to a reset nothing.
 */
#include "reply.h"

#include "bytes.h"
#include "edit.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#define IP4_LEN 20
#define IP6_LEN 40
#define TCP_LEN 20
#define ICMP_LEN 8
#define ERROR4_MAX 576
#define ERROR6_MAX 1280
#define HOP_LIMIT 64
#define DF 0x4000
#define NEXT_HEADER_AT 6
#define TOS_CONTROL 0xc0 /* precedence of errors (RFC 1812 section 4.3.2.5) */

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* What an error says. */
static const struct {
	uint8_t type4, code4, type6, code6;
} errors[] = {
	[REPLY_UNREACHABLE] = { 3, 1, 1, 3 }, [REPLY_PROHIBITED] = { 3, 13, 1, 1 },
	[REPLY_RESET] = { 3, 3, 1, 4 },	      [REPLY_NO_ROUTE] = { 3, 0, 1, 0 },
	[REPLY_NO_PROTOCOL] = { 3, 2, 4, 1 }, [REPLY_TOO_BIG] = { 3, 4, 2, 0 },
};

/* ----------------------------------------------------------- may it be sent? */

/* ICMP types that are questions or answers (IANA); any other might be an error. */
static bool is_icmp_query(uint8_t type)
{
	static const uint8_t queries[] = { 0, 8, 9, 10, 13, 14, 15, 16, 17, 18, 42, 43 };

	return memchr(queries, type, sizeof(queries));
}

/* From one host, and to one. */
static bool is_unicast4(const unsigned char *ip)
{
	return ip[12] != 0 && ip[12] != 127 && ip[12] < 224 && ip[16] < 224;
}

static bool is_unicast6(const unsigned char *ip)
{
	static const unsigned char zero[15];

	/* Neither the unspecified address nor loopback. */
	if (!memcmp(ip + 8, zero, 15) && ip[23] <= 1)
		return false;
	return ip[8] != 0xff && ip[24] != 0xff;
}

static bool may_answer(const struct frame *p)
{
	const unsigned char *eth = frame_bytes(p), *ip = eth + p->l3;
	uint8_t type = p->headers > p->l4 ? eth[p->l4] : 0;

	if (!p->ip || p->later_fragment || eth[0] & 1)
		return false;
	if (p->ip == 4 ? !is_unicast4(ip) : !is_unicast6(ip))
		return false;
	if (p->protocol != IPPROTO_ICMP && p->protocol != IPPROTO_ICMPV6)
		return true;
	if (p->headers == p->l4)
		return false;
	return p->protocol == IPPROTO_ICMP ? is_icmp_query(type) : type >= 128 && type != 137;
}

/* ------------------------------------------------------------------ making */

static uint32_t ip_len(const struct frame *p)
{
	return p->ip == 4 ? IP4_LEN : IP6_LEN;
}

static void put_ip4(unsigned char *ip, const unsigned char *of, uint8_t protocol, uint8_t tos,
		    uint32_t l4_len)
{
	memset(ip, 0, IP4_LEN);
	ip[0] = 0x45;
	ip[1] = tos;
	put16(ip + 2, (uint16_t)(IP4_LEN + l4_len));
	put16(ip + 6, DF);
	ip[8] = HOP_LIMIT;
	ip[9] = protocol;
	memcpy(ip + 12, of + 16, 4);
	memcpy(ip + 16, of + 12, 4);
	put16(ip + 10, (uint16_t)~sum_bytes(0, ip, IP4_LEN));
}

static void put_ip6(unsigned char *ip, const unsigned char *of, uint8_t protocol, uint32_t l4_len)
{
	put32(ip, 0x60000000);
	put16(ip + 4, (uint16_t)l4_len);
	ip[6] = protocol;
	ip[7] = HOP_LIMIT;
	memcpy(ip + 8, of + 24, 16);
	memcpy(ip + 24, of + 8, 16);
}

/* A frame back to the sender of @p, with room for @l4_len bytes behind its IP header. */
static struct frame *begin(struct pool *pool, const struct frame *p, uint8_t protocol, uint8_t tos,
			   uint32_t l4_len)
{
	uint32_t len = p->l3 + ip_len(p) + l4_len;
	const unsigned char *from = frame_bytes(p);
	struct frame *r = frame_get(pool, frame_class(len));
	unsigned char *eth;

	if (!r)
		return NULL;
	eth = frame_eth(r);
	r->len = len;
	r->at_ns = p->at_ns;
	memcpy(eth, from + ETH_ALEN, ETH_ALEN);
	memcpy(eth + ETH_ALEN, from, ETH_ALEN);
	memcpy(eth + 2 * ETH_ALEN, from + 2 * ETH_ALEN, p->l3 - 2 * ETH_ALEN);
	if (p->ip == 4)
		put_ip4(eth + p->l3, from + p->l3, protocol, tos, l4_len);
	else
		put_ip6(eth + p->l3, from + p->l3, protocol, l4_len);
	return r;
}

/* All is written but the transport checksum, in whose place there is 0. */
static struct frame *finish(struct frame *r, uint32_t csum_place)
{
	unsigned char *ip, *l4;
	uint16_t sum;

	frame_parse(r);
	r->exempt = true;
	ip = frame_eth(r) + r->l3;
	l4 = frame_eth(r) + r->l4;
	sum = (uint16_t)(r->protocol + r->len - r->l4);
	if (r->protocol == IPPROTO_ICMP)
		sum = 0;
	else if (r->ip == 4)
		sum = sum_bytes(sum, ip + 12, 8);
	else
		sum = sum_bytes(sum, ip + 8, 32);
	put16(l4 + csum_place, (uint16_t)~sum_bytes(sum, l4, r->len - r->l4));
	return r;
}

static struct frame *make_reset(struct pool *pool, const struct frame *p)
{
	const unsigned char *seg = frame_bytes(p) + p->l4;
	uint32_t occupies = frame_ip_end(p) - p->headers;
	struct frame *r;
	unsigned char *tcp;
	uint8_t flags;

	if (p->kind != FRAME_SINGLE || p->fragment || p->headers == p->l4)
		return NULL;
	flags = seg[13];
	if (flags & TCP_RST)
		return NULL;
	r = begin(pool, p, IPPROTO_TCP, 0, TCP_LEN);
	if (!r)
		return NULL;
	tcp = frame_eth(r) + p->l3 + ip_len(p);
	memset(tcp, 0, TCP_LEN);
	memcpy(tcp, seg + 2, 2);
	memcpy(tcp + 2, seg, 2);
	tcp[12] = TCP_LEN / 4 << 4;
	tcp[13] = TCP_RST;
	if (flags & TCP_ACK) {
		memcpy(tcp + 4, seg + 8, 4);
	} else {
		occupies += !!(flags & TCP_SYN) + !!(flags & TCP_FIN);
		put32(tcp + 8, get32(seg + 4) + occupies);
		tcp[13] |= TCP_ACK;
	}
	return finish(r, 16);
}

static struct frame *make_error(struct pool *pool, const struct frame *p, enum reply kind,
				uint32_t mtu)
{
	bool v4 = p->ip == 4;
	uint32_t room = (v4 ? ERROR4_MAX : ERROR6_MAX) - ip_len(p) - ICMP_LEN;
	uint32_t quote = frame_ip_end(p) - p->l3;
	struct frame *r;
	unsigned char *icmp;

	if (quote > room)
		quote = room;
	r = begin(pool, p, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, TOS_CONTROL, ICMP_LEN + quote);
	if (!r)
		return NULL;
	icmp = frame_eth(r) + p->l3 + ip_len(p);
	memset(icmp, 0, ICMP_LEN);
	icmp[0] = v4 ? errors[kind].type4 : errors[kind].type6;
	icmp[1] = v4 ? errors[kind].code4 : errors[kind].code6;
	if (kind == REPLY_TOO_BIG)
		put32(icmp + 4, mtu);
	else if (kind == REPLY_NO_PROTOCOL && !v4)
		put32(icmp + 4, NEXT_HEADER_AT);
	memcpy(icmp + ICMP_LEN, frame_bytes(p) + p->l3, quote);
	return finish(r, 2);
}

/* An IPv4 packet without DF is fragmented instead. */
static bool may_be_too_big(const struct frame *p)
{
	return p->ip == 6 || get16(frame_bytes(p) + p->l3 + 6) & DF;
}

struct frame *reply_make(struct pool *pool, const struct frame *f, uint32_t unit, enum reply kind,
			 uint32_t mtu)
{
	struct frame *p, *r = NULL;

	if (kind == REPLY_NONE)
		return NULL;
	p = frame_extract(pool, f, unit);
	if (!p)
		return NULL;
	if (!may_answer(p) || (kind == REPLY_TOO_BIG && !may_be_too_big(p)))
		r = NULL;
	else if (kind == REPLY_RESET && p->protocol == IPPROTO_TCP)
		r = make_reset(pool, p);
	else
		r = make_error(pool, p, kind, mtu);
	frame_put(pool, p);
	return r;
}
