/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lab is made by the steps of the table below, in order, and undone backwards.
 * Whatever outlives its maker is written to the journal by the step that makes it,
 * before it does; everything else goes with a process, a socket or a namespace.
 *
 * For tests, CHOPPY_TEST_STOP=N stops the keeper (SIGSTOP) at point N: each step of
 * the plan has four, before and after its `make` and before and after its `undo`,
 * numbered from 1 in the order in which they are passed.
 */
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "defer.h"
#include "engine.h"
#include "err.h"
#include "etc.h"
#include "internal.h"
#include "ns.h"
#include "refusal.h"
#include "userns.h"
#include "util.h"

#define WHAT_MAX (CHOPPY_CONDITION_TEXT_MAX + 256)
#define RCVBUF_WANTED (64 << 20)
#define ALIAS_PREFIX "choppy:"

struct step {
	const char *name;
	/* Say what it would do. */
	void (*what)(const struct lab *lab, char *buf, size_t size);
	int (*make)(struct lab *lab, struct choppy_err *err);
	void (*undo)(struct lab *lab); /* NULL: it goes with something else */
	bool (*wanted)(const struct lab *lab); /* NULL: always */
	bool refusable; /* by what machines refuse to their ordinary users (refusal.h) */
};

static bool kernel_before(int major, int minor)
{
	struct utsname u;
	int a = 0, b = 0;

	return uname(&u) == 0 && sscanf(u.release, "%d.%d", &a, &b) == 2 &&
	       (a < major || (a == major && b < minor));
}

static bool has_nat(const struct lab *lab)
{
	return lab->spec->uplink == CHOPPY_UPLINK_NAT;
}

static bool has_relay(const struct lab *lab)
{
	return lab->spec->uplink == CHOPPY_UPLINK_RELAY;
}

static bool has_way_out(const struct lab *lab)
{
	return has_nat(lab) || has_relay(lab);
}

static bool has_file(const struct lab *lab)
{
	return lab->net.plan;
}

bool has_link(const struct lab *lab)
{
	return !has_file(lab) || lab->net.plan->file->uplink != UINT32_MAX;
}

bool has_own_gateway(const struct lab *lab)
{
	return lab->home.own || has_relay(lab);
}

static bool has_published(const struct lab *lab)
{
	return lab->spec->npublish > 0;
}

static bool has_service(const struct lab *lab)
{
	return has_nat(lab) || has_published(lab);
}

static bool has_engine(const struct lab *lab)
{
	return lab->spec->backend == CHOPPY_ENGINE;
}

static bool has_name(const struct lab *lab)
{
	return lab->permanent && !lab->home.own && !has_file(lab);
}

/* -------------------------------------------------------------- undertaker */

static void undertaker_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, "start the undertaker, which undoes all when the keeper dies");
}

static int undertaker_make(struct lab *lab, struct choppy_err *err)
{
	pid_t pid = undertaker_start(&lab->home, lab->spec->name, &lab->undertaker_fd, err);

	if (pid < 0)
		return pid;
	lab->undertaker = pid;
	return 0;
}

/* Everything is undone: it and the engine end side by side. */
static void undertaker_undo(struct lab *lab)
{
	if (lab->undertaker > 0 && lab->state.dir < 0)
		kill(lab->undertaker, SIGKILL);
	remote_done(&lab->remote, false);
	close_fd(&lab->undertaker_fd);
	if (lab->undertaker > 0) {
		while (waitpid(lab->undertaker, NULL, 0) < 0 && errno == EINTR)
			;
	}
	lab->undertaker = 0;
}

/* ------------------------------------------------------------------- state */

static void state_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, "choose addresses%s%s; make %s/labs/%s with the journal",
		 lab->spec->addr[0] ? " in " : "", lab->spec->addr, lab->home.dir, lab->spec->name);
}

/* The tag of a lab's device in the host's namespace. */
static void alias_of(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, ALIAS_PREFIX "%s", lab->spec->name);
}

static void delete_device(struct lab *lab, int ifindex)
{
	struct nl_msg m;

	nl_msg_init(&m);
	link_delete(&m, ifindex);
	nl_do(lab->gateway, &m, NULL);
}

/* Under the lock: whether a device with this tag is a lab's that is gone. */
static bool is_stale(const struct lab *lab, const char *alias)
{
	return strncmp(alias, ALIAS_PREFIX, strlen(ALIAS_PREFIX)) == 0 &&
	       !state_alive(&lab->home, alias + strlen(ALIAS_PREFIX), NULL);
}

