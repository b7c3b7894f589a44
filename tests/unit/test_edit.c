/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Wire packets of their own: taken out, damaged, answered, fragmented; checksums counted anew here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "edit.h"
#include "fragment.h"
#include "port_mem.h"
#include "reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_CWR 0x80
#define ALL_FLAGS (TCP_FIN | TCP_PSH | TCP_ACK | TCP_CWR)

static int setup(void **state)
{
	static struct mem_port m;

	mem_open(&m, MEM_CAP, 1, 0, CHOPPY_UP);
	*state = &m;
	return 0;
}

static int teardown(void **state)
{
	mem_close(*state);
	return 0;
}

static uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
}

/* Frames with all that headers may carry; packets of any length. */
static const struct mem_spec specs[] = {
	{ .payload = 4500, .segment = 1000, .flags = ALL_FLAGS, .id = 65534, .seq = 4294965000u },
	{ .payload = 4500, .segment = 1000, .flags = ALL_FLAGS, .ecn = true, .vlan = true },
	{ .payload = 5000, .segment = 1000, .flags = TCP_ACK, .ip_options = 40, .tcp_options = 40 },
	{ .payload = 4001, .segment = 1000, .flags = ALL_FLAGS, .v6 = true, .ecn = true },
	{ .payload = 3001, .segment = 1001, .flags = ALL_FLAGS, .v6 = true, .ip_options = 16 },
	{ .payload = 4001, .segment = 1000, .udp = true, .id = 7, .may_fragment = true },
	{ .payload = 4999, .segment = 1000, .udp = true, .vlan = true, .tos = 0xba },
	{ .payload = 5, .segment = 1, .udp = true },
	{ .payload = 4500, .segment = 1001, .udp = true, .v6 = true, .vlan = true },
	{ .payload = 900, .segment = 1000, .flags = TCP_ACK | TCP_PSH },
	{ .payload = 65000, .segment = 1448, .flags = TCP_ACK | TCP_PSH, .tcp_options = 12 },
	{ .payload = 64800, .segment = 1428, .flags = ALL_FLAGS, .tcp_options = 12, .v6 = true },
	{ .payload = 0, .flags = TCP_SYN, .tcp_options = 20 },
	{ .payload = 0, .flags = TCP_ACK, .v6 = true, .vlan = true },
	{ .payload = 1448, .flags = TCP_ACK, .tcp_options = 12, .tos = 1 },
	{ .payload = 1, .udp = true },
	{ .payload = 0, .udp = true, .v6 = true, .ip_options = 8 },
	{ .payload = 333, .udp = true, .ip_options = 12, .may_fragment = true },
	{ .payload = 9000, .udp = true, .v6 = true },
};
#define NSPECS (sizeof(specs) / sizeof(specs[0]))

/* Where there is room, a timestamp and one block of selective acknowledgement for NOPs. */
static struct frame *make(struct mem_port *m, const struct mem_spec *spec)
{
	struct frame *f = mem_frame(m, spec);

	if (spec->tcp_options >= 12)
		memcpy(frame_eth(f) + f->headers - 10, "\x05\x0a\1\2\3\4\5\6\7\x08", 10);
	return f;
}

/* An IP packet behind an Ethernet header, protocol and bytes as given; lengths and sums are right.
 */
static struct frame *make_ip(struct mem_port *m, bool v6, uint8_t protocol, const void *l4,
			     uint32_t len)
{
	struct mem_spec spec = { .udp = true, .v6 = v6, .payload = len < 8 ? 0 : len - 8 };
	struct frame *f = mem_frame(m, &spec);
	unsigned char *ip = frame_eth(f) + 14;

	memset(&f->vnet, 0, sizeof(f->vnet));
	if (v6) {
		f->len = 54 + len;
		put16(ip + 4, len);
		ip[6] = protocol;
		memcpy(ip + 40, l4, len);
	} else {
		f->len = 34 + len;
		put16(ip + 2, 20 + len);
		ip[9] = protocol;
		memcpy(ip + 20, l4, len);
		mem_ip4_sum(ip);
	}
	frame_parse(f);
	return f;
}

/* Free small buffers; what is taken and given back leaves the number as it was. */
static size_t small(struct mem_port *m)
{
	assert_true(pool_have(&m->pool, POOL_SMALL, 100));
	assert_true(pool_have(&m->pool, POOL_MEDIUM, 10));
	return m->pool.class[POOL_SMALL].available + m->pool.class[POOL_MEDIUM].available;
}

/* -------------------------------------------------------------- extraction */

static void test_extract_gives_what_the_kernel_would_have_cut(void **state)
{
	struct mem_port *m = *state;
	struct virtio_net_hdr none = { 0 };

	for (size_t i = 0; i < NSPECS; i++) {
		struct frame *f = make(m, &specs[i]), *e;

		f->at_ns = 77 + i;
		mem_cut(m, &f->vnet, frame_bytes(f), f->len);
		assert_int_equal(m->npackets, f->units);
		for (uint32_t u = 0; u < f->units; u++) {
			e = frame_extract(&m->pool, f, u);
			assert_non_null(e);
			assert_int_equal(e->len, m->packets[u].len);
			assert_memory_equal(frame_bytes(e), m->packets[u].bytes, e->len);
			assert_true(mem_sums_right(frame_bytes(e), e->len));
			assert_memory_equal(&e->vnet, &none, sizeof(none));
			assert_int_equal(e->kind, FRAME_SINGLE);
			assert_int_equal(e->units, 1);
			assert_int_equal(e->refs, 1);
			assert_int_equal(e->class, frame_class(e->len));
			assert_true(e->at_ns == 77 + i);
			assert_int_equal(e->l3, f->l3);
			assert_int_equal(e->l4, f->l4);
			assert_int_equal(e->headers, f->headers);
			assert_int_equal(e->ip, specs[i].v6 ? 6 : 4);
			assert_int_equal(e->protocol, specs[i].udp ? 17 : 6);
			frame_put(&m->pool, e);
		}
		mem_forget(m);
		frame_put(&m->pool, f);
	}
}

