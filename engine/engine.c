/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's loop: one thread for all links and both directions. It sleeps
 * until a port has frames, a run is due, or the keeper asks something.
 *
 * A wake-up: the clock, then the frames of every ready port into their pipes, then
 * what is due out of the pipes of those links that have anything to do now, then the keeper. The
 * clock is read before the ports, so that all frames with an earlier stamp have been
 * seen when the queues are brought up to it.
 *
 * A link on which nothing happens costs nothing: ports that are idle are in the epoll
 * set, and links on which something waits are in the agenda, by the time at which it will not wait
 * any longer.
 *
 * Frames bear the kernel's arrival stamps, so one that is held for long need not be read at
 * once, and had better not: each that wakes the engine costs more than its copy, and a copy that
 * lies in the engine's memory until it is due is out of the cache by then. So a port whose frames
 * are all held is armed for one event only. Then it is left alone, its frames in the socket, until
 * the first that has not been read may soon be due, and so on until a look finds nothing. A look
 * takes few, for others fall due while they are copied.
 */
#include "engine.h"
#include "agenda.h"
#include "log.h"
#include "plan.h"
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
/* Read so long before it is due: well above a late wake-up, and what comes in meanwhile at 20
 * Gbit/s is no more than a usual second-level cache. */
#define AHEAD_NS 400000
#define LOOK_BATCH 8 /* what falls due while so many are copied is late by that */
#define OVERSLEEP_MAX_NS 100000 /* of one sleep; more is a processor that was busy */
#define OVERSLEEP_MEAN 8 /* of about so many */
#define SLEEP_PARTS 8 /* being awake behind a sleep is at most one of so many parts of time */
#define LEAVE_MIN_NS 200000 /* worth it */
#define LEAVE_BYTES_PER_NS 8 /* more than a socket's buffer is ever filled with */

/* The end of a link: input of pipe @dir, output of the other one. */
struct end {
	struct port port;
	struct link *link;
	enum choppy_dir dir;
	uint32_t armed; /* what epoll reports of it */
	uint64_t leave_ns; /* frames may be left in the socket for so long; 0: read at once */
	uint64_t look_ns; /* when to read it next, unasked, or PIPE_NEVER */
	uint64_t settled_ns; /* frames that arrived up to then have been read */
	bool idle; /* nothing was left in it, and epoll will tell */
	bool ignored; /* no longer in the epoll set */
	unsigned errors;
};

struct link {
	struct appointment next; /* when anything here will be due, or is to be looked at */
	uint64_t due_ns; /* the former of the two, or PIPE_NEVER */
	struct end end[PORTS_PER_LINK]; /* by the direction that enters there */
	struct pipe *pipe[CHOPPY_NDIRS];
	struct plan *plan; /* in force: the pipes hold on to what is in it */
	void *plan_data; /* where it is mapped */
	size_t plan_size;
};