/*
 * A lab's devices go some time after it, with their namespaces. One that has the name that is
 * wanted now is not waited for.
 */
static int remove_stale(struct lab *lab, struct choppy_err *err)
{
	struct link_info info;

	if (link_get(lab->gateway, lab->host_dev, &info, NULL) < 0)
		return 0;
	if (!is_stale(lab, info.alias))
		return err_set(err, -EEXIST, "device %s exists and was not made by choppy",
			       lab->host_dev);
	delete_device(lab, info.ifindex);
	return 0;
}

/* Nor are those that still hold an address which is asked for. */
static void remove_all_stale(struct lab *lab)
{
	struct if_nameindex *all = if_nameindex();
	struct link_info info;

	for (struct if_nameindex *i = all; i && i->if_index; i++) {
		if (link_get(lab->gateway, i->if_name, &info, NULL) == 0 &&
		    is_stale(lab, info.alias))
			delete_device(lab, info.ifindex);
	}
	if_freenameindex(all);
}

static int find_used(struct lab *lab, struct addr_used *used, struct choppy_err *err)
{
	int r = addr_used_routes(used, lab->gateway, err);

	if (r == 0)
		r = addr_used_resolvers(used, "/etc/resolv.conf");
	return r == 0 ? state_reservations(&lab->home, used) : r;
}

static bool host_has_ipv6(void)
{
	char value[8];

	return sysctl_read("/proc/sys/net/ipv6/conf/default/disable_ipv6", value, sizeof(value)) ==
		       0 &&
	       strcmp(value, "0") == 0;
}

static int choose_addresses(struct lab *lab, struct addr_used *used, struct choppy_err *err)
{
	const char *addr = lab->spec->addr;
	struct addr_pair given;
	int r;

	if (*addr) {
		r = addr_from_text(&given, addr, err);
		if (r == 0 && addr_check_free(&given, used, NULL) < 0) {
			remove_all_stale(lab);
			addr_used_free(used);
			r = find_used(lab, used, err);
		}
		if (r == 0)
			r = addr_check_free(&given, used, err);
		if (r < 0)
			return r;
		if (given.node.family == AF_INET6 && !host_has_ipv6())
			return err_cannot(err, -EAFNOSUPPORT,
					  "address %s: IPv6 is switched off on this machine", addr);
		*(given.node.family == AF_INET ? &lab->v4 : &lab->v6) = given;
	}
	if (!lab->v4.node.family) {
		r = addr_choose4(&lab->v4, lab->spec->name, used, err);
		if (r < 0)
			return r;
	}
	if (!lab->v6.node.family && host_has_ipv6())
		return addr_choose6(&lab->v6, lab->spec->name, used, err);
	return 0;
}

/*
 * The addresses that stand for the host's loopback: one that nobody has (of 192.0.0.0/24, RFC 6890)
 * and the one beside the link's own.
 */
static void choose_host(struct lab *lab)
{
	if (!lab->spec->allow_host)
		return;
	if (lab->v4.node.family) {
		lab->host4 = (struct inet){ .family = AF_INET, .len = 32 };
		lab->host4.v4.s_addr = htonl(0xc000000b); /* 192.0.0.11 */
	}
	if (has_relay(lab) && lab->v6_out) {
		lab->host6 = lab->v6.gateway;
		lab->host6.len = 128;
		lab->host6.bytes[15] ^= 2;
	}
}

static int state_make(struct lab *lab, struct choppy_err *err)
{
	struct addr_used used = { 0 };
	CLEANUP_FD lock = -1;
	int r;

	r = lab->home.fd < 0 ? home_make(&lab->home, err) : 0;
	if (r < 0)
		return r;
	lock = state_lock(&lab->home, err);
	if (lock < 0)
		return lock;
	state_reap_dead(&lab->home);
	r = nl_open(&lab->gateway, NETLINK_ROUTE, err);
	if (r == 0 && state_alive(&lab->home, lab->spec->name, NULL))
		r = err_set(err, -EEXIST, "%s is running already", lab->spec->name);
	if (r == 0 && !has_own_gateway(lab))
		r = remove_stale(lab, err);
	if (r == 0)
		r = find_used(lab, &used, err);
	if (r == 0 && has_link(lab))
		r = choose_addresses(lab, &used, err);
	if (r == 0 && has_file(lab))
		r = blueprint_number(lab->net.plan, &used, err);
	if (r == 0)
		r = state_create(&lab->state, &lab->home, lab->spec->name, &lab->v4.gateway,
				 &lab->v6.gateway, err);
	if (r == 0 && !lab->home.own)
		r = netns_dir_make(err); /* to be covered in the node, where labs may be made too */
	if (r == 0 && has_way_out(lab))
		r = uplink_find(lab, err);
	addr_used_free(&used);
	choose_host(lab);
	lab->v6_inside = host_has_ipv6();
	return r;
}