static void test_extract_of_a_finished_packet_is_a_copy(void **state)
{
	struct mem_port *m = *state;
	struct frame *f = make(m, &specs[13]), *e;

	mem_cut(m, &f->vnet, frame_bytes(f), f->len);
	f->vnet.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	frame_parse(f);
	e = frame_extract(&m->pool, f, 0);
	assert_int_equal(e->len, f->len);
	assert_memory_equal(frame_bytes(e), frame_bytes(f), f->len);
	assert_int_equal(e->vnet.flags, 0); /* who damages it must not vouch for it */
	frame_put(&m->pool, e);
	frame_put(&m->pool, f);
}

static void test_extract_of_whole_keeps_all(void **state)
{
	struct mem_port *m = *state;
	struct frame *f = make(m, &specs[10]), *e;

	f->vnet.gso_type = 0x7f;
	frame_parse(f);
	assert_int_equal(f->kind, FRAME_WHOLE);
	e = frame_extract(&m->pool, f, 0);
	assert_int_equal(e->kind, FRAME_WHOLE);
	assert_int_equal(e->len, f->len);
	assert_int_equal(e->each, f->each);
	assert_memory_equal(&e->vnet, &f->vnet, sizeof(f->vnet));
	assert_memory_equal(frame_bytes(e), frame_bytes(f), f->len);
	frame_put(&m->pool, e);
	frame_put(&m->pool, f);
}

static void test_extract_leaves_what_cannot_be_finished(void **state)
{
	struct mem_port *m = *state;
	struct frame *f = make(m, &specs[14]), *e;

	f->vnet.csum_offset = (uint16_t)(f->len - 1 - f->vnet.csum_start);
	frame_parse(f);
	e = frame_extract(&m->pool, f, 0);
	assert_memory_equal(&e->vnet, &f->vnet, sizeof(f->vnet));
	assert_memory_equal(frame_bytes(e), frame_bytes(f), f->len);
	frame_put(&m->pool, e);
	f->vnet.csum_start = 65535;
	e = frame_extract(&m->pool, f, 0);
	assert_memory_equal(&e->vnet, &f->vnet, sizeof(f->vnet));
	frame_put(&m->pool, e);
	frame_put(&m->pool, f);
}

static void test_extract_without_memory(void **state)
{
	struct mem_port *m = *state;
	struct frame *f = make(m, &specs[5]), *single = make(m, &specs[14]), *ret[8];

	m->pool.cap = m->pool.taken;
	while (pool_get(&m->pool, POOL_SMALL))
		;
	assert_null(frame_extract(&m->pool, f, 1));
	assert_null(frame_extract(&m->pool, single, 0));
	assert_null(reply_make(&m->pool, f, 1, REPLY_UNREACHABLE, 0));
	assert_int_equal(fragment_make(&m->pool, f, 1, 500, ret, 8), -ENOMEM);
	frame_put(&m->pool, f);
	frame_put(&m->pool, single);
}

/* ------------------------------------------------------------------ damage */

static void test_flip_changes_each_bit_once(void **state)
{
	static const struct {
		struct mem_spec spec;
		uint32_t from; /* where flips begin */
	} rows[] = {
		{ { .payload = 3, .udp = true }, 14 },
		{ { .payload = 3, .udp = true, .v6 = true, .vlan = true }, 18 },
	};
	struct mem_port *m = *state;

	for (size_t i = 0; i < 2; i++) {
		struct frame *f = mem_frame(m, &rows[i].spec), *e = frame_extract(&m->pool, f, 0);
		unsigned char bytes[128], seen[128] = { 0 };

		memcpy(bytes, frame_bytes(e), e->len);
		assert_int_equal(frame_bits(e), (e->len - rows[i].from) * 8);
		for (uint32_t bit = 0; bit < frame_bits(e); bit++) {
			uint32_t at = rows[i].from + bit / 8;

			frame_flip(e, bit);
			assert_memory_equal(frame_bytes(e), bytes, at);
			assert_memory_equal(frame_bytes(e) + at + 1, bytes + at + 1,
					    e->len - at - 1);
			seen[at] ^= frame_bytes(e)[at] ^ bytes[at];
			assert_int_equal(__builtin_popcount(frame_bytes(e)[at] ^ bytes[at]), 1);
			assert_false(mem_sums_right(frame_bytes(e), e->len) &&
				     !(bytes[at] ^ frame_bytes(e)[at]));
			frame_flip(e, bit);
		}
		for (uint32_t at = 0; at < e->len; at++)
			assert_int_equal(seen[at], at < rows[i].from ? 0 : 0xff);
		frame_put(&m->pool, e);
		frame_put(&m->pool, f);
	}
}

static void test_flip_is_found_by_the_checksum(void **state)
{
	struct mem_port *m = *state;
	struct frame *f = make(m, &specs[0]), *e = frame_extract(&m->pool, f, 2);

	/* Behind version, header length and total length, without which nothing is found. */
	for (uint32_t bit = 32; bit < frame_bits(e); bit++) {
		if (bit / 8 == 9) /* the protocol: another checksum */
			continue;
		frame_flip(e, bit);
		assert_false(mem_sums_right(frame_bytes(e), e->len));
		frame_flip(e, bit);
	}
	assert_true(mem_sums_right(frame_bytes(e), e->len));
	frame_put(&m->pool, e);
	frame_put(&m->pool, f);
}

static void test_flip_without_ip(void **state)
{
	struct mem_port *m = *state;
	struct virtio_net_hdr vnet = { 0 };
	unsigned char bytes[60] = { [12] = 0x08, [13] = 0x06 };
	struct frame *f = mem_raw(m, &vnet, bytes, 60);

	assert_int_equal(frame_bits(f), 46 * 8);
	frame_flip(f, 46 * 8 - 1);
	assert_int_equal(frame_bytes(f)[59], 1);
	assert_int_equal(frame_payload_bits(f), 0);
	frame_put(&m->pool, f);
	f = mem_raw(m, &vnet, bytes, 13);
	assert_int_equal(frame_bits(f), 0);
	assert_int_equal(frame_payload_bits(f), 0);
	frame_put(&m->pool, f);
	f = mem_raw(m, &vnet, bytes, 14);
	assert_int_equal(frame_bits(f), 0);
	frame_put(&m->pool, f);
}

