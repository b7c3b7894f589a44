/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every node is a network namespace, held by descriptor. A link is two veth pairs whose inner ends
 * lie in the engine's namespace, as that of a lab with one node:
 *
 *	node a          engine's namespace            node b
 *	eth0 --veth--  l0a | engine, link 1 | l0b  --veth--  eth3
 *
 * All is asked for in batches; numbers of devices are chosen here, so that nothing needs to be
 * asked back. A switch is a bridge in a namespace of its own, its ends of the links are the ports.
 *
 * When a device's link comes up, the kernel looks at all routes of its namespace, and at all
 * packet sockets there. So links come up, by their inner ends, before there are any.
 *
 * A switch takes its ports last, when the hosts have said which multicast groups they are in, and
 * said it again, which they are made to do at once. Each such report goes to all hosts of the
 * switch: of a thousand hosts a million frames, which would be in the way of the first packet.
 *
 * The kernel has one list for a name under /proc/sys/net in all namespaces, and walks it when it
 * looks there for a new one: every so many nodes are written to through a proc of their own.
 *
 * Closing a packet socket waits for the kernel (defer.h): a thousand of them are spread over many
 * rings, which are emptied side by side.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "defer.h"
#include "err.h"
#include "ns.h"
#include "routing.h"
#include "util.h"

#define BRIDGE_NAME "br0"
#define BRIDGE_IFINDEX 2 /* a switch has no uplink */
#define FIRST_IFINDEX 3 /* of a node's eth0: 2 is its uplink's or its bridge's */
#define INNER_IFINDEX 4 /* in the engine's namespace: 2 and 3 are of the uplink */
#define LINKS_A_RING 2
#define NODES_A_PROC 64
#define REPORT_INTERVAL "1000" /* ms, the kernel's own */
#define BATCH 24 /* messages, of those that NL_MSG_LABELS allows */
#define FDS_BESIDES 128 /* what choppy needs whatever the lab */

static const struct topology *topology_of(const struct lab *lab)
{
	return &lab->net.plan->file->t;
}

static int node_ifindex(const struct topo_port *p)
{
	return FIRST_IFINDEX + (int)p->number;
}

static void port_dev(const struct topo_port *p, char dev[16])
{
	snprintf(dev, 16, "eth%u", p->number);
}

/* Locally administered, and not as name_ends() in steps.c makes them. */
static void port_mac(const struct lab *lab, uint32_t port, uint8_t mac[MAC_LEN])
{
	uint64_t h = hash_name(lab->spec->name);

	mac[0] = 0x06;
	mac[1] = (uint8_t)h;
	mac[2] = (uint8_t)(h >> 8);
	mac[3] = (uint8_t)(port >> 16);
	mac[4] = (uint8_t)(port >> 8);
	mac[5] = (uint8_t)port;
}

/* ------------------------------------------------------------------ limits */

int net_check_limits(struct choppy_file *plan, struct choppy_err *err)
{
	const struct topology *t = &plan->file->t;
	/* The keeper holds the namespaces, and two sockets a link where there are no rings. */
	rlim_t want = FDS_BESIDES + t->nnodes + 2ul * t->nlinks;
	struct rlimit lim;
	char value[32];

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return err_sys(err, -errno, "read RLIMIT_NOFILE");
	if (lim.rlim_max < want)
		return err_cannot(err, -EMFILE,
				  "%u nodes and %u links need %llu descriptors, and RLIMIT_NOFILE "
				  "allows %llu: ulimit -Hn %llu, or LimitNOFILE= of a service",
				  t->nnodes, t->nlinks, (unsigned long long)want,
				  (unsigned long long)lim.rlim_max, (unsigned long long)want);
	if (lim.rlim_cur < want) {
		plan->nofile = lim;
		lim.rlim_cur = want;
		if (setrlimit(RLIMIT_NOFILE, &lim) < 0)
			return err_sys(err, -errno, "raise RLIMIT_NOFILE");
	}
	if (sysctl_read("/proc/sys/user/max_net_namespaces", value, sizeof(value)) == 0 &&
	    strtoull(value, NULL, 10) < t->nnodes + 2ull)
		return err_cannot(
			err, -ENOSPC,
			"%u nodes need as many network namespaces, and this machine allows %s: "
			"sudo sysctl -w user.max_net_namespaces=%u",
			t->nnodes, value, 2 * t->nnodes + 64);
	return 0;
}

