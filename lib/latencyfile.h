/* SPDX-License-Identifier: GPL-2.0-or-later */
/* latencyfile.h - the cells of a matrix of delays, out of a CSV text. */
#ifndef CHOPPY_LATENCYFILE_H
#define CHOPPY_LATENCYFILE_H

#include "latency.h"
#include "textfile.h"

#define LATENCY_FILE_MAX (1u << 20) /* bytes */

/*
 * Fill the cells of @l, whose groups are known and which has none yet; places point into @t.
 * -EINVAL: all that is wrong has been told to @problems.
 */
int latency_read(struct latency *l, const struct textfile *t, struct problems *problems);

#endif
