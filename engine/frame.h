/* SPDX-License-Identifier: GPL-2.0-or-later */
/* frame.h - a frame as the kernel hands it over, seen as a row of wire packets. */
#ifndef CHOPPY_FRAME_H
#define CHOPPY_FRAME_H

#include "pool.h"

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

#define FRAME_ROOM 4 /* before the frame as received: for a VLAN tag to be put back */
#define FRAME_HEADERS_MAX 256 /* longest headers of a frame that is cut */
#define FRAME_ETH_LEN 14

enum frame_kind {
	FRAME_SINGLE, /* one wire packet */
	FRAME_WHOLE, /* several, which nobody here knows how to cut: one unit */
	FRAME_TCP4,
	FRAME_TCP6,
	FRAME_UDP4,
	FRAME_UDP6,
	FRAME_NKINDS,
};

/*
 * One buffer of the pool. A unit is what stages judge: a wire packet, or all of
 * a FRAME_WHOLE. References are counted; frame_get() starts with one.
 */
struct frame {
	uint32_t refs;
	uint8_t class; /* enum pool_class of the buffer */
	uint8_t kind; /* enum frame_kind */
	uint8_t start; /* where in @room the Ethernet header begins */
	bool exempt; /* ARP, neighbour discovery, multicast membership */
	/*
	 * Offsets from the Ethernet header. @l3: behind Ethernet and VLAN tags, 0 in a frame too
	 * short for that. @l4: behind the IP header and its extensions, 0 without IP.
	 */
	uint16_t l3, l4;
	/*
	 * Length of all headers, in each wire packet. FRAME_SINGLE: to the end of the TCP, UDP or
	 * ICMP header; @l4 when that is not there or not whole, or for another protocol.
	 * FRAME_WHOLE: what the virtio header says, which is a hint.
	 */
	uint16_t headers;
	uint16_t segment; /* payload of each wire packet but the last */
	uint32_t len; /* of the frame, virtio header not counted */
	uint32_t units;
	uint32_t each; /* wire packets that a unit stands for */
	uint8_t ip; /* 4, 6, or 0: no IP, or none that is understood; then what follows is 0 */
	uint8_t protocol; /* above IP and its extension headers */
	bool fragment; /* more fragments follow, or it is a later one */
	bool later_fragment; /* not the first: no transport header at @l4 */
	uint64_t at_ns; /* arrival */
	uint64_t number; /* of its first packet among the direction's, from 1 */
	struct flow *flow; /* NULL: flows are not numbered, or it found no place */
	uint64_t in_flow; /* of its first packet among the flow's, from 1 */
	uint8_t part; /* 0: as it arrived; else which fragment of a packet, doubled */
	struct virtio_net_hdr vnet;
	unsigned char room[];
};

/* The headers of a part of a frame, as they go out: one piece of memory. */
struct frame_head {
	struct virtio_net_hdr vnet;
	unsigned char bytes[FRAME_HEADERS_MAX];
};

/* A new frame in a buffer of @class; NULL when the pool is exhausted, or for POOL_NCLASSES. */
struct frame *frame_get(struct pool *pool, enum pool_class class);
void frame_put(struct pool *pool, struct frame *f);

/* Bytes of frame that fit into a buffer of @class, FRAME_ROOM apart. */
uint32_t frame_space(enum pool_class class);

/* The smallest class that holds @len bytes; POOL_NCLASSES when none does. */
enum pool_class frame_class(uint32_t len);

/* A copy of @f in a buffer of @class, with one reference; NULL when the pool is exhausted. */
struct frame *frame_copy(struct pool *pool, const struct frame *f, enum pool_class class);

static inline unsigned char *frame_eth(struct frame *f)
{
	return f->room + f->start;
}

static inline const unsigned char *frame_bytes(const struct frame *f)
{
	return f->room + f->start;
}

/*
 * Find out what it is: fills everything from @kind to @later_fragment, @len apart, out of vnet,
 * bytes and len. Any bytes will do; what cannot be understood becomes FRAME_SINGLE or FRAME_WHOLE.
 */
void frame_parse(struct frame *f);

/* Put a VLAN tag back that the kernel has taken out; before frame_parse(). */
void frame_put_vlan(struct frame *f, uint16_t tpid, uint16_t tci);

/* Bytes on the wire of one unit, and of the units [@first, @first + @count). */
uint32_t frame_unit_len(const struct frame *f, uint32_t unit);
uint64_t frame_wire_len(const struct frame *f, uint32_t first, uint32_t count);

#define FRAME_CE 1u /* congestion experienced: every wire packet is marked so (RFC 3168) */

/*
 * Where the IP packet ends by its own length field, but not beyond the frame and not before
 * @l4; what follows is padding. Only with IP.
 */
uint32_t frame_ip_end(const struct frame *f);

/*
 * Make the headers of a frame that holds the units [@first, @first + @count) and no
 * others: fewer than all, or with @flags all of any kind of frame. The payload stays where it
 * is: @ret_payload bytes from the Ethernet header of @f, @ret_len of them. Returns
 * the bytes of @head to send. FRAME_CE only when frame_ect().
 */
size_t frame_cut(const struct frame *f, uint32_t first, uint32_t count, unsigned flags,
		 struct frame_head *head, uint32_t *ret_payload, uint32_t *ret_len);

/* Whether FRAME_CE is for it: its IP header carries ECT(0), ECT(1), or CE already. */
bool frame_ect(const struct frame *f);

#endif
