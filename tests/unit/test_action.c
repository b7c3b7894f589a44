/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Actions in words: what each verb is read as, what is refused and why; whom the shapes of a
 * partition cut off from whom, for many sizes and seeds; what chance draws; ramps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "action.h"
#include "fields.h"
#include "value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MS 1000000ull
#define SEC (1000 * MS)

/* ------------------------------------------------------------------ set-up */

static uint32_t node(struct topology *t, const char *name, enum node_kind kind)
{
	struct choppy_err err = { 0 };
	uint32_t n = 0;

	if (topology_add_node(t, name, kind, &n, &err) < 0)
		fail_msg("%s", err.msg);
	return n;
}

static void join(struct topology *t, const char *name, const char *a, const char *b)
{
	struct choppy_err err = { 0 };
	uint32_t i, k, l;

	if (topology_find_node(t, a, &i, &err) < 0 || topology_find_node(t, b, &k, &err) < 0 ||
	    topology_add_link(t, name, i, k, &l, &err) < 0)
		fail_msg("%s", err.msg);
}

/* a, b and w1 to w3 on switch s, that on router r; c and d on r and, twice, on each other. */
static void make_lab(struct topology *t)
{
	static const char *const hosts[] = { "a", "b", "c", "d", "w1", "w2", "w3", "lone" };

	memset(t, 0, sizeof(*t));
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
		node(t, hosts[i], NODE_HOST);
	node(t, "r", NODE_ROUTER);
	node(t, "s", NODE_SWITCH);
	join(t, NULL, "a", "s");
	join(t, NULL, "b", "s");
	join(t, NULL, "w1", "s");
	join(t, NULL, "w2", "s");
	join(t, NULL, "w3", "s");
	join(t, "trunk", "s", "r");
	join(t, NULL, "c", "r");
	join(t, NULL, "r", "d");
	join(t, NULL, "c", "d");
	join(t, NULL, "d", "c");
}

/* @n hosts h0, h1 and so on, on a switch and a router that no shape counts. */
static void make_hosts(struct topology *t, uint32_t n)
{
	char name[16];

	memset(t, 0, sizeof(*t));
	node(t, "s", NODE_SWITCH);
	node(t, "r", NODE_ROUTER);
	join(t, NULL, "s", "r");
	for (uint32_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "h%u", i);
		node(t, name, NODE_HOST);
		join(t, NULL, name, "s");
	}
}
#define HOST0 2 /* the first of them */

static int parse_line(struct action *ret, const struct topology *t, const char *line,
		      struct choppy_err *err)
{
	char buf[512];
	const char *words[256];
	int n;

	assert_true(strlen(line) < sizeof(buf));
	n = choppy_words_split(buf, words, line);
	assert_true(n >= 0);
	return action_parse(ret, t, n, words, err);
}

static void parse(struct action *ret, const struct topology *t, const char *line)
{
	struct choppy_err err = { 0 };

	if (parse_line(ret, t, line, &err) < 0)
		fail_msg("%s: %s", line, err.msg);
	assert_int_equal(err.code, 0);
}

static struct rng seeded(uint64_t seed)
{
	const struct rng_key key = { .seed = seed, .purpose = "action" };
	struct rng rng;

	rng_init(&rng, &key);
	return rng;
}

/* ------------------------------------------------------------------- words */

static void put_nodes(struct text *s, const struct topology *t, const struct node_list *l)
{
	text_add(s, " [");
	for (uint32_t i = 0; i < l->n; i++)
		text_add(s, "%s%s", i ? " " : "", t->nodes[l->v[i]].name);
	text_add(s, "]");
}

/* All that @a says, each thing only where it is not the usual. */
static void describe(char *buf, size_t size, const struct topology *t, const struct action *a)
{
	static const char *const splits[SPLIT_NSPLITS] = { "given", "halves", "isolate", "bridge",
							   "ring" };
	char words[2048];
	struct text s = text_begin(buf, size);

	text_add(&s, "%s%s%s%s", verbs[a->verb].name, a->any ? " any" : "",
		 a->one_way ? " one-way" : "", a->on ? " on" : "");
	if (a->verb == VERB_PARTITION)
		text_add(&s, " %s", splits[a->split]);
	for (uint32_t i = 0; i < a->ngroups; i++)
		put_nodes(&s, t, &a->groups[i]);
	if (a->reject >= 0)
		text_add(&s, " reject %d", a->reject);
	for (uint32_t i = 0; i < a->nways; i++)
		text_add(&s, " %s/%u%s", t->links[a->ways[i].link].name, a->ways[i].dirs,
			 a->ways[i].turned ? "t" : "");
	if (a->uplink)
		text_add(&s, " uplink");
	if (a->change) {
		choppy_change_print(words, sizeof(words), a->change);
		text_add(&s, " {%s}", words);
	}
	if (a->verb == VERB_RAMP)
		text_add(&s, " %s %llu-%llu over %llu", fields[a->ramp.field].name,
			 (unsigned long long)a->ramp.from, (unsigned long long)a->ramp.to,
			 (unsigned long long)a->ramp.over_ns);
	if (a->text)
		text_add(&s, " '%s'", a->text);
	assert_true(s.len < size);
}

