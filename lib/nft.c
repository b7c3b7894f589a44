/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lab's nftables table, made in one batch: everything between
 * NFNL_MSG_BATCH_BEGIN and END is committed together or not at all
 * (net/netfilter/nfnetlink.c). The batch's own two messages must not ask for
 * an ack, which Linux sends for them only since 6.10.
 *
 * With NFT_TABLE_F_OWNER (Linux 5.12) the table belongs to the port id of the socket that made
 * it: nobody else may change it, and the kernel deletes it when the socket is closed, by
 * whatever end of the process.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "err.h"
#include "nft.h"
#include "nl.h"

#ifndef NFT_TABLE_F_OWNER
#define NFT_TABLE_F_OWNER 0x2
#endif

#define PRIO_DSTNAT -100
#define PRIO_SRCNAT 100
#define DNS_PORT 53
#define WAIT_LOOKS 1000
#define WAIT_NS 5000000
/* libnftnl appends without a look at the room; our largest message takes a third of this. */
#define ROOM 2048

struct nft_table {
	struct nl *nl; /* owns the table */
	char name[NFT_TABLE_MAXNAMELEN];
};

/* Indexes of the first messages of the batch. */
enum { MSG_BEGIN, MSG_TABLE };

/* ----------------------------------------------------------------- messages */

/* Begin a message of nf_tables (or, with @subsys NFNL_SUBSYS_NONE, the batch's frame). */
static struct nlmsghdr *begin(struct nl_msg *m, int subsys, int type, uint16_t flags, int family,
			      const char *label)
{
	struct nfgenmsg *g;

	nl_begin(m, (subsys << 8) | type, flags, "%s", label);
	g = nl_header(m, sizeof(*g));
	g->nfgen_family = family;
	g->version = NFNETLINK_V0;
	if (subsys == NFNL_SUBSYS_NONE && m->cur) {
		m->cur->nlmsg_flags &= ~NLM_F_ACK;
		g->res_id = htons(NFNL_SUBSYS_NFTABLES);
	}
	if (!m->error && m->len + m->cur->nlmsg_len + ROOM > sizeof(m->buf))
		m->error = -EMSGSIZE;
	return m->error ? NULL : m->cur;
}

static void out_of_memory(struct nl_msg *m)
{
	if (!m->error)
		m->error = -ENOMEM;
}

static void put_table(struct nl_msg *m, const struct nft_rules *rules)
{
	struct nlmsghdr *nlh = begin(m, NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWTABLE,
				     NLM_F_CREATE | NLM_F_EXCL, NFPROTO_INET, "nftables table");
	struct nftnl_udata_buf *udata = nftnl_udata_buf_alloc(NFTNL_UDATA_COMMENT_MAXLEN + 8);
	struct nftnl_table *t = nftnl_table_alloc();

	if (!t || !udata)
		out_of_memory(m);
	else if (!nftnl_udata_put_strz(udata, NFTNL_UDATA_TABLE_COMMENT, rules->comment))
		m->error = -EMSGSIZE;
	if (!m->error) {
		nftnl_table_set_str(t, NFTNL_TABLE_NAME, rules->table);
		nftnl_table_set_u32(t, NFTNL_TABLE_FLAGS, NFT_TABLE_F_OWNER);
		nftnl_table_set_data(t, NFTNL_TABLE_USERDATA, nftnl_udata_buf_data(udata),
				     nftnl_udata_buf_len(udata));
		nftnl_table_nlmsg_build_payload(nlh, t);
	}
	if (t)
		nftnl_table_free(t);
	if (udata)
		nftnl_udata_buf_free(udata);
}

static void put_chain(struct nl_msg *m, const char *table, const char *name, uint32_t hook,
		      int32_t prio)
{
	struct nftnl_chain *c = nftnl_chain_alloc();
	struct nlmsghdr *nlh;
	char label[64];

	snprintf(label, sizeof(label), "nat chain %s (module nft_chain_nat)", name);
	nlh = begin(m, NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL,
		    NFPROTO_INET, label);
	if (!c)
		out_of_memory(m);
	if (!m->error) {
		nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, table);
		nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name);
		nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, "nat");
		nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, hook);
		nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, prio);
		nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
		nftnl_chain_nlmsg_build_payload(nlh, c);
	}
	if (c)
		nftnl_chain_free(c);
}

/* ------------------------------------------------------------------- rules */