/* Each bit of @e's payload, which is [@from, @to), can be flipped; sums stay right. */
static void check_mended(struct frame *e, uint32_t from, uint32_t to, uint32_t csum)
{
	unsigned char bytes[2048];

	memcpy(bytes, frame_bytes(e), e->len);
	assert_int_equal(frame_payload_bits(e), (to - from) * 8);
	for (uint32_t bit = 0; bit < (to - from) * 8; bit++) {
		frame_flip_mended(e, bit);
		assert_true(mem_sums_right(frame_bytes(e), e->len));
		for (uint32_t at = 0; at < e->len; at++) {
			unsigned char diff = frame_bytes(e)[at] ^ bytes[at];

			if (at == csum || at == csum + 1)
				continue;
			assert_int_equal(diff, at == from + bit / 8 ? 0x80 >> bit % 8 : 0);
		}
		frame_flip_mended(e, bit);
		assert_memory_equal(frame_bytes(e), bytes, e->len);
	}
}

static void test_mended_flip_keeps_checksums_right(void **state)
{
	struct mem_port *m = *state;

	for (size_t i = 0; i < NSPECS; i++) {
		struct mem_spec spec = specs[i];
		struct frame *f, *e;

		spec.payload = spec.payload < 65 ? spec.payload : 65;
		spec.segment = spec.segment ? spec.payload - 20 : 0;
		if (spec.payload < 20)
			spec.segment = 0;
		f = make(m, &spec);
		for (uint32_t u = 0; u < f->units; u++) {
			e = frame_extract(&m->pool, f, u);
			check_mended(e, f->headers, e->len, f->l4 + (spec.udp ? 6u : 16u));
			frame_put(&m->pool, e);
		}
		frame_put(&m->pool, f);
	}
}

static void test_mended_flip_of_icmp(void **state)
{
	struct mem_port *m = *state;

	for (int v6 = 0; v6 < 2; v6++)
		for (uint32_t len = 8; len < 20; len++) {
			unsigned char icmp[64] = { v6 ? 128 : 8, 0, 0, 0, 0x12, 0x34, 0, 1, 0xab };
			struct frame *f = make_ip(m, v6, v6 ? 58 : 1, icmp, len);
			unsigned char *csum = frame_eth(f) + f->l4 + 2;
			uint32_t guess = 0;

			do
				put16(csum, guess);
			while (!mem_sums_right(frame_bytes(f), f->len) && ++guess < 65536);
			check_mended(f, f->l4 + 8u, f->len, f->l4 + 2u);
			frame_put(&m->pool, f);
		}
}

/* An Ethernet frame has at least 60 bytes; what fills it up is not payload. */
static void test_mended_flip_stays_out_of_padding(void **state)
{
	struct mem_spec spec = { .payload = 3, .udp = true };
	struct mem_port *m = *state;
	struct frame *f = mem_frame(m, &spec), *e = frame_extract(&m->pool, f, 0);

	memset(frame_eth(e) + e->len, 0xee, 60 - e->len);
	e->len = 60;
	frame_parse(e);
	assert_int_equal(frame_ip_end(e), 45);
	check_mended(e, 42, 45, 40);
	frame_put(&m->pool, e);
	frame_put(&m->pool, f);
}

static void test_mended_flip_without_udp_checksum(void **state)
{
	struct mem_spec spec = { .payload = 3, .udp = true };
	struct mem_port *m = *state;
	struct frame *f = mem_frame(m, &spec), *e = frame_extract(&m->pool, f, 0);

	put16(frame_eth(e) + 40, 0);
	frame_flip_mended(e, 0);
	assert_int_equal(get16(frame_bytes(e) + 40), 0);
	assert_true(mem_sums_right(frame_bytes(e), e->len));
	frame_put(&m->pool, e);
	frame_put(&m->pool, f);
}

/* The sum comes out as 0xffff: its complement would say that there is no checksum. */
static void test_mended_flip_never_makes_a_udp_checksum_of_zero(void **state)
{
	struct mem_spec spec = { .payload = 2, .udp = true };
	struct mem_port *m = *state;
	struct frame *f = mem_frame(m, &spec), *e;

	put16(frame_eth(f) + 42, 0);
	e = frame_extract(&m->pool, f, 0);
	put16(frame_eth(f) + 42, get16(frame_bytes(e) + 40) ^ 0x8000u);
	frame_put(&m->pool, e);
	e = frame_extract(&m->pool, f, 0);
	assert_true(mem_sums_right(frame_bytes(e), e->len));
	frame_flip_mended(e, 0);
	assert_int_equal(get16(frame_bytes(e) + 40), 0xffff);
	assert_true(mem_sums_right(frame_bytes(e), e->len));
	frame_put(&m->pool, e);

	/* Nor does finishing one. */
	put16(frame_eth(f) + 42, get16(frame_bytes(f) + 42) ^ 0x8000u);
	e = frame_extract(&m->pool, f, 0);
	assert_int_equal(get16(frame_bytes(e) + 40), 0xffff);
	frame_put(&m->pool, e);
	frame_put(&m->pool, f);
}

static void test_mended_flip_of_other_protocols(void **state)
{
	unsigned char gre[20] = { 0, 0, 0x08, 0, 0x45 };
	struct mem_port *m = *state;
	struct frame *f = make_ip(m, false, 47, gre, sizeof(gre));
	unsigned char bytes[64];

	assert_int_equal(frame_payload_bits(f), 160);
	memcpy(bytes, frame_bytes(f), f->len);
	frame_flip_mended(f, 159);
	bytes[53] ^= 1;
	assert_memory_equal(frame_bytes(f), bytes, f->len);
	put16(frame_eth(f) + 20, 0x2001); /* in a later fragment it may be anything */
	frame_parse(f);
	assert_int_equal(frame_payload_bits(f), 0);
	frame_put(&m->pool, f);
}

static void test_mended_flip_has_no_bits_where_it_cannot_mend(void **state)
{
	struct mem_port *m = *state;
	unsigned char tcp[20] = { [12] = 0x60 };
	struct frame *f = make_ip(m, false, 6, tcp, sizeof(tcp));

	assert_int_equal(frame_payload_bits(f), 0); /* data offset beyond the packet */
	frame_put(&m->pool, f);
	f = make_ip(m, true, 17, tcp, 7);
	assert_int_equal(frame_payload_bits(f), 0);
	frame_put(&m->pool, f);
	f = make_ip(m, false, 17, tcp, 20);
	put16(frame_eth(f) + 20, 0x2001); /* a later fragment */
	frame_parse(f);
	assert_int_equal(frame_payload_bits(f), 0);
	put16(frame_eth(f) + 20, 0x2000); /* the first */
	frame_parse(f);
	assert_int_equal(frame_payload_bits(f), 96);
	frame_put(&m->pool, f);
}

