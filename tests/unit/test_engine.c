/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine as a process. Without root its ports are datagram socket pairs, which
 * carry the same bytes as packet sockets: virtio header and frame. With root it stands
 * between two real veths in namespaces of this test's own:
 *
 *   node: eth0 (10.99.0.1) -- n0 : engine : g0 -- gateway: eth0 (10.99.0.2)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compile.h"
#include "engine.h"
#include "port_mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define BIT(f) CHOPPY_FIELD_BIT(f)
#define WAIT_MS 20000 /* until a test gives up; never waited for when all is well */

/* ------------------------------------------------------------------ the process */

struct world {
	int control;
	pid_t pid;
	int port[2]; /* the far ends of the ports, without root */
	int ns_node, ns_engine, ns_gateway, ns_home; /* with root */
};

/* What the keeper does before engine_main(): nothing but the listed calls from here on. */
static void load_filter(void)
{
	struct sock_filter code[128];
	struct sock_fprog prog = { .filter = code };
	unsigned short n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	for (const int *nr = engine_syscalls; *nr >= 0; nr++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)*nr,
							 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	prog.len = n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(99);
}

static void start_engine(struct world *w)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	w->pid = fork();
	assert_true(w->pid >= 0);
	if (!w->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int fd = 3; fd < 64; fd++)
			if (fd != pair[1])
				close(fd);
		if (!SANITIZED)
			load_filter();
		_exit(engine_main(pair[1]));
	}
	close(pair[1]);
	w->control = pair[0];
}

static int stop_engine(struct world *w)
{
	int status;

	close(w->control);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	w->pid = 0;
	return status;
}

static struct engine_reply ask(struct world *w, const void *request, size_t size, const int *fds,
			       size_t nfds)
{
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE(8 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)request, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct engine_reply reply;

	if (nfds) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	assert_int_equal(sendmsg(w->control, &msg, MSG_NOSIGNAL), size);
	assert_int_equal(recv(w->control, &reply, sizeof(reply), 0), sizeof(reply));
	return reply;
}

/* What the keeper would make of two conditions (NULL: none). */
static int plan_of(const struct choppy_condition *up, const struct choppy_condition *down,
		   uint64_t *ret_size)
{
	static const struct choppy_rules no_rules;
	struct choppy_condition dir[CHOPPY_NDIRS] = { { 0 } };
	const struct compile_input in = { .dir = dir, .rules = &no_rules, .replay = "" };
	struct choppy_err err = { 0 };
	int fd = -1;

	if (up)
		dir[CHOPPY_UP] = *up;
	if (down)
		dir[CHOPPY_DOWN] = *down;
	if (compile_plan(&in, &fd, ret_size, &err) < 0)
		fail_msg("%s", err.msg);
	return fd;
}

static void add_link(struct world *w, const int fds[2], uint64_t seed,
		     const struct choppy_condition *up, const struct choppy_condition *down)
{
	struct engine_request req = { .op = ENGINE_ADD, .seed = seed };
	struct engine_reply reply;
	int all[3] = { plan_of(up, down, &req.plan_size), fds[0], fds[1] };

	reply = ask(w, &req, sizeof(req), all, 3);
	close(all[0]);
	if (reply.error)
		fail_msg("ENGINE_ADD: %s", reply.text);
}

static struct choppy_counters counters(struct world *w, enum choppy_dir dir)
{
	struct engine_request req = { .op = ENGINE_COUNTERS };
	struct engine_reply reply = ask(w, &req, sizeof(req), NULL, 0);

	assert_int_equal(reply.error, 0);
	return reply.counters[dir];
}

/* ------------------------------------------------------------------- without root */

static void open_pairs(struct world *w, int fds[2])
{
	for (int i = 0; i < 2; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
		w->port[i] = pair[0];
		fds[i] = pair[1];
	}
}

static int setup_pairs(void **state)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	start_engine(&w);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 2; i++)
		if (w->port[i] > 0)
			close(w->port[i]);
	return w->pid && stop_engine(w) ? -1 : 0;
}

