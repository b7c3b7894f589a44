/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's loop: one thread for all links and both directions. It sleeps
 * until a port has frames, a run is due, or the keeper asks something.
 *
 * A wake-up: the clock, then the frames of every ready port into their pipes, then
 * what is due out of all pipes, then the ports' output in batches. The clock is
 * read before the ports, so that all frames with an earlier stamp have been
 * seen when the queues are brought up to it.
 */
#include "engine.h"
#include "pipe.h"
#include "port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* 500 ms of 10 Gbit/s is 625 MB; buffers are not always full. Untouched memory costs nothing. */
#define MEMORY_CAP (1ull << 30)
#define LINKS_MAX 4096 /* more than a machine has file descriptors for, by default */
#define EVENTS 64
#define ERRORS_MAX 16 /* receive errors in a row before a port is no longer listened to */
#define PORTS_PER_LINK 2
#define HOLD_MIN_NS 400000 /* well above a late wake-up */
#define PAUSE_MAX_NS 250000

/* The end of a link: input of pipe @dir, output of the other one. */
struct end {
	struct port port;
	struct link *link;
	enum choppy_dir dir;
	bool writing; /* epoll reports EPOLLOUT */
	bool unhurried; /* its frames are all held for HOLD_MIN_NS or longer */
	unsigned errors;
	uint64_t settled_ns; /* frames that arrived up to then have been read */
};

struct link {
	struct end end[PORTS_PER_LINK]; /* by the direction that enters there */
	struct pipe *pipe[CHOPPY_NDIRS];
};

struct engine {
	int control;
	int epoll; /* the control socket and every port */
	int prompt; /* the same without the unhurried ports: what to wait for while something is
		       held */
	uint64_t hold_ns; /* the least of the unhurried ports; PIPE_NEVER: there are none */
	struct pool pool;
	struct link **links;
	uint32_t nlinks;
	struct port_rx rx;
	struct port_tx tx;
	uint64_t now_ns;
};

/* In use after start: by the loop, by libc under malloc() and the clock, and to end. */
const int engine_syscalls[] = {
	__NR_epoll_create1,
	__NR_epoll_ctl,
	__NR_epoll_pwait2,
	__NR_recvmmsg,
	__NR_sendmmsg,
	__NR_recvmsg,
	__NR_sendto,
	__NR_getsockopt,
	__NR_close,
	__NR_prctl,
	__NR_clock_gettime,
	__NR_mmap,
	__NR_munmap,
	__NR_mprotect,
	__NR_mremap,
	__NR_madvise,
	__NR_brk,
	__NR_rt_sigreturn,
	__NR_restart_syscall,
	__NR_exit,
	__NR_exit_group,
	-1,
};

static void *take_block(size_t size)
{
	void *block = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return block == MAP_FAILED ? NULL : block;
}

static void give_block(void *block, size_t size)
{
	munmap(block, size);
}

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ----------------------------------------------------------------- packets */

static struct pipe *pipe_into(struct end *e)
{
	return e->link->pipe[e->dir];
}

/* The port from which a direction leaves is the one where the other enters. */
static struct end *exit_of(struct link *link, enum choppy_dir dir)
{
	return &link->end[dir == CHOPPY_UP ? CHOPPY_DOWN : CHOPPY_UP];
}

static void listen_to(struct engine *e, struct end *end, bool writing)
{
	struct epoll_event ev = {
		.events = EPOLLIN | (writing ? EPOLLOUT : 0),
		.data.ptr = end,
	};

	if (end->writing != writing && !epoll_ctl(e->epoll, EPOLL_CTL_MOD, end->port.fd, &ev))
		end->writing = writing;
}

/* Send what waits to leave the link in direction @dir. */
static void flush(struct engine *e, struct link *link, enum choppy_dir dir)
{
	struct end *end = exit_of(link, dir);

	if (end->port.out.head && !(end->port.blocked || end->port.retry_ns > e->now_ns))
		port_send(&end->port, &e->tx, link->pipe[dir]);
	listen_to(e, end, end->port.blocked);
}

static void ignore(struct engine *e, struct end *end)
{
	epoll_ctl(e->epoll, EPOLL_CTL_DEL, end->port.fd, NULL);
	epoll_ctl(e->prompt, EPOLL_CTL_DEL, end->port.fd, NULL);
}

