/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filters: against libpcap's own interpreter, packet by packet, over what an
 * independent segmenter makes of super-packets; and counted targets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "filter.h"
#include "match.h"
#include "port_mem.h"
#include "rng.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define FIN 0x01
#define SYN 0x02
#define PSH 0x08
#define ACK 0x10
#define CWR 0x80

/* Whether one answer can be given for a bulk frame of TCP over IPv4. */
enum bulk { SAME, EACH };

static const struct {
	const char *expression;
	enum bulk bulk;
} expressions[] = {
	{ "tcp", SAME },
	{ "udp", SAME },
	{ "ip", SAME },
	{ "ip6", SAME },
	{ "arp", SAME },
	{ "icmp", SAME },
	{ "icmp6", SAME },
	{ "sctp", SAME },
	{ "not tcp", SAME },
	{ "ip or ip6", SAME },
	{ "tcp port 80", SAME },
	{ "tcp port 2000", SAME },
	{ "udp port 53", SAME },
	{ "port 1000", SAME },
	{ "src port 1000", SAME },
	{ "dst port 1000 or dst port 443", SAME },
	{ "tcp dst port 443 and src net 10.0.0.0/8", SAME },
	{ "portrange 1000-1999", SAME },
	{ "not portrange 0-1023", SAME },
	{ "host 10.0.0.1", SAME },
	{ "src host 10.0.0.2", SAME },
	{ "dst host 192.0.2.1 and not port 22", SAME },
	{ "host 1111:1111:1111:1111:1111:1111:1111:1111", SAME },
	{ "net 10.0.0.0/24", SAME },
	{ "net 192.0.2.0 mask 255.255.255.0", SAME },
	{ "ip6 net 2222::/16", SAME },
	{ "ether host aa:aa:aa:aa:aa:aa", SAME },
	{ "ether dst 02:00:00:00:00:01", SAME },
	{ "ether broadcast or ether multicast", SAME },
	{ "ip multicast", SAME },
	{ "vlan", SAME },
	{ "vlan 7", SAME },
	{ "vlan 7 and tcp port 2000", SAME },
	{ "vlan and vlan 9 and ip", SAME },
	{ "ip and not vlan", SAME },
	{ "ip proto 47 or ip proto 50", SAME },
	{ "ip6 proto 6", SAME },
	{ "ip protochain 6", SAME },
	{ "ip6 protochain 17", SAME },
	{ "ip[0] & 0xf != 5", SAME }, /* options */
	{ "ip[8] < 64", SAME }, /* ttl */
	{ "ip[6:2] & 0x3fff != 0", SAME }, /* fragments */
	{ "ip[1] & 3 = 3", SAME }, /* congestion experienced */
	{ "tcp[tcpflags] & tcp-syn != 0", SAME },
	{ "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn", SAME },
	{ "tcp[tcpflags] & tcp-push != 0", SAME },
	{ "tcp[13] & 0x81 != 0", SAME },
	{ "tcp[8:4] & 0x10100 = 0x100", SAME }, /* acknowledgement */
	{ "tcp[14:2] > 1000", SAME }, /* window */
	{ "tcp[18:2] != 0", SAME }, /* urgent */
	{ "tcp[12] & 0xf0 > 0x50", SAME },
	{ "icmp[icmptype] = icmp-echo", SAME },
	{ "icmp6 and ip6[40] = 128", SAME },
	{ "udp[4:2] > 100", SAME },
	{ "udp[6:2] & 1 = 1", SAME }, /* checksum */
	{ "udp[8:2] & 0x0101 = 0x0101", SAME }, /* payload */
	{ "port 443 and tcp[(tcp[12] & 0xf0) >> 2] & 1 = 1", SAME },
	{ "tcp[(tcp[12] & 0xf0) >> 2] & 1 = 1 and port 443", EACH },
	{ "less 100", EACH },
	{ "greater 1000", EACH },
	{ "len >= 200 and len < 1300", EACH },
	{ "tcp and len % 3 = 1", EACH },
	{ "ip[2:2] > 500", EACH },
	{ "ip[4:2] & 1 = 1", EACH }, /* id */
	{ "ip[10] & 1 = 0", EACH }, /* header checksum */
	{ "ip6[4:2] > 500", SAME },
	{ "tcp[4:4] & 0x400 = 0", EACH },
	{ "tcp[7] & 1 = 0", EACH },
	{ "tcp[16:2] & 1 = 0", EACH },
	{ "tcp[15:2] & 0x80 = 0", EACH },
	{ "tcp[20] & 1 = 1", SAME }, /* payload, but here an option */
	{ "tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420", EACH },
	{ "tcp[((tcp[12:1] & 0xf0) >> 2):2] & 0x8080 = 0x8080", EACH },
	{ "port 2000 and tcp[((tcp[12:1] & 0xf0) >> 2):1] > 100", EACH },
	{ "ip[ip[2:2] - 1] & 1 = 0", EACH }, /* the last byte */
	{ "ip[12:4] / (ip[4:2] & 3) > 1", EACH }, /* division by zero */
	{ "ether[len - 20] > 100", EACH },
};

/* ------------------------------------------------------------------- set-up */

struct filter {
	struct match_insn *insns;
	uint32_t n;
	struct bpf_program reference;
	unsigned yes, no;
};

struct fixture {
	struct mem_port m;
	struct filter filter[ARRAY_SIZE(expressions)];
};

static void compile(struct filter *x, const char *expression)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);
	struct choppy_err err;

	if (filter_compile(expression, &x->insns, &x->n, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(pcap_compile(pcap, &x->reference, expression, 1, PCAP_NETMASK_UNKNOWN), 0);
	pcap_close(pcap);
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	mem_open(&x->m, MEM_CAP, 1, 0, CHOPPY_UP);
	for (size_t i = 0; i < ARRAY_SIZE(expressions); i++)
		compile(&x->filter[i], expressions[i].expression);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(expressions); i++) {
		free(x->filter[i].insns);
		pcap_freecode(&x->filter[i].reference);
	}
	mem_close(&x->m);
	free(x);
	return 0;
}