static void set(struct world *w, const struct choppy_condition *both)
{
	struct engine_request req = { .op = ENGINE_SET };
	int plan = plan_of(both, both, &req.plan_size);

	assert_int_equal(ask(w, &req, sizeof(req), &plan, 1).error, 0);
	close(plan);
}

/* Frame number @i, behind its virtio header. */
static size_t make_message(unsigned char *buf, uint32_t i)
{
	memset(buf, 0, 10 + 60);
	memcpy(buf + 10 + 12, "\x08\x00\x45", 3);
	memcpy(buf + 10 + 40, &i, sizeof(i));
	return 10 + 60;
}

static void send_message(int fd, uint32_t i)
{
	unsigned char buf[128];
	size_t n = make_message(buf, i);

	assert_int_equal(send(fd, buf, n, 0), n);
}

static void expect_message(int fd, uint32_t i)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	unsigned char buf[128], want[128];
	size_t n = make_message(want, i);

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), n);
	assert_memory_equal(buf, want, n);
}

static void test_engine_ends_when_control_closes(void **state)
{
	struct world *w = *state;

	assert_int_equal(stop_engine(w), 0);
}

static int open_fds(pid_t pid)
{
	char cmd[64];
	FILE *f;
	int n = -1;

	snprintf(cmd, sizeof(cmd), "ls /proc/%d/fd | wc -l", pid);
	f = popen(cmd, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &n), 1);
	pclose(f);
	return n;
}

static void test_engine_refuses_bad_requests(void **state)
{
	struct engine_request req = { .op = ENGINE_COUNTERS };
	struct world *w = *state;
	struct choppy_condition bad = { .set = BIT(CHOPPY_RATE) }; /* of 0 */
	struct choppy_condition lossy = { .set = BIT(CHOPPY_LOSS), .loss_ppb = 1000000000 };
	int fds[2], all[3], more[5], before, plan, wrong;
	uint64_t size, wrong_size;

	plan = plan_of(NULL, NULL, &size);
	wrong = plan_of(&lossy, &bad, &wrong_size);
	assert_int_equal(ask(w, &req, sizeof(req), NULL, 0).error, -ENOENT);
	before = open_fds(w->pid);
	req.op = ENGINE_NOPS;
	assert_int_equal(ask(w, &req, sizeof(req), NULL, 0).error, -EPROTO);
	assert_int_equal(ask(w, "x", 1, NULL, 0).error, -EPROTO);
	req.op = ENGINE_SET;
	assert_int_equal(ask(w, &req, sizeof(req), &plan, 1).error, -ENOENT);
	req.op = ENGINE_ADD;
	assert_int_equal(ask(w, &req, sizeof(req), NULL, 0).error, -EBADF);
	open_pairs(w, fds);
	memcpy(all, (int[]){ plan, fds[0], fds[1] }, sizeof(all));
	assert_int_equal(ask(w, &req, sizeof(req), all, 2).error, -EBADF);
	memcpy(more, (int[]){ plan, fds[0], fds[1], fds[0], fds[1] }, sizeof(more));
	assert_int_equal(ask(w, &req, sizeof(req), more, 5).error, -EPROTO);
	req.link = UINT32_MAX;
	assert_int_equal(ask(w, &req, sizeof(req), all, 3).error, -E2BIG);
	req.link = 0;
	all[0] = wrong;
	req.plan_size = wrong_size;
	assert_int_equal(ask(w, &req, sizeof(req), all, 3).error, -EINVAL);
	all[0] = plan;
	req.plan_size = size - 8;
	assert_int_equal(ask(w, &req, sizeof(req), all, 3).error, -EINVAL);
	req.plan_size = size;
	assert_int_equal(open_fds(w->pid), before);
	assert_int_equal(ask(w, &req, sizeof(req), all, 3).error, 0);
	assert_int_equal(ask(w, &req, sizeof(req), all, 3).error, -EEXIST);
	assert_int_equal(open_fds(w->pid), before + 2);
	req.op = ENGINE_SET;
	assert_int_equal(ask(w, &req, sizeof(req), NULL, 0).error, -EBADF);
	/* One bad direction, and neither is changed. */
	req.plan_size = wrong_size;
	assert_int_equal(ask(w, &req, sizeof(req), &wrong, 1).error, -EINVAL);
	close(plan);
	close(wrong);
	send_message(w->port[0], 1);
	expect_message(w->port[1], 1);
	close(fds[0]);
	close(fds[1]);
}