static void state_undo(struct lab *lab)
{
	CLEANUP_FD lock = lab->home.fd < 0 ? -1 : state_lock(&lab->home, NULL);

	nl_close(lab->gateway);
	lab->gateway = NULL;
	if (lock < 0)
		return;
	/* What could not be undone stays in the journal for `choppy gc`. */
	if (journal_undo(&lab->state, NULL, NULL) == 0)
		state_remove(&lab->state);
	else
		state_close(&lab->state);
	state_prune(&lab->home);
}

/* ------------------------------------------------------------------- files */

static void files_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, "write the node's hosts and resolv.conf");
}

static int files_make(struct lab *lab, struct choppy_err *err)
{
	const struct etc_names names = { .v4 = &lab->v4,
					 .v6 = &lab->v6,
					 .host4 = &lab->host4,
					 .host6 = &lab->host6,
					 .nodes = lab->net.plan,
					 .nodes6 = lab->v6_inside };

	return etc_write(&lab->state, &names, has_way_out(lab), err);
}

/* ----------------------------------------------------------------- gateway */

static void gateway_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, "enter %sa network namespace of the lab's own, the gateway's",
		 lab->home.own ? "a user namespace and " : "");
}

/* Low ports and ping for everybody; no duplicate address detection, no solicitations. */
int node_sysctls(int proc)
{
	int r = sysctl_write_in(proc, "sys/net/ipv4/ping_group_range", "0 2147483647");
	char own[32];

	/* Groups that a user namespace does not map cannot be named in it. */
	if (r == -EINVAL) {
		snprintf(own, sizeof(own), "%u %u", getegid(), getegid());
		sysctl_write_in(proc, "sys/net/ipv4/ping_group_range", own);
	}
	sysctl_write_in(proc, "sys/net/ipv4/ip_unprivileged_port_start", "0");
	sysctl_write_in(proc, "sys/net/ipv6/conf/default/accept_dad", "0");
	sysctl_write_in(proc, "sys/net/ipv6/conf/default/accept_ra", "0");
	return r;
}

/*
 * The kernel wakes a writer when a third of the send buffer is free (sk_stream_write_space()). What
 * is spliced on then goes in two bursts a round trip where a program on the spot manages three, so
 * that a path which only the buffer limits carries an eighth less: the relay's may be so much
 * larger.
 */
static void relay_buffers(void)
{
	const char *path = "/proc/sys/net/ipv4/tcp_wmem";
	unsigned int min, initial, max;
	char line[64];

	if (sysctl_read(path, line, sizeof(line)) < 0 ||
	    sscanf(line, "%u %u %u", &min, &initial, &max) != 3 || max > INT_MAX / 2)
		return;
	snprintf(line, sizeof(line), "%u %u %u", min, initial, max + max / 8);
	sysctl_write(path, line);
}

/* Everything that is made from here on is the lab's own. There is no way back for an ordinary user.
 */
static int gateway_make(struct lab *lab, struct choppy_err *err)
{
	struct nl_msg m;
	int r = lab->home.own ? userns_enter(lab->spec->map_root, err) : 0;

	if (r < 0)
		return r;
	lab->host_ns = lab->gateway_ns;
	lab->gateway_ns = netns_new(err);
	if (lab->gateway_ns < 0)
		return lab->gateway_ns;
	nl_close(lab->gateway);
	lab->gateway = NULL;
	node_sysctls(PROC_USUAL);
	/* What the relay writes comes over the loopback device, with the node's address. */
	sysctl_write("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
	sysctl_write("/proc/sys/net/ipv4/conf/default/rp_filter", "0");
	sysctl_write("/proc/sys/net/ipv4/conf/lo/rp_filter", "0");
	if (has_relay(lab))
		relay_buffers();
	r = nl_open(&lab->gateway, NETLINK_ROUTE, err);
	if (r < 0)
		return r;
	nl_msg_init(&m);
	link_up(&m, 1);
	return nl_do(lab->gateway, &m, err);
}

static void gateway_undo(struct lab *lab)
{
	nl_close(lab->gateway);
	lab->gateway = NULL;
	close_fd(&lab->gateway_ns);
	lab->gateway_ns = lab->host_ns;
	lab->host_ns = -1;
	if (!lab->home.own && lab->gateway_ns >= 0)
		netns_enter(lab->gateway_ns, NULL);
}

/* -------------------------------------------------------------- namespaces */

static void namespaces_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, "create the node's network namespace%s",
		 has_engine(lab) ? " and the engine's" : "");
}

