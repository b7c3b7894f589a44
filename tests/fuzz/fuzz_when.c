/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target for moments and questions: the first byte says what the rest is to be. Times of a
 * moment follow each other and end before the next begins; a question names a node that there is,
 * and what it needs; what is refused says why in one line, and changes nothing.
 */
#include <string.h>

#include "fuzz.h"
#include "probe.h"
#include "when.h"

#define BYTES_MAX 512

static void check_refused(const struct choppy_err *err, int r)
{
	CHECK(err->code == r && (r == -EINVAL || r == -ENOENT));
	CHECK(*err->msg && strlen(err->msg) < sizeof(err->msg));
	for (const char *p = err->msg; *p; p++)
		CHECK((unsigned char)*p >= 0x20);
}

static void check_times(const struct when *w)
{
	static const uint64_t some[] = { 0, 1, 2, 1000, 1ull << 32, UINT64_MAX / 2, UINT64_MAX };
	struct occasion o, before = { 0 };
	bool more = true;

	for (size_t i = 0; i < sizeof(some) / sizeof(*some); i++) {
		bool is = when_occasion(w, some[i], &o);

		CHECK(!is || more); /* none behind one that is not */
		more = is;
		if (!is)
			continue;
		CHECK(o.begin_ns < o.end_ns && o.begin_ns >= before.begin_ns);
		CHECK(w->kind != WHEN_EVERY || o.begin_ns < w->to_ns);
		CHECK(!i || (w->kind == WHEN_EVERY &&
			     (!w->for_ns || o.begin_ns > before.end_ns || some[i - 1] == some[i])));
		before = o;
	}
}

static void fuzz_moment(const char *text, bool expected)
{
	struct choppy_err err = { 0 };
	struct when w, before;
	int r;

	memset(&w, 0xa5, sizeof(w));
	before = w;
	r = when_parse(&w, text, expected, &err);
	if (r < 0) {
		check_refused(&err, r);
		CHECK(memcmp(&w, &before, sizeof(w)) == 0);
		return;
	}
	CHECK(!err.code && w.kind <= WHEN_WITHIN &&
	      (w.base == WHEN_MARK) == when_mark_sound(w.mark));
	CHECK(expected ? w.kind != WHEN_EVERY : w.kind != WHEN_WITHIN);
	check_times(&w);
}

static void check_question(const struct probe *p, const struct topology *t)
{
	char text[BYTES_MAX];

	CHECK(p->kind < PROBE_NKINDS && p->node < t->nnodes);
	CHECK(t->nodes[p->node].kind != NODE_SWITCH);
	CHECK(p->status >= 0 && p->status <= 255);
	CHECK(!p->negated || p->kind == PROBE_TCP || p->kind == PROBE_PING);
	CHECK((p->kind == PROBE_TCP || p->kind == PROBE_LISTENS_TCP ||
	       p->kind == PROBE_LISTENS_UDP) == (p->port > 0));
	CHECK((p->kind == PROBE_EXITED || p->kind == PROBE_RUNS || p->kind == PROBE_LISTENS_TCP ||
	       p->kind == PROBE_LISTENS_UDP) == !p->text);
	CHECK(!p->prints || p->kind == PROBE_COMMAND);
	text[0] = '\0';
	probe_print_ready(p, text, sizeof(text));
	CHECK(strlen(text) < sizeof(text));
}

static void fuzz_question(const char *text, const struct topology *t, bool ready)
{
	struct choppy_err err = { 0 };
	struct probe p, before;
	char *within = NULL;
	int r;

	memset(&p, 0xa5, sizeof(p));
	before = p;
	r = ready ? probe_parse_ready(&p, 1, text, &err) : probe_parse(&p, t, text, &within, &err);
	if (r < 0) {
		check_refused(&err, r);
		CHECK(memcmp(&p, &before, sizeof(p)) == 0 && !within);
		return;
	}
	CHECK(!err.code && (!ready || p.node == 1));
	check_question(&p, t);
	probe_free(&p);
	free(within);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct topology t;
	char text[BYTES_MAX];
	uint32_t n;

	if (!size || size > BYTES_MAX || memchr(data + 1, 0, size - 1))
		return 0;
	if (!t.nnodes)
		CHECK(topology_add_node(&t, "a", NODE_HOST, &n, NULL) == 0 &&
		      topology_add_node(&t, "db", NODE_ROUTER, &n, NULL) == 0 &&
		      topology_add_node(&t, "s", NODE_SWITCH, &n, NULL) == 0);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] & 2)
		fuzz_question(text, &t, data[0] & 1);
	else
		fuzz_moment(text, data[0] & 1);
	return 0;
}
