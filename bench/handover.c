/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What memory itself allows: bytes that one processor writes and another reads, chunk by chunk
 * through a ring, as packets go from a sender to who takes them on.
 *
 *	handover MIB SECONDS	prints bytes per second
 *
 * A ring of one MiB stays in the caches, so that each chunk is fetched out of the other one's; one
 * that is larger than all caches goes through memory. The copies are `rep movsb`, the kernel's own
 * where the processor is good at it; else memcpy(3).
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHUNK 65536

struct ring {
	char *chunks;
	size_t n;
	_Alignas(64) atomic_size_t written;
	_Alignas(64) atomic_size_t read;
	_Alignas(64) atomic_bool end;
};

static void copy(void *to, const void *from, size_t n)
{
#ifdef __x86_64__
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
#else
	memcpy(to, from, n);
#endif
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void stay_on(int processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0) {
		perror("handover: a processor of its own");
		exit(1);
	}
}

static void *reader(void *arg)
{
	static char into[CHUNK];
	struct ring *r = arg;

	stay_on(1);
	while (!r->end) {
		size_t i = r->read;

		if (i == r->written)
			continue;
		copy(into, r->chunks + i % r->n * CHUNK, CHUNK);
		r->read = i + 1;
	}
	return NULL;
}

int main(int argc, char *argv[])
{
	static char from[CHUNK];
	static struct ring r;
	pthread_t other;
	double begin, end;

	if (argc != 3 || atoi(argv[1]) < 1)
		return 2;
	r.n = (size_t)atoi(argv[1]) * (1 << 20) / CHUNK;
	r.chunks = malloc(r.n * CHUNK);
	if (!r.chunks)
		return 1;
	memset(r.chunks, 1, r.n * CHUNK);
	stay_on(0);
	if (pthread_create(&other, NULL, reader, &r) != 0)
		return 1;
	begin = now();
	end = begin + atof(argv[2]);
	while (now() < end) {
		size_t i = r.written;

		if (i - r.read == r.n)
			continue;
		copy(r.chunks + i % r.n * CHUNK, from, CHUNK);
		r.written = i + 1;
	}
	printf("%.0f\n", (double)r.read * CHUNK / (now() - begin));
	r.end = true;
	pthread_join(other, NULL);
	return 0;
}