/* What is flipped in a super-packet that is not cut gets its checksum from the kernel. */
static void test_mended_flip_of_whole(void **state)
{
	struct mem_port *m = *state;
	struct frame *f = make(m, &specs[0]);
	unsigned char *before;

	f->vnet.gso_type = 0x7f;
	frame_parse(f);
	assert_int_equal(frame_payload_bits(f), 4500 * 8);
	before = malloc(f->len);
	memcpy(before, frame_bytes(f), f->len);
	frame_flip_mended(f, 4500 * 8 - 1);
	before[f->len - 1] ^= 1;
	assert_memory_equal(frame_bytes(f), before, f->len);
	f->vnet.flags = 0;
	frame_flip_mended(f, 4500 * 8 - 1);
	before[f->len - 1] ^= 1;
	assert_memory_equal(frame_bytes(f), before, f->len);
	free(before);
	f->vnet.hdr_len = 0;
	frame_parse(f);
	assert_int_equal(frame_payload_bits(f), 0);
	frame_put(&m->pool, f);
}

/* ----------------------------------------------------------------- replies */

/* One written out by hand. */
static void test_reply_reset_has_these_bytes(void **state)
{
	static const unsigned char want[] = "\xbb\xbb\xbb\xbb\xbb\xbb\xaa\xaa\xaa\xaa\xaa\xaa"
					    "\x08\x00"
					    "\x45\x00\x00\x28\0\0\x40\x00\x40\x06\x26\xce"
					    "\x0a\0\0\2\x0a\0\0\1"
					    "\x07\xd0\x03\xe8\0\0\0\0\x12\x34\x56\x79\x50\x14\0\0"
					    "\x27\x69\0\0";
	struct mem_spec spec = { .flags = TCP_SYN, .seq = 0x12345678 };
	struct mem_port *m = *state;
	struct frame *f = mem_frame(m, &spec), *r;

	memset(frame_eth(f) + 6, 0xbb, 6);
	r = reply_make(&m->pool, f, 0, REPLY_RESET, 0);
	assert_non_null(r);
	assert_int_equal(r->len, 54);
	assert_memory_equal(frame_bytes(r), want, 54);
	frame_put(&m->pool, r);
	frame_put(&m->pool, f);
}

/* What every reply to @f has in common. Returns where its transport header is. */
static const unsigned char *check_reply(const struct frame *f, const struct frame *r)
{
	const unsigned char *a = frame_bytes(f), *b = frame_bytes(r);
	struct virtio_net_hdr none = { 0 };

	assert_non_null(r);
	assert_int_equal(r->kind, FRAME_SINGLE);
	assert_true(r->exempt);
	assert_int_equal(r->refs, 1);
	assert_true(r->at_ns == f->at_ns);
	assert_memory_equal(&r->vnet, &none, sizeof(none));
	assert_memory_equal(a, b + 6, 6);
	assert_memory_equal(a + 6, b, 6);
	assert_memory_equal(a + 12, b + 12, f->l3 - 12u); /* tags and ethertype */
	assert_int_equal(r->l3, f->l3);
	assert_int_equal(r->ip, f->ip);
	assert_true(mem_sums_right(b, r->len));
	a += f->l3;
	b += f->l3;
	if (f->ip == 4) {
		assert_int_equal(b[0], 0x45);
		assert_int_equal(b[8], 64);
		assert_int_equal(get16(b + 2), r->len - r->l3);
		assert_int_equal(get16(b + 6), 0x4000);
		assert_memory_equal(a + 12, b + 16, 4);
		assert_memory_equal(a + 16, b + 12, 4);
		return b + 20;
	}
	assert_int_equal(b[0] >> 4, 6);
	assert_int_equal(b[7], 64);
	assert_int_equal(get16(b + 4), r->len - r->l3 - 40);
	assert_memory_equal(a + 8, b + 24, 16);
	assert_memory_equal(a + 24, b + 8, 16);
	return b + 40;
}

static void test_reply_errors_quote_the_wire_packet(void **state)
{
	static const struct {
		enum reply kind;
		uint8_t type4, code4, type6, code6;
	} rows[] = {
		{ REPLY_UNREACHABLE, 3, 1, 1, 3 },
		{ REPLY_PROHIBITED, 3, 13, 1, 1 },
		{ REPLY_RESET, 3, 3, 1, 4 }, /* udp */
		{ REPLY_TOO_BIG, 3, 4, 2, 0 },
	};
	struct mem_port *m = *state;

	for (size_t i = 0; i < 4 * NSPECS; i++) {
		const struct mem_spec *spec = &specs[i / 4];
		enum reply kind = rows[i % 4].kind;
		struct frame *f = make(m, spec);

		mem_cut(m, &f->vnet, frame_bytes(f), f->len);
		for (uint32_t u = 0; u < f->units; u++) {
			const struct mem_packet *p = &m->packets[u];
			uint32_t quote = p->len - f->l3, room = spec->v6 ? 1232 : 548;
			const unsigned char *icmp;
			struct frame *r;

			if ((kind == REPLY_RESET && !spec->udp) ||
			    (kind == REPLY_TOO_BIG && spec->may_fragment))
				continue;
			f->at_ns = 5;
			r = reply_make(&m->pool, f, u, kind, 1380);
			icmp = check_reply(f, r);
			assert_int_equal(r->protocol, spec->v6 ? 58 : 1);
			assert_int_equal(icmp[0], spec->v6 ? rows[i % 4].type6 : rows[i % 4].type4);
			assert_int_equal(icmp[1], spec->v6 ? rows[i % 4].code6 : rows[i % 4].code4);
			assert_int_equal(get32(icmp + 4), kind == REPLY_TOO_BIG ? 1380 : 0);
			quote = quote < room ? quote : room;
			assert_int_equal(r->len, r->l4 + 8 + quote);
			assert_memory_equal(icmp + 8, p->bytes + f->l3, quote);
			frame_put(&m->pool, r);
		}
		mem_forget(m);
		frame_put(&m->pool, f);
	}
}

