/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "run.h"

void run_list_init(struct run_list *list)
{
	list->head = NULL;
	list->tail = &list->head;
}

void run_list_add(struct run_list *list, struct run *run)
{
	run->next = NULL;
	*list->tail = run;
	list->tail = &run->next;
}

struct run *run_list_take(struct run_list *list)
{
	struct run *run = list->head;

	list->head = run->next;
	if (!list->head)
		list->tail = &list->head;
	return run;
}

struct run *run_new(struct pool *pool, struct frame *f, uint32_t first, uint32_t count)
{
	struct run *run = pool_get(pool, POOL_NODE);

	_Static_assert(sizeof(*run) <= 64, "a run fits a POOL_NODE");
	if (!run)
		return NULL;
	f->refs++;
	*run = (struct run){ .frame = f, .first = first, .count = count };
	return run;
}

void run_free(struct pool *pool, struct run *run)
{
	frame_put(pool, run->frame);
	pool_put(pool, POOL_NODE, run);
}
