/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The search for what drops forwarded packets by policy: base chains of type
 * filter on the forward hook, of the families ip and inet, and the older
 * ip_tables, which nftables does not show (struct ipt_getinfo and
 * ipt_get_entries of linux/netfilter_ipv4/ip_tables.h: a policy is the standard
 * target at the hook's underflow). A chain that begins with accepting the lab's
 * device in both directions lets it through. Where Docker keeps a chain for its user's rules, that
 * is the place for ours.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "err.h"
#include "nft.h"
#include "nl.h"
#include "value.h"

#define CHAINS_MAX 16
#define IN_ACCEPTED 1u
#define OUT_ACCEPTED 2u
#define BOTH_ACCEPTED (IN_ACCEPTED | OUT_ACCEPTED)

struct chain {
	uint32_t family;
	char table[NFT_NAME_MAXLEN], name[NFT_NAME_MAXLEN];
	unsigned int accepted; /* directions of the device that it lets through */
};

struct search {
	char dev[16]; /* padded with NULs, as rules hold it */
	struct chain chains[CHAINS_MAX]; /* those that drop */
	int n;
	bool docker; /* ip filter DOCKER-USER is there */
	bool overflow;
	struct chain *now; /* whose rules are being read */
};

/* ------------------------------------------------------------------ nftables */

static const char *family_name(uint32_t family)
{
	return family == NFPROTO_IPV4 ? "ip" : "inet";
}

static bool is_ip_filter(uint32_t family, const char *table)
{
	return family == NFPROTO_IPV4 && strcmp(table, "filter") == 0;
}

static void look_at_chain(struct search *s, const struct nftnl_chain *c)
{
	uint32_t family = nftnl_chain_get_u32(c, NFTNL_CHAIN_FAMILY);
	const char *table = nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE);
	const char *name = nftnl_chain_get_str(c, NFTNL_CHAIN_NAME);
	const char *type = nftnl_chain_get_str(c, NFTNL_CHAIN_TYPE);
	struct chain *to;

	if (!table || !name || (family != NFPROTO_IPV4 && family != NFPROTO_INET))
		return;
	if (is_ip_filter(family, table) && strcmp(name, "DOCKER-USER") == 0)
		s->docker = true;
	if (!type || strcmp(type, "filter") != 0 || !nftnl_chain_is_set(c, NFTNL_CHAIN_HOOKNUM) ||
	    nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM) != NF_INET_FORWARD ||
	    !nftnl_chain_is_set(c, NFTNL_CHAIN_POLICY) ||
	    nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY) != NF_DROP)
		return;
	if (s->n == CHAINS_MAX) {
		s->overflow = true;
		return;
	}
	to = &s->chains[s->n++];
	memset(to, 0, sizeof(*to));
	to->family = family;
	snprintf(to->table, sizeof(to->table), "%s", table);
	snprintf(to->name, sizeof(to->name), "%s", name);
}

static int each_chain(const struct nlmsghdr *nlh, void *ctx)
{
	struct nftnl_chain *c = nftnl_chain_alloc();
	int r;

	if (!c)
		return -ENOMEM;
	r = nftnl_chain_nlmsg_parse(nlh, c) < 0 ? -EBADMSG : 0;
	if (r == 0)
		look_at_chain(ctx, c);
	nftnl_chain_free(c);
	return r;
}

static void forget_chains(void *ctx)
{
	struct search *s = ctx;

	s->n = 0;
	s->docker = s->overflow = false;
}

/* The direction that an expression selects into a register, 0 for any other expression. */
static unsigned int device_direction(const struct nftnl_expr *e)
{
	uint32_t key;

	if (strcmp(nftnl_expr_get_str(e, NFTNL_EXPR_NAME), "meta") != 0 ||
	    !nftnl_expr_is_set(e, NFTNL_EXPR_META_DREG))
		return 0;
	key = nftnl_expr_get_u32(e, NFTNL_EXPR_META_KEY);
	return key == NFT_META_IIFNAME ? IN_ACCEPTED : key == NFT_META_OIFNAME ? OUT_ACCEPTED : 0;
}

