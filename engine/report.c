/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pipe_inner.h"

static void drop(struct pipe *p, const struct frame *f, uint32_t units, enum choppy_drop reason)
{
	p->count.dropped[reason] += (uint64_t)units * f->each;
	p->count.waiting -= (uint64_t)units * f->each;
}

/* @packets more are in the link: arrived, or made here. */
void pipe_count_packets(struct pipe *p, uint64_t packets)
{
	p->count.packets += packets;
	p->count.waiting += packets;
}

void pipe_count_input(struct pipe *p, struct frame *f)
{
	uint64_t packets = (uint64_t)f->units * f->each;

	pipe_count_packets(p, packets);
	p->count.bytes += frame_wire_len(f, 0, f->units);
	p->uncut += f->kind == FRAME_WHOLE;
	f->number = p->packets + 1;
	p->packets += packets;
	f->flow = p->flows ? flow_find(p->flows, f) : NULL;
	if (f->flow)
		f->in_flow = flow_count(f->flow, packets);
}

/* Link time as verdicts tell it. */
static uint64_t since_start(const struct pipe *p, uint64_t ns)
{
	return ns > p->start_ns ? ns - p->start_ns : 0;
}

/* Which of the things that were made of a packet: fragments are even, copies odd. */
static uint8_t part_of(const struct frame *f, uint8_t flags)
{
	return (uint8_t)(f->part + (flags & RUN_COPY ? 1 : 0));
}

/* @v: what became of the packet, and with which values, and when it left, if it did. */
void pipe_tell(const struct pipe *p, const struct frame *f, uint32_t unit, uint8_t flags,
	       struct verdict v)
{
	char label[FLOW_LABEL_MAX];

	if (!p->log.verdict)
		return;
	v.link = (uint16_t)p->key.link;
	v.dir = p->key.dir;
	v.part = part_of(f, flags);
	v.packet = f->number + (uint64_t)unit * f->each;
	v.at_ns = since_start(p, f->at_ns);
	v.due_ns = v.due_ns ? since_start(p, v.due_ns) : VERDICT_NO_TIME;
	if (f->flow) {
		v.in_flow = f->in_flow + (uint64_t)unit * f->each;
		v.flow_hash = flow_label_hash(f->flow);
		flow_label(label, f->flow);
	}
	p->log.verdict(p->log.ctx, &v, f->flow ? label : NULL);
}

void pipe_drop_unit(struct pipe *p, const struct frame *f, uint32_t unit, uint8_t flags,
		    enum choppy_drop reason)
{
	drop(p, f, 1, reason);
	pipe_tell(p, f, unit, flags, (struct verdict){ .kind = VERDICT_DROPPED, .value = reason });
}

void pipe_drop_units(struct pipe *p, const struct frame *f, uint32_t first, uint32_t count,
		     uint8_t flags, enum choppy_drop reason)
{
	for (uint32_t i = first; i < first + count; i++)
		pipe_drop_unit(p, f, i, flags, reason);
}

/* The file's verdicts about a packet. */
size_t pipe_look_up(struct replay *r, const struct frame *f, uint32_t unit, uint8_t flags,
		    const struct verdict **ret)
{
	const struct verdict key = {
		.packet = f->number + (uint64_t)unit * f->each,
		.flow_hash = f->flow ? flow_label_hash(f->flow) : 0,
		.in_flow = f->flow ? f->in_flow + (uint64_t)unit * f->each : 0,
		.part = part_of(f, flags),
	};

	return replay_find(r, &key, ret);
}

static void queue_dropped(void *ctx, const struct run *run, uint32_t unit, enum choppy_drop reason,
			  uint64_t at_ns)
{
	pipe_drop_unit(ctx, run->frame, unit, run->flags, reason);
}

static void queue_marked(void *ctx, const struct run *run, uint32_t unit, uint64_t at_ns)
{
	struct pipe *p = ctx;

	p->count.marked += run->frame->each;
	pipe_tell(p, run->frame, unit, run->flags, (struct verdict){ .kind = VERDICT_MARKED });
}

struct queue_events pipe_queue_events(struct pipe *p)
{
	return (struct queue_events){ p, queue_dropped, queue_marked };
}