static struct match *make(const struct match_insn *insns, uint32_t n)
{
	struct choppy_rule rule = { .match = "x" };
	struct match *m;
	int err;

	m = match_new(&rule, insns, n, &err);
	assert_non_null(m);
	return m;
}

static bool reference(struct filter *x, const unsigned char *bytes, uint32_t len)
{
	struct pcap_pkthdr h = { .caplen = len, .len = len };
	bool yes = pcap_offline_filter(&x->reference, &h, bytes);

	x->yes += yes;
	x->no += !yes;
	return yes;
}

/* -------------------------------------------------------------- any packets */

static uint32_t below(struct rng *rng, uint32_t n)
{
	return (uint32_t)rng_below(rng, n);
}

static unsigned char byte(struct rng *rng)
{
	return (unsigned char)rng_next(rng);
}

static void put16(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
}

static const uint16_t ports[] = { 22, 53, 80, 443, 1000, 1500, 2000, 40000 };

static uint32_t random_l4(struct rng *rng, unsigned char *p, uint8_t protocol)
{
	static const unsigned char icmp_types[] = { 0, 3, 8, 128, 129, 135 };

	if (protocol == 6 || protocol == 17 || protocol == 132) {
		put16(p, ports[below(rng, ARRAY_SIZE(ports))]);
		put16(p + 2, ports[below(rng, ARRAY_SIZE(ports))]);
	} else {
		p[0] = icmp_types[below(rng, sizeof(icmp_types))];
	}
	if (protocol == 6) {
		p[12] = (unsigned char)((5 + below(rng, 4)) << 4);
		p[13] = (unsigned char)(1u << below(rng, 8) | 1u << below(rng, 8));
	}
	if (protocol == 17 && below(rng, 2))
		put16(p + 4, 8 + below(rng, 200));
	if (protocol == 6 && !below(rng, 4))
		memcpy(p + (p[12] >> 4) * 4, "GET ", 4);
	return 8 + below(rng, 150);
}

static uint8_t random_protocol(struct rng *rng)
{
	static const uint8_t protocols[] = { 1, 6, 6, 17, 17, 47, 50, 58, 132 };

	return protocols[below(rng, sizeof(protocols))];
}

static const unsigned char addresses[][4] = {
	{ 10, 0, 0, 1 }, { 10, 0, 0, 2 }, { 192, 0, 2, 1 }, { 192, 0, 2, 77 }, { 224, 0, 0, 5 },
};

static uint32_t random_ip4(struct rng *rng, unsigned char *p)
{
	uint32_t header = 20 + 4 * (below(rng, 3) ? 0 : below(rng, 6)), l4;

	p[0] = (unsigned char)(0x40 | header / 4);
	put16(p + 6, below(rng, 4) ? 0x4000 : below(rng, 2) ? 0x2000 : below(rng, 100));
	p[8] = below(rng, 2) ? 64 : byte(rng);
	p[9] = random_protocol(rng);
	memcpy(p + 12, addresses[below(rng, ARRAY_SIZE(addresses))], 4);
	memcpy(p + 16, addresses[below(rng, ARRAY_SIZE(addresses))], 4);
	l4 = random_l4(rng, p + header, p[9]);
	put16(p + 2, below(rng, 8) ? header + l4 : below(rng, 1500));
	return header + l4;
}

static uint32_t random_ip6(struct rng *rng, unsigned char *p)
{
	static const uint8_t extensions[] = { 0, 43, 44, 60 };
	uint32_t at = 40;
	uint8_t *next = &p[6], protocol = random_protocol(rng);

	p[0] = 0x60;
	for (uint32_t n = below(rng, 2) ? 0 : below(rng, 4); n; n--) {
		*next = extensions[below(rng, sizeof(extensions))];
		p[at + 1] = (unsigned char)(*next == 44 ? 0 : below(rng, 3));
		put16(p + at + 2, below(rng, 2) ? 0 : below(rng, 100));
		next = &p[at];
		at += (p[at + 1] + 1u) * 8;
	}
	*next = protocol;
	memset(p + 8, below(rng, 2) ? 0x11 : 0x33, 16);
	memset(p + 24, below(rng, 2) ? 0x22 : 0x44, 16);
	at += random_l4(rng, p + at, protocol);
	put16(p + 4, below(rng, 8) ? at - 40 : below(rng, 1500));
	return at;
}

/* A packet that some expression may like, or bytes, or one cut off. Returns its length. */
static uint32_t random_packet(struct rng *rng, unsigned char p[1600])
{
	static const uint16_t types[] = { 0x0800, 0x0800, 0x86dd, 0x86dd, 0x0806, 0x88cc };
	uint16_t type = types[below(rng, ARRAY_SIZE(types))];
	uint32_t at = 12, len;

	for (uint32_t i = 0; i < 1600; i++)
		p[i] = byte(rng);
	if (!below(rng, 20))
		return below(rng, 1600);
	if (below(rng, 2))
		memset(p, below(rng, 2) ? 0xaa : 0xff, 6);
	else
		memcpy(p, "\2\0\0\0\0\1", 6);
	for (uint32_t n = below(rng, 2) ? 0 : below(rng, 3); n; n--) {
		put16(p + at, below(rng, 2) ? 0x8100 : 0x88a8);
		put16(p + at + 2, below(rng, 2) ? 7 : 9);
		at += 4;
	}
	put16(p + at, type);
	at += 2;
	len = at + (type == 0x0800   ? random_ip4(rng, p + at)
		    : type == 0x86dd ? random_ip6(rng, p + at)
				     : below(rng, 60));
	if (!below(rng, 4))
		len += below(rng, 1600 - len);
	return below(rng, 10) ? len : below(rng, len);
}

