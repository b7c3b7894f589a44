/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port_mem.h - a port of memory and a virtual clock for tests of the packet path: makes
 * frames, drives a pipe from event to event, and cuts what comes out into wire packets with
 * a segmenter that shares nothing with the code under test.
 */
#ifndef CHOPPY_TEST_PORT_MEM_H
#define CHOPPY_TEST_PORT_MEM_H

#include "pipe.h"

/* What to make a frame of. */
struct mem_spec {
	bool v6, udp;
	bool vlan;
	uint32_t payload; /* bytes above the transport header */
	uint16_t segment; /* gso_size, or 0: a single packet */
	uint8_t flags; /* TCP */
	uint8_t ip_options; /* bytes of IPv4 options, or of an IPv6 destination header */
	uint8_t tcp_options;
	uint16_t id; /* IPv4 */
	uint32_t seq; /* TCP; for both, where the payload's pattern begins */
	bool ecn; /* the virtio ECN bit */
	uint8_t tos; /* or IPv6 traffic class */
	bool may_fragment; /* IPv4: no DF */
};

#define MEM_NTRAFFIC 8

/* One of each kind: TCP and UDP, super-packets and single ones, both versions of IP, a VLAN tag. */
extern const struct mem_spec mem_traffic[MEM_NTRAFFIC];

/* A wire packet that came out. */
struct mem_packet {
	uint64_t at_ns; /* when it was sent */
	uint32_t len;
	unsigned char *bytes;
};

struct mem_port {
	struct pool pool;
	struct pipe *pipe;
	uint64_t now_ns;
	struct run_list out;
	struct mem_packet *packets; /* all that was sent, cut */
	size_t npackets;
	size_t nframes;
	struct frame *last_frame; /* address of the frame sent last; may be free by now */
};

#define MEM_CAP (64u << 20)

void mem_open(struct mem_port *m, size_t cap, uint64_t seed, uint32_t link, enum choppy_dir dir);
void mem_close(struct mem_port *m);

/* Forget what was sent. */
void mem_forget(struct mem_port *m);

/* A frame, parsed, as the receiver would hand it over. Never fails: the pool must have room. */
struct frame *mem_frame(struct mem_port *m, const struct mem_spec *spec);

/* A frame of any bytes. */
struct frame *mem_raw(struct mem_port *m, const struct virtio_net_hdr *vnet,
		      const unsigned char *bytes, uint32_t len);

/* Let the virtual clock run to @to_ns, with a wake-up at each due time. */
void mem_run(struct mem_port *m, uint64_t to_ns);

/* Let it run until nothing waits. */
void mem_drain(struct mem_port *m);

/* A frame arrives at @at_ns (the clock runs until then first). */
void mem_feed(struct mem_port *m, struct frame *f, uint64_t at_ns);

void mem_set(struct mem_port *m, const struct choppy_condition *c);

/* The same with all that a condition may need beside it. */
void mem_plan(struct mem_port *m, const struct pipe_plan *plan);

/* Cut a frame as the kernel would, checksums filled in; appended to @m->packets. */
void mem_cut(struct mem_port *m, const struct virtio_net_hdr *vnet, const unsigned char *bytes,
	     uint32_t len);

/* Whether the IPv4 and the TCP, UDP or ICMP checksum of a wire packet, not a fragment, are right.
 */
bool mem_sums_right(const unsigned char *bytes, uint32_t len);

/* Put the right checksum into the IPv4 header @ip. */
void mem_ip4_sum(unsigned char *ip);

/* packets = delivered + dropped + waiting; asserts it. */
void mem_check_sum(struct mem_port *m);

#endif