static void test_engine_forwards_both_ways_and_counts(void **state)
{
	struct choppy_condition lost = { .set = BIT(CHOPPY_LOSS), .loss_ppb = 1000000000 };
	struct choppy_condition none = { 0 };
	struct world *w = *state;
	int fds[2];

	open_pairs(w, fds);
	add_link(w, fds, 1, NULL, NULL);
	for (uint32_t i = 0; i < 8; i++) {
		send_message(w->port[0], i);
		send_message(w->port[1], 100 + i);
	}
	for (uint32_t i = 0; i < 8; i++) {
		expect_message(w->port[1], i);
		expect_message(w->port[0], 100 + i);
	}
	assert_int_equal(counters(w, CHOPPY_UP).delivered, 8);
	assert_int_equal(counters(w, CHOPPY_DOWN).delivered_bytes, 480);
	set(w, &lost);
	send_message(w->port[0], 8);
	while (!counters(w, CHOPPY_UP).judged_lost)
		;
	set(w, &none);
	send_message(w->port[0], 9);
	expect_message(w->port[1], 9);
	assert_int_equal(counters(w, CHOPPY_UP).dropped[CHOPPY_DROP_LOSS], 1);
	assert_int_equal(counters(w, CHOPPY_DOWN).dropped[CHOPPY_DROP_LOSS], 0);
	close(fds[0]);
	close(fds[1]);
}

