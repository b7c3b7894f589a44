/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames as rows of wire packets: what is understood, what is left whole, and that parts cut equal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frame.h"
#include "port_mem.h"

#include <stdlib.h>
#include <string.h>

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_CWR 0x80
#define ALL_FLAGS (TCP_FIN | TCP_PSH | TCP_ACK | TCP_CWR)

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

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

/* Every kind of frame that is cut, with all that its headers may carry. */
static const struct {
	struct mem_spec spec;
	enum frame_kind kind;
	uint32_t units;
} cuttable[] = {
	{ { .payload = 4500, .segment = 1000, .flags = ALL_FLAGS, .id = 65534, .seq = 4294965000u },
	  FRAME_TCP4,
	  5 },
	{ { .payload = 4500, .segment = 1000, .flags = ALL_FLAGS, .ecn = true, .vlan = true },
	  FRAME_TCP4,
	  5 },
	{ { .payload = 5000,
	    .segment = 1000,
	    .flags = TCP_ACK,
	    .ip_options = 40,
	    .tcp_options = 40 },
	  FRAME_TCP4,
	  5 },
	{ { .payload = 4001, .segment = 1000, .flags = ALL_FLAGS, .v6 = true, .ecn = true },
	  FRAME_TCP6,
	  5 },
	{ { .payload = 3001, .segment = 1001, .flags = ALL_FLAGS, .v6 = true, .ip_options = 16 },
	  FRAME_TCP6,
	  3 },
	{ { .payload = 4001, .segment = 1000, .udp = true, .id = 7 }, FRAME_UDP4, 5 },
	{ { .payload = 4999, .segment = 1000, .udp = true, .vlan = true }, FRAME_UDP4, 5 },
	{ { .payload = 5, .segment = 1, .udp = true }, FRAME_UDP4, 5 },
	{ { .payload = 4500, .segment = 1000, .udp = true, .v6 = true }, FRAME_UDP6, 5 },
	{ { .payload = 900, .segment = 1000, .flags = TCP_ACK }, FRAME_TCP4, 1 },
	{ { .payload = 65000, .segment = 1448, .flags = TCP_ACK, .tcp_options = 12 },
	  FRAME_TCP4,
	  45 },
};
#define NCUTTABLE (sizeof(cuttable) / sizeof(cuttable[0]))

static void test_frame_kinds_and_lengths(void **state)
{
	struct mem_port *m = *state;

	for (size_t i = 0; i < NCUTTABLE; i++) {
		struct frame *f = mem_frame(m, &cuttable[i].spec);
		uint64_t sum = 0;

		assert_int_equal(f->kind, cuttable[i].kind);
		assert_int_equal(f->units, cuttable[i].units);
		assert_int_equal(f->each, 1);
		assert_false(f->exempt);
		mem_cut(m, &f->vnet, frame_bytes(f), f->len);
		assert_int_equal(m->npackets, f->units);
		for (uint32_t u = 0; u < f->units; u++) {
			assert_int_equal(frame_unit_len(f, u), m->packets[u].len);
			sum += m->packets[u].len;
		}
		assert_true(frame_wire_len(f, 0, f->units) == sum);
		assert_true(frame_wire_len(f, 0, 0) == 0);
		mem_forget(m);
		frame_put(&m->pool, f);
	}
}

/* Cut by us and then by the kernel's rules, or only by the kernel's rules: the same bytes. */
static void check_part(struct mem_port *m, const struct frame *f, uint32_t first, uint32_t count)
{
	unsigned char bytes[70000];
	struct frame_head head;
	uint32_t payload, len;
	size_t n = frame_cut(f, first, count, 0, &head, &payload, &len) - sizeof(head.vnet);
	size_t base = f->units;

	memcpy(bytes, head.bytes, n);
	memcpy(bytes + n, frame_bytes(f) + payload, len);
	mem_cut(m, &head.vnet, bytes, (uint32_t)n + len);
	assert_int_equal(m->npackets - base, count);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(m->packets[base + i].len, m->packets[first + i].len);
		assert_memory_equal(m->packets[base + i].bytes, m->packets[first + i].bytes,
				    m->packets[first + i].len);
	}
	assert_int_equal(head.vnet.hdr_len, n);
	assert_int_equal(head.vnet.gso_size, count == 1 ? 0 : f->segment);
	while (m->npackets > base)
		free(m->packets[--m->npackets].bytes);
}

