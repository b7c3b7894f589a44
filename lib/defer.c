/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files registered with an io_uring are put by the work that tears the ring down
 * (io_ring_exit_work() in io_uring/io_uring.c), not by whoever closes it. The ring is
 * used for nothing else: no entry is ever submitted.
 */
#include "defer.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

int defer_close(const int *fds, unsigned int n)
{
	struct io_uring_params params = { 0 };
	int ring = (int)syscall(SYS_io_uring_setup, 1, &params), r; /* close-on-exec by itself */

	if (ring < 0)
		return -errno;
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, fds, n) == 0)
		return ring;
	r = -errno;
	close(ring);
	return r;
}
