/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verdictfile.h - read a file of verdicts to apply again. */
#ifndef CHOPPY_VERDICTFILE_H
#define CHOPPY_VERDICTFILE_H

#include "choppy.h"
#include "verdict.h"

#define VERDICTS_FILE_MAX (256u << 20) /* bytes of text */

/*
 * Read @path into @ret (the caller frees it), @n verdicts, sorted by verdict_sort(@by_flow).
 * Refused, with file, line and column: what is no verdict, lacks that by which a packet is found
 * (its number, or its flow), or contradicts another line.
 */
int verdicts_load(const char *path, bool by_flow, struct verdict **ret, size_t *n,
		  struct choppy_err *err);

#endif
