/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ns.h - network namespaces held by file descriptor, and their names under
 * /run/netns for ip-netns(8). The caller closes every descriptor returned.
 */
#ifndef CHOPPY_NS_H
#define CHOPPY_NS_H

#include "choppy.h"

#define NETNS_DIR "/run/netns"

/* The network namespace of this process, or a negative errno. */
int netns_current(void);
/* Its inode number, which no other living one has; 0 when that cannot be read. */
ino_t netns_inode(void);

/*
 * Make a network namespace and stay in it: this (single-threaded) process
 * enters. Returns its descriptor. Leave with netns_enter() on the one before.
 */
int netns_new(struct choppy_err *err);
int netns_enter(int ns, struct choppy_err *err);

/* Write one line to a file under /proc/sys. 0 or a negative errno. */
int sysctl_write(const char *path, const char *value);
/* The same through @proc; PROC_USUAL: /proc. @path is relative to it: "sys/net/...". */
int sysctl_write_in(int proc, const char *path, const char *value);
#define PROC_USUAL (-1)
/* Read its first line into @buf. */
int sysctl_read(const char *path, char *buf, size_t size);
/*
 * A proc filesystem that nobody has looked into yet, mounted nowhere; it goes with its descriptor.
 * -EPERM without root. -EROFS: /proc/sys cannot be written to here, and so it stays.
 */
int proc_new(void);

/* Under the lock of state.h: make /run/netns where there is none. */
int netns_dir_make(struct choppy_err *err);
/* Under that lock, with the last lab: take it away if it was made so and nothing is in it. */
void netns_dir_release(void);

/* What stands under /run/netns/NAME. */
enum netns_name { NETNS_NONE, NETNS_MOUNTED, NETNS_DEBRIS };
enum netns_name netns_lookup(const char *name);

/* Give namespace @ns the name @name under /run/netns, as ip-netns(8) does it. */
int netns_publish(const char *name, int ns, struct choppy_err *err);
/*
 * Take the name away again, if it is still the namespace with inode @ino
 * (0: whatever was not yet mounted is debris and goes).
 */
int netns_unpublish(const char *name, ino_t ino);

#endif