struct engine {
	int control;
	int epoll; /* the control socket, and the ports that are not left alone */
	struct agenda agenda; /* of links */
	struct appointment *heap[LINKS_MAX + 1];
	uint64_t settled_ns; /* of all idle ports */
	uint64_t oversleep_ns; /* how late sleeps end, on average */
	uint64_t awake_ns; /* when that has last been made up for */
	struct pool pool;
	struct link **links;
	uint32_t nlinks;
	struct port_rx rx;
	struct port_tx tx;
	uint64_t now_ns;
	struct log log;
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
	__NR_write,
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

/* Have epoll report what is wanted of a port now. */
static void arm(struct engine *e, struct end *end)
{
	uint32_t want = (end->look_ns == PIPE_NEVER ? EPOLLIN : 0) |
			(end->port.blocked ? EPOLLOUT : 0) | (end->leave_ns ? EPOLLONESHOT : 0);
	struct epoll_event ev = { .events = want, .data.ptr = end };

	if (want != end->armed && !end->ignored &&
	    !epoll_ctl(e->epoll, EPOLL_CTL_MOD, end->port.fd, &ev))
		end->armed = want;
}

static void due_now(struct engine *e, struct link *link)
{
	agenda_put(&e->agenda, &link->next, 0);
}

/* Send what waits to leave the link in direction @dir. */
static void flush(struct engine *e, struct link *link, enum choppy_dir dir)
{
	struct end *end = exit_of(link, dir);

	if (end->port.out.head && !(end->port.blocked || end->port.retry_ns > e->now_ns))
		port_send(&end->port, &e->tx, link->pipe[dir]);
	arm(e, end);
}

static void ignore(struct engine *e, struct end *end)
{
	end->idle = end->ignored = true;
	end->look_ns = PIPE_NEVER;
	epoll_ctl(e->epoll, EPOLL_CTL_DEL, end->port.fd, NULL);
}

/* What the link answers to those who sent into it at @end. */
static void answer(struct engine *e, struct end *end)
{
	pipe_replies(pipe_into(end), &end->port.out);
	flush(e, end->link, end->dir == CHOPPY_UP ? CHOPPY_DOWN : CHOPPY_UP);
}

static void take(struct engine *e, struct end *end, int n)
{
	struct pipe *pipe = pipe_into(end);
	struct run_list *out = &exit_of(end->link, end->dir)->port.out;
	bool stuck = out->head;

	for (int i = 0; i < n; i++) {
		struct frame *f = e->rx.frame[i];

		end->settled_ns = f->at_ns;
		/* What cannot leave needs memory even where no stage holds it. */
		if (stuck && !pool_have(&e->pool, POOL_LARGE, PORT_BATCH)) {
			pipe_starved(pipe, f);
			continue;
		}
		e->rx.frame[i] = NULL;
		pipe_input(pipe, f, e->now_ns, out);
	}
}

/* One batch out of a port. True when there may be more. */
static bool receive(struct engine *e, struct end *end, unsigned most)
{
	struct port_clock clock = { .now_ns = e->now_ns };
	uint64_t before_ns = e->now_ns;
	unsigned bad;
	bool more;
	int n = port_receive(&end->port, &e->rx, most, &clock, &bad, &more);

	end->idle = n < 0;
	end->look_ns = PIPE_NEVER;
	if (n < 0) {
		/* A device that goes down reports it once and may come back. */
		if (++end->errors >= ERRORS_MAX)
			ignore(e, end);
		return false;
	}
	end->errors = 0;
	e->now_ns = clock.now_ns;
	if (bad)
		pipe_missed(pipe_into(end), bad);
	take(e, end, n);
	if (!more) {
		end->settled_ns = before_ns;
		end->idle = !end->leave_ns || !n;
	}
	if (end->leave_ns && (n || more))
		end->look_ns = end->settled_ns + end->leave_ns;
	flush(e, end->link, end->dir);
	answer(e, end);
	port_rx_refill(&e->rx, &e->pool);
	return more;
}

static void port_event(struct engine *e, struct end *end, uint32_t events)
{
	if (end->armed & EPOLLONESHOT)
		end->armed = 0;
	if (events & EPOLLHUP)
		ignore(e, end);
	if (events & EPOLLOUT)
		end->port.blocked = false;
	if (events & (EPOLLIN | EPOLLERR) && e->rx.nframes)
		receive(e, end, PORT_BATCH);
	arm(e, end);
	due_now(e, end->link);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* One direction of a link: what is due, out. Returns when the next will be. */
static uint64_t run_pipe(struct engine *e, struct link *link, enum choppy_dir dir)
{
	struct end *end = &link->end[dir];
	struct port *port = &exit_of(link, dir)->port;
	uint64_t next_ns;

	if (end->look_ns <= e->now_ns && e->rx.nframes) {
		receive(e, end, LOOK_BATCH);
		arm(e, end);
	}
	pipe_run(link->pipe[dir], end->idle ? e->settled_ns : end->settled_ns, e->now_ns,
		 &port->out);
	flush(e, link, dir);
	next_ns = pipe_next(link->pipe[dir]);
	/* A queue whose port is left alone goes on with the next look, and that is early enough. */
	if (next_ns <= e->now_ns && end->look_ns != PIPE_NEVER)
		next_ns = PIPE_NEVER;
	if (port->retry_ns)
		next_ns = earlier(next_ns, port->retry_ns);
	link->due_ns = earlier(link->due_ns, next_ns);
	return earlier(next_ns, end->look_ns);
}

/* Every link that has something to do now, once. */
static void run_links(struct engine *e)
{
	uint64_t now_ns = e->now_ns;

	for (;;) {
		struct appointment *first = agenda_first(&e->agenda);
		struct link *link = (struct link *)first; /* its first member */
		uint64_t next_ns;

		if (!first || first->at_ns > now_ns)
			break;
		link->due_ns = PIPE_NEVER;
		next_ns = earlier(run_pipe(e, link, CHOPPY_UP), run_pipe(e, link, CHOPPY_DOWN));
		agenda_put(&e->agenda, first, next_ns > now_ns ? next_ns : now_ns + 1);
	}
}

/* Read what had arrived by now at ports that were left alone: the keeper's next word is for later.
 */
static void catch_up(struct engine *e, struct link *link)
{
	uint64_t until_ns = e->now_ns;

	for (int dir = 0; dir < CHOPPY_NDIRS; dir++) {
		struct end *end = &link->end[dir];

		while (end->look_ns != PIPE_NEVER && end->settled_ns < until_ns && e->rx.nframes &&
		       receive(e, end, PORT_BATCH))
			;
		arm(e, end);
	}
}

/* ----------------------------------------------------------------- control */

static void drop_plan(struct link *link)
{
	if (link->plan_data)
		munmap(link->plan_data, link->plan_size);
	free(link->plan);
	link->plan = NULL;
	link->plan_data = NULL;
}

static void link_free(struct engine *e, struct link *link)
{
	if (!link)
		return;
	agenda_put(&e->agenda, &link->next, AGENDA_NEVER);
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
	drop_plan(link);
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

/* How long frames may be left in the socket: they are held, and it has room. */
static uint64_t may_leave_ns(const struct end *end)
{
	uint64_t hold_ns = pipe_hold_ns(end->link->pipe[end->dir]), leave_ns, room_ns;
	socklen_t len = sizeof(int);
	int bytes = 0;

	if (getsockopt(end->port.fd, SOL_SOCKET, SO_RCVBUF, &bytes, &len) < 0)
		return 0;
	room_ns = (uint64_t)bytes / LEAVE_BYTES_PER_NS;
	leave_ns = hold_ns - earlier(hold_ns / 2, AHEAD_NS);
	leave_ns = earlier(leave_ns, room_ns);
	return leave_ns < LEAVE_MIN_NS ? 0 : leave_ns;
}

/* Whether the link's ports are to be read at once or may be left alone. */
static void sort_ports(struct engine *e, struct link *link)
{
	for (int dir = 0; dir < CHOPPY_NDIRS; dir++) {
		struct end *end = &link->end[dir];

		end->leave_ns = may_leave_ns(end);
		if (!end->armed || !end->leave_ns || end->look_ns > e->now_ns + end->leave_ns)
			end->look_ns = PIPE_NEVER;
		arm(e, end);
	}
}

static int set_pipe(struct engine *e, struct link *link, enum choppy_dir dir,
		    const struct plan *plan)
{
	return pipe_set(link->pipe[dir], &plan->pipe[dir], e->now_ns,
			&exit_of(link, dir)->port.out);
}

/* Both directions by @plan, or neither. */
static int set_pipes(struct engine *e, struct link *link, const struct plan *plan)
{
	int err = set_pipe(e, link, CHOPPY_UP, plan);

	if (err)
		return err;
	err = set_pipe(e, link, CHOPPY_DOWN, plan);
	if (err && link->plan)
		set_pipe(e, link, CHOPPY_UP, link->plan);
	return err;
}

/*
 * Map the plan, put it into force, and let the old one go. One that failed when the pipes had begun
 * to take it stays in memory: they may hold on to some of it.
 */
static int take_plan(struct engine *e, struct link *link, int fd, uint64_t size)
{
	struct plan *plan = malloc(sizeof(*plan));
	void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	int err = -ENOMEM;

	if (plan && data != MAP_FAILED)
		err = plan_read(plan, data, size);
	if (err) {
		if (data != MAP_FAILED)
			munmap(data, size);
		free(plan);
		return err;
	}
	err = set_pipes(e, link, plan);
	if (err)
		return err;
	drop_plan(link);
	link->plan = plan;
	link->plan_data = data;
	link->plan_size = size;
	return 0;
}

static void report_verdict(void *ctx, const struct verdict *v, const char *flow)
{
	log_verdict(ctx, v, flow);
}

static int make_pipes(struct engine *e, struct link *link, const struct engine_request *req)
{
	const struct pipe_log log = {
		.ctx = &e->log,
		.verdict = e->log.fd >= 0 ? report_verdict : NULL,
	};

	for (int dir = 0; dir < CHOPPY_NDIRS; dir++) {
		link->pipe[dir] = pipe_new(&e->pool, req->seed, req->link, dir);
		if (!link->pipe[dir] ||
		    pipe_log_to(link->pipe[dir], &log, e->now_ns, req->nflows) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int make_link(struct engine *e, struct link *link, const struct engine_request *req,
		     int fds[ENGINE_NFDS])
{
	static const enum engine_fd port[CHOPPY_NDIRS] = {
		[CHOPPY_UP] = ENGINE_FD_NODE,
		[CHOPPY_DOWN] = ENGINE_FD_GATEWAY,
	};
	int err;

	for (int dir = 0; dir < CHOPPY_NDIRS; dir++) {
		struct end *end = &link->end[dir];

		*end = (struct end){ .link = link, .dir = dir, .port.fd = fds[port[dir]] };
		run_list_init(&end->port.out);
		fds[port[dir]] = -1;
	}
	err = make_pipes(e, link, req);
	if (!err)
		err = take_plan(e, link, fds[ENGINE_FD_PLAN], req->plan_size);
	for (int dir = 0; !err && dir < CHOPPY_NDIRS; dir++) {
		struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &link->end[dir] };

		if (epoll_ctl(e->epoll, EPOLL_CTL_ADD, link->end[dir].port.fd, &ev) < 0)
			err = -errno;
	}
	return err;
}

static int do_add(struct engine *e, const struct engine_request *req, int fds[ENGINE_NFDS],
		  struct engine_reply *reply)
{
	struct link *link;
	int err;

	if (fds[ENGINE_FD_PLAN] < 0 || fds[ENGINE_FD_NODE] < 0 || fds[ENGINE_FD_GATEWAY] < 0)
		return fail(reply, -EBADF, "a new link needs its two ports and its plan");
	if (req->link >= LINKS_MAX)
		return fail(reply, -E2BIG, "too many links for one engine");
	if (find_link(e, req->link))
		return fail(reply, -EEXIST, "this link exists already");
	link = calloc(1, sizeof(*link));
	if (!link || reserve_link(e, req->link)) {
		free(link);
		return fail(reply, -ENOMEM, "no memory for a link");
	}
	if (e->log.fd < 0) {
		e->log.fd = fds[ENGINE_FD_VERDICTS];
		fds[ENGINE_FD_VERDICTS] = -1;
	}
	err = make_link(e, link, req, fds);
	if (err) {
		link_free(e, link);
		return fail(reply, err, "the engine cannot take the link's ports or condition");
	}
	e->links[req->link] = link;
	sort_ports(e, link);
	return 0;
}

static int do_set(struct engine *e, const struct engine_request *req, int fds[ENGINE_NFDS],
		  struct engine_reply *reply)
{
	struct link *link = find_link(e, req->link);
	int err;

	if (!link)
		return fail(reply, -ENOENT, "no such link in this engine");
	if (fds[ENGINE_FD_PLAN] < 0)
		return fail(reply, -EBADF, "a change needs a plan");
	err = take_plan(e, link, fds[ENGINE_FD_PLAN], req->plan_size);
	if (err)
		return fail(reply, err, "the engine cannot do this condition");
	sort_ports(e, link);
	return 0;
}

static int do_counters(struct engine *e, const struct engine_request *req, int fds[ENGINE_NFDS],
		       struct engine_reply *reply)
{
	struct link *link = find_link(e, req->link);

	if (!link)
		return fail(reply, -ENOENT, "no such link in this engine");
	for (int dir = 0; dir < CHOPPY_NDIRS; dir++) {
		pipe_missed(link->pipe[dir], port_missed(&link->end[dir].port));
		pipe_counters(link->pipe[dir], &reply->counters[dir], reply->matched[dir]);
		reply->flows_missed += pipe_flows_missed(link->pipe[dir]);
	}
	log_flush(&e->log);
	reply->log_error = e->log.error;
	reply->log_lost = e->log.lost;
	return 0;
}

static int do_packets(struct engine *e, const struct engine_request *req, int fds[ENGINE_NFDS],
		      struct engine_reply *reply)
{
	struct choppy_counters n;

	for (uint32_t i = 0; i < e->nlinks; i++) {
		for (int dir = 0; e->links[i] && dir < CHOPPY_NDIRS; dir++) {
			pipe_counters(e->links[i]->pipe[dir], &n, NULL);
			reply->counters[CHOPPY_UP].packets += n.packets;
		}
	}
	return 0;
}

static int (*const operations[ENGINE_NOPS])(struct engine *e, const struct engine_request *req,
					    int fds[ENGINE_NFDS], struct engine_reply *reply) = {
	[ENGINE_ADD] = do_add,
	[ENGINE_SET] = do_set,
	[ENGINE_COUNTERS] = do_counters,
	[ENGINE_PACKETS] = do_packets,
};

/* File descriptors that came with a message; -1 for those that did not. */
static void take_fds(struct msghdr *msg, int fds[ENGINE_NFDS])
{
	unsigned n = 0;

	for (int i = 0; i < ENGINE_NFDS; i++)
		fds[i] = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
			int fd;

			memcpy(&fd, (unsigned char *)c + at, sizeof(fd));
			if (n < ENGINE_NFDS)
				fds[n++] = fd;
			else
				close(fd);
		}
	}
}

static void close_fds(const int fds[ENGINE_NFDS])
{
	for (int i = 0; i < ENGINE_NFDS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* One request and its reply. False: the keeper is gone. */
static bool control_event(struct engine *e)
{
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE(ENGINE_NFDS * sizeof(int))];
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
	struct link *link;
	int fds[ENGINE_NFDS];

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	take_fds(&msg, fds);
	if (n != sizeof(req) || msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || req.op >= ENGINE_NOPS) {
		fail(&reply, -EPROTO, "the engine does not know this request");
	} else {
		link = find_link(e, req.link);
		if (link)
			catch_up(e, link);
		operations[req.op](e, &req, fds, &reply);
		link = find_link(e, req.link);
		if (link)
			due_now(e, link);
	}
	close_fds(fds); /* those that no link has taken over */
	return send(e->control, &reply, sizeof(reply), MSG_NOSIGNAL) == sizeof(reply);
}

/* -------------------------------------------------------------------- loop */

static int poll_events(struct engine *e, struct epoll_event *events, uint64_t left_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(left_ns / 1000000000u),
		.tv_nsec = (long)(left_ns % 1000000000u),
	};
	int n = epoll_pwait2(e->epoll, events, EVENTS, left_ns == PIPE_NEVER ? NULL : &ts, NULL);

	return n < 0 && errno == EINTR ? 0 : n;
}

/* When to end the sleep, so that what is due at @first is done in time. */
static uint64_t wake_ns(const struct engine *e, const struct appointment *first, uint64_t now_ns)
{
	const struct link *link = (const struct link *)first; /* its first member */
	uint64_t early_ns = 2 * e->oversleep_ns;

	if (link->due_ns != first->at_ns || first->at_ns - now_ns < early_ns ||
	    first->at_ns - e->awake_ns < SLEEP_PARTS * early_ns)
		return first->at_ns;
	return first->at_ns - early_ns;
}

/*
 * A processor that sleeps needs its time to wake up. So it is called before what is due, by twice
 * as much as it was late of late on average, and stays awake for the rest; but not for more than a
 * small part of the time.
 */
static int wait_events(struct engine *e, struct epoll_event *events)
{
	const struct appointment *first = agenda_first(&e->agenda);
	uint64_t now_ns = clock_ns(), until_ns;
	int n;

	if (!first || first->at_ns <= now_ns)
		return poll_events(e, events, first ? 0 : PIPE_NEVER);
	until_ns = wake_ns(e, first, now_ns);
	n = poll_events(e, events, until_ns - now_ns);
	now_ns = clock_ns();
	if (n || now_ns < until_ns) /* events, or a signal */
		return n;
	e->oversleep_ns += earlier(now_ns - until_ns, OVERSLEEP_MAX_NS) / OVERSLEEP_MEAN;
	e->oversleep_ns -= e->oversleep_ns / OVERSLEEP_MEAN;
	while (!n && now_ns < first->at_ns) {
		n = poll_events(e, events, 0);
		now_ns = e->awake_ns = clock_ns();
	}
	return n;
}

static int loop(struct engine *e)
{
	for (;;) {
		struct epoll_event events[EVENTS];
		bool asked = false;
		int n = wait_events(e, events);

		if (n < 0)
			return 1;
		e->now_ns = clock_ns();
		/* Idle ports with frames that came before this wake-up have been reported. */
		if (n < EVENTS)
			e->settled_ns = e->now_ns;
		if (!e->rx.nframes)
			port_rx_refill(&e->rx, &e->pool);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				port_event(e, events[i].data.ptr, events[i].events);
			else
				asked = true;
		}
		/* Behind the ports, since it may take links away. */
		if (asked && !control_event(e))
			return 0;
		run_links(e);
		log_flush(&e->log);
	}
}

static int start(struct engine *e)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };

	pool_init(&e->pool, MEMORY_CAP, take_block, give_block);
	e->log.fd = -1;
	e->now_ns = clock_ns();
	e->agenda.heap = e->heap;
	e->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (e->epoll < 0 || epoll_ctl(e->epoll, EPOLL_CTL_ADD, e->control, &ev) < 0)
		return -errno;
	prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul);
	return port_rx_refill(&e->rx, &e->pool) ? 0 : -ENOMEM;
}

static void stop(struct engine *e)
{
	for (uint32_t i = 0; i < e->nlinks; i++)
		link_free(e, e->links[i]);
	free(e->links);
	log_flush(&e->log);
	if (e->epoll >= 0)
		close(e->epoll);
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
