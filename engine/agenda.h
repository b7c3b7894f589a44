/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agenda.h - who is to be called when: the earliest appointment among many, at the cost of few. */
#ifndef CHOPPY_AGENDA_H
#define CHOPPY_AGENDA_H

#include <stddef.h>
#include <stdint.h>

#define AGENDA_NEVER UINT64_MAX

/* Part of what is to be called. Zero it, or agenda_put() it off to AGENDA_NEVER, before it goes. */
struct appointment {
	uint64_t at_ns;
	size_t place; /* in the heap, from 1; 0: none is made */
};

struct agenda {
	struct appointment **heap; /* [0] is unused; memory of the owner's, for all that may come */
	size_t n;
};

/* Make, move or (AGENDA_NEVER) cancel an appointment. */
void agenda_put(struct agenda *a, struct appointment *p, uint64_t at_ns);

/* The earliest, or NULL. */
struct appointment *agenda_first(const struct agenda *a);

#endif