static int make_node(struct lab *lab, struct choppy_err *err)
{
	lab->node_ns = netns_new(err);
	if (lab->node_ns < 0)
		return lab->node_ns;
	if (node_sysctls(PROC_USUAL) == -EROFS)
		lab_note(lab, true,
			 "/proc/sys is read-only here: in the node, ping and ports below 1024 "
			 "are for root");
	sysctl_read("/proc/sys/net/ipv4/tcp_congestion_control", lab->congestion,
		    sizeof(lab->congestion));
	return nl_open(&lab->node, NETLINK_ROUTE, err);
}

static int make_engine(struct lab *lab, struct choppy_err *err)
{
	lab->engine_ns = netns_new(err);
	if (lab->engine_ns < 0)
		return lab->engine_ns;
	/* Its devices only carry frames; they say nothing of their own. */
	sysctl_write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	return nl_open(&lab->engine, NETLINK_ROUTE, err);
}

static void namespaces_undo(struct lab *lab)
{
	close_fd(&lab->deferred);
	nl_close(lab->node);
	nl_close(lab->engine);
	lab->node = lab->engine = NULL;
	close_fd(&lab->node_ns);
	close_fd(&lab->engine_ns);
}

static int namespaces_make(struct lab *lab, struct choppy_err *err)
{
	int r = make_node(lab, err);

	if (r == 0 && has_engine(lab))
		r = make_engine(lab, err);
	if (netns_enter(lab->gateway_ns, r < 0 ? NULL : err) < 0 && r == 0)
		r = -EIO;
	if (r < 0)
		namespaces_undo(lab);
	return r;
}

/* -------------------------------------------------------------------- init */

static void init_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, "start the node's init in a PID and a mount namespace");
}

static int init_make(struct lab *lab, struct choppy_err *err)
{
	char dir[128];
	/* A program on one bad link keeps the host's, as it does without choppy: X's shared memory.
	 */
	struct init_config c = { .node_ns = lab->node_ns,
				 .own_ipc = has_file(lab),
				 .lab_dir = dir,
				 .home = lab->home.dir,
				 .argv = lab->argv,
				 .user = &lab->user,
				 .signals = &lab->signals };

	snprintf(dir, sizeof(dir), "%s/labs/%s", lab->home.dir, lab->state.name);
	return init_start(&lab->init, &c, err);
}

static void init_undo(struct lab *lab)
{
	init_stop(&lab->init, false);
}

/* ------------------------------------------------------------------ engine */

static void engine_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, "start the packet engine, without privileges");
}

static int engine_make(struct lab *lab, struct choppy_err *err)
{
	return remote_start(&lab->remote, err);
}

static void engine_undo(struct lab *lab)
{
	remote_kill(&lab->remote);
}

/* -------------------------------------------------------------------- link */

static void link_what(const struct lab *lab, char *buf, size_t size)
{
	char condition[CHOPPY_CONDITION_TEXT_MAX];

	choppy_condition_print_both(condition, sizeof(condition), lab->dir);
	snprintf(buf, size, "join %s in the node and %s in the %s (%s, %s%s)", lab->spec->dev,
		 lab->host_dev, has_own_gateway(lab) ? "gateway's namespace" : "host",
		 choppy_backend_name(lab->spec->backend), condition,
		 lab->rules.n ? ", and rules for some packets" : "");
}

static void name_ends(struct lab *lab)
{
	uint64_t h = hash_name(lab->spec->name);

	for (int end = 0; end < 2; end++) {
		uint8_t *mac = lab->mac[end];

		mac[0] = 0x02; /* locally administered, unicast */
		for (int i = 1; i < 5; i++)
			mac[i] = (uint8_t)(h >> (8 * i));
		mac[5] = (uint8_t)end;
	}
}