static void test_frame_every_part_cuts_to_the_same_wire_packets(void **state)
{
	struct mem_port *m = *state;

	for (size_t i = 0; i < NCUTTABLE; i++) {
		struct frame *f = mem_frame(m, &cuttable[i].spec);

		mem_cut(m, &f->vnet, frame_bytes(f), f->len);
		for (uint32_t first = 0; first < f->units; first++)
			for (uint32_t count = 1; first + count <= f->units; count++)
				if (count < f->units)
					check_part(m, f, first, count);
		mem_forget(m);
		frame_put(&m->pool, f);
	}
}

/* Numbers written out by hand, in case maker, segmenter and code should err alike. */
static void test_frame_part_has_these_fields(void **state)
{
	struct mem_spec spec = { .payload = 3500,
				 .segment = 1000,
				 .flags = ALL_FLAGS,
				 .id = 0xfffe,
				 .seq = 0xfffffc18,
				 .ecn = true };
	struct mem_port *m = *state;
	struct frame *f = mem_frame(m, &spec);
	struct frame_head h;
	uint32_t payload, len;

	assert_int_equal(frame_cut(f, 1, 2, 0, &h, &payload, &len), sizeof(h.vnet) + 54);
	assert_int_equal(payload, 1054);
	assert_int_equal(len, 2000);
	assert_int_equal(h.vnet.gso_type, VIRTIO_NET_HDR_GSO_TCPV4); /* ECN bit gone with CWR */
	assert_int_equal(h.vnet.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(h.vnet.csum_start, 34);
	assert_int_equal(h.vnet.csum_offset, 16);
	assert_memory_equal(h.bytes + 16, "\x07\xf8", 2); /* 20 + 20 + 2000 */
	assert_memory_equal(h.bytes + 18, "\xff\xff", 2);
	assert_memory_equal(h.bytes + 38, "\x00\x00\x00\x00", 4); /* sequence wrapped */
	assert_int_equal(h.bytes[47], TCP_ACK);

	frame_cut(f, 0, 1, 0, &h, &payload, &len);
	assert_int_equal(h.vnet.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	assert_int_equal(h.vnet.gso_size, 0);
	assert_int_equal(h.bytes[47], TCP_ACK | TCP_CWR);

	frame_cut(f, 0, 2, 0, &h, &payload, &len);
	assert_int_equal(h.vnet.gso_type, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN);

	frame_cut(f, 3, 1, 0, &h, &payload, &len);
	assert_int_equal(len, 500);
	assert_memory_equal(h.bytes + 18, "\x00\x01", 2); /* id wrapped */
	assert_int_equal(h.bytes[47], TCP_ACK | TCP_FIN | TCP_PSH);
	frame_put(&m->pool, f);
}

/* -------------------------------------------------------------------- marks */

/* As a router marks a wire packet. */
static void mark(unsigned char *bytes)
{
	unsigned char *ip = bytes + (bytes[12] == 0x81 ? 18 : 14);

	ip[1] |= ip[0] >> 4 == 4 ? 0x03 : 0x30;
	if (ip[0] >> 4 == 4)
		mem_ip4_sum(ip);
}

/* The units that leave marked are the wire packets of the frame, each marked. */
static void check_marked(struct mem_port *m, const struct frame *f, uint32_t first, uint32_t count)
{
	unsigned char bytes[70000], before[70000];
	struct frame_head head;
	uint32_t payload, len;
	size_t base = m->npackets, n;

	memcpy(before, frame_bytes(f), f->len);
	n = frame_cut(f, first, count, FRAME_CE, &head, &payload, &len) - sizeof(head.vnet);
	assert_memory_equal(before, frame_bytes(f), f->len);
	memcpy(bytes, head.bytes, n);
	memcpy(bytes + n, frame_bytes(f) + payload, len);
	mem_cut(m, &head.vnet, bytes, (uint32_t)n + len);
	assert_int_equal(m->npackets - base, count);
	for (uint32_t i = 0; i < count; i++) {
		struct mem_packet *want = &m->packets[first + i], *have = &m->packets[base + i];

		memcpy(bytes, want->bytes, want->len);
		mark(bytes);
		assert_int_equal(have->len, want->len);
		assert_memory_equal(have->bytes, bytes, want->len);
	}
	while (m->npackets > base)
		free(m->packets[--m->npackets].bytes);
}

static void test_frame_marked_parts_differ_by_the_mark_alone(void **state)
{
	struct mem_port *m = *state;

	for (size_t i = 0; i < NCUTTABLE; i++)
		for (uint8_t tos = 0xb9; tos <= 0xbb; tos++) {
			struct mem_spec spec = cuttable[i].spec;
			struct frame *f;

			spec.tos = tos;
			f = mem_frame(m, &spec);
			assert_true(frame_ect(f));
			mem_cut(m, &f->vnet, frame_bytes(f), f->len);
			for (uint32_t first = 0; first < f->units; first++)
				for (uint32_t count = 1; first + count <= f->units; count++)
					check_marked(m, f, first, count);
			mem_forget(m);
			frame_put(&m->pool, f);
		}
}

static void test_frame_marked_single_and_whole_keep_all_else(void **state)
{
	struct mem_port *m = *state;

	for (size_t i = 0; i < 4 * NCUTTABLE; i++) {
		struct mem_spec spec = cuttable[i / 4].spec;
		unsigned char bytes[70000];
		struct frame_head head;
		uint32_t payload, len;
		struct frame *f;
		size_t n;

		spec.tos = 2;
		if (i % 4 < 2)
			spec.segment = 0; /* one packet, its checksum unfinished or not */
		f = mem_frame(m, &spec);
		if (i % 4 == 1)
			memset(&f->vnet, 0, sizeof(f->vnet));
		if (i % 4 == 2)
			f->vnet.gso_type = 0x7f;
		if (i % 4 == 3)
			f->vnet.csum_offset ^= 8;
		frame_parse(f);
		assert_int_equal(f->kind, i % 4 < 2 ? FRAME_SINGLE : FRAME_WHOLE);
		assert_true(frame_ect(f));
		n = frame_cut(f, 0, 1, FRAME_CE, &head, &payload, &len) - sizeof(head.vnet);
		assert_memory_equal(&head.vnet, &f->vnet, sizeof(f->vnet));
		assert_int_equal(n, payload);
		assert_int_equal(n + len, f->len);
		memcpy(bytes, frame_bytes(f), f->len);
		mark(bytes);
		assert_memory_equal(head.bytes, bytes, n);
		assert_memory_equal(frame_bytes(f) + payload, bytes + n, len);
		frame_put(&m->pool, f);
	}
}

static void test_frame_mark_leaves_a_wrong_checksum_wrong(void **state)
{
	struct mem_spec spec = { .payload = 100, .tos = 1 };
	struct mem_port *m = *state;
	struct frame *f = mem_frame(m, &spec);
	struct frame_head head;
	uint32_t payload, len;

	frame_eth(f)[24] ^= 0x40;
	frame_cut(f, 0, 1, FRAME_CE, &head, &payload, &len);
	assert_false(mem_sums_right(head.bytes, f->len));
	head.bytes[24] ^= 0x40;
	mem_ip4_sum(frame_eth(f) + 14);
	mark(frame_eth(f));
	assert_memory_equal(head.bytes, frame_bytes(f), payload);
	frame_put(&m->pool, f);
}

static void test_frame_ect_is_for_ip_that_asks(void **state)
{
	struct mem_port *m = *state;
	struct virtio_net_hdr vnet = { 0 };
	unsigned char bytes[512] = { 0 };
	struct frame *f;

	for (int v6 = 0; v6 < 2; v6++)
		for (unsigned tos = 0; tos < 256; tos++) {
			struct mem_spec spec = { .v6 = v6, .tos = (uint8_t)tos };

			f = mem_frame(m, &spec);
			assert_int_equal(frame_ect(f), (tos & 3) != 0);
			frame_put(&m->pool, f);
		}
	memcpy(bytes + 12, "\x08\x06\0\3", 4);
	f = mem_raw(m, &vnet, bytes, 60);
	assert_false(frame_ect(f));
	frame_put(&m->pool, f);
	/* More VLAN tags than the headers of a part have room for. */
	for (int i = 12; i < 300; i += 4)
		memcpy(bytes + i, "\x81\x00\0\1", 4);
	memcpy(bytes + 300, "\x08\x00\x45\x03", 4);
	f = mem_raw(m, &vnet, bytes, 400);
	assert_int_equal(f->ip, 4);
	assert_int_equal(f->l3, 302);
	assert_false(frame_ect(f));
	frame_put(&m->pool, f);
}

/* ------------------------------------------------------------------- headers */

static void test_frame_headers_of_every_frame(void **state)
{
#define IP4(proto, frag) "\x08\x00\x45\x00\x00\x2c\0\0" frag "\x40" proto "\0\0\x0a\0\0\1\x0a\0\0\2"
#define IP6(next)                                                                                  \
	"\x86\xdd\x60\0\0\0\0\x40" next "\xff"                                                     \
	"1234567812345678abcdefghabcdefgh"
	static const struct {
		const char *what;
		uint32_t len; /* of bytes, from the ethertype on */
		const char *bytes;
		uint32_t all; /* bytes of the frame; the rest is 0x50 */
		uint16_t l3, l4, headers;
		uint8_t ip, protocol;
		bool fragment, later;
	} rows[] = {
		{ "udp", 22, IP4("\x11", "\x40\0"), 58, 14, 34, 42, 4, 17, 0, 0 },
		{ "tcp", 22, IP4("\x06", "\x40\0"), 58, 14, 34, 54, 4, 6, 0, 0 },
		{ "tcp cut short", 22, IP4("\x06", "\x40\0"), 53, 14, 34, 34, 4, 6, 0, 0 },
		{ "tcp, then padding", 22,
		  "\x08\x00\x45\x00\x00\x1e\0\0\x40\0\x40\x06\0\0\x0a\0\0\1\x0a\0\0\2", 74, 14, 34,
		  34, 4, 6, 0, 0 },
		{ "icmp", 22, IP4("\x01", "\0\0"), 58, 14, 34, 42, 4, 1, 0, 0 },
		{ "icmp cut short", 22, IP4("\x01", "\0\0"), 41, 14, 34, 34, 4, 1, 0, 0 },
		{ "gre", 22, IP4("\x2f", "\0\0"), 58, 14, 34, 34, 4, 47, 0, 0 },
		{ "first fragment", 22, IP4("\x11", "\x20\0"), 58, 14, 34, 42, 4, 17, 1, 0 },
		{ "middle fragment", 22, IP4("\x11", "\x20\1"), 58, 14, 34, 34, 4, 17, 1, 1 },
		{ "last fragment", 22, IP4("\x06", "\0\1"), 58, 14, 34, 34, 4, 6, 1, 1 },
		{ "no room for IPv4", 22, IP4("\x11", "\0\0"), 33, 14, 0, 0, 0, 0, 0, 0 },
		{ "tagged arp", 6, "\x81\x00\0\1\x08\x06", 40, 18, 0, 0, 0, 0, 0, 0 },
		{ "tag and no more", 4, "\x81\x00\0\1", 16, 0, 0, 0, 0, 0, 0, 0 },
		{ "too short", 1, "\x08", 13, 0, 0, 0, 0, 0, 0, 0 },
		{ "udp over v6", 42, IP6("\x11"), 118, 14, 54, 62, 6, 17, 0, 0 },
		{ "icmpv6", 42, IP6("\x3a"), 118, 14, 54, 62, 6, 58, 0, 0 },
		{ "no next header", 42, IP6("\x3b"), 118, 14, 54, 54, 6, 59, 0, 0 },
		{ "options, tcp", 50, IP6("\0") "\6\0\1\4\0\0\0\0", 118, 14, 62, 82, 6, 6, 0, 0 },
		{ "v6 first fragment", 50, IP6("\x2c") "\x11\0\0\1\0\0\0\7", 118, 14, 62, 70, 6, 17,
		  1, 0 },
		{ "v6 later fragment", 50, IP6("\x2c") "\x3c\0\0\x08\0\0\0\7", 118, 14, 62, 62, 6,
		  60, 1, 1 },
		{ "v6 only fragment", 50, IP6("\x2c") "\x11\0\0\0\0\0\0\7", 118, 14, 62, 70, 6, 17,
		  1, 0 },
	};
	struct mem_port *m = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct virtio_net_hdr vnet = { 0 };
		unsigned char bytes[128];
		struct frame *f;

		memset(bytes, 0x50, sizeof(bytes)); /* a TCP data offset of 20 */
		memcpy(bytes + 12, rows[i].bytes, rows[i].len);
		f = mem_raw(m, &vnet, bytes, rows[i].all);
		if (f->l3 != rows[i].l3 || f->l4 != rows[i].l4 || f->headers != rows[i].headers ||
		    f->ip != rows[i].ip || f->protocol != rows[i].protocol ||
		    f->fragment != rows[i].fragment || f->later_fragment != rows[i].later)
			fail_msg("%s: l3 %u l4 %u headers %u ip %u protocol %u fragment %u %u",
				 rows[i].what, f->l3, f->l4, f->headers, f->ip, f->protocol,
				 f->fragment, f->later_fragment);
		assert_int_equal(f->kind, FRAME_SINGLE);
		frame_put(&m->pool, f);
	}
}

static void test_frame_ip_end_is_what_ip_says(void **state)
{
	struct mem_port *m = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		struct mem_spec spec = { .payload = 100, .udp = true, .v6 = v6, .vlan = true };
		struct frame *f = mem_frame(m, &spec);
		unsigned char *len = frame_eth(f) + 18 + (v6 ? 4 : 2);

		assert_int_equal(frame_ip_end(f), f->len);
		len[1] -= 7;
		assert_int_equal(frame_ip_end(f), f->len - 7);
		len[1] += 8; /* more than there is */
		assert_int_equal(frame_ip_end(f), f->len);
		len[0] = 0;
		len[1] = 1;
		assert_int_equal(frame_ip_end(f), v6 ? f->l4 + 1u : f->l4);
		len[1] = 0;
		assert_int_equal(frame_ip_end(f), v6 ? f->len : f->l4);
		frame_put(&m->pool, f);
	}
}

