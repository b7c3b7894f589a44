/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file as a whole: what it includes, its parts in their order, the way out. Names that only a
 * short form mentions (lan: [a, b, c]) are nodes by that; a name in `links` or `uplink` must be
 * there.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "labfile_read.h"
#include "near.h"
#include "util.h"

#define INCLUDES_MAX 64

/* ------------------------------------------------------------------ uplink */

struct uplink_draft {
	uint32_t node;
	enum choppy_uplink kind;
	const struct link_condition *condition;
};

static void take_uplink_node(struct reader *r, struct fy_node *value, void *obj)
{
	struct choppy_err err = { 0 };
	struct uplink_draft *d = obj;

	if (topology_find_node(&r->f->t, yaml_text(value), &d->node, &err) < 0)
		problem_err(r, value, &err);
	else if (r->f->t.nodes[d->node].kind == NODE_SWITCH)
		problem(r, value, "%s is a switch: the way out begins at a router or a host",
			yaml_text(value));
}

static void take_uplink_kind(struct reader *r, struct fy_node *value, void *obj)
{
	const char *text = yaml_text(value);

	for (int k = 0; k < CHOPPY_NUPLINKS; k++) {
		if (strcmp(text, choppy_uplink_name((enum choppy_uplink)k)) == 0) {
			((struct uplink_draft *)obj)->kind = (enum choppy_uplink)k;
			return;
		}
	}
	problem(r, value, "'%s' is no uplink: it is auto, nat, relay or none", text);
}

static void take_uplink_condition(struct reader *r, struct fy_node *value, void *obj)
{
	((struct uplink_draft *)obj)->condition = read_condition(r, value, true);
}

static const struct key uplink_keys[] = {
	KEY("node", FORM_TEXT, take_uplink_node, "the name of a node"),
	KEY("kind", FORM_TEXT, take_uplink_kind, "auto, nat, relay or none"),
	KEY("condition", FORM_TEXT, take_uplink_condition, "the words of a condition"),
	{ 0 },
};

static void take_uplink(struct reader *r, struct fy_node *value, void *obj)
{
	struct uplink_draft d = { .node = UINT32_MAX, .kind = CHOPPY_UPLINK_AUTO };
	int before = r->problems->n;

	if (r->f->uplink != UINT32_MAX) {
		problem(r, value, "a lab has one uplink, and has it already");
		return;
	}
	if (form_of(value) == FORM_MAP)
		read_map(r, value, uplink_keys, &d, NULL);
	else
		take_uplink_node(r, value, &d);
	if (r->problems->n == before && d.node == UINT32_MAX)
		problem(r, value, "which node has the uplink? {node: NAME}");
	r->f->uplink = d.node;
	r->f->uplink_kind = d.kind;
	r->f->uplink_condition = d.condition;
}

/* --------------------------------------------------------------------- top */

static void take_lab_name(struct reader *r, struct fy_node *value, void *obj)
{
	const char *text = yaml_text(value);
	struct choppy_err err = { 0 };

	if (choppy_name_check(text, &err) < 0)
		problem_err(r, value, &err);
	else
		memcpy(r->f->name, text, strlen(text) + 1);
}

static void take_seed(struct reader *r, struct fy_node *value, void *obj)
{
	r->f->seed_given = read_number(r, value, &r->f->seed);
}

static void read_file(struct reader *r);

static bool includes_itself(const struct reader *r, const char *path)
{
	for (; r; r = r->from)
		if (r->path && strcmp(r->path, path) == 0)
			return true;
	return false;
}

char *file_beside(const char *file, const char *name)
{
	const char *slash = strrchr(file, '/');
	char *joined, *full;

	if (asprintf(&joined, "%.*s%s", name[0] != '/' && slash ? (int)(slash + 1 - file) : 0, file,
		     name) < 0)
		return NULL;
	full = realpath(joined, NULL);
	if (!full)
		return joined;
	free(joined);
	return full;
}

static void include(struct reader *r, struct fy_node *value)
{
	const char *name = yaml_text(value);
	struct choppy_err err = { 0 };
	struct reader in = { .f = r->f, .problems = r->problems, .from = r, .err = r->err };
	CLEANUP_FREE char *path = NULL;
	int e;

	if (!name || !*name || !r->path) {
		problem(r, value, "'include' takes the name of a file");
		return;
	}
	path = file_beside(r->path, name);
	if (!path) {
		out_of_memory(r);
		return;
	}
	in.path = path;
	if (includes_itself(r, path)) {
		problem(r, value, "%s includes itself", name);
		return;
	}
	if (r->f->nfiles == INCLUDES_MAX) {
		problem(r, value, "a lab has at most %d files", INCLUDES_MAX);
		return;
	}
	e = yaml_open(&in.y, path, r->problems, &err);
	if (e == 0)
		read_file(&in);
	else if (e != -EINVAL)
		problem_err(r, value, &err);
	r->failed |= in.failed;
}

static void take_include(struct reader *r, struct fy_node *value, void *obj)
{
	struct fy_node *item;
	void *iter = NULL;

	if (!fy_node_is_sequence(value)) {
		include(r, value);
		return;
	}
	while (!r->failed && (item = fy_node_sequence_iterate(value, &iter)))
		include(r, item);
}

