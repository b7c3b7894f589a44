/* SPDX-License-Identifier: GPL-2.0-or-later */
/* run.h - neighbouring units of one frame that share a fate, and lists of them. */
#ifndef CHOPPY_RUN_H
#define CHOPPY_RUN_H

#include "frame.h"

/* Beside FRAME_CE in a run's flags. */
#define RUN_ECT 2u /* ECN-capable */
#define RUN_COPY 4u /* made by duplication: has its packet's number, and verdicts of its own */

/* A POOL_NODE. Holds a reference to its frame. */
struct run {
	struct run *next; /* in a list, or the sibling in a heap */
	struct run *child; /* in a heap */
	struct frame *frame;
	uint32_t first, count; /* units */
	uint64_t due_ns; /* in a queue: when it arrived there; in the line: when it should leave */
	uint64_t order; /* in the line: breaks ties; in a queue: of arrival; in a gate:
			 * how many are to overtake it */
	uint64_t until_ns; /* in a gate: when it is freed at the latest */
	uint32_t flow; /* in a queue: hash of its flow */
	uint16_t rule; /* whose condition it is under; 0: the direction's own */
	uint8_t flags; /* FRAME_CE: it leaves with that mark */
};

struct run_list {
	struct run *head, **tail;
};

void run_list_init(struct run_list *list);
void run_list_add(struct run_list *list, struct run *run);
struct run *run_list_take(struct run_list *list); /* the first; there must be one */

/* A run with a reference of its own; NULL when the pool is exhausted. */
struct run *run_new(struct pool *pool, struct frame *f, uint32_t first, uint32_t count);
void run_free(struct pool *pool, struct run *run);

#endif
