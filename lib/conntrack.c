/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deleting conntrack entries by prefix: the kernel cannot select by prefix,
 * so the table of one family is dumped, the matching entries are remembered, and each is
 * deleted by its original tuple, zone and id (ctnetlink_del_conntrack() in
 * net/netfilter/nf_conntrack_netlink.c). The id makes sure that an entry which
 * took the same tuple in the meantime is left alone.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "nft.h"
#include "nl.h"

#define TUPLE_MAX 128

struct entry {
	uint32_t id;
	uint16_t zone; /* both as the kernel sends them, big-endian */
	uint16_t tuple_len;
	unsigned char tuple[TUPLE_MAX]; /* payload of CTA_TUPLE_ORIG */
};

struct search {
	int family;
	const unsigned char *addr;
	unsigned int addr_len; /* bytes */
	uint8_t len; /* bits of the prefix */
	struct entry *entries;
	size_t n, size;
};

static bool in_prefix(const struct search *s, const struct nlattr *a)
{
	const unsigned char *p;
	unsigned int bytes = s->len / 8, bits = s->len % 8;

	if (!a || mnl_attr_get_payload_len(a) != s->addr_len)
		return false;
	p = mnl_attr_get_payload(a);
	return memcmp(p, s->addr, bytes) == 0 &&
	       (bits == 0 || ((p[bytes] ^ s->addr[bytes]) >> (8 - bits)) == 0);
}

/* Whether the source, or with @also_dst the destination, of a tuple lies in the prefix. */
static bool tuple_matches(const struct search *s, const struct nlattr *tuple, bool also_dst)
{
	const bool v4 = s->family == AF_INET;
	const struct nlattr *tb[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1];

	if (!tuple || nl_parse_nested(tuple, tb, CTA_TUPLE_MAX) < 0 || !tb[CTA_TUPLE_IP] ||
	    nl_parse_nested(tb[CTA_TUPLE_IP], ip, CTA_IP_MAX) < 0)
		return false;
	return in_prefix(s, ip[v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC]) ||
	       (also_dst && in_prefix(s, ip[v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST]));
}

static struct entry *new_entry(struct search *s)
{
	if (s->n == s->size) {
		size_t size = s->size ? 2 * s->size : 64;
		struct entry *p = reallocarray(s->entries, size, sizeof(*p));

		if (!p)
			return NULL;
		s->entries = p;
		s->size = size;
	}
	return &s->entries[s->n];
}

static int each_entry(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *tb[CTA_MAX + 1], *orig;
	struct search *s = ctx;
	struct entry *e;
	int r = nl_parse(nlh, sizeof(struct nfgenmsg), tb, CTA_MAX);

	if (r < 0)
		return r;
	orig = tb[CTA_TUPLE_ORIG];
	if (!tuple_matches(s, orig, true) && !tuple_matches(s, tb[CTA_TUPLE_REPLY], false))
		return 0;
	if (!orig || !tb[CTA_ID] || mnl_attr_get_payload_len(orig) > TUPLE_MAX)
		return -EBADMSG;
	e = new_entry(s);
	if (!e)
		return -ENOMEM;
	e->id = mnl_attr_get_u32(tb[CTA_ID]);
	e->zone = tb[CTA_ZONE] ? mnl_attr_get_u16(tb[CTA_ZONE]) : 0;
	e->tuple_len = mnl_attr_get_payload_len(orig);
	memcpy(e->tuple, mnl_attr_get_payload(orig), e->tuple_len);
	s->n++;
	return 0;
}

static void forget(void *ctx)
{
	((struct search *)ctx)->n = 0;
}

static void begin(struct nl_msg *m, int type, int family, const char *label)
{
	struct nfgenmsg *g;

	nl_msg_init(m);
	nl_begin(m, (NFNL_SUBSYS_CTNETLINK << 8) | type, 0, "%s", label);
	g = nl_header(m, sizeof(*g));
	g->nfgen_family = family;
	g->version = NFNETLINK_V0;
}

static int delete_all(struct nl *nl, const struct search *s, unsigned int *ret_n,
		      struct choppy_err *err)
{
	struct nl_msg m;
	int r;

	*ret_n = 0;
	for (size_t i = 0; i < s->n; i++) {
		const struct entry *e = &s->entries[i];

		begin(&m, IPCTNL_MSG_CT_DELETE, s->family, "deleting a conntrack entry");
		nl_put(&m, CTA_TUPLE_ORIG | NLA_F_NESTED, e->tuple, e->tuple_len);
		nl_put_u32(&m, CTA_ID, e->id);
		if (e->zone)
			nl_put_u16(&m, CTA_ZONE, e->zone);
		r = nl_do(nl, &m, err);
		if (r < 0 && r != -ENOENT) /* ENOENT: it timed out by itself */
			return r;
		*ret_n += r == 0;
	}
	return 0;
}

/* A kernel that tracks nothing has nothing to flush; one that tracks and cannot be asked is an
 * error. nfnetlink answers EINVAL for a subsystem that it does not have. */
static int without_ctnetlink(int code, struct choppy_err *err)
{
	if (access("/proc/sys/net/netfilter/nf_conntrack_count", F_OK) < 0)
		return 0;
	return err_cannot(
		err, code,
		"this kernel tracks connections, but its entries cannot be read or deleted "
		"(module nf_conntrack_netlink)");
}

static int each_stats(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *tb[CTA_STATS_GLOBAL_MAX + 1];
	int r = nl_parse(nlh, sizeof(struct nfgenmsg), tb, CTA_STATS_GLOBAL_MAX);

	if (r == 0 && tb[CTA_STATS_GLOBAL_ENTRIES])
		*(uint32_t *)ctx = ntohl(mnl_attr_get_u32(tb[CTA_STATS_GLOBAL_ENTRIES]));
	return r;
}

/* How many entries this namespace has: a dump walks the table of the whole machine (9 ms). */
static int count_entries(struct nl *nl, uint32_t *ret, struct choppy_err *err)
{
	struct nl_msg m;

	begin(&m, IPCTNL_MSG_CT_GET_STATS, AF_UNSPEC, "counting the conntrack entries");
	return nl_each(nl, &m, false, each_stats, NULL, ret, err);
}

int conntrack_flush(int family, const void *addr, uint8_t len, unsigned int *ret_n,
		    struct choppy_err *err)
{
	struct search s = {
		.family = family, .addr = addr, .addr_len = family == AF_INET ? 4 : 16, .len = len
	};
	struct choppy_err e = { 0 };
	struct nl *nl = NULL;
	uint32_t entries = UINT32_MAX;
	unsigned int n = 0;
	struct nl_msg m;
	int r;

	if ((family != AF_INET && family != AF_INET6) || len > s.addr_len * 8)
		return err_set(err, -EINVAL, "conntrack: family %d has no prefix of /%u", family,
			       len);
	r = nl_open(&nl, NETLINK_NETFILTER, &e);
	if (r == 0)
		r = count_entries(nl, &entries, &e);
	if (r == 0 && entries > 0) {
		begin(&m, IPCTNL_MSG_CT_GET, family, "listing the conntrack entries");
		r = nl_each(nl, &m, true, each_entry, forget, &s, &e);
	}
	if (r == 0)
		r = delete_all(nl, &s, &n, &e);
	else if (r == -EINVAL || r == -EOPNOTSUPP || r == -EPROTONOSUPPORT)
		r = without_ctnetlink(r, &e);
	if (r < 0 && err)
		*err = e;
	if (r == 0 && ret_n)
		*ret_n = n;
	free(s.entries);
	nl_close(nl);
	return r;
}
