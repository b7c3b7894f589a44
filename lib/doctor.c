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
#include "sandbox.h"
#include "util.h"

struct trial {
	struct choppy_ability a;
	/* 0, or a negative errno with the failing step in @err. Runs in a child of its own. */
	int (*run)(struct choppy_err *err);
};

static int try_netns(struct choppy_err *err)
{
	int ns = netns_new(err);

	return ns < 0 ? ns : 0;
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

static int try_sandbox(struct choppy_err *err)
{
	const struct sandbox box = { .name = "choppy-try", .syscalls = engine_syscalls };
	int wstatus, code;
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		code = sandbox_enter(&box, parent);
		_exit(code < 0 ? -code : 0);
	}
	if (pid < 0 || waitpid(pid, &wstatus, 0) != pid)
		return err_sys(err, -errno, "start a process");
	code = WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : EPERM;
	return code ? err_sys(err, -code, "give up privileges with a seccomp filter") : 0;
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
	{ { .name = "network namespace", .needed = true, .mend = "run as root: sudo choppy ..." },
	  try_netns },
	{ { .name = "PID and mount namespace",
	    .needed = true,
	    .mend = "run as root, in a container with --privileged" },
	  try_pidns },
	{ { .name = "veth links", .needed = true, .mend = "sudo modprobe veth" }, try_veth },
	{ { .name = "packet socket (engine)", .needed = true, .mend = "sudo modprobe af_packet" },
	  try_port },
	{ { .name = "seccomp filter (engine)",
	    .needed = true,
	    .mend = "use a kernel with CONFIG_SECCOMP_FILTER" },
	  try_sandbox },
	{ { .name = "state directory " STATE_DIR,
	    .needed = true,
	    .mend = "make " STATE_DIR " writable for root" },
	  try_state },
	{ { .name = "name under " NETNS_DIR,
	    .needed = true,
	    .mend = "run as root, in a container with --privileged" },
	  try_name },
	{ { .name = "IPv4 forwarding of a device", .needed = true, .mend = "use --uplink none" },
	  try_forwarding },
	{ { .name = "nftables owner table (nat)",
	    .needed = true,
	    .mend = "sudo modprobe -a nf_tables nft_masq nft_redir nft_fib_inet" },
	  try_nat },
	{ { .name = "forward chains let labs through", .needed = false, .mend = "" },
	  try_forward_policy },
	{ { .name = "IPv6 forwarding of a device",
	    .needed = false,
	    .mend = "use Linux 6.17 or later for IPv6 through nat" },
	  try_forwarding6 },
	{ { .name = "netem (--backend netem)", .needed = false, .mend = "sudo modprobe sch_netem" },
	  try_netem },
	{ { .name = "netem: times in whole ns", .needed = false, .mend = NETEM_MEND },
	  try_netem_ns },
	{ { .name = "netem: --seed", .needed = false, .mend = NETEM_MEND }, try_netem_seed },
	{ { .name = "netem: duplicate", .needed = false, .mend = NETEM_MEND },
	  try_netem_duplicate },
};

static void run_trial(const struct trial *t, struct choppy_ability *a)
{
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
		if (t->run(&err) == 0)
			err.code = 0;
		_exit(write(fds[1], &err, sizeof(err)) == sizeof(err) ? 0 : 1);
	}
	close(fds[1]);
	if (pid > 0 && read(fds[0], &err, sizeof(err)) == sizeof(err)) {
		a->works = err.code == 0;
		snprintf(a->why, sizeof(a->why), "%s", a->works ? "" : err.msg);
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
	struct choppy_ability a;
	int missing = 0;

	for (size_t i = 0; i < ARRAY_SIZE(trials); i++) {
		run_trial(&trials[i], &a);
		each(ctx, &a);
		if (a.needed && !a.works)
			missing++;
	}
	return missing ? err_cannot(err, -EOPNOTSUPP,
				    "%d of the things that labs need do not work here", missing)
		       : 0;
}