static int create_veths(struct lab *lab, struct choppy_err *err)
{
	struct veth_end node = { .name = lab->spec->dev,
				 .ns = lab->node_ns,
				 .ifindex = NODE_IFINDEX };
	struct veth_end host = { .name = lab->host_dev, .ns = lab->gateway_ns };
	struct veth_end side[2] = {
		{ .name = "node", .ns = -1, .ifindex = NODE_IFINDEX, .mac = { 2, 0, 0, 0, 0, 1 } },
		{ .name = "gateway",
		  .ns = -1,
		  .ifindex = NODE_IFINDEX + 1,
		  .mac = { 2, 0, 0, 0, 0, 2 } },
	};
	struct nl_msg m;

	memcpy(host.mac, lab->mac[0], MAC_LEN);
	memcpy(node.mac, lab->mac[1], MAC_LEN);
	nl_msg_init(&m);
	if (has_engine(lab)) {
		link_veth(&m, &side[0], &node, LINK_MTU);
		link_veth(&m, &side[1], &host, LINK_MTU);
		return nl_do(lab->engine, &m, err);
	}
	node.ns = -1;
	/* netem takes what it is handed as one packet. */
	if (!lab->spec->super_packets)
		node.gso_max_segs = host.gso_max_segs = 1;
	link_veth(&m, &node, &host, LINK_MTU);
	return nl_do(lab->node, &m, err);
}

/* Addresses and the static neighbour of one end: @me and @peer index struct addr_pair. */
static void put_addresses(struct nl_msg *m, int ifindex, const struct inet *me,
			  const struct inet *peer, const uint8_t *mac)
{
	if (!me->family)
		return;
	addr_add(m, ifindex, me);
	neigh_add(m, ifindex, peer, mac);
}

/* RFC 3927. In clouds one of them gives credentials away (the relay's policy is in relay.c). */
static const struct inet link_local4 = { .family = AF_INET, .len = 16, .bytes = { 169, 254 } };

static int configure_node(struct lab *lab, struct choppy_err *err)
{
	struct nl_msg m;

	nl_msg_init(&m);
	link_up(&m, 1);
	link_up(&m, NODE_IFINDEX);
	put_addresses(&m, NODE_IFINDEX, &lab->v4.node, &lab->v4.gateway, lab->mac[0]);
	put_addresses(&m, NODE_IFINDEX, &lab->v6.node, &lab->v6.gateway, lab->mac[0]);
	if (has_way_out(lab)) {
		if (lab->v4.node.family)
			route_default(&m, NODE_IFINDEX, &lab->v4.gateway);
		if (lab->v6.node.family && lab->v6_out)
			route_default(&m, NODE_IFINDEX, &lab->v6.gateway);
		else if (lab->v6.node.family)
			route_unreachable(&m, &(struct inet){ .family = AF_INET6 });
	}
	if (has_nat(lab) && lab->v4.node.family && !lab->spec->allow_host)
		route_unreachable(&m, &link_local4);
	return nl_do(lab->node, &m, err);
}

static int configure_host(struct lab *lab, struct choppy_err *err)
{
	char alias[64];
	struct nl_msg m;

	lab->host_ifindex = (int)if_nametoindex(lab->host_dev);
	if (!lab->host_ifindex)
		return err_sys(err, -errno, "look at device %s", lab->host_dev);
	alias_of(lab, alias, sizeof(alias));
	nl_msg_init(&m);
	link_alias(&m, lab->host_ifindex, alias);
	if (lab->v6.node.family)
		link_no_linklocal(&m, lab->host_ifindex);
	link_up(&m, lab->host_ifindex);
	if (has_nat(lab))
		link_forwarding(&m, lab->host_ifindex, true);
	put_addresses(&m, lab->host_ifindex, &lab->v4.gateway, &lab->v4.node, lab->mac[1]);
	put_addresses(&m, lab->host_ifindex, &lab->v6.gateway, &lab->v6.node, lab->mac[1]);
	return nl_do(lab->gateway, &m, err);
}

int lab_open_port(struct lab *lab, int ifindex, struct choppy_err *err)
{
	int rcvbuf, fd = engine_port_open(ifindex, &rcvbuf);

	if (fd < 0)
		return err_sys(err, fd, "open the engine's port");
	/* What that does, if it does anything, is told in the end. */
	if (rcvbuf < RCVBUF_WANTED && !lab->small_buffers)
		lab_note(lab, false,
			 "the engine's receive buffer is %d KiB of %d: bursts may overflow it; "
			 "sudo sysctl -w net.core.rmem_max=%d mends that",
			 rcvbuf >> 10, RCVBUF_WANTED >> 10, RCVBUF_WANTED / 2);
	lab->small_buffers = rcvbuf < RCVBUF_WANTED;
	return fd;
}

