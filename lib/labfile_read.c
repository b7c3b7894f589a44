/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A mapping is read key by key of its table, so that what depends on something else comes behind
 * it, wherever it stands in the file. Whoever takes a value gets only forms that its row allows.
 * Reading goes on behind a problem: all of them are told at once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "labfile_read.h"
#include "near.h"
#include "util.h"
#include "value.h"

/* ---------------------------------------------------------------- problems */

void problem_err(struct reader *r, struct fy_node *node, const struct choppy_err *err)
{
	if (err->code == -ENOMEM) {
		r->failed = true;
		err_set(r->err, -ENOMEM, "%s", err->msg);
		return;
	}
	problem(r, node, "%.*s", (int)strcspn(err->msg, "\n"), err->msg);
}

void out_of_memory(struct reader *r)
{
	r->failed = true;
	err_sys(r->err, -ENOMEM, "read %s", r->path);
}

/* ------------------------------------------------------------------- forms */

unsigned int form_of(struct fy_node *value)
{
	if (value && fy_node_is_mapping(value))
		return FORM_MAP;
	if (value && fy_node_is_sequence(value))
		return FORM_LIST;
	return value && (yaml_text(value)[0] || fy_node_get_style(value) != FYNS_PLAIN) ? FORM_TEXT
											: FORM_NULL;
}

bool fits(struct reader *r, struct fy_node *at, struct fy_node *value, const struct key *k)
{
	unsigned int form = form_of(value);
	int n = form == FORM_LIST ? fy_node_sequence_item_count(value) : 0;

	if ((form & k->forms) &&
	    (form != FORM_LIST || (n >= k->least && (!k->most || n <= k->most))))
		return true;
	if (at == value)
		problem(r, at, "this takes %s", k->what);
	else
		problem(r, at, "'%s' takes %s", yaml_text(at), k->what);
	return false;
}

/* -------------------------------------------------------------------- maps */

static const struct key *find(const struct key *keys, const char *name)
{
	for (; keys && keys->name; keys++)
		if (strcmp(keys->name, name) == 0)
			return keys;
	return NULL;
}

static void unknown(struct reader *r, struct fy_node *node, const char *name,
		    const struct key *keys)
{
	struct near near = near_begin(name);

	for (const struct key *k = keys; k && k->name; k++)
		near_try(&near, k->name);
	if (near.best)
		problem(r, node, "there is no key '%s' here; is it '%s'?", name, near.best);
	else
		problem(r, node, "there is no key '%s' here", name);
}

/* A pair whose key is in no table. */
static void take_named(struct reader *r, struct fy_node_pair *pair, const struct key *keys,
		       void *obj, const struct key *each)
{
	struct fy_node *at = fy_node_pair_key(pair);
	struct fy_node *value = yaml_value(fy_node_pair_value(pair));
	const char *name = yaml_text(at);

	/* Alone, it is for @each to say what is wrong with a name. */
	if (!each || (keys && each->having && !strstr(name, each->having)))
		unknown(r, at, name, keys);
	else if (fits(r, at, value, each))
		each->named(r, name, at, value, obj);
}

static void take_key(struct reader *r, struct fy_node *map, const struct key *k, void *obj)
{
	struct fy_node_pair *pair;
	bool there = false;
	void *iter = NULL;

	while (!there && (pair = fy_node_mapping_iterate(map, &iter))) {
		struct fy_node *value = yaml_value(fy_node_pair_value(pair));
		const char *name = yaml_text(fy_node_pair_key(pair));

		there = name && strcmp(name, k->name) == 0;
		if (there && fits(r, fy_node_pair_key(pair), value, k))
			k->take(r, value, k->own ? (void *)k->own : obj);
	}
	if (!there && k->required)
		problem(r, map, "'%s' is missing here: %s", k->name, k->what);
}

void read_map(struct reader *r, struct fy_node *map, const struct key *keys, void *obj,
	      const struct key *each)
{
	struct fy_node_pair *pair;
	void *iter = NULL;

	while (!r->failed && (pair = fy_node_mapping_iterate(map, &iter))) {
		const char *name = yaml_text(fy_node_pair_key(pair));

		if (!name)
			problem(r, fy_node_pair_key(pair), "a key is one word");
		else if (!find(keys, name))
			take_named(r, pair, keys, obj, each);
	}
	for (const struct key *k = keys; k && k->name && !r->failed; k++)
		take_key(r, map, k, obj);
}

void read_list(struct reader *r, struct fy_node *list, const struct key *item, void *obj)
{
	struct fy_node *value;
	void *iter = NULL;

	if (!fy_node_is_sequence(list)) {
		item->take(r, list, obj);
		return;
	}
	while (!r->failed && (value = fy_node_sequence_iterate(list, &iter))) {
		struct fy_node *meant = yaml_value(value);

		if (fits(r, meant, meant, item))
			item->take(r, meant, obj);
	}
}

/* ------------------------------------------------------------------ values */

char *copy_text(struct reader *r, struct fy_node *value)
{
	char *copy = strdup(yaml_text(value));

	if (!copy)
		out_of_memory(r);
	return copy;
}

bool read_number(struct reader *r, struct fy_node *value, uint64_t *ret)
{
	const char *text = yaml_text(value);
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	if (*end || errno || text[0] < '0' || text[0] > '9') {
		problem(r, value, "'%s' is not a number from 0 to 2^64 - 1", text);
		return false;
	}
	return true;
}

int read_choice(struct reader *r, struct fy_node *value, const char *const *choices,
		const char *what)
{
	const char *text = yaml_text(value);
	struct near near = near_begin(text);
	char buf[256];
	struct text list = text_begin(buf, sizeof(buf));
	size_t n = 0;

	while (choices[n])
		n++;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(text, choices[i]) == 0)
			return (int)i;
		near_try(&near, choices[i]);
		text_add(&list, "%s%s", text_or(i, n), choices[i]);
	}
	problem(r, value, "'%s' is no %s: it is %s%s%s%s", text, what, buf,
		near.best ? "; is it '" : "", near.best ? near.best : "", near.best ? "'?" : "");
	return -1;
}

bool fit(struct reader *r, void *array, uint32_t *had, uint32_t n, size_t size)
{
	void *p;

	if (n <= *had)
		return true;
	p = realloc(*(void **)array, n * size);
	if (!p) {
		out_of_memory(r);
		return false;
	}
	*(void **)array = p;
	memset((char *)p + *had * size, 0, (n - *had) * size);
	*had = n;
	return true;
}