static void test_frame_has_not_grown(void **state)
{
	assert_true(offsetof(struct frame, room) <= 96);
}

/* ---------------------------------------------------------------- left whole */

static void no_csum(struct frame *f)
{
	f->vnet.flags = 0;
}
static void csum_start_off(struct frame *f)
{
	f->vnet.csum_start++;
}
static void csum_offset_off(struct frame *f)
{
	f->vnet.csum_offset = 6;
}
static void no_size(struct frame *f)
{
	f->vnet.gso_size = 0;
}
static void unknown_type(struct frame *f)
{
	f->vnet.gso_type = 0x7f;
}
static void only_ecn(struct frame *f)
{
	f->vnet.gso_type = VIRTIO_NET_HDR_GSO_ECN;
}
static void ufo(struct frame *f)
{
	f->vnet.gso_type = VIRTIO_NET_HDR_GSO_UDP;
}
static void other_ip(struct frame *f)
{
	f->vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
}
static void udp_type(struct frame *f)
{
	f->vnet.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
}
static void fragment(struct frame *f)
{
	frame_eth(f)[20] = 0x20;
}
static void later_fragment(struct frame *f)
{
	frame_eth(f)[21] = 1;
}
static void short_ihl(struct frame *f)
{
	frame_eth(f)[14] = 0x44;
}
static void version(struct frame *f)
{
	frame_eth(f)[14] = 0x65;
}
static void total_length(struct frame *f)
{
	frame_eth(f)[17]++;
}
static void tunnel(struct frame *f)
{
	frame_eth(f)[23] = 47; /* GRE */
}
static void short_doff(struct frame *f)
{
	frame_eth(f)[46] = 0x40;
}
static void long_doff(struct frame *f)
{
	/* 60 bytes of header, and the frame ends with them. */
	frame_eth(f)[46] = 0xf0;
	f->len = 34 + 60;
	frame_eth(f)[16] = 0;
	frame_eth(f)[17] = 80;
}
static void ethertype(struct frame *f)
{
	frame_eth(f)[13] = 0x42;
}
static void cut_short(struct frame *f)
{
	f->len = 40;
}
static void empty(struct frame *f)
{
	f->len = 14;
}

