/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service process as the keeper starts it, behind its own sandbox, with real sockets on the
 * loopback of a network namespace of the test's own. The test plays the clients, the
 * resolvers (127.0.0.2 and 127.0.0.3, port 53) and the node (127.0.0.9), so it decides
 * what comes when; dnsmasq stands for a real resolver. Reads have a long time
 * limit only so that a failure ends; nothing depends on how long anything takes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "dnsmsg.h"
#include "resolv.h"
#include "sandbox.h"
#include "serve.h"
#include "util.h"

#define STUB_PORT 5353
#define HOST_PORT 8080
#define NODE_PORT 80
#define CLIENT "127.0.0.1"
#define NODE "127.0.0.9"
#define WAIT_SECONDS 30
#define ID 0x1234
#define MEGABYTE (1 << 20)

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED false
#endif

struct service {
	pid_t pid;
	int stop;
};

static char dir[] = "/tmp/test_serve.XXXXXX";
static char conf[64];

/* ------------------------------------------------------------------- sockets */

static struct resolv_server address(const char *ip, int port)
{
	struct resolv_server a = { 0 };

	if (inet_pton(AF_INET, ip, &a.in4.sin_addr) == 1) {
		a.in4.sin_family = AF_INET;
		a.in4.sin_port = htons((uint16_t)port);
		a.len = sizeof(a.in4);
	} else {
		assert_int_equal(inet_pton(AF_INET6, ip, &a.in6.sin6_addr), 1);
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_port = htons((uint16_t)port);
		a.len = sizeof(a.in6);
	}
	return a;
}

static void patience(int fd)
{
	const struct timeval limit = { .tv_sec = WAIT_SECONDS };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
}

