/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flow is five values of a packet: addresses, ports, protocol. Two tables with open addressing
 * (linear probing, at most half full, nothing is ever taken out) number them: one of flows, whose
 * records carry the counts, and one of services, which counts the flows of each.
 *
 * A TCP connection begins with a SYN. One with a sequence number other than that of
 * the SYN before, between the same ends, is a new connection (RFC 9293, section 3.4.1: the initial
 * number is chosen anew each time); with the same number it is the old one's SYN sent again.
 */
#include "flow.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TCP_SYN 0x02
#define ICMP_ECHO_REPLY 0
#define ICMP_ECHO 8
#define ICMP6_ECHO 128
#define ICMP6_ECHO_REPLY 129

static uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* ------------------------------------------------------------------ packets */

static const struct protocol {
	uint8_t number;
	bool ports;
	const char *name;
} protocols[] = {
	{ IPPROTO_ICMP, false, "icmp" },      { IPPROTO_IGMP, false, "igmp" },
	{ IPPROTO_TCP, true, "tcp" },	      { IPPROTO_UDP, true, "udp" },
	{ IPPROTO_DCCP, true, "dccp" },	      { IPPROTO_GRE, false, "gre" },
	{ IPPROTO_ESP, false, "esp" },	      { IPPROTO_AH, false, "ah" },
	{ IPPROTO_ICMPV6, false, "icmp6" },   { IPPROTO_SCTP, true, "sctp" },
	{ IPPROTO_UDPLITE, true, "udplite" },
};
#define NPROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

static const struct protocol *find_protocol(uint8_t number)
{
	for (size_t i = 0; i < NPROTOCOLS; i++)
		if (protocols[i].number == number)
			return &protocols[i];
	return NULL;
}

/* Both return where the transport header begins; 0: there is none that belongs to a flow. */
static uint32_t read_ip4(struct flow_key *key, const struct frame *f, uint32_t l3)
{
	const unsigned char *ip = frame_bytes(f) + l3;
	uint32_t header;

	if (f->len < l3 + 20 || ip[0] >> 4 != 4)
		return 0;
	header = (ip[0] & 15u) * 4;
	if (header < 20 || f->len < l3 + header)
		return 0;
	key->ip = 4;
	key->protocol = ip[9];
	memcpy(key->src, ip + 12, 4);
	memcpy(key->dst, ip + 16, 4);
	/* Only a packet's first fragment has the ports: none counts, so that they stay together. */
	return get16(ip + 6) & 0x3fff ? 0 : l3 + header;
}

static bool is_extension(uint8_t protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_FRAGMENT;
}

static uint32_t read_ip6(struct flow_key *key, const struct frame *f, uint32_t l3)
{
	const unsigned char *ip = frame_bytes(f) + l3;
	uint32_t at = l3 + 40;

	if (f->len < at || ip[0] >> 4 != 6)
		return 0;
	key->ip = 6;
	key->protocol = ip[6];
	memcpy(key->src, ip + 8, 16);
	memcpy(key->dst, ip + 24, 16);
	while (is_extension(key->protocol)) {
		const unsigned char *ext = frame_bytes(f) + at;
		bool fragment = key->protocol == IPPROTO_FRAGMENT;

		if (f->len < at + 8)
			return 0;
		key->protocol = ext[0];
		if (fragment && get16(ext + 2) & 0xfff9) /* an offset, or more fragments */
			return 0;
		at += fragment ? 8 : (ext[1] + 1u) * 8;
	}
	return f->len < at ? 0 : at;
}

/* Fill @key but for the ports; returns as above. */
static uint32_t read_headers(struct flow_key *key, const struct frame *f)
{
	const unsigned char *eth = frame_bytes(f);
	uint32_t at = 12;

	memset(key, 0, sizeof(*key));
	if (f->len < FRAME_ETH_LEN)
		return 0;
	while ((get16(eth + at) == ETH_P_8021Q || get16(eth + at) == ETH_P_8021AD) &&
	       f->len >= at + 6)
		at += 4;
	key->ethertype = get16(eth + at);
	return key->ethertype == ETH_P_IP     ? read_ip4(key, f, at + 2)
	       : key->ethertype == ETH_P_IPV6 ? read_ip6(key, f, at + 2)
					      : 0;
}

