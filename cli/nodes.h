/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nodes.h - the nodes of a lab that is up, as a table or as JSON. */
#ifndef CHOPPY_CLI_NODES_H
#define CHOPPY_CLI_NODES_H

#include "cmd.h"

/* Returns the exit status. */
int nodes_print(struct call *c, const char *lab, bool as_json);

#endif
