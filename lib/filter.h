/* SPDX-License-Identifier: GPL-2.0-or-later */
/* filter.h - filter expressions (pcap-filter(7)) as programs, compiled by libpcap. */
#ifndef CHOPPY_FILTER_H
#define CHOPPY_FILTER_H

#include "choppy.h"
#include "match.h"

/*
 * Compile @expression for Ethernet frames into @ret (the caller frees it) of @n
 * instructions. -EINVAL: it is none, matches nothing, or is too long, in libpcap's words.
 * -ENOMEM. A host name in it is looked up here, by the resolver of this process.
 */
int filter_compile(const char *expression, struct match_insn **ret, uint32_t *n,
		   struct choppy_err *err);

#endif