void net_limits_restore(const struct net *net)
{
	if (net->plan->nofile.rlim_max)
		setrlimit(RLIMIT_NOFILE, &net->plan->nofile);
}

/* ------------------------------------------------------------------- nodes */

static bool is_switch(const struct topology *t, uint32_t i)
{
	return t->nodes[i].kind == NODE_SWITCH;
}

static bool is_host(const struct topology *t, uint32_t i)
{
	return !is_switch(t, i);
}

/* A host that is joined to a switch. */
static bool is_switched(const struct topology *t, uint32_t i)
{
	for (uint32_t p = t->nodes[i].first_port; p != NO_PORT; p = t->ports[p].next)
		if (is_switch(t, t->ports[port_peer(p)].node))
			return is_host(t, i);
	return false;
}

/* A proc for the next node: see above. */
struct procs {
	int fd;
	uint32_t used;
};

static int next_proc(struct procs *p)
{
	if (p->used && p->used % NODES_A_PROC == 0) {
		close_fd(&p->fd);
		p->fd = proc_new();
	}
	p->used++;
	return p->fd;
}

static void set_sysctls(const struct topo_node *node, int proc)
{
	const char *forward = node->kind == NODE_ROUTER ? "1" : "0";

	node_sysctls(proc);
	if (node->kind == NODE_SWITCH) {
		/* Frames only: nothing of its own on any port. */
		sysctl_write_in(proc, "sys/net/ipv6/conf/default/disable_ipv6", "1");
		return;
	}
	sysctl_write_in(proc, "sys/net/ipv4/ip_forward", forward);
	sysctl_write_in(proc, "sys/net/ipv6/conf/all/forwarding", forward);
	/* A way back need not be the way there. */
	sysctl_write_in(proc, "sys/net/ipv4/conf/all/rp_filter", "0");
	sysctl_write_in(proc, "sys/net/ipv4/conf/default/rp_filter", "0");
}

/* In a new namespace: the devices that need no other. */
static int set_up(const struct topo_node *node, struct choppy_err *err)
{
	struct nl_msg m;
	struct nl *nl;
	int r = nl_open(&nl, NETLINK_ROUTE, err);

	if (r < 0)
		return r;
	nl_msg_init(&m);
	link_up(&m, 1);
	if (node->kind == NODE_SWITCH) {
		link_bridge(&m, BRIDGE_NAME, BRIDGE_IFINDEX);
		link_up(&m, BRIDGE_IFINDEX);
	}
	r = nl_do(nl, &m, err);
	nl_close(nl);
	return r;
}

static int make_node(struct lab *lab, uint32_t i, int proc, struct choppy_err *err)
{
	const struct topo_node *node = &topology_of(lab)->nodes[i];
	int r = 0;

	if (i == lab->net.first) /* made by the step before */
		r = netns_enter(lab->node_ns, err);
	else
		lab->net.ns[i] = netns_new(err);
	if (r == 0 && i != lab->net.first && lab->net.ns[i] < 0)
		r = lab->net.ns[i];
	if (r < 0)
		return r;
	set_sysctls(node, proc);
	return set_up(node, err);
}

