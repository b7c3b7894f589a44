/* SPDX-License-Identifier: GPL-2.0-or-later */
/* util.h - small helpers that every module of the library uses. */
#ifndef CHOPPY_UTIL_H
#define CHOPPY_UTIL_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static inline void free_ptr(void *p)
{
	free(*(void **)p);
}

#define CLEANUP_FD __attribute__((cleanup(close_fd))) int
#define CLEANUP_FREE __attribute__((cleanup(free_ptr)))

/* FNV-1a, 64 bits: a stable hash, the same on every machine. */
static inline uint64_t hash_bytes(const void *bytes, size_t n)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < n; i++)
		h = (h ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3ull;
	/* Mix the high bits down: neighbouring names differ in the last byte only. */
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdull;
	return h ^ (h >> 33);
}

static inline uint64_t hash_name(const char *s)
{
	return hash_bytes(s, strlen(s));
}

#endif
