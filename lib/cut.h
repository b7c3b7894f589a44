/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cut.h - the filter program of a cut: which packets come from some addresses to others. */
#ifndef CHOPPY_CUT_H
#define CHOPPY_CUT_H

#include "link.h"
#include "match.h"

/* Who no longer hears whom. Prefixes do not matter; any order. */
struct cut_ends {
	const struct inet *from, *to;
	uint32_t nfrom, nto;
	bool answered; /* who is cut off is told so */
};

/*
 * A program (engine/match.h) for what comes from one of @from to one of @to, or to all on a
 * network: to be freed. -E2BIG: there are too many. -ENOMEM.
 */
int cut_compile(const struct cut_ends *ends, struct match_insn **ret, uint32_t *ret_n,
		struct choppy_err *err);

/* The whole program for every packet. */
extern const struct match_insn cut_all;

#endif
