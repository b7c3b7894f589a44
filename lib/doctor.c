/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each row of the table is tried for real in a child process, which takes new
 * namespaces where the trial would change something; whatever it makes ends with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "backend.h"
#include "engine.h"
#include "err.h"
#include "forward.h"
#include "internal.h"
#include "ns.h"
#include "refusal.h"
#include "sandbox.h"
#include "userns.h"
#include "util.h"

/* Who needs it: who has root's powers, who has not, or both. */
enum who { EVERYBODY, ROOT, USER };

struct trial {
	enum who who;
	struct choppy_ability a;
	/* 0, or a negative errno with the failing step in @err. Runs in a child of its own. */
	int (*run)(struct choppy_err *err);
};

/* What is needed for any trial is. */
static int try_nothing(struct choppy_err *err)
{
	return 0;
}

static int try_netns(struct choppy_err *err)
{
	int ns = netns_new(err);

	return ns < 0 ? ns : 0;
}

static int try_sysctl(struct choppy_err *err)
{
	static const char path[] = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
	int r = try_netns(err);

	if (r == 0)
		r = sysctl_write(path, "0");
	return r < 0 ? err_sys(err, r, "write %s", path) : 0;
}

static int try_pidns(struct choppy_err *err)
{
	int wstatus, code = 0;
	pid_t pid;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
		return err_sys(err, -errno, "create a PID and a mount namespace");
	pid = fork();
	if (pid < 0)
		return err_sys(err, -errno, "start a process in them");
	if (pid == 0) {
		if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
		    mount("proc", "/proc", "proc", 0, NULL) < 0)
			code = errno;
		_exit(code);
	}
	if (waitpid(pid, &wstatus, 0) != pid)
		return err_sys(err, -errno, "wait for a process in them");
	code = WEXITSTATUS(wstatus);
	return code ? err_sys(err, -code, "mount /proc in it") : 0;
}

/* A pair of veths "a" (2) and "b" (3) in a namespace of the child's own. */
static int make_pair(struct nl **ret, struct choppy_err *err)
{
	struct veth_end a = { .name = "a", .ns = -1, .ifindex = 2, .mac = { 2, 0, 0, 0, 0, 1 } };
	struct veth_end b = { .name = "b", .ns = -1, .ifindex = 3, .mac = { 2, 0, 0, 0, 0, 2 } };
	struct nl_msg m;
	int r = try_netns(err);

	if (r == 0)
		r = nl_open(ret, NETLINK_ROUTE, err);
	if (r < 0)
		return r;
	nl_msg_init(&m);
	link_veth(&m, &a, &b, LINK_MTU);
	link_up(&m, 3);
	return nl_do(*ret, &m, err);
}

static int try_veth(struct choppy_err *err)
{
	struct nl *nl;

	return make_pair(&nl, err);
}

static int try_port(struct choppy_err *err)
{
	struct nl *nl;
	int rcvbuf, fd, r = make_pair(&nl, err);

	if (r < 0)
		return r;
	fd = engine_port_open(2, &rcvbuf);
	return fd < 0 ? err_sys(err, fd, "open a packet socket") : 0;
}

/* @then (may be NULL) in a process that has given up everything; it returns a negative errno. */
static int sandboxed(const struct sandbox *box, int (*then)(void), const char *what,
		     struct choppy_err *err)
{
	pid_t parent = getpid(), pid = fork();
	int wstatus, code;

	if (pid == 0) {
		code = sandbox_enter(box, parent);
		if (code == 0 && then)
			code = then();
		_exit(code < 0 ? -code : 0);
	}
	if (pid < 0 || waitpid(pid, &wstatus, 0) != pid)
		return err_sys(err, -errno, "start a process");
	code = WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : EPERM;
	return code ? err_sys(err, -code, "%s", what) : 0;
}

static int try_sandbox(struct choppy_err *err)
{
	const struct sandbox box = { .name = "choppy-try", .syscalls = engine_syscalls };

	return sandboxed(&box, NULL, "give up privileges with a seccomp filter", err);
}

static int open_ping(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);

	return fd < 0 ? -errno : 0;
}

/* As the relay, which is nobody where it was root. */
static int try_ping(struct choppy_err *err)
{
	const struct sandbox box = { .name = "choppy-try" };

	return sandboxed(&box, open_ping, "open a ping socket", err);
}

static int try_forwarding(struct choppy_err *err)
{
	struct link_info info;
	struct nl *nl;
	struct nl_msg m;
	int r = make_pair(&nl, err);

	if (r < 0)
		return r;
	nl_msg_init(&m);
	link_forwarding(&m, 2, true);
	r = nl_do(nl, &m, err);
	if (r == 0)
		r = link_get(nl, "a", &info, err);
	if (r == 0 && !info.forwarding)
		return err_set(err, -EIO, "the kernel took the flag and did not set it");
	return r;
}

static int try_forwarding6(struct choppy_err *err)
{
	return forward_has6()
		       ? 0
		       : err_set(err, -EOPNOTSUPP,
				 "no /proc/sys/net/ipv6/conf/*/force_forwarding (Linux 6.17)");
}

