/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program of classic BPF is written from its end to its begin: an instruction is put in front of
 * those that it jumps to, so every jump knows its distance. One that is too far for the 8 bits of a
 * condition goes by way of a jump without condition, which then serves those before it as well.
 *
 * An address is looked for by halves, 32 bits at a time: in the sorted values of a word there is
 * one comparison for each halving, then one for the value itself or two for a row of neighbours. A
 * thousand addresses are ten comparisons away, and two instructions each. The IPv6 addresses
 * of a lab end with its IPv4 addresses (numbering.h): where that is so, one tree serves both.
 *
 * Neighbour discovery (RFC 4861) goes on, as ARP does: a cut is one of IP. Where who is cut off is
 * told so, the answer bears the address of whom it could not reach, and passes.
 */
#include "cut.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "util.h"

/* Where things stand in a frame. */
#define ETH_TYPE 12
#define IP4_FRAGMENT (ETH_HLEN + 6)
#define IP4_PROTOCOL (ETH_HLEN + 9)
#define IP4_SOURCE (ETH_HLEN + 12)
#define IP4_DESTINATION (ETH_HLEN + 16)
#define IP6_NEXT (ETH_HLEN + 6)
#define IP6_SOURCE (ETH_HLEN + 8)
#define IP6_DESTINATION (ETH_HLEN + 24)
#define IP6_PAYLOAD (ETH_HLEN + 40)
#define TCP_FLAGS 13

#define LOAD_WORD (BPF_LD | BPF_W | BPF_ABS)
#define LOAD_HALF (BPF_LD | BPF_H | BPF_ABS)
#define LOAD_BYTE (BPF_LD | BPF_B | BPF_ABS)
#define LOAD_BEHIND_IP4 (BPF_LD | BPF_B | BPF_IND) /* from X + k */
#define LOAD_IP4_LENGTH (BPF_LDX | BPF_B | BPF_MSH)

#define ICMP_UNREACHABLE 3
#define ICMP6_UNREACHABLE 1
#define ND_FIRST 133
#define ND_LAST 137
#define TCP_RST 4
#define LATER_FRAGMENT 0x1fff

/* Instructions that a condition passes over, less one that may be put in between. */
#define NEAR_MAX (UINT8_MAX - 1)

/* A place to jump to: so many instructions stand from it to the end. */
struct label {
	uint32_t home;
	uint32_t near; /* of the last jump that leads there, or its own */
};

/* Values of a word that lead on to the same place: @first to @last. */
struct range {
	uint32_t first, last;
	struct label *then;
	struct label own; /* for @then */
};

struct program {
	struct match_insn *v; /* the last one first */
	uint32_t n; /* also counts those that have no room */
	uint32_t room;
	bool no_memory;
	/* The last tree of source addresses. */
	struct range *ranges;
	uint32_t nranges;
	struct label tree;
};

/* An address by its words, as numbers. */
struct words {
	uint32_t w[4];
};

const struct match_insn cut_all = { .code = BPF_RET | BPF_K, .k = 1 };

/* -------------------------------------------------------------- instructions */

static void grow(struct program *p)
{
	uint32_t room = p->room ? 2 * p->room : 64;
	void *v = room > MATCH_PROGRAM_MAX ? NULL : realloc(p->v, room * sizeof(*p->v));

	p->no_memory |= room <= MATCH_PROGRAM_MAX && !v;
	if (!v)
		return;
	p->v = v;
	p->room = room;
}

static struct label put(struct program *p, uint16_t code, uint32_t k, uint32_t jt, uint32_t jf)
{
	if (p->n == p->room)
		grow(p);
	if (p->n < p->room)
		p->v[p->n] = (struct match_insn){
			.code = code, .jt = (uint8_t)jt, .jf = (uint8_t)jf, .k = k
		};
	p->n++;
	return (struct label){ .home = p->n, .near = p->n };
}

static struct label jump(struct program *p, const struct label *to)
{
	return put(p, BPF_JMP | BPF_JA, p->n - to->home, 0, 0);
}

static void come_near(struct program *p, struct label *l)
{
	if (p->n - l->near > NEAR_MAX)
		l->near = jump(p, l).home;
}

static struct label test(struct program *p, uint16_t op, uint32_t k, struct label *yes,
			 struct label *no)
{
	come_near(p, yes);
	come_near(p, no);
	return put(p, BPF_JMP | BPF_K | op, k, p->n - yes->near, p->n - no->near);
}

