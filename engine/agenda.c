/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A binary heap (Williams 1964) of pointers, in which everything knows its own
 * place, so that an appointment can be moved without a search. Those who wait
 * for nothing are not in it and cost nothing.
 */
#include "agenda.h"

static void settle_at(struct agenda *a, size_t place, struct appointment *p)
{
	a->heap[place] = p;
	p->place = place;
}

static void sift(struct agenda *a, size_t place, struct appointment *p)
{
	while (place > 1 && p->at_ns < a->heap[place / 2]->at_ns) {
		settle_at(a, place, a->heap[place / 2]);
		place /= 2;
	}
	for (;;) {
		size_t child = 2 * place;

		if (child < a->n && a->heap[child + 1]->at_ns < a->heap[child]->at_ns)
			child++;
		if (child > a->n || a->heap[child]->at_ns >= p->at_ns)
			break;
		settle_at(a, place, a->heap[child]);
		place = child;
	}
	settle_at(a, place, p);
}

static void cancel(struct agenda *a, struct appointment *p)
{
	size_t place = p->place;
	struct appointment *last = a->heap[a->n--];

	p->place = 0;
	if (last != p)
		sift(a, place, last);
}

void agenda_put(struct agenda *a, struct appointment *p, uint64_t at_ns)
{
	p->at_ns = at_ns;
	if (at_ns != AGENDA_NEVER)
		sift(a, p->place ? p->place : ++a->n, p);
	else if (p->place)
		cancel(a, p);
}

struct appointment *agenda_first(const struct agenda *a)
{
	return a->n ? a->heap[1] : NULL;
}
