/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nft_build.h - messages of nf_tables: a batch's frame, tables, chains, rules and their
 * expressions. */
#ifndef CHOPPY_NFT_BUILD_H
#define CHOPPY_NFT_BUILD_H

#include <stdio.h> /* for libnftnl's headers */

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>

#include "nl.h"

/* Begin a message of nf_tables (or, with @subsys NFNL_SUBSYS_NONE, the batch's frame). NULL after
 * an error, which @m keeps. */
struct nlmsghdr *nft_begin(struct nl_msg *m, int subsys, int type, uint16_t flags, int family,
			   const char *label);

/* A table of family inet that belongs to the socket which makes it (Linux 5.12). */
void nft_put_table(struct nl_msg *m, const char *name, const char *comment);

/* A base chain. */
struct nft_chain {
	const char *table, *name;
	const char *type; /* "nat", "filter" */
	uint32_t hook; /* enum nf_inet_hooks */
	int32_t prio;
	const char *label; /* for errors, with the module that may be missing */
};
void nft_put_chain(struct nl_msg *m, const struct nft_chain *chain);

/* A rule in the making: start, expressions in order, finish. After an error all do nothing. */
struct rule_maker {
	struct nl_msg *m;
	struct nftnl_rule *rule;
};
bool nft_rule_start(struct rule_maker *k, struct nl_msg *m, const char *table, const char *chain);
void nft_rule_finish(struct rule_maker *k, const char *label);

/* A new expression at the end of the rule; NULL after an error. */
struct nftnl_expr *nft_expr(struct rule_maker *k, const char *name);
/* These work on register 1. */
void nft_meta(struct rule_maker *k, uint32_t key);
void nft_payload(struct rule_maker *k, uint32_t base, uint32_t offset, uint32_t len);
void nft_cmp(struct rule_maker *k, uint32_t op, const void *data, uint32_t len);
void nft_mask(struct rule_maker *k, const uint8_t *bits, uint32_t len);
void nft_immediate(struct rule_maker *k, const void *data, uint32_t len);
/* The packet's device (@key NFT_META_IIFNAME or _OIFNAME) is, or is not, @dev. */
void nft_match_dev(struct rule_maker *k, uint32_t key, uint32_t op, const char *dev);
/* The packet is of @nfproto (NFPROTO_IPV4, _IPV6), of @protocol above IP. */
void nft_match_family(struct rule_maker *k, uint8_t nfproto);
void nft_match_protocol(struct rule_maker *k, uint8_t protocol);
/* NF_ACCEPT or NF_DROP. */
void nft_verdict(struct rule_maker *k, uint32_t verdict);

#endif