static int try_nat(struct choppy_err *err)
{
	struct nft_rules rules = { .table = "choppy-try",
				   .comment = "choppy",
				   .host_dev = "a",
				   .len4 = 31,
				   .dns_port = 5353 };
	struct nft_table *t;
	struct nl *nl;
	int r = make_pair(&nl, err);

	return r < 0 ? r : nft_table_add(&t, &rules, err);
}

static int try_relay(struct choppy_err *err)
{
	const struct nft_relay rules = { .table = "choppy-try",
					 .comment = "choppy",
					 .dev = "a",
					 .v4 = true,
					 .v6 = true,
					 .port = 1,
					 .mark = 1 };
	struct nft_table *t;
	struct nl *nl;
	int r = make_pair(&nl, err);

	return r < 0 ? r : nft_relay_add(&t, &rules, err);
}

static int try_forward_policy(struct choppy_err *err)
{
	char text[CHOPPY_NOTE_MAX];
	int drops = 0, r = nft_forward_drop(&drops, text, sizeof(text), HOST_DEV_PREFIX "*", err);

	return r < 0 ? r : drops ? err_set(err, -EACCES, "%s", text) : 0;
}

static int try_state(struct choppy_err *err)
{
	struct statvfs fs;
	CLEANUP_HOME home = HOME_INIT;
	CLEANUP_FD lock = -1;
	int r = home_find(&home, err);

	if (r == 0)
		r = home_make(&home, err);
	if (r < 0)
		return r;
	lock = state_lock(&home, err);
	if (lock < 0)
		return lock;
	r = fstatvfs(home.fd, &fs) < 0 ? err_sys(err, -errno, "look at %s", home.dir) : 0;
	if (r == 0 && fs.f_bavail == 0)
		r = err_set(err, -ENOSPC, "%s: the disk is full", home.dir);
	state_prune(&home);
	return r;
}

static int try_name(struct choppy_err *err)
{
	int ns;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0)
		return err_sys(err, -errno, "create a mount namespace");
	ns = netns_new(err);
	return ns < 0 ? ns : netns_publish("choppy-try", ns, err);
}

/* A netem with @c on a device that is thrown away. */
static int make_netem(const struct choppy_condition *c, struct netem_end *e, struct choppy_err *err)
{
	struct link_end end = { .ifindex = 2, .dev = "a" };
	int r = make_pair(&end.nl, err);

	return r < 0 ? r : netem_apply(&end, e, c, 1, err);
}

static int try_netem(struct choppy_err *err)
{
	const struct choppy_condition none = { 0 };
	struct netem_end e = { 0 };

	return make_netem(&none, &e, err);
}

static int try_netem_ns(struct choppy_err *err)
{
	const struct choppy_condition c = { .set = CHOPPY_FIELD_BIT(CHOPPY_DELAY), .delay_ns = 1 };
	struct netem_end e = { 0 };
	int r = make_netem(&c, &e, err);

	return r < 0 || !e.rounded[0] ? r : err_set(err, -EOPNOTSUPP, "%s", e.rounded);
}

static int try_netem_seed(struct choppy_err *err)
{
	const struct choppy_condition none = { 0 };
	struct netem_end e = { 0 };
	int r = make_netem(&none, &e, err);

	if (r < 0 || netem_has_seed(&e))
		return r;
	return err_set(err, -EOPNOTSUPP, "the kernel passes the seed over (Linux 6.6 has it)");
}

static int try_netem_duplicate(struct choppy_err *err)
{
	const struct choppy_condition c = { .set = CHOPPY_FIELD_BIT(CHOPPY_DUPLICATE),
					    .duplicate_ppb = 1000000 };
	struct netem_end e = { 0 };

	return make_netem(&c, &e, err);
}

#define NETEM_MEND "use the engine, which is the default"

