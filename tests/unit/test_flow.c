/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows: keys of packets of every kind, numbers, labels, connections opened again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow.h"
#include "port_mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYN 0x02
#define ACK 0x10
#define FROM_NODE "\x0a\x01\x00\x02"
#define SERVICE "\xc0\x00\x02\x01"

/* Worked out by other means. */
#define HASH_0 0x3d7df3bcu
#define HASH_1 0x7248f9bbu
#define TEXT_HASH 0x1cdb32a430136f5bull

static int setup(void **state)
{
	struct mem_port *m = calloc(1, sizeof(*m));

	mem_open(m, MEM_CAP, 1, 0, CHOPPY_UP);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	mem_close(*state);
	free(*state);
	return 0;
}

/* ------------------------------------------------------------------ packets */

struct packet {
	unsigned char bytes[256];
	uint32_t len;
};

static void put(struct packet *p, const void *bytes, size_t n)
{
	memcpy(p->bytes + p->len, bytes, n);
	p->len += (uint32_t)n;
}

static void put_zeros(struct packet *p, size_t n)
{
	memset(p->bytes + p->len, 0, n);
	p->len += (uint32_t)n;
}

static void put16(struct packet *p, unsigned v)
{
	unsigned char b[2] = { (unsigned char)(v >> 8), (unsigned char)v };

	put(p, b, 2);
}

static struct packet ether(unsigned type)
{
	struct packet p = { .len = 0 };

	put_zeros(&p, 12);
	put16(&p, type);
	return p;
}

static struct packet ip4(unsigned protocol, const char *src, const char *dst, unsigned fragment)
{
	struct packet p = ether(0x0800);
	unsigned char ttl[2] = { 64, (unsigned char)protocol };

	put(&p, "\x45\0\0\x40\0\0", 6);
	put16(&p, fragment);
	put(&p, ttl, 2);
	put_zeros(&p, 2);
	put(&p, src, 4);
	put(&p, dst, 4);
	return p;
}

static struct packet ip6(unsigned next, unsigned src, unsigned dst)
{
	struct packet p = ether(0x86dd);
	unsigned char rest[4] = { 0, 40, (unsigned char)next, 64 };

	put(&p, "\x60\0\0\0", 4);
	put(&p, rest, 4);
	put(&p, "\x20\x01\x0d\xb8", 4);
	put_zeros(&p, 10);
	put16(&p, src);
	put(&p, "\x20\x01\x0d\xb8", 4);
	put_zeros(&p, 10);
	put16(&p, dst);
	return p;
}

static void put_tcp(struct packet *p, unsigned sport, unsigned dport, unsigned flags, unsigned seq)
{
	unsigned char tail[8] = { 0x50, (unsigned char)flags };

	put16(p, sport);
	put16(p, dport);
	put16(p, seq >> 16);
	put16(p, seq);
	put_zeros(p, 4);
	put(p, tail, 8);
}

static void put_udp(struct packet *p, unsigned sport, unsigned dport)
{
	put16(p, sport);
	put16(p, dport);
	put16(p, 8);
	put16(p, 0);
}

static void put_icmp(struct packet *p, unsigned type, unsigned id)
{
	unsigned char head[4] = { (unsigned char)type };

	put(p, head, 4);
	put16(p, id);
	put16(p, 1);
}

static struct frame *frame(struct mem_port *m, const struct packet *p)
{
	struct virtio_net_hdr vnet = { 0 };

	return mem_raw(m, &vnet, p->bytes, p->len);
}

static struct packet tcp(const char *src, const char *dst, unsigned sport, unsigned dport,
			 unsigned flags, unsigned seq)
{
	struct packet p = ip4(6, src, dst, 0x4000);

	put_tcp(&p, sport, dport, flags, seq);
	return p;
}

/* --------------------------------------------------------------------- keys */

static struct flow_key key_of(struct mem_port *m, const struct packet *p)
{
	struct frame *f = frame(m, p);
	struct flow_key key;

	memset(&key, 0xa5, sizeof(key));
	flow_key(&key, f);
	frame_put(&m->pool, f);
	return key;
}

