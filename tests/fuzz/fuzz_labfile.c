/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target for lab files. What is refused has a problem told; what is accepted has addresses
 * that are all different, and routes from everybody.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "labfile.h"
#include "routing.h"

/* libfyaml 0.7 loses its scanner's buffer over a quote that is not closed: not ours to find. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml.so";
}

#define BYTES_MAX 4096
#define SMALL 64 /* nodes and links of a lab whose routes are looked at */

static void tell(void *ctx, const char *text)
{
	CHECK(*text);
}

static void check_addresses(const struct topology *t)
{
	for (uint32_t a = 0; a < 2 * t->nlinks; a++)
		for (uint32_t b = 0; b < a; b++)
			for (int f = 0; f < 2; f++)
				CHECK(!t->ports[a].addr[f].family || !t->ports[b].addr[f].family ||
				      memcmp(t->ports[a].addr[f].bytes, t->ports[b].addr[f].bytes,
					     f ? 16 : 4) != 0);
}

static void number(struct labfile *f)
{
	const struct addr_used nobody = { 0 };
	const struct route *routes;
	struct choppy_err err = { 0 };
	struct numbering n;
	struct routing *r;

	if (numbering_make(&n, &f->t, "fuzz", &nobody, &err) < 0) {
		CHECK(*err.msg);
		return;
	}
	check_addresses(&f->t);
	r = routing_open(&f->t, &n, f->uplink);
	CHECK(r);
	for (uint32_t i = 0; i < f->t.nnodes; i++)
		if (f->t.nodes[i].kind != NODE_SWITCH)
			CHECK(routing_of(r, i, &routes) >= 0);
	routing_close(r);
	numbering_free(&n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct problems problems = { .tell = tell };
	struct choppy_err err = { 0 };
	struct labfile *f;

	if (size > BYTES_MAX)
		return 0;
	if (labfile_parse(&f, (const char *)data, size, &problems, &err) < 0) {
		CHECK(*err.msg && problems.n);
		return 0;
	}
	CHECK(!problems.n && f->t.nnodes);
	if (f->t.nnodes <= SMALL && f->t.nlinks <= SMALL)
		number(f);
	labfile_free(f);
	return 0;
}
