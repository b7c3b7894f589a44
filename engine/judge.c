/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Before the queue. Each unit meets the judging stages of its chain; a stage says what becomes of
 * the packet (struct wire), and here that is done: dropped and perhaps answered, copied, cut into
 * fragments, damaged. Neighbours to which the same happens go on to the queue, or past it,
 * together. Copies and fragments meet the stages behind the one that made them as packets of their
 * own.
 *
 * In a replay no stage is asked: the packet's verdicts of the file are applied.
 */
#include "pipe_inner.h"

#include "edit.h"
#include "fragment.h"
#include "reply.h"

#include <errno.h>

#define FRAGMENTS_MAX                                                                              \
	64 /* a packet of 1500 bytes makes 62 behind the longest header and the least MTU */

/* Neighbours on their way to the queue that have the same fate so far. */
struct group {
	struct pipe *pipe;
	struct chain *chain;
	struct frame *frame;
	uint32_t first, count;
	uint8_t flags;
	struct wire wire; /* of every unit but the frame's last */
};

static void forward(struct pipe *p, struct chain *c, struct frame *f, uint32_t first,
		    uint32_t count, uint8_t flags)
{
	struct flow_key key;
	uint32_t hash;

	if (!c->joins) {
		pipe_leave(p, c, f, first, count, flags, f->at_ns);
		return;
	}
	flow_key(&key, f);
	hash = flow_hash(&key, 0);
	for (uint32_t i = first; i < first + count; i++)
		queue_offer(c->joins, f, i, c->id, flags, hash, f->at_ns);
}

static void group_end(struct group *g)
{
	if (g->count)
		forward(g->pipe, g->chain, g->frame, g->first, g->count, g->flags);
	g->count = 0;
}

static void group_add(struct group *g, uint32_t unit, uint8_t flags)
{
	if (g->count && (g->first + g->count != unit || g->flags != flags))
		group_end(g);
	if (!g->count)
		g->first = unit;
	g->flags = flags;
	g->count++;
}

/* As what an MTU sees it: of a super-packet that cannot be cut, its wire packets. */
static uint32_t ip_len(const struct frame *f, uint32_t len)
{
	if (f->kind == FRAME_WHOLE && len > f->headers + (uint32_t)f->vnet.gso_size)
		len = f->headers + (uint32_t)f->vnet.gso_size;
	return len - f->l3;
}

static struct wire wire_of(const struct frame *f, uint32_t unit)
{
	uint32_t len = frame_unit_len(f, unit);
	bool one = f->units == 1;

	return (struct wire){
		.at_ns = f->at_ns,
		.len = len,
		.packets = f->each,
		.bits = one ? frame_bits(f) : 8 * (len - f->l3),
		.payload_bits = one ? frame_payload_bits(f) : 8 * (len - f->headers),
		.ip_len = ip_len(f, len),
		.ect = frame_ect(f),
		.may_fragment = frame_fits(f, unit, 0) == MAY_FRAGMENT,
	};
}

/* What is told to the sender of a packet that does not pass. */
static void answer(struct pipe *p, const struct frame *f, uint32_t unit, const struct wire *w)
{
	struct frame *reply;
	struct run *run;

	if (w->reply == REPLY_NONE)
		return;
	reply = reply_make(p->pool, f, unit, (enum reply)w->reply, w->reply_mtu);
	if (!reply)
		return;
	run = run_new(p->pool, reply, 0, 1);
	frame_put(p->pool, reply);
	if (!run)
		return;
	p->count.replies++;
	run_list_add(&p->back, run);
}

static void number_like(struct frame *made, const struct frame *f, uint32_t unit)
{
	made->number = f->number + (uint64_t)unit * f->each;
	made->flow = f->flow;
	made->part = made->part ? made->part : f->part;
	made->in_flow = f->in_flow + (uint64_t)unit * f->each;
}

