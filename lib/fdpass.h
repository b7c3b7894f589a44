/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fdpass.h - whole structs over a SOCK_SEQPACKET socket, with file descriptors beside them. */
#ifndef CHOPPY_FDPASS_H
#define CHOPPY_FDPASS_H

#include <stddef.h>

#define FDPASS_MAX 96

/* Send @size bytes and @n descriptors, which stay the caller's. 0 or a negative errno. @flags: of
 * sendmsg(2), beside MSG_NOSIGNAL. */
int fdpass_send(int fd, const void *data, size_t size, const int *fds, int n, int flags);

/*
 * Receive exactly @size bytes and, when @n is not 0, exactly @n descriptors (the caller's,
 * close-on-exec; untouched when none came). 0, a negative errno, or -EPROTO for a message
 * of another size.
 */
int fdpass_receive(int fd, void *data, size_t size, int *fds, int n);

/* As fdpass_receive(), and up to FDPASS_MAX descriptors, @ret_n of them. */
int fdpass_receive_some(int fd, void *data, size_t size, int fds[FDPASS_MAX], int *ret_n);

#endif