static const struct {
	const char *line;
	const char *read; /* as describe() */
} good[] = {
	{ "set a-s loss 5%", "set a-s/3 {up loss 5% down loss 5%}" },
	{ "set trunk clear delay 5ms", "set trunk/3 {up clear delay 5ms down clear delay 5ms}" },
	{ "set a loss 5%", "set a-s/3 {up loss 5% down loss 5%}" },
	{ "set s loss off",
	  "set a-s/3t b-s/3t w1-s/3t w2-s/3t w3-s/3t trunk/3 {up loss off down loss off}" },
	{ "set d up delay 1ms", "set r-d/3t c-d/3t d-c/3 {up delay 1ms}" },
	{ "set r>d rate 1mbit", "set r-d/1 {up rate 1mbit down rate 1mbit}" },
	{ "set d>r rate 1mbit", "set r-d/2 {up rate 1mbit down rate 1mbit}" },
	{ "set c>d loss 1%", "set c-d/1 d-c/2 {up loss 1% down loss 1%}" },
	{ "set a match 'tcp port 80' loss 1%",
	  "set a-s/3 {up match 'tcp port 80' loss 1% down match 'tcp port 80' loss 1%}" },
	{ "cut a b", "cut [a] [b]" },
	{ "cut a to b", "cut one-way [a] [b]" },
	{ "cut 'a b' c", "cut [a b] [c]" },
	{ "cut w[1-3] 'a w[2-2] r'", "cut [w1 w2 w3] [a w2 r]" },
	{ "cut 'a a a' b", "cut [a] [b]" },
	{ "cut '\ta\n b ' c", "cut [a b] [c]" },
	{ "cut 'a b' 'b a'", "cut [a b] [b a]" },
	{ "cut a b reject", "cut [a] [b] reject 0" },
	{ "cut a b reject unreachable", "cut [a] [b] reject 0" },
	{ "cut a b reject prohibited", "cut [a] [b] reject 1" },
	{ "cut a to b reject reset", "cut one-way [a] [b] reject 2" },
	{ "partition 'a b | c d'", "partition given [a b] [c d]" },
	{ "partition a b '|' c '|' d", "partition given [a b] [c] [d]" },
	{ "partition 'a|b' c '|d'", "partition given [a] [b c] [d]" },
	{ "partition w[1-2]|w3 reject reset", "partition given [w1 w2] [w3] reject 2" },
	{ "partition 'a | r' reject", "partition given [a] [r] reject 0" },
	{ "partition halves", "partition halves [a b c d w1 w2 w3 lone]" },
	{ "partition halves reject", "partition halves [a b c d w1 w2 w3 lone] reject 0" },
	{ "partition halves of a 'b r' w[1-3]", "partition halves [a b r w1 w2 w3]" },
	{ "partition isolate", "partition isolate [a b c d w1 w2 w3 lone]" },
	{ "partition isolate r", "partition isolate [a b c d w1 w2 w3 lone] [r]" },
	{ "partition isolate of a b", "partition isolate [a b]" },
	{ "partition isolate a of a b reject prohibited", "partition isolate [a b] [a] reject 1" },
	{ "partition isolate reject", "partition isolate [a b c d w1 w2 w3 lone] reject 0" },
	{ "partition bridge of a b c", "partition bridge [a b c]" },
	{ "partition ring of a b c d reject reset", "partition ring [a b c d] reject 2" },
	{ "heal", "heal" },
	{ "link a-s off", "link a-s/3" },
	{ "link trunk on", "link on trunk/3" },
	{ "link uplink off", "link uplink" },
	{ "link uplink on", "link on uplink" },
	{ "pause a", "pause [a]" },
	{ "pause any w[1-3]", "pause any [w1 w2 w3]" },
	{ "pause a 'b c' w[1-2]", "pause [a b c w1 w2]" },
	{ "resume a b", "resume [a b]" },
	{ "resume any a b", "resume any [a b]" },
	{ "kill r", "kill [r]" },
	{ "kill any a b", "kill any [a b]" },
	{ "start a", "start [a]" },
	{ "start any a b", "start any [a b]" },
	{ "restart w[1-3] a", "restart [w1 w2 w3 a]" },
	{ "restart any w[1-3]", "restart any [w1 w2 w3]" },
	{ "ramp trunk loss 1% to 5%",
	  "ramp trunk/3 {up loss 1% down loss 1%} loss 10000000-50000000 over 0" },
	{ "ramp d delay 100ms to 1ms over 10s",
	  "ramp r-d/3t c-d/3t d-c/3 {up delay 100ms down delay 100ms} delay 100000000-1000000 "
	  "over 10000000000" },
	{ "ramp c>r rate 1kbit to 1gbit over 1ms",
	  "ramp c-r/1 {up rate 1kbit down rate 1kbit} rate 1000-1000000000 over 1000000" },
	{ "run a 'echo $X'", "run [a] 'echo $X'" },
	{ "run any 'a b' ls", "run any [a b] 'ls'" },
	{ "run w[1-2] ls", "run [w1 w2] 'ls'" },
	{ "mark go", "mark 'go'" },
	{ "mark a_b-7", "mark 'a_b-7'" },
};