/* One batch out of a port. True when there may be more. */
static bool receive(struct engine *e, struct end *end)
{
	struct pipe *pipe = pipe_into(end);
	struct run_list *out = &exit_of(end->link, end->dir)->port.out;
	struct port_clock clock = { .now_ns = e->now_ns };
	unsigned bad;
	bool more;
	bool stuck = exit_of(end->link, end->dir)->port.out.head;
	int n = port_receive(&end->port, &e->rx, &clock, &bad, &more);

	if (n < 0) {
		/* A device that goes down reports it once and may come back. */
		if (++end->errors >= ERRORS_MAX)
			ignore(e, end);
		return false;
	}
	end->errors = 0;
	if (bad)
		pipe_missed(pipe, bad);
	for (int i = 0; i < n; i++) {
		struct frame *f = e->rx.frame[i];

		end->settled_ns = f->at_ns;
		/* What cannot leave needs memory even where no stage holds it. */
		if (stuck && !pool_have(&e->pool, POOL_LARGE, PORT_BATCH)) {
			pipe_starved(pipe, f);
			continue;
		}
		e->rx.frame[i] = NULL;
		pipe_input(pipe, f, clock.now_ns, out);
	}
	e->now_ns = clock.now_ns;
	flush(e, end->link, end->dir);
	port_rx_refill(&e->rx, &e->pool);
	return more;
}

static void port_event(struct engine *e, struct end *end, uint32_t events)
{
	uint64_t before_ns = e->now_ns;

	if (events & EPOLLHUP)
		ignore(e, end);
	if (events & EPOLLOUT)
		end->port.blocked = false;
	if (events & (EPOLLIN | EPOLLERR) && e->rx.nframes && !receive(e, end))
		end->settled_ns = before_ns;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* All that is due, out. Returns when the next will be. */
static uint64_t run_links(struct engine *e)
{
	uint64_t next_ns = PIPE_NEVER;

	for (uint32_t i = 0; i < e->nlinks; i++) {
		struct link *link = e->links[i];

		for (int dir = 0; link && dir < CHOPPY_NDIRS; dir++) {
			struct port *port = &exit_of(link, dir)->port;
			uint64_t settled_ns = link->end[dir].settled_ns;

			pipe_run(link->pipe[dir], settled_ns, e->now_ns, &port->out);
			flush(e, link, dir);
			next_ns = earlier(next_ns, pipe_next(link->pipe[dir]));
			if (port->retry_ns)
				next_ns = earlier(next_ns, port->retry_ns);
		}
	}
	return next_ns;
}

/* ----------------------------------------------------------------- control */

static void link_free(struct engine *e, struct link *link)
{
	if (!link)
		return;
	for (int dir = 0; dir < CHOPPY_NDIRS; dir++) {
		struct port *port = &exit_of(link, dir)->port;

		while (port->out.head)
			pipe_refused(link->pipe[dir], run_list_take(&port->out), CHOPPY_DROP_SEND);
		/* The keeper may still have the socket open, so closing ours would not do. */
		ignore(e, exit_of(link, dir));
		close(port->fd);
	}
	for (int dir = 0; dir < CHOPPY_NDIRS; dir++)
		pipe_free(link->pipe[dir]);
	free(link);
}

static int fail(struct engine_reply *reply, int err, const char *text)
{
	reply->error = err;
	snprintf(reply->text, sizeof(reply->text), "%s", text);
	return err;
}

static struct link *find_link(struct engine *e, uint32_t index)
{
	return index < e->nlinks ? e->links[index] : NULL;
}

static int reserve_link(struct engine *e, uint32_t index)
{
	struct link **links;

	if (index < e->nlinks)
		return 0;
	links = realloc(e->links, (index + 1) * sizeof(*links));
	if (!links)
		return -ENOMEM;
	memset(links + e->nlinks, 0, (index + 1 - e->nlinks) * sizeof(*links));
	e->links = links;
	e->nlinks = index + 1;
	return 0;
}

/* Sort the ports into those to be read at once and those that may wait. */
static void sort_ports(struct engine *e)
{
	e->hold_ns = PIPE_NEVER;
	for (uint32_t i = 0; i < e->nlinks; i++) {
		for (int dir = 0; e->links[i] && dir < CHOPPY_NDIRS; dir++) {
			struct end *end = &e->links[i]->end[dir];
			uint64_t hold_ns = pipe_hold_ns(pipe_into(end));
			struct epoll_event ev = { .events = EPOLLIN, .data.ptr = end };

			end->unhurried = hold_ns >= HOLD_MIN_NS;
			if (end->unhurried)
				e->hold_ns = earlier(e->hold_ns, hold_ns);
			epoll_ctl(e->prompt, end->unhurried ? EPOLL_CTL_DEL : EPOLL_CTL_ADD,
				  end->port.fd, &ev);
		}
	}
}

static int set_dirs(struct engine *e, struct link *link, const struct engine_request *req,
		    uint32_t dirs)
{
	/* All or nothing. */
	for (int dir = 0; dir < CHOPPY_NDIRS; dir++)
		if (dirs & CHOPPY_DIR_BIT(dir) && !pipe_condition_sound(&req->dir[dir]))
			return -EINVAL;
	for (int dir = 0; dir < CHOPPY_NDIRS; dir++)
		if (dirs & CHOPPY_DIR_BIT(dir))
			pipe_set(link->pipe[dir], &req->dir[dir], e->now_ns,
				 &exit_of(link, dir)->port.out);
	return 0;
}

static int make_link(struct engine *e, struct link *link, const struct engine_request *req,
		     int fds[2])
{
	for (int dir = 0; dir < CHOPPY_NDIRS; dir++) {
		struct end *end = &link->end[dir];

		*end = (struct end){ .link = link, .dir = dir, .port.fd = fds[dir] };
		run_list_init(&end->port.out);
		fds[dir] = -1;
	}
	for (int dir = 0; dir < CHOPPY_NDIRS; dir++) {
		link->pipe[dir] = pipe_new(&e->pool, req->seed, req->link, dir);
		if (!link->pipe[dir])
			return -ENOMEM;
	}
	for (int dir = 0; dir < CHOPPY_NDIRS; dir++) {
		struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &link->end[dir] };

		if (epoll_ctl(e->epoll, EPOLL_CTL_ADD, link->end[dir].port.fd, &ev) < 0)
			return -errno;
	}
	return set_dirs(e, link, req, CHOPPY_BOTH);
}

