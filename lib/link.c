/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/neighbour.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "err.h"
#include "util.h"

#define WAIT_LOOKS 20000 /* a second and more */
#define SPIN_LOOKS 50

static struct ifinfomsg *link_begin(struct nl_msg *m, uint16_t type, uint16_t flags, int ifindex,
				    const char *label)
{
	struct ifinfomsg *ifi;

	nl_begin(m, type, flags, "%s", label);
	ifi = nl_header(m, sizeof(*ifi));
	ifi->ifi_index = ifindex;
	return ifi;
}

static void put_end(struct nl_msg *m, const struct veth_end *e, uint32_t mtu)
{
	nl_put_str(m, IFLA_IFNAME, e->name);
	nl_put(m, IFLA_ADDRESS, e->mac, MAC_LEN);
	nl_put_u32(m, IFLA_MTU, mtu);
	/* A veth without NAPI has no use for more, and each costs a directory in sysfs. */
	nl_put_u32(m, IFLA_NUM_TX_QUEUES, 1);
	nl_put_u32(m, IFLA_NUM_RX_QUEUES, 1);
	if (e->gso_max_segs)
		nl_put_u32(m, IFLA_GSO_MAX_SEGS, e->gso_max_segs);
	if (e->ns >= 0)
		nl_put_u32(m, IFLA_NET_NS_FD, (uint32_t)e->ns);
}

void link_veth(struct nl_msg *m, const struct veth_end *a, const struct veth_end *b, uint32_t mtu)
{
	struct ifinfomsg *ifi;
	struct nlattr *info, *data, *nest;

	nl_begin(m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "create link %s to %s", a->name,
		 b->name);
	ifi = nl_header(m, sizeof(*ifi));
	ifi->ifi_index = a->ifindex;
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	put_end(m, a, mtu);
	info = nl_nest(m, IFLA_LINKINFO);
	nl_put_str(m, IFLA_INFO_KIND, "veth");
	data = nl_nest(m, IFLA_INFO_DATA);
	/* The peer's own header comes first inside the nest, without an attribute header. */
	nest = nl_nest(m, VETH_INFO_PEER);
	((struct ifinfomsg *)nl_header(m, sizeof(*ifi)))->ifi_index = b->ifindex;
	put_end(m, b, mtu);
	nl_end(m, nest);
	nl_end(m, data);
	nl_end(m, info);
}

void link_bridge(struct nl_msg *m, const char *name, int ifindex)
{
	struct nlattr *info;

	nl_begin(m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "create bridge %s", name);
	((struct ifinfomsg *)nl_header(m, sizeof(struct ifinfomsg)))->ifi_index = ifindex;
	nl_put_str(m, IFLA_IFNAME, name);
	info = nl_nest(m, IFLA_LINKINFO);
	nl_put_str(m, IFLA_INFO_KIND, "bridge");
	nl_end(m, info);
}

void link_master(struct nl_msg *m, int ifindex, int master)
{
	link_begin(m, RTM_SETLINK, 0, ifindex, "make the link a port of the bridge");
	nl_put_u32(m, IFLA_MASTER, (uint32_t)master);
}

void link_up(struct nl_msg *m, int ifindex)
{
	struct ifinfomsg *ifi = link_begin(m, RTM_SETLINK, 0, ifindex, "set the link up");

	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
}

void link_delete(struct nl_msg *m, int ifindex)
{
	link_begin(m, RTM_DELLINK, 0, ifindex, "delete the link");
}

void link_move(struct nl_msg *m, int ifindex, int ns, const char *name)
{
	link_begin(m, RTM_SETLINK, 0, ifindex, "move the link");
	nl_put_u32(m, IFLA_NET_NS_FD, (uint32_t)ns);
	nl_put_str(m, IFLA_IFNAME, name);
}

void link_alias(struct nl_msg *m, int ifindex, const char *alias)
{
	link_begin(m, RTM_SETLINK, 0, ifindex, "tag the link");
	nl_put(m, IFLA_IFALIAS, alias, strlen(alias));
}