static void test_every_verb_is_read(void **state)
{
	bool seen[VERB_NVERBS] = { 0 };
	struct topology t;

	make_lab(&t);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		char text[4096];
		struct action a;

		parse(&a, &t, good[i].line);
		describe(text, sizeof(text), &t, &a);
		if (strcmp(text, good[i].read) != 0)
			fail_msg("%s: %s", good[i].line, text);
		seen[a.verb] = true;
		action_free(&a);
		assert_null(a.groups);
	}
	for (int v = 0; v < VERB_NVERBS; v++)
		if (!seen[v] || !*verbs[v].help)
			fail_msg("nothing here is about %s", verbs[v].name);
	topology_free(&t);
}

static const struct {
	const char *line;
	int code;
	const char *says;
} bad[] = {
	{ "", -EINVAL, "nothing is said that is to be done" },
	{ "cutt a b", -EINVAL, "'cutt' is nothing that can be done to a lab; is it 'cut'?" },
	{ "''", -EINVAL, "'\"\"' is nothing that can be done to a lab" },
	{ "heal a", -EINVAL, "'a' is one word too many: heal " },
	/* nodes */
	{ "cut", -EINVAL, "a node is missing: cut " },
	{ "cut a", -EINVAL, "the other node is missing: cut " },
	{ "cut a to", -EINVAL, "the other node is missing" },
	{ "cut '' b", -EINVAL, "a node is missing: cut" },
	{ "cut a '  '", -EINVAL, "the other node is missing" },
	{ "cut '\t' b", -EINVAL, "a node is missing: cut" },
	{ "cut a '\n\t '", -EINVAL, "the other node is missing" },
	{ "cut a x", -ENOENT, "there is no node 'x'" },
	{ "cut lon b", -ENOENT, "there is no node 'lon'; is it 'lone'?" },
	{ "cut a-s b", -ENOENT, "there is no node 'a-s'" },
	{ "cut a s", -EINVAL,
	  "s is a switch: nothing runs on it, and it has no address; its links can be turned "
	  "off" },
	{ "cut a a", -EINVAL, "a cannot be cut off from itself" },
	{ "cut a to 'a a'", -EINVAL, "a cannot be cut off from itself" },
	{ "cut w[2-1] a", -EINVAL, "'w[2-1]' counts backwards" },
	{ "cut a w[1-", -EINVAL, "a range of names is written as name[1-9]" },
	{ "cut w[1-4] a", -ENOENT, "there is no node 'w4'" },
	{ "cut a w[1-99999]", -ENOENT, "there is no node 'w4'" },
	{ "cut a b c", -EINVAL, "'c' is one word too many: cut " },
	{ "cut a b reject rset", -EINVAL, "'rset' is one word too many" },
	{ "cut a b reject reset reset", -EINVAL, "'reset' is one word too many" },
	/* partitions */
	{ "partition", -EINVAL, "who is on which side is missing: partition SIDES|SHAPE" },
	{ "partition a", -EINVAL,
	  "a partition has two sides at least, with a bar between: 'a b | c'" },
	{ "partition ''", -EINVAL, "two sides at least" },
	{ "partition reject", -EINVAL, "two sides at least" },
	{ "partition 'a|'", -EINVAL, "nobody is on one side of the bar" },
	{ "partition '|a'", -EINVAL, "nobody is on one side of the bar" },
	{ "partition 'a||b'", -EINVAL, "nobody is on one side of the bar" },
	{ "partition 'a b|c a'", -EINVAL, "a is on both sides of the bar" },
	{ "partition 'a|b|w[1-2] b'", -EINVAL, "b is on both sides of the bar" },
	{ "partition 'a|s'", -EINVAL, "s is a switch" },
	{ "partition 'a|x'", -ENOENT, "there is no node 'x'" },
	{ "partition half", -ENOENT, "there is no node 'half'" },
	{ "partition halves of", -EINVAL, "halves needs 2 nodes at least, and here are 0" },
	{ "partition halves of a a", -EINVAL, "halves needs 2 nodes at least, and here are 1" },
	{ "partition isolate of a", -EINVAL, "isolate needs 2 nodes at least, and here are 1" },
	{ "partition bridge of a b", -EINVAL, "bridge needs 3 nodes at least, and here are 2" },
	{ "partition ring of a b c", -EINVAL, "ring needs 4 nodes at least, and here are 3" },
	{ "partition isolate 'a b'", -EINVAL,
	  "one node is isolated; for more: partition 'A B | C'" },
	{ "partition isolate ''", -EINVAL, "the node that is isolated is missing" },
	{ "partition isolate x", -ENOENT, "there is no node 'x'" },
	{ "partition isolate a b", -EINVAL, "'b' is one word too many" },
	{ "partition halves a", -EINVAL, "'a' is one word too many" },
	{ "partition halves of a b reject now", -EINVAL, "'now' is one word too many" },
	/* links and conditions */
	{ "set", -EINVAL, "the name of a link or a node is missing: set " },
	{ "set a", -EINVAL, "a condition is missing: set " },
	{ "set trunc loss 1%", -ENOENT, "no node and no link is called 'trunc'; is it 'trunk'?" },
	{ "set '' loss 1%", -ENOENT, "no node and no link is called '\"\"'" },
	{ "set lone loss 1%", -EINVAL, "lone has no link" },
	{ "set a>x loss 1%", -ENOENT, "there is no node 'x'" },
	{ "set '>' loss 1%", -ENOENT, "there is no node '\"\"'" },
	{ "set a>b loss 1%", -ENOENT, "no link joins a and b" },
	{ "set a>a loss 1%", -ENOENT, "no link joins a and a" },
	{ "set a>s up loss 1%", -EINVAL,
	  "up and down are seen from a node: for one direction of a link name it as 'a>s'" },
	{ "set r-d loss 1% down delay 1ms", -EINVAL, "name it as 'r>d'" },
	{ "set a los 1%", -EINVAL, "'los'" },
	{ "set a loss 1", -EINVAL, "loss" },
	{ "link", -EINVAL, "the name of a link is missing: link " },
	{ "link a-s", -EINVAL, "on or off is missing: link " },
	{ "link a-s maybe", -EINVAL, "on or off is missing" },
	{ "link uplink", -EINVAL, "on or off is missing" },
	{ "link a off", -ENOENT, "a is a node, not a link; its links: a-s" },
	{ "link a-z off", -ENOENT, "there is no link 'a-z'; is it 'a-s'?" },
	{ "link a-s off now", -EINVAL, "'now' is one word too many" },
	/* programs */
	{ "pause", -EINVAL, "the name of a node is missing: pause " },
	{ "pause any", -EINVAL, "the name of a node is missing" },
	{ "pause ''", -EINVAL, "the name of a node is missing" },
	{ "pause any '\t'", -EINVAL, "the name of a node is missing" },
	{ "pause s", -EINVAL, "s is a switch" },
	{ "resume", -EINVAL, "the name of a node is missing: resume" },
	{ "kill x", -ENOENT, "there is no node 'x'" },
	{ "start a b s", -EINVAL, "s is a switch" },
	{ "restart any ' '", -EINVAL, "the name of a node is missing: restart" },
	{ "run", -EINVAL, "the name of a node is missing: run " },
	{ "run a", -EINVAL, "a command is missing" },
	{ "run a ''", -EINVAL, "a command is missing" },
	{ "run any '\n' ls", -EINVAL, "the name of a node is missing" },
	{ "run a ls -l", -EINVAL, "'-l' is one word too many" },
	/* ramps */
	{ "ramp", -EINVAL, "the name of a link or a node is missing: ramp" },
	{ "ramp x loss 1% to 2%", -ENOENT, "no node and no link is called 'x'" },
	{ "ramp a-s", -EINVAL, "what changes is missing: ramp" },
	{ "ramp a-s los 1% to 2%", -EINVAL,
	  "'los' is nothing that changes steadily; is it 'loss'?" },
	{ "ramp a-s queue red to codel", -EINVAL, "'queue' is nothing that changes steadily" },
	{ "ramp a-s loss", -EINVAL, "a value is missing" },
	{ "ramp a-s loss 1%", -EINVAL, "'to' is missing" },
	{ "ramp a-s loss 1% 2%", -EINVAL, "'to' is missing" },
	{ "ramp a-s loss 1% to", -EINVAL, "a value is missing" },
	{ "ramp a-s loss 1% to 101%", -EINVAL, "loss" },
	{ "ramp a-s loss 1 to 2%", -EINVAL, "loss" },
	{ "ramp a-s loss 1% to 2% over", -EINVAL, "a time is missing" },
	{ "ramp a-s loss 1% to 2% over 5", -EINVAL, "time" },
	{ "ramp a-s loss 1% to 2% over 5s 6s", -EINVAL, "'6s' is one word too many" },
	/* marks */
	{ "cut 'a\x01x' b", -ENOENT, "there is no node 'a?x'" },
	{ "'cut\n' b", -EINVAL, "'cut?' is nothing that can be done to a lab; is it 'cut'?" },
	{ "set 'a\nb' loss 1%", -ENOENT, "no node and no link is called 'a?b'" },
	{ "ramp a-s 'los\ns' 1% to 2%", -EINVAL, "'los?s' is nothing that changes steadily" },
	{ "heal 'a\nb'", -EINVAL, "'a?b' is one word too many" },
	{ "mark 'a\nb'", -EINVAL, "'a?b' is no name of a mark" },
	{ "pause 'w[\x01]'", -EINVAL, "'w[?]': a range" },
	{ "mark", -EINVAL, "a name is missing: mark " },
	{ "mark ''", -EINVAL, "a name is missing" },
	{ "mark a b", -EINVAL, "'b' is one word too many" },
	{ "mark 'a b'", -EINVAL, "'a b' is no name of a mark: letters, digits, '-' and '_'" },
	{ "mark 0123456789012345678901234567890123456789012345678901234567890123", -EINVAL,
	  "is no name of a mark" },
};

