/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the relay lets through, datagrams with all of their addresses (on the loopback of a network
 * namespace of the test's own), and what is said of a machine that refuses.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "bytes.h"
#include "dgram.h"
#include "link.h"
#include "ns.h"
#include "refusal.h"
#include "relay.h"
#include "util.h"

static struct endpoint at(const char *text, uint16_t port)
{
	struct endpoint e = { .family = strchr(text, ':') ? AF_INET6 : AF_INET, .port = port };

	assert_int_equal(inet_pton(e.family, text, e.addr), 1);
	return e;
}

/* -------------------------------------------------------------------- policy */

static struct relay_policy policy(bool allow_host)
{
	struct relay_policy p = { .allow_host = allow_host };

	inet_pton(AF_INET, "10.1.1.0", p.gateway4);
	inet_pton(AF_INET6, "fd01::", p.gateway6);
	if (allow_host) {
		inet_pton(AF_INET, "192.0.0.11", p.host4);
		inet_pton(AF_INET6, "fd01::2", p.host6);
	}
	return p;
}

static const struct {
	const char *to;
	enum relay_verdict closed, open; /* without and with the host */
	const char *becomes; /* with it; NULL: itself */
} judgements[] = {
	{ "203.0.113.80", RELAY_PASS, RELAY_PASS, NULL },
	{ "10.1.1.0", RELAY_IGNORE, RELAY_IGNORE, NULL },
	{ "10.1.1.1", RELAY_PASS, RELAY_PASS, NULL },
	{ "192.0.0.11", RELAY_PASS, RELAY_PASS, "127.0.0.1" },
	{ "127.0.0.1", RELAY_PROHIBIT, RELAY_PROHIBIT, NULL },
	{ "127.255.255.255", RELAY_PROHIBIT, RELAY_PROHIBIT, NULL },
	{ "126.255.255.255", RELAY_PASS, RELAY_PASS, NULL },
	{ "128.0.0.0", RELAY_PASS, RELAY_PASS, NULL },
	{ "0.0.0.0", RELAY_PROHIBIT, RELAY_PROHIBIT, NULL },
	{ "0.1.2.3", RELAY_PROHIBIT, RELAY_PROHIBIT, NULL },
	{ "1.0.0.0", RELAY_PASS, RELAY_PASS, NULL },
	{ "169.254.169.254", RELAY_PROHIBIT, RELAY_PASS, NULL },
	{ "169.253.255.255", RELAY_PASS, RELAY_PASS, NULL },
	{ "169.255.0.0", RELAY_PASS, RELAY_PASS, NULL },
	{ "223.255.255.255", RELAY_PASS, RELAY_PASS, NULL },
	{ "224.0.0.1", RELAY_IGNORE, RELAY_IGNORE, NULL },
	{ "255.255.255.255", RELAY_IGNORE, RELAY_IGNORE, NULL },
	{ "2001:db8::1", RELAY_PASS, RELAY_PASS, NULL },
	{ "fd01::", RELAY_IGNORE, RELAY_IGNORE, NULL },
	{ "fd01::2", RELAY_PASS, RELAY_PASS, "::1" },
	{ "::", RELAY_PROHIBIT, RELAY_PROHIBIT, NULL },
	{ "::1", RELAY_PROHIBIT, RELAY_PROHIBIT, NULL },
	{ "::ffff:127.0.0.1", RELAY_PROHIBIT, RELAY_PROHIBIT, NULL },
	{ "::ffff:203.0.113.80", RELAY_PROHIBIT, RELAY_PROHIBIT, NULL },
	{ "::127.0.0.1", RELAY_PROHIBIT, RELAY_PROHIBIT, NULL },
	{ "64:ff9b::1", RELAY_PASS, RELAY_PASS, NULL },
	{ "fe80::1", RELAY_PROHIBIT, RELAY_PASS, NULL },
	{ "fd00:ec2::254", RELAY_PROHIBIT, RELAY_PASS, NULL },
	{ "fd00:ec2::255", RELAY_PASS, RELAY_PASS, NULL },
	{ "fd20:ce::254", RELAY_PROHIBIT, RELAY_PASS, NULL },
	{ "febf::1", RELAY_PROHIBIT, RELAY_PASS, NULL },
	{ "fec0::1", RELAY_PASS, RELAY_PASS, NULL },
	{ "ff02::1", RELAY_IGNORE, RELAY_IGNORE, NULL },
};

static void test_judge(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(judgements); i++) {
		const char *text = judgements[i].to;
		struct endpoint to = at(text, 80), want = at(text, 80);
		const struct relay_policy closed = policy(false), open = policy(true);

		print_message("%s\n", text);
		assert_int_equal(relay_judge(&closed, &to), judgements[i].closed);
		assert_memory_equal(&to, &want, sizeof(to));
		assert_int_equal(relay_judge(&open, &to), judgements[i].open);
		if (judgements[i].becomes)
			want = at(judgements[i].becomes, 80);
		assert_memory_equal(&to, &want, sizeof(to));
	}
}

