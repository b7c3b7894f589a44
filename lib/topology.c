/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nodes and links are arrays that grow; their numbers stay. Names of both share one table (open
 * addressing, linear probing, at most half full), in which links follow the nodes: a name is of
 * one thing only.
 */
#include "topology.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "near.h"
#include "util.h"
#include "value.h"

const char *const node_kinds[NODE_NKINDS + 1] = {
	[NODE_HOST] = "host",
	[NODE_ROUTER] = "router",
	[NODE_SWITCH] = "switch",
};

void topology_free(struct topology *t)
{
	free(t->nodes);
	free(t->links);
	free(t->ports);
	free(t->by_name);
	memset(t, 0, sizeof(*t));
}

/* ------------------------------------------------------------------- names */

#define LINKS_SHOWN_BYTES 256 /* of the names of a node's links */
#define LINK_ENTRY 0x80000000u /* an entry of by_name is 1 + the number, and this for a link */

static const char *entry_name(const struct topology *t, uint32_t entry)
{
	if (entry & LINK_ENTRY)
		return t->links[(entry & ~LINK_ENTRY) - 1].name;
	return t->nodes[entry - 1].name;
}

/* Where @name is, or the free slot where it would be. */
static uint32_t *find_slot(const struct topology *t, const char *name)
{
	uint32_t i = (uint32_t)hash_name(name) & (t->nslots - 1);

	while (t->by_name[i] && strcmp(entry_name(t, t->by_name[i]), name) != 0)
		i = (i + 1) & (t->nslots - 1);
	return &t->by_name[i];
}

static int names_grow(struct topology *t)
{
	uint32_t *old = t->by_name, n = t->nslots;

	if (2 * (t->nnames + 1) <= n)
		return 0;
	t->nslots = n ? 2 * n : 64;
	t->by_name = calloc(t->nslots, sizeof(*t->by_name));
	if (!t->by_name) {
		t->by_name = old;
		t->nslots = n;
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		if (old[i])
			*find_slot(t, entry_name(t, old[i])) = old[i];
	free(old);
	return 0;
}

static uint32_t lookup(const struct topology *t, const char *name)
{
	return t->nslots ? *find_slot(t, name) : 0;
}

/* Into a table that has room. */
static void names_add(struct topology *t, const char *name, uint32_t entry)
{
	*find_slot(t, name) = entry;
	t->nnames++;
}

static int check_name(const struct topology *t, const char *what, const char *name, size_t max,
		      struct choppy_err *err)
{
	/* What stands among names in the grammar of action.c. */
	static const char *const words[] = { "any", "of", "reject", "to", "uplink" };
	size_t n = strlen(name);
	char shown[WORD_BYTES];
	uint32_t there;

	if (n == 0 || n > max)
		return err_set(err, -EINVAL, "the name of a %s has 1 to %zu characters, not %zu",
			       what, max, n);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)name[i];

		if ((c < 128 && isalnum(c)) || (i && strchr("-_", c)))
			continue;
		word_shown(shown, name);
		return err_set(err, -EINVAL,
			       "%s '%s': use letters, digits, and behind the first '-', '_'", what,
			       shown);
	}
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i], name) == 0)
			return err_set(err, -EINVAL,
				       "'%s' cannot be the name of a %s: it is a word of what is "
				       "done to a lab",
				       name, what);
	there = lookup(t, name);
	if (there)
		return err_set(err, -EEXIST, "there is a %s '%s' already",
			       there & LINK_ENTRY ? "link" : "node", name);
	return 0;
}

static int not_found(const struct topology *t, bool link, const char *name, struct choppy_err *err)
{
	struct near near = near_begin(name);
	const char *what = link ? "link" : "node";
	char shown[WORD_BYTES];

	if (!err)
		return -ENOENT; /* nobody asks for the nearest, which takes its time */
	word_shown(shown, name);
	for (uint32_t i = 0; i < (link ? t->nlinks : t->nnodes); i++)
		near_try(&near, link ? t->links[i].name : t->nodes[i].name);
	/* A name that has nothing in common with any is not mistyped. */
	if (near.best && near.distance < strlen(name))
		return err_set(err, -ENOENT, "there is no %s '%s'; is it '%s'?", what, shown,
			       near.best);
	return err_set(err, -ENOENT, "there is no %s '%s'", what, shown);
}

