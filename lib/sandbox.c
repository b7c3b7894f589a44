/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "err.h"
#include "userns.h"
#include "util.h"

#define NOBODY 65534
#define FILTER_MAX 128

#if defined(__x86_64__)
#define AUDIT_ARCH_HERE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define AUDIT_ARCH_HERE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define AUDIT_ARCH_HERE AUDIT_ARCH_RISCV64
#else
#error "name this machine's audit architecture"
#endif

static void signals_default(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool kept(const struct sandbox *box, int fd)
{
	for (int i = 0; i < box->nkeep; i++) {
		if (box->keep[i] == fd)
			return true;
	}
	return false;
}

/* Close the gaps between the kept descriptors, and give 0 to 2 a harmless one. */
static int close_others(const struct sandbox *box)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), low = 3;

	for (int fd = 0; null >= 0 && fd < 3; fd++) {
		if (!kept(box, fd) && dup2(null, fd) < 0)
			return -errno;
	}
	for (;;) {
		int next = -1;

		for (int i = 0; i < box->nkeep; i++) {
			if (box->keep[i] >= low && (next < 0 || box->keep[i] < next))
				next = box->keep[i];
		}
		if (next != low &&
		    close_range((unsigned int)low, next < 0 ? ~0u : (unsigned int)next - 1, 0) < 0)
			return -errno;
		if (next < 0)
			return 0;
		low = next + 1;
	}
}

/* An empty file system in place of all others (pivot_root(2), "pivot_root(".", ".")"). */
static int empty_root(void)
{
	int r = powers_over_host() ? 0 : userns_enter(false, NULL);

	if (r < 0)
		return r;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
	    mount("tmpfs", "/proc", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "size=4k,mode=555") < 0 ||
	    chdir("/proc") < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0)
		return -errno;
	return 0;
}

/* Root of a user namespace that maps nobody stays its root, who is an ordinary user outside. */
static int become_nobody(void)
{
	if (setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
	    setresuid(NOBODY, NOBODY, NOBODY) == 0)
		return 0;
	return errno == EINVAL || errno == EPERM ? 0 : -errno;
}

static int drop_privileges(void)
{
	int r = geteuid() == 0 ? become_nobody() : 0;

	if (r == 0)
		r = powers_drop();
	if (r == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		r = -errno;
	return r;
}

/* Behind a comparison that has found socket(2): what it is to make. */
static const struct sock_filter inet_sockets[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 1, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};

static const struct sock_filter anything[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };

/* Allow the listed calls, kill on any other. One comparison a call, in the list's order. */
static int filter_load(const int *syscalls, bool inet_only)
{
	struct sock_filter f[FILTER_MAX];
	struct sock_fprog prog = { .filter = f };
	unsigned short n = 0;

	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, arch));
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_HERE, 1, 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, nr));
	for (; *syscalls >= 0; syscalls++) {
		bool narrow = inet_only && *syscalls == __NR_socket;
		const struct sock_filter *then = narrow ? inet_sockets : anything;
		size_t len = narrow ? ARRAY_SIZE(inet_sockets) : ARRAY_SIZE(anything);

		if (n + len + 2 > FILTER_MAX)
			return -E2BIG;
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
						      (unsigned int)*syscalls, 0, (uint8_t)len);
		memcpy(&f[n], then, len * sizeof(*then));
		n += (unsigned short)len;
	}
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	prog.len = n;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0 ? -errno : 0;
}

int sandbox_enter(const struct sandbox *box, pid_t parent)
{
	int r;

	signals_default();
	signal(SIGXFSZ, SIG_IGN); /* a full quota is an error, not a death */
	setsid();
	prctl(PR_SET_NAME, box->name);
	r = close_others(box);
	if (r == 0 && box->empty_root)
		r = empty_root();
	if (r == 0)
		r = drop_privileges();
	if (r < 0)
		return r;
	/* After the change of user, which clears it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	if (getppid() != parent)
		return -ESRCH;
	return box->syscalls ? filter_load(box->syscalls, box->inet_only) : 0;
}

pid_t sandbox_fork(const struct sandbox *box, int (*main)(int fd), int *ret_fd,
		   struct choppy_err *err)
{
	struct sandbox with_socket = *box;
	pid_t self = getpid(), pid;
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return err_sys(err, -errno, "make a socket pair");
	pid = fork();
	if (pid == 0) {
		with_socket.keep = &fds[1];
		with_socket.nkeep = 1;
		_exit(sandbox_enter(&with_socket, self) < 0 ? CHOPPY_EXIT_FAILED : main(fds[1]));
	}
	r = -errno;
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return err_sys(err, r, "start the process %s", box->name);
	}
	*ret_fd = fds[0];
	return pid;
}
