/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper's side of the uplink relay. Its processes are forked while the keeper is still in the
 * host's namespaces, where they stay: they connect as any process of the user's does. When the link
 * stands, the keeper makes the gateway's namespace one in which every address is local, opens the
 * sockets there that will take what the node sends, and gives them to the processes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "defer.h"
#include "dgram.h"
#include "err.h"
#include "internal.h"
#include "ns.h"
#include "relay.h"
#include "util.h"

#define BACKLOG 4096
#define UDP_BUFFER (4 << 20)
#define SOCKETS_NONE                                                                               \
	{                                                                                          \
		.tcp = { -1, -1 }, .udp = { -1, -1 }, .icmp = { -1, -1 }, .raw_udp = { -1, -1 },   \
		.tap = -1                                                                          \
	}

static const uint16_t families[RELAY_FAMILIES] = { AF_INET, AF_INET6 };

/* ---------------------------------------------------------------- processes */

int relay_start(struct lab *lab, struct choppy_err *err)
{
	int r = server_start(&lab->relay, "choppy-relay", true, err);

	return r < 0 ? r : server_start(&lab->dns, "choppy-dns", false, err);
}

void relay_kill(struct lab *lab)
{
	server_kill(&lab->relay);
	server_kill(&lab->dns);
}

void relay_stop(struct lab *lab)
{
	server_stop(&lab->relay, false);
	server_stop(&lab->dns, false);
}

void relay_tell(struct lab *lab)
{
	static const char *const remarks[SERVE_NREMARKS] = {
		[SERVE_NO_PING] = "pings beyond the gateway get no answer: this machine permits "
				  "you no ping sockets; sudo sysctl -w "
				  "net.ipv4.ping_group_range='0 2147483647' does",
		[SERVE_FULL] = "the relay has no room for more connections (ulimit -n)",
	};
	uint8_t byte;

	if (recv(lab->relay.fd, &byte, 1, MSG_DONTWAIT) == 1 && byte < SERVE_NREMARKS)
		lab_note(lab, true, "%s", remarks[byte]);
}

/* ------------------------------------------------------------------- sockets */

static int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Open a socket that may speak for any address. */
static int open_transparent(uint16_t family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol), r;

	if (fd < 0)
		return -errno;
	r = family == AF_INET6 ? set(fd, SOL_IPV6, IPV6_TRANSPARENT, 1)
			       : set(fd, SOL_IP, IP_TRANSPARENT, 1);
	if (r == 0 && family == AF_INET6 && type != SOCK_RAW)
		r = set(fd, SOL_IPV6, IPV6_V6ONLY, 1);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

/* @loopback: where the rule for what comes over that device looks for it, and nobody else. */
static int bind_port(int fd, uint16_t family, bool loopback)
{
	struct endpoint own = { .family = family, .port = RELAY_PORT };
	struct sockaddr_storage sa;
	socklen_t len;

	if (loopback && family == AF_INET)
		memcpy(own.addr, (const uint8_t[]){ 127, 0, 0, 1 }, 4);
	else if (loopback)
		own.addr[15] = 1;
	len = endpoint_to(&sa, &own);
	return bind(fd, (struct sockaddr *)&sa, len) < 0 ? -errno : 0;
}

