/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target for matrices of delays in CSV. What is refused says where, and leaves what was
 * accepted whole; of what is accepted the links' delays add up to each cell.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "latencyfile.h"

static void tell(void *ctx, const char *text)
{
	unsigned long line, column;
	int at = 0;

	CHECK(sscanf(text, "f:%lu:%lu: %n", &line, &column, &at) == 2 && at && text[at]);
	CHECK(line >= 1 && column >= 1);
	for (; *text; text++)
		CHECK((unsigned char)*text >= 0x20 || *text == '\n');
}

static void tell_cell(void *ctx, const void *at, const char *text)
{
	const struct textfile *t = ctx;

	CHECK(*text &&
	      (!at || ((const char *)at >= t->text && (const char *)at <= t->text + t->len)));
}

static uint64_t cell(const struct latency *l, uint32_t a, uint32_t b)
{
	return l->ns[a][b] == LATENCY_NONE ? l->ns[b][a] : l->ns[a][b];
}

static void check_links(const struct latency *l, const struct latency_links *k)
{
	for (uint32_t a = 0; a < l->n; a++)
		for (uint32_t b = 0; b < l->n; b++) {
			uint64_t one_way = k->up[a] + k->core[a][b] + k->down[b];

			if (a == b && cell(l, a, a) == LATENCY_NONE)
				CHECK(l->nodes[a] == 1 && one_way == 0);
			else if (!l->rtt)
				CHECK(one_way == cell(l, a, b));
			else
				CHECK(one_way - cell(l, a, b) / 2 <= (a < b));
		}
}

static void try(struct latency *l, struct latency_links *links, const struct textfile *t)
{
	struct problems problems = { .tell = tell };

	if (latency_read(l, t, &problems) < 0)
		CHECK(problems.n);
	else if (latency_links(links, l, tell_cell, (void *)t) == 0)
		check_links(l, links);
}

/* The first byte: one way or round trips. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct latency *l = malloc(sizeof(*l));
	struct latency_links *links = malloc(sizeof(*links));

	CHECK(l && links);
	latency_init(l);
	l->n = 3;
	l->rtt = size && data[0] == 'r';
	memcpy(l->name, (const char *[]){ "eu", "us", "ap" }, 3 * sizeof(char *));
	memcpy(l->nodes, (uint32_t[]){ 1, 2, 2 }, 3 * sizeof(uint32_t));
	if (size)
		try(l, links, &(struct textfile){ "f", (const char *)data + 1, size - 1 });
	free(links);
	free(l);
	return 0;
}
