/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any frames at the relay's tap, and any messages at its raw sockets, in a network namespace in
 * which there is nothing but a loopback device. Socket pairs stand for the sockets of the gateway's
 * An input is a row of messages: a byte that says where, two of length, the bytes.
 * Beyond memory errors: limits hold, and nothing is left when the relay is closed.
 */
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "relay.h"

#define FLOWS 8
#define MAPPINGS 4

enum { TAP, ICMP4, ICMP6, INPUTS };

static struct relay relay;

static void stop(struct loop *loop, struct io *io, uint32_t events)
{
	char c;

	loop->stop = read(io->fd, &c, 1) == 1;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	/* Nothing may be sent anywhere. */
	CHECK(unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &ifr) == 0);
	close(fd);
	return 0;
}

/* A UDP socket that receives, and one that is connected to it. */
static void udp_pair(uint16_t family, int fds[2])
{
	struct endpoint any = { .family = family };
	struct sockaddr_storage sa;
	socklen_t len;

	any.addr[family == AF_INET6 ? 15 : 3] = 1;
	any.addr[0] = family == AF_INET6 ? 0 : 127;
	len = endpoint_to(&sa, &any);
	for (int i = 0; i < 2; i++) {
		fds[i] = socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		CHECK(fds[i] >= 0);
	}
	CHECK(bind(fds[1], (struct sockaddr *)&sa, len) == 0);
	CHECK(getsockname(fds[1], (struct sockaddr *)&sa, &len) == 0);
	CHECK(connect(fds[0], (struct sockaddr *)&sa, len) == 0);
	CHECK(dgram_prepare(fds[1], family, false) == 0);
}

static void feed(struct loop *loop, int fds[INPUTS], int go, const uint8_t *data, size_t size)
{
	while (size >= 3) {
		size_t len = (size_t)(data[1] << 8 | data[2]);
		int to = fds[data[0] % INPUTS];

		data += 3;
		size -= 3;
		if (len > size)
			len = size;
		send(to, data, len, MSG_DONTWAIT | MSG_NOSIGNAL); /* too long for UDP: lost */
		data += len;
		size -= len;
		CHECK(write(go, "g", 1) == 1);
		loop->stop = false;
		CHECK(loop_run(loop) == 0);
		CHECK(relay.nflows <= FLOWS && relay.nmappings <= MAPPINGS);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t periods[TIMER_KINDS] = {
		[TIMER_PAUSE] = 1,
		[TIMER_HANDSHAKE] = 1000000,
		[TIMER_UDP] = 1000000000,
		[TIMER_ECHO] = 1000000000,
	};
	int in[INPUTS], ours[INPUTS], go[2];
	struct serve_config config = { .has_relay = true, .stop_fd = -1 };
	struct io stopper;
	struct loop loop;

	memset(&relay, 0, sizeof(relay));
	for (int i = 0; i < INPUTS; i++) {
		int fds[2];

		if (i == TAP)
			CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds) == 0);
		else
			udp_pair(i == ICMP4 ? AF_INET : AF_INET6, fds);
		in[i] = fds[0];
		ours[i] = fds[1];
	}
	config.relay = (struct relay_sockets){ .tcp = { -1, -1 },
					       .udp = { -1, -1 },
					       .raw_udp = { -1, -1 },
					       .icmp = { ours[ICMP4], ours[ICMP6] },
					       .tap = ours[TAP] };
	config.policy = (struct relay_policy){ .gateway4 = { 10, 0, 0, 0 },
					       .host4 = { 192, 0, 0, 11 },
					       .allow_host = true,
					       .tap_ifindex = 1 };
	CHECK(pipe2(go, O_NONBLOCK) == 0);
	CHECK(loop_open(&loop, periods) == 0);
	stopper = (struct io){ .fd = go[0], .ready = stop };
	CHECK(io_want(&loop, &stopper, EPOLLIN) == 0);
	CHECK(relay_open(&relay, &loop, &config, FLOWS, MAPPINGS) == 0);
	feed(&loop, in, go[1], data, size);
	relay_close(&relay);
	CHECK(relay.nflows == 0 && relay.nmappings == 0);
	io_close(&loop, &stopper);
	loop_close(&loop);
	close(go[1]);
	for (int i = 0; i < INPUTS; i++)
		close(in[i]);
	return 0;
}
