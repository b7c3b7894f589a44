/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports over AF_PACKET (packet(7)): a raw socket bound to one device, with the virtio header of
 * each frame before it (PACKET_VNET_HDR), so that super-packets and unfinished
 * checksums pass as they are. Batches by recvmmsg and sendmmsg. No ring: with
 * super-packets a ring needs 128 KB a slot. PACKET_QDISC_BYPASS stays off: with it the kernel does
 * not segment for a device that cannot, but refuses.
 *
 * Arrival is the kernel's stamp, taken when the frame entered the device. It is
 * wall-clock time; the difference to the monotonic clock is read with every
 * batch. A stamp that then lies in the future, or STAMP_OLD_NS back, has been
 * overtaken by a step of the wall clock and is replaced by the time of reading.
 */
#include "engine.h"
#include "port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <unistd.h>

#define STAMP_OLD_NS 1000000000u
#define SOCKET_BUFFER (64 << 20)
#define BATCH_MIN 8
#define BATCH_BYTES (512u << 10) /* half of a usual second-level cache */
#define CLOCKS_APART_NS 1000 /* several times what reading three clocks takes */
#define CLOCKS_TRIES 3
#define RETRY_NS 100000u /* the device's queue was full: about one batch's time */
#define RETRIES 100 /* 10 ms; then the frame is given up */

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

static int64_t read_ns(clockid_t which)
{
	struct timespec ts;

	clock_gettime(which, &ts);
	return ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/*
 * Two clocks cannot be read at one instant. What comes between makes a frame that is stamped by the
 * first look younger than it is, never older: it may leave late by that, but not early.
 */
void port_clock_read(struct port_clock *clock)
{
	int64_t before_ns = read_ns(CLOCK_MONOTONIC), wall_ns, now_ns;

	for (int tries = 0;; tries++) {
		wall_ns = read_ns(CLOCK_REALTIME);
		now_ns = read_ns(CLOCK_MONOTONIC);
		if (now_ns - before_ns < CLOCKS_APART_NS || tries == CLOCKS_TRIES)
			break;
		before_ns = now_ns;
	}
	clock->now_ns = (uint64_t)now_ns;
	clock->wall_ahead_ns = wall_ns - now_ns;
}

/* ----------------------------------------------------------------- opening */

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* As large as wanted, or as large as the limits of the machine allow. */
static void set_buffer(int fd, int force, int plain)
{
	if (set_option(fd, SOL_SOCKET, force, SOCKET_BUFFER) < 0)
		set_option(fd, SOL_SOCKET, plain, SOCKET_BUFFER);
}

static int open_configured(int fd, int ifindex)
{
	static const struct {
		int level, option;
	} on[] = {
		{ SOL_PACKET, PACKET_VNET_HDR },
		{ SOL_PACKET, PACKET_IGNORE_OUTGOING },
		{ SOL_PACKET, PACKET_AUXDATA },
		{ SOL_SOCKET, SO_TIMESTAMPNS },
	};
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = ifindex,
	};
	int err;

	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++) {
		err = set_option(fd, on[i].level, on[i].option, 1);
		if (err)
			return err;
	}
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	return bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
}

int engine_port_open(int ifindex, int *ret_rcvbuf)
{
	socklen_t len = sizeof(int);
	int rcvbuf = 0;
	int fd, err;

	/* Protocol 0: nothing is received before bind() names the device. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	err = open_configured(fd, ifindex);
	if (!err && getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, &len) < 0)
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	if (ret_rcvbuf)
		*ret_rcvbuf = rcvbuf;
	return fd;
}

/* --------------------------------------------------------------- receiving */

/* A place that was emptied is filled anew, not moved up to: what was used last is in the cache. */
bool port_rx_refill(struct port_rx *rx, struct pool *pool)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PORT_BATCH; i++) {
		struct frame *f = rx->frame[i] ? rx->frame[i] : frame_get(pool, POOL_LARGE);

		rx->frame[i] = NULL;
		if (f)
			rx->frame[n++] = f;
	}
	rx->nframes = n;
	pool_settle(pool);
	return n;
}

static void prepare(struct port_rx *rx, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct frame *f = rx->frame[i];

		f->start = FRAME_ROOM;
		rx->iov[i][0].iov_base = &f->vnet;
		rx->iov[i][0].iov_len = sizeof(f->vnet);
		rx->iov[i][1].iov_base = f->room + FRAME_ROOM;
		rx->iov[i][1].iov_len = frame_space(POOL_LARGE);
		rx->msg[i].msg_hdr = (struct msghdr){
			.msg_iov = rx->iov[i],
			.msg_iovlen = 2,
			.msg_control = rx->control[i],
			.msg_controllen = sizeof(rx->control[i]),
		};
	}
}

static void take_stamp(struct frame *f, const struct timespec *ts, const struct port_clock *clock)
{
	int64_t wall_ns = ts->tv_sec * 1000000000 + ts->tv_nsec;
	uint64_t at_ns = (uint64_t)(wall_ns - clock->wall_ahead_ns);

	if (at_ns <= clock->now_ns && clock->now_ns - at_ns < STAMP_OLD_NS)
		f->at_ns = at_ns;
}

static void take_vlan(struct frame *f, const struct tpacket_auxdata *aux)
{
	if (aux->tp_status & TP_STATUS_VLAN_VALID)
		frame_put_vlan(f,
			       aux->tp_status & TP_STATUS_VLAN_TPID_VALID ? aux->tp_vlan_tpid
									  : ETH_P_8021Q,
			       aux->tp_vlan_tci);
}

