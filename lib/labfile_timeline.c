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

/* An entry of a list: {WHEN: TEXT}, {WHEN: [TEXT, ...]}, or, for what is expected, TEXT alone. */
struct entry {
	struct fy_node *at; /* WHEN, or NULL */
	const char *when;
	struct fy_node *value;
};

static bool read_entry(struct reader *r, struct fy_node *item, bool alone, struct entry *ret)
{
	struct fy_node_pair *pair;
	void *iter = NULL;

	item = yaml_value(item);
	*ret = (struct entry){ .value = item };
	if (alone && form_of(item) == FORM_TEXT)
		return true;
	if (form_of(item) != FORM_MAP || fy_node_mapping_item_count(item) != 1) {
		problem(r, item,
			alone ? "this is written as 'at 5s: ...' or 'node a exits 0'"
			      : "this is written as 'at 5s: cut a b'");
		return false;
	}
	pair = fy_node_mapping_iterate(item, &iter);
	ret->at = fy_node_pair_key(pair);
	ret->when = yaml_text(ret->at);
	ret->value = yaml_value(fy_node_pair_value(pair));
	if (ret->when && ret->value)
		return true;
	problem(r, ret->at, "this is written as 'at 5s: ...'");
	return false;
}

/* Call @each for the text that stands there, or for every one of the list. */
static void each_text(struct reader *r, struct fy_node *at, struct fy_node *value, void *ctx,
		      void (*each)(struct reader *r, struct fy_node *at, const char *text,
				   void *ctx))
{
	struct fy_node *item;
	void *iter = NULL;

	if (form_of(value) == FORM_TEXT) {
		each(r, value, yaml_text(value), ctx);
		return;
	}
	if (!fy_node_is_sequence(value)) {
		problem(r, at, "this takes a text, or a list of them");
		return;
	}
	while (!r->failed && (item = fy_node_sequence_iterate(value, &iter))) {
		const char *text = yaml_text(yaml_value(item));

		if (text)
			each(r, item, text, ctx);
		else
			problem(r, item, "this takes a text");
	}
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

static void read_action(struct reader *r, struct fy_node *at, const char *text, void *ctx)
{
	struct event *e = ctx;
	struct choppy_err err = { 0 };
	struct action a;

	if (parse_action(r, text, &a, &err) < 0) {
		problem_err(r, at, &err);
		return;
	}
	if (event_check(&e->when, &a, &err) < 0)
		problem_err(r, at, &err);
	if (event_add(e, &a, text) == 0)
		return;
	action_free(&a);
	out_of_memory(r);
}

static void read_event(struct reader *r, struct fy_node *item)
{
	struct timeline *t = &r->f->timeline;
	struct choppy_err err = { 0 };
	struct event e = { 0 };
	struct entry entry;
	int before = r->problems->n;

	if (!read_entry(r, item, false, &entry))
		return;
	if (when_parse(&e.when, entry.when, false, &err) < 0)
		problem_err(r, entry.at, &err);
	else
		each_text(r, entry.at, entry.value, &e, read_action);
	if (r->problems->n == before && timeline_contradicts(t, &e, &err) < 0)
		problem_err(r, entry.at, &err);
	if (timeline_add_event(t, &e) < 0)
		out_of_memory(r);
}

void take_timeline(struct reader *r, struct fy_node *value, void *obj)
{
	struct fy_node *item;
	void *iter = NULL;

	while (!r->failed && (item = fy_node_sequence_iterate(value, &iter)))
		read_event(r, item);
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
	int result = probe_parse(&x.probe, &r->f->t, text, &within, &err);

	if (result < 0) {
		problem_err(r, at, &err);
		return;
	}
	if (find_when(e, within, &x.when, &err) < 0)
		problem_err(r, e->when ? e->at : at, &err);
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

static void read_expectation(struct reader *r, struct fy_node *at, const char *text, void *ctx)
{
	CLEANUP_FREE char *word = node_word(text);
	struct each_node n = { .r = r, .at = at, .text = text, .e = ctx };
	struct choppy_err err = { 0 };

	n.pattern = word && strchr(word, '[') ? strstr(text, word) : NULL;
	if (!n.pattern) {
		add_expectation(r, at, text, ctx);
		return;
	}
	n.length = strlen(word);
	if (topology_expand(word, expect_of, &n, &err) < 0 && err.code)
		problem_err(r, at, &err);
}

void take_expect(struct reader *r, struct fy_node *value, void *obj)
{
	struct fy_node *item;
	void *iter = NULL;

	while (!r->failed && (item = fy_node_sequence_iterate(value, &iter))) {
		struct entry entry;
		struct expected e;

		if (!read_entry(r, item, true, &entry))
			continue;
		e = (struct expected){ .at = entry.at, .when = entry.when };
		each_text(r, entry.at ? entry.at : item, entry.value, &e, read_expectation);
	}
}

/* ------------------------------------------------------------------ schema */

static const struct key text_item = { .forms = FORM_TEXT, .what = "a text" };

static const struct key event_each = { .name = "WHEN",
				       .forms = FORM_TEXT | FORM_LIST,
				       .what = "what is done, or a list of it",
				       .item = &text_item };

static const struct key expect_each = { .name = "WHEN",
					.forms = FORM_TEXT | FORM_LIST,
					.what = "what must hold, or a list of it",
					.item = &text_item };

const struct key event_item = { .forms = FORM_MAP, .what = "at 5s: cut a b", .each = &event_each };
const struct key expect_item = { .forms = FORM_TEXT | FORM_MAP,
				 .what = "what must hold, or {at 5s: ...}",
				 .each = &expect_each };
