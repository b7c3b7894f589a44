/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The uplink `nat`: packets leave the lab's device, are forwarded by the host's
 * kernel (switched on for this device and those of the default routes, never for
 * the whole machine) and masqueraded by a table that dies with its socket. Look-ups
 * go to the gateway's address, where an unprivileged process asks the host's own
 * resolvers. Where port 53 is taken on all addresses, it listens on a free port and
 * the table redirects what comes from the lab.
 */
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "defer.h"
#include "err.h"
#include "forward.h"
#include "internal.h"
#include "ns.h"
#include "util.h"

#define DNS_PORT 53
#define LISTEN_BACKLOG 128

struct default_routes {
	struct lab *lab;
	int family;
};

static void add_out(struct uplink_dev *v, int *n, int ifindex)
{
	for (int i = 0; i < *n; i++) {
		if (v[i].ifindex == ifindex)
			return;
	}
	if (*n < UPLINK_DEVS_MAX && if_indextoname((unsigned int)ifindex, v[*n].name))
		v[(*n)++].ifindex = ifindex;
}

/*
 * The default routes are what packets are forwarded by. Where the host itself connects, IPv6 is
 * there as soon as it has any network.
 */
static bool leads_out(const struct default_routes *d, const struct rtmsg *rt,
		      const struct nlattr *const *tb)
{
	const uint8_t *dst = tb[RTA_DST] ? mnl_attr_get_payload(tb[RTA_DST]) : NULL;

	if (!rt->rtm_dst_len)
		return true;
	return d->family == AF_INET6 && d->lab->spec->uplink == CHOPPY_UPLINK_RELAY && dst &&
	       rt->rtm_table == RT_TABLE_MAIN && !(dst[0] == 0xfe && (dst[1] & 0xc0) == 0x80);
}

static int on_route(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	struct default_routes *d = ctx;
	struct uplink_dev *v = d->family == AF_INET ? d->lab->out4 : d->lab->out6;
	int *n = d->family == AF_INET ? &d->lab->nout4 : &d->lab->nout6;
	int r = nl_parse(nlh, sizeof(*rt), tb, RTA_MAX);

	if (r < 0)
		return r;
	if (rt->rtm_type != RTN_UNICAST || rt->rtm_family != d->family || !leads_out(d, rt, tb))
		return 0;
	if (tb[RTA_OIF])
		add_out(v, n, (int)mnl_attr_get_u32(tb[RTA_OIF]));
	if (tb[RTA_MULTIPATH]) {
		const struct rtnexthop *nh = mnl_attr_get_payload(tb[RTA_MULTIPATH]);
		int len = mnl_attr_get_payload_len(tb[RTA_MULTIPATH]);

		for (; RTNH_OK(nh, len); len -= RTNH_ALIGN(nh->rtnh_len), nh = RTNH_NEXT(nh))
			add_out(v, n, nh->rtnh_ifindex);
	}
	return 0;
}

static void forget(void *ctx)
{
	struct default_routes *d = ctx;

	*(d->family == AF_INET ? &d->lab->nout4 : &d->lab->nout6) = 0;
}

static int find_family(struct lab *lab, int family, struct choppy_err *err)
{
	struct default_routes d = { .lab = lab, .family = family };
	struct nl_msg m;

	nl_msg_init(&m);
	nl_begin(&m, RTM_GETROUTE, 0, "list the routes");
	((struct rtmsg *)nl_header(&m, sizeof(struct rtmsg)))->rtm_family = (uint8_t)family;
	return nl_each(lab->gateway, &m, true, on_route, forget, &d, err);
}

int uplink_find(struct lab *lab, struct choppy_err *err)
{
	const bool relay = lab->spec->uplink == CHOPPY_UPLINK_RELAY;
	int r = find_family(lab, AF_INET, err);

	if (r == 0)
		r = find_family(lab, AF_INET6, err);
	if (r < 0)
		return r;
	if (!lab->nout4 && lab->v4.node.family)
		lab_note(lab, true, "this host has no default route: the node reaches %s",
			 relay ? "what the host reaches" : "the host, and no further");
	if (!lab->v6.node.family)
		return 0;
	lab->v6_out = lab->nout6 && (relay || forward_has6());
	if (!lab->nout6)
		lab_note(lab, false, "IPv6 ends at the gateway: this host has no IPv6 %sroute",
			 relay ? "" : "default ");
	else if (!lab->v6_out)
		lab_note(lab, true,
			 "IPv6 ends at the gateway: this kernel cannot forward IPv6 for "
			 "one device alone (force_forwarding, Linux 6.17)");
	return 0;
}

static int hold(struct lab *lab, int family, const struct uplink_dev *v, int n,
		struct choppy_err *err)
{
	int r = 0;