static void test_reply_does_not_quote_padding(void **state)
{
	struct mem_spec spec = { .payload = 1, .udp = true };
	struct mem_port *m = *state;
	struct frame *f = mem_frame(m, &spec), *r;

	f->len = 60;
	memset(&f->vnet, 0, sizeof(f->vnet));
	frame_parse(f);
	r = reply_make(&m->pool, f, 0, REPLY_UNREACHABLE, 0);
	assert_int_equal(r->len, 14 + 20 + 8 + 29);
	frame_put(&m->pool, r);
	frame_put(&m->pool, f);
}

static void test_reply_reset_numbers(void **state)
{
	static const struct {
		uint8_t flags, reply; /* 0: none */
		uint32_t payload;
		uint32_t seq, ack; /* the reply's; the segment's are 1000 and 0x01010101 */
	} rows[] = {
		{ TCP_SYN, TCP_RST | TCP_ACK, 0, 0, 1001 },
		{ TCP_SYN, TCP_RST | TCP_ACK, 10, 0, 1011 },
		{ TCP_FIN, TCP_RST | TCP_ACK, 10, 0, 1011 },
		{ TCP_SYN | TCP_FIN, TCP_RST | TCP_ACK, 0, 0, 1002 },
		{ 0, TCP_RST | TCP_ACK, 0, 0, 1000 },
		{ TCP_ACK, TCP_RST, 10, 0x01010101, 0 },
		{ TCP_SYN | TCP_ACK, TCP_RST, 0, 0x01010101, 0 },
		{ TCP_FIN | TCP_ACK, TCP_RST, 0, 0x01010101, 0 },
		{ TCP_RST, 0, 0, 0, 0 },
		{ TCP_RST | TCP_ACK, 0, 0, 0, 0 },
	};
	struct mem_port *m = *state;

	for (size_t i = 0; i < 4 * (sizeof(rows) / sizeof(rows[0])); i++) {
		struct mem_spec spec = { .v6 = i & 1,
					 .vlan = i & 2,
					 .flags = rows[i / 4].flags,
					 .payload = rows[i / 4].payload,
					 .tcp_options = 12,
					 .seq = 1000 };
		struct frame *f = mem_frame(m, &spec), *r;
		const unsigned char *tcp;

		r = reply_make(&m->pool, f, 0, REPLY_RESET, 0);
		if (!rows[i / 4].reply) {
			assert_null(r);
			frame_put(&m->pool, f);
			continue;
		}
		tcp = check_reply(f, r);
		assert_int_equal(r->protocol, 6);
		assert_int_equal(r->len, r->l4 + 20);
		assert_int_equal(get16(tcp), 2000);
		assert_int_equal(get16(tcp + 2), 1000);
		assert_true(get32(tcp + 4) == rows[i / 4].seq);
		assert_true(get32(tcp + 8) == rows[i / 4].ack);
		assert_int_equal(tcp[12], 0x50);
		assert_int_equal(tcp[13], rows[i / 4].reply);
		assert_int_equal(get16(tcp + 14), 0);
		assert_int_equal(get16(tcp + 18), 0);
		frame_put(&m->pool, r);
		frame_put(&m->pool, f);
	}
}

/* The second segment of a super-packet without ACK: numbers and flags of its own. */
static void test_reply_reset_to_a_segment_within(void **state)
{
	struct mem_spec spec = { .payload = 2500, .segment = 1000, .flags = TCP_FIN, .seq = 7 };
	struct mem_port *m = *state;
	struct frame *f = mem_frame(m, &spec), *r;

	r = reply_make(&m->pool, f, 1, REPLY_RESET, 0);
	assert_int_equal(get32(check_reply(f, r) + 8), 7 + 2000);
	frame_put(&m->pool, r);
	r = reply_make(&m->pool, f, 2, REPLY_RESET, 0);
	assert_int_equal(get32(check_reply(f, r) + 8), 7 + 2501);
	frame_put(&m->pool, r);
	frame_put(&m->pool, f);
}