/* A frame made out of a unit takes that unit's place in numbers and goes on from stage @from. */
static void walk_made(struct pipe *p, struct chain *c, const struct frame *f, uint32_t unit,
		      struct frame *made, size_t from)
{
	number_like(made, f, unit);
	pipe_walk(p, c, made, 0, made->units, from);
	frame_put(p->pool, made);
}

static void cut_up(struct pipe *p, struct chain *c, struct frame *f, uint32_t unit, uint8_t flags,
		   uint32_t mtu, size_t from)
{
	struct frame *part[FRAGMENTS_MAX];
	int n = fragment_make(p->pool, f, unit, mtu, part, FRAGMENTS_MAX);

	if (n < 1) {
		pipe_drop_unit(p, f, unit, flags,
			       n == -ENOMEM ? CHOPPY_DROP_MEMORY : CHOPPY_DROP_MTU);
		return;
	}
	p->count.fragments += (unsigned)n;
	pipe_count_packets(p, (unsigned)n - 1);
	pipe_tell(p, f, unit, flags, (struct verdict){ .kind = VERDICT_FRAGMENTED, .value = mtu });
	for (int i = 0; i < n; i++) {
		part[i]->part = (uint8_t)(2 * (i + 1));
		walk_made(p, c, f, unit, part[i], from);
	}
}

/* Its wrong bit, in a frame of its own, and on to the queue. */
static void damage(struct pipe *p, struct chain *c, struct frame *f, uint32_t unit, uint8_t flags,
		   const struct wire *w)
{
	struct frame *made = frame_extract(p->pool, f, unit);

	if (!made) {
		pipe_drop_unit(p, f, unit, flags, CHOPPY_DROP_MEMORY);
		return;
	}
	pipe_tell(p, f, unit, flags,
		  (struct verdict){ .kind = w->mended ? VERDICT_MENDED : VERDICT_CORRUPTED,
				    .value = w->flip_bit });
	p->count.corrupted += f->each;
	if (w->mended)
		frame_flip_mended(made, w->flip_bit);
	else
		frame_flip(made, w->flip_bit);
	number_like(made, f, unit);
	forward(p, c, made, 0, 1, flags);
	frame_put(p->pool, made);
}

static void pass_unit(struct group *g, uint32_t unit, uint8_t copy, const struct wire *w)
{
	struct pipe *p = g->pipe;
	struct frame *f = g->frame;
	uint8_t flags = copy;

	flags |= w->mark ? FRAME_CE : 0;
	flags |= w->ect ? RUN_ECT : 0;
	if (w->mark) {
		p->count.marked += f->each;
		pipe_tell(p, f, unit, flags, (struct verdict){ .kind = VERDICT_MARKED });
	}
	if (w->flip) {
		group_end(g);
		damage(p, g->chain, f, unit, flags, w);
	} else {
		group_add(g, unit, flags);
	}
}

static void count_verdict(struct pipe *p, const struct stage *s, const struct wire *w, bool pass,
			  bool marked)
{
	if (s->reason != CHOPPY_DROP_LOSS)
		return;
	p->count.judged += w->packets;
	p->count.judged_lost += pass && !marked ? 0 : w->packets;
}

static void copy_unit(struct group *g, uint32_t unit, uint32_t copies, size_t from);

