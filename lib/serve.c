/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One process with one thread and one loop (loop.h); the DNS stub (stub.h) and the published
 * ports (publish.h) hang their descriptors on it. Nothing blocks, and every
 * resource that a peer can ask for has a limit, drawn from the limit on open files.
 */
#include "serve.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "loop.h"
#include "publish.h"
#include "relay.h"
#include "stub.h"
#include "util.h"

#define FDS_RESERVED 16 /* standard streams, epoll, the resolver file, the keeper's pipes */
#define FDS_WANTED 65536 /* more than all limits below come to */
#define PAUSE_NS 100000000ull

struct serve {
	struct loop loop;
	struct io stop;
	struct stub stub;
	struct publish publish;
	struct relay relay;
};

#ifdef __NR_epoll_wait
#define CALL_EPOLL_WAIT __NR_epoll_wait,
#else
#define CALL_EPOLL_WAIT
#endif

/*
 * What a process calls once it serves: the loop, carried connections, the C library's memory.
 * Numbers that an architecture does not have are left out.
 */
#define LOOP_CALLS                                                                                 \
	__NR_accept4, __NR_brk, __NR_clock_gettime, __NR_close, __NR_connect, __NR_epoll_create1,  \
		__NR_epoll_ctl, __NR_epoll_pwait, CALL_EPOLL_WAIT __NR_exit, __NR_exit_group,      \
		__NR_getrandom, __NR_getsockopt, __NR_madvise, __NR_mmap, __NR_mprotect,           \
		__NR_mremap, __NR_munmap, __NR_pipe2, __NR_prlimit64, __NR_recvfrom, __NR_recvmsg, \
		__NR_restart_syscall, __NR_sendto, __NR_setsockopt, __NR_shutdown, __NR_socket,    \
		__NR_splice

/* Besides, what reads the resolver's file. */
const int serve_syscalls[] = {
	LOOP_CALLS,	 __NR_fstat, __NR_ioctl, /* SIOCGIFINDEX, for the %scope of a name server */
#ifdef __NR_newfstatat
	__NR_newfstatat,
#endif
#ifdef __NR_fstatat64
	__NR_fstatat64,
#endif
	__NR_openat,	 __NR_read,  __NR_statx, -1,
};

/* The relay opens no file and looks at none. */
const int relay_syscalls[] = {
	LOOP_CALLS, __NR_getpeername, __NR_getsockname, __NR_sendmsg, -1,
};

/* Descriptors that may be opened; the soft limit is raised as far as needed and allowed. */
static unsigned fds_left(const struct serve_config *config)
{
	unsigned used = (unsigned)(config->ndns_udp + config->ndns_tcp + config->npublish);
	struct rlimit lim;
	rlim_t want;

	used += FDS_RESERVED;
	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return 0;
	want = lim.rlim_max < FDS_WANTED ? lim.rlim_max : FDS_WANTED;
	if (lim.rlim_cur < want) {
		lim.rlim_cur = want;
		if (setrlimit(RLIMIT_NOFILE, &lim) < 0)
			getrlimit(RLIMIT_NOFILE, &lim);
	}
	if (lim.rlim_cur > FDS_WANTED)
		lim.rlim_cur = FDS_WANTED;
	return lim.rlim_cur > used ? (unsigned)lim.rlim_cur - used : 0;
}

/* @wanted, or as many as @fds last for when each takes @each; one at the least. */
static unsigned share(unsigned wanted, unsigned fds, unsigned each)
{
	unsigned n = fds / each;

	if (n > wanted)
		n = wanted;
	return n ? n : 1;
}

static void stop_ready(struct loop *loop, struct io *io, uint32_t events)
{
	loop->stop = true;
}

static int serve_run(struct serve *s, const struct serve_config *config)
{
	unsigned fds = fds_left(config), asks = 0, clients = 0;
	int r;

	/* Half for DNS at most, of that a quarter for connections; the rest for published ports. */
	if (config->ndns_udp || config->ndns_tcp) {
		asks = share(STUB_ASKS, fds / 8 * 3, STUB_FDS_PER_ASK);
		clients = share(STUB_CLIENTS, fds / 8, 1);
		fds -= fds / 2 < asks * STUB_FDS_PER_ASK + clients
			       ? fds / 2
			       : asks * STUB_FDS_PER_ASK + clients;
	}
	s->stop = (struct io){ .fd = config->stop_fd, .ready = stop_ready };
	r = io_want(&s->loop, &s->stop, EPOLLIN);
	if (r < 0)
		return r;
	if (asks)
		r = stub_open(&s->stub, &s->loop, config, asks, clients);
	if (!r && config->npublish)
		r = publish_open(&s->publish, &s->loop, config,
				 share(PUBLISH_PAIRS, fds, PAIR_FDS));
	if (!r && config->has_relay)
		r = relay_open(&s->relay, &s->loop, config,
			       share(RELAY_FLOWS, fds / 4 * 3, PAIR_FDS),
			       share(RELAY_FLOWS, fds / 4, 1));
	if (!r)
		r = loop_run(&s->loop);
	if (s->relay.loop)
		relay_close(&s->relay);
	if (s->publish.loop)
		publish_close(&s->publish);
	if (s->stub.loop)
		stub_close(&s->stub);
	io_close(&s->loop, &s->stop);
	return r;
}

int serve_main(const struct serve_config *config)
{
	static const uint64_t period_ns[TIMER_KINDS] = {
		[TIMER_ASK] = STUB_ANSWER_NS, [TIMER_IDLE] = STUB_IDLE_NS,
		[TIMER_PAUSE] = PAUSE_NS,     [TIMER_HANDSHAKE] = RELAY_HANDSHAKE_NS,
		[TIMER_UDP] = RELAY_UDP_NS,   [TIMER_ECHO] = RELAY_ECHO_NS,
	};
	struct serve *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (s)
		r = loop_open(&s->loop, period_ns);
	if (!r) {
		r = serve_run(s, config);
		loop_close(&s->loop);
	}
	free(s);
	return r < 0 ? CHOPPY_EXIT_FAILED : 0;
}
