/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * userns.h - what this process may do to the network that it is in, and the user
 * namespace in which an ordinary user may do the same to networks of its own.
 */
#ifndef CHOPPY_USERNS_H
#define CHOPPY_USERNS_H

#include "choppy.h"

/*
 * Whether this process has root's powers (CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_NET_RAW) over the
 * network and mount namespaces that it is in, not merely over some of its own.
 */
bool powers_over_host(void);

/*
 * Enter a new user namespace: the caller's own user and group are mapped to themselves or, with
 * @map_root, to 0; no others. This (single-threaded) process has all capabilities in it and in
 * the namespaces that it makes from now on, and there is no way back. Needs /proc.
 */
int userns_enter(bool map_root, struct choppy_err *err);

/*
 * Give up all capabilities, and what could bring them back. The bounding set is kept: without it
 * execve(2) of a program with file capabilities (Debian's ping) fails; with no_new_privs
 * they are not granted (cap_bprm_creds_from_file() in security/commoncap.c).
 * 0 or a negative errno.
 */
int powers_drop(void);

#endif
