/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * distribution.h - shapes of a random delay: built-in tables, and tables out of
 * files in the form of tc(8).
 *
 * A table's entries are equally likely; an entry t stands for mean + t / 8192 standard deviations
 * (engine/dist.h). Those of the built-in tables have the mean 0 and the deviation 1,
 * those of a file are taken as they are.
 */
#ifndef CHOPPY_DISTRIBUTION_H
#define CHOPPY_DISTRIBUTION_H

#include "choppy.h"

#define DISTRIBUTION_ONE 8192 /* one standard deviation */
#define DISTRIBUTION_SIZE 4096 /* entries of a built-in table */
#define DISTRIBUTION_MAX 16384 /* most entries of a file, as in the kernel's netem */
#define DISTRIBUTION_FILE_MAX (1u << 20) /* bytes */

extern const int16_t distribution_normal[DISTRIBUTION_SIZE];
extern const int16_t distribution_pareto[DISTRIBUTION_SIZE];
extern const int16_t distribution_paretonormal[DISTRIBUTION_SIZE];

/*
 * The table of @name: a built-in one's (`uniform` has none: NULL and 0), else that of
 * the file at this path. To be given to distribution_free().
 */
int distribution_load(const char *name, const int16_t **ret_table, uint32_t *ret_n,
		      struct choppy_err *err);
void distribution_free(const int16_t *table);

/* The same from text in memory; @name is for messages. */
int distribution_parse(const char *name, const char *text, size_t len, const int16_t **ret_table,
		       uint32_t *ret_n, struct choppy_err *err);

/* The built-in names in the order in which they are told, NULL behind the last. */
const char *distribution_name(unsigned int i);

/* The least value that comes of a table, in 1/8192 of the jitter; @n 0: uniform. */
int32_t distribution_least(const int16_t *table, uint32_t n);

#endif