static void test_disguise(void **state)
{
	static const char *const pairs[][2] = { { "127.0.0.1", "192.0.0.11" },
						{ "::1", "fd01::2" },
						{ "127.0.0.2", "127.0.0.2" },
						{ "203.0.113.80", "203.0.113.80" },
						{ "2001:db8::1", "2001:db8::1" } };
	const struct relay_policy p = policy(true);

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct endpoint e = at(pairs[i][0], 53), want = at(pairs[i][1], 53);

		relay_disguise(&p, &e);
		assert_memory_equal(&e, &want, sizeof(e));
	}
}

/* ----------------------------------------------------------------- datagrams */

static int bound(const struct endpoint *e)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to(&sa, e);
	int fd = socket(e->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	return fd;
}

static void test_endpoints(void **state)
{
	static const char *const texts[] = { "203.0.113.80", "2001:db8::1" };
	const struct sockaddr local = { .sa_family = AF_UNIX };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct endpoint e = at(texts[i], 4711), back;
		struct sockaddr_storage sa;

		endpoint_to(&sa, &e);
		back = endpoint_of(&sa);
		assert_memory_equal(&back, &e, sizeof(e));
	}
	assert_int_equal(endpoint_of(&local).family, 0);
}

/* A datagram with its time to live and traffic class, to an address that is told. */
static void test_datagram(void **state)
{
	static const char *const texts[] = { "127.0.0.7", "::1" };
	char buf[16];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct endpoint to = at(texts[i], 4711), from = at(texts[i], 4712);
		int receiver = bound(&to), sender = bound(&from), r;
		struct dgram d = { .to = to, .ttl = 17, .tos = 0xb9, .len = 5 }, got;

		assert_int_equal(dgram_prepare(receiver, to.family, true), 0);
		assert_int_equal(dgram_receive(receiver, buf, sizeof(buf), &got), -EAGAIN);
		assert_int_equal(dgram_send(sender, "hello", &d), 0);
		r = dgram_receive(receiver, buf, sizeof(buf), &got);
		assert_int_equal(r, 0);
		assert_int_equal(got.len, 5);
		assert_memory_equal(buf, "hello", 5);
		assert_memory_equal(&got.from, &from, sizeof(from));
		assert_memory_equal(&got.to, &to, sizeof(to));
		assert_int_equal(got.ttl, 17);
		assert_int_equal(got.tos, 0xb9);
		d.len = 16;
		assert_int_equal(dgram_send(sender, "sixteen and more", &d), 0);
		assert_int_equal(dgram_receive(receiver, buf, 15, &got), -EMSGSIZE);
		close(receiver);
		close(sender);
	}
}

