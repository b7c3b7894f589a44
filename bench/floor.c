/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * floor: what the kernel itself takes for the namespaces and veth pairs of a lab: no address, no
 * route, no process.
 *
 *	floor NODES PAIRS <LINKS
 *
 * A line of LINKS is two numbers of nodes, from 0. Makes a namespace for each node, and one more;
 * for each link one veth pair between its nodes (PAIRS 1), or one from each of them into the
 * namespace that is nobody's (PAIRS 2), where an engine would stand. Prints the ns that the
 * namespaces took, and the pairs, and keeps them until it is killed.
 *
 *	cc -O2 floor.c -lmnl
 */
#define _GNU_SOURCE
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define BATCH 32

struct node {
	int ns;
	struct mnl_socket *nl;
	unsigned int devices;
};

struct link {
	unsigned int a, b;
};

static void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void make_node(struct node *n)
{
	if (unshare(CLONE_NEWNET) < 0)
		die("unshare");
	n->ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	n->nl = mnl_socket_open(NETLINK_ROUTE);
	if (n->ns < 0 || !n->nl || mnl_socket_bind(n->nl, 0, MNL_SOCKET_AUTOPID) < 0)
		die("namespace");
}

static void put_name(struct nlmsghdr *nlh, struct node *n)
{
	char name[16];

	snprintf(name, sizeof(name), "v%u", n->devices++);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	mnl_attr_put_u32(nlh, IFLA_NUM_TX_QUEUES, 1);
	mnl_attr_put_u32(nlh, IFLA_NUM_RX_QUEUES, 1);
}

/* To be sent by @from's socket. */
static void put_pair(struct mnl_nlmsg_batch *batch, struct node *from, struct node *to)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(mnl_nlmsg_batch_current(batch));
	struct nlattr *info, *data, *peer;

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	put_name(nlh, from);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	put_name(nlh, to);
	mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)to->ns);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	mnl_nlmsg_batch_next(batch);
}

/* The kernel answers while it is asked: nothing is waited for (lib/nl.c). */
static void send_batch(struct node *from, struct mnl_nlmsg_batch *batch, int n)
{
	char buf[8192];

	if (mnl_socket_sendto(from->nl, mnl_nlmsg_batch_head(batch), mnl_nlmsg_batch_size(batch)) <
	    0)
		die("send");
	while (n > 0) {
		ssize_t len = mnl_socket_recvfrom(from->nl, buf, sizeof(buf));
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
		int left = (int)len;

		if (len < 0)
			die("receive");
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left), n--) {
			errno = -*(const int *)mnl_nlmsg_get_payload(nlh);
			if (errno)
				die("veth");
		}
	}
	mnl_nlmsg_batch_reset(batch);
}

/* The first end of each link's pair, or the only one; then those of the others. What comes one
 * behind the other and is of one node is sent together. */
static void make_pairs(struct node *nodes, unsigned int middle, const struct link *links, int n,
		       int pairs)
{
	static char buf[BATCH * 512];
	struct mnl_nlmsg_batch *batch = mnl_nlmsg_batch_start(buf, sizeof(buf) / 2);
	struct node *from = NULL;
	int put = 0;

	for (int i = 0; i < pairs * n; i++) {
		const struct link *l = &links[i % n];
		struct node *next = &nodes[i < n ? l->b : l->a];

		if (put == BATCH || (put && next != from)) {
			send_batch(from, batch, put);
			put = 0;
		}
		from = next;
		put_pair(batch, from, &nodes[pairs == 2 ? middle : l->a]);
		put++;
	}
	if (put)
		send_batch(from, batch, put);
	mnl_nlmsg_batch_stop(batch);
}

static int read_links(struct link **ret, unsigned int nnodes)
{
	struct link *links = NULL, l;
	int n = 0;

	while (scanf("%u %u", &l.a, &l.b) == 2 && l.a < nnodes && l.b < nnodes) {
		links = realloc(links, (size_t)(n + 1) * sizeof(*links));
		if (!links)
			die("memory");
		links[n++] = l;
	}
	*ret = links;
	return n;
}

int main(int argc, char *argv[])
{
	struct rlimit files;
	unsigned int nnodes;
	struct node *nodes;
	struct link *links;
	uint64_t begin, made;
	int n;

	if (argc != 3 || atoi(argv[1]) < 1 || atoi(argv[2]) < 1 || atoi(argv[2]) > 2)
		return 2;
	nnodes = (unsigned int)atoi(argv[1]);
	n = read_links(&links, nnodes);
	nodes = calloc(nnodes + 1, sizeof(*nodes));
	if (!nodes || getrlimit(RLIMIT_NOFILE, &files) < 0)
		die("memory");
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	begin = now_ns();
	for (unsigned int i = 0; i <= nnodes; i++)
		make_node(&nodes[i]);
	made = now_ns();
	make_pairs(nodes, nnodes, links, n, atoi(argv[2]));
	printf("%" PRIu64 " %" PRIu64 "\n", made - begin, now_ns() - made);
	fflush(stdout);
	for (;;)
		pause();
}