static void test_any_packets(void **state)
{
	struct fixture *x = *state;
	struct rng_key key = { .seed = 11, .purpose = "match" };
	struct virtio_net_hdr vnet = { 0 };
	unsigned char bytes[1600];
	struct match *match[ARRAY_SIZE(expressions)];
	struct rng rng;

	rng_init(&rng, &key);
	for (size_t i = 0; i < ARRAY_SIZE(expressions); i++)
		match[i] = make(x->filter[i].insns, x->filter[i].n);
	for (unsigned k = 0; k < 20000; k++) {
		uint32_t len = random_packet(&rng, bytes);
		struct frame *f = mem_raw(&x->m, &vnet, bytes, len);

		for (size_t i = 0; i < ARRAY_SIZE(expressions); i++) {
			bool want = reference(&x->filter[i], bytes, len);

			assert_true(match_same(match[i], f));
			if (match_unit(match[i], f, 0) != want)
				fail_msg("'%s', packet %u", expressions[i].expression, k);
			assert_int_equal(match_seen(match[i]), x->filter[i].yes);
		}
		frame_put(&x->m.pool, f);
	}
	for (size_t i = 0; i < ARRAY_SIZE(expressions); i++) {
		/* An expression that all or none of them answer proves nothing. */
		if (!x->filter[i].yes || !x->filter[i].no)
			fail_msg("'%s' matched %u and not %u", expressions[i].expression,
				 x->filter[i].yes, x->filter[i].no);
		match_free(match[i]);
	}
}

/* ------------------------------------------------------------- super-packets */

static struct mem_spec random_spec(struct rng *rng)
{
	static const uint16_t segments[] = { 1, 3, 100, 536, 1000, 1448, 1460, 9000 };
	static const uint8_t flags[] = { ACK,	    PSH | ACK,	     FIN | ACK, FIN | PSH | ACK,
					 CWR | ACK, CWR | PSH | ACK, SYN,	ACK };
	struct mem_spec s = {
		.v6 = below(rng, 2),
		.udp = below(rng, 2),
		.vlan = below(rng, 2),
		.segment = below(rng, 8) ? segments[below(rng, ARRAY_SIZE(segments))] : 0,
		.flags = flags[below(rng, sizeof(flags))],
		.ip_options = (uint8_t)(below(rng, 3) ? 0 : 8 * below(rng, 5)),
		.tcp_options = (uint8_t)(4 * below(rng, 11)),
		.id = (uint16_t)rng_next(rng),
		.seq = (uint32_t)rng_next(rng),
	};

	if (s.segment)
		s.payload = 1 + below(rng, s.segment * (s.segment < 1000 ? 40u : 20u));
	else
		s.payload = below(rng, 1460);
	if (s.payload > 60000)
		s.payload = 60000;
	return s;
}

/* One expression over the units of a frame, against the packets that it was cut into. */
static bool check_units(struct fixture *x, size_t i, const struct frame *f)
{
	struct match *each = make(x->filter[i].insns, x->filter[i].n);
	struct match *all = make(x->filter[i].insns, x->filter[i].n);
	bool same = match_same(all, f), first = same && match_frame(all, f);
	uint64_t yes = 0;

	assert_int_equal(x->m.npackets, f->units);
	for (uint32_t u = 0; u < f->units; u++) {
		const struct mem_packet *p = &x->m.packets[u];
		bool want = reference(&x->filter[i], p->bytes, p->len);

		yes += want;
		if (match_unit(each, f, u) != want)
			fail_msg("'%s', unit %u of %u", expressions[i].expression, u, f->units);
		if (same && first != want)
			fail_msg("'%s' is not the same in all %u units", expressions[i].expression,
				 f->units);
	}
	assert_int_equal(match_count(each), yes);
	if (same)
		assert_int_equal(match_count(all), yes);
	match_free(each);
	match_free(all);
	return same;
}

static void test_super_packets(void **state)
{
	struct fixture *x = *state;
	struct rng_key key = { .seed = 12, .purpose = "match" };
	unsigned same = 0, several = 0;
	struct rng rng;

	rng_init(&rng, &key);
	for (unsigned k = 0; k < 600; k++) {
		struct mem_spec spec = random_spec(&rng);
		struct frame *f = mem_frame(&x->m, &spec);

		mem_cut(&x->m, &f->vnet, frame_bytes(f), f->len);
		for (size_t i = 0; i < ARRAY_SIZE(expressions); i++) {
			bool s = check_units(x, i, f);

			several += f->units > 1;
			same += f->units > 1 && s;
		}
		mem_forget(&x->m);
		frame_put(&x->m.pool, f);
	}
	/* It is worth its while. */
	assert_in_range(same, several * 3 / 4, several - several / 20);
}

/* Which expressions are answered once for a bulk frame, and which for each unit. */
static void test_bulk(void **state)
{
	struct fixture *x = *state;
	static const struct mem_spec spec = {
		.payload = 40000, .segment = 1448, .flags = ACK, .tcp_options = 12
	};
	struct frame *f = mem_frame(&x->m, &spec);

	for (size_t i = 0; i < ARRAY_SIZE(expressions); i++) {
		struct match *m = make(x->filter[i].insns, x->filter[i].n);

		if (match_same(m, f) != (expressions[i].bulk == SAME))
			fail_msg("'%s'", expressions[i].expression);
		match_free(m);
	}
	frame_put(&x->m.pool, f);
}

