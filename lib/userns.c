/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A namespace belongs to the user namespace in which it was made; capabilities count there and in
 * its ancestors' eyes only (user_namespaces(7)). The kernel names the owner of a namespace
 * (NS_GET_USERNS, ioctl_ns(2)) only to those in the owner or above it: so an owner that can be
 * named is one in which this process's capabilities count.
 */
#include "userns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "err.h"
#include "ns.h"
#include "util.h"

static bool has_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	const uint32_t need = 1u << CAP_SYS_ADMIN | 1u << CAP_NET_ADMIN | 1u << CAP_NET_RAW;

	return syscall(SYS_capget, &head, data) == 0 && (data[0].effective & need) == need;
}

static bool is_ours(const char *namespace)
{
	CLEANUP_FD ns = open(namespace, O_RDONLY | O_CLOEXEC);
	CLEANUP_FD owner = ns < 0 ? -1 : ioctl(ns, NS_GET_USERNS);

	return owner >= 0;
}

bool powers_over_host(void)
{
	return has_capabilities() && is_ours("/proc/self/ns/net") && is_ours("/proc/self/ns/mnt");
}

static int map(const char *file, unsigned int inside, unsigned int outside, struct choppy_err *err)
{
	char path[64], line[64];
	int r;

	snprintf(path, sizeof(path), "/proc/self/%s", file);
	snprintf(line, sizeof(line), "%u %u 1\n", inside, outside);
	r = sysctl_write(path, line);
	return r < 0 ? err_cannot(err, r, "write %s of the new user namespace: %s", path,
				  strerror(-r))
		     : 0;
}

int userns_enter(bool map_root, struct choppy_err *err)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int r;

	if (unshare(CLONE_NEWUSER) < 0)
		return err_cannot(err, -errno, "create a user namespace: %s", strerror(errno));
	/* Who maps a group without power over it must not be able to leave groups that deny. */
	r = sysctl_write("/proc/self/setgroups", "deny");
	if (r < 0 && r != -ENOENT)
		return err_cannot(err, r, "write /proc/self/setgroups: %s", strerror(-r));
	r = map("uid_map", map_root ? 0 : uid, uid, err);
	return r < 0 ? r : map("gid_map", map_root ? 0 : gid, gid, err);
}

int powers_drop(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -errno;
	if (syscall(SYS_capset, &head, none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}