static const struct trial trials[] = {
	{ USER,
	  { .name = "user namespace", .needed = true, .mend = "sudo choppy ..." },
	  try_nothing },
	{ EVERYBODY,
	  { .name = "network namespace", .needed = true, .mend = "run as root: sudo choppy ..." },
	  try_netns },
	{ EVERYBODY,
	  { .name = "settings of a namespace (/proc/sys)",
	    .needed = false,
	    .mend = "sudo mount -o remount,rw /proc/sys" },
	  try_sysctl },
	{ ROOT,
	  { .name = "PID and mount namespace",
	    .needed = true,
	    .mend = "run as root, in a container with --privileged" },
	  try_pidns },
	{ USER,
	  { .name = "PID and mount namespace",
	    .needed = true,
	    .mend = "docker run --security-opt systempaths=unconfined ..." },
	  try_pidns },
	{ EVERYBODY,
	  { .name = "veth links", .needed = true, .mend = "sudo modprobe veth" },
	  try_veth },
	{ EVERYBODY,
	  { .name = "packet socket (engine)", .needed = true, .mend = "sudo modprobe af_packet" },
	  try_port },
	{ EVERYBODY,
	  { .name = "seccomp filter (engine)",
	    .needed = true,
	    .mend = "use a kernel with CONFIG_SECCOMP_FILTER" },
	  try_sandbox },
	{ ROOT,
	  { .name = "state directory",
	    .needed = true,
	    .mend = "sudo mount -t tmpfs -o mode=755 tmpfs /run" },
	  try_state },
	{ USER,
	  { .name = "state directory",
	    .needed = true,
	    .mend = "export XDG_RUNTIME_DIR=$(mktemp -d)" },
	  try_state },
	{ ROOT,
	  { .name = "name under " NETNS_DIR,
	    .needed = true,
	    .mend = "run as root, in a container with --privileged" },
	  try_name },
	{ ROOT,
	  { .name = "IPv4 forwarding of a device", .needed = true, .mend = "use --uplink none" },
	  try_forwarding },
	{ ROOT,
	  { .name = "nftables owner table (nat)",
	    .needed = true,
	    .mend = "sudo modprobe -a nf_tables nft_masq nft_redir nft_fib_inet" },
	  try_nat },
	{ ROOT,
	  { .name = "forward chains let labs through", .needed = false, .mend = "" },
	  try_forward_policy },
	{ ROOT,
	  { .name = "IPv6 forwarding of a device",
	    .needed = false,
	    .mend = "use Linux 6.17 or later for IPv6 through nat" },
	  try_forwarding6 },
	{ USER,
	  { .name = "nftables tproxy (relay)",
	    .needed = true,
	    .mend = "sudo modprobe -a nf_tables nft_tproxy nf_tproxy_ipv4 nf_tproxy_ipv6" },
	  try_relay },
	{ ROOT,
	  { .name = "nftables tproxy (relay)",
	    .needed = false,
	    .mend = "sudo modprobe -a nf_tables nft_tproxy nf_tproxy_ipv4 nf_tproxy_ipv6" },
	  try_relay },
	{ EVERYBODY,
	  { .name = "ping beyond the gateway (relay)",
	    .needed = false,
	    .mend = "sudo sysctl -w net.ipv4.ping_group_range='0 2147483647'" },
	  try_ping },
	{ EVERYBODY,
	  { .name = "netem (--backend netem)", .needed = false, .mend = "sudo modprobe sch_netem" },
	  try_netem },
	{ EVERYBODY,
	  { .name = "netem: times in whole ns", .needed = false, .mend = NETEM_MEND },
	  try_netem_ns },
	{ EVERYBODY,
	  { .name = "netem: --seed", .needed = false, .mend = NETEM_MEND },
	  try_netem_seed },
	{ EVERYBODY,
	  { .name = "netem: duplicate", .needed = false, .mend = NETEM_MEND },
	  try_netem_duplicate },
};

/* What is tried outside of the user namespace: what the relay's processes do, and the state. */
static bool is_of_host(const struct trial *t)
{
	return t->run == try_ping || t->run == try_state;
}

static int run_as(const struct trial *t, bool own, struct choppy_err *err)
{
	int r = own && !is_of_host(t) ? userns_enter(false, err) : 0;

	return r < 0 ? r : t->run(err);
}

static void run_trial(const struct trial *t, bool own, struct choppy_ability *a)
{
	const struct refusal *refusal;
	struct choppy_err err = { 0 };
	int fds[2];
	pid_t pid;

	*a = t->a;
	a->works = false;
	snprintf(a->why, sizeof(a->why), "the trial could not be started");
	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		if (run_as(t, own, &err) == 0)
			err.code = 0;
		_exit(write(fds[1], &err, sizeof(err)) == sizeof(err) ? 0 : 1);
	}
	close(fds[1]);
	if (pid > 0 && read(fds[0], &err, sizeof(err)) == sizeof(err)) {
		a->works = err.code == 0;
		snprintf(a->why, sizeof(a->why), "%s", a->works ? "" : err.msg);
	}
	refusal = own && !a->works && !is_of_host(t) ? refusal_find("/proc", err.code) : NULL;
	if (refusal) {
		size_t len = strlen(a->why);

		snprintf(a->why + len, sizeof(a->why) - len, ": %s", refusal->why);
		snprintf(a->mend, sizeof(a->mend), "%s", refusal->mend);
	}
	if (a->works)
		a->mend[0] = '\0';
	close(fds[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

int choppy_doctor(void (*each)(void *ctx, const struct choppy_ability *a), void *ctx,
		  struct choppy_err *err)
{
	CLEANUP_HOME home = HOME_INIT;
	struct choppy_ability a;
	int missing = 0;
	enum who not_us;

	home_find(&home, NULL); /* what is wrong with it, a trial tells */
	not_us = home.own ? ROOT : USER;
	for (size_t i = 0; i < ARRAY_SIZE(trials); i++) {
		if (trials[i].who == not_us)
			continue;
		run_trial(&trials[i], home.own, &a);
		each(ctx, &a);
		if (a.needed && !a.works)
			missing++;
	}
	return missing ? err_cannot(err, -EOPNOTSUPP,
				    "%d of the things that labs need do not work here", missing)
		       : 0;
}