static void test_engine_delays_and_never_releases_early(void **state)
{
	struct choppy_condition delay = { .set = BIT(CHOPPY_DELAY), .delay_ns = 5000000 };
	struct timespec a, b;
	struct world *w = *state;
	int fds[2];

	open_pairs(w, fds);
	add_link(w, fds, 1, &delay, NULL);
	for (uint32_t i = 0; i < 20; i++) {
		clock_gettime(CLOCK_MONOTONIC, &a);
		send_message(w->port[0], i);
		expect_message(w->port[1], i);
		clock_gettime(CLOCK_MONOTONIC, &b);
		assert_true((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec >= 5000000);
	}
	assert_int_equal(counters(w, CHOPPY_UP).late_samples, 20);
	assert_true(counters(w, CHOPPY_UP).late_p50_ns <= counters(w, CHOPPY_UP).late_p99_ns);
	close(fds[0]);
	close(fds[1]);
}

/* Nobody reads at the far end: frames are kept, in order, and leave when there is room. */
static void test_engine_keeps_order_when_a_port_is_full(void **state)
{
	struct world *w = *state;
	enum { N = 3000 };
	int fds[2];

	open_pairs(w, fds);
	add_link(w, fds, 1, NULL, NULL);
	for (uint32_t i = 0; i < N; i++)
		send_message(w->port[0], i); /* blocks while the engine has not read */
	while (counters(w, CHOPPY_UP).packets < N)
		;
	assert_true(counters(w, CHOPPY_UP).delivered < N);
	assert_int_equal(counters(w, CHOPPY_UP).waiting + counters(w, CHOPPY_UP).delivered, N);
	for (uint32_t i = 0; i < N; i++)
		expect_message(w->port[1], i);
	while (counters(w, CHOPPY_UP).waiting)
		;
	assert_int_equal(counters(w, CHOPPY_UP).delivered, N);
	close(fds[0]);
	close(fds[1]);
}

static void test_engine_counts_frames_that_nobody_takes(void **state)
{
	struct world *w = *state;
	int fds[2];

	open_pairs(w, fds);
	add_link(w, fds, 1, NULL, NULL);
	close(w->port[1]); /* sends fail from now on */
	w->port[1] = -1;
	send_message(w->port[0], 1);
	while (!counters(w, CHOPPY_UP).dropped[CHOPPY_DROP_SEND])
		;
	assert_int_equal(counters(w, CHOPPY_UP).waiting, 0);
	/* A message too short for a frame is the port's loss, not the link's. */
	assert_int_equal(send(w->port[0], "short", 5, 0), 5);
	while (!counters(w, CHOPPY_UP).dropped[CHOPPY_DROP_RECEIVE])
		;
	assert_int_equal(counters(w, CHOPPY_UP).packets, 1);
	close(fds[0]);
	close(fds[1]);
}

static void test_engine_holds_many_links(void **state)
{
	struct world *w = *state;
	enum { N = 20 };
	int far[N][2];

	for (uint32_t l = 0; l < N; l++) {
		struct engine_request req = { .op = ENGINE_ADD, .link = l, .seed = 1 };
		int fds[2], all[3];

		open_pairs(w, fds);
		far[l][0] = w->port[0];
		far[l][1] = w->port[1];
		memcpy(all, (int[]){ plan_of(NULL, NULL, &req.plan_size), fds[0], fds[1] },
		       sizeof(all));
		assert_int_equal(ask(w, &req, sizeof(req), all, 3).error, 0);
		for (int i = 0; i < 3; i++)
			close(all[i]);
	}
	w->port[0] = w->port[1] = -1;
	for (uint32_t l = 0; l < N; l++)
		send_message(far[l][0], l);
	for (uint32_t l = 0; l < N; l++) {
		expect_message(far[l][1], l);
		close(far[l][0]);
		close(far[l][1]);
	}
}

static void test_port_of_no_device_is_an_error(void **state)
{
	int fd = engine_port_open(0x7ffffff0, NULL);

	if (fd == -EPERM)
		skip(); /* packet sockets need root */
	assert_int_equal(fd, -ENODEV);
}

/* ---------------------------------------------------------------------- with root */

static void run(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (system(cmd))
		fail_msg("failed: %s", cmd);
}

static void enter(int ns)
{
	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
}

static int new_namespace(void)
{
	int fd;

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	run("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6;"
	    "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; ip link set lo up");
	return fd;
}

/* An end with a fixed MAC address; its peer goes to the engine's namespace. */
static void make_end(int ns, int ns_engine, const char *peer, int self, int other)
{
	enter(ns);
	run("ip link add eth0 address 02:00:00:00:00:0%d type veth peer name %s netns "
	    "/proc/%d/fd/%d",
	    self, peer, getpid(), ns_engine);
	run("ip addr add 10.99.0.%d/24 dev eth0; ip link set eth0 up", self);
	run("ip neigh replace 10.99.0.%d lladdr 02:00:00:00:00:0%d dev eth0", other, other);
	enter(ns_engine);
	run("ip link set %s up", peer);
}

static int setup_veths(void **state)
{
	static struct world w;

	*state = NULL;
	if (geteuid())
		return 0;
	memset(&w, 0, sizeof(w));
	w.ns_home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (unshare(CLONE_NEWNET)) /* root of a container */
		return 0;
	w.ns_engine = new_namespace();
	w.ns_node = new_namespace();
	w.ns_gateway = new_namespace();
	make_end(w.ns_node, w.ns_engine, "n0", 1, 2);
	make_end(w.ns_gateway, w.ns_engine, "g0", 2, 1);
	start_engine(&w);
	*state = &w;
	return 0;
}

static int teardown_veths(void **state)
{
	struct world *w = *state;
	int err;

	if (!w)
		return 0;
	err = w->pid && stop_engine(w) ? -1 : 0;
	enter(w->ns_home);
	close(w->ns_home);
	close(w->ns_node);
	close(w->ns_engine);
	close(w->ns_gateway);
	return err;
}

static struct world *need_root(void **state)
{
	if (!*state) {
		if (getenv("CHOPPY_MUST_WORK"))
			fail_msg("real veths need root and network namespaces");
		print_message("skipped: real veths need root and network namespaces\n");
		skip();
	}
	return *state;
}

static void open_ports(struct world *w, uint64_t seed, const struct choppy_condition *up,
		       const struct choppy_condition *down)
{
	int fds[2], rcvbuf = 0;

	enter(w->ns_engine);
	fds[0] = engine_port_open((int)if_nametoindex("n0"), &rcvbuf);
	fds[1] = engine_port_open((int)if_nametoindex("g0"), NULL);
	assert_true(fds[0] >= 0 && fds[1] >= 0);
	assert_true(rcvbuf >= 64 << 20); /* forced */
	add_link(w, fds, seed, up, down);
	close(fds[0]);
	close(fds[1]);
}

static int udp_socket(int ns, int host, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd, size = 4 << 20;

	enter(ns);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	a.sin_addr.s_addr = htonl(0x0a630000u + (uint32_t)host);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	a.sin_addr.s_addr = htonl(0x0a630000u + (uint32_t)(3 - host));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* A counter out of /proc/net/snmp of the current namespace. */
static long snmp(const char *group, const char *name)
{
	char names[2048], values[2048], *n, *v, *ns, *vs;
	FILE *f = fopen("/proc/thread-self/net/snmp", "re");
	long result = -1;

	assert_non_null(f);
	while (fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f)) {
		if (strncmp(names, group, strlen(group)) || names[strlen(group)] != ':')
			continue;
		n = strtok_r(names, " \n", &ns);
		v = strtok_r(values, " \n", &vs);
		for (; n && v; n = strtok_r(NULL, " \n", &ns), v = strtok_r(NULL, " \n", &vs))
			if (!strcmp(n, name))
				result = atol(v);
	}
	fclose(f);
	return result;
}

static void check_no_bad_headers(struct world *w)
{
	int both[] = { w->ns_node, w->ns_gateway };

	for (int i = 0; i < 2; i++) {
		enter(both[i]);
		assert_int_equal(snmp("Ip", "InHdrErrors"), 0);
		assert_int_equal(snmp("Tcp", "InCsumErrors"), 0);
		assert_int_equal(snmp("Udp", "InCsumErrors"), 0);
	}
}

/* Which of the first @n packets up survive with this seed, by the code without a kernel. */
static uint32_t predict(bool *alive, uint32_t n, uint64_t seed, const struct choppy_condition *c)
{
	struct virtio_net_hdr none = { 0 };
	unsigned char bytes[60] = { 0 };
	struct mem_port m;
	uint32_t count = 0;

	mem_open(&m, MEM_CAP, seed, 0, CHOPPY_UP);
	mem_set(&m, c);
	for (uint32_t i = 0; i < n; i++) {
		size_t before = m.npackets;

		mem_feed(&m, mem_raw(&m, &none, bytes, sizeof(bytes)), i);
		alive[i] = m.npackets > before;
		count += alive[i];
	}
	mem_close(&m);
	return count;
}

static void expect_datagram(int fd, uint32_t number, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	unsigned char buf[2048];
	uint32_t have;

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), size);
	memcpy(&have, buf, sizeof(have));
	assert_int_equal(have, number);
}