int net_nodes_make(struct lab *lab, struct choppy_err *err)
{
	const struct topology *t = topology_of(lab);
	struct procs procs = { .fd = PROC_USUAL };
	int r = 0;

	lab->net.ns = malloc(t->nnodes * sizeof(*lab->net.ns));
	if (!lab->net.ns)
		return err_sys(err, -ENOMEM, "make the nodes");
	for (uint32_t i = 0; i < t->nnodes; i++)
		lab->net.ns[i] = -1;
	lab->net.ns[lab->net.first] = lab->node_ns;
	for (uint32_t i = 0; r == 0 && i < t->nnodes; i++) {
		r = make_node(lab, i, next_proc(&procs), err);
		if (r < 0)
			err_prefix(err, "node %s", t->nodes[i].name);
	}
	close_fd(&procs.fd);
	if (netns_enter(lab->gateway_ns, r < 0 ? NULL : err) < 0 && r == 0)
		r = -EIO;
	return r;
}

void net_nodes_undo(struct lab *lab)
{
	struct net *net = &lab->net;

	for (uint32_t i = 0; net->ns && i < topology_of(lab)->nnodes; i++)
		if (i != net->first)
			close_fd(&net->ns[i]);
	free(net->ns);
	net->ns = NULL;
}

/* ------------------------------------------------------------------ visits */

/* Of one node after the other. */
struct visit {
	struct nl *nl; /* in its namespace */
	struct nl_msg m; /* a batch that is sent when it is full */
	struct routing *routing;
	struct procs procs;
};

/* Room for what one port takes. */
static int batch_room(struct visit *v, struct choppy_err *err)
{
	int r = 0;

	if (v->m.n >= BATCH) {
		r = nl_do(v->nl, &v->m, err);
		nl_msg_init(&v->m);
	}
	return r;
}

static int batch_end(struct visit *v, struct choppy_err *err)
{
	return v->m.n ? nl_do(v->nl, &v->m, err) : 0;
}

/* Those that are @wanted; NULL: all. */
static int
visit_all(struct lab *lab, struct visit *v, bool (*wanted)(const struct topology *t, uint32_t node),
	  int (*visit)(struct lab *lab, uint32_t node, struct visit *v, struct choppy_err *err),
	  struct choppy_err *err)
{
	const struct topology *t = topology_of(lab);
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < t->nnodes; i++) {
		if (wanted && !wanted(t, i))
			continue;
		r = netns_enter(lab->net.ns[i], err);
		if (r == 0)
			r = nl_open(&v->nl, NETLINK_ROUTE, err);
		if (r < 0)
			break;
		nl_msg_init(&v->m);
		r = visit(lab, i, v, err);
		nl_close(v->nl);
		if (r < 0)
			err_prefix(err, "node %s", t->nodes[i].name);
	}
	if (netns_enter(lab->gateway_ns, r < 0 ? NULL : err) < 0 && r == 0)
		r = -EIO;
	return r;
}

/* ------------------------------------------------------------------- links */

/* Side @side of link @link, in the engine's namespace. */
static int inner_ifindex(uint32_t link, int side)
{
	return INNER_IFINDEX + 2 * (int)link + side;
}

static void inner_dev(uint32_t link, int side, char dev[16])
{
	snprintf(dev, 16, "l%u%c", link, 'a' + side);
}

static void put_pair(struct lab *lab, struct nl_msg *m, uint32_t port)
{
	const struct topo_port *p = &topology_of(lab)->ports[port];
	uint32_t link = port_link(port);
	int side = (int)port % 2;
	char inner_name[16], name[16];
	struct veth_end inner = { .name = inner_name,
				  .ns = lab->engine_ns,
				  .ifindex = inner_ifindex(link, side),
				  .mac = { 2, 1, (uint8_t)(link >> 16), (uint8_t)(link >> 8),
					   (uint8_t)link, (uint8_t)side } };
	struct veth_end outer = { .name = name, .ns = -1, .ifindex = node_ifindex(p) };

	inner_dev(link, side, inner_name);
	port_dev(p, name);
	port_mac(lab, port, outer.mac);
	link_veth(m, &outer, &inner, LINK_MTU);
}

