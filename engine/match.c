/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A filter expression is a program of classic BPF (McCanne and Jacobson 1993; the kernel's
 * Documentation/networking/filter.rst), as libpcap compiles it for Ethernet. It is run as libpcap's
 * own interpreter would run it, over the packet as it is on the wire: for a unit of a super-packet
 * over the headers that frame_cut() makes and the payload where it lies, with the
 * transport checksum, which is still to be filled in, worked out when a program reads it.
 * A FRAME_WHOLE is seen as it is, with the length of the whole.
 *
 * Jumps go forward, with one exception: libpcap makes a loop of `protochain`, whose rounds each
 * pass over one extension header. No packet has more of them than LOOPS_MAX, so a run that goes
 * back more often is one of no such program, and ends without a match.
 *
 * Of a super-packet often one answer holds for all units. The program is deterministic, so when a
 * run over it reads nothing but header bytes that frame_cut() leaves equal in all units, every
 * unit's run takes the same way to the same answer. match_same() makes such a run and stops it
 * at the first other byte, or where it asks for the packet's length:
 *
 *   IPv4: total length, id, header checksum; IPv6: payload length
 *   TCP: sequence number, checksum, and flags when one of FIN, PSH and CWR is set
 *   UDP: length, checksum
 *   whatever stands behind the headers
 */
#include "match.h"

#include "flow.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>

#define LOOPS_MAX 10000 /* headers have 8 bytes at least, packets 70000 at most */

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

struct match {
	char expression[CHOPPY_MATCH_MAX];
	struct choppy_list nth;
	struct choppy_amount first;
	uint64_t seen, count; /* packets */
	uint32_t range; /* of @nth, the first that is not behind yet */
	struct flow_table *connections; /* the first ones */
	struct match_insn insns[];
};

/* ---------------------------------------------------------------- soundness */

/* Every opcode there is, as in the kernel's bpf_check_classic(). */
static const bool known[256] = {
	[BPF_LD | BPF_IMM] = true,
	[BPF_LD | BPF_W | BPF_ABS] = true,
	[BPF_LD | BPF_H | BPF_ABS] = true,
	[BPF_LD | BPF_B | BPF_ABS] = true,
	[BPF_LD | BPF_W | BPF_IND] = true,
	[BPF_LD | BPF_H | BPF_IND] = true,
	[BPF_LD | BPF_B | BPF_IND] = true,
	[BPF_LD | BPF_MEM] = true,
	[BPF_LD | BPF_W | BPF_LEN] = true,
	[BPF_LDX | BPF_IMM] = true,
	[BPF_LDX | BPF_MEM] = true,
	[BPF_LDX | BPF_W | BPF_LEN] = true,
	[BPF_LDX | BPF_B | BPF_MSH] = true,
	[BPF_ST] = true,
	[BPF_STX] = true,
	[BPF_ALU | BPF_ADD | BPF_K] = true,
	[BPF_ALU | BPF_ADD | BPF_X] = true,
	[BPF_ALU | BPF_SUB | BPF_K] = true,
	[BPF_ALU | BPF_SUB | BPF_X] = true,
	[BPF_ALU | BPF_MUL | BPF_K] = true,
	[BPF_ALU | BPF_MUL | BPF_X] = true,
	[BPF_ALU | BPF_DIV | BPF_K] = true,
	[BPF_ALU | BPF_DIV | BPF_X] = true,
	[BPF_ALU | BPF_MOD | BPF_K] = true,
	[BPF_ALU | BPF_MOD | BPF_X] = true,
	[BPF_ALU | BPF_AND | BPF_K] = true,
	[BPF_ALU | BPF_AND | BPF_X] = true,
	[BPF_ALU | BPF_OR | BPF_K] = true,
	[BPF_ALU | BPF_OR | BPF_X] = true,
	[BPF_ALU | BPF_XOR | BPF_K] = true,
	[BPF_ALU | BPF_XOR | BPF_X] = true,
	[BPF_ALU | BPF_LSH | BPF_K] = true,
	[BPF_ALU | BPF_LSH | BPF_X] = true,
	[BPF_ALU | BPF_RSH | BPF_K] = true,
	[BPF_ALU | BPF_RSH | BPF_X] = true,
	[BPF_ALU | BPF_NEG] = true,
	[BPF_JMP | BPF_JA] = true,
	[BPF_JMP | BPF_JEQ | BPF_K] = true,
	[BPF_JMP | BPF_JEQ | BPF_X] = true,
	[BPF_JMP | BPF_JGT | BPF_K] = true,
	[BPF_JMP | BPF_JGT | BPF_X] = true,
	[BPF_JMP | BPF_JGE | BPF_K] = true,
	[BPF_JMP | BPF_JGE | BPF_X] = true,
	[BPF_JMP | BPF_JSET | BPF_K] = true,
	[BPF_JMP | BPF_JSET | BPF_X] = true,
	[BPF_RET | BPF_K] = true,
	[BPF_RET | BPF_A] = true,
	[BPF_MISC | BPF_TAX] = true,
	[BPF_MISC | BPF_TXA] = true,
};

