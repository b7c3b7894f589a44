/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A lab in the language of dot(1). */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *kind, *shape;
} shapes[] = {
	{ "host", "box" },
	{ "router", "ellipse" },
	{ "switch", "hexagon" },
	{ "uplink", "egg" },
};

/* Between quotes. A \ would begin what only dot understands. */
static void quoted(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (strchr("\"\\", *text))
			fputc('\\', f);
		fputc(*text, f);
	}
}

static void node(FILE *f, const struct drawing *d, uint32_t i)
{
	const struct choppy_file_node *n = &d->nodes[i];
	size_t s = 0;

	while (strcmp(shapes[s].kind, n->kind) != 0)
		s++;
	fputs("\t\"", f);
	quoted(f, n->name);
	fprintf(f, "\" [shape=%s, class=\"%s\"", shapes[s].shape, n->kind);
	fputs(i == d->outside ? ", style=dashed" : n->runs ? ", style=bold" : "", f);
	fputs("];\n", f);
}

/* What stands at one end: its addresses, and what it sends meets, if that is only one way. */
static bool end(FILE *f, const struct drawing *d, uint32_t l, int e)
{
	const struct drawn_link *link = &d->links[l];
	const char *address = drawing_address(d, l, e);
	bool way = !link->same && *link->words[e];
	char *text = way ? drawing_way(d, l, e) : NULL;

	if (way && !text)
		return false;
	if (*address || text) {
		fprintf(f, ", %slabel=\"", e ? "head" : "tail");
		quoted(f, address);
		fputs(*address && text ? "\\n" : "", f);
		quoted(f, text ? text : "");
		fputc('"', f);
	}
	free(text);
	return true;
}

static bool edge(FILE *f, const struct drawing *d, uint32_t l)
{
	const struct drawn_link *link = &d->links[l];
	bool done;

	fputs("\t\"", f);
	quoted(f, drawing_name(d, l, 0));
	fputs("\" -- \"", f);
	quoted(f, drawing_name(d, l, 1));
	fputs("\" [id=\"", f);
	quoted(f, link->link.name);
	fputs("\", label=\"", f);
	quoted(f, link->same ? link->words[0] : "");
	fputc('"', f);
	done = end(f, d, l, 0) && end(f, d, l, 1);
	fputs("];\n", f);
	return done;
}

bool graph_dot(const struct drawing *d, FILE *f)
{
	bool done = true;

	fputs("graph \"", f);
	quoted(f, d->name);
	fputs("\" {\n\tnode [fontname=monospace];\n\tedge [fontname=monospace, fontsize=9];\n", f);
	for (uint32_t i = 0; i < d->nnodes; i++)
		node(f, d, i);
	for (uint32_t l = 0; done && l < d->nlinks; l++)
		done = edge(f, d, l);
	fputs("}\n", f);
	return done;
}
