/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nodes of a lab's file, and what runs on them. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "labfile_read.h"
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

/* Where the names of a list go. */
struct names {
	int kind;
	struct node_list *list;
};

static void take_names(struct reader *r, struct fy_node *value, void *obj)
{
	const struct names *n = obj;

	read_pattern(r, value, yaml_text(value), n->kind, n->list);
}

const struct key node_item =
	ITEM(FORM_TEXT, take_names,
	     "the name of a node; names with a range are in quotes here: \"w[1-3]\"");

void read_nodes_of(struct reader *r, struct fy_node *value, int kind, struct node_list *list)
{
	read_list(r, value, &node_item, &(struct names){ kind, list });
}

bool fit_nodes(struct reader *r)
{
	struct labfile *f = r->f;

	return fit(r, &f->programs, &f->nprograms, f->t.nnodes, sizeof(*f->programs));
}

/* What is read of a node before it is made. */
struct node_draft {
	enum node_kind kind;
	struct node_program program;
};

/* The words of a command, as they come. */
static void take_word(struct reader *r, struct fy_node *value, void *obj)
{
	char ***end = obj;

	*(*end)++ = copy_text(r, value);
}

static const struct key word_item = ITEM(FORM_TEXT | FORM_NULL, take_word, "one word");

/* A command as one text is the shell's; as a list it is what it says. */
static void take_command(struct reader *r, struct fy_node *value, void *obj)
{
	struct node_program *p = &((struct node_draft *)obj)->program;
	bool shell = fy_node_is_scalar(value);
	size_t n = shell ? 3 : (size_t)fy_node_sequence_item_count(value);
	char **end = p->argv = calloc(n + 1, sizeof(*p->argv));

	if (!p->argv) {
		out_of_memory(r);
		return;
	}
	if (shell) {
		*end++ = strdup("/bin/sh");
		*end++ = strdup("-c");
	}
	read_list(r, value, &word_item, &end);
}

static void take_variable(struct reader *r, const char *name, struct fy_node *at,
			  struct fy_node *value, void *obj)
{
	char **env = ((struct node_draft *)obj)->program.env;

	while (*env)
		env++;
	if (!*name || strchr(name, '=')) {
		problem(r, at, "this is not a variable's name");
	} else if (asprintf(env, "%s=%s", name, yaml_text(value)) < 0) {
		*env = NULL;
		out_of_memory(r);
	}
}

static const struct key env_each =
	NAMED("VARIABLE", FORM_TEXT | FORM_NULL, take_variable, "one value");

static void take_env(struct reader *r, struct fy_node *value, void *obj)
{
	struct node_draft *d = obj;

	d->program.env = calloc((size_t)fy_node_mapping_item_count(value) + 1, sizeof(char *));
	if (!d->program.env)
		out_of_memory(r);
	else
		read_map(r, value, NULL, obj, &env_each);
}

static void take_user(struct reader *r, struct fy_node *value, void *obj)
{
	struct node_program *p = &((struct node_draft *)obj)->program;
	const char *name = yaml_text(value);

	if (!getpwnam(name))
		problem(r, value, "there is no user '%s' here", name);
	else
		p->user = copy_text(r, value);
}

static void take_ready(struct reader *r, struct fy_node *value, void *obj)
{
	struct node_program *p = &((struct node_draft *)obj)->program;
	struct choppy_err err = { 0 };
	struct probe probe;

	if (probe_parse_ready(&probe, 0, yaml_text(value), &err) < 0) {
		problem_err(r, value, &err);
		return;
	}
	p->ready = malloc(sizeof(*p->ready));
	if (p->ready) {
		*p->ready = probe;
		return;
	}
	probe_free(&probe);
	out_of_memory(r);
}

static void take_kind(struct reader *r, struct fy_node *value, void *obj)
{
	int k = read_choice(r, value, node_kinds, "kind of node");

	if (k >= 0)
		((struct node_draft *)obj)->kind = (enum node_kind)k;
}

static const struct key node_keys[] = {
	KEY("kind", FORM_TEXT, take_kind, "host, router or switch", .choices = node_kinds,
	    .help = "what the node is; a host unless told"),
	KEY("command", FORM_TEXT | FORM_LIST, take_command, "a command line", .item = &word_item,
	    .least = 1, .help = "runs on the node, where its file is; one text is the shell's"),
	KEY("env", FORM_MAP, take_env, "variables: {KEY: VALUE}", .each = &env_each,
	    .help = "the command's environment, beside that of choppy"),
	KEY("user", FORM_TEXT, take_user, "a user's name", .help = "runs the command"),
	KEY("ready", FORM_TEXT, take_ready, "a port, file PATH, or command COMMAND",
	    .help = "when the node is ready; choppy wait waits for it"),
	{ 0 },
};

static void read_draft(struct reader *r, struct fy_node *value, struct node_draft *d)
{
	*d = (struct node_draft){ .kind = NODE_HOST };
	if (form_of(value) == FORM_MAP)
		read_map(r, value, node_keys, d, NULL);
	else if (form_of(value) == FORM_TEXT)
		take_kind(r, value, d);
}

/* The nodes of one pattern. Each is read anew: it owns what it is given. */
struct new_nodes {
	struct reader *r;
	struct fy_node *value;
	enum node_kind kind;
	struct choppy_err err;
};

static int add_new(const char *name, void *ctx)
{
	struct new_nodes *n = ctx;
	struct labfile *f = n->r->f;
	struct node_draft d;
	uint32_t node;
	int e = topology_add_node(&f->t, name, n->kind, &node, &n->err);

	if (e < 0)
		return e;
	if (!fit_nodes(n->r))
		return -ENOMEM;
	read_draft(n->r, n->value, &d);
	f->programs[node] = d.program;
	if (d.program.ready)
		d.program.ready->node = node;
	if (n->r->from)
		f->programs[node].dir = file_beside(n->r->path, ".");
	return n->r->failed ? -ENOMEM : 0;
}

static void add_nodes(struct reader *r, const char *pattern, struct fy_node *at,
		      struct fy_node *value, void *obj)
{
	struct new_nodes n = { .r = r };
	int before = r->problems->n;
	struct node_draft d;

	/* What is wrong in it is told once, however many nodes these are. */
	read_draft(r, value, &d);
	program_free(&d.program);
	n.kind = d.kind;
	if (d.kind == NODE_SWITCH && value && fy_node_mapping_item_count(value) > 1)
		problem(r, at, "%s is a switch: nothing runs on it", pattern);
	if (r->problems->n == before)
		n.value = value;
	if (topology_expand(pattern, add_new, &n, &n.err) < 0 && !r->failed)
		problem_err(r, at, &n.err);
}

const struct key node_each = NAMED("NAME", FORM_NULL | FORM_TEXT | FORM_MAP, add_nodes,
				   "its kind, or {kind: ..., command: ...}", .choices = node_kinds,
				   .keys = node_keys);

static void take_new(struct reader *r, struct fy_node *value, void *obj)
{
	add_nodes(r, yaml_text(value), value, NULL, obj);
}

const struct key node_new = ITEM(FORM_TEXT, take_new, "the name of a node");

void take_nodes(struct reader *r, struct fy_node *value, void *obj)
{
	if (form_of(value) == FORM_LIST)
		read_list(r, value, &node_new, obj);
	else
		read_map(r, value, NULL, obj, &node_each);
}
