/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FQ-CoDel (RFC 8290). Packets are put by the hash of their flow into one of so many queues,
 * each of which has a CoDel of its own (codel.c). The queues take turns of a
 * quantum of bytes: those that have just become active first (the new list), then the others
 * (the old list). A queue that has used its quantum, and a new one that is empty,
 * goes to the end of the old list; an old one that is empty leaves it.
 *
 * When the limit is exceeded, packets are dropped from the head of the queue with the most bytes,
 * half of these bytes or 64 packets, whichever comes first, and again until the limit is kept. The
 * packet that arrives counts with its queue, as its last.
 *
 * CoDel's question whether more than one MTU waits is asked of all queues together, as the
 * reference implementation in the kernel (net/sched/sch_fq_codel.c) does: asked of one
 * alone, many flows with a packet each would have no delay control.
 *
 * A transmitter that finds nothing to send has looked at every queue in the lists, and so
 * all have left: that is made up for by the next packet that arrives.
 */
#include "codel.h"

#define QUANTUM DISCIPLINE_MTU
#define BATCH 64u

/* A queue. */
struct flow_queue {
	struct fifo fifo;
	int64_t deficit;
	struct flow_queue *next; /* in a list */
	bool listed;
	struct codel codel;
};

struct flow_list {
	struct flow_queue *head, *last;
};

struct fq_codel {
	struct codel_params params;
	int64_t quantum;
	struct flow_list fresh, old;
	uint32_t flows;
	struct flow_queue flow[];
};

static void list_add(struct flow_list *l, struct flow_queue *f)
{
	f->next = NULL;
	if (l->head)
		l->last->next = f;
	else
		l->head = f;
	l->last = f;
}

static void list_take(struct flow_list *l)
{
	l->head = l->head->next;
}

static struct flow_queue *flow_of(struct fq_codel *s, uint32_t hash)
{
	return &s->flow[((uint64_t)hash * s->flows) >> 32];
}

/* It is to be in a list. */
static void activate(struct fq_codel *s, struct flow_queue *f)
{
	if (f->listed)
		return;
	f->listed = true;
	f->deficit = s->quantum;
	list_add(&s->fresh, f);
}

/* An empty queue leaves the lists. */
static void retire(struct flow_queue *f)
{
	f->listed = false;
	f->codel.dropping = false;
	f->codel.first_above_ns = 0;
}

static void retire_all(struct fq_codel *s)
{
	for (; s->fresh.head; list_take(&s->fresh))
		retire(s->fresh.head);
	for (; s->old.head; list_take(&s->old))
		retire(s->old.head);
}

static void fq_codel_set(void *state, struct backlog *b, const struct choppy_condition *c,
			 uint64_t now_ns)
{
	struct fq_codel *s = state;

	codel_params(&s->params, c);
	s->flows = discipline_flows(&fq_codel_discipline, c);
	s->quantum = c->set & CHOPPY_FIELD_BIT(CHOPPY_QUEUE_QUANTUM)
			     ? (int64_t)c->queue_quantum_bytes
			     : QUANTUM;
}

/* ---------------------------------------------------------------- arriving */

static struct flow_queue *fattest(struct fq_codel *s, const struct flow_queue *mine, uint32_t len)
{
	struct flow_queue *fat = &s->flow[0];
	uint64_t most = 0;

	for (uint32_t i = 0; i < s->flows; i++) {
		struct flow_queue *f = &s->flow[i];
		uint64_t bytes = f->fifo.bytes + (f == mine ? len : 0);

		if (bytes > most) {
			most = bytes;
			fat = f;
		}
	}
	return fat;
}

/* One batch. False: @u, which is to join @mine, was the last of it. */
static bool drop_batch(struct fq_codel *s, struct backlog *b, const struct unit *u,
		       const struct flow_queue *mine)
{
	struct flow_queue *f = fattest(s, mine, u->len);
	uint64_t all = f->fifo.bytes + (f == mine ? u->len : 0);
	uint64_t keep = all - all / 2, left = all;

	uint32_t n = 0;

	do {
		if (!f->fifo.head)
			return false;
		left -= fifo_head_len(&f->fifo);
		backlog_drop(b, &f->fifo, CHOPPY_DROP_QUEUE, u->run.due_ns);
	} while (++n < BATCH && left > keep);
	return true;
}