int topology_find_node(const struct topology *t, const char *name, uint32_t *ret,
		       struct choppy_err *err)
{
	uint32_t entry = lookup(t, name);

	if (!entry || (entry & LINK_ENTRY))
		return not_found(t, false, name, err);
	*ret = entry - 1;
	return 0;
}

/* Whoever names a node in place of a link is told which links it has. */
static int node_is_no_link(const struct topology *t, uint32_t node, struct choppy_err *err)
{
	const struct topo_node *n = &t->nodes[node];
	char buf[LINKS_SHOWN_BYTES];
	struct text links = text_begin(buf, sizeof(buf));
	uint32_t port = n->first_port, left = n->nports;

	for (; port != NO_PORT; port = t->ports[port].next) {
		const char *name = t->links[port_link(port)].name;

		if (links.len + strlen(", ") + strlen(name) >= sizeof(buf))
			break;
		text_add(&links, "%s%s", links.len ? ", " : "", name);
		left--;
	}
	if (left)
		text_add(&links, " and %u more", left);
	return err_set(err, -ENOENT, "%s is a node, not a link; its links: %s", n->name,
		       n->nports ? buf : "none");
}

int topology_find_link(const struct topology *t, const char *name, uint32_t *ret,
		       struct choppy_err *err)
{
	uint32_t entry = lookup(t, name);

	if (entry && !(entry & LINK_ENTRY))
		return node_is_no_link(t, entry - 1, err);
	if (!entry)
		return not_found(t, true, name, err);
	*ret = (entry & ~LINK_ENTRY) - 1;
	return 0;
}

/* ------------------------------------------------------------------ adding */

/* Room for one more of @size bytes in @array. */
static int grow(void *array, uint32_t n, uint32_t *room, size_t size)
{
	uint32_t want = *room ? 2 * *room : 16;
	void *p;

	if (n < *room)
		return 0;
	p = realloc(*(void **)array, want * size);
	if (!p)
		return -ENOMEM;
	*(void **)array = p;
	*room = want;
	return 0;
}

int topology_add_node(struct topology *t, const char *name, enum node_kind kind, uint32_t *ret,
		      struct choppy_err *err)
{
	struct topo_node *node;
	int r = check_name(t, "node", name, NODE_NAME_MAX, err);

	if (r < 0)
		return r;
	if (t->nnodes == NODES_MAX)
		return err_set(err, -E2BIG, "a lab has at most %d nodes", NODES_MAX);
	r = grow(&t->nodes, t->nnodes, &t->room_nodes, sizeof(*t->nodes));
	if (r == 0)
		r = names_grow(t);
	if (r < 0)
		return err_sys(err, r, "add node %s", name);
	node = &t->nodes[t->nnodes];
	*node = (struct topo_node){ .kind = kind, .first_port = NO_PORT, .last_port = NO_PORT };
	memcpy(node->name, name, strlen(name) + 1);
	names_add(t, name, ++t->nnodes);
	*ret = t->nnodes - 1;
	return 0;
}

static int check_ends(const struct topology *t, uint32_t a, uint32_t b, struct choppy_err *err)
{
	const uint32_t ends[2] = { a, b };

	if (a == b)
		return err_set(err, -EINVAL, "%s is joined to itself", t->nodes[a].name);
	if (t->nlinks == LINKS_MAX)
		return err_set(err, -E2BIG, "a lab has at most %d links", LINKS_MAX);
	for (int i = 0; i < 2; i++) {
		const struct topo_node *node = &t->nodes[ends[i]];

		if (node->kind == NODE_SWITCH && node->nports == SWITCH_PORTS_MAX)
			return err_set(err, -E2BIG,
				       "switch %s has %d links, and a bridge of Linux has no more "
				       "ports: use two switches, and join them",
				       node->name, SWITCH_PORTS_MAX);
	}
	return 0;
}

static void name_link(const struct topology *t, uint32_t a, uint32_t b, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%s-%s", t->nodes[a].name, t->nodes[b].name);

	for (int i = 2; lookup(t, buf); i++)
		snprintf(buf + n, size - (size_t)n, "-%d", i);
}