void link_no_linklocal(struct nl_msg *m, int ifindex)
{
	struct nlattr *spec, *family;

	link_begin(m, RTM_SETLINK, 0, ifindex, "switch the link-local address off");
	spec = nl_nest(m, IFLA_AF_SPEC);
	family = nl_nest(m, AF_INET6);
	nl_put_u8(m, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	nl_end(m, family);
	nl_end(m, spec);
}

void link_forwarding(struct nl_msg *m, int ifindex, bool on)
{
	struct nlattr *spec, *family, *conf;

	link_begin(m, RTM_SETLINK, 0, ifindex, "switch IPv4 forwarding of the device");
	spec = nl_nest(m, IFLA_AF_SPEC);
	family = nl_nest(m, AF_INET);
	conf = nl_nest(m, IFLA_INET_CONF);
	nl_put_u32(m, IPV4_DEVCONF_FORWARDING, on);
	nl_end(m, conf);
	nl_end(m, family);
	nl_end(m, spec);
}

size_t inet_size(const struct inet *a)
{
	return a->family == AF_INET6 ? 16 : 4;
}

void addr_add(struct nl_msg *m, int ifindex, const struct inet *a)
{
	struct ifaddrmsg *ifa;
	char text[64];

	inet_print(text, sizeof(text), a, true);
	nl_begin(m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, "add address %s", text);
	ifa = nl_header(m, sizeof(*ifa));
	ifa->ifa_family = (uint8_t)a->family;
	ifa->ifa_prefixlen = a->len;
	ifa->ifa_index = (uint32_t)ifindex;
	if (a->family == AF_INET6)
		ifa->ifa_flags = IFA_F_NODAD;
	nl_put(m, IFA_LOCAL, a->bytes, inet_size(a));
	nl_put(m, IFA_ADDRESS, a->bytes, inet_size(a));
}

static struct rtmsg *route_begin(struct nl_msg *m, int family, uint8_t type, const char *label)
{
	struct rtmsg *rt;

	nl_begin(m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, "%s", label);
	rt = nl_header(m, sizeof(*rt));
	rt->rtm_family = (uint8_t)family;
	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_protocol = RTPROT_STATIC;
	rt->rtm_scope = type == RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	rt->rtm_type = type;
	return rt;
}

static void put_destination(struct nl_msg *m, struct rtmsg *rt, const struct inet *to)
{
	rt->rtm_dst_len = to->len;
	if (to->len)
		nl_put(m, RTA_DST, to->bytes, inet_size(to));
}

void route_add(struct nl_msg *m, const struct inet *to, const struct inet *via, int ifindex)
{
	char text[64], label[96];

	inet_print(text, sizeof(text), to, true);
	snprintf(label, sizeof(label), "add the route to %s", text);
	put_destination(m, route_begin(m, to->family, RTN_UNICAST, label), to);
	nl_put(m, RTA_GATEWAY, via->bytes, inet_size(via));
	nl_put_u32(m, RTA_OIF, (uint32_t)ifindex);
}

void route_default(struct nl_msg *m, int ifindex, const struct inet *gateway)
{
	route_add(m, &(struct inet){ .family = gateway->family }, gateway, ifindex);
}

void route_unreachable(struct nl_msg *m, const struct inet *to)
{
	put_destination(m, route_begin(m, to->family, RTN_UNREACHABLE, "add the unreachable route"),
			to);
}

void route_local(struct nl_msg *m, int family)
{
	route_begin(m, family, RTN_LOCAL, "add the local route");
	nl_put_u32(m, RTA_OIF, 1);
}

void neigh_add(struct nl_msg *m, int ifindex, const struct inet *a, const uint8_t mac[MAC_LEN])
{
	struct ndmsg *nd;

	nl_begin(m, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, "add a neighbour");
	nd = nl_header(m, sizeof(*nd));
	nd->ndm_family = (uint8_t)a->family;
	nd->ndm_ifindex = ifindex;
	nd->ndm_state = NUD_PERMANENT;
	nl_put(m, NDA_DST, a->bytes, inet_size(a));
	nl_put(m, NDA_LLADDR, mac, MAC_LEN);
}

static void read_inet_conf(const struct nlattr *spec, struct link_info *info)
{
	const struct nlattr *families[AF_INET6 + 1] = { 0 }, *tb[IFLA_INET_MAX + 1] = { 0 };
	const uint32_t *conf;

	if (nl_parse_nested(spec, families, AF_INET6) < 0 || !families[AF_INET] ||
	    nl_parse_nested(families[AF_INET], tb, IFLA_INET_MAX) < 0 || !tb[IFLA_INET_CONF])
		return;
	conf = mnl_attr_get_payload(tb[IFLA_INET_CONF]);
	if (mnl_attr_get_payload_len(tb[IFLA_INET_CONF]) >= IPV4_DEVCONF_FORWARDING * sizeof(*conf))
		info->forwarding = conf[IPV4_DEVCONF_FORWARDING - 1] != 0;
}

static int on_link(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *tb[IFLA_MAX + 1] = { 0 };
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct link_info *info = ctx;
	int r;

	r = nl_parse(nlh, sizeof(*ifi), tb, IFLA_MAX);
	if (r < 0)
		return r;
	memset(info, 0, sizeof(*info));
	info->ifindex = ifi->ifi_index;
	if (tb[IFLA_IFALIAS])
		snprintf(info->alias, sizeof(info->alias), "%.*s",
			 (int)mnl_attr_get_payload_len(tb[IFLA_IFALIAS]),
			 (const char *)mnl_attr_get_payload(tb[IFLA_IFALIAS]));
	info->active = tb[IFLA_QDISC] && strcmp(mnl_attr_get_str(tb[IFLA_QDISC]), "noop") != 0;
	if (tb[IFLA_STATS64] && mnl_attr_get_payload_len(tb[IFLA_STATS64]) >=
					offsetof(struct rtnl_link_stats64, multicast)) {
		struct rtnl_link_stats64 st = { 0 };

		memcpy(&st, mnl_attr_get_payload(tb[IFLA_STATS64]),
		       offsetof(struct rtnl_link_stats64, multicast));
		info->tx_dropped = st.tx_dropped;
	}
	if (tb[IFLA_AF_SPEC])
		read_inet_conf(tb[IFLA_AF_SPEC], info);
	return 0;
}

int link_get(struct nl *nl, const char *name, struct link_info *ret, struct choppy_err *err)
{
	struct nl_msg m;

	nl_msg_init(&m);
	nl_begin(&m, RTM_GETLINK, 0, "look at device %s", name);
	nl_header(&m, sizeof(struct ifinfomsg));
	nl_put_str(&m, IFLA_IFNAME, name);
	return nl_each(nl, &m, false, on_link, NULL, ret, err);
}

static int ethtool(int fd, const char *name, void *command)
{
	struct ifreq ifr = { .ifr_data = command };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	return ioctl(fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

/* The place of @feature in the kernel's list, -1 when it has none; the list's length in @ret_n. */
static int feature_index(int fd, const char *name, const char *feature, uint32_t *ret_n)
{
	/* The kernel puts the length of the one set asked for behind the header. */
	union {
		struct ethtool_sset_info info;
		char bytes[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
	} set = { .info = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES } };
	CLEANUP_FREE struct ethtool_gstrings *strings = NULL;

	if (ethtool(fd, name, &set) < 0 || !set.info.sset_mask)
		return -1;
	memcpy(ret_n, set.info.data, sizeof(*ret_n));
	strings = calloc(1, sizeof(*strings) + (size_t)*ret_n * ETH_GSTRING_LEN);
	if (!strings)
		return -1;
	*strings = (struct ethtool_gstrings){ .cmd = ETHTOOL_GSTRINGS,
					      .string_set = ETH_SS_FEATURES,
					      .len = *ret_n };
	if (ethtool(fd, name, strings) < 0)
		return -1;
	for (uint32_t i = 0; i < *ret_n; i++) {
		if (strncmp((char *)strings->data + i * ETH_GSTRING_LEN, feature,
			    ETH_GSTRING_LEN) == 0)
			return (int)i;
	}
	return -1;
}

int link_feature_off(const char *name, const char *feature, struct choppy_err *err)
{
	CLEANUP_FREE struct ethtool_sfeatures *change = NULL;
	CLEANUP_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t n = 0;
	int i, r;

	if (fd < 0)
		return err_sys(err, -errno, "make a socket");
	i = feature_index(fd, name, feature, &n);
	if (i < 0)
		return 0;
	change = calloc(1, sizeof(*change) + (n + 31) / 32 * sizeof(change->features[0]));
	if (!change)
		return err_set(err, -ENOMEM, "out of memory");
	change->cmd = ETHTOOL_SFEATURES;
	change->size = (n + 31) / 32;
	change->features[i / 32].valid = 1u << (i % 32);
	r = ethtool(fd, name, change);
	return r < 0 ? err_sys(err, r, "switch %s of %s off", feature, name) : 0;
}

/* It is mostly a matter of microseconds, and a sleep takes a hundred. */
static void pause_between_looks(int look)
{
	const struct timespec pause = { .tv_nsec = 50000 };

	if (look < SPIN_LOOKS)
		sched_yield();
	else
		nanosleep(&pause, NULL);
}

static int on_own_route(const struct nlmsghdr *nlh, void *ctx)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);

	*(bool *)ctx = rt->rtm_type == RTN_LOCAL;
	return 0;
}

int addr_wait(struct nl *nl, const struct inet *a, struct choppy_err *err)
{
	struct nl_msg m;
	struct rtmsg *rt;

	for (int i = 0; a->family == AF_INET6 && i < WAIT_LOOKS; i++) {
		bool local = false;
		int r;

		nl_msg_init(&m);
		nl_begin(&m, RTM_GETROUTE, 0, "look up the route to the own address");
		rt = nl_header(&m, sizeof(*rt));
		rt->rtm_family = AF_INET6;
		rt->rtm_dst_len = 128;
		nl_put(&m, RTA_DST, a->bytes, inet_size(a));
		r = nl_each(nl, &m, false, on_own_route, NULL, &local, err);
		if (local)
			return 0;
		if (r < 0 && r != -ENETUNREACH)
			return r;
		pause_between_looks(i);
	}
	return a->family == AF_INET6 ? err_set(err, -ETIMEDOUT, "the IPv6 address is not ready")
				     : 0;
}

int link_wait(struct nl *nl, const char *name, struct choppy_err *err)
{
	struct link_info info;
	int r;

	/* Since Linux 6.9 the first look runs the link watch itself (linkwatch_sync_dev()). */
	for (int i = 0; i < WAIT_LOOKS; i++) {
		r = link_get(nl, name, &info, err);
		if (r < 0 || info.active)
			return r;
		pause_between_looks(i);
	}
	return err_set(err, -ETIMEDOUT, "device %s does not become ready", name);
}

int inet_parse(struct inet *ret, const char *text, struct choppy_err *err)
{
	struct inet a = { 0 };
	const char *slash = strchr(text, '/');
	char host[64], *end;
	unsigned long len;

	if (!slash || slash == text || (size_t)(slash - text) >= sizeof(host))
		return err_set(err, -EINVAL,
			       "address '%s' is not ADDRESS/PREFIX, such as 10.1.1.0/31", text);
	memcpy(host, text, (size_t)(slash - text));
	host[slash - text] = '\0';
	a.family = strchr(host, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(a.family, host, a.bytes) != 1)
		return err_set(err, -EINVAL, "address '%s': '%s' is not an IP address", text, host);
	len = strtoul(slash + 1, &end, 10);
	if (slash[1] < '0' || slash[1] > '9' || *end || len > inet_size(&a) * 8)
		return err_set(err, -EINVAL, "address '%s': the prefix must be 0 to %zu", text,
			       inet_size(&a) * 8);
	a.len = (uint8_t)len;
	*ret = a;
	return 0;
}

int inet_print(char *buf, size_t size, const struct inet *a, bool with_len)
{
	char host[INET6_ADDRSTRLEN] = "";

	if (!a->family)
		return snprintf(buf, size, "%s", "");
	inet_ntop(a->family, a->bytes, host, sizeof(host));
	return with_len ? snprintf(buf, size, "%s/%u", host, a->len)
			: snprintf(buf, size, "%s", host);
}
