/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blueprint.h - a lab of many nodes, complete before anything is made: what its file
 * says, and the addresses.
 */
#ifndef CHOPPY_BLUEPRINT_H
#define CHOPPY_BLUEPRINT_H

#include "labfile.h"
#include "numbering.h"

#include <sys/resource.h>

struct choppy_file {
	char name[CHOPPY_NAME_MAX + 1];
	struct labfile *file;
	struct numbering numbers;
	bool numbered;
	struct rlimit nofile; /* before net_check_limits() raised it; rlim_max 0: it did not */
};

/*
 * Give the lab its addresses clear of @used: those of every call before are forgotten, but for
 * those that the file gives.
 */
int blueprint_number(struct choppy_file *f, const struct addr_used *used, struct choppy_err *err);

/* The address by which a node is known, of family 0 or 1 (IPv4, IPv6); NULL: it has none. */
const struct inet *blueprint_address(const struct choppy_file *f, uint32_t node, int family);

#endif
