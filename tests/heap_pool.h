/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool whose blocks come from the heap, so that sanitizers see where each ends. */
#ifndef TEST_HEAP_POOL_H
#define TEST_HEAP_POOL_H

#include "pool.h"

#include <stdlib.h>

static inline void *heap_pool_take(size_t size)
{
	return aligned_alloc(64, size);
}

static inline void heap_pool_give(void *block, size_t size)
{
	free(block);
}

static inline void heap_pool_init(struct pool *pool, size_t cap)
{
	pool_init(pool, cap, heap_pool_take, heap_pool_give);
}

#endif
