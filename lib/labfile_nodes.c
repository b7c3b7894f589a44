/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nodes of a lab's file, and what runs on them. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "labfile_read.h"
#include "near.h"
#include "util.h"

/* Called with the number of each node that a list or a pattern names. */
struct visit {
	struct reader *r;
	struct fy_node *at;
	int kind; /* enum node_kind of those that are not there yet; -1: they must be there */
	struct node_list *list;
	struct choppy_err err;
};

static int visit_name(const char *name, void *ctx)
{
	struct visit *v = ctx;
	struct topology *t = &v->r->f->t;
	uint32_t node;
	int r = topology_find_node(t, name, &node, v->kind < 0 ? &v->err : NULL);

	if (r < 0 && v->kind >= 0)
		r = topology_add_node(t, name, (enum node_kind)v->kind, &node, &v->err);
	if (r == 0 && node_list_add(v->list, node) < 0)
		r = err_sys(&v->err, -ENOMEM, "read the nodes");
	return r;
}

void read_pattern(struct reader *r, struct fy_node *at, const char *pattern, int kind,
		  struct node_list *list)
{
	struct visit v = { .r = r, .at = at, .kind = kind, .list = list };

	if (topology_expand(pattern, visit_name, &v, &v.err) < 0)
		problem_err(r, at, &v.err);
}

void read_nodes_of(struct reader *r, struct fy_node *value, int kind, struct node_list *list)
{
	struct fy_node *item;
	void *iter = NULL;

	if (fy_node_is_scalar(value)) {
		read_pattern(r, value, yaml_text(value), kind, list);
		return;
	}
	if (!fy_node_is_sequence(value)) {
		problem(r, value, "this takes a list of nodes: [a, b]");
		return;
	}
	while (!r->failed && (item = fy_node_sequence_iterate(value, &iter))) {
		const char *text = yaml_text(item);

		if (text)
			read_pattern(r, item, text, kind, list);
		else
			problem(r, item,
				"this takes the name of a node; names with a range are in "
				"quotes here: \"w[1-3]\"");
	}
}

bool fit_nodes(struct reader *r)
{
	struct labfile *f = r->f;

	return fit(r, &f->programs, &f->nprograms, f->t.nnodes, sizeof(*f->programs));
}

/* A command as one text is the shell's; as a list it is what it says. */
static void take_command(struct reader *r, struct fy_node *value, void *obj)
{
	struct node_program *p = obj;
	int n = fy_node_is_sequence(value) ? fy_node_sequence_item_count(value) : 3;
	struct fy_node *item;
	void *iter = NULL;
	char **argv = calloc((size_t)n + 1, sizeof(*argv));

	p->argv = argv;
	if (!argv) {
		out_of_memory(r);
		return;
	}
	if (n == 0)
		problem(r, value, "the command is empty");
	if (fy_node_is_scalar(value)) {
		argv[0] = strdup("/bin/sh");
		argv[1] = strdup("-c");
		argv[2] = copy_text(r, value);
		return;
	}
	for (int i = 0; (item = fy_node_sequence_iterate(value, &iter)); i++) {
		argv[i] = copy_text(r, item);
		if (!argv[i])
			return;
	}
}

static void take_env(struct reader *r, struct fy_node *value, void *obj)
{
	struct node_program *p = obj;
	struct fy_node_pair *pair;
	void *iter = NULL;
	size_t i = 0;

	p->env = calloc((size_t)fy_node_mapping_item_count(value) + 1, sizeof(*p->env));
	if (!p->env)
		out_of_memory(r);
	while (!r->failed && (pair = fy_node_mapping_iterate(value, &iter))) {
		const char *key = yaml_text(fy_node_pair_key(pair));
		const char *text = yaml_text(fy_node_pair_value(pair));

		if (!key || !*key || strchr(key, '='))
			problem(r, fy_node_pair_key(pair), "this is not a variable's name");
		else if (!text)
			problem(r, fy_node_pair_key(pair), "variable %s takes one value", key);
		else if (asprintf(&p->env[i++], "%s=%s", key, text) < 0)
			out_of_memory(r);
	}
}

static void take_user(struct reader *r, struct fy_node *value, void *obj)
{
	struct node_program *p = obj;
	const char *name = yaml_text(value);

	if (!getpwnam(name))
		problem(r, value, "there is no user '%s' here", name);
	else
		p->user = copy_text(r, value);
}