/* A comparison with the device's name, or with its beginning (`ch-*`). */
static bool compares_device(const struct nftnl_expr *e, const char dev[16])
{
	const void *data;
	uint32_t len = 0;

	if (strcmp(nftnl_expr_get_str(e, NFTNL_EXPR_NAME), "cmp") != 0 ||
	    nftnl_expr_get_u32(e, NFTNL_EXPR_CMP_OP) != NFT_CMP_EQ)
		return false;
	data = nftnl_expr_get(e, NFTNL_EXPR_CMP_DATA, &len);
	return data && len && len <= 16 && memcmp(data, dev, len) == 0;
}

static bool accepts(const struct nftnl_expr *e)
{
	return strcmp(nftnl_expr_get_str(e, NFTNL_EXPR_NAME), "immediate") == 0 &&
	       nftnl_expr_is_set(e, NFTNL_EXPR_IMM_VERDICT) &&
	       nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT) == NF_ACCEPT;
}

/* The direction in which a rule accepts all packets of @dev: nothing but the name, counters
 * and the verdict. 0 for every other rule. */
static unsigned int rule_accepts(const struct nftnl_rule *rule, const char dev[16])
{
	struct nftnl_expr_iter *it = nftnl_expr_iter_create(rule);
	struct nftnl_expr *e = it ? nftnl_expr_iter_next(it) : NULL;
	unsigned int dir = e ? device_direction(e) : 0;
	bool yes = false;

	e = dir ? nftnl_expr_iter_next(it) : NULL;
	if (e && compares_device(e, dev)) {
		do
			e = nftnl_expr_iter_next(it);
		while (e && strcmp(nftnl_expr_get_str(e, NFTNL_EXPR_NAME), "counter") == 0);
		yes = e && accepts(e) && !nftnl_expr_iter_next(it);
	}
	if (it)
		nftnl_expr_iter_destroy(it);
	return yes ? dir : 0;
}

static int each_rule(const struct nlmsghdr *nlh, void *ctx)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct search *s = ctx;
	const char *table, *chain;
	int r;

	if (!rule)
		return -ENOMEM;
	r = nftnl_rule_nlmsg_parse(nlh, rule) < 0 ? -EBADMSG : 0;
	table = nftnl_rule_get_str(rule, NFTNL_RULE_TABLE);
	chain = nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN);
	if (r == 0 && table && chain && strcmp(table, s->now->table) == 0 &&
	    (strcmp(chain, s->now->name) == 0 ||
	     (is_ip_filter(s->now->family, table) && strcmp(chain, "DOCKER-USER") == 0)))
		s->now->accepted |= rule_accepts(rule, s->dev);
	nftnl_rule_free(rule);
	return r;
}

static void forget_rules(void *ctx)
{
	((struct search *)ctx)->now->accepted = 0;
}

static void begin(struct nl_msg *m, int type, uint32_t family, const char *label)
{
	struct nfgenmsg *g;

	nl_msg_init(m);
	nl_begin(m, (NFNL_SUBSYS_NFTABLES << 8) | type, 0, "%s", label);
	g = nl_header(m, sizeof(*g));
	g->nfgen_family = family;
	g->version = NFNETLINK_V0;
}

static int search_nftables(struct search *s, struct choppy_err *err)
{
	struct nl_msg m;
	struct nl *nl;
	int r = nl_open(&nl, NETLINK_NETFILTER, err);

	if (r < 0)
		return r;
	begin(&m, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, "listing the nftables chains");
	r = nl_each(nl, &m, true, each_chain, forget_chains, s, err);
	for (int i = 0; r == 0 && i < s->n; i++) {
		s->now = &s->chains[i];
		begin(&m, NFT_MSG_GETRULE, s->now->family, "listing the nftables rules");
		nl_put_str(&m, NFTA_RULE_TABLE, s->now->table);
		r = nl_each(nl, &m, true, each_rule, forget_rules, s, err);
	}
	nl_close(nl);
	return r;
}