	for (int i = 0; r == 0 && i < n; i++) {
		r = journal_add(&lab->state, err, "forward", "%d %d %s", family, v[i].ifindex,
				v[i].name);
		if (r == 0)
			r = forward_hold(lab->home.fd, lab->state.name, family, v[i].ifindex,
					 v[i].name, err);
	}
	return r;
}

int uplink_forward(struct lab *lab, struct choppy_err *err)
{
	CLEANUP_FD lock = state_lock(&lab->home, err);
	char path[128];
	int r;

	if (lock < 0)
		return lock;
	r = hold(lab, 4, lab->out4, lab->nout4, err);
	if (r < 0 || !lab->v6_out)
		return r;
	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/force_forwarding", lab->host_dev);
	r = sysctl_write(path, "1"); /* our own device: it goes with it */
	if (r < 0)
		return err_sys(err, r, "write %s", path);
	return hold(lab, 6, lab->out6, lab->nout6, err);
}

static void undo_journal(struct lab *lab, const char *kind)
{
	CLEANUP_FD lock = state_lock(&lab->home, NULL);

	if (lock >= 0)
		journal_undo(&lab->state, kind, NULL);
}

void uplink_unforward(struct lab *lab)
{
	undo_journal(lab, "forward");
}

static int journal_conntrack(struct lab *lab, const struct inet *a, struct choppy_err *err)
{
	char text[64];

	if (!a->family)
		return 0;
	inet_print(text, sizeof(text), a, true);
	return journal_add(&lab->state, err, "conntrack", "%s", text);
}

/* Of a lab that was killed, the owner's socket is closed by the kernel's deferred work. */
static int add_table(struct lab *lab, const struct nft_rules *rules, struct choppy_err *err)
{
	struct choppy_err first;
	int r = nft_table_add(&lab->nft, rules, &first);

	if (r == -EEXIST) {
		r = nft_table_wait(rules->table, rules->comment, err);
		return r < 0 ? r : nft_table_add(&lab->nft, rules, err);
	}
	if (r < 0 && err)
		*err = first;
	return r;
}

/* Of our own device, with which it goes: what comes over it may be for 127.0.0.0/8. */
static int open_loopback(struct lab *lab, struct choppy_err *err)
{
	char path[128];
	int r;

	if (!lab->host4.family)
		return 0;
	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/route_localnet", lab->host_dev);
	r = sysctl_write(path, "1");
	return r < 0 ? err_sys(err, r, "write %s", path) : 0;
}

int uplink_nat(struct lab *lab, struct choppy_err *err)
{
	char table[64], comment[64], text[CHOPPY_NOTE_MAX];
	struct nft_rules rules = { .table = table,
				   .comment = comment,
				   .host_dev = lab->host_dev,
				   .dns_port = lab->dns_port,
				   .host4 = lab->host4.v4 };
	struct choppy_err look;
	int r, fd, drops = 0;

	snprintf(table, sizeof(table), "choppy-%s", lab->state.name);
	snprintf(comment, sizeof(comment), "choppy:%s", lab->state.name);
	if (lab->v4.node.family) {
		rules.addr4 = lab->v4.node.v4;
		rules.len4 = lab->v4.node.len;
	}
	if (lab->v6_out) {
		rules.addr6 = lab->v6.node.v6;
		rules.len6 = lab->v6.node.len;
	}
	r = open_loopback(lab, err);
	if (r == 0)
		r = journal_conntrack(lab, &lab->v4.gateway, err);
	if (r == 0)
		r = journal_conntrack(lab, &lab->v6.gateway, err);
	if (r == 0)
		r = add_table(lab, &rules, err);
	if (r < 0)
		return r;
	fd = nft_table_fd(lab->nft);
	lab->deferred_nft = defer_close(&fd, 1);
	r = nft_forward_drop(&drops, text, sizeof(text), HOST_DEV_PREFIX "*", &look);
	if (r < 0)
		lab_note(lab, true, "the forward chains could not be read: %s", look.msg);
	else if (drops)
		lab_note(lab, true, "%s", text);
	return 0;
}

void uplink_unnat(struct lab *lab)
{
	/* Deleted at once; the slow closing of the owner's socket is left to the kernel. */
	nft_table_delete(lab->nft);
	nft_table_free(lab->nft);
	lab->nft = NULL;
	close_fd(&lab->deferred_nft);
	if (lab->silent)
		journal_forget(&lab->state, "conntrack");
	else
		undo_journal(lab, "conntrack");
}

static socklen_t sockaddr_of(struct sockaddr_storage *ret, const struct inet *a, uint16_t port)
{
	memset(ret, 0, sizeof(*ret));
	if (a->family == AF_INET6) {
		struct sockaddr_in6 *sa = (struct sockaddr_in6 *)ret;

		sa->sin6_family = AF_INET6;
		sa->sin6_addr = a->v6;
		sa->sin6_port = htons(port);
		return sizeof(*sa);
	}
	((struct sockaddr_in *)ret)->sin_family = AF_INET;
	((struct sockaddr_in *)ret)->sin_addr = a->v4;
	((struct sockaddr_in *)ret)->sin_port = htons(port);
	return sizeof(struct sockaddr_in);
}

