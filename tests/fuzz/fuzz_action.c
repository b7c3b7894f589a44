/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target for actions: the first byte is a seed, the rest the words, about one small lab. What
 * is accepted names nodes and links that there are, and every cut of it becomes programs that can
 * be run; what is refused says why in one line (a condition in three) and changes nothing.
 */
#include <string.h>

#include "fault.h"
#include "fuzz.h"
#include "numbering.h"

#define BYTES_MAX 1024
#define NODES 8

/* a to d and w1, w2 on a switch, which a router joins to e. */
static void make_lab(struct topology *t)
{
	static const char *const names[NODES] = { "a", "b", "c", "d", "w1", "w2", "e", "r" };
	static const struct addr_used nobody;
	struct numbering n;
	uint32_t i, s, l;

	for (i = 0; i < NODES; i++)
		CHECK(topology_add_node(t, names[i], i + 1 < NODES ? NODE_HOST : NODE_ROUTER, &s,
					NULL) == 0);
	CHECK(topology_add_node(t, "s", NODE_SWITCH, &s, NULL) == 0);
	for (i = 0; i < NODES; i++)
		if (i != 6)
			CHECK(topology_add_link(t, NULL, i, s, &l, NULL) == 0);
	CHECK(topology_add_link(t, NULL, 6, NODES - 1, &l, NULL) == 0);
	CHECK(topology_add_link(t, "trunk", NODES - 1, 6, &l, NULL) == 0);
	CHECK(numbering_make(&n, t, "fuzz", &nobody, NULL) == 0);
	numbering_free(&n);
}

static void check_nodes(const struct topology *t, const struct node_list *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		CHECK(l->v[i] < t->nnodes && t->nodes[l->v[i]].kind != NODE_SWITCH);
}

static void check_words(const struct fault *f, const struct topology *t)
{
	char text[4096], part[16];
	int n = fault_print(text, sizeof(text), f, t);

	CHECK(n > 0 && (n >= (int)sizeof(text) || (size_t)n == strlen(text)));
	CHECK(fault_print(part, sizeof(part), f, t) == n);
	CHECK(strncmp(part, text, sizeof(part) - 1) == 0);
}

static int count_link(uint32_t link, void *ctx)
{
	((bool *)ctx)[link] = true;
	return 0;
}

/* Every link that has a cut is told to have a difference. */
static void check_cuts(const struct faults *all, const struct topology *t)
{
	bool *links = calloc(t->nlinks, sizeof(*links));

	CHECK(links && fault_links(all->first, t, count_link, links) == 0);
	for (uint32_t link = 0; link < t->nlinks; link++) {
		struct compile_cut cuts[LINK_CUTS_MAX] = { 0 };
		struct choppy_err err = { 0 };
		uint32_t n = 0;

		CHECK(faults_cuts(all, t, link, cuts, &n, &err) == 0 && !err.code);
		CHECK(n <= LINK_CUTS_MAX && (!n || links[link]));
		for (uint32_t i = 0; i < n; i++) {
			CHECK(match_program_sound(cuts[i].insns, cuts[i].ninsns));
			free(cuts[i].insns);
		}
	}
	free(links);
}

static void check_cut(const struct action *a, const struct topology *t, struct rng *rng)
{
	struct fault f = { .verb = a->verb };
	struct faults all = { 0 };

	CHECK(action_cuts(a, rng, &f.cuts, &f.ncuts) == 0 && f.ncuts);
	for (uint32_t i = 0; i < f.ncuts; i++) {
		CHECK(f.cuts[i].from.n && f.cuts[i].to.n && f.cuts[i].reject == a->reject);
		check_nodes(t, &f.cuts[i].from);
		check_nodes(t, &f.cuts[i].to);
	}
	check_words(&f, t);
	CHECK(faults_add(&all, &f));
	check_cuts(&all, t);
	faults_free(&all);
}

static void check_ways(const struct action *a, const struct topology *t)
{
	const struct fault f = {
		.verb = a->verb, .ways = a->ways, .nways = a->nways, .uplink = a->uplink
	};
	struct choppy_change *change = malloc(sizeof(*change));

	CHECK(change && (a->nways || a->uplink));
	for (uint32_t i = 0; i < a->nways; i++) {
		CHECK(a->ways[i].link < t->nlinks && a->ways[i].dirs &&
		      !(a->ways[i].dirs & ~CHOPPY_BOTH));
		if (!a->change)
			continue;
		way_change(&a->ways[i], a->change, change);
		for (int d = 0; d < CHOPPY_NDIRS; d++)
			CHECK(a->ways[i].dirs & CHOPPY_DIR_BIT(d) ||
			      (!change->dir[d].set && !change->off[d] && !change->clear[d]));
	}
	free(change);
	check_words(&f, t);
}

static void check_accepted(const struct action *a, const struct topology *t, struct rng *rng)
{
	struct node_list l;

	for (uint32_t i = 0; i < a->ngroups; i++) {
		CHECK(a->groups[i].n);
		check_nodes(t, &a->groups[i]);
	}
	if (a->verb == VERB_CUT || a->verb == VERB_PARTITION) {
		check_cut(a, t, rng);
	} else if (a->verb == VERB_SET || a->verb == VERB_LINK || a->verb == VERB_RAMP) {
		check_ways(a, t);
	} else if (a->ngroups) {
		CHECK(action_nodes(a, rng, &l) == 0 && l.n == (a->any ? 1 : a->groups[0].n));
		check_nodes(t, &l);
		node_list_free(&l);
	}
}

static void check_refused(const struct choppy_err *err, int r, bool condition)
{
	CHECK(err->code == r &&
	      (r == -EINVAL || r == -ENOENT || r == -E2BIG || r == -ENAMETOOLONG));
	CHECK(*err->msg && strlen(err->msg) < sizeof(err->msg));
	for (const char *p = err->msg; *p; p++)
		CHECK((unsigned char)*p >= 0x20 || (condition && *p == '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct topology t;
	const struct rng_key key = { .seed = size ? data[0] : 0, .purpose = "fuzz" };
	const char *words[BYTES_MAX / 2 + 1];
	char text[BYTES_MAX + 1], buf[BYTES_MAX + 1];
	struct choppy_err err = { 0 };
	struct action a, before;
	struct rng rng;
	int n, r;

	if (!size || size > BYTES_MAX || memchr(data, 0, size))
		return 0;
	if (!t.nnodes)
		make_lab(&t);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	n = choppy_words_split(buf, words, text);
	if (n < 0)
		return 0;
	rng_init(&rng, &key);
	memset(&a, 0xa5, sizeof(a));
	before = a;
	r = action_parse(&a, &t, n, words, &err);
	if (r == 0) {
		CHECK(!err.code);
		check_accepted(&a, &t, &rng);
		action_free(&a);
	} else {
		check_refused(&err, r, n && strcmp(words[0], "set") == 0);
		CHECK(memcmp(&a, &before, sizeof(a)) == 0);
	}
	return 0;
}