static void check_key(const struct flow_key *key, unsigned ip, unsigned protocol, unsigned sport,
		      unsigned dport)
{
	assert_int_equal(key->ip, ip);
	assert_int_equal(key->protocol, protocol);
	assert_int_equal(key->sport, sport);
	assert_int_equal(key->dport, dport);
}

static void test_keys_ip4(void **state)
{
	struct packet p = tcp(FROM_NODE, SERVICE, 40000, 80, ACK, 1);
	struct flow_key key = key_of(*state, &p);
	static const unsigned char zeros[12];

	check_key(&key, 4, 6, 40000, 80);
	assert_int_equal(key.ethertype, 0x0800);
	assert_memory_equal(key.src, FROM_NODE, 4);
	assert_memory_equal(key.dst, SERVICE, 4);
	assert_memory_equal(key.src + 4, zeros, 12);
	assert_memory_equal(key.dst + 4, zeros, 12);

	p = ip4(17, FROM_NODE, SERVICE, 0);
	put_udp(&p, 5000, 53);
	key = key_of(*state, &p);
	check_key(&key, 4, 17, 5000, 53);

	p = ip4(1, FROM_NODE, SERVICE, 0);
	put_icmp(&p, 8, 0x1234);
	key = key_of(*state, &p);
	check_key(&key, 4, 1, 0x1234, 0x1234);
	p.bytes[34] = 3; /* unreachable: what stands there is no identifier */
	key = key_of(*state, &p);
	check_key(&key, 4, 1, 0, 0);

	p = ip4(50, FROM_NODE, SERVICE, 0);
	put_udp(&p, 5000, 53);
	key = key_of(*state, &p);
	check_key(&key, 4, 50, 0, 0);
}

static void test_keys_fragments(void **state)
{
	static const unsigned fragments[] = { 0x2000, 0x2010, 0x0010 };
	struct packet p;
	struct flow_key key;

	for (size_t i = 0; i < 3; i++) {
		p = ip4(17, FROM_NODE, SERVICE, fragments[i]);
		put_udp(&p, 5000, 53);
		key = key_of(*state, &p);
		check_key(&key, 4, 17, 0, 0);
	}
	/* IPv6: an atomic fragment (RFC 6946) has all its headers, others not. */
	for (unsigned offset = 0; offset < 2; offset++) {
		p = ip6(44, 1, 2);
		put(&p, "\x11\0", 2);
		put16(&p, offset);
		put_zeros(&p, 4);
		put_udp(&p, 5000, 53);
		key = key_of(*state, &p);
		check_key(&key, 6, 17, offset ? 0 : 5000, offset ? 0 : 53);
	}
}

static void test_keys_ip6(void **state)
{
	struct packet p = ip6(0, 1, 2); /* hop by hop, then destination options of 16 bytes */
	struct flow_key key;

	put(&p, "\x3c\0\0\0\0\0\0\0", 8);
	put(&p, "\x06\x01\0\0\0\0\0\0", 8);
	put_zeros(&p, 8);
	put_tcp(&p, 40000, 443, SYN, 7);
	key = key_of(*state, &p);
	check_key(&key, 6, 6, 40000, 443);
	assert_int_equal(key.src[0], 0x20);
	assert_int_equal(key.src[15], 1);
	assert_int_equal(key.dst[15], 2);

	p = ip6(58, 1, 2);
	put_icmp(&p, 128, 77);
	key = key_of(*state, &p);
	check_key(&key, 6, 58, 77, 77);
}

static void test_keys_tags(void **state)
{
	struct packet plain = tcp(FROM_NODE, SERVICE, 40000, 80, ACK, 1), p = ether(0x88a8);
	struct flow_key key, want = key_of(*state, &plain);

	put(&p, "\x00\x05\x81\x00\x00\x07", 6);
	put(&p, plain.bytes + 12, plain.len - 12);
	key = key_of(*state, &p);
	assert_memory_equal(&key, &want, sizeof(key));
	p = ether(0x0806);
	key = key_of(*state, &p);
	check_key(&key, 0, 0, 0, 0);
	assert_int_equal(key.ethertype, 0x0806);
}