static int do_add(struct engine *e, const struct engine_request *req, int fds[2],
		  struct engine_reply *reply)
{
	struct link *link;
	int err;

	if (fds[0] < 0 || fds[1] < 0)
		return fail(reply, -EBADF, "a new link needs its two ports");
	if (req->link >= LINKS_MAX)
		return fail(reply, -E2BIG, "too many links for one engine");
	if (find_link(e, req->link))
		return fail(reply, -EEXIST, "this link exists already");
	link = calloc(1, sizeof(*link));
	if (!link || reserve_link(e, req->link)) {
		free(link);
		return fail(reply, -ENOMEM, "no memory for a link");
	}
	err = make_link(e, link, req, fds);
	if (err) {
		link_free(e, link);
		return fail(reply, err, "the engine cannot take the link's ports or condition");
	}
	e->links[req->link] = link;
	sort_ports(e);
	return 0;
}

static int do_set(struct engine *e, const struct engine_request *req, int fds[2],
		  struct engine_reply *reply)
{
	struct link *link = find_link(e, req->link);

	if (!link)
		return fail(reply, -ENOENT, "no such link in this engine");
	if (!req->dirs || req->dirs & ~CHOPPY_BOTH)
		return fail(reply, -EINVAL, "no direction named");
	if (set_dirs(e, link, req, req->dirs))
		return fail(reply, -EINVAL, "the engine cannot do this condition");
	sort_ports(e);
	return 0;
}

static int do_counters(struct engine *e, const struct engine_request *req, int fds[2],
		       struct engine_reply *reply)
{
	struct link *link = find_link(e, req->link);

	if (!link)
		return fail(reply, -ENOENT, "no such link in this engine");
	for (int dir = 0; dir < CHOPPY_NDIRS; dir++) {
		pipe_missed(link->pipe[dir], port_missed(&link->end[dir].port));
		pipe_counters(link->pipe[dir], &reply->counters[dir]);
	}
	return 0;
}

static int (*const operations[ENGINE_NOPS])(struct engine *e, const struct engine_request *req,
					    int fds[2], struct engine_reply *reply) = {
	[ENGINE_ADD] = do_add,
	[ENGINE_SET] = do_set,
	[ENGINE_COUNTERS] = do_counters,
};

/* File descriptors that came with a message; -1 for those that did not. */
static void take_fds(struct msghdr *msg, int fds[2])
{
	unsigned n = 0;

	fds[0] = fds[1] = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
			int fd;

			memcpy(&fd, (unsigned char *)c + at, sizeof(fd));
			if (n < 2)
				fds[n++] = fd;
			else
				close(fd);
		}
	}
}

