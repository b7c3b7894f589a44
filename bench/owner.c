/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * owner: how long the kernel takes to close the socket of an empty nftables table that
 * has the owner flag and a nat chain. Prints ns. This is the floor for
 * ending a lab with NAT: the kernel waits until no packet can be in the chain.
 *
 *	cc -O2 owner.c -lmnl -lnftnl
 */
#include "clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE "bench-owner"

static void put_table(struct mnl_nlmsg_batch *batch)
{
	struct nftnl_table *t = nftnl_table_alloc();
	struct nlmsghdr *nlh;

	nftnl_table_set_str(t, NFTNL_TABLE_NAME, TABLE);
	nftnl_table_set_u32(t, NFTNL_TABLE_FLAGS, NFT_TABLE_F_OWNER);
	nlh = nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(batch), NFT_MSG_NEWTABLE, NFPROTO_IPV4,
				    NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 1);
	nftnl_table_nlmsg_build_payload(nlh, t);
	mnl_nlmsg_batch_next(batch);
	nftnl_table_free(t);
}

static void put_chain(struct mnl_nlmsg_batch *batch)
{
	struct nftnl_chain *c = nftnl_chain_alloc();
	struct nlmsghdr *nlh;

	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, TABLE);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, "postrouting");
	nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, "nat");
	nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, NF_INET_POST_ROUTING);
	nftnl_chain_set_u32(c, NFTNL_CHAIN_PRIO, NF_IP_PRI_NAT_SRC);
	nlh = nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(batch), NFT_MSG_NEWCHAIN, NFPROTO_IPV4,
				    NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 2);
	nftnl_chain_nlmsg_build_payload(nlh, c);
	mnl_nlmsg_batch_next(batch);
	nftnl_chain_free(c);
}

/* Wait for the two acks. */
static int acks(struct mnl_socket *nl)
{
	char buf[8192];
	ssize_t n;
	int i;

	for (i = 1; i <= 2; i++) {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0 ||
		    mnl_cb_run(buf, (size_t)n, 0, mnl_socket_get_portid(nl), NULL, NULL) < 0)
			return -1;
	}
	return 0;
}

static int make(struct mnl_socket *nl)
{
	char buf[8192];
	struct mnl_nlmsg_batch *batch = mnl_nlmsg_batch_start(buf, sizeof(buf) / 2);
	int r = 0;

	nftnl_batch_begin(mnl_nlmsg_batch_current(batch), 0);
	mnl_nlmsg_batch_next(batch);
	put_table(batch);
	put_chain(batch);
	nftnl_batch_end(mnl_nlmsg_batch_current(batch), 3);
	mnl_nlmsg_batch_next(batch);
	if (mnl_socket_sendto(nl, mnl_nlmsg_batch_head(batch), mnl_nlmsg_batch_size(batch)) < 0)
		r = -1;
	mnl_nlmsg_batch_stop(batch);
	return r ? r : acks(nl);
}

int main(void)
{
	struct mnl_socket *nl = mnl_socket_open(NETLINK_NETFILTER);
	uint64_t begin;

	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) || make(nl)) {
		fprintf(stderr, "owner: %s\n", strerror(errno));
		return 1;
	}
	begin = now_ns();
	mnl_socket_close(nl);
	printf("%" PRIu64 "\n", now_ns() - begin);
	return 0;
}
