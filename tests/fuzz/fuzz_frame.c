/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_frame.c - arbitrary virtio headers and bytes through parsing, through every part
 * that can be cut, extracted, damaged, answered and fragmented, and through a pipe with all
 * stages awake. Input: one byte that chooses the condition, then frames of 10 bytes
 * virtio header, 2 bytes length (little endian) and as many bytes.
 */
#include "../heap_pool.h"
#include "edit.h"
#include "fragment.h"
#include "frames.h"
#include "pipe.h"
#include "reply.h"

#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX 16

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

	if (count == f->units && !frame_ect(f))
		return;
	n = frame_cut(f, first, count, count == f->units ? FRAME_CE : 0, &head, &payload, &len);
	CHECK(n <= sizeof(head) && payload + len <= f->len);
	touch(head.bytes, n - sizeof(head.vnet));
	touch(frame_bytes(f) + payload, len);
	if (f->kind <= FRAME_WHOLE)
		return;
	CHECK(n - sizeof(head.vnet) == f->headers && payload >= f->headers && len > 0);
	CHECK(frame_wire_len(f, first, count) == len + (uint64_t)count * f->headers);
}

/* A copy in memory of exactly its size, where every step outside is seen. */
static struct frame *exact_copy(const struct frame *f)
{
	size_t size = offsetof(struct frame, room) + f->start + f->len;
	struct frame *exact = malloc(size);

	memcpy(exact, f, size);
	return exact;
}

/* Take it over, look at every byte, give it back. */
static void use(struct pool *pool, struct frame *f)
{
	CHECK(f->refs == 1 && f->units == 1);
	touch(frame_bytes(f), f->len);
	frame_put(pool, f);
}

/* Some bits of it, each flipped in one way and then the other. @bit chooses. */
static void check_damage(const struct frame *f, uint32_t bit)
{
	struct frame *e = exact_copy(f);
	uint32_t bits = frame_bits(e), payload_bits = frame_payload_bits(e);

	CHECK(bits <= e->len * 8 && payload_bits <= bits);
	if (payload_bits) {
		frame_flip_mended(e, payload_bits - 1);
		frame_flip_mended(e, bit % payload_bits);
		frame_flip_mended(e, 0);
	}
	if (bits) {
		frame_flip(e, bits - 1);
		frame_flip(e, bit % bits);
		frame_flip(e, 0);
	}
	/* What has been damaged may still meet whatever stands behind. */
	CHECK(frame_payload_bits(e) <= frame_bits(e));
	if (payload_bits)
		frame_flip_mended(e, payload_bits - 1);
	check_part(e, 0, 1);
	touch(frame_bytes(e), e->len);
	free(e);
}

static void check_fragments(struct pool *pool, const struct frame *f, uint32_t unit, uint32_t mtu)
{
	static struct frame *piece[8192];
	int n = fragment_make(pool, f, unit, mtu, piece, 8192);

	CHECK(n != 0 && (n < 0 || frame_fits(f, unit, mtu) != TOO_BIG || f->ip == 4));
	while (n > 0) {
		n--;
		CHECK(piece[n]->len - piece[n]->l3 <= mtu);
		use(pool, piece[n]);
	}
}

static void check_unit(struct pool *pool, const struct frame *f, uint32_t unit)
{
	struct frame *e = frame_extract(pool, f, unit), *r;

	CHECK(e);
	if (f->kind != FRAME_WHOLE)
		CHECK(e->kind == FRAME_SINGLE && e->len == frame_unit_len(f, unit));
	check_damage(e, f->len * 2654435761u + unit);
	use(pool, e);
	for (int kind = REPLY_NONE; kind <= REPLY_TOO_BIG; kind++) {
		r = reply_make(pool, f, unit, (enum reply)kind, 1280);
		CHECK(!r || (r->exempt && r->ip == f->ip && kind != REPLY_NONE));
		if (r)
			use(pool, r);
	}
	for (uint32_t mtu = 28; mtu < 2000; mtu = mtu * 3 + 1)
		check_fragments(pool, f, unit, mtu);
}

static void check_frame(struct pool *pool, const struct frame *f)
{
	struct frame *exact = exact_copy(f);

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
	check_part(exact, 0, exact->units);
	check_unit(pool, exact, 0);
	check_unit(pool, exact, exact->units - 1);
	check_unit(pool, exact, exact->units / 2);
	free(exact);
}

static struct choppy_condition condition(uint8_t choice)
{
	static const enum choppy_field field[] = { CHOPPY_DELAY, CHOPPY_JITTER, CHOPPY_LOSS,
						   CHOPPY_RATE, CHOPPY_LIMIT };
	struct choppy_condition c = { 0 };

	for (unsigned i = 0; i < sizeof(field) / sizeof(field[0]); i++)
		c.set |= choice & 1u << i ? CHOPPY_FIELD_BIT(field[i]) : 0;
	c.delay_ns = 1000000;
	c.jitter_ns = choice & 32 ? 1000000 : 1;
	c.loss_ppb = 300000000;
	c.rate_bps = choice & 64 ? 1000000 : 10000000000;
	c.limit.unit = choice % CHOPPY_CONNECTIONS;
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

	pipe_counters(pipe, &c, NULL);
	sum = c.delivered + c.waiting;
	for (int i = 0; i < CHOPPY_NDROPS; i++)
		sum += c.dropped[i];
	CHECK(sum == c.packets && c.waiting == waiting && c.delivered_bytes <= c.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct choppy_condition c, none = { 0 };
	const struct pipe_plan plan = { .condition = &c }, nothing = { .condition = &none };
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
	heap_pool_init(&pool, 64u << 20);
	run_list_init(&out);
	pipe = pipe_new(&pool, 1, 0, CHOPPY_UP);
	CHECK(pipe && pipe_condition_sound(&c));
	CHECK(pipe_set(pipe, &plan, 0, &out) == 0);
	for (int i = 0; i < FRAMES_MAX && (f = next_frame(&pool, &data, &size)); i++) {
		if (i % 3 == 1)
			frame_put_vlan(f, 0x8100, 1);
		check_frame(&pool, f);
		frame_parse(f);
		f->at_ns = now_ns;
		pipe_input(pipe, f, now_ns, &out);
		pool_settle(&pool);
		send_all(pipe, &out, now_ns);
		now_ns += 10000;
		pipe_run(pipe, now_ns, now_ns, &out);
		send_all(pipe, &out, now_ns);
	}
	CHECK(pipe_set(pipe, &nothing, now_ns, &out) == 0);
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
