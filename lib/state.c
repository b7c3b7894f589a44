/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal is a text file, written before each host change that the kernel
 * would not undo by itself:
 *
 *	choppy 1 BOOT-ID PID START-TIME NETNS ADDR4 ADDR6
 *	+ KIND ARGUMENTS...
 *	- KIND ARGUMENTS...        (undone)
 *
 * NETNS is the inode of the network namespace whose devices and rules the entries are about:
 * only there are they undone.
 *
 * The keeper holds an exclusive flock(2) on it for as long as it lives, so "dead"
 * is a fact and not a guess from a pid. An entry is undone by the row of the
 * table below; every undo may be run twice. The keeper, the undertaker and gc
 * all undo by this one path.
 */
#include "state.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "err.h"
#include "forward.h"
#include "nft.h"
#include "ns.h"
#include "userns.h"
#include "util.h"

#define JOURNAL_MAX (64 * 1024)

static const char *const lab_files[] = { "hosts", "resolv.conf", "control", "journal" };

static int undo_netns(int root, const char *lab, const char *args, struct choppy_err *err)
{
	char name[CHOPPY_NAME_MAX + 1];
	unsigned long ino;
	int r;

	if (sscanf(args, "%31s %lu", name, &ino) != 2)
		return 0;
	r = netns_unpublish(name, (ino_t)ino);
	return r < 0 ? err_sys(err, r, "remove %s/%s", NETNS_DIR, name) : 0;
}

static int undo_forward(int root, const char *lab, const char *args, struct choppy_err *err)
{
	char dev[16];
	int family, ifindex;

	if (sscanf(args, "%d %d %15s", &family, &ifindex, dev) != 3)
		return 0;
	return forward_release(root, lab, family, ifindex, dev, err);
}

static int undo_conntrack(int root, const char *lab, const char *args, struct choppy_err *err)
{
	struct inet a;

	if (inet_parse(&a, args, NULL) < 0)
		return 0;
	return conntrack_flush(a.family, a.bytes, a.len, NULL, err);
}

static const struct journal_kind {
	const char *name;
	const char *what; /* for people */
	int (*undo)(int root, const char *lab, const char *args, struct choppy_err *err);
} kinds[] = {
	{ "netns", "remove the name under " NETNS_DIR, undo_netns },
	{ "forward", "release forwarding of the device", undo_forward },
	{ "conntrack", "delete the connection tracking entries of", undo_conntrack },
};

static const struct journal_kind *kind_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	}
	return NULL;
}

/* A directory of this user's that the login set up for such things. */
static bool is_runtime_dir(const char *dir)
{
	struct stat st;

	return dir && dir[0] == '/' && stat(dir, &st) == 0 && S_ISDIR(st.st_mode) &&
	       st.st_uid == geteuid();
}

#define OWN_PLACES 3

/* Where an ordinary user's labs may lie, the first choice first; NULL: not here. */
static const char *own_place(int i, char *buf, size_t size)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	char login[32];

	snprintf(login, sizeof(login), "/run/user/%u", geteuid());
	if (i == 0 && !is_runtime_dir(xdg)) /* sudo and su leave another user's here */
		return NULL;
	if (i == 1 && !is_runtime_dir(login))
		return NULL;
	if (i == 2)
		snprintf(buf, size, "/tmp/choppy-%u", geteuid());
	else
		snprintf(buf, size, "%s/choppy", i == 0 ? xdg : login);
	return buf;
}

static int name_own(struct home *home, struct choppy_err *err)
{
	char dir[PATH_MAX];
	size_t n;

	for (int i = 0; !own_place(i, dir, sizeof(dir)); i++)
		;
	n = strlen(dir);
	if (n >= sizeof(home->dir))
		return err_set(
			err, -ENAMETOOLONG,
			"XDG_RUNTIME_DIR has %zu characters: at most %zu are possible, since "
			"sockets are to be named in it",
			n - strlen("/choppy"), sizeof(home->dir) - sizeof("/choppy"));
	memcpy(home->dir, dir, n + 1);
	return 0;
}

