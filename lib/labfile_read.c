/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A mapping is read key by key of its table, so that what depends on something else comes behind
 * it, wherever it stands in the file. Reading goes on behind a problem: all of them are told at
 * once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "labfile_read.h"
#include "near.h"
#include "util.h"

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

/* -------------------------------------------------------------------- maps */

unsigned int form_of(struct fy_node *value)
{
	if (fy_node_is_mapping(value))
		return FORM_MAP;
	if (fy_node_is_sequence(value))
		return FORM_LIST;
	return yaml_text(value)[0] || fy_node_get_style(value) != FYNS_PLAIN ? FORM_TEXT
									     : FORM_NULL;
}

static bool known(const struct key *keys, const char *name)
{
	for (; keys->name; keys++)
		if (strcmp(keys->name, name) == 0)
			return true;
	return false;
}

static void unknown(struct reader *r, struct fy_node *node, const char *name,
		    const struct key *keys)
{
	struct near near = near_begin(name);

	for (const struct key *k = keys; k->name; k++)
		near_try(&near, k->name);
	if (near.best)
		problem(r, node, "there is no key '%s' here; is it '%s'?", name, near.best);
	else
		problem(r, node, "there is no key '%s' here", name);
}

static void take(struct reader *r, const struct key *k, struct fy_node_pair *pair, void *obj)
{
	struct fy_node *value = yaml_value(fy_node_pair_value(pair));

	if (!value || !(form_of(value) & k->forms))
		problem(r, fy_node_pair_key(pair), "'%s' takes %s", k->name, k->what);
	else
		k->take(r, value, k->own ? (void *)k->own : obj);
}

void read_map(struct reader *r, struct fy_node *map, const struct key *keys, void *obj,
	      bool (*otherwise)(struct reader *r, const char *key, struct fy_node *at,
				struct fy_node *value, void *obj))
{
	struct fy_node_pair *pair;
	void *iter = NULL;

	while ((pair = fy_node_mapping_iterate(map, &iter))) {
		const char *name = yaml_text(fy_node_pair_key(pair));

		if (!name)
			problem(r, fy_node_pair_key(pair), "a key is one word");
		else if (!known(keys, name) &&
			 !(otherwise && otherwise(r, name, fy_node_pair_key(pair),
						  yaml_value(fy_node_pair_value(pair)), obj)))
			unknown(r, fy_node_pair_key(pair), name, keys);
	}
	for (const struct key *k = keys; k->name && !r->failed; k++) {
		iter = NULL;
		while ((pair = fy_node_mapping_iterate(map, &iter))) {
			const char *name = yaml_text(fy_node_pair_key(pair));

			if (name && strcmp(name, k->name) == 0)
				take(r, k, pair, obj);
		}
	}
}

/* ------------------------------------------------------------------ values */

char *copy_text(struct reader *r, struct fy_node *value)
{
	const char *text = yaml_text(value);
	char *copy = NULL;

	if (!text) {
		problem(r, value, "this takes one value, not a list or a mapping");
		return NULL;
	}
	copy = strdup(text);
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