static void to_multicast(struct frame *f)
{
	frame_eth(f)[f->ip == 4 ? 30 : 38] = f->ip == 4 ? 224 : 0xff;
}
static void to_broadcast(struct frame *f)
{
	memset(frame_eth(f) + (f->ip == 4 ? 30 : 38), 0xff, 4);
}
static void to_group_address(struct frame *f)
{
	frame_eth(f)[0] = 1;
}
static void from_unspecified(struct frame *f)
{
	memset(frame_eth(f) + (f->ip == 4 ? 26 : 22), 0, f->ip == 4 ? 4 : 16);
}
static void from_multicast(struct frame *f)
{
	frame_eth(f)[f->ip == 4 ? 26 : 22] = f->ip == 4 ? 239 : 0xff;
}
static void from_loopback(struct frame *f)
{
	if (f->ip == 4)
		frame_eth(f)[26] = 127;
	else
		memcpy(frame_eth(f) + 22, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
}
static void later_fragment(struct frame *f)
{
	if (f->ip == 4) {
		frame_eth(f)[21] = 1;
		return;
	}
	frame_eth(f)[20] = 44;
	memcpy(frame_eth(f) + 54, "\x11\0\0\x09", 4);
}
static void no_ip(struct frame *f)
{
	frame_eth(f)[13] ^= 1;
}
static void broken_ip(struct frame *f)
{
	frame_eth(f)[14] ^= 0x80;
}
static void icmp_of(struct frame *f, uint8_t type4, uint8_t type6)
{
	frame_eth(f)[f->ip == 4 ? 23 : 20] = f->ip == 4 ? 1 : 58;
	frame_eth(f)[f->ip == 4 ? 34 : 54] = f->ip == 4 ? type4 : type6;
}
static void icmp_unreachable(struct frame *f)
{
	icmp_of(f, 3, 1);
}
static void icmp_exceeded(struct frame *f)
{
	icmp_of(f, 11, 3);
}
static void icmp_redirect(struct frame *f)
{
	icmp_of(f, 5, 137);
}
static void icmp_unknown(struct frame *f)
{
	icmp_of(f, 77, 127);
}
static void icmp_cut_short(struct frame *f)
{
	icmp_of(f, 8, 128);
	f->len = f->ip == 4 ? 40 : 60;
}

static void test_reply_is_not_sent_to_these(void **state)
{
	static const struct {
		const char *what;
		void (*make)(struct frame *f);
	} rows[] = {
		{ "to multicast", to_multicast },
		{ "to broadcast", to_broadcast },
		{ "to a group address of Ethernet", to_group_address },
		{ "from the unspecified address", from_unspecified },
		{ "from multicast", from_multicast },
		{ "from loopback", from_loopback },
		{ "later fragment", later_fragment },
		{ "no IP", no_ip },
		{ "broken IP", broken_ip },
		{ "destination unreachable", icmp_unreachable },
		{ "time exceeded", icmp_exceeded },
		{ "redirect", icmp_redirect },
		{ "ICMP of an unknown type", icmp_unknown },
		{ "ICMP without its header", icmp_cut_short },
	};
	struct mem_port *m = *state;
	size_t before = small(m);

	for (size_t i = 0; i < 2 * (sizeof(rows) / sizeof(rows[0])); i++)
		for (enum reply kind = REPLY_NONE; kind <= REPLY_TOO_BIG; kind++) {
			struct mem_spec spec = { .udp = true, .v6 = i & 1, .payload = 100 };
			struct frame *f = mem_frame(m, &spec), *r;

			r = reply_make(&m->pool, f, 0, kind, 1000);
			assert_int_equal(r != NULL, kind != REPLY_NONE);
			if (r)
				frame_put(&m->pool, r);
			rows[i / 2].make(f);
			memset(&f->vnet, 0, sizeof(f->vnet));
			frame_parse(f);
			if (reply_make(&m->pool, f, 0, kind, 1000))
				fail_msg("%s: reply of kind %d", rows[i / 2].what, kind);
			frame_put(&m->pool, f);
			assert_true(small(m) == before);
		}
}

static void test_reply_to_an_echo_request(void **state)
{
	static const unsigned char echo[] = { 8, 0, 0xf7, 0xff, 0, 0, 0, 0 };
	struct mem_port *m = *state;
	struct frame *f = make_ip(m, false, 1, echo, 8), *r;

	r = reply_make(&m->pool, f, 0, REPLY_RESET, 0);
	assert_memory_equal(check_reply(f, r), "\3\3", 2);
	frame_put(&m->pool, r);
	frame_put(&m->pool, f);
}

static void test_reply_reset_only_to_whole_segments(void **state)
{
	struct mem_spec spec = { .payload = 100, .flags = TCP_ACK };
	struct mem_port *m = *state;
	struct frame *f = mem_frame(m, &spec), *r;

	memset(&f->vnet, 0, sizeof(f->vnet));
	put16(frame_eth(f) + 20, 0x2000); /* a first fragment */
	frame_parse(f);
	assert_null(reply_make(&m->pool, f, 0, REPLY_RESET, 0));
	r = reply_make(&m->pool, f, 0, REPLY_UNREACHABLE, 0);
	assert_non_null(r);
	frame_put(&m->pool, r);
	put16(frame_eth(f) + 20, 0x4000);
	frame_eth(f)[46] = 0x40;
	frame_parse(f);
	assert_null(reply_make(&m->pool, f, 0, REPLY_RESET, 0));
	frame_put(&m->pool, f);
}

static void test_reply_too_big_needs_df(void **state)
{
	struct mem_spec spec = { .payload = 100, .udp = true, .may_fragment = true };
	struct mem_port *m = *state;
	struct frame *f = mem_frame(m, &spec);

	assert_null(reply_make(&m->pool, f, 0, REPLY_TOO_BIG, 68));
	frame_put(&m->pool, f);
}

/* --------------------------------------------------------------- fragments */

static void test_fits_counts_from_the_ip_header(void **state)
{
	struct mem_port *m = *state;

	for (size_t i = 0; i < NSPECS; i++) {
		const struct mem_spec *s = &specs[i];
		struct frame *f = make(m, s);

		for (uint32_t u = 0; u < f->units; u++) {
			uint32_t len = frame_unit_len(f, u) - (s->vlan ? 18 : 14);

			assert_int_equal(frame_fits(f, u, len), FITS);
			assert_int_equal(frame_fits(f, u, UINT32_MAX), FITS);
			assert_int_equal(frame_fits(f, u, len - 1),
					 s->may_fragment ? MAY_FRAGMENT : TOO_BIG);
		}
		frame_put(&m->pool, f);
	}
}

static void test_fits_of_other_frames(void **state)
{
	struct mem_port *m = *state;
	struct virtio_net_hdr vnet = { 0 };
	unsigned char bytes[100] = { [12] = 0x88, [13] = 0xcc };
	struct mem_spec spec = { .payload = 10, .udp = true, .may_fragment = true };
	struct frame *f = mem_raw(m, &vnet, bytes, 100);

	assert_int_equal(frame_fits(f, 0, 86), FITS);
	assert_int_equal(frame_fits(f, 0, 85), TOO_BIG);
	frame_put(&m->pool, f);
	f = mem_frame(m, &spec); /* 38 bytes of IP, padded to 46 */
	f->len = 60;
	frame_parse(f);
	assert_int_equal(frame_fits(f, 0, 38), FITS);
	assert_int_equal(frame_fits(f, 0, 37), MAY_FRAGMENT);
	frame_put(&m->pool, f);
	f = make(m, &specs[5]); /* not cut: by its sizes */
	f->vnet.gso_type = 0x7f;
	frame_parse(f);
	assert_int_equal(f->kind, FRAME_WHOLE);
	assert_int_equal(frame_fits(f, 0, 1028), FITS);
	assert_int_equal(frame_fits(f, 0, 1027), TOO_BIG);
	f->vnet.gso_size = 0;
	frame_parse(f);
	assert_int_equal(frame_fits(f, 0, 4029), FITS);
	assert_int_equal(frame_fits(f, 0, 4028), TOO_BIG);
	frame_put(&m->pool, f);
}

/* Put the pieces' data together; header fields are checked on the way. Returns the length. */
static uint32_t reassemble(struct frame *const *piece, int n, uint32_t mtu, uint16_t id,
			   uint32_t start, bool more_at_end, unsigned char *data)
{
	uint32_t at = 0;

	for (int i = 0; i < n; i++) {
		const unsigned char *ip = frame_bytes(piece[i]) + piece[i]->l3;
		uint32_t header = (ip[0] & 15u) * 4, len = get16(ip + 2) - header;
		uint16_t field = get16(ip + 6);

		assert_int_equal(piece[i]->refs, 1);
		assert_int_equal(piece[i]->kind, FRAME_SINGLE);
		assert_true(piece[i]->len - piece[i]->l3 <= mtu);
		assert_int_equal(piece[i]->len - piece[i]->l3, header + len);
		assert_int_equal(get16(ip + 4), id);
		assert_int_equal(field & 0xc000, 0);
		assert_int_equal((field & 0x1fff) * 8, start + at);
		assert_int_equal(!!(field & 0x2000), i + 1 < n || more_at_end);
		assert_int_equal(piece[i]->fragment, field != 0);
		assert_int_equal(piece[i]->later_fragment, start + at != 0);
		if (i + 1 < n) {
			assert_int_equal(len % 8, 0);
			assert_true(header + len + 8 > mtu); /* as few as can be */
		}
		unsigned char copy[60];
		memcpy(copy, ip, header);
		mem_ip4_sum(copy);
		assert_memory_equal(copy, ip, header);
		memcpy(data + at, ip + header, len);
		at += len;
	}
	return at;
}

static void put_all(struct mem_port *m, struct frame **piece, int n)
{
	while (n)
		frame_put(&m->pool, piece[--n]);
}

#define MAX_PIECES 256

static void test_fragments_reassemble_to_the_packet(void **state)
{
	static const uint32_t mtus[] = { 68, 75, 76, 280, 576, 999, 1000, 1027, 1028, 1500 };
	struct mem_port *m = *state;

	for (size_t i = 0; i < 8 * (sizeof(mtus) / sizeof(mtus[0])); i++) {
		struct mem_spec spec = { .payload = 2500,
					 .segment = i & 1 ? 1000 : 0,
					 .udp = true,
					 .vlan = i & 2,
					 .id = 0xfffe,
					 .ip_options = i & 4 ? 8 : 0,
					 .may_fragment = true };
		struct frame *f = mem_frame(m, &spec), *piece[MAX_PIECES];
		unsigned char data[4000];

		f->at_ns = 9;
		mem_cut(m, &f->vnet, frame_bytes(f), f->len);
		for (uint32_t u = 0; u < f->units; u++) {
			const struct mem_packet *p = &m->packets[u];
			uint32_t mtu = mtus[i / 8], len = p->len - f->l4;
			int n = fragment_make(&m->pool, f, u, mtu, piece, MAX_PIECES);

			assert_true(n > 0);
			assert_int_equal(n == 1, frame_fits(f, u, mtu) == FITS);
			assert_int_equal(
				reassemble(piece, n, mtu, (uint16_t)(0xfffe + u), 0, false, data),
				len);
			assert_memory_equal(data, p->bytes + f->l4, len);
			assert_true(piece[n - 1]->at_ns == 9);
			assert_memory_equal(frame_bytes(piece[n - 1]), p->bytes, f->l3);
			put_all(m, piece, n);
		}
		mem_forget(m);
		frame_put(&m->pool, f);
	}
}

static void test_fragments_of_fragments(void **state)
{
	struct mem_spec spec = { .payload = 4001, .udp = true, .id = 5, .may_fragment = true };
	struct mem_port *m = *state;
	struct frame *f = mem_frame(m, &spec), *piece[MAX_PIECES], *small_piece[MAX_PIECES];
	unsigned char data[5000], all[5000];
	uint32_t at = 0;
	int n = fragment_make(&m->pool, f, 0, 1500, piece, MAX_PIECES);

	assert_int_equal(n, 3);
	for (int i = 0; i < n; i++) {
		int k = fragment_make(&m->pool, piece[i], 0, 576, small_piece, MAX_PIECES);
		uint32_t len;

		assert_true(k > 1);
		assert_int_equal(frame_fits(piece[i], 0, 576), MAY_FRAGMENT);
		len = reassemble(small_piece, k, 576, 5, at, i + 1 < n, data);
		memcpy(all + at, data, len);
		at += len;
		put_all(m, small_piece, k);
	}
	assert_int_equal(at, 4009);
	put_all(m, piece, n);
	mem_cut(m, &f->vnet, frame_bytes(f), f->len);
	assert_memory_equal(all, m->packets[0].bytes + f->l4, at);
	frame_put(&m->pool, f);
}

static void test_fragments_have_options_that_are_copied(void **state)
{
	static const struct {
		uint8_t len, later_len;
		const char *options, *later;
	} rows[] = {
		/* router alert (copied); record route (not); loose source route (copied) */
		{ 20, 12, "\x94\x04\0\0\x07\x07\4\0\0\0\0\x01\x83\x07\4\1\2\3\4\0",
		  "\x94\x04\0\0\x83\x07\4\1\2\3\4\0" },
		/* a timestamp alone: none */
		{ 12, 0, "\x44\x0c\x05\0\1\2\3\4\5\6\7\x08", "" },
		/* behind the end of the list is nothing */
		{ 8, 4, "\x94\x04\0\0\0\x94\x04\0", "\x94\x04\0\0" },
		{ 12, 4, "\x94\x04\0\0\0\x02\x94\x04\0\0\0\0", "\x94\x04\0\0" },
		/* lengths that cannot be */
		{ 8, 4, "\x94\x04\0\0\x83\x05\1\1", "\x94\x04\0\0" },
		{ 8, 4, "\x94\x04\0\0\x83\x01\1\1", "\x94\x04\0\0" },
		{ 8, 4, "\x94\x04\0\0\x01\x01\x01\x83", "\x94\x04\0\0" },
		{ 40, 40,
		  "\x83\x27\4"
		  "123412341234123412341234123412341234\1",
		  "\x83\x27\4"
		  "123412341234123412341234123412341234\0" },
	};
	struct mem_port *m = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mem_spec spec = {
			.payload = 300, .udp = true, .ip_options = rows[i].len, .may_fragment = true
		};
		struct frame *f = mem_frame(m, &spec), *piece[MAX_PIECES];
		unsigned char data[400];
		int n;

		memcpy(frame_eth(f) + 34, rows[i].options, rows[i].len);
		mem_ip4_sum(frame_eth(f) + 14);
		n = fragment_make(&m->pool, f, 0, 128, piece, MAX_PIECES);
		assert_true(n > 2);
		assert_int_equal(reassemble(piece, n, 128, 0, 0, false, data), 308);
		assert_int_equal(piece[0]->l4 - piece[0]->l3, 20 + rows[i].len);
		assert_memory_equal(frame_bytes(piece[0]) + 34, rows[i].options, rows[i].len);
		for (int k = 1; k < n; k++) {
			assert_int_equal(piece[k]->l4 - piece[k]->l3, 20 + rows[i].later_len);
			assert_memory_equal(frame_bytes(piece[k]) + 34, rows[i].later,
					    rows[i].later_len);
		}
		put_all(m, piece, n);
		frame_put(&m->pool, f);
	}
}