static void test_veth_seed_decides_which_datagrams_arrive(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_LOSS), .loss_ppb = 300000000 };
	struct world *w = need_root(state);
	enum { N = 500 };
	bool alive[N];
	uint32_t count = predict(alive, N, 11, &cond);
	int a, b;

	open_ports(w, 11, &cond, NULL);
	b = udp_socket(w->ns_gateway, 2, 4000);
	a = udp_socket(w->ns_node, 1, 4000);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(send(a, &i, sizeof(i), 0), sizeof(i));
	for (uint32_t i = 0; i < N; i++)
		if (alive[i])
			expect_datagram(b, i, sizeof(i));
	assert_int_equal(counters(w, CHOPPY_UP).judged, N);
	assert_int_equal(counters(w, CHOPPY_UP).delivered, count);
	assert_int_equal(counters(w, CHOPPY_UP).judged_lost, N - count);
	check_no_bad_headers(w);
	close(a);
	close(b);
}

static void test_veth_lost_segment_leaves_43_datagrams_in_two_frames(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_LOSS), .loss_ppb = 20000000 };
	struct world *w = need_root(state);
	enum { N = 44, SIZE = 1400 };
	static unsigned char payload[N * SIZE];
	int a, b, segment = SIZE;
	uint64_t seed = 0;
	bool alive[N];

	do
		seed++;
	while (predict(alive, N, seed, &cond) != N - 1 || !alive[0] || !alive[N - 1]);
	open_ports(w, seed, &cond, NULL);
	b = udp_socket(w->ns_gateway, 2, 4000);
	a = udp_socket(w->ns_node, 1, 4000);
	for (uint32_t i = 0; i < N; i++)
		memcpy(payload + i * SIZE, &i, sizeof(i));
	assert_int_equal(setsockopt(a, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)), 0);
	assert_int_equal(send(a, payload, sizeof(payload), 0), sizeof(payload));
	for (uint32_t i = 0; i < N; i++)
		if (alive[i])
			expect_datagram(b, i, SIZE);
	assert_int_equal(counters(w, CHOPPY_UP).frames_in, 1);
	assert_int_equal(counters(w, CHOPPY_UP).packets, 44);
	assert_int_equal(counters(w, CHOPPY_UP).delivered, 43);
	assert_int_equal(counters(w, CHOPPY_UP).frames_out, 2);
	check_no_bad_headers(w);
	close(a);
	close(b);
}