/* Until a switched host says again which multicast groups it is in (RFC 3810, 9.11), in ms. */
static void set_reports(struct lab *lab, uint32_t i, struct visit *v, const char *ms)
{
	const struct topology *t = topology_of(lab);
	int proc = next_proc(&v->procs);

	for (uint32_t p = t->nodes[i].first_port; p != NO_PORT; p = t->ports[p].next) {
		char dev[16], path[96];

		port_dev(&t->ports[p], dev);
		snprintf(path, sizeof(path),
			 "sys/net/ipv6/conf/%s/mldv2_unsolicited_report_interval", dev);
		sysctl_write_in(proc, path, ms);
	}
}

/* The pairs of a node's ends. They are set up at once, and wait for their other ends. */
static int create_pairs(struct lab *lab, uint32_t i, struct visit *v, struct choppy_err *err)
{
	const struct topology *t = topology_of(lab);
	int r = 0;

	for (uint32_t p = t->nodes[i].first_port; r == 0 && p != NO_PORT; p = t->ports[p].next) {
		r = batch_room(v, err);
		put_pair(lab, &v->m, p);
	}
	if (r == 0)
		r = batch_end(v, err);
	if (r == 0 && is_switched(t, i))
		set_reports(lab, i, v, "0");
	return r;
}

static int set_up_inner(struct lab *lab, struct choppy_err *err)
{
	uint32_t n = 2 * topology_of(lab)->nlinks;
	struct visit v = { .nl = lab->engine };
	int r = 0;

	nl_msg_init(&v.m);
	for (uint32_t i = 0; r == 0 && i < n; i++) {
		r = batch_room(&v, err);
		link_up(&v.m, inner_ifindex(i / 2, (int)i % 2));
	}
	return r < 0 ? r : batch_end(&v, err);
}

/* The plan of a link; the last one's again where they ask for the same. */
struct last_plan {
	const struct link_condition *of;
	int fd;
	uint64_t size;
	bool any;
};

static int plan_of(struct lab *lab, uint32_t link, struct last_plan *last, struct choppy_err *err)
{
	static const struct link_condition nothing;
	const struct link_condition *c = lab->net.plan->file->conditions[link];
	const struct compile_input in = { .dir = (c ? c : &nothing)->dir,
					  .rules = &(c ? c : &nothing)->rules,
					  .replay = "" };
	int r;

	if (last->any && last->of == c)
		return 0;
	close_fd(&last->fd);
	last->any = false;
	r = compile_plan(&in, &last->fd, &last->size, err);
	if (r < 0)
		return r;
	last->any = true;
	last->of = c;
	return 0;
}

/* See defer.h. Without a ring the keeper holds the ports itself. */
static void hold(struct net *net, const int *ports, unsigned int n)
{
	int ring = defer_close(ports, n);

	if (ring >= 0)
		net->deferred[net->ndeferred++] = ring;
	for (unsigned int i = 0; ring < 0 && i < n; i++) {
		int fd = fcntl(ports[i], F_DUPFD_CLOEXEC, 0);

		if (fd >= 0)
			net->deferred[net->ndeferred++] = fd;
	}
}

/* Ports of up to LINKS_A_RING links: opened, to be closed in the kernel's own time, given to the
 * engine. */
static int start_links(struct lab *lab, uint32_t first, uint32_t n, struct last_plan *plan,
		       struct choppy_err *err)
{
	int ports[2 * LINKS_A_RING], r = 0, opened = 0;

	for (; r == 0 && opened < 2 * (int)n; opened++) {
		ports[opened] = lab_open_port(lab, inner_ifindex(first, opened), err);
		r = ports[opened] < 0 ? ports[opened] : 0;
	}
	if (r == 0)
		hold(&lab->net, ports, 2 * n);
	for (uint32_t i = 0; r == 0 && i < n; i++) {
		struct remote_link link = { .link = net_engine_link(first + i),
					    .ports = { ports[2 * i], ports[2 * i + 1] },
					    .verdicts = -1,
					    .seed = lab->spec->seed };

		ports[2 * i] = ports[2 * i + 1] = -1;
		r = plan_of(lab, first + i, plan, err);
		link.plan = plan->fd;
		link.plan_size = plan->size;
		if (r == 0)
			r = remote_add(&lab->remote, &link, err);
		close_fd(&link.ports[0]);
		close_fd(&link.ports[1]);
	}
	for (int i = 0; i < opened; i++)
		close_fd(&ports[i]);
	return r;
}

