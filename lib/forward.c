/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file /run/choppy/forward/FAMILY.NETNS.IFINDEX.DEV holds the old value of the device's
 * flag and of the global switch, then a line for each lab that needs it on:
 *
 *	old 0 global 0
 *	blue
 *	run-4711
 *
 * The flag goes back when the last line goes, unless it is no longer ours: the
 * device is another one by now, or somebody switched forwarding on for the whole
 * machine meanwhile.
 */
#include "forward.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "err.h"
#include "ns.h"
#include "util.h"

#define FILE_MAX 65536

static void flag_path(char *buf, size_t size, int family, const char *dev)
{
	if (family == 4)
		snprintf(buf, size, "/proc/sys/net/ipv4/conf/%s/forwarding", dev);
	else
		snprintf(buf, size, "/proc/sys/net/ipv6/conf/%s/force_forwarding", dev);
}

bool forward_has6(void)
{
	return access("/proc/sys/net/ipv6/conf/all/force_forwarding", W_OK) == 0;
}

static int flag_get(int family, const char *dev)
{
	char path[128], value[16];
	int r;

	flag_path(path, sizeof(path), family, dev);
	r = sysctl_read(path, value, sizeof(value));
	return r < 0 ? r : atoi(value);
}

static int global_get(int family)
{
	char value[16];
	int r = sysctl_read(family == 4 ? "/proc/sys/net/ipv4/ip_forward"
					: "/proc/sys/net/ipv6/conf/all/forwarding",
			    value, sizeof(value));

	return r < 0 ? r : atoi(value);
}

/* IPv4 goes by netlink, which works where /proc/sys is read-only. */
static int flag_set(int family, int ifindex, const char *dev, bool on, struct choppy_err *err)
{
	char path[128];
	struct nl *nl;
	struct nl_msg m;
	int r;

	if (family == 6) {
		flag_path(path, sizeof(path), family, dev);
		r = sysctl_write(path, on ? "1" : "0");
		return r < 0 ? err_sys(err, r, "write %s", path) : 0;
	}
	r = nl_open(&nl, NETLINK_ROUTE, err);
	if (r < 0)
		return r;
	nl_msg_init(&m);
	link_forwarding(&m, ifindex, on);
	r = nl_do(nl, &m, err);
	nl_close(nl);
	return r < 0 ? err_prefix(err, "%s", dev), r : 0;
}

/* NETNS is an inode: namespaces may share /run and have devices of one name and index. */
static void file_name(char *buf, size_t size, int family, int ifindex, const char *dev)
{
	snprintf(buf, size, "forward/%d.%lu.%d.%s", family, (unsigned long)netns_inode(), ifindex,
		 dev);
}

static int open_file(int root, int family, int ifindex, const char *dev, int flags)
{
	char name[96];
	int fd;

	file_name(name, sizeof(name), family, ifindex, dev);
	fd = openat(root, name, flags | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static void unlink_file(int root, int family, int ifindex, const char *dev)
{
	char name[96];

	file_name(name, sizeof(name), family, ifindex, dev);
	unlinkat(root, name, 0);
	unlinkat(root, "forward", AT_REMOVEDIR); /* stays while others need it */
}

int forward_hold(int root, const char *name, int family, int ifindex, const char *dev,
		 struct choppy_err *err)
{
	CLEANUP_FD fd = -1;
	char line[96];
	int n = 0, old;

	if (mkdirat(root, "forward", 0700) < 0 && errno != EEXIST)
		return err_sys(err, -errno, "make %s/forward", STATE_DIR);
	fd = open_file(root, family, ifindex, dev, O_WRONLY | O_APPEND);
	if (fd == -ENOENT) {
		old = flag_get(family, dev);
		if (old < 0)
			return err_sys(err, old, "read the forwarding flag of %s", dev);
		fd = open_file(root, family, ifindex, dev, O_WRONLY | O_APPEND | O_CREAT | O_EXCL);
		n = snprintf(line, sizeof(line), "old %d global %d\n", old, global_get(family));
	}
	if (fd < 0)
		return err_sys(err, fd, "write %s/forward", STATE_DIR);
	n += snprintf(line + n, sizeof(line) - (size_t)n, "%s\n", name);
	if (write(fd, line, (size_t)n) != n)
		return err_sys(err, -ENOSPC, "write %s/forward", STATE_DIR);
	return flag_set(family, ifindex, dev, true, err);
}

/* Drop the line @name from @text; returns how many other users stay. */
static int drop_user(char *text, const char *name)
{
	char *in = strchr(text, '\n'), *out;
	size_t len = strlen(name);
	int users = 0;

	if (!in)
		return 0;
	out = ++in;
	while (*in) {
		size_t n = strcspn(in, "\n") + 1;

		if (!(n == len + 1 && strncmp(in, name, len) == 0)) {
			memmove(out, in, n);
			out += n;
			users++;
		}
		in += n;
	}
	*out = '\0';
	return users;
}

int forward_release(int root, const char *name, int family, int ifindex, const char *dev,
		    struct choppy_err *err)
{
	CLEANUP_FREE char *text = calloc(1, FILE_MAX + 2);
	CLEANUP_FD fd = open_file(root, family, ifindex, dev, O_RDWR);
	int old = 1, global = 1, r = 0;
	ssize_t n;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0 || !text)
		return err_sys(err, fd < 0 ? fd : -ENOMEM, "open %s/forward", STATE_DIR);
	n = read(fd, text, FILE_MAX);
	if (n < 0)
		return err_sys(err, -errno, "read %s/forward", STATE_DIR);
	if (n && text[n - 1] != '\n')
		text[n] = '\n'; /* the writer was killed in the middle of its line */
	if (drop_user(text, name) > 0) {
		n = (ssize_t)strlen(text);
		if (pwrite(fd, text, (size_t)n, 0) != n || ftruncate(fd, n) < 0)
			return err_sys(err, -errno, "write %s/forward", STATE_DIR);
		return 0;
	}
	if (sscanf(text, "old %d global %d", &old, &global) == 2 && old == 0 &&
	    (int)if_nametoindex(dev) == ifindex && !(global == 0 && global_get(family) == 1))
		r = flag_set(family, ifindex, dev, false, err);
	unlink_file(root, family, ifindex, dev);
	return r;
}
