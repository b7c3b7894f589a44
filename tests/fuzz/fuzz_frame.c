/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_frame.c - arbitrary virtio headers and bytes through parsing, through every part
 * that can be cut, and through a pipe with all stages awake. Input: one byte that
 * chooses the condition, then frames of 10 bytes virtio header, 2 bytes
 * length (little endian) and as many bytes.
 */
#include "pipe.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FRAMES_MAX 16

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static void *take(size_t size)
{
	return aligned_alloc(64, size);
}

static void give(void *block, size_t size)
{
	free(block);
}

/* Read all that would be sent, so that the sanitizer sees it. */
static void touch(const unsigned char *p, size_t len)
{
	volatile unsigned char byte;

	for (size_t i = 0; i < len; i++) {
		byte = p[i];
		(void)byte;
	}
}

static void check_part(const struct frame *f, uint32_t first, uint32_t count)
{
	struct frame_head head;
	uint32_t payload, len;
	size_t n;

	if (count == f->units)
		return;
	n = frame_cut(f, first, count, &head, &payload, &len);
	CHECK(n - sizeof(head.vnet) == f->headers && n <= sizeof(head));
	CHECK(payload >= f->headers && len > 0 && payload + len <= f->len);
	CHECK(frame_wire_len(f, first, count) == len + (uint64_t)count * f->headers);
	touch(head.bytes, f->headers);
	touch(frame_bytes(f) + payload, len);
}

/* The frame in a buffer of exactly its size, where every step outside is seen. */
static void check_frame(const struct frame *f)
{
	size_t size = offsetof(struct frame, room) + f->start + f->len;
	struct frame *exact = malloc(size);

	memcpy(exact, f, size);
	frame_parse(exact);
	CHECK(exact->units >= 1 && exact->each >= 1);
	CHECK(exact->kind < FRAME_NKINDS);
	CHECK(exact->kind > FRAME_WHOLE || exact->units == 1);
	CHECK(exact->kind == FRAME_WHOLE || exact->each == 1);
	if (exact->units > 1) {
		check_part(exact, 0, 1);
		check_part(exact, exact->units - 1, 1);
		check_part(exact, exact->units / 2, exact->units - exact->units / 2);
		check_part(exact, 0, exact->units - 1);
	}
	free(exact);
}

static struct choppy_condition condition(uint8_t choice)
{
	struct choppy_condition c = { .set = choice & ((1u << CHOPPY_NFIELDS) - 1) };

	c.delay_ns = 1000000;
	c.jitter_ns = choice & 32 ? 1000000 : 1;
	c.loss_ppb = 300000000;
	c.rate_bps = choice & 64 ? 1000000 : 10000000000;
	c.limit.unit = choice % CHOPPY_NUNITS;
	c.limit.n = choice & 128 ? 100000 : 30;
	if (!(c.set & CHOPPY_FIELD_BIT(CHOPPY_DELAY)))
		c.set &= ~CHOPPY_FIELD_BIT(CHOPPY_JITTER);
	return c;
}

static void send_all(struct pipe *pipe, struct run_list *out, uint64_t now_ns)
{
	while (out->head) {
		struct run *run = run_list_take(out);

		check_part(run->frame, run->first, run->count);
		pipe_sent(pipe, run, now_ns);
	}
}

static void check_sum(struct pipe *pipe, uint64_t waiting)
{
	struct choppy_counters c;
	uint64_t sum;

	pipe_counters(pipe, &c);
	sum = c.delivered + c.waiting;
	for (int i = 0; i < CHOPPY_NDROPS; i++)
		sum += c.dropped[i];
	CHECK(sum == c.packets && c.waiting == waiting && c.delivered_bytes <= c.bytes);
}

/* The next frame of the input, or NULL. */
static struct frame *next_frame(struct pool *pool, const uint8_t **data, size_t *size)
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct choppy_condition c, none = { 0 };
	struct run_list out;
	struct pool pool;
	struct pipe *pipe;
	struct frame *f;
	uint64_t now_ns = 0;

	if (!size)
		return 0;
	c = condition(data[0]);
	data++;
	size--;
	pool_init(&pool, 64u << 20, take, give);
	run_list_init(&out);
	pipe = pipe_new(&pool, 1, 0, CHOPPY_UP);
	CHECK(pipe && pipe_condition_sound(&c));
	pipe_set(pipe, &c, 0, &out);
	for (int i = 0; i < FRAMES_MAX && (f = next_frame(&pool, &data, &size)); i++) {
		if (i % 3 == 1)
			frame_put_vlan(f, 0x8100, 1);
		check_frame(f);
		frame_parse(f);
		f->at_ns = now_ns;
		pipe_input(pipe, f, now_ns, &out);
		pool_settle(&pool);
		send_all(pipe, &out, now_ns);
		now_ns += 10000;
		pipe_run(pipe, now_ns, now_ns, &out);
		send_all(pipe, &out, now_ns);
	}
	pipe_set(pipe, &none, now_ns, &out);
	send_all(pipe, &out, now_ns);
	while (pipe_next(pipe) != PIPE_NEVER) {
		CHECK(pipe_next(pipe) >= now_ns || pipe_next(pipe) == 0);
		now_ns = pipe_next(pipe) > now_ns ? pipe_next(pipe) : now_ns + 1;
		pipe_run(pipe, now_ns, now_ns, &out);
		send_all(pipe, &out, now_ns);
	}
	check_sum(pipe, 0);
	pipe_free(pipe);
	pool_done(&pool);
	return 0;
}