static int open_ports(struct lab *lab, int ports[2], struct choppy_err *err)
{
	int r = netns_enter(lab->engine_ns, err);

	for (int i = 0; r == 0 && i < 2; i++) {
		ports[i] = lab_open_port(lab, NODE_IFINDEX + i, err);
		r = ports[i] < 0 ? ports[i] : 0;
	}
	if (netns_enter(lab->gateway_ns, r < 0 ? NULL : err) < 0 && r == 0)
		r = -EIO;
	if (r < 0) {
		close_fd(&ports[0]);
		close_fd(&ports[1]);
	}
	return r;
}

/*
 * Super-packets that cannot be described to the engine: of SCTP on every kernel, of UDP before
 * Linux 6.2 (VIRTIO_NET_HDR_GSO_UDP_L4). The sender's kernel cuts those; all others stay whole.
 */
static int limit_offloads(struct lab *lab, struct choppy_err *err)
{
	static const char *const features[] = { "tx-sctp-segmentation", "tx-udp-segmentation" };
	size_t n = kernel_before(6, 2) ? 2 : 1;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = link_feature_off(lab->host_dev, features[i], err);
	if (r == 0)
		r = netns_enter(lab->node_ns, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = link_feature_off(lab->spec->dev, features[i], err);
	if (n > 1)
		lab_note(lab, false,
			 "UDP segmentation offload is off: this kernel (before Linux 6.2) "
			 "cannot hand such packets to the engine");
	return netns_enter(lab->gateway_ns, r < 0 ? NULL : err) < 0 && r == 0 ? -EIO : r;
}

static int start_engine_link(struct lab *lab, struct choppy_err *err)
{
	struct remote_link link = { .ports = { -1, -1 },
				    .plan = lab->plan,
				    .plan_size = lab->plan_size,
				    .verdicts = lab->verdicts,
				    .seed = lab->spec->seed };
	int r = limit_offloads(lab, err);

	if (r == 0)
		r = open_ports(lab, link.ports, err);
	if (r < 0)
		return r;
	if (lab->verdicts >= 0 || lab->spec->replay_by_flow)
		link.nflows = FLOWS_MAX;
	lab->deferred = defer_close(link.ports, 2);
	r = remote_add(&lab->remote, &link, err);
	close_fd(&lab->plan);
	close_fd(&lab->verdicts); /* the engine has it */
	return r;
}

/* Lab seeds decide nothing where netem takes none. */
static int check_netem_seed(struct lab *lab, struct choppy_err *err)
{
	if (!lab->spec->seed_given || netem_has_seed(&lab->netem[CHOPPY_UP]))
		return 0;
	return err_cannot(
		err, -EOPNOTSUPP,
		"netem of this kernel takes no seed (Linux 6.6 has it): leave --seed out, or "
		"use the engine (--backend engine)");
}

static int start_netem(struct lab *lab, struct choppy_err *err)
{
	int r;

	for (int d = 0; d < CHOPPY_NDIRS; d++) {
		struct rng_key key = { .seed = lab->spec->seed,
				       .dir = (uint32_t)d,
				       .purpose = "netem" };

		rng_init(&lab->netem_seeds[d], &key);
	}
	r = lab_apply_netem(lab, lab->dir, err);
	return r < 0 ? r : check_netem_seed(lab, err);
}

static void link_undo(struct lab *lab)
{
	struct nl_msg m;

	/* A `run` is left to the kernel, which removes the devices with the namespaces. */
	if (!lab->permanent || !lab->host_ifindex)
		return;
	nl_msg_init(&m);
	link_delete(&m, lab->host_ifindex);
	nl_do(lab->gateway, &m, NULL);
}

/* Until the first packet passes: addresses, and the ends that were set up before their peers. */
static int wait_for_ends(struct lab *lab, struct choppy_err *err)
{
	int r = addr_wait(lab->gateway, &lab->v6.gateway, err);

	if (r == 0)
		r = addr_wait(lab->node, &lab->v6.node, err);
	if (r < 0)
		return r;
	if (!has_engine(lab))
		return link_wait(lab->node, lab->spec->dev, err);
	r = link_wait(lab->engine, "node", err);
	if (r == 0)
		r = link_wait(lab->engine, "gateway", err);
	for (int d = 0; d < CHOPPY_NDIRS; d++)
		lab_device_drops(lab, d, &lab->drops_before[d]);
	return r;
}

/* What `show` tells as long as it is so. */
static void tell_backend(const struct lab *lab)
{
	if (lab->backend_note[0])
		lab->spec->note(lab->spec->note_ctx, lab->backend_note);
	for (int d = 0; d < CHOPPY_NDIRS; d++)
		if (lab->netem[d].rounded[0])
			lab->spec->note(lab->spec->note_ctx, lab->netem[d].rounded);
}

static int link_make(struct lab *lab, struct choppy_err *err)
{
	int r = create_veths(lab, err);

	if (r == 0)
		r = configure_host(lab, err);
	if (r == 0)
		r = has_engine(lab) ? start_engine_link(lab, err) : start_netem(lab, err);
	if (r == 0)
		r = configure_node(lab, err);
	if (r == 0)
		r = wait_for_ends(lab, err);
	if (r == 0 && lab->spec->note)
		tell_backend(lab);
	if (r < 0)
		link_undo(lab);
	return r;
}

/* ------------------------------------------------------------------ uplink */

static void forward_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, "forward packets between %s and the devices of the default routes",
		 lab->host_dev);
}