/* ---------------------------------------------------------------- ip_tables */

/* Whether a table of that name is in use; asking for one that is not would make it. */
static bool legacy_filter_in_use(void)
{
	FILE *f = fopen("/proc/net/ip_tables_names", "re");
	char line[XT_TABLE_MAXNAMELEN + 2];
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = strcmp(line, "filter\n") == 0;
	fclose(f);
	return found;
}

/* The verdict of the standard target of the entry at @offset; 0 when it is none. */
static int verdict_at(const struct ipt_get_entries *t, unsigned int offset)
{
	const struct xt_standard_target *target;
	const struct ipt_entry *e;

	if (offset > t->size - sizeof(*e))
		return 0;
	e = (const struct ipt_entry *)((const char *)t->entrytable + offset);
	if (offset + e->target_offset + sizeof(*target) > t->size)
		return 0;
	target = (const struct xt_standard_target *)((const char *)e + e->target_offset);
	return target->target.u.user.name[0] == XT_STANDARD_TARGET[0] ? target->verdict : 0;
}

static bool interface_matches(const char *name, const unsigned char *mask, const char dev[16])
{
	for (int i = 0; i < IFNAMSIZ; i++)
		if ((name[i] ^ dev[i]) & mask[i])
			return false;
	return mask[0] != 0;
}

/* As rule_accepts(): an entry that looks at one interface's name only, and accepts. */
static unsigned int entry_accepts(const struct ipt_get_entries *t, unsigned int offset,
				  const char dev[16])
{
	const struct ipt_entry *e =
		(const struct ipt_entry *)((const char *)t->entrytable + offset);
	struct ipt_ip plain = e->ip;
	const struct ipt_ip none = { .flags = e->ip.flags & ~IPT_F_MASK };

	memset(plain.iniface, 0, sizeof(plain.iniface));
	memset(plain.outiface, 0, sizeof(plain.outiface));
	memset(plain.iniface_mask, 0, sizeof(plain.iniface_mask));
	memset(plain.outiface_mask, 0, sizeof(plain.outiface_mask));
	if (memcmp(&plain, &none, sizeof(none)) != 0 || e->target_offset != sizeof(*e) ||
	    verdict_at(t, offset) != -NF_ACCEPT - 1)
		return 0;
	if (!e->ip.outiface_mask[0] && interface_matches(e->ip.iniface, e->ip.iniface_mask, dev))
		return IN_ACCEPTED;
	if (!e->ip.iniface_mask[0] && interface_matches(e->ip.outiface, e->ip.outiface_mask, dev))
		return OUT_ACCEPTED;
	return 0;
}

static bool legacy_drops(const struct ipt_getinfo *info, const struct ipt_get_entries *t,
			 const char dev[16])
{
	unsigned int at = info->hook_entry[NF_INET_FORWARD], accepted = 0;

	if (verdict_at(t, info->underflow[NF_INET_FORWARD]) != -NF_DROP - 1)
		return false;
	while (at < info->underflow[NF_INET_FORWARD] && at <= t->size - sizeof(struct ipt_entry)) {
		const struct ipt_entry *e =
			(const struct ipt_entry *)((const char *)t->entrytable + at);

		accepted |= entry_accepts(t, at, dev);
		if (e->next_offset < sizeof(*e))
			break;
		at += e->next_offset;
	}
	return accepted != BOTH_ACCEPTED;
}