/* Flags differ between units only when there are some that belong to the first or the last. */
static void test_flags(void **state)
{
	struct fixture *x = *state;
	static const uint8_t alone[] = { FIN, PSH, CWR };
	struct filter filter = { 0 };
	struct match *m;

	compile(&filter, "tcp[13] & 0x89 != 0");
	m = make(filter.insns, filter.n);
	for (size_t i = 0; i <= ARRAY_SIZE(alone); i++) {
		struct mem_spec spec = { .payload = 5000, .segment = 1000, .flags = 0x76 };
		struct frame *f;

		if (i < ARRAY_SIZE(alone))
			spec.flags |= alone[i];
		f = mem_frame(&x->m, &spec);
		assert_int_equal(match_same(m, f), i == ARRAY_SIZE(alone));
		frame_put(&x->m.pool, f);
	}
	match_free(m);
	free(filter.insns);
	pcap_freecode(&filter.reference);
}

/* Whether the 16 bits at @at are @value in what a filter sees of @f. */
static bool reads(const struct frame *f, uint32_t at, uint32_t value)
{
	const struct match_insn insns[] = {
		{ 0x28, 0, 0, at }, { 0x15, 0, 1, value }, { 0x06, 0, 0, 1 }, { 0x06, 0, 0, 0 }
	};
	struct match *m = make(insns, ARRAY_SIZE(insns));
	bool yes = match_unit(m, f, 0);

	match_free(m);
	return yes;
}

/* A checksum of 0 is written as 0xffff (in UDP 0 means that there is none). */
static void test_checksum_zero(void **state)
{
	struct fixture *x = *state;
	struct mem_spec spec = { .udp = true, .payload = 100 };
	struct frame *f = mem_frame(&x->m, &spec);
	uint32_t sum;

	mem_cut(&x->m, &f->vnet, frame_bytes(f), f->len);
	sum = (uint32_t)x->m.packets[0].bytes[40] << 8 | x->m.packets[0].bytes[41];
	assert_true(reads(f, 40, sum));
	/* The last payload word takes up what is missing. */
	sum += (uint32_t)frame_eth(f)[140] << 8 | frame_eth(f)[141];
	put16(frame_eth(f) + 140, (sum & 0xffff) + (sum >> 16));
	assert_true(reads(f, 40, 0xffff));
	assert_true(reads(f, 38, 108));
	mem_forget(&x->m);
	frame_put(&x->m.pool, f);
}

/* The sum may begin at any byte; where its place lies outside, nothing is filled in. */
static void test_checksum_odd(void **state)
{
	struct fixture *x = *state;
	struct virtio_net_hdr vnet = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				       .csum_start = 15,
				       .csum_offset = 2 };
	unsigned char bytes[21] = { [14] = 0x99, 0x12, 0x34, 0, 1, 0x55, 0x66 };
	struct frame *f = mem_raw(&x->m, &vnet, bytes, 21);

	assert_true(reads(f, 17, 0xffff - (0x1234 + 1 + 0x5566)));
	assert_true(reads(f, 16, 0x3400 | (0xffff - (0x1234 + 1 + 0x5566)) >> 8));
	assert_true(reads(f, 15, 0x1234));
	assert_true(reads(f, 19, 0x5566));
	frame_put(&x->m.pool, f);
	vnet.csum_offset = 5;
	f = mem_raw(&x->m, &vnet, bytes, 21);
	assert_true(reads(f, 17, 1));
	assert_true(reads(f, 19, 0x5566));
	frame_put(&x->m.pool, f);
}

/* A super-packet that nobody can cut is one unit, and many packets. */
static void test_whole(void **state)
{
	struct fixture *x = *state;
	struct mem_spec spec = { .udp = true, .payload = 10000, .segment = 1000 };
	struct frame *f = mem_frame(&x->m, &spec);
	struct choppy_rule rule = {
		.match = "x",
		.nth = { .n = 1, .range = { { 15, 15 } } },
	};
	struct match *m;
	int err;

	f->vnet.csum_start++;
	frame_parse(f);
	assert_int_equal(f->kind, FRAME_WHOLE);
	m = match_new(&rule, x->filter[1].insns, x->filter[1].n, &err); /* udp */
	assert_true(match_same(m, f));
	assert_false(match_unit(m, f, 0));
	assert_true(match_unit(m, f, 0)); /* packets 11 to 20 */
	assert_false(match_unit(m, f, 0));
	assert_int_equal(match_seen(m), 30);
	assert_int_equal(match_count(m), 10);
	match_free(m);
	frame_put(&x->m.pool, f);
}

/* ------------------------------------------------------------ counted targets */

#define RET 0x06

static const struct match_insn everything[] = { { RET, 0, 0, 1 } };
static const struct match_insn nothing[] = { { RET, 0, 0, 0 } };
/* tcp[4:4] & 1 = 0 behind bare headers: every second packet of a frame with an odd segment */
static const struct match_insn even[] = {
	{ 0x20, 0, 0, 38 }, { 0x45, 1, 0, 1 }, { RET, 0, 0, 1 }, { RET, 0, 0, 0 }
};

static struct match *make_rule(const struct choppy_rule *rule, const struct match_insn *insns,
			       uint32_t n)
{
	int err = 1;
	struct match *m = match_new(rule, insns, n, &err);

	assert_non_null(m);
	assert_int_equal(err, 0);
	return m;
}

/* Ask about the units of @n frames; "x" for each that is the rule's, "." for the others. */
static void ask(struct mem_port *port, struct match *m, const struct mem_spec *spec, unsigned n,
		char *ret)
{
	for (unsigned i = 0; i < n; i++) {
		struct frame *f = mem_frame(port, spec);

		for (uint32_t u = 0; u < f->units; u++)
			*ret++ = match_unit(m, f, u) ? 'x' : '.';
		frame_put(&port->pool, f);
	}
	*ret = '\0';
}