static void test_datagram_error(void **state)
{
	static const struct {
		const char *text;
		uint8_t type, code;
	} rows[] = { { "127.0.0.7", 3, 3 }, { "::1", 1, 4 } };
	char buf[64];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct endpoint to = at(rows[i].text, 9), offender = at(rows[i].text, 0);
		int fd = socket(to.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		struct dgram d = { .to = to, .len = 5 };
		struct dgram_error e;

		assert_int_equal(dgram_prepare_outside(fd, to.family), 0);
		assert_int_equal(dgram_receive_error(fd, buf, sizeof(buf), &e), -EAGAIN);
		assert_int_equal(dgram_send(fd, "hello", &d), 0);
		assert_int_equal(dgram_receive_error(fd, buf, sizeof(buf), &e), 0);
		assert_memory_equal(&e.to, &to, sizeof(to));
		assert_memory_equal(e.offender.addr, offender.addr, 16);
		assert_int_equal(e.type, rows[i].type);
		assert_int_equal(e.code, rows[i].code);
		assert_int_equal(e.info, 0);
		assert_int_equal(e.len, 5);
		assert_memory_equal(buf, "hello", 5);
		close(fd);
	}
}

/* -------------------------------------------------------------------- the relay */

#define LOCAL "198.51.100.7" /* an address of the test's namespace, which answers */
#define FLOWS 3
#define MAPPINGS 2
#define HOUR_NS 3600000000000ull

/* A relay whose tap is a socket pair and whose raw socket a UDP one: what it is fed, a test
 * decides. */
struct bench {
	struct relay relay;
	struct loop loop;
	struct io stopper;
	int tap, icmp, go;
	int keeper; /* the keeper's end */
};

static void stop(struct loop *loop, struct io *io, uint32_t events)
{
	char c;

	loop->stop = read(io->fd, &c, 1) == 1;
}