static bool uses_memory(uint16_t code)
{
	return code == (BPF_LD | BPF_MEM) || code == (BPF_LDX | BPF_MEM) || code == BPF_ST ||
	       code == BPF_STX;
}

/* @before and @left: how many instructions stand before and behind this one. */
static bool insn_sound(const struct match_insn *i, uint32_t before, uint32_t left)
{
	int64_t over = (int32_t)i->k;

	if (i->code >= sizeof(known) || !known[i->code])
		return false;
	if (uses_memory(i->code))
		return i->k < BPF_MEMWORDS;
	if (i->code == (BPF_JMP | BPF_JA))
		return over < left && over + before + 1 >= 0;
	if (BPF_CLASS(i->code) == BPF_JMP)
		return i->jt < left && i->jf < left;
	switch (i->code) {
	case BPF_ALU | BPF_DIV | BPF_K:
	case BPF_ALU | BPF_MOD | BPF_K:
		return i->k;
	case BPF_ALU | BPF_LSH | BPF_K:
	case BPF_ALU | BPF_RSH | BPF_K:
		return i->k < 32;
	}
	return true;
}

bool match_program_sound(const struct match_insn *insns, uint32_t n)
{
	if (!n || n > MATCH_PROGRAM_MAX)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!insn_sound(&insns[i], i, n - 1 - i))
			return false;
	return BPF_CLASS(insns[n - 1].code) == BPF_RET;
}

/* -------------------------------------------------------------- the packet */

struct span {
	uint32_t from, to;
};

/* A wire packet, in two pieces. */
struct view {
	const unsigned char *head, *rest;
	uint32_t head_len, len;
	/* the transport checksum that the device is to fill in: over all from @csum_from */
	bool csum_open;
	uint32_t csum_from;
	struct span csum;
	unsigned char csum_bytes[2];
	/* several packets at once: where they differ; and whether that was read */
	bool many, differed;
	struct span differ[5];
	uint32_t ndiffer;
};

static bool overlaps(const struct span *s, uint32_t at, uint32_t n)
{
	return at < s->to && at + n > s->from;
}

static unsigned char plain_byte(const struct view *v, uint32_t at)
{
	return at < v->head_len ? v->head[at] : v->rest[at - v->head_len];
}

