/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens to a lab and when, and what is expected of it:
 *
 *	timeline:
 *	  - at 5s: cut a b
 *	  - every 30s for 2s: [pause any db, set trunk loss 5%]
 *	expect:
 *	  - node client exits 0 within 60s
 *	  - at 30s: tcp leader:5432 answers from client
 *
 * Where a pattern names the node of what is expected, that is expected of each.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "labfile_read.h"
#include "util.h"

#define DECIDED_WITHIN_NS 60000000000ull /* where nothing is said */

/* WHEN and what is behind it are the one key and value of a mapping. False: told. */
static bool is_one_pair(struct reader *r, struct fy_node *map, const char *what)
{
	if (fy_node_mapping_item_count(map) == 1)
		return true;
	problem(r, map, "this is written as '%s'", what);
	return false;
}

/* ---------------------------------------------------------------- timeline */

static int parse_action(struct reader *r, const char *text, struct action *ret,
			struct choppy_err *err)
{
	CLEANUP_FREE char *buf = malloc(strlen(text) + 1);
	CLEANUP_FREE const char **words = malloc((strlen(text) / 2 + 1) * sizeof(*words));
	int n;

	if (!buf || !words)
		return err_sys(err, -ENOMEM, "read the timeline");
	n = choppy_words_split(buf, words, text);
	return n < 0 ? err_set(err, n, "a quote is not closed")
		     : action_parse(ret, &r->f->t, n, words, err);
}

/* What the rest of the file must have for it. */
static int check_action(const struct labfile *f, const struct action *a, struct choppy_err *err)
{
	if (a->verb == VERB_LINK && a->uplink && f->uplink == UINT32_MAX)
		return err_set(err, -EINVAL, "no node of this lab has an uplink");
	for (uint32_t i = 0; a->verb == VERB_START && i < a->groups[0].n; i++)
		if (!f->programs[a->groups[0].v[i]].argv)
			return err_set(err, -EINVAL, "node %s has no command that could be started",
				       f->t.nodes[a->groups[0].v[i]].name);
	return 0;
}

static int check_probe(const struct labfile *f, const struct probe *p, struct choppy_err *err)
{
	if ((p->kind != PROBE_EXITED && p->kind != PROBE_RUNS) || f->programs[p->node].argv)
		return 0;
	return err_set(err, -EINVAL, "node %s has no command that could end or run",
		       f->t.nodes[p->node].name);
}

static void take_action(struct reader *r, struct fy_node *value, void *obj)
{
	const char *text = yaml_text(value);
	struct event *e = obj;
	struct choppy_err err = { 0 };
	struct action a;

	if (parse_action(r, text, &a, &err) < 0) {
		problem_err(r, value, &err);
		return;
	}
	if (!fit_nodes(r) || event_check(&e->when, &a, &err) < 0 ||
	    check_action(r->f, &a, &err) < 0)
		problem_err(r, value, &err);
	if (event_add(e, &a, text) == 0)
		return;
	action_free(&a);
	out_of_memory(r);
}

static const struct key action_item = ITEM(FORM_TEXT, take_action, "what is done: cut a b");

static void take_event(struct reader *r, const char *when, struct fy_node *at,
		       struct fy_node *value, void *obj)
{
	struct timeline *t = &r->f->timeline;
	struct choppy_err err = { 0 };
	struct event e = { 0 };
	int before = r->problems->n;

	if (when_parse(&e.when, when, false, &err) < 0)
		problem_err(r, at, &err);
	read_list(r, value, &action_item, &e);
	if (r->problems->n == before && timeline_contradicts(t, &e, &err) < 0)
		problem_err(r, at, &err);
	if (timeline_add_event(t, &e) < 0)
		out_of_memory(r);
}

static const struct key event_each = NAMED("WHEN", FORM_TEXT | FORM_LIST, take_event,
					   "what is done, or a list of it", .item = &action_item);

static void take_line(struct reader *r, struct fy_node *value, void *obj)
{
	if (is_one_pair(r, value, "at 5s: cut a b"))
		read_map(r, value, NULL, obj, &event_each);
}

const struct key event_item = ITEM(
	FORM_MAP, take_line, "a moment, and what is done: {at 5s: cut a b}", .each = &event_each);

void take_timeline(struct reader *r, struct fy_node *value, void *obj)
{
	read_list(r, value, &event_item, obj);
}

/* ------------------------------------------------------------------ expect */

struct expected {
	struct fy_node *at; /* of WHEN, or NULL */
	const char *when;
};