static void test_what_is_wrong_is_told(void **state)
{
	struct topology t;

	make_lab(&t);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct choppy_err err = { 0 };
		struct action a, before;
		int r;

		memset(&a, 0xa5, sizeof(a));
		before = a;
		r = parse_line(&a, &t, bad[i].line, &err);
		if (r == 0)
			fail_msg("%s: accepted", bad[i].line);
		if (r != bad[i].code || err.code != r || !strstr(err.msg, bad[i].says))
			fail_msg("%s: %d, not %d: %s", bad[i].line, r, bad[i].code, err.msg);
		assert_memory_equal(&a, &before, sizeof(a));
		assert_int_equal(parse_line(&a, &t, bad[i].line, NULL), r);
	}
	topology_free(&t);
}

/* Only what can be taken back may last. */
static void test_verbs_that_end(void **state)
{
	static const bool ends[VERB_NVERBS] = {
		[VERB_SET] = true,  [VERB_CUT] = true,	 [VERB_PARTITION] = true,
		[VERB_LINK] = true, [VERB_PAUSE] = true, [VERB_KILL] = true,
		[VERB_RAMP] = true,
	};

	for (int v = 0; v < VERB_NVERBS; v++)
		assert_int_equal(verb_ends((enum verb)v), ends[v]);
}

