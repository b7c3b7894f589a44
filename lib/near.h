/* SPDX-License-Identifier: GPL-2.0-or-later */
/* near.h - the known word that is most likely meant by a wrong one. */
#ifndef CHOPPY_NEAR_H
#define CHOPPY_NEAR_H

#include <stddef.h>

struct near {
	const char *word; /* the wrong one */
	const char *best; /* the nearest of those tried, or NULL */
	size_t distance;
};

struct near near_begin(const char *word);

/* Of two equally near words the one tried first stays. */
void near_try(struct near *n, const char *known);

#endif
