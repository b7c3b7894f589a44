/* SPDX-License-Identifier: GPL-2.0-or-later */
/* act.h - the commands that are verbs of the library. */
#ifndef CHOPPY_CLI_ACT_H
#define CHOPPY_CLI_ACT_H

#include "cmd.h"

enum {
#define ROW(id, name, usage, help) ACT_##id,
	CHOPPY_VERBS(ROW)
#undef ROW
		ACT_NVERBS,
};

/* One for each; those that are other commands', `set` and `run`, are not in the table. */
extern const struct command act_commands[ACT_NVERBS];

/* Do it to @lab, and print what was done. Returns the exit status. */
int act_on(struct call *c, const char *lab, int n, const char *const *words);

#endif
