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
#include "fields.h"
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
	int k = read_choice(r, value, uplink_names, "uplink");

	if (k >= 0)
		((struct uplink_draft *)obj)->kind = (enum choppy_uplink)k;
}

static void take_uplink_condition(struct reader *r, struct fy_node *value, void *obj)
{
	((struct uplink_draft *)obj)->condition = read_condition(r, value, true);
}

static const struct key uplink_keys[] = {
	KEY("node", FORM_TEXT, take_uplink_node, "the name of a node", .required = true,
	    .help = "the router or host that has the way out"),
	KEY("kind", FORM_TEXT, take_uplink_kind, "auto, nat, relay or none",
	    .choices = uplink_names, .help = "how packets get out; auto is nat with root"),
	KEY("condition", FORM_TEXT, take_uplink_condition, "the words of a condition",
	    .text = TEXT_WAYS, .help = "of the way out; up and down as that node sees it"),
	{ 0 },
};

static void take_uplink(struct reader *r, struct fy_node *value, void *obj)
{
	struct uplink_draft d = { .node = UINT32_MAX, .kind = CHOPPY_UPLINK_AUTO };

	if (r->f->uplink != UINT32_MAX) {
		problem(r, value, "a lab has one uplink, and has it already");
		return;
	}
	if (form_of(value) == FORM_MAP)
		read_map(r, value, uplink_keys, &d, NULL);
	else
		take_uplink_node(r, value, &d);
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

static void take_included(struct reader *r, struct fy_node *value, void *obj)
{
	const char *name = yaml_text(value);
	struct choppy_err err = { 0 };
	struct reader in = { .f = r->f, .problems = r->problems, .from = r, .err = r->err };
	CLEANUP_FREE char *path = NULL;
	int e;

	if (!r->path) {
		problem(r, value, "a text includes no file");
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

static const struct key include_item = ITEM(FORM_TEXT, take_included, "the name of a file");

static void take_include(struct reader *r, struct fy_node *value, void *obj)
{
	read_list(r, value, &include_item, obj);
}

/* A list of nodes, with or without a name. @name_: what that is of the shape. */
#define LIST_SHAPE(shape_, name_, help_)                                                           \
	KEY(shape_, FORM_TEXT | FORM_LIST | FORM_MAP, take_shape,                                  \
	    "nodes: [a, b, c], or {" name_ ": [a, b, c]}", .own = (shape_), .item = &node_item,    \
	    .each = &list_shape, .help = (help_))

const struct key lab_keys[] = {
	KEY("name", FORM_TEXT, take_lab_name, "a name",
	    .help = "of the lab; else it is called as the file"),
	KEY("seed", FORM_TEXT, take_seed, "a number", .text = TEXT_NUMBER,
	    .help = "decides every verdict"),
	KEY("include", FORM_TEXT | FORM_LIST, take_include, "a file, or a list of files",
	    .item = &include_item, .help = "files with more of the lab, beside this one"),
	KEY("nodes", FORM_LIST | FORM_MAP, take_nodes, "a list of names, or {NAME: KIND}",
	    .item = &node_new, .each = &node_each,
	    .help = "hosts, routers and switches; w[1-3] is w1, w2, w3"),
	KEY("latency", FORM_MAP, take_latency, "a matrix: {groups: ..., matrix: ...}",
	    .keys = latency_keys, .each = &latency_each,
	    .help = "groups of nodes, and the delays between them"),
	LIST_SHAPE("lan", "NAME", "hosts that are joined to a switch"),
	LIST_SHAPE("star", "HUB", "hosts that are joined to a router"),
	LIST_SHAPE("ring", "NAME", "routers, each joined to the next, the last to the first"),
	LIST_SHAPE("mesh", "NAME", "hosts, each joined to each"),
	KEY("dumbbell", FORM_LIST | FORM_MAP, take_shape,
	    "two lists: [[a, b], [c, d]], or {NAME: {left: [a, b], right: [c, d]}}",
	    .own = "dumbbell", .item = &side_item, .least = 2, .most = 2, .each = &two_lists_shape,
	    .help = "hosts on both sides of two routers and the link between these"),
	KEY("fat-tree", FORM_TEXT | FORM_MAP, take_shape, "the number of pods, or {NAME: {k: 4}}",
	    .own = "fat-tree", .text = TEXT_NUMBER, .each = &counted_shape,
	    .help = "routers and hosts of a data centre, by its pods"),
	KEY("links", FORM_LIST | FORM_MAP, take_links, "a list of links: 'A -- B'",
	    .item = &link_item, .each = &link_each, .help = "between nodes, each with a condition"),
	KEY("uplink", FORM_TEXT | FORM_MAP, take_uplink, "the name of a node", .keys = uplink_keys,
	    .help = "the node with the way out of the lab"),
	KEY("timeline", FORM_LIST, take_timeline, "a list: 'at 5s: cut a b'", .item = &event_item,
	    .help = "what is done to the lab, and when"),
	KEY("expect", FORM_LIST, take_expect, "a list: 'node a exits 0 within 10s'",
	    .item = &expect_item, .help = "what must hold: choppy test says whether it does"),
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

void program_free(struct node_program *p)
{
	strv_free(p->argv);
	strv_free(p->env);
	free(p->user);
	free(p->dir);
	if (p->ready)
		probe_free(p->ready);
	free(p->ready);
}

void labfile_free(struct labfile *f)
{
	if (!f)
		return;
	for (uint32_t i = 0; i < f->nprograms; i++)
		program_free(&f->programs[i]);
	for (uint32_t i = 0; i < f->nowned; i++)
		free(f->owned[i]);
	for (uint32_t i = 0; i < f->nfiles; i++)
		yaml_close(f->files[i]);
	timeline_free(&f->timeline);
	topology_free(&f->t);
	free(f->dir);
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
	r.f->dir = file_beside(r.path, ".");
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