static void add_port(struct topology *t, uint32_t port, uint32_t node)
{
	struct topo_node *n = &t->nodes[node];

	t->ports[port] = (struct topo_port){ .node = node, .next = NO_PORT, .number = n->nports++ };
	if (n->last_port == NO_PORT)
		n->first_port = port;
	else
		t->ports[n->last_port].next = port;
	n->last_port = port;
}

int topology_add_link(struct topology *t, const char *name, uint32_t a, uint32_t b, uint32_t *ret,
		      struct choppy_err *err)
{
	char own[sizeof(t->links->name) + 16];
	uint32_t room = t->room_links;
	int r = check_ends(t, a, b, err);

	if (r == 0 && name)
		r = check_name(t, "link", name, sizeof(t->links->name) - 1, err);
	if (r < 0)
		return r;
	if (!name) {
		name_link(t, a, b, own, sizeof(own));
		name = own;
		if (strlen(name) >= sizeof(t->links->name))
			return err_set(err, -ENAMETOOLONG, "link %s: give it a shorter name", name);
	}
	r = grow(&t->links, t->nlinks, &room, sizeof(*t->links));
	if (r == 0)
		r = grow(&t->ports, t->nlinks, &t->room_links, 2 * sizeof(*t->ports));
	if (r == 0)
		r = names_grow(t);
	if (r < 0)
		return err_sys(err, r, "add link %s", name);
	memcpy(t->links[t->nlinks].name, name, strlen(name) + 1);
	add_port(t, 2 * t->nlinks, a);
	add_port(t, 2 * t->nlinks + 1, b);
	*ret = t->nlinks++;
	names_add(t, name, (*ret + 1) | LINK_ENTRY);
	return 0;
}

/* ---------------------------------------------------------------- patterns */

/* The first bracket of a pattern. */
struct counter {
	const char *open, *behind;
	unsigned long first, last;
	int width; /* of its numbers, zeros in front */
};

/* 1, 0 when there is no bracket, or a negative errno. */
static int find_counter(struct counter *c, const char *pattern, struct choppy_err *err)
{
	int end = 0, first_end = 0;
	char shown[WORD_BYTES];

	word_shown(shown, pattern);
	c->open = strchr(pattern, '[');
	if (!c->open)
		return 0;
	/* scanf(3) would take signs and blanks, too. */
	sscanf(c->open, "[%*9[0-9]%n-%*9[0-9]]%n", &first_end, &end);
	if (!end || sscanf(c->open, "[%lu-%lu]", &c->first, &c->last) != 2)
		return err_set(err, -EINVAL, "'%s': a range of names is written as name[1-9]",
			       shown);
	if (c->first > c->last)
		return err_set(err, -EINVAL, "'%s' counts backwards", shown);
	c->width = c->open[1] == '0' ? first_end - 1 : 0;
	c->behind = c->open + end;
	return 1;
}

static int expand(const char *pattern, int *left, int (*each)(const char *name, void *ctx),
		  void *ctx, struct choppy_err *err)
{
	char name[256], shown[WORD_BYTES];
	struct counter c;
	int r = find_counter(&c, pattern, err);

	word_shown(shown, pattern);
	if (r == 0) {
		if ((*left)-- == 0)
			return err_set(err, -E2BIG, "'%s': a lab has at most %d nodes", shown,
				       NODES_MAX);
		return each(pattern, ctx);
	}
	for (unsigned long i = c.first; r >= 0 && i <= c.last; i++) {
		int n = snprintf(name, sizeof(name), "%.*s%0*lu%s", (int)(c.open - pattern),
				 pattern, c.width, i, c.behind);

		if (n >= (int)sizeof(name))
			return err_set(err, -ENAMETOOLONG, "'%s' is too long", shown);
		r = expand(name, left, each, ctx, err);
	}
	return r < 0 ? r : 0;
}

int topology_expand(const char *pattern, int (*each)(const char *name, void *ctx), void *ctx,
		    struct choppy_err *err)
{
	int left = NODES_MAX;

	return expand(pattern, &left, each, ctx, err);
}