/* Bound; listening when TCP. */
static int bound(const char *ip, int port, int type)
{
	struct resolv_server a = address(ip, port);
	const int on = 1, bytes = 4 * MEGABYTE;
	int fd = socket(a.sa.sa_family, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if ((type & ~SOCK_NONBLOCK) == SOCK_DGRAM)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	assert_int_equal(bind(fd, &a.sa, a.len), 0);
	if ((type & ~SOCK_NONBLOCK) == SOCK_STREAM)
		assert_int_equal(listen(fd, 1024), 0);
	patience(fd);
	return fd;
}

static int connected(const char *ip, int port, int type)
{
	struct resolv_server a = address(ip, port);
	const int bytes = 4 * MEGABYTE;
	int fd = socket(a.sa.sa_family, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (type == SOCK_DGRAM)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	patience(fd);
	assert_int_equal(connect(fd, &a.sa, a.len), 0);
	return fd;
}

static int accepted(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	assert_true(fd >= 0);
	patience(fd);
	return fd;
}

static void send_all(int fd, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	while (len) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		assert_true(n > 0);
		at += n;
		len -= (size_t)n;
	}
}

static void recv_all(int fd, void *bytes, size_t len)
{
	assert_int_equal(recv(fd, bytes, len, MSG_WAITALL), len);
}

static void assert_eof(int fd)
{
	char c;

	assert_int_equal(recv(fd, &c, 1, 0), 0);
}

static void assert_reset(int fd)
{
	char c;

	assert_int_equal(recv(fd, &c, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
}

static void reset(int fd)
{
	const struct linger now = { .l_onoff = 1 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close(fd);
}

/* ------------------------------------------------------------------- service */

static void write_conf(const char *text)
{
	char next[80];
	FILE *f;

	snprintf(next, sizeof(next), "%s.new", conf);
	f = fopen(next, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(next, conf), 0);
}

#define FILES 64

/* Take every descriptor below FILES that is not in the @n of @keep, but for @spare. */
static int fill(int *keep, int n, int spare)
{
	int fd, i;

	for (fd = FILES - 1; fd >= 0; fd--) {
		for (i = 0; i < n && keep[i] != fd; i++)
			;
		if (i < n || (fd > 2 && spare-- > 0))
			continue;
		if (dup2(2, fd) < 0)
			_exit(97);
		keep[n++] = fd;
	}
	return n;
}

/* Run @config behind the sandbox. @files: limit on open files; negative: how many can be opened
 * more; 0: leave it. */
static struct service start(struct serve_config *config, int files)
{
	int keep[FILES * 2] = { 2 }, n = 1, i, ends[2];
	pid_t parent = getpid();
	struct service s;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	config->stop_fd = ends[0];
	config->resolv_conf = conf;
	keep[n++] = ends[0];
	for (i = 0; i < config->ndns_udp; i++)
		keep[n++] = config->dns_udp[i];
	for (i = 0; i < config->ndns_tcp; i++)
		keep[n++] = config->dns_tcp[i];
	for (i = 0; i < config->npublish; i++)
		keep[n++] = config->publish[i].fd;
	s.pid = fork();
	assert_true(s.pid >= 0);
	if (s.pid == 0) {
		struct sandbox box = { .name = "serve", .keep = keep };
		rlim_t most = files < 0 ? FILES : (rlim_t)files;
		struct rlimit lim = { .rlim_cur = most, .rlim_max = most };

		/* The sanitizer's own calls are not on the list. */
		if (!SANITIZED)
			box.syscalls = serve_syscalls;
		box.nkeep = files < 0 ? fill(keep, n, -files) : n;
		if (files && setrlimit(RLIMIT_NOFILE, &lim) < 0)
			_exit(99);
		if (sandbox_enter(&box, parent) < 0)
			_exit(98);
		_exit(serve_main(config));
	}
	s.stop = ends[1];
	for (i = 1; i < n; i++)
		close(keep[i]);
	return s;
}

static struct service start_dns(const char *ip)
{
	struct serve_config config = { .ndns_udp = 1, .ndns_tcp = 1 };

	config.dns_udp[0] = bound(ip, STUB_PORT, SOCK_DGRAM | SOCK_NONBLOCK);
	config.dns_tcp[0] = bound(ip, STUB_PORT, SOCK_STREAM | SOCK_NONBLOCK);
	return start(&config, 0);
}

static struct service start_publish(int files)
{
	struct serve_config config = { .npublish = 1 };

	config.publish[0].fd = bound(CLIENT, HOST_PORT, SOCK_STREAM | SOCK_NONBLOCK);
	config.publish[0].node_port = NODE_PORT;
	config.node4 = address(NODE, 0).in4;
	return start(&config, files);
}

/* End it, by the pipe alone. It must have waited for its work, not run in circles. */
static void stop(struct service *s)
{
	struct rusage used;
	int status;

	close(s->stop);
	assert_int_equal(wait4(s->pid, &status, 0, &used), s->pid);
	assert_int_equal(status, 0);
	assert_true(used.ru_utime.tv_sec + used.ru_stime.tv_sec < 1);
}

/* ------------------------------------------------------------------ messages */

struct msg {
	size_t len;
	struct resolv_server from;
	uint8_t bytes[65536];
};

/* A query for NAME.test, type A. */
static struct msg *query(struct msg *m, uint16_t id, const char *name)
{
	size_t n = strlen(name);
	uint8_t *at = m->bytes + 12;

	memset(m->bytes, 0, 12);
	dnsmsg_set_id(m->bytes, id);
	m->bytes[2] = 1;
	m->bytes[5] = 1;
	*at++ = (uint8_t)n;
	memcpy(at, name, n);
	memcpy(at + n, "\4test\0\0\1\0\1", 10);
	m->len = 12 + 1 + n + 10;
	return m;
}

/* Turn a query into its answer: flags, rcode, and @extra bytes that a forwarder has no eye for. */
static struct msg *reply(struct msg *m, uint8_t rcode, const char *extra)
{
	m->bytes[2] |= 0x80;
	m->bytes[3] = 0x80 | rcode;
	memcpy(m->bytes + m->len, extra, strlen(extra));
	m->len += strlen(extra);
	return m;
}

static void put(int fd, const struct msg *m)
{
	assert_int_equal(send(fd, m->bytes, m->len, 0), m->len);
}

static void put_to(int fd, const struct msg *m)
{
	assert_int_equal(sendto(fd, m->bytes, m->len, 0, &m->from.sa, m->from.len), m->len);
}

static struct msg *get(int fd, struct msg *m)
{
	ssize_t n;

	m->from.len = sizeof(m->from.in6);
	n = recvfrom(fd, m->bytes, sizeof(m->bytes), 0, &m->from.sa, &m->from.len);
	assert_true(n >= DNSMSG_HEADER);
	m->len = (size_t)n;
	return m;
}

static void put_tcp(int fd, const struct msg *m)
{
	uint8_t prefix[2] = { (uint8_t)(m->len >> 8), (uint8_t)m->len };

	send_all(fd, prefix, 2);
	send_all(fd, m->bytes, m->len);
}

static struct msg *get_tcp(int fd, struct msg *m)
{
	uint8_t prefix[2];

	recv_all(fd, prefix, 2);
	m->len = (size_t)prefix[0] << 8 | prefix[1];
	recv_all(fd, m->bytes, m->len);
	return m;
}

/* @got is @rcode's answer to the query (@id, @name), with @extra after the question. */
static void assert_answer(const struct msg *got, uint16_t id, const char *name, int rcode,
			  const char *extra)
{
	static struct msg want;

	reply(query(&want, id, name), (uint8_t)rcode, extra);
	assert_int_equal(got->len, want.len);
	assert_memory_equal(got->bytes, want.bytes, want.len);
}

/* -------------------------------------------------------------- resolv.conf */

static void test_resolv_line(void **state)
{
	static const struct {
		const char *line, *ip; /* NULL: no server */
	} table[] = {
		{ "nameserver 192.0.2.1", "192.0.2.1" },
		{ "nameserver\t \t192.0.2.1 \t", "192.0.2.1" },
		{ "nameserver 192.0.2.1 # comment", "192.0.2.1" },
		{ "nameserver 192.0.2.1;comment", "192.0.2.1" },
		{ "nameserver 127.1", "127.0.0.1" },
		{ "nameserver 2001:db8::1", "2001:db8::1" },
		{ "nameserver fe80::1%7", "fe80::1" },
		{ " nameserver 192.0.2.1", NULL },
		{ "nameserver192.0.2.1", NULL },
		{ "nameserver", NULL },
		{ "nameserver ", NULL },
		{ "nameserver # 192.0.2.1", NULL },
		{ "nameserver 192.0.2.256", NULL },
		{ "nameserver example.com", NULL },
		{ "nameserver fe80::1%", NULL },
		{ "nameserver fe80::1%nosuchdevice", NULL },
		{ "nameserver fe80::1%averylongnameofadevicethatnobodyhasbecauseitdoesnotfit",
		  NULL },
		{ "#nameserver 192.0.2.1", NULL },
		{ "search nameserver 192.0.2.1", NULL },
		{ "", NULL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct resolv_server got, want;
		bool is = resolv_parse_line(&got, table[i].line);

		if (is != (table[i].ip != NULL))
			fail_msg("\"%s\": %d", table[i].line, is);
		if (!is)
			continue;
		want = address(table[i].ip, 53);
		if (strchr(table[i].line, '%'))
			want.in6.sin6_scope_id = 7;
		assert_int_equal(got.len, want.len);
		assert_memory_equal(&got.in6, &want.in6, want.len);
	}
}

static void test_resolv_scope_by_name(void **state)
{
	struct resolv_server got;

	assert_true(resolv_parse_line(&got, "nameserver fe80::1%lo"));
	assert_int_equal(got.in6.sin6_scope_id, if_nametoindex("lo"));
}

static void test_resolv_file(void **state)
{
	struct resolv_server local = address("127.0.0.1", 53), third = address("192.0.2.3", 53);
	struct resolv r;
	char text[1000];

	write_conf("nameserver 192.0.2.1\n# x\noptions edns0\nnameserver 192.0.2.2\r\n"
		   "nameserver bad\nnameserver 192.0.2.3\nnameserver 192.0.2.4");
	resolv_init(&r, conf);
	assert_int_equal(r.list.n, 3);
	assert_memory_equal(&r.list.server[2].in4, &third.in4, third.len);
	/* What follows a line that is too long is not a line of its own. */
	memset(text, 'x', sizeof(text));
	strcpy(text + 600, "\nnameserver 192.0.2.3");
	memcpy(text, "nameserver 192.0.2.1", 20);
	memcpy(text + 256, "nameserver 192.0.2.1", 20);
	write_conf(text);
	resolv_refresh(&r);
	assert_int_equal(r.list.n, 1);
	assert_memory_equal(&r.list.server[0].in4, &third.in4, third.len);
	write_conf("search example.com\n");
	resolv_refresh(&r);
	assert_int_equal(r.list.n, 1);
	assert_memory_equal(&r.list.server[0].in4, &local.in4, local.len);
	resolv_init(&r, "/nonexistent");
	assert_memory_equal(&r.list.server[0].in4, &local.in4, local.len);
	resolv_init(&r, "/dev/zero");
	assert_memory_equal(&r.list.server[0].in4, &local.in4, local.len);
}

/* ---------------------------------------------------------------- DNS over UDP */

static void test_udp_lookup(void **state)
{
	static struct msg m;
	int server = bound("127.0.0.2", 53, SOCK_DGRAM), client, i, same_id = 0, same_port = 0;
	struct resolv_server first = { 0 };
	uint16_t first_id = 0;
	struct service s;

	write_conf("nameserver 127.0.0.2\n");
	s = start_dns(CLIENT);
	client = connected(CLIENT, STUB_PORT, SOCK_DGRAM);
	for (i = 0; i < 32; i++) {
		static struct msg want;

		put(client, query(&m, ID, "a"));
		get(server, &m);
		query(&want, dnsmsg_id(m.bytes), "a");
		assert_int_equal(m.len, want.len);
		assert_memory_equal(m.bytes, want.bytes, want.len);
		if (!i) {
			first = m.from;
			first_id = dnsmsg_id(m.bytes);
		}
		same_id += dnsmsg_id(m.bytes) == first_id;
		same_port += m.from.in4.sin_port == first.in4.sin_port;
		put_to(server, reply(&m, 3, "whatever"));
		assert_answer(get(client, &m), ID, "a", 3, "whatever");
	}
	/* Drawn each time: 32 equal ones do not happen. */
	assert_int_not_equal(same_id, 32);
	assert_int_not_equal(same_port, 32);
	close(client);
	close(server);
	stop(&s);
}

static void test_udp_over_ipv6(void **state)
{
	static struct msg m;
	int server = bound("::1", 53, SOCK_DGRAM), client;
	struct service s;

	write_conf("nameserver ::1%lo\n");
	s = start_dns("::1");
	client = connected("::1", STUB_PORT, SOCK_DGRAM);
	put(client, query(&m, ID, "a"));
	put_to(server, reply(get(server, &m), 0, "six"));
	assert_answer(get(client, &m), ID, "a", 0, "six");
	close(client);
	close(server);
	stop(&s);
}

static void test_forged_answers_ignored(void **state)
{
	static struct msg m, forged;
	int server = bound("127.0.0.2", 53, SOCK_DGRAM), other, client;
	struct service s;

	other = bound("127.0.0.3", 53, SOCK_DGRAM);
	write_conf("nameserver 127.0.0.2\n");
	s = start_dns(CLIENT);
	client = connected(CLIENT, STUB_PORT, SOCK_DGRAM);
	put(client, query(&m, ID, "a"));
	get(server, &m);
	/* From elsewhere; with another id; to another question; a query; cut; nothing. */
	forged = m;
	put_to(other, reply(&forged, 0, "forged"));
	forged = m;
	dnsmsg_set_id(forged.bytes, dnsmsg_id(m.bytes) ^ 1);
	put_to(server, reply(&forged, 0, "forged"));
	forged = m;
	put_to(server, reply(query(&forged, dnsmsg_id(m.bytes), "b"), 0, "forged"));
	put_to(server, &m);
	forged = m;
	forged.len = 15;
	put_to(server, reply(&forged, 0, ""));
	forged.len = 0;
	put_to(server, &forged);
	put_to(server, reply(&m, 0, "true"));
	assert_answer(get(client, &m), ID, "a", 0, "true");
	close(client);
	close(other);
	close(server);
	stop(&s);
}

static void test_next_server(void **state)
{
	static const uint8_t rcodes[] = { DNSMSG_SERVFAIL, DNSMSG_NOTIMP, DNSMSG_REFUSED };
	static struct msg m;
	int first, second = bound("127.0.0.3", 53, SOCK_DGRAM), client;
	struct service s;
	size_t i;

	write_conf("nameserver 127.0.0.2\nnameserver 127.0.0.3\n");
	s = start_dns(CLIENT);
	client = connected(CLIENT, STUB_PORT, SOCK_DGRAM);
	/* Nobody listens at the first. */
	put(client, query(&m, ID, "a"));
	put_to(second, reply(get(second, &m), 0, "second"));
	assert_answer(get(client, &m), ID, "a", 0, "second");
	/* The first answers that it cannot. */
	first = bound("127.0.0.2", 53, SOCK_DGRAM);
	for (i = 0; i < ARRAY_SIZE(rcodes); i++) {
		put(client, query(&m, ID, "a"));
		put_to(first, reply(get(first, &m), rcodes[i], "first"));
		put_to(second, reply(get(second, &m), 0, "second"));
		assert_answer(get(client, &m), ID, "a", 0, "second");
	}
	/* The first is silent, and yet the faster one in the end. */
	put(client, query(&m, ID, "slow"));
	get(second, &m);
	put_to(first, reply(get(first, &m), 0, "late"));
	assert_answer(get(client, &m), ID, "slow", 0, "late");
	close(client);
	close(first);
	close(second);
	stop(&s);
}

static void test_no_server_answers(void **state)
{
	static struct msg m;
	int server, client, i;
	struct service s;

	write_conf("nameserver 127.0.0.2\nnameserver 127.0.0.3\n");
	s = start_dns(CLIENT);
	client = connected(CLIENT, STUB_PORT, SOCK_DGRAM);
	put(client, query(&m, ID, "a"));
	assert_answer(get(client, &m), ID, "a", DNSMSG_SERVFAIL, "");
	/* What the last server says is passed on as it is, after two rounds. */
	server = bound("127.0.0.3", 53, SOCK_DGRAM);
	put(client, query(&m, ID, "a"));
	put_to(server, reply(get(server, &m), DNSMSG_REFUSED, "once"));
	put_to(server, reply(get(server, &m), DNSMSG_REFUSED, "twice"));
	assert_answer(get(client, &m), ID, "a", DNSMSG_REFUSED, "twice");
	/* One silent server is asked twice, from the same port, with the same id. */
	write_conf("nameserver 127.0.0.3\n");
	put(client, query(&m, ID, "a"));
	for (i = 0; i < 2; i++) {
		static struct msg asked[2];

		get(server, &asked[i]);
		assert_int_equal(asked[i].from.in4.sin_port, asked[0].from.in4.sin_port);
		assert_memory_equal(asked[i].bytes, asked[0].bytes, asked[0].len);
	}
	assert_answer(get(client, &m), ID, "a", DNSMSG_SERVFAIL, "");
	close(client);
	close(server);
	stop(&s);
}

static void test_resolv_conf_changes(void **state)
{
	static struct msg m;
	int one = bound("127.0.0.2", 53, SOCK_DGRAM), two = bound("127.0.0.3", 53, SOCK_DGRAM);
	int fallback = bound("127.0.0.1", 53, SOCK_DGRAM), client, i;
	struct service s;
	FILE *f;

	write_conf("nameserver 127.0.0.2\n");
	s = start_dns(CLIENT);
	client = connected(CLIENT, STUB_PORT, SOCK_DGRAM);
	/* Written in place with the same size, twice within a tick of the file system's clock:
	 * a stamp that is as good as now, or ahead of it, proves nothing. */
	for (i = 0; i < 4; i++) {
		const struct timespec ahead[2] = { { .tv_sec = 1ll << 32 },
						   { .tv_sec = 1ll << 32 } };
		int server = i % 2 ? two : one;

		f = fopen(conf, "r+");
		assert_non_null(f);
		fprintf(f, "nameserver 127.0.0.%d\n", i % 2 ? 3 : 2);
		assert_int_equal(fflush(f), 0);
		assert_int_equal(futimens(fileno(f), ahead), 0);
		assert_int_equal(fclose(f), 0);
		put(client, query(&m, ID, "a"));
		put_to(server, reply(get(server, &m), 0, "."));
		assert_answer(get(client, &m), ID, "a", 0, ".");
	}
	write_conf("nameserver 127.0.0.2\n");
	put(client, query(&m, ID, "a"));
	put_to(one, reply(get(one, &m), 0, "one"));
	assert_answer(get(client, &m), ID, "a", 0, "one");
	assert_int_equal(unlink(conf), 0);
	put(client, query(&m, ID, "a"));
	put_to(fallback, reply(get(fallback, &m), 0, "fallback"));
	assert_answer(get(client, &m), ID, "a", 0, "fallback");
	close(client);
	close(one);
	close(two);
	close(fallback);
	stop(&s);
}

/* The largest datagram of IPv4, and the TC bit, arrive as the server sent them. */
static void test_big_answer(void **state)
{
	static struct msg m, want;
	int server = bound("127.0.0.2", 53, SOCK_DGRAM), client;
	size_t i;
	struct service s;

	write_conf("nameserver 127.0.0.2\n");
	s = start_dns(CLIENT);
	client = connected(CLIENT, STUB_PORT, SOCK_DGRAM);
	put(client, query(&m, ID, "a"));
	reply(get(server, &m), 0, "");
	m.bytes[2] |= 2;
	for (i = m.len; i < 65507; i++)
		m.bytes[i] = (uint8_t)(i * 7 >> 3);
	m.len = 65507;
	want = m;
	put_to(server, &m);
	dnsmsg_set_id(want.bytes, ID);
	get(client, &m);
	assert_int_equal(m.len, want.len);
	assert_memory_equal(m.bytes, want.bytes, want.len);
	close(client);
	close(server);
	stop(&s);
}

static void test_many_queries(void **state)
{
	static struct msg asked[256], m;
	static bool seen[256];
	int server = bound("127.0.0.2", 53, SOCK_DGRAM), client, i;
	struct service s;

	write_conf("nameserver 127.0.0.2\n");
	s = start_dns(CLIENT);
	client = connected(CLIENT, STUB_PORT, SOCK_DGRAM);
	for (i = 0; i < 200; i++)
		put(client, query(&m, (uint16_t)i, "many"));
	for (i = 0; i < 200; i++)
		get(server, &asked[i]);
	for (i = 199; i >= 0; i--)
		put_to(server, reply(&asked[i], 0, "many"));
	for (i = 0; i < 200; i++) {
		uint16_t id = dnsmsg_id(get(client, &m)->bytes);

		assert_true(id < 200 && !seen[id]);
		seen[id] = true;
		assert_answer(&m, id, "many", 0, "many");
	}
	/* One more than may wait: the oldest is told, and the others are not harmed. */
	for (i = 0; i < 257; i++) {
		put(client, query(&m, (uint16_t)(1000 + i), "more"));
		get(server, &asked[i % 256]);
	}
	assert_answer(get(client, &m), 1000, "more", DNSMSG_SERVFAIL, "");
	for (i = 1; i < 257; i++) {
		put_to(server, reply(&asked[i % 256], 0, "more"));
		assert_answer(get(client, &m), (uint16_t)(1000 + i), "more", 0, "more");
	}
	close(client);
	close(server);
	stop(&s);
}

static void test_garbage(void **state)
{
	static struct msg m;
	int server = bound("127.0.0.2", 53, SOCK_DGRAM), client, noise, i, j;
	uint32_t x = 1;
	struct service s;

	write_conf("nameserver 127.0.0.2\n");
	s = start_dns(CLIENT);
	client = connected(CLIENT, STUB_PORT, SOCK_DGRAM);
	noise = connected(CLIENT, STUB_PORT, SOCK_DGRAM);
	for (i = 0; i < 500; i++) {
		m.len = (size_t)i;
		for (j = 0; j < i; j++)
			m.bytes[j] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
		put(noise, &m);
	}
	/* Behind the noise in the same queue; each first message that is not a query is dropped. */
	query(&m, ID, "a")->bytes[2] |= 0x80;
	put(client, &m);
	query(&m, ID, "a")->bytes[5] = 2;
	put(client, &m);
	get(client, &m);
	assert_int_equal(dnsmsg_rcode(m.bytes), DNSMSG_FORMERR);
	put(client, query(&m, ID, "a"));
	do {
		get(server, &m);
	} while (m.len != 24 || memcmp(m.bytes + 12, "\1a\4test", 8) != 0);
	put_to(server, reply(&m, 0, "fine"));
	assert_answer(get(client, &m), ID, "a", 0, "fine");
	close(noise);
	close(client);
	close(server);
	stop(&s);
}

/* ---------------------------------------------------------------- DNS over TCP */

static void test_tcp_pipelined(void **state)
{
	static const char *const names[] = { "a", "b", "c" };
	static struct msg asked[3], m;
	int listener = bound("127.0.0.2", 53, SOCK_STREAM), client, up[3], i;
	struct service s;

	write_conf("nameserver 127.0.0.2\n");
	s = start_dns(CLIENT);
	client = connected(CLIENT, STUB_PORT, SOCK_STREAM);
	for (i = 0; i < 3; i++) {
		put_tcp(client, query(&m, (uint16_t)(ID + i), names[i]));
		up[i] = accepted(listener);
		get_tcp(up[i], &asked[i]);
		assert_int_equal(asked[i].bytes[13], *names[i]);
	}
	/* It sends no more, and gets all its answers all the same, as they come, then the end. */
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	for (i = 2; i >= 0; i--) {
		put_tcp(up[i], reply(&asked[i], 0, names[i]));
		assert_answer(get_tcp(client, &m), (uint16_t)(ID + i), names[i], 0, names[i]);
		assert_eof(up[i]);
		close(up[i]);
	}
	assert_eof(client);
	close(client);
	close(listener);
	stop(&s);
}

/* The longest message there is, and a query that comes byte by byte. */
static void test_tcp_sizes(void **state)
{
	static struct msg m, want;
	int listener = bound("127.0.0.2", 53, SOCK_STREAM), client, up;
	const int on = 1;
	uint8_t prefix[2] = { 0, 24 };
	size_t i;
	struct service s;

	write_conf("nameserver 127.0.0.2\n");
	s = start_dns(CLIENT);
	client = connected(CLIENT, STUB_PORT, SOCK_STREAM);
	setsockopt(client, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
	query(&m, ID, "a");
	send_all(client, prefix, 1);
	send_all(client, prefix + 1, 1);
	for (i = 0; i < m.len; i++)
		send_all(client, m.bytes + i, 1);
	up = accepted(listener);
	reply(get_tcp(up, &m), 0, "");
	for (i = m.len; i < 65535; i++)
		m.bytes[i] = (uint8_t)(i * 7 >> 3);
	m.len = 65535;
	want = m;
	put_tcp(up, &m);
	dnsmsg_set_id(want.bytes, ID);
	get_tcp(client, &m);
	assert_int_equal(m.len, want.len);
	assert_memory_equal(m.bytes, want.bytes, want.len);
	close(up);
	close(client);
	close(listener);
	stop(&s);
}

static void test_tcp_next_server(void **state)
{
	static struct msg m;
	int first, second = bound("127.0.0.3", 53, SOCK_STREAM), client, up;
	struct service s;

	write_conf("nameserver 127.0.0.2\nnameserver 127.0.0.3\n");
	s = start_dns(CLIENT);
	client = connected(CLIENT, STUB_PORT, SOCK_STREAM);
	put_tcp(client, query(&m, ID, "a"));
	up = accepted(second);
	put_tcp(up, reply(get_tcp(up, &m), 0, "second"));
	assert_answer(get_tcp(client, &m), ID, "a", 0, "second");
	close(up);
	/* One that closes without an answer, then one that answers something else. */
	first = bound("127.0.0.2", 53, SOCK_STREAM);
	put_tcp(client, query(&m, ID, "a"));
	up = accepted(first);
	get_tcp(up, &m);
	close(up);
	up = accepted(second);
	get_tcp(up, &m);
	put_tcp(up, reply(query(&m, dnsmsg_id(m.bytes), "b"), 0, ""));
	assert_eof(up);
	close(up);
	up = accepted(first);
	put_tcp(up, reply(get_tcp(up, &m), 0, "again"));
	assert_answer(get_tcp(client, &m), ID, "a", 0, "again");
	close(up);
	close(first);
	close(second);
	put_tcp(client, query(&m, ID, "a"));
	assert_answer(get_tcp(client, &m), ID, "a", DNSMSG_SERVFAIL, "");
	close(client);
	stop(&s);
}

/* More queries than one connection may have under way, and answers that nobody reads at first. */
static void test_tcp_many_queries(void **state)
{
	static struct msg m;
	static bool seen[100];
	int listener = bound("127.0.0.2", 53, SOCK_STREAM), client, i;
	struct service s;

	write_conf("nameserver 127.0.0.2\n");
	s = start_dns(CLIENT);
	client = connected(CLIENT, STUB_PORT, SOCK_STREAM);
	for (i = 0; i < 100; i++)
		put_tcp(client, query(&m, (uint16_t)i, "many"));
	for (i = 0; i < 100; i++) {
		int up = accepted(listener);

		reply(get_tcp(up, &m), 0, "");
		m.len = 60000;
		put_tcp(up, &m);
		close(up);
		if (i < 15)
			continue;
		get_tcp(client, &m);
		assert_int_equal(m.len, 60000);
		assert_true(dnsmsg_id(m.bytes) < 100 && !seen[dnsmsg_id(m.bytes)]);
		seen[dnsmsg_id(m.bytes)] = true;
	}
	for (i = 0; i < 15; i++)
		assert_int_equal(get_tcp(client, &m)->len, 60000);
	close(client);
	close(listener);
	stop(&s);
}

static void test_tcp_garbage(void **state)
{
	static const uint8_t empty[] = { 0, 0 };
	static struct msg m;
	int server = bound("127.0.0.2", 53, SOCK_DGRAM), client, i;
	struct service s;

	write_conf("nameserver 127.0.0.2\n");
	s = start_dns(CLIENT);
	client = connected(CLIENT, STUB_PORT, SOCK_STREAM);
	send_all(client, empty, sizeof(empty));
	assert_eof(client);
	close(client);
	client = connected(CLIENT, STUB_PORT, SOCK_STREAM);
	query(&m, ID, "a")->bytes[2] |= 0x80;
	put_tcp(client, &m);
	assert_eof(client);
	close(client);
	/* The end in the middle of a message; and clients that vanish with queries under way. */
	client = connected(CLIENT, STUB_PORT, SOCK_STREAM);
	send_all(client, "\0\100abc", 5);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	assert_eof(client);
	close(client);
	for (i = 0; i < 200; i++) {
		client = connected(CLIENT, STUB_PORT, SOCK_STREAM);
		put_tcp(client, query(&m, ID, "a"));
		if (i % 2)
			reset(client);
		else
			close(client);
	}
	client = connected(CLIENT, STUB_PORT, SOCK_DGRAM);
	put(client, query(&m, ID, "a"));
	put_to(server, reply(get(server, &m), 0, "alive"));
	assert_answer(get(client, &m), ID, "a", 0, "alive");
	close(client);
	close(server);
	stop(&s);
}

/* More clients than it takes at once: the others wait their turn; the silent ones are sent away. */
static void test_tcp_idle_and_full(void **state)
{
	static struct msg m;
	int listener = bound("127.0.0.2", 53, SOCK_STREAM), client[65], up, i;
	struct service s;

	write_conf("nameserver 127.0.0.2\n");
	s = start_dns(CLIENT);
	for (i = 0; i < 65; i++)
		client[i] = connected(CLIENT, STUB_PORT, SOCK_STREAM);
	put_tcp(client[64], query(&m, ID, "a"));
	for (i = 0; i < 64; i++) {
		assert_eof(client[i]);
		close(client[i]);
	}
	up = accepted(listener);
	put_tcp(up, reply(get_tcp(up, &m), 0, "at last"));
	assert_answer(get_tcp(client[64], &m), ID, "a", 0, "at last");
	close(up);
	close(client[64]);
	close(listener);
	stop(&s);
}

/* --------------------------------------------------------------------- dnsmasq */

static pid_t start_dnsmasq(int *ret_log)
{
	char text[800] = "--txt-record=big.test", line[512];
	int ends[2], i;
	FILE *log;
	pid_t pid;

	/* 3 × 200 bytes: more than the 512 that a client without EDNS takes over UDP. */
	for (i = 0; i < 3; i++) {
		strcat(text, ",");
		memset(text + strlen(text), 'x', 200);
	}
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(ends[1], 2);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("dnsmasq", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null",
		       "--no-resolv", "--no-hosts", "--log-facility=-",
		       "--pid-file=", "--user=root", "--listen-address=127.0.0.53",
		       "--bind-interfaces", "--txt-record=long.test,long",
		       "--address=/small.test/192.0.2.1", text, NULL);
		_exit(127);
	}
	close(ends[1]);
	*ret_log = dup(ends[0]);
	log = fdopen(ends[0], "r");
	assert_non_null(log);
	do {
		if (!fgets(line, sizeof(line), log))
			fail_msg("dnsmasq did not start");
	} while (!strstr(line, "started"));
	fclose(log);
	return pid;
}

static void test_dnsmasq(void **state)
{
	static struct msg m;
	int udp, tcp, log;
	struct service s;
	pid_t pid;

	if (access("/usr/sbin/dnsmasq", X_OK) < 0) {
		print_message("skipped: dnsmasq is not installed\n");
		skip();
	}
	pid = start_dnsmasq(&log);
	write_conf("nameserver 127.0.0.53\n");
	s = start_dns(CLIENT);
	udp = connected(CLIENT, STUB_PORT, SOCK_DGRAM);
	tcp = connected(CLIENT, STUB_PORT, SOCK_STREAM);
	put(udp, query(&m, ID, "small"));
	get(udp, &m);
	assert_int_equal(dnsmsg_id(m.bytes), ID);
	assert_int_equal(m.bytes[7], 1);
	assert_memory_equal(m.bytes + m.len - 4, "\xc0\0\2\1", 4);
	/* Too long for UDP: cut and marked so; whole over TCP. */
	query(&m, ID, "big");
	m.bytes[m.len - 3] = 16;
	put(udp, &m);
	get(udp, &m);
	assert_true(m.bytes[2] & 2);
	query(&m, ID, "big");
	m.bytes[m.len - 3] = 16;
	put_tcp(tcp, &m);
	get_tcp(tcp, &m);
	assert_false(m.bytes[2] & 2);
	assert_int_equal(m.bytes[7], 1);
	assert_true(m.len > 512);
	put_tcp(tcp, query(&m, ID, "small"));
	get_tcp(tcp, &m);
	assert_memory_equal(m.bytes + m.len - 4, "\xc0\0\2\1", 4);
	close(tcp);
	close(udp);
	stop(&s);
	kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(log);
}

/* ------------------------------------------------------------- published ports */

#define STREAM_BYTES (10 * MEGABYTE)

/* One end of a connection that sends a stream of its own and checks the other's. */
struct end {
	int fd;
	uint32_t out, in;
	size_t sent, got;
};

static uint8_t next_byte(uint32_t *x)
{
	return (uint8_t)((*x = *x * 1664525 + 1013904223) >> 24);
}

static bool end_step(struct end *e, short events)
{
	uint8_t buf[16384];
	uint32_t x = e->out;
	ssize_t n, i;

	if ((events & POLLOUT) && e->sent < STREAM_BYTES) {
		for (i = 0; i < (ssize_t)sizeof(buf); i++)
			buf[i] = next_byte(&x);
		n = send(e->fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL);
		assert_true(n >= 0 || errno == EAGAIN);
		for (i = 0; i < n; i++)
			next_byte(&e->out);
		e->sent += n > 0 ? (size_t)n : 0;
		if (e->sent >= STREAM_BYTES)
			assert_int_equal(shutdown(e->fd, SHUT_WR), 0);
	}
	if (!(events & (POLLIN | POLLHUP)))
		return true;
	n = recv(e->fd, buf, sizeof(buf), MSG_DONTWAIT);
	assert_true(n >= 0 || errno == EAGAIN);
	for (i = 0; i < n; i++) {
		if (buf[i] != next_byte(&e->in))
			fail_msg("byte %zu differs", e->got + (size_t)i);
	}
	e->got += n > 0 ? (size_t)n : 0;
	return n != 0;
}

/* At the same time both ways, each end closed by itself. */
static void test_publish_both_ways(void **state)
{
	int listener = bound(NODE, NODE_PORT, SOCK_STREAM), i, open_ends = 2;
	struct service s = start_publish(0);
	struct end end[2] = { { .out = 1, .in = 2 }, { .out = 2, .in = 1 } };
	bool done[2] = { false };

	end[0].fd = connected(CLIENT, HOST_PORT, SOCK_STREAM);
	end[1].fd = accepted(listener);
	while (open_ends) {
		struct pollfd p[2];

		for (i = 0; i < 2; i++) {
			p[i] = (struct pollfd){ .fd = done[i] ? -1 : end[i].fd, .events = POLLIN };
			if (end[i].sent < STREAM_BYTES)
				p[i].events |= POLLOUT;
		}
		assert_true(poll(p, 2, WAIT_SECONDS * 1000) > 0);
		for (i = 0; i < 2; i++) {
			if (p[i].revents && !end_step(&end[i], p[i].revents)) {
				done[i] = true;
				open_ends--;
			}
		}
	}
	assert_int_equal(end[0].got, end[1].sent);
	assert_int_equal(end[1].got, end[0].sent);
	close(end[0].fd);
	close(end[1].fd);
	close(listener);
	stop(&s);
}

/* Each way ends by itself: first the client's, then the node's, and the other way round. */
static void test_publish_half_close(void **state)
{
	static uint8_t sent[MEGABYTE], got[MEGABYTE];
	int listener = bound(NODE, NODE_PORT, SOCK_STREAM), i, end[2];
	struct service s = start_publish(0);
	uint32_t x = 1;

	for (i = 0; i < MEGABYTE; i++)
		sent[i] = next_byte(&x);
	for (i = 0; i < 2; i++) {
		end[i] = connected(CLIENT, HOST_PORT, SOCK_STREAM);
		end[!i] = accepted(listener);
		send_all(end[0], "abc", 3);
		assert_int_equal(shutdown(end[0], SHUT_WR), 0);
		recv_all(end[1], got, 3);
		assert_memory_equal(got, "abc", 3);
		assert_eof(end[1]);
		send_all(end[1], sent, 1000);
		recv_all(end[0], got, 1000);
		assert_memory_equal(got, sent, 1000);
		send_all(end[1], sent, MEGABYTE);
		close(end[1]);
		recv_all(end[0], got, MEGABYTE);
		assert_memory_equal(got, sent, MEGABYTE);
		assert_eof(end[0]);
		close(end[0]);
	}
	close(listener);
	stop(&s);
}

/* The client has said its last, the node too, and the client does not read the rest yet: a time
 * in which there is nothing to do (stop() looks at the processor time). */
static void test_publish_rest_waits(void **state)
{
	/* More than both small buffers hold, less than one of the default size. */
	static uint8_t sent[48 * 1024], got[sizeof(sent)];
	int listener = bound(NODE, NODE_PORT, SOCK_STREAM), client, node;
	struct serve_config config = { .npublish = 1, .node4 = address(NODE, 0).in4 };
	struct resolv_server host = address(CLIENT, HOST_PORT);
	const int small = 2048;
	struct service s;
	uint32_t x = 1;
	size_t i;

	for (i = 0; i < sizeof(sent); i++)
		sent[i] = next_byte(&x);
	config.publish[0].fd = bound(CLIENT, HOST_PORT, SOCK_STREAM | SOCK_NONBLOCK);
	config.publish[0].node_port = NODE_PORT;
	setsockopt(config.publish[0].fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	s = start(&config, 0);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(client >= 0);
	setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	patience(client);
	assert_int_equal(connect(client, &host.sa, host.len), 0);
	node = accepted(listener);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	assert_eof(node);
	send_all(node, sent, sizeof(sent));
	close(node);
	poll(NULL, 0, 1500);
	recv_all(client, got, sizeof(got));
	assert_memory_equal(got, sent, sizeof(got));
	assert_eof(client);
	close(client);
	close(listener);
	stop(&s);
}

static void test_publish_refused(void **state)
{
	struct service s = start_publish(0);
	int i;

	for (i = 0; i < 10; i++) {
		int client = connected(CLIENT, HOST_PORT, SOCK_STREAM);

		assert_reset(client);
		close(client);
	}
	stop(&s);
}

static void test_publish_reset(void **state)
{
	int listener = bound(NODE, NODE_PORT, SOCK_STREAM), client, node;
	struct service s = start_publish(0);

	client = connected(CLIENT, HOST_PORT, SOCK_STREAM);
	node = accepted(listener);
	reset(node);
	assert_reset(client);
	close(client);
	client = connected(CLIENT, HOST_PORT, SOCK_STREAM);
	node = accepted(listener);
	reset(client);
	assert_reset(node);
	close(node);
	/* After it had said that it sends no more. */
	client = connected(CLIENT, HOST_PORT, SOCK_STREAM);
	node = accepted(listener);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	assert_eof(node);
	reset(node);
	assert_reset(client);
	close(client);
	close(listener);
	stop(&s);
}

/* A node that does not read holds the client back; nothing is lost, and a reset still arrives. */
static void test_publish_back_pressure(void **state)
{
	static uint8_t buf[65536];
	int listener = bound(NODE, NODE_PORT, SOCK_STREAM), client, node, round;
	struct service s = start_publish(0);
	size_t i, n;

	for (round = 0; round < 2; round++) {
		uint32_t out = 1, in = 1;
		size_t sent = 0, got = 0;
		struct pollfd p;

		client = connected(CLIENT, HOST_PORT, SOCK_STREAM);
		node = accepted(listener);
		p = (struct pollfd){ .fd = client, .events = POLLOUT };
		/* Full is when nothing moves for a while; if it is cut short, it only sends less.
		 */
		while (poll(&p, 1, 1000) > 0) {
			ssize_t r;
			uint32_t x = out;

			for (i = 0; i < sizeof(buf); i++)
				buf[i] = next_byte(&x);
			r = send(client, buf, sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL);
			if (r < 0 && errno == EAGAIN)
				continue;
			assert_true(r > 0);
			for (i = 0; i < (size_t)r; i++)
				next_byte(&out);
			sent += (size_t)r;
			assert_true(sent < 256 * (size_t)MEGABYTE);
		}
		if (round) {
			reset(client);
			while ((n = (size_t)recv(node, buf, sizeof(buf), 0)) != (size_t)-1)
				assert_int_not_equal(n, 0);
			assert_int_equal(errno, ECONNRESET);
			close(node);
			continue;
		}
		assert_int_equal(shutdown(client, SHUT_WR), 0);
		while ((n = (size_t)recv(node, buf, sizeof(buf), 0)) > 0) {
			assert_true(n <= sizeof(buf));
			for (i = 0; i < n; i++)
				assert_int_equal(buf[i], next_byte(&in));
			got += n;
		}
		assert_int_equal(got, sent);
		close(client);
		close(node);
	}
	close(listener);
	stop(&s);
}

static void test_publish_many(void **state)
{
	static int client[300], node[300];
	int listener = bound(NODE, NODE_PORT, SOCK_STREAM), i, got;
	struct service s = start_publish(0);

	for (i = 0; i < 300; i++) {
		client[i] = connected(CLIENT, HOST_PORT, SOCK_STREAM);
		send_all(client[i], &i, sizeof(i));
		node[i] = accepted(listener);
	}
	for (i = 0; i < 300; i++) {
		recv_all(node[i], &got, sizeof(got));
		got += 1000;
		send_all(node[i], &got, sizeof(got));
		close(node[i]);
	}
	for (i = 0; i < 300; i++) {
		recv_all(client[i], &got, sizeof(got));
		assert_int_equal(got, i + 1000);
		assert_eof(client[i]);
		close(client[i]);
	}
	close(listener);
	stop(&s);
}

/* So few descriptors that only some connections fit: the others come when those end. */
static void test_publish_full(void **state)
{
	static int client[60];
	int listener = bound(NODE, NODE_PORT, SOCK_STREAM), i, got, node;
	struct service s = start_publish(40);

	for (i = 0; i < 60; i++) {
		client[i] = connected(CLIENT, HOST_PORT, SOCK_STREAM);
		send_all(client[i], &i, sizeof(i));
	}
	for (i = 0; i < 60; i++) {
		node = accepted(listener);
		recv_all(node, &got, sizeof(got));
		assert_int_equal(got, i);
		send_all(node, &got, sizeof(got));
		close(node);
		recv_all(client[i], &got, sizeof(got));
		assert_eof(client[i]);
		close(client[i]);
	}
	close(listener);
	stop(&s);
}

/* Not one descriptor left: it waits, without a connection lost, until there are some again. */
static void test_no_descriptor_left(void **state)
{
	int listener = bound(NODE, NODE_PORT, SOCK_STREAM), client, node, waiting;
	struct serve_config config = { .npublish = 1, .ndns_tcp = 1 };
	struct service s;
	char c;

	config.publish[0].fd = bound(CLIENT, HOST_PORT, SOCK_STREAM | SOCK_NONBLOCK);
	config.publish[0].node_port = NODE_PORT;
	config.dns_tcp[0] = bound(CLIENT, STUB_PORT, SOCK_STREAM | SOCK_NONBLOCK);
	config.node4 = address(NODE, 0).in4;
	s = start(&config, -3);
	/* The loop takes one of the three, a connection the two others. */
	client = connected(CLIENT, HOST_PORT, SOCK_STREAM);
	node = accepted(listener);
	waiting = connected(CLIENT, STUB_PORT, SOCK_STREAM);
	send_all(waiting, "\0\0", 2);
	/* It still works, and has not let go of the one that waits. */
	send_all(client, "x", 1);
	recv_all(node, &c, 1);
	assert_int_equal(recv(waiting, &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	close(client);
	assert_eof(node);
	close(node);
	assert_eof(waiting);
	close(waiting);
	close(listener);
	stop(&s);
}

static void test_publish_over_ipv6(void **state)
{
	int listener = bound("::1", NODE_PORT, SOCK_STREAM), client, node;
	struct serve_config config = { .npublish = 2 };
	struct service s;
	char c;

	config.publish[0].fd = bound("::1", HOST_PORT, SOCK_STREAM | SOCK_NONBLOCK);
	config.publish[0].node_port = NODE_PORT;
	config.publish[1].fd = bound(CLIENT, HOST_PORT, SOCK_STREAM | SOCK_NONBLOCK);
	config.publish[1].node_port = NODE_PORT + 1;
	config.node6 = address("::1", 0).in6;
	s = start(&config, 0);
	client = connected("::1", HOST_PORT, SOCK_STREAM);
	node = accepted(listener);
	send_all(client, "6", 1);
	recv_all(node, &c, 1);
	assert_int_equal(c, '6');
	close(client);
	client = connected(CLIENT, HOST_PORT, SOCK_STREAM);
	assert_reset(client);
	close(client);
	close(node);
	close(listener);
	stop(&s);
}

/* ------------------------------------------------------------------------ main */

static void test_stop_with_work(void **state)
{
	static struct msg m;
	int server = bound("127.0.0.2", 53, SOCK_DGRAM), udp, tcp;
	struct service s;

	write_conf("nameserver 127.0.0.2\n");
	s = start_dns(CLIENT);
	udp = connected(CLIENT, STUB_PORT, SOCK_DGRAM);
	tcp = connected(CLIENT, STUB_PORT, SOCK_STREAM);
	put(udp, query(&m, ID, "a"));
	get(server, &m);
	stop(&s);
	close(udp);
	close(tcp);
	close(server);
}

static int make_network(void **state)
{
	struct ifreq req = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (!mkdtemp(dir) || chmod(dir, 0755) < 0)
		return -1;
	snprintf(conf, sizeof(conf), "%s/resolv.conf", dir);
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &req) < 0)
		return -1;
	return close(fd);
}

static int remove_files(void **state)
{
	unlink(conf);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolv_line),
		cmocka_unit_test(test_resolv_scope_by_name),
		cmocka_unit_test(test_resolv_file),
		cmocka_unit_test(test_udp_lookup),
		cmocka_unit_test(test_udp_over_ipv6),
		cmocka_unit_test(test_forged_answers_ignored),
		cmocka_unit_test(test_next_server),
		cmocka_unit_test(test_no_server_answers),
		cmocka_unit_test(test_resolv_conf_changes),
		cmocka_unit_test(test_big_answer),
		cmocka_unit_test(test_many_queries),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_tcp_pipelined),
		cmocka_unit_test(test_tcp_sizes),
		cmocka_unit_test(test_tcp_next_server),
		cmocka_unit_test(test_tcp_many_queries),
		cmocka_unit_test(test_tcp_garbage),
		cmocka_unit_test(test_tcp_idle_and_full),
		cmocka_unit_test(test_dnsmasq),
		cmocka_unit_test(test_publish_both_ways),
		cmocka_unit_test(test_publish_half_close),
		cmocka_unit_test(test_publish_rest_waits),
		cmocka_unit_test(test_publish_refused),
		cmocka_unit_test(test_publish_reset),
		cmocka_unit_test(test_publish_back_pressure),
		cmocka_unit_test(test_publish_many),
		cmocka_unit_test(test_publish_full),
		cmocka_unit_test(test_no_descriptor_left),
		cmocka_unit_test(test_publish_over_ipv6),
		cmocka_unit_test(test_stop_with_work),
	};

	if (geteuid() != 0) {
		printf("1..0 # SKIP needs root, for a network namespace and port 53 in it\n");
		return getenv("CHOPPY_MUST_WORK") ? 1 : 0;
	}
	return cmocka_run_group_tests(tests, make_network, remove_files);
}
