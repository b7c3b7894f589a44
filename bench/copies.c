/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copies: what any emulator takes that is a process: each frame copied in and out again, between
 *two devices, and nothing else done to it. Super-packets stay whole.
 *
 *	copies packet DELAY_MS DEVICE DEVICE	by packet(7) sockets, as the engine does
 *	copies tap DELAY_MS DEVICE DEVICE	by taps that it makes (tun.txt of the kernel)
 *
 * With a delay, frames wait in the order in which they were read. Says "up" when it forwards, and
 * does so until it is killed.
 */
#define _GNU_SOURCE
#include "clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define NPORTS 2
#define BATCH 64
#define FRAME_MAX (68 << 10)
#define PAGE 4096
#define SOCKET_BUFFER (64 << 20)
#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000.0
#define NEVER UINT64_MAX

struct frame {
	struct frame *next;
	uint64_t due_ns;
	size_t len;
	unsigned char bytes[FRAME_MAX]; /* struct virtio_net_hdr first */
};

struct port {
	int fd;
	struct frame *head, **tail; /* that came in here */
};

struct copies {
	struct port port[NPORTS];
	struct frame *free; /* last in, first out */
	uint64_t delay_ns;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "copies: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)) < 0)
		die("setsockopt");
}

static int open_packet(const char *device)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(device),
	};
	struct packet_mreq all = { .mr_ifindex = addr.sll_ifindex, .mr_type = PACKET_MR_PROMISC };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || !addr.sll_ifindex)
		die(device);
	set(fd, SOL_PACKET, PACKET_VNET_HDR, 1);
	set(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	set(fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER);
	set(fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0)
		die(device);
	return fd;
}

static int open_tap(const char *device)
{
	static const unsigned tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	struct ifreq req = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", device);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &req) < 0)
		die(device);
	/* UDP super-packets: since Linux 6.2. */
	if (ioctl(fd, TUNSETOFFLOAD, tso | TUN_F_USO4 | TUN_F_USO6) < 0 &&
	    ioctl(fd, TUNSETOFFLOAD, tso) < 0)
		die(device);
	return fd;
}

static struct frame *frame_get(struct copies *c)
{
	struct frame *f = c->free;

	if (f)
		c->free = f->next;
	else if (posix_memalign((void **)&f, PAGE, sizeof(*f)))
		die("memory");
	return f;
}

static void frame_put(struct copies *c, struct frame *f)
{
	f->next = c->free;
	c->free = f;
}

/* A frame that is not taken, for its queue is full, is lost. */
static void frame_send(struct copies *c, struct port *to, struct frame *f)
{
	if (write(to->fd, f->bytes, f->len) < 0 && errno != EAGAIN && errno != ENOBUFS &&
	    errno != ENETDOWN && errno != EIO)
		die("write");
	frame_put(c, f);
}

/* Those of @from that are due, out of @to. Returns when the next will be. */
static uint64_t send_due(struct copies *c, struct port *from, struct port *to, uint64_t until_ns)
{
	struct frame *f;

	while ((f = from->head) && f->due_ns <= until_ns) {
		from->head = f->next;
		if (!f->next)
			from->tail = &from->head;
		frame_send(c, to, f);
	}
	return f ? f->due_ns : NEVER;
}

/* True when it was a whole batch: there may be more. */
static bool receive(struct copies *c, struct port *from, struct port *to)
{
	for (int n = 0; n < BATCH; n++) {
		struct frame *f = frame_get(c);
		ssize_t len = read(from->fd, f->bytes, sizeof(f->bytes));

		if (len <= 0) {
			frame_put(c, f);
			return false;
		}
		f->len = (size_t)len;
		if (!c->delay_ns) {
			frame_send(c, to, f);
			continue;
		}
		f->due_ns = now_ns() + c->delay_ns;
		f->next = NULL;
		*from->tail = f;
		from->tail = &f->next;
	}
	return true;
}

static void wait_until(struct copies *c, uint64_t due_ns)
{
	struct pollfd fds[NPORTS] = {
		{ .fd = c->port[0].fd, .events = POLLIN },
		{ .fd = c->port[1].fd, .events = POLLIN },
	};
	uint64_t at_ns = now_ns(), left_ns = due_ns > at_ns ? due_ns - at_ns : 0;
	struct timespec ts = { .tv_sec = (time_t)(left_ns / NS_PER_S),
			       .tv_nsec = (long)(left_ns % NS_PER_S) };

	if (ppoll(fds, NPORTS, due_ns == NEVER ? NULL : &ts, NULL) < 0 && errno != EINTR)
		die("ppoll");
}

static _Noreturn void forward(struct copies *c)
{
	for (;;) {
		uint64_t due_ns = NEVER, at_ns = now_ns();
		bool more = false;

		for (int i = 0; i < NPORTS; i++) {
			struct port *from = &c->port[i], *to = &c->port[!i];
			uint64_t next_ns = send_due(c, from, to, at_ns);

			more |= receive(c, from, to);
			if (next_ns == NEVER && from->head)
				next_ns = from->head->due_ns;
			due_ns = next_ns < due_ns ? next_ns : due_ns;
		}
		if (!more)
			wait_until(c, due_ns);
	}
}

int main(int argc, char **argv)
{
	struct copies c = { 0 };
	bool tap;

	if (argc != 5) {
		fprintf(stderr, "copies: packet|tap DELAY_MS DEVICE DEVICE\n");
		return 2;
	}
	tap = !strcmp(argv[1], "tap");
	c.delay_ns = (uint64_t)(atof(argv[2]) * NS_PER_MS);
	for (int i = 0; i < NPORTS; i++) {
		c.port[i].fd = tap ? open_tap(argv[3 + i]) : open_packet(argv[3 + i]);
		c.port[i].tail = &c.port[i].head;
	}
	prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul);
	printf("up\n");
	fflush(stdout);
	forward(&c);
}