/* Load, then go on at @next. */
static struct label load(struct program *p, uint16_t code, uint32_t k, const struct label *next)
{
	if (next->home != p->n)
		jump(p, next);
	return put(p, code, k, 0, 0);
}

/* The byte at @at compared with @k. */
static struct label test_byte(struct program *p, uint32_t at, uint16_t op, uint32_t k,
			      struct label *yes, struct label *no)
{
	const struct label l = test(p, op, k, yes, no);

	return load(p, LOAD_BYTE, at, &l);
}

/* ----------------------------------------------------------------- addresses */

/* Which of @n ascending ranges, one at least, has the word that is loaded; @no: none. */
static struct label choose(struct program *p, const struct range *r, uint32_t n, struct label *no)
{
	struct label left, right;

	if (n > 1) {
		right = choose(p, r + n / 2, n - n / 2, no);
		left = choose(p, r, n / 2, no);
		return test(p, BPF_JGE, r[n / 2].first, &right, &left);
	}
	if (r->first == r->last)
		return test(p, BPF_JEQ, r->first, r->then, no);
	right = test(p, BPF_JGT, r->last, no, r->then);
	return test(p, BPF_JGE, r->first, &right, no);
}

static bool same_ranges(const struct range *a, const struct range *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (a[i].first != b[i].first || a[i].last != b[i].last || a[i].then != b[i].then)
			return false;
	return true;
}

/* The tree for the last word of addresses; @r is taken over. */
static struct label choose_last(struct program *p, struct range *r, uint32_t n, struct label *no)
{
	if (p->nranges != n || !same_ranges(p->ranges, r, n))
		p->tree = choose(p, r, n, no);
	free(p->ranges);
	p->ranges = r;
	p->nranges = n;
	return p->tree;
}

/* One more value, not less than those before. */
static void add_value(struct range *r, uint32_t *n, uint32_t value, bool join)
{
	if (*n && value - r[*n - 1].last <= join)
		r[*n - 1].last = value;
	else
		r[(*n)++] = (struct range){ .first = value, .last = value };
}

/*
 * Whether the address at @at is one of the @n sorted ones at @a, which are the same before word
 * @word of @nwords.
 */
static struct label look_up(struct program *p, const struct words *a, uint32_t n, uint32_t at,
			    uint32_t word, uint32_t nwords, struct label *yes, struct label *no)
{
	const bool last = word + 1 == nwords;
	struct range *r = n ? malloc(n * sizeof(*r)) : NULL;
	uint32_t nranges = 0;
	struct label l;

	if (!r) {
		p->no_memory |= n > 0;
		return *no;
	}
	for (uint32_t i = 0, end; i < n; i = end) {
		add_value(r, &nranges, a[i].w[word], last);
		for (end = i + 1; end < n && a[end].w[word] == a[i].w[word];)
			end++;
		r[nranges - 1].then = yes;
		if (last)
			continue;
		r[nranges - 1].own = look_up(p, a + i, end - i, at, word + 1, nwords, yes, no);
		r[nranges - 1].then = &r[nranges - 1].own;
	}
	if (last) {
		l = choose_last(p, r, nranges, no);
	} else {
		l = choose(p, r, nranges, no);
		free(r);
	}
	return load(p, LOAD_WORD, at + 4 * word, &l);
}

static int by_words(const void *a, const void *b)
{
	const struct words *x = a, *y = b;

	for (int i = 0; i < 4; i++)
		if (x->w[i] != y->w[i])
			return x->w[i] < y->w[i] ? -1 : 1;
	return 0;
}

/* Those of @family among @n addresses, sorted: to be freed. */
static struct words *sorted(const struct inet *all, uint32_t n, int family, uint32_t *ret_n)
{
	struct words *v = calloc(n + 1, sizeof(*v));

	*ret_n = 0;
	for (uint32_t i = 0; v && i < n; i++) {
		if (all[i].family != family)
			continue;
		for (size_t k = 0; k < inet_size(&all[i]); k++)
			v[*ret_n].w[k / 4] |= (uint32_t)all[i].bytes[k] << (24 - 8 * (k % 4));
		++*ret_n;
	}
	if (v)
		qsort(v, *ret_n, sizeof(*v), by_words);
	return v;
}

static struct label look_up_all(struct program *p, const struct inet *all, uint32_t n, int family,
				uint32_t at, struct label *yes, struct label *no)
{
	uint32_t some;
	CLEANUP_FREE struct words *v = sorted(all, n, family, &some);

	p->no_memory |= !v;
	return v ? look_up(p, v, some, at, 0, family == AF_INET ? 1 : 4, yes, no) : *no;
}

/* ------------------------------------------------------------------- answers */

