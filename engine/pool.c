/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory comes in whole blocks, one buffer size a block, and goes back only at the end. A
 * buffer that was never used is cut from the newest block's untouched rest, so
 * taking a block touches one page of it; a used one goes on a list, last in,
 * first out. A block belongs to one size for good: what the cap bounds is the
 * sum of the blocks.
 */
#include "pool.h"

#include <string.h>

struct pool_block {
	struct pool_block *next;
	size_t size;
};

#define BLOCK_HEAD 64 /* keeps buffers on cache line boundaries */

static const struct {
	size_t buf;
	size_t per_block;
} sizes[POOL_NCLASSES] = {
	[POOL_NODE] = { 64, 1023 },
	[POOL_SMALL] = { 2048, 128 },
	[POOL_MEDIUM] = { 16384, 64 },
	/* One block is one receive batch. */
	[POOL_LARGE] = { 69632, 64 },
};

void pool_init(struct pool *pool, size_t cap, void *(*take)(size_t size),
	       void (*give)(void *block, size_t size))
{
	memset(pool, 0, sizeof(*pool));
	pool->cap = cap;
	pool->take = take;
	pool->give = give;
}

void pool_done(struct pool *pool)
{
	struct pool_block *next;

	for (struct pool_block *b = pool->blocks; b; b = next) {
		next = b->next;
		pool->give(b, b->size);
	}
	memset(pool, 0, sizeof(*pool));
}

size_t pool_class_size(enum pool_class class)
{
	return sizes[class].buf;
}

/* Put what the newest block still has on the list, so that a new one may take its place. */
static void spill(struct pool_size *s, size_t buf)
{
	while (s->bump < s->end) {
		*(void **)s->bump = s->free;
		s->free = s->bump;
		s->bump += buf;
	}
}

static bool grow(struct pool *pool, enum pool_class class)
{
	size_t size = BLOCK_HEAD + sizes[class].buf * sizes[class].per_block;
	struct pool_size *s = &pool->class[class];
	struct pool_block *b;

	if (size > pool->cap - pool->taken)
		return false;
	b = pool->take(size);
	if (!b)
		return false;
	b->next = pool->blocks;
	b->size = size;
	pool->blocks = b;
	pool->taken += size;
	spill(s, sizes[class].buf);
	s->bump = (unsigned char *)b + BLOCK_HEAD;
	s->end = (unsigned char *)b + size;
	s->available += sizes[class].per_block;
	return true;
}

void *pool_get(struct pool *pool, enum pool_class class)
{
	struct pool_size *s = &pool->class[class];
	void *buf = s->free;

	if (!s->available && !grow(pool, class))
		return NULL;
	s->available--;
	if (buf) {
		s->free = *(void **)buf;
		return buf;
	}
	buf = s->bump;
	s->bump += sizes[class].buf;
	return buf;
}

void pool_put(struct pool *pool, enum pool_class class, void *buf)
{
	struct pool_size *s = &pool->class[class];

	*(void **)buf = s->free;
	s->free = buf;
	s->available++;
}

bool pool_have(struct pool *pool, enum pool_class class, size_t n)
{
	while (pool->class[class].available < n)
		if (!grow(pool, class))
			return false;
	return true;
}

bool pool_owe(struct pool *pool)
{
	if (!pool_have(pool, POOL_LARGE, pool->owed + 1))
		return false;
	pool->owed++;
	return true;
}

void pool_settle(struct pool *pool)
{
	pool->owed = 0;
}
