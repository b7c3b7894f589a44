/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Labs out of files: what is read, and what is said of what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "labfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct told {
	char text[4096];
};

static void tell(void *ctx, const char *text)
{
	struct told *t = ctx;
	size_t n = strlen(t->text);

	snprintf(t->text + n, sizeof(t->text) - n, "%s\n", text);
}

static struct labfile *read_text(const char *text)
{
	struct told told = { 0 };
	struct problems p = { .tell = tell, .ctx = &told };
	struct choppy_err err = { 0 };
	struct labfile *f = NULL;

	if (labfile_parse(&f, text, strlen(text), &p, &err) < 0)
		fail_msg("%s: %s", err.msg, told.text);
	assert_int_equal(err.code, 0);
	return f;
}

static const struct topo_node *node(const struct labfile *f, const char *name)
{
	struct choppy_err err = { 0 };
	uint32_t i = 0;

	if (topology_find_node(&f->t, name, &i, &err) < 0)
		fail_msg("%s", err.msg);
	return &f->t.nodes[i];
}

/* The condition of a link, in words; [0] from its first end. */
static void asks(const struct labfile *f, const char *link, int dir, const char *words)
{
	static const struct choppy_condition none;
	char text[CHOPPY_CONDITION_TEXT_MAX];
	struct choppy_err err = { 0 };
	uint32_t i = 0;

	if (topology_find_link(&f->t, link, &i, &err) < 0)
		fail_msg("%s", err.msg);
	choppy_condition_print(text, sizeof(text),
			       f->conditions[i] ? &f->conditions[i]->dir[dir] : &none);
	assert_string_equal(text, words);
}

static void a_small_lab(void **state)
{
	struct labfile *f =
		read_text("name: shop\n"
			  "seed: 42\n"
			  "links:\n"
			  "  - web -- r1: delay 5ms\n"
			  "  - db -- r1: {name: cable, condition: delay 1ms, db>r1: loss 2%}\n"
			  "  - w[1-3] -- s1\n"
			  "  - s1 -- r1:\n"
			  "uplink: {node: r1, kind: none, condition: up rate 1mbit}\n"
			  "nodes:\n"
			  "  web: {command: 'echo $A', env: {A: b, C: 1}, user: root}\n"
			  "  db: {command: [sleep, '5']}\n"
			  "  r1: router\n"
			  "  s1: {kind: switch}\n"
			  "  w[1-3]:\n");

	assert_string_equal(f->name, "shop");
	assert_true(f->seed_given);
	assert_int_equal(f->seed, 42);
	assert_int_equal(f->t.nnodes, 7);
	assert_int_equal(f->t.nlinks, 6);
	assert_int_equal(node(f, "r1")->kind, NODE_ROUTER);
	assert_int_equal(node(f, "s1")->kind, NODE_SWITCH);
	assert_int_equal(node(f, "w3")->kind, NODE_HOST);
	asks(f, "web-r1", 0, "delay 5ms");
	asks(f, "web-r1", 1, "delay 5ms");
	asks(f, "cable", 0, "delay 1ms loss 2%");
	asks(f, "cable", 1, "delay 1ms");
	asks(f, "s1-r1", 0, "");
	assert_string_equal(f->t.nodes[f->uplink].name, "r1");
	assert_int_equal(f->uplink_kind, CHOPPY_UPLINK_NONE);
	assert_int_equal(f->uplink_condition->dir[CHOPPY_UP].rate_bps, 1000000);
	assert_int_equal(f->uplink_condition->dir[CHOPPY_DOWN].set, 0);
	assert_string_equal(f->programs[0].argv[0], "/bin/sh");
	assert_string_equal(f->programs[0].argv[2], "echo $A");
	assert_null(f->programs[0].argv[3]);
	assert_string_equal(f->programs[0].env[1], "C=1");
	assert_string_equal(f->programs[0].user, "root");
	assert_string_equal(f->programs[1].argv[1], "5");
	assert_null(f->programs[1].argv[2]);
	assert_null(f->programs[4].argv);
	labfile_free(f);
}