static void servers_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, "start the relay and the DNS process in the host, without privileges");
}

static void ports_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, "listen for connections to %d published port%s", lab->spec->npublish,
		 lab->spec->npublish > 1 ? "s" : "");
}

static void listen_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, "listen for DNS on the gateway address");
}

static void relay_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size,
		 "take what leaves the node with nftables table choppy-%s (tproxy), for the relay",
		 lab->spec->name);
}

static void nat_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, "add nftables table choppy-%s (owner): masquerade", lab->spec->name);
}

static void service_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, "start the service process (DNS, published ports), without privileges");
}

/* -------------------------------------------------- the nodes of a file */

static void nodes_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, "create the network namespaces of %u nodes",
		 lab->net.plan->file->t.nnodes);
}

static void links_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, "join them by %u links, with the engine in between",
		 lab->net.plan->file->t.nlinks);
}

static void routes_what(const struct lab *lab, char *buf, size_t size)
{
	char four[64], six[64];

	inet_print(four, sizeof(four), &lab->net.plan->numbers.pool[0], true);
	inet_print(six, sizeof(six), &lab->net.plan->numbers.pool[1], true);
	snprintf(buf, size, "give them addresses (of %s and %s) and routes", four, six);
}

static void commands_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, "start the nodes' commands");
}

/* -------------------------------------------------------------------- name */

static void name_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, "name the namespace %s/%s", NETNS_DIR, lab->spec->name);
}

static int name_make(struct lab *lab, struct choppy_err *err)
{
	struct stat st;
	int r;

	if (fstat(lab->node_ns, &st) < 0)
		return err_sys(err, -errno, "look at the namespace");
	r = journal_add(&lab->state, err, "netns", "%s %lu", lab->spec->name,
			(unsigned long)st.st_ino);
	return r < 0 ? r : netns_publish(lab->spec->name, lab->node_ns, err);
}

static void name_undo(struct lab *lab)
{
	CLEANUP_FD lock = state_lock(&lab->home, NULL);

	if (lock >= 0)
		journal_undo(&lab->state, "netns", NULL);
}

/* ----------------------------------------------------------------- control */

static void control_what(const struct lab *lab, char *buf, size_t size)
{
	snprintf(buf, size, "listen on %s/labs/%s/control", lab->home.dir, lab->spec->name);
}

static void control_undo(struct lab *lab)
{
	close_fd(&lab->control);
}

/* ----------------------------------------------------------------- program */

static void program_what(const struct lab *lab, char *buf, size_t size)
{
	if (lab->argv)
		snprintf(buf, size, "run %s", lab->argv[0]);
	else
		snprintf(buf, size, "keep the node");
}

/* A signal to pass on that came while there was nobody to pass it to; 0 for none. */
static int pending_signal(void)
{
	sigset_t pending, forwarded;

	sigpending(&pending);
	signals_forwarded(&forwarded);
	for (int sig = 1; sig < NSIG; sig++) {
		if (sigismember(&pending, sig) == 1 && sigismember(&forwarded, sig) == 1)
			return sig;
	}
	return 0;
}

static int program_make(struct lab *lab, struct choppy_err *err)
{
	char note[192];
	int r = init_ready(&lab->init, note, err);

	if (r < 0)
		return r;
	if (note[0])
		lab_note(lab, true, "%s", note);
	lab->interrupted = lab->argv ? pending_signal() : 0;
	if (lab->interrupted)
		return err_set(err, -EINTR, "interrupted (%s) before the program was started",
			       strsignal(lab->interrupted));
	return init_go(&lab->init, err);
}

