/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link.h - rtnetlink messages for links, addresses, routes and neighbours. The
 * functions append to a struct nl_msg; the caller sends it with nl_do().
 */
#ifndef CHOPPY_LINK_H
#define CHOPPY_LINK_H

#include <netinet/in.h>

#include "nl.h"

#define MAC_LEN 6

/* An address with its prefix length, IPv4 or IPv6. family 0: none. */
struct inet {
	int family;
	uint8_t len;
	union {
		struct in_addr v4;
		struct in6_addr v6;
		uint8_t bytes[16];
	};
};

/* One end of a veth pair in the making. */
struct veth_end {
	const char *name;
	int ns; /* fd of its namespace; -1: that of the socket */
	int ifindex; /* wanted, 0: the kernel's choice */
	uint8_t mac[MAC_LEN];
	uint32_t gso_max_segs; /* longest super-packet sent through it, in packets; 0: any */
};

/* A new veth pair; @a stands in the socket's namespace and is set up at once. */
void link_veth(struct nl_msg *m, const struct veth_end *a, const struct veth_end *b, uint32_t mtu);
void link_bridge(struct nl_msg *m, const char *name, int ifindex);
/* Make @ifindex a port of bridge @master. */
void link_master(struct nl_msg *m, int ifindex, int master);
void link_up(struct nl_msg *m, int ifindex);
void link_delete(struct nl_msg *m, int ifindex);
/* Move to another namespace, with the name it has there. */
void link_move(struct nl_msg *m, int ifindex, int ns, const char *name);
/* The ownership tag. */
void link_alias(struct nl_msg *m, int ifindex, const char *alias);
/* No link-local IPv6 address of its own: nothing is sent that nobody asked for. */
void link_no_linklocal(struct nl_msg *m, int ifindex);
/* IPv4 forwarding of one device (IPV4_DEVCONF_FORWARDING); the global switch is not touched. */
void link_forwarding(struct nl_msg *m, int ifindex, bool on);

/* @a->len is the prefix; IPv6 without duplicate address detection. */
void addr_add(struct nl_msg *m, int ifindex, const struct inet *a);
/* Default route through @gateway; @gateway->family says which. */
void route_default(struct nl_msg *m, int ifindex, const struct inet *gateway);
/* To network @to (len 0: everything) through @via, which is a neighbour. */
void route_add(struct nl_msg *m, const struct inet *to, const struct inet *via, int ifindex);
/* A route to network @to (len 0: everything) that answers at once with "unreachable". */
void route_unreachable(struct nl_msg *m, const struct inet *to);
/* Every address that no other route covers is this namespace's own. */
void route_local(struct nl_msg *m, int family);
/* A neighbour that never has to be asked for. */
void neigh_add(struct nl_msg *m, int ifindex, const struct inet *a, const uint8_t mac[MAC_LEN]);

/* What a device is; filled by link_get(). */
struct link_info {
	int ifindex;
	char alias[64]; /* "" for none */
	bool forwarding; /* IPv4, per device */
	bool active; /* has its queueing discipline; before that it drops all that is sent */
	uint64_t tx_dropped; /* by the device, of what its namespace sent */
};
/* -ENODEV when there is none. */
int link_get(struct nl *nl, const char *name, struct link_info *ret, struct choppy_err *err);

/*
 * Switch segmentation offload @feature ("tx-udp-segmentation", as `ethtool -k` names it) of a
 * device of this process's network namespace off. 0 also where the device has no such feature.
 */
int link_feature_off(const char *name, const char *feature, struct choppy_err *err);

/*
 * Wait until the device sends: the end of a veth pair that was set up first gets its queueing
 * discipline only when the kernel's link watch has run, some time after the other is up.
 */
int link_wait(struct nl *nl, const char *name, struct choppy_err *err);

/*
 * Wait until the namespace takes packets to its own address @a: the kernel inserts the local
 * route of an IPv6 address from a work queue (addrconf_dad_work()), after it has acknowledged it.
 */
int addr_wait(struct nl *nl, const struct inet *a, struct choppy_err *err);

/* "10.0.0.1/31" to and from text. The parsers accept nothing else. */
int inet_parse(struct inet *ret, const char *text, struct choppy_err *err);
int inet_print(char *buf, size_t size, const struct inet *a, bool with_len);
size_t inet_size(const struct inet *a); /* 4 or 16 */

#endif