static void dont_fragment(struct frame *f)
{
	frame_eth(f)[20] |= 0x40;
}
static void too_long(struct frame *f)
{
	put16(frame_eth(f) + 16, f->len - 14 + 1);
}
static void too_short(struct frame *f)
{
	put16(frame_eth(f) + 16, 19);
}
static void not_cut(struct frame *f)
{
	f->vnet.gso_type = 0x7f;
}
static void beyond_the_end(struct frame *f)
{
	put16(frame_eth(f) + 20, 0x1ffe);
}

static void test_fragments_refused(void **state)
{
	static const struct {
		void (*make)(struct frame *f);
		uint32_t mtu;
		unsigned max;
		int err;
	} rows[] = {
		{ dont_fragment, 576, MAX_PIECES, -EMSGSIZE },
		{ not_cut, 576, MAX_PIECES, -EMSGSIZE },
		{ no_ip, 576, MAX_PIECES, -EMSGSIZE },
		{ beyond_the_end, 576, MAX_PIECES, -EMSGSIZE },
		{ NULL, 27, MAX_PIECES, -EMSGSIZE },
		{ NULL, 0, MAX_PIECES, -EMSGSIZE },
		{ too_long, 576, MAX_PIECES, -EINVAL },
		{ too_short, 576, MAX_PIECES, -EINVAL },
		{ NULL, 576, 1, -E2BIG },
		{ NULL, 576, 0, -E2BIG },
		{ NULL, 68, 20, -E2BIG },
		{ NULL, 68, 21, 21 },
		{ NULL, 28, 126, 126 },
	};
	struct mem_port *m = *state;
	size_t before = small(m);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mem_spec spec = { .payload = 1000, .udp = true, .may_fragment = true };
		struct frame *f = mem_frame(m, &spec), *piece[MAX_PIECES];
		int n;

		if (rows[i].make)
			rows[i].make(f);
		frame_parse(f);
		n = fragment_make(&m->pool, f, 0, rows[i].mtu, piece, rows[i].max);
		if (n != rows[i].err)
			fail_msg("row %zu: %d", i, n);
		if (n > 0)
			put_all(m, piece, n);
		frame_put(&m->pool, f);
		assert_true(small(m) == before || n > 100);
	}
}