/* Nothing passes any more while the rest is undone: no packet leaves without its masquerade. */
static void program_undo(struct lab *lab)
{
	struct remote_counters c;

	relay_kill(lab);
	if (has_engine(lab) && lab->remote.pid > 0) {
		lab->silent = remote_counters(&lab->remote, 0, &c, NULL) == 0 &&
			      c.dir[CHOPPY_UP].packets == 0 && c.dir[CHOPPY_DOWN].packets == 0;
		remote_kill(&lab->remote);
		if (has_nat(lab))
			remote_done(&lab->remote, false);
	} else if (has_nat(lab) && lab->host_ifindex) {
		delete_device(lab, lab->host_ifindex);
	}
}

/* ------------------------------------------------------------------- table */

static const struct step steps[] = {
	{ "undertaker", undertaker_what, undertaker_make, undertaker_undo, NULL, false },
	{ "engine", engine_what, engine_make, engine_undo, has_engine, false },
	{ "servers", servers_what, relay_start, relay_stop, has_relay, false },
	{ "state", state_what, state_make, state_undo, NULL, false },
	{ "files", files_what, files_make, NULL, NULL, false },
	{ "ports", ports_what, uplink_publish, uplink_unserve, has_published, false },
	{ "gateway", gateway_what, gateway_make, gateway_undo, has_own_gateway, true },
	{ "namespaces", namespaces_what, namespaces_make, namespaces_undo, NULL, true },
	{ "nodes", nodes_what, net_nodes_make, net_nodes_undo, has_file, true },
	{ "init", init_what, init_make, init_undo, NULL, true },
	{ "link", link_what, link_make, link_undo, has_link, true },
	{ "forward", forward_what, uplink_forward, uplink_unforward, has_nat, false },
	{ "listen", listen_what, uplink_listen, uplink_unserve, has_nat, false },
	{ "nat", nat_what, uplink_nat, uplink_unnat, has_nat, false },
	{ "relay", relay_what, relay_make, relay_undo, has_relay, true },
	{ "service", service_what, uplink_serve, uplink_unserve, has_service, false },
	{ "links", links_what, net_links_make, net_links_undo, has_file, true },
	{ "routes", routes_what, net_routes_make, net_routes_undo, has_file, true },
	{ "name", name_what, name_make, name_undo, has_name, false },
	{ "control", control_what, control_listen, control_undo, NULL, false },
	{ "program", program_what, program_make, program_undo, NULL, false },
	{ "commands", commands_what, net_programs_make, net_programs_undo, has_file, false },
};

static bool wanted(const struct step *s, const struct lab *lab)
{
	return !s->wanted || s->wanted(lab);
}

static void test_point(struct lab *lab)
{
	lab->test_point++;
	if (lab->test_stop && lab->test_point == lab->test_stop)
		raise(SIGSTOP);
}

static void undo_made(struct lab *lab)
{
	while (lab->nmade > 0) {
		const struct step *s = &steps[--lab->nmade];

		if (!wanted(s, lab))
			continue;
		test_point(lab);
		if (s->undo)
			s->undo(lab);
		test_point(lab);
	}
}

int steps_make(struct lab *lab, struct choppy_err *err)
{
	const char *stop = getenv("CHOPPY_TEST_STOP");

	lab->test_stop = stop ? atoi(stop) : 0;
	name_ends(lab);
	for (lab->nmade = 0; lab->nmade < (int)ARRAY_SIZE(steps); lab->nmade++) {
		const struct step *s = &steps[lab->nmade];
		int r;

		if (!wanted(s, lab))
			continue;
		test_point(lab);
		r = s->make(lab, err);
		if (r < 0) {
			if (err && !err->code)
				err_sys(err, r, "step %s", s->name);
			if (lab->home.own && s->refusable)
				refusal_explain(err);
			/* What a step made in part before it failed is undone with it. */
			lab->nmade++;
			undo_made(lab);
			return r;
		}
		test_point(lab);
	}
	return 0;
}

void steps_undo(struct lab *lab)
{
	undo_made(lab);
}

void steps_plan(const struct lab *lab, void (*line)(void *ctx, const char *what), void *ctx)
{
	char what[WHAT_MAX], text[WHAT_MAX + 32];

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (!wanted(&steps[i], lab))
			continue;
		steps[i].what(lab, what, sizeof(what));
		snprintf(text, sizeof(text), "%s: %s", steps[i].name, what);
		line(ctx, text);
	}
}
