/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plain queue in two kinds, which differ in what a full one drops: tail, the packet that
 * arrives; head, as many of those that have waited longest as it takes to make room for
 * it. A packet that would not fit into an empty queue is dropped itself.
 */
#include "discipline.h"

void fifo_append(struct fifo *f, struct run *run)
{
	run->next = NULL;
	if (f->head)
		f->last->next = run;
	else
		f->head = run;
	f->last = run;
}

struct fifo *fifo_pick(void *state, struct backlog *b, uint64_t now_ns, uint8_t *ret_flags)
{
	return b->fifo.head ? &b->fifo : NULL;
}

const struct run *fifo_ahead(const void *state, const struct backlog *b, uint64_t *ret_until_ns)
{
	*ret_until_ns = QUEUE_NEVER;
	return b->fifo.head;
}

void tail_offer(void *state, struct backlog *b, const struct unit *u)
{
	if (backlog_fits(b, u))
		backlog_add(b, &b->fifo, u, 0);
	else
		backlog_refuse(b, u, CHOPPY_DROP_QUEUE);
}

static void head_offer(void *state, struct backlog *b, const struct unit *u)
{
	if (!backlog_fits_alone(b, u)) {
		backlog_refuse(b, u, CHOPPY_DROP_QUEUE);
		return;
	}
	while (!backlog_fits(b, u))
		backlog_drop(b, &b->fifo, CHOPPY_DROP_QUEUE, u->run.due_ns);
	backlog_add(b, &b->fifo, u, 0);
}

const struct discipline tail_discipline = {
	.limit_packets = CHOPPY_LIMIT_DEFAULT_PACKETS,
	.offer = tail_offer,
	.pick = fifo_pick,
	.ahead = fifo_ahead,
};

const struct discipline head_discipline = {
	.limit_packets = CHOPPY_LIMIT_DEFAULT_PACKETS,
	.offer = head_offer,
	.pick = fifo_pick,
	.ahead = fifo_ahead,
};