static void one_way_is_one_way(void **state)
{
	struct labfile *f = read_text(
		"nodes: [a, b]\nlinks:\n"
		"  - a -- b: {condition: delay 1ms, 'b > a': loss 1% match icmp loss 5%}\n");
	const struct link_condition *c = f->conditions[0];

	assert_int_equal(c->dir[0].loss_ppb, 0);
	assert_int_equal(c->dir[0].delay_ns, 1000000);
	assert_int_equal(c->dir[1].loss_ppb, 10000000);
	assert_int_equal(c->rules.n, 1);
	assert_int_equal(c->rules.rule[0].dirs, CHOPPY_DIR_BIT(1));
	labfile_free(f);
}

static void json_is_the_same_thing(void **state)
{
	struct labfile *f = read_text("{\"nodes\": {\"a\": null, \"b\": \"router\"},\n"
				      " \"links\": {\"a -- b\": {\"condition\": \"loss 1%\"}},\n"
				      " \"uplink\": \"b\"}\n");

	assert_int_equal(f->t.nnodes, 2);
	asks(f, "a-b", 1, "loss 1%");
	assert_int_equal(f->uplink, 1);
	labfile_free(f);
}

static void short_forms(void **state)
{
	static const struct {
		const char *text;
		uint32_t nodes, links;
	} forms[] = {
		{ "lan: [a, b, c]", 4, 3 },
		{ "lan: {front: [a, b], back: {nodes: ['w[1-3]', b], condition: delay 1ms}}", 7,
		  6 },
		{ "lan: w[1-9]", 10, 9 },
		{ "star: {hub: [a, b, c]}", 4, 3 },
		{ "ring: [a, b, c, d]", 4, 4 },
		{ "mesh: [a, b, c, d]", 4, 6 },
		{ "dumbbell: [[a, b], [c]]", 5, 4 },
		{ "dumbbell: {neck: {left: [a, b], right: [c], condition: rate 1mbit}}", 5, 4 },
		{ "fat-tree: 4", 4 + 8 + 8 + 16, 48 },
		{ "fat-tree: {x: 2, y: {k: 2}}", 2 * 7, 2 * 6 },
		{ "nodes: &n [a, b]\nmesh: *n", 2, 1 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		struct labfile *f = read_text(forms[i].text);

		if (f->t.nnodes != forms[i].nodes || f->t.nlinks != forms[i].links)
			fail_msg("%s: %u nodes, %u links", forms[i].text, f->t.nnodes, f->t.nlinks);
		labfile_free(f);
	}
}

static void kinds_of_short_forms(void **state)
{
	struct labfile *f =
		read_text("lan: {front: [a]}\nstar: {hub: [a, b]}\nring: [x, y, z]\n"
			  "dumbbell: {n: {left: [a], right: b, condition: delay 9ms}}\n");

	assert_int_equal(node(f, "front")->kind, NODE_SWITCH);
	assert_int_equal(node(f, "hub")->kind, NODE_ROUTER);
	assert_int_equal(node(f, "y")->kind, NODE_ROUTER);
	assert_int_equal(node(f, "n-left")->kind, NODE_ROUTER);
	asks(f, "n-left-n-right", 0, "delay 9ms");
	asks(f, "a-n-left", 0, "");
	asks(f, "b-n-right", 1, "");
	labfile_free(f);
}

#define GROUPS "groups: {eu: ['eu[1-2]'], us: [us1, us2], ap: ap1}"
#define MATRIX                                                                                     \
	"matrix: {eu: {eu: 1ms, us: 40ms, ap: 90ms}, us: {eu: 41ms, us: 1.000001ms, ap: 75ms}}"

/* Two links to each router and one between each two: their delays make the matrix. */
static void delays_between_groups(void **state)
{
	struct labfile *f = read_text("nodes: ['eu[1-2]', us1, us2, ap1, us]\n"
				      "latency: {" GROUPS ", " MATRIX
				      ", condition: loss 1% match icmp loss 2%}\n"
				      "links: [us -- latency-us]\n"
				      "uplink: eu\n");

	assert_int_equal(f->t.nnodes, 6 + 3);
	assert_int_equal(f->t.nlinks, 5 + 3 + 1);
	assert_int_equal(node(f, "eu")->kind, NODE_ROUTER);
	assert_int_equal(node(f, "us")->kind, NODE_HOST);
	assert_int_equal(node(f, "latency-us")->kind, NODE_ROUTER);
	for (int dir = 0; dir < 2; dir++) {
		asks(f, "eu1-eu", dir, "delay 500us loss 1%");
		asks(f, "eu2-eu", dir, "delay 500us loss 1%");
		asks(f, "ap1-ap", dir, "loss 1%");
		asks(f, "us-latency-us", dir, "");
	}
	asks(f, "us2-latency-us", 0, "delay 500.001us loss 1%");
	asks(f, "us2-latency-us", 1, "delay 500us loss 1%");
	asks(f, "eu-latency-us", 0, "delay 39ms loss 1%");
	asks(f, "eu-latency-us", 1, "delay 39999.999us loss 1%");
	asks(f, "eu-ap", 0, "delay 89.5ms loss 1%");
	asks(f, "eu-ap", 1, "delay 89.5ms loss 1%");
	asks(f, "latency-us-ap", 0, "delay 74499.999us loss 1%");
	asks(f, "latency-us-ap", 1, "delay 74.5ms loss 1%");
	assert_int_equal(f->conditions[0]->rules.n, 1);
	labfile_free(f);
}

static void delays_by_name(void **state)
{
	struct labfile *f =
		read_text("nodes: [a, b, c]\n"
			  "latency:\n"
			  "  wan: {rtt: true, groups: {x: a, y: b}, matrix: {x: {y: 5ns}}}\n"
			  "  back: {groups: {x: a, c: c}, matrix: {c: {x: 0ms}}}\n");

	asks(f, "x-y", 0, "delay 3ns");
	asks(f, "x-y", 1, "delay 2ns");
	asks(f, "back-x-back-c", 0, "");
	labfile_free(f);
}

static void what_is_wrong(void **state)
{
	static const struct {
		const char *text, *says[4];
	} bad[] = {
		{ "nodes: [a, a]", { "-:1:12: there is a node 'a' already" } },
		{ "nodes: [a, b]\nlink: [a -- b]",
		  { "-:2:1: there is no key 'link' here; is it 'links'?",
		    "\n  link: [a -- b]\n  ^" } },
		{ "nodes: [a, b]\nlinks:\n  - a -- c\n", { "-:3:5: there is no node 'c'" } },
		{ "nodes: [a, b]\nlinks:\n  - a b\n", { "-:3:5: a link is written as 'A -- B'" } },
		{ "nodes: [a, b]\nlinks:\n  - a -- b: los 5%\n", { "-:3:13: ", "los" } },
		{ "nodes: [a, b]\nlinks:\n  - a -- b: netem-raw\nuplink: {node: a, condition: loss "
		  "1% "
		  "match icmp inflight 9}",
		  { "-:3:13: the links of a lab file cannot do netem-raw",
		    "-:4:30: the links of a lab file cannot do inflight" } },
		{ "nodes: [a, b]\nlinks:\n  - a -- b: trace /none\n", { "-:3:13: ", "/none" } },
		{ "nodes: [a, b]\nlinks:\n  - a -- b: match 'tcp prot 5' loss 1%\n",
		  { "-:3:13: ", "tcp prot 5" } },
		{ "nodes: [a, b]\nlinks:\n  - a -- b: up loss 5%\n", { "-:3:13: ", "A>B" } },
		{ "nodes: [a, b]\nlinks:\n  - a -- b: {a>c: loss 5%}\n", { "'a>b' and 'b>a'" } },
		{ "nodes: [a, b]\nlinks:\n  - a -- b: {nam: x}\n", { "is it 'name'?" } },
		{ "nodes: [a, b, c]\nlinks:\n  - a -- b: {name: x}\n  - b -- c: {name: x}\n",
		  { "-:4:5: there is a link 'x' already" } },
		{ "nodes: [a, b, c]\nlinks:\n  - a -- [b, c]\n",
		  { "-:3:5: '[b, c]': a range of names" } },
		{ "nodes: {a: , b: , 'r[1-2]': }\nlinks:\n  - a -- r[1-2]: {name: x}\n",
		  { "a name and addresses are of one link, and these are 2" } },
		{ "nodes: {a: rooter}",
		  { "-:1:12: 'rooter' is no kind of node", "is it 'router'?" } },
		{ "nodes: {s: {kind: switch, command: x}}", { "nothing runs on it" } },
		{ "nodes: {a: {user: nobody-here}}", { "there is no user 'nobody-here' here" } },
		{ "nodes: {'w[1-3]': {kin: host}}", { "is it 'kind'?" } },
		{ "nodes: [w1]\nseed: -3", { "-:2:7: '-3' is not a number" } },
		{ "nodes: [a]\nuplink: b", { "-:2:9: there is no node 'b'" } },
		{ "lan: [a]\nuplink: lan", { "is a switch" } },
		{ "nodes: [a]\nuplink: {kind: none}",
		  { "'node' is missing here: the name of a node" } },
		{ "nodes: [a]\nuplink: {kind: nun}",
		  { "'node' is missing here", "'nun' is no uplink", "is it 'none'?" } },
		{ "nodes: [a, b]\nlinks:\n  - [a, b]\n  - a -- b: [loss 1%]\n",
		  { "-:3:6: this takes a link: 'A -- B'", "-:4:5: 'a -- b' takes a condition" } },
		{ "nodes: {a: {command: []}, b: {env: {X: [1]}}, c: [x]}",
		  { "-:1:13: 'command' takes a command line", "-:1:37: 'X' takes one value",
		    "-:1:47: 'c' takes its kind" } },
		{ "nodes: [a]\nuplink: {}\ninclude:\n- [{}]\nlan: {}",
		  { "-:2:1: 'node' is missing here", "-:3:1: this takes the name of a file" } },
		{ "lan: [[a]]\nring: {x: {nods: [a]}}\nfat-tree: {y: [4]}",
		  { "-:1:8: this takes the name of a node", "is it 'nodes'?",
		    "-:3:12: 'y' takes the number of pods" } },
		{ "dumbbell: {x: [a, b, c]}\nuplink: [a]",
		  { "-:1:12: 'x' takes two lists", "-:2:1: 'uplink' takes the name of a node" } },
		{ "nodes: [a]\nuplink: {node: a, kind: nut}", { "'nut' is no uplink" } },
		{ "nodes: [w[1-3]]", { "-:1:10: ", "\"w[1-3]\"" } },
		{ "nodes: {w[1-3]: }", { "-:1:10: ", "\"w[1-3]\"" } },
		{ "lan: [w[1-3]]", { "\"w[1-3]\"" } },
		{ "nodes: w[1-100000]", { "'nodes' takes a list" } },
		{ "nodes: {'w[1-100000]': }", { "-:1:10: ", "at most 16384" } },
		{ "nodes: {'w[5-1]': }", { "counts backwards" } },
		{ "ring: [a, b]", { "three nodes or more" } },
		{ "fat-tree: 5", { "even number of pods" } },
		{ "dumbbell: [a, b, c]", { "two lists" } },
		{ "mesh: 5x: 4", { "-:1:" } },
		{ "nodes: [a, b", { "-:2:1: flow sequence without" } },
		{ "nodes: {a: , a: }", { "-:1:", "duplicate" } },
		{ "\tnodes: [a]", { "-:1:" } },
		{ "nodes: [a,\n b\xff]", { "-:2:3: the byte 0xff" } },
		{ "nodes: [a\xc0\x80]", { "-:1:10: the byte 0xc0" } },
		{ "- a\n- b", { "-:1:3: a lab is a mapping" } },
		{ "seed: 5", { "the lab has no node" } },
		{ "", { "the lab has no node" } },
		{ "name: a/b\nnodes: [a]", { "-:1:7: name 'a/b'" } },
		{ "nodes: [a]\nlatency: [a]", { "-:2:1: 'latency' takes a matrix" } },
		{ "nodes: [a]\nlatency: {wan: [a]}",
		  { "-:2:11: 'wan' takes a matrix: {groups: ..., matrix: ...}" } },
		{ "nodes: [a]\nlatency: {wan: }", { "-:2:11: 'wan' takes a matrix: {groups" } },
		{ "nodes: [a]\nlatency: {wan: {}}",
		  { "-:2:11: between whom?", "-:2:11: which delays?" } },
		{ "nodes: [a]\nlatency: {matrix: {x: {x: 1ms}}, wan: {groups: {x: a}}}",
		  { "-:2:34: there is no key 'wan' here", "-:2:11: between whom?" } },
		{ "nodes: [a, b]\nlatency: {groups: {x: [a, c], y: [a, b], z: , w: []}, matrix: "
		  "{x: {u: 1ms}}}",
		  { "-:2:27: there is no node 'c'", "-:2:31: node a is in group x already\n",
		    "-:2:42: 'z' takes a list of nodes", "-:2:68: there is no group 'u'" } },
		{ "nodes: ['a[1-9]']\nlatency: {groups: {x: 'a[1-9]', y: ['a[2-9]']}, file: x}",
		  { "-:2:33: node a2 is in group x already, and others", "-:2:55: 'file' takes" } },
		{ "nodes: [a]\nlatency: {groups: {x: [a, a]}, matrix: {x: {x: 1ms}}}",
		  { "-:2:20: node a is in group x already" } },
		{ "nodes: [a]\nlatency: {groups: {}, matrix: {x: {x: 1ms}}}",
		  { "a matrix has 1 to 64 groups, not 0" } },
		{ "nodes: [a, b]\nlatency: {groups: {x: a, y: b}, rtt: yes, file: f, matrix: {x: "
		  "{y: 1ms}}}",
		  { "-:2:38: 'yes' is no truth value: it is false or true",
		    "-:2:61: the delays are in a file already" } },
		{ "nodes: [a, b, c]\nlatency:\n  groups: {eu: a, us: [b, c]}\n  matrix:\n    eu: "
		  "{us: 40, su: 1ms}\n"
		  "    us: {us: -1ms, eu: [1]}\n    eu1: {eu: 1ms}\n",
		  { "-:5:14: delay needs its unit: 40ms, 40us or 40s",
		    "-:5:18: there is no group 'su'", "-:6:14: delay cannot be negative",
		    "-:7:5: there is no group 'eu1'; is it 'eu'?" } },
		{ "nodes: [a, b]\nlatency: {groups: {x: a, y: b}, matrix: {x: 5ms, y: {x: , y: "
		  "[1]}}}",
		  { "-:2:42: 'x' takes a row: {GROUP: DELAY}", "-:2:54: 'x' takes a delay: 40ms",
		    "-:2:59: 'y' takes a delay: 40ms" } },
		{ "nodes: [a, b, c]\nlatency:\n  groups: {eu: [a], us: [b], ap: [c]}\n  matrix: "
		  "{eu: {us: 1ms, eu: 4ms}}",
		  { "-:4:21: from eu to us 1ms is too short: 2ms of it is within eu, and 0ns "
		    "within us: at least 2ms",
		    "-:4:12: the matrix does not say how far group ap" } },
		{ "nodes: [a, b, c]\nlatency:\n  groups: {eu: [a], us: [b], ap: [c]}\n  matrix: "
		  "{eu: {us: 1ms}}",
		  { "-:4:12: the matrix does not say how far group ap is from others" } },
		{ "nodes: [a, b, c]\nlatency:\n  groups: {eu: [a, c], us: [b]}\n  matrix: {eu: "
		  "{us: 1ms}}",
		  { "-:4:12: the delay within group eu is missing, and it has 2 nodes: from eu to "
		    "eu" } },
		{ "nodes: [a, b]\nlatency: {groups: {x: a, y: b}, condition: delay 5ms, matrix: "
		  "{x: {y: 1ms}}}",
		  { "-:2:44: this says a delay, and that is the matrix's to say" } },
		{ "nodes: [a, b]\nlatency: {groups: {x: a, y: b}, condition: trace leo, matrix: "
		  "{x: {y: 1ms}}}",
		  { "-:2:44: this says a delay" } },
		{ "nodes: [a, b]\nlatency: {groups: {x: a, y: b}, condition: match icmp delay 1ms, "
		  "matrix: {x: {y: 1ms}}}",
		  { "-:2:44: this says a delay" } },
		{ "nodes: [a, b]\nlatency: {groups: {x: a, y: b}, condition: lss 1%, matrix: {x: "
		  "{y: 1ms}}}",
		  { "-:2:44: " } },
		{ "nodes: [a, b]\nlatency: {groups: {a: a, 'x y': b}, matrix: {a: {x y: 2ms}}}",
		  { "-:2:27: node 'x y': use letters" } },
		{ "nodes: [a, latency-a]\nlatency: {groups: {a: a}, matrix: {}}",
		  { "-:2:20: there is a node 'latency-a' already" } },
		/* Three mistakes, three messages. */
		{ "nodes: {a: hots, b: }\nlinks:\n  - a -- c\nuplnk: a\n",
		  { "-:1:12: 'hots' is no kind", "-:3:5: there is no node 'c'",
		    "-:4:1: there is no key 'uplnk' here; is it 'uplink'?" } },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct told told = { 0 };
		struct problems p = { .tell = tell, .ctx = &told };
		struct choppy_err err = { 0 };
		struct labfile *f = NULL;
		int r = labfile_parse(&f, bad[i].text, strlen(bad[i].text), &p, &err);

		if (r != -EINVAL || !p.n || !err.code)
			fail_msg("'%s': %d, %d problems, %s", bad[i].text, r, p.n, told.text);
		for (int k = 0; k < 4 && bad[i].says[k]; k++)
			if (!strstr(told.text, bad[i].says[k]))
				fail_msg("'%s' does not say '%s' but\n%s", bad[i].text,
					 bad[i].says[k], told.text);
	}
}

static void what_has_no_place_shows_no_line(void **state)
{
	struct told told = { 0 };
	struct problems p = { .tell = tell, .ctx = &told };
	struct labfile *f = NULL;

	assert_int_equal(labfile_parse(&f, "seed: 5", 7, &p, NULL), -EINVAL);
	assert_string_equal(told.text, "-: the lab has no node: name some under 'nodes', or as "
				       "'lan: [a, b]'\n");
}

/* One mistake in what many nodes have in common is one message. */
static void a_pattern_is_told_once(void **state)
{
	const char *text = "nodes: {'w[1-50]': {env: 5}}";
	struct told told = { 0 };
	struct problems p = { .tell = tell, .ctx = &told };
	struct choppy_err err = { 0 };
	struct labfile *f = NULL;

	assert_int_equal(labfile_parse(&f, text, strlen(text), &p, &err), -EINVAL);
	assert_int_equal(p.n, 1);
}

/* ------------------------------------------------------------------- files */

static void put(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void files_include_files(void **state)
{
	char dir[] = "/tmp/choppy-labfile-XXXXXX", path[64], sub[64];
	struct told told = { 0 };
	struct problems p = { .tell = tell, .ctx = &told };
	struct choppy_err err = { 0 };
	struct labfile *f = NULL;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/lab.yaml", dir);
	snprintf(sub, sizeof(sub), "%s/nodes.yaml", dir);
	put(path, "links: [a -- b]\ninclude: nodes.yaml\n");
	put(sub, "nodes: [a, b]\n");
	if (labfile_read(&f, path, &p, &err) < 0)
		fail_msg("%s: %s", err.msg, told.text);
	assert_int_equal(f->t.nlinks, 1);
	labfile_free(f);
	/* What is wrong in the other file is told with its name. */
	put(sub, "nodes: [a, a]\n");
	assert_int_equal(labfile_read(&f, path, &p, &err), -EINVAL);
	assert_non_null(strstr(told.text, "nodes.yaml:1:12: there is a node 'a' already"));
	put(sub, "include: [lab.yaml]\n");
	assert_int_equal(labfile_read(&f, path, &p, &err), -EINVAL);
	assert_non_null(strstr(told.text, "nodes.yaml:1:11: lab.yaml includes itself"));
	put(path, "include: none.yaml\n");
	assert_int_equal(labfile_read(&f, path, &p, &err), -EINVAL);
	assert_non_null(strstr(told.text, "No such file"));
	unlink(path);
	unlink(sub);
	assert_int_equal(labfile_read(&f, path, &p, &err), -ENOENT);
	assert_int_equal(labfile_read(&f, dir, &p, &err), -EISDIR);
	rmdir(dir);
}

static void delays_out_of_a_file(void **state)
{
	char dir[] = "/tmp/choppy-labfile-XXXXXX", path[64], csv[64];
	struct told told = { 0 };
	struct problems p = { .tell = tell, .ctx = &told };
	struct choppy_err err = { 0 };
	struct labfile *f = NULL;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/lab.yaml", dir);
	snprintf(csv, sizeof(csv), "%s/wan.csv", dir);
	put(path, "nodes: [a, b, c]\n"
		  "latency: {groups: {eu: [a, b], us: c}, file: wan.csv, rtt: true}\n");
	put(csv, "(ms),eu,us\neu,2\nus,80\n");
	if (labfile_read(&f, path, &p, &err) < 0)
		fail_msg("%s: %s", err.msg, told.text);
	asks(f, "a-eu", 1, "delay 500us");
	asks(f, "eu-us", 0, "delay 39.5ms");
	labfile_free(f);
	/* What is wrong in it is told with its name, also where only the whole shows it. */
	put(csv, "(ms),eu,us\neu,2\nus,80ms\n");
	assert_int_equal(labfile_read(&f, path, &p, &err), -EINVAL);
	assert_non_null(strstr(told.text, "/wan.csv:3:4: '80ms': the first cell gives the unit"));
	put(csv, "(ms),eu,us\neu,2\nus,0.9\n");
	assert_int_equal(labfile_read(&f, path, &p, &err), -EINVAL);
	assert_non_null(strstr(told.text, "/wan.csv:3:4: from eu to us 450us is too short: 500us"));
	put(csv, "(ms),us,eu\nus,,1\n");
	assert_int_equal(labfile_read(&f, path, &p, &err), -EINVAL);
	assert_non_null(strstr(told.text, "/wan.csv:1:1: the delay within group eu is missing"));
	unlink(csv);
	assert_int_equal(labfile_read(&f, path, &p, &err), -EINVAL);
	assert_non_null(strstr(told.text, "lab.yaml:2:46: cannot read "));
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_lab),
		cmocka_unit_test(one_way_is_one_way),
		cmocka_unit_test(json_is_the_same_thing),
		cmocka_unit_test(short_forms),
		cmocka_unit_test(kinds_of_short_forms),
		cmocka_unit_test(delays_between_groups),
		cmocka_unit_test(delays_by_name),
		cmocka_unit_test(what_is_wrong),
		cmocka_unit_test(what_has_no_place_shows_no_line),
		cmocka_unit_test(a_pattern_is_told_once),
		cmocka_unit_test(files_include_files),
		cmocka_unit_test(delays_out_of_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
