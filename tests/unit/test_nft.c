/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lab's table on real packets: three namespaces in a row, node - host - outside, joined by
 * veths. The process stands in `host`, which is its own; the others are held by descriptors.
 *
 *	node 10.99.0.1/31 --- 10.99.0.0/31 host 192.0.2.1/24 --- 192.0.2.2/24 outside
 *	     fd99::1/127       fd99::/127       2001:db8::1/64   2001:db8::2/64
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "nft.h"

/* Skip for want of what this machine lacks, unless nothing may be skipped. */
#define need(cond, why)                                                                            \
	do {                                                                                       \
		if (cond)                                                                          \
			break;                                                                     \
		if (getenv("CHOPPY_MUST_WORK"))                                                    \
			fail_msg("not skipped, but missing: %s", why);                             \
		print_message("# skipped: %s\n", why);                                             \
		skip();                                                                            \
	} while (0)

struct world {
	int host, node, outside; /* namespaces */
};

static struct nft_rules rules_of(const char *table, uint16_t dns_port)
{
	struct nft_rules r = { .table = table,
			       .comment = "choppy lab blue, pid 1",
			       .host_dev = "ch-blue",
			       .len4 = 31,
			       .len6 = 127,
			       .dns_port = dns_port };

	inet_pton(AF_INET, "10.99.0.1", &r.addr4); /* host bits must not matter */
	inet_pton(AF_INET6, "fd99::1", &r.addr6);
	return r;
}

