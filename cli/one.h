/* SPDX-License-Identifier: GPL-2.0-or-later */
/* one.h - which lab is meant where none is named. */
#ifndef CHOPPY_CLI_ONE_H
#define CHOPPY_CLI_ONE_H

#include "cmd.h"

/*
 * The name of the lab in $CHOPPY_LAB, or of the one lab out of a file that is up: to be freed.
 * NULL: said why not.
 */
char *lab_only_one(struct call *c);

/*
 * Of a node or a link, "LAB/NAME" or "NAME", the lab: to be freed. @ret_part: its own name. NULL:
 * not one lab out of a file is up.
 */
char *lab_of_part(const char *name, const char **ret_part);

#endif