struct rule_maker {
	struct nl_msg *m;
	struct nftnl_rule *rule;
};

/* A new expression at the end of the rule; NULL after an error. */
static struct nftnl_expr *expr(struct rule_maker *k, const char *name)
{
	struct nftnl_expr *e;

	if (k->m->error)
		return NULL;
	e = nftnl_expr_alloc(name);
	if (!e) {
		out_of_memory(k->m);
		return NULL;
	}
	nftnl_rule_add_expr(k->rule, e);
	return e;
}

static void meta(struct rule_maker *k, uint32_t key)
{
	struct nftnl_expr *e = expr(k, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

static void payload(struct rule_maker *k, uint32_t base, uint32_t offset, uint32_t len)
{
	struct nftnl_expr *e = expr(k, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
}

static void cmp(struct rule_maker *k, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *e = expr(k, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set_data(e, NFTNL_EXPR_CMP_DATA, data, len);
}

static void mask(struct rule_maker *k, const uint8_t *bits, uint32_t len)
{
	static const uint8_t none[16];
	struct nftnl_expr *e = expr(k, "bitwise");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, len);
	nftnl_expr_set_data(e, NFTNL_EXPR_BITWISE_MASK, bits, len);
	nftnl_expr_set_data(e, NFTNL_EXPR_BITWISE_XOR, none, len);
}

/* The packet's device (@key NFT_META_IIFNAME or _OIFNAME) is, or is not, @dev. */
static void match_dev(struct rule_maker *k, uint32_t key, uint32_t op, const char *dev)
{
	char name[IFNAMSIZ] = "";

	snprintf(name, sizeof(name), "%s", dev);
	meta(k, key);
	cmp(k, op, name, sizeof(name));
}

static bool rule_start(struct rule_maker *k, const struct nft_rules *rules, const char *chain)
{
	k->rule = nftnl_rule_alloc();
	if (!k->rule) {
		out_of_memory(k->m);
		return false;
	}
	nftnl_rule_set_u32(k->rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
	nftnl_rule_set_str(k->rule, NFTNL_RULE_TABLE, rules->table);
	nftnl_rule_set_str(k->rule, NFTNL_RULE_CHAIN, chain);
	return true;
}

static void rule_finish(struct rule_maker *k, const char *label)
{
	struct nlmsghdr *nlh = begin(k->m, NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWRULE,
				     NLM_F_CREATE | NLM_F_APPEND, NFPROTO_INET, label);

	if (nlh)
		nftnl_rule_nlmsg_build_payload(nlh, k->rule);
	nftnl_rule_free(k->rule);
}

/* What the masquerade of a family needs to know. */
struct family_row {
	uint8_t nfproto;
	uint32_t saddr_offset, addr_len;
	const char *label;
};

static const struct family_row family4 = { NFPROTO_IPV4, 12, 4,
					   "masquerade of IPv4 (module nft_masq)" };
static const struct family_row family6 = { NFPROTO_IPV6, 8, 16,
					   "masquerade of IPv6 (module nft_masq)" };

static void put_masquerade(struct nl_msg *m, const struct nft_rules *rules,
			   const struct family_row *f, const void *addr, uint8_t len)
{
	struct rule_maker k = { .m = m };
	uint8_t prefix[16], bits[16] = { 0 };

	if (len == 0)
		return;
	memcpy(prefix, addr, f->addr_len);
	for (uint32_t i = 0; i < f->addr_len * 8 && i < len; i++)
		bits[i / 8] |= 0x80 >> i % 8;
	for (uint32_t i = 0; i < f->addr_len; i++)
		prefix[i] &= bits[i];
	if (!rule_start(&k, rules, "postrouting"))
		return;
	meta(&k, NFT_META_NFPROTO);
	cmp(&k, NFT_CMP_EQ, &f->nfproto, sizeof(f->nfproto));
	payload(&k, NFT_PAYLOAD_NETWORK_HEADER, f->saddr_offset, f->addr_len);
	if (len < f->addr_len * 8)
		mask(&k, bits, f->addr_len);
	cmp(&k, NFT_CMP_EQ, prefix, f->addr_len);
	match_dev(&k, NFT_META_OIFNAME, NFT_CMP_NEQ, rules->host_dev);
	expr(&k, "masq");
	rule_finish(&k, f->label);
}

/* To the host's own addresses only: what the lab asks of a name server elsewhere is its business.
 */
static void put_redirect(struct nl_msg *m, const struct nft_rules *rules, uint8_t proto,
			 const char *label)
{
	const uint16_t from = htons(DNS_PORT), to = htons(rules->dns_port);
	const uint32_t local = RTN_LOCAL;
	struct rule_maker k = { .m = m };
	struct nftnl_expr *e;

	if (!rule_start(&k, rules, "prerouting"))
		return;
	match_dev(&k, NFT_META_IIFNAME, NFT_CMP_EQ, rules->host_dev);
	e = expr(&k, "fib");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
		nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
	}
	cmp(&k, NFT_CMP_EQ, &local, sizeof(local));
	meta(&k, NFT_META_L4PROTO);
	cmp(&k, NFT_CMP_EQ, &proto, sizeof(proto));
	payload(&k, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
	cmp(&k, NFT_CMP_EQ, &from, sizeof(from));
	e = expr(&k, "immediate");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
		nftnl_expr_set_data(e, NFTNL_EXPR_IMM_DATA, &to, sizeof(to));
	}
	e = expr(&k, "redir");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_REDIR_REG_PROTO_MIN, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_REDIR_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
	}
	rule_finish(&k, label);
}

static void put_batch(struct nl_msg *m, const struct nft_rules *rules)
{
	nl_msg_init(m);
	begin(m, NFNL_SUBSYS_NONE, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC,
	      "nftables (module nf_tables)");
	put_table(m, rules);
	put_chain(m, rules->table, "postrouting", NF_INET_POST_ROUTING, PRIO_SRCNAT);
	put_masquerade(m, rules, &family4, &rules->addr4, rules->len4);
	put_masquerade(m, rules, &family6, &rules->addr6, rules->len6);
	if (rules->dns_port) {
		put_chain(m, rules->table, "prerouting", NF_INET_PRE_ROUTING, PRIO_DSTNAT);
		put_redirect(m, rules, IPPROTO_UDP,
			     "redirect of UDP port 53 (modules nft_fib_inet, nft_redir)");
		put_redirect(m, rules, IPPROTO_TCP,
			     "redirect of TCP port 53 (modules nft_fib_inet, nft_redir)");
	}
	begin(m, NFNL_SUBSYS_NONE, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, "nftables commit");
}

/* ------------------------------------------------------------------- table */

/* Whether the text in @e is about message @i of @m. */
static bool is_about(const struct choppy_err *e, const struct nl_msg *m, int i)
{
	return strncmp(e->msg, m->label[i], strlen(m->label[i])) == 0;
}

static int foreign(const char *table, struct choppy_err *err)
{
	return err_set(err, -EEXIST, "nftables table inet %s exists already, made by somebody else",
		       table);
}

/* What the kernel answers when a module is missing or too old: ENOENT for a chain type or an
 * expression that it does not know, EOPNOTSUPP for a family or a whole subsystem. */
static int explain(struct choppy_err *err, const struct choppy_err *e, const struct nl_msg *m,
		   const struct nft_rules *rules)
{
	/* EPERM with a socket's right to act is refused at the batch's begin: here it is the
	 * owner's. */
	if (is_about(e, m, MSG_TABLE) && (e->code == -EEXIST || e->code == -EPERM))
		return foreign(rules->table, err);
	/* Before Linux 5.13 a flag that is not known is EINVAL, so this is the family. */
	if (is_about(e, m, MSG_TABLE) && e->code == -EOPNOTSUPP)
		return err_cannot(
			err, e->code,
			"nftables of this kernel has no tables of family inet, in which NAT "
			"would be (%s): use --uplink none",
			e->msg);
	if (is_about(e, m, MSG_TABLE) && e->code == -EINVAL)
		return err_cannot(err, e->code, "nftables owner tables need Linux 5.12 (%s)",
				  e->msg);
	if (e->code == -ENOENT || e->code == -EOPNOTSUPP || e->code == -EAFNOSUPPORT)
		return err_cannot(err, e->code, "this kernel lacks a part that NAT needs: %s",
				  e->msg);
	if (e->code == -EPERM)
		return err_cannot(err, e->code, "%s", e->msg);
	return err_set(err, e->code, "%s", e->msg);
}

int nft_table_add(struct nft_table **ret, const struct nft_rules *rules, struct choppy_err *err)
{
	struct nft_table *t = calloc(1, sizeof(*t));
	struct nl_msg *m = malloc(sizeof(*m));
	struct choppy_err e = { 0 };
	int r;

	if (rules->len4 > 32 || rules->len6 > 128) {
		r = err_set(err, -EINVAL, "nftables: no prefix has /%u and /%u", rules->len4,
			    rules->len6);
		goto fail;
	}
	if (!t || !m) {
		r = err_sys(err, -ENOMEM, "nftables table");
		goto fail;
	}
	r = nl_open(&t->nl, NETLINK_NETFILTER, &e);
	if (r < 0) {
		err_cannot(err, r, "this kernel has no nftables: %s", e.msg);
		goto fail;
	}
	snprintf(t->name, sizeof(t->name), "%s", rules->table);
	put_batch(m, rules);
	r = nl_do(t->nl, m, &e);
	if (r < 0) {
		r = explain(err, &e, m, rules);
		goto fail;
	}
	free(m);
	*ret = t;
	return 0;
fail:
	free(m);
	nft_table_free(t);
	return r;
}

static int on_udata(const struct nftnl_udata *u, void *ctx)
{
	const char **comment = ctx;

	if (nftnl_udata_type(u) == NFTNL_UDATA_TABLE_COMMENT)
		*comment = nftnl_udata_get(u);
	return 0;
}

/* -EEXIST: its comment is not @ctx. */
static int on_table(const struct nlmsghdr *nlh, void *ctx)
{
	const char *want = ctx, *comment = NULL;
	struct nftnl_table *t = nftnl_table_alloc();
	const void *udata;
	uint32_t len = 0;
	int r = -EEXIST;

	if (!t)
		return -ENOMEM;
	if (nftnl_table_nlmsg_parse(nlh, t) < 0)
		r = -EBADMSG;
	udata = r == -EBADMSG ? NULL : nftnl_table_get_data(t, NFTNL_TABLE_USERDATA, &len);
	if (udata && nftnl_udata_parse(udata, len, on_udata, &comment) >= 0 && comment &&
	    strcmp(comment, want) == 0)
		r = 0;
	nftnl_table_free(t);
	return r;
}

/* 0: @table is there, with @comment; -ENOENT: it is not; -EEXIST: it has another. */
static int look(struct nl *nl, const char *table, const char *comment, struct choppy_err *err)
{
	struct nl_msg *m = malloc(sizeof(*m));
	int r;

	if (!m)
		return err_sys(err, -ENOMEM, "nftables table");
	nl_msg_init(m);
	if (begin(m, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETTABLE, 0, NFPROTO_INET, "nftables table"))
		nl_put_str(m, NFTA_TABLE_NAME, table);
	r = nl_each(nl, m, false, on_table, NULL, (void *)comment, err);
	free(m);
	return r == -EEXIST ? foreign(table, err) : r;
}

int nft_table_wait(const char *table, const char *comment, struct choppy_err *err)
{
	const struct timespec pause = { .tv_nsec = WAIT_NS };
	struct choppy_err e = { 0 };
	struct nl *nl;
	int r = nl_open(&nl, NETLINK_NETFILTER, err);

	if (r < 0)
		return r;
	for (int i = 0; i < WAIT_LOOKS && r == 0; i++) {
		if (i)
			nanosleep(&pause, NULL);
		r = look(nl, table, comment, &e);
	}
	nl_close(nl);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_set(err, r, "%s", e.msg);
	return err_set(err, -ETIMEDOUT, "nftables table inet %s of a lab that is gone does not go",
		       table);
}

void nft_table_delete(struct nft_table *t)
{
	struct nl_msg *m = t ? malloc(sizeof(*m)) : NULL;
	struct nlmsghdr *nlh;

	if (!m)
		return; /* closing does the same, later */
	nl_msg_init(m);
	begin(m, NFNL_SUBSYS_NONE, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, "nftables");
	nlh = begin(m, NFNL_SUBSYS_NFTABLES, NFT_MSG_DELTABLE, 0, NFPROTO_INET, "nftables table");
	if (nlh)
		nl_put_str(m, NFTA_TABLE_NAME, t->name);
	begin(m, NFNL_SUBSYS_NONE, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, "nftables commit");
	nl_do(t->nl, m, NULL);
	free(m);
}

int nft_table_fd(const struct nft_table *t)
{
	return nl_fd(t->nl);
}

void nft_table_free(struct nft_table *t)
{
	if (!t)
		return;
	nl_close(t->nl);
	free(t);
}