#define SHAPE_KEY(name_)                                                                           \
	{                                                                                          \
		.name = (name_), .forms = FORM_TEXT | FORM_LIST | FORM_MAP, .take = take_shape,    \
		.what = "a list of nodes", .own = (name_)                                          \
	}

static const struct key lab_keys[] = {
	KEY("name", FORM_TEXT, take_lab_name, "a name"),
	KEY("seed", FORM_TEXT, take_seed, "a number"),
	KEY("include", FORM_TEXT | FORM_LIST, take_include, "a file, or a list of files"),
	KEY("nodes", FORM_LIST | FORM_MAP, take_nodes, "a list of names, or {NAME: KIND}"),
	KEY("latency", FORM_MAP, take_latency, "a matrix: {groups: ..., matrix: ...}"),
	SHAPE_KEY("lan"),
	SHAPE_KEY("star"),
	SHAPE_KEY("ring"),
	SHAPE_KEY("mesh"),
	SHAPE_KEY("dumbbell"),
	SHAPE_KEY("fat-tree"),
	KEY("links", FORM_LIST | FORM_MAP, take_links, "a list of links: 'A -- B'"),
	KEY("uplink", FORM_TEXT | FORM_MAP, take_uplink, "the name of a node"),
	KEY("timeline", FORM_LIST, take_timeline, "a list: 'at 5s: cut a b'"),
	KEY("expect", FORM_LIST, take_expect, "a list: 'node a exits 0 within 10s'"),
	{ 0 },
};

/* @r->y becomes the lab's. */
static void read_file(struct reader *r)
{
	struct labfile *f = r->f;
	struct fy_node *root = yaml_root(r->y);
	struct yaml **files = realloc(f->files, (f->nfiles + 1) * sizeof(*files));

	if (!files) {
		yaml_close(r->y);
		out_of_memory(r);
		return;
	}
	f->files = files;
	f->files[f->nfiles++] = r->y;
	if (root && form_of(root) == FORM_MAP)
		read_map(r, root, lab_keys, f, NULL);
	else if (root && form_of(root) != FORM_NULL)
		problem(r, root, "a lab is a mapping: nodes, links and so on");
}

static int finish(struct reader *r, struct labfile **ret)
{
	struct labfile *f = r->f;

	if (!r->failed && !r->problems->n && f->t.nnodes == 0)
		yaml_problem(r->y, &(struct place){ .file = r->path ? r->path : "-" },
			     "the lab has no node: name some under 'nodes', or as 'lan: [a, b]'");
	if (r->failed || !fit_nodes(r) || !fit_links(r))
		return -ENOMEM;
	if (r->problems->n)
		return err_set(r->err, -EINVAL, "%s: %d problem%s", r->path ? r->path : "-",
			       r->problems->n, r->problems->n > 1 ? "s" : "");
	*ret = f;
	return 0;
}

static struct labfile *labfile_new(struct choppy_err *err)
{
	struct labfile *f = calloc(1, sizeof(*f));

	if (f)
		f->uplink = UINT32_MAX;
	else
		err_sys(err, -ENOMEM, "read the lab");
	return f;
}

static void strv_free(char **v)
{
	for (char **p = v; p && *p; p++)
		free(*p);
	free(v);
}

void labfile_free(struct labfile *f)
{
	if (!f)
		return;
	for (uint32_t i = 0; i < f->nprograms; i++) {
		strv_free(f->programs[i].argv);
		strv_free(f->programs[i].env);
		free(f->programs[i].user);
		if (f->programs[i].ready)
			probe_free(f->programs[i].ready);
		free(f->programs[i].ready);
	}
	for (uint32_t i = 0; i < f->nowned; i++)
		free(f->owned[i]);
	for (uint32_t i = 0; i < f->nfiles; i++)
		yaml_close(f->files[i]);
	timeline_free(&f->timeline);
	topology_free(&f->t);
	free(f->programs);
	free(f->conditions);
	free(f->owned);
	free(f->files);
	free(f);
}

/* @e: how opening @r->y ended. */
static int read_whole(struct reader *r, int e, struct labfile **ret)
{
	if (e == 0) {
		read_file(r);
		e = finish(r, ret);
	}
	if (e < 0)
		labfile_free(r->f);
	return e;
}

int labfile_read(struct labfile **ret, const char *path, struct problems *problems,
		 struct choppy_err *err)
{
	struct choppy_err own;
	CLEANUP_FREE char *full = realpath(path, NULL);
	struct reader r = { .problems = problems,
			    .path = full ? full : path,
			    .err = err ? err : &own };

	r.f = labfile_new(r.err);
	if (!r.f)
		return -ENOMEM;
	return read_whole(&r, yaml_open(&r.y, path, problems, r.err), ret);
}

int labfile_parse(struct labfile **ret, const char *text, size_t size, struct problems *problems,
		  struct choppy_err *err)
{
	struct choppy_err own;
	struct reader r = { .problems = problems, .err = err ? err : &own };

	r.f = labfile_new(r.err);
	if (!r.f)
		return -ENOMEM;
	return read_whole(&r, yaml_parse(&r.y, "-", text, size, problems, r.err), ret);
}