/* What is no answer is cut. */
static struct label answers4(struct program *p, struct label *cut, struct label *pass)
{
	struct label icmp, tcp, l;

	l = test(p, BPF_JEQ, ICMP_UNREACHABLE, pass, cut);
	l = load(p, LOAD_BEHIND_IP4, ETH_HLEN, &l);
	icmp = load(p, LOAD_IP4_LENGTH, ETH_HLEN, &l);
	l = test(p, BPF_JSET, TCP_RST, pass, cut);
	l = load(p, LOAD_BEHIND_IP4, ETH_HLEN + TCP_FLAGS, &l);
	tcp = load(p, LOAD_IP4_LENGTH, ETH_HLEN, &l);
	l = test(p, BPF_JEQ, IPPROTO_TCP, &tcp, cut);
	l = test_byte(p, IP4_PROTOCOL, BPF_JEQ, IPPROTO_ICMP, &icmp, &l);
	l = test(p, BPF_JSET, LATER_FRAGMENT, cut, &l);
	return load(p, LOAD_HALF, IP4_FRAGMENT, &l);
}

/* Nor what is no neighbour discovery. */
static struct label answers6(struct program *p, bool answered, struct label *cut,
			     struct label *pass)
{
	struct label other = *cut, icmp = *cut, l;

	if (answered) {
		l = test_byte(p, IP6_PAYLOAD + TCP_FLAGS, BPF_JSET, TCP_RST, pass, cut);
		other = test(p, BPF_JEQ, IPPROTO_TCP, &l, cut);
		icmp = test(p, BPF_JEQ, ICMP6_UNREACHABLE, pass, cut);
	}
	l = test(p, BPF_JGT, ND_LAST, cut, pass);
	l = test(p, BPF_JGE, ND_FIRST, &l, &icmp);
	l = load(p, LOAD_BYTE, IP6_PAYLOAD, &l);
	return test_byte(p, IP6_NEXT, BPF_JEQ, IPPROTO_ICMPV6, &l, &other);
}

/* --------------------------------------------------------------------- whole */

static struct label test_type(struct program *p, uint32_t type, struct label *yes, struct label *no)
{
	const struct label l = test(p, BPF_JEQ, type, yes, no);

	return load(p, LOAD_HALF, ETH_TYPE, &l);
}

static void write_program(struct program *p, const struct cut_ends *e)
{
	struct label cut = put(p, BPF_RET | BPF_K, 1, 0, 0);
	struct label pass = put(p, BPF_RET | BPF_K, 0, 0, 0);
	struct label six = answers6(p, e->answered, &cut, &pass);
	struct label four = e->answered ? answers4(p, &cut, &pass) : cut;
	struct label found = test_type(p, ETH_P_IPV6, &six, &four), to;

	four = look_up_all(p, e->from, e->nfrom, AF_INET, IP4_SOURCE, &found, &pass);
	six = look_up_all(p, e->from, e->nfrom, AF_INET6, IP6_SOURCE, &found, &pass);
	to = look_up_all(p, e->to, e->nto, AF_INET6, IP6_DESTINATION, &six, &pass);
	six = test_byte(p, 0, BPF_JSET, 1, &six, &to); /* multicast, broadcast */
	to = look_up_all(p, e->to, e->nto, AF_INET, IP4_DESTINATION, &four, &pass);
	four = test_byte(p, 0, BPF_JSET, 1, &four, &to);
	to = test_type(p, ETH_P_IPV6, &six, &pass);
	test_type(p, ETH_P_IP, &four, &to);
}

int cut_compile(const struct cut_ends *ends, struct match_insn **ret, uint32_t *ret_n,
		struct choppy_err *err)
{
	struct program p = { 0 };
	struct match_insn *v = NULL;
	int r = 0;

	write_program(&p, ends);
	if (p.n > MATCH_PROGRAM_MAX)
		r = err_set(err, -E2BIG,
			    "%u addresses are too many to be cut off at once: a program of %u "
			    "instructions, and %d are possible",
			    ends->nfrom, p.n, MATCH_PROGRAM_MAX);
	else if (!p.no_memory)
		v = malloc(p.n * sizeof(*v));
	if (r == 0 && !v)
		r = err_sys(err, -ENOMEM, "cut nodes off");
	for (uint32_t i = 0; r == 0 && i < p.n; i++)
		v[i] = p.v[p.n - 1 - i];
	free(p.v);
	free(p.ranges);
	if (r < 0)
		return r;
	*ret = v;
	*ret_n = p.n;
	return 0;
}