static void test_frame_odd_super_packets_stay_whole(void **state)
{
	static void (*const odd[])(struct frame * f) = {
		no_csum,   csum_start_off, csum_offset_off, no_size,	unknown_type,	only_ecn,
		ufo,	   other_ip,	   udp_type,	    fragment,	later_fragment, short_ihl,
		version,   total_length,   tunnel,	    short_doff, long_doff,	ethertype,
		cut_short, empty,
	};
	struct mem_spec spec = { .payload = 4500, .segment = 1000, .flags = TCP_ACK };
	struct mem_port *m = *state;

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct frame *f = mem_frame(m, &spec);

		odd[i](f);
		frame_parse(f);
		if (f->kind != FRAME_WHOLE)
			fail_msg("odd frame %zu was taken for kind %u", i, f->kind);
		assert_int_equal(f->units, 1);
		frame_put(&m->pool, f);
	}
}

static void test_frame_whole_counts_what_its_sizes_say(void **state)
{
	struct mem_spec spec = { .payload = 4500, .segment = 1000, .flags = TCP_ACK };
	struct mem_port *m = *state;
	struct frame *f = mem_frame(m, &spec);

	f->vnet.gso_type = 0x7f;
	frame_parse(f);
	assert_int_equal(f->each, 5);
	assert_int_equal(frame_unit_len(f, 0), 4500 + 5 * 54);
	f->vnet.hdr_len = 65535; /* a hint that cannot be */
	frame_parse(f);
	assert_int_equal(f->each, 1);
	f->vnet.hdr_len = 54;
	f->vnet.gso_size = 0;
	frame_parse(f);
	assert_int_equal(f->each, 1);
	assert_int_equal(frame_unit_len(f, 0), 4554);
	frame_put(&m->pool, f);
}

