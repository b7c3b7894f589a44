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
#include "nft_build.h"
#include "nl.h"

#define PRIO_DSTNAT -100
#define PRIO_SRCNAT 100
#define DNS_PORT 53
#define DADDR4 16
#define WAIT_LOOKS 1000
#define WAIT_NS 5000000

struct nft_table {
	struct nl *nl; /* owns the table */
	char name[NFT_TABLE_MAXNAMELEN];
};

/* Indexes of the first messages of the batch. */
enum { MSG_BEGIN, MSG_TABLE };

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
	struct rule_maker k;
	uint8_t prefix[16], bits[16] = { 0 };

	if (len == 0 && !rules->out_dev)
		return;
	memcpy(prefix, addr, f->addr_len);
	for (uint32_t i = 0; i < f->addr_len * 8 && i < len; i++)
		bits[i / 8] |= 0x80 >> i % 8;
	for (uint32_t i = 0; i < f->addr_len; i++)
		prefix[i] &= bits[i];
	if (!nft_rule_start(&k, m, rules->table, "postrouting"))
		return;
	nft_match_family(&k, f->nfproto);
	if (rules->out_dev) {
		nft_match_dev(&k, NFT_META_OIFNAME, NFT_CMP_EQ, rules->out_dev);
	} else {
		nft_payload(&k, NFT_PAYLOAD_NETWORK_HEADER, f->saddr_offset, f->addr_len);
		if (len < f->addr_len * 8)
			nft_mask(&k, bits, f->addr_len);
		nft_cmp(&k, NFT_CMP_EQ, prefix, f->addr_len);
		nft_match_dev(&k, NFT_META_OIFNAME, NFT_CMP_NEQ, rules->host_dev);
	}
	nft_expr(&k, "masq");
	nft_rule_finish(&k, f->label);
}

/* To the host's own addresses only: what the lab asks of a name server elsewhere is its business.
 */
static void put_redirect(struct nl_msg *m, const struct nft_rules *rules, uint8_t proto,
			 const char *label)
{
	const uint16_t from = htons(DNS_PORT), to = htons(rules->dns_port);
	const uint32_t local = RTN_LOCAL;
	struct rule_maker k;
	struct nftnl_expr *e;

	if (!nft_rule_start(&k, m, rules->table, "prerouting"))
		return;
	nft_match_dev(&k, NFT_META_IIFNAME, NFT_CMP_EQ, rules->host_dev);
	e = nft_expr(&k, "fib");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
		nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
	}
	nft_cmp(&k, NFT_CMP_EQ, &local, sizeof(local));
	nft_match_protocol(&k, proto);
	nft_payload(&k, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
	nft_cmp(&k, NFT_CMP_EQ, &from, sizeof(from));
	nft_immediate(&k, &to, sizeof(to));
	e = nft_expr(&k, "redir");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_REDIR_REG_PROTO_MIN, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_REDIR_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
	}
	nft_rule_finish(&k, label);
}

static void put_loopback(struct nl_msg *m, const struct nft_rules *rules)
{
	const uint32_t loopback = htonl(INADDR_LOOPBACK);
	struct rule_maker k;
	struct nftnl_expr *e;

	if (!nft_rule_start(&k, m, rules->table, "prerouting"))
		return;
	nft_match_dev(&k, NFT_META_IIFNAME, NFT_CMP_EQ, rules->host_dev);
	nft_match_family(&k, NFPROTO_IPV4);
	nft_payload(&k, NFT_PAYLOAD_NETWORK_HEADER, DADDR4, sizeof(rules->host4));
	nft_cmp(&k, NFT_CMP_EQ, &rules->host4, sizeof(rules->host4));
	nft_immediate(&k, &loopback, sizeof(loopback));
	e = nft_expr(&k, "nat");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4);
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
	}
	nft_rule_finish(&k, "way to the host's loopback (module nft_nat)");
}