static void test_veth_ping(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_DELAY), .delay_ns = 2000000 };
	struct world *w = need_root(state);

	open_ports(w, 1, &cond, &cond);
	enter(w->ns_node);
	run("ping -q -c 20 -i 0.002 10.99.0.2 > /dev/null");
	assert_int_equal(counters(w, CHOPPY_UP).delivered, 20);
	assert_int_equal(counters(w, CHOPPY_DOWN).delivered, 20);
	assert_int_equal(counters(w, CHOPPY_UP).late_samples, 20);
}

static void test_veth_arp_is_exempt(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_LOSS), .loss_ppb = 1000000000 };
	struct world *w = need_root(state);
	struct choppy_counters c;

	open_ports(w, 1, &cond, &cond);
	enter(w->ns_node);
	run("ip neigh flush dev eth0; ip neigh del 10.99.0.2 dev eth0 2> /dev/null; "
	    "ping -q -c 1 -W 1 10.99.0.2 > /dev/null; "
	    "ip neigh show 10.99.0.2 | grep -q 02:00:00:00:00:02");
	c = counters(w, CHOPPY_UP);
	assert_int_equal(c.exempt, 1);
	assert_int_equal(c.dropped[CHOPPY_DROP_LOSS], 1);
	assert_int_equal(counters(w, CHOPPY_DOWN).exempt, 1);
}

#define TRANSFER (20u << 20)

static void fill_pattern(unsigned char *buf, size_t n, uint64_t *at)
{
	for (size_t i = 0; i < n; i++, ++*at)
		buf[i] = (unsigned char)(*at * 0x9e3779b97f4a7c15u >> 56);
}

static int tcp_socket(struct sockaddr_in *a, int host)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(5000) };
	a->sin_addr.s_addr = htonl(0x0a630000u + (uint32_t)host);
	return fd;
}

/* In the gateway, in a child: send the pattern to who connects. */
static void serve_pattern(int listener)
{
	static unsigned char buf[1 << 16];
	uint64_t at = 0;
	int fd = accept(listener, NULL, NULL);

	while (fd >= 0 && at < TRANSFER) {
		fill_pattern(buf, sizeof(buf), &at);
		for (size_t done = 0; done < sizeof(buf);) {
			ssize_t n = write(fd, buf + done, sizeof(buf) - done);

			if (n <= 0)
				_exit(1);
			done += (size_t)n;
		}
	}
	_exit(fd < 0);
}