/* A bound socket, listening when it is a stream; a negative errno. */
static int bound(int type, const struct inet *a, uint16_t port, const char *dev)
{
	int fd = socket(a->family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, zero = 0, r;
	struct sockaddr_storage sa;
	socklen_t len = sockaddr_of(&sa, a, port);

	if (fd < 0)
		return -errno;
	if (dev && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, dev, (socklen_t)strlen(dev)) < 0)
		goto fail;
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a->family == AF_INET6) /* whatever bindv6only says: a published port is both's */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (struct sockaddr *)&sa, len) < 0 ||
	    (type == SOCK_STREAM && listen(fd, LISTEN_BACKLOG) < 0))
		goto fail;
	return fd;
fail:
	r = -errno;
	close(fd);
	return r;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return 0;
	return ntohs(sa.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&sa)->sin6_port
					      : ((struct sockaddr_in *)&sa)->sin_port);
}

/* Both protocols on one port; -EADDRINUSE when either is taken. */
static int listen_dns_port(struct lab *lab, struct serve_config *c, const struct inet *a,
			   uint16_t port)
{
	int udp = bound(SOCK_DGRAM, a, port, lab->host_dev), tcp;

	if (udp < 0)
		return udp;
	tcp = bound(SOCK_STREAM, a, port_of(udp), lab->host_dev);
	if (tcp < 0) {
		close(udp);
		return tcp;
	}
	c->dns_udp[c->ndns_udp++] = udp;
	c->dns_tcp[c->ndns_tcp++] = tcp;
	return 0;
}

int uplink_listen_dns(struct lab *lab, struct serve_config *c, struct choppy_err *err)
{
	const struct inet *a = lab->v4.gateway.family ? &lab->v4.gateway : &lab->v6.gateway;
	int r = listen_dns_port(lab, c, a, DNS_PORT);

	/* A free UDP port may be taken for TCP: the kernel's next choice is another. */
	for (int i = 0; r == -EADDRINUSE && i < 16; i++) {
		r = listen_dns_port(lab, c, a, 0);
		if (r == 0)
			lab->dns_port = port_of(c->dns_udp[0]);
	}
	return r < 0 ? err_sys(err, r, "listen for DNS on the gateway address") : 0;
}

static int listen_publish(struct lab *lab, const struct choppy_publish *p, struct choppy_err *err)
{
	struct inet any = { .family = AF_INET6 };
	int fd = bound(SOCK_STREAM, &any, p->host_port, NULL);

	if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) {
		any.family = AF_INET;
		fd = bound(SOCK_STREAM, &any, p->host_port, NULL);
	}
	if (fd == -EADDRINUSE)
		return err_set(err, fd, "port %u of this host is taken: publish another one",
			       p->host_port);
	if (fd == -EACCES)
		return err_cannot(
			err, fd,
			"port %u of this host is for root: publish one above 1023, or sudo "
			"sysctl -w net.ipv4.ip_unprivileged_port_start=%u",
			p->host_port, p->host_port);
	if (fd < 0)
		return err_sys(err, fd, "listen on port %u", p->host_port);
	lab->serve.publish[lab->serve.npublish].fd = fd;
	lab->serve.publish[lab->serve.npublish++].node_port = p->node_port;
	return 0;
}

int uplink_publish(struct lab *lab, struct choppy_err *err)
{
	int r = 0;

	for (int i = 0; r == 0 && i < lab->spec->npublish; i++)
		r = listen_publish(lab, &lab->spec->publish[i], err);
	return r;
}

int uplink_listen(struct lab *lab, struct choppy_err *err)
{
	return uplink_listen_dns(lab, &lab->serve, err);
}

int uplink_serve(struct lab *lab, struct choppy_err *err)
{
	struct serve_config *c = &lab->serve;
	int r;

	if (lab->v4.node.family) {
		c->node4.sin_family = AF_INET;
		c->node4.sin_addr = lab->v4.node.v4;
	}
	if (lab->v6.node.family) {
		c->node6.sin6_family = AF_INET6;
		c->node6.sin6_addr = lab->v6.node.v6;
	}
	r = server_start(&lab->service, "choppy-serve", false, err);
	return r < 0 ? r : server_give(&lab->service, c, err);
}

void serve_config_close(struct serve_config *c)
{
	while (c->ndns_udp > 0)
		close_fd(&c->dns_udp[--c->ndns_udp]);
	while (c->ndns_tcp > 0)
		close_fd(&c->dns_tcp[--c->ndns_tcp]);
	while (c->npublish > 0)
		close_fd(&c->publish[--c->npublish].fd);
}

void uplink_unserve(struct lab *lab)
{
	server_stop(&lab->service, false);
	serve_config_close(&lab->serve);
}
