/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft_build.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#ifndef NFT_TABLE_F_OWNER
#define NFT_TABLE_F_OWNER 0x2
#endif

/* libnftnl appends without a look at the room; our largest message takes a third of this. */
#define ROOM 2048

/* ----------------------------------------------------------------- messages */

struct nlmsghdr *nft_begin(struct nl_msg *m, int subsys, int type, uint16_t flags, int family,
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

void nft_put_table(struct nl_msg *m, const char *name, const char *comment)
{
	struct nlmsghdr *nlh = nft_begin(m, NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWTABLE,
					 NLM_F_CREATE | NLM_F_EXCL, NFPROTO_INET, "nftables table");
	struct nftnl_udata_buf *udata = nftnl_udata_buf_alloc(NFTNL_UDATA_COMMENT_MAXLEN + 8);
	struct nftnl_table *t = nftnl_table_alloc();

	if (!t || !udata)
		out_of_memory(m);
	else if (!nftnl_udata_put_strz(udata, NFTNL_UDATA_TABLE_COMMENT, comment))
		m->error = -EMSGSIZE;
	if (!m->error) {
		nftnl_table_set_str(t, NFTNL_TABLE_NAME, name);
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

void nft_put_chain(struct nl_msg *m, const struct nft_chain *chain)
{
	struct nftnl_chain *c = nftnl_chain_alloc();
	struct nlmsghdr *nlh = nft_begin(m, NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWCHAIN,
					 NLM_F_CREATE | NLM_F_EXCL, NFPROTO_INET, chain->label);

	if (!c)
		out_of_memory(m);
	if (!m->error) {
		nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, chain->table);
		nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, chain->name);
		nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, chain->type);
		nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, chain->hook);
		nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, chain->prio);
		nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
		nftnl_chain_nlmsg_build_payload(nlh, c);
	}
	if (c)
		nftnl_chain_free(c);
}

/* ------------------------------------------------------------------- rules */

struct nftnl_expr *nft_expr(struct rule_maker *k, const char *name)
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

void nft_meta(struct rule_maker *k, uint32_t key)
{
	struct nftnl_expr *e = nft_expr(k, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

void nft_payload(struct rule_maker *k, uint32_t base, uint32_t offset, uint32_t len)
{
	struct nftnl_expr *e = nft_expr(k, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
}

void nft_cmp(struct rule_maker *k, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *e = nft_expr(k, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set_data(e, NFTNL_EXPR_CMP_DATA, data, len);
}

void nft_mask(struct rule_maker *k, const uint8_t *bits, uint32_t len)
{
	static const uint8_t none[16];
	struct nftnl_expr *e = nft_expr(k, "bitwise");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, len);
	nftnl_expr_set_data(e, NFTNL_EXPR_BITWISE_MASK, bits, len);
	nftnl_expr_set_data(e, NFTNL_EXPR_BITWISE_XOR, none, len);
}

void nft_match_dev(struct rule_maker *k, uint32_t key, uint32_t op, const char *dev)
{
	char name[IFNAMSIZ] = "";

	snprintf(name, sizeof(name), "%s", dev);
	nft_meta(k, key);
	nft_cmp(k, op, name, sizeof(name));
}

void nft_match_family(struct rule_maker *k, uint8_t nfproto)
{
	nft_meta(k, NFT_META_NFPROTO);
	nft_cmp(k, NFT_CMP_EQ, &nfproto, sizeof(nfproto));
}

void nft_match_protocol(struct rule_maker *k, uint8_t protocol)
{
	nft_meta(k, NFT_META_L4PROTO);
	nft_cmp(k, NFT_CMP_EQ, &protocol, sizeof(protocol));
}

void nft_immediate(struct rule_maker *k, const void *data, uint32_t len)
{
	struct nftnl_expr *e = nft_expr(k, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
	nftnl_expr_set_data(e, NFTNL_EXPR_IMM_DATA, data, len);
}

void nft_verdict(struct rule_maker *k, uint32_t verdict)
{
	struct nftnl_expr *e = nft_expr(k, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, verdict);
}

bool nft_rule_start(struct rule_maker *k, struct nl_msg *m, const char *table, const char *chain)
{
	k->m = m;
	k->rule = nftnl_rule_alloc();
	if (!k->rule) {
		out_of_memory(m);
		return false;
	}
	nftnl_rule_set_u32(k->rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
	nftnl_rule_set_str(k->rule, NFTNL_RULE_TABLE, table);
	nftnl_rule_set_str(k->rule, NFTNL_RULE_CHAIN, chain);
	return true;
}

void nft_rule_finish(struct rule_maker *k, const char *label)
{
	struct nlmsghdr *nlh = nft_begin(k->m, NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWRULE,
					 NLM_F_CREATE | NLM_F_APPEND, NFPROTO_INET, label);

	if (nlh)
		nftnl_rule_nlmsg_build_payload(nlh, k->rule);
	nftnl_rule_free(k->rule);
}