/* A transfer down the link: every byte as it was sent. */
static void transfer(struct world *w)
{
	static unsigned char buf[1 << 16], want[1 << 16];
	struct sockaddr_in a;
	uint64_t at = 0;
	int listener, fd, status;
	pid_t child;
	ssize_t n;

	enter(w->ns_gateway);
	listener = tcp_socket(&a, 2);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 1), 0);
	child = fork();
	if (!child)
		serve_pattern(listener);
	close(listener);
	enter(w->ns_node);
	fd = tcp_socket(&a, 2);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		fill_pattern(want, (size_t)n, &at);
		assert_memory_equal(buf, want, (size_t)n);
	}
	assert_int_equal(n, 0);
	assert_int_equal(at, TRANSFER);
	close(fd);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void check_transfer(struct world *w)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_LOSS), .loss_ppb = 10000000 };
	struct choppy_counters c;

	open_ports(w, 1, &cond, &cond);
	transfer(w);
	c = counters(w, CHOPPY_DOWN);
	assert_true(c.judged_lost > 50);
	assert_int_equal(c.judged_lost, c.dropped[CHOPPY_DROP_LOSS]);
	assert_int_equal(c.dropped[CHOPPY_DROP_SEND] + c.dropped[CHOPPY_DROP_RECEIVE], 0);
	assert_true(c.frames_in < c.packets); /* super-packets were among them */
	check_no_bad_headers(w);
}

static void test_veth_tcp_with_loss_is_intact(void **state)
{
	check_transfer(need_root(state));
}

/* The kernel cuts and sums what the engine sends, and the receiver verifies every checksum. */
static void test_veth_tcp_with_loss_is_intact_when_segmented_after(void **state)
{
	struct world *w = need_root(state);

	enter(w->ns_engine);
	run("for d in n0 g0; do ethtool -K $d tso off gso off tx off > /dev/null; done");
	check_transfer(w);
}

/* All stages at once, both ways. */
static void test_veth_tcp_with_everything_is_intact(void **state)
{
	struct choppy_condition cond = {
		.set = BIT(CHOPPY_LOSS) | BIT(CHOPPY_DELAY) | BIT(CHOPPY_JITTER) |
		       BIT(CHOPPY_RATE) | BIT(CHOPPY_LIMIT),
		.loss_ppb = 100000,
		.delay_ns = 1000000,
		.jitter_ns = 500000,
		.rate_bps = 400000000,
		.limit = { .n = 5000000, .unit = CHOPPY_NANOSECONDS },
	};
	struct world *w = need_root(state);
	struct choppy_counters c;

	open_ports(w, 1, &cond, &cond);
	transfer(w);
	c = counters(w, CHOPPY_DOWN);
	assert_true(c.delivered_bytes >= TRANSFER);
	assert_int_equal(c.dropped[CHOPPY_DROP_SEND] + c.dropped[CHOPPY_DROP_RECEIVE], 0);
	check_no_bad_headers(w);
}

static int raw_socket(int ns, const char *device)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd, one = 1;

	enter(ns);
	a.sll_ifindex = (int)if_nametoindex(device);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* The kernel takes the tag out of the frame on reception; it has to be in again. */
static void test_veth_vlan_tag_survives(void **state)
{
	static const unsigned char tagged[64] = "\x02\0\0\0\0\x02\x02\0\0\0\0\x01"
						"\x81\x00\x60\x07\x88\xb5hello";
	unsigned char buf[128], control[128];
	struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct tpacket_auxdata aux;
	struct world *w = need_root(state);
	struct pollfd p = { .events = POLLIN };
	int a;

	open_ports(w, 1, NULL, NULL);
	p.fd = raw_socket(w->ns_gateway, "eth0");
	a = raw_socket(w->ns_node, "eth0");
	assert_int_equal(send(a, tagged, sizeof(tagged), 0), sizeof(tagged));
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(recvmsg(p.fd, &msg, 0), sizeof(tagged) - 4);
	memcpy(&aux, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(aux));
	assert_true(aux.tp_status & TP_STATUS_VLAN_VALID);
	assert_int_equal(aux.tp_vlan_tci, 0x6007);
	assert_memory_equal(buf, tagged, 12);
	assert_memory_equal(buf + 12, tagged + 16, sizeof(tagged) - 16);
	assert_int_equal(counters(w, CHOPPY_UP).bytes, sizeof(tagged));
	close(a);
	close(p.fd);
}

