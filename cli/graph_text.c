/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lab for a terminal: its picture, if there is room for one, and a list of its links by switch
 * and router, from the top of the drawing. Without a picture alike leaves of a node, whose names
 * count up, are one line.
 */
#include "graph.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 80
#define GAP 4 /* between nodes of the picture */
#define PORTS 4 /* links that a node of the picture has room for, whatever its name */
#define NAME_BYTES 160 /* of a range of names, with its marks */
#define ADDRESS_BYTES 112

/* A line of the list: a link, or some that are alike. */
struct row {
	uint32_t first, last; /* ends at the far nodes */
	uint32_t n;
};

struct list {
	const struct drawing *d;
	FILE *f;
	bool merge;
	bool *listed; /* by link */
	struct row *rows; /* of the node at hand */
	uint32_t nrows;
};

static const struct {
	const char *kind, *open, *close;
} marks[] = {
	{ "host", "", "" },
	{ "router", "[", "]" },
	{ "switch", "(", ")" },
	{ "uplink", "~", "~" },
};

/* @name as a node like @n is written. */
static void marked(char *buf, size_t size, const struct choppy_file_node *n, const char *name)
{
	size_t m = 0;

	while (strcmp(marks[m].kind, n->kind) != 0)
		m++;
	snprintf(buf, size, "%s%s%s%s", marks[m].open, name, marks[m].close, n->runs ? "*" : "");
}

void graph_node_text(char *buf, size_t size, const struct drawing *d, uint32_t node)
{
	marked(buf, size, &d->nodes[node], d->nodes[node].name);
}

/* ------------------------------------------------------------------- ranges */

/* Where the digits at the end of @name begin. */
static size_t digits_of(const char *name)
{
	size_t n = strlen(name);

	while (n > 0 && isdigit((unsigned char)name[n - 1]))
		n--;
	return n;
}

/* Whether name @b is counted one on from @a, as w9 and w10, w09 and w10. */
static bool follows(const char *a, const char *b)
{
	size_t n = digits_of(a), la = strlen(a + n), lb = strlen(b);
	char next[32];

	if (la == 0 || la > 9 || lb < n || strncmp(a, b, n) != 0)
		return false;
	snprintf(next, sizeof(next), "%0*lu", (int)la, strtoul(a + n, NULL, 10) + 1);
	return strcmp(b + n, next) == 0;
}

/* The names from @a to @b, of which each follows the one before. */
static void range(char *buf, size_t size, const char *a, const char *b)
{
	size_t n = digits_of(a);

	if (strcmp(a, b) == 0)
		snprintf(buf, size, "%s", a);
	else
		snprintf(buf, size, "%.*s[%s-%s]", (int)n, a, a + n, b + n);
}

/* Two texts, or one where they are the same. */
static void from_to(char *buf, size_t size, const char *a, const char *b)
{
	bool same = strcmp(a, b) == 0;

	snprintf(buf, size, "%s%s%s", a, same ? "" : " to ", same ? "" : b);
}

/* --------------------------------------------------------------------- list */

static const struct choppy_file_node *node_at(const struct drawing *d, uint32_t end)
{
	return &d->nodes[drawing_node(d, end / 2, end % 2)];
}

/* The name of a link, if it is more than those of its ends. */
static const char *own_name(const struct drawing *d, uint32_t l)
{
	char usual[NAME_BYTES];
	size_t n = (size_t)snprintf(usual, sizeof(usual), "%s-%s", drawing_name(d, l, 0),
				    drawing_name(d, l, 1));
	const char *name = d->links[l].link.name;

	return strncmp(name, usual, n) == 0 && (!name[n] || name[n] == '-') ? "" : name;
}

/* Whether the far node @b may be told in one line with @a. */
static bool alike(const struct drawing *d, uint32_t a, uint32_t b)
{
	const struct choppy_file_node *x = node_at(d, a), *y = node_at(d, b);
	const struct drawn_link *k = &d->links[a / 2], *l = &d->links[b / 2];

	return x->nlinks == 1 && y->nlinks == 1 && x->kind == y->kind && x->runs == y->runs &&
	       k->same && l->same && strcmp(k->words[0], l->words[0]) == 0 &&
	       !*own_name(d, a / 2) && !*own_name(d, b / 2) && follows(x->name, y->name);
}