/* Whatever is cut short has a key without what is missing. */
static void test_keys_short(void **state)
{
	struct packet p = tcp(FROM_NODE, SERVICE, 40000, 80, SYN, 1), whole = p;
	struct flow_key key;
	uint32_t seq;

	for (p.len = 0; p.len <= whole.len; p.len++) {
		struct frame *f = frame(*state, &p);

		flow_key(&key, f);
		assert_int_equal(key.ethertype, p.len < 14 ? 0 : 0x0800);
		assert_int_equal(key.ip, p.len < 34 ? 0 : 4);
		assert_int_equal(key.dport, p.len < 38 ? 0 : 80);
		assert_int_equal(flow_opens(f, &seq), p.len >= 54);
		frame_put(&((struct mem_port *)*state)->pool, f);
	}
}

static void test_hash(void **state)
{
	struct packet p = tcp(FROM_NODE, SERVICE, 40000, 80, ACK, 1);
	struct packet back = tcp(SERVICE, FROM_NODE, 80, 40000, ACK, 1);
	struct flow_key key = key_of(*state, &p), other = key_of(*state, &back);
	unsigned buckets[64] = { 0 };
	unsigned char *bytes = (unsigned char *)&other;

	/* The same on every machine. */
	assert_int_equal(flow_hash(&key, 0), HASH_0);
	assert_int_equal(flow_hash(&key, 1), HASH_1);
	assert_int_not_equal(flow_hash(&key, 0), flow_hash(&other, 0));
	for (size_t i = 0; i < sizeof(other); i++) {
		if ((i >= 4 && i < 16) || (i >= 20 && i < 32))
			continue; /* no part of an IPv4 key */
		other = key;
		bytes[i] ^= 1;
		other.ip = key.ip;
		if (memcmp(&other, &key, sizeof(key)))
			assert_int_not_equal(flow_hash(&key, 0), flow_hash(&other, 0));
	}
	/* Neighbouring ports spread. */
	for (unsigned i = 0; i < 6400; i++) {
		key.sport = (uint16_t)(32768 + i);
		buckets[flow_hash(&key, 9) % 64]++;
	}
	for (unsigned i = 0; i < 64; i++)
		assert_in_range(buckets[i], 60, 140);
}

/* ------------------------------------------------------------------- labels */

/* The label of a packet's flow in a table, checked to be one; "" when there is no place. */
static const char *label_of(struct mem_port *m, struct flow_table *t, const struct packet *p)
{
	static char label[FLOW_LABEL_MAX];
	struct frame *f = frame(m, p);
	struct flow *flow = flow_find(t, f);

	*label = '\0';
	if (flow) {
		flow_label(label, flow);
		assert_true(flow_label_sound(label));
		assert_true(flow_label_hash(flow) == flow_text_hash(label));
	}
	frame_put(&m->pool, f);
	return label;
}

#define CHECK_LABEL(p, want) assert_string_equal(label_of(*state, t, &(p)), want)

static void test_labels(void **state)
{
	struct flow_table *t = flow_table_new(100);
	struct packet p = tcp(FROM_NODE, SERVICE, 40000, 80, SYN, 1);

	CHECK_LABEL(p, "tcp:192.0.2.1:80#1");
	p = tcp(SERVICE, FROM_NODE, 80, 40000, SYN | ACK, 1); /* as the other direction sees it */
	CHECK_LABEL(p, "tcp:192.0.2.1:80#2");
	p = tcp(FROM_NODE, SERVICE, 500, 500, ACK, 1);
	CHECK_LABEL(p, "tcp:192.0.2.1:500#1");
	p = tcp(FROM_NODE, SERVICE, 22, 40000, ACK, 1); /* a service in the node */
	CHECK_LABEL(p, "tcp:10.1.0.2:22#1");
	p = ip6(17, 3, 1);
	put_udp(&p, 40000, 53);
	CHECK_LABEL(p, "udp:[2001:db8::1]:53#1");
	p = ip4(1, FROM_NODE, SERVICE, 0);
	put_icmp(&p, 8, 4711);
	CHECK_LABEL(p, "icmp:192.0.2.1#1");
	p.bytes[38] ^= 1; /* another ping */
	CHECK_LABEL(p, "icmp:192.0.2.1#2");
	p = ip4(1, SERVICE, FROM_NODE, 0);
	put_icmp(&p, 0, 4711);
	CHECK_LABEL(p, "icmp:192.0.2.1#3");
	p = ip6(58, 1, 3);
	put_icmp(&p, 129, 5);
	CHECK_LABEL(p, "icmp6:[2001:db8::1]#1");
	p = ip4(50, FROM_NODE, SERVICE, 0);
	CHECK_LABEL(p, "esp:192.0.2.1#1");
	p = ip4(253, FROM_NODE, SERVICE, 0);
	CHECK_LABEL(p, "ip253:192.0.2.1#1");
	p = ip4(17, FROM_NODE, SERVICE, 0x2000);
	put_udp(&p, 40000, 53);
	CHECK_LABEL(p, "udp:192.0.2.1#1");
	p = ether(0x0806);
	CHECK_LABEL(p, "eth:0x0806#1");
	flow_table_free(t);
}