static void test_frame_udp_length_must_agree(void **state)
{
	struct mem_spec spec = { .payload = 4500, .segment = 1000, .udp = true };
	struct mem_port *m = *state;
	struct frame *f = mem_frame(m, &spec);

	frame_eth(f)[39]++;
	frame_parse(f);
	assert_int_equal(f->kind, FRAME_WHOLE);
	frame_put(&m->pool, f);
}

static void test_frame_ipv6_fragment_and_long_headers_stay_whole(void **state)
{
	struct mem_spec spec = { .payload = 4500, .segment = 1000, .v6 = true, .ip_options = 8 };
	struct mem_port *m = *state;
	struct frame *f = mem_frame(m, &spec);

	assert_int_equal(f->kind, FRAME_TCP6);
	frame_eth(f)[20] = 44;
	frame_parse(f);
	assert_int_equal(f->kind, FRAME_WHOLE);
	frame_put(&m->pool, f);

	spec.ip_options = 248;
	f = mem_frame(m, &spec);
	assert_int_equal(f->kind, FRAME_WHOLE);
	frame_put(&m->pool, f);
}

/* Whatever the length, nothing outside is read (the sanitizers watch). */
static void test_frame_cut_off_anywhere(void **state)
{
	struct mem_port *m = *state;

	for (size_t i = 0; i < NCUTTABLE; i++)
		for (uint32_t len = 0; len < 200; len++) {
			struct frame *f = mem_frame(m, &cuttable[i].spec);
			struct frame *exact;

			if (len >= f->len) {
				frame_put(&m->pool, f);
				continue;
			}
			exact = malloc(offsetof(struct frame, room) + f->start + len);
			f->len = len;
			memcpy(exact, f, offsetof(struct frame, room) + f->start + len);
			frame_parse(exact);
			assert_int_equal(exact->kind, FRAME_WHOLE);
			free(exact);
			frame_put(&m->pool, f);
		}
}

