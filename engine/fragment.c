/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fragments (RFC 791, sections 2.3 and 3.2): the data behind the IP header is divided at
 * multiples of 8 bytes. Each piece gets the header with its own total length, offset and
 * checksum; "more fragments" is set in all but the last, which has what the packet itself had,
 * for that may be a fragment already. The first piece keeps all options, the later ones
 * those whose copied flag is set, padded to 32 bits.
 */
#include "fragment.h"

#include "bytes.h"
#include "edit.h"

#include <errno.h>
#include <string.h>

#define IP4_LEN 20
#define IP4_MAX 60
#define DF 0x4000
#define MF 0x2000
#define OFFSET 0x1fff

#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_COPIED 0x80

/* ------------------------------------------------------------------ fitting */

/* Bytes of a wire packet, from the Ethernet header on. */
static uint32_t packet_len(const struct frame *f, uint32_t unit)
{
	uint32_t len = f->headers + (uint32_t)f->vnet.gso_size;

	if (f->kind > FRAME_WHOLE)
		return frame_unit_len(f, unit);
	return f->kind == FRAME_WHOLE && f->vnet.gso_size && len < f->len ? len : f->len;
}

static bool may_fragment(const struct frame *f)
{
	return f->ip == 4 && f->kind != FRAME_WHOLE && !(get16(frame_bytes(f) + f->l3 + 6) & DF);
}

enum fit frame_fits(const struct frame *f, uint32_t unit, uint32_t mtu)
{
	if (packet_len(f, unit) <= (uint64_t)f->l3 + mtu)
		return FITS;
	/* What goes over may be padding, which no router sends on. */
	if (f->kind == FRAME_SINGLE && f->ip && frame_ip_end(f) - f->l3 <= mtu)
		return FITS;
	return may_fragment(f) ? MAY_FRAGMENT : TOO_BIG;
}

/* ------------------------------------------------------------------ cutting */

/* A header for pieces of a packet. */
struct header {
	unsigned char bytes[IP4_MAX];
	uint32_t len;
};

/* The options of @of, @len bytes, that later pieces have too. Returns their length. */
static uint32_t copy_options(unsigned char *to, const unsigned char *of, uint32_t len)
{
	uint32_t n = 0, at = 0, size;

	while (at < len && of[at] != OPTION_END) {
		size = of[at] == OPTION_NOP ? 1 : at + 1 < len ? of[at + 1] : 0;
		if (!size || (size < 2 && of[at] != OPTION_NOP) || size > len - at)
			break; /* not an option */
		if (of[at] & OPTION_COPIED) {
			memcpy(to + n, of + at, size);
			n += size;
		}
		at += size;
	}
	while (n % 4)
		to[n++] = OPTION_END;
	return n;
}

static void make_headers(const struct frame *p, struct header *first, struct header *later)
{
	const unsigned char *ip = frame_bytes(p) + p->l3;

	first->len = p->l4 - p->l3;
	memcpy(first->bytes, ip, first->len);
	memcpy(later->bytes, ip, IP4_LEN);
	later->len =
		IP4_LEN + copy_options(later->bytes + IP4_LEN, ip + IP4_LEN, first->len - IP4_LEN);
	later->bytes[0] = (unsigned char)(0x40 | later->len / 4);
}

/* The piece of @p's data that begins at @at, @len bytes, "more fragments" and offset in @field. */
static struct frame *make_piece(struct pool *pool, const struct frame *p, const struct header *h,
				uint32_t at, uint32_t len, uint16_t field)
{
	struct frame *f = frame_get(pool, frame_class(p->l3 + h->len + len));
	unsigned char *ip;

	if (!f)
		return NULL;
	ip = frame_eth(f) + p->l3;
	f->len = p->l3 + h->len + len;
	f->at_ns = p->at_ns;
	memcpy(frame_eth(f), frame_bytes(p), p->l3);
	memcpy(ip, h->bytes, h->len);
	memcpy(ip + h->len, frame_bytes(p) + p->l4 + at, len);
	put16(ip + 2, (uint16_t)(h->len + len));
	put16(ip + 6, field);
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~sum_bytes(0, ip, h->len));
	frame_parse(f);
	return f;
}

/* All pieces. Returns how many were made, and in @ret_err why not all. */
static unsigned make_pieces(struct pool *pool, const struct frame *p, uint32_t mtu,
			    struct frame **ret, unsigned max, int *ret_err)
{
	uint16_t own = get16(frame_bytes(p) + p->l3 + 6);
	uint32_t data = frame_ip_end(p) - p->l4, at = 0, len;
	struct header headers[2]; /* of the first, of the later ones */
	unsigned n = 0;

	make_headers(p, &headers[0], &headers[1]);
	do {
		const struct header *h = &headers[n > 0];
		uint32_t offset = (own & OFFSET) + at / 8;

		len = data - at;
		if (mtu < h->len + 8 || offset > OFFSET)
			*ret_err = -EMSGSIZE;
		else if (n == max)
			*ret_err = -E2BIG;
		if (*ret_err)
			break;
		if (len > mtu - h->len)
			len = (mtu - h->len) & ~7u;
		ret[n] = make_piece(
			pool, p, h, at, len,
			(uint16_t)((own & ~OFFSET) | offset | (at + len < data ? MF : 0)));
		if (!ret[n]) {
			*ret_err = -ENOMEM;
			break;
		}
		n++;
		at += len;
	} while (at < data);
	return n;
}

static bool length_is_right(const struct frame *p)
{
	return frame_ip_end(p) == p->l3 + get16(frame_bytes(p) + p->l3 + 2);
}

int fragment_make(struct pool *pool, const struct frame *f, uint32_t unit, uint32_t mtu,
		  struct frame **ret, unsigned max)
{
	struct frame *p;
	unsigned n;
	int err = 0;

	if (!may_fragment(f))
		return -EMSGSIZE;
	p = frame_extract(pool, f, unit);
	if (!p)
		return -ENOMEM;
	if (!length_is_right(p))
		err = -EINVAL;
	n = err ? 0 : make_pieces(pool, p, mtu, ret, max, &err);
	frame_put(pool, p);
	while (err && n)
		frame_put(pool, ret[--n]);
	return err ? err : (int)n;
}