/* -------------------------------------------------------------------- cuts */

#define NODES 64

/* deaf[to][from]: no packet of that one comes. */
struct deafness {
	bool deaf[NODES][NODES];
	bool named[NODES]; /* in any cut */
	uint32_t ncuts;
};

static void cuts_of(struct deafness *ret, const struct topology *t, const char *line, uint64_t seed)
{
	struct rng rng = seeded(seed);
	struct action a;
	struct cut *cuts;

	memset(ret, 0, sizeof(*ret));
	parse(&a, t, line);
	assert_int_equal(action_cuts(&a, &rng, &cuts, &ret->ncuts), 0);
	for (uint32_t c = 0; c < ret->ncuts; c++) {
		assert_true(cuts[c].from.n && cuts[c].to.n);
		assert_int_equal(cuts[c].reject, a.reject);
		for (uint32_t i = 0; i < cuts[c].to.n; i++)
			for (uint32_t k = 0; k < cuts[c].from.n; k++) {
				assert_true(cuts[c].to.v[i] < NODES && cuts[c].from.v[k] < NODES);
				ret->deaf[cuts[c].to.v[i]][cuts[c].from.v[k]] = true;
				ret->named[cuts[c].to.v[i]] = true;
				ret->named[cuts[c].from.v[k]] = true;
			}
	}
	cuts_free(cuts, ret->ncuts);
	action_free(&a);
}

/* Whom @d leaves @n of the hosts to hear, itself too, as bits. */
static uint64_t hears(const struct deafness *d, uint32_t i, uint32_t n)
{
	uint64_t set = 0;

	for (uint32_t k = 0; k < n; k++)
		if (!d->deaf[HOST0 + i][HOST0 + k])
			set |= 1ull << k;
	return set;
}

static bool heard(const struct deafness *d, const struct topology *t, const char *from,
		  const char *to)
{
	uint32_t i, k;

	assert_int_equal(topology_find_node(t, from, &i, NULL), 0);
	assert_int_equal(topology_find_node(t, to, &k, NULL), 0);
	return !d->deaf[k][i];
}

static uint32_t count_deaf(const struct deafness *d)
{
	uint32_t n = 0;

	for (int i = 0; i < NODES; i++)
		for (int k = 0; k < NODES; k++)
			n += d->deaf[i][k];
	return n;
}

static void test_cuts_of_nodes(void **state)
{
	struct topology t;
	struct deafness d;

	make_lab(&t);
	cuts_of(&d, &t, "cut 'a b' 'c r'", 1);
	assert_int_equal(count_deaf(&d), 8);
	assert_false(heard(&d, &t, "a", "r") || heard(&d, &t, "r", "a") ||
		     heard(&d, &t, "b", "c") || heard(&d, &t, "c", "b"));
	assert_true(heard(&d, &t, "a", "b") && heard(&d, &t, "c", "r"));
	cuts_of(&d, &t, "cut a to 'b c'", 1);
	assert_int_equal(count_deaf(&d), 2);
	assert_true(heard(&d, &t, "b", "a") && heard(&d, &t, "c", "a"));
	assert_false(heard(&d, &t, "a", "b") || heard(&d, &t, "a", "c"));
	topology_free(&t);
}

