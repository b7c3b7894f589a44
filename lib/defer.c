/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files registered with an io_uring are put by the work that tears the ring down
 * (io_ring_exit_work() in io_uring/io_uring.c), not by whoever closes it. The ring is
 * used for nothing else: no entry is ever submitted.
 *
 * That work closes them one after the other, all rings' together (delayed_fput() in
 * fs/file_table.c): of a thousand links for half a minute. Threads that take files out of their
 * rings close them themselves, and wait for the same grace periods.
 */
#include "defer.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREADS_MAX 256
#define STACK_SIZE 65536
#define FEW 8 /* rings whose files are closed within half a second */

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

struct holders {
	const int *fds;
	unsigned int n;
	atomic_uint next;
};

static void *close_some(void *arg)
{
	struct holders *h = arg;

	for (unsigned int i = h->next++; i < h->n; i = h->next++) {
		/* Of a file that is no ring this is refused, and changes nothing. */
		syscall(SYS_io_uring_register, h->fds[i], IORING_UNREGISTER_FILES, NULL, 0);
		close(h->fds[i]);
	}
	return NULL;
}

static void close_side_by_side(struct holders *h)
{
	pthread_t threads[THREADS_MAX];
	pthread_attr_t attr;
	unsigned int n = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	while (n < h->n && n < THREADS_MAX &&
	       pthread_create(&threads[n], &attr, close_some, h) == 0)
		n++;
	pthread_attr_destroy(&attr);
	close_some(h); /* what no thread has taken */
	while (n)
		pthread_join(threads[--n], NULL);
}

void defer_end(const int *fds, unsigned int n)
{
	struct holders h = { .fds = fds, .n = n };

	if (n > FEW)
		close_side_by_side(&h);
	for (unsigned int i = 0; n <= FEW && i < n; i++)
		close(fds[i]);
}
