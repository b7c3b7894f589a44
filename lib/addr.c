/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "util.h"

/* Routes wider than this are "everywhere" (default, VPN halves), not somebody's network. */
#define WIDEST_PREFIX 3

void addr_used_free(struct addr_used *u)
{
	free(u->v);
	memset(u, 0, sizeof(*u));
}

int addr_used_add(struct addr_used *u, const struct inet *a)
{
	if (u->n == u->size) {
		size_t size = u->size ? u->size * 2 : 32;
		struct inet *v = realloc(u->v, size * sizeof(*v));

		if (!v)
			return -ENOMEM;
		u->v = v;
		u->size = size;
	}
	u->v[u->n++] = *a;
	return 0;
}

static int on_route(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	struct inet a = { .family = rt->rtm_family, .len = rt->rtm_dst_len };
	int r;

	if ((rt->rtm_family != AF_INET && rt->rtm_family != AF_INET6) ||
	    rt->rtm_dst_len < WIDEST_PREFIX || (rt->rtm_flags & RTM_F_CLONED))
		return 0;
	r = nl_parse(nlh, sizeof(*rt), tb, RTA_MAX);
	if (r < 0)
		return r;
	if (!tb[RTA_DST] || mnl_attr_get_payload_len(tb[RTA_DST]) < inet_size(&a))
		return 0;
	memcpy(a.bytes, mnl_attr_get_payload(tb[RTA_DST]), inet_size(&a));
	return addr_used_add(ctx, &a);
}

static void forget(void *ctx)
{
	((struct addr_used *)ctx)->n = 0;
}

int addr_used_routes(struct addr_used *u, struct nl *nl, struct choppy_err *err)
{
	struct addr_used routes = { 0 };
	struct nl_msg m;
	int r;

	nl_msg_init(&m);
	nl_begin(&m, RTM_GETROUTE, 0, "list the routes");
	nl_header(&m, sizeof(struct rtmsg));
	r = nl_each(nl, &m, true, on_route, forget, &routes, err);
	for (size_t i = 0; r >= 0 && i < routes.n; i++)
		r = addr_used_add(u, &routes.v[i]);
	addr_used_free(&routes);
	return r;
}

int addr_used_resolvers(struct addr_used *u, const char *path)
{
	char line[512], word[128];
	FILE *f = fopen(path, "re");
	int r = 0;

	if (!f)
		return 0;
	while (r == 0 && fgets(line, sizeof(line), f)) {
		struct inet a = { 0 };

		if (sscanf(line, " nameserver %127[^% \t\r\n]", word) != 1)
			continue;
		a.family = strchr(word, ':') ? AF_INET6 : AF_INET;
		a.len = (uint8_t)(inet_size(&a) * 8);
		if (inet_pton(a.family, word, a.bytes) == 1)
			r = addr_used_add(u, &a);
	}
	fclose(f);
	return r;
}

/* Whether the first @len bits of two addresses are equal. */
static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned int len)
{
	unsigned int bytes = len / 8, rest = len % 8;

	return memcmp(a, b, bytes) == 0 &&
	       (rest == 0 || ((a[bytes] ^ b[bytes]) & (0xff << (8 - rest))) == 0);
}

bool inet_overlap(const struct inet *a, const struct inet *b)
{
	return a->family == b->family &&
	       same_prefix(a->bytes, b->bytes, a->len < b->len ? a->len : b->len);
}

const struct inet *addr_used_overlap(const struct addr_used *u, const struct inet *a)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct inet *b = &u->v[i];

		if (inet_overlap(a, b))
			return b;
	}
	return NULL;
}

int addr_choose4(struct addr_pair *ret, const char *name, const struct addr_used *u,
		 struct choppy_err *err)
{
	const uint32_t base = 0x0a400000, blocks = 1u << 14; /* /24s in 10.64.0.0/10 */
	uint32_t block = (uint32_t)(hash_name(name) % blocks);

	for (uint32_t i = 0; i < blocks; i++, block = (block + 1) % blocks) {
		for (uint32_t host = 0; host < 256; host += 2) {
			struct inet a = { .family = AF_INET, .len = 31 };

			a.v4.s_addr = htonl(base + block * 256 + host);
			if (addr_used_overlap(u, &a))
				continue;
			ret->gateway = ret->node = a;
			ret->node.v4.s_addr = htonl(base + block * 256 + host + 1);
			return 0;
		}
	}
	return err_set(err, -EADDRNOTAVAIL,
		       "no free /31 is left in 10.64.0.0/10: give one with --addr");
}