int net_links_make(struct lab *lab, struct choppy_err *err)
{
	uint32_t n = topology_of(lab)->nlinks;
	struct last_plan plan = { .fd = -1 };
	struct visit v = { .procs = { .fd = PROC_USUAL } };
	int r;

	lab->net.deferred = calloc(2 * n + 1, sizeof(*lab->net.deferred));
	if (!lab->net.deferred)
		return err_sys(err, -ENOMEM, "make the links");
	r = visit_all(lab, &v, NULL, create_pairs, err);
	close_fd(&v.procs.fd);
	if (r == 0)
		r = set_up_inner(lab, err);
	if (r == 0)
		r = netns_enter(lab->engine_ns, err);
	for (uint32_t i = 0; r == 0 && i < n; i += LINKS_A_RING) {
		uint32_t some = n - i < LINKS_A_RING ? n - i : LINKS_A_RING;

		r = start_links(lab, i, some, &plan, err);
		if (r < 0)
			err_prefix(err, "link %s", topology_of(lab)->links[i].name);
	}
	close_fd(&plan.fd);
	if (netns_enter(lab->gateway_ns, r < 0 ? NULL : err) < 0 && r == 0)
		r = -EIO;
	return r;
}

void net_links_undo(struct lab *lab)
{
	/* It has them too. */
	remote_kill(&lab->remote);
	remote_done(&lab->remote, false);
	defer_end(lab->net.deferred, lab->net.ndeferred);
	free(lab->net.deferred);
	lab->net.deferred = NULL;
	lab->net.ndeferred = 0;
	act_free(lab);
}

/* ------------------------------------------------------------------ routes */

/* The other end, where there is one only, never has to be asked for. */
static void put_neighbour(struct lab *lab, struct visit *v, uint32_t port)
{
	const struct topology *t = topology_of(lab);
	const struct topo_port *p = &t->ports[port], *peer = &t->ports[port_peer(port)];
	uint8_t mac[MAC_LEN];

	if (t->nodes[peer->node].kind == NODE_SWITCH)
		return;
	port_mac(lab, port_peer(port), mac);
	for (int f = 0; f < 2; f++)
		if (peer->addr[f].family && (f == 0 || lab->v6_inside))
			neigh_add(&v->m, node_ifindex(p), &peer->addr[f], mac);
}

static int put_port(struct lab *lab, struct visit *v, uint32_t port, struct choppy_err *err)
{
	const struct topo_port *p = &topology_of(lab)->ports[port];
	int r = batch_room(v, err);

	for (int f = 0; f < 2; f++)
		if (p->addr[f].family && (f == 0 || lab->v6_inside))
			addr_add(&v->m, node_ifindex(p), &p->addr[f]);
	put_neighbour(lab, v, port);
	return r;
}

static int put_routes(struct lab *lab, struct visit *v, const struct route *routes, int n,
		      struct choppy_err *err)
{
	int r = 0;

	for (int i = 0; r == 0 && i < n; i++) {
		if (routes[i].dst.family == AF_INET6 && !lab->v6_inside)
			continue;
		r = batch_room(v, err);
		route_add(&v->m, &routes[i].dst, &routes[i].via,
			  node_ifindex(&topology_of(lab)->ports[routes[i].port]));
	}
	return r;
}

/* The kernel sends nothing from an end that was up before its other end until it has looked at it.
 */
static int wait_for_links(struct lab *lab, uint32_t i, struct nl *nl, struct choppy_err *err)
{
	const struct topology *t = topology_of(lab);
	int r = 0;

	for (uint32_t p = t->nodes[i].first_port; r == 0 && p != NO_PORT; p = t->ports[p].next) {
		char dev[16];

		port_dev(&t->ports[p], dev);
		r = link_wait(nl, dev, err);
	}
	return r;
}