static int search_legacy(const char dev[16], bool *drops, struct choppy_err *err)
{
	struct ipt_getinfo info = { .name = "filter" };
	struct ipt_get_entries *t = NULL;
	socklen_t len = sizeof(info);
	int fd, r = 0;

	*drops = false;
	if (!legacy_filter_in_use())
		return 0;
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0 || getsockopt(fd, SOL_IP, IPT_SO_GET_INFO, &info, &len) < 0) {
		r = -errno;
		goto out;
	}
	len = sizeof(*t) + info.size;
	t = calloc(1, len);
	if (!t) {
		r = -ENOMEM;
		goto out;
	}
	strcpy(t->name, "filter");
	t->size = info.size;
	if (getsockopt(fd, SOL_IP, IPT_SO_GET_ENTRIES, t, &len) < 0)
		r = -errno;
	else if (info.size >= sizeof(struct ipt_entry))
		*drops = legacy_drops(&info, t, dev);
out:
	free(t);
	if (fd >= 0)
		close(fd);
	return r < 0 ? err_sys(err, r, "reading the policy of the older iptables") : 0;
}

/* --------------------------------------------------------------------- text */

static void add_chain_names(struct text *t, const struct search *s, bool legacy)
{
	int n = s->n + legacy;

	text_add(t, n > 1 ? "chains " : "chain ");
	for (int i = 0; i < s->n; i++)
		text_add(t, "%s%s %s %s", i ? ", " : "", family_name(s->chains[i].family),
			 s->chains[i].table, s->chains[i].name);
	if (legacy)
		text_add(t, "%sFORWARD of iptables-legacy", s->n ? ", " : "");
	text_add(t, " %s what no rule accepts; to let the lab through: ", n > 1 ? "drop" : "drops");
}

static void add_command(struct text *t, const struct search *s, bool legacy)
{
	for (int i = 0; i < s->n; i++) {
		const struct chain *c = &s->chains[i];
		bool docker = s->docker && is_ip_filter(c->family, c->table);
		const char *name = docker ? "DOCKER-USER" : c->name;

		for (int out = 0; out < 2; out++)
			text_add(t, "%sinsert rule %s %s %s %cifname \"%s\" accept",
				 i || out ? "; " : "nft '", family_name(c->family), c->table, name,
				 out ? 'o' : 'i', s->dev);
	}
	if (s->n)
		text_add(t, "'%s", legacy ? " && " : "");
	if (legacy)
		text_add(t,
			 "iptables-legacy -I FORWARD -i %s -j ACCEPT && "
			 "iptables-legacy -I FORWARD -o %s -j ACCEPT",
			 s->dev, s->dev);
}

static void drop_those_that_accept(struct search *s)
{
	int n = 0;

	for (int i = 0; i < s->n; i++)
		if (s->chains[i].accepted != BOTH_ACCEPTED)
			s->chains[n++] = s->chains[i];
	s->n = n;
}

int nft_forward_drop(int *ret, char *text, size_t size, const char *host_dev,
		     struct choppy_err *err)
{
	struct search *s = calloc(1, sizeof(*s));
	struct text t = { 0 };
	bool legacy = false;
	int r;

	if (!s)
		return err_sys(err, -ENOMEM, "reading the firewall");
	snprintf(s->dev, sizeof(s->dev), "%s", host_dev);
	r = search_nftables(s, err);
	/* nfnetlink answers EINVAL for a subsystem that it does not have */
	if (r == -EINVAL || r == -EOPNOTSUPP || r == -EPROTONOSUPPORT)
		r = 0;
	if (r == 0 && s->overflow)
		r = err_set(err, -E2BIG, "more than %d forward chains drop by policy", CHAINS_MAX);
	if (r == 0)
		r = search_legacy(s->dev, &legacy, err);
	drop_those_that_accept(s);
	if (r == 0 && (s->n || legacy)) {
		t.buf = calloc(1, size);
		t.size = t.buf ? size : 0;
		add_chain_names(&t, s, legacy);
		add_command(&t, s, legacy);
		if (t.len >= t.size)
			r = err_set(err, -ENOSPC, "the firewall's remark needs %zu bytes",
				    t.len + 1);
	}
	if (r == 0) {
		if (t.buf)
			memcpy(text, t.buf, t.len + 1);
		*ret = t.buf != NULL;
	}
	free(t.buf);
	free(s);
	return r;
}