/* Run a shell line in the namespace that the process stands in now. */
static int sh(const char *line)
{
	int status = system(line);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void enter(int ns)
{
	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
}

static int new_namespace(void)
{
	return unshare(CLONE_NEWNET) < 0 ? -1 : open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		print_message("# %s: %s\n", path, strerror(errno));
	close(fd);
}

static int build(struct world *w)
{
	char line[1024];
	int pid = getpid();

	/* the other ends move by descriptor, which `ip` finds below our /proc */
	snprintf(line, sizeof(line),
		 "set -e; ip link set lo up;"
		 "ip link add ch-blue type veth peer name n0;"
		 "ip link add up0 type veth peer name o0;"
		 "ip link set n0 netns /proc/%d/fd/%d; ip link set o0 netns /proc/%d/fd/%d;"
		 "ip addr add 10.99.0.0/31 dev ch-blue; ip addr add fd99::/127 dev ch-blue nodad;"
		 "ip addr add 192.0.2.1/24 dev up0; ip addr add 2001:db8::1/64 dev up0 nodad;"
		 "ip link set ch-blue up; ip link set up0 up",
		 pid, w->node, pid, w->outside);
	if (sh(line))
		return -1;
	write_file("/proc/sys/net/ipv4/ip_forward", "1");
	write_file("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	enter(w->node);
	if (sh("set -e; ip link set lo up; ip addr add 10.99.0.1/31 dev n0;"
	       "ip addr add fd99::1/127 dev n0 nodad; ip link set n0 up;"
	       "ip route add default via 10.99.0.0; ip route add default via fd99::"))
		return -1;
	enter(w->outside);
	if (sh("set -e; ip link set lo up; ip addr add 192.0.2.2/24 dev o0;"
	       "ip addr add 2001:db8::2/64 dev o0 nodad; ip link set o0 up"))
		return -1;
	enter(w->host);
	return 0;
}

/* *state stays NULL where the tests cannot build their world. */
static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    (w->node = new_namespace()) < 0 || (w->outside = new_namespace()) < 0 ||
	    (w->host = new_namespace()) < 0 || build(w) < 0) {
		free(w);
		return 0;
	}
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

#define need_world(state)                                                                          \
	do {                                                                                       \
		need(*(state), "root, network namespaces, iproute2");                              \
		need(sh("command -v nft >/dev/null") == 0, "nft (package nftables)");              \
	} while (0)

static struct nft_table *add_table(const struct nft_rules *rules)
{
	struct choppy_err err = { 0 };
	struct nft_table *t = NULL;

	if (nft_table_add(&t, rules, &err) < 0)
		fail_msg("%s", err.msg);
	return t;
}

/* The kernel removes the table of a closed socket after the close: wait for it, at most 5 s. */
static void wait_gone(const char *table)
{
	char line[128];

	snprintf(line, sizeof(line),
		 "for i in $(seq 500); do nft list tables | grep -q '%s$' || exit 0; sleep .01; "
		 "done; exit 1",
		 table);
	assert_int_equal(sh(line), 0);
}

/* --------------------------------------------------------------------- table */

static void assert_listed(const char *what)
{
	char line[512];

	snprintf(line, sizeof(line), "nft list ruleset | grep -qF '%s'", what);
	if (sh(line) != 0) {
		sh("nft list ruleset | sed 's/^/# /'");
		fail_msg("not in the ruleset: %s", what);
	}
}

static void test_table_is_listed(void **state)
{
	struct nft_rules rules = rules_of("choppy-blue", 5353);
	struct nft_table *t;

	need_world(state);
	t = add_table(&rules);
	assert_listed("table inet choppy-blue");
	assert_listed("flags owner");
	assert_listed("comment \"choppy lab blue, pid 1\"");
	assert_listed("type nat hook postrouting priority srcnat; policy accept;");
	assert_listed("ip saddr 10.99.0.0/31 oifname != \"ch-blue\" masquerade");
	assert_listed("ip6 saddr fd99::/127 oifname != \"ch-blue\" masquerade");
	assert_listed("type nat hook prerouting priority dstnat; policy accept;");
	assert_listed("iifname \"ch-blue\" fib daddr type local udp dport 53 redirect to :5353");
	assert_listed("iifname \"ch-blue\" fib daddr type local tcp dport 53 redirect to :5353");
	nft_table_free(t);
	wait_gone("choppy-blue");
}

static void test_only_what_is_asked(void **state)
{
	struct nft_rules rules = rules_of("choppy-blue", 0);
	struct nft_table *t;

	need_world(state);
	rules.len6 = 0;
	rules.len4 = 32; /* a whole address needs no mask */
	t = add_table(&rules);
	assert_listed("ip saddr 10.99.0.1 oifname != \"ch-blue\" masquerade");
	assert_int_equal(sh("nft list ruleset | grep -qE 'ip6|prerouting|redirect'"), 1);
	nft_table_free(t);
	nft_table_free(NULL);
	wait_gone("choppy-blue");
}

/* Nobody else may change it; another lab's is made beside it; its name is taken. */
static void test_owner(void **state)
{
	struct nft_rules rules = rules_of("choppy-blue", 0), green = rules_of("choppy-green", 0);
	struct nft_table *t, *other = NULL;
	struct choppy_err err = { 0 };

	need_world(state);
	t = add_table(&rules);
	assert_int_not_equal(sh("nft delete table inet choppy-blue 2>/dev/null"), 0);
	assert_int_not_equal(sh("nft flush chain inet choppy-blue postrouting 2>/dev/null"), 0);
	sh("nft flush ruleset 2>/dev/null");
	assert_listed("ip saddr 10.99.0.0/31");
	assert_int_equal(nft_table_add(&other, &rules, &err), -EEXIST);
	assert_null(other);
	assert_string_equal(err.msg, "nftables table inet choppy-blue exists already, made by "
				     "somebody else");
	assert_listed("ip saddr 10.99.0.0/31"); /* and the first is whole */
	other = add_table(&green);
	nft_table_free(t);
	wait_gone("choppy-blue");
	assert_listed("table inet choppy-green");
	nft_table_free(other);
	wait_gone("choppy-green");
}

/* A deleted table is gone at once, and only ours; freeing what is left is fine. */
static void test_delete(void **state)
{
	struct nft_rules rules = rules_of("choppy-blue", 5353), green = rules_of("choppy-green", 0);
	struct nft_table *t, *other;

	need_world(state);
	t = add_table(&rules);
	other = add_table(&green);
	nft_table_delete(t);
	assert_int_equal(sh("nft list tables | grep -q choppy-blue"), 1);
	assert_listed("table inet choppy-green");
	nft_table_delete(t); /* nothing there: nothing happens */
	nft_table_free(t);
	nft_table_delete(NULL);
	assert_listed("table inet choppy-green");
	nft_table_free(other);
	wait_gone("choppy-green");
}

/* All or nothing, and the part that failed is named. */
static void test_batch_is_atomic(void **state)
{
	struct nft_rules rules = rules_of("choppy-blue", 0);
	struct nft_table *t = NULL;
	struct choppy_err err = { 0 };
	char comment[300];

	need_world(state);
	memset(comment, 'x', sizeof(comment) - 1);
	comment[sizeof(comment) - 1] = '\0';
	rules.comment = comment;
	assert_int_equal(nft_table_add(&t, &rules, &err), -EMSGSIZE);
	assert_null(t);
	rules = rules_of(comment, 0); /* a name that the kernel refuses */
	assert_true(nft_table_add(&t, &rules, &err) < 0);
	assert_null(t);
	assert_int_equal(strncmp(err.msg, "nftables table: ", 16), 0);
	rules = rules_of("choppy-blue", 5353);
	rules.len4 = 33; /* refused here, before the kernel would mask it away */
	assert_int_equal(nft_table_add(&t, &rules, &err), -EINVAL);
	assert_null(t);
	assert_int_equal(sh("test -z \"$(nft list tables)\""), 0);
}

static void test_gone_after_kill(void **state)
{
	struct nft_rules rules = rules_of("choppy-blue", 0);
	int pipe_fd[2], status;
	char byte;
	pid_t pid;

	need_world(state);
	assert_int_equal(pipe(pipe_fd), 0);
	pid = fork();
	if (pid == 0) {
		struct nft_table *t = NULL;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		byte = nft_table_add(&t, &rules, NULL) == 0 ? 'y' : 'n';
		if (write(pipe_fd[1], &byte, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(pipe_fd[1]);
	assert_int_equal(read(pipe_fd[0], &byte, 1), 1);
	close(pipe_fd[0]);
	assert_int_equal(byte, 'y');
	assert_listed("table inet choppy-blue");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	wait_gone("choppy-blue");
}

/* A dead lab's table is waited for, if it is there at all; somebody else's is not. */
static void test_wait(void **state)
{
	struct nft_rules rules = rules_of("choppy-blue", 0);
	struct choppy_err err = { 0 };
	int pipe_fd[2], r;
	char byte = 'x';
	pid_t pid;

	need_world(state);
	assert_int_equal(nft_table_wait(rules.table, rules.comment, &err), 0);
	assert_int_equal(err.code, 0);
	assert_int_equal(pipe(pipe_fd), 0);
	pid = fork();
	if (pid == 0) {
		struct nft_table *t = NULL;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		byte = nft_table_add(&t, &rules, NULL) == 0 ? 'y' : 'n';
		if (write(pipe_fd[1], &byte, 1) != 1 || raise(SIGSTOP) != 0)
			_exit(1);
		/* Continued: the parent is waiting by now, or will be. */
		nft_table_free(t);
		_exit(0);
	}
	assert_int_equal(read(pipe_fd[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
	r = nft_table_wait(rules.table, "another lab", &err);
	kill(pid, SIGCONT);
	assert_int_equal(r, -EEXIST);
	assert_string_equal(err.msg, "nftables table inet choppy-blue exists already, made by "
				     "somebody else");
	assert_int_equal(nft_table_wait(rules.table, rules.comment, &err), 0);
	assert_int_equal(sh("test -z \"$(nft list tables)\""), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* The owning socket does not leak into programs: the table goes though one lives on. */
static void test_not_inherited(void **state)
{
	struct nft_rules rules = rules_of("choppy-blue", 0);
	struct nft_table *t;
	int status;
	pid_t pid;

	need_world(state);
	t = add_table(&rules);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("sleep", "sleep", "100", NULL);
		_exit(127);
	}
	/* exec has happened once the child's name is sleep's */
	for (;;) {
		char path[64], name[16] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		f = fopen(path, "re");
		if (f && fgets(name, sizeof(name), f) && strncmp(name, "sleep", 5) == 0) {
			fclose(f);
			break;
		}
		if (f)
			fclose(f);
		sched_yield();
	}
	nft_table_free(t);
	wait_gone("choppy-blue");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

/* -------------------------------------------------------------------- packets */

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static socklen_t make_address(union address *a, const char *text, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, text, &a->in.sin_addr) == 1) {
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons(port);
		return sizeof(a->in);
	}
	assert_int_equal(inet_pton(AF_INET6, text, &a->in6.sin6_addr), 1);
	a->in6.sin6_family = AF_INET6;
	a->in6.sin6_port = htons(port);
	return sizeof(a->in6);
}

/* A socket of the namespace @ns, bound to @text and @port. */
static int bound(const struct world *w, int ns, int type, const char *text, uint16_t port)
{
	union address a;
	socklen_t len = make_address(&a, text, port);
	int fd, one = 1;

	enter(ns);
	fd = socket(a.sa.sa_family, type | SOCK_CLOEXEC, 0);
	enter(w->host);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, &a.sa, len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static int connected(const struct world *w, int ns, int type, const char *text, uint16_t port)
{
	union address a;
	socklen_t len = make_address(&a, text, port);
	int fd;

	enter(ns);
	fd = socket(a.sa.sa_family, type | SOCK_CLOEXEC, 0);
	enter(w->host);
	assert_true(fd >= 0);
	if (connect(fd, &a.sa, len) < 0)
		fail_msg("connect to %s port %d: %s", text, port, strerror(errno));
	return fd;
}

static void wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, 10000) != 1)
		fail_msg("nothing came");
}

static void assert_source(const union address *from, const char *want)
{
	char text[64];

	inet_ntop(from->sa.sa_family,
		  from->sa.sa_family == AF_INET ? (const void *)&from->in.sin_addr
						: (const void *)&from->in6.sin6_addr,
		  text, sizeof(text));
	assert_string_equal(text, want);
}

/* One question by UDP to @to, which @server must see from @source; its answer must come back. */
static void udp_exchange(const struct world *w, int ns, int server, const char *to, uint16_t port,
			 const char *source)
{
	int client = connected(w, ns, SOCK_DGRAM, to, port);
	union address from;
	socklen_t len = sizeof(from);
	char buf[8];

	assert_int_equal(send(client, "ask", 3, 0), 3);
	wait_readable(server);
	assert_int_equal(recvfrom(server, buf, sizeof(buf), 0, &from.sa, &len), 3);
	assert_source(&from, source);
	assert_int_equal(sendto(server, "tell", 4, 0, &from.sa, len), 4);
	wait_readable(client);
	assert_int_equal(recv(client, buf, sizeof(buf), 0), 4);
	close(client);
}

static void tcp_exchange(const struct world *w, int ns, int server, const char *to, uint16_t port,
			 const char *source)
{
	int client = connected(w, ns, SOCK_STREAM, to, port), conn;
	union address from;
	socklen_t len = sizeof(from);
	char buf[8];

	wait_readable(server);
	conn = accept(server, &from.sa, &len);
	assert_true(conn >= 0);
	assert_source(&from, source);
	assert_int_equal(send(conn, "tell", 4, 0), 4);
	wait_readable(client);
	assert_int_equal(recv(client, buf, sizeof(buf), 0), 4);
	close(client);
	close(conn);
}

static void test_masquerade(void **state)
{
	struct nft_rules rules = rules_of("choppy-blue", 0);
	const struct world *w = *state;
	struct nft_table *t;
	int udp, tcp, udp6, tcp6, near;

	need_world(state);
	udp = bound(w, w->outside, SOCK_DGRAM, "192.0.2.2", 7);
	tcp = bound(w, w->outside, SOCK_STREAM, "192.0.2.2", 7);
	udp6 = bound(w, w->outside, SOCK_DGRAM, "2001:db8::2", 7);
	tcp6 = bound(w, w->outside, SOCK_STREAM, "2001:db8::2", 7);
	t = add_table(&rules);
	/* the outside has no route to the node: only a masqueraded exchange can end */
	udp_exchange(w, w->node, udp, "192.0.2.2", 7, "192.0.2.1");
	tcp_exchange(w, w->node, tcp, "192.0.2.2", 7, "192.0.2.1");
	udp_exchange(w, w->node, udp6, "2001:db8::2", 7, "2001:db8::1");
	tcp_exchange(w, w->node, tcp6, "2001:db8::2", 7, "2001:db8::1");
	/* what stays between node and host keeps its address */
	near = bound(w, w->node, SOCK_DGRAM, "10.99.0.1", 7);
	udp_exchange(w, w->host, near, "10.99.0.1", 7, "10.99.0.0");
	nft_table_free(t);
	wait_gone("choppy-blue");
	close(udp);
	close(tcp);
	close(udp6);
	close(tcp6);
	close(near);
}

static void test_dns_redirect(void **state)
{
	struct nft_rules rules = rules_of("choppy-blue", 5353);
	const struct world *w = *state;
	struct nft_table *t;
	int udp, tcp, udp6, any, far;

	need_world(state);
	any = bound(w, w->host, SOCK_DGRAM, "0.0.0.0", 53); /* somebody else's resolver */
	udp = bound(w, w->host, SOCK_DGRAM, "10.99.0.0", 5353);
	tcp = bound(w, w->host, SOCK_STREAM, "10.99.0.0", 5353);
	udp6 = bound(w, w->host, SOCK_DGRAM, "fd99::", 5353);
	far = bound(w, w->outside, SOCK_DGRAM, "192.0.2.2", 53);
	t = add_table(&rules);
	udp_exchange(w, w->node, udp, "10.99.0.0", 53, "10.99.0.1");
	tcp_exchange(w, w->node, tcp, "10.99.0.0", 53, "10.99.0.1");
	udp_exchange(w, w->node, udp6, "fd99::", 53, "fd99::1");
	/* a name server elsewhere is reached; from elsewhere the host's own answers */
	udp_exchange(w, w->node, far, "192.0.2.2", 53, "192.0.2.1");
	udp_exchange(w, w->outside, any, "192.0.2.1", 53, "192.0.2.2");
	nft_table_free(t);
	wait_gone("choppy-blue");
	close(udp);
	close(tcp);
	close(udp6);
	close(any);
	close(far);
}

/* -------------------------------------------------------------------- forward */

struct forward_row {
	const char *name, *set_up;
	const char *want; /* the whole text; NULL: nothing to say */
};

#define LINE " drops what no rule accepts; to let the lab through: "

static const struct forward_row forward_rows[] = {
	{ "empty", "true", NULL },
	{ "accept",
	  "nft add table ip filter; nft add chain ip filter FORWARD "
	  "'{ type filter hook forward priority 0; policy accept; }'",
	  NULL },
	{ "drop",
	  "nft add table ip filter; nft add chain ip filter FORWARD "
	  "'{ type filter hook forward priority 0; policy drop; }'",
	  "chain ip filter FORWARD" LINE
	  "nft 'insert rule ip filter FORWARD iifname \"ch-blue\" accept; "
	  "insert rule ip filter FORWARD oifname \"ch-blue\" accept'" },
	{ "drop, with Docker's chain",
	  "nft add table ip filter; nft add chain ip filter FORWARD "
	  "'{ type filter hook forward priority 0; policy drop; }'; "
	  "nft add chain ip filter DOCKER-USER",
	  "chain ip filter FORWARD" LINE
	  "nft 'insert rule ip filter DOCKER-USER iifname \"ch-blue\" accept; "
	  "insert rule ip filter DOCKER-USER oifname \"ch-blue\" accept'" },
	{ "inet, drop",
	  "nft add table inet fw; nft add chain inet fw transit "
	  "'{ type filter hook forward priority 5; policy drop; }'",
	  "chain inet fw transit" LINE
	  "nft 'insert rule inet fw transit iifname \"ch-blue\" accept; "
	  "insert rule inet fw transit oifname \"ch-blue\" accept'" },
	{ "both",
	  "nft add table inet fw; nft add chain inet fw transit "
	  "'{ type filter hook forward priority 5; policy drop; }'; "
	  "nft add table ip filter; nft add chain ip filter FORWARD "
	  "'{ type filter hook forward priority 0; policy drop; }'",
	  "chains inet fw transit, ip filter FORWARD drop what no rule accepts; "
	  "to let the lab through: "
	  "nft 'insert rule inet fw transit iifname \"ch-blue\" accept; "
	  "insert rule inet fw transit oifname \"ch-blue\" accept; "
	  "insert rule ip filter FORWARD iifname \"ch-blue\" accept; "
	  "insert rule ip filter FORWARD oifname \"ch-blue\" accept'" },
	{ "other hooks and families",
	  "nft add table inet fw; nft add chain inet fw in "
	  "'{ type filter hook input priority 5; policy drop; }'; "
	  "nft add table ip6 filter; nft add chain ip6 filter FORWARD "
	  "'{ type filter hook forward priority 0; policy drop; }'",
	  NULL },
	{ "let through by name",
	  "nft add table inet fw; nft add chain inet fw transit "
	  "'{ type filter hook forward priority 5; policy drop; }'; "
	  "nft add rule inet fw transit iifname ch-blue counter accept; "
	  "nft add rule inet fw transit oifname ch-blue accept",
	  NULL },
	{ "let through by prefix",
	  "nft add table inet fw; nft add chain inet fw transit "
	  "'{ type filter hook forward priority 5; policy drop; }'; "
	  "nft add rule inet fw transit iifname 'ch-*' accept; "
	  "nft add rule inet fw transit oifname 'ch-*' accept",
	  NULL },
	{ "one direction, another device, a narrower rule",
	  "nft add table inet fw; nft add chain inet fw transit "
	  "'{ type filter hook forward priority 5; policy drop; }'; "
	  "nft add rule inet fw transit iifname ch-blue accept; "
	  "nft add rule inet fw transit oifname ch-blues accept; "
	  "nft add rule inet fw transit oifname != ch-blue accept; "
	  "nft add rule inet fw transit oifname ch-blue tcp dport 80 accept",
	  "chain inet fw transit" LINE
	  "nft 'insert rule inet fw transit iifname \"ch-blue\" accept; "
	  "insert rule inet fw transit oifname \"ch-blue\" accept'" },
};

static void forward_in_fresh_namespace(const struct world *w, const struct forward_row *row)
{
	struct choppy_err err = { 0 };
	char text[1024] = "untouched";
	int ret = -1;

	print_message("# %s\n", row->name);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(sh(row->set_up), 0);
	if (nft_forward_drop(&ret, text, sizeof(text), "ch-blue", &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(ret, row->want != NULL);
	assert_string_equal(text, row->want ? row->want : "untouched");
	if (row->want) { /* the command works, and then there is nothing to say */
		assert_int_equal(sh(strstr(text, "through: ") + strlen("through: ")), 0);
		assert_int_equal(nft_forward_drop(&ret, text, sizeof(text), "ch-blue", &err), 0);
		assert_int_equal(ret, 0);
	}
	enter(w->host);
}

static void test_forward_drop(void **state)
{
	need_world(state);
	for (size_t i = 0; i < sizeof(forward_rows) / sizeof(forward_rows[0]); i++)
		forward_in_fresh_namespace(*state, &forward_rows[i]);
}

/* A text that does not fit is an error, not a part of a command. */
static void test_forward_drop_no_room(void **state)
{
	const struct world *w = *state;
	struct choppy_err err = { 0 };
	char text[64] = "untouched";
	int ret = -1;

	need_world(state);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(sh(forward_rows[2].set_up), 0);
	assert_int_equal(nft_forward_drop(&ret, text, sizeof(text), "ch-blue", &err), -ENOSPC);
	assert_int_equal(ret, -1);
	assert_string_equal(text, "untouched");
	enter(w->host);
}

/* iptables, both kinds: the command that the text gives leaves its tools content. */
static void test_forward_drop_iptables(void **state)
{
	static const struct forward_row rows[] = {
		{ "iptables-nft", "iptables-nft -P FORWARD DROP",
		  "chain ip filter FORWARD" LINE
		  "nft 'insert rule ip filter FORWARD iifname \"ch-blue\" accept; "
		  "insert rule ip filter FORWARD oifname \"ch-blue\" accept'" },
		{ "iptables-nft, let through",
		  "iptables-nft -P FORWARD DROP; iptables-nft -A FORWARD -i ch-blue -j ACCEPT; "
		  "iptables-nft -A FORWARD -o ch-+ -j ACCEPT",
		  NULL },
		{ "iptables-legacy", "iptables-legacy -P FORWARD DROP",
		  "chain FORWARD of iptables-legacy" LINE
		  "iptables-legacy -I FORWARD -i ch-blue -j ACCEPT && "
		  "iptables-legacy -I FORWARD -o ch-blue -j ACCEPT" },
		{ "iptables-legacy, accept", "iptables-legacy -N x", NULL },
		{ "iptables-legacy, let through",
		  "iptables-legacy -P FORWARD DROP; "
		  "iptables-legacy -A FORWARD -s 10.0.0.1 -j ACCEPT; "
		  "iptables-legacy -A FORWARD -i ch-+ -j ACCEPT; "
		  "iptables-legacy -A FORWARD -o ch-blue -j ACCEPT",
		  NULL },
#define LEGACY_DROPS                                                                               \
	"chain FORWARD of iptables-legacy" LINE                                                    \
	"iptables-legacy -I FORWARD -i ch-blue -j ACCEPT && "                                      \
	"iptables-legacy -I FORWARD -o ch-blue -j ACCEPT"
		{ "iptables-legacy, in only from an address",
		  "iptables-legacy -P FORWARD DROP; "
		  "iptables-legacy -A FORWARD -i ch-blue -s 10.0.0.1 -j ACCEPT; "
		  "iptables-legacy -A FORWARD -o ch-blue -j ACCEPT",
		  LEGACY_DROPS },
		{ "iptables-legacy, in only from others",
		  "iptables-legacy -P FORWARD DROP; "
		  "iptables-legacy -A FORWARD ! -i ch-blue -j ACCEPT; "
		  "iptables-legacy -A FORWARD -o ch-blue -j ACCEPT",
		  LEGACY_DROPS },
		{ "iptables-legacy, out dropped by rule",
		  "iptables-legacy -P FORWARD DROP; "
		  "iptables-legacy -A FORWARD -i ch-blue -j ACCEPT; "
		  "iptables-legacy -A FORWARD -o ch-blue -j DROP",
		  LEGACY_DROPS },
	};
	char line[128];

	need_world(state);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(line, sizeof(line), "unshare -n %.*s -S FORWARD >/dev/null 2>&1",
			 (int)strcspn(rows[i].set_up, " "), rows[i].set_up);
		if (sh(line) != 0) {
			print_message("# skipped: %s: its tool does not work here\n", rows[i].name);
			continue;
		}
		forward_in_fresh_namespace(*state, &rows[i]);
	}
}

/* ------------------------------------------------------------------- conntrack */

static int count_conntrack(const struct world *w, const char *what)
{
	char line[256];

	(void)w;
	snprintf(line, sizeof(line), "exit $(cat /proc/net/nf_conntrack | grep -c '%s')", what);
	return sh(line);
}

static void test_conntrack_flush(void **state)
{
	struct nft_rules rules = rules_of("choppy-blue", 0);
	const struct world *w = *state;
	struct choppy_err err = { 0 };
	struct in6_addr a6;
	struct in_addr a4;
	unsigned int n = 99;
	struct nft_table *t;
	int udp, udp6, near;

	need_world(state);
	need(access("/proc/net/nf_conntrack", R_OK) == 0, "/proc/net/nf_conntrack");
	inet_pton(AF_INET, "10.99.0.0", &a4);
	inet_pton(AF_INET6, "fd99::", &a6);
	t = add_table(&rules);
	udp = bound(w, w->outside, SOCK_DGRAM, "192.0.2.2", 7);
	udp6 = bound(w, w->outside, SOCK_DGRAM, "2001:db8::2", 7);
	near = bound(w, w->node, SOCK_DGRAM, "10.99.0.1", 7);
	assert_int_equal(conntrack_flush(AF_INET, &a4, 31, NULL, &err), 0);
	assert_int_equal(conntrack_flush(AF_INET6, &a6, 127, NULL, &err), 0);
	assert_int_equal(conntrack_flush(AF_INET, &a4, 31, &n, &err), 0);
	assert_int_equal(n, 0);

	for (int i = 0; i < 3; i++)
		udp_exchange(w, w->node, udp, "192.0.2.2", 7, "192.0.2.1");
	udp_exchange(w, w->node, udp6, "2001:db8::2", 7, "2001:db8::1");
	udp_exchange(w, w->host, near, "10.99.0.1", 7, "10.99.0.0"); /* as destination */
	udp_exchange(w, w->host, udp, "192.0.2.2", 7, "192.0.2.1"); /* somebody else's */
	assert_int_equal(count_conntrack(w, "10\\.99\\.0\\."), 4);
	assert_int_equal(count_conntrack(w, "src=192.0.2.1 dst=192.0.2.2 sport=[0-9]* dport=7 "),
			 1);

	assert_int_equal(conntrack_flush(AF_INET, &a4, 31, &n, &err), 0);
	assert_int_equal(n, 4);
	assert_int_equal(count_conntrack(w, "10\\.99\\.0\\."), 0);
	assert_int_equal(count_conntrack(w, "ipv6.*:7 \\|ipv6.*dport=7 "), 1);
	assert_int_equal(count_conntrack(w, "src=192.0.2.1 dst=192.0.2.2 sport=[0-9]* dport=7 "),
			 1);
	assert_int_equal(conntrack_flush(AF_INET6, &a6, 127, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(count_conntrack(w, "src=192.0.2.1 dst=192.0.2.2 sport=[0-9]* dport=7 "),
			 1);
	nft_table_free(t);
	wait_gone("choppy-blue");
	close(udp);
	close(udp6);
	close(near);
}

/* Prefix lengths that do not end on a byte, the whole range, and a match by destination alone. */
static void test_conntrack_prefix(void **state)
{
	const struct world *w = *state;
	struct choppy_err err = { 0 };
	struct in_addr a4;
	unsigned int n = 99;
	struct nft_rules rules = rules_of("choppy-blue", 0);
	struct nft_table *t;
	int near, udp;

	need_world(state);
	t = add_table(&rules); /* the kernel tracks nothing for nobody */
	near = bound(w, w->node, SOCK_DGRAM, "10.99.0.1", 7);
	udp_exchange(w, w->host, near, "10.99.0.1", 7, "10.99.0.0");
	inet_pton(AF_INET, "10.99.0.2", &a4);
	assert_int_equal(conntrack_flush(AF_INET, &a4, 31, &n, &err), 0);
	assert_int_equal(n, 0);
	assert_int_equal(conntrack_flush(AF_INET, &a4, 30, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(conntrack_flush(AF_INET, &a4, 33, &n, &err), -EINVAL);
	assert_int_equal(conntrack_flush(AF_UNIX, &a4, 3, &n, &err), -EINVAL);
	/* 10.99.0.1 asks 10.99.0.0, and 192.0.2.2 answers */
	assert_int_equal(sh("nft add table ip k; nft add chain ip k c "
			    "'{ type nat hook prerouting priority -150; }'; nft add rule ip k c "
			    "ip daddr 10.99.0.0 udp dport 9 dnat to 192.0.2.2:7"),
			 0);
	udp = bound(w, w->outside, SOCK_DGRAM, "192.0.2.2", 7);
	udp_exchange(w, w->node, udp, "10.99.0.0", 9, "192.0.2.1");
	assert_int_equal(sh("nft delete table ip k"), 0);
	inet_pton(AF_INET, "10.99.0.0", &a4);
	assert_int_equal(conntrack_flush(AF_INET, &a4, 32, &n, &err), 0);
	assert_int_equal(n, 1);
	udp_exchange(w, w->host, near, "10.99.0.1", 7, "10.99.0.0");
	assert_int_equal(conntrack_flush(AF_INET, &a4, 0, &n, &err), 0);
	assert_true(n >= 1);
	nft_table_free(t);
	wait_gone("choppy-blue");
	close(udp);
	close(near);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_is_listed),
		cmocka_unit_test(test_only_what_is_asked),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_batch_is_atomic),
		cmocka_unit_test(test_gone_after_kill),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_not_inherited),
		cmocka_unit_test(test_masquerade),
		cmocka_unit_test(test_dns_redirect),
		cmocka_unit_test(test_forward_drop),
		cmocka_unit_test(test_forward_drop_no_room),
		cmocka_unit_test(test_forward_drop_iptables),
		cmocka_unit_test(test_conntrack_flush),
		cmocka_unit_test(test_conntrack_prefix),
	};

	return cmocka_run_group_tests_name("nft", tests, setup, teardown);
}
