/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_match.c - arbitrary programs over arbitrary frames. Input: one byte, the number of
 * instructions; so many of 8 bytes as in memory; a virtio header of 10 bytes; the frame.
 * A program that is called sound must run, for single packets with the result of libpcap's
 * interpreter; and where all units are said to have one answer, each must have it.
 */
#include "flow.h"
#include "fuzz.h"
#include "match.h"

#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#define UNITS_MAX 40

struct program {
	struct match_insn insn[256];
	struct bpf_insn reference[BPF_MEMWORDS + 256]; /* clears its memory first */
	uint32_t n;
	bool loops;
};

static void read_program(struct program *p, const uint8_t *data, uint32_t n)
{
	p->n = n;
	memcpy(p->insn, data, n * sizeof(*p->insn));
	for (uint32_t i = 0; i < BPF_MEMWORDS; i++)
		p->reference[i] = (struct bpf_insn){ .code = 0x02, .k = i };
	for (uint32_t i = 0; i < n; i++) {
		const struct match_insn *from = &p->insn[i];

		p->loops |= from->code == 0x05 && from->k > INT32_MAX;
		p->reference[BPF_MEMWORDS + i] =
			(struct bpf_insn){ from->code, from->jt, from->jf, from->k };
	}
}

/* In a buffer of exactly its size, where every step outside is seen. */
static struct frame *make_frame(const uint8_t *data, size_t size)
{
	struct frame *f = malloc(offsetof(struct frame, room) + FRAME_ROOM + size);

	memset(f, 0, sizeof(*f));
	memcpy(&f->vnet, data, sizeof(f->vnet));
	f->start = FRAME_ROOM;
	f->len = (uint32_t)(size - sizeof(f->vnet));
	memcpy(frame_eth(f), data + sizeof(f->vnet), f->len);
	frame_parse(f);
	return f;
}

static void check_frame(struct match *each, struct match *all, const struct program *p,
			const struct frame *f)
{
	bool same = match_same(each, f), first;

	CHECK(same || f->units > 1);
	first = match_unit(each, f, 0);
	for (uint32_t u = 1; u < f->units && u < UNITS_MAX; u++) {
		bool yes = match_unit(each, f, u);

		CHECK(!same || yes == first);
	}
	CHECK(match_unit(each, f, f->units - 1) == first || !same);
	if (same)
		CHECK(match_frame(all, f) == first);
	if (same)
		CHECK(match_seen(all) == (first ? (uint64_t)f->units * f->each : 0));
	if (!p->loops && f->units == 1 && !(f->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		CHECK(first == (bpf_filter(p->reference, frame_bytes(f), f->len, f->len) != 0));
}

/* Keys and labels of any frame. */
static void check_flow(const struct frame *f)
{
	struct flow_table *t = flow_table_new(1);
	char label[FLOW_LABEL_MAX];
	struct flow *flow = flow_find(t, f);

	CHECK(flow && flow == flow_find(t, f) && flow_count(flow, 3) == 1 &&
	      flow_count(flow, 1) == 4);
	flow_label(label, flow);
	CHECK(flow_label_sound(label) && flow_label_hash(flow) == flow_text_hash(label));
	flow_table_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct choppy_rule rule = { .match = "x" };
	struct program p = { 0 };
	struct match *each, *all;
	struct frame *f;
	int err;

	if (size < 1 || size < 1 + 8u * data[0] + sizeof(f->vnet) || size > 68000)
		return 0;
	read_program(&p, data + 1, data[0]);
	f = make_frame(data + 1 + 8u * p.n, size - 1 - 8u * p.n);
	check_flow(f);
	each = match_new(&rule, p.insn, p.n, &err);
	all = match_new(&rule, p.insn, p.n, &err);
	CHECK(!each == !match_program_sound(p.insn, p.n));
	if (each)
		check_frame(each, all, &p, f);
	match_free(each);
	match_free(all);
	free(f);
	return 0;
}