static void take_control(struct frame *f, struct msghdr *msg, const struct port_clock *clock)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec ts;

			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			take_stamp(f, &ts, clock);
		} else if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
			struct tpacket_auxdata aux;

			memcpy(&aux, CMSG_DATA(c), sizeof(aux));
			take_vlan(f, &aux);
		}
	}
}

/* One received message becomes a frame; false when it is none. */
static bool take_frame(struct frame *f, struct mmsghdr *m, const struct port_clock *clock)
{
	if (m->msg_hdr.msg_flags & MSG_TRUNC || m->msg_len < sizeof(f->vnet) + FRAME_ETH_LEN)
		return false;
	f->len = (uint32_t)(m->msg_len - sizeof(f->vnet));
	f->at_ns = clock->now_ns;
	take_control(f, &m->msg_hdr, clock);
	frame_parse(f);
	return true;
}

/*
 * A batch of super-packets that is larger than the cache would be read from
 * memory again when it is sent: ask for fewer then. Small frames want large batches.
 */
static void adapt_batch(struct port *port, unsigned n, uint64_t bytes)
{
	if (bytes > BATCH_BYTES && port->batch > BATCH_MIN)
		port->batch /= 2;
	else if (n == port->batch && bytes < BATCH_BYTES / 2 && port->batch < PORT_BATCH)
		port->batch *= 2;
}

/*
 * EINVAL: the kernel had a super-packet of a kind for which virtio has no name
 * (SCTP; UDP before Linux 6.2) and dropped it.
 */
static int receive_error(int err, unsigned *ret_bad, bool *ret_more)
{
	if (err == EINVAL) {
		*ret_bad = 1;
		*ret_more = true;
		return 0;
	}
	return err == EAGAIN || err == EINTR ? 0 : -err;
}

int port_receive(struct port *port, struct port_rx *rx, unsigned most, struct port_clock *clock,
		 unsigned *ret_bad, bool *ret_more)
{
	unsigned want = most < rx->nframes ? most : rx->nframes;
	uint64_t bytes = 0;
	int n, good = 0;

	if (!port->batch)
		port->batch = PORT_BATCH;
	want = want < port->batch ? want : port->batch;
	*ret_bad = 0;
	*ret_more = false;
	prepare(rx, want);
	n = recvmmsg(port->fd, rx->msg, want, MSG_DONTWAIT, NULL);
	if (n < 0)
		return receive_error(errno, ret_bad, ret_more);
	port_clock_read(clock);
	for (int i = 0; i < n; i++) {
		struct frame *f = rx->frame[i];

		bytes += rx->msg[i].msg_len;
		if (!take_frame(f, &rx->msg[i], clock))
			continue;
		/* Frames that are none go behind the good ones. */
		rx->frame[i] = rx->frame[good];
		rx->frame[good++] = f;
	}
	*ret_bad = (unsigned)(n - good);
	*ret_more = (unsigned)n == want;
	adapt_batch(port, (unsigned)n, bytes);
	return good;
}

uint64_t port_missed(struct port *port)
{
	struct tpacket_stats stats = { 0 };
	socklen_t len = sizeof(stats);

	if (getsockopt(port->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) < 0)
		return 0;
	return stats.tp_drops;
}

/* ----------------------------------------------------------------- sending */

/* Two pieces of memory for a run: the headers, and what follows them. */
static void fill(const struct run *run, struct iovec iov[2], struct frame_head *head)
{
	struct frame *f = run->frame;
	uint32_t payload, len;

	if (run->count == f->units && !(run->flags & FRAME_CE)) {
		iov[0].iov_base = &f->vnet;
		iov[0].iov_len = sizeof(f->vnet);
		iov[1].iov_base = frame_eth(f);
		iov[1].iov_len = f->len;
		return;
	}
	iov[0].iov_base = head;
	iov[0].iov_len = frame_cut(f, run->first, run->count, run->flags, head, &payload, &len);
	iov[1].iov_base = frame_eth(f) + payload;
	iov[1].iov_len = len;
}

static unsigned fill_batch(const struct port *port, struct port_tx *tx)
{
	unsigned n = 0;

	for (const struct run *run = port->out.head; run && n < PORT_BATCH; run = run->next) {
		fill(run, tx->iov[n], &tx->head[n]);
		tx->msg[n].msg_hdr = (struct msghdr){ .msg_iov = tx->iov[n], .msg_iovlen = 2 };
		n++;
	}
	return n;
}

static void sent(struct port *port, struct pipe *pipe, unsigned n)
{
	struct port_clock clock;

	port_clock_read(&clock);
	port->tries = 0;
	while (n--)
		pipe_sent(pipe, run_list_take(&port->out), clock.now_ns);
}

/* The kernel did not take the first run. True: go on with the next. */
static bool failed(struct port *port, struct pipe *pipe, int err)
{
	struct port_clock clock;

	if (err == EINTR)
		return true;
	if (err == EAGAIN) {
		port->blocked = true;
		return false;
	}
	if (err == ENOBUFS && port->tries++ < RETRIES) {
		port_clock_read(&clock);
		port->retry_ns = clock.now_ns + RETRY_NS;
		return false;
	}
	port->tries = 0;
	pipe_refused(pipe, run_list_take(&port->out), CHOPPY_DROP_SEND);
	return true;
}

void port_send(struct port *port, struct port_tx *tx, struct pipe *pipe)
{
	port->blocked = false;
	port->retry_ns = 0;
	while (port->out.head) {
		unsigned n = fill_batch(port, tx);
		int done = sendmmsg(port->fd, tx->msg, n, MSG_DONTWAIT);

		if (done > 0)
			sent(port, pipe, (unsigned)done);
		else if (!failed(port, pipe, errno))
			break;
	}
}