/* -------------------------------------------------------------------- exempt */

static void test_frame_exempt_is_control_traffic_only(void **state)
{
	static const struct {
		const char *what;
		bool exempt;
		uint32_t len;
		const char *bytes; /* from the ethertype on */
	} rows[] = {
		{ "arp", true, 4, "\x08\x06\x00\x01" },
		{ "tagged arp", true, 8, "\x81\x00\x00\x01\x08\x06\x00\x01" },
		{ "igmp", true, 26,
		  "\x08\x00\x46\xc0\x00\x20\0\0\0\0\x01\x02\0\0\x0a\0\0\x01\xe0\0\0\x16\x94\x04\0"
		  "\0" },
		{ "icmp", false, 22,
		  "\x08\x00\x45\x00\x00\x1c\0\0\0\0\x40\x01\0\0\x0a\0\0\x01\x0a\0\0\x02" },
		{ "neighbour solicitation", true, 43,
		  "\x86\xdd\x60\0\0\0\0\x18\x3a\xff"
		  "1234567812345678"
		  "1234567812345678"
		  "\x87" },
		{ "echo request", false, 43,
		  "\x86\xdd\x60\0\0\0\0\x18\x3a\xff"
		  "1234567812345678"
		  "1234567812345678"
		  "\x80" },
		{ "redirect", true, 43,
		  "\x86\xdd\x60\0\0\0\0\x18\x3a\xff"
		  "1234567812345678"
		  "1234567812345678"
		  "\x89" },
		{ "node information query", false, 43,
		  "\x86\xdd\x60\0\0\0\0\x18\x3a\xff"
		  "1234567812345678"
		  "1234567812345678"
		  "\x8b" },
		{ "listener report behind hop-by-hop", true, 51,
		  "\x86\xdd\x60\0\0\0\0\x24\x00\x01"
		  "1234567812345678"
		  "1234567812345678"
		  "\x3a\0\x05\x02\0\0\x01\0\x8f" },
		{ "fragment that looks like one", false, 51,
		  "\x86\xdd\x60\0\0\0\0\x20\x2c\xff"
		  "1234567812345678"
		  "1234567812345678"
		  "\x3a\0\0\x01\0\0\0\x01\x87" },
		{ "hop-by-hop and no more", false, 50,
		  "\x86\xdd\x60\0\0\0\0\x24\x00\x01"
		  "1234567812345678"
		  "1234567812345678"
		  "\x3a\0\x05\x02\0\0\x01\0" },
		{ "udp with the same byte", false, 43,
		  "\x86\xdd\x60\0\0\0\0\x18\x11\xff"
		  "1234567812345678"
		  "1234567812345678"
		  "\x87" },
		{ "unknown ethertype", false, 4, "\x88\xcc\x00\x01" },
		{ "nothing", false, 2, "\x08\x00" },
	};
	struct mem_port *m = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct virtio_net_hdr vnet = { 0 };
		unsigned char bytes[128] = { 0 };
		struct frame *f;

		memcpy(bytes + 12, rows[i].bytes, rows[i].len);
		f = mem_raw(m, &vnet, bytes, 12 + rows[i].len);
		if (f->exempt != rows[i].exempt)
			fail_msg("%s: exempt is %d", rows[i].what, f->exempt);
		assert_int_equal(f->kind, FRAME_SINGLE);
		frame_put(&m->pool, f);
	}
}