/* Each side from all others: of k sides of n_i nodes the pairs of different sides. */
static void test_given_sides(void **state)
{
	struct topology t;
	struct deafness d;

	make_lab(&t);
	cuts_of(&d, &t, "partition 'a | b c | r w1 w2'", 1);
	assert_int_equal(count_deaf(&d), 6 * 6 - 1 - 4 - 9);
	assert_int_equal(d.ncuts, 3);
	assert_true(heard(&d, &t, "b", "c") && heard(&d, &t, "w2", "r"));
	assert_false(heard(&d, &t, "a", "b") || heard(&d, &t, "c", "w1") ||
		     heard(&d, &t, "r", "a"));
	assert_true(heard(&d, &t, "d", "a") && heard(&d, &t, "a", "d"));
	topology_free(&t);
}

/* Switch and router hear all, and are heard. */
static void others_are_left_alone(const struct deafness *d)
{
	for (uint32_t i = 0; i < HOST0; i++)
		assert_false(d->named[i]);
}

static void check_halves(const struct deafness *d, uint32_t n)
{
	const uint64_t all = n == 64 ? UINT64_MAX : (1ull << n) - 1;
	uint64_t side = hears(d, 0, n);
	uint32_t size = (uint32_t)__builtin_popcountll(side);

	assert_true(size == n / 2 || size == n - n / 2);
	for (uint32_t i = 0; i < n; i++)
		assert_true(hears(d, i, n) == (side & 1ull << i ? side : all & ~side));
}

static void test_halves(void **state)
{
	for (uint32_t n = 2; n <= 40; n++) {
		struct topology t;
		struct deafness d;

		make_hosts(&t, n);
		for (uint64_t seed = 1; seed <= 20; seed++) {
			cuts_of(&d, &t, "partition halves", seed);
			others_are_left_alone(&d);
			check_halves(&d, n);
		}
		topology_free(&t);
	}
}

static void check_isolated(const struct deafness *d, uint32_t n, uint32_t alone)
{
	const uint64_t all = (1ull << n) - 1;

	assert_true(hears(d, alone, n) == 1ull << alone);
	for (uint32_t i = 0; i < n; i++)
		assert_true(i == alone || hears(d, i, n) == (all & ~(1ull << alone)));
}

static void test_isolate(void **state)
{
	for (uint32_t n = 2; n <= 20; n++) {
		uint64_t drawn = 0;
		struct topology t;
		struct deafness d;

		make_hosts(&t, n);
		cuts_of(&d, &t, "partition isolate h1", 1);
		check_isolated(&d, n, 1);
		for (uint64_t seed = 1; seed <= 20 * n; seed++) {
			uint32_t alone = 0;

			cuts_of(&d, &t, "partition isolate", seed);
			others_are_left_alone(&d);
			while (alone < n && hears(&d, alone, n) != 1ull << alone)
				alone++;
			assert_true(alone < n);
			/* Of two each is alone. */
			check_isolated(&d, n, alone);
			drawn |= 1ull << alone;
		}
		assert_true(drawn == (n == 2 ? 1 : (1ull << n) - 1));
		topology_free(&t);
	}
}

/* A router may be the one, and one who is not among the others. */
static void test_isolate_from_those_that_are_named(void **state)
{
	struct topology t;
	struct deafness d;

	make_lab(&t);
	cuts_of(&d, &t, "partition isolate r of a b c", 1);
	assert_int_equal(count_deaf(&d), 6);
	assert_false(heard(&d, &t, "r", "a") || heard(&d, &t, "c", "r"));
	cuts_of(&d, &t, "partition isolate a of a b c", 1);
	assert_int_equal(count_deaf(&d), 4);
	assert_true(heard(&d, &t, "b", "c") && heard(&d, &t, "d", "a"));
	topology_free(&t);
}

/* One in the middle hears all and is heard; the others are halves. */
static void check_bridge(const struct deafness *d, uint32_t n)
{
	const uint64_t all = (1ull << n) - 1;
	uint32_t middle = 0, bridges = 0, other;
	uint64_t side;

	for (uint32_t i = 0; i < n; i++) {
		if (hears(d, i, n) != all)
			continue;
		bridges++;
		middle = i;
	}
	assert_int_equal(bridges, 1);
	other = !middle;
	side = hears(d, other, n);
	assert_true(side & 1ull << middle);
	assert_in_range(__builtin_popcountll(side), (n - 1) / 2 + 1, n - 1 - (n - 1) / 2 + 1);
	for (uint32_t i = 0; i < n; i++)
		if (i != middle)
			assert_true(hears(d, i, n) ==
				    (side & 1ull << i ? side : (all & ~side) | 1ull << middle));
}

