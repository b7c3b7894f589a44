/* SPDX-License-Identifier: GPL-2.0-or-later */
/* port.h - the engine's side of a link end: batches of frames in and out of a packet socket. */
#ifndef CHOPPY_PORT_H
#define CHOPPY_PORT_H

#include "frame.h"
#include "pipe.h"

#include <sys/socket.h>
#include <time.h>

#define PORT_BATCH 64

/* Time: the monotonic clock, and what to subtract from the wall clock to get it. */
struct port_clock {
	uint64_t now_ns;
	int64_t wall_ahead_ns;
};

void port_clock_read(struct port_clock *clock);

/* Buffers and headers of a batch; one of each serves all ports in turn. */
struct port_rx {
	struct frame *frame[PORT_BATCH]; /* [0, nframes) hold a buffer to receive into */
	unsigned nframes;
	struct mmsghdr msg[PORT_BATCH];
	struct iovec iov[PORT_BATCH][2];
	unsigned char control[PORT_BATCH][128];
};

struct port_tx {
	struct mmsghdr msg[PORT_BATCH];
	struct iovec iov[PORT_BATCH][2];
	struct frame_head head[PORT_BATCH];
};

struct port {
	int fd;
	unsigned batch; /* frames to ask for at once; 0 at first */
	struct run_list out; /* to be sent, in order */
	bool blocked; /* the socket's send buffer is full: EPOLLOUT will tell */
	uint64_t retry_ns; /* the device's queue is full: when to try again, or 0 */
	unsigned tries; /* so many in a row for the first run */
};

/*
 * Receive up to @most frames, at most PORT_BATCH. @rx->frame[0] to [returned - 1] are parsed and
 * stamped with link time; the caller takes those out that it keeps, and calls port_rx_refill()
 * after it has sent. 0: nothing there; negative errno: the port's error.
 * @ret_bad: frames that could not be taken over. @ret_more: there may be more to receive.
 */
int port_receive(struct port *port, struct port_rx *rx, unsigned most, struct port_clock *clock,
		 unsigned *ret_bad, bool *ret_more);

/* Fill the empty places from @pool; false when not one buffer could be had. */
bool port_rx_refill(struct port_rx *rx, struct pool *pool);

/* Send what @port->out holds until the kernel takes no more. @pipe: whose runs they are. */
void port_send(struct port *port, struct port_tx *tx, struct pipe *pipe);

/* Frames that the socket lost for want of room since the last call. */
uint64_t port_missed(struct port *port);

#endif