/* -------------------------------------------------------------------- memory */

static void test_frame_copy_goes_to_the_smallest_buffer(void **state)
{
	struct mem_port *m = *state;
	struct mem_spec spec = { .payload = 1448, .tcp_options = 12, .flags = TCP_ACK };
	struct frame *f = mem_frame(m, &spec), *copy;

	assert_int_equal(frame_class(f->len), POOL_SMALL);
	assert_int_equal(frame_class(frame_space(POOL_SMALL)), POOL_SMALL);
	assert_int_equal(frame_class(frame_space(POOL_SMALL) + 1), POOL_MEDIUM);
	assert_int_equal(frame_class(frame_space(POOL_MEDIUM) + 1), POOL_LARGE);
	assert_int_equal(frame_class(frame_space(POOL_LARGE) + 1), POOL_NCLASSES);
	assert_true(frame_space(POOL_LARGE) >= 65535 + 14 + 8);
	copy = frame_copy(&m->pool, f, POOL_SMALL);
	assert_int_equal(copy->class, POOL_SMALL);
	assert_int_equal(copy->refs, 1);
	assert_int_equal(copy->len, f->len);
	assert_memory_equal(frame_bytes(copy), frame_bytes(f), f->len);
	frame_put(&m->pool, f);
	frame_put(&m->pool, copy);
}