/* Until so many frames have come to the engine's device; @tap was there before the engine. */
static void wait_tapped(int tap, int n)
{
	unsigned char buf[128];

	while (n--) {
		struct pollfd p = { .fd = tap, .events = POLLIN };

		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		assert_true(recv(tap, buf, sizeof(buf), 0) > 0);
	}
}

/*
 * Frames of a long delay are left in the socket for a while. What has come there before the
 * condition changes still belongs to the old one, and is counted.
 */
static void test_veth_frames_not_read_yet_meet_the_old_condition(void **state)
{
	struct choppy_condition cond = { .set = BIT(CHOPPY_DELAY), .delay_ns = 30000000 };
	struct choppy_condition lost = { .set = BIT(CHOPPY_LOSS) | BIT(CHOPPY_DELAY),
					 .delay_ns = 30000000,
					 .loss_ppb = 1000000000 };
	struct world *w = need_root(state);
	int a, b, tap;

	tap = raw_socket(w->ns_engine, "n0");
	open_ports(w, 1, &cond, &cond);
	b = udp_socket(w->ns_gateway, 2, 4000);
	a = udp_socket(w->ns_node, 1, 4000);
	for (uint32_t i = 0; i < 8; i++) {
		assert_int_equal(send(a, &i, sizeof(i), 0), sizeof(i));
		wait_tapped(tap, 1);
	}
	assert_int_equal(counters(w, CHOPPY_UP).waiting, 8);
	for (uint32_t i = 8; i < 16; i++)
		assert_int_equal(send(a, &i, sizeof(i), 0), sizeof(i));
	wait_tapped(tap, 8);
	set(w, &lost);
	for (uint32_t i = 16; i < 20; i++)
		assert_int_equal(send(a, &i, sizeof(i), 0), sizeof(i));
	for (uint32_t i = 0; i < 16; i++)
		expect_datagram(b, i, sizeof(i));
	wait_tapped(tap, 4);
	assert_int_equal(counters(w, CHOPPY_UP).judged_lost, 4);
	assert_int_equal(counters(w, CHOPPY_UP).delivered, 16);
	close(a);
	close(b);
	close(tap);
}

/* A device that goes away must not keep the engine busy, nor stop it. */
static void test_veth_that_vanishes_is_survived(void **state)
{
	struct world *w = need_root(state);
	uint32_t number = 1;
	int a;

	open_ports(w, 1, NULL, NULL);
	a = udp_socket(w->ns_node, 1, 4000);
	enter(w->ns_gateway);
	run("ip link del eth0");
	assert_int_equal(send(a, &number, sizeof(number), 0), sizeof(number));
	while (counters(w, CHOPPY_UP).dropped[CHOPPY_DROP_SEND] < 1)
		;
	assert_int_equal(counters(w, CHOPPY_UP).delivered, 0);
	close(a);
}

#define PAIRS(name) cmocka_unit_test_setup_teardown(name, setup_pairs, teardown)
#define VETHS(name) cmocka_unit_test_setup_teardown(name, setup_veths, teardown_veths)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIRS(test_engine_ends_when_control_closes),
		PAIRS(test_engine_refuses_bad_requests),
		PAIRS(test_engine_forwards_both_ways_and_counts),
		PAIRS(test_engine_delays_and_never_releases_early),
		PAIRS(test_engine_keeps_order_when_a_port_is_full),
		PAIRS(test_engine_counts_frames_that_nobody_takes),
		PAIRS(test_engine_holds_many_links),
		cmocka_unit_test(test_port_of_no_device_is_an_error),
		VETHS(test_veth_seed_decides_which_datagrams_arrive),
		VETHS(test_veth_lost_segment_leaves_43_datagrams_in_two_frames),
		VETHS(test_veth_ping),
		VETHS(test_veth_arp_is_exempt),
		VETHS(test_veth_tcp_with_loss_is_intact),
		VETHS(test_veth_tcp_with_loss_is_intact_when_segmented_after),
		VETHS(test_veth_tcp_with_everything_is_intact),
		VETHS(test_veth_vlan_tag_survives),
		VETHS(test_veth_frames_not_read_yet_meet_the_old_condition),
		VETHS(test_veth_that_vanishes_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
