/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network namespace does not isolate sockets that have a path: nss-resolve, nscd
 * and avahi would answer a node's look-ups from the host, around the bad link.
 * So their directories are covered with empty ones.
 *
 * A resolv.conf(5) that is a symbolic link into such a directory is bound at
 * its end, which is therefore made anew inside the cover.
 */
#include "etc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "blueprint.h"
#include "err.h"
#include "ns.h"
#include "util.h"

#define HOST_RESOLV "/etc/resolv.conf"

static const char *const side_doors[] = { "/run/systemd/resolve", "/run/nscd", "/var/run/nscd",
					  "/run/avahi-daemon", "/var/run/avahi-daemon" };

static void put_host(FILE *f, const struct inet *a, const char *name)
{
	char text[64];

	if (!a->family)
		return;
	inet_print(text, sizeof(text), a, false);
	fprintf(f, "%s\t%s\n", text, name);
}

/* Flush to a descriptor and tell whether all of it got there. */
static int finish(FILE *f, const char *what, struct choppy_err *err)
{
	bool bad = ferror(f) || fflush(f) != 0;
	int r = bad ? -(errno ? errno : ENOSPC) : 0;

	fclose(f);
	return r < 0 ? err_sys(err, r, "write %s", what) : 0;
}

static FILE *create(const struct state *st, const char *name, struct choppy_err *err)
{
	int fd = state_file(st, name, err);

	return fd < 0 ? NULL : fdopen(fd, "w");
}

static void put_nodes(FILE *f, const struct etc_names *n)
{
	const struct topology *t = &n->nodes->file->t;

	for (uint32_t i = 0; i < t->nnodes; i++) {
		for (int family = 0; family < 1 + n->nodes6; family++) {
			const struct inet *a = blueprint_address(n->nodes, i, family);

			if (a)
				put_host(f, a, t->nodes[i].name);
		}
	}
}

static int write_hosts(const struct state *st, const struct etc_names *n, struct choppy_err *err)
{
	char self[HOST_NAME_MAX + 1] = "";
	FILE *f = create(st, "hosts", err);

	if (!f)
		return err ? err->code : -EIO;
	fprintf(f, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
	if (gethostname(self, sizeof(self) - 1) == 0 && self[0] && strcmp(self, "localhost") != 0)
		fprintf(f, "127.0.1.1\t%s\n", self);
	put_host(f, &n->v4->gateway, "gateway");
	put_host(f, &n->v6->gateway, "gateway");
	put_host(f, n->host4, ETC_HOST_NAME);
	put_host(f, n->host6, ETC_HOST_NAME);
	if (n->nodes) {
		put_nodes(f, n);
	} else {
		put_host(f, &n->v4->node, st->name);
		put_host(f, &n->v6->node, st->name);
	}
	return finish(f, "hosts", err);
}

/* Keep how names are searched; only who is asked changes. */
static void copy_options(FILE *to)
{
	char line[1024];
	FILE *from = fopen(HOST_RESOLV, "re");

	if (!from)
		return;
	while (fgets(line, sizeof(line), from)) {
		if (strncmp(line, "search", 6) == 0 || strncmp(line, "domain", 6) == 0 ||
		    strncmp(line, "options", 7) == 0)
			fputs(line, to);
	}
	fclose(from);
}

static int write_resolv(const struct state *st, const struct etc_names *n, bool dns,
			struct choppy_err *err)
{
	FILE *f = create(st, "resolv.conf", err);
	const struct inet *server = n->v4->gateway.family ? &n->v4->gateway : &n->v6->gateway;
	char text[64];

	if (!f)
		return err ? err->code : -EIO;
	if (dns) {
		inet_print(text, sizeof(text), server, false);
		fprintf(f, "# choppy: answered by the host's resolvers, across the link\n");
		fprintf(f, "nameserver %s\n", text);
		copy_options(f);
	} else {
		fprintf(f, "# choppy: no uplink, so no name server\n");
	}
	return finish(f, "resolv.conf", err);
}

int etc_write(const struct state *st, const struct etc_names *names, bool dns,
	      struct choppy_err *err)
{
	int r = write_hosts(st, names, err);

	return r < 0 ? r : write_resolv(st, names, dns, err);
}

/* The kernel gives a user namespace no new view of what is covered (mount_too_revealing()). */
static int mount_proc(struct choppy_err *err)
{
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0)
		return 0;
	if (errno != EPERM)
		return err_sys(err, -errno, "mount /proc");
	return err_cannot(
		err, -EPERM,
		"mount /proc: %s: parts of the /proc here are covered, as container engines "
		"do; docker run --security-opt systempaths=unconfined ...",
		strerror(EPERM));
}