static void test_frame_vlan_tag_is_put_back(void **state)
{
	struct mem_port *m = *state;
	struct mem_spec spec = { .payload = 4500, .segment = 1000, .flags = ALL_FLAGS };
	struct frame *f = mem_frame(m, &spec), *tagged;

	frame_put_vlan(f, 0x8100, 7);
	frame_parse(f);
	spec.vlan = true;
	tagged = mem_frame(m, &spec);
	assert_int_equal(f->len, tagged->len);
	assert_memory_equal(frame_bytes(f), frame_bytes(tagged), f->len);
	assert_memory_equal(&f->vnet, &tagged->vnet, sizeof(f->vnet));
	assert_int_equal(f->kind, FRAME_TCP4);
	assert_int_equal(f->l4, tagged->l4);
	frame_put(&m->pool, f);
	frame_put(&m->pool, tagged);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_frame_kinds_and_lengths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frame_every_part_cuts_to_the_same_wire_packets,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_frame_part_has_these_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frame_marked_parts_differ_by_the_mark_alone,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_frame_marked_single_and_whole_keep_all_else,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_frame_mark_leaves_a_wrong_checksum_wrong,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_frame_ect_is_for_ip_that_asks, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_frame_headers_of_every_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frame_ip_end_is_what_ip_says, setup, teardown),
		cmocka_unit_test(test_frame_has_not_grown),
		cmocka_unit_test_setup_teardown(test_frame_odd_super_packets_stay_whole, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_frame_whole_counts_what_its_sizes_say, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_frame_udp_length_must_agree, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_frame_ipv6_fragment_and_long_headers_stay_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frame_cut_off_anywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frame_exempt_is_control_traffic_only, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_frame_copy_goes_to_the_smallest_buffer, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_frame_vlan_tag_is_put_back, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
