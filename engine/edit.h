/* SPDX-License-Identifier: GPL-2.0-or-later */
/* edit.h - one wire packet as a frame of its own, and damage to it. */
#ifndef CHOPPY_EDIT_H
#define CHOPPY_EDIT_H

#include "frame.h"

/*
 * Unit @unit of @f as a FRAME_SINGLE with one reference: the bytes that the kernel would have put
 * on the wire, transport checksum finished. A FRAME_WHOLE is copied as it is, its virtio header
 * too. NULL: the pool is exhausted.
 */
struct frame *frame_extract(struct pool *pool, const struct frame *f, uint32_t unit);

/*
 * The functions below are for what frame_extract() returned. They do not parse anew: the frame's
 * fields stay as they were, whatever is flipped, and every step goes by the fields.
 */

/* Bits that may be flipped: all behind the Ethernet header and VLAN tags; may be 0. */
uint32_t frame_bits(const struct frame *f);

/*
 * Flip one, @bit < frame_bits(), counted from the first byte's highest. Nothing is mended: who
 * checks finds it. But for a FRAME_WHOLE, whose checksum the kernel has yet to make,
 * which then covers what was flipped in the payload.
 */
void frame_flip(struct frame *f, uint32_t bit);

/*
 * Bits of transport payload: behind the header of TCP, UDP, or ICMP (8 bytes), or behind the
 * IP header for a protocol whose checksum is not known here. 0: without IP or payload, in a
 * later fragment (its checksum is in the first), and where the transport header is not whole.
 */
uint32_t frame_payload_bits(const struct frame *f);

/*
 * Flip one, @bit < frame_payload_bits(), and mend the checksum of TCP, UDP (none stays
 * none), ICMP or ICMPv6: the receiver cannot know.
 */
void frame_flip_mended(struct frame *f, uint32_t bit);

#endif