static void test_fragments_of_ipv6_are_the_senders_business(void **state)
{
	struct mem_spec spec = { .payload = 1000, .udp = true, .v6 = true };
	struct mem_port *m = *state;
	struct frame *f = mem_frame(m, &spec), *piece[2];

	assert_int_equal(frame_fits(f, 0, 1000), TOO_BIG);
	assert_int_equal(fragment_make(&m->pool, f, 0, 1000, piece, 2), -EMSGSIZE);
	frame_put(&m->pool, f);
}

static void test_fragments_without_memory_leave_none_behind(void **state)
{
	struct mem_spec spec = { .payload = 4000, .udp = true, .may_fragment = true };
	struct mem_port *m = *state;
	struct frame *f = mem_frame(m, &spec), *piece[8];
	void *last[3];

	pool_put(&m->pool, POOL_MEDIUM, pool_get(&m->pool, POOL_MEDIUM));
	pool_put(&m->pool, POOL_SMALL, pool_get(&m->pool, POOL_SMALL));
	m->pool.cap = m->pool.taken;
	for (size_t i = 0; m->pool.class[POOL_SMALL].available; i++)
		last[i % 3] = pool_get(&m->pool, POOL_SMALL);
	pool_put(&m->pool, POOL_SMALL, last[0]);
	pool_put(&m->pool, POOL_SMALL, last[1]);
	assert_int_equal(fragment_make(&m->pool, f, 0, 1500, piece, 8), -ENOMEM);
	assert_int_equal(m->pool.class[POOL_SMALL].available, 2);
	frame_put(&m->pool, f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_extract_gives_what_the_kernel_would_have_cut),
		TEST(test_extract_of_a_finished_packet_is_a_copy),
		TEST(test_extract_of_whole_keeps_all),
		TEST(test_extract_leaves_what_cannot_be_finished),
		TEST(test_extract_without_memory),
		TEST(test_flip_changes_each_bit_once),
		TEST(test_flip_is_found_by_the_checksum),
		TEST(test_flip_without_ip),
		TEST(test_mended_flip_keeps_checksums_right),
		TEST(test_mended_flip_of_icmp),
		TEST(test_mended_flip_stays_out_of_padding),
		TEST(test_mended_flip_without_udp_checksum),
		TEST(test_mended_flip_never_makes_a_udp_checksum_of_zero),
		TEST(test_mended_flip_of_other_protocols),
		TEST(test_mended_flip_has_no_bits_where_it_cannot_mend),
		TEST(test_mended_flip_of_whole),
		TEST(test_reply_reset_has_these_bytes),
		TEST(test_reply_errors_quote_the_wire_packet),
		TEST(test_reply_does_not_quote_padding),
		TEST(test_reply_reset_numbers),
		TEST(test_reply_reset_to_a_segment_within),
		TEST(test_reply_is_not_sent_to_these),
		TEST(test_reply_to_an_echo_request),
		TEST(test_reply_reset_only_to_whole_segments),
		TEST(test_reply_too_big_needs_df),
		TEST(test_fits_counts_from_the_ip_header),
		TEST(test_fits_of_other_frames),
		TEST(test_fragments_reassemble_to_the_packet),
		TEST(test_fragments_of_fragments),
		TEST(test_fragments_have_options_that_are_copied),
		TEST(test_fragments_refused),
		TEST(test_fragments_of_ipv6_are_the_senders_business),
		TEST(test_fragments_without_memory_leave_none_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