/* When it is to hold: by the key, or by `within` behind it. */
static int find_when(const struct expected *e, const char *within, struct when *ret,
		     struct choppy_err *err)
{
	if (e->when && within)
		return err_set(err, -EINVAL, "'%s' says when already: leave within out", e->when);
	if (e->when)
		return when_parse(ret, e->when, true, err);
	*ret = (struct when){ .kind = WHEN_WITHIN,
			      .from_ns = DECIDED_WITHIN_NS,
			      .to_ns = WHEN_NEVER };
	return within ? when_time(&ret->from_ns, within, err) : 0;
}

static void add_expectation(struct reader *r, struct fy_node *at, const char *text,
			    const struct expected *e)
{
	struct expectation x = { 0 };
	struct choppy_err err = { 0 };
	CLEANUP_FREE char *within = NULL;

	if (probe_parse(&x.probe, &r->f->t, text, &within, &err) < 0) {
		problem_err(r, at, &err);
		return;
	}
	if (fit_nodes(r) && check_probe(r->f, &x.probe, &err) < 0)
		problem_err(r, at, &err);
	if (find_when(e, within, &x.when, &err) < 0)
		problem_err(r, e->when && !within ? e->at : at, &err);
	if (asprintf(&x.text, "%s%s%s", e->when ? e->when : "", e->when ? ": " : "", text) < 0)
		x.text = NULL;
	if (x.text && timeline_add_expectation(&r->f->timeline, &x) == 0)
		return;
	probe_free(&x.probe);
	free(x.text);
	out_of_memory(r);
}

/* The word that names the node: behind node and run, or behind from. To be freed; NULL: none. */
static char *node_word(const char *text)
{
	CLEANUP_FREE char *buf = malloc(strlen(text) + 1);
	CLEANUP_FREE const char **v = malloc((strlen(text) / 2 + 1) * sizeof(*v));
	int n = buf && v ? choppy_words_split(buf, v, text) : 0, i = 1;

	if (n > 0 && strcmp(v[0], "node") != 0 && strcmp(v[0], "run") != 0)
		while (i < n && strcmp(v[i - 1], "from") != 0)
			i++;
	return i < n ? strdup(v[i]) : NULL;
}

/* What is expected of every node of a pattern. */
struct each_node {
	struct reader *r;
	struct fy_node *at;
	const char *text, *pattern; /* which is a part of it */
	size_t length;
	const struct expected *e;
};

static int expect_of(const char *name, void *ctx)
{
	const struct each_node *n = ctx;
	int before = n->r->problems->n;
	char *text;

	if (asprintf(&text, "%.*s%s%s", (int)(n->pattern - n->text), n->text, name,
		     n->pattern + n->length) < 0) {
		out_of_memory(n->r);
		return -ENOMEM;
	}
	add_expectation(n->r, n->at, text, n->e);
	free(text);
	/* What is wrong in it is told once. */
	return n->r->failed || n->r->problems->n > before ? -EINVAL : 0;
}

static void take_expectation(struct reader *r, struct fy_node *value, void *obj)
{
	static const struct expected any_time;
	const struct expected *e = obj ? obj : &any_time;
	const char *text = yaml_text(value);
	CLEANUP_FREE char *word = node_word(text);
	struct each_node n = { .r = r, .at = value, .text = text, .e = e };
	struct choppy_err err = { 0 };

	n.pattern = word && strchr(word, '[') ? strstr(text, word) : NULL;
	if (!n.pattern) {
		add_expectation(r, value, text, e);
		return;
	}
	n.length = strlen(word);
	if (topology_expand(word, expect_of, &n, &err) < 0 && err.code)
		problem_err(r, value, &err);
}

static const struct key expectation_item =
	ITEM(FORM_TEXT, take_expectation, "what must hold: node a exits 0");

static void take_moment(struct reader *r, const char *when, struct fy_node *at,
			struct fy_node *value, void *obj)
{
	read_list(r, value, &expectation_item, &(struct expected){ .at = at, .when = when });
}

static const struct key expect_each = NAMED("WHEN", FORM_TEXT | FORM_LIST, take_moment,
					    "what must hold, or a list of it",
					    .item = &expectation_item);

static void take_expected(struct reader *r, struct fy_node *value, void *obj)
{
	if (form_of(value) == FORM_TEXT)
		take_expectation(r, value, NULL);
	else if (is_one_pair(r, value, "at 5s: node a runs"))
		read_map(r, value, NULL, obj, &expect_each);
}

const struct key expect_item = ITEM(FORM_TEXT | FORM_MAP, take_expected,
				    "what must hold, or {at 5s: ...}", .each = &expect_each);

void take_expect(struct reader *r, struct fy_node *value, void *obj)
{
	read_list(r, value, &expect_item, obj);
}