static void test_nth(void **state)
{
	struct fixture *x = *state;
	static const struct mem_spec spec = { .payload = 5001, .segment = 1001, .flags = ACK };
	struct choppy_rule rule = {
		.match = "x",
		.nth = { .n = 3, .range = { { 1, 1 }, { 3, 4 }, { 11, 20 } } },
	};
	struct match *m = make_rule(&rule, everything, ARRAY_SIZE(everything));
	struct frame *f = mem_frame(&x->m, &spec);
	char got[128];

	assert_int_equal(f->units, 5);
	assert_false(match_same(m, f));
	ask(&x->m, m, &spec, 5, got);
	assert_string_equal(got, "x.xx......xxxxxxxxxx.....");
	assert_int_equal(match_seen(m), 25);
	assert_int_equal(match_count(m), 13);
	match_free(m);
	/* What the expression does not match has no number: of each frame units 1, 3 and 5 do. */
	m = make_rule(&rule, even, ARRAY_SIZE(even));
	ask(&x->m, m, &spec, 5, got);
	assert_string_equal(got, "x...xx...........x.xx.x.x");
	assert_int_equal(match_seen(m), 15);
	assert_int_equal(match_count(m), 8);
	match_free(m);
	frame_put(&x->m.pool, f);
}

static void test_first_packets(void **state)
{
	struct fixture *x = *state;
	static const struct mem_spec spec = { .payload = 5001, .segment = 1001, .flags = ACK };
	struct choppy_rule rule = {
		.match = "x",
		.first = { .n = 7, .unit = CHOPPY_PACKETS },
	};
	struct match *m = make_rule(&rule, everything, ARRAY_SIZE(everything));
	struct frame *f = mem_frame(&x->m, &spec);
	char got[128];

	assert_false(match_same(m, f));
	ask(&x->m, m, &spec, 3, got);
	assert_string_equal(got, "xxxxxxx........");
	assert_int_equal(match_seen(m), 15);
	assert_int_equal(match_count(m), 7);
	match_free(m);
	/* nth of the first ones: it numbers what the expression matched. */
	rule.nth = (struct choppy_list){ .n = 2, .range = { { 2, 3 }, { 6, 9 } } };
	m = make_rule(&rule, everything, ARRAY_SIZE(everything));
	ask(&x->m, m, &spec, 3, got);
	assert_string_equal(got, ".xx..xx........");
	assert_int_equal(match_seen(m), 15);
	assert_int_equal(match_count(m), 4);
	match_free(m);
	m = make_rule(&rule, nothing, ARRAY_SIZE(nothing));
	ask(&x->m, m, &spec, 3, got);
	assert_string_equal(got, "...............");
	assert_int_equal(match_seen(m), 0);
	match_free(m);
	frame_put(&x->m.pool, f);
}

/* A TCP frame of the connection from port @sport. */
static struct frame *segment(struct mem_port *port, uint16_t sport, uint8_t flags, uint32_t seq,
			     uint32_t payload)
{
	struct mem_spec spec = {
		.payload = payload, .segment = payload > 1000 ? 1000 : 0, .flags = flags, .seq = seq
	};
	struct frame *f = mem_frame(port, &spec);

	put16(frame_eth(f) + 34, sport);
	return f;
}

static void test_first_connections(void **state)
{
	struct fixture *x = *state;
	static const struct {
		uint16_t sport;
		uint8_t flags;
		uint32_t seq, payload;
		bool ours;
	} steps[] = {
		{ 5000, SYN, 1, 0, true },
		{ 5000, SYN, 1, 0, true }, /* sent again */
		{ 5001, SYN, 1, 0, true },
		{ 5002, SYN, 1, 0, false },
		{ 5000, ACK, 2, 4000, true },
		{ 5002, ACK, 2, 4000, false },
		{ 5001, ACK, 2, 10, true },
		{ 5001, SYN, 9, 0, false }, /* the same ports, a third connection */
		{ 5001, ACK, 10, 4000, false },
		{ 5000, ACK, 4002, 10, true },
	};
	struct choppy_rule rule = {
		.match = "x",
		.first = { .n = 2, .unit = CHOPPY_CONNECTIONS },
	};
	struct match *all = make_rule(&rule, everything, ARRAY_SIZE(everything));
	struct match *each = make_rule(&rule, everything, ARRAY_SIZE(everything));
	uint64_t seen = 0, count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct frame *f = segment(&x->m, steps[i].sport, steps[i].flags, steps[i].seq,
					  steps[i].payload);

		assert_true(match_same(all, f));
		if (match_frame(all, f) != steps[i].ours)
			fail_msg("step %zu", i);
		for (uint32_t u = 0; u < f->units; u++)
			assert_int_equal(match_unit(each, f, u), steps[i].ours);
		seen += f->units;
		count += steps[i].ours ? f->units : 0;
		assert_int_equal(match_seen(all), seen);
		assert_int_equal(match_count(all), count);
		assert_int_equal(match_seen(each), seen);
		assert_int_equal(match_count(each), count);
		frame_put(&x->m.pool, f);
	}
	match_free(all);
	match_free(each);
	/* With nth: of their packets and all others that matched, these. */
	rule.nth = (struct choppy_list){ .n = 1, .range = { { 3, 4 } } };
	all = make_rule(&rule, everything, ARRAY_SIZE(everything));
	for (size_t i = 0; i < 5; i++) {
		struct frame *f = segment(&x->m, steps[i].sport, SYN, 1, 0);

		assert_int_equal(match_unit(all, f, 0), i == 2);
		frame_put(&x->m.pool, f);
	}
	match_free(all);
}

