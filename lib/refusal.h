/* SPDX-License-Identifier: GPL-2.0-or-later */
/* refusal.h - why a machine refuses user namespaces to its users, and the one command that mends
 * it. */
#ifndef CHOPPY_REFUSAL_H
#define CHOPPY_REFUSAL_H

#include "choppy.h"

struct refusal {
	const char *why; /* behind the kernel's own words */
	const char *mend; /* a command */
};

/*
 * What stands behind @error (a negative errno of a step that an ordinary user's lab needs), by the
 * settings under @proc (/proc). NULL: nothing that is known.
 */
const struct refusal *refusal_find(const char *proc, int error);

/* Put it into @err, if it is one: the reason, the command, and that this machine cannot. */
void refusal_explain(struct choppy_err *err);

#endif
