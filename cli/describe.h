/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * describe.h - a lab's state in words and in JSON, both from one table.
 */
#ifndef CHOPPY_CLI_DESCRIBE_H
#define CHOPPY_CLI_DESCRIBE_H

#include "../lib/lab_json.h"
#include "choppy.h"

#include <stdio.h>

/* The lab in lines of "label  value"; @brief: without what is only known with time.
 * 0 or -ENOMEM. */
int describe_text(FILE *f, const struct choppy_lab *lab, bool brief);

/* The lab as JSON, as the whole of what is printed. */
void describe_json_alone(FILE *f, const struct choppy_lab *lab);

/* A condition and its rules, as people read them; no line break. */
void describe_condition(FILE *f, const struct choppy_condition dir[CHOPPY_NDIRS],
			const struct choppy_rules *rules);

/* Rule @i as it is for @d, its match alone or with what it does; no line break. */
void describe_rule(FILE *f, const struct choppy_rules *rules, uint32_t i, enum choppy_dir d,
		   bool with_condition);

/* One line of what @d's condition did to packets, by the counters; no line break. */
void describe_summary(FILE *f, const struct choppy_lab *lab, enum choppy_dir d);

#endif