/* The links of @node that are not in the list yet. */
static void find_rows(struct list *t, uint32_t node)
{
	const struct drawing *d = t->d;

	t->nrows = 0;
	for (uint32_t i = d->first[node]; i < d->first[node + 1]; i++) {
		uint32_t far = d->at[i] ^ 1;
		struct row *last = t->nrows ? &t->rows[t->nrows - 1] : NULL;

		if (t->listed[far / 2])
			continue;
		t->listed[far / 2] = true;
		if (t->merge && last && alike(d, last->last, far)) {
			last->last = far;
			last->n++;
		} else {
			t->rows[t->nrows++] = (struct row){ far, far, 1 };
		}
	}
}

/* The cells of a line: the near address, the far node, and its address. */
enum { NEAR, FAR, ADDRESS, NCELLS };

static void cells_of(const struct list *t, const struct row *row, char cells[NCELLS][NAME_BYTES])
{
	const struct drawing *d = t->d;
	char name[NAME_BYTES];

	from_to(cells[NEAR], ADDRESS_BYTES, drawing_address(d, row->first / 2, !(row->first % 2)),
		drawing_address(d, row->last / 2, !(row->last % 2)));
	range(name, sizeof(name), node_at(d, row->first)->name, node_at(d, row->last)->name);
	marked(cells[FAR], NAME_BYTES, node_at(d, row->first), name);
	from_to(cells[ADDRESS], ADDRESS_BYTES, drawing_address(d, row->first / 2, row->first % 2),
		drawing_address(d, row->last / 2, row->last % 2));
}

static bool put_row(const struct list *t, const char *near, const struct row *row,
		    const int width[NCELLS])
{
	char cells[NCELLS][NAME_BYTES];
	const char *name = own_name(t->d, row->first / 2);
	char *words = drawing_words(t->d, row->first / 2);
	bool more = words && (*words || *name);
	int n;

	if (!words)
		return false;
	cells_of(t, row, cells);
	n = fprintf(t->f, "    %s%s%-*s -- ", near, width[NEAR] ? " " : "", width[NEAR],
		    cells[NEAR]);
	if (more || *cells[ADDRESS])
		fprintf(t->f, "%-*s%s", width[FAR], cells[FAR], *cells[ADDRESS] ? " " : "");
	else
		fputs(cells[FAR], t->f);
	if (more)
		fprintf(t->f, "%-*s  ", width[ADDRESS] + (width[ADDRESS] && !*cells[ADDRESS]),
			cells[ADDRESS]);
	else
		fputs(cells[ADDRESS], t->f);
	fprintf(t->f, "%s%s%s%s%s\n", *name ? "(" : "", name, *name ? ")" : "",
		*name && *words ? " " : "", words);
	free(words);
	return n > 0;
}

/* What is beyond the uplink, behind the node that has it. */
static bool put_uplink(const struct list *t, uint32_t node)
{
	uint32_t l = t->d->nlinks - 1;
	char *words;

	if (t->d->outside == NO_NODE || drawing_node(t->d, l, 0) != node)
		return true;
	words = drawing_words(t->d, l);
	if (words)
		fprintf(t->f, ", %s%s%s", t->d->uplink, *words ? ": " : "", words);
	free(words);
	return words;
}

static bool put_node(struct list *t, uint32_t node)
{
	char cells[NCELLS][NAME_BYTES], near[NAME_BYTES];
	int width[NCELLS] = { 0 };
	bool done;

	find_rows(t, node);
	graph_node_text(near, sizeof(near), t->d, node);
	fprintf(t->f, "\n%s %s", t->d->nodes[node].kind, t->d->nodes[node].name);
	done = put_uplink(t, node);
	fputc('\n', t->f);
	for (uint32_t i = 0; i < t->nrows; i++) {
		cells_of(t, &t->rows[i], cells);
		for (int c = 0; c < NCELLS; c++)
			if ((int)strlen(cells[c]) > width[c])
				width[c] = (int)strlen(cells[c]);
	}
	for (uint32_t i = 0; done && i < t->nrows; i++)
		done = put_row(t, near, &t->rows[i], width);
	return done;
}

static bool has_rows(const struct list *t, uint32_t node)
{
	const struct drawing *d = t->d;

	if (d->outside != NO_NODE && drawing_node(d, d->nlinks - 1, 0) == node)
		return true;
	for (uint32_t i = d->first[node]; i < d->first[node + 1]; i++)
		if (!t->listed[d->at[i] / 2])
			return true;
	return false;
}