static void put_nat(struct nl_msg *m, const void *nat)
{
	const struct nft_rules *rules = nat;
	const struct nft_chain postrouting = {
		.table = rules->table,
		.name = "postrouting",
		.type = "nat",
		.hook = NF_INET_POST_ROUTING,
		.prio = PRIO_SRCNAT,
		.label = "nat chain postrouting (module nft_chain_nat)",
	};
	const struct nft_chain prerouting = {
		.table = rules->table,
		.name = "prerouting",
		.type = "nat",
		.hook = NF_INET_PRE_ROUTING,
		.prio = PRIO_DSTNAT,
		.label = "nat chain prerouting (module nft_chain_nat)",
	};

	nft_put_table(m, rules->table, rules->comment);
	nft_put_chain(m, &postrouting);
	put_masquerade(m, rules, &family4, &rules->addr4, rules->len4);
	put_masquerade(m, rules, &family6, &rules->addr6, rules->len6);
	if (rules->dns_port || rules->host4.s_addr)
		nft_put_chain(m, &prerouting);
	if (rules->host4.s_addr)
		put_loopback(m, rules);
	if (rules->dns_port) {
		put_redirect(m, rules, IPPROTO_UDP,
			     "redirect of UDP port 53 (modules nft_fib_inet, nft_redir)");
		put_redirect(m, rules, IPPROTO_TCP,
			     "redirect of TCP port 53 (modules nft_fib_inet, nft_redir)");
	}
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
		   const char *table)
{
	/* EPERM with a socket's right to act is refused at the batch's begin: here it is the
	 * owner's. */
	if (is_about(e, m, MSG_TABLE) && (e->code == -EEXIST || e->code == -EPERM))
		return foreign(table, err);
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
		return err_cannot(err, e->code,
				  "this kernel lacks a part that the uplink needs: %s", e->msg);
	if (e->code == -EPERM)
		return err_cannot(err, e->code, "%s", e->msg);
	return err_set(err, e->code, "%s", e->msg);
}

int nft_table_make(struct nft_table **ret, const char *table,
		   void (*put)(struct nl_msg *m, const void *rules), const void *rules,
		   struct choppy_err *err)
{
	struct nft_table *t = calloc(1, sizeof(*t));
	struct nl_msg *m = malloc(sizeof(*m));
	struct choppy_err e = { 0 };
	int r;

	if (!t || !m) {
		r = err_sys(err, -ENOMEM, "nftables table");
		goto fail;
	}
	r = nl_open(&t->nl, NETLINK_NETFILTER, &e);
	if (r < 0) {
		err_cannot(err, r, "this kernel has no nftables: %s", e.msg);
		goto fail;
	}
	snprintf(t->name, sizeof(t->name), "%s", table);
	nl_msg_init(m);
	nft_begin(m, NFNL_SUBSYS_NONE, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC,
		  "nftables (module nf_tables)");
	put(m, rules);
	nft_begin(m, NFNL_SUBSYS_NONE, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, "nftables commit");
	r = nl_do(t->nl, m, &e);
	if (r < 0) {
		r = explain(err, &e, m, table);
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

int nft_table_add(struct nft_table **ret, const struct nft_rules *rules, struct choppy_err *err)
{
	if (rules->len4 > 32 || rules->len6 > 128)
		return err_set(err, -EINVAL, "nftables: no prefix has /%u and /%u", rules->len4,
			       rules->len6);
	return nft_table_make(ret, rules->table, put_nat, rules, err);
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
	if (nft_begin(m, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETTABLE, 0, NFPROTO_INET, "nftables table"))
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
	nft_begin(m, NFNL_SUBSYS_NONE, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, "nftables");
	nlh = nft_begin(m, NFNL_SUBSYS_NFTABLES, NFT_MSG_DELTABLE, 0, NFPROTO_INET,
			"nftables table");
	if (nlh)
		nl_put_str(m, NFTA_TABLE_NAME, t->name);
	nft_begin(m, NFNL_SUBSYS_NONE, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, "nftables commit");
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
