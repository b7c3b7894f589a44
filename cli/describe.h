/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * describe.h - a lab's state in words and in JSON, both from one table.
 */
#ifndef CHOPPY_CLI_DESCRIBE_H
#define CHOPPY_CLI_DESCRIBE_H

#include "choppy.h"
#include "json.h"

#include <stdio.h>

/* The lab in lines of "label  value"; @brief: without what is only known with time.
 * 0 or -ENOMEM. */
int describe_text(FILE *f, const struct choppy_lab *lab, bool brief);

/* The lab as one JSON object. */
void describe_json(struct json *j, const char *key, const struct choppy_lab *lab);

/* One line of what @asked did to packets, by the counters; no line break. */
void describe_summary(FILE *f, const struct choppy_condition *asked,
		      const struct choppy_counters *n);

#endif