/* Nodes that are joined to nothing. */
static void put_alone(const struct list *t)
{
	const struct drawing *d = t->d;
	char name[NAME_BYTES], text[NAME_BYTES];
	const char *lead = "\njoined to nothing: ";

	for (uint32_t i = 0, last; i < d->nnodes; i = last + 1) {
		last = i;
		if (d->nodes[i].nlinks)
			continue;
		while (t->merge && last + 1 < d->nnodes && !d->nodes[last + 1].nlinks &&
		       d->nodes[last + 1].kind == d->nodes[i].kind &&
		       d->nodes[last + 1].runs == d->nodes[i].runs &&
		       follows(d->nodes[last].name, d->nodes[last + 1].name))
			last++;
		range(name, sizeof(name), d->nodes[i].name, d->nodes[last].name);
		marked(text, sizeof(text), &d->nodes[i], name);
		fprintf(t->f, "%s%s", lead, text);
		lead = ", ";
	}
	fputs(*lead == ',' ? "\n" : "", t->f);
}

/* @order: the nodes from the top. Routers and switches come first. */
static bool put_list(struct list *t, const uint32_t *order)
{
	const struct drawing *d = t->d;
	bool done = true;

	if (d->outside != NO_NODE)
		t->listed[d->nlinks - 1] = true;
	for (int hosts = 0; hosts < 2; hosts++)
		for (uint32_t i = 0; done && i < d->nnodes; i++)
			if (order[i] != d->outside &&
			    hosts == (strcmp(d->nodes[order[i]].kind, "host") == 0) &&
			    has_rows(t, order[i]))
				done = put_node(t, order[i]);
	put_alone(t);
	return done;
}

/* -------------------------------------------------------------------- whole */

static int compare_spots(const void *a, const void *b, void *spots)
{
	const struct choppy_spot *x = (struct choppy_spot *)spots + *(const uint32_t *)a;
	const struct choppy_spot *y = (struct choppy_spot *)spots + *(const uint32_t *)b;

	if (x->y != y->y)
		return x->y < y->y ? -1 : 1;
	return x->x < y->x ? -1 : x->x > y->x;
}

static void put_title(const struct drawing *d, FILE *f)
{
	bool outside = d->outside != NO_NODE, runs = false;
	uint32_t nodes = d->nnodes - outside, links = d->nlinks - outside;

	for (uint32_t i = 0; i < d->nnodes; i++)
		runs |= d->nodes[i].runs;
	fprintf(f, "lab %s: %" PRIu32 " node%s, %" PRIu32 " link%s; host, [router], (switch)%s\n",
		d->name, nodes, nodes == 1 ? "" : "s", links, links == 1 ? "" : "s",
		runs ? ", * runs a command" : "");
}

/* The width of a node: that of its text, or what some links beside each other need. */
static int width_of(const struct drawing *d, uint32_t node)
{
	uint32_t links = d->first[node + 1] - d->first[node];
	char text[NAME_BYTES];
	int n, ports = links ? 2 * (links < PORTS ? (int)links : PORTS) - 1 : 0;

	graph_node_text(text, sizeof(text), d, node);
	n = (int)strlen(text);
	return n > ports ? n : ports;
}

static struct choppy_spot *spots_of(const struct drawing *d)
{
	const struct choppy_graph how = { .gap_x = GAP, .gap_y = 1 };
	struct choppy_size *sizes = calloc(d->nnodes + 1, sizeof(*sizes));
	struct choppy_spot *spots = NULL;
	int whole[2];

	for (uint32_t i = 0; sizes && i < d->nnodes; i++)
		sizes[i] = (struct choppy_size){ .w = width_of(d, i), .h = 1 };
	if (sizes)
		spots = drawing_layout(d, sizes, &how, whole);
	free(sizes);
	return spots;
}

bool graph_text(const struct drawing *d, FILE *f)
{
	struct list t = { .d = d, .f = f };
	struct choppy_spot *spots = spots_of(d);
	uint32_t *order = calloc(d->nnodes + 1, sizeof(*order));
	int r = -ENOMEM;

	t.listed = calloc(d->nlinks + 1, sizeof(*t.listed));
	t.rows = calloc(d->nlinks + 1, sizeof(*t.rows));
	if (spots && order && t.listed && t.rows) {
		put_title(d, f);
		r = graph_picture(d, spots, f, COLUMNS);
	}
	if (r >= 0) {
		t.merge = r == 0;
		for (uint32_t i = 0; i < d->nnodes; i++)
			order[i] = i;
		qsort_r(order, d->nnodes, sizeof(*order), compare_spots, spots);
		r = put_list(&t, order) ? 0 : -ENOMEM;
	}
	free(t.listed);
	free(t.rows);
	free(order);
	free(spots);
	return r >= 0;
}