static int open_tcp(uint16_t family)
{
	int fd = open_transparent(family, SOCK_STREAM, 0), r;

	if (fd < 0)
		return fd;
	r = bind_port(fd, family, true);
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static int open_udp(uint16_t family)
{
	int fd = open_transparent(family, SOCK_DGRAM, 0), r;

	if (fd < 0)
		return fd;
	set(fd, SOL_SOCKET, SO_RCVBUF, UDP_BUFFER); /* as much of it as there is */
	r = bind_port(fd, family, false);
	if (r == 0)
		r = dgram_prepare(fd, family, true);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static int filter_icmp(int fd, uint16_t family)
{
	const struct icmp_filter4 {
		uint32_t data;
	} v4 = { ~(
		1u << ICMP_ECHO) }; /* struct icmp_filter of linux/icmp.h: a set bit is blocked */
	uint32_t v6[8];

	if (family == AF_INET)
		return setsockopt(fd, SOL_RAW, 1 /* ICMP_FILTER */, &v4, sizeof(v4)) < 0 ? -errno
											 : 0;
	memset(v6, 0xff, sizeof(v6));
	v6[ICMPV6_ECHO_REQUEST / 32] &= ~(1u << ICMPV6_ECHO_REQUEST % 32);
	return setsockopt(fd, IPPROTO_ICMPV6, ICMPV6_FILTER, v6, sizeof(v6)) < 0 ? -errno : 0;
}

static int open_icmp(uint16_t family)
{
	int fd = open_transparent(family, SOCK_RAW,
				  family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP),
	    r;

	if (fd < 0)
		return fd;
	r = filter_icmp(fd, family);
	if (r == 0)
		r = set(fd, SOL_SOCKET, SO_MARK, RELAY_MARK);
	if (r == 0)
		r = dgram_prepare(fd, family, false);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static int attach(int fd, struct sock_filter *insns, size_t n)
{
	const struct sock_fprog prog = { .len = (unsigned short)n, .filter = insns };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

/* For sending only: it takes nothing. */
static int open_raw_udp(uint16_t family)
{
	struct sock_filter nothing[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	int fd = open_transparent(family, SOCK_RAW, IPPROTO_UDP), r;

	if (fd < 0)
		return fd;
	r = attach(fd, nothing, ARRAY_SIZE(nothing));
	if (r == 0)
		r = set(fd, SOL_SOCKET, SO_MARK, RELAY_MARK);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

/* A SYN without ACK, or a RST, of IPv4 (no later fragment) or of IPv6 without extension headers. */
static int filter_tap(int fd)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12), /* EtherType */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_IP, 0, 7),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23), /* protocol */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 14),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20), /* fragment offset */
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 12, 0),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
		BPF_STMT(BPF_LD | BPF_B | BPF_IND, 14 + 13), /* flags */
		BPF_JUMP(BPF_JMP | BPF_JA, 4, 0, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_IPV6, 0, 8),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20), /* next header */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 6),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 14 + 40 + 13), /* flags */
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x04, 2, 0), /* RST */
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 2),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};

	return attach(fd, insns, ARRAY_SIZE(insns));
}

