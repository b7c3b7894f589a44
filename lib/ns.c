/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A name under /run/netns is a file with the namespace mounted on it. The
 * directory must be a mount point of its own, shared, so that an unmount reaches
 * every mount namespace that copied it; it is made private first, or each
 * namespace would be mounted twice where /run is shared already. Two processes
 * that do this at once pile up mounts: hence the lock on the directory
 * (ip-netns(8) takes the same one).
 *
 * A directory that was made here is remembered by an empty file of choppy's; with the
 * last lab, when it holds no name any more, the mount and the directory go again.
 */
#include "ns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include "err.h"
#include "util.h"

/* Empty; says that the directory is choppy's to remove. Goes with /run/choppy at the latest. */
#define NETNS_MARK "/run/choppy/netns-dir"

int netns_current(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

ino_t netns_inode(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) < 0 ? 0 : st.st_ino;
}

int netns_new(struct choppy_err *err)
{
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		return err_sys(err, -errno, "create a network namespace");
	fd = netns_current();
	if (fd < 0)
		return err_sys(err, fd, "open the new network namespace");
	return fd;
}

int netns_enter(int ns, struct choppy_err *err)
{
	if (setns(ns, CLONE_NEWNET) < 0)
		return err_sys(err, -errno, "enter a network namespace");
	return 0;
}

static int write_line(int dir, const char *path, const char *value)
{
	CLEANUP_FD fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, value, strlen(value));
	return n < 0 ? -errno : 0;
}

int sysctl_write(const char *path, const char *value)
{
	return write_line(AT_FDCWD, path, value);
}

int sysctl_write_in(int proc, const char *path, const char *value)
{
	char usual[128];

	if (proc >= 0)
		return write_line(proc, path, value);
	snprintf(usual, sizeof(usual), "/proc/%s", path);
	return write_line(AT_FDCWD, usual, value);
}

int proc_new(void)
{
	struct statvfs usual;
	CLEANUP_FD context = -1;
	int fd;

	if (statvfs("/proc/sys", &usual) < 0)
		return -errno;
	if (usual.f_flag & ST_RDONLY)
		return -EROFS;
	context = fsopen("proc", FSOPEN_CLOEXEC);
	if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(context, FSMOUNT_CLOEXEC,
		     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_read(const char *path, char *buf, size_t size)
{
	CLEANUP_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

static void netns_path(char buf[static 300], const char *name)
{
	snprintf(buf, 300, "%s/%s", NETNS_DIR, name);
}

enum netns_name netns_lookup(const char *name)
{
	char path[300];
	struct statfs fs;
	struct stat st;

	netns_path(path, name);
	if (statfs(path, &fs) < 0)
		return NETNS_NONE;
	if (fs.f_type == NSFS_MAGIC)
		return NETNS_MOUNTED;
	/* What a killed `ip netns add` leaves is empty; anything else is somebody's file. */
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0 ? NETNS_DEBRIS
									      : NETNS_MOUNTED;
}

int netns_dir_make(struct choppy_err *err)
{
	CLEANUP_FD mark = -1;

	if (mkdir(NETNS_DIR, 0755) == 0)
		mark = open(NETNS_MARK, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	else if (errno != EEXIST)
		return err_sys(err, -errno, "make directory %s", NETNS_DIR);
	return 0;
}

static int lock_dir(void)
{
	int fd = open(NETNS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX) < 0)
		close_fd(&fd);
	return fd;
}

/* Make /run/netns what ip-netns(8) expects, unless it is already. */
static int prepare_dir(struct choppy_err *err)
{
	CLEANUP_FD lock = -1;
	int r = netns_dir_make(err);

	if (r < 0)
		return r;
	lock = lock_dir();
	if (lock < 0)
		return err_sys(err, -errno, "lock %s", NETNS_DIR);
	if (mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) == 0)
		return 0;
	if (errno != EINVAL)
		return err_sys(err, -errno, "make %s a shared mount", NETNS_DIR);
	/* EINVAL: not a mount point yet. */
	if (mount(NETNS_DIR, NETNS_DIR, "none", MS_BIND | MS_REC, NULL) < 0)
		return err_sys(err, -errno, "mount %s on itself", NETNS_DIR);
	if (mount("", NETNS_DIR, "none", MS_PRIVATE, NULL) < 0 ||
	    mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) < 0)
		return err_sys(err, -errno, "make %s a shared mount", NETNS_DIR);
	return 0;
}

void netns_dir_release(void)
{
	CLEANUP_FD lock = lock_dir();
	struct dirent *e;
	bool used = false;
	DIR *d;

	if (lock < 0 || access(NETNS_MARK, F_OK) < 0)
		return;
	d = opendir(NETNS_DIR);
	while (d && (e = readdir(d)))
		used |= strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	if (d)
		closedir(d);
	if (used || !d)
		return;
	unlink(NETNS_MARK);
	umount2(NETNS_DIR, MNT_DETACH);
	rmdir(NETNS_DIR);
}

int netns_publish(const char *name, int ns, struct choppy_err *err)
{
	char path[300], self[64];
	CLEANUP_FD fd = -1;
	int r = prepare_dir(err);

	if (r < 0)
		return r;
	netns_path(path, name);
	fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
	if (fd < 0 && !(errno == EEXIST && netns_lookup(name) == NETNS_DEBRIS))
		return err_sys(err, -errno, "make %s", path);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", ns);
	if (mount(self, path, "none", MS_BIND, NULL) < 0) {
		r = -errno;
		unlink(path);
		return err_sys(err, r, "mount the namespace on %s", path);
	}
	return 0;
}

int netns_unpublish(const char *name, ino_t ino)
{
	char path[300];
	struct stat st;

	netns_path(path, name);
	if (netns_lookup(name) == NETNS_MOUNTED) {
		if (stat(path, &st) < 0)
			return -errno;
		if (st.st_ino != ino)
			return 0; /* somebody else's by now */
		if (umount2(path, MNT_DETACH) < 0)
			return -errno;
	}
	if (netns_lookup(name) == NETNS_DEBRIS && unlink(path) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}
