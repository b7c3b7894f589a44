/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames out of a fuzz target's input: each a virtio header, a length of two bytes, and its bytes.
 */
#ifndef FUZZ_FRAMES_H
#define FUZZ_FRAMES_H

#include <string.h>

#include "frame.h"
#include "fuzz.h"

/* The next frame of the input, not parsed, or NULL at its end; @data and @size go on behind it. */
static inline struct frame *next_frame(struct pool *pool, const uint8_t **data, size_t *size)
{
	struct frame *f;
	uint32_t len;

	if (*size < sizeof(f->vnet) + 2)
		return NULL;
	f = frame_get(pool, POOL_LARGE);
	CHECK(f);
	memcpy(&f->vnet, *data, sizeof(f->vnet));
	len = (*data)[sizeof(f->vnet)] | (uint32_t)(*data)[sizeof(f->vnet) + 1] << 8;
	*data += sizeof(f->vnet) + 2;
	*size -= sizeof(f->vnet) + 2;
	f->len = len < *size ? len : (uint32_t)*size;
	memcpy(frame_eth(f), *data, f->len);
	*data += f->len;
	*size -= f->len;
	return f;
}

#endif
