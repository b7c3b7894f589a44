/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bytes.h - numbers in network byte order, and the Internet checksum over them (RFC 1071, 1624). */
#ifndef CHOPPY_BYTES_H
#define CHOPPY_BYTES_H

#include <stdint.h>

static inline uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void put16(unsigned char *p, uint16_t v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
}

static inline uint32_t get32(const unsigned char *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static inline void put32(unsigned char *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

static inline uint16_t sum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

/* One's-complement sum of @len bytes and @sum; an odd last byte is padded with zero. */
static inline uint16_t sum_bytes(uint16_t sum, const unsigned char *p, uint32_t len)
{
	uint64_t s = sum;

	for (; len >= 4; p += 4, len -= 4)
		s += get32(p);
	if (len >= 2) {
		s += get16(p);
		p += 2;
	}
	if (len & 1)
		s += (uint32_t)*p << 8;
	s = (s & 0xffffffff) + (s >> 32);
	return sum_fold(sum_fold((uint32_t)s) + (uint32_t)(s >> 32));
}

/* The sum after one of its 16-bit words was exchanged (RFC 1624, for a sum not inverted). */
static inline uint16_t sum_exchange(uint16_t sum, uint16_t old, uint16_t new)
{
	return sum_fold((uint32_t)sum + (uint16_t)~old + new);
}

#endif