/* Connections that the expression does not match take no place. */
static void test_first_connections_matched(void **state)
{
	struct fixture *x = *state;
	struct choppy_rule rule = {
		.match = "x",
		.first = { .n = 1, .unit = CHOPPY_CONNECTIONS },
	};
	struct filter filter = { 0 };
	struct match *m;

	compile(&filter, "src port 5001");
	m = make_rule(&rule, filter.insns, filter.n);
	for (unsigned i = 0; i < 4; i++) {
		struct frame *f = segment(&x->m, (uint16_t)(5000 + i % 2), SYN, 1, 0);

		assert_int_equal(match_unit(m, f, 0), i % 2);
		frame_put(&x->m.pool, f);
	}
	assert_int_equal(match_seen(m), 2);
	match_free(m);
	free(filter.insns);
	pcap_freecode(&filter.reference);
}

/* ---------------------------------------------------------------- soundness */

#define LD_ABS 0x20 /* a word at k */
#define LD_MEM 0x60
#define LDX_MEM 0x61
#define ST 0x02
#define STX 0x03
#define DIV_K 0x34
#define MOD_K 0x94
#define LSH_K 0x64
#define RSH_K 0x74
#define JA 0x05
#define JEQ_K 0x15
#define JSET_X 0x4d

static void test_sound_insns(void **state)
{
	static const struct {
		struct match_insn insn; /* two instructions stand behind it */
		bool sound;
	} rows[] = {
		{ { LD_MEM, 0, 0, 15 }, true },
		{ { LD_MEM, 0, 0, 16 }, false },
		{ { LDX_MEM, 0, 0, 15 }, true },
		{ { LDX_MEM, 0, 0, 16 }, false },
		{ { ST, 0, 0, 15 }, true },
		{ { ST, 0, 0, 16 }, false },
		{ { STX, 0, 0, 15 }, true },
		{ { STX, 0, 0, UINT32_MAX }, false },
		{ { DIV_K, 0, 0, 1 }, true },
		{ { DIV_K, 0, 0, 0 }, false },
		{ { MOD_K, 0, 0, 7 }, true },
		{ { MOD_K, 0, 0, 0 }, false },
		{ { LSH_K, 0, 0, 31 }, true },
		{ { LSH_K, 0, 0, 32 }, false },
		{ { RSH_K, 0, 0, 0 }, true },
		{ { RSH_K, 0, 0, 99 }, false },
		{ { JA, 0, 0, 1 }, true },
		{ { JA, 0, 0, 2 }, false },
		{ { JA, 9, 9, 0 }, true },
		{ { JA, 0, 0, UINT32_MAX }, true }, /* a loop */
		{ { JA, 0, 0, UINT32_MAX - 1 }, false },
		{ { JA, 0, 0, INT32_MAX }, false },
		{ { JA, 0, 0, 1u << 31 }, false },

		{ { JEQ_K, 1, 1, 5 }, true },
		{ { JEQ_K, 2, 0, 5 }, false },
		{ { JSET_X, 0, 1, 0 }, true },
		{ { JSET_X, 0, 2, 0 }, false },
		{ { LD_ABS, 0, 0, UINT32_MAX }, true },
		{ { LD_ABS | 0x100, 0, 0, 0 }, false },
		{ { 0x18, 0, 0, 0 }, false }, /* a double word */
		{ { 0xa1, 0, 0, 0 }, false }, /* MSH of a word */
		{ { 0xa4, 0, 0, 0 }, true }, /* exclusive or */
		{ { 0xb4, 0, 0, 0 }, false },
		{ { 0x0e, 0, 0, 0 }, false }, /* return of X */
		{ { 0x20 | 0x07, 0, 0, 0 }, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct match_insn program[3] = { rows[i].insn, { RET, 0, 0, 0 }, { RET, 0, 0, 0 } };

		if (match_program_sound(program, 3) != rows[i].sound)
			fail_msg("row %zu", i);
	}
}

static void test_sound_programs(void **state)
{
	struct match_insn *big = calloc(MATCH_PROGRAM_MAX + 1, sizeof(*big));

	assert_false(match_program_sound(everything, 0));
	assert_true(match_program_sound(everything, 1));
	assert_true(match_program_sound(even, ARRAY_SIZE(even)));
	for (uint32_t n = 1; n < ARRAY_SIZE(even); n++)
		assert_int_equal(match_program_sound(even, n), false);
	for (uint32_t i = 0; i <= MATCH_PROGRAM_MAX; i++)
		big[i] = everything[0];
	assert_true(match_program_sound(big, MATCH_PROGRAM_MAX));
	assert_false(match_program_sound(big, MATCH_PROGRAM_MAX + 1));
	big[0] = (struct match_insn){ JA, 0, 0, MATCH_PROGRAM_MAX - 2 };
	assert_true(match_program_sound(big, MATCH_PROGRAM_MAX));
	big[0].k++;
	assert_false(match_program_sound(big, MATCH_PROGRAM_MAX));
	free(big);
}

/* What no expression makes: registers and memory begin at 0, and arithmetic is modulo 2^32. */
static void test_machine(void **state)
{
	struct fixture *x = *state;
	static const struct {
		struct match_insn insn[6]; /* then A is returned */
		uint32_t want; /* whether it is this is asked */
	} rows[] = {
		{ { { 0 } }, 0 },
		{ { { LD_MEM, 0, 0, 3 } }, 0 },
		{ { { 0x00, 0, 0, 7 }, { ST, 0, 0, 3 }, { 0x00, 0, 0, 1 }, { LD_MEM, 0, 0, 3 } },
		  7 },
		{ { { 0x01, 0, 0, 7 }, { STX, 0, 0, 15 }, { LD_MEM, 0, 0, 15 } }, 7 },
		{ { { 0x01, 0, 0, 9 }, { 0x87, 0, 0, 0 } }, 9 }, /* txa */
		{ { { 0x00, 0, 0, 9 }, { 0x07, 0, 0, 0 }, { 0x0c, 0, 0, 0 } },
		  18 }, /* tax, add x */
		{ { { 0x14, 0, 0, 1 } }, UINT32_MAX }, /* sub */
		{ { { 0x00, 0, 0, 5 }, { 0x84, 0, 0, 0 } }, (uint32_t)-5 }, /* neg */
		{ { { 0x00, 0, 0, 0x80000001 }, { 0x24, 0, 0, 6 } }, 6 }, /* mul */
		{ { { 0x00, 0, 0, 3 }, { 0x01, 0, 0, 32 }, { 0x6c, 0, 0, 0 } }, 0 }, /* lsh x */
		{ { { 0x00, 0, 0, 3 }, { 0x01, 0, 0, 31 }, { 0x6c, 0, 0, 0 } }, 0x80000000 },
		{ { { 0x00, 0, 0, 3 }, { 0x01, 0, 0, 40 }, { 0x7c, 0, 0, 0 } }, 0 }, /* rsh x */
		{ { { 0x00, 0, 0, 12 }, { 0xa4, 0, 0, 10 } }, 6 }, /* xor */
		{ { { 0x00, 0, 0, 12 }, { 0x44, 0, 0, 3 } }, 15 }, /* or */
		{ { { 0x00, 0, 0, 17 }, { 0x94, 0, 0, 5 } }, 2 }, /* mod */
		{ { { 0x80, 0, 0, 0 } }, 54 }, /* length */
		{ { { 0x81, 0, 0, 0 }, { 0x87, 0, 0, 0 } }, 54 },
		{ { { 0xb1, 0, 0, 14 }, { 0x87, 0, 0, 0 } }, 20 }, /* msh */
		{ { { 0x01, 0, 0, 10 }, { 0x48, 0, 0, 2 } }, 0x0800 }, /* a half-word at x + 2 */
		{ { { 0x30, 0, 0, 53 } }, 1 }, /* the last byte */
	};
	struct mem_spec spec = { .flags = ACK };
	struct frame *f = mem_frame(&x->m, &spec);

	assert_int_equal(f->len, 54);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (uint32_t off = 0; off < 2; off++) {
			struct match_insn p[9] = { 0 };
			struct match *m;

			for (size_t k = 0; k < 6; k++) /* no-operations: ja 0 */
				p[k] = rows[i].insn[k].code || rows[i].insn[k].k
					       ? rows[i].insn[k]
					       : (struct match_insn){ JA, 0, 0, 0 };
			p[6] = (struct match_insn){ JEQ_K, 0, 1, rows[i].want + off };
			p[7] = (struct match_insn){ RET, 0, 0, 1 };
			p[8] = (struct match_insn){ RET, 0, 0, 0 };
			m = make(p, 9);
			if (match_unit(m, f, 0) != !off)
				fail_msg("row %zu", i);
			match_free(m);
		}
	frame_put(&x->m.pool, f);
}

/* A run that leaves the packet, or divides by zero, ends without a match. */
static void test_machine_ends(void **state)
{
	struct fixture *x = *state;
	static const struct match_insn rows[][2] = {
		{ { 0x30, 0, 0, 54 } },
		{ { 0x28, 0, 0, 53 } },
		{ { LD_ABS, 0, 0, 51 } },
		{ { LD_ABS, 0, 0, UINT32_MAX } },
		{ { LD_ABS, 0, 0, UINT32_MAX - 3 } },
		{ { 0xb1, 0, 0, 54 } },
		{ { 0x01, 0, 0, 20 }, { 0x40, 0, 0, 31 } },
		{ { 0x01, 0, 0, UINT32_MAX }, { 0x50, 0, 0, 1 } }, /* not byte 0 */
		{ { 0x3c, 0, 0, 0 } }, /* by x, which is 0 */
		{ { 0x9c, 0, 0, 0 } },
	};
	struct mem_spec spec = { .flags = ACK };
	struct frame *f = mem_frame(&x->m, &spec);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct match_insn p[3] = { rows[i][0], rows[i][1], { RET, 0, 0, 1 } };
		struct match *m;

		if (!p[1].code)
			p[1] = p[2];
		m = make(p, 3);
		if (match_unit(m, f, 0))
			fail_msg("row %zu", i);
		match_free(m);
	}
	frame_put(&x->m.pool, f);
}

