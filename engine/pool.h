/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pool.h - packet memory: buffers of four sizes out of whole blocks, under a cap. */
#ifndef CHOPPY_POOL_H
#define CHOPPY_POOL_H

#include <stdbool.h>
#include <stddef.h>

enum pool_class {
	POOL_NODE, /* 64 bytes: a struct run */
	POOL_SMALL, /* 2 KB: a frame of an ordinary MTU */
	POOL_MEDIUM, /* 16 KB: a short super-packet, a jumbo frame */
	POOL_LARGE, /* 68 KB: whatever the kernel may hand over */
	POOL_NCLASSES,
};

struct pool_block;

struct pool_size {
	void *free; /* last in, first out: the buffer whose cache lines are warm */
	unsigned char *bump, *end; /* the part of the newest block never handed out */
	size_t available; /* free and never handed out, together */
};

struct pool {
	void *(*take)(size_t size); /* a new block, aligned to 64 bytes, or NULL */
	void (*give)(void *block, size_t size);
	size_t cap; /* most bytes to take; never more */
	size_t taken;
	size_t owed; /* large buffers that pool_owe() promised to the receiver */
	struct pool_block *blocks;
	struct pool_size class[POOL_NCLASSES];
};

void pool_init(struct pool *pool, size_t cap, void *(*take)(size_t size),
	       void (*give)(void *block, size_t size));

/* Give every block back. Nothing taken from the pool may be used after that. */
void pool_done(struct pool *pool);

/* Bytes of one buffer of @class. */
size_t pool_class_size(enum pool_class class);

/* A buffer, contents undefined; NULL when the cap is reached. */
void *pool_get(struct pool *pool, enum pool_class class);
void pool_put(struct pool *pool, enum pool_class class, void *buf);

/* Whether the next @n calls of pool_get(@class) will succeed; takes blocks to make it so. */
bool pool_have(struct pool *pool, enum pool_class class, size_t n);

/*
 * The receiver lent a large buffer to somebody who wants to keep it. True when
 * the receiver will find another in its place; false: it must not be kept.
 */
bool pool_owe(struct pool *pool);

/* The receiver has all its buffers again. */
void pool_settle(struct pool *pool);

#endif