static void bench_open(struct bench *b, uint64_t handshake_ns, uint64_t echo_ns)
{
	const uint64_t periods[TIMER_KINDS] = {
		[TIMER_HANDSHAKE] = handshake_ns, [TIMER_UDP] = HOUR_NS, [TIMER_ECHO] = echo_ns
	};
	struct serve_config config = { .has_relay = true };
	struct endpoint any = at("127.0.0.1", 0);
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	int tap[2], go[2], keeper[2];

	memset(b, 0, sizeof(*b));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, tap), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, keeper), 0);
	assert_int_equal(pipe(go), 0);
	config.stop_fd = keeper[1];
	b->keeper = keeper[0];
	config.relay = (struct relay_sockets){ .tcp = { -1, -1 },
					       .udp = { -1, -1 },
					       .raw_udp = { -1, -1 },
					       .icmp = { bound(&any), -1 },
					       .tap = tap[1] };
	b->tap = tap[0];
	b->go = go[1];
	b->icmp = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(getsockname(config.relay.icmp[0], (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(connect(b->icmp, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(loop_open(&b->loop, periods), 0);
	b->stopper = (struct io){ .fd = go[0], .ready = stop };
	assert_int_equal(io_want(&b->loop, &b->stopper, EPOLLIN), 0);
	assert_int_equal(relay_open(&b->relay, &b->loop, &config, FLOWS, MAPPINGS), 0);
}

static void bench_close(struct bench *b)
{
	relay_close(&b->relay);
	assert_int_equal(b->relay.nflows, 0);
	assert_int_equal(b->relay.nmappings, 0);
	io_close(&b->loop, &b->stopper);
	loop_close(&b->loop);
	close(b->relay.keeper);
	close(b->keeper);
	close(b->tap);
	close(b->icmp);
	close(b->go);
}

/* Let it work on what there is, timers included. */
static void bench_turn(struct bench *b)
{
	assert_int_equal(write(b->go, "g", 1), 1);
	b->loop.stop = false;
	assert_int_equal(loop_run(&b->loop), 0);
}

static size_t put_ip4(unsigned char *ip, const struct endpoint *from, const struct endpoint *to,
		      uint8_t protocol, size_t len)
{
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, (uint16_t)(20 + len));
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, from->addr, 4);
	memcpy(ip + 16, to->addr, 4);
	put16(ip + 10, (uint16_t)~sum_bytes(0, ip, 20));
	return 20;
}

static void feed_echo(struct bench *b, uint16_t id)
{
	const struct endpoint node = at("10.1.1.1", 0), to = at(LOCAL, 0);
	unsigned char packet[28] = { 0 }, *icmp = packet + 20;

	put_ip4(packet, &node, &to, IPPROTO_ICMP, 8);
	icmp[0] = 8;
	put16(icmp + 4, id);
	put16(icmp + 2, (uint16_t)~sum_bytes(0, icmp, 8));
	assert_int_equal(send(b->icmp, packet, sizeof(packet), 0), sizeof(packet));
	bench_turn(b);
}

/* A mapping lasts while it is used, and the least recently used makes room. */
static void test_mappings(void **state)
{
	struct bench b;

	bench_open(&b, HOUR_NS, HOUR_NS);
	feed_echo(&b, 1);
	assert_int_equal(b.relay.nmappings, 1);
	feed_echo(&b, 1);
	assert_int_equal(b.relay.nmappings, 1);
	for (uint16_t id = 2; id < 10; id++)
		feed_echo(&b, id);
	assert_int_equal(b.relay.nmappings, MAPPINGS);
	bench_close(&b);

	bench_open(&b, HOUR_NS, 1);
	feed_echo(&b, 1);
	for (int i = 0; i < 4; i++) /* the answer may use it once more */
		bench_turn(&b);
	assert_int_equal(b.relay.nmappings, 0);
	bench_close(&b);
}

/* @flaw: added to the checksum. */
static void feed_segment(struct bench *b, const struct endpoint *to, uint16_t port, uint8_t flags,
			 uint32_t seq, uint16_t flaw)
{
	const struct endpoint node = at("10.1.1.1", port);
	unsigned char message[10 + 14 + 20 + 20] = { 0 }, *eth = message + 10, *ip = eth + 14,
					     *tcp = ip + 20;
	uint16_t sum;

	memset(eth, 2, 12);
	put16(eth + 12, 0x0800);
	put_ip4(ip, &node, to, IPPROTO_TCP, 20);
	put16(tcp, node.port);
	put16(tcp + 2, to->port);
	put32(tcp + 4, seq);
	tcp[12] = 5 << 4;
	tcp[13] = flags;
	sum = sum_bytes(sum_fold(20 + IPPROTO_TCP), ip + 12, 8);
	put16(tcp + 16, (uint16_t)(~sum_bytes(sum, tcp, 20) + flaw));
	assert_int_equal(send(b->tap, message, sizeof(message), 0), sizeof(message));
	bench_turn(b);
}

#define SYN 0x02
#define RST 0x04

static int listener(struct endpoint *ret)
{
	struct endpoint any = at(LOCAL, 0);
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to(&sa, &any);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	*ret = endpoint_of(&sa);
	return fd;
}

/* A connection of the node's is one connection outside, however often it asks for it. */
static void test_flows(void **state)
{
	struct endpoint to, closed = at(LOCAL, 9);
	int fd = listener(&to);
	struct bench b;
	uint8_t remark;

	bench_open(&b, HOUR_NS, HOUR_NS);
	feed_segment(&b, &to, 1000, SYN, 7, 0);
	feed_segment(&b, &to, 1000, SYN, 7, 0);
	assert_int_equal(b.relay.nflows, 1);
	feed_segment(&b, &to, 1001, SYN, 7, 1);
	assert_int_equal(b.relay.nflows, 1); /* a wrong checksum */
	feed_segment(&b, &closed, 1002, SYN, 7, 0);
	bench_turn(&b);
	assert_int_equal(b.relay.nflows, 1); /* refused */
	feed_segment(&b, &to, 1000, RST, 9, 0);
	assert_int_equal(b.relay.nflows, 1); /* no answer to the SYN-ACK */
	feed_segment(&b, &to, 1000, RST, 8, 0);
	assert_int_equal(b.relay.nflows, 0); /* one */
	for (uint16_t port = 2000; port < 2010; port++)
		feed_segment(&b, &to, port, SYN, 1, 0);
	assert_int_equal(b.relay.nflows, FLOWS);
	/* The keeper is told, once. */
	assert_int_equal(recv(b.keeper, &remark, 1, 0), 1);
	assert_int_equal(remark, SERVE_FULL);
	assert_int_equal(recv(b.keeper, &remark, 1, MSG_DONTWAIT), -1);
	bench_close(&b);

	bench_open(&b, 1, HOUR_NS);
	feed_segment(&b, &to, 1000, SYN, 7, 0);
	bench_turn(&b);
	bench_turn(&b);
	assert_int_equal(b.relay.nflows, 0); /* nobody has shaken hands */
	bench_close(&b);
	close(fd);
}

/* ------------------------------------------------------------------ refusals */

static void put(const char *proc, const char *file, const char *text)
{
	char path[256], *slash;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", proc, file);
	for (slash = path + strlen(proc) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *file, *text;
		int error;
		const char *mend; /* part of it; NULL: nothing is known */
	} rows[] = {
		{ "sys/kernel/apparmor_restrict_unprivileged_userns", "0\n", -EPERM, NULL },
		{ "sys/kernel/apparmor_restrict_unprivileged_userns", "1\n", -EPERM,
		  "apparmor_restrict_unprivileged_userns=0" },
		{ "sys/kernel/apparmor_restrict_unprivileged_userns", "1\n", -EACCES,
		  "apparmor_restrict_unprivileged_userns=0" },
		{ "sys/kernel/apparmor_restrict_unprivileged_userns", "1\n", -ENOENT, NULL },
		{ "sys/kernel/unprivileged_userns_clone", "0\n", -EPERM,
		  "unprivileged_userns_clone=1" },
		{ "sys/kernel/unprivileged_userns_clone", "1\n", -EPERM, NULL },
		{ "sys/user/max_user_namespaces", "0\n", -ENOSPC, "max_user_namespaces=10000" },
		{ "sys/user/max_user_namespaces", "7\n", -EUSERS, "max_user_namespaces=100000" },
		{ "sys/user/max_user_namespaces", "0\n", -EPERM, NULL },
		{ "self/status", "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n", -EPERM,
		  "seccomp=unconfined" },
		{ "self/status", "Name:\tx\nSeccomp:\t0\n", -EPERM, NULL },
	};
	char proc[64], command[96];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct refusal *r;

		snprintf(proc, sizeof(proc), "/tmp/test_relay.XXXXXX");
		assert_non_null(mkdtemp(proc));
		put(proc, rows[i].file, rows[i].text);
		r = refusal_find(proc, rows[i].error);
		print_message("%s %d\n", rows[i].file, rows[i].error);
		assert_int_equal(r != NULL, rows[i].mend != NULL);
		if (r)
			assert_non_null(strstr(r->mend, rows[i].mend));
		snprintf(command, sizeof(command), "rm -r %s", proc);
		assert_int_equal(system(command), 0);
	}
}

static int make_network(void **state)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct inet a = { 0 };
	struct nl_msg m;
	char group[32];
	struct nl *nl;
	int fd, r;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return -1;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	r = ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
	/* An address that is not loopback, on the device that is; and ping sockets for the group.
	 */
	a.family = AF_INET;
	a.len = 32;
	inet_pton(AF_INET, LOCAL, &a.v4);
	nl_msg_init(&m);
	addr_add(&m, 1, &a);
	if (r < 0 || nl_open(&nl, NETLINK_ROUTE, NULL) < 0 || nl_do(nl, &m, NULL) < 0)
		return -1;
	nl_close(nl);
	snprintf(group, sizeof(group), "%u %u", getegid(), getegid());
	return sysctl_write("/proc/sys/net/ipv4/ping_group_range", group);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),	       cmocka_unit_test(test_disguise),
		cmocka_unit_test(test_endpoints),      cmocka_unit_test(test_datagram),
		cmocka_unit_test(test_datagram_error), cmocka_unit_test(test_mappings),
		cmocka_unit_test(test_flows),	       cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, make_network, NULL);
}
