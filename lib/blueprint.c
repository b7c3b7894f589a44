/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "blueprint.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "util.h"

/* lab.yaml is the lab "lab": what a name may not hold is left out. */
static void name_after(const char *path, char *name, size_t size)
{
	const char *base = strrchr(path, '/');
	size_t n = 0;

	base = base ? base + 1 : path;
	for (const char *end = base + strcspn(base, "."); base < end && n < size - 1; base++)
		if (isalnum((unsigned char)*base) || (n && strchr("-_", *base)))
			name[n++] = *base;
	name[n] = '\0';
	if (!n)
		snprintf(name, size, "lab");
}

void choppy_file_free(struct choppy_file *f)
{
	if (!f)
		return;
	if (f->numbered)
		numbering_free(&f->numbers);
	labfile_free(f->file);
	free(f);
}

int choppy_file_read(struct choppy_file **ret, const char *path,
		     void (*problem)(void *ctx, const char *text), void *ctx,
		     struct choppy_err *err)
{
	static const struct addr_used nobody;
	struct problems problems = { .tell = problem, .ctx = ctx };
	struct choppy_file *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return err_sys(err, -ENOMEM, "read %s", path);
	r = labfile_read(&f->file, path, &problems, err);
	if (r == 0) {
		name_after(path, f->name, sizeof(f->name));
		if (f->file->name[0])
			memcpy(f->name, f->file->name, sizeof(f->name));
		/* Whether its addresses can be, wherever that may be. */
		r = blueprint_number(f, &nobody, err);
		if (r < 0)
			err_prefix(err, "%s", path);
	}
	if (r < 0)
		choppy_file_free(f);
	else
		*ret = f;
	return r;
}

int blueprint_number(struct choppy_file *f, const struct addr_used *used, struct choppy_err *err)
{
	int r;

	if (f->numbered) {
		numbering_free(&f->numbers);
		f->numbered = false;
	}
	r = numbering_make(&f->numbers, &f->file->t, f->name, used, err);
	f->numbered = r == 0;
	return r;
}

const struct inet *blueprint_address(const struct choppy_file *f, uint32_t node, int family)
{
	const struct topology *t = &f->file->t;
	uint32_t p = t->nodes[node].first_port;

	return p == NO_PORT || !t->ports[p].addr[family].family ? NULL : &t->ports[p].addr[family];
}

const char *choppy_file_name(const struct choppy_file *f)
{
	return f->name;
}

int choppy_file_rename(struct choppy_file *f, const char *name, struct choppy_err *err)
{
	int r = choppy_name_check(name, err);

	if (r == 0)
		snprintf(f->name, sizeof(f->name), "%s", name);
	return r;
}

bool choppy_file_expects(const struct choppy_file *f)
{
	return f->file->timeline.nexpects > 0;
}

void choppy_file_size(const struct choppy_file *f, uint32_t *ret_nodes, uint32_t *ret_links)
{
	*ret_nodes = f->file->t.nnodes;
	*ret_links = f->file->t.nlinks;
}

void choppy_file_node(const struct choppy_file *f, uint32_t i, struct choppy_file_node *ret)
{
	const struct topo_node *node = &f->file->t.nodes[i];

	*ret = (struct choppy_file_node){
		.name = node->name,
		.kind = node_kinds[node->kind],
		.nlinks = node->nports,
		.runs = f->file->programs[i].argv,
	};
}

static void print_address(char *buf, size_t size, const struct inet *a)
{
	if (a->family)
		inet_print(buf, size, a, true);
}

void choppy_file_link(const struct choppy_file *f, uint32_t i, struct choppy_file_link *ret)
{
	const struct topology *t = &f->file->t;
	const struct link_condition *c = f->file->conditions[i];

	*ret = (struct choppy_file_link){
		.name = t->links[i].name,
		.dir = c ? c->dir : NULL,
		.rules = c ? &c->rules : NULL,
	};
	for (uint32_t k = 0; k < 2; k++) {
		const struct topo_port *port = &t->ports[2 * i + k];
		struct choppy_file_end *end = &ret->end[k];

		end->node = port->node;
		end->port = port->number;
		print_address(end->addr4, sizeof(end->addr4), &port->addr[0]);
		print_address(end->addr6, sizeof(end->addr6), &port->addr[1]);
	}
}

bool choppy_file_uplink(const struct choppy_file *f, struct choppy_file_link *ret)
{
	const struct link_condition *c = f->file->uplink_condition;

	if (f->file->uplink == UINT32_MAX)
		return false;
	*ret = (struct choppy_file_link){
		.name = choppy_uplink_name(f->file->uplink_kind),
		.end = { { .node = f->file->uplink }, { .node = UINT32_MAX } },
		.dir = c ? c->dir : NULL,
		.rules = c ? &c->rules : NULL,
	};
	return true;
}