static void fq_codel_offer(void *state, struct backlog *b, const struct unit *u)
{
	struct fq_codel *s = state;
	struct flow_queue *f = flow_of(s, u->run.flow);
	bool room = backlog_fits_alone(b, u);

	if (!b->packets && !transmitter_sending(&b->transmitter, u->run.due_ns))
		retire_all(s);
	while (room && !backlog_fits(b, u))
		room = drop_batch(s, b, u, f);
	if (!room)
		backlog_refuse(b, u, CHOPPY_DROP_QUEUE);
	else if (backlog_add(b, &f->fifo, u, 0))
		activate(s, f);
}

/* ----------------------------------------------------------------- leaving */

/* Give so many quanta at once as all would get in whole rounds in which none may send. */
static void skip_rounds(struct fq_codel *s)
{
	int64_t rounds = INT64_MAX;

	for (struct flow_queue *f = s->old.head; f; f = f->next) {
		if (f->deficit > 0)
			return;
		if (-f->deficit / s->quantum < rounds)
			rounds = -f->deficit / s->quantum;
	}
	for (struct flow_queue *f = s->old.head; f; f = f->next)
		f->deficit += rounds * s->quantum;
}

/* The queue whose turn it is, and in @ret_list the list that it heads. */
static struct flow_queue *next_flow(struct fq_codel *s, struct flow_list **ret_list)
{
	struct flow_queue *first_turned = NULL;

	for (;;) {
		struct flow_list *l = s->fresh.head ? &s->fresh : &s->old;
		struct flow_queue *f = l->head;

		*ret_list = l;
		if (!f || f->deficit > 0)
			return f;
		if (f == first_turned)
			skip_rounds(s);
		else if (l == &s->old && !first_turned)
			first_turned = f;
		f->deficit += s->quantum;
		list_take(l);
		list_add(&s->old, f);
	}
}

/* @f, at the head of @l, has nothing to send. */
static void pass_over(struct fq_codel *s, struct flow_list *l, struct flow_queue *f)
{
	list_take(l);
	if (l == &s->fresh && s->old.head)
		list_add(&s->old, f);
	else
		retire(f);
}

static struct fifo *fq_codel_pick(void *state, struct backlog *b, uint64_t now_ns,
				  uint8_t *ret_flags)
{
	struct fq_codel *s = state;
	struct flow_list *l;
	struct flow_queue *f;

	while ((f = next_flow(s, &l))) {
		if (codel_pick(&f->codel, &s->params, b, &f->fifo, now_ns, ret_flags)) {
			f->deficit -= fifo_head_len(&f->fifo);
			return &f->fifo;
		}
		pass_over(s, l, f);
	}
	return NULL;
}

/* Only a queue that is alone in the lists is sure to go on. */
static const struct run *fq_codel_ahead(const void *state, const struct backlog *b,
					uint64_t *ret_until_ns)
{
	const struct fq_codel *s = state;
	const struct flow_queue *f = s->fresh.head ? s->fresh.head : s->old.head;

	if (!f || f->next || (f == s->fresh.head && s->old.head))
		return NULL;
	*ret_until_ns =
		codel_spares_until(&f->codel, &s->params, transmitter_start(&b->transmitter));
	return f->fifo.head;
}

/* ------------------------------------------------------------------- lists */

static struct fifo *fq_codel_list(void *state, uint32_t i)
{
	struct fq_codel *s = state;

	return i < s->flows ? &s->flow[i].fifo : NULL;
}

static void fq_codel_adopt(void *state, struct run *run)
{
	struct fq_codel *s = state;
	struct flow_queue *f = flow_of(s, run->flow);

	fifo_append(&f->fifo, run);
	f->fifo.bytes += frame_wire_len(run->frame, run->first, run->count);
	activate(s, f);
}

const struct discipline fq_codel_discipline = {
	.limit_packets = 10240,
	.flows = 1024,
	.size = sizeof(struct fq_codel),
	.size_flow = sizeof(struct flow_queue),
	.set = fq_codel_set,
	.offer = fq_codel_offer,
	.pick = fq_codel_pick,
	.ahead = fq_codel_ahead,
	.list = fq_codel_list,
	.adopt = fq_codel_adopt,
};