static void test_label_sound(void **state)
{
	static const char *const wrong[] = {
		"",
		"-",
		"#1",
		"tcp",
		"tcp:192.0.2.1:80",
		"tcp:192.0.2.1:80#",
		"tcp:192.0.2.1:80#0",
		"tcp:192.0.2.1:80#01",
		"tcp:192.0.2.1:80#-1",
		"tcp:192.0.2.1:80# 1",
		"tcp:192.0.2.1:80#1 ",
		"tcp:192.0.2.1:80#1#1",
		"tcp:192.0.2.1:0#1",
		"tcp:192.0.2.1:65616#1",
		"tcp:192.0.2.1:080#1",
		"tcp:192.0.2:80#1",
		"tcp:192.0.2.256:80#1",
		"tcp:[192.0.2.1]:80#1",
		"tcp:2001:db8::1:80#1",
		"tcp:[2001:db8::1:80#1",
		"tcp:[2001:0db8::1]:80#1",
		"tcp:[2001:DB8::1]:80#1",
		"TCP:192.0.2.1:80#1",
		"ip6:192.0.2.1:80#1",
		"ip262:192.0.2.1#1",
		"http:192.0.2.1:80#1",
		"eth:0x806#1",
		"eth:0x88CC#1",
		"eth:2054#1",
		"tcp:[1111:2222:3333:4444:5555:6666:7777:8888]:65535#11111111111111111111111111111",
	};
	static const char *const right[] = {
		"tcp:192.0.2.1:80#1",	"udplite:[2001:db8::1]:65535#16777216",
		"sctp:10.0.0.1:1#999",	"ip0:0.0.0.0#1",
		"ip255:[::]#1",		"icmp6:[fe80::1]#3",
		"tcp:[::1.2.3.4]:80#1", "eth:0x88cc#7",
		"eth:0x0000#1",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (flow_label_sound(wrong[i]))
			fail_msg("%s", wrong[i]);
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		if (!flow_label_sound(right[i]))
			fail_msg("%s", right[i]);
	assert_true(flow_text_hash("tcp:192.0.2.1:80#1") == TEXT_HASH);
	assert_true(flow_text_hash("tcp:192.0.2.1:80#1") != flow_text_hash("tcp:192.0.2.1:80#2"));
}

/* -------------------------------------------------------------- connections */

static void test_opened_again(void **state)
{
	struct flow_table *t = flow_table_new(100);
	struct packet syn = tcp(FROM_NODE, SERVICE, 40000, 80, SYN, 1000);
	struct packet data = tcp(FROM_NODE, SERVICE, 40000, 80, ACK, 1001);
	struct packet again = tcp(FROM_NODE, SERVICE, 40000, 80, SYN, 2000);
	struct packet before = tcp(FROM_NODE, SERVICE, 40001, 80, ACK, 2000);

	CHECK_LABEL(syn, "tcp:192.0.2.1:80#1");
	CHECK_LABEL(data, "tcp:192.0.2.1:80#1");
	CHECK_LABEL(syn, "tcp:192.0.2.1:80#1"); /* sent again: no other connection */
	CHECK_LABEL(again, "tcp:192.0.2.1:80#2");
	CHECK_LABEL(data, "tcp:192.0.2.1:80#2");
	CHECK_LABEL(again, "tcp:192.0.2.1:80#2");
	/* One whose beginning was not seen, and then another. */
	CHECK_LABEL(before, "tcp:192.0.2.1:80#3");
	again = tcp(FROM_NODE, SERVICE, 40001, 80, SYN, 0);
	CHECK_LABEL(again, "tcp:192.0.2.1:80#4");
	CHECK_LABEL(again, "tcp:192.0.2.1:80#4");
	CHECK_LABEL(before, "tcp:192.0.2.1:80#4");
	/* The answering side's SYN begins the flow of its direction. */
	syn = tcp(SERVICE, FROM_NODE, 443, 40000, SYN | ACK, 5);
	CHECK_LABEL(syn, "tcp:192.0.2.1:443#1");
	syn = tcp(SERVICE, FROM_NODE, 443, 40000, SYN | ACK, 6);
	CHECK_LABEL(syn, "tcp:192.0.2.1:443#2");
	flow_table_free(t);
}

static void test_full(void **state)
{
	struct flow_table *t = flow_table_new(2);
	struct packet p = tcp(FROM_NODE, SERVICE, 40000, 80, SYN, 1);

	CHECK_LABEL(p, "tcp:192.0.2.1:80#1");
	p = tcp(FROM_NODE, SERVICE, 40001, 80, SYN, 1);
	CHECK_LABEL(p, "tcp:192.0.2.1:80#2");
	p = tcp(FROM_NODE, SERVICE, 40002, 80, SYN, 1);
	CHECK_LABEL(p, "");
	assert_int_equal(flow_table_missed(t), 1);
	/* Those that have a place keep it, until another connection follows. */
	p = tcp(FROM_NODE, SERVICE, 40001, 80, ACK, 1);
	CHECK_LABEL(p, "tcp:192.0.2.1:80#2");
	p = tcp(FROM_NODE, SERVICE, 40001, 80, SYN, 2);
	CHECK_LABEL(p, "");
	p = tcp(FROM_NODE, SERVICE, 40001, 80, ACK, 2);
	CHECK_LABEL(p, "");
	p = tcp(FROM_NODE, SERVICE, 40000, 80, ACK, 2);
	CHECK_LABEL(p, "tcp:192.0.2.1:80#1");
	assert_int_equal(flow_table_missed(t), 3);
	flow_table_free(t);
}

static void test_full_counts_all_packets(void **state)
{
	struct mem_port *m = *state;
	struct flow_table *t = flow_table_new(1);
	struct mem_spec spec = { .payload = 10000, .segment = 1000, .flags = ACK };
	struct packet p = ether(0x88cc);
	struct frame *f = mem_frame(m, &spec);

	CHECK_LABEL(p, "eth:0x88cc#1");
	assert_null(flow_find(t, f));
	assert_int_equal(flow_table_missed(t), 10);
	frame_put(&m->pool, f);
	flow_table_free(t);
}

/* Many flows, found again each, with counts of their own. */
static void test_many(void **state)
{
	struct mem_port *m = *state;
	struct flow_table *t = flow_table_new(5000);
	char label[FLOW_LABEL_MAX], want[FLOW_LABEL_MAX];

	for (unsigned round = 1; round <= 3; round++)
		for (unsigned i = 0; i < 5000; i++) {
			struct packet p = tcp(FROM_NODE, SERVICE, 10000 + i, 1 + i % 7, ACK, 1);
			struct frame *f = frame(m, &p);
			struct flow *flow = flow_find(t, f);

			assert_non_null(flow);
			for (unsigned k = 0; k < 1 + i % 3; k++)
				assert_int_equal(flow_count(flow, 1),
						 (round - 1) * (1 + i % 3) + k + 1);
			flow_label(label, flow);
			snprintf(want, sizeof(want), "tcp:192.0.2.1:%u#%u", 1 + i % 7, i / 7 + 1);
			assert_string_equal(label, want);
			frame_put(&m->pool, f);
		}
	assert_int_equal(flow_table_missed(t), 0);
	flow_table_free(t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_ip4),
		cmocka_unit_test(test_keys_fragments),
		cmocka_unit_test(test_keys_ip6),
		cmocka_unit_test(test_keys_tags),
		cmocka_unit_test(test_keys_short),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_label_sound),
		cmocka_unit_test(test_opened_again),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_full_counts_all_packets),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
