/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In the gateway's namespace every address is local, and an nftables table gives what the node
 * sends to the sockets of struct relay_sockets (nft_relay.c). The sockets were made there by the
 * keeper; this process is in the host's namespace, and whatever it opens is there. So on both sides
 * of it stand kernels: TCP of the node and of the gateway's namespace across the link, TCP of the
 * host and of the far end outside.
 *
 * Policy: the host's loopback, link-local addresses and the like (by which clouds give credentials
 * away) and what is no address of one host are refused, in whatever way they are written.
 */
#include "relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define FRAMES_CAP (64u << 20)

/* ------------------------------------------------------------------- policy */

struct range {
	uint16_t family;
	uint8_t prefix[16];
	uint8_t len;
	enum relay_verdict verdict;
	bool host; /* allowed with the host's own */
};

static const struct range ranges[] = {
	{ AF_INET, { 0 }, 8, RELAY_PROHIBIT, false }, /* "this host" (RFC 1122) */
	{ AF_INET, { 127 }, 8, RELAY_PROHIBIT, false },
	{ AF_INET, { 169, 254 }, 16, RELAY_PROHIBIT, true },
	{ AF_INET, { 224 }, 4, RELAY_IGNORE, false }, /* multicast */
	{ AF_INET, { 240 }, 4, RELAY_IGNORE, false }, /* reserved, and the broadcast address */
	/* Unspecified, loopback, and IPv4 addresses in two disguises (RFC 4291, 2.5.5). */
	{ AF_INET6, { 0 }, 80, RELAY_PROHIBIT, false },
	{ AF_INET6, { 0xfe, 0x80 }, 10, RELAY_PROHIBIT, true },
	/* Instance metadata over IPv6: of Amazon EC2, of Google Compute Engine. */
	{ AF_INET6, { 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, 0x54 }, 128, RELAY_PROHIBIT, true },
	{ AF_INET6, { 0xfd, 0x20, 0x00, 0xce, [14] = 0x02, 0x54 }, 128, RELAY_PROHIBIT, true },
	{ AF_INET6, { 0xff }, 8, RELAY_IGNORE, false },
};

static bool in_range(const struct endpoint *e, const struct range *r)
{
	if (e->family != r->family)
		return false;
	for (unsigned i = 0; i < r->len; i++)
		if ((e->addr[i / 8] ^ r->prefix[i / 8]) & (0x80 >> i % 8))
			return false;
	return true;
}

static const uint8_t *of_family(uint16_t family, const uint8_t *v4, const uint8_t *v6)
{
	return family == AF_INET6 ? v6 : v4;
}

static bool is_addr(const struct endpoint *e, const uint8_t *addr)
{
	static const uint8_t none[16];
	uint32_t len = endpoint_addr_len(e);

	return memcmp(addr, none, len) != 0 && memcmp(e->addr, addr, len) == 0;
}

static void set_loopback(struct endpoint *e)
{
	memset(e->addr, 0, sizeof(e->addr));
	if (e->family == AF_INET6) {
		e->addr[15] = 1;
	} else {
		e->addr[0] = 127;
		e->addr[3] = 1;
	}
}

enum relay_verdict relay_judge(const struct relay_policy *p, struct endpoint *to)
{
	if (is_addr(to, of_family(to->family, p->gateway4, p->gateway6)))
		return RELAY_IGNORE;
	if (is_addr(to, of_family(to->family, p->host4, p->host6))) {
		if (p->allow_host)
			set_loopback(to);
		return p->allow_host ? RELAY_PASS : RELAY_PROHIBIT;
	}
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		if (in_range(to, &ranges[i]))
			return ranges[i].host && p->allow_host ? RELAY_PASS : ranges[i].verdict;
	return RELAY_PASS;
}

void relay_disguise(const struct relay_policy *p, struct endpoint *from)
{
	struct endpoint loopback = *from;

	set_loopback(&loopback);
	if (memcmp(loopback.addr, from->addr, sizeof(from->addr)) == 0)
		memcpy(from->addr, of_family(from->family, p->host4, p->host6),
		       endpoint_addr_len(from));
}

/* -------------------------------------------------------------------- shell */

unsigned relay_bucket(const struct endpoint *a, const struct endpoint *b)
{
	const struct endpoint *both[] = { a, b };
	uint32_t h = 0x811c9dc5u; /* FNV-1a */

	for (int i = 0; i < 2 && both[i]; i++)
		for (size_t j = 0; j < sizeof(*a); j++)
			h = (h ^ ((const uint8_t *)both[i])[j]) * 0x01000193u;
	return (h ^ h >> 16) % RELAY_BUCKETS;
}

void relay_remark(struct relay *r, enum serve_remark what)
{
	const uint8_t byte = (uint8_t)what;

	if (!r->told[what])
		r->told[what] = send(r->keeper, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

static void give(void *block, size_t size)
{
	free(block);
}

static void *take(size_t size)
{
	return aligned_alloc(64, size);
}

int relay_open(struct relay *r, struct loop *loop, const struct serve_config *config,
	       unsigned max_flows, unsigned max_mappings)
{
	int result;

	r->loop = loop;
	r->sockets = config->relay;
	r->policy = config->policy;
	r->keeper = config->stop_fd;
	r->max_flows = max_flows;
	r->max_mappings = max_mappings;
	TAILQ_INIT(&r->oldest);
	pool_init(&r->frames, FRAMES_CAP, take, give);
	pair_pool_open(&r->pairs, loop);
	result = relay_tcp_open(r);
	return result < 0 ? result : relay_datagram_open(r);
}

void relay_close(struct relay *r)
{
	relay_datagram_close(r);
	relay_tcp_close(r);
	pair_pool_close(&r->pairs);
	pool_done(&r->frames);
}
