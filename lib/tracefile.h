/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tracefile.h - traces out of files: mahimahi's, and CSV with named columns. */
#ifndef CHOPPY_TRACEFILE_H
#define CHOPPY_TRACEFILE_H

#include "trace.h"

#define TRACE_ROWS_MAX 1000000u
#define TRACE_CHANCES_MAX 10000000u
#define TRACE_FILE_MAX (128u << 20) /* bytes */
#define TRACE_TIME_MAX_NS (30ull * 24 * 3600 * 1000000000) /* 30 days */

/*
 * The trace that @name names: a built-in one, else the file at this path. Times, units, ranges
 * of single values and the file's form are checked; whether the values of a row go
 * together (trace_row()) is the caller's to check.
 */
int trace_load(const char *name, struct trace **ret, struct choppy_err *err);
void trace_free(struct trace *t);

/* The same from text in memory; @name is for messages. */
int trace_parse(const char *name, const char *text, size_t len, struct trace **ret,
		struct choppy_err *err);

/* Built-in traces: the name of the @i-th, NULL behind the last; the CSV text of one, or NULL. */
const char *trace_builtin_name(unsigned int i);
const char *trace_builtin_text(const char *name);

#endif