int addr_choose6(struct addr_pair *ret, const char *name, const struct addr_used *u,
		 struct choppy_err *err)
{
	uint64_t id = hash_name(name); /* the 40-bit global id and the subnet come from it */

	for (int subnet = 0; subnet < 65536; subnet++) {
		struct inet a = { .family = AF_INET6, .len = 127 };

		a.bytes[0] = 0xfd;
		for (int i = 0; i < 5; i++)
			a.bytes[1 + i] = (uint8_t)(id >> (8 * i));
		a.bytes[6] = (uint8_t)(subnet >> 8);
		a.bytes[7] = (uint8_t)subnet;
		if (addr_used_overlap(u, &a))
			continue;
		ret->gateway = ret->node = a;
		ret->node.bytes[15] = 1;
		return 0;
	}
	return err_set(err, -EADDRNOTAVAIL, "no free IPv6 prefix is left for '%s'", name);
}

struct inet inet_plus(const struct inet *a, unsigned int n)
{
	struct inet b = *a;

	for (int i = (int)inet_size(a) - 1; n && i >= 0; i--) {
		n += b.bytes[i];
		b.bytes[i] = (uint8_t)n;
		n >>= 8;
	}
	return b;
}

struct inet inet_masked(const struct inet *a)
{
	struct inet b = *a;

	for (unsigned int bit = a->len; bit < inet_size(a) * 8; bit++)
		b.bytes[bit / 8] &= (uint8_t) ~(0x80 >> (bit % 8));
	return b;
}

bool inet_usable(const struct inet *a)
{
	static const char *const refused[] = { "0.0.0.0/8", "127.0.0.0/8",   "224.0.0.0/3",
					       "::/127",    "::ffff:0:0/96", "fe80::/10",
					       "ff00::/8" };
	struct inet b;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		if (inet_parse(&b, refused[i], NULL) == 0 && b.family == a->family &&
		    same_prefix(a->bytes, b.bytes, b.len < a->len ? b.len : a->len))
			return false;
	}
	return true;
}

bool inet_is_broadcast(const struct inet *a)
{
	return a->family == AF_INET && a->len < 31 &&
	       (ntohl(a->v4.s_addr) | (~0u << (32 - a->len))) == ~0u;
}

int addr_from_text(struct addr_pair *ret, const char *text, struct choppy_err *err)
{
	struct inet a, net, first, second;
	unsigned int bits;
	int r = inet_parse(&a, text, err);

	if (r < 0)
		return r;
	bits = (unsigned int)inet_size(&a) * 8;
	if (a.len >= bits)
		return err_set(
			err, -EINVAL,
			"address '%s' has room for one end only: a link needs two, as in a /%u",
			text, bits - 1);
	if (!inet_usable(&a) || a.len < 8)
		return err_set(err, -EINVAL,
			       "address '%s' cannot be a link's: use a private prefix", text);
	net = inet_masked(&a);
	if (inet_is_broadcast(&a))
		return err_set(err, -EINVAL, "address '%s' is the broadcast address of its network",
			       text);
	/* In a /31 or /127 both addresses are hosts (RFC 3021, RFC 6164). */
	first = inet_plus(&net, a.len == bits - 1 ? 0 : 1);
	second = inet_plus(&first, 1);
	if (memcmp(a.bytes, net.bytes, inet_size(&a)) == 0) {
		ret->gateway = first;
		ret->node = second;
	} else {
		ret->node = a;
		ret->gateway = memcmp(a.bytes, first.bytes, inet_size(&a)) == 0 ? second : first;
	}
	if (a.len == bits - 1 && memcmp(ret->node.bytes, ret->gateway.bytes, inet_size(&a)) == 0)
		ret->gateway = first;
	return 0;
}

int addr_check_free(const struct addr_pair *p, const struct addr_used *u, struct choppy_err *err)
{
	struct inet net = inet_masked(&p->node);
	const struct inet *b = addr_used_overlap(u, &net);
	char a_text[64], b_text[64];

	if (!b)
		return 0;
	inet_print(a_text, sizeof(a_text), &net, true);
	inet_print(b_text, sizeof(b_text), b, true);
	return err_set(err, -EADDRINUSE,
		       "address %s is in use: this machine has %s; give another --addr or none",
		       a_text, b_text);
}