static void test_bridge(void **state)
{
	for (uint32_t n = 3; n <= 24; n++) {
		struct topology t;
		struct deafness d;

		make_hosts(&t, n);
		for (uint64_t seed = 1; seed <= 20; seed++) {
			cuts_of(&d, &t, "partition bridge", seed);
			others_are_left_alone(&d);
			check_bridge(&d, n);
		}
		topology_free(&t);
	}
}

/* Each hears a majority, itself too; no two the same; who is heard hears. */
static void check_ring(const struct deafness *d, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t set = hears(d, i, n);

		assert_true(set & 1ull << i);
		assert_true(2 * (uint32_t)__builtin_popcountll(set) > n);
		assert_true((uint32_t)__builtin_popcountll(set) < n);
		for (uint32_t k = 0; k < n; k++) {
			assert_true(k == i || hears(d, k, n) != set);
			assert_int_equal(!(set & 1ull << k), !(hears(d, k, n) & 1ull << i));
		}
	}
}

static void test_ring(void **state)
{
	for (uint32_t n = 4; n <= 24; n++) {
		struct topology t;
		struct deafness d;

		make_hosts(&t, n);
		for (uint64_t seed = 1; seed <= 20; seed++) {
			cuts_of(&d, &t, "partition ring", seed);
			others_are_left_alone(&d);
			check_ring(&d, n);
		}
		topology_free(&t);
	}
}

static void test_a_seed_decides(void **state)
{
	static const char *const lines[] = { "partition halves", "partition isolate",
					     "partition bridge", "partition ring" };
	struct topology t;

	make_hosts(&t, 9);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct deafness first, d;
		bool differs = false;

		for (uint64_t seed = 1; seed <= 20; seed++) {
			cuts_of(&first, &t, lines[i], seed);
			cuts_of(&d, &t, lines[i], seed);
			assert_memory_equal(&first, &d, sizeof(d));
			cuts_of(&d, &t, lines[i], seed + 1);
			differs |= memcmp(&first, &d, sizeof(d)) != 0;
		}
		assert_true(differs);
	}
	topology_free(&t);
}

/* A stream goes on: the second partition is not the first again. */
static void test_chance_goes_on(void **state)
{
	struct rng rng = seeded(1);
	struct topology t;
	struct action a;
	bool differs = false;
	uint32_t first = UINT32_MAX;

	make_hosts(&t, 9);
	parse(&a, &t, "partition isolate");
	for (int i = 0; i < 20; i++) {
		struct cut *cuts;
		uint32_t n;

		assert_int_equal(action_cuts(&a, &rng, &cuts, &n), 0);
		differs |= first != UINT32_MAX && first != cuts[0].from.v[0];
		first = cuts[0].from.v[0];
		cuts_free(cuts, n);
	}
	assert_true(differs);
	action_free(&a);
	topology_free(&t);
}

/* --------------------------------------------------------------------- any */

static void test_any_draws_every_node(void **state)
{
	static const char *const lines[] = { "pause any a b c w[1-3]", "kill any a b c w[1-3]",
					     "run any 'a b c w[1-3]' ls" };
	struct topology t;

	make_lab(&t);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct rng rng = seeded(7), again = seeded(7);
		uint32_t drawn[NODES] = { 0 };
		struct action a;

		parse(&a, &t, lines[i]);
		for (int k = 0; k < 600; k++) {
			struct node_list l, same;

			assert_int_equal(action_nodes(&a, &rng, &l), 0);
			assert_int_equal(action_nodes(&a, &again, &same), 0);
			assert_int_equal(l.n, 1);
			assert_int_equal(l.v[0], same.v[0]);
			drawn[l.v[0]]++;
			node_list_free(&l);
			node_list_free(&same);
		}
		/* Six of them, 100 each on average, standard deviation 9. */
		for (uint32_t k = 0; k < a.groups[0].n; k++)
			assert_in_range(drawn[a.groups[0].v[k]], 55, 145);
		action_free(&a);
	}
	topology_free(&t);
}

static void test_without_any_it_is_all(void **state)
{
	struct rng rng = seeded(1), before = rng;
	struct topology t;
	struct node_list l;
	struct action a;

	make_lab(&t);
	parse(&a, &t, "pause a w[1-2] b");
	assert_int_equal(action_nodes(&a, &rng, &l), 0);
	assert_int_equal(l.n, 4);
	assert_memory_equal(l.v, a.groups[0].v, 4 * sizeof(*l.v));
	/* Nothing is drawn. */
	assert_memory_equal(&rng, &before, sizeof(rng));
	node_list_free(&l);
	action_free(&a);
	topology_free(&t);
}

/* ------------------------------------------------------------------- ramps */

static uint64_t ramp_at(const struct action *a, uint64_t elapsed_ns, uint64_t over_ns)
{
	struct choppy_change change;
	uint64_t value[CHOPPY_NDIRS];

	memset(&change, 0xa5, sizeof(change));
	action_ramp(a, elapsed_ns, over_ns, &change);
	for (int d = 0; d < CHOPPY_NDIRS; d++) {
		assert_true(change.dir[d].set == CHOPPY_FIELD_BIT(a->ramp.field));
		assert_true(change.off[d] == 0 && !change.clear[d] && !change.rules_off[d]);
		memcpy(&value[d], field_value(&change.dir[d], a->ramp.field), sizeof(value[d]));
	}
	assert_int_equal(change.rules.n, 0);
	assert_true(value[0] == value[1]);
	return value[0];
}