static bool is_icmp(const struct flow_key *key)
{
	return key->protocol == (key->ip == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

/* The type of an ICMP echo at @l4 that is whole, or -1. */
static int echo_type(const struct flow_key *key, const struct frame *f, uint32_t l4)
{
	uint8_t type;

	if (!l4 || !is_icmp(key) || f->len < l4 + 8)
		return -1;
	type = frame_bytes(f)[l4];
	if (key->ip == 4)
		return type == ICMP_ECHO || type == ICMP_ECHO_REPLY ? type : -1;
	return type == ICMP6_ECHO || type == ICMP6_ECHO_REPLY ? type : -1;
}

/* All of the key; returns where the transport header begins, or 0. */
static uint32_t read_key(struct flow_key *key, const struct frame *f)
{
	uint32_t l4 = read_headers(key, f);
	const unsigned char *p = frame_bytes(f) + l4;
	const struct protocol *protocol = l4 ? find_protocol(key->protocol) : NULL;

	if (protocol && protocol->ports && f->len >= l4 + 4) {
		key->sport = get16(p);
		key->dport = get16(p + 2);
	} else if (echo_type(key, f, l4) >= 0) {
		key->sport = key->dport = get16(p + 4);
	}
	return l4;
}

void flow_key(struct flow_key *ret, const struct frame *f)
{
	read_key(ret, f);
}

static bool opens(const struct flow_key *key, const struct frame *f, uint32_t l4, uint32_t *ret_seq)
{
	const unsigned char *tcp = frame_bytes(f) + l4;

	if (!l4 || key->protocol != IPPROTO_TCP || f->len < l4 + 20 || !(tcp[13] & TCP_SYN))
		return false;
	*ret_seq = get32(tcp + 4);
	return true;
}

bool flow_opens(const struct frame *f, uint32_t *ret_seq)
{
	struct flow_key key;
	uint32_t l4 = read_key(&key, f);

	return opens(&key, f, l4, ret_seq);
}

/* ------------------------------------------------------------------- hashes */

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 32;
}

/* The same on a machine of any byte order. */
uint32_t flow_hash(const struct flow_key *key, uint32_t salt)
{
	uint64_t h =
		mix(salt, (uint64_t)key->sport << 48 | (uint64_t)key->dport << 32 |
				  (uint32_t)key->ethertype << 16 | key->ip << 8 | key->protocol);

	for (int i = 0; i < (key->ip == 6 ? 16 : 4); i += 4)
		h = mix(h, (uint64_t)get32(key->src + i) << 32 | get32(key->dst + i));
	return (uint32_t)(mix(h, h >> 29) >> 32);
}

/* FNV-1a, with its high bits mixed down. */
uint64_t flow_text_hash(const char *label)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (; *label; label++)
		h = (h ^ (unsigned char)*label) * 0x100000001b3ull;
	return mix(h, h >> 33);
}

/* ------------------------------------------------------------------- labels */

/* Of flow @number with @service, which is a key's receiving end. */
static void print_label(char ret[FLOW_LABEL_MAX], const struct flow_key *service, uint32_t number)
{
	const struct protocol *protocol = find_protocol(service->protocol);
	char addr[INET6_ADDRSTRLEN] = "", name[16], port[8] = "";
	bool v6 = service->ip == 6;

	if (!service->ip) {
		snprintf(ret, FLOW_LABEL_MAX, "eth:0x%04x#%u", service->ethertype, number);
		return;
	}
	snprintf(name, sizeof(name), "ip%u", service->protocol);
	inet_ntop(v6 ? AF_INET6 : AF_INET, service->dst, addr, sizeof(addr));
	if (service->dport)
		snprintf(port, sizeof(port), ":%u", service->dport);
	snprintf(ret, FLOW_LABEL_MAX, "%s:%s%s%s%s#%u", protocol ? protocol->name : name,
		 v6 ? "[" : "", addr, v6 ? "]" : "", port, number);
}

/* The number that stands in @text behind the last @mark, which is cut off there; 0: none. */
static uint32_t cut_number(char *text, char mark)
{
	char *at = strrchr(text, mark);
	uint32_t n = 0;

	if (!at || sscanf(at + 1, "%9u", &n) != 1)
		return 0;
	*at = '\0';
	return n;
}

static uint8_t read_protocol(const char *name)
{
	unsigned n = 0;

	for (size_t i = 0; i < NPROTOCOLS; i++)
		if (strcmp(protocols[i].name, name) == 0)
			return protocols[i].number;
	sscanf(name, "ip%3u", &n);
	return (uint8_t)n;
}

/* Address and perhaps a port; @text is spoilt. */
static bool read_service(struct flow_key *service, char *text)
{
	char *end = strchr(text, ']');

	service->ip = *text == '[' && end ? 6 : 4;
	service->dport = (uint16_t)cut_number(service->ip == 6 ? end : text, ':');
	if (service->ip == 4)
		return inet_pton(AF_INET, text, service->dst) == 1;
	*end = '\0';
	return inet_pton(AF_INET6, text + 1, service->dst) == 1;
}

/* Read with an easy hand: only what prints as the same text again is a label. */
bool flow_label_sound(const char *label)
{
	struct flow_key service = { 0 };
	char text[FLOW_LABEL_MAX], again[FLOW_LABEL_MAX], *colon;
	unsigned ethertype;
	uint32_t number;

	if (strlen(label) >= sizeof(text))
		return false;
	strcpy(text, label);
	number = cut_number(text, '#');
	colon = strchr(text, ':');
	if (!number || !colon)
		return false;
	if (sscanf(text, "eth:0x%4x", &ethertype) == 1) {
		service.ethertype = (uint16_t)ethertype;
	} else {
		*colon = '\0';
		service.protocol = read_protocol(text);
		if (!read_service(&service, colon + 1))
			return false;
	}
	print_label(again, &service, number);
	return strcmp(label, again) == 0;
}

/* ------------------------------------------------------------------- tables */

