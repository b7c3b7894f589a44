/* SPDX-License-Identifier: GPL-2.0-or-later */
/* match.h - which rule a wire packet falls under: filter programs, and counted targets. */
#ifndef CHOPPY_MATCH_H
#define CHOPPY_MATCH_H

#include "choppy.h"
#include "frame.h"

/* Rules of a plan: the user's, and before them those that cut nodes off from each other. */
#define LINK_CUTS_MAX 8
#define LINK_RULES_MAX (CHOPPY_RULES_MAX + LINK_CUTS_MAX)

#define MATCH_PROGRAM_MAX 65536 /* instructions */
#define MATCH_CONNECTIONS_MAX 1000000 /* of a rule's `first` */

/* One instruction of classic BPF, as struct bpf_insn of libpcap and struct sock_filter. */
struct match_insn {
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};

struct match;

/* Whether a program may be run: it ends, and touches nothing but the packet and its registers. */
bool match_program_sound(const struct match_insn *insns, uint32_t n);

/*
 * A matcher for @rule with its compiled expression (copied). NULL: no memory, or no sound program
 * or rule (-ENOMEM, -EINVAL in @ret_err).
 */
struct match *match_new(const struct choppy_rule *rule, const struct match_insn *insns, uint32_t n,
			int *ret_err);
void match_free(struct match *m);

/*
 * Whether every unit of @f has the same answer: the program reads nothing in which they
 * differ, and no packets are counted off. Then match_frame() has it; otherwise match_unit().
 * Costs about as much as the answer for one unit.
 */
bool match_same(const struct match *m, const struct frame *f);

/* Whether all units of @f are the rule's packets; counts them. Only after match_same(). */
bool match_frame(struct match *m, const struct frame *f);

/* Whether unit @unit of @f is one of the rule's packets; counts it. Units in order, each once. */
bool match_unit(struct match *m, const struct frame *f, uint32_t unit);

/* Packets that were the rule's so far, and those that its expression alone matched. */
uint64_t match_count(const struct match *m);
uint64_t match_seen(const struct match *m);

/* Whether @m was made for the same match, nth and first: then its counts go on. */
bool match_is(const struct match *m, const struct choppy_rule *rule);

#endif