static int configure(struct lab *lab, uint32_t i, struct visit *v, struct choppy_err *err)
{
	const struct topology *t = topology_of(lab);
	const struct route *routes = NULL;
	int r, n = routing_of(v->routing, i, &routes);

	if (n < 0)
		return err_sys(err, n, "find the routes");
	r = wait_for_links(lab, i, v->nl, err);
	for (uint32_t p = t->nodes[i].first_port; r == 0 && p != NO_PORT; p = t->ports[p].next)
		r = put_port(lab, v, p, err);
	if (r == 0)
		r = put_routes(lab, v, routes, n, err);
	return r < 0 ? r : batch_end(v, err);
}

/* The last of a node's addresses is the last that the kernel makes ready. */
static int wait_for_node(struct lab *lab, uint32_t i, struct visit *v, struct choppy_err *err)
{
	const struct topology *t = topology_of(lab);
	uint32_t p = t->nodes[i].last_port;

	if (p == NO_PORT || !lab->v6_inside)
		return 0;
	return addr_wait(v->nl, &t->ports[p].addr[1], err);
}

static int join_bridge(struct lab *lab, uint32_t i, struct visit *v, struct choppy_err *err)
{
	const struct topology *t = topology_of(lab);
	int r = wait_for_links(lab, i, v->nl, err);

	for (uint32_t p = t->nodes[i].first_port; r == 0 && p != NO_PORT; p = t->ports[p].next) {
		r = batch_room(v, err);
		link_master(&v->m, node_ifindex(&t->ports[p]), BRIDGE_IFINDEX);
	}
	return r < 0 ? r : batch_end(v, err);
}

/* From now on as usual. */
static int reset_reports(struct lab *lab, uint32_t i, struct visit *v, struct choppy_err *err)
{
	set_reports(lab, i, v, REPORT_INTERVAL);
	return 0;
}

/* In the node with the uplink, by whose address the others leave: the gateway knows that one only.
 */
static int masquerade(struct lab *lab, struct choppy_err *err)
{
	const struct nft_rules rules = { .table = "choppy",
					 .comment = "choppy",
					 .out_dev = lab->spec->dev };
	int r = netns_enter(lab->node_ns, err), fd;

	if (r == 0)
		r = nft_table_add(&lab->net.nat, &rules, err);
	if (r == 0) {
		fd = nft_table_fd(lab->net.nat);
		lab->net.deferred_nat = defer_close(&fd, 1);
	}
	if (netns_enter(lab->gateway_ns, r < 0 ? NULL : err) < 0 && r == 0)
		r = -EIO;
	return r;
}

int net_routes_make(struct lab *lab, struct choppy_err *err)
{
	struct choppy_file *plan = lab->net.plan;
	struct visit v = {
		.routing = routing_open(&plan->file->t, &plan->numbers, plan->file->uplink),
		.procs = { .fd = PROC_USUAL },
	};
	int r;

	if (!v.routing)
		return err_sys(err, -ENOMEM, "find the routes");
	r = visit_all(lab, &v, is_host, configure, err);
	if (r == 0)
		r = visit_all(lab, &v, is_host, wait_for_node, err);
	if (r == 0)
		r = visit_all(lab, &v, is_switch, join_bridge, err);
	if (r == 0)
		r = visit_all(lab, &v, is_switched, reset_reports, err);
	close_fd(&v.procs.fd);
	routing_close(v.routing);
	return r < 0 || !has_link(lab) ? r : masquerade(lab, err);
}

void net_routes_undo(struct lab *lab)
{
	nft_table_free(lab->net.nat);
	lab->net.nat = NULL;
	close_fd(&lab->net.deferred_nat);
}

int net_find(const struct lab *lab, const char *name, struct choppy_err *err)
{
	uint32_t node = lab->net.first;
	int r = *name ? topology_find_node(topology_of(lab), name, &node, err) : 0;

	return r < 0 ? r : lab->net.ns[node];
}
