/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A wire packet is taken out of its frame as a part of one unit (frame.c), and its checksum is
 * finished as a device does it (virtio specification 1.2, section 5.1.6.2): the one's-complement
 * sum from csum_start to the end, over what stands in the checksum's place, which is
 * the pseudo header's sum. A result of 0 is sent as 0xffff, which is the same number
 * and for UDP does not mean "none".
 *
 * A mended flip exchanges one 16-bit word of the sum (RFC 1624, equation 3). Words are
 * counted from the transport header on, for that is where the sum begins; an odd last byte is
 * padded with zero, or with whatever stands there, for it is taken out again.
 */
#include "edit.h"

#include "bytes.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

/* Where in its header a protocol has its checksum; 0: not known here. */
static const uint8_t csum_place[256] = {
	[IPPROTO_TCP] = 16,
	[IPPROTO_UDP] = 6,
	[IPPROTO_ICMP] = 2,
	[IPPROTO_ICMPV6] = 2,
};

/* -------------------------------------------------------------- extraction */

/* What the virtio header asks for is left as it is when it cannot be done: the kernel refuses it.
 */
static void finish_checksum(struct frame *f)
{
	uint32_t start = f->vnet.csum_start, place = start + f->vnet.csum_offset;
	uint16_t csum;

	if (f->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (place + 2 > f->len)
			return;
		csum = (uint16_t)~sum_bytes(0, frame_eth(f) + start, f->len - start);
		put16(frame_eth(f) + place, csum ? csum : 0xffff);
	}
	memset(&f->vnet, 0, sizeof(f->vnet));
}

static struct frame *copy_all(struct pool *pool, const struct frame *f)
{
	enum pool_class class = frame_class(f->len);

	/* With a VLAN tag put back a frame may be longer than frame_space() by that tag. */
	return frame_copy(pool, f, class < f->class ? class : f->class);
}

static struct frame *copy_unit(struct pool *pool, const struct frame *f, uint32_t unit)
{
	struct frame *e = frame_get(pool, frame_class(frame_unit_len(f, unit)));
	struct frame_head head;
	uint32_t payload, len;
	size_t n;

	if (!e)
		return NULL;
	n = frame_cut(f, unit, 1, 0, &head, &payload, &len) - sizeof(head.vnet);
	e->vnet = head.vnet;
	memcpy(frame_eth(e), head.bytes, n);
	memcpy(frame_eth(e) + n, frame_bytes(f) + payload, len);
	e->len = (uint32_t)n + len;
	e->at_ns = f->at_ns;
	frame_parse(e);
	return e;
}

struct frame *frame_extract(struct pool *pool, const struct frame *f, uint32_t unit)
{
	struct frame *e = f->kind > FRAME_WHOLE ? copy_unit(pool, f, unit) : copy_all(pool, f);

	if (e && e->kind == FRAME_SINGLE)
		finish_checksum(e);
	return e;
}

/* ------------------------------------------------------------------ damage */

static void flip(unsigned char *p, uint32_t bit)
{
	p[bit / 8] ^= (unsigned char)(0x80 >> bit % 8);
}

uint32_t frame_bits(const struct frame *f)
{
	return f->l3 ? (f->len - f->l3) * 8 : 0;
}

void frame_flip(struct frame *f, uint32_t bit)
{
	flip(frame_eth(f) + f->l3, bit);
}

uint32_t frame_payload_bits(const struct frame *f)
{
	bool whole = f->kind == FRAME_WHOLE;
	uint32_t end;

	if (!f->ip || f->later_fragment)
		return 0;
	if (f->headers <= f->l4 && (whole || csum_place[f->protocol]))
		return 0;
	end = whole ? f->len : frame_ip_end(f);
	return end > f->headers ? (end - f->headers) * 8 : 0;
}

/* Exchange in the checksum the word that was @old and is @new. */
static void mend(struct frame *f, uint16_t old, uint16_t new)
{
	unsigned char *csum = frame_eth(f) + f->l4 + csum_place[f->protocol];
	bool udp = f->protocol == IPPROTO_UDP;
	uint16_t mended;

	if (udp && !get16(csum))
		return;
	mended = (uint16_t)~sum_exchange((uint16_t)~get16(csum), old, new);
	put16(csum, udp && !mended ? 0xffff : mended);
}

void frame_flip_mended(struct frame *f, uint32_t bit)
{
	uint32_t at = f->headers + bit / 8, word = at - ((at - f->l4) & 1);
	bool odd = word + 1 == f->len;
	unsigned char *p = frame_eth(f) + word;
	uint16_t old = odd ? (uint16_t)(p[0] << 8) : get16(p);

	flip(frame_eth(f) + f->headers, bit);
	/* Otherwise the kernel has yet to make it. */
	if (f->kind == FRAME_SINGLE && csum_place[f->protocol])
		mend(f, old, odd ? (uint16_t)(p[0] << 8) : get16(p));
}
