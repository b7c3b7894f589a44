/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of the uplink relay: see struct nft_relay. */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "nft.h"
#include "nft_build.h"

#define PRIO_MANGLE -150
#define PRIO_FILTER 0
#define TCP_FLAGS_AT 13
#define TCP_SYN_ACK 0x12
#define TCP_SYN 0x02

/* Where a family has its addresses. */
static const struct family {
	uint8_t nfproto;
	uint32_t saddr, daddr, len;
} families[] = {
	{ NFPROTO_IPV4, 12, 16, 4 },
	{ NFPROTO_IPV6, 8, 24, 16 },
};

struct maker {
	struct nl_msg *m;
	const struct nft_relay *rules;
	struct rule_maker k;
};

static const void *gateway(const struct nft_relay *r, const struct family *f)
{
	return f->nfproto == NFPROTO_IPV4 ? (const void *)&r->gateway4 : &r->gateway6;
}

/* What is for the gateway itself goes its usual way. */
static void accept_own(struct maker *mk, const struct family *f)
{
	if (!nft_rule_start(&mk->k, mk->m, mk->rules->table, "prerouting"))
		return;
	nft_match_family(&mk->k, f->nfproto);
	nft_payload(&mk->k, NFT_PAYLOAD_NETWORK_HEADER, f->daddr, f->len);
	nft_cmp(&mk->k, NFT_CMP_EQ, gateway(mk->rules, f), f->len);
	nft_verdict(&mk->k, NF_ACCEPT);
	nft_rule_finish(&mk->k, "rule for the gateway's own address");
}

static void match_syn(struct maker *mk)
{
	const uint8_t bits = TCP_SYN_ACK, syn = TCP_SYN;

	nft_match_protocol(&mk->k, IPPROTO_TCP);
	nft_payload(&mk->k, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_AT, 1);
	nft_mask(&mk->k, &bits, 1);
	nft_cmp(&mk->k, NFT_CMP_EQ, &syn, 1);
}

static void hold_syn(struct maker *mk)
{
	if (!nft_rule_start(&mk->k, mk->m, mk->rules->table, "prerouting"))
		return;
	nft_match_dev(&mk->k, NFT_META_IIFNAME, NFT_CMP_EQ, mk->rules->dev);
	match_syn(mk);
	nft_verdict(&mk->k, NF_DROP);
	nft_rule_finish(&mk->k, "rule that holds connections");
}

static void tproxy(struct maker *mk, const char *label)
{
	const uint16_t port = htons(mk->rules->port);
	struct nftnl_expr *e;

	nft_immediate(&mk->k, &port, sizeof(port));
	e = nft_expr(&mk->k, "tproxy");
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_TPROXY_FAMILY, NFPROTO_UNSPEC);
		nftnl_expr_set_u32(e, NFTNL_EXPR_TPROXY_REG_PORT, NFT_REG_1);
	}
	nft_rule_finish(&mk->k, label);
}

static void take_syn(struct maker *mk)
{
	if (!nft_rule_start(&mk->k, mk->m, mk->rules->table, "prerouting"))
		return;
	nft_match_dev(&mk->k, NFT_META_IIFNAME, NFT_CMP_EQ, "lo");
	match_syn(mk);
	tproxy(mk, "rule that takes connections (module nft_tproxy)");
}

static void take_datagrams(struct maker *mk)
{
	if (!nft_rule_start(&mk->k, mk->m, mk->rules->table, "prerouting"))
		return;
	nft_match_dev(&mk->k, NFT_META_IIFNAME, NFT_CMP_EQ, mk->rules->dev);
	nft_match_protocol(&mk->k, IPPROTO_UDP);
	tproxy(mk, "rule that takes datagrams (module nft_tproxy)");
}

/* In the name of another address only the relay speaks, and TCP by its sockets: the kernel's own
 * answers would be forged, since every address is local here. */
static void drop_forged(struct maker *mk, const struct family *f)
{
	const uint8_t tcp = IPPROTO_TCP;

	if (!nft_rule_start(&mk->k, mk->m, mk->rules->table, "output"))
		return;
	nft_match_dev(&mk->k, NFT_META_OIFNAME, NFT_CMP_EQ, mk->rules->dev);
	nft_match_family(&mk->k, f->nfproto);
	nft_payload(&mk->k, NFT_PAYLOAD_NETWORK_HEADER, f->saddr, f->len);
	nft_cmp(&mk->k, NFT_CMP_NEQ, gateway(mk->rules, f), f->len);
	nft_meta(&mk->k, NFT_META_L4PROTO);
	nft_cmp(&mk->k, NFT_CMP_NEQ, &tcp, sizeof(tcp));
	nft_meta(&mk->k, NFT_META_MARK);
	nft_cmp(&mk->k, NFT_CMP_NEQ, &mk->rules->mark, sizeof(mk->rules->mark));
	nft_verdict(&mk->k, NF_DROP);
	nft_rule_finish(&mk->k, "rule against forged answers");
}

static void put_relay(struct nl_msg *m, const void *relay)
{
	const struct nft_relay *rules = relay;
	const bool has[] = { rules->v4, rules->v6 };
	struct maker mk = { .m = m, .rules = rules };
	const struct nft_chain prerouting = {
		.table = rules->table,
		.name = "prerouting",
		.type = "filter",
		.hook = NF_INET_PRE_ROUTING,
		.prio = PRIO_MANGLE,
		.label = "chain prerouting",
	};
	const struct nft_chain output = {
		.table = rules->table,
		.name = "output",
		.type = "filter",
		.hook = NF_INET_LOCAL_OUT,
		.prio = PRIO_FILTER,
		.label = "chain output",
	};

	nft_put_table(m, rules->table, rules->comment);
	nft_put_chain(m, &prerouting);
	nft_put_chain(m, &output);
	for (int i = 0; i < 2; i++)
		if (has[i])
			accept_own(&mk, &families[i]);
	hold_syn(&mk);
	take_syn(&mk);
	take_datagrams(&mk);
	for (int i = 0; i < 2; i++)
		if (has[i])
			drop_forged(&mk, &families[i]);
}

int nft_relay_add(struct nft_table **ret, const struct nft_relay *rules, struct choppy_err *err)
{
	return nft_table_make(ret, rules->table, put_relay, rules, err);
}