static int open_tap(int ifindex)
{
	const struct sockaddr_ll sa = { .sll_family = AF_PACKET,
					.sll_protocol = htons(ETH_P_ALL),
					.sll_ifindex = ifindex };
	/* Protocol 0: nothing is received before the filter is there. */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return -errno;
	r = filter_tap(fd);
	if (r == 0)
		r = set(fd, SOL_PACKET, PACKET_VNET_HDR, 1);
	if (r == 0)
		r = set(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	if (r == 0 && bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		r = -errno;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static int open_sockets(struct relay_sockets *s, int ifindex, const bool has[RELAY_FAMILIES],
			struct choppy_err *err)
{
	const struct {
		const char *what;
		int (*open)(uint16_t family);
		int *fds;
	} kinds[] = {
		{ "take connections", open_tcp, s->tcp },
		{ "take datagrams", open_udp, s->udp },
		{ "take echo requests", open_icmp, s->icmp },
		{ "send datagrams", open_raw_udp, s->raw_udp },
	};

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		for (int i = 0; i < RELAY_FAMILIES; i++) {
			int fd = has[i] ? kinds[k].open(families[i]) : -1;

			if (has[i] && fd < 0)
				return err_sys(err, fd, "open the relay's socket to %s",
					       kinds[k].what);
			kinds[k].fds[i] = fd;
		}
	}
	s->tap = open_tap(ifindex);
	return s->tap < 0 ? err_sys(err, s->tap, "open the relay's packet socket") : 0;
}

static void close_sockets(struct relay_sockets *s)
{
	int *const pairs[] = { s->tcp, s->udp, s->icmp, s->raw_udp };

	for (size_t k = 0; k < ARRAY_SIZE(pairs); k++)
		for (int i = 0; i < RELAY_FAMILIES; i++)
			close_fd(&pairs[k][i]);
	close_fd(&s->tap);
}

/* --------------------------------------------------------- gateway's namespace */

static int make_local(struct lab *lab, const bool has[RELAY_FAMILIES], struct choppy_err *err)
{
	struct nl_msg m;

	nl_msg_init(&m);
	for (int i = 0; i < RELAY_FAMILIES; i++)
		if (has[i])
			route_local(&m, families[i]);
	return nl_do(lab->gateway, &m, err);
}

static int add_rules(struct lab *lab, const bool has[RELAY_FAMILIES], struct choppy_err *err)
{
	char table[64], comment[64];
	const struct nft_relay rules = { .table = table,
					 .comment = comment,
					 .dev = lab->host_dev,
					 .gateway4 = lab->v4.gateway.v4,
					 .gateway6 = lab->v6.gateway.v6,
					 .v4 = has[RELAY_V4],
					 .v6 = has[RELAY_V6],
					 .port = RELAY_PORT,
					 .mark = RELAY_MARK };

	snprintf(table, sizeof(table), "choppy-%s", lab->state.name);
	snprintf(comment, sizeof(comment), "choppy:%s", lab->state.name);
	return nft_relay_add(&lab->nft, &rules, err);
}

static void fill_policy(const struct lab *lab, struct relay_policy *p)
{
	if (lab->v4.node.family)
		memcpy(p->gateway4, &lab->v4.gateway.v4, sizeof(p->gateway4));
	if (lab->v6.node.family)
		memcpy(p->gateway6, &lab->v6.gateway.v6, sizeof(p->gateway6));
	if (lab->host4.family)
		memcpy(p->host4, &lab->host4.v4, sizeof(p->host4));
	if (lab->host6.family)
		memcpy(p->host6, &lab->host6.v6, sizeof(p->host6));
	p->allow_host = lab->spec->allow_host;
	p->tap_ifindex = lab->host_ifindex;
}

/* A strict filter would drop what the relay writes; a namespace gets the host's setting
 * (ip-sysctl). */
static int check_rp_filter(struct choppy_err *err)
{
	static const char *const paths[] = { "/proc/sys/net/ipv4/conf/all/rp_filter",
					     "/proc/sys/net/ipv4/conf/lo/rp_filter" };
	char value[8];

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (sysctl_read(paths[i], value, sizeof(value)) == 0 && strcmp(value, "1") == 0)
			return err_cannot(
				err, -EROFS,
				"%s is 1 and cannot be written here, so the relay cannot work: "
				"sudo mount -o remount,rw /proc/sys, or use --uplink none",
				paths[i]);
	return 0;
}

int relay_make(struct lab *lab, struct choppy_err *err)
{
	const bool has[RELAY_FAMILIES] = { lab->v4.node.family, lab->v6_out };
	struct serve_config relay = { .has_relay = true, .relay = SOCKETS_NONE };
	struct serve_config dns = { 0 };
	int r = check_rp_filter(err);

	if (r == 0)
		r = make_local(lab, has, err);
	if (r == 0)
		r = add_rules(lab, has, err);
	if (r == 0)
		r = open_sockets(&relay.relay, lab->host_ifindex, has, err);
	if (r == 0)
		r = uplink_listen_dns(lab, &dns, err);
	if (r == 0)
		lab->deferred_tap = defer_close(&relay.relay.tap, 1);
	fill_policy(lab, &relay.policy);
	if (r == 0)
		r = server_give(&lab->relay, &relay, err);
	if (r == 0)
		r = server_give(&lab->dns, &dns, err);
	close_sockets(&relay.relay);
	serve_config_close(&dns);
	return r;
}

/* The table goes with its namespace. */
void relay_undo(struct lab *lab)
{
	int fd = lab->nft ? nft_table_fd(lab->nft) : -1;

	if (fd >= 0)
		lab->deferred_nft = defer_close(&fd, 1);
	nft_table_free(lab->nft);
	lab->nft = NULL;
	close_fd(&lab->deferred_nft);
	close_fd(&lab->deferred_tap);
}