struct flow {
	struct flow_key key;
	uint64_t label_hash;
	uint64_t packets;
	uint32_t number; /* among those with its service */
	uint32_t seq; /* of the SYN that opened it */
	bool opened; /* there was one */
	bool at_src; /* the service is the source */
	bool over; /* another connection has followed, for which there was no place */
};

struct service {
	struct flow_key key; /* as that of a packet to it, without the other end */
	uint32_t flows;
};

/* Finds records, which begin with their key, in an array. */
struct index {
	uint32_t *slot; /* record's place + 1; 0: empty */
	uint32_t mask;
	const unsigned char *records;
	size_t size; /* of one */
};

struct flow_table {
	uint32_t max, nflows, nservices;
	struct flow *flows;
	struct service *services;
	struct index by_key, by_service;
	uint64_t missed;
};

static bool index_init(struct index *x, uint32_t max, const void *records, size_t size)
{
	uint32_t slots = 2;

	while (slots < 2 * max)
		slots *= 2;
	x->slot = calloc(slots, sizeof(*x->slot));
	x->mask = slots - 1;
	x->records = records;
	x->size = size;
	return x->slot;
}

/* The slot of the record with @key, or the empty one where it belongs. */
static uint32_t *index_find(const struct index *x, const struct flow_key *key)
{
	uint32_t i = flow_hash(key, 0) & x->mask;

	while (x->slot[i] && memcmp(x->records + (x->slot[i] - 1) * x->size, key, sizeof(*key)))
		i = (i + 1) & x->mask;
	return &x->slot[i];
}

struct flow_table *flow_table_new(uint32_t max)
{
	struct flow_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->max = max;
	t->flows = calloc(max, sizeof(*t->flows));
	t->services = calloc(max, sizeof(*t->services));
	if (!t->flows || !t->services ||
	    !index_init(&t->by_key, max, t->flows, sizeof(*t->flows)) ||
	    !index_init(&t->by_service, max, t->services, sizeof(*t->services))) {
		flow_table_free(t);
		return NULL;
	}
	return t;
}

void flow_table_free(struct flow_table *t)
{
	if (!t)
		return;
	free(t->by_key.slot);
	free(t->by_service.slot);
	free(t->flows);
	free(t->services);
	free(t);
}

/* -------------------------------------------------------------------- flows */

static bool service_at_src(const struct flow_key *key, int echo)
{
	if (key->sport != key->dport)
		return key->sport < key->dport;
	return echo == (key->ip == 4 ? ICMP_ECHO_REPLY : ICMP6_ECHO_REPLY);
}

static struct flow_key service_key(const struct flow_key *key, bool at_src)
{
	struct flow_key service = {
		.dport = is_icmp(key) ? 0
			 : at_src     ? key->sport
				      : key->dport,
		.ip = key->ip,
		.protocol = key->protocol,
		.ethertype = key->ethertype,
	};

	memcpy(service.dst, at_src ? key->src : key->dst, sizeof(service.dst));
	return service;
}

/* Of the flow that begins now, among those with its service. */
static uint32_t next_number(struct flow_table *t, const struct flow_key *service)
{
	uint32_t *slot = index_find(&t->by_service, service);

	if (!*slot) {
		t->services[t->nservices].key = *service;
		*slot = ++t->nservices;
	}
	return ++t->services[*slot - 1].flows;
}

static struct flow *add_flow(struct flow_table *t, const struct flow_key *key, int echo)
{
	struct flow *flow = &t->flows[t->nflows++];
	char label[FLOW_LABEL_MAX];
	struct flow_key service;

	flow->key = *key;
	flow->at_src = service_at_src(key, echo);
	service = service_key(key, flow->at_src);
	flow->number = next_number(t, &service);
	print_label(label, &service, flow->number);
	flow->label_hash = flow_text_hash(label);
	return flow;
}

struct flow *flow_find(struct flow_table *t, const struct frame *f)
{
	struct flow_key key;
	uint32_t l4 = read_key(&key, f), seq = 0;
	uint32_t *slot = index_find(&t->by_key, &key);
	struct flow *flow = *slot ? &t->flows[*slot - 1] : NULL;
	bool syn = opens(&key, f, l4, &seq);

	if (!flow || (syn && !(flow->opened && flow->seq == seq))) {
		if (t->nflows < t->max) {
			flow = add_flow(t, &key, echo_type(&key, f, l4));
			*slot = t->nflows;
			flow->opened = syn;
			flow->seq = seq;
		} else if (flow) {
			flow->over = true;
		}
	}
	if (flow && !flow->over)
		return flow;
	t->missed += (uint64_t)f->units * f->each;
	return NULL;
}

uint64_t flow_count(struct flow *flow, uint64_t packets)
{
	uint64_t first = flow->packets + 1;

	flow->packets += packets;
	return first;
}

uint64_t flow_table_missed(const struct flow_table *t)
{
	return t->missed;
}

void flow_label(char ret[FLOW_LABEL_MAX], const struct flow *flow)
{
	struct flow_key service = service_key(&flow->key, flow->at_src);

	print_label(ret, &service, flow->number);
}

uint64_t flow_label_hash(const struct flow *flow)
{
	return flow->label_hash;
}