/* Cover what gives away the host; /sys keeps the control groups that it had. */
static int mount_sys(char *note, struct choppy_err *err)
{
	CLEANUP_FD cgroup = (int)syscall(SYS_open_tree, AT_FDCWD, "/sys/fs/cgroup",
					 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC | AT_RECURSIVE);

	if (mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) {
		if (errno != EPERM)
			return err_sys(err, -errno, "mount /sys");
		snprintf(
			note, ETC_NOTE_MAX,
			"/sys cannot be mounted anew here: in it the node sees the host's devices");
		return 0;
	}
	if (cgroup >= 0)
		syscall(SYS_move_mount, cgroup, "", AT_FDCWD, "/sys/fs/cgroup",
			4 /* MOVE_MOUNT_F_EMPTY_PATH */);
	return 0;
}

/*
 * Labs made inside a node end with it, and so must what they leave; the host's are not theirs to
 * see. After the lab's own files are bound, which lie there too.
 */
static int cover_state(const char *home, struct choppy_err *err)
{
	const char *const dirs[] = { home, NETNS_DIR };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		if (mount("tmpfs", dirs[i], "tmpfs", MS_NOSUID | MS_NODEV, "mode=700,size=4m") <
			    0 &&
		    errno != ENOENT)
			return err_sys(err, -errno, "cover %s", dirs[i]);
	}
	return 0;
}

static int cover_side_doors(struct choppy_err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(side_doors); i++) {
		if (access(side_doors[i], F_OK) < 0)
			continue;
		if (mount("tmpfs", side_doors[i], "tmpfs", MS_NOSUID | MS_NODEV,
			  "mode=755,size=64k") < 0)
			return err_sys(err, -errno, "cover %s", side_doors[i]);
	}
	return 0;
}

/* Whether @path lies in a directory that was covered, where files may be made. */
static bool covered(const char *path)
{
	char real[PATH_MAX], dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%s", path);
	if (!strrchr(dir, '/'))
		return false;
	*strrchr(dir, '/') = '\0';
	if (!realpath(dir, real))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(side_doors); i++) {
		if (strcmp(real, side_doors[i]) == 0)
			return true;
	}
	return false;
}

/* -ENOENT: there is nothing to bind on, and making it would make it on the host's disk. */
static int bind_file(const char *from, const char *to)
{
	int fd, r;

	if (mount(from, to, NULL, MS_BIND, NULL) == 0)
		return 0;
	r = -errno;
	if (r != -ENOENT || !covered(to))
		return r;
	fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	close(fd);
	return mount(from, to, NULL, MS_BIND, NULL) < 0 ? -errno : 0;
}

/* Where a symbolic link in /etc leads, whether or not that exists. */
static void resolve_link(const char *path, char *ret, size_t size)
{
	char link[1024];
	ssize_t n = readlink(path, link, sizeof(link) - 1);

	if (n < 0) {
		snprintf(ret, size, "%s", path);
		return;
	}
	link[n] = '\0';
	snprintf(ret, size, "%s%s", link[0] == '/' ? "" : "/etc/", link);
}

int etc_mount(const char *dir, const char *home, char *note, struct choppy_err *err)
{
	static const struct {
		const char *from, *to;
	} files[] = { { "hosts", "/etc/hosts" }, { "resolv.conf", HOST_RESOLV } };
	char target[ARRAY_SIZE(files)][1100], from[256];
	int r;

	note[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		resolve_link(files[i].to, target[i], sizeof(target[i]));
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_sys(err, -errno, "detach from the machine's mounts");
	r = mount_proc(err);
	if (r == 0)
		r = mount_sys(note, err);
	if (r == 0)
		r = cover_side_doors(err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++) {
		int b;

		snprintf(from, sizeof(from), "%s/%s", dir, files[i].from);
		b = bind_file(from, target[i]);
		if (b == -ENOENT)
			snprintf(note, ETC_NOTE_MAX,
				 "this machine has no %s: the node gets none of its own",
				 files[i].to);
		else if (b < 0)
			r = err_sys(err, b, "bind %s", target[i]);
	}
	return r == 0 ? cover_state(home, err) : r;
}
