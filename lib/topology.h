/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * topology.h - the nodes of a lab and the links between them: a plain value, built
 * piece by piece, in which every name is checked as it comes.
 */
#ifndef CHOPPY_TOPOLOGY_H
#define CHOPPY_TOPOLOGY_H

#include "choppy.h"
#include "link.h"

#define NODES_MAX 16384
#define LINKS_MAX 65536
#define SWITCH_PORTS_MAX 1023 /* BR_MAX_PORTS of the kernel's bridge */
#define NODE_NAME_MAX CHOPPY_NODE_NAME_MAX

enum node_kind {
	NODE_HOST, /* sends and receives */
	NODE_ROUTER, /* a host that also passes packets on by their address */
	NODE_SWITCH, /* passes frames on by their MAC address; has none itself */
	NODE_NKINDS,
};
extern const char *const node_kinds[NODE_NKINDS + 1];

struct topo_node {
	char name[NODE_NAME_MAX + 1];
	enum node_kind kind;
	uint32_t first_port, nports; /* a list through topo_port.next; NO_PORT ends it */
	uint32_t last_port;
};

#define NO_PORT UINT32_MAX

/* An end of a link. Those of link i are the ports 2i and 2i + 1. */
struct topo_port {
	uint32_t node, next;
	uint32_t number; /* within its node: eth0, eth1, ... */
	uint32_t segment; /* of numbering.h */
	struct inet given[2]; /* IPv4 and IPv6, with the prefix; family 0: none is given */
	struct inet addr[2]; /* what it has, by numbering.h; of a switch none */
};

struct topo_link {
	char name[CHOPPY_LINK_NAME_MAX + 1]; /* as given, or "A-B" */
};

struct topology {
	struct topo_node *nodes;
	struct topo_link *links;
	struct topo_port *ports; /* 2 * nlinks */
	uint32_t nnodes, nlinks;
	uint32_t room_nodes, room_links;
	uint32_t *by_name; /* open addressing over the nodes' names, then the links'; 0: free */
	uint32_t nslots, nnames;
};

static inline uint32_t port_link(uint32_t port)
{
	return port / 2;
}

/* The other end of the same link. */
static inline uint32_t port_peer(uint32_t port)
{
	return port ^ 1;
}

void topology_free(struct topology *t);

/*
 * Add a node. -EINVAL: not a name (letters, digits and inner '-', RFC 1123). -EEXIST: there is one
 * of that name. -E2BIG: NODES_MAX.
 */
int topology_add_node(struct topology *t, const char *name, enum node_kind kind, uint32_t *ret,
		      struct choppy_err *err);

/*
 * Join two nodes. @name: NULL for "A-B", or "A-B-2" and so on where they are joined already.
 * -EINVAL: a node to itself. -E2BIG: LINKS_MAX, or a switch without a free port.
 */
int topology_add_link(struct topology *t, const char *name, uint32_t a, uint32_t b, uint32_t *ret,
		      struct choppy_err *err);

/* -ENOENT, with the nearest name that there is; who passes no @err does not pay for looking it up.
 */
int topology_find_node(const struct topology *t, const char *name, uint32_t *ret,
		       struct choppy_err *err);
int topology_find_link(const struct topology *t, const char *name, uint32_t *ret,
		       struct choppy_err *err);

/*
 * Call @each for every name that @pattern stands for: "a", "w[1-3]" (w1, w2, w3), "w[01-10]"
 * (padded with zeros), "r[1-2]s[1-2]" (the last counts fastest). A negative result of @each ends
 * it. -EINVAL: a bracket is not closed, empty, or counts backwards. -E2BIG: more than NODES_MAX
 * names.
 */
int topology_expand(const char *pattern, int (*each)(const char *name, void *ctx), void *ctx,
		    struct choppy_err *err);

#endif
