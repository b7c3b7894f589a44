/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * defer.h - let the kernel close sockets in its own time: closing a packet socket, or
 * one that owns an nftables table, waits for RCU grace periods (15 ms and more each).
 */
#ifndef CHOPPY_DEFER_H
#define CHOPPY_DEFER_H

/*
 * Hold @n open files so that their last close happens in a kernel worker, after the returned
 * descriptor is closed. A negative errno where the kernel refuses (no io_uring): the
 * last holder then waits, which is slower and otherwise the same.
 */
int defer_close(const int *fds, unsigned int n);

/*
 * Close many such descriptors, or files themselves where there are no rings. Of a few rings the
 * files are left to the kernel; those of many would take it half a minute, so they are closed here,
 * and that is waited for. Nobody else may hold them any more.
 */
void defer_end(const int *fds, unsigned int n);

#endif
