/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log.h - the file of verdicts: lines gathered in memory, and written between two batches. */
#ifndef CHOPPY_LOG_H
#define CHOPPY_LOG_H

#include "verdict.h"

#define LOG_BUFFER (256u << 10)

struct log {
	int fd; /* -1: none */
	int error; /* negative errno of the first write that failed; nothing is written after it */
	uint64_t lost; /* verdicts that are not in the file for that reason */
	size_t len;
	char buf[LOG_BUFFER];
};

/* @flow: its label, or NULL. */
void log_verdict(struct log *log, const struct verdict *v, const char *flow);
void log_flush(struct log *log);

#endif