static void take_kind(struct reader *r, struct fy_node *value, void *obj)
{
	const char *text = yaml_text(value);
	struct near near = near_begin(text);

	for (int k = 0; k < NODE_NKINDS; k++) {
		if (strcmp(text, node_kinds[k]) == 0) {
			*(enum node_kind *)obj = (enum node_kind)k;
			return;
		}
		near_try(&near, node_kinds[k]);
	}
	problem(r, value, "'%s' is no kind of node: it is a host, a router or a switch%s%s%s", text,
		near.best ? "; is it '" : "", near.best ? near.best : "", near.best ? "'?" : "");
}

/* Keys that are read elsewhere are known all the same. */
static void take_nothing(struct reader *r, struct fy_node *value, void *obj)
{
}

static const struct key kind_keys[] = {
	KEY("kind", FORM_TEXT, take_kind, "host, router or switch"),
	KEY("command", FORM_TEXT | FORM_LIST, take_nothing, "a command line"),
	KEY("env", FORM_MAP, take_nothing, "variables: {KEY: VALUE}"),
	KEY("user", FORM_TEXT, take_nothing, "a user's name"),
	{ 0 },
};

static const struct key program_keys[] = {
	KEY("kind", FORM_TEXT, take_nothing, ""),
	KEY("command", FORM_TEXT | FORM_LIST, take_command, "a command line"),
	KEY("env", FORM_MAP, take_env, "variables: {KEY: VALUE}"),
	KEY("user", FORM_TEXT, take_user, "a user's name"),
	{ 0 },
};

struct new_nodes {
	struct reader *r;
	enum node_kind kind;
	struct fy_node *value; /* a mapping, or NULL */
	struct choppy_err err;
};

static int add_new(const char *name, void *ctx)
{
	struct new_nodes *n = ctx;
	struct reader *r = n->r;
	uint32_t node;
	int e = topology_add_node(&r->f->t, name, n->kind, &node, &n->err);

	if (e < 0)
		return e;
	if (!fit_nodes(r))
		return -ENOMEM;
	if (n->value)
		read_map(r, n->value, program_keys, &r->f->programs[node], NULL);
	if (r->problems->n)
		n->value = NULL; /* they are the same for the next of the pattern */
	return r->failed ? -ENOMEM : 0;
}

static void add_nodes(struct reader *r, struct fy_node *at, const char *pattern,
		      struct fy_node *value)
{
	struct new_nodes n = { .r = r, .kind = NODE_HOST };
	int before = r->problems->n;

	if (value && form_of(value) == FORM_MAP) {
		read_map(r, value, kind_keys, &n.kind, NULL);
		n.value = r->problems->n == before ? value : NULL;
	} else if (value && form_of(value) == FORM_TEXT) {
		take_kind(r, value, &n.kind);
	} else if (value && form_of(value) == FORM_LIST) {
		problem(r, at, "a node takes its kind, or {kind: ..., command: ...}");
	}
	if (n.value && n.kind == NODE_SWITCH && fy_node_mapping_item_count(value) > 1)
		problem(r, at, "%s is a switch: nothing runs on it", pattern);
	if (topology_expand(pattern, add_new, &n, &n.err) < 0 && !r->failed)
		problem_err(r, at, &n.err);
}

void take_nodes(struct reader *r, struct fy_node *value, void *obj)
{
	struct fy_node_pair *pair;
	struct fy_node *item;
	void *iter = NULL;

	if (form_of(value) == FORM_LIST) {
		while (!r->failed && (item = fy_node_sequence_iterate(value, &iter))) {
			const char *name = yaml_text(item);

			if (name)
				add_nodes(r, item, name, NULL);
			else
				problem(r, item, "this takes the name of a node");
		}
		return;
	}
	while (!r->failed && (pair = fy_node_mapping_iterate(value, &iter))) {
		const char *name = yaml_text(fy_node_pair_key(pair));

		if (name)
			add_nodes(r, fy_node_pair_key(pair), name,
				  yaml_value(fy_node_pair_value(pair)));
		else
			problem(r, fy_node_pair_key(pair), "this takes the name of a node");
	}
}
