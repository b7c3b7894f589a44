/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Most links keep the order, so most runs are added with the latest due time so far: they stand
 * in a list. A run that is due earlier than the list's last goes into a pairing heap
 * (Fredman, Sedgewick, Sleator, Tarjan 1986), whose links are in the runs: nothing is allocated,
 * adding takes constant time and taking O(log n) amortised. The next to leave is the
 * earlier of the list's head and the heap's root.
 */
#include "line.h"

void line_init(struct line *line)
{
	run_list_init(&line->fifo);
	line->fifo_due_ns = 0;
	line->heap = NULL;
	line->order = 0;
}

static bool before(const struct run *a, const struct run *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

/* Two heaps become one: the later root is the earlier one's first child. */
static struct run *meld(struct run *a, struct run *b)
{
	struct run *t;

	if (!a || !b)
		return a ? a : b;
	if (before(b, a)) {
		t = a;
		a = b;
		b = t;
	}
	b->next = a->child;
	a->child = b;
	return a;
}

/* The children of a root that has gone: in pairs from the left, then all from the right. */
static struct run *meld_pairs(struct run *first)
{
	struct run *pairs = NULL, *heap = NULL;

	while (first) {
		struct run *a = first, *b = a->next, *both;

		first = b ? b->next : NULL;
		a->next = NULL;
		if (b)
			b->next = NULL;
		both = meld(a, b);
		both->next = pairs;
		pairs = both;
	}
	while (pairs) {
		struct run *next = pairs->next;

		pairs->next = NULL;
		heap = meld(heap, pairs);
		pairs = next;
	}
	return heap;
}

void line_add(struct line *line, struct run *run)
{
	run->order = line->order++;
	run->child = NULL;
	run->next = NULL;
	if (line->fifo.head && run->due_ns < line->fifo_due_ns) {
		line->heap = meld(line->heap, run);
		return;
	}
	line->fifo_due_ns = run->due_ns;
	run_list_add(&line->fifo, run);
}

static const struct run *first(const struct line *line)
{
	const struct run *a = line->fifo.head, *b = line->heap;

	return a && b ? (before(a, b) ? a : b) : a ? a : b;
}

struct run *line_take(struct line *line, uint64_t now_ns)
{
	const struct run *run = first(line);
	struct run *root = line->heap;

	if (!run || run->due_ns > now_ns)
		return NULL;
	if (run == line->fifo.head)
		return run_list_take(&line->fifo);
	line->heap = meld_pairs(root->child);
	root->child = NULL;
	return root;
}

uint64_t line_next(const struct line *line)
{
	const struct run *run = first(line);

	return run ? run->due_ns : LINE_NEVER;
}

/* ---------------------------------------------------------------- the gate */

void gate_init(struct gate *gate)
{
	*gate = (struct gate){ 0 };
	run_list_init(&gate->held);
}

/* So many units may pass until one that is held is to follow. */
static uint64_t until_free(const struct gate *gate, uint64_t most)
{
	for (const struct run *run = gate->held.head; run; run = run->next)
		if (run->order < most)
			most = run->order;
	return most;
}

/* @n units have passed, the last at @at_ns: those held that they have overtaken follow. */
static void overtake(struct gate *gate, struct line *line, uint64_t n, uint64_t at_ns)
{
	struct run_list held = gate->held;
	struct run *next;

	run_list_init(&gate->held);
	for (struct run *run = held.head; run; run = next) {
		next = run->next;
		run->order -= n;
		if (run->order) {
			run_list_add(&gate->held, run);
			continue;
		}
		if (run->due_ns < at_ns)
			run->due_ns = at_ns;
		line_add(line, run);
	}
}

static uint64_t in_order(struct gate *gate, uint64_t due_ns)
{
	if (gate->open)
		return due_ns;
	if (due_ns > gate->last_due_ns)
		gate->last_due_ns = due_ns;
	return gate->last_due_ns;
}

bool gate_pass(struct gate *gate, struct pool *pool, struct line *line, struct run *run, bool hurry)
{
	if (!hurry)
		run->due_ns = in_order(gate, run->due_ns);
	if (gate->held.head)
		gate_expire(gate, line, run->due_ns);
	while (gate->held.head) {
		uint64_t n = until_free(gate, run->count), due_ns = run->due_ns;
		struct run *part;

		if (n == run->count) {
			line_add(line, run);
			overtake(gate, line, n, due_ns);
			return true;
		}
		part = run_new(pool, run->frame, run->first, (uint32_t)n);
		if (!part)
			return false;
		part->due_ns = due_ns;
		part->rule = run->rule;
		part->flags = run->flags;
		run->first += (uint32_t)n;
		run->count -= (uint32_t)n;
		line_add(line, part);
		overtake(gate, line, n, due_ns);
	}
	line_add(line, run);
	return true;
}

void gate_hold(struct gate *gate, struct run *run, uint32_t behind, uint64_t within_ns)
{
	run->due_ns = in_order(gate, run->due_ns);
	run->order = behind;
	run->until_ns = run->due_ns + within_ns;
	run_list_add(&gate->held, run);
}

void gate_expire(struct gate *gate, struct line *line, uint64_t until_ns)
{
	struct run_list held;
	struct run *next;

	if (gate_next(gate) > until_ns)
		return;
	held = gate->held;
	run_list_init(&gate->held);
	for (struct run *run = held.head; run; run = next) {
		next = run->next;
		if (run->until_ns > until_ns) {
			run_list_add(&gate->held, run);
			continue;
		}
		run->due_ns = run->until_ns;
		line_add(line, run);
	}
}

uint64_t gate_next(const struct gate *gate)
{
	uint64_t next_ns = LINE_NEVER;

	for (const struct run *run = gate->held.head; run; run = run->next)
		if (run->until_ns < next_ns)
			next_ns = run->until_ns;
	return next_ns;
}