/* Loops end, at the latest after more rounds than a packet has headers. */
static void test_machine_loops(void **state)
{
	struct fixture *x = *state;
	static const struct match_insn forever[] = { { 0x04, 0, 0, 1 },
						     { JA, 0, 0, (uint32_t)-2 },
						     { RET, 0, 0, 1 } };
	/* as often as asked, then yes */
	struct match_insn counted[] = {
		{ 0x04, 0, 0, 1 }, { JEQ_K, 1, 0, 0 }, { JA, 0, 0, (uint32_t)-3 }, { RET, 0, 0, 1 }
	};
	struct mem_spec spec = { .flags = ACK };
	struct frame *f = mem_frame(&x->m, &spec);
	struct match *m = make(forever, ARRAY_SIZE(forever));

	assert_false(match_unit(m, f, 0));
	match_free(m);
	for (uint32_t n = 10000; n <= 10002; n++) {
		counted[1].k = n;
		m = make(counted, ARRAY_SIZE(counted));
		assert_int_equal(match_unit(m, f, 0), n <= 10001);
		match_free(m);
	}
	frame_put(&x->m.pool, f);
}

static void test_new_refused(void **state)
{
	struct choppy_rule good = { .match = "tcp" }, rule;
	int err;

	assert_null(match_new(&good, even, 2, &err));
	assert_int_equal(err, -EINVAL);
	for (unsigned i = 0; i < 7; i++) {
		rule = good;
		if (i == 0)
			memset(rule.match, 'x', sizeof(rule.match));
		if (i == 1)
			rule.nth = (struct choppy_list){ .n = CHOPPY_LIST_MAX + 1 };
		if (i == 2)
			rule.nth = (struct choppy_list){ .n = 1, .range = { { 0, 5 } } };
		if (i == 3)
			rule.nth = (struct choppy_list){ .n = 2, .range = { { 1, 5 }, { 5, 6 } } };
		if (i == 4)
			rule.nth = (struct choppy_list){ .n = 1, .range = { { 6, 5 } } };
		if (i == 5)
			rule.first = (struct choppy_amount){ 5, CHOPPY_BYTES, 0 };
		if (i == 6)
			rule.first = (struct choppy_amount){ MATCH_CONNECTIONS_MAX + 1,
							     CHOPPY_CONNECTIONS, 0 };
		err = 0;
		if (match_new(&rule, everything, 1, &err) || err != -EINVAL)
			fail_msg("row %u", i);
	}
	match_free(NULL);
}