static void test_ramps_are_exact(void **state)
{
	static const struct {
		uint64_t from, to, elapsed_ns, over_ns, value;
	} rows[] = {
		{ 10, 50, 0, 10 * SEC, 10 },
		{ 10, 50, 5 * SEC, 10 * SEC, 30 },
		{ 10, 50, 10 * SEC, 10 * SEC, 50 },
		{ 10, 50, 11 * SEC, 10 * SEC, 50 },
		{ 50, 10, 0, 10 * SEC, 50 },
		{ 50, 10, 5 * SEC, 10 * SEC, 30 },
		{ 50, 10, 10 * SEC, 10 * SEC, 10 },
		{ 50, 10, UINT64_MAX, 10 * SEC, 10 },
		{ 7, 7, 3 * SEC, 10 * SEC, 7 },
		{ 0, 3, SEC, 2 * SEC, 1 }, /* towards the begin */
		{ 3, 0, SEC, 2 * SEC, 2 },
		{ 10, 50, 0, 0, 50 }, /* in no time */
		{ 0, UINT64_MAX, 0, UINT64_MAX, 0 },
		{ 0, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX },
		{ 0, UINT64_MAX, UINT64_MAX / 2, UINT64_MAX, UINT64_MAX / 2 },
		{ UINT64_MAX, 0, UINT64_MAX / 2, UINT64_MAX, UINT64_MAX - UINT64_MAX / 2 },
		{ UINT64_MAX, 1, UINT64_MAX - 1, UINT64_MAX, 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct action a = {
			.verb = VERB_RAMP,
			.ramp = { .field = CHOPPY_RATE, .from = rows[i].from, .to = rows[i].to }
		};
		uint64_t value = ramp_at(&a, rows[i].elapsed_ns, rows[i].over_ns);

		if (value != rows[i].value)
			fail_msg("row %zu: %llu", i, (unsigned long long)value);
	}
}

/* Never back, never outside, whatever the numbers. */
static void test_a_ramp_goes_one_way(void **state)
{
	struct rng rng = seeded(3);

	for (int round = 0; round < 2000; round++) {
		const struct action a = { .verb = VERB_RAMP,
					  .ramp = { .field = CHOPPY_DELAY,
						    .from = rng_next(&rng) >> rng_below(&rng, 64),
						    .to = rng_next(&rng) >> rng_below(&rng, 64) } };
		uint64_t over = (rng_next(&rng) >> rng_below(&rng, 64)) + 1, at = 0;
		uint64_t before = a.ramp.from;
		bool falls = a.ramp.to < a.ramp.from;

		over = over ? over : 1;
		assert_true(ramp_at(&a, 0, over) == a.ramp.from);
		for (int step = 0; step < 8; step++) {
			uint64_t value;

			at += rng_below(&rng, over - at + 1);
			value = ramp_at(&a, at, over);
			assert_true(falls ? value <= before && value >= a.ramp.to
					  : value >= before && value <= a.ramp.to);
			before = value;
		}
		assert_true(ramp_at(&a, over, over) == a.ramp.to);
	}
}

/* What it begins with is in force from its first moment on. */
static void test_a_ramp_begins_with_its_first_value(void **state)
{
	struct topology t;
	struct action a;

	make_lab(&t);
	parse(&a, &t, "ramp trunk delay 30ms to 10ms over 5s");
	assert_true(a.change->dir[CHOPPY_DOWN].delay_ns == 30 * MS);
	assert_true(ramp_at(&a, 0, a.ramp.over_ns) == 30 * MS);
	assert_true(ramp_at(&a, 5 * SEC / 2, a.ramp.over_ns) == 20 * MS);
	assert_true(ramp_at(&a, 5 * SEC, a.ramp.over_ns) == 10 * MS);
	action_free(&a);
	topology_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_verb_is_read),
		cmocka_unit_test(test_what_is_wrong_is_told),
		cmocka_unit_test(test_verbs_that_end),
		cmocka_unit_test(test_cuts_of_nodes),
		cmocka_unit_test(test_given_sides),
		cmocka_unit_test(test_halves),
		cmocka_unit_test(test_isolate),
		cmocka_unit_test(test_isolate_from_those_that_are_named),
		cmocka_unit_test(test_bridge),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_a_seed_decides),
		cmocka_unit_test(test_chance_goes_on),
		cmocka_unit_test(test_any_draws_every_node),
		cmocka_unit_test(test_without_any_it_is_all),
		cmocka_unit_test(test_ramps_are_exact),
		cmocka_unit_test(test_a_ramp_goes_one_way),
		cmocka_unit_test(test_a_ramp_begins_with_its_first_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