/* One unit from stage @from on. @copy: RUN_COPY when it is one. */
static void judge(struct group *g, uint32_t unit, uint8_t copy, size_t from)
{
	struct pipe *p = g->pipe;
	const struct chain_part *part = &g->chain->before;
	struct wire w = unit + 1 < g->frame->units ? g->wire : wire_of(g->frame, unit);
	uint32_t copies = 0;
	size_t copied_at = 0;

	for (size_t i = from; i < part->n; i++) {
		const struct stage *s = part->stage[i];
		bool marked = w.mark, pass;

		w.reason = (uint8_t)s->reason;
		pass = s->packet(part->state[i], &w);
		count_verdict(p, s, &w, pass, w.mark && !marked);
		if (!pass) {
			pipe_drop_unit(p, g->frame, unit, copy, (enum choppy_drop)w.reason);
			answer(p, g->frame, unit, &w);
			return;
		}
		if (w.fragment) {
			group_end(g);
			cut_up(p, g->chain, g->frame, unit, copy, w.fragment, i + 1);
			return;
		}
		if (w.copies) {
			copies = w.copies;
			copied_at = i + 1;
			w.copies = 0;
		}
	}
	pass_unit(g, unit, copy, &w);
	if (copies)
		copy_unit(g, unit, copies, copied_at);
}

static void judge_replayed(struct group *g, uint32_t unit, uint8_t copy);

/* Copies follow their packet, through the stages behind the one that made them. */
static void copy_unit(struct group *g, uint32_t unit, uint32_t copies, size_t from)
{
	struct pipe *p = g->pipe;

	pipe_tell(p, g->frame, unit, 0,
		  (struct verdict){ .kind = VERDICT_DUPLICATED, .value = copies });
	p->count.duplicated += (uint64_t)copies * g->frame->each;
	pipe_count_packets(p, (uint64_t)copies * g->frame->each);
	while (copies--) {
		group_end(g);
		if (p->replayed)
			judge_replayed(g, unit, RUN_COPY);
		else
			judge(g, unit, RUN_COPY, from);
	}
	group_end(g);
}

/* One unit by the verdicts of the file. */
static void judge_replayed(struct group *g, uint32_t unit, uint8_t copy)
{
	struct pipe *p = g->pipe;
	struct frame *f = g->frame;
	const struct verdict *v;
	struct wire w = wire_of(f, unit);
	bool dropped = false;
	uint8_t reason = 0;
	uint32_t copies = 0;
	size_t n = pipe_look_up(&p->replay, f, unit, copy, &v);

	for (; n; n--, v++) {
		if (v->kind == VERDICT_DROPPED) {
			dropped = true;
			reason = (uint8_t)v->value;
		}
		if (v->kind == VERDICT_DUPLICATED && !copy)
			copies += (uint32_t)v->value;
		if (v->kind == VERDICT_FRAGMENTED && !copy && !f->part)
			w.fragment = (uint32_t)v->value;
		w.mark |= v->kind == VERDICT_MARKED;
		if (v->kind == VERDICT_CORRUPTED || v->kind == VERDICT_MENDED) {
			w.mended = v->kind == VERDICT_MENDED;
			w.flip = v->value < (w.mended ? w.payload_bits : w.bits);
			w.flip_bit = (uint32_t)v->value;
		}
	}
	if (w.fragment && w.may_fragment && w.ip_len > w.fragment) {
		group_end(g);
		cut_up(p, g->chain, f, unit, copy, w.fragment, 0);
		return;
	}
	/* A packet that a queue dropped may have been copied before. */
	if (dropped)
		pipe_drop_unit(p, f, unit, copy, (enum choppy_drop)reason);
	else
		pass_unit(g, unit, copy, &w);
	if (copies)
		copy_unit(g, unit, copies, 0);
}

/* Judge units of a frame from stage @from of their chain on. */
void pipe_walk(struct pipe *p, struct chain *c, struct frame *f, uint32_t first, uint32_t count,
	       size_t from)
{
	struct group g = { .pipe = p, .chain = c, .frame = f };

	if (p->replayed) {
		for (uint32_t i = first; i < first + count; i++)
			judge_replayed(&g, i, 0);
	} else if (from >= c->before.n) {
		forward(p, c, f, first, count, frame_ect(f) ? RUN_ECT : 0);
		return;
	} else {
		g.wire = wire_of(f, 0);
		for (uint32_t i = first; i < first + count; i++)
			judge(&g, i, 0, from);
	}
	group_end(&g);
}
