/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flow.h - which flow a packet belongs to, and numbers of flows and of packets
 * within them that a second run finds again.
 */
#ifndef CHOPPY_FLOW_H
#define CHOPPY_FLOW_H

#include "frame.h"

#define FLOW_LABEL_MAX 80

/* Addresses and ports as in the packet. All zero bytes where there are none. */
struct flow_key {
	uint8_t src[16], dst[16]; /* IPv4: the first four */
	uint16_t sport, dport; /* host order; ICMP echo: the identifier in both; fragments: 0 */
	uint8_t ip; /* 4, 6, 0: no IP; then only @ethertype counts */
	uint8_t protocol;
	uint16_t ethertype; /* behind any VLAN tags */
};

void flow_key(struct flow_key *ret, const struct frame *f);
/* Hash of the key, as it stands: the other direction has another. */
uint32_t flow_hash(const struct flow_key *key, uint32_t salt);
/*
 * Whether @f is a TCP segment that opens a connection (SYN, of either side), and with
 * which sequence number: one sent again opens no other.
 */
bool flow_opens(const struct frame *f, uint32_t *ret_seq);

/*
 * Numbers for a direction. The flow's label is what stays the same from run to run: protocol,
 * the service's address and port (the end with the lower port; where they are equal, the
 * receiver; of an ICMP echo, the end that answers), and, since the other port is drawn anew each
 * time, "#K" for the K-th flow with that service: "tcp:192.0.2.1:80#2", "udp:[2001:db8::1]:53#1",
 * "icmp:192.0.2.1#1", "ip253:192.0.2.1#1", "eth:0x88cc#1".
 */
struct flow_table;
struct flow;

/* For @max flows at most, 1 to FLOW_TABLE_MAX. NULL: no memory. */
#define FLOW_TABLE_MAX (1u << 24)
struct flow_table *flow_table_new(uint32_t max);
void flow_table_free(struct flow_table *t);
/*
 * The flow of @f, a new one if this is its first frame. A connection that is opened anew between
 * the same ends is a new flow. NULL: the table is full, and @f's packets are counted as missed.
 */
struct flow *flow_find(struct flow_table *t, const struct frame *f);
/* Count a packet of the flow; returns its number within it, from 1. */
uint64_t flow_count(struct flow *flow, uint64_t packets);
/* Packets of flows for which there was no place. */
uint64_t flow_table_missed(const struct flow_table *t);

void flow_label(char ret[FLOW_LABEL_MAX], const struct flow *flow);
/* flow_text_hash() of the flow's label, for tables of labels. Cheap. */
uint64_t flow_label_hash(const struct flow *flow);
uint64_t flow_text_hash(const char *label);
/* Whether @label is one, written as flow_label() would. */
bool flow_label_sound(const char *label);

#endif