/* 0 with @home->fd -1: there is none. In /tmp it may be anybody's. */
static int home_open(struct home *home, struct choppy_err *err)
{
	struct stat st;
	int r = 0;

	home->fd = open(home->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (home->fd < 0)
		r = -errno;
	else if (fstat(home->fd, &st) < 0)
		r = -errno;
	else if (home->own && (st.st_uid != geteuid() || (st.st_mode & 077)))
		r = -EACCES;
	if (r == 0 || r == -ENOENT)
		return 0;
	home_close(home);
	if (home->own && (r == -EACCES || r == -ENOTDIR || r == -ELOOP))
		return err_set(err, r,
			       "%s is not yours alone: remove it, or set XDG_RUNTIME_DIR to a "
			       "directory of your own",
			       home->dir);
	return err_sys(err, r, "open %s", home->dir);
}

int home_find(struct home *ret, struct choppy_err *err)
{
	int r = 0;

	*ret = (struct home)HOME_INIT;
	/* Root of a container's user namespace may have the network, and yet not /run. */
	ret->own = !powers_over_host() || (access("/run", W_OK) < 0 && errno == EACCES);
	if (ret->own)
		r = name_own(ret, err);
	else
		snprintf(ret->dir, sizeof(ret->dir), "%s", STATE_DIR);
	return r < 0 ? r : home_open(ret, err);
}

bool home_next(struct home *home, int *place)
{
	char dir[PATH_MAX], now[sizeof(home->dir)];

	memcpy(now, home->dir, sizeof(now));
	while (home->own && *place < OWN_PLACES) {
		if (!own_place((*place)++, dir, sizeof(dir)) || strlen(dir) >= sizeof(home->dir) ||
		    strcmp(dir, now) == 0)
			continue;
		home_close(home);
		memcpy(home->dir, dir, strlen(dir) + 1);
		if (home_open(home, NULL) == 0 && home->fd >= 0)
			return true;
	}
	return false;
}

static int home_refused(const struct home *home, int error, struct choppy_err *err)
{
	if (home->own && (error == -EACCES || error == -EROFS))
		return err_cannot(err, error,
				  "%s cannot be made (%s), and labs are kept there: "
				  "export XDG_RUNTIME_DIR=$(mktemp -d)",
				  home->dir, strerror(-error));
	return err_sys(err, error, "make %s", home->dir);
}

int home_make(struct home *home, struct choppy_err *err)
{
	int r = 0;

	home_close(home);
	/* The last lab may take it away between the two calls. */
	while (r == 0 && home->fd < 0) {
		if (mkdir(home->dir, 0700) < 0 && errno != EEXIST)
			return home_refused(home, -errno, err);
		r = home_open(home, err);
	}
	return r;
}

void home_close(struct home *home)
{
	close_fd(&home->fd);
}

static int lock_once(const struct home *home)
{
	int fd = openat(home->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600), r;
	struct stat st;

	if (fd < 0)
		return -errno;
	do {
		r = flock(fd, LOCK_EX);
	} while (r < 0 && errno == EINTR);
	if (r == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0)
		return fd;
	r = r < 0 ? -errno : -ENOENT;
	close(fd);
	return r;
}

int state_lock(struct home *home, struct choppy_err *err)
{
	int fd;

	while ((fd = lock_once(home)) == -ENOENT) {
		int r = home_make(home, err);

		if (r < 0)
			return r;
	}
	return fd < 0 ? err_sys(err, fd, "lock %s/lock", home->dir) : fd;
}

void state_prune(struct home *home)
{
	if (unlinkat(home->fd, "labs", AT_REMOVEDIR) < 0 && errno != ENOENT)
		return;
	/* Who waits for the lock may make it anew before the directory is gone: then it stays. */
	if (!home->own) {
		netns_dir_release();
		unlinkat(home->fd, "netns-dir", 0);
	}
	unlinkat(home->fd, "lock", 0);
	rmdir(home->dir);
}

int state_each(struct home *home, int (*each)(struct home *home, const char *name, void *ctx),
	       void *ctx)
{
	int fd = openat(home->fd, "labs", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	struct dirent *e;
	DIR *d;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno; /* no lab was ever made */
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -ENOMEM;
	}
	while (r >= 0 && (e = readdir(d))) {
		if (e->d_name[0] != '.' && strlen(e->d_name) <= CHOPPY_NAME_MAX)
			r = each(home, e->d_name, ctx);
	}
	closedir(d);
	return r < 0 ? r : 0;
}

static int open_lab(const struct home *home, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "labs/%s", name);
	fd = openat(home->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

/* The journal's whole text; free(3) it. */
static char *journal_text(int fd)
{
	char *text = calloc(1, JOURNAL_MAX + 1);

	if (text && pread(fd, text, JOURNAL_MAX, 0) < 0)
		text[0] = '\0';
	return text;
}

struct header {
	pid_t pid;
	unsigned long long start;
	unsigned long netns;
	char boot[40], addr4[64], addr6[64];
};

static bool header_parse(const char *text, struct header *h)
{
	int pid;

	memset(h, 0, sizeof(*h));
	if (sscanf(text, "choppy 1 %39s %d %llu %lu %63s %63s", h->boot, &pid, &h->start, &h->netns,
		   h->addr4, h->addr6) != 6)
		return false;
	h->pid = pid;
	return true;
}

static int add_reservation(struct home *home, const char *name, void *ctx)
{
	CLEANUP_FREE char *text = NULL;
	CLEANUP_FD dir = open_lab(home, name), fd = -1;
	struct header h;
	struct inet a;
	int r = 0;

	if (dir < 0)
		return 0;
	fd = openat(dir, "journal", O_RDONLY | O_CLOEXEC);
	text = fd < 0 ? NULL : journal_text(fd);
	if (!text || !header_parse(text, &h))
		return 0;
	if (inet_parse(&a, h.addr4, NULL) == 0)
		r = addr_used_add(ctx, &a);
	if (r == 0 && inet_parse(&a, h.addr6, NULL) == 0)
		r = addr_used_add(ctx, &a);
	return r;
}

int state_reservations(struct home *home, struct addr_used *used)
{
	return state_each(home, add_reservation, used);
}

static unsigned long long start_time(pid_t pid)
{
	char path[32], buf[1024], *p;
	unsigned long long start = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (sysctl_read(path, buf, sizeof(buf)) < 0)
		return 0;
	p = strrchr(buf, ')');
	/* Field 22, counted from the state behind the name, which is field 3. */
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (p)
		start = strtoull(p, NULL, 10);
	return start;
}

static int write_all(int fd, const char *text, size_t len, struct choppy_err *err)
{
	ssize_t n = write(fd, text, len);

	if (n == (ssize_t)len)
		return 0;
	return err_sys(err, n < 0 ? -errno : -ENOSPC, "write the lab's journal");
}

static int write_header(int fd, const struct inet *addr4, const struct inet *addr6,
			struct choppy_err *err)
{
	char line[320], boot[40] = "-", a4[64] = "-", a6[64] = "-";

	sysctl_read("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	if (addr4->family)
		inet_print(a4, sizeof(a4), addr4, true);
	if (addr6->family)
		inet_print(a6, sizeof(a6), addr6, true);
	snprintf(line, sizeof(line), "choppy 1 %s %d %llu %lu %s %s\n", boot, getpid(),
		 start_time(getpid()), (unsigned long)netns_inode(), a4, a6);
	return write_all(fd, line, strlen(line), err);
}

int state_create(struct state *st, struct home *home, const char *name, const struct inet *addr4,
		 const struct inet *addr6, struct choppy_err *err)
{
	char path[64];
	int r;

	snprintf(path, sizeof(path), "labs/%s", name);
	if (mkdirat(home->fd, "labs", 0700) < 0 && errno != EEXIST)
		return err_sys(err, -errno, "make %s/labs", home->dir);
	if (mkdirat(home->fd, path, 0700) < 0)
		return errno == EEXIST ? err_set(err, -EEXIST, "%s is running already", name)
				       : err_sys(err, -errno, "make %s/%s", home->dir, path);
	st->home = home;
	snprintf(st->name, sizeof(st->name), "%s", name);
	st->dir = open_lab(home, name);
	st->journal = st->dir < 0 ? st->dir
				  : openat(st->dir, "journal",
					   O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (st->journal < 0)
		r = err_sys(err, -errno, "make %s/%s/journal", home->dir, path);
	else if (flock(st->journal, LOCK_EX) < 0) /* somebody may just be looking who lives */
		r = err_sys(err, -errno, "lock %s/%s/journal", home->dir, path);
	else
		r = write_header(st->journal, addr4, addr6, err);
	if (r < 0) {
		state_remove(st);
		state_prune(home);
	}
	return r;
}

int state_file(const struct state *st, const char *name, struct choppy_err *err)
{
	int fd = openat(st->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	return fd < 0 ? err_sys(err, -errno, "write %s/labs/%s/%s", st->home->dir, st->name, name)
		      : fd;
}

int journal_add(struct state *st, struct choppy_err *err, const char *kind, const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int n, r;
	off_t end = lseek(st->journal, 0, SEEK_END);

	n = snprintf(line, sizeof(line), "+ %s ", kind);
	va_start(ap, fmt);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	line[n++] = '\n';
	r = write_all(st->journal, line, (size_t)n, err);
	/* Half a line would be read as another entry. */
	if (r < 0 && ftruncate(st->journal, end) < 0)
		return r;
	return r;
}

/* One "+" line, without it and the newline, split in place. */
struct entry {
	char *kind, *args;
	bool undone;
};

static size_t entries_parse(char *text, struct entry *v, size_t max)
{
	size_t n = 0;

	for (char *line = strtok(text, "\n"); line && n < max; line = strtok(NULL, "\n")) {
		char *args = strlen(line) > 2 ? strchr(line + 2, ' ') : NULL;

		if ((line[0] != '+' && line[0] != '-') || !args)
			continue;
		*args++ = '\0';
		if (line[0] == '+') {
			v[n++] = (struct entry){ .kind = line + 2, .args = args };
			continue;
		}
		for (size_t i = 0; i < n; i++) {
			if (strcmp(v[i].kind, line + 2) == 0 && strcmp(v[i].args, args) == 0)
				v[i].undone = true;
		}
	}
	return n;
}

struct player {
	int root, journal;
	const char *lab, *kind;
	bool dry_run;
	bool forget; /* there turned out to be nothing to undo */
	void (*line)(void *ctx, const char *what);
	void *ctx;
};

static int undo_entry(const struct player *p, const struct entry *e, struct choppy_err *err)
{
	const struct journal_kind *kind = kind_find(e->kind);
	char text[320];
	int r, n;

	if (!kind)
		return 0;
	if (p->line) {
		snprintf(text, sizeof(text), "%s: %s %s", p->lab, kind->what, e->args);
		p->line(p->ctx, text);
	}
	if (p->dry_run)
		return 0;
	r = p->forget ? 0 : kind->undo(p->root, p->lab, e->args, err);
	if (r < 0)
		return r;
	n = snprintf(text, sizeof(text), "- %s %s\n", e->kind, e->args);
	/* On a full disk it is undone once more, which does no harm. */
	if (write(p->journal, text, (size_t)n) < 0)
		return 0;
	return 0;
}

/* Undo backwards; goes on after a failure and returns the first. */
static int play(const struct player *p, struct choppy_err *err)
{
	CLEANUP_FREE char *text = journal_text(p->journal);
	struct entry v[64];
	size_t n;
	int first = 0;

	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	n = entries_parse(text, v, ARRAY_SIZE(v));
	while (n-- > 0) {
		int r;

		if (v[n].undone || (p->kind && strcmp(p->kind, v[n].kind) != 0))
			continue;
		r = undo_entry(p, &v[n], first ? NULL : err);
		if (r < 0 && !first)
			first = r;
	}
	return first;
}

static struct player player_of(const struct state *st, const char *kind)
{
	return (struct player){
		.root = st->home->fd, .journal = st->journal, .lab = st->name, .kind = kind
	};
}

int journal_undo(struct state *st, const char *kind, struct choppy_err *err)
{
	struct player p;

	if (st->journal < 0)
		return 0;
	p = player_of(st, kind);
	return play(&p, err);
}

void journal_forget(struct state *st, const char *kind)
{
	struct player p;

	if (st->journal < 0)
		return;
	p = player_of(st, kind);
	p.forget = true;
	play(&p, NULL);
}

static void remove_logs(int dir)
{
	int fd = openat(dir, STATE_LOGS, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (d && (e = readdir(d)))
		unlinkat(fd, e->d_name, 0);
	if (d)
		closedir(d);
	else
		close_fd(&fd);
	unlinkat(dir, STATE_LOGS, AT_REMOVEDIR);
}

void state_remove(struct state *st)
{
	char path[64];

	if (st->dir >= 0) {
		remove_logs(st->dir);
		for (size_t i = 0; i < ARRAY_SIZE(lab_files); i++)
			unlinkat(st->dir, lab_files[i], 0);
		snprintf(path, sizeof(path), "labs/%s", st->name);
		unlinkat(st->home->fd, path, AT_REMOVEDIR);
	}
	close_fd(&st->journal);
	close_fd(&st->dir);
}

void state_close(struct state *st)
{
	close_fd(&st->journal);
	close_fd(&st->dir);
}

bool state_alive(const struct home *home, const char *name, pid_t *ret_keeper)
{
	CLEANUP_FREE char *text = NULL;
	CLEANUP_FD dir = open_lab(home, name), fd = -1;
	struct header h;

	if (dir < 0)
		return false;
	fd = openat(dir, "journal", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0)
		return false;
	text = journal_text(fd);
	if (!text || !header_parse(text, &h))
		return false;
	if (ret_keeper)
		*ret_keeper = h.pid;
	return true;
}

int state_reap(struct home *home, const char *name, pid_t keeper, bool dry_run,
	       void (*line)(void *ctx, const char *what), void *ctx, struct choppy_err *err)
{
	struct state st = STATE_INIT;
	struct player p = {
		.root = home->fd, .lab = name, .dry_run = dry_run, .line = line, .ctx = ctx
	};
	CLEANUP_FREE char *text = NULL;
	struct header h;
	int r = 0;

	st.home = home;
	snprintf(st.name, sizeof(st.name), "%s", name);
	st.dir = open_lab(home, name);
	if (st.dir < 0)
		return 0;
	st.journal = openat(st.dir, "journal", O_RDWR | O_APPEND | O_CLOEXEC);
	if (st.journal >= 0) {
		text = journal_text(st.journal);
		if (text && header_parse(text, &h) &&
		    (keeper	 ? h.pid != keeper
		     : home->own ? false
				 : h.netns != netns_inode()))
			goto living;
		/* The undertaker waits: the keeper's last children die with it, but not before it.
		 */
		if (flock(st.journal, keeper ? LOCK_EX : LOCK_EX | LOCK_NB) < 0)
			goto living;
		p.journal = st.journal;
		r = play(&p, err);
	}
	if (line) {
		char what[96];

		snprintf(what, sizeof(what), "%s: remove %s/labs/%s", name, home->dir, name);
		line(ctx, what);
	}
	if (!dry_run && r >= 0) {
		state_remove(&st);
		return 1;
	}
	close_fd(&st.journal);
	close_fd(&st.dir);
	return r < 0 ? r : 1;
living:
	close_fd(&st.journal);
	close_fd(&st.dir);
	return 0;
}

static int reap_one(struct home *home, const char *name, void *ctx)
{
	state_reap(home, name, 0, false, NULL, NULL, NULL);
	return 0;
}

void state_reap_dead(struct home *home)
{
	state_each(home, reap_one, NULL);
}

static _Noreturn void undertaker_main(struct home *home, const char *name, int fd, pid_t keeper)
{
	struct choppy_err err;
	ssize_t n;
	char c;

	setsid();
	prctl(PR_SET_NAME, "choppy-undo");
	for (int sig = 1; sig < NSIG; sig++) {
		if (sig != SIGKILL && sig != SIGSTOP && sig != SIGCHLD)
			signal(sig, SIG_IGN);
	}
	do {
		n = read(fd, &c, 1);
	} while (n > 0 || (n < 0 && errno == EINTR));
	/* In the usual case the keeper has undone all, the directory included. */
	home->fd = -1;
	if (home_open(home, &err) == 0 && home->fd >= 0 && state_lock(home, &err) >= 0) {
		state_reap(home, name, keeper, false, NULL, NULL, &err);
		state_prune(home);
	}
	_exit(0);
}

pid_t undertaker_start(const struct home *home, const char *name, int *ret_fd,
		       struct choppy_err *err)
{
	struct home copy = *home;
	pid_t keeper = getpid(), pid;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "make a pipe");
	pid = fork();
	if (pid < 0) {
		int r = -errno;

		close(fds[0]);
		close(fds[1]);
		return err_sys(err, r, "start the undertaker");
	}
	if (pid == 0) {
		/* Hold nothing that others wait to see closed, the own pipe's other end first of
		 * all. */
		if (dup2(fds[0], 0) < 0)
			_exit(1);
		close_range(1, ~0u, 0);
		undertaker_main(&copy, name, 0, keeper);
	}
	close(fds[0]);
	*ret_fd = fds[1];
	return pid;
}