static void test_is(void **state)
{
	struct choppy_rule rule = {
		.match = "tcp",
		.nth = { .n = 1, .range = { { 3, 5 } } },
		.first = { .n = 4, .unit = CHOPPY_PACKETS },
	};
	struct match *m = make_rule(&rule, everything, 1);
	struct choppy_rule other = rule;

	other.condition.set = 1;
	other.dirs = 1;
	other.nth.range[1].first = 77; /* not in the list */
	assert_true(match_is(m, &other));
	strcpy(other.match, "udp");
	assert_false(match_is(m, &other));
	other = rule;
	other.nth.range[0].last = 6;
	assert_false(match_is(m, &other));
	other = rule;
	other.nth.n = 0;
	assert_false(match_is(m, &other));
	other = rule;
	other.first.n = 5;
	assert_false(match_is(m, &other));
	other = rule;
	other.first.unit = CHOPPY_CONNECTIONS;
	assert_false(match_is(m, &other));
	match_free(m);
}

/* -------------------------------------------------------------- compilation */

static void test_compile_refused(void **state)
{
	static const struct {
		const char *expression, *message;
	} rows[] = {
		{ "",
		  "match needs an expression: for example 'tcp port 80', or 'ip or ip6' for every "
		  "IP packet" },
		{ " \t",
		  "match needs an expression: for example 'tcp port 80', or 'ip or ip6' for every "
		  "IP packet" },
		{ "tcp prot 80",
		  "match 'tcp prot 80': can't parse filter expression: syntax error" },
		{ "tcp port 80 and",
		  "match 'tcp port 80 and': can't parse filter expression: syntax error" },
		{ "tcp and udp", "match 'tcp and udp': expression rejects all packets" },
		{ "port 70000", "match 'port 70000': illegal port number 70000 > 65535" },
		{ "host 300.1.1.1", "match 'host 300.1.1.1': invalid IPv4 address '300.1.1.1'" },
		{ "net 10.0.0.1/8",
		  "match 'net 10.0.0.1/8': non-network bits set in \"10.0.0.1/8\"" },
		{ "inbound",
		  "match 'inbound': it asks for what is in no packet: direction or device of a "
		  "capture" },
		{ "not outbound and tcp",
		  "match 'not outbound and tcp': it asks for what is in no packet: direction or "
		  "device of a capture" },
		{ "tcp[5:3] = 1", "match 'tcp[5:3] = 1': data size must be 1, 2, or 4" },
		{ "tcp @ 80", "match 'tcp @ 80': can't parse filter expression: syntax error" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct match_insn *insns = (void *)1;
		struct choppy_err err;
		uint32_t n = 77;

		if (filter_compile(rows[i].expression, &insns, &n, &err) != -EINVAL)
			fail_msg("'%s' is accepted", rows[i].expression);
		assert_string_equal(err.msg, rows[i].message);
		assert_int_equal(err.code, -EINVAL);
		assert_ptr_equal(insns, (void *)1);
		assert_int_equal(n, 77);
		assert_int_equal(filter_compile(rows[i].expression, &insns, &n, NULL), -EINVAL);
	}
}

static void test_compile_longest(void **state)
{
	char text[CHOPPY_MATCH_MAX + 1];
	struct match_insn *insns;
	struct choppy_err err;
	uint32_t n;

	memset(text, ' ', sizeof(text));
	memcpy(text, "tcp", 3);
	text[CHOPPY_MATCH_MAX] = '\0';
	assert_int_equal(filter_compile(text, &insns, &n, &err), -EINVAL);
	assert_string_equal(err.msg, "match 'tcp                                  ...' has 256 "
				     "characters, 255 at most");
	text[CHOPPY_MATCH_MAX - 1] = '\0';
	assert_int_equal(filter_compile(text, &insns, &n, &err), 0);
	assert_true(match_program_sound(insns, n));
	free(insns);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_packets),
		cmocka_unit_test(test_super_packets),
		cmocka_unit_test(test_bulk),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_checksum_zero),
		cmocka_unit_test(test_checksum_odd),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_nth),
		cmocka_unit_test(test_first_packets),
		cmocka_unit_test(test_first_connections),
		cmocka_unit_test(test_first_connections_matched),
		cmocka_unit_test(test_sound_insns),
		cmocka_unit_test(test_sound_programs),
		cmocka_unit_test(test_machine),
		cmocka_unit_test(test_machine_ends),
		cmocka_unit_test(test_machine_loops),
		cmocka_unit_test(test_new_refused),
		cmocka_unit_test(test_is),
		cmocka_unit_test(test_compile_refused),
		cmocka_unit_test(test_compile_longest),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