static void close_fds(const int fds[2])
{
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* One request and its reply. False: the keeper is gone. */
static bool control_event(struct engine *e)
{
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct engine_request req;
	struct engine_reply reply = { 0 };
	struct iovec iov = { .iov_base = &req, .iov_len = sizeof(req) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(e->control, &msg, MSG_CMSG_CLOEXEC);
	int fds[2];

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	take_fds(&msg, fds);
	if (n != sizeof(req) || msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || req.op >= ENGINE_NOPS)
		fail(&reply, -EPROTO, "the engine does not know this request");
	else
		operations[req.op](e, &req, fds, &reply);
	close_fds(fds); /* those that no link has taken over */
	return send(e->control, &reply, sizeof(reply), MSG_NOSIGNAL) == sizeof(reply);
}

/* -------------------------------------------------------------------- loop */

static int wait_on(int set, struct epoll_event *events, uint64_t until_ns)
{
	uint64_t now_ns = clock_ns();
	uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
	struct timespec ts = {
		.tv_sec = (time_t)(left_ns / 1000000000u),
		.tv_nsec = (long)(left_ns % 1000000000u),
	};
	int n = epoll_pwait2(set, events, EVENTS, until_ns == PIPE_NEVER ? NULL : &ts, NULL);

	return n < 0 && errno == EINTR ? 0 : n;
}

static bool any_blocked(const struct engine *e)
{
	for (uint32_t i = 0; i < e->nlinks; i++)
		for (int dir = 0; e->links[i] && dir < CHOPPY_NDIRS; dir++)
			if (e->links[i]->end[dir].port.blocked)
				return true;
	return false;
}

/*
 * Frames bear the kernel's arrival stamps, so one that is held for long need not be read at
 * once. While something is held, unhurried ports are not waited for but looked at after a pause:
 * a sender at full rate then does not wake the engine for each of its frames.
 */
static int wait_events(struct engine *e, struct epoll_event *events, uint64_t next_ns)
{
	uint64_t pause_ns = earlier(e->hold_ns / 4, PAUSE_MAX_NS);

	if (next_ns == PIPE_NEVER || e->hold_ns == PIPE_NEVER || any_blocked(e))
		return wait_on(e->epoll, events, next_ns);
	if (wait_on(e->prompt, events, earlier(next_ns, e->now_ns + pause_ns)) < 0)
		return -1;
	return wait_on(e->epoll, events, 0);
}

/* Idle ports are settled too: all that came before this wake-up would have been reported. */
static void settle(struct engine *e)
{
	for (uint32_t i = 0; i < e->nlinks; i++)
		for (int dir = 0; e->links[i] && dir < CHOPPY_NDIRS; dir++)
			e->links[i]->end[dir].settled_ns = e->now_ns;
}

static int loop(struct engine *e)
{
	uint64_t next_ns = PIPE_NEVER;

	for (;;) {
		struct epoll_event events[EVENTS];
		int n = wait_events(e, events, next_ns);

		if (n < 0)
			return 1;
		e->now_ns = clock_ns();
		settle(e);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				port_event(e, events[i].data.ptr, events[i].events);
			else if (!control_event(e))
				return 0;
		}
		if (!e->rx.nframes)
			port_rx_refill(&e->rx, &e->pool);
		next_ns = run_links(e);
	}
}

static int start(struct engine *e)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };

	pool_init(&e->pool, MEMORY_CAP, take_block, give_block);
	e->hold_ns = PIPE_NEVER;
	e->epoll = epoll_create1(EPOLL_CLOEXEC);
	e->prompt = epoll_create1(EPOLL_CLOEXEC);
	if (e->epoll < 0 || e->prompt < 0 ||
	    epoll_ctl(e->epoll, EPOLL_CTL_ADD, e->control, &ev) < 0 ||
	    epoll_ctl(e->prompt, EPOLL_CTL_ADD, e->control, &ev) < 0)
		return -errno;
	prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul);
	return port_rx_refill(&e->rx, &e->pool) ? 0 : -ENOMEM;
}

static void stop(struct engine *e)
{
	for (uint32_t i = 0; i < e->nlinks; i++)
		link_free(e, e->links[i]);
	free(e->links);
	if (e->epoll >= 0)
		close(e->epoll);
	if (e->prompt >= 0)
		close(e->prompt);
	pool_done(&e->pool);
}

int engine_main(int control)
{
	struct engine *e = calloc(1, sizeof(*e));
	int status = 1;

	if (!e)
		return 1;
	e->control = control;
	if (!start(e))
		status = loop(e);
	stop(e);
	free(e);
	return status;
}