/* As skb_checksum_help(): what stands in the checksum's place is part of the sum. */
static void fill_checksum(struct view *v)
{
	uint32_t sum = 0;

	for (uint32_t at = v->csum_from; at < v->len; at++) {
		uint32_t byte = plain_byte(v, at);

		sum += (at - v->csum_from) & 1 ? byte : byte << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	sum = ~sum & 0xffff;
	if (!sum)
		sum = 0xffff;
	v->csum_bytes[0] = (unsigned char)(sum >> 8);
	v->csum_bytes[1] = (unsigned char)sum;
	v->csum_open = false;
}

static bool same_in_all(const struct view *v, uint32_t at, uint32_t n)
{
	for (uint32_t i = 0; i < v->ndiffer; i++)
		if (overlaps(&v->differ[i], at, n))
			return false;
	return true;
}

/* @n bytes at @where, in network order. False: the run ends here, without a match. */
static bool load(struct view *v, uint64_t where, uint32_t n, uint32_t *ret)
{
	uint32_t at = (uint32_t)where, value = 0;

	if (where + n > v->len) {
		v->differed = v->many;
		return false;
	}
	if (v->many && !same_in_all(v, at, n)) {
		v->differed = true;
		return false;
	}
	if (v->csum_open && overlaps(&v->csum, at, n))
		fill_checksum(v);
	for (uint32_t i = at; i < at + n; i++) {
		bool in_csum = i >= v->csum.from && i < v->csum.to;

		value = value << 8 | (in_csum ? v->csum_bytes[i - v->csum.from] : plain_byte(v, i));
	}
	*ret = value;
	return true;
}

static void view_bytes(struct view *v, const struct frame *f)
{
	*v = (struct view){ .head = frame_bytes(f), .head_len = f->len, .len = f->len };
}

static void view_checksum(struct view *v, uint32_t from, uint32_t offset)
{
	if (from + offset + 2 > v->len)
		return;
	v->csum_open = true;
	v->csum_from = from;
	v->csum = (struct span){ from + offset, from + offset + 2 };
}

/* Unit @unit as it will be on the wire. @head is memory for its headers. */
static void view_unit(struct view *v, const struct frame *f, uint32_t unit, struct frame_head *head)
{
	uint32_t payload, len;

	view_bytes(v, f);
	if (f->units > 1) {
		frame_cut(f, unit, 1, 0, head, &payload, &len);
		v->head = head->bytes;
		v->head_len = f->headers;
		v->rest = frame_bytes(f) + payload;
		v->len = f->headers + len;
	}
	if (f->kind != FRAME_WHOLE && f->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		view_checksum(v, f->vnet.csum_start, f->vnet.csum_offset);
}

static void add_differ(struct view *v, uint32_t from, uint32_t n)
{
	v->differ[v->ndiffer++] = (struct span){ from, from + n };
}

/* What all units of a frame that is cut have in common. */
static void view_common(struct view *v, const struct frame *f)
{
	uint32_t l3 = f->l3, l4 = f->l4;

	view_bytes(v, f);
	v->many = true;
	v->len = f->headers;
	if (f->kind == FRAME_TCP4 || f->kind == FRAME_UDP4) {
		add_differ(v, l3 + 2, 4);
		add_differ(v, l3 + 10, 2);
	} else {
		add_differ(v, l3 + 4, 2);
	}
	if (f->kind == FRAME_UDP4 || f->kind == FRAME_UDP6) {
		add_differ(v, l4 + 4, 4);
	} else {
		add_differ(v, l4 + 4, 4);
		add_differ(v, l4 + 16, 2);
		if (v->head[l4 + 13] & (TCP_FIN | TCP_PSH | TCP_CWR))
			add_differ(v, l4 + 13, 1);
	}
}

/* -------------------------------------------------------------- the machine */

struct machine {
	uint32_t a, x;
	uint32_t memory[BPF_MEMWORDS];
	uint32_t loops;
};

static bool load_packet(struct machine *m, const struct match_insn *i, struct view *v)
{
	uint32_t size = BPF_SIZE(i->code);
	uint64_t at = i->k;

	if (BPF_MODE(i->code) == BPF_IND)
		at += m->x;
	return load(v, at, size == BPF_W ? 4 : size == BPF_H ? 2 : 1, &m->a);
}

static bool load_len(uint32_t *ret, struct view *v)
{
	v->differed = v->many;
	*ret = v->len;
	return !v->many;
}

static bool load_a(struct machine *m, const struct match_insn *i, struct view *v)
{
	switch (BPF_MODE(i->code)) {
	case BPF_IMM:
		m->a = i->k;
		return true;
	case BPF_MEM:
		m->a = m->memory[i->k];
		return true;
	case BPF_LEN:
		return load_len(&m->a, v);
	}
	return load_packet(m, i, v);
}

static bool load_x(struct machine *m, const struct match_insn *i, struct view *v)
{
	switch (BPF_MODE(i->code)) {
	case BPF_IMM:
		m->x = i->k;
		return true;
	case BPF_MEM:
		m->x = m->memory[i->k];
		return true;
	case BPF_LEN:
		return load_len(&m->x, v);
	}
	if (!load(v, i->k, 1, &m->x))
		return false;
	m->x = (m->x & 15) * 4; /* BPF_MSH: the length of an IPv4 header */
	return true;
}

/* False: division by zero, which ends the run. */
static bool calculate(struct machine *m, const struct match_insn *i)
{
	uint32_t operand = BPF_SRC(i->code) == BPF_X ? m->x : i->k;

	switch (BPF_OP(i->code)) {
	case BPF_ADD:
		m->a += operand;
		return true;
	case BPF_SUB:
		m->a -= operand;
		return true;
	case BPF_MUL:
		m->a *= operand;
		return true;
	case BPF_DIV:
		m->a = operand ? m->a / operand : 0;
		return operand;
	case BPF_MOD:
		m->a = operand ? m->a % operand : 0;
		return operand;
	case BPF_AND:
		m->a &= operand;
		return true;
	case BPF_OR:
		m->a |= operand;
		return true;
	case BPF_XOR:
		m->a ^= operand;
		return true;
	case BPF_LSH:
		m->a = operand < 32 ? m->a << operand : 0;
		return true;
	case BPF_RSH:
		m->a = operand < 32 ? m->a >> operand : 0;
		return true;
	}
	m->a = 0 - m->a; /* BPF_NEG */
	return true;
}

/* How many instructions to pass over, or to go back behind this one. */
static int32_t jump(const struct machine *m, const struct match_insn *i)
{
	uint32_t operand = BPF_SRC(i->code) == BPF_X ? m->x : i->k;
	bool yes = false;

	switch (BPF_OP(i->code)) {
	case BPF_JA:
		return (int32_t)i->k;
	case BPF_JEQ:
		yes = m->a == operand;
		break;
	case BPF_JGT:
		yes = m->a > operand;
		break;
	case BPF_JGE:
		yes = m->a >= operand;
		break;
	case BPF_JSET:
		yes = m->a & operand;
		break;
	}
	return yes ? i->jt : i->jf;
}

/* The program's result: 0, it does not match. */
static uint32_t run(const struct match_insn *i, struct view *v)
{
	struct machine m = { 0 };

	for (;; i++) {
		bool on = true;
		int32_t over;

		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			on = load_a(&m, i, v);
			break;
		case BPF_LDX:
			on = load_x(&m, i, v);
			break;
		case BPF_ST:
			m.memory[i->k] = m.a;
			break;
		case BPF_STX:
			m.memory[i->k] = m.x;
			break;
		case BPF_ALU:
			on = calculate(&m, i);
			break;
		case BPF_JMP:
			over = jump(&m, i);
			on = over >= 0 || m.loops++ < LOOPS_MAX;
			i += over;
			break;
		case BPF_RET:
			return BPF_RVAL(i->code) == BPF_A ? m.a : i->k;
		case BPF_MISC:
			*(BPF_MISCOP(i->code) == BPF_TAX ? &m.x : &m.a) =
				BPF_MISCOP(i->code) == BPF_TAX ? m.a : m.x;
			break;
		}
		if (!on)
			return 0;
	}
}

/* ------------------------------------------------------------------ targets */

static bool among_first(struct match *m, const struct frame *f, uint64_t number)
{
	if (!m->first.n)
		return true;
	return m->connections ? flow_find(m->connections, f) != NULL : number <= m->first.n;
}

/* Whether one of the packets from number @low to @high is in the list. Numbers never go back. */
static bool in_list(struct match *m, uint64_t low, uint64_t high)
{
	if (!m->nth.n)
		return true;
	while (m->range < m->nth.n && m->nth.range[m->range].last < low)
		m->range++;
	return m->range < m->nth.n && m->nth.range[m->range].first <= high;
}

/* Count @packets of @f that the expression has matched, and say whether they are the rule's. */
static bool count(struct match *m, const struct frame *f, uint64_t packets)
{
	uint64_t low = m->seen + 1;
	bool first = among_first(m, f, low);
	bool listed = in_list(m, low, m->seen + packets);

	m->seen += packets;
	if (!first || !listed)
		return false;
	m->count += packets;
	return true;
}

static bool counts_packets(const struct match *m)
{
	return m->nth.n || (m->first.n && !m->connections);
}

bool match_same(const struct match *m, const struct frame *f)
{
	struct view v;

	if (f->units == 1)
		return true;
	if (counts_packets(m))
		return false;
	view_common(&v, f);
	run(m->insns, &v);
	return !v.differed;
}

static bool match_some(struct match *m, const struct frame *f, uint32_t unit, uint64_t packets)
{
	struct frame_head head;
	struct view v;

	view_unit(&v, f, unit, &head);
	return run(m->insns, &v) && count(m, f, packets);
}

bool match_frame(struct match *m, const struct frame *f)
{
	return match_some(m, f, 0, (uint64_t)f->units * f->each);
}

bool match_unit(struct match *m, const struct frame *f, uint32_t unit)
{
	return match_some(m, f, unit, f->each);
}

uint64_t match_count(const struct match *m)
{
	return m->count;
}

uint64_t match_seen(const struct match *m)
{
	return m->seen;
}

/* --------------------------------------------------------------------- life */

/* What counting relies on; the model checks more, with better words. */
static bool rule_sound(const struct choppy_rule *rule)
{
	uint64_t last = 0;

	if (!memchr(rule->match, 0, sizeof(rule->match)) || rule->nth.n > CHOPPY_LIST_MAX)
		return false;
	for (uint32_t i = 0; i < rule->nth.n; i++) {
		const struct choppy_range *r = &rule->nth.range[i];

		if (r->first <= last || r->last < r->first)
			return false;
		last = r->last;
	}
	if (!rule->first.n || rule->first.unit == CHOPPY_PACKETS)
		return true;
	return rule->first.unit == CHOPPY_CONNECTIONS && rule->first.n <= MATCH_CONNECTIONS_MAX;
}

struct match *match_new(const struct choppy_rule *rule, const struct match_insn *insns, uint32_t n,
			int *ret_err)
{
	struct match *m;

	*ret_err = -EINVAL;
	if (!rule_sound(rule) || !match_program_sound(insns, n))
		return NULL;
	*ret_err = -ENOMEM;
	m = calloc(1, sizeof(*m) + n * sizeof(*insns));
	if (!m)
		return NULL;
	strcpy(m->expression, rule->match);
	m->nth = rule->nth;
	m->first = rule->first;
	memcpy(m->insns, insns, n * sizeof(*insns));
	if (m->first.n && m->first.unit == CHOPPY_CONNECTIONS) {
		m->connections = flow_table_new((uint32_t)m->first.n);
		if (!m->connections) {
			match_free(m);
			return NULL;
		}
	}
	*ret_err = 0;
	return m;
}

void match_free(struct match *m)
{
	if (m)
		flow_table_free(m->connections);
	free(m);
}

static bool list_equal(const struct choppy_list *a, const struct choppy_list *b)
{
	return a->n == b->n && memcmp(a->range, b->range, a->n * sizeof(a->range[0])) == 0;
}

bool match_is(const struct match *m, const struct choppy_rule *rule)
{
	return strcmp(m->expression, rule->match) == 0 && list_equal(&m->nth, &rule->nth) &&
	       m->first.n == rule->first.n && (!m->first.n || m->first.unit == rule->first.unit);
}
